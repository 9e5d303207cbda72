// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import "net/url"

// Continue is where the central portal leads a signed-in browser on to.
type Continue struct {
	Site      string // the origin
	ReturnTo  string // a path there
	Challenge string // of the cookie that the site has given the browser, see auth.Challenge; empty where it shares the portal's
	Again     bool   // the browser has come a second time: when it fails now, it is told so
}

// Path is the path on the portal that does it.
func (c Continue) Path() string {
	q := url.Values{"site": {c.Site}}
	if c.Challenge != "" {
		q.Set("challenge", c.Challenge)
	}
	return Prefix + "continue?" + c.with(q)
}

// Back is the query with which the browser comes to the site, with a code.
func (c Continue) Back(code string) string { return c.with(url.Values{"code": {code}}) }

func (c Continue) with(q url.Values) string {
	q.Set("return_to", c.ReturnTo)
	if c.Again {
		q.Set("again", "1")
	}
	return q.Encode()
}
