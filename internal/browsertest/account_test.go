// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const newPassphrase = "a second door behind the first"

// A person changes the password and the address, and the owner of the old one hears of it.
func TestOwnAccount(t *testing.T) {
	eachWay(t, ownAccount)
}

func ownAccount(t *testing.T, scripts bool) {
	mails := newMailbox(t)
	p := start(t, "nightlatch", mails.setting(), manyCodes)
	b := newTab(t, p.origin)
	b.past = 10
	b.runScripts(scripts)
	app := p.invite(b, "frida", "--email", "frida@example.com")

	b.account().press("Change: Password").sees(200, "/_nightlatch/password", "Change your password").shoot("60-password")
	if b.scripts {
		b.strength("short", "Too short so far.")
		b.strength("frida frida frida frida", "Easy to guess.")
		b.strength("mother chair orange", "Could be guessed with much effort.")
		b.strength(newPassphrase, "Very good")
		b.strength("aaaaaaaaaaaaaaaaaaaa", "Easy to guess.").shoot("61-strength")
	}
	b.fill("current", "not the right one at all", "password", newPassphrase, "repeat", newPassphrase).press("Change the password").
		refused(403, "/_nightlatch/password", "This is not the password of this account.", "current").shoot("62-password-refused")
	b.fill("current", passphrase, "password", newPassphrase, "repeat", passphrase).press("Change the password").
		refused(422, "/_nightlatch/password", "The two passwords are not the same.", "password")
	b.fill("current", passphrase, "password", "frida frida frida", "repeat", "frida frida frida").press("Change the password").
		refused(422, "/_nightlatch/password", "This password", "password")
	b.fill("current", passphrase, "password", newPassphrase, "repeat", newPassphrase).press("Change the password").
		sees(200, "/_nightlatch/account", "The password is changed. You were signed out everywhere else.").shoot("63-password-changed")
	mails.notice("The password of your account was changed")

	b.press("Change: E-mail").sees(200, "/_nightlatch/email", "frida@example.com").shoot("64-email")
	b.fill("email", "frida@example.com").press("Send a code").
		refused(422, "/_nightlatch/email", "This is the address of your account already.", "email").shoot("65-email-refused")
	b.fill("email", "frida@new.example.com").press("Send a code").
		sees(200, "/_nightlatch/email/confirm", "We sent a code by e-mail to frida@new.example.com.").shoot("66-confirm-email")
	b.fill("code", "000000").press("Confirm").refused(403, "/_nightlatch/email/confirm", "This code is not right.", "code").shoot("67-confirm-email-refused")
	b.secondTab().account("frida@example.com") // until it is confirmed
	b.fill("code", mails.code("frida@new.example.com")).press("Confirm").
		sees(200, "/_nightlatch/account", "Your e-mail address is changed.", "frida@new.example.com").shoot("68-email-changed")
	told := slices.Concat(mails.notice("frida@new.example.com").To, mails.notice("frida@new.example.com").To)
	if slices.Sort(told); !slices.Equal(told, []string{"frida@example.com", "frida@new.example.com"}) {
		t.Errorf("the change of address was told to %q, want both", told)
	}

	b.signOut()
	b.fill("name", "frida", "password", passphrase).press("Sign in").refused(403, "/_nightlatch/sign-in", "do not open an account here", "password")
	b.fill("password", newPassphrase).press("Sign in").fill("code", app.next()).press("Continue").sees(200, "/", "frida")
}

// strength types a new password and waits for what the page says of it.
func (b *tab) strength(typed, words string) *tab {
	b.t.Helper()
	b.fill("password", typed)
	b.do(says(words))
	return b
}

// An application links to where two-factor sign-in is turned on and off. Both lead to the account page.
func TestTwoFactorLinkedFromTheApplication(t *testing.T) {
	mails := newMailbox(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<!doctype html><html lang="en"><title>Application</title><h1>Application</h1>
			<a href="/_nightlatch/two-factor/enable">On</a> <a href="/_nightlatch/two-factor/disable">Off</a>`))
	}))
	t.Cleanup(app.Close)
	p := start(t, "nightlatch {\n\t\trequire password\n\t}\n\treverse_proxy /linked* "+strings.TrimPrefix(app.URL, "http://"), mails.setting(), manyCodes)
	b := newTab(t, p.origin)
	b.past = 10
	phone := p.invite(b, "gina", "--email", "gina@example.com")
	b.open("/linked").press("On").sees(200, "/_nightlatch/account", "Authenticator app") // there is one already

	b.open("/linked").press("Off").sees(200, "/_nightlatch/two-factor/disable", "Turn off two-factor sign-in?").shoot("70-turn-off")
	b.press("Turn off").sees(200, "/_nightlatch/sudo").fill("password", passphrase).press("Continue").sees(200, "/_nightlatch/second-factor").shoot("71-turn-off-code")
	b.fill("code", phone.wrong()).press("Continue").refused(403, "/_nightlatch/second-factor", "This code is not right.", "code")
	b.secondTab().account("Authenticator app") // until then
	b.fill("code", phone.next()).press("Continue").
		sees(200, "/_nightlatch/account", "Two-factor sign-in is off. You were signed out everywhere else.", "None yet").shoot("72-turned-off")
	mails.notice("From now on, the password alone opens your account.")
	b.signOut().fill("name", "gina", "password", passphrase).press("Sign in").sees(200, "/", "gina")

	b.open("/linked").press("Off").sees(200, "/_nightlatch/account", "None yet") // there is nothing to turn off
	b.open("/linked").press("On").sees(200, "/_nightlatch/two-factor/enable", "Set up your second factor").shoot("73-turn-on")
	again := b.scan()
	b.fill("code", again.next()).press("Turn on").sees(200, "/_nightlatch/backup-codes").press("I have saved them").
		sees(200, "/_nightlatch/account", "Authenticator app").shoot("74-turned-on")
}

// The whole way of a forgotten password, from somebody's scanner that opens every link in a mail to the second factor, which is asked
// as before, and no longer by mail.
func TestForgottenPassword(t *testing.T) {
	eachWay(t, forgottenPassword)
}

func forgottenPassword(t *testing.T, scripts bool) {
	mails := newMailbox(t)
	p := start(t, "nightlatch", mails.setting(), manyCodes)
	other := newTab(t, p.origin)
	other.past = 10
	app := p.invite(other, "hilde", "--email", "hilde@example.com")
	other.account().press("Add another one").choose("E-mail").adds(mails.code("hilde@example.com"))

	b := newTab(t, p.origin)
	b.runScripts(scripts)
	const onItsWay = "If there is an account, a mail is on its way to its address."
	b.open("/").press("Forgot your password?").sees(200, "/_nightlatch/reset", "User name or e-mail address").shoot("80-reset")
	b.fill("who", "nobody@example.com").press("Send the link").sees(200, "/_nightlatch/reset/sent", onItsWay).shoot("81-reset-sent")
	stranger := b.page.Text
	b.open("/_nightlatch/reset").fill("who", "hilde@example.com").press("Send the link").sees(200, "/_nightlatch/reset/sent", onItsWay)
	if b.page.Text != stranger {
		t.Errorf("the page tells who has an account:\n%s\nbut for a stranger:\n%s", b.page.Text, stranger)
	}
	letter, link := mails.letter(linkInLetter)
	if len(letter.To) != 1 || letter.To[0] != "hilde@example.com" {
		t.Errorf("the link went to %q", letter.To)
	}
	if !strings.HasPrefix(link, p.origin+"/") {
		t.Fatalf("the link is %s, want one of %s", link, p.origin)
	}

	for range 3 { // a scanner
		newTab(t, p.origin).open(link).sees(200, path(link), "Choose a new password")
	}
	b.open(link).sees(200, path(link), "Choose a new password").shoot("82-new-password")
	b.fill("password", "short", "repeat", "short").press("Set the password").refused(422, path(link), "This password is too short", "password").shoot("83-new-password-refused")
	b.fill("password", newPassphrase, "repeat", newPassphrase).press("Set the password").
		sees(200, "/_nightlatch/reset/done", "Your new password is set", "Sign in now with the new password.").shoot("84-new-password-set")
	mails.notice("password")
	newTab(t, p.origin).open(link).sees(410, path(link), "This link no longer works")
	other.open("/").sees(200, "/_nightlatch/sign-in") // signed out by the reset

	b.press("Sign in").sees(200, "/_nightlatch/sign-in")
	b.fill("name", "hilde", "password", passphrase).press("Sign in").refused(403, "/_nightlatch/sign-in", "do not open an account here", "password")
	b.fill("password", newPassphrase).press("Sign in").sees(200, "/_nightlatch/second-factor", "six digits").saysNot("e-mail").shoot("85-second-factor-after-reset")
	b.fill("code", app.next()).press("Continue").sees(200, "/", "hilde")
	b.signOut().fill("name", "hilde", "password", newPassphrase).press("Sign in").
		sees(200, "/_nightlatch/second-factor", "Send a code by e-mail to h•••@example.com") // another factor was proven meanwhile
}

// Without a mail server nobody is promised a mail.
func TestNoResetWithoutMail(t *testing.T) {
	_, front := newHouse(t)
	b := newTab(t, front.URL)
	b.open("/").sees(200, "/_nightlatch/sign-in").saysNot("Forgot")
	b.open("/_nightlatch/reset").sees(404, "/_nightlatch/reset", "There is no such page")
}
