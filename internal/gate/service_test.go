// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// open returns a gate on a real service, and alice, who is enrolled and signed in.
func open(t testing.TB, rules ...Rule) (*Gate, *authtest.Bench, *authtest.Person) {
	t.Helper()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Groups: []string{"admins"}})
	g, err := New(Config{Service: func() (*auth.Service, error) { return b.Service, nil }, Rules: rules, Now: b.Clock.Now, Brand: web.Brand{Name: "Example"}})
	if err != nil {
		t.Fatal(err)
	}
	return g, b, alice
}

func checkAs(t testing.TB, g *Gate, value string) string {
	t.Helper()
	r, v := ask(t, "GET /", cookie(value))
	return verdict(g.Check(r, v))
}

// TestSessionFromBeginningToEnd asks the gate at each turn in the life of a session.
func TestSessionFromBeginningToEnd(t *testing.T) {
	g, b, alice := open(t, adminsOnly, Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}, Text: "require two_factor max_age 10m"})
	want := func(when, value, want string) {
		t.Helper()
		if got := checkAs(t, g, value); got != want {
			t.Errorf("%s: got %s, want %s", when, got, want)
		}
	}
	want("nobody", "", "sign in")
	want("signed in", alice.Session, "pass")
	want("signed in, from memory", alice.Session, "pass")
	b.Restart(t)
	want("after a restart", alice.Session, "pass")

	half := alice.EnterPassword(t)
	want("a sign-in after its first step (MF-1)", half.Attempt, "sign in")

	b.Clock.Move(15 * time.Minute)
	want("proofs too old", alice.Session, "step up")
	old := alice.Session
	alice.SignIn(t)
	want("signed in again", alice.Session, "pass")

	if err := b.SignOut(t.Context(), authtest.Client, alice.Session); err != nil {
		t.Fatal(err)
	}
	want("signed out", alice.Session, "sign in")
	want("the other browser", old, "step up")
	b.Clock.Move(2 * time.Hour)
	want("idle too long", old, "sign in")

	alice.SignIn(t)
	want("signed in once more", alice.Session, "pass")
	if err := b.SetDisabled(t.Context(), auth.Client{}, "alice", true); err != nil {
		t.Fatal(err)
	}
	want("disabled", alice.Session, "sign in")
}

// TestVouchedFor: a session passes where its person is named, and where nobody is; a rule that skips asks for neither.
func TestVouchedFor(t *testing.T) {
	g, b, alice := open(t, skipPublic, freshProof)
	c := alice.Client()
	c.Vouched = "alice"
	p, err := b.Vouch(t.Context(), c, auth.Vouching{})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = b.Code(t.Context(), c, p.Attempt, auth.TOTP, alice.Code()); err != nil {
		t.Fatal(err)
	}
	check := func(when, target, session, named, want string) {
		t.Helper()
		r, v := ask(t, "GET "+target, cookie(session))
		v.Vouched = named
		if got := verdict(g.Check(r, v)); got != want {
			t.Errorf("%s, %s where %q is named: got %s, want %s", when, target, named, got, want)
		}
	}
	for named, want := range map[string]string{"": "pass", "alice": "pass", "Alice": "pass", "bob": "sign in", "alice,bob": "sign in"} {
		check("a password was typed", "/", alice.Session, named, want)
		check("a password was typed", "/public/x", alice.Session, named, "pass")
	}
	for named, want := range map[string]string{"": "sign in", "alice": "pass", "bob": "sign in"} {
		check("vouched for", "/", p.Session, named, want)
		check("vouched for, without a session", "/", "", named, "sign in")
		check("vouched for, with a sign-in in progress", "/", p.Attempt, named, "sign in")
	}
	check("fresh", "/pay", p.Session, "alice", "pass")
	b.Clock.Move(11 * time.Minute)
	check("the code is old", "/pay", p.Session, "alice", "step up")
	check("the code is old", "/", p.Session, "alice", "pass")
}

// forgeries are values with the shape of ours that nobody was given.
func forgeries(value string) []string {
	change := func(i int) string {
		if i < 0 {
			i += len(value)
		}
		c := "A"
		if value[i] == 'A' {
			c = "B"
		}
		return value[:i] + c + value[i+1:]
	}
	return []string{
		change(-8), change(0), change(len(value) / 2), value[:len(value)-4], value + value, "A", strings.Repeat("A", len(value)), strings.Repeat("A", 256), ".",
	}
}

// TestForgedCookieAsksNoStore: a forged cookie dies at its HMAC, so a flood of them is no flood of reads.
func TestForgedCookieAsksNoStore(t *testing.T) {
	g, b, alice := open(t)
	b.Restart(t) // so that what is found is found in the store
	before := b.Store.Views()
	for _, value := range forgeries(alice.Session) {
		if got := checkAs(t, g, value); got != "sign in" {
			t.Errorf("%q: got %s, want sign in", value, got)
		}
	}
	if n := b.Store.Views() - before; n != 0 {
		t.Errorf("got %d reads of the store for forged cookies, want 0", n)
	}
	if got := checkAs(t, g, alice.Session); got != "pass" || b.Store.Views() != before+1 {
		t.Errorf("the real one: got %s after %d reads, want pass after 1", got, b.Store.Views()-before)
	}
	if got := checkAs(t, g, alice.Session); got != "pass" || b.Store.Views() != before+1 {
		t.Errorf("the real one again: got %s after %d reads, want pass without another", got, b.Store.Views()-before)
	}
}

// TestStoreFails: a store that does not answer is 503 for whoever is not in memory, and never a pass or a redirect (ST-11).
func TestStoreFails(t *testing.T) {
	g, b, alice := open(t, skipPublic)
	first := alice.Session
	second := alice.SignIn(t)
	disk := errors.New("disk on fire")
	for name, fail := range map[string]func(error){
		"views":    b.Store.FailViews,
		"sessions": func(err error) { b.Store.FailReads("session/", err) },
		"users":    func(err error) { b.Store.FailReads("user/", err) },
		"factors":  func(err error) { b.Store.FailReads("factors/", err) },
	} {
		t.Run(name, func(t *testing.T) {
			b.Restart(t) // so that neither is in memory
			if got := checkAs(t, g, second); got != "pass" {
				t.Fatalf("got %s, want pass", got)
			}
			fail(disk)
			defer fail(nil)
			for _, header := range []string{browserGET, script, grpcCall} {
				r, v := ask(t, "GET /", cookie(first), header)
				got := refuse(t, g, r, v)
				if header == grpcCall {
					if got.Header.Get("Grpc-Status") != "14" {
						t.Errorf("got grpc-status %q, want 14", got.Header.Get("Grpc-Status"))
					}
				} else if got.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("got status %d, want 503", got.StatusCode)
				}
			}
			if got := checkAs(t, g, second); got != "pass" {
				t.Errorf("somebody in memory: got %s, want pass", got)
			}
			r, v := ask(t, "GET /public/x", cookie(first))
			if got := verdict(g.Check(r, v)); got != "pass" {
				t.Errorf("skipped: got %s, want pass", got)
			}
			fail(nil)
			if got := checkAs(t, g, first); got != "pass" {
				t.Errorf("when the store is back: got %s, want pass", got)
			}
		})
	}
}

// nowhere is a response that goes nowhere.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}

// strangers sends n requests of people whom nobody knows, each with another forged cookie or none.
func strangers(t testing.TB, g *Gate, value string, n int) {
	t.Helper()
	w := &nowhere{http.Header{}}
	for i := range n {
		header := browserGET
		if i%4 == 3 {
			header = script
		}
		r, v := ask(t, fmt.Sprintf("GET /page/%d", i), header)
		if i%2 == 0 {
			r.Header.Set("Cookie", "__Host-nightlatch="+fmt.Sprintf("%08x", i)+value[8:])
		}
		d := g.Check(r, v)
		if d.Pass {
			t.Fatalf("request %d passes", i)
		}
		clear(w.h)
		g.Refuse(w, r, v, d, "")
	}
}

// TestStrangersLeaveNothing: nothing is written or read for a stranger, and nothing is kept (DO-7). Package server floods a whole site.
func TestStrangersLeaveNothing(t *testing.T) {
	g, b, alice := open(t, adminsOnly, freshProof)
	strangers(t, g, alice.Session, 1000) // what is made once is made here
	views, updates, sets, deletes := b.Store.Views(), b.Store.Updates(), b.Store.Sets(), b.Store.Deletes()
	before := heap()
	strangers(t, g, alice.Session, 10_000)
	after := heap()
	if n := b.Store.Views() - views; n != 0 {
		t.Errorf("got %d reads, want 0", n)
	}
	if u, s, d := b.Store.Updates()-updates, b.Store.Sets()-sets, b.Store.Deletes()-deletes; u+s+d != 0 {
		t.Errorf("got %d updates, %d sets, %d deletes, want none", u, s, d)
	}
	if grown := int64(after) - int64(before); grown > 256<<10 {
		t.Errorf("10,000 strangers left %d bytes, want less than 256 KiB", grown)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only marks what pools held
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// live is the request of alice's browser on a usual site.
func live(t testing.TB) (*Gate, *http.Request, visit.Visit) {
	t.Helper()
	g, _, alice := open(t, skipPublic, adminsOnly, freshProof)
	r, v := ask(t, "GET /orders/2026/index.html?page=2", "Cookie: theme=dark; __Host-nightlatch="+alice.Session+"; lang=en", browserGET)
	if d := g.Check(r, v); !d.Pass {
		t.Fatalf("got %s, want pass", verdict(d))
	}
	return g, r, v
}

func forged(t testing.TB) (*Gate, *http.Request, visit.Visit) {
	t.Helper()
	g, _, alice := open(t, skipPublic, adminsOnly, freshProof)
	r, v := ask(t, "GET /orders/2026/index.html?page=2", cookie(forgeries(alice.Session)[0]), browserGET)
	return g, r, v
}

func stranger(t testing.TB) (*Gate, *http.Request, visit.Visit) {
	t.Helper()
	r, v := ask(t, "GET /orders/2026/index.html?page=2", browserGET)
	return site(t), r, v
}

// TestAllocations holds the budget of the hot path where no clock can blur it.
func TestAllocations(t *testing.T) {
	budget := func(name string, most float64, fn func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, fn); n > most {
			t.Errorf("%s: got %v allocations, want at most %v", name, n, most)
		}
	}
	g, r, v := live(t)
	budget("a live session", 0, func() { g.Check(r, v) })
	named := v
	named.Vouched = "alice"
	budget("a live session of whom a handler in front names", 0, func() { g.Check(r, named) })
	fg, fr, fv := forged(t)
	budget("a forged cookie", 20, func() { fg.Check(fr, fv) })
	sg, sr, sv := stranger(t)
	budget("a stranger", 0, func() { sg.Check(sr, sv) })
	d := sg.Check(sr, sv)
	w := &nowhere{http.Header{}}
	budget("a redirect", 4, func() { clear(w.h); sg.Refuse(w, sr, sv, d, "") })
}

// BenchmarkCheckLive: at most 2 µs and 5 allocations.
func BenchmarkCheckLive(b *testing.B) {
	g, r, v := live(b)
	b.ReportAllocs()
	for b.Loop() {
		if d := g.Check(r, v); !d.Pass {
			b.Fatal(verdict(d))
		}
	}
}

func BenchmarkCheckLiveParallel(b *testing.B) {
	g, r, v := live(b)
	b.ReportAllocs()
	b.ResetTimer() // b.Loop does this by itself
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if d := g.Check(r, v); !d.Pass {
				b.Fatal(verdict(d))
			}
		}
	})
}

// BenchmarkCheckForged: at most 3 µs, without a read of the store.
func BenchmarkCheckForged(b *testing.B) {
	g, r, v := forged(b)
	b.ReportAllocs()
	for b.Loop() {
		if d := g.Check(r, v); d.Pass {
			b.Fatal("a forged cookie passes")
		}
	}
}

func BenchmarkCheckAmbiguous(b *testing.B) {
	g, r, v := live(b)
	r.URL.Path, v.URL = "/orders//2026", r.URL
	b.ReportAllocs()
	for b.Loop() {
		if d := g.Check(r, v); !d.Pass {
			b.Fatal(verdict(d))
		}
	}
}

func BenchmarkRefuseRedirect(b *testing.B) {
	g, r, v := stranger(b)
	d := g.Check(r, v)
	w := &nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		g.Refuse(w, r, v, d, "")
	}
}

func BenchmarkRefuseProblem(b *testing.B) {
	g, r, v := stranger(b)
	r.Header.Set("Sec-Fetch-Mode", "cors")
	d := g.Check(r, v)
	w := &nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		g.Refuse(w, r, v, d, "")
	}
}
