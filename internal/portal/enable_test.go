// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

const (
	enablePath       = "/_nightlatch/two-factor/enable"
	choosePath       = "/_nightlatch/two-factor/choose"
	sendToFactorPath = "/_nightlatch/two-factor/send"
)

// choose sends one of the forms that offer a kind of second factor.
func (b *browser) choose(method, channel string, fields ...string) *browser {
	b.t.Helper()
	form := b.form(choosePath, "method", method, "channel", channel)
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.send("POST", choosePath, form)
}

// Somebody who wants no app takes codes by mail as the first second factor.
func TestStoryEnrollMail(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	bob := s.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.test"})
	b := s.browser(t).signIn(bob, "/app").get(enablePath+"?return_to=/app").sees(200, enablePath, "Scan this code", "Use another kind", "E-mail", "Text message", "chat")
	b.choose("email", "").sees(200, enablePath, "We sent a code by e-mail to bob@example.test.", "also takes a code that is sent to you", "Use another kind", "Authenticator app").
		lacks("Scan this code")
	b.press(sendToFactorPath).sees(429, sendToFactorPath, "Wait 30 seconds", "We sent a code")
	m := s.Await(t, auth.MessageEnroll)
	b.fill(enablePath, "code", "x").sees(403, enablePath, "This code is not right. Type the newest one that was sent to you.")
	s.Clock.Move(30 * time.Second)
	b.press(sendToFactorPath).sees(200, enablePath, "We sent a code")
	again := s.Await(t, auth.MessageEnroll)
	if m.To != "bob@example.test" || again.To != m.To {
		t.Errorf("codes went to %q and %q", m.To, again.To)
	}
	b.fill(enablePath, "code", again.Code).sees(200, "/_nightlatch/backup-codes").press("/_nightlatch/backup-codes").sees(200, "/app")
	b.get("/_nightlatch/sign-out").fill("/_nightlatch/sign-out").signIn(bob, "/app").sees(200, secondFactorPath, "We sent a code by e-mail to b•••@example.test.")
}

// A telephone number is taken as people write it, and only with its country. It counts once its code has come back.
func TestASVS6_6_1StoryEnrollTelephone(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	b := s.browser(t).signIn(bob, "/app").get(enablePath).sees(200, enablePath, `type="tel" autocomplete="tel"`, "weaker than an authenticator app: numbers can be taken over", "With its country, such as +49 151 23456789.").
		lacks("Codes go to the e-mail address") // there is none
	b.choose("webhook", "sms", "destination", "0151 23456789", "name", "Old phone").
		sees(422, choosePath, "Write a telephone number with its country", `value="0151 23456789"`, `value="Old phone"`, "Scan this code")
	b.choose("webhook", "sms", "destination", "+49 (151) 23456789", "name", "Old phone").sees(200, enablePath, "We sent a code by text message to "+phone)
	wrong := s.Await(t, auth.MessageEnroll)
	b.choose("webhook", "sms", "destination", "+49 151 11111111").sees(429, choosePath, "Wait 30 seconds")
	s.Clock.Move(30 * time.Second)
	b.choose("webhook", "sms", "destination", "+49 151 11111111").sees(200, enablePath, "to +4915111111111") // it was the wrong number
	b.fill(enablePath, "code", wrong.Code).sees(403, enablePath, "This code is not right")
	if u, err := s.User(t.Context(), "bob"); err != nil || len(u.Factors) != 0 {
		t.Errorf("before the code: factors %v, %v", u.Factors, err)
	}
	b.choose("totp", "", "name", "Phone").sees(200, enablePath, "Scan this code")
	b.choose("webhook", "chat", "destination", "bob#1", "name", strings.Repeat("x", 65)).sees(422, choosePath, `value="bob#1"`, "64")
	voice := b.form(choosePath, "channel", "sms")
	voice.Set("channel", "voice")
	voice.Set("destination", phone)
	b.send("POST", choosePath, voice).sees(403, choosePath, "This way cannot be used here") // there is no such channel
	s.Clock.Move(time.Minute)
	s.Sent()
	b.choose("webhook", "chat", "destination", "bob#1").sees(200, enablePath, "We sent a code by chat to bob#1.")
	b.fill(enablePath, "code", s.Await(t, auth.MessageEnroll).Code).sees(200, "/_nightlatch/backup-codes")
}

// Where the configuration has no authenticator apps, the kinds that there are show at once.
func TestEnrollWithoutApps(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	s.Configure(func(x *auth.Settings) { x.Methods = []auth.Method{auth.Webhook} })
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	b := s.browser(t).signIn(bob, "/").get(enablePath).sees(200, enablePath, "<details open>", "Text message").lacks("Authenticator app", `name="code"`)
	b.choose("webhook", "sms", "destination", phone).sees(200, enablePath, "We sent a code")

	s.Configure(func(x *auth.Settings) { x.Methods = []auth.Method{auth.Email} })
	carol := s.AddUser(t, auth.NewUser{Name: "carol"})
	s.browser(t).signIn(carol, "/").get(enablePath).sees(200, enablePath, "There is no second factor that you could set up here now.").lacks("<details")
}

// A new address counts once the code that was mailed to it has come back.
func TestStoryConfirmAddress(t *testing.T) {
	const confirm, send = "/_nightlatch/email/confirm", "/_nightlatch/email/send"
	s := newSite(t)
	s.WithMail()
	alice := s.Enroll(t, auth.NewUser{Name: "alice", Email: "old@example.test"})
	pr, err := s.ChangeEmail(t.Context(), alice.Client(), alice.Session, "new@example.test")
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser(t).keep(visit.Session, alice.Session).keep(visit.Attempt, pr.Attempt)
	b.get(confirm).sees(200, confirm, "We sent a code by e-mail to new@example.test.", "Keep the address as it was")
	b.get(secondFactorPath).sees(200, confirm) // led to where it stands
	first := s.Await(t, auth.MessageProve)
	b.fill(confirm, "code", "x").sees(403, confirm, "This code is not right")
	b.press(send).sees(429, send, "Wait 30 seconds")
	s.Clock.Move(30 * time.Second)
	b.press(send).sees(200, confirm)
	second := s.Await(t, auth.MessageProve)
	if first.To != "new@example.test" || second.To != first.To {
		t.Errorf("codes went to %q and %q", first.To, second.To)
	}
	if u, err := s.User(t.Context(), "alice"); err != nil || u.Email != "old@example.test" {
		t.Errorf("before the code: %q, %v", u.Email, err)
	}
	b.fill(confirm, "code", second.Code)
	if u, err := s.User(t.Context(), "alice"); err != nil || u.Email != "new@example.test" || b.status != 200 {
		t.Errorf("after the code: %q, %v, status %d", u.Email, err, b.status)
	}
}

// OT-11: a code that enrolls e-mail goes to the address of the account, and one that is sent again to where the first one went.
func TestOT11EnrollmentTakesNoAddressFromTheForm(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	bob := d.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.test"})
	session := bob.EnterPassword(t).Session
	pr, err := d.StepUp(t.Context(), bob.Client(), session, auth.Requirement{Level: auth.LevelTwoFactor}, "")
	if err != nil {
		t.Fatal(err)
	}
	evil := func() url.Values {
		form := url.Values{"method": {"email"}}
		for _, name := range []string{"to", "email", "address", "destination"} {
			form.Set(name, "mallory@evil.example")
		}
		return form
	}
	body, right := d.rightForm(chooseForm, pr.Attempt, session, evil())
	w := d.ask("POST", choosePath, body, right)
	if m := d.Await(t, auth.MessageEnroll); w.Code != http.StatusSeeOther || m.To != "bob@example.test" {
		t.Errorf("got %d, the code went to %q", w.Code, m.To)
	}
	var attempt string
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-nightlatch-attempt" {
			attempt = c.Value
		}
	}
	d.Clock.Move(time.Minute)
	body, right = d.rightForm(sendEnrollmentForm, attempt, session, evil())
	if w := d.ask("POST", sendToFactorPath, body, right); w.Code != http.StatusSeeOther {
		t.Errorf("sending again: got %d\n%s", w.Code, w.Body)
	}
	if m := d.Await(t, auth.MessageEnroll); m.To != "bob@example.test" {
		t.Errorf("the second code went to %q", m.To)
	}
}

// WB-13: the key of an app is in a page that no cache keeps, as a picture without an address, and in no address, header or cookie; with
// something else to be enrolled it is not there at all.
func TestWB13KeyIsInNoAddress(t *testing.T) {
	s := newSite(t)
	s.WithMail()
	bob := s.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.test"})
	b := s.browser(t)
	seen := &recorder{RoundTripper: b.http.Transport}
	b.http.Transport = seen
	b.signIn(bob, "/app").get(enablePath).sees(200, enablePath)
	plain := strings.ReplaceAll(secretText.FindStringSubmatch(b.body)[1], " ", "")
	b.scan()
	if b.header.Get("Cache-Control") != "no-store" || !strings.Contains(b.body, `src="data:image/png;base64,`) {
		t.Errorf("Cache-Control %q, or no picture", b.header.Get("Cache-Control"))
	}
	b.fill(enablePath, "code", "000000").sees(403, enablePath)
	for _, answer := range seen.answers {
		if strings.Contains(answer, plain) || strings.Contains(answer, "secret=") {
			t.Errorf("the key is outside of a page: %s", answer)
		}
	}
	if b.choose("email", "").sees(200, enablePath); strings.Contains(b.body, "otpauth") || strings.Contains(b.body, "data:image") || strings.Contains(b.body, plain) {
		t.Errorf("a key on the page of another kind:\n%s", b.body)
	}
}
