// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"html"
	"image/png"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

const passphrase = "seven quiet lanterns drift"

var (
	secretText = regexp.MustCompile(`<code class="secret">([A-Z2-7 ]+)</code>`)
	pictureURL = regexp.MustCompile(`src="data:image/png;base64,([A-Za-z0-9+/=]+)"`)
	codeItem   = regexp.MustCompile(`<li><code>([0-9A-Z-]+)</code></li>`)
)

// scan reads the key off the page of two-factor/enable.
func (b *browser) scan() []byte {
	b.t.Helper()
	m := secretText.FindStringSubmatch(b.body)
	if m == nil {
		b.t.Fatalf("no key on %s:\n%s", b.at, b.body)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	return secret
}

// read reads the backup codes off their page.
func (b *browser) read() (codes []string) {
	b.t.Helper()
	for _, m := range codeItem.FindAllStringSubmatch(b.body, -1) {
		codes = append(codes, m[1])
	}
	if len(codes) != 10 {
		b.t.Fatalf("%d backup codes on %s, want 10:\n%s", len(codes), b.at, b.body)
	}
	return codes
}

func (s *site) code(secret []byte) string { return otp.Code(secret, otp.Step(s.Clock.Now())) }

// The whole way of a first administrator: link, password, authenticator, backup codes, application; then out and in again.
func TestStoryFromTheSetupLinkToTheApplicationAndBack(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	made, err := s.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	link := "/_nightlatch/setup/" + made.Token

	b.send("HEAD", link, nil)
	b.get(link).sees(200, link, "Make the first account", "At least 15 characters")
	b.get(link).sees(200, link, "Make the first account") // looking uses nothing up
	b.fill(link, "name", "Alice", "password", passphrase, "repeat", passphrase+"x").sees(422, link, "The two passwords are not the same")
	b.fill(link, "name", "Alice", "password", "short", "repeat", "short").sees(422, link, "too short: it needs at least 15 characters", `value="Alice"`)
	b.fill(link, "name", "a lice", "password", passphrase, "repeat", passphrase).sees(422, link, "This user name cannot be used")
	b.fill(link, "name", "Alice", "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/two-factor/enable", "Scan this code", "alice")

	// WB-13: the key is in the page and in no address.
	if b.at != "/_nightlatch/two-factor/enable" || b.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the key is shown at %q with Cache-Control %q", b.at, b.header.Get("Cache-Control"))
	}
	secret := b.scan()
	picture := pictureURL.FindStringSubmatch(html.UnescapeString(b.body))
	if picture == nil {
		t.Fatal("no QR code in the page")
	}
	raw, err := base64.StdEncoding.DecodeString(picture[1])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
		t.Errorf("the QR code is no picture: %v", err)
	}
	if !strings.Contains(b.body, `href="otpauth://totp/`) {
		t.Error("no link for an app on this device")
	}

	b.get(link).sees(200, "/_nightlatch/two-factor/enable") // the link is used, and leads on to where its person is
	b.fill("/_nightlatch/two-factor/enable", "code", "000000").sees(403, "/_nightlatch/two-factor/enable", "This code is not right")
	if again := b.scan(); !bytes.Equal(again, secret) {
		t.Error("a wrong code changed the key")
	}
	code := s.code(secret)
	b.fill("/_nightlatch/two-factor/enable", "code", code[:3]+" "+code[3:]).sees(200, "/_nightlatch/backup-codes", "They are shown only now")
	codes := b.read()
	b.get("/_nightlatch/account").sees(200, "/_nightlatch/backup-codes") // nothing else until they are saved
	b.fill("/_nightlatch/backup-codes").sees(200, "/", "the application")
	if b.cookie(visit.Session) == "" || b.cookie(visit.Attempt) != "" {
		t.Errorf("session cookie %q, attempt cookie %q; want one and none", b.cookie(visit.Session), b.cookie(visit.Attempt))
	}

	b.get("/_nightlatch/").sees(200, "/_nightlatch/account", "alice", "Authenticator app", "You have 10 backup codes left", "In this browser only")
	b.get("/_nightlatch/sign-out").sees(200, "/_nightlatch/sign-out", "Sign out?")
	b.fill("/_nightlatch/sign-out").sees(200, "/_nightlatch/signed-out", "You are signed out")
	// WB-11
	if got := b.answered.Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("Clear-Site-Data is %q", got)
	}
	if b.cookie(visit.Session) != "" || b.cookie(visit.Attempt) != "" {
		t.Error("the browser keeps a cookie after the sign-out")
	}
	b.get("/_nightlatch/account").sees(200, "/_nightlatch/sign-in", `value="/_nightlatch/account"`) // where the sign-in will lead back to

	s.Clock.Move(otp.Period)
	alice := &authtest.Person{Name: "alice", Password: passphrase}
	b.signIn(alice, "/app?x=1&y=2").sees(200, "/_nightlatch/second-factor", "Signing in as <strong>alice</strong>", "Use a backup code instead")
	b.fill("/_nightlatch/second-factor", "code", s.code(secret)).sees(200, "/app", "the application")
	if b.at != "/app?x=1&y=2" {
		t.Errorf("led to %q, want the address of the start", b.at)
	}

	// With a backup code: used up, and the count is told before going on.
	b.get("/_nightlatch/sign-out").fill("/_nightlatch/sign-out")
	b.signIn(alice, "/app").get("/_nightlatch/second-factor?method=backup_code").sees(200, "/_nightlatch/second-factor", "Backup code")
	b.fill("/_nightlatch/second-factor", "code", strings.ToLower(codes[3])).sees(200, "/_nightlatch/backup-codes/used", "You have 9 backup codes left")
	if !strings.Contains(b.body, `href="/app"`) {
		t.Errorf("no way on to the application:\n%s", b.body)
	}
	b.get("/_nightlatch/account").sees(200, "/_nightlatch/account", "You have 9 backup codes left")
}

// Every wrong way has one clear sentence.
func TestStoryWrongWays(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	b := s.browser(t)
	const wrong = "This user name and password do not open an account here."

	b.get("/_nightlatch/sign-in?return_to=/app").fill("/_nightlatch/sign-in", "name", "alice", "password", "not the right one at all", "remember", "yes").
		sees(403, "/_nightlatch/sign-in", wrong, `value="alice"`, `value="/app"`, "checked")
	known := problemOf(b)
	b.fill("/_nightlatch/sign-in", "name", "nobody", "password", "not the right one at all").sees(403, "/_nightlatch/sign-in", wrong)
	if problemOf(b) != known {
		t.Errorf("an unknown name is told %q, a known one %q", problemOf(b), known)
	}
	b.signIn(alice, "/app")
	used := alice.Code()
	b.fill("/_nightlatch/second-factor", "code", "000000").sees(403, "/_nightlatch/second-factor", "This code is not right")
	b.fill("/_nightlatch/second-factor", "code", used).sees(200, "/app")

	again := s.browser(t).signIn(alice, "/app")
	again.fill("/_nightlatch/second-factor", "code", used).sees(403, "/_nightlatch/second-factor", "This code has been used. Wait for the next one.")
	again.get("/_nightlatch/second-factor?method=backup_code").
		fill("/_nightlatch/second-factor", "code", "0000-0000-0000-0000").sees(403, "/_nightlatch/second-factor", "This is not one of your backup codes", "Use your authenticator app instead")
	again.fill("/_nightlatch/second-factor", "code", alice.Codes[0]).sees(200, "/_nightlatch/backup-codes/used")
	third := s.browser(t).signIn(alice, "/app").get("/_nightlatch/second-factor?method=backup_code")
	third.fill("/_nightlatch/second-factor", "code", alice.Codes[0]).sees(403, "/_nightlatch/second-factor", "This backup code has been used")

	s.Clock.Move(11 * time.Minute)
	third.fill("/_nightlatch/second-factor", "code", alice.Codes[1]).sees(403, "/_nightlatch/second-factor", "This sign-in took too long", `href="/_nightlatch/sign-in"`)
	third.get("/_nightlatch/second-factor").sees(200, "/_nightlatch/sign-in")
}

var problemText = regexp.MustCompile(`<p class="problem"[^>]*>(.*?)</p>`)

func problemOf(b *browser) string {
	if m := problemText.FindStringSubmatch(b.body); m != nil {
		return m[1]
	}
	return ""
}

func TestASVS6_3_1StoryTooManyWrongCodes(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	b := s.browser(t).signIn(alice, "/")
	for range 5 {
		b.fill("/_nightlatch/second-factor", "code", "000000").sees(403, "/_nightlatch/second-factor", "This code is not right")
	}
	b.fill("/_nightlatch/second-factor", "code", alice.Code()).sees(429, "/_nightlatch/second-factor", "There were too many tries", "wait 5 seconds")
	if got := b.header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After is %q, want 5", got)
	}

	// The counter follows the person, so each round may start over.
	for wrong := 5; wrong < 50; {
		s.Clock.Move(15 * time.Minute)
		b = s.browser(t).signIn(alice, "/")
		b.fill("/_nightlatch/second-factor", "code", "000000").sees(403, "/_nightlatch/second-factor")
		wrong++
	}
	s.Clock.Move(15 * time.Minute)
	b = s.browser(t).signIn(alice, "/")
	b.fill("/_nightlatch/second-factor", "code", alice.Code()).sees(403, "/_nightlatch/second-factor", "Codes of this kind are stopped for this account")
	b.get("/_nightlatch/second-factor?method=backup_code").fill("/_nightlatch/second-factor", "code", alice.Codes[0]).sees(200, "/_nightlatch/backup-codes/used")
}

func TestStoryInvite(t *testing.T) {
	s := newSite(t)
	_, made, err := s.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser(t)
	link := "/_nightlatch/invite/" + made.Token
	b.get("/_nightlatch/setup/"+made.Token).sees(410, "/_nightlatch/setup/"+made.Token, "This link no longer works") // a link of another kind
	b.get(link).sees(200, link, "Choose your password", `value="bob"`)
	b.fill(link, "password", "bobbobbobbobbob", "repeat", "bobbobbobbobbob").sees(422, link, "This password")
	b.fill(link, "password", passphrase, "repeat", passphrase).sees(200, "/_nightlatch/two-factor/enable")
	stranger := s.browser(t)
	stranger.get(link).sees(410, link, "This link no longer works")
	secret := b.scan()
	b.fill("/_nightlatch/two-factor/enable", "code", s.code(secret)).fill("/_nightlatch/backup-codes").sees(200, "/", "the application")
}

func TestASVS6_4_4StoryReenroll(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	made, err := s.ResetTwoFactor(t.Context(), auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser(t).signIn(alice, "/")
	b.sees(403, "/_nightlatch/sign-in", "Your second factor was reset. Open the link")
	link := "/_nightlatch/re-enroll/" + made.Token
	b.get(link).fill(link, "password", "not the right one at all").sees(403, link, "not the password of this account")
	b.fill(link, "password", alice.Password).sees(200, "/_nightlatch/two-factor/enable")
	b.fill("/_nightlatch/two-factor/enable", "code", s.code(b.scan())).fill("/_nightlatch/backup-codes").sees(200, "/", "the application")
}

// A person whom the gate brings here without a second factor enrolls and gets to where they wanted to go.
func TestStoryEnrollmentOfSomebodySignedIn(t *testing.T) {
	s := newSite(t)
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	b := s.browser(t).signIn(bob, "/app").sees(200, "/app")
	before := b.cookie(visit.Session)
	b.get("/_nightlatch/two-factor/enable?return_to=%2Fapp%3Fx%3D1").sees(200, "/_nightlatch/two-factor/enable", "Account: <strong>bob</strong>")
	if strings.Contains(b.body, "start-over") {
		t.Error("somebody who is signed in is offered to start the sign-in over")
	}
	b.fill("/_nightlatch/two-factor/enable", "code", s.code(b.scan())).fill("/_nightlatch/backup-codes").sees(200, "/app")
	if b.at != "/app?x=1" {
		t.Errorf("led to %q", b.at)
	}
	if after := b.cookie(visit.Session); after == before || after == "" {
		t.Error("the session cookie did not change when the session gained a factor (SE-3)")
	}
}

// A rule wants fresh proofs: only what is missing is asked for.
func TestStoryStepUp(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	b := s.browser(t).signIn(alice, "/app").fill("/_nightlatch/second-factor", "code", alice.Code()).sees(200, "/app")
	before := b.cookie(visit.Session)
	const address = "/_nightlatch/sudo?return_to=%2Fadmin&level=two_factor&max_age=600&methods=totp"
	b.get(address).sees(200, "/admin") // fresh enough already

	s.Clock.Move(20 * time.Minute)
	b.get(address).sees(200, "/_nightlatch/sudo", "Is it still you?", `value="alice"`)
	b.fill("/_nightlatch/sudo", "password", "not the right one at all").sees(403, "/_nightlatch/sudo", "not the password of this account")
	b.fill("/_nightlatch/sudo", "password", alice.Password).sees(200, "/_nightlatch/second-factor", "Account: <strong>alice</strong>").lacks("Signing in as")
	b.fill("/_nightlatch/second-factor", "code", alice.Code()).sees(200, "/admin", "the application")
	if after := b.cookie(visit.Session); after == before || after == "" {
		t.Error("the session cookie did not change at a step-up (SE-3)")
	}

	for _, bad := range []string{
		"level=none", "level=", "return_to=%2F", "level=two_factor&max_age=-1", "level=two_factor&max_age=99999999999999999999",
		"level=two_factor&methods=password", "level=two_factor&methods=sms", "level=two_factor&methods=,", "level=two_factor&level=password",
		"level=two_factor&methods=" + strings.Repeat("totp,", 20) + "totp",
	} {
		b.get("/_nightlatch/sudo?"+bad).sees(400, "/_nightlatch/sudo")
	}
	s.browser(t).get(address).sees(200, "/_nightlatch/sign-in", `value="/admin"`) // nobody is signed in
}

// Back buttons, second tabs and second clicks lead on.
func TestStoryTabsAndBackButtons(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	b := s.browser(t)
	first := b.get("/_nightlatch/sign-in?return_to=/app").form("/_nightlatch/sign-in")
	first.Set("name", alice.Name)
	first.Set("password", alice.Password)
	b.signIn(alice, "/app").sees(200, "/_nightlatch/second-factor")
	b.get("/_nightlatch/backup-codes").sees(200, "/_nightlatch/second-factor")
	if got := b.answered.Get("Location"); got != "/_nightlatch/second-factor" {
		t.Errorf("led to %q first, want the page of the step", got)
	}
	b.get("/_nightlatch/sign-in").sees(200, "/_nightlatch/second-factor")                                   // an attempt is led to its step
	b.send("POST", "/_nightlatch/sign-in", first).sees(403, "/_nightlatch/sign-in", "This page is too old") // a tab from before
	b.get("/_nightlatch/second-factor")
	second := b.form("/_nightlatch/second-factor")
	second.Set("code", alice.Code())
	b.send("POST", "/_nightlatch/second-factor", second).sees(200, "/app")
	b.send("POST", "/_nightlatch/second-factor", second).sees(200, "/")                    // a second click
	b.send("POST", "/_nightlatch/sign-in", first).sees(200, "/app")                        // a form that was left open
	b.get("/_nightlatch/second-factor").sees(200, "/")                                     // the back button
	b.get("/_nightlatch/sign-in?return_to="+url.QueryEscape("/app?y")).sees(200, "/app")   // already signed in
	b.get("/_nightlatch/backup-codes/used?return_to=/app&token=made-up").sees(200, "/app") // nobody is frightened by a link

	c := s.browser(t).signIn(alice, "/app")
	c.fill("/_nightlatch/start-over").sees(200, "/_nightlatch/sign-in", `value="/app"`)
	c.get("/_nightlatch/second-factor").sees(200, "/_nightlatch/sign-in")
}

func TestStoryKeepMeSignedIn(t *testing.T) {
	s := newSite(t)
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	for remember, want := range map[string]bool{"": false, "yes": true} {
		b := s.browser(t).get("/_nightlatch/sign-in")
		b.fill("/_nightlatch/sign-in", "name", bob.Name, "password", bob.Password, "remember", remember)
		var kept bool
		for _, c := range b.answered.Values("Set-Cookie") {
			if strings.HasPrefix(c, "__Host-nightlatch=") {
				kept = strings.Contains(c, "Expires=")
			}
		}
		if kept != want {
			t.Errorf("remember=%q: the cookie outlives the browser: %t, want %t (%v)", remember, kept, want, b.answered.Values("Set-Cookie"))
		}
	}
}
