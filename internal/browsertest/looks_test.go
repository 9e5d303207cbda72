// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/web"
)

// inLanguage is what our pages say to a browser that wants a language.
func inLanguage(t *testing.T, tag string, m web.Message) string {
	t.Helper()
	said := web.Say(&http.Request{Header: http.Header{"Accept-Language": {tag}}}, m)
	if english := web.Say(new(http.Request), m); said == english {
		t.Fatalf("%q is said in no language but English", english)
	}
	return said
}

// The language is that of the browser until somebody chooses another one, which the browser then remembers.
func TestLanguages(t *testing.T) {
	eachWay(t, languages)
}

func languages(t *testing.T, scripts bool) {
	p := start(t, "nightlatch")
	french, german := inLanguage(t, "fr", web.SignInTitle), inLanguage(t, "de", web.SignInTitle)
	b := newTab(t, p.origin)
	b.runScripts(scripts)
	b.open("/wanted?page=1").sees(200, "/_nightlatch/sign-in").speaks("en")
	b.wants("fr-CH, fr;q=0.9, en;q=0.5").open("/wanted?page=1").sees(200, "/_nightlatch/sign-in", french).speaks("fr").shoot("96-french")
	b.press("Langue\u00a0: Français").sees(200, "/_nightlatch/language").speaks("fr").shoot("97-languages")
	b.press("Deutsch").sees(200, "/_nightlatch/sign-in", german).speaks("de").shoot("98-german")
	if !strings.Contains(b.page.Path, "wanted") {
		t.Errorf("choosing a language led to %s, which forgot where the person wanted to go", b.page.Path)
	}
	b.open("/_nightlatch/nothing").sees(404, "/_nightlatch/nothing", inLanguage(t, "de", web.NotFoundTitle)).speaks("de")
	b.secondTab().wants("fr").open("/").sees(200, "/_nightlatch/sign-in", german).speaks("de")
	newTab(t, p.origin).open("/").sees(200, "/_nightlatch/sign-in").speaks("en") // somebody else
}

// wants has the browser prefer languages.
func (b *tab) wants(accepted string) *tab {
	b.t.Helper()
	call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": accepted}})
	return b
}

// speaks checks the language that the page says it is in, by which a screen reader chooses its voice.
func (b *tab) speaks(tag string) *tab {
	b.t.Helper()
	if got := get(b, chromedp.Evaluate[string](`document.documentElement.lang`)); got != tag {
		b.t.Errorf("%s is in %q, want %q", b.page.Path, got, tag)
	}
	return b
}

// In every language each page has room for its words, on a small phone too, and is as accessible as in English.
func TestEveryLanguageFits(t *testing.T) {
	bench, front := newHouse(t)
	bench.WithMail()
	alice := bench.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	in := newTab(t, front.URL)
	in.open("/page").fill("name", "alice", "password", alice.Password).press("Sign in").fill("code", alice.Code()).press("Continue").sees(200, "/page")
	in.open("/_nightlatch/two-factor/add").choose("E-mail").fill("code", bench.Await(t, auth.MessageEnroll).Code).press("Turn on").sees(200, "/_nightlatch/account")
	factor := get(in, chromedp.Evaluate[string](`document.querySelector('a[href^="/_nightlatch/factor/"]').getAttribute("href")`))
	for _, tag := range []string{"en", "de", "fr", "es", "pt", "ja", "zh-Hans"} {
		in.wants(tag)
		for _, page := range []string{
			"account", "two-factor/add", "two-factor/disable", "backup-codes/new", "password", "email", "app-passwords", "app-passwords/new", "sessions", "sign-out", strings.TrimPrefix(factor, "/_nightlatch/"),
		} {
			in.open("/_nightlatch/"+page).sees(200, "/_nightlatch/"+page).speaks(tag)
		}
		in.open("/_nightlatch/account").shoot("38-account-" + tag)
		in.open("/_nightlatch/app-passwords/new").fill("name", tag, "path", "/dav").leads(chromedp.Click(chromedp.CSS("form button"))).
			sees(200, "/_nightlatch/app-passwords/new").speaks(tag).shoot("38-app-password-" + tag)
		in.open("/_nightlatch/app-passwords").sees(200, "/_nightlatch/app-passwords").shoot("38-app-passwords-" + tag)
		in.open("/_nightlatch/sessions").shoot("38-sessions-" + tag)

		out := newTab(t, front.URL).wants(tag)
		out.open("/page").sees(200, "/_nightlatch/sign-in").speaks(tag).shoot("38-sign-in-" + tag)
		out.open("/_nightlatch/reset").sees(200, "/_nightlatch/reset").speaks(tag)
		out.open("/page").fill("name", "alice", "password", alice.Password).leads(chromedp.Click(chromedp.CSS("form button"))).
			sees(200, "/_nightlatch/second-factor").speaks(tag).shoot("38-second-factor-" + tag)
		out.leads(chromedp.Click(chromedp.CSS(`form[action$="/send"] button`))).speaks(tag).isFit(out.page.Path)
	}
}

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 30"><rect width="120" height="30" rx="6" fill="#0a6b4f"/><circle cx="15" cy="15" r="8" fill="#fff"/></svg>`

// The brand stands on every page: its name, its picture, and a style sheet from the one other place that the pages may load from.
func TestBrand(t *testing.T) {
	chromium(t)
	styles := overTLS(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprint(w, `:root { --accent: #0a6b4f; } @media (prefers-color-scheme: dark) { :root { --accent: #7fd6b8; } } h1 { letter-spacing: 3px; }`)
	})
	file := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(file, []byte(logo), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, "nightlatch", fmt.Sprintf("brand \"Example Corp\" {\n\t\t\tlogo %s\n\t\t\tstyle_url %s/style.css\n\t\t}", file, styles.URL), manyCodes)
	b := newTab(t, p.origin)
	b.expected = []string{styles.URL}
	b.open("/").sees(200, "/_nightlatch/sign-in", "Example Corp").saysNot("Nightlatch").shoot("99-brand")
	if got := get(b, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("h1")).letterSpacing`)); got != "3px" {
		t.Errorf("the style sheet of the brand has no say: the letters of the heading are %s apart, want 3px", got)
	}
	if got := get(b, chromedp.Evaluate[int](`document.querySelector("header img").clientWidth`)); got != 28*4 {
		t.Errorf("the logo is %d pixels wide, want four times its height of 28", got)
	}

	link := p.link(p.operator("user", "add", "karl"))
	b.open(link).sees(200, path(link), "Example Corp").shoot("99-brand-invite")

	// The policy opens for that one origin, and for styles alone.
	elsewhere := overTLS(t, http.NotFound)
	b.expected = append(b.expected, elsewhere.URL)
	for _, blocked := range []struct{ directive, element, address string }{
		{"script-src-elem", `Object.assign(document.createElement("script"), {src: %q})`, styles.URL + "/script.js"},
		{"img-src", `Object.assign(document.createElement("img"), {src: %q})`, styles.URL + "/picture.png"},
		{"style-src-elem", `Object.assign(document.createElement("link"), {rel: "stylesheet", href: %q})`, elsewhere.URL + "/style.css"},
	} {
		add := fmt.Sprintf(blocked.element, blocked.address)
		got := get(b, chromedp.Evaluate[string](`new Promise((tell) => {
			const element = `+add+`
			element.onload = element.onerror = () => setTimeout(tell, 500, "asked for") // of what is blocked the page is told before
			addEventListener("securitypolicyviolation", (e) => tell(e.effectiveDirective + " " + e.blockedURI), {once: true})
			document.head.append(element)
		})`, chromedp.EvalAwaitPromise))
		if want := blocked.directive + " " + blocked.address; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
