// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"net/url"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// foreign are addresses that must not be led to after a sign-in, by their names in section A of the attack catalogue.
var foreign = map[string]string{
	"P01": "//evil.example", "P02": "///evil.example", "P03": "////evil.example", "P04": `/\evil.example`, "P05": `\\evil.example`,
	"P07": "/\t/evil.example", "P08": "/\n/evil.example", "P09": "/%2f%2fevil.example", "P10": "/%5cevil.example", "P13": "https:evil.example",
	"P14": "https:/evil.example", "P15": "https:///evil.example", "P17": "HTTPS://EVIL.example", "P18": "https://app.test@evil.example/",
	"P19": "https://app.test:443@evil.example/", "P21": "https://evil.example#@app.test/", "P23": "https://app.test.evil.example/",
	"P24": "https://evilapp.test/", "P25": "https://evil.example/app.test", "P26": "https://app.test%2eevil.example/",
	"P27": "https://app.test%00.evil.example/", "P28": "https://app。test/", "P31": "https://[::ffff:203.0.113.9]/",
	"P32": "javascript:alert(1)//https://app.test", "P34": "data:text/html,evil.example", "P35": "http://app.test/", "P36": "https://app.test:8443/",
	"P37": " https://evil.example", "P38": "/x\r\nSet-Cookie: evil.example=1", "P39": "/x\r\nLocation: //evil.example",
	"P41": "/_nightlatch/sign-out?return_to=//evil.example", "P42": "/" + strings.Repeat("evil.example/", 300),
}

// wantOnThisHost checks that a browser that follows the address stays on the host it asked.
func wantOnThisHost(t *testing.T, what, location string) {
	t.Helper()
	base, err := url.Parse("https://app.test/_nightlatch/sign-in")
	if err != nil {
		t.Fatal(err)
	}
	to, err := base.Parse(location)
	if err != nil || to.Host != "app.test" || to.Scheme != "https" || !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") ||
		strings.ContainsAny(location, "\\\t\r\n ") || strings.Contains(location, "evil.example") && !strings.Contains(location, "?") {
		t.Errorf("%s: led to %q, want a path on this host", what, location)
	}
}

func TestRedirects(t *testing.T) {
	app := wiretest.Echo(t)
	addr := programtest.FreeAddr(t)
	h := begin(t, "", "", strings.NewReplacer("PORT", port(addr), "APP", app.Addr).Replace(`
https://app.test:PORT, https://127.0.0.1:PORT {
	nightlatch {
		require password
		require /two /two/* two_factor
	}
	reverse_proxy APP
}
https://:PORT {
	tls internal {
		on_demand
	}
	nightlatch
	reverse_proxy APP
}
`))
	plain := h.add(t, "plain")
	signedIn := visitor(t, "https://"+addr)
	signedIn.typePassword(plain)

	t.Run("OR3OR5AfterTheSignIn", func(t *testing.T) {
		for name, address := range foreign {
			b := visitor(t, "https://"+addr)
			b.open("/_nightlatch/sign-in?return_to=" + url.QueryEscape(address))
			if strings.Contains(strings.ToLower(b.At.Body), "evil") || strings.Contains(b.At.Body, "javascript:") {
				t.Errorf("%s: the page repeats the address", name)
			}
			to, form := b.form("sign-in", "name", "plain", "password", password)
			if got := form.Get("return_to"); got != "/" {
				t.Errorf("%s: the form leads to %q", name, got)
			}
			form.Set("return_to", address)
			b.send("POST", to, form)
			if at := b.At.Header.Get("Location"); b.At.Status != 303 || at != "/" {
				t.Errorf("%s: after the sign-in: %d to %q, want /", name, b.At.Status, at)
			}
		}
	})

	t.Run("OR1EveryOtherPage", func(t *testing.T) {
		for _, page := range []string{"sign-in?", "sudo?level=password&", "two-factor/enable?", "second-factor?", "backup-codes?", "backup-codes/used?token=x&",
			"sign-out?", "account?", "signed-out?", "start-over?"} {
			for name, address := range foreign {
				signedIn.send("GET", "/_nightlatch/"+page+"return_to="+url.QueryEscape(address), nil)
				if at := signedIn.At.Header.Get("Location"); at != "" {
					wantOnThisHost(t, page+name, at)
				}
				if strings.Contains(strings.ToLower(signedIn.At.Body), "evil") {
					t.Errorf("%s%s: the page repeats the address", page, name)
				}
			}
		}
	})

	t.Run("OR6TheTargetOfTheRequest", func(t *testing.T) {
		for _, target := range []string{"//evil.example/%2e%2e", "///evil.example", `/\evil.example`, `/%5cevil.example`, "/%2f%2fevil.example", "/%09/evil.example",
			"http://evil.example//evil.example/", "/..//evil.example", "/.//evil.example", "/x/..//evil.example", "//evil.example?return_to=//evil.example"} {
			r := raw(t, addr, secure("app.test"), "GET "+target+" HTTP/1.1", "Host: app.test", "Accept: text/html")
			if r.Status == 400 {
				continue
			}
			to, err := url.Parse(location(r))
			if err != nil || r.Status != 303 || to.Path != "/_nightlatch/sign-in" || to.Host != "" {
				t.Errorf("%s: %d to %q, want the sign-in page", target, r.Status, location(r))
				continue
			}
			b := visitor(t, "https://"+addr)
			b.open(location(r))
			b.submit("sign-in", "name", "plain", "password", password)
			if at := b.At.Header.Get("Location"); b.At.Status != 303 || strings.HasPrefix(at, "//") || strings.HasPrefix(at, `/\`) || !strings.HasPrefix(at, "/") {
				t.Errorf("%s: after the sign-in %d to %q", target, b.At.Status, at)
			}
		}
	})

	t.Run("OR7OR8HostsAndPrefixesOfTheRequest", func(t *testing.T) {
		for _, line := range []string{"Host: evil.example", "Host: app.test\r\nX-Forwarded-Host: evil.example", "Host: app.test\r\nForwarded: host=evil.example;proto=http",
			"Host: app.test\r\nX-Forwarded-Prefix: //evil.example", "Host: app.test\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80",
			"Host: app.test\r\nX-Original-Host: evil.example\r\nX-Host: evil.example", "Host: app.test\r\nReferer: https://evil.example/"} {
			for _, target := range []string{"/x", "/_nightlatch/", "/_nightlatch/account", "/_nightlatch/start-over", "/_nightlatch/second-factor", "/_nightlatch/sudo?level=password",
				"/_nightlatch/sign-out", "/_nightlatch/sign-in", "/_nightlatch/setup/ABCDEFGHIJKLMNOPQRSTUVWXYZ"} {
				r := raw(t, addr, secure("app.test"), "GET "+target+" HTTP/1.1", line, "Accept: text/html")
				if strings.Contains(strings.Join(r.Header, "\n"), "evil") || strings.Contains(string(r.Body), "evil") || r.Status == 0 {
					t.Errorf("%s with %q: %d %q %s", target, line, r.Status, r.Header, r.Body)
				}
				if at := location(r); at != "" && !strings.HasPrefix(at, "/_nightlatch/") {
					t.Errorf("%s with %q: led to %q", target, line, at)
				}
			}
		}
	})

	t.Run("OR10OR11OR12TheWayBack", func(t *testing.T) {
		const back = "/path?next=https://docs.example/&a=%2f%5c"
		b := visitor(t, "https://"+addr)
		b.open("/_nightlatch/sign-in?return_to=" + url.QueryEscape(back))
		b.submit("sign-in", "name", "plain", "password", password)
		if at := b.At.Header.Get("Location"); b.At.Status != 303 || at != back {
			t.Errorf("got %d to %q, want 303 to %q and nothing added", b.At.Status, at, back)
		}
		// Through an enrollment as well, with its codes.
		p := h.add(t, "or12")
		b = visitor(t, "https://"+addr)
		b.typePassword(p)
		b.open("/two?x=1")
		b.enrollHere(p, "/two?x=1")
	})
}

// enrollHere enrolls from the page that shows the key, where the browser is, and wants to be led to an address in the end.
func (b *browser) enrollHere(p *person, to string) {
	b.t.Helper()
	must(b.t, b.TakeKey(p))
	b.submit("two-factor/enable", "code", codeOf(b.t, p))
	b.open("/_nightlatch/backup-codes")
	b.submit("backup-codes")
	if at := b.At.Header.Get("Location"); b.At.Status != 303 || at != to {
		b.t.Errorf("after the enrollment: %d to %q, want %q and nothing added", b.At.Status, at, to)
	}
}
