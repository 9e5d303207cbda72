// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// parse reads a request as net/http's server does, so that its target is the one of the request line, byte for byte.
func parse(target string, more ...string) (*http.Request, error) {
	head := append([]string{target + " HTTP/1.1", "Host: app.example.test"}, more...)
	return http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Join(head, "\r\n") + "\r\n\r\n")))
}

// ask returns a request, given as "GET /path" and header lines, and what the outermost handler knows of it.
func ask(t testing.TB, target string, more ...string) (*http.Request, visit.Visit) {
	t.Helper()
	r, err := parse(target, more...)
	if err != nil {
		t.Fatal(err)
	}
	return r, visit.Visit{URL: sent(r), Transport: visit.Secure}
}

// sent is a copy of the target, as Caddy keeps one while the site rewrites the other.
func sent(r *http.Request) *url.URL {
	u := *r.URL
	return &u
}

// hostile are targets that some application reads differently than the rules, by the cases of section PC of the attack catalogue.
var hostile = map[string][]string{
	"PC1 dot segments": {
		"/public/../admin", "/x/../admin", "/public//../admin", "/public/./../admin", "/public/..", "/public/.", "/..", "/.",
	},
	"PC2 encoded dot segments": {
		"/public/%2e%2e/admin", "/public/.%2e/admin", "/public/%2E./admin", "/public/%2e", "/%2e%2e", "/public/x%2ecss", "/public/%2ehidden",
	},
	"PC3 encoded slash": {
		"/public/..%2fadmin", "/public%2f..%2fadmin", "/public%2F..%2Fadmin", "/admin%2f", "/public%2fx",
	},
	"PC4 double encoding": {
		"/public/%252e%252e%252fadmin", "/public/%252e%252e/admin", "/public/%255cadmin", "/public/100%25", "/public/%25",
	},
	"PC5 backslash": {
		`/public/..%5cadmin`, `/public/..\admin`, `/public/x\y`, "/public/x%5Cy", `/\admin`,
	},
	"PC7 fragment sign": {
		"/admin#x", "/public/x%23/../../admin", "/foo/secret%23/bar", "/public/x#", "/public/x?y#z", "/public/x?#", "/#",
	},
	"PC16 leading and double slashes": {
		"//admin", "///public/../admin", "/public//admin", "/public//", "//",
	},
	"PC23 exceptions": {
		"/.well-known/acme-challenge/../../admin", "/_nightlatch/../admin", "/_nightlatch/static/..%2f..%2fadmin",
	},
	"path parameters": {
		"/public/..;/admin", "/public/.;/../admin", "/admin;x=1", "/admin%3bx", "/public/x%3B", "/;",
	},
	"control bytes": {
		"/admin%00", "/public/x%00.css", "/public/%0d%0ax", "/public/x%09", "/public/%7f", "/public/%1F",
	},
	"what an application decodes before it looks for the query": {
		"/admin%3f.css", "/admin%3Fx/public",
	},
	"what Windows drops": {
		"/admin.", "/admin%20", "/public/x.../y", "/admin%20/x", "/admin./x",
	},
	"not UTF-8": {
		"/public/%ff", "/public/%c0%afadmin", "/public/%c0%ae%c0%ae/admin", "/public/%ed%a0%80", "/public/\xff", "/public/%e4",
	},
	"no path": {
		"http://app.example.test", "http:admin", "*",
	},
	"absolute form": {
		"http://app.example.test/public/../admin", "http://app.example.test//admin", "http://app.example.test/public/x%2fy",
	},
}

func TestPCAmbiguousPaths(t *testing.T) {
	for name, targets := range hostile {
		t.Run(name, func(t *testing.T) {
			for _, target := range targets {
				if r, v := ask(t, "GET "+target); !Ambiguous(r, v) {
					t.Errorf("%q is not ambiguous", target)
				}
			}
		})
	}
	// What net/http's HTTP/1 parser refuses, but other front doors or a rewrite might not.
	for _, path := range []string{"/public/\x00", "/public/\r\nx", "/public/\tx", "/public/\x7f", "", "public/x"} {
		u := &url.URL{Path: path}
		if !Ambiguous(&http.Request{URL: u}, visit.Visit{URL: u}) {
			t.Errorf("%q is not ambiguous", path)
		}
	}
	if u := (&url.URL{Path: "/x", Fragment: "y"}); !Ambiguous(&http.Request{URL: u}, visit.Visit{URL: u}) {
		t.Error("a target with a fragment is not ambiguous")
	}
	if !Ambiguous(&http.Request{URL: &url.URL{Path: "/x"}}, visit.Visit{}) {
		t.Error("a request whose target as sent is unknown is not ambiguous")
	}
}

// TestPlainPaths guards the applications: what is ambiguous loses every rule that relaxes.
func TestPlainPaths(t *testing.T) {
	for _, target := range []string{
		"/", "/public/x", "/public/", "/public/x.css", "/.well-known/acme-challenge/x", "/a.b/c", "/...x", "/~alice/", "/a%20b", "/a+b,c=d&e@f:g",
		"/%C3%A4/%e2%82%ac", "/\xc3\xa4", "/public/(1)/[2]/{3}", "/a'b!c$d*", "/%41dmin", "/ADMIN", "/search?q=a;b%2f..%2f%00//\\",
		"/public/x?next=https://docs.example/../%23", "/x?", "http://app.example.test/public/x?y",
	} {
		if r, v := ask(t, "GET "+target); Ambiguous(r, v) {
			t.Errorf("%q is ambiguous", target)
		}
	}
}

// TestPC18Rewrites: the client chose the path before the rewrite and the application reads the one after it.
func TestPC18Rewrites(t *testing.T) {
	tests := []struct {
		sent, now string
		want      bool
	}{
		{"/app/public/x", "/public/x", false},
		{"/app/../admin", "/admin", true},
		{"/app%2f..%2fadmin", "/admin", true},
		{"/app/x", "/app/../admin", true},
		{"/app/x", "/admin;jsessionid=1", true},
		{"/app/x", "//x", true},
	}
	for _, tt := range tests {
		r, v := ask(t, "GET "+tt.sent)
		u, err := url.ParseRequestURI(tt.now)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		if got := Ambiguous(r, v); got != tt.want {
			t.Errorf("sent as %q, now %q: ambiguous is %v, want %v", tt.sent, tt.now, got, tt.want)
		}
	}
}

func TestAmbiguousDoesNotAllocate(t *testing.T) {
	for _, target := range []string{"/public/x/y/z.css?a=b", "/%C3%A4/b", "/public/%2e%2e/admin"} {
		r, v := ask(t, "GET "+target)
		if n := testing.AllocsPerRun(100, func() { Ambiguous(r, v) }); n != 0 {
			t.Errorf("%q: %v allocations, want 0", target, n)
		}
	}
}

// FuzzAmbiguous holds the byte scan against a definition that works on the text of the request line and can be read as a list.
func FuzzAmbiguous(f *testing.F) {
	for _, targets := range hostile {
		for _, target := range targets {
			f.Add(target)
		}
	}
	f.Add("/")
	f.Add("/a%20b/\xc3\xa4?x=/../")
	f.Fuzz(func(t *testing.T, target string) {
		if strings.ContainsAny(target, " \r\n") || !strings.HasPrefix(target, "/") {
			return // other lines and other forms of the target; see the tables
		}
		r, err := parse("GET " + target)
		if err != nil {
			return
		}
		got := Ambiguous(r, visit.Visit{URL: sent(r)})
		if want := naivelyAmbiguous(t, target); got != want {
			t.Errorf("%q: ambiguous is %v, want %v", target, got, want)
		}
	})
}

func naivelyAmbiguous(t *testing.T, target string) bool {
	path, _, _ := strings.Cut(target, "?")
	lower := strings.ToLower(path)
	for _, word := range []string{"//", `\`, ";", "%2f", "%2e", "%5c", "%25", "%3b", "%23", "%3f", "%7f", "\x7f"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	if strings.Contains(target, "#") {
		return true
	}
	decoded, err := url.PathUnescape(path)
	if err != nil {
		t.Fatalf("net/http accepted %q: %v", target, err)
	}
	for _, c := range []byte(decoded) {
		if c < ' ' {
			return true
		}
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " ") {
			return true
		}
	}
	return !utf8.ValidString(decoded)
}

func BenchmarkAmbiguous(b *testing.B) {
	r, v := ask(b, "GET /app/public/some/longer/path/index.html?with=query")
	b.ReportAllocs()
	for b.Loop() {
		if Ambiguous(r, v) {
			b.Fatal("ambiguous")
		}
	}
}
