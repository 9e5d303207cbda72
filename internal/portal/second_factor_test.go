// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

const (
	secondFactorPath = "/_nightlatch/second-factor"
	sendPath         = "/_nightlatch/second-factor/send"
	phone            = "+4915123456789"
)

// enrollMail makes a person whose one factor is e-mail, and to whom nothing is on its way.
func enrollMail(t testing.TB, b *authtest.Bench, name string) *authtest.Person {
	t.Helper()
	b.WithMail()
	p := b.EnrollWith(t, auth.NewUser{Name: name, Email: name + "@example.test"}, auth.NewFactor{Method: auth.Email})
	b.Sent()
	return p
}

// A person signs in with a code that comes by mail, mistypes it, asks too soon for another one, and gets it.
func TestStoryMailedCode(t *testing.T) {
	s := newSite(t)
	bob := enrollMail(t, s.Bench, "bob")
	b := s.browser(t).signIn(bob, "/app")
	b.sees(200, secondFactorPath, "We sent a code by e-mail to b•••@example.test.", "It works until", "Send another code", "Use a backup code instead").
		lacks("bob@example.test", "authenticator app")
	first := s.Await(t, auth.MessageCode)
	if first.To != "bob@example.test" || first.Language != "en" {
		t.Errorf("the code went to %q in %q", first.To, first.Language)
	}
	b.fill(secondFactorPath, "code", "x").sees(403, secondFactorPath, "This code is not right. Type the newest one that was sent to you.", "We sent a code")

	// ML-2: how soon another one may be sent is decided here and not by the button.
	b.sees(403, secondFactorPath, "aria-invalid")
	for range 3 {
		b.press(sendPath, "method", "email").sees(429, sendPath, "Wait 30 seconds", "We sent a code").lacks("aria-invalid") // the code is not to blame
	}
	if n := len(s.Sent()); n != 0 || b.header.Get("Retry-After") != "30" {
		t.Errorf("%d more codes were sent, Retry-After %q; want none, 30", n, b.header.Get("Retry-After"))
	}
	s.Clock.Move(30 * time.Second)
	b.press(sendPath, "method", "email").sees(200, secondFactorPath, "We sent a code by e-mail")
	if !strings.HasPrefix(b.answered.Get("Location"), "/_nightlatch/second-factor?factor=") {
		t.Errorf("led to %q, want the page of the same way", b.answered.Get("Location"))
	}
	second := s.Await(t, auth.MessageCode)
	if first.Code != second.Code {
		b.fill(secondFactorPath, "code", first.Code).sees(403, secondFactorPath, "This code is not right")
	}
	b.fill(secondFactorPath, "code", second.Code[:3]+" "+second.Code[3:]).sees(200, "/app", "the application")

	// Later it has run out, and the page sends another one on request.
	c := s.browser(t).signIn(bob, "/app").sees(200, secondFactorPath)
	s.Await(t, auth.MessageCode)
	for range 5 {
		c.fill(secondFactorPath, "code", "x").sees(403, secondFactorPath)
	}
	s.Clock.Move(time.Minute)
	c.press(sendPath, "method", "email").sees(403, sendPath, "no code that is sent counts any more in this sign-in", "Start over")
	for _, m := range s.Sent() {
		if m.Kind == auth.MessageCode {
			t.Error("a code was sent after all tries were spent")
		}
	}
}

// The best way is asked first. Another one is chosen by a link where nothing is sent, and by a button where something is.
func TestStoryAnotherWay(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	alice := s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	alice.Add(t, auth.NewFactor{Method: auth.Webhook, Name: "Work phone", Channel: "sms", Destination: phone})
	alice.Add(t, auth.NewFactor{Method: auth.Webhook, Channel: "chat", Destination: "alice"})
	alice.Add(t, auth.NewFactor{Method: auth.Email})
	s.Sent()

	b := s.browser(t).signIn(alice, "/app")
	b.sees(200, secondFactorPath, "Open your authenticator app", "Another way", "Send a code by text message to •••\u00a089 (Work phone)", "Send a code by chat to a•••",
		"Send a code by e-mail to a•••@example.test", "Use a backup code instead").lacks(phone, "alice@example.test")
	b.get(secondFactorPath+"?method=backup_code").sees(200, secondFactorPath, "Backup code", "Use your authenticator app instead", "Send a code by text message")
	b.get(secondFactorPath+"?method=email").sees(200, secondFactorPath, "Open your authenticator app") // names no way: the id is missing
	if n := len(s.Sent()); n != 0 {
		t.Fatalf("looking at pages sent %d codes", n)
	}

	sms := ""
	for i := range 2 {
		v, err := s.Attempt(t.Context(), b.cookie(visit.Attempt))
		if err != nil {
			t.Fatal(err)
		}
		sms = v.Ways[1].Factor
		if v.Ways[1].Channel != "sms" || (v.Sent != nil) != (i > 0) {
			t.Fatalf("round %d: ways %v, sent %v", i, v.Ways, v.Sent)
		}
		b.get(secondFactorPath+"?method=webhook&factor="+sms).sees(200, secondFactorPath, "text message to •••\u00a089")
		if i == 0 {
			b.sees(200, secondFactorPath, "Have a code sent to you").lacks(`name="code"`)
			b.press(sendPath, "factor", sms).sees(200, secondFactorPath, "We sent a code by text message to •••\u00a089.")
		}
	}
	m := s.Await(t, auth.MessageCode)
	if m.To != phone || m.Channel != "sms" {
		t.Errorf("the code went to %q by %q", m.To, m.Channel)
	}
	b.get(secondFactorPath).sees(200, secondFactorPath, "We sent a code by text message") // the one that is waited for
	b.get(secondFactorPath+"?method=totp").sees(200, secondFactorPath, "Open your authenticator app", "Send a code by text message")
	b.get(secondFactorPath).fill(secondFactorPath, "code", m.Code).sees(200, "/app")
}

// A code that could not be delivered is told on the page, with what to do.
func TestStoryCodeNotDelivered(t *testing.T) {
	s := newSite(t)
	bob := enrollMail(t, s.Bench, "bob")
	b := s.browser(t).signIn(bob, "/app").sees(200, secondFactorPath, "Nothing came? See whether it could be delivered")
	if err := s.NotDelivered(t.Context(), s.Await(t, auth.MessageCode), "550 no such mailbox at mail.internal"); err != nil {
		t.Fatal(err)
	}
	look := strings.Split(strings.Split(b.body, `">Nothing came?`)[0], `href="`)
	b.get(strings.ReplaceAll(look[len(look)-1], "&amp;", "&")).
		sees(200, secondFactorPath, "The code could not be delivered. Have another one sent, or choose another way.", "Send another code").
		lacks("We sent a code", "550", "mail.internal", "Type its six digits", "Nothing came?")
	s.Clock.Move(30 * time.Second)
	b.press(sendPath, "method", "email").sees(200, secondFactorPath, "We sent a code by e-mail")
}

// Where the operator allows it, a person is not asked for a code in this browser for a while, and only there.
func TestStoryTrustedBrowser(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	s.browser(t).signIn(alice, "/app").sees(200, secondFactorPath).lacks("Trust this browser")

	s.Configure(func(x *auth.Settings) { x.Trust = 30 * 24 * time.Hour })
	b := s.browser(t).signIn(alice, "/app").sees(200, secondFactorPath, "Trust this browser: don't ask for a code in it for up to 30 days.")
	b.get(secondFactorPath+"?method=backup_code").sees(200, secondFactorPath).lacks("Trust this browser")
	b.get(secondFactorPath).fill(secondFactorPath, "code", "000000", "trust", "yes").sees(403, secondFactorPath, "checked")
	b.fill(secondFactorPath, "code", alice.Code(), "trust", "yes").sees(200, "/app")
	first := b.cookie(visit.Trusted)
	if first == "" {
		t.Fatal("no cookie of a trusted browser")
	}
	set := strings.Join(b.answered.Values("Set-Cookie"), "\n")
	for _, c := range []visit.Cookie{visit.Browser, visit.Trusted} {
		if !strings.Contains(set, visit.Secure.CookieName(c)+"="+b.cookie(c)+"; Path=/; Expires=") {
			t.Errorf("%s does not outlive the browser: %s", visit.Secure.CookieName(c), set)
		}
	}
	b.get("/_nightlatch/sign-out").fill("/_nightlatch/sign-out").sees(200, "/_nightlatch/signed-out")
	b.signIn(alice, "/app").sees(200, "/app")
	if again := b.cookie(visit.Trusted); again == first || again == "" {
		t.Error("the ticket did not change with its use")
	}
	s.browser(t).signIn(alice, "/app").sees(200, secondFactorPath) // another browser

	// A step-up is asked for the code, and offers no trust.
	s.Clock.Move(20 * time.Minute)
	b.get("/_nightlatch/sudo?level=two_factor&max_age=600&return_to=/app").fill("/_nightlatch/sudo", "password", alice.Password).
		sees(200, secondFactorPath).lacks("Trust this browser")
}

// A browser is known by a cookie that outlives the session: signing in with another one is worth a notice, with the same one it is not.
func TestStoryKnownBrowser(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	alice := s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	enter := func(b *browser) (noticed bool) {
		t.Helper()
		s.Sent()
		b.signIn(alice, "/app").fill(secondFactorPath, "code", alice.Code()).sees(200, "/app")
		s.Clock.Move(otp.Period)
		for _, m := range s.Sent() {
			noticed = noticed || m.Kind == auth.NoticeNewBrowser
		}
		return noticed
	}
	b := s.browser(t)
	if !enter(b) {
		t.Error("a new browser is no news")
	}
	known := b.cookie(visit.Browser)
	b.get("/_nightlatch/sign-out").fill("/_nightlatch/sign-out").sees(200, "/_nightlatch/signed-out")
	if enter(b) || known == "" || b.cookie(visit.Browser) != known {
		t.Errorf("the same browser is a new one: cookie %q, then %q", known, b.cookie(visit.Browser))
	}
	if !enter(s.browser(t)) {
		t.Error("another browser is no news")
	}
}

// Where no way counts, the page says so and what can be done.
func TestNoWay(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	alice := s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	useUp := func(p *authtest.Person) {
		t.Helper()
		for _, code := range p.Codes {
			if _, err := s.Code(t.Context(), p.Client(), p.EnterPassword(t).Attempt, auth.BackupCode, code); err != nil {
				t.Fatal(err)
			}
		}
	}
	useUp(alice)
	const none = "No code can be entered here"
	b := s.browser(t).signIn(alice, "/app").fill(secondFactorPath, "code", alice.Code()).sees(200, "/app")
	b.get("/_nightlatch/sudo?level=two_factor&methods=email&return_to=/admin").
		sees(200, secondFactorPath, none, "another kind of second factor than this account has", "Add one on your account page", `href="/_nightlatch/account"`).
		lacks(`name="code"`, "start-over", "None of the second factors")

	// Without a mail server nothing of bob's counts, whatever is asked for, and the account page could not help: it asks for the same.
	bob := enrollMail(t, s.Bench, "bob")
	useUp(bob)
	b = s.browser(t).keep(visit.Session, bob.Session)
	s.Configure(func(x *auth.Settings) { x.Mail = false })
	s.Clock.Move(auth.SudoAge)
	b.get("/_nightlatch/sessions").fill("/_nightlatch/sudo", "password", bob.Password).
		sees(200, secondFactorPath, none, "None of the second factors of this account can be used now", "Ask whoever runs this site", `href="/_nightlatch/account"`).
		lacks(`name="code"`, "start-over", "Add one")
	s.browser(t).signIn(bob, "/app").sees(200, secondFactorPath, none, "None of the second factors", "start-over").lacks(`name="code"`, `href="/_nightlatch/account"`)
}

// ML-2: the caps on codes are the server's, and beginning again does not get round them. Whoever is over them hears how long to wait.
func TestML2CapsAreOnTheServer(t *testing.T) {
	s := newSite(t)
	bob := enrollMail(t, s.Bench, "bob")
	var b *browser
	for range 20 {
		b = s.browser(t).signIn(bob, "/app").sees(200, secondFactorPath)
	}
	codes := 0
	for _, m := range s.Sent() {
		if m.Kind == auth.MessageCode {
			codes++
		}
	}
	if codes == 0 || codes > 10 {
		t.Errorf("20 sign-ins sent %d codes, want a few", codes)
	}
	b.sees(200, secondFactorPath, "Have a code sent to you").lacks("We sent a code")
	b.press(sendPath, "method", "email").sees(429, sendPath, "or too many were. Wait")
	if b.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for _, m := range s.Sent() {
		if m.Kind == auth.MessageCode {
			t.Error("one more code was sent")
		}
	}
	b.get(secondFactorPath+"?method=backup_code").fill(secondFactorPath, "code", bob.Codes[0]).sees(200, "/_nightlatch/backup-codes/used") // there is another way in
}

// OT-9: a code is good for the sign-in that sent it, for its person and for its purpose.
func TestOT9SentCodesDoNotTravel(t *testing.T) {
	s := newSite(t)
	bob, carol := enrollMail(t, s.Bench, "bob"), enrollMail(t, s.Bench, "carol")
	one, two := s.browser(t).signIn(bob, "/app"), s.browser(t)
	ofOne := s.Await(t, auth.MessageCode).Code
	two.signIn(bob, "/app")
	ofTwo := s.Await(t, auth.MessageCode).Code
	theirs := s.browser(t).signIn(carol, "/app")
	ofCarol := s.Await(t, auth.MessageCode).Code
	if ofOne == ofTwo || ofOne == ofCarol {
		t.Fatal("two codes are the same, by a chance of one in 500,000: run again")
	}
	two.fill(secondFactorPath, "code", ofOne).sees(403, secondFactorPath, "This code is not right")
	theirs.fill(secondFactorPath, "code", ofOne).sees(403, secondFactorPath, "This code is not right")
	one.fill(secondFactorPath, "code", ofCarol).sees(403, secondFactorPath, "This code is not right")

	// A code that proves a new address, or enrolls, signs nobody in.
	pr, err := s.ChangeEmail(t.Context(), bob.Client(), bob.Session, "new@example.test")
	if err != nil {
		t.Fatal(err)
	}
	proves := s.Await(t, auth.MessageProve).Code
	one.fill(secondFactorPath, "code", proves).sees(403, secondFactorPath, "This code is not right")
	s.browser(t).keep(visit.Attempt, pr.Attempt).get(secondFactorPath).sees(200, "/_nightlatch/email/confirm").
		fill("/_nightlatch/email/confirm", "code", ofOne).sees(403, "/_nightlatch/email/confirm", "This code is not right")
	one.fill(secondFactorPath, "code", ofOne).sees(200, "/app")
	two.fill(secondFactorPath, "code", ofOne).sees(403, secondFactorPath)
}

// OT-11: a code goes to what is stored, whatever a form says.
func TestOT11AddressFromTheRequestIsIgnored(t *testing.T) {
	d := newDesk(t)
	bob := enrollMail(t, d.Bench, "bob")
	bob.Add(t, auth.NewFactor{Method: auth.Webhook, Channel: "sms", Destination: phone})
	extra := url.Values{}
	for _, name := range []string{"to", "email", "address", "destination", "channel", "phone"} {
		extra.Set(name, "mallory@evil.example")
	}
	with := func(pairs ...string) url.Values {
		form := url.Values{}
		for name := range extra {
			form.Set(name, extra.Get(name))
		}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return form
	}
	body, right := d.rightForm(signInForm, d.VisitorToken(), "", with("name", "bob", "password", bob.Password))
	w := d.ask("POST", "/_nightlatch/sign-in", body, right)
	var attempt string
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-nightlatch-attempt" {
			attempt = c.Value
		}
	}
	v, err := d.Attempt(t.Context(), attempt)
	if err != nil || len(v.Ways) != 3 {
		t.Fatalf("ways %v, %v", v.Ways, err)
	}
	if m := d.Await(t, auth.MessageCode); m.To != phone || m.Channel != "sms" {
		t.Errorf("at the sign-in: went to %q by %q", m.To, m.Channel)
	}
	for i, want := range []string{phone, "bob@example.test"} {
		d.Clock.Move(time.Minute)
		body, right := d.rightForm(sendSecondFactorForm, attempt, "", with("method", string(v.Ways[i].Method), "factor", v.Ways[i].Factor))
		if w := d.ask("POST", sendPath, body, right); w.Code != 303 {
			t.Errorf("sending to %s: got %d\n%s", want, w.Code, w.Body)
		}
		if m := d.Await(t, auth.MessageCode); m.To != want {
			t.Errorf("went to %q, want %q", m.To, want)
		}
	}
	// Nor does a way of somebody else, or none.
	for _, way := range [][2]string{{"email", ""}, {"email", v.Ways[0].Factor}, {"webhook", v.Ways[1].Factor}, {"webhook", "mallory"}, {"totp", ""}, {"backup_code", ""}, {"", ""}} {
		d.Clock.Move(time.Minute)
		body, right := d.rightForm(sendSecondFactorForm, attempt, "", with("method", way[0], "factor", way[1]))
		if w := d.ask("POST", sendPath, body, right); w.Code != 403 || !strings.Contains(w.Body.String(), "This way cannot be used here") {
			t.Errorf("%q: got %d", way, w.Code)
		}
	}
	if sent := d.Sent(); len(sent) != 0 {
		t.Errorf("%d messages were sent to %q", len(sent), sent[0].To)
	}
}

// recorder keeps every answer that a browser gets.
type recorder struct {
	http.RoundTripper
	t       *testing.T
	answers []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.RoundTripper.RoundTrip(req)
	if err == nil {
		r.answers = append(r.answers, fmt.Sprintf("%s %s %v", req.Method, req.URL, res.Header))
	}
	return res, err
}

// OT-12: the code is in no page, header, cookie or address; only whoever delivers it gets to know it.
func TestOT12CodeIsInNoAnswer(t *testing.T) {
	s := newSite(t)
	bob := enrollMail(t, s.Bench, "bob")
	b := s.browser(t)
	seen := &recorder{RoundTripper: b.http.Transport, t: t}
	b.http.Transport = seen
	var pages []string
	look := func(b *browser) { pages = append(pages, b.body) }
	look(b.signIn(bob, "/app"))
	codes := []string{s.Await(t, auth.MessageCode).Code}
	look(b.fill(secondFactorPath, "code", "x"))
	look(b.press(sendPath, "method", "email"))
	s.Clock.Move(time.Minute)
	look(b.press(sendPath, "method", "email"))
	codes = append(codes, s.Await(t, auth.MessageCode).Code)
	look(b.get(secondFactorPath))
	for _, code := range codes {
		for _, text := range append(pages, seen.answers...) {
			if strings.Contains(text, code) {
				t.Errorf("the code %s is in an answer:\n%s", code, text)
			}
		}
	}
	if len(seen.answers) < 6 || len(pages) != 5 {
		t.Errorf("looked at %d answers, %d pages", len(seen.answers), len(pages))
	}
	b.fill(secondFactorPath, "code", codes[1]).sees(200, "/app") // it was the right one
}

// BF-12, BF-16: until the password is right every answer is the same, whoever it is about and whatever they have enrolled.
func TestBF12BF16NothingBeforeThePassword(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	d.AddUser(t, auth.NewUser{Name: "plain", Email: "plain@example.test"})
	enrollMail(t, d.Bench, "mailed")
	app := d.Enroll(t, auth.NewUser{Name: "app-user", Email: "app@example.test"})
	app.Add(t, auth.NewFactor{Method: auth.Webhook, Channel: "sms", Destination: phone})
	d.AddUser(t, auth.NewUser{Name: "disabled"})
	if err := d.SetDisabled(t.Context(), auth.Client{}, "disabled", true); err != nil {
		t.Fatal(err)
	}
	d.Sent()

	visitor := d.VisitorToken()
	var want string
	for _, name := range []string{"nobody", "plain", "mailed", "app-user", "disabled"} {
		body, right := d.rightForm(signInForm, visitor, "", url.Values{"name": {name}, "password": {"not the right one at all"}})
		w := d.ask("POST", "/_nightlatch/sign-in", body, right)
		got := fmt.Sprint(w.Code, w.Header(), strings.ReplaceAll(w.Body.String(), `value="`+name+`"`, `value="NAME"`))
		got = strings.ReplaceAll(got, w.Header().Get("Content-Length"), "LENGTH") // it has the name in it
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant that of nobody\n%s", name, got, want)
		}
		for _, target := range []string{"second-factor", "second-factor?method=email", "two-factor/enable", "backup-codes", "email/confirm"} {
			if w := d.ask("GET", "/_nightlatch/"+target, "", cookies(visitor, "")); w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/_nightlatch/sign-in") {
				t.Errorf("%s before the password: got %d to %q", target, w.Code, w.Header().Get("Location"))
			}
		}
	}
	if n := len(d.Sent()); n != 0 {
		t.Errorf("%d messages before a password was right", n)
	}
	for path, f := range map[string]purpose{"second-factor/send": sendSecondFactorForm, "two-factor/send": sendEnrollmentForm, "two-factor/choose": chooseForm, "email/send": sendAddressForm} {
		body, right := d.rightForm(f, visitor, "", url.Values{"method": {"email"}, "name": {"mailed"}})
		if w := d.ask("POST", "/_nightlatch/"+path, body, right); w.Code != 403 || !strings.Contains(w.Body.String(), "Sign in again") {
			t.Errorf("%s without a sign-in: got %d", path, w.Code)
		}
	}
	if n := len(d.Sent()); n != 0 {
		t.Errorf("%d messages without a sign-in", n)
	}
}

// MF-7: a method that is not enrolled, or does not count here, is neither offered nor accepted.
func TestMF7NoOtherMethodCounts(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	alice := s.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	b := s.browser(t).signIn(alice, "/app")
	for _, m := range []string{"email", "webhook"} {
		form := b.get(secondFactorPath).form(secondFactorPath)
		form.Set("method", m)
		form.Set("code", alice.Code())
		b.send("POST", secondFactorPath, form).sees(403, secondFactorPath, "This way cannot be used here", "Open your authenticator app")
	}
	for _, m := range []string{"password", "trusted_browser", "", "EMAIL"} {
		form := b.get(secondFactorPath).form(secondFactorPath)
		form.Set("method", m)
		form.Set("code", alice.Code())
		b.send("POST", secondFactorPath, form).sees(400, secondFactorPath)
	}

	// A rule that wants the app takes no code by mail from somebody who has both.
	alice.Add(t, auth.NewFactor{Method: auth.Email})
	b = s.browser(t).signIn(alice, "/app").get(secondFactorPath)
	b.press(sendPath, "method", "email").fill(secondFactorPath, "code", s.Await(t, auth.MessageCode).Code).sees(200, "/app")
	b.get("/_nightlatch/sudo?level=two_factor&methods=totp&return_to=/admin").sees(200, secondFactorPath, "Open your authenticator app").lacks("e-mail")
	form := b.form(secondFactorPath)
	form.Set("method", "email")
	form.Set("code", "123456")
	b.send("POST", secondFactorPath, form).sees(403, secondFactorPath, "This way cannot be used here")
	s.Clock.Move(otp.Period)
	b.get(secondFactorPath).fill(secondFactorPath, "code", alice.Code()).sees(200, "/admin")
}

// WB-1, WB-4: what people call their devices, and where codes go, is text.
func TestWB1WB4NamesOfFactorsAreText(t *testing.T) {
	const attack = `<img src=x onerror=alert(1)>`
	s := newSite(t)
	s.WithMail()
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	alice.Add(t, auth.NewFactor{Method: auth.Webhook, Name: attack, Channel: "chat", Destination: attack})
	b := s.browser(t).signIn(alice, "/app")
	check := func(b *browser) {
		t.Helper()
		if strings.Contains(b.body, "<img src=x") || !strings.Contains(b.body, "&lt;") {
			t.Errorf("%s:\n%s", b.at, b.body)
		}
	}
	check(b.sees(200, secondFactorPath))
	check(b.press(sendPath, "method", "webhook").sees(200, secondFactorPath))
	check(b.press(sendPath, "method", "webhook").sees(429, sendPath))

	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	c := s.browser(t).signIn(bob, "/app").get("/_nightlatch/two-factor/enable")
	form := c.form("/_nightlatch/two-factor/choose", "channel", "chat")
	form.Set("name", attack)
	form.Set("destination", attack)
	check(c.send("POST", "/_nightlatch/two-factor/choose", form).sees(200, "/_nightlatch/two-factor/enable"))
	form = c.form("/_nightlatch/two-factor/choose", "channel", "sms")
	form.Set("name", attack)
	form.Set("destination", attack)
	check(c.send("POST", "/_nightlatch/two-factor/choose", form).sees(422, "/_nightlatch/two-factor/choose"))
	for _, query := range []string{"?method=" + url.QueryEscape(attack), "?method=webhook&factor=" + url.QueryEscape(attack)} {
		if b.get(secondFactorPath + query); strings.Contains(b.body, "onerror=alert(1)&gt;&quot;") || strings.Contains(b.body, "<img src=x") {
			t.Errorf("%s is on the page:\n%s", query, b.body)
		}
	}
}

// Whoever changes the language on a page that came as the answer to a form is back at the page.
func TestLanguageFromAnAnswerToAForm(t *testing.T) {
	s := newSite(t)
	bob := enrollMail(t, s.Bench, "bob")
	b := s.browser(t).signIn(bob, "/app").press(sendPath, "method", "email").sees(429, sendPath)
	b.toLanguages().fill("/_nightlatch/language", "language", "de").sees(200, secondFactorPath, `<html lang="de"`)

	carol := s.AddUser(t, auth.NewUser{Name: "carol", Email: "carol@example.test"})
	c := s.browser(t).signIn(carol, "/app").get(enablePath).choose("webhook", "sms", "destination", "x").sees(422, choosePath)
	c.toLanguages().fill("/_nightlatch/language", "language", "de").sees(200, enablePath, `<html lang="de"`)

	pr, err := s.ChangeEmail(t.Context(), bob.Client(), bob.Session, "new@example.test")
	if err != nil {
		t.Fatal(err)
	}
	d := s.browser(t).keep(visit.Session, bob.Session).keep(visit.Attempt, pr.Attempt).get("/_nightlatch/email/confirm")
	d.press("/_nightlatch/email/send").sees(429, "/_nightlatch/email/send")
	d.toLanguages().fill("/_nightlatch/language", "language", "de").sees(200, "/_nightlatch/email/confirm", `<html lang="de"`)
}
