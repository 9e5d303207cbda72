// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// asked is what somebody sends who has no session.
type asked struct {
	method, path string
	header       map[string]string
	body         string
}

var (
	page   = map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	script = map[string]string{"Accept": "application/json", "Sec-Fetch-Mode": "cors"}
	form   = map[string]string{"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"}
	keeps  = map[string]string{"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	sends  = map[string]string{"Accept": "text/html", "Content-Type": "text/plain", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	grpc   = map[string]string{"Content-Type": "application/grpc"}
)

// strangersAsk is everything that somebody without a session can ask before they have typed a name: the application in each dialect,
// our pages, links that nobody was given, and forms that no page of ours has sent.
var strangersAsk = []asked{
	{"GET", "/", page, ""},
	{"GET", "/orders/2026?page=2", page, ""},
	{"GET", "/api/orders", script, ""},
	{"POST", "/orders", form, "item=1"},
	{"POST", "/orders", keeps, "item=1"},
	{"POST", "/orders", sends, "nightlatch-form=AAAA\r\n"},
	{"POST", "/shop.Orders/List", grpc, ""},
	{"GET", "/skip", page, ""},
	{"GET", "/orders/..%2fskip", page, ""},
	{"GET", "/_nightlatch/sign-in", page, ""},
	{"GET", "/_nightlatch/sign-in?return_to=%2Forders", page, ""},
	{"GET", "/_nightlatch/second-factor", page, ""},
	{"GET", "/_nightlatch/two-factor/enable", page, ""},
	{"GET", "/_nightlatch/backup-codes", page, ""},
	{"GET", "/_nightlatch/account", page, ""},
	{"GET", "/_nightlatch/sudo", page, ""},
	{"GET", "/_nightlatch/setup/" + strings.Repeat("A", 43), page, ""},
	{"GET", "/_nightlatch/invite/" + strings.Repeat("A", 43), page, ""},
	{"GET", "/_nightlatch/re-enroll/" + strings.Repeat("A", 43), page, ""},
	{"GET", "/_nightlatch/healthz", nil, ""},
	{"GET", "/_nightlatch/readyz", nil, ""},
	{"GET", "/_nightlatch/static/none.css", nil, ""},
	{"POST", "/_nightlatch/sign-in", form, "name=alice&password=wrong+horse"},
	{"POST", "/_nightlatch/second-factor", form, "code=123456"},
	{"POST", "/_nightlatch/sign-out", form, ""},
}

// send sends it, with a cookie of our names unless that is empty.
func (a asked) send(t testing.TB, site *server.Site, cookie string) {
	t.Helper()
	r, err := http.NewRequest(a.method, "https://app.example.com"+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = r.URL.Host
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	if cookie != "" {
		r.Header.Set("Cookie", visit.Secure.CookieName(visit.Session)+"="+cookie+"; "+visit.Secure.CookieName(visit.Attempt)+"="+cookie)
	}
	next := func(_ http.ResponseWriter, r *http.Request, s *auth.Session) error {
		if s != nil || r.URL.Path != "/skip" {
			t.Errorf("%s reached the application, session %v", r.URL, s)
		}
		return nil
	}
	if err := site.ServeHTTP(&nowhere{http.Header{}}, r, visit.Visit{URL: r.URL, Address: authtest.Client.Address, Transport: visit.Secure, Host: visit.HostName(r.Host)}, next); err != nil {
		t.Errorf("%s %s: %v", a.method, a.path, err)
	}
}

// nowhere is a response that goes nowhere.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}

// forged is the session cookie of somebody with a few characters changed.
func forged(cookie string, n int) string { return fmt.Sprintf("%08x", n) + cookie[8:] }

// DO-7: whoever has not proven anything writes nothing, whatever they ask.
func TestAnonymousRequestWritesNothing(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	site := newSite(t, b)
	for _, a := range strangersAsk {
		for name, cookie := range map[string]string{"no cookie": "", "a forged one": forged(alice.Session, 0), "a long one": strings.Repeat("A", 4096)} {
			updates, sets, deletes := b.Store.Updates(), b.Store.Sets(), b.Store.Deletes()
			a.send(t, site, cookie)
			if u, s, d := b.Store.Updates()-updates, b.Store.Sets()-sets, b.Store.Deletes()-deletes; u+s+d != 0 {
				t.Errorf("%s %s with %s: got %d updates, %d sets, %d deletes, want none", a.method, a.path, name, u, s, d)
			}
		}
	}
}

// DO-7: a flood of strangers leaves nothing behind. One in a hundred looks at a page, as people do who were led there.
func TestAnonymousRequestsLeaveMemoryFlat(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	site := newSite(t, b)
	flood := func(n int) {
		for i := range n {
			a := strangersAsk[i%5]
			if i%100 == 99 {
				a = strangersAsk[(i/100)%len(strangersAsk)]
			}
			cookie := ""
			if i%2 == 0 {
				cookie = forged(alice.Session, i)
			}
			a.send(t, site, cookie)
		}
	}
	flood(5000) // what is made once is made here
	before := heap()
	flood(100_000)
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("100,000 requests left %d bytes, want less than 1 MiB", grown)
	}
}

// heap is what is in use when all garbage is gone.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only marks what pools held
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestPassingIsCheap holds what the gate adds to a request that passes where no clock can blur it: the context that ends with the
// session, with its cancel function and its watch, the request that carries it, the values of the identity headers and the guard of
// our cookies. What the proxy behind it makes of those is counted in bench.
func TestPassingIsCheap(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", FullName: "Alice A.", Email: "alice@example.com", Groups: []string{"admins", "staff"}})
	for _, c := range []struct {
		name, cookie string
		rule         gate.Rule
		most         float64
	}{
		{"signed in", alice.Session, gate.Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor}}, 7},
		{"skipped", "", gate.Rule{Action: gate.Skip, Match: func(*http.Request) (bool, error) { return true, nil }}, 1},
	} {
		site, err := server.NewSite(server.SiteConfig{
			Service: func() (*auth.Service, error) { return b.Service, nil }, Now: b.Clock.Now, Headers: identity.Defaults, Rules: []gate.Rule{c.rule},
		})
		if err != nil {
			t.Fatal(err)
		}
		passed := 0
		next := func(http.ResponseWriter, *http.Request, *auth.Session) error { passed++; return nil }
		r, err := http.NewRequest("GET", "https://app.example.com/orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		line := "__Host-nightlatch=" + c.cookie
		cookie := []string{line}
		w := &nowhere{http.Header{}}
		v := visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host)}
		n := testing.AllocsPerRun(100, func() {
			cookie[0] = line // as the client sent it
			r.Header["Cookie"] = cookie
			if err := site.ServeHTTP(w, r, v, next); err != nil {
				t.Fatal(err)
			}
		})
		if passed != 101 || n > c.most {
			t.Errorf("%s: got %v allocations, %d requests passed; want at most %v, all 101", c.name, n, passed, c.most)
		}
	}
}
