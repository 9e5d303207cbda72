// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

const resetPath = "/_nightlatch/reset"

// forget asks for a new password and returns the path of the link that comes by mail.
func (s *site) forget(t *testing.T, who string) (link string, m auth.Message) {
	t.Helper()
	s.browser(t).get(resetPath).fill(resetPath, "who", who).sees(200, "/_nightlatch/reset/sent")
	m = s.Await(t, auth.MessageReset)
	return "/_nightlatch/reset/" + m.Token, m
}

// Somebody forgot the password: a link comes by mail, sets another one, and the second factor is asked for as before.
func TestStoryForgottenPassword(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	b := s.browser(t)
	b.get("/_nightlatch/sign-in").sees(200, "/_nightlatch/sign-in").lacks("Forgot your password?")
	for _, path := range []string{resetPath, "/_nightlatch/reset/sent"} {
		b.get(path).sees(404, path) // without a mail server there is no such way
	}

	s.WithMail()
	b.get("/_nightlatch/sign-in").sees(200, "/_nightlatch/sign-in", "Forgot your password?", `href="/_nightlatch/reset"`)
	b.fill("/_nightlatch/sign-in", "name", "alice", "password", "x").sees(403, "/_nightlatch/sign-in", "Forgot your password?")
	b.get(resetPath).sees(200, resetPath, "User name or e-mail address").fill(resetPath, "who", "Alice@Example.test").
		sees(200, "/_nightlatch/reset/sent", "If there is an account, a mail is on its way")
	m := s.Await(t, auth.MessageReset)
	link := resetPath + "/" + m.Token
	if m.To != "alice@example.test" {
		t.Errorf("the link went to %q", m.To)
	}
	c := s.browser(t) // where the mail is read
	for range 3 {
		c.send("HEAD", link, nil)
		c.get(link).sees(200, link, "Choose a new password", `value="alice"`, "At least 15 characters", `data-least="15"`) // a scanner that looks uses nothing up
	}
	c.fill(link, "password", passphrase, "repeat", "another").sees(422, link, "The two passwords are not the same")
	c.fill(link, "password", "short", "repeat", "short").sees(422, link, "too short")
	c.fill(link, "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/reset/done", "Your new password is set", "Sign in now with the new password.", `href="/_nightlatch/sign-in"`)
	c.get(link).sees(410, link, "This link no longer works")
	c.get("/_nightlatch/reset/done").sees(200, "/_nightlatch/sign-in") // nobody is told so by a link

	c.signIn(alice, "/app").sees(403, "/_nightlatch/sign-in") // the old password
	alice.Password = passphrase
	c.signIn(alice, "/app").sees(200, secondFactorPath).fill(secondFactorPath, "code", alice.Code()).sees(200, "/app")
}

// An operator's link works without mail too, and once it is dead only the operator has another one.
func TestStoryPasswordResetByAnOperator(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	made, err := s.NewResetLink(t.Context(), auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	link := "/_nightlatch/reset/" + made.Token
	b := s.browser(t).get(link).sees(200, link, "Choose a new password", `value="alice"`)
	b.fill(link, "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/reset/done", "Sign in now with the new password.")
	b.get(link).sees(410, link, "Ask whoever runs this site for a new link").lacks("Have a new link sent")
	alice.Password = passphrase
	b.signIn(alice, "/app").sees(200, secondFactorPath).fill(secondFactorPath, "code", alice.Code()).sees(200, "/app")
}

// MF-9: whoever has set another password by the link is nobody, in this browser and with the sessions there were, and the next sign-in
// asks for the second factor.
func TestMF9ASVS6_4_3ResetSignsNobodyIn(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	alice := s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	before := s.browser(t).signIn(alice, "/app").fill(secondFactorPath, "code", alice.Code()).sees(200, "/app")
	link, _ := s.forget(t, "alice")
	b := s.browser(t).get(link)
	b.fill(link, "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/reset/done")
	if b.cookie(visit.Session) != "" || b.cookie(visit.Browser) != "" || b.cookie(visit.Trusted) != "" {
		t.Errorf("cookies after the reset: session %q, browser %q, trusted %q", b.cookie(visit.Session), b.cookie(visit.Browser), b.cookie(visit.Trusted))
	}
	b.get("/_nightlatch/account").sees(200, "/_nightlatch/sign-in")
	before.get("/_nightlatch/account").sees(200, "/_nightlatch/sign-in")
	alice.Password = passphrase
	b.signIn(alice, "/app").sees(200, secondFactorPath)
	if u, err := s.User(t.Context(), "alice"); err != nil || len(u.Factors) != 1 || u.CodesLeft != 10 {
		t.Errorf("after the reset: factors %v, %d backup codes, %v", u.Factors, u.CodesLeft, err)
	}

	// RE-10: mail alone, for the password and for the code, is not enough.
	bob := enrollMail(t, s.Bench, "bob")
	link, _ = s.forget(t, "bob")
	s.browser(t).get(link).fill(link, "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/reset/done")
	bob.Password = passphrase
	s.browser(t).signIn(bob, "/app").sees(200, secondFactorPath, "Type one of the backup codes").lacks("e-mail")
}

// RE-2: a link works once, the newest one alone, and none after the password has changed.
func TestRE2ResetLinksWorkOnce(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	alice := s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	old, _ := s.forget(t, "alice")
	link, _ := s.forget(t, "alice@example.test")
	b := s.browser(t)
	b.get(old).sees(410, old, "This link no longer works", "Have a new link sent", `href="/_nightlatch/reset"`)
	form := b.get(link).form(link)
	form.Set("password", passphrase)
	form.Set("repeat", passphrase)
	b.send("POST", old, form).sees(410, old)
	b.send("POST", link, form).sees(200, "/_nightlatch/reset/done")
	form.Set("password", "another quiet lantern drifts")
	form.Set("repeat", "another quiet lantern drifts")
	b.send("POST", link, form).sees(410, link)
	alice.Password = passphrase
	s.browser(t).signIn(alice, "/app").sees(200, secondFactorPath) // the second one set nothing

	link, _ = s.forget(t, "alice")
	alice.Session = alice.SignIn(t)
	if _, err := s.ChangePassword(t.Context(), alice.Client(), alice.Session, passphrase, "another quiet lantern drifts"); err != nil {
		t.Fatal(err)
	}
	b.get(link).sees(410, link)
}

// RE-3: a link does what it was made for and nothing else, and for its time.
func TestRE3LinksHaveATypeAndAnEnd(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	_, invite, err := s.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob", Email: "bob@example.test"})
	if err != nil {
		t.Fatal(err)
	}
	_, m := s.forget(t, "alice")
	forms := map[string]purpose{"setup": setupForm, "invite": inviteForm, "re-enroll": reenrollForm, "reset": newPasswordForm}
	b := s.browser(t).get("/_nightlatch/sign-in")
	refused := func(kind, token string) {
		t.Helper()
		path := "/_nightlatch/" + kind + "/" + token
		b.get(path).sees(410, path)
		form := url.Values{"name": {"mallory"}, "password": {passphrase}, "repeat": {passphrase}, "token": {s.FormToken(b.cookie(visit.Attempt), forms[kind].name)}}
		b.send("POST", path, form).sees(410, path)
	}
	for _, kind := range []string{"setup", "invite", "re-enroll"} {
		refused(kind, m.Token)
	}
	refused("reset", invite.Token)
	refused("reset", strings.ToLower(m.Token))
	refused("reset", m.Token[:len(m.Token)-1])
	link := resetPath + "/" + m.Token
	s.Clock.Move(30*time.Minute - time.Second)
	b.get(link).sees(200, link)
	s.Clock.Move(time.Second)
	refused("reset", m.Token)
}

// RE-4: the link goes to the stored address of the one person that was named, never to what the form says.
func TestRE4ResetGoesToTheStoredAddress(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	d.Enroll(t, auth.NewUser{Name: "mallory", Email: "mallory@evil.example"})
	d.Enroll(t, auth.NewUser{Name: "zoe", Email: "zoe@example.test"})
	d.Sent()
	visitor := d.VisitorToken()
	token := "token=" + url.QueryEscape(d.FormToken(visitor, resetForm.name))
	for _, c := range []struct {
		fields string
		status int
	}{
		{"who=alice@example.test&who=mallory@evil.example", 400},
		{"who=alice&%77ho=mallory", 400},
		{"who[]=alice@example.test&who[]=mallory@evil.example", 400},
		{"who=alice@example.test,mallory@evil.example", 303},
		{"who=alice@example.test%20mallory@evil.example", 303},
		{"who=alice@example.test;mallory@evil.example", 400},
		{"who=alice@example.test%0ABcc:mallory@evil.example", 303},
		{"who=alice@example.test%00mallory@evil.example", 303},
		{"who=%3Calice@example.test%3E", 303},
		{"who=", 303},
		{"email=alice@example.test", 303},
		{"who=" + strings.Repeat("a", 60000), 303},
	} {
		if w := d.ask("POST", resetPath, token+"&"+c.fields, cookies(visitor, "")); w.Code != c.status {
			t.Errorf("%.60s: got %d, want %d", c.fields, w.Code, c.status)
		}
	}
	// Asking happens after the answer, one after the other, so this one comes last.
	if w := d.ask("POST", resetPath, token+"&who=zoe&to=mallory@evil.example&email=mallory@evil.example&address=mallory@evil.example", cookies(visitor, "")); w.Code != 303 {
		t.Errorf("got %d", w.Code)
	}
	if m := d.firstOf(t, auth.MessageReset); m.To != "zoe@example.test" || m.User != "zoe" {
		t.Errorf("a link went to %q for %q", m.To, m.User)
	}
}

// firstOf returns the first message of a kind, and fails when there is more than one.
func (d *desk) firstOf(t *testing.T, kind auth.MessageKind) auth.Message {
	t.Helper()
	m := d.Await(t, kind)
	for _, more := range d.Sent() {
		if more.Kind == kind {
			t.Errorf("one more went to %q", more.To)
		}
	}
	return m
}

// RE-8: the token of a link is in the path alone, no page sends it on, and no log gets to see it.
func TestRE8ResetTokenStaysInThePath(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	var log bytes.Buffer
	s.portal.log = slog.New(slog.NewTextHandler(&log, nil))
	link, m := s.forget(t, "alice")
	b := s.browser(t)
	for _, page := range []*browser{b.get(link), b.fill(link, "password", "x", "repeat", "y")} {
		if got := page.header.Get("Referrer-Policy"); got != "no-referrer" {
			t.Errorf("Referrer-Policy %q", got)
		}
		if got := page.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q", got)
		}
		if n := strings.Count(page.body, m.Token); n != 1 || !strings.Contains(page.body, `action="`+link+`"`) {
			t.Errorf("the token is on the page %d times, want once, where the form goes:\n%s", n, page.body)
		}
	}
	b.fill(link, "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/reset/done")
	if all := fmt.Sprint(b.at, b.answered, b.header, b.body, log.String()); strings.Contains(all, m.Token) {
		t.Errorf("the token is carried on: %s", all)
	}
}

var tokenField = regexp.MustCompile(`name="token" value="[^"]*"`)

// BF-15: asking for a link tells nobody who has an account: each answer is the same, and it is given before anybody is looked up.
func TestBF15ASVS6_3_8ResetTellsNothing(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	d.AddUser(t, auth.NewUser{Name: "mute"}) // has no address
	d.AddUser(t, auth.NewUser{Name: "gone", Email: "gone@example.test"})
	if err := d.SetDisabled(t.Context(), auth.Client{}, "gone", true); err != nil {
		t.Fatal(err)
	}
	visitor := d.VisitorToken()
	var want string
	for _, who := range []string{"nobody", "alice", "alice@example.test", "mute", "gone", "gone@example.test", "nobody@example.test", "'; --"} {
		body, right := d.rightForm(resetForm, visitor, "", url.Values{"who": {who}})
		w := d.ask("POST", resetPath, body, right)
		next := d.ask("GET", w.Header().Get("Location"), "", cookies(visitor, ""))
		got := fmt.Sprint(w.Code, w.Header(), w.Body, next.Code, next.Header(), tokenField.ReplaceAllString(next.Body.String(), ""))
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant that of nobody\n%s", who, got, want)
		}
	}
	if w := d.ask("GET", "/_nightlatch/reset/sent", ""); w.Code != 200 {
		t.Errorf("reset/sent: got %d", w.Code)
	}
	// The store is not asked before the answer: it may be slow without anybody learning why.
	d.Store.FailReads("user", fmt.Errorf("not now"))
	d.Store.FailReads("name", fmt.Errorf("not now"))
	body, right := d.rightForm(resetForm, visitor, "", url.Values{"who": {"alice"}})
	if w := d.ask("POST", resetPath, body, right); w.Code != 303 {
		t.Errorf("while the store does not answer: got %d", w.Code)
	}
}

// WB-1: what a stranger types is not on any page of the reset.
func TestWB1ResetRepeatsNothing(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	visitor := d.VisitorToken()
	body, right := d.rightForm(resetForm, visitor, "", url.Values{"who": {`"><script>alert(1)</script>`}})
	w := d.ask("POST", resetPath, body, right)
	next := d.ask("GET", w.Header().Get("Location"), "", cookies(visitor, ""))
	if all := fmt.Sprint(w.Header(), w.Body, next.Body); strings.Contains(all, "alert(1)") || next.Code != 200 {
		t.Errorf("got %s", all)
	}
}
