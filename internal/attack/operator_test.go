// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// AD-1, AD-3: a page in the operator's browser reaches the admin endpoint on their machine, and changes and reads nothing there.
func TestAD1ASVS8_4_2AdminEndpointFromABrowser(t *testing.T) {
	app := wiretest.Echo(t)
	plain, admin := programtest.FreeAddr(t), programtest.FreeAddr(t)
	s := programtest.New(t)
	s.Admin = admin
	beginIn(t, s, "", "", strings.NewReplacer("PLAIN", plain, "APP", app.Addr).Replace("http://PLAIN {\n\tnightlatch\n\treverse_proxy APP\n}"))
	ask := func(request, body string, lines ...string) wiretest.Response {
		head := append([]string{request + " HTTP/1.1"}, lines...)
		if body != "" {
			head = append(head, "Content-Length: "+strconv.Itoa(len(body)), "Connection: close", "", body)
		}
		return raw(t, admin, nil, head...)
	}
	own := "Host: " + admin
	if r := ask("POST /nightlatch/users", `{"name":"alice","password":"`+password+`"}`, own, "Content-Type: application/json"); r.Status != 201 {
		t.Fatalf("the operator: got %d %s", r.Status, r.Body)
	}
	for _, browser := range [][]string{
		{own, "Origin: https://evil.example"}, {own, "Origin: null"}, {own, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Site: cross-site"},
		{own, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, {own, "Sec-Fetch-Mode: cors", "Origin: http://evil.example:2019"},
		{"Host: evil.example"}, {"Host: evil.example:" + port(admin), "Origin: http://evil.example:" + port(admin)}, {"Host: " + admin + ".evil.example"},
		{own, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none"}, {own, "Origin: http://" + plain}, {own, "Connection: Upgrade", "Upgrade: websocket"},
	} {
		for _, act := range []struct{ request, body string }{
			{"POST /nightlatch/users/alice/disable", ""}, {"POST /nightlatch/users/alice/reset-2fa", ""}, {"POST /nightlatch/setup-link", ""},
			{"DELETE /nightlatch/users/alice", ""}, {"GET /nightlatch/users", ""}, {"POST /nightlatch/users", `{"name":"root","admin":true}`}, {"GET /config/", ""},
		} {
			if r := ask(act.request, act.body, append(browser, "Content-Type: text/plain")...); r.Status/100 == 2 || strings.Contains(string(r.Body), "alice") {
				t.Errorf("%s with %q: got %d %s", act.request, browser, r.Status, r.Body)
			}
		}
	}
	// What sends no word of its origin is a program, but a form of an old browser cannot send JSON.
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; application/json"} {
		if r := ask("POST /nightlatch/users", `{"name":"root","admin":true}`, own, "Content-Type: "+kind); r.Status != 415 {
			t.Errorf("a user as %s: got %d", kind, r.Status)
		}
	}
	for _, target := range []string{"//nightlatch/users", "/nightlatch/users//sessions", "/nightlatch/users/x/../alice", "/nightlatch/users/alice%2fdisable", "/NIGHTLATCH/users", "/nightlatch/users/alice/disable/"} {
		for _, method := range []string{"POST ", "DELETE "} {
			// Caddy's own mux answers some with a redirect, which our commands do not follow (AD-2).
			if r := ask(method+target, "", own); r.Status/100 == 2 {
				t.Errorf("%s%s: got %d to %q", method, target, r.Status, location(r))
			}
		}
	}
	r := ask("GET /nightlatch/users/alice", "", own)
	if r.Status != 200 || strings.Contains(string(r.Body), `"disabled":true`) {
		t.Errorf("alice afterwards: %d %s", r.Status, r.Body)
	}
	// The site has no such door.
	for _, target := range []string{"/nightlatch/users", "/_nightlatch/users", "/_nightlatch/api/v1/users", "/config/", "/_nightlatch/config/"} {
		if r := raw(t, plain, nil, "GET "+target+" HTTP/1.1", "Host: "+plain, "Accept: text/html"); r.Status/100 == 2 || strings.Contains(string(r.Body), "alice") {
			t.Errorf("the site at %s: got %d", target, r.Status)
		}
	}
}

// Of two people with the same setup link one becomes the administrator.
func TestSetupRace(t *testing.T) {
	app := wiretest.Echo(t)
	plain := programtest.FreeAddr(t)
	h := begin(t, "", "", strings.NewReplacer("PLAIN", plain, "APP", app.Addr).Replace("http://PLAIN {\n\tnightlatch\n\treverse_proxy APP\n}"))
	link := inviteRE(t, h.Operate(t, "POST", "/nightlatch/setup-link", ""))
	_, printed, _ := strings.Cut(h.Said(), "/_nightlatch/setup/")
	printed, _, _ = strings.Cut(printed, "\n")
	old := visitor(t, "http://"+plain)
	if old.open("/_nightlatch/setup/" + strings.TrimSpace(printed)); old.At.Status != 410 {
		t.Errorf("the link that was replaced: got %d", old.At.Status)
	}
	names := []string{"ann", "ben", "cid", "dot", "eva", "fay"}
	var people []*browser
	for range names {
		b := visitor(t, "http://"+plain)
		b.open(link)
		people = append(people, b)
	}
	var wait sync.WaitGroup
	for i, b := range people {
		to, form := b.form("setup/", "name", names[i], "password", password, "repeat", password)
		wait.Go(func() { b.send("POST", to, form) })
	}
	wait.Wait()
	in := 0
	for _, b := range people {
		if b.At.Status == 303 {
			in++
		} else if b.At.Status != 410 && b.At.Status != 503 {
			t.Errorf("somebody else got %d %s", b.At.Status, b.Text())
		}
	}
	if users := h.Operate(t, "GET", "/nightlatch/users", ""); in != 1 || strings.Count(users, `"name"`) != 1 {
		t.Errorf("%d came through, and the users are %s", in, users)
	}
	// Whoever comes by a link is not in before the second factor.
	for _, b := range people {
		if b.session() != "" {
			t.Error("a link made a session")
		}
	}
}

func TestChains(t *testing.T) {
	app := wiretest.Echo(t)
	tls, down := programtest.FreeAddr(t), programtest.FreeAddr(t)
	files := t.TempDir()
	for name, text := range map[string]string{"public/page.html": `a {{httpInclude "/secret.txt"}} b {{.Req.Header.Get "Cookie"}}`, "secret.txt": "CLOSED"} {
		if err := os.MkdirAll(filepath.Join(files, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := begin(t, "", "", strings.NewReplacer("PORT", port(tls), "APP", app.Addr, "DOWN", down, "FILES", files).Replace(`
&(guarded) {
	route { # Caddy keeps only the first handler of a named route without one
		nightlatch {
			skip /public/*
		}
		reverse_proxy APP
	}
}
https://app.test:PORT {
	nightlatch {
		skip /public/*
	}
	reverse_proxy APP
}
https://invoked.test:PORT {
	invoke guarded
}
https://twice.test:PORT {
	route {
		nightlatch {
			skip /public/*
		}
		nightlatch
		reverse_proxy APP
	}
}
https://errors.test:PORT {
	nightlatch {
		skip /public/*
	}
	reverse_proxy DOWN
	handle_errors {
		reverse_proxy APP
	}
}
https://guardederrors.test:PORT {
	nightlatch {
		skip /public/*
	}
	reverse_proxy DOWN
	handle_errors {
		nightlatch
		reverse_proxy APP
	}
}
https://files.test:PORT {
	root FILES
	nightlatch {
		skip /public/*
	}
	templates
	file_server
}
https://retry.test:PORT {
	nightlatch
	reverse_proxy DOWN APP {
		lb_policy first
		lb_try_duration 2s
		fail_duration 10s
	}
}
`))
	p := h.add(t, "alice")
	in := func(host string) string { // a session is for one host
		b := visitor(t, "https://"+tls)
		b.Header.Set("Host", host)
		if p.Secret == nil {
			b.typePassword(p)
			b.enroll(p)
		} else {
			b.signIn(p)
		}
		return "Cookie: " + b.Cookies.String() + "; theirs=1"
	}
	cookies := map[string]string{}
	for _, host := range []string{"app.test", "invoked.test", "twice.test", "errors.test", "files.test", "retry.test"} {
		cookies[host] = in(host)
	}
	cookies["guardederrors.test"] = cookies["app.test"] // nobody can sign in there
	const cookie = "Cookie: of the host"
	get := func(host, target string, lines ...string) (wiretest.Response, []wiretest.Request) {
		t.Helper()
		var r wiretest.Response
		lines = slices.Clone(lines)
		for i := range lines {
			lines[i] = strings.Replace(lines[i], cookie, cookies[host], 1)
		}
		got := reached(app, func() {
			r = raw(t, tls, secure(host), append([]string{"GET " + target + " HTTP/1.1", "Host: " + host, "Accept: text/html", "Remote-User: root", "Remote_User: root", "X-Forwarded-User: root"}, lines...)...)
		})
		for _, request := range got {
			if strings.Contains(string(request.Raw), "root") || strings.Contains(string(request.Raw), "nightlatch=") {
				t.Errorf("%s%s: the application got %s", host, target, request.Raw)
			}
		}
		return r, got
	}
	if r, got := get("invoked.test", "/x"); r.Status != 303 || len(got) > 0 {
		t.Errorf("a route by name, a stranger: got %d", r.Status)
	}
	if r, _ := get("invoked.test", "/x", cookie); user(r) != "alice" {
		t.Errorf("a route by name, alice: got %d %s", r.Status, r.Body)
	}
	for _, lines := range [][]string{nil, {cookie}} {
		for _, target := range []string{"/x", "/public/x"} {
			if r, got := get("twice.test", target, lines...); r.Status/100 == 2 || len(got) > 0 {
				t.Errorf("two gates, %s with %d cookies: got %d", target, len(lines), r.Status)
			}
		}
	}
	// The application is down, and another one answers errors. It gets no cookie of ours and no word of the client on who it is.
	if r, got := get("errors.test", "/x", cookie); len(got) != 1 || len(got[0].Values("Remote-User")) != 1 || got[0].Values("Remote-User")[0] != "alice" {
		t.Errorf("the error page for alice: got %d, %+v", r.Status, got)
	}
	if r, got := get("errors.test", "/public/x", cookie); len(got) != 1 || len(got[0].Values("Remote-User")) != 0 {
		t.Errorf("the error page on an open path: got %d, %+v", r.Status, got)
	}
	if r, got := get("errors.test", "/x"); r.Status != 303 || len(got) > 0 {
		t.Errorf("the error page for a stranger: got %d", r.Status)
	}
	for _, target := range []string{"/x", "/public/x"} {
		if r, got := get("guardederrors.test", target, cookie); r.Status/100 == 2 || len(got) > 0 {
			t.Errorf("a gate in the error route, %s: got %d", target, r.Status)
		}
	}
	// A page that includes another asks the gate for it, without the cookie.
	for _, lines := range [][]string{nil, {cookie}} {
		if r, _ := get("files.test", "/public/page.html", lines...); strings.Contains(string(r.Body), "CLOSED") || strings.Contains(string(r.Body), "nightlatch=") {
			t.Errorf("a page that includes another: got %d %s", r.Status, r.Body)
		}
	}
	if r, got := get("retry.test", "/x", cookie); user(r) != "alice" || len(got) != 1 {
		t.Errorf("the second try of the proxy: got %d %s", r.Status, r.Body)
	}
	// Trailers, too, when the body comes after an error.
	for _, host := range []string{"app.test", "errors.test", "invoked.test", "retry.test"} {
		for _, auth := range []string{cookie, "X: y"} {
			target := map[bool]string{true: "/x", false: "/public/x"}[auth == cookie]
			if host == "retry.test" && auth != cookie {
				continue
			}
			got := reached(app, func() {
				raw(t, tls, secure(host), "POST "+target+" HTTP/1.1", "Host: "+host, auth, "TE: trailers", "Trailer: Remote-User, X-Sum", "Transfer-Encoding: chunked",
					"", "3\r\nabc\r\n0\r\nRemote-User: root\r\nremote_user: root\r\nX-Sum: 1")
			})
			for _, request := range got {
				if strings.Contains(string(request.Raw), "root") || strings.Contains(string(request.Raw), "X-Sum") {
					t.Errorf("%s%s: the application got %s", host, target, request.Raw)
				}
			}
		}
	}
}
