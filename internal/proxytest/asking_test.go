// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// signInPage is where a stranger is led.
const signInPage = "/_nightlatch/sign-in"

// The way of a person: stopped, signed in on the site itself, let in, signed out.
func story(t testing.TB, f *front) {
	b := f.browser(t, appHost)
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step(b.Open("/reports?year=2026"))
	step(b.Submit("sign-in", "name", f.alice.Name, "password", "a door with two locks holds"))
	step(b.Led("/_nightlatch/second-factor"))
	code, err := f.alice.Code()
	step(err)
	step(b.TypeCode("totp", code))
	step(b.Led("/reports?year=2026"))

	b.Cookies.Set("app", "1")
	got := f.passed(t, "after the sign-in", "/reports?year=2026", func() wiretest.Response {
		step(b.Open("/reports?year=2026"))
		return wiretest.Response{Status: b.At.Status}
	})
	tells(t, "after the sign-in", got, asAliceOnly...)
	if cookies := got.Values("Cookie"); len(cookies) != 1 || cookies[0] != "app=1" {
		t.Errorf("the application got the cookies %q, want its own", cookies)
	}

	session := "Cookie: " + b.Cookies.String()
	step(b.SignOut())
	f.kept(t, "after the sign-out", func() wiretest.Response { return f.get(t, "/reports", session) })
}

// lies are headers by which a visitor says what it asks for. Nobody but the proxy may say that.
func lies(host, target string) []string {
	return []string{
		"X-Original-URL: https://" + host + target, "X-Original-URI: " + target, "X-Original-Method: GET", "X-Rewrite-URL: " + target,
		"X-Forwarded-Uri: " + target, "X-Forwarded-Host: " + host, "X-Forwarded-Method: GET", "X-Forwarded-Proto: https",
		"X-Forwarded-Proto: http", "X-Forwarded-Prefix: /public", "X-Forwarded-Path: " + target, "X-Envoy-Original-Path: " + target,
		"Forwarded: host=" + host + ";proto=https", "X-Forwarded-Server: " + host, "X-Forwarded-Port: 80", "X-Host: " + host,
	}
}

func claimedAddress(t testing.TB, f *front) {
	for _, l := range [][]string{lies(appHost, "/public/x"), lies(laxHost, "/"), lies(appHost, "/_nightlatch/sign-in")} {
		for i := range l {
			f.kept(t, l[i], func() wiretest.Response { return f.get(t, "/admin", l[i]) })
		}
		f.kept(t, "all lies", func() wiretest.Response { return f.get(t, "/admin", l...) })
		f.kept(t, "all lies of alice", func() wiretest.Response { return f.get(t, "/admin", append(l, f.asAlice)...) })
	}
	// A page that anybody may see stays one, or nobody who sends such a header could use the site.
	f.passed(t, "a header of another proxy", "/public/x", func() wiretest.Response {
		return f.get(t, "/public/x", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: "+appHost)
	})

	// Somebody who reaches Nightlatch itself and is not the proxy.
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for _, path := range questions {
		conn, err := from.Dial("tcp", f.gate)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n", path, appHost,
			strings.Join([]string{"X-Original-URL: https://" + appHost + "/public/x", "X-Original-Method: GET", "X-Forwarded-Uri: /public/x",
				"X-Forwarded-Host: " + appHost, "X-Forwarded-Method: GET", "X-Forwarded-Proto: https", f.asAlice}, "\r\n"))
		answer := make([]byte, 1024)
		n, err := conn.Read(answer)
		conn.Close()
		if err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 403 ") {
			t.Errorf("%s, asked by somebody else: got %q, %v, want 403", path, answer[:n], err)
		}
	}
}

// questions are the endpoints for proxies.
var questions = []string{
	"/_nightlatch/forward-auth/nginx", "/_nightlatch/forward-auth/caddy", "/_nightlatch/forward-auth/traefik", "/_nightlatch/forward-auth/haproxy",
	"/_nightlatch/forward-auth/envoy/public/x",
}

// A visitor who asks what the proxy asks is not heard at all: Nightlatch believes the proxy, and it would pass the words on.
func askedByBrowsers(t testing.TB, f *front) {
	try := func(path string, notHeard bool) {
		for _, who := range []string{"X-A: b", f.asAlice} {
			for _, l := range [][]string{{}, lies(appHost, "/public/x")} {
				r := f.kept(t, path, func() wiretest.Response { return f.get(t, path, append(l, who)...) })
				if len(r.Values("Remote-User"))+len(r.Values("Set-Cookie"))+len(r.Values("Cookie")) > 0 {
					t.Errorf("%s: the visitor got %q", path, r.Header)
				}
				if r.Status != 404 && notHeard && !(f.quirks.asks && r.Status == 403) || r.Status/100 != 4 && who == f.asAlice {
					t.Errorf("%s: got %d, want 404", path, r.Status)
				}
			}
		}
	}
	for _, path := range questions {
		try(path, true)
		try(path+"?x", true)
	}
	for _, path := range []string{
		"/_nightlatch/forward-auth/", "/_nightlatch/forward-auth", "/_nightlatch/forward-auth/nginx/", "/_nightlatch//forward-auth/nginx",
		"/_nightlatch/./forward-auth/nginx", "/_nightlatch/%66orward-auth/nginx", "/_nightlatch/x/../forward-auth/nginx",
		"/x/../_nightlatch/forward-auth/nginx", "/_nightlatch%2fforward-auth/nginx", "//_nightlatch/forward-auth/nginx",
	} {
		try(path, false)
	}
}

func malformedCookies(t testing.TB, f *front) {
	name := "__Host-nightlatch"
	value := f.session(t, f.asAlice)
	for _, cookie := range []string{
		name + "=%zz", name + "=" + strings.Repeat("A", 4000), name + "=", name, name + "=" + value[:len(value)-1], name + "=" + value + "A",
		name + `="` + value + `"x`, name + "=" + flipped(value), name + "=" + value + "; " + name + "=" + value, name + "=x; " + name + "=" + value,
		strings.ToUpper(name) + "=" + value, ";;;;", "=", "\xff\xfe=1",
	} {
		r := f.kept(t, cookie, func() wiretest.Response { return f.get(t, "/reports", "Cookie: "+cookie) })
		if r.Status != 303 && r.Status != 400 {
			t.Errorf("%.80q: got %d, want what a stranger gets", cookie, r.Status)
		}
	}
}

// flipped is a cookie of the right length that nobody was given.
func flipped(value string) string {
	if value[0] == 'A' {
		return "B" + value[1:]
	}
	return "A" + value[1:]
}

func noShortcuts(t testing.TB, f *front) {
	for _, agent := range []string{"GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0", "Nightlatch", "HAProxy", "Caddy", ""} {
		f.kept(t, agent, func() wiretest.Response { return f.get(t, "/reports", "User-Agent: "+agent) })
	}
	f.kept(t, "a preflight", func() wiretest.Response {
		return f.raw(t, appHost, "OPTIONS /reports HTTP/1.1", "Host: "+appHost, "Origin: https://evil.example", "Access-Control-Request-Method: GET")
	})
}

func leftmostAddress(t testing.TB, f *front) {
	for _, more := range [][]string{
		nil, {"X-Forwarded-For: " + lanAddress}, {"X-Forwarded-For: " + lanAddress + ", 203.0.113.7"}, {"X-Forwarded-For: 203.0.113.7, " + lanAddress},
		{"X-Forwarded-For: " + lanAddress, "X-Forwarded-For: " + lanAddress, "X-Forwarded-For: 127.0.0.1"}, {"Forwarded: for=" + lanAddress},
		{"X-Real-IP: " + lanAddress}, {"True-Client-IP: " + lanAddress}, {"CF-Connecting-IP: " + lanAddress}, {"X-Client-IP: " + lanAddress},
		{"X-Forwarded-For: " + lanAddress + ":1"}, {"X-Forwarded-For: ::ffff:" + lanAddress}, {"X-Forwarded-For: a"}, {"X-Forwarded-For:"},
		{"x_forwarded_for: " + lanAddress}, {"X-Envoy-External-Address: " + lanAddress},
	} {
		f.kept(t, strings.Join(more, ", "), func() wiretest.Response {
			return f.raw(t, lanHost, append([]string{"GET /x HTTP/1.1", "Host: " + lanHost}, more...)...)
		})
	}
}

// What each visitor is told. It is never 200 with a page to sign in.
func statuses(t testing.TB, f *front) {
	ask := func(lines ...string) func() wiretest.Response {
		return func() wiretest.Response { return f.raw(t, appHost, append(lines, "Host: "+appHost)...) }
	}
	r := f.kept(t, "a page", ask("GET /reports?year=2026 HTTP/1.1", "Accept: text/html"))
	if got, want := location(r), signInPage+"?return_to=/reports%3Fyear%3D2026"; r.Status != 303 || strings.TrimPrefix(got, "https://"+appHost) != want {
		t.Errorf("a page: got %d to %q, want 303 to %q", r.Status, got, want)
	}
	for what, lines := range map[string][]string{
		"a script":       {"GET /reports HTTP/1.1", "Accept: */*"},
		"a fetch":        {"GET /reports HTTP/1.1", "Accept: text/html", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"},
		"a form":         {"POST /reports HTTP/1.1", "Accept: text/html", "Content-Length: 0"},
		"a WebSocket":    {"GET /reports HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"},
		"a gRPC client":  {"POST /reports HTTP/1.1", "Content-Type: application/grpc", "Content-Length: 0"},
		"a HEAD of some": {"HEAD /reports HTTP/1.1", "Accept: */*"},
	} {
		r := f.kept(t, what, ask(lines...))
		if r.Status != 401 || len(r.Values("Location")) > 0 || len(r.Values("WWW-Authenticate")) != 1 && what != "a gRPC client" {
			t.Errorf("%s: got %d, %q, want 401 with a challenge", what, r.Status, r.Header)
		}
	}
	if r := f.kept(t, "a script", ask("GET /reports HTTP/1.1")); !f.quirks.plain && !strings.Contains(string(r.Body), `"sign_in_url"`) {
		t.Errorf("a script: got %q, want the address to sign in at", r.Body)
	}
	if r := f.kept(t, "alice where a group is asked for", ask("GET /admin HTTP/1.1", f.asAlice, "Accept: text/html")); r.Status != 403 {
		t.Errorf("alice where a group is asked for: got %d, want 403", r.Status)
	}
}

// One person's answer is nobody else's, whatever stands in between.
func nothingCached(t testing.TB, f *front) {
	for range 2 {
		got := f.passed(t, "alice", "/cached", func() wiretest.Response { return f.get(t, "/cached", f.asAlice) })
		tells(t, "alice", got, asAliceOnly...)
		got = f.passed(t, "bob", "/cached", func() wiretest.Response { return f.get(t, "/cached", f.asBob) })
		tells(t, "bob", got, "remote-name: A. B. bob", "remote-user: bob")
		f.kept(t, "a stranger after them", func() wiretest.Response { return f.get(t, "/cached") })
		f.kept(t, "alice elsewhere", func() wiretest.Response { return f.get(t, "/admin", f.asAlice) })
	}
	r := f.get(t, "/cached")
	if control := strings.Join(r.Values("Cache-Control"), ", "); !strings.Contains(control, "no-store") {
		t.Errorf("a refusal has Cache-Control: %q, want no-store", control)
	}
	if vary := strings.Join(r.Values("Vary"), ", "); !strings.Contains(vary, "Cookie") {
		t.Errorf("a refusal has Vary: %q, want Cookie in it", vary)
	}
}

func bodies(t testing.TB, f *front) {
	body := strings.Repeat("0123456789abcdef", 30_000)
	post := []string{"POST /upload HTTP/1.1", "Host: " + appHost, fmt.Sprintf("Content-Length: %d", len(body))}
	send := func(body string, lines ...string) wiretest.Response {
		c := wiretest.Dial(t, f.addr, f.trust(appHost))
		c.Send(strings.Join(append(lines, "Connection: close"), "\r\n") + "\r\n\r\n")
		c.Send(body)
		return c.Response("POST")
	}
	got := f.passed(t, "an upload", "/upload", func() wiretest.Response { return send(body, append(post, f.asAlice)...) })
	if string(got.Body) != body {
		t.Errorf("the application got %d bytes, want the %d that alice sent", len(got.Body), len(body))
	}
	chunked := "5\r\nhello\r\n0\r\n\r\n"
	got = f.passed(t, "chunks", "/upload", func() wiretest.Response {
		return send(chunked, "POST /upload HTTP/1.1", "Host: "+appHost, "Transfer-Encoding: chunked", f.asAlice)
	})
	if string(got.Body) != "hello" {
		t.Errorf("the application got %q, want hello", got.Body)
	}
	f.kept(t, "a stranger's upload", func() wiretest.Response { return send(body, post...) })
	// Nobody waits for a body that does not come.
	r := f.kept(t, "a stranger's gigabyte", func() wiretest.Response {
		return send("", "POST /upload HTTP/1.1", "Host: "+appHost, "Content-Length: 1000000000")
	})
	if r.Status/100 != 4 {
		t.Errorf("a stranger's gigabyte: got %d, want a refusal at once", r.Status)
	}
}

// A question comes and goes without a cookie of ours: what the visitor has stays good.
func noCookieOnTheWay(t testing.TB, f *front) {
	for range 3 {
		r := f.get(t, "/reports", f.asAlice)
		if r.Status != 200 || strings.Contains(strings.ToLower(strings.Join(r.Values("Set-Cookie"), "")), "nightlatch") {
			t.Errorf("got %d with Set-Cookie %q, want 200 without", r.Status, r.Values("Set-Cookie"))
		}
	}
}

func webSockets(t testing.TB, f *front) {
	upgrade := func(more ...string) (*wiretest.Conn, wiretest.Response) {
		c := wiretest.Dial(t, f.addr, f.trust(appHost))
		c.Send(strings.Join(append(more, "GET /socket HTTP/1.1", "Host: "+appHost, "Connection: keep-alive, Upgrade", "Upgrade: websocket",
			"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")[len(more):], "\r\n") + "\r\n" + strings.Join(append(more, ""), "\r\n") + "\r\n")
		return c, c.Response("GET")
	}
	got := f.reached(func() {
		c, r := upgrade(f.asAlice, "Origin: https://"+appHost)
		if r.Status != 101 {
			t.Fatalf("alice's socket: got %d %q, want 101", r.Status, r.Body)
		}
		c.Send("knock")
		if echo := c.Read(5); echo != "knock" {
			t.Errorf("alice's socket: got %q, want knock", echo)
		}
		c.Close()
	})
	if len(got) != 1 {
		t.Fatalf("the application got %d requests, want one", len(got))
	}
	tells(t, "alice's socket", got[0], asAliceOnly...)
	for what, lines := range map[string][]string{
		"a stranger's socket":          {"Origin: https://" + appHost},
		"a socket from a foreign page": {f.asAlice, "Origin: https://evil.example"},
		"a socket from no page":        {f.asAlice, "Origin: null"},
	} {
		f.kept(t, what, func() wiretest.Response { _, r := upgrade(lines...); return r })
	}
}

// An upgrade to HTTP/2 would be a tunnel in which nothing is asked any more.
func upgradesToNothingElse(t testing.TB, f *front) {
	for _, protocol := range []string{"h2c", "websocket, h2c", "h2c, websocket", "TLS/1.0", "x"} {
		for _, target := range []string{"/reports", "/public/x"} {
			for _, got := range f.reached(func() {
				r := f.rawWith(t, appHost, "GET "+target+" HTTP/1.1", "Host: "+appHost, f.asAlice, "Connection: Upgrade, HTTP2-Settings",
					"Upgrade: "+protocol, "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
				if r.Status == 101 {
					t.Errorf("Upgrade: %s: got 101", protocol)
				}
			}) {
				if upgrade := got.Values("Upgrade"); len(upgrade) > 0 {
					t.Errorf("Upgrade: %s: the application got %q", protocol, upgrade)
				}
			}
		}
	}
}

// A new connection for each question costs more than the question.
func oneConnection(t testing.TB, f *front) {
	c := wiretest.Dial(t, f.addr, f.trust(appHost))
	before := f.door.opened.Load()
	const times = 30
	for i := range times {
		start, body := "GET /reports HTTP/1.1\r\n", ""
		if i%3 == 2 {
			start, body = "POST /reports HTTP/1.1\r\nContent-Length: 5\r\n", "hello"
		}
		c.Send(start + "Host: " + appHost + "\r\n" + f.asAlice + "\r\n\r\n" + body)
		if r := c.Response("GET"); r.Status != 200 {
			t.Fatalf("got %d %q, want 200", r.Status, r.Body)
		}
	}
	if opened := f.door.opened.Load() - before; opened > 2 {
		t.Errorf("%d requests on one connection opened %d to Nightlatch, want 2 at most", times, opened)
	}
}
