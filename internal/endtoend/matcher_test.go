// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// TestMatchersAndPlaceholders: the rest of a Caddyfile can tell who was let through, how far they have proven it, and nothing in front of
// the gate or where a rule skips it.
func TestMatchersAndPlaceholders(t *testing.T) {
	addr := programtest.FreeAddr(t)
	s := serve(t, "", fmt.Sprintf(`http://%s {
	@staff nightlatch_group staff ops
	@other nightlatch_group Staff
	@ada nightlatch_user ADA
	@notAda not nightlatch_user ada
	@strong nightlatch_level two_factor
	@weak nightlatch_level password
	@anybody nightlatch_level password two_factor
	@both expression `+"`nightlatch_group('ops', 'staff') && nightlatch_level('two_factor') && !nightlatch_user('bob')`"+`
	@gone path /gone
	route {
		header @notAda X-Early not-ada
		header @anybody X-Early somebody
		nightlatch {
			require /lax password
			skip /open
		}
		header {
			X-Level "[{http.nightlatch.level}]"
			X-Methods "[{http.nightlatch.methods}]"
			X-Session "[{http.nightlatch.session}]"
			X-Time "[{http.nightlatch.auth_time}]"
			X-Vars "[{http.vars.nightlatch.passed}]"
		}
		header @staff +X-Is staff
		header @other +X-Is other
		header @ada +X-Is ada
		header @notAda +X-Is not-ada
		header @weak +X-Is weak
		header @strong +X-Is strong
		header @anybody +X-Is somebody
		header @both +X-Is both
		error @gone 410
		respond @strong "the vault"
		respond "the hall"
	}
	handle_errors {
		header @ada +X-Is ada
		respond "{err.status_code} for {http.auth.user.id}"
	}
}`, addr))
	base := "http://" + addr
	began := time.Now().Add(-time.Second)
	_, ada := s.joined(t, "ada", base, nil, "--group", "staff")
	bob := programtest.NewBrowser(t, base, nil)
	must(t, bob.TypePassword(s.addPerson(t, "bob", "--group", "ops")))
	stranger := programtest.NewBrowser(t, base, nil)

	nobody := []string{"[]", "[]", "[]", "[]"}
	for _, c := range []struct {
		name, path string
		who        *browser
		body       string
		is         []string
		level      string
		methods    string
	}{
		{"two factors", "/", ada, "the vault", []string{"staff", "ada", "strong", "somebody", "both"}, "[two_factor]", "[password,totp]"},
		{"two factors where a password is enough", "/lax", ada, "the vault", []string{"staff", "ada", "strong", "somebody", "both"}, "[two_factor]", "[password,totp]"},
		{"a password", "/lax", bob, "the hall", []string{"staff", "not-ada", "weak", "somebody"}, "[password]", "[password]"},
		{"skipped, signed in", "/open", ada, "the hall", []string{"not-ada"}, "[]", "[]"},
		{"skipped, a stranger", "/open", stranger, "the hall", []string{"not-ada"}, "[]", "[]"},
		{"error routes", "/gone", ada, "410 for ada", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(t, c.who.Open(c.path))
			h := c.who.At.Header
			if c.who.At.Body != c.body {
				t.Errorf("got %d %q, want %q", c.who.At.Status, c.who.At.Body, c.body)
			}
			if got := h.Get("X-Early"); got != "not-ada" {
				t.Errorf("in front of the gate the matchers say %q, want not-ada: nobody is signed in there", got)
			}
			if c.path == "/gone" {
				if !slices.Contains(h.Values("X-Is"), "ada") {
					t.Error("the matchers do not match in the error routes of a request that had passed")
				}
				return
			}
			if got := h.Values("X-Is"); !slices.Equal(got, c.is) {
				t.Errorf("got %q, want %q", got, c.is)
			}
			if got := h.Get("X-Vars"); got != "[true]" {
				t.Errorf("the variable shows %q, want [true] and nothing of the person", got)
			}
			got := []string{h.Get("X-Level"), h.Get("X-Methods"), h.Get("X-Session"), h.Get("X-Time")}
			if c.level == "[]" {
				if !slices.Equal(got, nobody) {
					t.Errorf("got %q, want %q", got, nobody)
				}
				return
			}
			if got[0] != c.level || got[1] != c.methods {
				t.Errorf("got %q, want %s %s", got[:2], c.level, c.methods)
			}
			if !regexp.MustCompile(`^\[[0-9a-f]{16}]$`).MatchString(got[2]) || !strings.Contains(s.Do(t, "", "session", "list", "--address", "unix/"+s.Socket()), strings.Trim(got[2], "[]")) {
				t.Errorf("%s is not the id of a session that is listed", got[2])
			}
			at, err := strconv.ParseInt(strings.Trim(got[3], "[]"), 10, 64)
			if err != nil || time.Unix(at, 0).Before(began.Truncate(time.Second)) || time.Unix(at, 0).After(time.Now()) {
				t.Errorf("proven at %s, want a time since %d", got[3], began.Unix())
			}
		})
	}
}
