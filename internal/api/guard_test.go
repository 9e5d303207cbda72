// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// every calls fn with all routes, with something in place of what their path names.
func every(fn func(method, path string)) {
	for _, r := range api.Routes() {
		fn(r.Method, strings.NewReplacer("{id}", "0123456789abcdef").Replace(r.Path))
	}
}

// bodyOf is what may be sent to any route that takes no fields, and to others is a body all the same.
func bodyOf(method string) string {
	if method == http.MethodGet {
		return ""
	}
	return "{}"
}

// CS-1, CS-2, CS-8: what another origin sends is refused at every route, before anything of it is looked at, and whatever it carries.
func TestCS1CS2CS8EveryRouteRefusesOtherOrigins(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for name, change := range map[string]func(*http.Request){
		"another site":       header("Sec-Fetch-Site", "cross-site"),
		"a sibling":          header("Sec-Fetch-Site", "same-site"),
		"something new":      header("Sec-Fetch-Site", "same-planet"),
		"another origin":     header("Origin", "https://evil.example"),
		"a sibling origin":   header("Origin", "https://blog.example.test"),
		"a page without TLS": header("Origin", "http://"+host),
		"another port":       header("Origin", home+":8443"),
		"two origins":        func(r *http.Request) { r.Header["Origin"] = []string{home, "https://evil.example"} },
		"nobody":             header("Origin", "null"),
		"another origin, said to be ours": func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		},
		"nobody, and no page":                func(r *http.Request) { r.Header.Set("Origin", "null"); r.Header.Set("Sec-Fetch-Site", "none") },
		"our origin, said to be a sibling's": func(r *http.Request) { r.Header.Set("Origin", home); r.Header.Set("Sec-Fetch-Site", "same-site") },
	} {
		every(func(method, path string) {
			a := d.ask(method, path, bodyOf(method), change, cookie(visit.Session, alice.Session))
			a.what += " from " + name
			a.is(403, "cross-origin")
			if got := a.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s: Access-Control-Allow-Origin is %q", a.what, got)
			}
		})
	}
	for name, change := range map[string]func(*http.Request){
		"a program":             func(*http.Request) {},
		"our page":              func(r *http.Request) { r.Header.Set("Origin", home); r.Header.Set("Sec-Fetch-Site", "same-origin") },
		"our page, no referrer": func(r *http.Request) { r.Header.Set("Origin", "null"); r.Header.Set("Sec-Fetch-Site", "same-origin") },
		"an old browser":        header("Origin", home),
		"the address bar":       header("Sec-Fetch-Site", "none"),
	} {
		a := d.ask("GET", "account", "", change, cookie(visit.Session, alice.Session))
		a.what += " from " + name
		a.is(200, "")
	}
}

// A preflight gets no leave.
func TestNoCORS(t *testing.T) {
	d := newDesk(t)
	a := d.ask("OPTIONS", "account", "", header("Origin", "https://evil.example"), header("Access-Control-Request-Method", "GET"))
	a.is(405, "method-not-allowed")
	for name := range a.Header() {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("the answer has %s", name)
		}
	}
}

// ASVS 4.1.2: what comes in the clear is refused and not led on, or a program would send its secrets so for ever.
func TestASVS4_1_2EveryRouteNeedsHTTPS(t *testing.T) {
	d := newDesk(t)
	d.visit.Transport = visit.Exposed
	every(func(method, path string) {
		a := d.ask(method, path, bodyOf(method))
		a.is(403, "https-required")
		if a.Header().Get("Location") != "" {
			t.Errorf("%s leads to %s", a.what, a.Header().Get("Location"))
		}
	})
}

func TestEveryRouteNeedsAHost(t *testing.T) {
	d := newDesk(t)
	d.visit.Host = ""
	every(func(method, path string) { d.ask(method, path, bodyOf(method)).is(400, "bad-host") })
}

// What comes as TLS early data, somebody on the way can send once more (RFC 8470).
func TestEveryActRefusesEarlyData(t *testing.T) {
	d := newDesk(t)
	every(func(method, path string) {
		if method != http.MethodGet {
			d.ask(method, path, bodyOf(method), func(r *http.Request) { r.TLS = &tls.ConnectionState{} }).is(425, "too-early")
		}
	})
}

// No route has parameters, so that nothing secret comes to stand in an address.
func TestEveryRouteRefusesAQuery(t *testing.T) {
	d := newDesk(t)
	every(func(method, path string) {
		for _, query := range []string{"?access_token=x", "?", "?x", "?&"} {
			d.ask(method, path+query, bodyOf(method)).is(400, "bad-request")
		}
	})
}

// An error of the service is 503, whatever is asked, and is logged once, without the body.
func TestEveryRouteWithoutTheService(t *testing.T) {
	d := newDesk(t)
	d.fails = errors.New("the disk is gone")
	every(func(method, path string) {
		if path == "openapi.json" {
			return // it asks the service nothing
		}
		d.log.Reset()
		d.Clock.Move(time.Second) // which says it again
		a := d.ask(method, path, bodyOf(method), cookie(visit.Session, d.VisitorToken()))
		a.is(503, "unavailable")
		if a.Header().Get("Retry-After") != "10" || strings.Contains(a.Body.String(), "disk") || strings.Count(d.log.String(), "the disk is gone") != 1 {
			t.Errorf("%s: Retry-After %q, log %q\n%s", a.what, a.Header().Get("Retry-After"), d.log, a.Body)
		}
	})
}

// Other methods are refused with those that there are (ASVS 4.1.4), and other paths, in whatever spelling, are nothing.
func TestOtherMethodsAndPaths(t *testing.T) {
	d := newDesk(t)
	methods := map[string][]string{}
	every(func(method, path string) { methods[path] = append(methods[path], method) })
	for path, allowed := range methods {
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post"} {
			is := false
			for _, a := range allowed {
				is = is || m == a || m == "HEAD" && a == "GET"
			}
			if is {
				continue
			}
			a := d.ask(m, path, "")
			if a.Code != 405 || m != "HEAD" && a.is(405, "method-not-allowed") == nil {
				t.Errorf("%s: got %d, want 405", a.what, a.Code)
			}
			for _, want := range allowed {
				if !strings.Contains(", "+a.Header().Get("Allow")+",", ", "+want+",") {
					t.Errorf("%s: Allow is %q, want %v", a.what, a.Header().Get("Allow"), allowed)
				}
			}
		}
	}
	for _, path := range []string{
		"/_nightlatch/api/", "/_nightlatch/api/v1/", "/_nightlatch/api/v2/account", "nothing", "account/", "account/x", "/_nightlatch/api/v1//account",
		"/_nightlatch/api/v1/./account", "/_nightlatch/api/v1/x/../account", "/_nightlatch/api/v1/%61ccount", "/_nightlatch/api/v1/account%2f", "/_nightlatch/api/v1/account;x",
		"/_nightlatch/api/v1/ACCOUNT", "/_nightlatch/api/v1/account.", "/_nightlatch/api/v1/.well-known/account", "/_nightlatch/api/sign-out",
	} {
		for _, m := range []string{"GET", "POST"} {
			if a := d.ask(m, path, ""); a.Code != 404 {
				t.Errorf("%s: got %d, want 404", a.what, a.Code)
			} else {
				a.is(404, "not-found")
			}
		}
	}
}

// Nothing of an account is told to whoever has not proven all that it has (MF-1): neither without a session, nor by one of a password
// alone at an account that has more.
func TestMF1EveryRouteNeedsItsSession(t *testing.T) {
	d := newDesk(t)
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	bob.Keep(bob.EnterPassword(t))
	every(func(method, path string) {
		if open[path] {
			return
		}
		for name, change := range map[string]func(*http.Request){
			"no cookie":    func(*http.Request) {},
			"no session":   cookie(visit.Session, d.VisitorToken()),
			"two cookies":  func(r *http.Request) { cookie(visit.Session, bob.Session)(r); cookie(visit.Session, bob.Session)(r) },
			"other cookie": cookie(visit.Attempt, bob.Session),
		} {
			a := d.ask(method, path, bodyOf(method), change)
			a.what += " with " + name
			a.is(401, "sign-in-required")
			if got := a.Header().Get("WWW-Authenticate"); got != `Bearer realm="nightlatch"` {
				t.Errorf("%s: WWW-Authenticate is %q", a.what, got)
			}
		}
	})
}

// open are the routes that ask for no session.
var open = map[string]bool{
	"sign-in": true, "sign-in/send": true, "sign-in/enroll": true, "sign-in/verify": true, "token/refresh": true, "token/revoke": true,
	"openapi.json": true,
}
