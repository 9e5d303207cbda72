// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// withSession finds the session that a call is made with: by the cookie of the pages, or by an access token. Where both came, one of them is
// not what the sender means, and nobody can tell which. An access key passes the gate and opens nothing here.
func withSession(c *call) bool {
	presented, found := visit.Presented(c.Header)
	cookie, has := c.visit.Cookie(c.Request, visit.Session)
	switch {
	case found && has:
		c.answer(badRequest.because("the request has a session cookie and a credential of a program: send one of them"))
		return false
	case found && credential.IsAccessToken(presented.Token):
		c.ticket = presented.Token
	case has:
		c.ticket, c.byCookie = cookie, true
	case found || len(c.Header["Authorization"]) > 0:
		c.answer(kinds[auth.NotSignedIn].because("what was sent opens nothing of this API: send the access token of a sign-in, or the session cookie"))
		return false
	default:
		c.answer(kinds[auth.NotSignedIn])
		return false
	}
	var err error
	c.own, err = c.open(c.ticket)
	switch {
	case auth.KindOf(err) == auth.NotSignedIn && !c.byCookie:
		c.answer(kinds[auth.NotSignedIn].because("the access token has run out, or its session has ended: refresh it, or sign in"))
		return false
	case err != nil:
		c.refuse(err)
		return false
	}
	return true
}

// open finds the session behind the value of a cookie or an access token.
func (c *call) open(ticket string) (*auth.Session, error) {
	asker := auth.Asker{Host: c.visit.Host, Vouched: c.visit.Vouched, Home: c.visit.Home(), Address: c.visit.Address}
	return c.auth.Acting(c.Context(), asker, ticket)
}
