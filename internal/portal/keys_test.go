// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// askFor asks for a document of ours, as a verifier does, at a site.
func (d *desk) askFor(method, page string, v visit.Visit) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://evil.example.net/_nightlatch/"+page, nil)
	v.URL, v.Transport = r.URL, visit.Secure
	w := httptest.NewRecorder()
	d.Portal.ServeHTTP(w, r, v)
	return w
}

// JW-11: both documents are for everybody, may be kept for five minutes and no longer, and are the same for everybody.
func TestJW11KeysAreForEverybody(t *testing.T) {
	d := newDesk(t)
	site := visit.Visit{Origin: "https://app.example.test", Site: "https://app.example.test"}
	for page, want := range map[string]string{
		"jwks.json":   `{"keys":[{"`,
		discoveryPath: `{"issuer":"https://app.example.test/_nightlatch","jwks_uri":"https://app.example.test/_nightlatch/jwks.json",`,
	} {
		w := d.askFor("GET", page, site)
		h := w.Header()
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), want) || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s %s", page, w.Code, h.Get("Content-Type"), w.Body)
		}
		if h.Get("Cache-Control") != "public, max-age=300" || h.Values("Vary") != nil || h.Values("Set-Cookie") != nil {
			t.Errorf("%s: headers %v", page, h)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: headers %v", page, h)
		}
		if head := d.askFor("HEAD", page, site); head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != h.Get("Content-Length") {
			t.Errorf("HEAD %s: %d %v %s", page, head.Code, head.Header(), head.Body)
		}
	}
}

// RE-1: the issuer is what the configuration says, never the host of the request, so nobody can have a cache keep another's.
func TestRE1IssuerIsNotWhatTheRequestSays(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		visit visit.Visit
		want  string // empty: there is no document
	}{
		{visit.Visit{Site: "https://app.example.test"}, "https://app.example.test/_nightlatch"},
		{visit.Visit{Site: "https://app.example.test", Portal: "https://auth.example.test"}, "https://auth.example.test/_nightlatch"},
		{visit.Visit{Host: "evil.example.net"}, ""},
	} {
		w := d.askFor("GET", discoveryPath, c.visit)
		if c.want == "" && w.Code != 404 || c.want != "" && !strings.Contains(w.Body.String(), `"issuer":"`+c.want+`"`) || strings.Contains(w.Body.String(), "evil") {
			t.Errorf("%+v: %d %s, want %q", c.visit, w.Code, w.Body, c.want)
		}
		if w := d.askFor("GET", "jwks.json", c.visit); w.Code != 200 {
			t.Errorf("%+v: the keys: %d", c.visit, w.Code)
		}
	}
}

// The dot that a standard wants opens one spelling of one path, and no other.
func TestOneSpellingWithADot(t *testing.T) {
	d := newDesk(t)
	for _, target := range []string{
		"/_nightlatch/.well-known/openid-configuration/", "/_nightlatch/.well-known/", "/_nightlatch/.well-known", "/_nightlatch/.well-known/jwks.json",
		"/_nightlatch/.well-known/../sign-in", "/_nightlatch/.well-known/openid-configuration/../../sign-in", "/_nightlatch/./.well-known/openid-configuration",
		"/_nightlatch/%2ewell-known/openid-configuration", "/_nightlatch/.well-known%2fopenid-configuration", "/_nightlatch/.Well-Known/openid-configuration",
		"/_nightlatch//.well-known/openid-configuration", "/_nightlatch/.well-known/openid-configuration;x", "/_nightlatch/..well-known/openid-configuration",
		"/_nightlatch/.jwks.json", "/_nightlatch/.sign-in", "/_nightlatch/static/.style.css", "/_nightlatch/x/.well-known/openid-configuration",
	} {
		if w := d.ask("GET", target, ""); w.Code != 404 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %v, want 404", target, w.Code, w.Header())
		}
	}
	if w := d.ask("POST", "/_nightlatch/.well-known/openid-configuration", ""); w.Code != 405 {
		t.Errorf("POST: got %d, want 405", w.Code)
	}
}

func TestKeysAreNotToBeHad(t *testing.T) {
	service := func() (*auth.Service, error) { return nil, errors.New("down") }
	for name, keys := range map[string]func() (*signing.Keys, error){"none": nil, "down": func() (*signing.Keys, error) { return nil, errors.New("down") }} {
		p, err := New(Config{Service: service, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		w := (&desk{Portal: p}).askFor("GET", "jwks.json", visit.Visit{})
		if w.Code != 503 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d %v, want 503 that nobody keeps", name, w.Code, w.Header())
		}
	}
}
