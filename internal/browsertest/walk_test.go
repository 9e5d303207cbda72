// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

const passphrase = "a door with two locks holds"

// The whole way of the first person: from the setup link to the application, out, and back in by every way, right and wrong.
func TestWalk(t *testing.T) {
	eachWay(t, walk)
}

func walk(t *testing.T, scripts bool) {
	p := start(t, "nightlatch")
	b := newTab(t, p.origin)
	b.runScripts(scripts)

	b.open("/?page=1").sees(200, "/_nightlatch/sign-in", "User name", "Keep me signed in").shoot("01-sign-in")
	b.open(p.setup).sees(200, path(p.setup), "Make the first account").shoot("02-setup")
	b.fill("name", "Not a name", "password", passphrase, "repeat", passphrase).press("Make the account").
		refused(422, path(p.setup), "This user name cannot be used.", "name")
	b.fill("name", "alice", "password", "short", "repeat", "short").press("Make the account").
		refused(422, path(p.setup), "This password is too short: it needs at least 8 characters.", "password").shoot("03-setup-refused")
	b.fill("name", "alice", "password", passphrase, "repeat", passphrase+"!").press("Make the account").
		refused(422, path(p.setup), "The two passwords are not the same.", "password")
	b.fill("name", "alice", "password", passphrase, "repeat", passphrase).press("Make the account").
		sees(200, "/_nightlatch/two-factor/enable", "Scan this code").shoot("04-enroll")

	phone := b.scan()
	b.fill("code", phone.wrong()).press("Turn on").
		refused(403, "/_nightlatch/two-factor/enable", "This code is not right.", "code").shoot("05-enroll-refused")
	if again := b.scan(); string(again.secret) != string(phone.secret) {
		t.Error("a wrong code changed the key, so what was scanned is worth nothing")
	}
	b.fill("code", phone.next()).press("Turn on").sees(200, "/_nightlatch/backup-codes", "Save your backup codes", "They are shown only now.").shoot("06-backup-codes")
	codes := b.backupCodes("alice")
	b.press("I have saved them").sees(200, "/", "You got through")
	if got := b.text("td"); !strings.HasPrefix(got, "alice") {
		t.Errorf("the application was told Remote-User %q, want alice", got)
	}
	b.shoot("07-application")
	newTab(t, p.origin).open(p.setup).sees(410, path(p.setup), "This link no longer works").shoot("08-link-gone")

	b.press("Your account").sees(200, "/_nightlatch/account", "alice", "Authenticator app", "You have 10 backup codes left.").shoot("09-account")
	b.open("/_nightlatch/sign-out").sees(200, "/_nightlatch/sign-out", "Sign out?").shoot("10-sign-out")
	b.signOut()
	b.backTo("/_nightlatch/account").sees(200, "/_nightlatch/sign-in")

	// With password and code.
	b.open("/?page=2").sees(200, "/_nightlatch/sign-in")
	b.fill("name", "alice", "password", "not the right one at all").press("Sign in").
		refused(403, "/_nightlatch/sign-in", "This user name and password do not open an account here.", "password").shoot("11-sign-in-refused")
	b.fill("password", passphrase).press("Sign in").sees(200, "/_nightlatch/second-factor", "alice", "six digits").shoot("12-second-factor")
	b.fill("code", phone.wrong()).press("Continue").
		refused(403, "/_nightlatch/second-factor", "This code is not right.", "code").shoot("13-second-factor-refused")
	b.fill("code", phone.next()).press("Continue").sees(200, "/", "alice")
	if b.page.Path != "/?page=2" {
		t.Errorf("signing in led to %s, want the page that was asked for", b.page.Path)
	}
	b.signOut()

	// With a backup code, after a code that was used.
	b.signIn("alice").fill("code", phone.typed()).press("Continue").
		refused(403, "/_nightlatch/second-factor", "This code has been used. Wait for the next one.", "code").shoot("14-used-code")
	b.press("Use a backup code instead").sees(200, "/_nightlatch/second-factor", "backup codes that you saved").shoot("15-backup-code")
	b.fill("code", "0000-0000-0000-0000").press("Continue").
		refused(403, "/_nightlatch/second-factor", "This is not one of your backup codes.", "code").shoot("16-backup-code-refused")
	b.fill("code", strings.ToLower(codes[2])).press("Continue").
		sees(200, "/_nightlatch/backup-codes/used", "You have 9 backup codes left.").shoot("17-backup-code-used")
	b.press("Continue").sees(200, "/", "alice")
	b.signOut()
	b.signIn("alice").press("Use a backup code instead").fill("code", codes[2]).press("Continue").
		refused(403, "/_nightlatch/second-factor", "This backup code has been used.", "code")
	b.press("Start over").sees(200, "/_nightlatch/sign-in")
}

func path(address string) string { return address[strings.Index(address, "/_nightlatch/"):] }

func (b *tab) signIn(name string) *tab {
	b.t.Helper()
	b.open("/").sees(200, "/_nightlatch/sign-in")
	return b.fill("name", name, "password", passphrase).press("Sign in").sees(200, "/_nightlatch/second-factor")
}

func (b *tab) signOut() *tab {
	b.t.Helper()
	b.open("/_nightlatch/account").press("Sign out").sees(200, "/_nightlatch/signed-out", "You are signed out").shoot("18-signed-out")
	return b.open("/").sees(200, "/_nightlatch/sign-in")
}

// backTo presses the back button until it comes to a page (WB-11).
func (b *tab) backTo(path string) *tab {
	b.t.Helper()
	history := get(b, chromedp.NavigationEntries())
	for _, entry := range slices.Backward(history.Entries[:history.CurrentIndex]) {
		if strings.HasSuffix(entry.URL, path) {
			return b.leads(chromedp.NavigateToHistoryEntry(entry.ID))
		}
	}
	b.t.Fatalf("%s is not in the history", path)
	return nil
}

// backupCodes reads the codes off the page, and tries the three ways to keep them.
func (b *tab) backupCodes(name string) []string {
	b.t.Helper()
	codes := regexp.MustCompile(`[0-9A-Z]{4}(-[0-9A-Z]{4}){3}`).FindAllString(b.page.Text, -1)
	if len(codes) != 10 {
		b.t.Fatalf("got %d backup codes, want 10:\n%s", len(codes), b.page.Text)
	}
	b.onPaper(true)
	paper := b.look().page.Text
	if os.Getenv("NIGHTLATCH_SCREENSHOTS") != "" {
		b.save("06-backup-codes-on-paper")
	}
	b.onPaper(false)
	for _, want := range append([]string{"Nightlatch: " + name}, codes...) {
		if !strings.Contains(paper, want) {
			b.t.Errorf("on paper there is no %q:\n%s", want, paper)
		}
	}
	if lines := strings.Fields(paper); len(lines) != 2+10 {
		b.t.Errorf("on paper there is more than the codes and whose they are:\n%s", paper)
	}
	for _, button := range []string{"Copy", "Download", "Print", "I have saved them"} {
		if strings.Contains(paper, button) {
			b.t.Errorf("on paper there is the button %q:\n%s", button, paper)
		}
		if wanted := b.scripts || button == "I have saved them"; strings.Contains(b.look().page.Text, button) != wanted {
			b.t.Errorf("the button %q is on the page: %t, want %t", button, !wanted, wanted)
		}
	}
	if b.scripts {
		b.keep(name, codes)
	}
	return codes
}

func (b *tab) keep(name string, codes []string) {
	b.t.Helper()
	want := "Nightlatch: " + name + "\r\n\r\n" + strings.Join(codes, "\r\n") + "\r\n"
	copies(b, named("Copy"), want)

	dir, yes := b.t.TempDir(), true
	if _, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID, EventsEnabled: &yes,
	}); err != nil {
		b.t.Fatal(err)
	}
	progress := chromedp.BrowserEvents(b.ctx, browser.DownloadProgress)
	b.do(chromedp.Click(named("Download")), says("Downloaded."))
	for ev, err := range progress {
		if err != nil {
			b.t.Fatal(err)
		}
		if ev.State != browser.DownloadProgressStateInProgress {
			break
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "backup-codes.txt"))
	if err != nil || string(got) != want {
		b.t.Errorf("the download holds %q, %v, want %q", got, err, want)
	}

	b.do(chromedp.Evaluate[chromedp.Void](`window.print = () => { document.title = "printing" }`))
	b.do(chromedp.Click(named("Print")), chromedp.Poll[chromedp.Void](`document.title === "printing"`))
}

// copies presses a button that copies, and looks into the clipboard. Where the browser does not allow it, the page says so.
func copies[S chromedp.Selectable](b *tab, button S, want string) {
	b.t.Helper()
	clipboard := func(name string, setting browser.PermissionSetting) {
		b.t.Helper()
		if _, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: setting, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		}); err != nil {
			b.t.Fatal(err)
		}
	}
	clipboard("clipboard-write", browser.PermissionSettingDenied)
	b.do(chromedp.Click(button), says("The browser did not allow copying."))
	clipboard("clipboard-write", browser.PermissionSettingGranted)
	clipboard("clipboard-read", browser.PermissionSettingGranted)
	b.do(chromedp.Click(button), says("Copied."))
	if got := get(b, chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise)); got != want {
		b.t.Errorf("the clipboard holds %q, want %q", got, want)
	}
}

// says waits until the page does.
func says(words string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](`document.body.innerText.includes("` + words + `")`)
}
