// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// manyHosts is more than the hundred from which Caddy searches its list in another way.
func manyHosts() string {
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, " H%d.Many.test", i)
	}
	return b.String() + " *.wild.many.test"
}

// town is one process with a site for each way of misreading a path, a host or a method. alice is signed in over TLS, in no group.
type town struct {
	*house
	app          *wiretest.Upstream
	plain, tls   string // addresses
	alice        *person
	cookies      map[string]string // header lines with alice's sessions, by host
	files        string
	administered string // header line with the session of somebody in the group admins
}

func build(t *testing.T) *town {
	w := &town{app: wiretest.Echo(t), plain: programtest.FreeAddr(t), tls: programtest.FreeAddr(t), files: t.TempDir()}
	for name, text := range map[string]string{"index.html": "the index", "public/a.txt": "open", "admin/secret.txt": "closed", "admin.txt": "closed"} {
		file := filepath.Join(w.files, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sites := strings.NewReplacer("PLAIN", w.plain, "PORT", port(w.tls), "APP", w.app.Addr, "MANY", manyHosts(), "FILES", w.files).Replace(`
(rules) {
	nightlatch {
		skip    /public/*
		require /admin /admin/* two_factor group admins
		deny    /internal/*
	}
}
http://PLAIN {
	import rules
	reverse_proxy APP
}
https://app.test:PORT, https://127.0.0.1:PORT {
	import rules
	reverse_proxy APP
}
https://prefix.test:PORT {
	handle_path /app/* {
		import rules
		reverse_proxy APP
	}
	handle {
		respond "nobody guards this" 404
	}
}
https://strip.test:PORT {
	uri strip_prefix /app
	import rules
	reverse_proxy APP
}
https://after.test:PORT {
	route {
		import rules
		uri strip_prefix /public
		reverse_proxy APP
	}
}
https://moved.test:PORT {
	@go path /go/*
	rewrite @go /public{uri}
	import rules
	reverse_proxy APP
}
https://files.test:PORT {
	root FILES
	try_files {path} /index.html
	nightlatch {
		skip /index.html /public/*
	}
	file_server
}
https://named.test:PORT {
	import rules
	handle /_nightlatch/* {
		reverse_proxy APP
	}
	handle_path /public/* {
		reverse_proxy APP
	}
	reverse_proxy APP
}
https://methods.test:PORT {
	@get   method GET
	@write method POST PUT PATCH DELETE
	nightlatch {
		skip @get
		deny @write
	}
	reverse_proxy APP
}
https://query.test:PORT {
	@delete query action=delete
	@debug  query debug=1
	nightlatch {
		deny @delete
		skip @debug
	}
	reverse_proxy APP
}
https://:PORT {
	tls internal {
		on_demand
	}
	@b      host *.b.example.test
	@all    host *.example.test *.*.example.test
	@many   host MANY
	@secret host secret.test
	nightlatch {
		deny @b
		skip @all
		deny @many
		deny @secret
	}
	reverse_proxy APP
}
`)
	w.house = begin(t, "", "", sites)
	w.cookies = map[string]string{}
	w.alice = w.add(t, "alice")
	boss := w.visitorAt(t, "app.test")
	admin := w.add(t, "boss", "admins")
	boss.typePassword(admin)
	boss.enroll(admin)
	w.administered = "Cookie: " + boss.Cookies.String()
	return w
}

func (w *town) visitorAt(t *testing.T, host string) *browser {
	b := visitor(t, "https://"+w.tls)
	b.Header.Set("Host", host)
	return b
}

// at is a header line with a session of alice's at a host, however that is spelled: a session is for one host, and one for another would
// be refused for that alone.
func (w *town) at(t *testing.T, host string) string {
	t.Helper()
	name, _, _ := strings.Cut(strings.ToLower(host), ":")
	name = strings.TrimRight(name, ".")
	if w.cookies[name] == "" {
		b := w.visitorAt(t, name)
		if w.alice.Secret == nil {
			b.typePassword(w.alice)
			b.enroll(w.alice)
		} else {
			b.signIn(w.alice)
		}
		w.cookies[name] = "Cookie: " + b.Cookies.String()
	}
	return w.cookies[name]
}

// get asks a site over TLS with this name in the greeting and in the Host line.
func (w *town) get(t *testing.T, host, target string, more ...string) wiretest.Response {
	t.Helper()
	name, _, _ := strings.Cut(host, ":")
	return raw(t, w.tls, secure(name), append([]string{"GET " + target + " HTTP/1.1", "Host: " + host, "Accept: text/html"}, more...)...)
}

// wantKept checks that a request did not come to the application, and returns the answer.
func (w *town) wantKept(t *testing.T, what string, ask func() wiretest.Response) wiretest.Response {
	t.Helper()
	var r wiretest.Response
	if got := reached(w.app, func() { r = ask() }); len(got) > 0 {
		t.Errorf("%s: the application got %q", what, got[0].Start)
	}
	if r.Status/100 == 2 || r.Status/100 == 5 {
		t.Errorf("%s: got %d, want a refusal; %q", what, r.Status, r.Body)
	}
	return r
}

// wantPassed checks that a request came to the application with this target.
func (w *town) wantPassed(t *testing.T, what, target string, ask func() wiretest.Response) wiretest.Request {
	t.Helper()
	var r wiretest.Response
	got := reached(w.app, func() { r = ask() })
	if len(got) != 1 || len(strings.Fields(got[0].Start)) != 3 || strings.Fields(got[0].Start)[1] != target {
		t.Fatalf("%s: the application got %d requests (%+v), the client %d; want %s", what, len(got), got, r.Status, target)
	}
	return got[0]
}

func TestPathsAndHosts(t *testing.T) {
	w := build(t)

	t.Run("PC1toPC10Paths", func(t *testing.T) {
		for _, target := range []string{
			"/public/../admin", "/x/../admin", "/public//../admin", "/public/%2e%2e/admin", "/public/.%2e/admin", "/public/..%2fadmin",
			"/public%2f..%2fadmin", "/admin%2f", "/public/%252e%252e%252fadmin", "/public/..%5cadmin", `/public/..\admin`, "/admin#x",
			"/public/x%23/../../admin", "/admin?path=/public/x", "/publicity", "/admin/public/x", "/ADMIN", "/%41dmin", "//admin",
			"///public/../admin", "/public//admin", "/public/..;/admin", "/public/.;/../admin", "/admin;x=1", "/admin%3bx", "/admin%00",
			"/admin%20", "/admin.", "/Public/x", "/public", "/public/\xc0\xae\xc0\xae/admin", "/public/x%3f/../admin", "/internal;x/y",
		} {
			w.wantKept(t, target, func() wiretest.Response { return w.get(t, "app.test", target) })
		}
		w.wantPassed(t, "a public page", "/public/x?next=https://evil.example/..", func() wiretest.Response {
			return w.get(t, "app.test", "/public/x?next=https://evil.example/..")
		})
		// Somebody signed in who is not in the group comes to none of the readings of /admin.
		for _, target := range []string{"/public/../admin", "/x/..%2fadmin", "/admin;x", "/ADMIN/x", `/x\..\admin`, "//admin/x", "/x#/../admin"} {
			w.wantKept(t, "alice, "+target, func() wiretest.Response { return w.get(t, "app.test", target, w.at(t, "app.test")) })
		}
		w.wantPassed(t, "somebody in the group", "/admin/x", func() wiretest.Response { return w.get(t, "app.test", "/admin/x", w.administered) })
	})

	t.Run("PC11HostCase", func(t *testing.T) {
		for _, host := range []string{"a.b.example.test", "a.B.example.test", "A.b.EXAMPLE.test:443", "a.B.example.test:"} {
			w.wantKept(t, host, func() wiretest.Response { return w.get(t, host, "/") })
		}
		w.wantPassed(t, "the other hosts", "/", func() wiretest.Response { return w.get(t, "x.Example.test", "/") })
		for _, host := range []string{"h7.many.test", "H7.Many.Test", "h119.MANY.test:8443", "x.Wild.many.test"} {
			w.wantKept(t, host, func() wiretest.Response { return w.get(t, host, "/", w.at(t, host)) })
		}
	})

	// A name with a dot at its end is the same host to an application, and another one to a matcher.
	t.Run("PC11HostWithADotAtTheEnd", func(t *testing.T) {
		for _, host := range []string{"secret.test", "secret.test.", "SECRET.test.", "secret.test.:443", "secret.test..", "h7.many.test.", "a.b.example.test."} {
			w.wantKept(t, host, func() wiretest.Response {
				return raw(t, w.tls, secure("secret.test"), "GET / HTTP/1.1", "Host: "+host, w.at(t, host))
			})
		}
	})

	t.Run("PC13AbsoluteForm", func(t *testing.T) {
		ask := func(target, host string) wiretest.Response {
			return raw(t, w.tls, secure("app.test"), "GET "+target+" HTTP/1.1", "Host: "+host, "Accept: text/html", w.at(t, strings.Split(target, "/")[2]))
		}
		w.wantKept(t, "a secret host in the target", func() wiretest.Response { return ask("https://secret.test/", "app.test") })
		w.wantKept(t, "a path of a group in the target", func() wiretest.Response { return ask("http://app.test/admin", "x.example.test") })
		got := w.wantPassed(t, "a host in each place", "/x", func() wiretest.Response { return ask("http://app.test/x", "secret.test") })
		if host := got.Values("Host"); len(host) != 1 || host[0] != "app.test" {
			t.Errorf("the application was told host %q, want the one that was judged", host)
		}
		for _, target := range []string{"http:///admin", "http:admin", "http://app.test", "//secret.test/x", "http://app.test@secret.test/"} {
			w.wantKept(t, target, func() wiretest.Response {
				return raw(t, w.tls, secure("app.test"), "GET "+target+" HTTP/1.1", "Host: app.test")
			})
		}
	})

	t.Run("PC14NoHost", func(t *testing.T) {
		for _, request := range []string{"GET /public/x HTTP/1.0", "GET /x HTTP/1.0", "GET /public/x HTTP/1.1"} {
			w.wantKept(t, request, func() wiretest.Response { return raw(t, w.tls, secure("secret.test"), request, w.at(t, "secret.test")) })
		}
	})

	t.Run("PC15PseudoHeaders", func(t *testing.T) { pseudoHeaders(t, w) })
	t.Run("PC18Rewrites", func(t *testing.T) { rewrites(t, w) })
	t.Run("PC20Methods", func(t *testing.T) { methods(t, w) })
	t.Run("PC21Queries", func(t *testing.T) { queries(t, w) })

	t.Run("PC22NameInTheGreeting", func(t *testing.T) {
		for _, sni := range []string{"app.test", "x.example.test", "named.test"} {
			w.wantKept(t, "greeting "+sni, func() wiretest.Response {
				return raw(t, w.tls, secure(sni), "GET / HTTP/1.1", "Host: secret.test", w.at(t, "secret.test"))
			})
			w.wantKept(t, "greeting "+sni, func() wiretest.Response {
				return raw(t, w.tls, secure(sni), "GET /admin HTTP/1.1", "Host: app.test", w.at(t, "app.test"))
			})
		}
	})

	t.Run("PC23ExceptionsAreWholePaths", func(t *testing.T) {
		for _, target := range []string{
			"/.well-known/acme-challenge/../../admin", "/.well-known/acme-challenge/x", "/_nightlatch/../admin", "/_nightlatch/..%2fadmin",
			"/_nightlatch/static/..%2f..%2fadmin", "/_nightlatch/static/../../admin", "/%5fnightlatch/static/../../admin", "/_nightlatch",
			"/_nightlatch;/sign-in", "/_NIGHTLATCH/healthz", "//_nightlatch/healthz", "/x/../_nightlatch/healthz", "/_nightlatch/healthz/../../admin",
			"/_nightlatch/healthz%2f..%2f..%2fadmin", "/_nightlatch/healthz;x", "/_nightlatch\\..\\admin",
		} {
			w.wantKept(t, target, func() wiretest.Response { return w.get(t, "app.test", target) })
			w.wantKept(t, "the operator's own route, "+target, func() wiretest.Response { return w.get(t, "named.test", target) })
		}
		// The operator's own route for our pages does not come before them.
		if r := w.get(t, "named.test", "/_nightlatch/sign-in"); r.Status != 200 || !strings.Contains(string(r.Body), "current-password") {
			t.Errorf("got %d %q, want the sign-in page", r.Status, r.Body)
		}
	})

	// Some applications take the path from a header that a client can send (CVE-2018-14773).
	t.Run("F7PathInAHeader", func(t *testing.T) {
		for _, header := range []string{"X-Original-URL: /admin", "x-rewrite-url: /admin", "X-Original-Url: \t/admin", "X_Original_URL: /admin", "X.Rewrite.URL: /admin"} {
			w.wantNoOtherPath(t, header, func() wiretest.Response { return w.get(t, "app.test", "/public/x", header) })
			w.wantNoOtherPath(t, header, func() wiretest.Response { return w.get(t, "app.test", "/x", header, w.at(t, "app.test")) })
		}
	})
}

// wantNoOtherPath lets the request pass or not, but not with a second opinion on its path.
func (w *town) wantNoOtherPath(t *testing.T, what string, ask func() wiretest.Response) {
	t.Helper()
	for _, got := range reached(w.app, func() { ask() }) {
		for _, line := range got.Header {
			name, _, _ := strings.Cut(line, ":")
			if folded := strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name)); folded == "x-original-url" || folded == "x-rewrite-url" {
				t.Errorf("%s: the application got %q with %q", what, got.Start, line)
			}
		}
	}
}

func pseudoHeaders(t *testing.T, w *town) {
	ask := func(fields [][2]string) wiretest.Response {
		t.Helper()
		return wiretest.H2(t, w.tls, secure("app.test")).Do(fields, nil, nil)
	}
	of := func(host string) [2]string { return [2]string{"cookie", strings.TrimPrefix(w.at(t, host), "Cookie: ")} }
	cookie, secret := of("app.test"), of("secret.test")
	// One host, whatever else the client writes.
	for _, got := range reached(w.app, func() { ask(h2("app.test", "/x", cookie, [2]string{"host", "secret.test"})) }) {
		if host := got.Values("Host"); len(host) != 1 || host[0] != "app.test" {
			t.Errorf("two hosts: the application was told %q", host)
		}
	}
	w.wantKept(t, "a secret host beside another", func() wiretest.Response {
		return ask(h2("secret.test", "/", secret, [2]string{"host", "app.test"}))
	})
	w.wantKept(t, "a secret host only in the header", func() wiretest.Response {
		return ask(h2("", "/", secret, [2]string{"host", "secret.test"}))
	})
	for what, fields := range map[string][][2]string{
		"no host":                     h2("", "/public/x", cookie),
		"a host that is none":         h2("app.test%00.evil", "/public/x", cookie),
		"user information":            h2("x@app.test", "/public/x", cookie),
		"two authorities":             append([][2]string{{":authority", "app.test"}}, h2("secret.test", "/public/x", secret)...),
		"a path without a slash":      h2("app.test", "public/x", cookie),
		"a star":                      h2("app.test", "*", cookie),
		"an address for a path":       h2("app.test", "https://secret.test/admin", cookie),
		"an empty path":               append([][2]string{{":path", ""}}, h2("app.test", "", cookie)...),
		"two paths":                   append([][2]string{{":path", "/public/x"}}, h2("app.test", "/admin", cookie)...),
		"a pseudo header at the end":  append(h2("app.test", "", cookie), [2]string{":path", "/public/x"}),
		"no method":                   h2("app.test", "/public/x", cookie, [2]string{":method", ""}),
		"a tunnel":                    {{":method", "CONNECT"}, {":authority", "app.test:443"}, cookie},
		"a tunnel for another use":    h2("app.test", "/x", cookie, [2]string{":method", "CONNECT"}, [2]string{":protocol", "connect-udp"}),
		"a header in capitals":        h2("app.test", "/public/x", cookie, [2]string{"Remote-User", "root"}),
		"a header with a line break":  h2("app.test", "/public/x", cookie, [2]string{"x", "a\r\nRemote-User: root"}),
		"a path with a line break":    h2("app.test", "/public/x HTTP/1.1\r\nX: y", cookie),
		"a method with a line break":  h2("app.test", "/public/x", cookie, [2]string{":method", "GET /admin HTTP/1.1\r\nX:"}),
		"a connection header":         h2("app.test", "/public/x", cookie, [2]string{"connection", "remote-user"}),
		"a transfer encoding":         h2("app.test", "/public/x", cookie, [2]string{"transfer-encoding", "chunked"}),
		"a group's path":              h2("app.test", "/admin", cookie),
		"a group's path, spelled":     h2("app.test", "/public/..%2fadmin", cookie),
		"an unknown pseudo header":    h2("app.test", "/public/x", cookie, [2]string{":user", "root"}),
		"a status in a request":       h2("app.test", "/public/x", cookie, [2]string{":status", "200"}),
		"a scheme that is none":       h2("app.test", "/admin", cookie, [2]string{":scheme", "javascript"}),
		"a plain scheme":              h2("app.test", "/admin", cookie, [2]string{":scheme", "http"}),
		"our page with a host beside": h2("secret.test", "/", [2]string{"host", "app.test"}),
	} {
		w.wantKept(t, what, func() wiretest.Response { return ask(fields) })
	}
	// The scheme is what the connection is, not what the request says.
	if r := ask(h2("app.test", "/x", [2]string{":scheme", "http"})); r.Status != 303 || location(r) != "/_nightlatch/sign-in?return_to=/x" {
		t.Errorf("a stranger with scheme http: got %d to %q", r.Status, location(r))
	}
	w.wantPassed(t, "a method in small letters is another", "/x", func() wiretest.Response {
		return ask(h2("app.test", "/x", cookie, [2]string{":method", "patch"}))
	})
}

func rewrites(t *testing.T, w *town) {
	kept := func(host, target string, more ...string) {
		t.Helper()
		w.wantKept(t, host+target, func() wiretest.Response { return w.get(t, host, target, more...) })
	}
	passed := func(host, target, want string, more ...string) {
		t.Helper()
		w.wantPassed(t, host+target, want, func() wiretest.Response { return w.get(t, host, target, more...) })
	}
	for _, target := range []string{"/app/../admin", "/app%2f..%2fadmin", "/app/public/../admin", "/app//admin", "/app/public%2f..%2fadmin",
		"/app/..%2fadmin", "/app/app/admin", "/app/public/..;/admin", "/app/%2e%2e/admin", "/app", "/APP/admin", "/app/admin"} {
		kept("prefix.test", target)
		kept("strip.test", target)
	}
	for _, target := range []string{"/app/admin", "/app/admin/x", "/app/ADMIN", "/app/x/../admin", "/app%2fadmin", "/app//admin", "/app/..%2fadmin"} {
		kept("prefix.test", target, w.at(t, "app.test")) // nobody can sign in at that one
		kept("strip.test", target, w.at(t, "strip.test"))
	}
	kept("strip.test", "/admin", w.at(t, "strip.test"))
	passed("prefix.test", "/app/public/x", "/public/x")
	passed("strip.test", "/app/public/x", "/public/x")
	passed("strip.test", "/public/x", "/public/x")
	// What the gate judged is what it was asked for: behind a prefix that is cut off afterwards there is no way up.
	for _, target := range []string{"/public/../admin", "/public//admin", "/public/..%2fadmin", "/public%2fadmin", "/public%2f%2fadmin", "/Public/admin"} {
		kept("after.test", target)
	}
	for _, target := range []string{"/go/../admin", "/go/..%2fadmin", "/go/%2e%2e/admin", "/go//admin", "/GO/../../admin", "/go/x/../../../admin"} {
		kept("moved.test", target)
	}
	passed("moved.test", "/go/x", "/public/go/x")

	for _, target := range []string{"/admin/secret.txt", "/admin.txt", "/public/../admin.txt", "/public/..%2fadmin.txt", "/index.html/../admin.txt",
		"/public/%2e%2e/admin/secret.txt", "/ADMIN.txt/../admin.txt", "/admin.txt?/index.html", "/index.html%00/../admin.txt", "/%61dmin.txt"} {
		if r := w.get(t, "files.test", target); strings.Contains(string(r.Body), "closed") {
			t.Errorf("files.test%s: got the file", target)
		}
	}
	if r := w.get(t, "files.test", "/nothing/here"); string(r.Body) != "the index" {
		t.Errorf("files.test: got %d %q, want the index that is open to everybody", r.Status, r.Body)
	}
}

func methods(t *testing.T, w *town) {
	for _, method := range []string{"get", "HEAD", "OPTIONS", "FOO", "GETT", "POST", "CONNECT", "connect", "TRACE", "PRI", "GET\t"} {
		w.wantKept(t, method, func() wiretest.Response {
			return raw(t, w.tls, secure("methods.test"), method+" /x HTTP/1.1", "Host: methods.test", "Origin: https://evil.example",
				"Access-Control-Request-Method: GET", "X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: GET")
		})
	}
	w.wantPassed(t, "GET", "/x", func() wiretest.Response { return w.get(t, "methods.test", "/x") })
	for method, want := range map[string]int{"CONNECT": 405, "TRACE": 405, "trace": 405} {
		target := map[bool]string{true: "methods.test:443", false: "/x"}[method == "CONNECT"]
		r := raw(t, w.tls, secure("methods.test"), method+" "+target+" HTTP/1.1", "Host: methods.test", w.at(t, "methods.test"))
		if r.Status != want && r.Status != 400 {
			t.Errorf("%s: got %d, want %d", method, r.Status, want)
		}
	}
	for _, method := range []string{"post", "Patch", "dELETE"} {
		w.wantKept(t, "alice, "+method, func() wiretest.Response {
			return raw(t, w.tls, secure("methods.test"), method+" /x HTTP/1.1", "Host: methods.test", w.at(t, "methods.test"))
		})
	}
	// A preflight is a request like any other.
	r := raw(t, w.tls, secure("app.test"), "OPTIONS /x HTTP/1.1", "Host: app.test", "Origin: https://evil.example", "Access-Control-Request-Method: PUT")
	if r.Status != 401 || len(r.Values("Access-Control-Allow-Origin")) > 0 {
		t.Errorf("preflight: got %d and %q", r.Status, r.Header)
	}
}

func queries(t *testing.T, w *town) {
	kept := func(query string, more ...string) {
		t.Helper()
		w.wantKept(t, "?"+query, func() wiretest.Response { return w.get(t, "query.test", "/?"+query, more...) })
	}
	for _, query := range []string{"debug=1;b=2", "a=1;debug=1", "debug=1&%zz", "%zz&debug=1", "debug%3d1", "DEBUG=1", "debug=11", "debug=1#", "x=debug=1"} {
		kept(query)
	}
	// What the rule cannot read, the application may.
	for _, query := range []string{"action=delete", "a=1&action=delete", "action=delete&a;b", "action=delete&%zz", "a;action=delete", "%61ction=delete",
		"action=%64elete", "action=list&action=delete", strings.Repeat("a=1&", 11000) + "action=delete"} {
		kept(query, w.at(t, "query.test"))
	}
	w.wantPassed(t, "a harmless query", "/?action=list", func() wiretest.Response { return w.get(t, "query.test", "/?action=list", w.at(t, "query.test")) })
}
