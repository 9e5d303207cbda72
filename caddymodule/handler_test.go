// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// newHandler is a Handler as Provision leaves it, on a store in memory.
func newHandler(t testing.TB, b *authtest.Bench, rules ...gate.Rule) *Handler {
	t.Helper()
	site, err := server.NewSite(server.SiteConfig{
		Service: func() (*auth.Service, error) { return b.Service, nil },
		Rules:   rules,
		Headers: identity.Defaults,
		Now:     b.Clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Handler{site: site, log: slog.New(slog.DiscardHandler), warnProxy: func() {}}
}

// over is a request over TLS, of alice if she has a session.
func over(target, session string) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com"+target, nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	if session != "" {
		r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Session), Value: session})
	}
	return prepared(r)
}

// The IP matchers of Caddy answer early data with 425; so do we, and the client tries again.
func TestStatusOfAMatcherIsKept(t *testing.T) {
	h := newHandler(t, authtest.New(t), gate.Rule{Action: gate.Skip, Text: "skip", Match: func(*http.Request) (bool, error) {
		return false, caddyhttp.Error(http.StatusTooEarly, errors.New("early"))
	}})
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, over("/", ""), nil)
	status, ok := errors.AsType[caddyhttp.HandlerError](err)
	if !ok || status.StatusCode != http.StatusTooEarly || w.Body.Len() > 0 {
		t.Errorf("got %v, body %q, want status 425 and nothing written", err, w.Body)
	}
}

func TestSignInIsNotTakenFromEarlyData(t *testing.T) {
	h := newHandler(t, authtest.New(t))
	for target, want := range map[string]int{"/_nightlatch/sign-in": http.StatusTooEarly, "/_nightlatch/": http.StatusTooEarly} {
		r := over(target, "")
		r.TLS.HandshakeComplete = false
		err := h.ServeHTTP(httptest.NewRecorder(), r, nil)
		if status, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || status.StatusCode != want {
			t.Errorf("%s: got %v, want status %d", target, err, want)
		}
	}
}

// ID-17: whatever another handler has said of the user is gone, on a request that passes and on one that does not.
func TestUserPlaceholdersAreOurs(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", FullName: "Alice A.", Email: "alice@example.com", Groups: []string{"admins", "staff"}})
	h := newHandler(t, b, gate.Rule{Action: gate.Skip, Text: "skip", PathBound: true, Match: func(r *http.Request) (bool, error) { return r.URL.Path == "/open", nil }})
	keys := []string{"id", "name", "email", "groups", "role"}
	for name, c := range map[string]struct {
		r    *http.Request
		want []any
	}{
		"alice":     {over("/", alice.Session), []any{"alice", "Alice A.", "alice@example.com", "admins,staff", nil}},
		"skipped":   {over("/open", alice.Session), []any{"", "", "", "", nil}},
		"refused":   {over("/", ""), []any{nil, nil, nil, nil, nil}},
		"our pages": {over("/_nightlatch/sign-in", ""), []any{nil, nil, nil, nil, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			repl := c.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
			for _, key := range keys {
				repl.Set("http.auth.user."+key, "planted")
			}
			next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
			if err := h.ServeHTTP(httptest.NewRecorder(), c.r, next); err != nil {
				t.Fatal(err)
			}
			for i, key := range keys {
				if got, _ := repl.Get("http.auth.user." + key); got != c.want[i] {
					t.Errorf("%s: got %v, want %v", key, got, c.want[i])
				}
			}
		})
	}
}

func TestErrorRoutesThatServeContent(t *testing.T) {
	for raw, want := range map[string]string{
		`{"handler":"static_response","body":"reverse_proxy"}`:                                           "",
		`{"handler":"reverse_proxy"}`:                                                                    "reverse_proxy",
		`{"handler":"subroute","routes":[{"handle":[{"handler":"rewrite"},{"handler":"file_server"}]}]}`: "file_server",
		`{"handler":"subroute","routes":[{"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"reverse_proxy","transport":{"protocol":"fastcgi"}}]}]}]}]}`: "reverse_proxy",
	} {
		if got := servesContent([]byte(raw)); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

// BenchmarkPass is a request of a signed-in person through the whole handler, without the proxy behind it. Caddy's preparation of the
// request is not ours and not counted.
func BenchmarkPass(b *testing.B) {
	bench := authtest.New(b)
	alice := bench.Enroll(b, auth.NewUser{Name: "alice", Email: "alice@example.com", Groups: []string{"admins"}})
	h := newHandler(b, bench)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	w := httptest.NewRecorder()
	requests := make([]*http.Request, 1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(requests) == 0 {
			b.StopTimer()
			for j := range requests {
				requests[j] = over("/page", alice.Session)
			}
			b.StartTimer()
		}
		if err := h.ServeHTTP(w, requests[i%len(requests)], next); err != nil {
			b.Fatal(err)
		}
	}
}
