// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// border is a process that other proxies ask about the requests of sites that they serve. The test is the proxy, on the wire.
type border struct {
	*house
	near  string // where the test is a trusted proxy
	far   string // where it is not
	alice string // her session, in no group
	admin string // the session of somebody in the group admins
}

func ask(t *testing.T) *border {
	b := &border{near: programtest.FreeAddr(t), far: programtest.FreeAddr(t)}
	sites := strings.NewReplacer("NEAR", port(b.near), "FAR", port(b.far)).Replace(`
(protected) {
	@bad    client_ip 203.0.113.0/24
	@lan    client_ip 10.0.0.0/8
	@writes {
		path /posted
		method POST
	}
	nightlatch {
		protect legacy.test {
			deny    @bad
			skip    /public/*
			require /admin /admin/* two_factor group admins
			require @writes two_factor group admins
			deny    /internal/*
		}
		protect lan.test {
			skip @lan
		}
		protect *.b.example.test
		protect *.example.test {
			skip /public/*
			skip /
			require password
		}
	}
	respond "not for proxies"
}
http://:NEAR {
	log
	import protected
}
http://:FAR {
	import protected
}`)
	b.house = begin(t, fmt.Sprintf(`debug
	servers 127.0.0.1:%s {
		trusted_proxies static 127.0.0.1/32 10.0.0.9/32
		trusted_proxies_strict
	}
	servers 127.0.0.1:%s {
		trusted_proxies static 192.0.2.0/24
		trusted_proxies_strict
	}`, port(b.near), port(b.far)), "", sites)
	b.alice = b.signedIn(t, "alice")
	b.admin = b.signedIn(t, "root", "admins")
	return b
}

// signedIn is the session of a new person, who signed in on the pages of the protected host, which the proxy sends here.
func (b *border) signedIn(t *testing.T, name string, groups ...string) string {
	t.Helper()
	v := visitor(t, "http://"+b.near)
	v.Header["Host"] = []string{"legacy.test"}
	v.Header["X-Forwarded-For"] = []string{"198.51.100.7"}
	v.Header["X-Forwarded-Proto"] = []string{"https"}
	p := b.add(t, name, groups...)
	v.typePassword(p)
	v.enroll(p)
	return v.Cookies.Get("__Host-nightlatch")
}

var proxies = []string{"caddy", "traefik", "nginx", "haproxy", "envoy"}

// about is the question of a proxy about a request, as it is on the wire. The lines are what the visitor sent besides, or the proxy.
func about(proxy, method, host, target string, lines ...string) string {
	start, asked := "GET /_nightlatch/forward-auth/"+proxy, "nightlatch.internal"
	var set []string
	switch proxy {
	case "nginx":
		set = []string{"X-Original-URL: https://" + host + target, "X-Original-Method: " + method}
	case "envoy":
		start, asked = method+" /_nightlatch/forward-auth/envoy"+target, host
		set = []string{"X-Forwarded-Proto: https", "Content-Length: 0"}
	default:
		set = []string{"X-Forwarded-Method: " + method, "X-Forwarded-Proto: https", "X-Forwarded-Host: " + host, "X-Forwarded-Uri: " + target}
	}
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "X-Forwarded-For:") }) {
		set = append(set, "X-Forwarded-For: 198.51.100.7")
	}
	return start + " HTTP/1.1\r\nHost: " + asked + "\r\n" + strings.Join(append(set, lines...), "\r\n") + "\r\n\r\n"
}

// question sends one, and checks what every answer has to hold: that it says so when the request may not pass, sets no cookie, and is
// small.
func (b *border) question(t *testing.T, proxy, method, host, target string, lines ...string) wiretest.Response {
	t.Helper()
	return b.send(t, proxy, about(proxy, method, host, target, lines...))
}

func (b *border) send(t *testing.T, proxy, raw string) wiretest.Response {
	t.Helper()
	got := wiretest.Raw(t, b.near, raw)
	what := strings.ReplaceAll(raw[:min(len(raw), 300)], "\r\n", " | ")
	if got.Values("Set-Cookie") != nil {
		t.Errorf("%s: got a cookie, which no proxy hands on (FA-18)", what)
	}
	// What net/http does not take for a request never comes to us.
	if c := got.Values("Cache-Control"); got.Status != 400 && (len(c) != 1 || c[0] != "no-store") {
		t.Errorf("%s: got Cache-Control %q, want no-store (FA-13)", what, c)
	}
	if got.Status == 200 {
		b.wantAllowed(t, proxy, what, got, !strings.Contains(raw, "Connection: "))
	}
	if proxy == "nginx" && got.Status != 200 && got.Status != 401 && got.Status != 403 {
		t.Errorf("%s: got %d, which nginx does not know (FA-12)", what, got.Status)
	}
	return got
}

// wantAllowed checks an answer that lets pass: nothing for the visitor to see, and all that the proxy copies (FA-13, FA-14).
func (b *border) wantAllowed(t *testing.T, proxy, what string, got wiretest.Response, kept bool) {
	t.Helper()
	if l := got.Values("Content-Length"); len(got.Body) > 0 || len(l) != 1 || l[0] != "0" || kept && len(got.Values("Connection")) > 0 {
		t.Errorf("%s: 200 with %q, Content-Length %q, Connection %q; want no body, and the connection kept", what, got.Body, l, got.Values("Connection"))
	}
	for _, name := range []string{"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Cookie"} {
		if lines := got.Values(name); !slices.Equal(lines, unsaid(proxy)) && (len(lines) != 1 || lines[0] == "") {
			t.Errorf("%s: got %s %q, want one value or %q (FA-14)", what, name, lines, unsaid(proxy))
		}
	}
	if v := got.Values("Vary"); len(v) != 1 || v[0] != "Cookie, Authorization" {
		t.Errorf("%s: got Vary %q", what, v)
	}
}

// unsaid are the lines of a header of which there is nothing to say. Traefik makes an empty line of an empty one, and has removed the
// visitor's already.
func unsaid(proxy string) []string {
	if proxy == "traefik" {
		return nil
	}
	return []string{""}
}

func session(value string) string {
	return "Cookie: app=1; __Host-nightlatch=" + value + "; theme=dark"
}

const (
	navigates = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document"
	fetches   = "Accept: application/json\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty"
)

func TestForwardAuth(t *testing.T) {
	b := ask(t)
	for _, proxy := range proxies {
		t.Run(proxy, func(t *testing.T) { b.attack(t, proxy) })
	}
	// LG-1: at the level debug, with an access log of every question.
	for _, secret := range []string{b.alice, b.admin, "THE-TOKEN-OF-A-LINK"} {
		if at := strings.Index(b.Said(), secret); at >= 0 {
			t.Errorf("a secret is in the log: %s", b.Said()[max(0, at-200):at])
		}
	}
	for _, want := range []string{"no trusted proxy", "does not say clearly which request", "a host that is not protected here"} {
		if n := strings.Count(b.Said(), want); n == 0 || n > 3 {
			t.Errorf("the operator was told %d times that a question of forward-auth was refused because of %q", n, want)
		}
	}
}

func (b *border) attack(t *testing.T, proxy string) {
	status := func(want int) func(t *testing.T, method, host, target string, lines ...string) {
		return func(t *testing.T, method, host, target string, lines ...string) {
			t.Helper()
			if got := b.question(t, proxy, method, host, target, lines...); got.Status != want {
				t.Errorf("%s %s%s with %q: got %d, want %d", method, host, target, lines, got.Status, want)
			}
		}
	}
	allowed, forbidden := status(200), status(403)
	signIn := status(303)
	unknown, malformed := status(401), 400
	if proxy == "nginx" {
		signIn, malformed = unknown, 403
	}

	t.Run("rules of the protected host", func(t *testing.T) {
		allowed(t, "GET", "legacy.test", "/page?x=1", session(b.alice))
		allowed(t, "POST", "legacy.test", "/page", session(b.alice))
		allowed(t, "GET", "legacy.test", "/public/x")
		allowed(t, "GET", "legacy.test", "/admin", session(b.admin))
		forbidden(t, "GET", "legacy.test", "/admin", session(b.alice))
		forbidden(t, "GET", "legacy.test", "/internal/x", session(b.admin))
		allowed(t, "GET", "legacy.test", "/posted", session(b.alice))
		forbidden(t, "POST", "legacy.test", "/posted", session(b.alice))
		signIn(t, "GET", "legacy.test", "/page", navigates)
		signIn(t, "HEAD", "legacy.test", "/page", navigates)
		unknown(t, "GET", "legacy.test", "/page", fetches)
		unknown(t, "POST", "legacy.test", "/page", navigates)
		forbidden(t, "GET", "elsewhere.test", "/public/x", session(b.alice))
		forbidden(t, "GET", "legacy.test:8443", "/public/x", session(b.alice))
	})
	t.Run("FA-1", func(t *testing.T) {
		for _, target := range []string{"/public/x", "/page"} {
			for _, lines := range [][]string{nil, {"X-Forwarded-For: 192.0.2.1"}, {"X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1"}} {
				got := wiretest.Raw(t, b.far, about(proxy, "GET", "legacy.test", target, append(lines, session(b.alice))...))
				if got.Status != 403 || got.Values("Remote-User") != nil || len(got.Body) > 1000 {
					t.Errorf("%s with %q: got %d, %q, want 403 for who is no trusted proxy", target, lines, got.Status, got.Header)
				}
			}
		}
	})
	t.Run("FA-2", func(t *testing.T) {
		for _, target := range []string{"/_nightlatch/callback", "/_nightlatch/sign-in", "/_nightlatch/", "/_nightlatch/forward-auth/" + proxy, "/%5Fnightlatch/x"} {
			forbidden(t, "GET", "legacy.test", target, session(b.admin))
		}
		// A proxy that sends our pages the wrong way must not bring the tokens of links into the access log.
		forbidden(t, "GET", "legacy.test", "/_nightlatch/reset/THE-TOKEN-OF-A-LINK")
		// Headers that no set has: they decide nothing.
		for _, line := range []string{"X-Original-URI: /_nightlatch/callback", "X-Original-URI: /public/x", "X-Rewrite-URL: /public/x", "X-Auth-Request-Redirect: /public/x", "X-Forwarded-Prefix: /public"} {
			unknown(t, "GET", "legacy.test", "/page", fetches, line)
		}
		// Headers of the set of another proxy, which a visitor wrote.
		for _, line := range []string{"X-Original-URL: https://legacy.test/public/x", "X-Original-Method: PUT", "X-Forwarded-Uri: /public/x", "X-Forwarded-Method: PUT"} {
			got := b.question(t, proxy, "GET", "legacy.test", "/page", session(b.alice), line)
			if got.Status != malformed {
				t.Errorf("with %s: got %d, want %d", line, got.Status, malformed)
			}
		}
	})
	t.Run("FA-4", func(t *testing.T) {
		for _, value := range []string{"%zz", strings.Repeat("A", 4096), b.alice[:len(b.alice)-4], b.alice + "AAAA", strings.Repeat("A", len(b.alice)), "", `"` + b.alice + `"`, b.alice + "; __Host-nightlatch=" + b.alice} {
			unknown(t, "GET", "legacy.test", "/page", fetches, session(value))
			signIn(t, "GET", "legacy.test", "/page", navigates, session(value))
		}
		unknown(t, "GET", "legacy.test", "/page", fetches, "Cookie: nightlatch="+b.alice) // the name of a connection without TLS
	})
	t.Run("SE", func(t *testing.T) {
		unknown(t, "GET", "a.b.example.test", "/page", fetches, session(b.alice)) // the session is for another host
	})
	t.Run("FA-5", func(t *testing.T) {
		for _, agent := range []string{"GoogleHC/1.0", "kube-probe/1.31", "ELB-HealthChecker/2.0", "Prometheus/3.0"} {
			unknown(t, "GET", "legacy.test", "/page", "User-Agent: "+agent)
			unknown(t, "OPTIONS", "legacy.test", "/page", "User-Agent: "+agent, "Origin: https://evil.example", "Access-Control-Request-Method: PUT")
		}
	})
	t.Run("FA-7", func(t *testing.T) {
		whole := about(proxy, "GET", "legacy.test", "/public/x")
		for line := range strings.SplitSeq(strings.TrimSuffix(whole, "\r\n\r\n"), "\r\n") {
			name, value, isHeader := strings.Cut(line, ": ")
			if !isHeader || !strings.HasPrefix(name, "X-") || name == "X-Forwarded-For" {
				continue
			}
			for what, with := range map[string]string{
				"missing": "", "empty": name + ": \r\n", "twice": line + "\r\n" + line + "\r\n", "a list": line + ", " + value + "\r\n", "twice in other letters": line + "\r\n" + strings.ToUpper(line) + "\r\n",
			} {
				if got := b.send(t, proxy, strings.Replace(whole, line+"\r\n", with, 1)); got.Status != malformed {
					t.Errorf("%s %s: got %d, want %d", name, what, got.Status, malformed)
				}
			}
		}
		// No name that a server might take for one of the set.
		for _, line := range []string{"X_Forwarded_Uri: /public/x", "X_Original_URL: https://legacy.test/public/x", "X.Forwarded.Uri: /public/x"} {
			unknown(t, "GET", "legacy.test", "/page", fetches, line)
		}
	})
	t.Run("FA-8", func(t *testing.T) {
		for _, lines := range [][]string{
			{"X-Forwarded-For: 10.1.1.1, 203.0.113.7"}, {"X-Forwarded-For: 10.1.1.1", "X-Forwarded-For: 10.1.1.2", "X-Forwarded-For: 203.0.113.7"},
			{"X-Forwarded-For: 203.0.113.7", "X-Real-IP: 10.1.1.1", "True-Client-IP: 10.1.1.1", "CF-Connecting-IP: 10.1.1.1", "Forwarded: for=10.1.1.1"},
			{"X-Forwarded-For: 10.1.1.1, 203.0.113.7, 10.0.0.9"}, {"X-Forwarded-For: 10.1.1.1, 203.0.113.7:4711"},
		} {
			forbidden(t, "GET", "legacy.test", "/page", append(lines, session(b.alice))...)
			unknown(t, "GET", "lan.test", "/page", append(lines, fetches)...)
		}
		allowed(t, "GET", "lan.test", "/page", "X-Forwarded-For: 203.0.113.7, 10.1.1.1")
	})
	t.Run("FA-9", func(t *testing.T) {
		for _, forwarded := range []string{"a", "", ",", "unknown", "10.1.1.1, a", "10.1.1.1, ", "10.1.1.999"} {
			forbidden(t, "GET", "legacy.test", "/page", "X-Forwarded-For: "+forwarded, session(b.alice))
			unknown(t, "GET", "lan.test", "/page", "X-Forwarded-For: "+forwarded, fetches)
		}
	})
	t.Run("FA-12", func(t *testing.T) {
		led := b.question(t, proxy, "GET", "legacy.test", "/page?x=1", navigates).Values("Location")
		if want := "https://legacy.test/_nightlatch/sign-in?return_to=/page%3Fx%3D1"; len(led) != 1 || led[0] != want {
			t.Errorf("got Location %q, want %s", led, want)
		}
		got := b.question(t, proxy, "GET", "legacy.test", "/data", fetches)
		if want := `"sign_in_url":"https://legacy.test/_nightlatch/sign-in"`; proxy != "nginx" && !strings.Contains(string(got.Body), want) || got.Values("WWW-Authenticate") == nil {
			t.Errorf("got %q, %s, want %s", got.Header, got.Body, want)
		}
		// gRPC is refused with 200 elsewhere, which lets pass here.
		unknown(t, "POST", "legacy.test", "/x.Y/Z", "Content-Type: application/grpc")
		unknown(t, "POST", "legacy.test", "/x.Y/Z", "Content-Type: application/grpc-web+proto")
		forbidden(t, "POST", "legacy.test", "/admin", "Content-Type: application/grpc", session(b.alice))
		if head := b.question(t, proxy, "HEAD", "legacy.test", "/data", fetches); proxy != "envoy" && len(head.Values("Content-Length")) == 1 && head.Values("Content-Length")[0] != fmt.Sprint(len(head.Body)) {
			t.Errorf("a question about HEAD: got Content-Length %s and %d bytes", head.Values("Content-Length"), len(head.Body))
		}
	})
	t.Run("FA-15", func(t *testing.T) {
		for _, body := range []string{"Content-Length: 1000000000", "Content-Length: 5", "Transfer-Encoding: chunked"} {
			raw := strings.Replace(about(proxy, "POST", "legacy.test", "/page", session(b.alice)), "Content-Length: 0\r\n", "", 1)
			for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
				got := wiretest.Raw(t, b.near, strings.Replace(raw, "\r\n\r\n", "\r\n"+expect+body+"\r\n\r\n", 1)) // and not a byte of it
				if got.Status != 200 || len(got.Interim) > 0 {
					t.Errorf("%s %s: got %d, interim %v, want 200 without waiting for the body", body, expect, got.Status, got.Interim)
				}
			}
		}
		huge := wiretest.Raw(t, b.near, about(proxy, "GET", "legacy.test", "/page", "X-Junk: "+strings.Repeat("x", 1<<20)))
		if huge.Status != 431 && huge.Status != 0 || len(huge.Body) > 1000 {
			t.Errorf("a header of 1 MB: got %d and %d bytes", huge.Status, len(huge.Body))
		}
		c := wiretest.Dial(t, b.near, nil)
		for range 3 {
			c.Send(about(proxy, "GET", "legacy.test", "/page", session(b.alice)))
			if got := c.Response("GET"); got.Status != 200 {
				t.Errorf("on one connection: got %d", got.Status)
			}
		}
	})
	t.Run("FA-16", func(t *testing.T) {
		for _, lines := range []string{navigates, fetches, "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors"} {
			got := wiretest.Raw(t, b.far, about(proxy, "GET", "legacy.test", "/public/x", lines, session(b.admin)))
			if got.Status != 403 || got.Values("Set-Cookie") != nil || got.Values("Access-Control-Allow-Origin") != nil {
				t.Errorf("a browser with %q: got %d, %q, want 403", lines, got.Status, got.Header)
			}
		}
		got := wiretest.Raw(t, b.near, "GET /_nightlatch/forward-auth/"+proxy+"s HTTP/1.1\r\nHost: legacy.test\r\nX-Forwarded-Proto: https\r\n\r\n")
		if got.Status != 404 {
			t.Errorf("an endpoint that is not there: got %d, want 404", got.Status)
		}
	})
	t.Run("PC", func(t *testing.T) {
		for _, target := range []string{
			"/admin?path=/public/x", "/public/../admin", "/public/%2e%2e/admin", "/public/..%2fadmin", "/public/%252e%252e%252fadmin", `/public/..%5cadmin`, "/public/..;/admin",
			"/public/x%23/../../admin", "/public//../admin", "//public/x", "/Public/x", "/publicity", "/admin/public/x", "/public%2fx", "/public/x%00",
		} {
			if got := b.question(t, proxy, "GET", "legacy.test", target, fetches); got.Status < 400 {
				t.Errorf("%s: a stranger got %d, want it refused", target, got.Status)
			}
		}
		for _, target := range []string{"/public/../admin", "/public/..%2fadmin", "//admin", "/x/%2e%2e/admin", "/ADMIN", "/%61dmin", "/admin;x", "/admin%20"} {
			if got := b.question(t, proxy, "GET", "legacy.test", target, session(b.alice)); got.Status == 200 {
				t.Errorf("%s: whoever is not in the group of /admin passes", target)
			}
		}
		for _, target := range []string{"http://evil.example/public/x", "*", "public/x", "?/public/x", "/public/x y", `\public/x`, "/public/%zz"} {
			if got := b.question(t, proxy, "GET", "legacy.test", target, session(b.admin)); got.Status < 400 {
				t.Errorf("%s: got %d, want it refused", target, got.Status)
			}
		}
		for _, method := range []string{"CONNECT", "TRACE", "trace"} {
			if got := b.question(t, proxy, method, "legacy.test", "/public/x", session(b.admin)); got.Status < 400 {
				t.Errorf("%s: got %d, want it refused (PC-20)", method, got.Status)
			}
		}
	})
	t.Run("PC-11", func(t *testing.T) {
		for _, host := range []string{"a.b.example.test", "a.B.example.test", "A.B.EXAMPLE.TEST", "a.b.example.test:443", "a.b.Example.test."} {
			signIn(t, "GET", host, "/public/x", navigates)
		}
		allowed(t, "GET", "B.Example.test", "/public/x")
		for _, host := range []string{"x.a.b.example.test", ".example.test", "example.test", "evil-example.test", "legacy.test.evil.example", "legacy.test@evil.example", "evil.example?legacy.test", "evil.example#.legacy.test", "legacy.test,evil.example", ""} {
			if got := b.question(t, proxy, "GET", host, "/public/x", session(b.admin)); got.Status < 400 {
				t.Errorf("host %q: got %d, want it refused", host, got.Status)
			}
		}
	})
	t.Run("ID-4", func(t *testing.T) {
		got := b.question(t, proxy, "GET", "legacy.test", "/page", session(b.alice), "Remote-User: root", "Remote-Email: ceo@example.com", "Remote_Groups: admins", "Remote-Groups: admins", "Connection: close, Remote-User")
		for name, want := range map[string][]string{"Remote-User": {"alice"}, "Remote-Email": unsaid(proxy), "Remote-Groups": unsaid(proxy)} {
			if lines := got.Values(name); !slices.Equal(lines, want) {
				t.Errorf("%s: got %q, want %q", name, lines, want)
			}
		}
		for _, who := range []string{"", b.alice} {
			open := b.question(t, proxy, "GET", "legacy.test", "/public/x", session(who), "Remote-User: root", "Remote-Groups: admins")
			if u, g := open.Values("Remote-User"), open.Values("Remote-Groups"); !slices.Equal(u, unsaid(proxy)) || !slices.Equal(g, unsaid(proxy)) {
				t.Errorf("where a rule skips: got user %q, groups %q, want %q for both", u, g, unsaid(proxy))
			}
		}
	})
	t.Run("ID-12", func(t *testing.T) {
		for lines, want := range map[string]string{
			session(b.alice):                       "app=1; theme=dark",
			"Cookie: __Host-nightlatch=" + b.alice: "",
			session(b.alice) + "\r\nCookie: more=1; __Host-nightlatch-attempt=x":                       "app=1; theme=dark; more=1",
			"Cookie: __host-nightlatch=x; a=1; nightlatch-language=de; __Host-nightlatch=" + b.alice:   "a=1",
			"Cookie: __Host-nightlatch-browser=x; __Host-nightlatch=" + b.alice + "; odd==; =x; plain": " odd==; =x; plain",
		} {
			got := b.question(t, proxy, "GET", "legacy.test", "/page", lines)
			c := got.Values("Cookie")
			if want == "" && got.Status == 200 && slices.Equal(c, unsaid(proxy)) {
				continue
			}
			if got.Status != 200 || len(c) != 1 || strings.TrimSpace(c[0]) != strings.TrimSpace(want) {
				t.Errorf("%s: got %d, cookies %q left, want %q", lines, got.Status, c, want)
			}
		}
	})
}
