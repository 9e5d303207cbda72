// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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
	known := hostOrigins{secure: map[string]string{"app.example.com": "https://app.example.com"}}
	return &Handler{app: new(App), site: site, log: slog.New(slog.DiscardHandler), warnProxy: func() {}, origins: func() hostOrigins { return known },
		forward: &forwardAuth{log: slog.New(slog.DiscardHandler), served: make(served)}}
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
	r := over("/_nightlatch/sign-in", "")
	r.Method = http.MethodPost
	r.TLS.HandshakeComplete = false
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	if err := h.ServeHTTP(w, r, nil); err != nil || w.Code != http.StatusTooEarly {
		t.Errorf("got %d, %v, want 425", w.Code, err)
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

// What the Caddyfile parser refuses a JSON configuration cannot smuggle in.
func TestHeadersFromJSONAreChecked(t *testing.T) {
	for handler, want := range map[string]string{
		`"preset": "kibana"`: "there is no preset 'kibana'; there are: 2fauth, ",
		`"preset": "grafana", "headers": {"user": "X-User"}`: "preset and headers both say",
		`"preset": "grafana", "headers": {}`:                 "preset and headers both say",
		`"headers": {"user": "Remote_User"}`:                 "letters, digits and hyphens only",
		`"preset": "grafana"`:                                "",
		`"preset": ""`:                                       "",
	} {
		server := `{"servers": {"s": {"listen": ["127.0.0.1:0"], "routes": [{"handle": [{"handler": "nightlatch", ` + handler + `}]}]}}}`
		ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"http": json.RawMessage(server)}})
		if err != nil && (want == "" || !strings.Contains(err.Error(), want)) || err == nil && want != "" {
			t.Errorf("%s: got %v, want an error with %q", handler, err, want)
		}
		if err == nil {
			for _, name := range []string{"http", "nightlatch"} {
				if app, err := ctx.AppIfConfigured(name); err == nil {
					app.(caddy.CleanerUpper).Cleanup()
				}
			}
		}
	}
}

// passed is an application that counts.
func passed(n *int) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { *n++; return nil })
}

// TestPassingIsCheap holds the allocations of the whole handler for a request of a signed-in person: the seven of server.Site, and one
// for the placeholders.
func TestPassingIsCheap(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com", Groups: []string{"admins"}})
	h := newHandler(t, b)
	requests := make([]*http.Request, 101) // a request is read once; AllocsPerRun warms up with the first
	for i := range requests {
		requests[i] = over("/page", alice.Session)
	}
	w := httptest.NewRecorder()
	i, n := 0, 0
	next := passed(&n)
	got := testing.AllocsPerRun(len(requests)-1, func() {
		if err := h.ServeHTTP(w, requests[i], next); err != nil {
			t.Fatal(err)
		}
		i++
	})
	if n != len(requests) || got > 8 {
		t.Errorf("got %v allocations, %d requests passed, want at most 8, all %d", got, n, len(requests))
	}
}

// benchmarkHandler runs requests through the whole handler, without the proxy behind it. Caddy's preparation of a request is not ours
// and not counted. Few are prepared at a time, so that they are in the processor's cache, as a request is that has just been read.
func benchmarkHandler(b *testing.B, h *Handler, session string, wantPass bool) {
	w := httptest.NewRecorder()
	requests := make([]*http.Request, 16)
	n := 0
	next := passed(&n)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(requests) == 0 {
			b.StopTimer()
			clear(w.Header())
			for j := range requests {
				requests[j] = over("/page", session)
				requests[j].Header.Set("Accept", "text/html")
			}
			b.StartTimer()
		}
		if err := h.ServeHTTP(w, requests[i%len(requests)], next); err != nil {
			b.Fatal(err)
		}
	}
	if wantPass != (n > 0) {
		b.Fatalf("%d requests passed", n)
	}
}

// BenchmarkPassLive is a request of a signed-in person whose session is in memory: what the gate adds to it before the application's
// handlers begin.
func BenchmarkPassLive(b *testing.B) {
	bench := authtest.New(b)
	alice := bench.Enroll(b, auth.NewUser{Name: "alice", Email: "alice@example.com", Groups: []string{"admins"}})
	benchmarkHandler(b, newHandler(b, bench), alice.Session, true)
}

// BenchmarkRefuseStranger is a person without a session who is led to the sign-in page.
func BenchmarkRefuseStranger(b *testing.B) {
	benchmarkHandler(b, newHandler(b, authtest.New(b)), "", false)
}
