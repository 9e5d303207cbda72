// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit_test

import (
	"net/http/httptest"
	"testing"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// WB-8, CS-1: only the very origin is here. A scheme, a port or a sibling away is elsewhere, and what says nothing does not say so.
func TestFromHere(t *testing.T) {
	const app, local = "app.test", "localhost:8080"
	for _, c := range []struct {
		host      string
		transport visit.Transport
		origins   []string
		want      bool
	}{
		{app, visit.Secure, []string{"https://app.test"}, true},
		{app, visit.Secure, []string{"https://app.test:443"}, true},
		{app + ":443", visit.Secure, []string{"https://app.test"}, true},
		{app + ".", visit.Secure, []string{"https://APP.test"}, true},
		{app + ":8443", visit.Secure, []string{"https://app.test:8443"}, true},
		{local, visit.Loopback, []string{"http://localhost:8080"}, true},
		{"localhost", visit.Loopback, []string{"http://localhost:80"}, true},

		{app, visit.Secure, nil, false},
		{app, visit.Secure, []string{""}, false},
		{app, visit.Secure, []string{"null"}, false},
		{app, visit.Secure, []string{"https://app.test", "https://app.test"}, false},
		{app, visit.Secure, []string{"http://app.test"}, false},
		{app, visit.Secure, []string{"http://app.test:443"}, false},
		{app, visit.Secure, []string{"https://app.test:8443"}, false},
		{app, visit.Secure, []string{"https://evil.test"}, false},
		{app, visit.Secure, []string{"https://sub.app.test"}, false},
		{app, visit.Secure, []string{"https://app.test/"}, false},
		{app, visit.Secure, []string{"https://evil@app.test"}, false},
		{app, visit.Secure, []string{"app.test"}, false},
		{local, visit.Loopback, []string{"https://localhost:8080"}, false},
		{local, visit.Loopback, []string{"http://localhost"}, false},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = c.host
		if c.origins != nil {
			r.Header["Origin"] = c.origins
		}
		if got := visit.FromHere(r, visit.Visit{URL: r.URL, Transport: c.transport}); got != c.want {
			t.Errorf("%q at %s: got %v, want %v", c.origins, c.host, got, c.want)
		}
	}
}

// CS-1, CS-2: what a browser says of a request counts before its Origin. One that says nothing is let through here: what that means is up to
// the door.
func TestSameOrigin(t *testing.T) {
	const ours, other = "https://app.test", "https://evil.test"
	for _, c := range []struct {
		site, origin string
		want         bool
	}{
		{"same-origin", ours, true},
		{"same-origin", "null", true},
		{"none", "", true},
		{"", "", true},
		{"", ours, true},
		{"", "null", true},

		{"", other, false},
		{"same-site", ours, false},
		{"cross-site", "", false},
		{"cross-site", ours, false},
		{"Same-Origin", "", false},
		{"new", "", false},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = "app.test"
		for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		v := visit.Visit{URL: r.URL, Transport: visit.Secure}
		if got := visit.SameOrigin(r, v); got != c.want {
			t.Errorf("Sec-Fetch-Site %q, Origin %q: got %v, want %v", c.site, c.origin, got, c.want)
		}
		for _, name := range []string{"Sec-Fetch-Site", "Origin"} { // a second line says nothing clear, wherever it stands
			r.Header[name] = append(r.Header[name], "")
			if len(r.Header[name]) > 1 && visit.SameOrigin(r, v) {
				t.Errorf("%q, %q: got true, want false", r.Header["Sec-Fetch-Site"], r.Header["Origin"])
			}
			r.Header[name] = r.Header[name][:len(r.Header[name])-1]
		}
	}
}
