// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"testing"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// RE-1: a site is what the configuration calls it, and no Host that a client sends becomes one.
func TestOriginOfARequest(t *testing.T) {
	const (
		secure = visit.Secure
		local  = visit.Loopback
	)
	type request struct {
		host      string
		transport visit.Transport
	}
	for name, c := range map[string]struct {
		caddyfile string
		want      map[request]string
	}{
		"a host": {"app.example.com {\n\tnightlatch\n}", map[request]string{
			{"app.example.com", secure}:        "https://app.example.com",
			{"APP.Example.com", secure}:        "https://app.example.com",
			{"app.example.com:9999", secure}:   "",
			{"app.example.com:443", secure}:    "https://app.example.com",
			{"app.example.com:80", secure}:     "",
			{"evil.example.net", secure}:       "",
			{"app.example.com.", secure}:       "",
			{"app.example.com@evil", secure}:   "",
			{"", secure}:                       "",
			{"app.example.com", visit.Exposed}: "",
			{"app.example.com", local}:         "",
		}},
		"a port": {"app.example.com:8443 {\n\tnightlatch\n}", map[request]string{
			{"app.example.com:8443", secure}: "https://app.example.com:8443",
			{"app.example.com", secure}:      "",
		}},
		"two hosts": {"a.example.com, b.example.com {\n\tnightlatch\n}", map[request]string{
			{"a.example.com", secure}: "https://a.example.com",
			{"b.example.com", secure}: "https://b.example.com",
		}},
		"behind a proxy": {"http://app.example.com:8080 {\n\tnightlatch\n}", map[request]string{
			{"app.example.com", secure}:             "https://app.example.com",
			{"app.example.com:8080", secure}:        "",
			{"app.example.com:8080", visit.Exposed}: "",
		}},
		"this machine": {"http://localhost:8080 {\n\tnightlatch\n}", map[request]string{
			{"localhost:8080", local}: "http://localhost:8080",
			{"localhost", local}:      "",
		}},
		"no host":    {":8443 {\n\tnightlatch\n}", map[request]string{{"app.example.com:8443", secure}: "", {"localhost:8443", local}: ""}},
		"a wildcard": {"*.example.com {\n\tnightlatch\n}", map[request]string{{"app.example.com", secure}: ""}},
		"a wildcard, and a host in it": {"*.example.com {\n\t@a host a.example.com\n\thandle @a {\n\t\tnightlatch\n\t}\n}", map[request]string{
			{"a.example.com", secure}: "https://a.example.com",
			{"b.example.com", secure}: "",
		}},
		"a named route": {"&(locked) {\n\troute {\n\t\tnightlatch\n\t}\n}\na.example.com {\n\tinvoke locked\n}", map[request]string{
			{"a.example.com", secure}: "https://a.example.com",
		}},
		"IPv6": {"http://[::1]:8080 {\n\tnightlatch\n}", map[request]string{{"[::1]:8080", local}: "http://[::1]:8080"}},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := provision(t, c.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			sites := app.guardedSites()
			if len(sites) != 1 {
				t.Fatalf("got %d sites, want 1", len(sites))
			}
			origins := sites[0].handler.origins()
			for r, want := range c.want {
				if got := origins.of(r.host, r.transport); got != want {
					t.Errorf("%s over %d: got %q, want %q", r.host, r.transport, got, want)
				}
			}
		})
	}
}

// A site within a pattern is known as what the client asked for, for browsers alone: its letters lead elsewhere.
func TestSitesOfAPattern(t *testing.T) {
	for name, c := range map[string]struct {
		caddyfile string
		want      map[string]string
	}{
		"a pattern": {"*.example.com {\n\tnightlatch\n}", map[string]string{
			"app.example.com": "https://app.example.com", "APP.example.com": "https://app.example.com", "a.b.example.com": "", "example.com": "",
			"app.example.com:8443": "", ".example.com": "", "app.example.com.": "", "evil-example.com": "", "app.example.com@evil.test": "",
		}},
		"a port":         {"*.example.com:8443 {\n\tnightlatch\n}", map[string]string{"app.example.com:8443": "https://app.example.com:8443", "app.example.com": ""}},
		"behind a proxy": {"http://*.example.com:8080 {\n\tnightlatch\n}", map[string]string{"app.example.com": "https://app.example.com", "app.example.com:8080": ""}},
	} {
		app, err := provision(t, c.caddyfile)
		if err != nil {
			t.Fatal(err)
		}
		origins := app.guardedSites()[0].handler.origins()
		for host, want := range c.want {
			if got := origins.within(host, visit.Secure); got != want {
				t.Errorf("%s, %s: got %q, want %q", name, host, got, want)
			}
			if got := origins.of(host, visit.Secure); got != "" {
				t.Errorf("%s, %s: got %q for letters, want none", name, host, got)
			}
		}
	}
}

// Another site's host is not this one's.
func TestOriginsAreOfOneSite(t *testing.T) {
	app, err := provision(t, "a.example.com {\n\tnightlatch\n}\nb.example.com {\n\tnightlatch\n}")
	if err != nil {
		t.Fatal(err)
	}
	for _, site := range app.guardedSites() {
		for _, host := range []string{"a.example.com", "b.example.com"} {
			want := ""
			if site.hosts[0] == host {
				want = "https://" + host
			}
			if got := site.handler.origins().of(host, visit.Secure); got != want {
				t.Errorf("%s at the site of %s: got %q, want %q", host, site.hosts[0], got, want)
			}
		}
	}
}
