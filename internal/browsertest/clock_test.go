// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/forms"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// newHouse is a site behind TLS in this process, with a clock that the test moves: what takes ten minutes in the program takes none
// here. /vault wants proofs of the last ten minutes, /desk no second factor.
func newHouse(t *testing.T) (*authtest.Bench, *httptest.Server) {
	t.Helper()
	chromium(t)
	bench := authtest.New(t)
	at := func(path string) func(*http.Request) (bool, error) {
		return func(r *http.Request) (bool, error) { return strings.HasPrefix(r.URL.Path, path), nil }
	}
	site, err := server.NewSite(server.SiteConfig{
		Service: func() (*auth.Service, error) { return bench.Service, nil },
		Headers: identity.Defaults,
		Forms:   forms.NewRoom(),
		Now:     bench.Clock.Now,
		Rules: []gate.Rule{
			{Action: gate.Require, Need: auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}, PathBound: true, Text: "require /vault", Match: at("/vault")},
			{Action: gate.Require, Need: auth.Requirement{Level: auth.LevelPassword}, PathBound: true, Text: "require /desk", Match: at("/desk")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bench, overTLS(t, func(w http.ResponseWriter, r *http.Request) {
		v := visit.Visit{URL: r.URL, Address: authtest.Client.Address, Transport: visit.Secure, Host: visit.HostName(r.Host)}
		if err := site.ServeHTTP(w, r, v, application); err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
	})
}

func overTLS(t *testing.T, serve http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(serve)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // Chromium tries each connection once before it overlooks the certificate
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func application(w http.ResponseWriter, r *http.Request, _ *auth.Session) error {
	w.Header().Set("Content-Type", "text/html")
	_, err := fmt.Fprintf(w, "<!doctype html><title>Application</title><p>%s sees %s", r.Header.Get("Remote-User"), r.URL.Path)
	return err
}

func TestExpiredAttempt(t *testing.T) {
	bench, front := newHouse(t)
	alice := bench.Enroll(t, auth.NewUser{Name: "alice"})
	b := newTab(t, front.URL)
	b.open("/page").fill("name", "alice", "password", alice.Password).press("Sign in").sees(200, "/_nightlatch/second-factor")
	bench.Clock.Move(11 * time.Minute)
	b.fill("code", alice.Code()).press("Continue").
		sees(403, "/_nightlatch/second-factor", "This sign-in took too long, or was finished in another window.").shoot("30-expired")
	b.press("Sign in").sees(200, "/_nightlatch/sign-in")
	b.fill("name", "alice", "password", alice.Password).press("Sign in").sees(200, "/_nightlatch/second-factor")
	b.fill("code", alice.Code()).press("Continue").sees(200, "/", "alice sees /")
}

// A rule wants a fresh proof: what is asked for is what is missing, and then the person is where they wanted to go.
func TestStepUp(t *testing.T) {
	bench, front := newHouse(t)
	alice := bench.Enroll(t, auth.NewUser{Name: "alice"})
	b := newTab(t, front.URL)
	b.open("/page").fill("name", "alice", "password", alice.Password).press("Sign in").
		fill("code", alice.Code()).press("Continue").sees(200, "/page", "alice sees /page")
	b.open("/vault/1?gold=yes").sees(200, "/vault/1", "alice sees /vault/1")

	bench.Clock.Move(11 * time.Minute)
	b.open("/page").sees(200, "/page", "alice sees /page")
	b.open("/vault/1?gold=yes").sees(200, "/_nightlatch/sudo", "Is it still you?").shoot("31-sudo")
	b.fill("password", "not the right one at all").press("Continue").
		refused(403, "/_nightlatch/sudo", "not the password of this account", "password").shoot("32-sudo-refused")
	b.fill("password", alice.Password).press("Continue").sees(200, "/_nightlatch/second-factor")
	b.fill("code", alice.Code()).press("Continue").sees(200, "/vault/1", "alice sees /vault/1")
	if b.page.Path != "/vault/1?gold=yes" {
		t.Errorf("the step-up led to %s, want the page that was asked for", b.page.Path)
	}
}

// Somebody without a second factor sets one up when a page first wants it, and after many wrong codes is told how long to wait.
func TestLateEnrollment(t *testing.T) {
	bench, front := newHouse(t)
	bob := bench.AddUser(t, auth.NewUser{Name: "bob"})
	b := newTab(t, front.URL)
	b.open("/desk").fill("name", "bob", "password", bob.Password).press("Sign in").sees(200, "/desk", "bob sees /desk")
	b.open("/_nightlatch/account").sees(200, "/_nightlatch/account", "None yet").saysNot("backup code").shoot("33-account-without-factor")
	b.open("/page").sees(200, "/_nightlatch/two-factor/enable")
	phone := b.scan()
	phone.now = bench.Clock.Now
	for range 5 {
		b.fill("code", phone.wrong()).press("Turn on").refused(403, "/_nightlatch/two-factor/enable", "This code is not right.", "code")
	}
	b.fill("code", phone.wrong()).press("Turn on").
		refused(429, "/_nightlatch/two-factor/enable", "There were too many tries. To keep the account safe, wait 5 seconds", "code").shoot("34-too-many-tries")
	bench.Clock.Move(time.Minute)
	b.fill("code", phone.next()).press("Turn on").sees(200, "/_nightlatch/backup-codes").press("I have saved them").sees(200, "/page", "bob sees /page")
}

// The sign-in page is light: with its style, icon and script under 30 KB over the wire.
func TestSignInPageIsLight(t *testing.T) {
	_, front := newHouse(t)
	b := newTab(t, front.URL)
	b.open("/").sees(200, "/_nightlatch/sign-in")
	b.mu.Lock()
	defer b.mu.Unlock()
	t.Logf("the sign-in page and all that it loads are %.0f bytes", b.received)
	if b.received == 0 || b.received > 30<<10 {
		t.Errorf("got %.0f bytes, want 30 KB at most", b.received)
	}
}

// A failing store is a page too.
func TestOutOfOrder(t *testing.T) {
	bench, front := newHouse(t)
	alice := bench.Enroll(t, auth.NewUser{Name: "alice"})
	b := newTab(t, front.URL)
	b.open("/page").fill("name", "alice", "password", alice.Password)
	bench.Store.FailUpdates(errors.New("disk gone"))
	b.press("Sign in").sees(503, "/_nightlatch/sign-in", "Sign-in is out of order").shoot("35-out-of-order")
	bench.Store.FailUpdates(nil)
	b.leads(chromedp.Reload()).sees(200, "/_nightlatch/second-factor")
}

// Somebody whose one second factor is their mailbox gets a code without asking, another one after half a minute, and only the newest counts.
func TestResend(t *testing.T) {
	bench, front := newHouse(t)
	bench.WithMail()
	bob := bench.EnrollWith(t, auth.NewUser{Name: "bob", Email: "bob@example.com"}, auth.NewFactor{Method: auth.Email})
	bench.Sent()
	const page = "/_nightlatch/second-factor"
	b := newTab(t, front.URL)
	b.open("/page").fill("name", "bob", "password", bob.Password).press("Sign in").
		sees(200, page, "We sent a code by e-mail to b•••@example.com.").shoot("36-mailed-at-once")
	first := bench.Await(t, auth.MessageCode)
	b.press("Send another code").sees(429, page+"/send", "A code was sent only a short time ago, or too many were. Wait 30 seconds, then have another one sent.").shoot("37-too-soon")
	bench.Clock.Move(29 * time.Second)
	b.press("Send another code").sees(429, page+"/send", "Wait one second")
	bench.Clock.Move(time.Second)
	b.press("Send another code").sees(200, page, "We sent a code by e-mail to b•••@example.com.")
	second := bench.Await(t, auth.MessageCode)
	b.fill("code", first.Code).press("Continue").refused(403, page, "This code is not right. Type the newest one that was sent to you.", "code")
	b.fill("code", second.Code).press("Continue").sees(200, "/page", "bob sees /page")
}

// A browser is trusted for as long as the person was told, and not a minute longer.
func TestTrustRunsOut(t *testing.T) {
	bench, front := newHouse(t)
	bench.Configure(func(s *auth.Settings) { s.Trust = 30 * 24 * time.Hour })
	alice := bench.Enroll(t, auth.NewUser{Name: "alice"})
	b := newTab(t, front.URL)
	b.open("/page").fill("name", "alice", "password", alice.Password).press("Sign in").check("trust").fill("code", alice.Code()).press("Continue").sees(200, "/page", "alice sees /page")
	bench.Clock.Move(30*24*time.Hour - time.Minute)
	b.open("/page").fill("name", "alice", "password", alice.Password).press("Sign in").sees(200, "/page", "alice sees /page")
	bench.Clock.Move(24 * time.Hour)
	b.open("/page").fill("name", "alice", "password", alice.Password).press("Sign in").sees(200, "/_nightlatch/second-factor", "six digits")
}
