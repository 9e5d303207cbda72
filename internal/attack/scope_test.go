// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// MF-5, PC-1 to PC-20: a key for GET of what begins with /api opens that, however somebody writes something else.
func TestScopesOnTheWire(t *testing.T) {
	o := openWorkshop(t)
	s := &shop{house: o.house, addr: o.addr, app: o.app}
	o.add(t, "alice", "admins")
	key := s.key(t, `{"name":"x","user":"alice","hosts":["app.test"],"paths":["/api"],"methods":["GET"]}`)
	bearer := [2]string{"authorization", "Bearer " + key.token()}

	type asked struct {
		target string
		more   [][2]string
	}
	ask := func(a asked) (answers []wiretest.Response) {
		t.Helper()
		fields := h2(workshopHost, a.target, append([][2]string{bearer}, a.more...)...)
		method := "GET"
		var lines []string
		for _, f := range a.more {
			if f[0] == ":method" {
				method = f[1]
			} else if !strings.HasPrefix(f[0], ":") {
				lines = append(lines, f[0]+": "+f[1])
			}
		}
		lines = append([]string{method + " " + a.target + " HTTP/1.1", "Host: " + workshopHost, "Authorization: " + bearer[1]}, lines...)
		answers = append(answers, raw(t, o.addr, secure(workshopHost), lines...))
		return append(answers, wiretest.H2(t, o.addr, secure(workshopHost)).Do(fields, nil, nil), wiretest.H3(t, o.addr, secure(workshopHost)).Do(fields, nil, nil))
	}
	for _, target := range []string{"/api", "/api/", "/api/x?y=/../z", "/%61pi/x", "/api/x%C3%A9"} {
		for i, r := range ask(asked{target, nil}) {
			if user(r) != "alice" {
				t.Errorf("HTTP/%d, %s: got %d %q, want that it passes", i+1, target, r.Status, user(r))
			}
		}
	}
	closed := []asked{
		{"/api", [][2]string{{":method", "POST"}}}, {"/api", [][2]string{{":method", "get"}}}, {"/api", [][2]string{{":method", "GET\x00"}}}, {"/api", [][2]string{{":method", "FOO"}}},
		{"/api", [][2]string{{":method", "OPTIONS"}}}, {"/api", [][2]string{{":method", "TRACE"}}}, {"/api", [][2]string{{":method", "CONNECT"}, {":protocol", "connect-udp"}}},
		{"/api?_method=DELETE", nil}, {"/api?_method%00=DELETE", nil}, {"/api?x-http-method-override=PUT", nil}, {"/api?a&%5fmethod=DELETE", nil}, {"/api?.method=PUT", nil},
	}
	for _, name := range []string{"x-http-method-override", "x-http-method", "x-method-override", "x~http~method~override"} {
		closed = append(closed, asked{"/api", [][2]string{{name, "DELETE"}}}, asked{"/api", [][2]string{{name, "GET"}}})
	}
	for _, to := range []string{"/admin", "https://app.test/admin", "/api/../admin", "/api/%2e%2e/admin", "api", "/api, /admin", "//admin/api/x"} {
		closed = append(closed, asked{"/api/x", [][2]string{{"destination", to}}})
	}
	for _, target := range []string{
		"/", "/x", "/apix", "/api.", "/api%20", "/api%00", "/api%0a", "/api;x", "/api%3bx", "/api%2fx", "/api%2Fx", "/api%5cx", "/api\\x", "/api%255cx", "/api%252fx", "/API", "/Api/x",
		"/api/../x", "/api/./x", "/api/%2e%2e/x", "/api/.%2E/x", "/api/..%2fx", "/api/..%5cx", "/api/..;/x", "/api/..%3b/x", "/api/%252e%252e/x", "/api//x", "/api///x", "//api", "/x/../api", "/./api",
		"/api/x%23/../../y", "/api/x%3f/../../y", "/api/%c0%ae%c0%ae/x", "/api/%u002e%u002e/x", "/api/x.", "/api/x./y", "/api/x%2e", "/api/...", "/x/api", "/x?/api", "/api/%e0%80%af",
	} {
		closed = append(closed, asked{target, nil})
	}
	for _, a := range closed {
		var answers []wiretest.Response
		for _, r := range reached(o.app, func() { answers = ask(a) }) {
			t.Errorf("%+v: the application got %q", a, r.Start)
		}
		for i, r := range answers {
			if r.Status/100 == 2 || r.Status/100 == 3 {
				t.Errorf("HTTP/%d, %+v: got %d", i+1, a, r.Status)
			}
		}
	}
	// In the form for proxies the target names the host, and Host is nothing (RFC 9112 section 3.2.2).
	for target, want := range map[string]string{"https://app.test/api": "alice", "http://app.test/api/x": "alice", "https://app.test/x": "", "https://app.test": "", "https://other.test/api": "", "https://app.test@other.test/api": "", "app.test/api": "", "/api#/x": ""} {
		r := raw(t, o.addr, secure(workshopHost), "GET "+target+" HTTP/1.1", "Host: "+workshopHost, "Authorization: "+bearer[1])
		if user(r) != want {
			t.Errorf("%s: got %d, the application was told %q, want %q", target, r.Status, user(r), want)
		}
	}
	// One host, in each spelling of its name, and no other.
	for host, want := range map[string]string{"APP.TEST": "alice", "app.test.": "", "app.test:1": "alice", "app.test:443": "alice", "app.test:99999": "alice", "app.test..": "", "app.test:x": "", "app.test%2e": "",
		"app.test%00": "", "x.app.test": "", "app.test.evil.example": "", "evil@app.test": "", "\xef\xbd\x81pp.test": "", "app\xe3\x80\x82test": "", "": ""} {
		r := raw(t, o.addr, secure(workshopHost), "GET /api HTTP/1.1", "Host: "+host, "Authorization: "+bearer[1])
		if user(r) != want {
			t.Errorf("Host: %q: got %d, the application was told %q, want %q", host, r.Status, user(r), want)
		}
	}
}

// FA-8, FA-21: a key for a network is for who is there, by the word of a proxy that is trusted and of nobody else.
func TestNetworksOfKeys(t *testing.T) {
	const inside, outside, peer = "203.0.113.7", "198.51.100.7", "127.0.0.1"
	app := wiretest.Echo(t)
	direct, behind, wrapped := programtest.FreeAddr(t), programtest.FreeAddr(t), programtest.FreeAddr(t)
	const site = "SCHEME://app.localhost:PORT {\n\tnightlatch\n\treverse_proxy APP\n}\n"
	sites := ""
	for addr, scheme := range map[string]string{direct: "http", behind: "http", wrapped: "https"} {
		sites += strings.NewReplacer("SCHEME", scheme, "PORT", port(addr), "APP", app.Addr).Replace(site)
	}
	h := begin(t, fmt.Sprintf(`servers %s {
		trusted_proxies static 127.0.0.1/32
		trusted_proxies_strict
	}
	servers %s {
		listener_wrappers {
			proxy_protocol {
				allow 127.0.0.1/32
			}
			tls
		}
	}`, behind, wrapped), "", sites)
	s := &shop{house: h, addr: direct, app: app}
	key := func(network string) string {
		return s.key(t, fmt.Sprintf(`{"name":"x","hosts":["app.localhost"],"networks":[%q]}`, network)).token()
	}
	four, one, six, local := key("203.0.113.0/24"), key(inside+"/32"), key("2001:db8::/32"), key("127.0.0.0/8")
	request := func(addr, token string, lines ...string) string {
		return strings.Join(append([]string{"GET /x HTTP/1.1", "Host: app.localhost:" + port(addr), "Authorization: Bearer " + token, "Connection: close"}, lines...), "\r\n") + "\r\n\r\n"
	}
	passes := func(addr, token string, lines ...string) bool {
		t.Helper()
		return wiretest.Raw(t, addr, request(addr, token, lines...)).Status == 200
	}
	// Without a proxy nobody's word counts, and what says that there was one makes the connection one that nothing is read on.
	for _, line := range []string{"X-Forwarded-For: " + inside, "X-Real-IP: " + inside, "Forwarded: for=" + inside, "True-Client-IP: " + inside, "CF-Connecting-IP: " + inside, "X: y"} {
		if passes(direct, four, line) {
			t.Errorf("directly, with %s: the key passes", line)
		}
	}
	if !passes(direct, local) {
		t.Error("directly, from here: the key for here does not pass")
	}
	https := "X-Forwarded-Proto: https"
	for _, c := range []struct {
		told             []string
		four, six, local bool
	}{
		{[]string{inside}, true, false, false}, {[]string{"::ffff:" + inside}, true, false, false}, {[]string{"::FFFF:cb00:7107"}, true, false, false}, {[]string{inside + ":4711"}, true, false, false},
		{[]string{"[::ffff:" + inside + "]:4711"}, true, false, false}, {[]string{outside + ", " + inside}, true, false, false}, {[]string{outside, inside}, true, false, false},
		{[]string{"2001:db8::1"}, false, true, false}, {[]string{"[2001:db8::1]:1"}, false, true, false}, {[]string{"2001:db8::1%eth0"}, false, true, false},
		{[]string{inside + ", " + outside}, false, false, false}, {[]string{inside, outside}, false, false, false}, {[]string{"::203.0.113.7"}, false, false, false}, {[]string{"64:ff9b::" + inside}, false, false, false},
		{[]string{"2002:cb00:7107::1"}, false, false, false}, {[]string{"203.0.113.007"}, false, false, true}, {[]string{"0xcb.0.113.7"}, false, false, true}, {[]string{"3405803783"}, false, false, true},
		{[]string{inside + "%eth0"}, false, false, true}, {[]string{inside + ", x"}, false, false, true}, {[]string{inside, "unix:"}, false, false, true},
	} {
		lines := []string{https}
		for _, told := range c.told {
			lines = append(lines, "X-Forwarded-For: "+told)
		}
		for _, k := range []struct {
			what, token string
			want        bool
		}{{"203.0.113.0/24", four, c.four}, {inside, one, c.four}, {"2001:db8::/32", six, c.six}} {
			if got := passes(behind, k.token, lines...); got != k.want {
				t.Errorf("a proxy tells %q: the key for %s passes %t, want %t", c.told, k.what, got, k.want)
			}
		}
		if got := passes(behind, local, lines...); got && !c.local {
			t.Errorf("a proxy tells %q: the key for %s passes", c.told, peer)
		}
	}
	// The PROXY protocol says it before the first byte of TLS.
	for before, want := range map[string][2]bool{
		"PROXY TCP4 " + inside + " 127.0.0.1 1 2\r\n": {true, false}, "PROXY TCP6 ::ffff:" + inside + " ::1 1 2\r\n": {true, false}, "PROXY TCP4 " + outside + " 127.0.0.1 1 2\r\n": {false, false},
		"PROXY UNKNOWN\r\n": {false, true}, "": {false, true},
	} {
		for i, token := range []string{four, local} {
			conn, err := net.Dial("tcp", wrapped)
			must(t, err)
			conn.SetDeadline(time.Now().Add(wiretest.Patience))
			_, err = io.WriteString(conn, before)
			must(t, err)
			secured := tls.Client(conn, secure("app.localhost"))
			_, err = io.WriteString(secured, request(wrapped, token, "X-Forwarded-For: "+outside))
			must(t, err)
			answer, err := io.ReadAll(secured)
			must(t, err)
			if got := strings.HasPrefix(string(answer), "HTTP/1.1 200"); got != want[i] {
				t.Errorf("%q: key %d passes %t, want %t", before, i, got, want[i])
			}
			conn.Close()
		}
	}
}

// PC-15, PC-20, RFC 8441, RFC 9220: what only HTTP/2 and HTTP/3 can say. A key opens a WebSocket as it opens a GET, and no other tunnel; and what
// says two things about one request is none.
func TestPC15KeysInPseudoHeaders(t *testing.T) {
	o := openWorkshop(t)
	s := &shop{house: o.house, addr: o.addr, app: o.app}
	o.add(t, "alice", "admins")
	gets := s.key(t, `{"name":"x","user":"alice","hosts":["app.test"],"methods":["GET"]}`)
	posts := s.key(t, `{"name":"x","user":"alice","hosts":["app.test"],"methods":["POST"]}`)
	bearer := [2]string{"authorization", "Bearer " + gets.token()}
	tunnel := func(protocol string, more ...[2]string) [][2]string {
		return h2(workshopHost, "/socket", append([][2]string{{":method", "CONNECT"}, {":protocol", protocol}, {"sec-websocket-version", "13"}}, more...)...)
	}
	for what, c := range map[string]struct {
		fields [][2]string
		passes bool
	}{
		"a WebSocket":                        {tunnel("websocket", bearer), true},
		"a WebSocket of nobody":              {tunnel("websocket"), false},
		"a WebSocket, a key for POST":        {tunnel("websocket", [2]string{"authorization", "Bearer " + posts.token()}), false},
		"a WebSocket of a foreign page":      {tunnel("websocket", bearer, [2]string{"origin", "https://evil.example"}), false},
		"WebTransport":                       {tunnel("webtransport", bearer), false},
		"UDP":                                {tunnel("connect-udp", bearer), false},
		"an ordinary tunnel":                 {[][2]string{{":method", "CONNECT"}, {":authority", "app.test:22"}, bearer}, false},
		"a protocol without a tunnel":        {h2(workshopHost, "/x", [2]string{":protocol", "websocket"}, bearer), false},
		"Host in place of :authority":        {append(h2("", "/x", bearer), [2]string{"host", workshopHost}), true},
		"another Host than :authority":       {append(h2(workshopHost, "/x", bearer), [2]string{"host", "other.test"}), false},
		"a foreign :authority":               {append(h2("other.test", "/x", bearer), [2]string{"host", workshopHost}), false},
		"an address as :path":                {h2(workshopHost, "https://app.test/x", bearer), false},
		":path without a slash":              {h2(workshopHost, "x", bearer), false},
		":path twice":                        {append(h2(workshopHost, "/x", bearer), [2]string{":path", "/public/x"}), false},
		"a name in capitals":                 {append(h2(workshopHost, "/x"), [2]string{"Authorization", bearer[1]}), false},
		"a line end in the value":            {append(h2(workshopHost, "/x"), [2]string{"authorization", bearer[1] + "\n"}), false},
		"a NUL in the value":                 {append(h2(workshopHost, "/x"), [2]string{"authorization", bearer[1] + "\x00"}), false},
		"the field of another connection":    {append(h2(workshopHost, "/x", bearer), [2]string{"connection", "authorization"}), false},
		"the framing of another version":     {append(h2(workshopHost, "/x", bearer), [2]string{"transfer-encoding", "chunked"}), false},
		"a credential in a subprotocol":      {tunnel("websocket", [2]string{"sec-websocket-protocol", "bearer, " + gets.token()}), false},
		"a credential as a pseudo-header":    {append([][2]string{{":authorization", bearer[1]}}, h2(workshopHost, "/x")...), false},
		"a pseudo-header after the ordinary": {append(h2(workshopHost, "/x", bearer), [2]string{":scheme", "https"}), false},
	} {
		for version, open := range map[int]func() wiretest.Response{
			2: func() wiretest.Response { return wiretest.H2(t, o.addr, secure(workshopHost)).Do(c.fields, nil, nil) },
			3: func() wiretest.Response { return wiretest.H3(t, o.addr, secure(workshopHost)).Do(c.fields, nil, nil) },
		} {
			var r wiretest.Response
			if got := len(reached(o.app, func() { r = open() })); got != map[bool]int{true: 1}[c.passes] || (r.Status == 200) != c.passes {
				t.Errorf("%s, HTTP/%d: got %d %q, and %d requests came to the application; want that it passes: %t", what, version, r.Status, r.Reset, got, c.passes)
			}
		}
	}
}
