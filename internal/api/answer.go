// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import "github.com/nightlatch/nightlatch/web"

// act is one thing that a program does. What it returns is the body of the answer; nil: none.
type act[In any] func(c *call, in In) (any, error)

// answer reads what an act takes, does it, and answers: with the given status where all went well.
func answer[In any](status int, do act[In]) handler {
	return func(c *call) {
		in, ok := read[In](c)
		if !ok {
			return
		}
		out, err := do(c, in)
		switch {
		case err != nil:
			c.refuse(err)
		case out == nil:
			web.Nothing(c.w, status)
		default:
			web.JSON(c.w, c.Request, status, out)
		}
	}
}
