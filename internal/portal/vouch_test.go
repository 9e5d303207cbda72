// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// vouchedSite has a handler in front that vouches for somebody, and makes accounts on first sight.
func vouchedSite(t *testing.T, name string) *site {
	t.Helper()
	s := newSite(t)
	s.portal.create, s.vouched = true, name
	return s
}

// enrollVouched takes a browser through its first sign-in.
func (b *browser) enrollVouched() (secret []byte) {
	b.t.Helper()
	b.get("/_nightlatch/two-factor/enable").sees(http.StatusOK, "/_nightlatch/two-factor/enable")
	a, err := b.site.Service.Attempt(b.t.Context(), auth.Client{Vouched: b.site.vouched, Host: b.site.Host}, b.cookie(visit.Attempt))
	if err != nil {
		b.t.Fatal(err)
	}
	b.fill("/_nightlatch/two-factor/enable", "code", otp.Code(a.Pending.Secret, otp.Step(b.site.Clock.Now()))).
		press("/_nightlatch/backup-codes").sees(http.StatusOK, "/_nightlatch/account")
	b.site.Clock.Move(otp.Period)
	return a.Pending.Secret
}

func (b *browser) typeCode(secret []byte) *browser {
	b.t.Helper()
	b.fill("/_nightlatch/second-factor", "code", otp.Code(secret, otp.Step(b.site.Clock.Now())))
	b.site.Clock.Move(otp.Period)
	return b
}

// TestStoryVouched: no page asks for a password, and each says what it does without one.
func TestStoryVouched(t *testing.T) {
	s := vouchedSite(t, "Alice")
	b := s.browser(t)
	b.get("/_nightlatch/sign-in?return_to=/reports").sees(http.StatusOK, "/reports", "the application")
	b.get("/_nightlatch/account").sees(http.StatusOK, "/_nightlatch/account", "alice").lacks("Password")
	secret := b.enrollVouched()

	other := s.browser(t)
	other.get("/_nightlatch/sign-in?return_to=/reports").sees(http.StatusOK, "/_nightlatch/second-factor", "alice").lacks("start-over", `type="password"`)
	other.get("/_nightlatch/sign-in").sees(http.StatusOK, "/_nightlatch/second-factor")
	other.typeCode(secret).sees(http.StatusOK, "/reports")

	s.Clock.Move(20 * time.Minute)
	b.get("/_nightlatch/sessions").sees(http.StatusOK, "/_nightlatch/second-factor").lacks(`type="password"`)
	b.typeCode(secret).sees(http.StatusOK, "/_nightlatch/sessions", "sign-in in front of this site, authenticator app")
	b.get("/_nightlatch/password").sees(http.StatusOK, "/_nightlatch/password", "Your account has no password here")
	b.get("/_nightlatch/email").sees(http.StatusNotFound, "/_nightlatch/email")

	b.get("/_nightlatch/two-factor/disable").sees(http.StatusOK, "/_nightlatch/two-factor/disable", "the sign-in in front of this site alone opens your account", "Next you type a code.")
	b.press("/_nightlatch/two-factor/disable").sees(http.StatusOK, "/_nightlatch/second-factor", "If you did not ask for that, go no further and tell whoever runs this site.")
	b.typeCode(secret).sees(http.StatusOK, "/_nightlatch/account", "Two-factor sign-in is off.")

	b.get("/_nightlatch/sign-out").sees(http.StatusOK, "/_nightlatch/sign-out", "you can come back without a password")
	b.press("/_nightlatch/sign-out").sees(http.StatusOK, "/_nightlatch/signed-out", "Only a second factor keeps them out")
	if b.cookie(visit.Session) != "" {
		t.Error("the session's cookie is still there")
	}
}

// TestVouchedRefusals: who may not come in is told why, under the name that is known of them, and no form for a password is in its place.
func TestVouchedRefusals(t *testing.T) {
	s := vouchedSite(t, "")
	s.AddUser(t, auth.NewUser{Name: "bob"})
	if err := s.SetDisabled(t.Context(), auth.Client{}, "bob", true); err != nil {
		t.Fatal(err)
	}
	s.Enroll(t, auth.NewUser{Name: "carol"})
	if _, err := s.ResetTwoFactor(t.Context(), auth.Client{}, "carol"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		create bool
		status int
		says   string
	}{
		{"mallory", false, http.StatusForbidden, "knows you as “mallory”. There is no account of that name here"},
		{"bob", true, http.StatusForbidden, "knows you as “bob”. There is no account of that name here"},
		{"carol", true, http.StatusForbidden, "Your second factor was reset."},
		{"<b>Eve", true, http.StatusUnprocessableEntity, "knows you as “<b>Eve”, and that cannot be a user name here"},
		{strings.Repeat("ä", 300), true, http.StatusUnprocessableEntity, "knows you as “" + strings.Repeat("ä", 64) + "”"},
	} {
		s.vouched, s.portal.create = c.name, c.create
		b := s.browser(t)
		b.get("/_nightlatch/account").sees(c.status, "/_nightlatch/sign-in", "You cannot come in", c.says).lacks("<form method=\"post\" action=\"/_nightlatch/sign-in\">")
		if strings.Contains(b.body, "<b>") || b.cookie(visit.Session) != "" {
			t.Errorf("%s: a session, or markup in the name:\n%s", c.name, b.body)
		}
	}
	s.vouched = ""
	s.browser(t).get("/_nightlatch/sign-in").sees(http.StatusOK, "/_nightlatch/sign-in", "Password")
}

// TestVouchedBrowserWithoutCookies is told so, rather than led round with a session in the store for each round.
func TestVouchedBrowserWithoutCookies(t *testing.T) {
	s := vouchedSite(t, "alice")
	b := s.browser(t)
	b.http.Jar = nil
	b.get("/_nightlatch/sign-in").sees(http.StatusForbidden, "/_nightlatch/sign-in", "Please allow cookies")
	if users, err := s.Users(t.Context()); err != nil || len(users) != 0 {
		t.Errorf("accounts: %+v, %v", users, err)
	}
	b.send("HEAD", "/_nightlatch/sign-in", nil)
	if users, err := s.Users(t.Context()); err != nil || len(users) != 0 {
		t.Errorf("HEAD has made %+v, %v", users, err)
	}
}

// TestAnotherPersonIsNamedMeanwhile: the pages of a session and of a sign-in in progress are for the person whose they are. Signing out is
// for everybody.
func TestAnotherPersonIsNamedMeanwhile(t *testing.T) {
	s := vouchedSite(t, "alice")
	b := s.browser(t)
	b.get("/_nightlatch/sign-in")
	secret := b.enrollVouched()
	b.get("/_nightlatch/two-factor/disable")
	form := b.form("/_nightlatch/two-factor/disable")
	out := b.get("/_nightlatch/sign-out").form("/_nightlatch/sign-out")
	alices := b.cookie(visit.Session)

	s.vouched = "bob"
	b.send("POST", "/_nightlatch/two-factor/disable", form).sees(http.StatusOK, "/_nightlatch/account", "bob").lacks("alice")
	if d, err := s.User(t.Context(), "alice"); err != nil || len(d.Factors) != 1 {
		t.Errorf("alice: %+v, %v", d, err)
	}

	// A sign-in of alice's that waits for the code is no way in for bob, whatever he knows of it.
	s.vouched = "alice"
	c := s.browser(t)
	c.get("/_nightlatch/sign-in").sees(http.StatusOK, "/_nightlatch/second-factor")
	code := c.form("/_nightlatch/second-factor")
	code.Set("code", otp.Code(secret, otp.Step(s.Clock.Now())))
	for _, named := range []string{"bob", ""} {
		s.vouched = named
		c.send("POST", "/_nightlatch/second-factor", code).lacks("alice")
		if value := c.cookie(visit.Session); value != "" {
			t.Errorf("where %q is named, alice's code has made a session", named)
		}
	}

	s.vouched = "bob"
	b.keep(visit.Session, alices)
	b.send("POST", "/_nightlatch/sign-out", out).sees(http.StatusOK, "/_nightlatch/signed-out")
	if _, err := s.Session(t.Context(), auth.Asker{Host: "127.0.0.1"}, alices); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("her session goes on: %v", err)
	}
}

// TestVouchedFormOfBefore: a sign-in form that was opened before leads on without its password.
func TestVouchedFormOfBefore(t *testing.T) {
	s := vouchedSite(t, "")
	bob := s.AddUser(t, auth.NewUser{Name: "bob"})
	b := s.browser(t)
	b.get("/_nightlatch/sign-in?return_to=/reports")
	form := b.form("/_nightlatch/sign-in")
	form.Set("name", bob.Name)
	form.Set("password", bob.Password)
	s.vouched = "alice"
	b.send("POST", "/_nightlatch/sign-in", form).sees(http.StatusOK, "/reports")
	b.get("/_nightlatch/account").sees(http.StatusOK, "/_nightlatch/account", "alice").lacks("bob")
}

// TestVouchedLinks: a link of an operator's is for the person whom the handler in front names, and then needs no password.
func TestVouchedLinks(t *testing.T) {
	s := vouchedSite(t, "alice")
	b := s.browser(t)
	b.get("/_nightlatch/sign-in")
	b.enrollVouched()
	link, err := s.ResetTwoFactor(t.Context(), auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	path := "/_nightlatch/re-enroll/" + link.Token
	s.vouched = "bob"
	s.browser(t).get(path).press(path).sees(http.StatusForbidden, path, "knows you as somebody else")
	s.vouched = "alice"
	s.browser(t).get(path).sees(http.StatusOK, path, "Next you set up a new one.").lacks(`type="password"`).
		press(path).sees(http.StatusOK, "/_nightlatch/two-factor/enable")

	_, invite, err := s.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	path = "/_nightlatch/invite/" + invite.Token
	s.browser(t).get(path).fill(path, "password", "a door with two locks", "repeat", "a door with two locks").
		sees(http.StatusForbidden, path, "knows you as somebody else")
	if d, err := s.User(t.Context(), "carol"); err != nil || d.HasPassword {
		t.Errorf("carol: %+v, %v", d, err)
	}
}

// TestVouchedStepUp: of somebody with a password too, a step-up asks for the code alone.
func TestVouchedStepUp(t *testing.T) {
	s := vouchedSite(t, "")
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	b := s.browser(t)
	b.signIn(alice, "/_nightlatch/account").fill("/_nightlatch/second-factor", "code", alice.Code())
	s.Clock.Move(20 * time.Minute)
	b.get("/_nightlatch/sessions").sees(http.StatusOK, "/_nightlatch/sudo", "Type your password")
	s.vouched = "alice"
	b.keep(visit.Attempt, "").get("/_nightlatch/sessions").sees(http.StatusOK, "/_nightlatch/second-factor")
	b.typeCode(alice.Secret).sees(http.StatusOK, "/_nightlatch/sessions")
	b.get("/_nightlatch/password").sees(http.StatusOK, "/_nightlatch/password", "Password now")
}
