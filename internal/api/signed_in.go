// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// signedIn is the end of a sign-in.
type signedIn struct {
	Status  string   `json:"status"`
	User    user     `json:"user"`
	Session session  `json:"session"`
	Left    *int     `json:"backup_codes_left,omitempty"` // where one was used
	Codes   []string `json:"backup_codes,omitempty"`      // where a first factor was enrolled on the way
	tokens
}

type session struct {
	ID      string    `json:"id"`
	Expires time.Time `json:"expires_at"` // the end, whatever happens
	Methods []method  `json:"methods"`
}

// tokens are the members of an answer that gives a program's session new tokens; of all others they are left out.
type tokens struct {
	Access         string     `json:"access_token,omitempty"`
	Type           string     `json:"token_type,omitempty"`
	ExpiresIn      int        `json:"expires_in,omitempty"` // the access token, in seconds
	Refresh        string     `json:"refresh_token,omitempty"`
	RefreshExpires *time.Time `json:"refresh_expires_at,omitempty"`
}

func (a *API) tokensOf(t *auth.Tokens) tokens {
	expires := moment(t.Expires)
	return tokens{t.Access, "Bearer", int(t.AccessExpires.Sub(a.now()) / time.Second), t.Refresh, &expires}
}

// turned hands out what an act has earned: the tokens of a program's session, or the cookies of a browser's. The cookie of an attempt is never
// among them: what is begun here goes on here.
func (c *call) turned(p auth.Progress) tokens {
	if p.Tokens != nil {
		return c.api.tokensOf(p.Tokens)
	}
	c.visit.SetCookie(c.w, visit.Session, p.Session, p.Expires)
	c.visit.SetCookie(c.w, visit.Browser, p.Browser, time.Now().Add(auth.BrowserLife))
	return tokens{}
}

// ticketOf is what opens the session of an act that is done.
func ticketOf(p auth.Progress) string {
	if p.Tokens != nil {
		return p.Tokens.Access
	}
	return p.Session
}

// signedIn answers the last step of a sign-in.
func (c *call) signedIn(p auth.Progress) (any, error) {
	s, err := c.open(ticketOf(p))
	if err != nil {
		return nil, err
	}
	out := signedIn{
		Status: "signed_in", User: userOf(s), Session: session{s.ID, moment(s.Expires), proven(s.Proofs)}, Codes: p.Codes, tokens: c.turned(p),
	}
	if p.UsedCode {
		out.Left = &p.CodesLeft
	}
	return out, nil
}

// proven are the methods of proofs.
func proven(proofs []auth.Proof) []method {
	methods := []method{}
	for _, p := range proofs {
		methods = append(methods, method(p.Method))
	}
	return methods
}
