// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// threeRoots are a portal and two sites, each under another root domain. Chromium finds them all on this machine (see main_test.go).
const threeRoots = `{
	admin %s
	local_certs
	skip_install_trust
	auto_https disable_redirects
	default_bind 127.0.0.1
	nightlatch {
		data_dir %s
		portal https://auth.example.com:%[3]s
		totp {
			past_steps 10
		}
	}
}
https://auth.example.com:%[3]s {
	nightlatch
}
https://app.example.net:%[3]s {
	nightlatch
	respond "The application at {host} knows {http.auth.user.id}."
}
https://wiki.example.org:%[3]s {
	nightlatch {
		require /vault two_factor max_age 5m
	}
	respond "The wiki at {host} knows {http.auth.user.id}."
}
`

// threeSites runs them. The origin of the program is that of the portal.
func threeSites(t *testing.T) (p *program, app, wiki string) {
	t.Helper()
	chromium(t)
	path, err := buildProgram()
	if err != nil {
		t.Fatalf("building the program: %v", err)
	}
	p = &program{t: t, path: path, dir: t.TempDir()}
	port := freePort(t)
	p.origin, app, wiki = "https://auth.example.com:"+port, "https://app.example.net:"+port, "https://wiki.example.org:"+port
	config := fmt.Sprintf(threeRoots, p.admin(), filepath.Join(p.dir, "data"), port)
	if err := os.WriteFile(filepath.Join(p.dir, "Caddyfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run()
	for _, site := range []string{p.origin, app, wiki} {
		name, _, _ := strings.Cut(strings.TrimPrefix(site, "https://"), ":")
		if !programtest.Eventually(func() bool { return programtest.SpeaksTLS(p.dir, "127.0.0.1:"+port, name) }) {
			t.Fatalf("%s has no certificate", site)
		}
	}
	return p, app, wiki
}

// arrives waits until the tab shows an address, over whatever pages lead there by themselves, and takes the page in.
func (b *tab) arrives(address string, texts ...string) *tab {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for tick := time.Tick(20 * time.Millisecond); ; {
		at, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.readyState === "complete" ? location.href : ""`))
		if err == nil && at == address {
			break
		}
		select {
		case <-tick:
		case <-ctx.Done():
			b.t.Fatalf("the tab is at %q, want %q", at, address)
		}
	}
	b.look()
	for _, want := range texts {
		if !strings.Contains(b.page.Text, want) {
			b.t.Errorf("%s does not say %q:\n%s", address, want, b.page.Text)
		}
	}
	return b
}

// One sign-in at the portal opens sites under other root domains, and one sign-out closes all of them.
func TestOneSignInForManySites(t *testing.T) {
	eachWay(t, manySites)
}

func manySites(t *testing.T, scripts bool) {
	p, app, wiki := threeSites(t)
	b := newTab(t, p.origin, app, wiki)
	b.past = 10
	b.runScripts(scripts)
	// Nothing stands behind the portal, so whoever comes in there sees the account.
	b.open(p.link(p.operator("user", "add", "nora")))
	b.fill("password", passphrase, "repeat", passphrase).press("Set the password").sees(200, "/_nightlatch/two-factor/enable")
	phone := b.scan()
	b.fill("code", phone.next()).press("Turn on").sees(200, "/_nightlatch/backup-codes").press("I have saved them").sees(200, "/_nightlatch/account", "nora")

	// Signed in at the portal already: the site asks for nothing.
	b.open(app+"/inbox?x=1").arrives(app+"/inbox?x=1", "The application at app.example.net knows nora.")
	b.open(app+"/_nightlatch/sign-out").sees(200, "/_nightlatch/sign-out").press("Sign out").sees(200, "/_nightlatch/signed-out")
	b.open(p.origin+"/").arrives(p.origin+"/_nightlatch/sign-in?return_to=/", "Sign in")

	// From a site through the forms of the portal and back; then a second site without being asked.
	b.open(wiki+"/page?x=1&y=2").sees(200, "/_nightlatch/sign-in", "Sign in to go on to wiki.example.org").shoot("86-portal-sign-in")
	b.fill("name", "nora", "password", passphrase).press("Sign in").sees(200, "/_nightlatch/second-factor")
	b.fill("code", phone.next()).press("Continue").arrives(wiki+"/page?x=1&y=2", "The wiki at wiki.example.org knows nora.")
	b.open(app+"/").arrives(app+"/", "knows nora.")
	b.open(app+"/_nightlatch/account").sees(200, "/_nightlatch/account", "nora")
	if !strings.HasPrefix(get(b, chromedp.Location()), p.origin+"/") {
		t.Errorf("the account of the application is not at the portal: %s", get(b, chromedp.Location()))
	}

	// A session that ends at the portal ends in the other tabs too.
	other := b.secondTab()
	other.open(wiki+"/").arrives(wiki+"/", "knows nora.")
	b.open("/_nightlatch/sign-out").press("Sign out").sees(200, "/_nightlatch/signed-out")
	other.open(wiki+"/").sees(200, "/_nightlatch/sign-in")
	b.open(app+"/").sees(200, "/_nightlatch/sign-in")
}
