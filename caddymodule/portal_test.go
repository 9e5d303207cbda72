// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

const threeSites = `{
	nightlatch {
		portal https://auth.example.com
		cookie_domain example.com
	}
}
auth.example.com {
	nightlatch
}
*.example.com {
	nightlatch
}
wiki.example.net:8443 {
	nightlatch
}
http://behind.example.net:8080 {
	nightlatch
}
plain.example.org, own.example.com {
	respond "not ours"
}
vouched.example.net, vouched.example.com {
	nightlatch {
		first_factor {http.auth.user.id}
	}
}
*.vouched.example.net {
	nightlatch {
		first_factor {http.auth.user.id}
	}
}`

// OR-1, P35, P36: the portal leads to the sites of the configuration, by scheme, host and port, and to nothing else.
func TestSitesOfThePortal(t *testing.T) {
	app, err := provision(t, threeSites)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]server.OtherSite{
		"https://app.example.com":           {Known: true, Shares: true},
		"https://own.example.com":           {},
		"https://wiki.example.net:8443":     {Known: true, Named: true},
		"https://wiki.example.net":          {},
		"http://wiki.example.net:8443":      {},
		"http://app.example.com":            {},
		"https://plain.example.org":         {},
		"https://vouched.example.net":       {}, // it signs people in by itself
		"https://vouched.example.com":       {}, // not by the pattern of another site either
		"https://a.vouched.example.net":     {},
		"https://behind.example.net":        {Known: true, Named: true},
		"http://behind.example.net:8080":    {},
		"http://behind.example.net":         {},
		"https://evil.test":                 {},
		"https://evil-example.com":          {},
		"https://app.example.com.evil.test": {},
		"https://app.example.com/":          {},
		"https://app.example.com:443":       {},
		"https://app.example.com:8443":      {},
		"https://user@app.example.com":      {},
		"https://APP.example.com":           {},
		"https://app.example.com.":          {},
		"HTTPS://app.example.com":           {},
		"https:app.example.com":             {},
		"//app.example.com":                 {},
		"app.example.com":                   {},
		"javascript://app.example.com":      {},
		"https://":                          {},
		"":                                  {},
	} {
		if got := app.knowsSite(origin); got != want {
			t.Errorf("%q: got %+v; want %+v", origin, got, want)
		}
	}
}

// For which hosts people can have app passwords: a host is one whatever its port, and what is not of the one sign-in is none.
func TestHostsOfThePortal(t *testing.T) {
	app, err := provision(t, threeSites)
	if err != nil {
		t.Fatal(err)
	}
	names, more := app.central.Hosts()
	if want := []string{"auth.example.com", "behind.example.net", "wiki.example.net"}; !slices.Equal(names, want) || !more {
		t.Errorf("got %q, and others %t; want %q and others", names, more, want)
	}
	for name, want := range map[string]bool{
		"auth.example.com": true, "app.example.com": true, "wiki.example.net": true, "any.example.com": true,
		"": false, "example.com": false, ".example.com": false, "*.example.com": false, "a.b.example.com": false, "own.example.com": false,
		"vouched.example.com": false, "vouched.example.net": false, "evil.test": false, "app.example.com:443": false, "evil-example.com": false,
	} {
		if got := app.central.HasHost(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}

// What a visit knows of the portal: nothing at the portal itself and where no site can be told.
func TestVisitsOfSites(t *testing.T) {
	app, err := provision(t, threeSites)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]visit.Visit{
		"auth.example.com":      {Site: "https://auth.example.com", Domain: "example.com"},
		"app.example.com":       {Site: "https://app.example.com", Domain: "example.com", Portal: "https://auth.example.com"},
		"wiki.example.net:8443": {Site: "https://wiki.example.net:8443", Portal: "https://auth.example.com"},
		"app.example.com:443":   {Site: "https://app.example.com", Domain: "example.com", Portal: "https://auth.example.com"},
		"wiki.example.net":      {Portal: "https://auth.example.com"}, // the name without its port: nobody signs in there
		"wiki.example.net:9999": {Portal: "https://auth.example.com"},
		"own.example.com":       {Portal: "https://auth.example.com"},
		"elsewhere.test":        {Portal: "https://auth.example.com"},
	} {
		got := app.locate(visit.Visit{Host: visit.HostName(host), Transport: visit.Secure}, app.known(), host)
		if got.AtPortal != (host == "auth.example.com") || got.Site != want.Site || got.Domain != want.Domain || got.Portal != want.Portal {
			t.Errorf("%s: got site %q, domain %q, portal %q; want %+v", host, got.Site, got.Domain, got.Portal, want)
		}
	}
}

func TestPortalWithoutASite(t *testing.T) {
	for name, c := range map[string]struct{ sites, want string }{
		"none":          {"app.example.com {\n\tnightlatch\n}", "and without first_factor has the host auth.example.com"},
		"vouched for":   {"auth.example.com {\n\tnightlatch {\n\t\tfirst_factor {http.auth.user.id}\n\t}\n}", "and without first_factor has the host auth.example.com"},
		"by name":       {"auth.example.com {\n\tnightlatch\n}", ""},
		"by pattern":    {"*.example.com {\n\tnightlatch\n}", ""},
		"by any host":   {":9080 {\n\tnightlatch\n}", ""},
		"two ports":     {"auth.example.com {\n\tnightlatch\n}\nauth.example.com:8443 {\n\tnightlatch\n}", "share their cookies"},
		"behind TLS":    {"http://auth.example.com:8080 {\n\tnightlatch\n}", ""},
		"a mapped port": {"auth.example.com:8443 {\n\tnightlatch\n}", ""},
	} {
		app, err := provision(t, "{\n\tnightlatch {\n\t\tportal https://auth.example.com\n\t}\n}\n"+c.sites)
		if err != nil {
			t.Fatal(err)
		}
		if err := app.checkPortalSite(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// Caddy's own recipe for one certificate of many names tells its parts by name inside the site: they are names of the pattern all the same. What
// stands for itself beside the pattern is not, and what another server has under such a name says nothing.
func TestSitesOfAPatternByName(t *testing.T) {
	app, err := provision(t, `{
	nightlatch {
		portal https://auth.example.com
		cookie_domain example.com
	}
}
auth.example.com {
	nightlatch
}
*.example.org {
	nightlatch
	@wiki host wiki.example.org
	handle @wiki {
		respond "the wiki"
	}
}
own.example.org {
	respond "for itself"
}
http://plain.example.org {
	redir https://plain.example.org
}
`)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"wiki.example.org": "https://wiki.example.org", "blog.example.org": "https://blog.example.org", "plain.example.org": "https://plain.example.org", "own.example.org": "",
	} {
		if got := app.knowsSite("https://" + host); got.Known != (want != "") {
			t.Errorf("%s: got %+v", host, got)
		}
		got := app.locate(visit.Visit{Host: host, Transport: visit.Secure}, app.known(), host)
		if got.Site != want || got.Portal != "https://auth.example.com" {
			t.Errorf("%s: got site %q, portal %q", host, got.Site, got.Portal)
		}
	}
	// With a port that is not known nobody signs in at the site.
	for _, host := range []string{"blog.example.org:9999", "auth.example.com:9999", "elsewhere.test"} {
		got := app.locate(visit.Visit{Host: visit.HostName(host), Transport: visit.Secure}, app.known(), host)
		if got.Site != "" || got.Portal == "" {
			t.Errorf("%s: got site %q, portal %q", host, got.Site, got.Portal)
		}
	}
}
