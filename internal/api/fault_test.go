// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// ST-11, MF-25: while the store fails, in whatever way, a sign-in gets no further at any step, and nobody is told that a password, a code or a
// token is wrong. What was refused so works once the store is back (ST-3).
func TestST3ST11MF25TheStoreFailsAtEachStep(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	faults := map[string]func(error){"reads": d.Store.FailViews, "writes": d.Store.FailUpdates, "commits": d.Store.FailCommits}
	for _, prefix := range []string{"session/", "user/", "factors/", "attempt/", "guess/", "name/", "refresh/"} {
		faults[prefix] = func(err error) { d.Store.FailReads(prefix, err) }
	}
	// denied asks under each fault, and then without.
	denied := func(step, by string, ask func() answered) map[string]any {
		t.Helper()
		failed := 0
		for name, fail := range faults {
			d.Restart(t) // so that nothing is in memory
			fail(errors.New("disk on fire"))
			a := ask()
			fail(nil)
			if a.Code == 503 {
				failed++
				a.is(503, "unavailable")
				if a.Header().Get("Retry-After") == "" || len(a.given()) > 0 {
					t.Errorf("%s, %s: %v", step, name, a.Header())
				}
			} else if name == by {
				t.Errorf("%s, %s: got %d", step, name, a.Code)
			} else if a.Code != 200 {
				t.Errorf("%s, %s: got %d %s", step, name, a.Code, a.Body)
			}
		}
		if failed == 0 {
			t.Errorf("%s: nothing fails", step)
		}
		return ask().is(200, "")
	}
	attempt := denied("the password", "name/", func() answered {
		return d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password, "tokens", true))
	})["attempt"]
	// A code is good for one answer, so only what must fail is tried.
	for _, name := range []string{"reads", "writes", "commits", "session/", "user/", "factors/", "attempt/", "guess/"} {
		faults[name](errors.New("disk on fire"))
		d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", alice.Code())).is(503, "unavailable")
		faults[name](nil)
	}
	tokens := d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", alice.Code())).is(200, "")
	denied("an access token", "session/", func() answered { return d.ask("GET", "account", "", bearer(tokens)) })
	for _, name := range []string{"writes", "commits", "session/", "user/", "refresh/"} {
		faults[name](errors.New("disk on fire"))
		d.ask("POST", "token/refresh", of("refresh_token", tokens["refresh_token"])).is(503, "unavailable")
		if name != "refresh/" {
			d.ask("POST", "token/revoke", of("refresh_token", tokens["refresh_token"])).is(503, "unavailable")
			d.ask("POST", "sign-out", "", bearer(tokens)).is(503, "unavailable")
		}
		faults[name](nil)
	}
	tokens = d.ask("POST", "token/refresh", of("refresh_token", tokens["refresh_token"])).is(200, "")
	d.ask("GET", "account", "", bearer(tokens)).is(200, "")
}

// The operator hears once a second why nobody can be signed in, however many ask; and nothing of a client that gave up.
func TestUnavailableIsLoggedOnceASecond(t *testing.T) {
	d := newDesk(t)
	d.fails = errors.New("disk on fire")
	lines := func(requests int, change ...func(*http.Request)) int {
		d.log.Reset()
		for range requests {
			d.ask("POST", "token/refresh", of("refresh_token", "x"), change...).is(503, "unavailable")
		}
		return strings.Count(d.log.String(), "disk on fire")
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	left := func(r *http.Request) { *r = *r.WithContext(gone) }
	for _, c := range []struct {
		when string
		got  int
		want int
	}{
		{"a client that gave up", lines(1, left), 0},
		{"ten in a second", lines(10), 1},
		{"ten more in it", lines(10), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %d lines, want %d", c.when, c.got, c.want)
		}
	}
	d.Clock.Move(time.Second)
	if got := lines(10); got != 1 {
		t.Errorf("a second later: got %d lines, want 1", got)
	}
}
