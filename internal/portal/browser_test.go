// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// site is a portal over TLS with an application behind it that says "the application" under every other path.
type site struct {
	*authtest.Bench
	portal  *Portal
	server  *httptest.Server
	vouched string // whom a handler in front vouches for on every request
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Bench: authtest.New(t)}
	s.Host = "127.0.0.1" // where the server is
	var err error
	if s.portal, err = New(Config{Service: func() (*auth.Service, error) { return s.Bench.Service, nil }, Brand: web.Brand{Name: "Example"}, Now: s.Clock.Now}); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, visit.Prefix) {
			v := secure(r)
			v.Vouched = s.vouched
			s.portal.ServeHTTP(w, r, v)
			return
		}
		io.WriteString(w, "the application")
	}))
	t.Cleanup(s.server.Close)
	return s
}

// secure is what the outermost handler finds out about a request over TLS.
func secure(r *http.Request) visit.Visit {
	u := *r.URL
	return visit.Visit{URL: &u, Address: netip.MustParseAddr("192.0.2.1"), Transport: visit.Secure, Host: visit.HostName(r.Host)}
}

// browser follows redirects, keeps cookies and fills in the forms of the page it is on, without script.
type browser struct {
	t    *testing.T
	site *site
	http *http.Client

	at       string // path and query of the page
	status   int
	header   http.Header
	body     string
	answered http.Header // the first answer, before redirects
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, site: s, http: s.server.Client()}
	b.http = &http.Client{Transport: b.http.Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return b
}

func (b *browser) get(path string) *browser {
	b.t.Helper()
	return b.send("GET", path, nil)
}

func (b *browser) send(method, path string, form url.Values) *browser {
	b.t.Helper()
	b.answered = nil
	for range 10 {
		var body io.Reader
		if method == "POST" {
			body = strings.NewReader(form.Encode())
		}
		r, err := http.NewRequest(method, b.site.server.URL+path, body)
		if err != nil {
			b.t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if method == "POST" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", "null") // as browsers do under Referrer-Policy: no-referrer
		}
		res, err := b.http.Do(r)
		if err != nil {
			b.t.Fatal(err)
		}
		content, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			b.t.Fatal(err)
		}
		b.at, b.status, b.header, b.body = path, res.StatusCode, res.Header, string(content)
		if b.answered == nil {
			b.answered = res.Header
		}
		if res.StatusCode/100 != 3 {
			return b
		}
		if res.StatusCode != http.StatusSeeOther {
			b.t.Fatalf("%s %s: redirect with %d, want 303 (OR-11)", method, path, res.StatusCode)
		}
		method, path = "GET", res.Header.Get("Location")
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
			b.t.Fatalf("Location %q is no path", path)
		}
	}
	b.t.Fatalf("redirects go round: %s", path)
	return nil
}

var (
	formTag  = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)">(.*?)</form>`)
	inputTag = regexp.MustCompile(`<input [^>]*>`)
	nameAttr = regexp.MustCompile(` name="([^"]*)"`)
	valAttr  = regexp.MustCompile(` value="([^"]*)"`)
)

// form returns the fields of a form as the page came, so that a browser sends what it did not fill in too. Of several forms with the same
// action it is the first that has the given names and values.
func (b *browser) form(action string, having ...string) url.Values {
	b.t.Helper()
	for _, f := range formTag.FindAllStringSubmatch(b.body, -1) {
		if html.UnescapeString(f[1]) != action {
			continue
		}
		values := url.Values{}
		for _, tag := range inputTag.FindAllString(f[2], -1) {
			name, value := nameAttr.FindStringSubmatch(tag), valAttr.FindStringSubmatch(tag)
			if name == nil || strings.Contains(tag, `type="checkbox"`) {
				continue
			}
			values.Set(name[1], "")
			if value != nil {
				values.Set(name[1], html.UnescapeString(value[1]))
			}
		}
		fits := true
		for i := 0; i < len(having); i += 2 {
			fits = fits && values.Get(having[i]) == having[i+1]
		}
		if fits {
			return values
		}
	}
	b.t.Fatalf("page %s (%d) has no form for %s with %q:\n%s", b.at, b.status, action, having, b.body)
	return nil
}

// fill sends a form of the page with some fields filled in.
func (b *browser) fill(action string, fields ...string) *browser {
	b.t.Helper()
	form := b.form(action)
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.send("POST", action, form)
}

// press sends a form of the page as it is.
func (b *browser) press(action string, having ...string) *browser {
	b.t.Helper()
	return b.send("POST", action, b.form(action, having...))
}

// sees checks where the browser is, with which status, and what the page says.
func (b *browser) sees(status int, path string, words ...string) *browser {
	b.t.Helper()
	at, _, _ := strings.Cut(b.at, "?")
	if b.status != status || at != path {
		b.t.Fatalf("the browser is on %s with status %d, want %s with %d:\n%s", b.at, b.status, path, status, b.body)
	}
	text := html.UnescapeString(b.body)
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Fatalf("page %s does not say %q:\n%s", b.at, w, b.body)
		}
	}
	return b
}

// lacks checks that a page does not say something.
func (b *browser) lacks(words ...string) *browser {
	b.t.Helper()
	text := html.UnescapeString(b.body)
	for _, w := range words {
		if strings.Contains(text, w) {
			b.t.Fatalf("page %s says %q:\n%s", b.at, w, b.body)
		}
	}
	return b
}

// keep has the browser keep a cookie.
func (b *browser) keep(c visit.Cookie, value string) *browser {
	b.t.Helper()
	u, err := url.Parse(b.site.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	b.http.Jar.SetCookies(u, []*http.Cookie{{Name: visit.Secure.CookieName(c), Value: value, Path: "/", Secure: true}})
	return b
}

// cookie returns the value that the browser keeps, or "".
func (b *browser) cookie(c visit.Cookie) string {
	b.t.Helper()
	u, err := url.Parse(b.site.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, have := range b.http.Jar.Cookies(u) {
		if have.Name == visit.Secure.CookieName(c) {
			return have.Value
		}
	}
	return ""
}

// signIn types name and password.
func (b *browser) signIn(p *authtest.Person, returnTo string) *browser {
	b.t.Helper()
	return b.get("/_nightlatch/sign-in?return_to="+url.QueryEscape(returnTo)).fill("/_nightlatch/sign-in", "name", p.Name, "password", p.Password)
}
