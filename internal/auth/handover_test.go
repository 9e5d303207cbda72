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
	pr, err := b.TakeOver(bg, fromHost(p.Client(), appHost), auth.Arrival{Site: appSite, Cookie: appCookie, Code: codeFor(t, b, p, session)})
	if err != nil || pr.Step != auth.StepDone || pr.Session == "" || pr.ReturnTo != "/inbox" {
		t.Fatalf("taking a session over: %+v, %v", pr, err)
	}
	return pr.Session
}

func wantNobody(t *testing.T, b *authtest.Bench, host, value, what string) {
	t.Helper()
	if _, err := b.Session(bg, auth.Asker{Host: host}, value); auth.KindOf(err) != auth.NotSignedIn {
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
		if s, err := b.Session(bg, auth.Asker{Host: "app.example.com"}, session); err != nil || s.Name != "alice" {
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
	b.Configure(func(s *auth.Settings) { s.CookieDomain = "example.com" })
	c := fromHost(alice.Client(), portalHost)
	c.Domain = "example.com"
	pr, err := b.SignIn(bg, c, alice.Credentials())
	if err == nil {
		pr, err = b.Code(bg, c, pr.Attempt, auth.TOTP, alice.Code())
	}
	pr = wantStep(t, pr, err, auth.StepDone, "signing in")
	for _, host := range []string{"example.com", "auth.example.com", "a.b.example.com"} {
		if _, err := b.Session(bg, auth.Asker{Host: host}, pr.Session); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"", "evil-example.com", "com", "example.com.evil.test", "example.org"} {
		wantNobody(t, b, host, pr.Session, "a session of the domain")
	}
	for _, other := range []string{"", "com", "auth.example.com"} {
		b.Configure(func(s *auth.Settings) { s.CookieDomain = other })
		wantNobody(t, b, "auth.example.com", pr.Session, "a session of a domain that is configured no more")
	}
}

// What goes on in a browser is of one host too: an attempt shows backup codes, and a trusted browser is asked for no code.
func TestSE24AttemptsAndTrustAreOfOneHost(t *testing.T) {
	b := authtest.New(t)
	b.Configure(func(s *auth.Settings) { s.Trust = 24 * time.Hour })
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	here, elsewhere := fromHost(alice.Client(), appHost), fromHost(alice.Client(), portalHost)
	pr, err := b.SignIn(bg, here, alice.Credentials())
	pr = wantStep(t, pr, err, auth.StepCode, "the password")
	_, err = b.Service.Attempt(bg, elsewhere, pr.Attempt)
	wantKind(t, err, auth.AttemptGone, "looking at the attempt elsewhere")
	_, err = b.CodeAndTrust(bg, elsewhere, pr.Attempt, auth.TOTP, alice.Code())
	wantKind(t, err, auth.AttemptGone, "going on elsewhere")
	pr, err = b.CodeAndTrust(bg, here, pr.Attempt, auth.TOTP, alice.Code())
	pr = wantStep(t, pr, err, auth.StepDone, "going on where it began")
	here.Trusted, elsewhere.Trusted = pr.Trusted, pr.Trusted
	pr, err = b.SignIn(bg, elsewhere, alice.Credentials())
	wantStep(t, pr, err, auth.StepCode, "the password elsewhere")
	pr, err = b.SignIn(bg, here, alice.Credentials())
	wantStep(t, pr, err, auth.StepDone, "the password where the browser is trusted")
}

// A session that was stored before sessions had a host gets one with its next ticket.
func TestSessionsOfBeforeGetAHost(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	old := signedInAt(t, b, alice, "")
	if _, err := b.Session(bg, auth.Asker{Host: portalHost}, old); err != nil {
		t.Fatalf("nobody is signed out by an upgrade: %v", err)
	}
	alice.Session = old
	b.Clock.Move(20 * time.Minute)
	c := fromHost(alice.Client(), appHost)
	pr, err := b.StepUp(bg, c, old, auth.Sudo, "")
	if err == nil {
		pr, err = b.ReenterPassword(bg, c, pr.Attempt, alice.Password)
	}
	if err == nil {
		pr, err = b.Code(bg, c, pr.Attempt, auth.TOTP, alice.Code())
	}
	pr = wantStep(t, pr, err, auth.StepDone, "stepping up")
	wantNobody(t, b, portalHost, pr.Session, "the next ticket")
	if _, err := b.Session(bg, auth.Asker{Host: appHost}, pr.Session); err != nil {
		t.Errorf("where it stepped up: %v", err)
	}
}

func TestHandOverOpensOneSite(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Groups: []string{"staff"}})
	session := signedInAt(t, b, alice, portalHost)
	ticket := opened(t, b, alice, session)
	s, err := b.Session(bg, auth.Asker{Host: appHost}, ticket)
	if err != nil || s.Name != "alice" || !s.Handed || twoFactor.Judge(s, b.Clock.Now()) != auth.Pass {
		t.Fatalf("at the site: %+v, %v", s, err)
	}
	if own, err := b.Session(bg, auth.Asker{Host: portalHost}, session); err != nil || own.ID != s.ID || own.Handed {
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
	_, err = b.TakeOver(bg, fromHost(alice.Client(), ""), auth.Arrival{Site: appSite, Cookie: appCookie, Code: codeFor(t, b, alice, session)})
	wantKind(t, err, auth.CodeGone, "at no host")
}

// A second window of a browser gets the first one's place: its ticket goes on, and so do the requests of the first. One that proves less, or
// is of somebody else's session, is replaced.
func TestHandOverToASecondWindow(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	session := signedInAt(t, b, alice, portalHost)
	first := opened(t, b, alice, session)
	take := func(session, has string) auth.Progress {
		t.Helper()
		pr, err := b.TakeOver(bg, fromHost(alice.Client(), appHost), auth.Arrival{Site: appSite, Cookie: appCookie, Code: codeFor(t, b, alice, session), Ticket: has})
		if err != nil || pr.ReturnTo != "/inbox" {
			t.Fatal(pr, err)
		}
		return pr
	}
	if pr := take(session, first); pr.Session != "" {
		t.Error("the second window replaced the ticket of the first")
	}
	if _, err := b.Session(bg, auth.Asker{Host: appHost}, first); err != nil {
		t.Errorf("the ticket of the first window: %v", err)
	}
	for name, has := range map[string]string{"none": "", "the portal's own": session, "a forged one": first[:len(first)-8] + "AAAAAAA=", "another session's": opened(t, b, alice, signedInAt(t, b, alice, portalHost))} {
		if pr := take(session, has); pr.Session == "" {
			t.Errorf("%s: no ticket", name)
		}
	}
}

// SE-3: what is asked for with the ticket of before, while the step-up that replaces it commits, gets nothing of what that has proven.
func TestSE3HandOverAgainstStepUp(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	fresh := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 5 * time.Minute}
	for range 10 {
		session := signedInAt(t, b, alice, portalHost)
		c := fromHost(alice.Client(), portalHost)
		b.Clock.Move(20 * time.Minute)
		pr, err := b.StepUp(bg, c, session, fresh, "")
		if err == nil {
			pr, err = b.ReenterPassword(bg, c, pr.Attempt, alice.Password)
		}
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for {
					code, err := b.HandOver(bg, c, session, auth.HandOver{Site: appSite, Challenge: auth.Challenge(appCookie)})
					if err != nil {
						return // the ticket is no longer the one, or has asked too often
					}
					mu.Lock()
					codes = append(codes, code)
					mu.Unlock()
				}
			})
		}
		if _, err := b.Code(bg, c, pr.Attempt, auth.TOTP, alice.Code()); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		b.Clock.Move(10 * time.Second) // to the next code of the app in all, and within the life of the codes
		for _, code := range codes {
			pr, err := b.TakeOver(bg, fromHost(alice.Client(), appHost), auth.Arrival{Site: appSite, Cookie: appCookie, Code: code})
			if err != nil {
				t.Fatal(err)
			}
			if s, err := b.Session(bg, auth.Asker{Host: appHost}, pr.Session); err != nil || fresh.Judge(s, b.Clock.Now()) == auth.Pass {
				t.Fatalf("a code that the older ticket got has the new proofs: %v", err)
			}
		}
		b.Clock.Move(time.Hour)
	}
}

// The session may end while the code is under way, by its limits too.
func TestHandOverOfASessionThatRanOut(t *testing.T) {
	b := authtest.New(t)
	b.Configure(func(s *auth.Settings) { s.Idle, s.Lifetime = time.Minute, time.Minute })
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	session := signedInAt(t, b, alice, portalHost) // moves the clock by half a minute
	b.Clock.Move(20 * time.Second)
	code := codeFor(t, b, alice, session)
	b.Clock.Move(20 * time.Second)
	_, err := b.TakeOver(bg, fromHost(alice.Client(), appHost), auth.Arrival{Site: appSite, Cookie: appCookie, Code: code})
	wantKind(t, err, auth.CodeGone, "after the end of the session")
}

// What opens one application changes nothing about the account, and gets nothing more handed over.
func TestHandedOverSessionsAreForTheApplication(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	ticket := opened(t, b, alice, signedInAt(t, b, alice, portalHost))
	c := fromHost(alice.Client(), appHost)
	for name, act := range map[string]func() error{
		"HandOver": func() error {
			_, err := b.HandOver(bg, c, ticket, auth.HandOver{Site: appSite, Challenge: auth.Challenge(appCookie)})
			return err
		},
		"StepUp": func() error { _, err := b.StepUp(bg, c, ticket, twoFactor, ""); return err },
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
		_, err := b.TakeOver(bg, fromHost(alice.Client(), host), auth.Arrival{Site: site, Cookie: cookie, Code: code})
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

// CS-1: no code is for a browser without a cookie: every new one is such a browser, and whoever sent the link would be signed in there.
func TestCS1NoCodeIsForNoCookie(t *testing.T) {
	b := authtest.New(t)
	mallory := b.Enroll(t, auth.NewUser{Name: "mallory"})
	session := signedInAt(t, b, mallory, portalHost)
	for name, challenge := range map[string]string{"of no cookie": auth.Challenge(""), "none": "", "short": auth.Challenge("x")[1:], "not base64": strings.Repeat("!", 43)} {
		_, err := b.HandOver(bg, fromHost(mallory.Client(), portalHost), session, auth.HandOver{Site: appSite, Challenge: challenge})
		wantKind(t, err, auth.BadInput, "a challenge "+name)
	}
	// And should there be such a record all the same, it opens nothing.
	code := codeFor(t, b, mallory, session)
	for key, value := range b.Records(t, "hand-over/") {
		b.Overwrite(t, key, strings.Replace(value, auth.Challenge(appCookie), auth.Challenge(""), 1))
	}
	_, err := b.TakeOver(bg, fromHost(auth.Client{}, appHost), auth.Arrival{Site: appSite, Code: code})
	wantKind(t, err, auth.CodeGone, "without a cookie")
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
			if _, err := b.TakeOver(bg, fromHost(alice.Client(), appHost), auth.Arrival{Site: appSite, Cookie: appCookie, Code: code}); err == nil {
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
			s, err := b.Session(bg, auth.Asker{Host: appHost}, ticket)
			if err != nil {
				return err
			}
			return b.RevokeSession(bg, auth.Client{}, s.ID)
		},
	} {
		session := signedInAt(t, b, alice, portalHost)
		ticket := opened(t, b, alice, session)
		s, err := b.Session(bg, auth.Asker{Host: appHost}, ticket)
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
		s, err := b.Session(bg, auth.Asker{Host: appHost}, ticket)
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
		ticket, inHand := opened(t, b, alice, session), codeFor(t, b, alice, session)
		s, err := b.Session(bg, auth.Asker{Host: appHost}, ticket)
		if err != nil {
			t.Fatal(err)
		}
		cut, late := false, false
		defer s.Watch(func() { cut = true })()
		own, err := b.Session(bg, auth.Asker{Host: portalHost}, session)
		if err != nil {
			t.Fatal(err)
		}
		stop := own.Watch(func() { t.Errorf("%s: what is open at the portal was closed", name) })
		session, err = change(session)
		stop()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantNobody(t, b, appHost, ticket, "after "+name+" the ticket")
		if !cut {
			t.Errorf("%s: what is open with the ticket goes on", name)
		}
		// A request that was let in just before, and comes to this only now.
		if s.Watch(func() { late = true })(); !late {
			t.Errorf("%s: what begins late with the ticket goes on", name)
		}
		next, err := b.Session(bg, auth.Asker{Host: appHost}, opened(t, b, alice, session))
		if err != nil {
			t.Fatal(err)
		}
		next.Watch(func() { t.Errorf("%s: the next ticket is cut too", name) })()
		_, err = b.TakeOver(bg, fromHost(alice.Client(), appHost), auth.Arrival{Site: appSite, Cookie: appCookie, Code: inHand})
		wantKind(t, err, auth.CodeGone, "a code from before "+name)
		if _, err := b.Session(bg, auth.Asker{Host: portalHost}, session); err != nil {
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
		pr, err := b.TakeOver(bg, fromHost(alice.Client(), host), auth.Arrival{Site: site, Cookie: appCookie, Code: code})
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, pr.Session)
	}
	open := slices.IndexFunc(tickets, func(ticket string) bool {
		_, err := b.Session(bg, auth.Asker{Host: "app" + strings.Repeat("x", slices.Index(tickets, ticket)) + ".example.net"}, ticket)
		return err == nil
	})
	if open != 2 {
		t.Errorf("the first ticket that still opens is number %d, want 2", open)
	}
	var err error
	for range 150 {
		if _, err = b.HandOver(bg, fromHost(alice.Client(), portalHost), session, auth.HandOver{Site: appSite, Challenge: auth.Challenge(appCookie)}); err != nil {
			break
		}
	}
	wantKind(t, err, auth.TooManyTries, "the hundredth")
}
