// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// The API as it is on the wire: what no ordinary client sends, through a whole Caddy.
func TestAPIOnTheWire(t *testing.T) {
	h, app, plain, tls := beginPlainAndSecured(t)
	alice, _ := h.joined(t, "http://"+plain, "alice")
	base := "https://" + tls
	signIn := fmt.Sprintf(`{"username":"alice","password":%q,"code":%q,"tokens":true}`, password, alice.Paper[0])
	post := func(path string, lines ...string) wiretest.Response {
		t.Helper()
		body := lines[len(lines)-1]
		request := append([]string{"POST " + path + " HTTP/1.1"}, lines[:len(lines)-1]...)
		request = append(request, fmt.Sprint("Content-Length: ", len(body)), "Connection: close", "", body)
		return wiretest.RawTLS(t, tls, secure("app.test"), strings.Join(request, "\r\n"))
	}
	const path, json = "/_nightlatch/api/v1/sign-in", "Content-Type: application/json"

	// None of these is taken, and none uses the backup code up.
	for name, c := range map[string]struct {
		want  int
		lines []string
	}{
		"from another site":      {403, []string{"Host: app.test", json, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example", signIn}},
		"from a sibling":         {403, []string{"Host: app.test", json, "Origin: https://blog.app.test", signIn}},
		"from the site in clear": {403, []string{"Host: app.test", json, "Origin: http://app.test", signIn}},
		"from a sandbox":         {403, []string{"Host: app.test", json, "Origin: null", signIn}},
		"as a form":              {415, []string{"Host: app.test", "Content-Type: application/x-www-form-urlencoded", signIn}},
		"as text":                {415, []string{"Host: app.test", "Content-Type: text/plain", signIn}},
		"of two types":           {415, []string{"Host: app.test", json, "Content-Type: text/plain", signIn}},
		"doubled":                {400, []string{"Host: app.test", json, strings.Replace(signIn, "{", `{"username":"bob",`, 1)}},
		"with a form behind it":  {400, []string{"Host: app.test", json, signIn + "&username=bob"}},
	} {
		r := post(path, c.lines...)
		if r.Status != c.want || len(r.Values("Set-Cookie")) > 0 || !strings.HasPrefix(strings.Join(r.Values("Content-Type"), ""), "application/problem+json") {
			t.Errorf("%s: got %d, %v\n%s", name, r.Status, r.Header, r.Body)
		}
	}
	for spelled, want := range map[string]int{
		"/_nightlatch/api/v1/sign-in?": 400, "/_nightlatch/api/v1/sign-in?username=alice": 400, "/_nightlatch/api/v1/%73ign-in": 404, "/_nightlatch/api//v1/sign-in": 404,
		"/_nightlatch/api/v1/./sign-in": 404, "/_nightlatch/api/v1/x/../sign-in": 404, "/_nightlatch/./api/v1/sign-in": 404, "/_nightlatch/api/v1/sign-in/": 404, "/_nightlatch/api/v1/sign-in;x": 404,
	} {
		if r := post(spelled, "Host: app.test", json, signIn); r.Status != want {
			t.Errorf("%s: got %d, want %d\n%s", spelled, r.Status, want, r.Body)
		}
	}

	// Too large, also where nobody says how large, and too slow to begin with: answered at once, without the rest.
	big := strings.Repeat(" ", 65<<10)
	if r := post(path, "Host: app.test", json, big); r.Status != 413 {
		t.Errorf("65 KiB: got %d", r.Status)
	}
	chunked := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: app.test\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", path, json, len(big), big)
	if r := wiretest.RawTLS(t, tls, secure("app.test"), chunked); r.Status != 413 {
		t.Errorf("65 KiB in a chunk: got %d", r.Status)
	}
	waits := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: app.test\r\nContent-Type: text/plain\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", path)
	if r := wiretest.RawTLS(t, tls, secure("app.test"), waits); r.Status != 415 || len(r.Interim) > 0 {
		t.Errorf("a body that waits to be asked for: got %d after %d", r.Status, len(r.Interim))
	}

	// The code is still there, over HTTP/2 as well as not.
	fields := append(h2("app.test", path), [2]string{"content-type", "application/json"})
	fields[0] = [2]string{":method", "POST"}
	r := wiretest.H2(t, tls, secure("app.test")).Do(fields, []byte(signIn), nil)
	if r.Status != 200 || len(r.Values("set-cookie")) > 0 {
		t.Fatalf("over HTTP/2: got %d, %v\n%s", r.Status, r.Header, r.Body)
	}
	p := h.program(t, base, "app.test")
	p.post("sign-in", map[string]any{"username": "alice", "password": password, "code": alice.Paper[0]})
	if p.At.Status != 401 || !strings.HasSuffix(p.said("type"), "/used-code") {
		t.Errorf("the same code again: got %d\n%s", p.At.Status, p.At.Body)
	}

	// MF-1: the attempt of a right password is no credential at the gate, in whatever form; the tokens that follow are, and are not passed on.
	attempt := p.said("attempt")
	for _, as := range []string{"Authorization: Bearer " + attempt, "Cookie: __Host-nightlatch=" + attempt, "Cookie: __Host-nightlatch-attempt=" + attempt} {
		if r := raw(t, tls, secure("app.test"), "GET /x HTTP/1.1", "Host: app.test", as); r.Status != 401 {
			t.Errorf("%.40s: got %d, want 401", as, r.Status)
		}
	}
	p.post("sign-in", map[string]any{"username": "alice", "password": password, "code": alice.Paper[1], "tokens": true})
	token := p.said("access_token")
	came := reached(app, func() {
		if r := raw(t, tls, secure("app.test"), "GET /x HTTP/1.1", "Host: app.test", "Authorization: Bearer "+token); r.Status != 200 || user(r) != "alice" {
			t.Errorf("with a token: got %d as %q", r.Status, user(r))
		}
	})
	if len(came) != 1 || strings.Contains(string(came[0].Raw), token) || len(came[0].Values("Authorization")) > 0 {
		t.Errorf("the application got %d requests, with the token", len(came))
	}
	// Nor are they good at another site of the house: a loopback address without TLS is one.
	if r := raw(t, plain, nil, "GET /x HTTP/1.1", "Host: "+plain, "Authorization: Bearer "+token); r.Status != 401 {
		t.Errorf("at another site: got %d, want 401", r.Status)
	}
	p.Header.Set("Authorization", "Bearer "+token)
	p.post("sign-out", nil)
	if r := raw(t, tls, secure("app.test"), "GET /x HTTP/1.1", "Host: app.test", "Authorization: Bearer "+token); p.At.Status != 204 || r.Status != 401 {
		t.Errorf("signed out with %d, and then: got %d, want 401", p.At.Status, r.Status)
	}
}
