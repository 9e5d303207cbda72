// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// Where people sign in at a portal, what a program or a script has of one host changes nothing about an account at another, nor at its own: with the
// ticket that was handed over, with the cookie that a domain shares, and with tokens (SE-24, MF-15, CS-2).
func TestSE24TheAPIOfAPortal(t *testing.T) {
	const portal, shared, wiki = "auth.example.com", "shared.example.com", "wiki.example.org"
	o := buildSites(t, "cookie_domain example.com")
	alice := o.add(t, "alice")
	w := o.window(t)
	w.visit(fromApp, "/")
	w.signIn(alice)
	w.wantApplication("/", "alice")
	handed := "Cookie: __Host-nightlatch=" + w.hosts[fromApp].Cookies.Get("__Host-nightlatch")
	wide := "Cookie: __Secure-nightlatch=" + w.hosts[portal].Cookies.Get("__Secure-nightlatch")

	ask := func(host, method, path, body string, lines ...string) (r wiretest.Response, members map[string]any) {
		t.Helper()
		lines = append([]string{method + " /_nightlatch/api/v1/" + path + " HTTP/1.1", "Host: " + host + ":" + o.port}, lines...)
		if body != "" {
			lines = append(lines, "Content-Type: application/json")
		}
		r = raw(t, "127.0.0.1:"+o.port, secure(host), append(lines, fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))...)
		if len(r.Body) > 0 {
			must(t, json.Unmarshal(r.Body, &members))
		}
		return r, members
	}
	want := func(status int, kind, host, method, path, body string, lines ...string) map[string]any {
		t.Helper()
		r, members := ask(host, method, path, body, lines...)
		if got := fmt.Sprint(members["type"]); r.Status != status || kind != "" && !strings.HasSuffix(got, "/"+kind) {
			t.Errorf("%s %s at %s: got %d %s, want %d %s", method, path, host, r.Status, r.Body, status, kind)
		}
		if set := r.Values("Set-Cookie"); status >= 400 && len(set) > 0 {
			t.Errorf("%s %s at %s: refused, and sets %v", method, path, host, set)
		}
		return members
	}
	proof := fmt.Sprintf(`{"password":%q}`, password)
	acts := [][3]string{
		{"GET", "two-factor", ""}, {"POST", "two-factor/totp", ""}, {"POST", "two-factor/disable", proof}, {"POST", "sudo", proof}, {"GET", "sessions", ""},
		{"DELETE", "sessions", ""}, {"POST", "password", fmt.Sprintf(`{"current_password":%q,"new_password":"plum orchard nine kettles"}`, password)},
		{"GET", "app-passwords", ""}, {"POST", "app-passwords", `{"name":"x"}`},
	}
	in := func(host string) (access, refresh string) {
		t.Helper()
		members := want(200, "", host, "POST", "sign-in", fmt.Sprintf(`{"username":"alice","password":%q,"tokens":true}`, password))
		return "Authorization: Bearer " + members["access_token"].(string), fmt.Sprintf(`{"refresh_token":%q}`, members["refresh_token"])
	}
	atApp, appRefresh := in(fromApp)
	atPortal, portalRefresh := in(portal)

	for _, a := range acts {
		for _, c := range []struct{ host, credential string }{{fromApp, handed}, {fromApp, atApp}, {shared, wide}, {shared, atPortal}} {
			members := want(403, "at-portal", c.host, a[0], a[1], a[2], c.credential)
			if got, is := members["api_url"], "https://"+portal+":"+o.port+"/_nightlatch/api/v1/"; got != is {
				t.Errorf("api_url is %v, want %s", got, is)
			}
		}
		// At the portal, what is of another host is nobody's, and what another host of the domain sends with the cookie is refused.
		want(401, "sign-in-required", portal, a[0], a[1], a[2], handed)
		want(401, "sign-in-required", portal, a[0], a[1], a[2], atApp)
		want(403, "cross-origin", portal, a[0], a[1], a[2], wide, "Origin: https://"+shared+":"+o.port)
		want(403, "cross-origin", portal, a[0], a[1], a[2], wide, "Sec-Fetch-Site: same-site")
	}
	want(403, "at-portal", fromApp, "POST", "sign-in", fmt.Sprintf(`{"username":"alice","password":%q}`, password))

	// What was signed in on the page of the portal is in sudo mode there, and not for a script (CS-12).
	want(200, "", portal, "GET", "two-factor", "", wide)
	want(401, "step-up-required", portal, "POST", "app-passwords", `{"name":"x"}`, wide)

	// Tokens are of the host at which they were made, and a refresh at another host neither gives new ones nor ends them.
	for _, host := range []string{portal, wiki, shared} {
		want(401, "sign-in-required", host, "GET", "account", "", atApp)
		want(401, "invalid-refresh-token", host, "POST", "token/refresh", appRefresh)
	}
	for _, host := range []string{fromApp, wiki} {
		want(401, "sign-in-required", host, "GET", "account", "", atPortal)
		want(401, "invalid-refresh-token", host, "POST", "token/refresh", portalRefresh)
	}
	want(200, "", fromApp, "GET", "account", "", atApp)
	want(200, "", fromApp, "POST", "token/refresh", appRefresh)
	want(200, "", portal, "POST", "token/refresh", portalRefresh)
}
