// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// What a configuration in JSON may name is what one in a Caddyfile may: nothing that the client has written.
func TestFirstFactorPlaceholders(t *testing.T) {
	for placeholder, key := range map[string]string{
		"{http.auth.user.id}":                       "http.auth.user.id",
		"{http.auth.user.tailscale_login}":          "http.auth.user.tailscale_login",
		"{http.vars.user}":                          "http.vars.user",
		"{http.reverse_proxy.header.remote-user}":   "http.reverse_proxy.header.Remote-User",
		"{http.reverse_proxy.header.Remote-User}":   "http.reverse_proxy.header.Remote-User",
		"{http.request.tls.client.fingerprint}":     "http.request.tls.client.fingerprint",
		"{http.request.tls.client.san.emails.0}":    "http.request.tls.client.san.emails.0",
		"{http.request.tls.client.san.dns_names.2}": "http.request.tls.client.san.dns_names.2",
		"":                                  "",
		"http.auth.user.id":                 "",
		"{}":                                "",
		"{{http.auth.user.id}}":             "",
		"{http.auth.user.id} ":              "",
		"{http.auth.user.}":                 "",
		"{http.auth.user}":                  "",
		"{http.auth.usermap.id}":            "",
		"{http.vars.client_ip}":             "",
		"{http.vars.}":                      "",
		"{http.request.header.Remote-User}": "",
		"{http.request.header.http.auth.user.id}":            "",
		"{http.request.cookie.user}":                         "",
		"{http.request.uri.query.user}":                      "",
		"{http.request.uri.path.0}":                          "",
		"{http.request.orig_uri.query}":                      "",
		"{http.request.body}":                                "",
		"{http.request.method}":                              "",
		"{http.request.host}":                                "",
		"{http.request.hostport}":                            "",
		"{http.request.host.labels.1}":                       "",
		"{http.request.remote.host}":                         "",
		"{http.request.tls.server_name}":                     "",
		"{http.request.tls.client.subject}":                  "",
		"{http.request.tls.client.serial}":                   "",
		"{http.request.tls.client.san.uris.0}":               "",
		"{http.request.tls.client.san.emails.0.x}":           "",
		"{http.regexp.user.1}":                               "",
		"{http.response.header.Remote-User}":                 "",
		"{http.intercept.header.Remote-User}":                "",
		"{http.reverse_proxy.upstream.host}":                 "",
		"{env.USER}":                                         "",
		"{file./etc/passwd}":                                 "",
		"{http.auth.user.id}{http.request.header.X}":         "",
		"{http.vars.user\n}":                                 "",
		"x{http.auth.user.id}":                               "",
		"{http.auth.user.id:{http.request.header.X-Default}": "",
	} {
		f := FirstFactor{Placeholder: placeholder}
		err := f.provision(nil)
		switch {
		case key == "" && (err == nil || !strings.Contains(err.Error(), "first_factor")):
			t.Errorf("%q: got key %q, error %v, want an error that names the word", placeholder, f.key, err)
		case key != "" && (err != nil || f.key != key):
			t.Errorf("%q: got key %q, error %v, want %q", placeholder, f.key, err, key)
		}
	}
}

// A certificate speaks for somebody once it was verified. Caddy can also be told to ask for one and take any, and then whoever made it has
// written the name.
func TestFirstFactorNeedsAVerifiedCertificate(t *testing.T) {
	f := &FirstFactor{Placeholder: "{http.request.tls.client.san.emails.0}"}
	if err := f.provision(nil); err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{EmailAddresses: []string{"alice@example.com"}}
	verified := [][]*x509.Certificate{{cert, {}}}
	repl := caddy.NewReplacer()
	repl.Set(f.key, "alice@example.com")
	for name, c := range map[string]struct {
		state *tls.ConnectionState
		want  string
	}{
		"plain HTTP":    {nil, ""},
		"none":          {&tls.ConnectionState{}, ""},
		"not verified":  {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}, ""},
		"verified":      {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: verified}, "alice@example.com"},
		"an empty list": {&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{}}, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.TLS = c.state
		if got := f.named(r, repl); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got := (*FirstFactor)(nil).named(httptest.NewRequest("GET", "/", nil), repl); got != "" {
		t.Errorf("without the word: got %q", got)
	}
}

// Whom a handler in front names it names on one site: that site signs people in by itself where others use the central portal, shares no
// cookie, and is not the portal, of which the session would be worth nothing elsewhere.
func TestFirstFactorIsForOneSite(t *testing.T) {
	f := new(FirstFactor)
	const portal = "https://auth.example.com"
	for _, site := range []string{"https://app.example.com", portal, ""} {
		v := f.visit(visit.Visit{Host: "app.example.com", Site: site, Portal: portal, AtPortal: site == portal, Domain: "example.com"}, "alice")
		if v.Vouched != "alice" || v.Portal != "" || v.AtPortal || v.Domain != "" || v.Site != site || v.Host != "app.example.com" {
			t.Errorf("%q: got %+v", site, v)
		}
	}
}

// A handler in front sees the proxy that asks, and not who visits the site that the proxy serves.
func TestFirstFactorBesideProtect(t *testing.T) {
	f := &FirstFactor{Placeholder: "{http.auth.user.id}"}
	if err := f.provision([]*Protected{{Hosts: []string{"legacy.example.com"}}}); err == nil || !strings.Contains(err.Error(), "protect") {
		t.Errorf("got %v, want an error that names protect", err)
	}
}
