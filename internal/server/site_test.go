// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/forms"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var errMatcher = errors.New("matcher failed")

// newSite skips /skip, fails to match /fails, panics at /panics, and asks for two factors everywhere else.
func newSite(t *testing.T, b *authtest.Bench) *server.Site {
	t.Helper()
	match := func(fn func(path string) (bool, error)) func(*http.Request) (bool, error) {
		return func(r *http.Request) (bool, error) { return fn(r.URL.Path) }
	}
	site, err := server.NewSite(server.SiteConfig{
		Service: func() (*auth.Service, error) { return b.Service, nil },
		Headers: identity.Defaults,
		Forms:   forms.NewRoom(),
		Now:     b.Clock.Now,
		Rules: []gate.Rule{
			{Action: gate.Skip, Text: "skip", PathBound: true, Match: match(func(p string) (bool, error) { return p == "/skip", nil })},
			{Action: gate.Deny, Text: "trouble", PathBound: true, Match: match(func(p string) (bool, error) {
				switch p {
				case "/fails":
					return false, errMatcher
				case "/panics":
					panic("in a matcher")
				}
				return false, nil
			})},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// ask sends a request as a browser's, with a session unless it is empty, over TLS as far as anybody can tell.
func ask(site *server.Site, path, session string, next server.Next) (*httptest.ResponseRecorder, error) {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Remote-User", "root")
	if session != "" {
		r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Session), Value: session})
	}
	w := httptest.NewRecorder()
	err := site.ServeHTTP(w, r, visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host)}, next)
	return w, err
}

// mustNot is an application that nobody may reach.
func mustNot(t *testing.T) server.Next {
	return func(_ http.ResponseWriter, r *http.Request, _ *auth.Session) error {
		t.Errorf("%s reached the application", r.URL)
		return nil
	}
}

func TestStrangerGetsNoFurther(t *testing.T) {
	site := newSite(t, authtest.New(t))
	w, err := ask(site, "/", "", mustNot(t))
	if err != nil || w.Code != http.StatusSeeOther {
		t.Errorf("got %d, %v, want 303", w.Code, err)
	}
}

// PC-23: what begins like one of our addresses is answered by us, whatever follows.
func TestOurAddressesNeverReachTheApplication(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	for _, path := range []string{"/_nightlatch/sign-in", "/_nightlatch/nothing", "/_nightlatch/", "/_nightlatch/../admin", "/_nightlatch/%2e%2e/admin"} {
		if _, err := ask(site, path, alice.Session, mustNot(t)); err != nil {
			t.Errorf("%s: got error %v, want an answer", path, err)
		}
	}
}

func TestSignedInPersonPassesAndIsNamed(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	want := errors.New("of the application")
	var got *http.Request
	w, err := ask(site, "/app", alice.Session, func(w http.ResponseWriter, r *http.Request, s *auth.Session) error {
		got = r
		if s == nil || s.Name != "alice" {
			t.Errorf("got session %v, want alice's", s)
		}
		// The application cannot plant our cookie.
		w.Header().Add("Set-Cookie", "__Host-nightlatch=planted; Secure; Path=/")
		w.WriteHeader(http.StatusTeapot)
		return want
	})
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want the application's unchanged", err)
	}
	if w.Code != http.StatusTeapot || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("got %d and cookie %q, want 418 and none", w.Code, w.Header().Get("Set-Cookie"))
	}
	if u, c := got.Header.Values("Remote-User"), got.Header.Get("Cookie"); len(u) != 1 || u[0] != "alice" || c != "" {
		t.Errorf("the application was told user %q, cookie %q, want alice and none", u, c)
	}
}

// ID-5: a skipped request tells nobody's name, also not that of somebody who is signed in.
func TestSkippedRequestIsNobodys(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	for _, session := range []string{"", alice.Session} {
		reached := false
		if _, err := ask(site, "/skip", session, func(w http.ResponseWriter, r *http.Request, s *auth.Session) error {
			reached = true
			if u := r.Header.Values("Remote-User"); s != nil || len(u) > 0 || r.Header.Get("Cookie") != "" {
				t.Errorf("got session %v, user %q, cookie %q, want none", s, u, r.Header.Get("Cookie"))
			}
			return nil
		}); err != nil || !reached {
			t.Errorf("got reached %v, error %v", reached, err)
		}
	}
}

// A WebSocket or a stream hangs on the context of its request: that is how it ends with the session.
func TestRequestEndsWithItsSession(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	var after context.Context
	_, err := ask(site, "/stream", alice.Session, func(_ http.ResponseWriter, r *http.Request, _ *auth.Session) error {
		after = r.Context()
		if err := after.Err(); err != nil {
			t.Fatalf("got %v before the session ended", err)
		}
		if _, err := b.RevokeSessions(t.Context(), auth.Client{}, "alice"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
		return context.Cause(r.Context())
	})
	if !errors.Is(err, server.ErrSessionEnded) {
		t.Errorf("got %v, want %v", err, server.ErrSessionEnded)
	}
}

func TestRequestThatIsOverHoldsNoWatch(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	var ctx context.Context
	if _, err := ask(site, "/", alice.Session, func(_ http.ResponseWriter, r *http.Request, _ *auth.Session) error {
		ctx = r.Context()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := context.Cause(ctx); !errors.Is(got, context.Canceled) || errors.Is(got, server.ErrSessionEnded) {
		t.Errorf("got cause %v, want that the request is over", got)
	}
}

// AD-9: an error or a panic on the way to a decision never comes to the application.
func TestAD9ASVS16_5_4TroubleNeverPasses(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})

	w, err := ask(site, "/fails", alice.Session, mustNot(t))
	if !errors.Is(err, errMatcher) || w.Body.Len() > 0 {
		t.Errorf("got %v and body %q, want the matcher's error and nothing written", err, w.Body)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		ask(site, "/panics", alice.Session, mustNot(t))
	}()
}

func TestMatcherErrorLeavesNoClaimForErrorPages(t *testing.T) {
	site := newSite(t, authtest.New(t))
	r := httptest.NewRequest("GET", "/fails", nil)
	r.Header.Set("Remote-User", "root")
	err := site.ServeHTTP(httptest.NewRecorder(), r, visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host)}, mustNot(t))
	if got := r.Header.Values("Remote-User"); err == nil || len(got) > 0 {
		t.Errorf("got error %v and Remote-User %q, want an error and none", err, got)
	}
}

// ST-11: a store that fails is neither a pass nor "signed out".
func TestFailingStoreIsUnavailable(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	site, err := server.NewSite(server.SiteConfig{
		Service: func() (*auth.Service, error) { return nil, errors.New("cannot open") },
		Headers: identity.Defaults,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/_nightlatch/sign-in"} {
		w, err := ask(site, path, alice.Session, mustNot(t))
		if err != nil || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d, Retry-After %q, %v, want 503", path, w.Code, w.Header().Get("Retry-After"), err)
		}
		if strings.Contains(w.Body.String(), "cannot open") {
			t.Errorf("%s: the page shows the cause: %s", path, w.Body)
		}
	}
}

func TestNewSiteRefuses(t *testing.T) {
	service := func() (*auth.Service, error) { return nil, errors.New("never asked") }
	if _, err := server.NewSite(server.SiteConfig{}); err == nil {
		t.Error("a site without a service was accepted")
	}
	if _, err := server.NewSite(server.SiteConfig{Service: service, Headers: identity.Config{User: "Remote_User"}}); err == nil {
		t.Error("a header with an underscore was accepted")
	}
	if _, err := server.NewSite(server.SiteConfig{Service: service, Rules: []gate.Rule{{Action: gate.Skip}}}); err == nil {
		t.Error("skipping everything was accepted")
	}
}

// An answer that the application leaves to the server or to error pages plants no cookie of ours either, and those pages get a request
// without trailers.
func TestWhatIsLeftToTheCaller(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	r := httptest.NewRequest("POST", "/app", strings.NewReader("body"))
	r.ContentLength, r.Trailer = -1, http.Header{"Remote-User": {"root"}}
	r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Session), Value: alice.Session})
	w := httptest.NewRecorder()
	err := site.ServeHTTP(w, r, visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host)}, func(w http.ResponseWriter, _ *http.Request, _ *auth.Session) error {
		w.Header().Add("Set-Cookie", "__Host-nightlatch=planted; Secure; Path=/")
		w.Header().Add("Set-Cookie", "theirs=1")
		return errors.New("out of order")
	})
	if got := w.Header().Values("Set-Cookie"); err == nil || len(got) != 1 || got[0] != "theirs=1" {
		t.Errorf("got %v and cookies %q, want an error and theirs alone", err, got)
	}
	if r.Trailer != nil || len(r.Header.Values("Cookie")) > 0 {
		t.Errorf("the request still has trailers %q and cookies %q", r.Trailer, r.Header.Values("Cookie"))
	}
}

// The gate and the portal show one name, also where the configuration gives none.
func TestBrand(t *testing.T) {
	for brand, want := range map[string]string{"": auth.DefaultSettings.Brand, "Example": "Example"} {
		site, err := server.NewSite(server.SiteConfig{Service: func() (*auth.Service, error) { return nil, errors.New("down") }, Brand: web.Brand{Name: brand}})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/_nightlatch/sign-in"} {
			r := httptest.NewRequest("GET", "https://app.example.com"+path, nil)
			r.Header.Set("Accept", "text/html")
			w := httptest.NewRecorder()
			err := site.ServeHTTP(w, r, visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host)}, nil)
			if err != nil || !strings.Contains(w.Body.String(), " · "+want+"</title>") {
				t.Errorf("brand %q, %s: got %v, %s, want the title to name %s", brand, path, err, w.Body, want)
			}
		}
	}
}

// MF-5: the password of an account opens nothing but the sign-in page, whatever header carries it.
func TestMF5ASVS7_2_2PasswordInAHeader(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	for _, with := range []func(r *http.Request){
		func(r *http.Request) { r.SetBasicAuth("alice", alice.Password) },
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+alice.Password) },
		func(r *http.Request) { r.Header.Set("Proxy-Authorization", "Basic YWxpY2U6eA==") },
		func(r *http.Request) { r.URL.User = url.UserPassword("alice", alice.Password) },
	} {
		r := httptest.NewRequest("GET", "/", nil)
		with(r)
		w := httptest.NewRecorder()
		if err := site.ServeHTTP(w, r, visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host)}, mustNot(t)); err != nil || w.Code != http.StatusUnauthorized {
			t.Errorf("got %d, %v, want 401", w.Code, err)
		}
	}
}
