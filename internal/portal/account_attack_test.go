// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"encoding/base32"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// accountPages are the pages about an account, and whether they ask for fresh proofs. A test below compares them with the routes.
var accountPages = map[string]bool{
	"account": false, "two-factor/disable": false, // what comes after this one asks anew for all proofs
	"two-factor/add": true, "factor/ID": true, "backup-codes/new": true, "password": true, "email": true, "sessions": true,
	"app-passwords": true, "app-passwords/new": true,
}

// accountForms are the forms about an account, by path.
func accountForms() map[string]purpose {
	own := map[string]purpose{}
	for path, f := range forms {
		if f.cookie == visit.Session && f != signOutForm {
			own[path] = f
		}
	}
	return own
}

// sane is a form of an account that would be accepted if the session were good enough for it.
func sane(p *authtest.Person) url.Values {
	return url.Values{
		"method": {"totp"}, "name": {"changed"}, "email": {"changed@example.test"}, "current": {p.Password}, "password": {passphrase}, "repeat": {passphrase},
		"id": {"0"}, "code": {p.Code()}, "days": {"90"},
	}
}

// account is what somebody has: whatever changes it shows in this.
func (d *desk) account(t *testing.T, p *authtest.Person) auth.UserDetail {
	t.Helper()
	u, err := d.User(t.Context(), p.Name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// factorOf is the id of somebody's first second factor.
func (d *desk) factorOf(t *testing.T, p *authtest.Person) string {
	t.Helper()
	return d.account(t, p).Factors[0].ID
}

// sudoFor is where a page leads that wants fresh proofs.
func sudoFor(page string) string {
	return "/_nightlatch/sudo?level=password&max_age=600&return_to=" + url.QueryEscape("/_nightlatch/"+page)
}

// pageOf is the page on which a form stands.
func pageOf(form string) string {
	if strings.HasPrefix(form, "app-passwords/") && strings.HasSuffix(form, "/revoke") {
		return "app-passwords"
	}
	for _, tail := range []string{"/rename", "/remove", "/end", "/end-others", "/end-trust"} {
		form = strings.TrimSuffix(form, tail)
	}
	return form
}

func TestAccountRoutesAreAllInTheTests(t *testing.T) {
	shown := map[string]bool{}
	for path := range accountForms() {
		shown[pageOf(path)] = true
	}
	for page := range accountPages {
		if page != "account" && !shown[page] {
			t.Errorf("%s has no form that is known", page)
		}
		if !comesBack.MatchString("/_nightlatch/" + page) {
			t.Errorf("%s is no page to come back to, so a step-up for it leads elsewhere", page)
		}
	}
	for page := range shown {
		if _, known := accountPages[page]; !known {
			t.Errorf("the page %s of a form is in no test", page)
		}
	}
}

// MF-1: a session that stopped half way, with a second factor that it has not proven, gets no page of the account and changes nothing
// there, whatever else is right. MF-13: it turns nothing off either.
func TestMF1MF13ASVS6_3_4AHalfWaySessionIsNobodyOnTheAccount(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	bob := d.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.test"})
	session, _ := bob.HalfWay(t)
	d.Clock.Move(otp.Period)
	before, id := d.account(t, bob), d.factorOf(t, bob)

	writes := d.Store.Sets() + d.Store.Deletes()
	check := func(what, page string, w *httptest.ResponseRecorder) {
		t.Helper()
		want := "/_nightlatch/sudo?level=password&return_to=" + url.QueryEscape("/_nightlatch/"+page)
		if got := w.Header().Get("Location"); w.Code != 303 || got != want {
			t.Errorf("%s: got %d to %q, want 303 to %q", what, w.Code, got, want)
		}
		if strings.Contains(w.Body.String(), "bob") {
			t.Errorf("%s says something of the person:\n%s", what, w.Body)
		}
	}
	for page := range accountPages {
		page = strings.Replace(page, "ID", id, 1)
		check("GET "+page, page, d.ask("GET", "/_nightlatch/"+page, "", cookies("", session)))
	}
	for path, f := range accountForms() {
		path = strings.Replace(path, "ID", id, 1)
		body, right := d.rightForm(f, "", session, sane(bob))
		check("POST "+path, pageOf(path), d.ask("POST", "/_nightlatch/"+path, body, right))
	}
	if after := d.Store.Sets() + d.Store.Deletes(); after != writes {
		t.Errorf("%d writes", after-writes)
	}
	if after := d.account(t, bob); !reflect.DeepEqual(after, before) {
		t.Errorf("the account was %+v and is %+v", before, after)
	}
	// The step-up that it is led to asks for the code.
	w := d.ask("GET", "/_nightlatch/sudo?level=password&return_to=%2F_nightlatch%2Faccount", "", cookies("", session))
	if got := w.Header().Get("Location"); got != "/_nightlatch/second-factor" {
		t.Errorf("led on to %q, want the second factor", got)
	}
}

// MF-12, MF-13, OT-16, MF-10, ASVS 7.5.1: what guards the account shows and changes only for who has typed everything a short time ago;
// everybody else is asked first, and nothing has happened.
func TestMF12MF13ASVS7_5_1AStaleSessionChangesNothing(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	alice.Add(t, auth.NewFactor{Method: auth.TOTP, Name: "Tablet"})
	other := alice.Session
	session := alice.SignIn(t)
	id := d.factorOf(t, alice)
	d.Clock.Move(auth.SudoAge)
	x, err := d.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, other)
	if err != nil {
		t.Fatal(err)
	}
	before := d.account(t, alice)

	writes := d.Store.Sets() + d.Store.Deletes()
	for page, fresh := range accountPages {
		page = strings.Replace(page, "ID", id, 1)
		w := d.ask("GET", "/_nightlatch/"+page, "", cookies("", session))
		if got := w.Header().Get("Location"); fresh && (w.Code != 303 || got != sudoFor(page)) || !fresh && w.Code != 200 {
			t.Errorf("GET %s: got %d to %q", page, w.Code, got)
		}
	}
	for path, f := range accountForms() {
		if f == disableForm {
			continue // asks for everything anew, below
		}
		path = strings.Replace(path, "ID", id, 1)
		fields := sane(alice)
		fields.Set("id", x.ID)
		body, right := d.rightForm(f, "", session, fields)
		w := d.ask("POST", "/_nightlatch/"+path, body, right)
		if got := w.Header().Get("Location"); w.Code != 303 || got != sudoFor(pageOf(path)) {
			t.Errorf("POST %s: got %d to %q, want 303 to %q", path, w.Code, got, sudoFor(pageOf(path)))
		}
	}
	if after := d.Store.Sets() + d.Store.Deletes(); after != writes {
		t.Errorf("%d writes", after-writes)
	}
	if after := d.account(t, alice); !reflect.DeepEqual(after, before) {
		t.Errorf("the account was %+v and is %+v", before, after)
	}
}

// The guard of the route is not the only one: a form that passes it a moment too early is judged by the act, and is asked for proofs then.
func TestMF12TheActItselfJudges(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	d.Clock.Move(auth.SudoAge)
	own, err := d.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	before, id := d.account(t, alice), d.factorOf(t, alice)
	for path, act := range map[string]handler{
		"two-factor/add": addFactor, "factor/" + id + "/rename": renameFactor, "factor/" + id + "/remove": removeFactor,
		"backup-codes/new": newBackupCodes, "password": changePassword, "email": changeEmail,
		"app-passwords/new": newAppPassword, "app-passwords/nlk/revoke": revokeAppPassword,
		"sessions/end": endSession, "sessions/end-others": endOthers, "sessions/end-trust": endTrust,
	} {
		r := httptest.NewRequest("POST", "https://app.example.test/_nightlatch/"+path, nil)
		cookies("", alice.Session)(r)
		w := httptest.NewRecorder()
		act(&request{
			Request: r, w: w, visit: secure(r), portal: d.Portal, pattern: "POST", auth: d.Bench.Service, form: sane(alice), query: url.Values{},
			ticket: alice.Session, own: own, page: pageOf(path),
		})
		if got := w.Header().Get("Location"); w.Code != 303 || got != sudoFor(pageOf(path)) {
			t.Errorf("%s: got %d to %q, want %q", path, w.Code, got, sudoFor(pageOf(path)))
		}
	}
	if after := d.account(t, alice); !reflect.DeepEqual(after, before) {
		t.Errorf("the account was %+v and is %+v", before, after)
	}
}

// MF-13: turning two-factor sign-in off takes the password and a code, typed for this, however fresh the session is.
func TestMF13DisableAsksForEverythingAnew(t *testing.T) {
	s := newSite(t)
	b, alice := s.member(t, "alice")
	enrolled := func(when string) {
		t.Helper()
		if u, err := s.User(t.Context(), alice.Name); err != nil || len(u.Factors) != 1 || u.CodesLeft != 10 {
			t.Fatalf("%s: %d factors, %d codes, %v", when, len(u.Factors), u.CodesLeft, err)
		}
	}
	const page = "/_nightlatch/two-factor/disable"
	b.get(page).fill(page).sees(200, "/_nightlatch/sudo")
	enrolled("after the button")
	b.fill("/_nightlatch/sudo", "password", "not the right one at all").sees(403, "/_nightlatch/sudo")
	b.get(account).sees(200, account, "Authenticator app")
	b.get("/_nightlatch/sudo").fill("/_nightlatch/sudo", "password", alice.Password).sees(200, "/_nightlatch/second-factor")
	enrolled("after the password")
	b.fill("/_nightlatch/second-factor", "code", "000000").sees(403, "/_nightlatch/second-factor")
	b.fill("/_nightlatch/second-factor", "code", alice.CodeAt(-3)).sees(403, "/_nightlatch/second-factor")
	enrolled("after wrong codes")
	b.get(account).sees(200, account, "Authenticator app")

	// The code of another attempt does not finish this one.
	c := s.enter(t, alice)
	enrolled("after a sign-in elsewhere")
	c.get(account).sees(200, account, "Authenticator app")
}

// MF-15: what one session has proven does not help another of the same person.
func TestMF15SudoIsOfOneSession(t *testing.T) {
	s := newSite(t)
	b, alice := s.member(t, "alice")
	other := s.enter(t, alice)
	s.Clock.Move(auth.SudoAge)
	const page = "/_nightlatch/sessions"
	b.get(page).prove(alice).sees(200, page)
	b.get("/_nightlatch/password").sees(200, "/_nightlatch/password")
	other.get(page).sees(200, "/_nightlatch/sudo")
	other.get(account).sees(200, account)
	form := url.Values{"token": {s.FormToken(other.cookie(visit.Session), endOthersForm.name)}}
	other.send("POST", page+"/end-others", form).sees(200, "/_nightlatch/sudo")
	b.get(account).sees(200, account)

	// It is of this session for ten minutes, and no longer.
	s.Clock.Move(auth.SudoAge - otp.Period)
	b.get(page).sees(200, "/_nightlatch/sudo")
}

// MF-16: what was taken away opens nothing any more.
func TestMF16ASVS6_5_6WhatWasRemovedIsDead(t *testing.T) {
	s := newSite(t)
	b, alice := s.member(t, "alice")
	const add = "/_nightlatch/two-factor/add"
	b.get(add).fill(add, "method", "totp", "name", "New phone")
	fresh := b.scan()
	b.fill("/_nightlatch/two-factor/enable", "code", s.code(fresh)).sees(200, account, "New phone")
	old := b.factorPage("Authenticator app")
	b.get(old).fill(old+"/remove").sees(200, account, "The second factor is removed.")
	s.Clock.Move(otp.Period)
	c := s.browser(t).signIn(alice, "/app")
	c.fill("/_nightlatch/second-factor", "code", alice.Code()).sees(403, "/_nightlatch/second-factor", "This code is not right")
	c.fill("/_nightlatch/second-factor", "code", s.code(fresh)).sees(200, "/app")
	b.get(old).sees(404, old)
	b.send("POST", old+"/rename", url.Values{"token": {s.FormToken(b.cookie(visit.Session), renameFactorForm.name)}, "name": {"back"}}).sees(404, old+"/rename")
}

// MF-17, OT-20: once a factor is confirmed, no page of any route gives its seed away, or a hash, or a backup code that was shown before.
func TestMF17OT20NoPageGivesSecrets(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test", Admin: true})
	_, second := alice.Add(t, auth.NewFactor{Method: auth.TOTP, Name: "Tablet"})
	id := d.factorOf(t, alice)
	secrets := map[string]string{"a hash": "$argon2", "the password": alice.Password}
	for name, seed := range map[string][]byte{"the first seed": alice.Secret, "the second seed": second} {
		plain := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
		secrets[name], secrets[name+" in groups"] = plain, plain[:4]+" "+plain[4:8]
	}
	for i, code := range alice.Codes {
		secrets[fmt.Sprint("backup code ", i)] = code
	}
	pages := 0
	check := func(what string, w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Code == 200 {
			pages++
		}
		all := w.Body.String() + fmt.Sprint(w.Header())
		for name, secret := range secrets {
			if strings.Contains(all, secret) {
				t.Errorf("%s gives away %s:\n%s", what, name, all)
			}
		}
	}
	for _, r := range routes() {
		path := visit.Prefix + strings.NewReplacer("{$}", "", "{token}", "TOKEN", "{id}", id, "{name}", "x").Replace(r.path)
		if r.method == http.MethodGet {
			check("GET "+path, d.ask("GET", path, "", cookies("", alice.Session)))
		}
	}
	if pages < len(accountPages) {
		t.Errorf("only %d pages were shown", pages)
	}
	// What a form brings is not repeated either, and a new enrollment shows its own key alone.
	for path, f := range accountForms() {
		path = strings.Replace(path, "ID", id, 1)
		body, right := d.rightForm(f, "", alice.Session, url.Values{"method": {"totp"}, "name": {strings.Repeat("x", 65)}, "current": {alice.Password}})
		if f != endOthersForm && f != newBackupCodesForm {
			check("POST "+path, d.ask("POST", "/_nightlatch/"+path, body, right))
		}
	}
	pr, err := d.AddFactor(t.Context(), authtest.Client, alice.Session, auth.NewFactor{Method: auth.TOTP})
	if err != nil {
		t.Fatal(err)
	}
	w := d.ask("GET", "/_nightlatch/two-factor/enable", "", cookies(pr.Attempt, alice.Session))
	check("the page of a new enrollment", w)
	if secretText.FindString(w.Body.String()) == "" {
		t.Errorf("no key on the page of a new enrollment:\n%s", w.Body)
	}
	// OT-20: who has a factor is not shown a key for the asking, with a password alone even less.
	if w := d.ask("GET", "/_nightlatch/two-factor/enable", "", cookies("", alice.Session)); w.Code != 303 || w.Header().Get("Location") != account {
		t.Errorf("got %d to %q, want the account page", w.Code, w.Header().Get("Location"))
	}
	pr = alice.EnterPassword(t)
	if w := d.ask("GET", "/_nightlatch/two-factor/enable", "", cookies(pr.Attempt, "")); w.Code != 303 || w.Header().Get("Location") != "/_nightlatch/second-factor" {
		t.Errorf("after the password alone: got %d to %q, want the second factor", w.Code, w.Header().Get("Location"))
	}
}

// OT-15: backup codes stand in for a second factor, so there are none without one, and none outlives it.
func TestOT15NoBackupCodesWithoutAFactor(t *testing.T) {
	d := newDesk(t)
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	session := bob.EnterPassword(t).Session
	if w := d.ask("GET", "/_nightlatch/backup-codes/new", "", cookies("", session)); w.Code != 303 || w.Header().Get("Location") != account {
		t.Errorf("GET: got %d to %q, want the account page", w.Code, w.Header().Get("Location"))
	}
	body, right := d.rightForm(newBackupCodesForm, "", session, nil)
	if w := d.ask("POST", "/_nightlatch/backup-codes/new", body, right); w.Code != 403 || len(w.Header().Values("Set-Cookie")) != 0 {
		t.Errorf("POST: got %d, cookies %v, want 403 and none", w.Code, w.Header().Values("Set-Cookie"))
	}
	if n := d.account(t, bob).CodesLeft; n != 0 {
		t.Errorf("%d backup codes", n)
	}
}

func TestOT15DisablingEndsTheBackupCodes(t *testing.T) {
	s := newSite(t)
	b, alice := s.member(t, "alice")
	const page = "/_nightlatch/two-factor/disable"
	b.get(page).fill(page).prove(alice).sees(200, account, "Two-factor sign-in is off.")
	b.get("/_nightlatch/two-factor/enable").sees(200, "/_nightlatch/two-factor/enable")
	b.fill("/_nightlatch/two-factor/enable", "code", s.code(b.scan())).fill("/_nightlatch/backup-codes").sees(200, account)
	c := s.browser(t).signIn(alice, "/app").get("/_nightlatch/second-factor?method=backup_code")
	c.fill("/_nightlatch/second-factor", "code", alice.Codes[0]).sees(403, "/_nightlatch/second-factor", "This is not one of your backup codes")
	c.get("/_nightlatch/second-factor").fill("/_nightlatch/second-factor", "code", alice.Code()).sees(403, "/_nightlatch/second-factor")
}

// OT-18: an enrollment that is not confirmed changes nothing, is one at a time, and has never been after ten minutes.
func TestOT18PendingEnrollmentIsNothing(t *testing.T) {
	s := newSite(t)
	b, alice := s.member(t, "alice")
	const add, enable = "/_nightlatch/two-factor/add", "/_nightlatch/two-factor/enable"
	b.get(add).fill(add, "method", "totp").sees(200, enable)
	first := b.scan()
	c := s.browser(t).signIn(alice, "/app").sees(200, "/_nightlatch/second-factor")
	c.fill("/_nightlatch/second-factor", "code", s.code(first)).sees(403, "/_nightlatch/second-factor", "This code is not right")
	c.fill("/_nightlatch/second-factor", "code", alice.Code()).sees(200, "/app")

	b.get(add).fill(add, "method", "totp").sees(200, enable)
	second := b.scan()
	if string(second) == string(first) {
		t.Error("the second enrollment has the key of the first")
	}
	b.fill(enable, "code", s.code(first)).sees(403, enable, "This code is not right")
	form := b.form(enable)
	s.Clock.Move(auth.SudoAge)
	form.Set("code", s.code(second))
	b.send("POST", enable, form)
	if u, err := s.User(t.Context(), alice.Name); err != nil || len(u.Factors) != 1 {
		t.Errorf("%d factors after the time of the enrollment, %v", len(u.Factors), err)
	}
}

// OT-19: the key of a new device is what the server has drawn, whatever the form brings.
func TestOT19NoKeyFromTheForm(t *testing.T) {
	d := newDesk(t)
	alice, mallory := d.Enroll(t, auth.NewUser{Name: "alice"}), d.Enroll(t, auth.NewUser{Name: "mallory"})
	seed := base32.StdEncoding.EncodeToString(mallory.Secret)
	body, right := d.rightForm(addFactorForm, "", alice.Session, url.Values{"method": {"totp"}, "secret": {seed}, "key": {seed}, "confirmed": {"true"}})
	w := d.ask("POST", "/_nightlatch/two-factor/add", body, right)
	attempt := cookieOf(t, w, visit.Attempt)
	v, err := d.Attempt(t.Context(), attempt)
	if err != nil || v.Step != auth.StepEnroll {
		t.Fatalf("step %q, %v", v.Step, err)
	}
	if string(v.Pending.Secret) == string(mallory.Secret) {
		t.Error("the key of the form was taken")
	}
	if n := len(d.account(t, alice).Factors); n != 1 {
		t.Errorf("%d factors without a code", n)
	}
	if _, err := d.ConfirmEnrollment(t.Context(), here(d), attempt, mallory.Code()); auth.KindOf(err) != auth.WrongCode {
		t.Errorf("a code of the key in the form: %v", err)
	}
}

// here is somebody who asks for the host of the portal.
func here(d *desk) auth.Client {
	c := authtest.Client
	c.Host = d.Host
	return c
}

// cookieOf is the value of a cookie that an answer sets.
func cookieOf(t *testing.T, w *httptest.ResponseRecorder, c visit.Cookie) string {
	t.Helper()
	for _, have := range w.Result().Cookies() {
		if have.Name == visit.Secure.CookieName(c) && have.Value != "" {
			return have.Value
		}
	}
	t.Fatalf("%d sets no cookie %s: %v", w.Code, visit.Secure.CookieName(c), w.Header())
	return ""
}

// BF-19, ASVS 6.2.3: wrong passwords on the page that changes it count as those at the sign-in do, and the other way round.
func TestBF19ASVS6_2_3TheOldPasswordIsNoSideDoor(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	change := func(current string) *httptest.ResponseRecorder {
		body, right := d.rightForm(passwordForm, "", alice.Session, url.Values{"current": {current}, "password": {passphrase}, "repeat": {passphrase}})
		return d.ask("POST", "/_nightlatch/password", body, right)
	}
	signIn := func(password string) *httptest.ResponseRecorder {
		visitor := d.VisitorToken()
		body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {alice.Name}, "password": {password}})
		return d.ask("POST", "/_nightlatch/sign-in", body, right)
	}
	for i := range 5 {
		try := change
		if i%2 == 1 {
			try = signIn
		}
		if w := try(fmt.Sprint("not the right one at all ", i)); w.Code != 403 {
			t.Fatalf("try %d: got %d, want 403", i, w.Code)
		}
	}
	for name, try := range map[string]func(string) *httptest.ResponseRecorder{"password page": change, "sign-in": signIn} {
		if w := try(alice.Password); w.Code != 429 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: the right password after 5 wrong ones: got %d with Retry-After %q, want 429", name, w.Code, w.Header().Get("Retry-After"))
		}
	}
	d.Clock.Move(time.Minute)
	if w := change(alice.Password); w.Code != 303 || cookieOf(t, w, visit.Session) == alice.Session {
		t.Errorf("after the wait: got %d", w.Code)
	}
}

// MF-10: until the code that was mailed to it is typed, a new address is nothing: mail goes to the old one, codes too.
func TestMF10ANewAddressIsProvenFirst(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	b, alice := s.member(t, "alice")
	const add, page = "/_nightlatch/two-factor/add", "/_nightlatch/email"
	b.get(add).fill(add, "method", "email").fill("/_nightlatch/two-factor/enable", "code", s.Await(t, auth.MessageEnroll).Code).sees(200, account)
	b.get(page).fill(page, "email", "mallory@evil.test").sees(200, "/_nightlatch/email/confirm")
	right := s.Await(t, auth.MessageProve).Code
	wrong := "000000"
	if right == wrong {
		wrong = "000001"
	}
	b.fill("/_nightlatch/email/confirm", "code", wrong).sees(403, "/_nightlatch/email/confirm")
	b.get(account).sees(200, account, "alice@example.test").lacks("mallory@evil.test")

	pr := alice.EnterPassword(t)
	v, err := s.Attempt(t.Context(), pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range v.Ways {
		if w.Method == auth.Email {
			s.Sent()
			if err := s.SendCode(t.Context(), authtest.Client, pr.Attempt, auth.Email, w.Factor); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := s.Await(t, auth.MessageCode)
	if m.To != "alice@example.test" {
		t.Errorf("a code to sign in goes to %s", m.To)
	}
	// The code that would prove the address signs nobody in.
	if _, err := s.Code(t.Context(), authtest.Client, pr.Attempt, auth.Email, right); auth.KindOf(err) != auth.WrongCode && right != m.Code {
		t.Errorf("signed in with the code for the new address: %v", err)
	}
}

// ASVS 8.2.2, 7.5.2: ids of somebody else's factors, sessions and browsers are ids of nothing.
func TestASVS8_2_2ASVS7_5_2OtherPeoplesIdsAreNotFound(t *testing.T) {
	d := newDesk(t)
	d.Configure(func(x *auth.Settings) { x.Trust = 24 * time.Hour })
	alice, mallory := d.Enroll(t, auth.NewUser{Name: "alice"}), d.Enroll(t, auth.NewUser{Name: "mallory"})
	pr := alice.EnterPassword(t)
	pr, err := d.CodeAndTrust(t.Context(), authtest.Client, pr.Attempt, auth.TOTP, alice.Code())
	if err != nil {
		t.Fatal(err)
	}
	victim, err := d.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, pr.Session)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := d.TrustedBrowsers(t.Context(), victim.UserID)
	if err != nil || len(trusted) != 1 {
		t.Fatalf("trusted browsers %v, %v", trusted, err)
	}
	before, factor := d.account(t, alice), d.factorOf(t, alice)

	w := d.ask("GET", "/_nightlatch/factor/"+factor, "", cookies("", mallory.Session))
	if w.Code != 404 || strings.Contains(w.Body.String(), "Authenticator") {
		t.Errorf("GET factor: got %d, want 404:\n%s", w.Code, w.Body)
	}
	for _, c := range []struct {
		path string
		f    purpose
		id   string
	}{
		{"factor/" + factor + "/rename", renameFactorForm, ""},
		{"factor/" + factor + "/remove", removeFactorForm, ""},
		{"sessions/end", endSessionForm, victim.ID},
		{"sessions/end", endSessionForm, "0"},
		{"sessions/end", endSessionForm, ""},
		{"sessions/end", endSessionForm, strings.Repeat("0", 40000)},
		{"sessions/end-trust", endTrustForm, trusted[0].ID},
		{"sessions/end-trust", endTrustForm, victim.ID},
		{"sessions/end-trust", endTrustForm, strings.Repeat("0", 40000)},
	} {
		body, right := d.rightForm(c.f, "", mallory.Session, url.Values{"id": {c.id}, "name": {"stolen"}, "user": {"alice"}, "user_id": {victim.UserID}})
		if w := d.ask("POST", "/_nightlatch/"+c.path, body, right); w.Code != 404 {
			t.Errorf("POST %s with id %.40q: got %d, want 404", c.path, c.id, w.Code)
		}
	}
	if after := d.account(t, alice); !reflect.DeepEqual(after, before) {
		t.Errorf("the account was %+v and is %+v", before, after)
	}
	if list, err := d.TrustedBrowsers(t.Context(), victim.UserID); err != nil || len(list) != 1 {
		t.Errorf("trusted browsers %v, %v", list, err)
	}
	if _, err := d.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, pr.Session); err != nil {
		t.Errorf("the session of somebody else has ended: %v", err)
	}
}

// ASVS 15.3.3: a form changes what its page is about. Other fields are nobody's, however they are called.
func TestASVS15_3_3ExtraFieldsChangeNothing(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test", FullName: "Alice"})
	mallory := d.Enroll(t, auth.NewUser{Name: "mallory"})
	alice.Add(t, auth.NewFactor{Method: auth.TOTP, Name: "Tablet"})
	session := alice.SignIn(t)
	untouched := d.account(t, mallory)
	extra := func(more url.Values) url.Values {
		f := url.Values{
			"admin": {"true"}, "is_admin": {"1"}, "groups": {"admins"}, "Groups": {"admins"}, "user": {"mallory"}, "user_id": {untouched.ID}, "username": {"mallory"},
			"full_name": {"Root"}, "display_name": {"Root"}, "disabled": {"false"}, "has_password": {"false"}, "secret": {"AAAAAAAA"}, "factors": {"[]"},
			"max_age": {"999999"}, "sudo": {"true"}, "verified": {"true"}, "email_verified": {"true"}, "created": {"2000-01-01"}, "last_used": {"2000-01-01"},
			"return_to": {"//evil.example"},
		}
		for k, v := range more {
			f[k] = v
		}
		return f
	}
	id := d.factorOf(t, alice)
	for _, c := range []struct {
		path   string
		f      purpose
		fields url.Values
	}{
		{"factor/" + id + "/rename", renameFactorForm, url.Values{"name": {"Phone"}, "id": {d.factorOf(t, mallory)}, "email": {"evil@example.test"}}},
		{"email", emailForm, url.Values{"email": {"alice@new.test"}, "name": {"root"}, "password": {passphrase}}},
		{"two-factor/add", addFactorForm, url.Values{"method": {"email"}, "destination": {"evil@example.test"}, "to": {"evil@example.test"}, "email": {"evil@example.test"}}},
		{"sessions/end-others", endOthersForm, url.Values{"id": {"0"}, "name": {"root"}, "email": {"evil@example.test"}}},
		{"password", passwordForm, url.Values{"current": {alice.Password}, "password": {passphrase}, "repeat": {passphrase}, "name": {"root"}, "email": {"evil@example.test"}}},
	} {
		before := d.account(t, alice)
		d.Sent()
		body, right := d.rightForm(c.f, "", session, extra(c.fields))
		w := d.ask("POST", "/_nightlatch/"+c.path, body, right)
		if w.Code != 303 || strings.Contains(w.Header().Get("Location"), "evil") {
			t.Fatalf("%s: got %d to %q:\n%s", c.path, w.Code, w.Header().Get("Location"), w.Body)
		}
		after := d.account(t, alice)
		if !reflect.DeepEqual(after.User, before.User) {
			t.Errorf("%s: the account was %+v and is %+v", c.path, before.User, after.User)
		}
		if c.f == renameFactorForm {
			before.Factors[0].Name = "Phone"
		}
		if !reflect.DeepEqual(after.Factors, before.Factors) {
			t.Errorf("%s: the factors were %+v and are %+v", c.path, before.Factors, after.Factors)
		}
		for _, m := range d.Sent() {
			if strings.Contains(m.To, "evil") {
				t.Errorf("%s: a message %s goes to %s", c.path, m.Kind, m.To)
			}
		}
	}
	now := d.account(t, mallory)
	now.Sessions, untouched.Sessions = 0, 0
	if !reflect.DeepEqual(now, untouched) {
		t.Errorf("the account of somebody else was %+v and is %+v", untouched, now)
	}
}

// A form of the account does not put another attempt in the place of codes that are shown only now.
func TestOT16AFormDoesNotLoseBackupCodes(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	pr, err := d.NewBackupCodes(t.Context(), authtest.Client, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	for path, f := range accountForms() {
		if f == disableForm {
			continue // those codes are to go
		}
		body, _ := d.rightForm(f, "", alice.Session, sane(alice))
		w := d.ask("POST", "/_nightlatch/"+path, body, cookies(pr.Attempt, alice.Session))
		if at := w.Header().Get("Location"); w.Code != 303 || at != "/_nightlatch/backup-codes" || len(w.Header().Values("Set-Cookie")) != 0 {
			t.Errorf("%s: got %d to %q, want the backup codes", path, w.Code, at)
		}
	}
	if v, err := d.Attempt(t.Context(), pr.Attempt); err != nil || len(v.Codes) != 10 {
		t.Errorf("codes on the page: %d, %v", len(v.Codes), err)
	}
}
