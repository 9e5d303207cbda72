// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/visit"
)

func TestTransport(t *testing.T) {
	const local, remote = "127.0.0.1:50000", "203.0.113.7:50000"
	overTLS := &tls.ConnectionState{HandshakeComplete: true}
	h := func(kv ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(kv); i += 2 {
			header.Add(kv[i], kv[i+1])
		}
		return header
	}
	cases := map[string]struct {
		host    string
		peer    string
		tls     *tls.ConnectionState
		trusted bool
		proto   string
		header  http.Header
		want    visit.Transport
	}{
		"TLS":                                  {host: "app.example.com", peer: remote, tls: overTLS, want: visit.Secure},
		"TLS and a stranger's header":          {host: "app.example.com", peer: remote, tls: overTLS, header: h("X-Forwarded-Proto", "http"), want: visit.Secure},
		"plain from the network":               {host: "app.example.com", peer: remote, want: visit.Exposed},
		"a stranger says https":                {host: "app.example.com", peer: remote, header: h("X-Forwarded-Proto", "https"), want: visit.Exposed},
		"a stranger says localhost":            {host: "localhost", peer: remote, want: visit.Exposed},
		"trusted proxy, https":                 {host: "app.example.com", peer: "10.0.0.1:1", trusted: true, header: h("X-Forwarded-Proto", "https"), want: visit.Secure},
		"trusted proxy, http":                  {host: "app.example.com", peer: "10.0.0.1:1", trusted: true, header: h("X-Forwarded-Proto", "http"), want: visit.Exposed},
		"trusted proxy, http, TLS to us":       {host: "app.example.com", peer: "10.0.0.1:1", trusted: true, tls: overTLS, header: h("X-Forwarded-Proto", "http"), want: visit.Exposed},
		"trusted proxy, nothing said":          {host: "app.example.com", peer: "10.0.0.1:1", trusted: true, want: visit.Exposed},
		"trusted proxy, nothing said, TLS":     {host: "app.example.com", peer: "10.0.0.1:1", trusted: true, tls: overTLS, want: visit.Secure},
		"trusted proxy, two values":            {host: "app.example.com", peer: "10.0.0.1:1", trusted: true, header: h("X-Forwarded-Proto", "https", "X-Forwarded-Proto", "http"), want: visit.Exposed},
		"trusted proxy, a list":                {host: "app.example.com", peer: "10.0.0.1:1", trusted: true, header: h("X-Forwarded-Proto", "https, http"), want: visit.Exposed},
		"trusted proxy, upper case":            {host: "app.example.com", peer: "10.0.0.1:1", trusted: true, header: h("X-Forwarded-Proto", "HTTPS"), want: visit.Exposed},
		"trusted proxy on this machine, plain": {host: "localhost", peer: local, trusted: true, want: visit.Exposed},
		"localhost":                            {host: "localhost:8080", peer: local, want: visit.Loopback},
		"localhost, upper case, dot":           {host: "LocalHost.:8080", peer: local, want: visit.Loopback},
		"name below localhost":                 {host: "app.localhost", peer: local, want: visit.Loopback},
		"127.0.0.1":                            {host: "127.0.0.1:8080", peer: local, want: visit.Loopback},
		"127.9.9.9 to 127.8.8.8":               {host: "127.9.9.9", peer: "127.8.8.8:1", want: visit.Loopback},
		"IPv6":                                 {host: "[::1]:8080", peer: "[::1]:50000", want: visit.Loopback},
		"IPv4 in IPv6":                         {host: "localhost", peer: "[::ffff:127.0.0.1]:50000", want: visit.Loopback},
		"another name on this machine":         {host: "app.example.com", peer: local, want: visit.Exposed},
		"a name that ends in localhost":        {host: "evillocalhost", peer: local, want: visit.Exposed},
		"localhost of a stranger":              {host: "localhost.example.com", peer: local, want: visit.Exposed},
		"no host":                              {host: "", peer: local, want: visit.Exposed},
		"unix socket":                          {host: "localhost", peer: "@", want: visit.Exposed},
		"no peer":                              {host: "localhost", peer: "", want: visit.Exposed},
		"a proxy: X-Forwarded-For":             {host: "localhost", peer: local, header: h("X-Forwarded-For", "203.0.113.7"), want: visit.Exposed},
		"a proxy: X-Forwarded-Host":            {host: "localhost", peer: local, header: h("X-Forwarded-Host", "app.example.com"), want: visit.Exposed},
		"a proxy: X-Forwarded-Server":          {host: "localhost", peer: local, header: h("X-Forwarded-Server", "x"), want: visit.Exposed},
		"a proxy: Forwarded":                   {host: "localhost", peer: local, header: h("Forwarded", "for=203.0.113.7"), want: visit.Exposed},
		"a proxy: Via":                         {host: "localhost", peer: local, header: h("Via", "1.1 x"), want: visit.Exposed},
		"a proxy: X-Real-IP":                   {host: "localhost", peer: local, header: h("X-Real-IP", "203.0.113.7"), want: visit.Exposed},
		"a proxy: HTTP/1.0, as nginx":          {host: "localhost", peer: local, proto: "HTTP/1.0", want: visit.Exposed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Host, r.TLS = c.host, c.tls
			if c.header != nil {
				r.Header = c.header
			}
			if c.proto == "HTTP/1.0" {
				r.ProtoMajor, r.ProtoMinor = 1, 0
			}
			if got := transport(r, c.peer, c.trusted); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// prepared is a request as Caddy hands it to the first handler.
func prepared(r *http.Request) *http.Request {
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), new(caddyhttp.Server))
}

func varsOf(r *http.Request) map[string]any {
	return r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
}

func TestVisitIsOfTheOriginalRequest(t *testing.T) {
	r := httptest.NewRequest("GET", "http://localhost/app/x?q", nil)
	r.RemoteAddr = "[::ffff:127.0.0.1]:1234"
	r = prepared(r)
	// What rewrites and other handlers do must not change what we take for the client's.
	r.URL.Path, r.URL.RawQuery, r.RemoteAddr = "/x", "", "203.0.113.7:1"
	v := visitOf(r, varsOf(r))
	if got := v.URL.String(); got != "http://localhost/app/x?q" {
		t.Errorf("got URL %s", got)
	}
	if got := v.Address.String(); got != "127.0.0.1" {
		t.Errorf("got address %s, want it unmapped", got)
	}
	if v.Transport != visit.Loopback {
		t.Errorf("got transport %d, want loopback", v.Transport)
	}
}

func TestVisitOfAUnixSocketHasNoAddress(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "@"
	r = prepared(r)
	if v := visitOf(r, varsOf(r)); v.Address.IsValid() || v.Transport != visit.Exposed {
		t.Errorf("got %v, transport %d, want neither address nor trust", v.Address, v.Transport)
	}
}

// FA-8: however a proxy spells an address, the client is the last that is no trusted proxy, and rules about networks see it. FA-9: where a proxy
// has written what is no address, what stands before that is nobody's word.
func TestFA8FA9AddressesThatProxiesTell(t *testing.T) {
	srv := strictServer(t, "10.0.0.0/8")
	for forwarded, want := range map[string]string{
		"203.0.113.9":                            "203.0.113.9",
		"::ffff:1.2.3.4":                         "1.2.3.4",
		"::ffff:203.0.113.9":                     "203.0.113.9",
		"::FFFF:cb00:7109":                       "203.0.113.9",
		"[::ffff:203.0.113.9]:4711":              "203.0.113.9",
		"203.0.113.9, 10.0.0.7":                  "203.0.113.9",
		"203.0.113.9, ::ffff:10.0.0.7":           "203.0.113.9",
		"10.0.0.9, 203.0.113.9, ::ffff:10.0.0.7": "203.0.113.9",
		"2001:db8::1, ::ffff:10.100.200.7":       "2001:db8::1",
		"203.0.113.9:4711":                       "203.0.113.9",
		"203.0.113.9,, 10.0.0.7, ":               "203.0.113.9",
		"x, 203.0.113.9":                         "203.0.113.9",
		"198.51.100.1, x, 203.0.113.9, 10.0.0.7": "203.0.113.9",
		"203.0.113.9, unix:":                     "10.0.0.1",
		"203.0.113.9, unknown":                   "10.0.0.1",
		"203.0.113.9, unix:, 10.0.0.7":           "10.0.0.1",
		"203.0.113.9, 10.0.0.7x":                 "10.0.0.1",
		"unknown":                                "10.0.0.1",
	} {
		r := httptest.NewRequest("GET", "https://app.example.com/", nil)
		r.RemoteAddr = "10.0.0.1:4711"
		r.Header.Set("X-Forwarded-For", forwarded)
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, srv)
		vars := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
		v := visitOf(r, vars)
		if v.Address.String() != want || vars[caddyhttp.ClientIPVarKey] != want {
			t.Errorf("%s: the client is %v, and %v to matchers; want %s", forwarded, v.Address, vars[caddyhttp.ClientIPVarKey], want)
		}
		if got := r.Header.Get("X-Forwarded-For"); got != forwarded {
			t.Errorf("the header of the application is now %q", got)
		}
	}
}
