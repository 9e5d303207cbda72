// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

const (
	appsPage   = "/_nightlatch/app-passwords"
	newAppPage = appsPage + "/new"
)

// pick chooses from a list.
func (b *tab) pick(field, value string) *tab {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS("#"+field), value))
	return b
}

// copied are what the page of a new app password shows, by what it is called.
func (b *tab) copied(id string) string {
	b.t.Helper()
	return b.text("#" + id)
}

// Somebody makes an app password for a program, reloads the page that shows it, and revokes it.
func TestAppPasswords(t *testing.T) {
	eachWay(t, appPasswords)
}

func appPasswords(t *testing.T, scripts bool) {
	mails := newMailbox(t)
	p := start(t, "nightlatch", mails.setting(), manyCodes)
	b := newTab(t, p.origin)
	b.past = 10
	b.runScripts(scripts)
	p.invite(b, "lena", "--email", "lena@example.com")
	b.account("App passwords", "None").press("Manage").sees(200, appsPage, "You have none.").shoot("75-app-passwords-none")
	b.press("Make an app password").sees(200, newAppPage, "It is good for localhost alone.").shoot("76-new-app-password")
	b.fill("name", "Calendar on the phone", "path", "dav").pick("days", "30").check("read_only").press("Make it").
		refused(422, newAppPage, "This path cannot be used.", "path").shoot("76-new-app-password-refused")
	b.fill("path", "/dav").press("Make it").sees(200, newAppPage, "Your new app password", "It is shown only now",
		"lena", "Calendar on the phone", "localhost", "/dav", "reading only").shoot("77-app-password")
	b.do(chromedp.Click(chromedp.CSS("summary")))
	b.look().sees(200, newAppPage, "Nightlatch-Client-Id", "Nightlatch-Client-Secret").shoot("77-app-password-headers")
	token, secret := b.copied("password"), b.copied("Nightlatch-Client-Secret")
	if token != b.copied("Nightlatch-Client-Id")+"_"+secret || len(secret) != 43 {
		t.Errorf("shown are %q and %q", token, secret)
	}
	if buttons := get(b, chromedp.Evaluate[int](`[...document.querySelectorAll("button")].filter((e) => e.getClientRects().length).length`)); buttons != 0 && !scripts || buttons != 4 && scripts {
		t.Errorf("%d buttons that copy", buttons)
	}
	if scripts {
		copies(b, chromedp.CSS("#copy-password"), token)
		for _, id := range []string{"user", "Nightlatch-Client-Id", "Nightlatch-Client-Secret"} {
			b.do(chromedp.Click(chromedp.CSS("#copy-"+id)), chromedp.Poll[chromedp.Void](fmt.Sprintf(`document.querySelector("#copy-%s + small").textContent === "Copied."`, id)))
			if got := get(b, chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise)); got != b.copied(id) {
				t.Errorf("%s: the clipboard holds %q", id, got)
			}
		}
		b.shoot("77-app-password-copied")
	}
	mails.notice("Your account has a new app password.")

	opens := func(path string) int {
		t.Helper()
		r, err := http.NewRequest("GET", p.origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("lena", token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if in, outside := opens("/dav/calendar"), opens("/"); in != 200 || outside != 401 {
		t.Errorf("the app password: got %d at /dav/calendar and %d at /, want 200 and 401", in, outside)
	}

	b.leads(chromedp.Reload()).sees(409, newAppPage, "Nothing was made", "A new one is shown only once").saysNot(secret).shoot("78-app-password-reloaded")
	b.press("Back to your app passwords").sees(200, appsPage, "Calendar on the phone", "Site: localhost", "Only below: /dav",
		"Allowed: reading only (GET and HEAD)", "Last used: ").saysNot("never").saysNot(secret).shoot("79-app-passwords")
	if n := strings.Count(b.page.Text, "Works until"); n != 1 {
		t.Errorf("%d app passwords, want 1:\n%s", n, b.page.Text)
	}
	b.press("Revoke: Calendar on the phone").sees(200, appsPage, "The app password is revoked", "You have none.").saysNot("Calendar").shoot("79-app-password-revoked")
	if got := opens("/dav/calendar"); got != 401 {
		t.Errorf("after it was revoked: got %d", got)
	}
}

// At a central portal a person chooses the site.
func TestAppPasswordsAtAPortal(t *testing.T) {
	p, _, _ := threeSites(t)
	b := newTab(t, p.origin)
	b.open(p.link(p.operator("user", "add", "olga")))
	b.fill("password", passphrase, "repeat", passphrase).press("Set the password").sees(200, "/_nightlatch/two-factor/enable")
	b.fill("code", b.scan().next()).press("Turn on").sees(200, "/_nightlatch/backup-codes").press("I have saved them").sees(200, "/_nightlatch/account", "olga")
	b.open(newAppPage).sees(200, newAppPage, "Site", "app.example.net", "auth.example.com", "wiki.example.org").shoot("76-new-app-password-site")
	b.fill("name", "Reader").pick("site", "wiki.example.org").press("Make it").sees(200, newAppPage, "Your new app password", "Site: wiki.example.org")
	b.press("I have copied it").sees(200, appsPage, "Reader", "Site: wiki.example.org", "Allowed: reading and changing").saysNot("Only below")
}
