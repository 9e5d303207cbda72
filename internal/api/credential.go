// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// withSession finds the session that a call is made with.
func withSession(c *call) bool {
	c.ticket, c.byCookie = c.visit.Cookie(c.Request, visit.Session)
	if !c.byCookie {
		c.answer(kinds[auth.NotSignedIn])
		return false
	}
	var err error
	if c.own, err = c.auth.Session(c.Context(), auth.Asker{Host: c.visit.Host, Vouched: c.visit.Vouched}, c.ticket); err != nil {
		c.refuse(err)
		return false
	}
	return true
}
