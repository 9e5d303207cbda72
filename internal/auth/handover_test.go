// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

const (
	portalHost = "auth.example.com"
	appHost    = "app.example.net"
	appSite    = "https://app.example.net"
	appCookie  = "what the site has put into the browser"
)

// fromHost is somebody who asks for a host.
func fromHost(c auth.Client, host string) auth.Client {
	c.Host = host
	return c
}

// signedInAt is a person with a session at one host.
func signedInAt(t *testing.T, b *authtest.Bench, p *authtest.Person, host string) string {
	t.Helper()
	pr, err := b.SignIn(bg, fromHost(p.Client(), host), p.Credentials())
	if err == nil && pr.Step == auth.StepCode {
		pr, err = b.Code(bg, fromHost(p.Client(), host), pr.Attempt, auth.TOTP, p.Code())
		b.Clock.Move(30 * time.Second)
	}
	pr = wantStep(t, pr, err, auth.StepDone, "signing in at "+host)
	p.Browser = pr.Browser
	return pr.Session
}

// codeFor has the portal make a code for the application.
func codeFor(t *testing.T, b *authtest.Bench, p *authtest.Person, session string) string {
	t.Helper()
	to := auth.HandOver{Site: appSite, Challenge: auth.Challenge(appCookie), ReturnTo: "/inbox"}
	code, err := b.HandOver(bg, fromHost(p.Client(), portalHost), session, to)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// opened is the ticket that the application gets.
func opened(t *testing.T, b *authtest.Bench, p *authtest.Person, session string) string {
	t.Helper()
	pr, err := b.TakeOver(bg, fromHost(p.Client(), appHost), appSite, appCookie, codeFor(t, b, p, session))
	if err != nil || pr.Step != auth.StepDone || pr.Session == "" || pr.ReturnTo != "/inbox" {
		t.Fatalf("taking a session over: %+v, %v", pr, err)
	}
	return pr.Session
}

func wantNobody(t *testing.T, b *authtest.Bench, host, value, what string) {
	t.Helper()
	if _, err := b.Session(bg, host, value); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("%s at %s: got %v, want nobody", what, host, err)
	}
}

// SE-24: a session works at the host at which it was made, and nowhere else, also once it is in memory.
func TestSE24SessionsAreOfOneHost(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	session := signedInAt(t, b, alice, "app.example.com")
	for range 2 {
		for _, host := range []string{"", "example.com", "b.app.example.com", "xapp.example.com", "app.example.com.evil.test", ".app.example.com"} {
			wantNobody(t, b, host, session, "a session of app.example.com")
		}
		if s, err := b.Session(bg, "app.example.com", session); err != nil || s.Name != "alice" {
			t.Fatalf("at its own host: %v, %v", s, err)
		}
	}
	_, err := b.StepUp(bg, fromHost(alice.Client(), "other.example.com"), session, auth.Sudo, "")
	wantKind(t, err, auth.NotSignedIn, "stepping up at another host")
}

// With a cookie for a domain the session works at all of its hosts, and at no other that only ends so.
func TestSE13SessionsOfADomain(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	c := fromHost(alice.Client(), portalHost)
	c.Domain = "example.com"
	pr, err := b.SignIn(bg, c, alice.Credentials())
	if err == nil {
		pr, err = b.Code(bg, c, pr.Attempt, auth.TOTP, alice.Code())
	}
	pr = wantStep(t, pr, err, auth.StepDone, "signing in")
	for _, host := range []string{"example.com", "auth.example.com", "a.b.example.com"} {
		if _, err := b.Session(bg, host, pr.Session); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"", "evil-example.com", "com", "example.com.evil.test", "example.org"} {
		wantNobody(t, b, host, pr.Session, "a session of the domain")
	}
}

func TestHandOverOpensOneSite(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Groups: []string{"staff"}})
	session := signedInAt(t, b, alice, portalHost)
	ticket := opened(t, b, alice, session)
	s, err := b.Session(bg, appHost, ticket)
	if err != nil || s.Name != "alice" || !s.Handed || twoFactor.Judge(s, b.Clock.Now()) != auth.Pass {
		t.Fatalf("at the site: %+v, %v", s, err)
	}
	if own, err := b.Session(bg, portalHost, session); err != nil || own.ID != s.ID || own.Handed {
		t.Errorf("at the portal: %+v, %v", own, err)
	}
	wantNobody(t, b, portalHost, ticket, "the ticket of the site")
	wantNobody(t, b, appHost, session, "the ticket of the portal")
	wantNobody(t, b, "other.example.net", ticket, "the ticket of the site")
	if list, err := b.Sessions(bg, "alice"); err != nil || len(list) != 2 { // and the one of the enrollment
		t.Errorf("sessions: %v, %v; want no more for the hand-over", list, err)
	}
	if again := opened(t, b, alice, session); again == ticket {
		t.Error("a second hand-over gave the same ticket")
	}
	wantNobody(t, b, appHost, ticket, "the ticket that another has replaced")
}

// What opens one application changes nothing about the account, and gets nothing more handed over.
func TestHandedOverSessionsAreForTheApplication(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	ticket := opened(t, b, alice, signedInAt(t, b, alice, portalHost))
	c := fromHost(alice.Client(), appHost)
	for name, act := range map[string]func() error{
		"HandOver": func() error { _, err := b.HandOver(bg, c, ticket, auth.HandOver{Site: appSite}); return err },
		"StepUp":   func() error { _, err := b.StepUp(bg, c, ticket, twoFactor, ""); return err },
		"AddFactor": func() error {
			_, err := b.AddFactor(bg, c, ticket, byApp)
			return err
		},
		"NewBackupCodes":   func() error { _, err := b.NewBackupCodes(bg, c, ticket); return err },
		"DisableTwoFactor": func() error { _, err := b.DisableTwoFactor(bg, c, ticket); return err },
		"ChangePassword": func() error {
			_, err := b.ChangePassword(bg, c, ticket, alice.Password, newPassword)
			return err
		},
		"EndOtherSessions": func() error { return b.EndOtherSessions(bg, c, ticket) },
	} {
		wantKind(t, act(), auth.NotSignedIn, name)
	}
}

// A code works once, for thirty seconds, at one site, in one browser, while the session of the portal goes on.
func TestHandOverCodes(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	session := signedInAt(t, b, alice, portalHost)
	take := func(host, site, cookie, code string) error {
		_, err := b.TakeOver(bg, fromHost(alice.Client(), host), site, cookie, code)
		return err
	}
	for name, wrong := range map[string]func(code string) error{
		"another browser":        func(code string) error { return take(appHost, appSite, "another cookie", code) },
		"no cookie":              func(code string) error { return take(appHost, appSite, "", code) },
		"another site":           func(code string) error { return take(appHost, "https://wiki.example.net", appCookie, code) },
		"the site in plain HTTP": func(code string) error { return take(appHost, "http://app.example.net", appCookie, code) },
		"half a minute": func(code string) error {
			b.Clock.Move(30 * time.Second)
			return take(appHost, appSite, appCookie, code)
		},
	} {
		code := codeFor(t, b, alice, session)
		wantKind(t, wrong(code), auth.CodeGone, name)
		wantKind(t, take(appHost, appSite, appCookie, code), auth.CodeGone, "the right way after "+name)
	}
	for name, code := range map[string]string{"nothing": "", "a session": session, "a visitor's token": b.VisitorToken(), "words": "open sesame"} {
		wantKind(t, take(appHost, appSite, appCookie, code), auth.CodeGone, name)
	}
	code := codeFor(t, b, alice, session)
	b.Clock.Move(30*time.Second - time.Nanosecond)
	if err := take(appHost, appSite, appCookie, code); err != nil {
		t.Errorf("just in time: %v", err)
	}
	wantKind(t, take(appHost, appSite, appCookie, code), auth.CodeGone, "a second time")
	code = codeFor(t, b, alice, session)
	if err := b.SignOut(bg, fromHost(alice.Client(), portalHost), session); err != nil {
		t.Fatal(err)
	}
	wantKind(t, take(appHost, appSite, appCookie, code), auth.CodeGone, "after the sign-out")
	for key := range b.Records(t, "hand-over/") {
		if strings.Contains(key, code) {
			t.Errorf("a code stands in the store: %s", key)
		}
	}
}

// OA-3: of many that take one code at once, one gets in.
func TestOA3HandOverCodesWorkOnce(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	code := codeFor(t, b, alice, signedInAt(t, b, alice, portalHost))
	var in atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := b.TakeOver(bg, fromHost(alice.Client(), appHost), appSite, appCookie, code); err == nil {
				in.Add(1)
			}
		})
	}
	all.Wait()
	if got := in.Load(); got != 1 {
		t.Errorf("got %d sessions of one code, want 1", got)
	}
}

// Signing out at any one place ends all of it, and so does whatever ends the session of the portal.
func TestSE6EndingEndsEverywhere(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	for name, end := range map[string]func(session, ticket string) error{
		"signing out at the portal": func(session, _ string) error { return b.SignOut(bg, fromHost(alice.Client(), portalHost), session) },
		"signing out at the site":   func(_, ticket string) error { return b.SignOut(bg, fromHost(alice.Client(), appHost), ticket) },
		"an operator": func(_, ticket string) error {
			s, err := b.Session(bg, appHost, ticket)
			if err != nil {
				return err
			}
			return b.RevokeSession(bg, auth.Client{}, s.ID)
		},
	} {
		session := signedInAt(t, b, alice, portalHost)
		ticket := opened(t, b, alice, session)
		s, err := b.Session(bg, appHost, ticket)
		if err != nil {
			t.Fatal(err)
		}
		cut := false
		defer s.Watch(func() { cut = true })()
		if err := end(session, ticket); err != nil {
			t.Fatal(err)
		}
		wantNobody(t, b, portalHost, session, name)
		wantNobody(t, b, appHost, ticket, name)
		if !cut {
			t.Errorf("%s: what the site had open went on", name)
		}
	}
}

// SE-3: a step-up at the portal raises no ticket that a site has already. The next one has the new proofs.
func TestSE3HandedOverTicketsKeepTheirProofs(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	session := signedInAt(t, b, alice, portalHost)
	old := opened(t, b, alice, session)
	fresh := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 5 * time.Minute}
	b.Clock.Move(20 * time.Minute)
	c := fromHost(alice.Client(), portalHost)
	pr, err := b.StepUp(bg, c, session, fresh, "")
	if err == nil {
		pr, err = b.ReenterPassword(bg, c, pr.Attempt, alice.Password)
	}
	if err == nil {
		pr, err = b.Code(bg, c, pr.Attempt, auth.TOTP, alice.Code())
	}
	pr = wantStep(t, pr, err, auth.StepDone, "stepping up")
	verdict := func(ticket string) auth.Verdict {
		s, err := b.Session(bg, appHost, ticket)
		if err != nil {
			t.Fatal(err)
		}
		return fresh.Judge(s, b.Clock.Now())
	}
	if got := verdict(old); got != auth.StepUp {
		t.Errorf("the older ticket: verdict %v, want StepUp", got)
	}
	if got := verdict(opened(t, b, alice, pr.Session)); got != auth.Pass {
		t.Errorf("the new ticket: verdict %v, want Pass", got)
	}
}

// SE-7: what ends the other sessions takes back what was handed over from this one, also where the act stores the session itself.
func TestSE7ChangesTakeHandedOverTicketsBack(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	c := fromHost(alice.Client(), portalHost)
	for name, change := range map[string]func(session string) (string, error){
		"a new password": func(session string) (string, error) {
			next := "another " + alice.Password
			pr, err := b.ChangePassword(bg, c, session, alice.Password, next)
			alice.Password = next
			return pr.Session, err
		},
		"ending the others": func(session string) (string, error) { return session, b.EndOtherSessions(bg, c, session) },
	} {
		session := signedInAt(t, b, alice, portalHost)
		c.Browser = alice.Browser
		ticket := opened(t, b, alice, session)
		session, err := change(session)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantNobody(t, b, appHost, ticket, "after "+name+" the ticket")
		if _, err := b.Session(bg, portalHost, session); err != nil {
			t.Errorf("%s: the session itself: %v", name, err)
		}
	}
}

// A session is open at no more hosts than it takes, and a link that asks again and again is refused at some point.
func TestDO7HandOversAreBounded(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	session := signedInAt(t, b, alice, portalHost)
	var tickets []string
	for i := range 66 {
		host := "app" + strings.Repeat("x", i) + ".example.net"
		site := "https://" + host
		code, err := b.HandOver(bg, fromHost(alice.Client(), portalHost), session, auth.HandOver{Site: site, Challenge: auth.Challenge(appCookie)})
		if err != nil {
			t.Fatal(err)
		}
		pr, err := b.TakeOver(bg, fromHost(alice.Client(), host), site, appCookie, code)
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, pr.Session)
	}
	open := slices.IndexFunc(tickets, func(ticket string) bool {
		_, err := b.Session(bg, "app"+strings.Repeat("x", slices.Index(tickets, ticket))+".example.net", ticket)
		return err == nil
	})
	if open != 2 {
		t.Errorf("the first ticket that still opens is number %d, want 2", open)
	}
	var err error
	for range 50 {
		if _, err = b.HandOver(bg, fromHost(alice.Client(), portalHost), session, auth.HandOver{Site: appSite}); err != nil {
			break
		}
	}
	wantKind(t, err, auth.TooManyTries, "the hundredth")
}
