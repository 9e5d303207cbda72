// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/api/apitest"
	"github.com/nightlatch/nightlatch/internal/programtest"
)

// client asks as curl does: it sends what it is told and keeps nothing by itself. It holds a session by its cookie or by its tokens.
type client struct {
	t      *testing.T
	base   string
	http   *http.Client
	tokens bool
	holds  string // the value of the cookie, or the access token
}

// newClient asks the site over TLS.
func (x *sites) newClient(t *testing.T, tokens bool) *client {
	return &client{t: t, base: named("https", x.gatedSecure), tokens: tokens, http: &http.Client{
		Transport:     apitest.Transport{T: t, Base: &http.Transport{TLSClientConfig: x.trust, ForceAttemptHTTP2: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send sends a request with what the client holds, unless it has something else to show.
func (c *client) send(method, path, body string, show ...func(*http.Request)) (status int, h http.Header, text string) {
	c.t.Helper()
	r, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	must(c.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	switch {
	case len(show) > 0:
		show[0](r)
	case c.holds == "":
	case c.tokens:
		r.Header.Set("Authorization", "Bearer "+c.holds)
	default:
		r.Header.Set("Cookie", "__Host-nightlatch="+c.holds)
	}
	resp, err := c.http.Do(r)
	must(c.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(c.t, err)
	for _, set := range resp.Cookies() {
		if set.Name == "__Host-nightlatch" && !c.tokens {
			c.holds = set.Value
		}
	}
	return resp.StatusCode, resp.Header, string(b)
}

// ask asks the API, demands a status, and keeps new tokens.
func (c *client) ask(method, path string, status int, members ...any) map[string]any {
	c.t.Helper()
	in, body := map[string]any{}, []byte(nil)
	for i := 0; i < len(members); i += 2 {
		in[members[i].(string)] = members[i+1]
	}
	if len(members) > 0 {
		var err error
		body, err = json.Marshal(in)
		must(c.t, err)
	}
	got, _, text := c.send(method, "/_nightlatch/api/v1/"+path, string(body))
	if got != status {
		c.t.Fatalf("%s %s: got %d, want %d\n%s", method, path, got, status, text)
	}
	out := map[string]any{}
	if text != "" {
		must(c.t, json.Unmarshal([]byte(text), &out))
	}
	if token, has := out["access_token"].(string); has {
		c.holds = token
	}
	return out
}

// reaches tells as whom the client reaches the application.
func (c *client) reaches(want string, show ...func(*http.Request)) {
	c.t.Helper()
	status, _, text := c.send("GET", "/", "", show...)
	if got := fmt.Sprint(status, " ", strings.TrimSpace(text)); want != "" && got != "200 "+want || want == "" && status != http.StatusUnauthorized {
		c.t.Errorf("the application: got %.200s, want %q", got, want)
	}
}

// A person does everything about their account by the API alone, with a cookie and with tokens: enrolls in the sign-in, passes the gate, adds a
// factor and names it, sees and ends sessions, makes and takes away an app password, changes the password, turns two-factor sign-in off, and
// signs out. At each step the gate knows at once.
func TestStoryAPIAccount(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Remote-User")) }))
	t.Cleanup(app.Close)
	x := newSites(t, app.Listener.Addr().String())
	for name, tokens := range map[string]bool{"carol": false, "dave": true} {
		t.Run(name, func(t *testing.T) {
			p := x.server.addPerson(t, name)
			c := x.newClient(t, tokens)
			code := func() string {
				t.Helper()
				code, err := p.Code()
				must(t, err)
				return code
			}
			key := func(members map[string]any) []byte {
				t.Helper()
				secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(members["secret"].(string))
				must(t, err)
				return secret
			}

			members := c.ask("POST", "sign-in", 200, "username", name, "password", programtest.Password, "tokens", tokens)
			members = c.ask("POST", "sign-in/enroll", 200, "attempt", members["attempt"], "method", "totp", "name", "phone")
			c.reaches("") // MF-6: not before it is confirmed
			p.Secret = key(members["enrollment"].(map[string]any))
			members = c.ask("POST", "sign-in/verify", 200, "attempt", members["attempt"], "code", code())
			for _, paper := range members["backup_codes"].([]any) {
				p.Paper = append(p.Paper, paper.(string))
			}
			own := members["session"].(map[string]any)["id"].(string)
			c.reaches(name)

			// A step-up turns the session, for the gate too (SE-3).
			before := *c
			c.ask("POST", "sudo", 401, "password", "not the right one")
			c.ask("POST", "sudo", 200, "password", programtest.Password, "code", p.Paper[0])
			before.reaches("")
			c.reaches(name)

			// Another factor, and the first one goes.
			tablet := &person{Name: name}
			members = c.ask("POST", "two-factor/totp", 201, "name", "tablet")
			tablet.Secret = key(members)
			first, err := tablet.Code()
			must(t, err)
			members = c.ask("POST", "two-factor/totp/"+members["id"].(string)+"/confirm", 200, "code", first)
			id := members["factor"].(map[string]any)["id"].(string)
			if members = c.ask("PATCH", "two-factor/"+id, 200, "name", "big tablet"); members["name"] != "big tablet" {
				t.Errorf("renamed: %v", members)
			}
			for _, f := range c.ask("GET", "two-factor", 200)["factors"].([]any) {
				if f := f.(map[string]any); f["id"] != id {
					c.ask("DELETE", "two-factor/"+f["id"].(string), 204)
				}
			}
			c.ask("DELETE", "two-factor/"+id, 409)
			paper := p.Paper
			p = tablet

			// A browser on the pages, which is told apart and ended.
			b := x.secure(t)
			must(t, b.SignIn(p))
			if sessions := c.ask("GET", "sessions", 200)["sessions"].([]any); len(sessions) != 2 {
				t.Fatalf("there are %d sessions, want 2", len(sessions))
			} else if newest := sessions[0].(map[string]any); newest["current"] == true {
				t.Errorf("the newest session is %v", newest)
			} else {
				c.ask("DELETE", "sessions/"+newest["id"].(string), 204)
			}
			must(t, b.Send("GET", "/", nil))
			if b.At.Status != http.StatusSeeOther {
				t.Error(b.Unexpected("its session was ended"))
			}

			// An app password, for what it is for.
			members = c.ask("POST", "app-passwords", 201, "name", "player", "methods", []string{"GET"})
			basic := func(r *http.Request) { r.SetBasicAuth(name, members["token"].(string)) }
			c.reaches(name, basic)
			c.ask("DELETE", "app-passwords/"+members["id"].(string), 204)
			c.reaches("", basic)

			// New backup codes, and a new password.
			codes := c.ask("POST", "two-factor/backup-codes", 200)["backup_codes"].([]any)
			c.ask("POST", "sudo", 401, "password", programtest.Password, "code", paper[1])
			c.ask("POST", "password", 422, "current_password", programtest.Password, "new_password", "short")
			const passphrase = "four tidy otters under glass"
			c.ask("POST", "password", 200, "current_password", programtest.Password, "new_password", passphrase)
			c.reaches(name)

			// Off. The site asks for two factors, so the gate asks for one to be enrolled.
			members = c.ask("POST", "two-factor/disable", 200, "password", passphrase)
			c.ask("POST", "two-factor/disable", 200, "attempt", members["attempt"], "method", "backup_code", "code", codes[0])
			if members = c.ask("GET", "two-factor", 200); members["enabled"] != false || members["required"] != true {
				t.Errorf("after it was turned off: %v", members)
			}
			c.reaches("")

			c.ask("DELETE", "sessions/"+own, 204)
			c.ask("GET", "account", 401)
		})
	}
}
