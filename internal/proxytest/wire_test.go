// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// visit is a request that somebody sends to a proxy, over TLS.
type visit struct {
	method, target string
	lines          []string // of the header, but for Host
}

// shape is how a proxy asks about a visit: the lines of the question.
type shape struct {
	name string
	ask  func(v visit) []string
	lead int // the status for a page whose visitor has to sign in; the address is in Location
}

// visitorAddress is where all visits come from.
const visitorAddress = "203.0.113.7"

func forwarded(start string, v visit) []string {
	return append([]string{start, "Host: 127.0.0.1:9080", "X-Forwarded-Method: " + v.method, "X-Forwarded-Proto: https", "X-Forwarded-Host: " + appHost,
		"X-Forwarded-Uri: " + v.target, "X-Forwarded-For: " + visitorAddress}, v.lines...)
}

// shapes are the proxies that do not run in these tests, by what their pages configure and their documentation says, and what those
// send whose configuration was written for Authelia, with a new address.
func shapes(t *testing.T) []shape {
	envoy, allowed := envoyPage(t)
	return []shape{
		{"Envoy", func(v visit) []string {
			lines := []string{v.method + " " + envoy + v.target + " HTTP/1.1", "host: " + appHost, "content-length: 0", "x-forwarded-proto: https",
				"x-forwarded-for: " + visitorAddress, "x-envoy-internal: true", "x-envoy-expected-rq-timeout-ms: 3000"}
			for _, line := range v.lines {
				if name, _, _ := strings.Cut(line, ":"); allowed.MatchString(strings.ToLower(name)) {
					lines = append(lines, line)
				}
			}
			return lines
		}, 303},
		{"Authelia's nginx", func(v visit) []string {
			return append([]string{"GET /_nightlatch/forward-auth/nginx HTTP/1.1", "Host: 127.0.0.1", "X-Original-Method: " + v.method,
				"X-Original-URL: https://" + appHost + v.target, "X-Forwarded-For: " + visitorAddress}, v.lines...)
		}, 401},
		{"Authelia's nginx before 4.38", func(v visit) []string {
			return append([]string{"GET /_nightlatch/forward-auth/nginx HTTP/1.0", "Host: " + appHost, "X-Original-URL: https://" + appHost + v.target,
				"X-Original-Method: " + v.method, "X-Real-IP: " + visitorAddress, "X-Forwarded-Method: " + v.method, "X-Forwarded-Proto: https",
				"X-Forwarded-Host: " + appHost, "X-Forwarded-Uri: " + v.target, "X-Forwarded-For: " + visitorAddress, "X-Forwarded-Ssl: on",
				"Connection: keep-alive"}, v.lines...)
		}, 401},
		{"Authelia's HAProxy", func(v visit) []string { return forwarded("HEAD /_nightlatch/forward-auth/haproxy HTTP/1.1", v) }, 303},
		{"Authelia's Caddy", func(v visit) []string {
			return append(forwarded("GET /_nightlatch/forward-auth/caddy HTTP/1.1", v), "Via: 1.1 Caddy")
		}, 303},
	}
}

// handed are what an answer says of the visitor, and the cookies and the Authorization for the application.
var handed = []string{"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Cookie", "Authorization"}

// keyHeaders hold the keys of programs, and are not for the application.
var keyHeaders = []string{"Nightlatch-Client-Id", "Nightlatch-Client-Secret", "Cf-Access-Client-Id", "Cf-Access-Client-Secret"}

// envoyPage is the page's prefix, and the names of a visitor's headers, in lower case as Envoy has them, that it puts into a question.
func envoyPage(t *testing.T) (prefix string, allowed *regexp.Regexp) {
	t.Helper()
	config := readPage(t, "envoy.md").want(t, "yaml", 1)[0]
	found := regexp.MustCompile(`path_prefix: (/\S+)\n`).FindStringSubmatch(config)
	question, answer, ok := strings.Cut(config, "http_service:")
	if found == nil || !ok {
		t.Fatalf("no prefix, or no service, in:\n%s", config)
	}
	var names []string
	for _, pattern := range regexp.MustCompile(`\{(exact|prefix): ([a-z-]+)\}|\{safe_regex: \{regex: '([^']+)'\}\}`).FindAllStringSubmatch(question, -1) {
		switch pattern[1] {
		case "exact":
			names = append(names, regexp.QuoteMeta(pattern[2]))
		case "prefix":
			names = append(names, regexp.QuoteMeta(pattern[2])+".*")
		default: // RE2, as Go's are, and of the whole name
			names = append(names, pattern[3])
		}
	}
	for _, name := range handed {
		if !strings.Contains(answer, "{exact: "+strings.ToLower(name)+"}\n") {
			t.Errorf("Envoy would not hand %s to the application", name)
		}
	}
	for _, name := range keyHeaders {
		if !strings.Contains(config, "            - "+strings.ToLower(name)+"\n") {
			t.Errorf("Envoy would leave %s to the application", name)
		}
	}
	for _, want := range []string{"failure_mode_allow: false\n", "headers_with_underscores_action: DROP_HEADER\n", "{key: x-forwarded-proto, value: https}\n"} {
		if !strings.Contains(config, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	return found[1], regexp.MustCompile(`^(` + strings.Join(names, "|") + `)$`)
}

// The proxies that do not run here, on the wire.
func TestWireShapes(t *testing.T) {
	h := build(t, "envoy.md", "")
	session := h.signedIn(t, h.alice)
	keys := h.key.presented("alice")
	send := func(t *testing.T, lines []string) wiretest.Response {
		t.Helper()
		return wiretest.Raw(t, h.gate, strings.Join(append(lines, "Connection: close"), "\r\n")+"\r\n\r\n")
	}
	for _, s := range shapes(t) {
		t.Run(s.name, func(t *testing.T) {
			page := visit{"GET", "/reports?year=2026", []string{"Accept: text/html"}}
			script := visit{"GET", "/reports", []string{"Accept: */*"}}
			form := visit{"POST", "/reports", []string{"Accept: text/html"}}
			alice := visit{"GET", "/reports?year=2026", []string{"Accept: text/html", "Cookie: app=1; " + session + "; b=2"}}
			public := visit{"GET", "/public/x", []string{"Cookie: app=1; " + session}}

			r := send(t, s.ask(page))
			if want := "https://" + appHost + signInPage + "?return_to=/reports%3Fyear%3D2026"; r.Status != s.lead || location(r) != want {
				t.Errorf("a page: got %d to %q, want %d to %q", r.Status, location(r), s.lead, want)
			}
			for _, v := range []visit{script, form} {
				if r := send(t, s.ask(v)); r.Status != 401 || len(r.Values("Location")) > 0 {
					t.Errorf("%s by a stranger: got %d to %q, want 401", v.method, r.Status, location(r))
				}
			}
			r = send(t, s.ask(alice))
			wantAllowed(t, r, "alice", "A. B. alice", "app=1; b=2")
			wantAllowed(t, send(t, s.ask(public)), "", "", "app=1")
			if r := send(t, s.ask(visit{"GET", "/admin", alice.lines})); r.Status != 403 {
				t.Errorf("alice where a group is asked for: got %d, want 403", r.Status)
			}
			for what, lines := range keys {
				for target, user := range map[string][]string{"/reports": {"alice", "A. B. alice"}, "/public/x": {"", ""}} {
					r := send(t, s.ask(visit{"GET", target, lines}))
					wantAllowed(t, r, user[0], user[1], "")
					var want []string
					if strings.HasPrefix(lines[0], "Authorization:") {
						want = []string{""}
					}
					if got := r.Values("Authorization"); !slices.Equal(got, want) {
						t.Errorf("%s for %s: the answer has Authorization: %q, want %q", what, target, got, want)
					}
				}
			}
			own := "Basic YWxpY2U6cHc="
			for _, lines := range [][]string{append([]string{"Authorization: " + own}, alice.lines...), append([]string{"Authorization: " + own}, keys["a pair"]...)} {
				if got := send(t, s.ask(visit{"GET", "/reports", lines})).Values("Authorization"); !slices.Equal(got, []string{own}) {
					t.Errorf("the application's own: the answer has Authorization: %q, want %q", got, own)
				}
			}
			narrow := "Authorization: Bearer " + h.narrow.Token
			wantAllowed(t, send(t, s.ask(visit{"GET", "/reports/1", []string{narrow, "Destination: /reports/2"}})), "alice", "A. B. alice", "")
			for _, line := range slices.Concat(widening, []string{"X~HTTP~Method~Override: DELETE", "x!http~method: DELETE", "XMethod-~Override: DELETE"}) {
				if r := send(t, s.ask(visit{"GET", "/reports/1", []string{narrow, line}})); r.Status != 401 {
					t.Errorf("a narrow key with %s: got %d, want 401", line, r.Status)
				}
			}
			r = send(t, s.ask(visit{"GET", "/reports", []string{"Accept: text/html", keys["a token"][0] + "x"}}))
			if challenge := strings.Join(r.Values("WWW-Authenticate"), ", "); r.Status != 401 || !strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("a bad key: got %d, %q", r.Status, challenge)
			}

			for _, target := range append(closed, signInPage, "/_nightlatch/static/x.css", "/_nightlatch/forward-auth/nginx") {
				if r := send(t, s.ask(visit{"GET", target, nil})); r.Status/100 == 2 && !notClosed[target] || r.Status == 0 {
					t.Errorf("%s by a stranger: got %d %q", target, r.Status, r.Header)
				}
			}
			wantWholeSet(t, s, visit{"GET", "/public/x", nil}, send)

			// One connection for many questions.
			c := wiretest.Dial(t, h.gate, nil)
			for range 3 {
				c.Send(strings.Join(s.ask(alice), "\r\n") + "\r\n\r\n")
				if r := c.Response("GET"); r.Status != 200 {
					t.Fatalf("on an open connection: got %d, want 200", r.Status)
				}
			}
		})
	}
	// Authelia's Envoy has a slash at the end of the prefix, so that its paths begin with two. It is closed, but for whom may see all.
	prefix, _ := envoyPage(t)
	for target, want := range map[string]int{"//public/x": 401, "//reports": 401, "//admin": 401} {
		if r := send(t, []string{"GET " + prefix + target + " HTTP/1.1", "Host: " + appHost, "X-Forwarded-Proto: https", "X-Forwarded-For: " + visitorAddress}); r.Status != want {
			t.Errorf("%s: got %d, want %d", target, r.Status, want)
		}
	}
}

// wantAllowed checks an answer that lets a request pass.
func wantAllowed(t *testing.T, r wiretest.Response, user, name, cookies string) {
	t.Helper()
	if r.Status != 200 || len(r.Body) > 0 || !slices.Equal(r.Values("Content-Length"), []string{"0"}) {
		t.Fatalf("got %d with %d bytes, %q, want 200 without a body", r.Status, len(r.Body), r.Header)
	}
	for header, want := range map[string]string{"Remote-User": user, "Remote-Name": name, "Remote-Email": "", "Remote-Groups": "", "Cookie": cookies,
		"Cache-Control": "no-store"} {
		if got := r.Values(header); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: got %q, want %q once", header, got, want)
		}
	}
	if vary := strings.Join(r.Values("Vary"), ", "); !strings.Contains(vary, "Cookie") || !strings.Contains(vary, "Authorization") {
		t.Errorf("Vary: got %q, want Cookie and Authorization", vary)
	}
	if set := r.Values("Set-Cookie"); len(set) > 0 {
		t.Errorf("Set-Cookie: got %q, want none (FA-18)", set)
	}
}

// wantWholeSet leaves out and doubles each line by which a proxy says what it asks about. All of them or no answer (FA-7).
func wantWholeSet(t *testing.T, s shape, v visit, send func(*testing.T, []string) wiretest.Response) {
	t.Helper()
	lines := s.ask(v)
	if r := send(t, lines); r.Status != 200 {
		t.Fatalf("the whole set: got %d, want 200", r.Status)
	}
	required := regexp.MustCompile(`^(?i)(X-Original-URL|X-Original-Method|X-Forwarded-(Method|Proto|Host|Uri)):`)
	for i, line := range lines {
		if !required.MatchString(line) {
			continue
		}
		if strings.HasPrefix(s.name, "Authelia's nginx") && !strings.HasPrefix(line, "X-Original-") {
			continue // of another set, which may be there or not
		}
		name, _, _ := strings.Cut(line, ":")
		for what, changed := range map[string][]string{
			"missing": slices.Delete(slices.Clone(lines), i, i+1),
			"doubled": append(slices.Clone(lines), line),
			"empty":   slices.Replace(slices.Clone(lines), i, i+1, name+":"),
			"listed":  slices.Replace(slices.Clone(lines), i, i+1, line+", x"),
		} {
			if r := send(t, changed); r.Status/100 == 2 || r.Status == 0 {
				t.Errorf("%s is %s: got %d, want a refusal", name, what, r.Status)
			}
		}
	}
}

// signedIn is the cookie of somebody who signed in at the site of the pages, through a proxy that sends our pages to Nightlatch.
func (h *house) signedIn(t *testing.T, p *programtest.Person) string {
	t.Helper()
	b := programtest.NewBrowser(t, "http://"+appHost, nil)
	b.Client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, h.gate)
	}
	b.Header.Set("X-Forwarded-Proto", "https")
	b.Header.Set("X-Forwarded-For", visitorAddress)
	if err := b.Join(p); err != nil {
		t.Fatal(err)
	}
	return "__Host-nightlatch=" + b.Cookies.Get("__Host-nightlatch")
}
