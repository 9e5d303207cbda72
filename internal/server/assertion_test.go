// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// Where a token cannot be made, who may pass is told to come back, and the application sees nothing. Requests without a session need none.
func TestNoTokenNoRequest(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	keys := signing.NewKeys(make([]byte, 32), b.Clock.Now)
	var down error
	var log bytes.Buffer
	site, err := server.NewSite(server.SiteConfig{
		Service:   func() (*auth.Service, error) { return b.Service, nil },
		Keys:      func() (*signing.Keys, error) { return keys, down },
		Headers:   identity.Defaults,
		Assertion: &identity.Assertion{Algorithm: signing.EdDSA},
		Now:       b.Clock.Now,
		Log:       slog.New(slog.NewTextHandler(&log, nil)),
		Rules:     []gate.Rule{{Action: gate.Skip, Text: "skip", Match: func(r *http.Request) (bool, error) { return r.URL.Path == "/skip", nil }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func(path, origin string) (status int, reached bool, token []string) {
		t.Helper()
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Nightlatch-Assertion", "forged")
		r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Session), Value: alice.Session})
		w := httptest.NewRecorder()
		v := visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host), Site: origin}
		err := site.ServeHTTP(w, r, v, func(_ http.ResponseWriter, r *http.Request, _ *auth.Session) error {
			reached, token = true, r.Header["Nightlatch-Assertion"]
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return w.Code, reached, token
	}
	const origin = "https://app.example.test"
	if status, reached, token := send("/", origin); status != 200 || !reached || len(token) != 1 || strings.Count(token[0], ".") != 2 {
		t.Errorf("with a token: %d, reached %v, %q", status, reached, token)
	}
	if status, reached, token := send("/skip", origin); status != 200 || !reached || token != nil {
		t.Errorf("skipped: %d, reached %v, %q", status, reached, token)
	}
	if status, reached, _ := send("/", ""); status != 503 || reached || !strings.Contains(log.String(), "audience") {
		t.Errorf("for nobody: %d, reached %v, log %s", status, reached, &log)
	}
	down = errors.New("the keys are away")
	b.Clock.Move(1e9) // it is said once a second
	if status, reached, _ := send("/", origin); status != 503 || reached || !strings.Contains(log.String(), "the keys are away") {
		t.Errorf("without keys: %d, reached %v, log %s", status, reached, &log)
	}
	if status, reached, token := send("/skip", ""); status != 200 || !reached || token != nil {
		t.Errorf("skipped without keys: %d, reached %v, %q", status, reached, token)
	}
	if _, err := server.NewSite(server.SiteConfig{Service: func() (*auth.Service, error) { return b.Service, nil }, Assertion: new(identity.Assertion)}); err == nil {
		t.Error("a site with an assertion and without keys was made")
	}
}

// FA-14: the same towards a proxy that asks: an answer that says yes has the token, and without one there is no yes. What is left in the
// header of the answer, which Caddy writes into the access log, is without it.
func TestNoTokenNoYes(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	keys := signing.NewKeys(make([]byte, 32), b.Clock.Now)
	served, err := server.NewServed(server.SiteConfig{
		Service:   func() (*auth.Service, error) { return b.Service, nil },
		Keys:      func() (*signing.Keys, error) { return keys, nil },
		Headers:   identity.Defaults,
		Assertion: &identity.Assertion{Algorithm: signing.EdDSA},
		Now:       b.Clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	const origin = "https://legacy.example.test"
	for _, p := range []gate.Proxy{gate.NGINX, gate.Traefik} {
		for _, c := range []struct {
			site   string
			status int
		}{{origin, 200}, {"", 503}} {
			original := httptest.NewRequest("GET", origin+"/x", nil)
			original.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Session), Value: alice.Session})
			v := visit.Visit{URL: original.URL, Transport: visit.Secure, Host: visit.HostName(original.Host), Site: c.site, Pages: origin}
			w := httptest.NewRecorder()
			_, err := served.Answer(p, w, httptest.NewRequest("GET", "/", nil), original, v)
			token := w.Result().Header.Values("Nightlatch-Assertion") // as it was sent
			if err != nil || w.Code != c.status || (len(token) == 1 && strings.Count(token[0], ".") == 2) != (c.status == 200) {
				t.Errorf("%s, site %q: %d %q, %v; want %d", p, c.site, w.Code, token, err, c.status)
			}
			if left := w.Header().Values("Nightlatch-Assertion"); left != nil {
				t.Errorf("%s: the log would hold %q", p, left)
			}
			if c.status != 200 && w.Result().Header.Values("Remote-User") != nil {
				t.Errorf("%s: a no says who it is: %v", p, w.Result().Header)
			}
		}
	}
}
