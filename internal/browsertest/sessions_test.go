// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// saysItIs has the browser call itself something else.
func (b *tab) saysItIs(userAgent string) *tab {
	b.t.Helper()
	call(b, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: userAgent})
	return b
}

const (
	firefoxOnWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safariOnPhone    = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

// comesIn signs in with a password and a fresh code.
func (b *tab) comesIn(name string, app *authenticator) *tab {
	b.t.Helper()
	return b.signIn(name).fill("code", app.next()).press("Continue").sees(200, "/", name)
}

// labelOf is the whole name of the button that begins with an act and goes on with what it is about.
func labelOf(act, what string) chromedp.Action[string] {
	return chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector('button[aria-label^="%s: %s"]').getAttribute("aria-label")`, act, what))
}

// check ticks a box.
func (b *tab) check(name string) *tab {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`input[type=checkbox][name=%q]`, name))))
	return b
}

// A person sees where they are signed in, and ends one of the sessions, then all others.
func TestSessions(t *testing.T) {
	eachWay(t, sessions)
}

func sessions(t *testing.T, scripts bool) {
	p := start(t, "nightlatch", manyCodes)
	b := newTab(t, p.origin)
	b.past = 10
	b.runScripts(scripts)
	app := p.invite(b, "ida")
	b.account("In this browser only").press("See all").
		sees(200, "/_nightlatch/sessions", "Where you are signed in", "You are signed in nowhere else.").shoot("90-sessions-alone")

	desk := newTab(t, p.origin).saysItIs(firefoxOnWindows).comesIn("ida", app)
	phone := newTab(t, p.origin).saysItIs(safariOnPhone).comesIn("ida", app)
	p.signInProgram("ida", app)
	b.account("In 4 places, this browser included").press("See all").sees(200, "/_nightlatch/sessions",
		"Firefox, Windows", "Safari, iPhone", "127.0.0.1", "password, authenticator app", "Program: curl").shoot("91-sessions")
	b.press(get(b, labelOf("Sign out there", "Program: curl"))).sees(200, "/_nightlatch/sessions", "Signed out there.").saysNot("Program")
	b.press(get(b, labelOf("Sign out there", "Firefox, Windows"))).
		sees(200, "/_nightlatch/sessions", "Signed out there.", "Safari, iPhone").saysNot("Firefox").shoot("92-session-ended")
	desk.open("/").sees(200, "/_nightlatch/sign-in")
	phone.open("/").sees(200, "/", "ida")

	desk.comesIn("ida", app)
	b.open("/_nightlatch/sessions").press("Sign out everywhere else").
		sees(200, "/_nightlatch/sessions", "You are signed out everywhere else.", "You are signed in nowhere else.")
	desk.open("/").sees(200, "/_nightlatch/sign-in")
	phone.open("/").sees(200, "/_nightlatch/sign-in")
	b.open("/").sees(200, "/", "ida")
}

// signInProgram signs somebody in through the API, as a program that goes on with tokens.
func (p *program) signInProgram(name string, app *authenticator) {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{"username": name, "password": passphrase, "method": "totp", "code": app.next(), "tokens": true})
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.NewRequest("POST", p.origin+"/_nightlatch/api/v1/sign-in", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "curl/8.14.1")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || !bytes.Contains(answer, []byte(`"access_token"`)) {
		p.t.Fatalf("signing a program in: %d %s, %v", res.StatusCode, answer, err)
	}
}

// A browser that is trusted is asked for no code, until the person ends that on the sessions page. No fresh demand is met by it.
func TestTrustedBrowser(t *testing.T) {
	p := start(t, "nightlatch {\n\t\trequire /vault/* two_factor max_age 10m\n\t}", "session {\n\t\t\ttrust_browser 30d\n\t\t}", manyCodes)
	b := newTab(t, p.origin)
	b.past = 10
	app := p.invite(b, "jana")

	b.signOut().signIn("jana").sees(200, "/_nightlatch/second-factor", "Trust this browser: don't ask for a code in it for up to 30 days.").shoot("93-trust")
	b.check("trust").fill("code", app.wrong()).press("Continue").refused(403, "/_nightlatch/second-factor", "This code is not right.", "code")
	b.fill("code", app.next()).press("Continue").sees(200, "/", "jana") // the box is still checked
	b.signOut().fill("name", "jana", "password", passphrase).press("Sign in").sees(200, "/", "jana")
	b.open("/vault/1").sees(200, "/_nightlatch/second-factor").fill("code", app.next()).press("Continue").sees(200, "/vault/1", "jana")

	// Another browser is not the trusted one.
	other := newTab(t, p.origin).saysItIs(firefoxOnWindows)
	other.signIn("jana").press("Use a backup code instead").saysNot("Trust this browser") // it is no way to say that this is a place of one's own
	other.press("Use your authenticator app instead").fill("code", app.next()).press("Continue").sees(200, "/", "jana")
	other.open("/_nightlatch/sessions").sees(200, "/_nightlatch/sessions",
		"Trusted browsers", "password, trusted browser").shoot("94-sessions-with-trust")
	other.press(get(other, labelOf("Ask for a code there", "Chrome"))).
		sees(200, "/_nightlatch/sessions", "That browser is asked for a code again.").saysNot("Trusted browsers").shoot("95-trust-ended")
	b.signOut().signIn("jana").fill("code", app.next()).press("Continue").sees(200, "/", "jana")
}
