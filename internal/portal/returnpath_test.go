// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// redirectAttacks are addresses that lead a browser, or a program that decodes once more, away from this host or round in circles.
var redirectAttacks = []struct{ id, address string }{
	{"P01", "//evil.example"},
	{"P02", "///evil.example"},
	{"P03", "////evil.example"},
	{"P04", `/\evil.example`},
	{"P05", `\\evil.example`},
	{"P06", `/\/evil.example`},
	{"P07", "/\t/evil.example"},
	{"P08", "/%0a/evil.example"},
	{"P08 CR", "/%0d/evil.example"},
	{"P09", "/%2f%2fevil.example"},
	{"P09 upper", "/%2F/evil.example"},
	{"P10", "/%5cevil.example"},
	{"P13", "https:evil.example"},
	{"P14", "https:/evil.example"},
	{"P15", "https:///evil.example"},
	{"P17", "HTTPS://EVIL.example"},
	{"P18", "https://app.example.test@evil.example/"},
	{"P19", "https://app.example.test:443@evil.example/"},
	{"P21", "https://evil.example#@app.example.test/"},
	{"P23", "https://app.example.test.evil.example/"},
	{"P24", "https://evilapp.example.test/"},
	{"P24 short", "https://evilexample.test/"},
	{"P25", "https://evil.example/.example.test"},
	{"P25 host", "https://evil.example/app.example.test"},
	{"P26", "https://app.example.test%2eevil.example/"},
	{"P27", "https://app.example.test%00.evil.example/"},
	{"P28", "https://app。example。test/"},
	{"P28 wide", "https://ｅvil.example"},
	{"P31", "https://[::ffff:203.0.113.9]/"},
	{"P31 hex", "http://0xcb007109/"},
	{"P31 number", "http://3405803785/"},
	{"P32", "javascript:alert(1)//https://app.example.test"},
	{"P34", "data:text/html,<script>alert(1)</script>"},
	{"P34 vb", "vbscript:evil"},
	{"P34 blob", "blob:https://evil.example/x"},
	{"P34 intent", "intent://evil.example#Intent;end"},
	{"P35", "http://app.example.test/evil"},
	{"P36", "https://app.example.test:8443/evil"},
	{"P37", " https://evil.example"},
	{"P37 encoded", "%20//evil.example"},
	{"P38", "https://app.example.test/%0d%0aSet-Cookie:evil=1"},
	{"P38 path", "/%0d%0aSet-Cookie:evil=1"},
	{"P39", "https://app.example.test/\r\nLocation: //evil"},
	{"P39 path", "/\r\nLocation: //evil"},
	{"P41", "/_nightlatch/logout?rd=//evil.example"},
	{"P41 dots", "/evil/../_nightlatch/sign-out"},
	{"P41 encoded", "/%5fnightlatch/sign-out?evil"},
	{"P41 encoded dots", "/evil/%2e%2e/_nightlatch/sign-out"},
	{"P41 bare", "/_nightlatch?evil"},
	{"P42 nested", strings.Repeat("/_nightlatch/sign-in?return_to=", 50) + "//evil.example"},
	{"P42 long", "/" + strings.Repeat("evil", 4<<10)},
	{"P42 over 2 KiB", "/evil" + strings.Repeat("x", 2<<10)},
	{"WB-1", `/"onfocus="evil()`},
	{"WB-1 element", `/<script>evil()</script>`},
	{"empty segment first", "/%2f"},
	{"relative", "evil"},
	{"query only", "?evil"},
	{"fragment only", "#evil"},
	{"NUL", "/evil\x00"},
	{"DEL", "/evil\x7f"},
	{"not UTF-8", "/evil\xff"},
	{"bad escape", "/evil%zz"},
	{"empty", ""},
}

func TestOR1ReturnPathRefuses(t *testing.T) {
	for _, a := range redirectAttacks {
		if got := returnPath(a.address); got != "/" {
			t.Errorf("%s: returnPath(%q) = %q, want /", a.id, a.address, got)
		}
	}
}

// P44, OR-10: a check that is too strict breaks applications.
func TestOR10ReturnPathKeepsWhatIsOnThisHost(t *testing.T) {
	for _, address := range []string{
		"/",
		"/path?next=https://docs.example/",
		"/path?next=//docs.example/&x=%2F%2Fevil",
		"/a/b;v=1/c?x=1&x=2&empty",
		"/caf%C3%A9/%E2%82%AC",
		"/file%2Fwith%2Fslashes",
		"/a%20b",
		"/deep//empty/segment",
		"/@user:80/x",
		"/search?q=a+b%20c&path=C:\\x",
		"/my_nightlatch/",
		"/_nightlatch-docs",
		"/" + strings.Repeat("x", 2<<10-1),
	} {
		if got := returnPath(address); got != address {
			t.Errorf("returnPath(%q) = %q, want it unchanged", address, got)
		}
	}
	if got := returnPath("/page#part"); got != "/page" {
		t.Errorf("returnPath drops a fragment: got %q, want /page", got)
	}
}

func FuzzReturnPath(f *testing.F) {
	for _, a := range redirectAttacks {
		f.Add(a.address)
	}
	f.Add("/path?next=https://docs.example/")
	f.Add("/_nightlatch/factor/0")
	f.Fuzz(func(t *testing.T, s string) {
		got := returnPath(s)
		if err := staysHere(got); err != nil {
			t.Errorf("returnPath(%q) = %q: %v", s, got, err)
		}
		if again := returnPath(got); again != got {
			t.Errorf("returnPath(%q) = %q, and again %q", s, got, again)
		}
	})
}

// comesBack are the pages of ours that somebody may be led back to.
var comesBack = regexp.MustCompile(`^/_nightlatch/(account|two-factor/add|two-factor/disable|backup-codes/new|password|email|app-passwords|app-passwords/new|sessions|factor/[A-Za-z0-9._-]+)$`)

// OR-1, OR-10: our own pages are led to only where they show something, as we spell them and without a query.
func TestOR1OR10ReturnPathKnowsOurOwnPages(t *testing.T) {
	for _, p := range []string{"account", "two-factor/add", "two-factor/disable", "backup-codes/new", "password", "email", "sessions", "factor/0123456789abcdef"} {
		address := "/_nightlatch/" + p
		if got := returnPath(address); got != address {
			t.Errorf("returnPath(%q) = %q, want it unchanged", address, got)
		}
		for _, odd := range []string{
			address + "?done=x", address + "?", address + "/", address + ";x", "/_nightlatch/./" + p, "/_nightlatch/x/../" + p, "/_nightlatch//" + p,
			"/%5fnightlatch/" + p, strings.Replace(address, "a", "%61", 1), "/_nightlatch/" + strings.ToUpper(p[:1]) + p[1:], "/x/../_nightlatch/" + p,
		} {
			if got := returnPath(odd); got != "/" {
				t.Errorf("returnPath(%q) = %q, want /", odd, got)
			}
		}
	}
	for _, p := range []string{
		"", "sign-in", "sign-out", "start-over", "sudo", "second-factor", "two-factor/enable", "backup-codes", "backup-codes/used", "language", "factor", "factor/",
		"factor/0/rename", "factor/0/remove", "sessions/end", "setup/x", "reset", "reset/x", "unknown",
	} {
		if got := returnPath("/_nightlatch/" + p); got != "/" {
			t.Errorf("returnPath leads to our page %q: %q", p, got)
		}
	}
}

// staysHere says what a browser may make of an address, independently of how returnPath came to it.
func staysHere(s string) error {
	if len(s) > 2<<10 {
		return fmt.Errorf("it has %d bytes", len(s))
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return fmt.Errorf("byte %d is %#x", i, s[i])
		}
	}
	p, _, _ := strings.Cut(s, "?")
	decoded, err := url.PathUnescape(p)
	if err != nil {
		return err
	}
	for _, reading := range []string{p, decoded} {
		if reading == "" || reading[0] != '/' || len(reading) > 1 && (reading[1] == '/' || reading[1] == '\\') {
			return fmt.Errorf("%q can name another host", reading)
		}
	}
	base := &url.URL{Scheme: "https", Host: "app.example.test", Path: "/_nightlatch/sign-in"}
	u, err := base.Parse(s)
	if err != nil {
		return err
	}
	if u.Host != base.Host || u.Scheme != base.Scheme || u.User != nil {
		return fmt.Errorf("it leads to %s", u)
	}
	if strings.HasPrefix(u.Path+"/", "/_nightlatch/") && !comesBack.MatchString(s) {
		return fmt.Errorf("it leads to our own page %s", u.Path)
	}
	return nil
}
