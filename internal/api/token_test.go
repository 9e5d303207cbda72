// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// program signs a person in with tokens.
func (d *desk) program(p *authtest.Person) map[string]any {
	d.t.Helper()
	d.Clock.Move(otp.Period)
	return d.ask("POST", "sign-in", of("username", p.Name, "password", p.Password, "code", p.Code(), "tokens", true)).is(200, "")
}

// browser signs a person in with a cookie, and returns what sends it.
func (d *desk) browser(p *authtest.Person) func(*http.Request) {
	d.t.Helper()
	d.Clock.Move(otp.Period)
	a := d.ask("POST", "sign-in", of("username", p.Name, "password", p.Password, "code", p.Code()))
	a.is(200, "")
	return cookie(visit.Session, a.given()["__Host-nightlatch"].Value)
}

// bearer sends the access token of an answer.
func bearer(members map[string]any) func(*http.Request) {
	return header("Authorization", "Bearer "+members["access_token"].(string))
}

// A pair of tokens is exchanged for the next: the refresh token rotates, the access token lives for five minutes, and neither gives more
// than the sign-in did (OA-9).
func TestTokensAreRefreshed(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	first := d.program(alice)
	d.ask("GET", "account", "", bearer(first)).is(200, "")
	d.Clock.Move(5 * time.Minute)
	a := d.ask("GET", "account", "", bearer(first))
	a.is(401, "sign-in-required")
	if got := a.Header().Get("WWW-Authenticate"); got != `Bearer realm="nightlatch", error="invalid_token"` {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	a = d.ask("POST", "token/refresh", of("refresh_token", first["refresh_token"]))
	second := a.is(200, "")
	if got := names(second); got != "access_token expires_in refresh_expires_at refresh_token token_type" || len(a.given()) > 0 {
		t.Errorf("the answer has %s, and sets %v", got, a.given())
	}
	if second["refresh_token"] == first["refresh_token"] || second["refresh_expires_at"] != first["refresh_expires_at"] {
		t.Errorf("from %v until %v, after %v until %v", second["refresh_token"], second["refresh_expires_at"], first["refresh_token"], first["refresh_expires_at"])
	}
	d.ask("GET", "account", "", bearer(second)).is(200, "")

	// OA-6: the first one comes again, long after: somebody has copied it, and everything ends.
	d.Clock.Move(time.Minute)
	d.ask("POST", "token/refresh", of("refresh_token", first["refresh_token"])).is(401, "invalid-refresh-token")
	d.ask("POST", "token/refresh", of("refresh_token", second["refresh_token"])).is(401, "invalid-refresh-token")
	d.ask("GET", "account", "", bearer(second)).is(401, "sign-in-required")
}

// Whatever is wrong with a refresh token, the answer is one, and asks for a sign-in.
func TestRefreshTokensThatAreNone(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	tokens := d.program(alice)
	challenge := d.challenged(alice)
	for name, token := range map[string]any{
		"garbage": "x", "an access token": tokens["access_token"], "a cookie": alice.Session, "an attempt": challenge, "a longer one": tokens["refresh_token"].(string) + "A",
		"a shorter one": strings.TrimRight(tokens["refresh_token"].(string), "="), "a cut one": tokens["refresh_token"].(string)[:40],
	} {
		a := d.ask("POST", "token/refresh", of("refresh_token", token))
		a.what += " with " + name
		a.is(401, "invalid-refresh-token")
		a = d.ask("POST", "token/revoke", of("refresh_token", token))
		a.what += " with " + name
		a.is(204, "")
	}
	d.ask("GET", "account", "", bearer(tokens)).is(200, "")
	d.ask("GET", "account", "", cookie(visit.Session, alice.Session)).is(200, "")
}

// OA-8: what ends a session ends its tokens, each way.
func TestOA8TokensEndWithTheirSession(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *desk, *authtest.Person, map[string]any){
		"revoked": func(t *testing.T, d *desk, _ *authtest.Person, tokens map[string]any) {
			d.ask("POST", "token/revoke", of("refresh_token", tokens["refresh_token"])).is(204, "")
		},
		"signed out": func(t *testing.T, d *desk, _ *authtest.Person, tokens map[string]any) {
			a := d.ask("POST", "sign-out", "", bearer(tokens))
			a.is(204, "")
			if len(a.given()) > 0 || a.Header().Get("Clear-Site-Data") != "" {
				t.Errorf("a program is sent %v", a.Header())
			}
		},
		"disabled": func(t *testing.T, d *desk, _ *authtest.Person, _ map[string]any) {
			if err := d.SetDisabled(t.Context(), auth.Client{}, "alice", true); err != nil {
				t.Fatal(err)
			}
		},
		"the end": func(t *testing.T, d *desk, _ *authtest.Person, _ map[string]any) { d.Clock.Move(12 * time.Hour) },
		"idle":    func(t *testing.T, d *desk, _ *authtest.Person, _ map[string]any) { d.Clock.Move(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			alice := d.Enroll(t, auth.NewUser{Name: "alice"})
			tokens := d.program(alice)
			end(t, d, alice, tokens)
			d.ask("GET", "account", "", bearer(tokens)).is(401, "sign-in-required")
			d.ask("POST", "token/refresh", of("refresh_token", tokens["refresh_token"])).is(401, "invalid-refresh-token")
			d.ask("POST", "sign-out", "", bearer(tokens)).is(401, "sign-in-required")
			d.ask("POST", "token/revoke", of("refresh_token", tokens["refresh_token"])).is(204, "")
		})
	}
}

// With the cookie, signing out takes that too, and with it what a browser kept of the application.
func TestSignOutWithTheCookie(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	other := alice.Session
	alice.SignIn(t)
	a := d.ask("POST", "sign-out", "{}", cookie(visit.Session, alice.Session))
	a.is(204, "")
	gone := a.given()["__Host-nightlatch"]
	if gone == nil || gone.MaxAge >= 0 || gone.Value != "" || !gone.Secure || gone.Path != "/" || a.Header().Get("Clear-Site-Data") != `"cache"` {
		t.Errorf("the answer has %v", a.Header())
	}
	d.ask("GET", "account", "", cookie(visit.Session, alice.Session)).is(401, "sign-in-required")
	d.ask("POST", "sign-out", "", cookie(visit.Session, alice.Session)).is(401, "sign-in-required")
	d.ask("GET", "account", "", cookie(visit.Session, other)).is(200, "")
	d.ask("POST", "sign-out", "").is(401, "sign-in-required")
}

// A request has one credential. Two of them are a mistake, or somebody else's, and an access key opens nothing here, in whatever form.
func TestOneCredentialAndNoAccessKey(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	bob := d.Enroll(t, auth.NewUser{Name: "bob"})
	tokens := d.program(bob)
	key := "nlk0123456789abcdef_" + strings.Repeat("k", 43)
	basic := func(r *http.Request) { r.SetBasicAuth("alice", key) }
	pair := func(r *http.Request) {
		r.Header.Set("CF-Access-Client-Id", key[:19])
		r.Header.Set("CF-Access-Client-Secret", key[20:])
	}
	mine := cookie(visit.Session, alice.Session)
	every(func(method, path string) {
		if open[path] {
			return
		}
		for name, change := range map[string][]func(*http.Request){
			"both":                    {mine, bearer(tokens)},
			"a cookie and a key":      {mine, header("Authorization", "Bearer "+key)},
			"a cookie and Basic":      {mine, basic},
			"a cookie and a pair":     {mine, pair},
			"a cookie and a dead one": {mine, header("Authorization", "Bearer "+tokens["access_token"].(string)[:200])},
		} {
			a := d.ask(method, path, bodyOf(method), change...)
			a.what += " with " + name
			a.is(400, "bad-request")
		}
		for name, change := range map[string][]func(*http.Request){
			"a key":             {header("Authorization", "Bearer "+key)},
			"a key as password": {basic},
			"a key as a pair":   {pair},
			"two tokens": {func(r *http.Request) {
				r.Header["Authorization"] = []string{"Bearer " + tokens["access_token"].(string), "Bearer " + tokens["access_token"].(string)}
			}},
			"a token and a key": {bearer(tokens), pair},
			"a cookie's value":  {header("Authorization", "Bearer "+bob.Session)},
			"a refresh token":   {header("Authorization", "Bearer "+tokens["refresh_token"].(string))},
			"a password":        {func(r *http.Request) { r.SetBasicAuth("bob", bob.Password) }},
			"a token as cookie": {cookie(visit.Session, tokens["access_token"].(string))},
			"a tampered token":  {header("Authorization", "Bearer "+tampered(tokens["access_token"].(string)))},
		} {
			a := d.ask(method, path, bodyOf(method), change...)
			a.what += " with " + name
			detail, _ := a.is(401, "sign-in-required")["detail"].(string)
			want, says := `Bearer realm="nightlatch", error="invalid_token"`, "send the access token of a sign-in"
			switch name {
			case "a token as cookie":
				want, says = `Bearer realm="nightlatch"`, "there is no session"
			case "a tampered token":
				says = "refresh it, or sign in"
			}
			if !strings.Contains(detail, says) {
				t.Errorf("%s: the detail is %q, and does not say %q", a.what, detail, says)
			}
			if got := a.Header().Get("WWW-Authenticate"); got != want {
				t.Errorf("%s: WWW-Authenticate is %q, want %q", a.what, got, want)
			}
		}
	})
	// What is not in our shape is for a handler in front, and the cookie counts.
	for name, change := range map[string]func(*http.Request){
		"a password": func(r *http.Request) { r.SetBasicAuth("alice", "a password of hers") }, "a foreign token": header("Authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
	} {
		a := d.ask("GET", "account", "", mine, change)
		a.what += " with " + name
		a.is(200, "")
	}
}

// tampered turns a bit in the signature of a token (JW-7).
func tampered(token string) string {
	i := strings.LastIndexByte(token, '.') + 5
	c := byte('A')
	if token[i] == c {
		c = 'B'
	}
	return token[:i] + string(c) + token[i+1:]
}
