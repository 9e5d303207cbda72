// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/visit"
)

func request(lines ...string) *http.Request {
	h := http.Header{}
	if len(lines) > 0 {
		h["Cookie"] = lines
	}
	return &http.Request{Header: h}
}

func TestCookie(t *testing.T) {
	long := strings.Repeat("a", 256)
	for _, c := range []struct {
		name      string
		transport visit.Transport
		cookie    visit.Cookie
		lines     []string
		want      string // empty: not found
	}{
		{"alone", visit.Secure, visit.Session, []string{"__Host-nightlatch=S"}, "S"},
		{"among others", visit.Secure, visit.Session, []string{"a=1; __Host-nightlatch=S-_9==; b=2"}, "S-_9=="},
		{"without blanks", visit.Secure, visit.Session, []string{"a=1;__Host-nightlatch=S;b=2"}, "S"},
		{"second line", visit.Secure, visit.Session, []string{"a=1", "__Host-nightlatch=S"}, "S"},
		{"the other cookie is another", visit.Secure, visit.Session, []string{"__Host-nightlatch-attempt=A; __Host-nightlatch=S"}, "S"},
		{"attempt", visit.Secure, visit.Attempt, []string{"__Host-nightlatch-attempt=A; __Host-nightlatch=S"}, "A"},
		{"loopback", visit.Loopback, visit.Session, []string{"nightlatch=S; __Host-nightlatch=T"}, "S"},
		{"browser", visit.Secure, visit.Browser, []string{"__Host-nightlatch-browser=B; __Host-nightlatch-trusted=T"}, "B"},
		{"trusted", visit.Secure, visit.Trusted, []string{"__Host-nightlatch-browser=B; __Host-nightlatch-trusted=T"}, "T"},
		{"loopback browser", visit.Loopback, visit.Browser, []string{"nightlatch-browser=B; nightlatch=S"}, "B"},
		{"loopback trusted", visit.Loopback, visit.Trusted, []string{"nightlatch-trusted=T; nightlatch=S"}, "T"},
		{"loopback attempt", visit.Loopback, visit.Attempt, []string{"nightlatch=S; nightlatch-attempt=A"}, "A"},
		{"longest", visit.Secure, visit.Session, []string{"__Host-nightlatch=" + long}, long},

		{"none", visit.Secure, visit.Session, nil, ""},
		{"exposed", visit.Exposed, visit.Session, []string{"__Host-nightlatch=S; nightlatch=S; =S"}, ""},
		{"bare name on TLS", visit.Secure, visit.Session, []string{"nightlatch=S"}, ""},
		{"prefixed name on loopback", visit.Loopback, visit.Session, []string{"__Host-nightlatch=S"}, ""},
		{"two in a line", visit.Secure, visit.Session, []string{"__Host-nightlatch=S; __Host-nightlatch=S"}, ""},
		{"two lines", visit.Secure, visit.Session, []string{"__Host-nightlatch=S", "a=1; __Host-nightlatch=T"}, ""},
		{"three", visit.Secure, visit.Session, []string{"__Host-nightlatch=S", "__Host-nightlatch=S; __Host-nightlatch=T"}, ""},
		{"empty beside a good one", visit.Secure, visit.Session, []string{"__Host-nightlatch=; __Host-nightlatch=S"}, ""},
		{"bare beside a good one", visit.Secure, visit.Session, []string{"__Host-nightlatch; __Host-nightlatch=S"}, ""},
		{"bare", visit.Secure, visit.Session, []string{"__Host-nightlatch"}, ""},
		{"empty", visit.Secure, visit.Session, []string{"__Host-nightlatch="}, ""},
		{"only padding", visit.Secure, visit.Session, []string{"__Host-nightlatch=="}, ""},
		{"padding inside", visit.Secure, visit.Session, []string{"__Host-nightlatch=a=b"}, ""},
		{"padding of three", visit.Secure, visit.Session, []string{"__Host-nightlatch=a==="}, ""},
		{"quoted", visit.Secure, visit.Session, []string{`__Host-nightlatch="S"`}, ""},
		{"percent", visit.Secure, visit.Session, []string{"__Host-nightlatch=S%41"}, ""},
		{"standard base64", visit.Secure, visit.Session, []string{"__Host-nightlatch=S+/"}, ""},
		{"blank inside", visit.Secure, visit.Session, []string{"__Host-nightlatch=S S"}, ""},
		{"not ASCII", visit.Secure, visit.Session, []string{"__Host-nightlatch=é"}, ""},
		{"too long", visit.Secure, visit.Session, []string{"__Host-nightlatch=" + long + "a"}, ""},
		{"SE-14 other case", visit.Secure, visit.Session, []string{"__HOST-nightlatch=S"}, ""},
		{"SE-14 no name", visit.Secure, visit.Session, []string{"=__Host-nightlatch=S"}, ""},
		{"inside another value", visit.Secure, visit.Session, []string{"a=__Host-nightlatch=S"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := visit.Visit{Transport: c.transport}
			got, ok := v.Cookie(request(c.lines...), c.cookie)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("Cookie(%q) = %q, %v; want %q", c.lines, got, ok, c.want)
			}
		})
	}
}

func TestCookieDoesNotAllocate(t *testing.T) {
	r := request("theme=dark; __Host-nightlatch=" + strings.Repeat("a", 120) + "; lang=en")
	v := visit.Visit{Transport: visit.Secure}
	if n := testing.AllocsPerRun(100, func() { v.Cookie(r, visit.Session) }); n != 0 {
		t.Errorf("Cookie made %v allocations; want 0", n)
	}
}

func TestSetCookie(t *testing.T) {
	end := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name string
		set  func(http.ResponseWriter)
		want string
	}{
		{"secure", func(w http.ResponseWriter) {
			visit.Visit{Transport: visit.Secure}.SetCookie(w, visit.Session, "S=", end)
		}, "__Host-nightlatch=S=; Path=/; Expires=Wed, 02 Jan 2030 03:04:05 GMT; HttpOnly; Secure; SameSite=Lax"},
		{"until the browser closes", func(w http.ResponseWriter) {
			visit.Visit{Transport: visit.Secure}.SetCookie(w, visit.Attempt, "A", time.Time{})
		}, "__Host-nightlatch-attempt=A; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"loopback", func(w http.ResponseWriter) {
			visit.Visit{Transport: visit.Loopback}.SetCookie(w, visit.Session, "S", time.Time{})
		}, "nightlatch=S; Path=/; HttpOnly; SameSite=Lax"},
		{"nothing to set", func(w http.ResponseWriter) {
			visit.Visit{Transport: visit.Secure}.SetCookie(w, visit.Session, "", end)
		}, ""},
		{"exposed", func(w http.ResponseWriter) {
			visit.Visit{}.SetCookie(w, visit.Session, "S", time.Time{})
		}, ""},
		{"clear", func(w http.ResponseWriter) {
			visit.Visit{Transport: visit.Secure}.ClearCookie(w, visit.Session)
		}, "__Host-nightlatch=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		{"clear on loopback", func(w http.ResponseWriter) {
			visit.Visit{Transport: visit.Loopback}.ClearCookie(w, visit.Attempt)
		}, "nightlatch-attempt=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"},
		{"clear when exposed", func(w http.ResponseWriter) {
			visit.Visit{}.ClearCookie(w, visit.Session)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			c.set(w)
			if got := w.Header().Get("Set-Cookie"); got != c.want {
				t.Errorf("Set-Cookie: %s; want %s", got, c.want)
			}
		})
	}
}

func TestStripCookies(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []string
		want []string
	}{
		{"ID-12", []string{"__Host-nightlatch=S; app=1"}, []string{"app=1"}},
		{"none", nil, nil},
		{"only ours", []string{"__Host-nightlatch=S"}, nil},
		{"all ten", []string{
			"__Host-nightlatch=S; __Host-nightlatch-attempt=A; nightlatch=S; nightlatch-attempt=A",
			"__Host-nightlatch-browser=B; __Host-nightlatch-trusted=T; nightlatch-browser=B; nightlatch-trusted=T",
			"__Host-nightlatch-language=L; nightlatch-language=L",
		}, nil},
		{"last", []string{"app=1; __Host-nightlatch=S"}, []string{"app=1"}},
		{"middle", []string{"a=1; __Host-nightlatch=S; b=2"}, []string{"a=1; b=2"}},
		{"everywhere", []string{"nightlatch=1; a=1; nightlatch=S; b=2; nightlatch=3; c=3; nightlatch=4"}, []string{"a=1; b=2; c=3"}},
		{"second line", []string{"a=1", "nightlatch=S", "b=2"}, []string{"a=1", "b=2"}},
		{"SE-14 case", []string{"__HOST-NightLatch=S; a=1"}, []string{"a=1"}},
		{"SE-14 no name", []string{"=__Host-nightlatch=S; a=1; = =nightlatch=S"}, []string{"a=1"}},
		{"bare", []string{"nightlatch; a=1"}, []string{"a=1"}},
		{"quoted name", []string{`"__Host-nightlatch"=S; a=1`}, []string{"a=1"}},
		{"blanks", []string{"\t __Host-nightlatch\t =S;a=1"}, []string{"a=1"}},
		{"inside quotes", []string{`a="1; __Host-nightlatch=S"; b=2`}, []string{`a="1; b=2`}},
		{"others untouched", []string{` a = "x y" ;; =b; c=é;nightlatchy=1; xnightlatch=2; d==nightlatch=; `, ""},
			[]string{` a = "x y" ;; =b; c=é;nightlatchy=1; xnightlatch=2; d==nightlatch=; `, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := request(c.in...).Header
			visit.StripCookies(h)
			if got, there := h["Cookie"]; !slices.Equal(got, c.want) || there != (c.want != nil) {
				t.Errorf("Cookie: %q; want %q", got, c.want)
			}
		})
	}
}

func TestStripSetCookies(t *testing.T) {
	const app = "app=1; Path=/; HttpOnly"
	for _, planted := range []string{
		"__Host-nightlatch=x; Secure; Path=/",
		"__Host-nightlatch-attempt=x; Secure; Path=/",
		"nightlatch=x",
		"nightlatch-attempt=x; Max-Age=0",
		"__Host-nightlatch-browser=x; Secure; Path=/",
		"nightlatch-trusted=x",
		"nightlatch",
		" __host-NIGHTLATCH = x",
		"\t__Host-nightlatch\t=x",
		"=__Host-nightlatch=x",
		" = nightlatch=x",
		"==nightlatch",
		"=nightlatch",
		`"nightlatch"=x`,
		"nightlatch;",
		"nightlatch\n=x",
		"\x00nightlatch=x",
	} {
		h := http.Header{"Set-Cookie": {app, planted, "nightlatchy=1"}}
		visit.StripSetCookies(h)
		if got := h["Set-Cookie"]; !slices.Equal(got, []string{app, "nightlatchy=1"}) {
			t.Errorf("with %q planted, Set-Cookie: %q; want only those of the application", planted, got)
		}
		h = http.Header{"Set-Cookie": {planted}}
		visit.StripSetCookies(h)
		if len(h) != 0 {
			t.Errorf("with %q alone, left %q; want nothing", planted, h)
		}
	}
}

func TestStripSetCookiesLeavesSharedValues(t *testing.T) {
	shared := []string{"nightlatch=x", "app=1"}
	visit.StripSetCookies(http.Header{"Set-Cookie": shared})
	if want := []string{"nightlatch=x", "app=1"}; !slices.Equal(shared, want) {
		t.Errorf("the handler's own slice is now %q; want %q", shared, want)
	}
}

// ourNames are written out again, so that a name lost from the package is missed here.
var ourNames = []string{
	"__host-nightlatch", "__host-nightlatch-attempt", "__host-nightlatch-language", "__host-nightlatch-browser", "__host-nightlatch-trusted",
	"__secure-nightlatch",
	"nightlatch", "nightlatch-attempt", "nightlatch-language", "nightlatch-browser", "nightlatch-trusted",
}

// naive is a second reading of a cookie pair: what is left of the name when everything that readers skip is gone.
func naive(pair string) (ours bool) {
	name := strings.TrimLeftFunc(pair, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' || r == '=' })
	name = strings.SplitN(name, "=", 2)[0]
	name = strings.TrimRightFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' })
	return slices.Contains(ourNames, strings.ToLower(name))
}

func foreignPairs(line string) []string {
	var pairs []string
	for _, pair := range strings.Split(line, ";") {
		if pair = strings.Trim(pair, " \t"); pair != "" && !naive(pair) {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

func FuzzStripCookies(f *testing.F) {
	f.Add("__Host-nightlatch=S; app=1", "a=1; nightlatch=S; b=2")
	f.Add("=nightlatch=1;;\"nightlatch\"; x", "")
	f.Add("nightlatch;", "; ;nightlatch-attempt = ; ;")
	f.Add("a=\"1; __HOST-nightlatch=S\"", "nightlatchy=2")
	f.Add("__Secure-nightlatch=S; app=1", "__SECURE-nightlatch=S")
	f.Fuzz(func(t *testing.T, first, second string) {
		var want []string
		for _, line := range []string{first, second} {
			want = append(want, foreignPairs(line)...)
		}
		h := http.Header{"Cookie": {first, second}, "Accept": {"*/*"}}
		visit.StripCookies(h)

		var got []string
		for _, line := range h["Cookie"] {
			for _, pair := range strings.Split(line, ";") {
				if naive(pair) {
					t.Fatalf("%q, %q: left %q of ours in %q", first, second, pair, h["Cookie"])
				}
			}
			got = append(got, foreignPairs(line)...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, %q: cookies of others are now %q; want %q", first, second, got, want)
		}
		for _, transport := range []visit.Transport{visit.Loopback, visit.Secure} {
			for _, c := range []visit.Cookie{visit.Session, visit.Attempt, visit.Language, visit.Browser, visit.Trusted} {
				if value, ok := (visit.Visit{Transport: transport}).Cookie(&http.Request{Header: h}, c); ok {
					t.Fatalf("%q, %q: %s=%q can still be read", first, second, transport.CookieName(c), value)
				}
			}
		}
		again := maps.Clone(h)
		again["Cookie"] = slices.Clone(h["Cookie"])
		visit.StripCookies(again)
		if !slices.Equal(again["Cookie"], h["Cookie"]) {
			t.Fatalf("%q, %q: stripped twice gives %q; once gives %q", first, second, again["Cookie"], h["Cookie"])
		}
	})
}

func FuzzStripSetCookies(f *testing.F) {
	f.Add("nightlatch", " __host-NIGHTLATCH = x; Path=/")
	f.Add("=__Host-nightlatch=x", "app=nightlatch; HttpOnly")
	f.Fuzz(func(t *testing.T, first, second string) {
		var want []string
		for _, line := range []string{first, second} {
			if !naive(strings.SplitN(line, ";", 2)[0]) {
				want = append(want, line)
			}
		}
		h := http.Header{"Set-Cookie": {first, second}}
		visit.StripSetCookies(h)
		if got := h["Set-Cookie"]; !slices.Equal(got, want) {
			t.Fatalf("%q, %q: left %q; want %q", first, second, got, want)
		}
	})
}

// The session that the hosts of a domain share has a name of its own, since no __Host- cookie has a domain. Only the session is shared, and
// only over TLS.
func TestSharedSessionCookie(t *testing.T) {
	v := visit.Visit{Transport: visit.Secure, Domain: "example.com"}
	w := httptest.NewRecorder()
	v.SetCookie(w, visit.Session, "AAAA", time.Time{})
	v.ClearCookie(w, visit.Session)
	v.SetCookie(w, visit.Attempt, "BBBB", time.Time{})
	want := []string{
		"__Secure-nightlatch=AAAA; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax",
		"__Secure-nightlatch=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		"__Host-nightlatch-attempt=BBBB; Path=/; HttpOnly; Secure; SameSite=Lax",
	}
	if got := w.Header()["Set-Cookie"]; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r := &http.Request{Header: http.Header{"Cookie": {"__Host-nightlatch=own; __Secure-nightlatch=shared"}}}
	if got, ok := v.Cookie(r, visit.Session); got != "shared" || !ok {
		t.Errorf("at a host of the domain: got %q", got)
	}
	if got, ok := (visit.Visit{Transport: visit.Secure}).Cookie(r, visit.Session); got != "own" || !ok {
		t.Errorf("at another host: got %q", got)
	}
	h := http.Header{"Cookie": {"__Secure-nightlatch=shared; app=1"}, "Set-Cookie": {"__Secure-nightlatch=planted; Domain=example.com", "app=2"}}
	visit.StripCookies(h)
	visit.StripSetCookies(h)
	if !slices.Equal(h["Cookie"], []string{"app=1"}) || !slices.Equal(h["Set-Cookie"], []string{"app=2"}) {
		t.Errorf("left %q and %q", h["Cookie"], h["Set-Cookie"])
	}
}
