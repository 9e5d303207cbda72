// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// hand is a session of a person as a client holds it: it goes on with what each answer gives.
type hand struct {
	*desk
	carrier string
	holds   string // the value of the cookie, or the access token
	id      string // of the session
}

const byCookie, byTokens = "cookie", "tokens"

// carriers are the two ways in which a client holds a session.
var carriers = []string{byCookie, byTokens}

// hand signs a person in. Whoever has a second factor shows a code of the authenticator, of a step of its own.
func (d *desk) hand(p *authtest.Person, carrier string) *hand {
	d.t.Helper()
	h := &hand{desk: d, carrier: carrier}
	in := []any{"username", p.Name, "password", p.Password, "tokens", carrier == byTokens}
	if p.Secret != nil {
		d.Clock.Move(otp.Period)
		in = append(in, "code", p.Code())
	}
	members := h.ask("POST", "sign-in", of(in...)).is(200, "")
	if members["status"] != "signed_in" || h.holds == "" {
		d.t.Fatalf("signing %s in: %v", p.Name, members)
	}
	h.id = members["session"].(map[string]any)["id"].(string)
	return h
}

// sends is how the session is presented.
func (h *hand) sends() func(*http.Request) {
	switch {
	case h.holds == "":
		return func(*http.Request) {}
	case h.carrier == byTokens:
		return header("Authorization", "Bearer "+h.holds)
	}
	return cookie(visit.Session, h.holds)
}

// ask asks with the session, and keeps a new cookie or new tokens.
func (h *hand) ask(method, path, body string, change ...func(*http.Request)) answered {
	h.t.Helper()
	a := h.desk.ask(method, path, body, append(change, h.sends())...)
	a.what += " by " + h.carrier
	if c := a.given()["__Host-nightlatch"]; c != nil {
		h.holds = c.Value
		if h.carrier == byTokens {
			h.t.Errorf("%s: a program gets a cookie", a.what)
		}
	}
	if token, has := a.members()["access_token"].(string); has {
		h.holds = token
		if h.carrier == byCookie {
			h.t.Errorf("%s: a browser gets tokens", a.what)
		}
	}
	return a
}

// turns tells whether an answer came with a new cookie or new tokens, after which the older ones are dead (SE-3, ASVS 7.2.4).
func (h *hand) turns(ask func() answered) (answered, bool) {
	h.t.Helper()
	before := *h
	a := ask()
	turned := before.holds != h.holds
	if turned {
		old := before.desk.ask("GET", "account", "", before.sends())
		old.what += " with what was held before " + a.what
		old.is(401, "sign-in-required")
	}
	return a, turned
}

// sudo proves the password and a fresh code.
func (h *hand) sudo(p *authtest.Person) map[string]any {
	h.t.Helper()
	in := []any{"password", p.Password}
	if p.Secret != nil {
		h.Clock.Move(otp.Period)
		in = append(in, "code", p.Code())
	}
	return h.ask("POST", "sudo", of(in...)).is(200, "")
}

// codeOf is what an authenticator with a key shows now.
func (d *desk) codeOf(secret []byte) string { return otp.Code(secret, otp.Step(d.Clock.Now())) }

// sentTo is a message's code that was sent to somewhere.
func (d *desk) codeSent(kind auth.MessageKind, to string) string {
	d.t.Helper()
	m := d.Await(d.t, kind)
	if m.To != to {
		d.t.Errorf("the code went to %q, want %q", m.To, to)
	}
	return m.Code
}

// texts are the members of a list of texts.
func texts(list any) []string {
	var out []string
	for _, x := range list.([]any) {
		out = append(out, x.(string))
	}
	return out
}

// within is a member of a member.
func within(members map[string]any, path string) any {
	var at any = members
	for name := range strings.SplitSeq(path, ".") {
		m, _ := at.(map[string]any)
		at = m[name]
	}
	return at
}
