// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// invite adds a person and goes with them from the invite link to the application.
func (p *program) invite(b *tab, name string, more ...string) *authenticator {
	p.t.Helper()
	link := p.link(p.operator(append([]string{"user", "add", name}, more...)...))
	b.open(link).sees(200, path(link), "Choose your password").shoot("20-invite")
	b.fill("password", name, "repeat", name).press("Set the password").
		refused(422, path(link), "This password", "password").shoot("21-invite-refused")
	b.fill("password", passphrase, "repeat", passphrase).press("Set the password").sees(200, "/_nightlatch/two-factor/enable", name)
	phone := b.scan()
	b.fill("code", phone.next()).press("Turn on").sees(200, "/_nightlatch/backup-codes").press("I have saved them").sees(200, "/", name)
	return phone
}

// The longest user name there can be, and as long a name, address and group, go through every page without breaking it.
func TestInvitedPerson(t *testing.T) {
	p := start(t, "nightlatch")
	name := strings.Repeat("abcdefgh", 8)
	b := newTab(t, p.origin)
	phone := p.invite(b, name, "--name", "Her Serene Highness Wilhelmina Featherstonehaugh-Cholmondeley of Llanfairpwllgwyngyll",
		"--email", name+"@department.of.long.names.example.com", "--group", strings.Repeat("long-group-", 5)+"end", "--group", "wine")
	b.open("/_nightlatch/account").sees(200, "/_nightlatch/account", name, "Featherstonehaugh", "wine").shoot("22-account-of-long-names")
	b.signOut().signIn(name).shoot("23-second-factor-of-long-name").fill("code", phone.next()).press("Continue").sees(200, "/", name)

	// An operator takes the second factor away, and the person enrolls another one with the link and the password.
	b.signOut()
	link := p.link(p.operator("user", "reset-2fa", name))
	b.open("/").fill("name", name, "password", passphrase).press("Sign in").
		refused(403, "/_nightlatch/sign-in", "Your second factor was reset.", "password")
	b.open(link).sees(200, path(link), "Set up your second factor again").shoot("24-re-enroll")
	b.fill("password", "not the right one at all").press("Continue").refused(403, path(link), "not the password of this account", "password")
	b.fill("password", passphrase).press("Continue").sees(200, "/_nightlatch/two-factor/enable")
	again := b.scan()
	if string(again.secret) == string(phone.secret) {
		t.Error("the new key is the old one")
	}
	b.fill("code", again.next()).press("Turn on").sees(200, "/_nightlatch/backup-codes").press("I have saved them").sees(200, "/", name)
}

// Whoever is disabled while a page is open is out at the next click, and not let in again.
func TestDisabledPersonIsOut(t *testing.T) {
	p := start(t, "nightlatch")
	b := newTab(t, p.origin)
	phone := p.invite(b, "bob")
	p.operator("user", "disable", "bob")
	b.press("Your account").sees(200, "/_nightlatch/sign-in")
	b.fill("name", "bob", "password", passphrase).press("Sign in").
		refused(403, "/_nightlatch/sign-in", "This user name and password do not open an account here.", "password")
	p.operator("user", "enable", "bob")
	b.fill("password", passphrase).press("Sign in").sees(200, "/_nightlatch/second-factor")
	b.fill("code", phone.next()).press("Continue").sees(200, "/_nightlatch/account", "bob")
}

// What the gate tells a person who may not pass, in their browser.
func TestRefusedByTheGate(t *testing.T) {
	p := start(t, `nightlatch {
		require /vault/* two_factor group keepers
		deny /closed
	}`)
	b := newTab(t, p.origin)
	phone := p.invite(b, "carol", "--group", "guests")
	b.open("/vault/gold").isPage(403, "This is not open to you").shoot("25-forbidden")
	b.open("/closed").isPage(403, "This is closed").shoot("26-denied")
	b.open("/_nightlatch/nothing").sees(404, "/_nightlatch/nothing", "There is no such page").shoot("27-not-found")

	// A form that was filled in before the session ended is not lost: the person signs in beside it and sends it again, by a reload where
	// they do not see the button (forms_test.go).
	b.open("/")
	b.do(chromedp.Evaluate[chromedp.Void](`document.body.innerHTML = "<form method=post action='/order'><button>Order</button></form>"`))
	p.operator("session", "revoke", "--user", "carol")
	b.press("Order").isPage(401, "Your form was not sent").shoot("28-not-sent")
	link := get(b, chromedp.Attributes(chromedp.CSS("main a")))
	if link["target"] != "_blank" {
		t.Errorf("the way to sign in replaces the page with the form: %v", link)
	}
	beside := b.secondTab()
	beside.open(link["href"]).sees(200, "/_nightlatch/sign-in")
	beside.fill("name", "carol", "password", passphrase).press("Sign in").sees(200, "/_nightlatch/second-factor")
	beside.fill("code", phone.next()).press("Continue").sees(200, "/_nightlatch/form-waits")
	b.leads(chromedp.Reload()) // asks in a window of a person's; here the browser agrees by itself
	if got, _, _ := strings.Cut(b.page.Path, "?"); b.status != 200 || got != "/order" {
		t.Errorf("sending the form again got %d at %s, want 200 at /order", b.status, b.page.Path)
	}
}

// isPage checks a page of ours that stands in place of one of the application.
func (b *tab) isPage(status int, title string) *tab {
	b.t.Helper()
	if b.status != status || !strings.HasPrefix(b.page.Title, title) {
		b.t.Fatalf("got %d %q at %s, want %d %q:\n%s", b.status, b.page.Title, b.page.Path, status, title, b.page.Text)
	}
	b.isFit(b.page.Path)
	return b
}

// A page that listens hears within two seconds that its session was ended, and is not let in again.
func TestStreamsEndWithTheSession(t *testing.T) {
	live := httptest.NewServer(http.HandlerFunc(liveApplication))
	t.Cleanup(live.Close) // after the program that keeps its connections open
	p := start(t, "nightlatch\n\treverse_proxy /live/* "+live.Listener.Addr().String())
	b := newTab(t, p.origin)
	p.invite(b, "dora")
	other := newTab(t, p.origin)
	p.invite(other, "emil")
	for _, tab := range []*tab{b, other} {
		tab.open("/live/page")
		tab.do(chromedp.Poll[chromedp.Void](`socket === "open" && events === "open"`))
	}
	p.operator("session", "revoke", "--user", "dora")
	b.do(chromedp.Poll[chromedp.Void](`socket === "closed" && events === "closed"`, chromedp.WithPollingTimeout(2*time.Second)))
	if b.leads(chromedp.Reload()); !strings.HasPrefix(b.page.Path, "/_nightlatch/sign-in") {
		t.Errorf("after that the page is %s, want the sign-in page", b.page.Path)
	}
	if got := get(other, chromedp.Evaluate[string](`socket + " " + events`)); got != "open open" {
		t.Errorf("the streams of somebody else are %s, want both open", got)
	}
}

const livePage = `<!doctype html><title>Live</title><script>
	let socket = "", events = ""
	const s = new WebSocket("ws://" + location.host + "/live/socket")
	s.onopen = () => { socket = "open" }
	s.onclose = () => { socket = "closed" }
	const e = new EventSource("/live/events")
	e.onmessage = () => { events = "open" }
	e.onerror = () => { events = e.readyState === EventSource.CLOSED ? "closed" : "trying again" }
</script>`

// liveApplication has a page that listens, what it listens to, and nothing by which it would end that by itself.
func liveApplication(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/live/page":
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, livePage)
	case "/live/events":
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "retry: 100\ndata: hello\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case "/live/socket":
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, section 4.2.2
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(accept[:]))
		rw.Flush()
		io.Copy(io.Discard, rw) // until the other side goes
	}
}
