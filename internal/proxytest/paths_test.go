// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// closed are targets that a stranger must not get anything for, whatever the proxy, the rules or the application make of them.
var closed = []string{
	"/", "/reports", "/files/x", "/admin", "/admin/", "/public", "/publicity", "/admin/public/x", "/ADMIN", "/%41dmin", "/Public/x",
	"/public/../admin", "/x/../admin", "/public//../admin", // PC-1
	"/public/%2e%2e/admin", "/public/.%2e/admin", "/admin/%2e%2e/public/x", "/admin/../public/x", // PC-2
	"/public/..%2fadmin", "/public%2f..%2fadmin", "/admin%2f", "/admin/..%2fpublic/x", "/admin%2f..%2fpublic%2fx", // PC-3
	"/public/%252e%252e%252fadmin", "/admin/%252e%252e/public/x", // PC-4
	"/public/..%5cadmin", `/public/..\admin`, `/admin\..\public\x`, // PC-5
	"/admin#x", "/admin#/../public/x", "/public/x%23/../../admin", // PC-7
	"/admin?path=/public/x", "/admin?/public/x", // PC-8
	"//admin", "///public/../admin", "/public//admin/../../admin", // PC-16
	"/public/..;/admin", "/public/.;/../admin", "/admin;x=1", "/admin%3bx", "/admin%00", "/public/%00/../../admin", "/admin%20", "/admin.",
	"/public/\xc0\xae\xc0\xae/admin", "/public/x%3f/../admin", "/public/x?/../../admin#",
	"/_nightlatch/../admin", "/_nightlatch/%2e%2e/admin", "/_nightlatch/..%2fadmin", `/_nightlatch/..\admin`, "/_nightlatch/static/../../admin",
	"/x/../_nightlatch/../admin", "/_nightlatch/sign-in/../../admin", "/_nightlatch;/../admin", "/_Nightlatch/x", // PC-23
}

// notClosed is a target among them that the rules of the page open. What is behind the question mark or the number sign is nobody's path.
var notClosed = map[string]bool{"/public/x?/../../admin#": true}

// cleaned are targets among them of which a proxy that cleans makes a public page.
var cleaned = map[string]string{
	"/admin/../public/x": "/public/x", "/admin/%2e%2e/public/x": "/public/x",
	"/public/.;/../admin": "/public/admin", "/public/x%3f/../admin": "/public/admin",
}

func paths(t testing.TB, f *front) {
	for _, target := range closed {
		if notClosed[target] {
			continue
		}
		if page, is := cleaned[target]; is && f.quirks.cleans {
			f.passed(t, target, page, func() wiretest.Response { return f.get(t, target) })
			continue
		}
		f.kept(t, target, func() wiretest.Response { return f.get(t, target) })
	}
	// Somebody signed in who is not in the group comes to none of the readings of /admin. Those that stay /admin under another name pass
	// only with what /admin asks for.
	for _, target := range []string{
		"/admin", "/admin/x", "/public/../admin", "/public/%2e%2e/admin", "/public/..%2fadmin", "/admin%2f", "/public/..%5cadmin", `/public/..\admin`,
		"/ADMIN", "/%41dmin", "//admin", "/admin;x=1", "/public/%252e%252e%252fadmin", "/admin#x", "/_nightlatch/../admin",
	} {
		f.kept(t, "alice at "+target, func() wiretest.Response { return f.get(t, target, f.asAlice) })
	}
	f.passed(t, "a public page", "/public/x", func() wiretest.Response { return f.get(t, "/public/x") })
	f.passed(t, "alice at a report", "/reports/2026?page=2&q=%2F..%2f", func() wiretest.Response { return f.get(t, "/reports/2026?page=2&q=%2F..%2f", f.asAlice) })
}

// PC-8 the other way round, and OR-10: an address in the query closes nothing either.
func pathInTheQuery(t testing.TB, f *front) {
	const target = "/public/x?next=https://evil.example/../admin&uri=/admin"
	f.passed(t, target, target, func() wiretest.Response { return f.get(t, target) })
}

// The host that the proxy chooses the application by is the one that the rules are chosen by.
func hosts(t testing.TB, f *front) {
	ask := func(what, name string, lines ...string) {
		t.Helper()
		f.nothingOfApp(t, what, func() wiretest.Response { return f.raw(t, name, lines...) })
	}
	for _, host := range []string{
		"APP.example.com", "App.Example.Com", "app.example.com.", "app.example.com:443", "app.example.com:99999", "app.example.com:x",
		"app.example.com%00.evil.example", "app.example.com@" + laxHost, laxHost + "@app.example.com", "app.example.com/" + laxHost,
		"app.example.com#" + laxHost, "app.example.com?" + laxHost, laxHost + "#app.example.com", "unknown.example", "127.0.0.1", "",
	} {
		ask("Host: "+host, appHost, "GET /admin HTTP/1.1", "Host: "+host)
		ask("Host: "+host+" with the greeting of another site", laxHost, "GET /admin HTTP/1.1", "Host: "+host)
	}
	for _, scheme := range []string{"http", "https"} {
		// PC-13: the rules of one host must not count for the application of another.
		ask("absolute, strict in Host", laxHost, "GET "+scheme+"://"+laxHost+"/admin HTTP/1.1", "Host: "+appHost)
		ask("absolute, lax in Host", appHost, "GET "+scheme+"://"+appHost+"/admin HTTP/1.1", "Host: "+laxHost)
		ask("absolute, the same in both", appHost, "GET "+scheme+"://"+appHost+"/admin HTTP/1.1", "Host: "+appHost)
		ask("absolute, a foreign host", appHost, "GET "+scheme+"://evil.example/admin HTTP/1.1", "Host: "+appHost)
	}
	ask("PC-14: no Host", appHost, "GET /admin HTTP/1.0")
	ask("two Hosts", appHost, "GET /admin HTTP/1.1", "Host: "+laxHost, "Host: "+appHost)
	ask("two Hosts", appHost, "GET /admin HTTP/1.1", "Host: "+appHost, "Host: "+laxHost)
	ask("PC-22: another name in the greeting", laxHost, "GET /admin HTTP/1.1", "Host: "+appHost)

	before := len(f.other.Requests())
	if r := f.raw(t, laxHost, "GET /admin HTTP/1.1", "Host: "+laxHost); r.Status != 200 || len(f.other.Requests()) != before+1 {
		t.Errorf("the open site: got %d %q, want 200", r.Status, r.Body)
	}
}

// nothingOfApp checks that a request did not come to the application of the pages. It may come to that of the site that is open, and get
// its answer; Caddy answers for a host that it does not know with nothing.
func (f *front) nothingOfApp(t testing.TB, what string, ask func() wiretest.Response) {
	t.Helper()
	app, other := len(f.app.Requests()), len(f.other.Requests())
	r := ask()
	for _, got := range f.app.Requests()[app:] {
		t.Errorf("%s: the application got %q", what, got.Raw)
	}
	if r.Status/100 == 2 && len(r.Body) > 0 && len(f.other.Requests()) == other {
		t.Errorf("%s: got %d %q", what, r.Status, r.Body)
	}
}

// HTTP/2 has a second place for each of these: one of the two may not be judged and the other be passed on.
func pseudoHeaders(t testing.TB, f *front) {
	if !f.quirks.h2 {
		return
	}
	for what, more := range map[string][][2]string{
		"as it should be":         nil,
		"another host beside":     {{"host", laxHost}},
		"another host before":     {{":authority", laxHost}, {"host", appHost}},
		"no authority":            {{":authority", ""}, {"host", appHost}},
		"upper case":              {{":authority", "APP.example.com"}},
		"a path without a slash":  {{":path", "admin"}},
		"a path with a host":      {{":path", "https://" + laxHost + "/admin"}},
		"a star":                  {{":path", "*"}},
		"an empty path":           {{":path", " "}},
		"plain":                   {{":scheme", "http"}},
		"another scheme":          {{":scheme", "x"}},
		"a method in lower case":  {{":method", "get"}},
		"two paths":               {{":path2", ":path"}},
		"a path confused":         {{":path", "/public/../admin"}},
		"a path confused further": {{":path", "/admin/%2e%2e/public/x"}},
		"what a proxy says":       {{"x-forwarded-uri", "/public/x"}, {"x-original-url", "https://" + appHost + "/public/x"}},
		"trailers announced":      {{"te", "trailers"}, {"trailer", "remote-user"}},
		"a connection":            {{"connection", "remote-user"}},
		"another name's host":     {{":authority", appHost}, {"x-forwarded-host", laxHost}},
	} {
		fields := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", appHost}, {":path", "/admin"}}
		for _, m := range more {
			switch i := slices.IndexFunc(fields, func(f [2]string) bool { return f[0] == m[0] }); {
			case m[1] == "":
				fields = slices.Delete(fields, i, i+1)
			case m[0] == ":path2":
				fields = slices.Insert(fields, 4, [2]string{":path", "/public/x"})
			case i >= 0:
				fields[i] = m
			default:
				fields = append(fields, m)
			}
		}
		ask := func() wiretest.Response { return wiretest.H2(t, f.addr, f.trust(appHost)).Do(fields, nil, nil) }
		if page, is := cleaned[fields[3][1]]; is && f.quirks.cleans {
			f.passed(t, what, page, ask)
			continue
		}
		f.nothingOfApp(t, what, ask)
	}
	// It is HTTP/2 that refuses, and not that nothing comes through.
	got := f.passed(t, "alice over HTTP/2", "/reports", func() wiretest.Response {
		name, cookies, _ := strings.Cut(f.asAlice, ": ")
		return wiretest.H2(t, f.addr, f.trust(appHost)).Do([][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", appHost},
			{":path", "/reports"}, {strings.ToLower(name), cookies}}, nil, nil)
	})
	tells(t, "alice over HTTP/2", got, asAliceOnly...)
}

func methods(t testing.TB, f *front) {
	ask := func(method string, more ...string) wiretest.Response {
		lines := append([]string{method + " /x HTTP/1.1", "Host: " + methodsHost}, more...)
		return f.raw(t, methodsHost, lines...)
	}
	before := len(f.other.Requests())
	if r := ask("GET"); r.Status != 200 || len(f.other.Requests()) != before+1 {
		t.Errorf("GET, which the rule opens: got %d %q, want 200", r.Status, r.Body)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "get", "Get", "FOO", "GETX", "TRACE", "CONNECT"} {
		for _, more := range [][]string{nil, {"X-Original-Method: GET"}, {"X-Forwarded-Method: GET"}, {"X-HTTP-Method-Override: GET"},
			{"X-Original-Method: GET", "X-Forwarded-Method: GET", "X-Original-URL: https://" + methodsHost + "/x"}} {
			f.kept(t, method+" "+strings.Join(more, ", "), func() wiretest.Response { return ask(method, append(more, "Content-Length: 0")...) })
		}
	}
	for _, method := range []string{"CONNECT", "TRACE"} {
		f.kept(t, "alice's "+method, func() wiretest.Response {
			return f.raw(t, appHost, method+" /reports HTTP/1.1", "Host: "+appHost, f.asAlice)
		})
	}
	f.kept(t, "a tunnel", func() wiretest.Response {
		return f.raw(t, appHost, "CONNECT "+appHost+":443 HTTP/1.1", "Host: "+appHost, f.asAlice)
	})
	for _, got := range f.reached(func() { f.raw(t, appHost, "OPTIONS * HTTP/1.1", "Host: "+appHost) }) {
		t.Errorf("OPTIONS *, which is about the proxy: an application got %q", got.Raw)
	}
}
