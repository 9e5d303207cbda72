// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// agreeRE is the link of the page that asks whether to go on to a site.
var agreeRE = regexp.MustCompile(`class="button" href="([^"]+agreed=[^"]+)"`)

// A site that another proxy serves takes part in the one sign-in, in both ways: with a cookie of its own that the portal hands over, or with
// the cookie of the domain. The proxy is played here: what it asks, and what it passes on under our prefix.
func TestPortalForSitesBehindAnotherProxy(t *testing.T) {
	for name, c := range map[string]struct {
		option string
		host   string
		shares bool
	}{
		"handed over": {"", "legacy.example.net", false},
		"a pattern":   {"", "one.apps.example.net", false},
		"shared":      {"cookie_domain example.com", "legacy.example.com", true},
	} {
		t.Run(name, func(t *testing.T) {
			secured, plain := port(programtest.FreeAddr(t)), programtest.FreeAddr(t)
			h := begin(t, "servers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t\ttrusted_proxies_strict\n\t}",
				"portal https://auth.example.com:"+secured+"\n\t\t"+c.option, strings.NewReplacer("PORT", secured, "PLAIN", port(plain)).Replace(`
https://auth.example.com:PORT {
	nightlatch {
		require password
	}
}
http://:PLAIN {
	nightlatch {
		protect legacy.example.net *.apps.example.net legacy.example.com {
			require password
		}
	}
}
`))
			alice := h.add(t, "alice")
			o := &estate{house: h, port: secured, secrets: map[string]string{}}
			w := o.window(t)
			w.turnTo("auth.example.com")

			site := visitor(t, "http://"+plain) // as the proxy passes it on
			site.Header = http.Header{"Host": {c.host}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"203.0.113.7"}}
			ask := func(cookie string) programtest.Answer {
				proxy := visitor(t, "http://"+plain)
				proxy.Header = http.Header{"Host": {"nightlatch.internal"}, "X-Forwarded-For": {"203.0.113.7"}, "X-Forwarded-Proto": {"https"},
					"X-Forwarded-Method": {"GET"}, "X-Forwarded-Host": {c.host}, "X-Forwarded-Uri": {"/inbox?x=1"}, "Cookie": {cookie}}
				proxy.send("GET", "/_nightlatch/forward-auth/traefik", nil)
				return proxy.At
			}
			refused := ask("")
			to, err := url.Parse(refused.Header.Get("Location"))
			must(t, err)
			if refused.Status != http.StatusSeeOther || (to.Hostname() == "auth.example.com") != c.shares || !c.shares && to.Host != c.host {
				t.Fatalf("a stranger is led to %q with %d", to, refused.Status)
			}
			if !c.shares {
				site.send("GET", to.RequestURI(), nil)
				if to, err = url.Parse(site.At.Header.Get("Location")); err != nil || to.Host != "auth.example.com:"+secured {
					t.Fatalf("not led to the portal: %v", site.Unexpected("Location"))
				}
			}
			w.send("GET", to.RequestURI(), nil)
			w.submit("sign-in", "name", alice.Name, "password", password)
			found := refreshRE.FindStringSubmatch(w.At.Body)
			if found == nil {
				t.Fatal(w.Unexpected("not led on"))
			}
			w.send("GET", html.UnescapeString(found[1]), nil)
			if agree := agreeRE.FindStringSubmatch(w.At.Body); name == "a pattern" && agree != nil {
				w.send("GET", html.UnescapeString(agree[1]), nil)
			}
			back := w.At.Header.Get("Location")
			cookie := "__Secure-nightlatch=" + w.Cookies.Get("__Secure-nightlatch")
			if c.shares {
				if back != "https://"+c.host+"/inbox?x=1" {
					t.Fatalf("led back to %q", back)
				}
			} else {
				after, is := strings.CutPrefix(back, "https://"+c.host)
				if !is {
					t.Fatalf("led back to %q", back)
				}
				site.send("GET", after, nil)
				site.wantLed("/inbox?x=1")
				cookie = "__Host-nightlatch=" + site.session()
			}
			if passed := ask(cookie); passed.Status != 200 || passed.Header.Get("Remote-User") != "alice" || passed.Body != "" {
				t.Errorf("with a session: %+v", passed)
			}
			if passed := ask(strings.Replace(cookie, "nightlatch=", "nightlatch=A", 1)); passed.Status == 200 {
				t.Error("a forged cookie passes")
			}
			// OR-1: what comes after the site is a path of it, whatever the address says.
			for _, forged := range []string{".evil.example/", "@evil.example/", ":80@evil.example", "//evil.example", "/\\evil.example", "https://evil.example/", "/_nightlatch/account"} {
				w.send("GET", "/_nightlatch/continue?"+url.Values{"site": {"https://" + c.host}, "return_to": {forged}, "challenge": {strings.Repeat("A", 42) + "E"}}.Encode(), nil)
				if to := w.At.Header.Get("Location"); c.shares && to != "https://"+c.host+"/" || strings.Contains(to, "evil") && !strings.HasPrefix(to, "https://"+c.host+"/_nightlatch/hand-over?code=") {
					t.Errorf("%s: led to %q", forged, to)
				}
			}
			w.visit("auth.example.com", "/_nightlatch/sign-out")
			w.submit("sign-out")
			if gone := ask(cookie); gone.Status != http.StatusSeeOther {
				t.Errorf("after the sign-out at the portal: %d", gone.Status)
			}
		})
	}
}
