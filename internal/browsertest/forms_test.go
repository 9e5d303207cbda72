// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// shop is an application with a form, and what it was sent.
type shop struct {
	*httptest.Server
	t      *testing.T
	orders chan order
	thanks string // where it leads who has ordered; empty: it answers with a page
}

type order struct {
	origin, referer, note string
	photo                 []byte
}

const shopPage = `<!doctype html><title>Shop</title>
<form method="post" enctype="multipart/form-data" action="order?basket=a%2Fb">
<textarea id="note" name="note"></textarea><input id="photo" name="photo" type="file"><button>Order</button>
</form>`

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, orders: make(chan order, 1)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=windows-1252") // what is kept has the bytes of an old application too
	if r.Method == http.MethodGet {
		io.WriteString(w, shopPage)
		return
	}
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		s.t.Errorf("%s %s, %s: %v", r.Method, r.RequestURI, r.Header.Get("Content-Type"), err)
		return
	}
	got := order{origin: r.Header.Get("Origin"), referer: r.Header.Get("Referer"), note: r.FormValue("note")}
	if file, _, err := r.FormFile("photo"); err == nil {
		got.photo, _ = io.ReadAll(file)
		file.Close()
	}
	s.orders <- got
	if s.thanks != "" {
		http.Redirect(w, r, s.thanks, http.StatusSeeOther)
		return
	}
	fmt.Fprintf(w, `<!doctype html><title>Thanks</title><p>Thank you, %s.<p><a href="form">Once more</a>`, r.Header.Get("Remote-User"))
}

// ordered is what came to the application.
func (s *shop) ordered() order {
	s.t.Helper()
	select {
	case o := <-s.orders:
		return o
	case <-time.After(patience):
		s.t.Fatal("no order came")
		return order{}
	}
}

func (s *shop) nothingMore() {
	s.t.Helper()
	select {
	case o := <-s.orders:
		s.t.Errorf("the application got another order: %+v", o)
	default:
	}
}

// Somebody fills in a form, with a file, and their session has ended when they send it. They sign in beside it, come back and press a button:
// the application gets what they had typed.
func TestFormIsKept(t *testing.T) {
	eachWay(t, keepsForm)
}

func keepsForm(t *testing.T, scripts bool) {
	app := newShop(t)
	p := start(t, "nightlatch\n\treverse_proxy /shop/* "+app.Listener.Addr().String())
	b := newTab(t, p.origin)
	b.runScripts(scripts)
	phone := p.invite(b, "fay")
	photo := bytes.Repeat([]byte{0, 1, '\r', '\n', 0xff}, 40_000)
	file := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(file, photo, 0o600); err != nil {
		t.Fatal(err)
	}

	b.open("/shop/form")
	b.do(chromedp.SendKeys(chromedp.CSS("#note"), "naïve & =+%"), chromedp.SetUploadFiles(chromedp.CSS("#photo"), []string{file}))
	p.operator("session", "revoke", "--user", "fay")
	b.press("Order").isPage(401, "Your form was not sent")
	b.sees(401, "/shop/order", "kept in this page for ten minutes").shoot("28-kept")
	b.press("Send the form").isPage(401, "Your form was not sent")
	app.nothingMore()

	link := get(b, chromedp.Attributes(chromedp.CSS("main a")))
	if link["target"] != "_blank" {
		t.Errorf("the way to sign in replaces the page with the form: %v", link)
	}
	beside := b.secondTab()
	beside.runScripts(scripts)
	beside.open(link["href"]).sees(200, "/_nightlatch/sign-in")
	beside.fill("name", "fay", "password", passphrase).press("Sign in").sees(200, "/_nightlatch/second-factor")
	beside.fill("code", phone.next()).press("Continue").
		sees(200, "/_nightlatch/form-waits", "Your form is in the other tab", "Nothing was sent yet.").shoot("28-waits")

	b.look().saysNot("Are you done in the other tab?")
	if scripts {
		b.do(chromedp.Evaluate[chromedp.Void](`document.dispatchEvent(new Event("visibilitychange"))`)) // both tabs of a headless browser are visible
		b.look().sees(401, "/shop/order", "Are you done in the other tab? Then send the form now.").isFit("/shop/order")
		b.shoot("28-come-back")
	}
	b.press("Send the form").sees(200, "/shop/order", "Thank you, fay.")
	if b.page.Path != "/shop/order?basket=a%2Fb" {
		t.Errorf("the answer stands at %s, where its links lead astray", b.page.Path)
	}
	got := app.ordered()
	if got.note != "na\xefve & =+%" || !bytes.Equal(got.photo, photo) {
		t.Errorf("the application got note %q and a photo of %d bytes, want what was sent", got.note, len(got.photo))
	}
	if got.origin != p.origin || got.referer != p.origin+"/shop/form" {
		t.Errorf("the application got Origin %q, Referer %q, want those of the first time", got.origin, got.referer)
	}
	// Loading the answer again sends what was sent last.
	b.leads(chromedp.Reload()).isPage(409, "This form has been sent already")
	b.shoot("28-sent-already")
	app.nothingMore()
	b.open("/shop/form")
	b.press("Order").sees(200, "/shop/order", "Thank you, fay.")
	app.ordered()
}

// An application may lead on to another site, as after a payment. The policy of the page that kept the form does not stop that.
func TestKeptFormLeadsElsewhere(t *testing.T) {
	app, elsewhere := newShop(t), newShop(t)
	app.thanks = elsewhere.URL + "/paid"
	p := start(t, "nightlatch\n\treverse_proxy /shop/* "+app.Listener.Addr().String())
	b := newTab(t, p.origin)
	b.expected = []string{"a request to somewhere else: " + elsewhere.URL}
	phone := p.invite(b, "fay")
	b.open("/shop/form")
	p.operator("session", "revoke", "--user", "fay")
	b.press("Order").isPage(401, "Your form was not sent")
	beside := b.secondTab()
	beside.open("/_nightlatch/sign-in").fill("name", "fay", "password", passphrase).press("Sign in").fill("code", phone.next()).press("Continue").sees(200, "/")
	b.press("Send the form").sees(200, "/paid")
	app.ordered()
}

// CS-1: a page of another site sends a form, and a value that its author had sealed here. Neither comes to the application.
func TestCS1FormOfAnotherSite(t *testing.T) {
	app := newShop(t)
	p := start(t, "nightlatch\n\treverse_proxy /shop/* "+app.Listener.Addr().String())
	b := newTab(t, p.origin)
	p.invite(b, "fay")

	attacker := newTab(t, p.origin)
	attacker.open("/_nightlatch/sign-in")
	attacker.do(chromedp.Evaluate[chromedp.Void](`document.write("<form method=post enctype='multipart/form-data' action='/shop/order?basket=a%2Fb'><input name=note value=stolen><button>Order</button></form>")`))
	attacker.press("Order").isPage(401, "Your form was not sent")
	sealed := get(attacker, chromedp.Evaluate[string](`document.querySelector("[name=nightlatch-form]").value`))

	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Referrer-Policy", r.URL.Query().Get("referrer"))
		fmt.Fprintf(w, `<!doctype html><title>Evil</title>
			<form method="post" enctype="multipart/form-data" action="%[1]s/shop/order?basket=a%%2Fb"><input name="note" value="stolen"><button>Plain</button></form>
			<form method="post" enctype="text/plain" action="%[1]s/shop/order?basket=a%%2Fb"><input name="nightlatch-form" value="%[2]s"><button>Sealed</button></form>`, p.origin, sealed)
	}))
	t.Cleanup(evil.Close)
	b.expected = []string{"a request to somewhere else: " + evil.URL}
	for _, referrer := range []string{"no-referrer", "unsafe-url"} {
		b.open(evil.URL + "/?referrer=" + referrer)
		b.press("Plain").isPage(401, "Your form was not sent") // SameSite=Lax: the cookie stays at home
		b.saysNot("kept in this page").saysNot("Send the form")
		b.open(evil.URL + "/?referrer=" + referrer)
		b.press("Sealed").isPage(403, "This form was not accepted")
	}
	b.shoot("28-not-accepted")
	app.nothingMore()
}

// A rule wants a fresh proof when a form is sent: what is asked for is what is missing, and the form waits. After ten minutes it is gone.
func TestFormIsKeptForAStepUp(t *testing.T) {
	bench, front := newHouse(t)
	alice := bench.Enroll(t, auth.NewUser{Name: "alice"})
	b := newTab(t, front.URL)
	b.open("/page").fill("name", "alice", "password", alice.Password).press("Sign in").fill("code", alice.Code()).press("Continue").sees(200, "/page")
	send := func() {
		b.open("/page")
		b.do(chromedp.Evaluate[chromedp.Void](`document.body.innerHTML = "<form method=post action='/vault/1'><button>Open</button></form>"`))
		bench.Clock.Move(11 * time.Minute)
		b.press("Open").isPage(401, "Your form was not sent")
	}
	send()
	b.sees(401, "/vault/1", "This needs a fresh proof", "kept in this page for ten minutes").shoot("28-kept-for-step-up")
	beside := b.secondTab()
	beside.open(get(b, chromedp.Attributes(chromedp.CSS("main a")))["href"]).sees(200, "/_nightlatch/sudo", "Is it still you?")
	beside.fill("password", alice.Password).press("Continue").fill("code", alice.Code()).press("Continue").sees(200, "/_nightlatch/form-waits")
	b.press("Send the form").sees(200, "/vault/1", "alice sees /vault/1")

	send()
	bench.Clock.Move(auth.FormLife)
	b.press("Send the form").isPage(410, "This form can no longer be sent")
	b.shoot("28-gone")
	if strings.Contains(b.page.Text, "Send the form") {
		t.Error("the page offers it all the same")
	}
}
