// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
)

// manyCodes has the program take ten earlier codes of an authenticator, for a test that types more than two and does not wait.
const manyCodes = "totp {\n\t\t\tpast_steps 10\n\t\t}"

// choose opens a kind of second factor, fills in its form by the names of the fields and sends it.
func (b *tab) choose(kind string, fields ...string) *tab {
	b.t.Helper()
	return b.leads(chromedp.Click(b.unfold(kind, fields...)))
}

// unfold opens a kind of second factor, fills in its form and returns the button that sends it.
func (b *tab) unfold(kind string, fields ...string) chromedp.Search {
	b.t.Helper()
	in := fmt.Sprintf(`//details[summary[normalize-space()=%q]]`, kind)
	open := fmt.Sprintf(`[...document.querySelectorAll("details")].find((d) => d.querySelector("summary").innerText.trim() === %q).open`, kind)
	if !get(b, chromedp.Evaluate[bool](open)) {
		b.do(chromedp.Click(chromedp.Search(in + "/summary")))
	}
	for i := 0; i < len(fields); i += 2 {
		typeInto(b, chromedp.Search(fmt.Sprintf(`%s//input[@name=%q]`, in, fields[i])), fields[i+1])
	}
	return chromedp.Search(in + "//button")
}

// account opens the account page.
func (b *tab) account(texts ...string) *tab {
	b.t.Helper()
	return b.open("/_nightlatch/account").sees(200, "/_nightlatch/account", texts...)
}

// adds types the first code of what is being added.
func (b *tab) adds(code string, texts ...string) *tab {
	b.t.Helper()
	return b.fill("code", code).press("Turn on").
		sees(200, "/_nightlatch/account", append(texts, "The new second factor works from now on.")...)
}

// Everything that somebody can do with second factors, with a mail server and a gateway that believe nobody but the program.
func TestSecondFactors(t *testing.T) {
	eachWay(t, secondFactors)
}

func secondFactors(t *testing.T, scripts bool) {
	mails, phones := newMailbox(t), newGateway(t)
	p := start(t, "nightlatch", mails.setting(), phones.setting(), manyCodes)
	b := newTab(t, p.origin)
	b.past = 10
	b.runScripts(scripts)
	app := p.invite(b, "dora", "--email", "dora@example.com")

	// Another app, by its own name.
	b.account("Authenticator app", "dora@example.com").shoot("40-account")
	b.press("Add another one").sees(200, "/_nightlatch/two-factor/add", "Add a second factor").shoot("41-add-factor")
	b.choose("Authenticator app", "name", "Tablet").sees(200, "/_nightlatch/two-factor/enable", "Add a second factor").shoot("42-add-app")
	tablet := b.scan()
	b.fill("code", tablet.wrong()).press("Turn on").refused(403, "/_nightlatch/two-factor/enable", "This code is not right.", "code")
	b.adds(tablet.next(), "Tablet").shoot("43-factor-added")
	mails.notice("Tablet")

	// E-mail, to the address of the account.
	b.press("Add another one").choose("E-mail").
		sees(200, "/_nightlatch/two-factor/enable", "We sent a code by e-mail to dora@example.com.").shoot("44-add-email")
	b.fill("code", "000000").press("Turn on").
		refused(403, "/_nightlatch/two-factor/enable", "This code is not right. Type the newest one that was sent to you.", "code").shoot("45-add-email-refused")
	b.adds(mails.code("dora@example.com"), "E-mail")

	// A telephone, and a name in a chat.
	b.press("Add another one").choose("Text message", "destination", "0151 2345678", "name", "Mobile")
	b.refused(422, "/_nightlatch/two-factor/add", "Codes cannot be sent there. Write a telephone number with its country", b.page.Focus).shoot("46-add-phone-refused")
	b.choose("Text message", "destination", "+49 151 2345678").
		sees(200, "/_nightlatch/two-factor/enable", "We sent a code by text message to +491512345678.").shoot("47-add-phone")
	b.adds(phones.code("sms", "+491512345678"), "Mobile").shoot("48-account-with-factors")

	// All of them at sign-in: the app first, the others by the side.
	b.signOut().signIn("dora").sees(200, "/_nightlatch/second-factor", "six digits", "Another way",
		"Send a code by e-mail to d•••@example.com", "Send a code by text message to •••\u00a078 (Mobile)").shoot("49-another-way")
	b.press("Send a code by e-mail to d•••@example.com").
		sees(200, "/_nightlatch/second-factor", "We sent a code by e-mail to d•••@example.com.", "Type its six digits.").saysNot("dora@").shoot("50-mailed-code")
	b.fill("code", "000000").press("Continue").
		refused(403, "/_nightlatch/second-factor", "This code is not right. Type the newest one that was sent to you.", "code").shoot("51-mailed-code-refused")
	b.press("Send another code").sees(429, "/_nightlatch/second-factor/send", "A code was sent only a short time ago").shoot("52-too-soon")
	b.fill("code", mails.code("dora@example.com")).press("Continue").sees(200, "/", "dora")

	b.signOut().signIn("dora").press("Send a code by text message to •••\u00a078 (Mobile)").
		sees(200, "/_nightlatch/second-factor", "We sent a code by text message to •••\u00a078.")
	b.press("Use your authenticator app instead").sees(200, "/_nightlatch/second-factor", "six digits").shoot("53-back-to-the-app")
	b.fill("code", phones.code("sms", "+491512345678")).press("Continue").refused(403, "/_nightlatch/second-factor", "This code is not right.", "code")
	b.fill("code", tablet.next()).press("Continue").sees(200, "/", "dora")

	// Names, and what is not needed any more.
	b.account().press("Change: Mobile (Second factor)").sees(200, b.page.Path, "Second factor", "Mobile", "Text message").shoot("54-factor")
	b.fill("name", "Work phone").press("Save the name").sees(200, "/_nightlatch/account", "The name is saved.", "Work phone").saysNot("Mobile").shoot("55-renamed")
	b.press("Change: Tablet (Second factor)").sees(200, b.page.Path, "Second factor", "Tablet")
	b.press("Remove").sees(200, "/_nightlatch/account", "The second factor is removed. You were signed out everywhere else.").saysNot("Tablet").shoot("56-removed")
	mails.notice("Tablet")

	// Backup codes anew: those from before are dead.
	b.press("Make new ones").sees(200, "/_nightlatch/backup-codes/new", "ten new codes").shoot("57-new-backup-codes")
	b.press("Make new codes").sees(200, "/_nightlatch/backup-codes", "Save your backup codes")
	codes := b.backupCodes("dora")
	b.press("I have saved them").sees(200, "/_nightlatch/account", "Your new backup codes work from now on", "You have 10 backup codes left.").shoot("58-backup-codes-made")
	b.signOut().signIn("dora").fill("code", tablet.next()).press("Continue").refused(403, "/_nightlatch/second-factor", "This code is not right.", "code")
	b.press("Use a backup code instead").fill("code", codes[0]).press("Continue").sees(200, "/_nightlatch/backup-codes/used").press("Continue").sees(200, "/", "dora")
	b.signOut().signIn("dora").fill("code", app.next()).press("Continue").sees(200, "/", "dora")
}

// What cannot be delivered is said on the page, and the other ways stay open.
func TestFailedDelivery(t *testing.T) {
	mails, phones := newMailbox(t, mailtest.RefuseRecipient()), newGateway(t)
	p := start(t, "nightlatch", mails.setting(), phones.setting(), manyCodes)
	b := newTab(t, p.origin)
	b.past = 10
	app := p.invite(b, "erin", "--email", "erin@example.com")
	const failed, look = "The code could not be delivered. Have another one sent, or choose another way.", "Nothing came? See whether it could be delivered"

	b.account().press("Add another one").choose("E-mail").sees(200, "/_nightlatch/two-factor/enable")
	b.until(failed, look).sees(200, "/_nightlatch/two-factor/enable", failed).shoot("59-not-delivered")
	b.account().press("Add another one").choose("chat", "destination", "@erin").sees(200, "/_nightlatch/two-factor/enable", "We sent a code by chat to @erin.")
	b.adds(phones.code("chat", "@erin"), "chat")

	b.signOut().signIn("erin")
	for range 2 {
		phones.fail <- http.StatusBadGateway // it is asked once more
	}
	b.press("Send a code by chat to @•••").sees(200, "/_nightlatch/second-factor")
	b.until(failed, look).sees(200, "/_nightlatch/second-factor", failed).shoot("59-not-delivered-at-sign-in")
	b.press("Use your authenticator app instead").fill("code", app.next()).press("Continue").sees(200, "/", "erin")
}

// until follows a link again and again until the page says what is waited for.
func (b *tab) until(words, link string) *tab {
	b.t.Helper()
	deadline, tick := time.After(patience), time.Tick(100*time.Millisecond)
	for !strings.Contains(b.page.Text, words) {
		select {
		case <-tick:
			b.press(link)
		case <-deadline:
			b.t.Fatalf("%s never says %q:\n%s", b.page.Path, words, b.page.Text)
		}
	}
	return b
}
