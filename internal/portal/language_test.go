// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// The two packages that may not import each other agree on the cookie, under both of its names.
func TestLanguageCookie(t *testing.T) {
	for _, transport := range []visit.Transport{visit.Secure, visit.Loopback} {
		w := httptest.NewRecorder()
		visit.Visit{Transport: transport}.SetCookie(w, visit.Language, "zh-Hans", time.Time{})
		r := httptest.NewRequest("GET", "/", nil)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		if got := web.Tag(r); got != "zh-Hans" {
			t.Errorf("transport %d: cookie %q is read as %s", transport, r.Header.Get("Cookie"), got)
		}
	}
}

var languageLink = regexp.MustCompile(`<footer><a href="([^"]*)">`)

// toLanguages follows the link at the foot of the page.
func (b *browser) toLanguages() *browser {
	b.t.Helper()
	m := languageLink.FindStringSubmatch(b.body)
	if m == nil {
		b.t.Fatalf("page %s has no link to the languages:\n%s", b.at, b.body)
	}
	return b.get(html.UnescapeString(m[1]))
}

// Somebody chooses a language before signing in, is back at the same sign-in, and reads it from then on.
func TestStoryAnotherLanguage(t *testing.T) {
	s := newSite(t)
	alice := s.Enroll(t, auth.NewUser{Name: "alice"})
	b := s.browser(t).get("/_nightlatch/sign-in?return_to=%2Fapp%3Fx%3D1")
	b.toLanguages().sees(200, "/_nightlatch/language", "Choose a language", "日本語")
	b.fill("/_nightlatch/language", "language", "de").sees(200, "/_nightlatch/sign-in", `<html lang="de"`, `value="/app?x=1"`)
	if got := strings.Join(b.answered.Values("Set-Cookie"), " "); !strings.HasPrefix(got, "__Host-nightlatch-language=de; Path=/; Expires=") || !strings.Contains(got, "HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("cookie %q", got)
	}
	b.fill("/_nightlatch/sign-in", "name", "alice", "password", "wrong").sees(403, "/_nightlatch/sign-in", `<html lang="de"`)
	b.toLanguages().fill("/_nightlatch/language", "language", "en").sees(200, "/_nightlatch/sign-in", "Sign in", `value="/app?x=1"`)
	b.signIn(alice, "/app").toLanguages().fill("/_nightlatch/language", "language", "fr").sees(200, "/_nightlatch/second-factor", `<html lang="fr"`)
	b.fill("/_nightlatch/second-factor", "code", alice.Code()).sees(200, "/app")
	b.get("/_nightlatch/account").sees(200, "/_nightlatch/account", `<html lang="fr"`)

	// Without a way back the choice stays where it is.
	b.get("/_nightlatch/language").fill("/_nightlatch/language", "language", "es").sees(200, "/_nightlatch/language", `<html lang="es"`)
}

// The token of a one-time link comes into no other address, since addresses stand in logs.
func TestLanguageLinkHoldsNoToken(t *testing.T) {
	s := newSite(t)
	_, made, err := s.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser(t)
	link := "/_nightlatch/invite/" + made.Token
	for _, page := range []*browser{
		b.get(link).sees(200, link),
		b.fill(link, "password", "x", "repeat", "y").sees(422, link),
		b.get("/_nightlatch/invite/x" + made.Token),
		b.get("/_nightlatch/invited/" + made.Token),
	} {
		_, foot, ok := strings.Cut(page.body, "<footer>")
		if !ok || strings.Contains(foot, made.Token) || !strings.Contains(foot, `href="/_nightlatch/language" target="_blank"`) {
			t.Errorf("%s leads to the languages with %s", page.at, foot)
		}
	}
}

// OR-1: the choice of a language leads to paths of this host alone, and not to itself.
func TestOR1LanguageLeadsNowhereElse(t *testing.T) {
	d := newDesk(t)
	choose := func(returnTo string) string {
		body := url.Values{"language": {"de"}, "return_to": {returnTo}}.Encode()
		w := d.ask("POST", "/_nightlatch/language", body, header("Sec-Fetch-Site", "same-origin"))
		if w.Code != http.StatusSeeOther {
			t.Errorf("%q: got %d", returnTo, w.Code)
		}
		return w.Header().Get("Location")
	}
	for _, a := range redirectAttacks {
		if a.address == "" {
			continue
		}
		want := "/"
		if a.id == "P42 nested" {
			want = a.address // a page of ours, which judges the rest when it uses it
		}
		if got := choose(a.address); got != want {
			t.Errorf("%s: got %q, want %q", a.id, got, want)
		}
		w := d.ask("GET", "/_nightlatch/language?return_to="+url.QueryEscape(a.address), "")
		if want == "/" && len(a.address) > 2 && strings.Contains(w.Body.String()+w.Header().Get("Location"), a.address) {
			t.Errorf("%s: the page repeats the address:\n%s", a.id, w.Body)
		}
	}
	for from, want := range map[string]string{
		"/app?x=1":                                   "/app?x=1",
		"/_nightlatch/sign-in?return_to=%2Fapp":      "/_nightlatch/sign-in?return_to=%2Fapp",
		"/_nightlatch/two-factor/enable":             "/_nightlatch/two-factor/enable",
		"":                                           "/_nightlatch/language",
		"/_nightlatch/language":                      "/_nightlatch/language",
		"/_nightlatch/language?return_to=/":          "/",
		"/_nightlatch/unknown":                       "/",
		"/_nightlatch/start-over/../sign-in":         "/",
		"/%5Fnightlatch/sign-in":                     "/",
		"/_nightlatch/sign-in?return_to=//evil.test": "/_nightlatch/sign-in?return_to=//evil.test", // judged where it is used
	} {
		if got := choose(from); got != want {
			t.Errorf("%s: got %q, want %q", from, got, want)
		}
	}
}

func TestLanguagesThatAreNoneOfOurs(t *testing.T) {
	d := newDesk(t)
	for _, tag := range []string{"", "xx", "DE", "de-DE", "de; Path=/x", "<script>"} {
		w := d.ask("POST", "/_nightlatch/language", url.Values{"language": {tag}}.Encode(), header("Sec-Fetch-Site", "same-origin"))
		if w.Code != http.StatusBadRequest || len(w.Header().Values("Set-Cookie")) != 0 {
			t.Errorf("%q: got %d, cookies %v", tag, w.Code, w.Header().Values("Set-Cookie"))
		}
	}
}

// Whoever cannot read why nobody can sign in can choose a language all the same.
func TestLanguageWithoutAService(t *testing.T) {
	d := newDesk(t)
	d.Portal.service = func() (*auth.Service, error) { return nil, errors.New("down") }
	if w := d.ask("GET", "/_nightlatch/language", ""); w.Code != http.StatusOK {
		t.Errorf("GET: got %d", w.Code)
	}
	if w := d.ask("POST", "/_nightlatch/language", "language=ja", header("Sec-Fetch-Site", "same-origin")); w.Code != http.StatusSeeOther {
		t.Errorf("POST: got %d", w.Code)
	}
}
