// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// protects has the handler answer for a host.
func (h *Handler) protects(t testing.TB, b *authtest.Bench, word string, rules ...gate.Rule) {
	t.Helper()
	site, err := server.NewServed(server.SiteConfig{
		Service: func() (*auth.Service, error) { return b.Service, nil }, Rules: rules, Headers: identity.Defaults, Now: b.Clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	host, err := parseHost(word)
	if err != nil {
		t.Fatal(err)
	}
	h.forward.served[host] = &protectedSite{Served: site}
}

// strictServer trusts a proxy at 10.0.0.1 and, as Caddy's strict way is, believes what it adds at the end.
func strictServer(t testing.TB, trusted ...string) *caddyhttp.Server {
	t.Helper()
	if trusted == nil {
		trusted = []string{"10.0.0.1", "127.0.0.1"}
	}
	config := fmt.Appendf(nil, `{"servers": {"s": {"listen": ["127.0.0.1:0"], "trusted_proxies": {"source": "static", "ranges": ["%s"]}, "trusted_proxies_strict": 1}}}`,
		strings.Join(trusted, `", "`))
	ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"http": config}})
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*caddyhttp.App).Servers["s"]
}

// question is what a Caddy in front asks about a request, prepared as the server does.
func question(srv *caddyhttp.Server, peer, method, target, session string, header ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://legacy.example.com/_nightlatch/forward-auth/caddy", nil)
	r.RemoteAddr = peer
	r.Header = http.Header{
		"X-Forwarded-Method": {method}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"legacy.example.com"}, "X-Forwarded-Uri": {target},
		"X-Forwarded-For": {"192.0.2.7"}, "Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}, "Accept-Language": {"en"},
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}, "Accept-Encoding": {"gzip, br"},
	}
	if session != "" {
		r.Header.Set("Cookie", "app=1; "+visit.Secure.CookieName(visit.Session)+"="+session)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Del(header[i]); header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), srv)
}

const proxyPeer = "10.0.0.1:41000"

// asked sends a question through a handler that must not let anything through.
func asked(t testing.TB, h *Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		t.Error("a question reached the application")
		return nil
	})
	if err := h.ServeHTTP(w, r, next); err != nil {
		t.Errorf("got error %v; what a server makes of it could be 2xx", err)
	}
	return w
}

func TestForwardAuthAllows(t *testing.T) {
	b, srv := authtest.New(t), strictServer(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", FullName: "Alice A.", Groups: []string{"staff"}})
	h := newHandler(t, b)
	h.protects(t, b, "legacy.example.com")
	r := question(srv, proxyPeer, "POST", "/x", alice.Session, "Remote-Email", "ceo@example.com")
	w := asked(t, h, r)
	got := w.Result()
	if got.StatusCode != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("got %d with %d bytes, want 200 and none", got.StatusCode, w.Body.Len())
	}
	// FA-14, ID-4, ID-12, FA-13: all that the proxy copies is there.
	for name, want := range map[string]string{
		"Remote-User": "alice", "Remote-Name": "Alice A.", "Remote-Email": "", "Remote-Groups": "staff", "Cookie": "app=1",
		"Content-Length": "0", "Cache-Control": "no-store", "Vary": "Cookie, Authorization",
	} {
		if lines := got.Header[name]; len(lines) != 1 || lines[0] != want {
			t.Errorf("%s: got %q, want one line %q", name, lines, want)
		}
	}
	if len(got.Header) != 8 {
		t.Errorf("got headers %v, want no others", got.Header)
	}
	if user, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Get("http.auth.user.id"); user != "alice" {
		t.Errorf("the access log has user %v, want alice", user)
	}
}

// FA-1, FA-16: whoever is no trusted proxy is refused, whatever the headers say, and the operator hears of it.
func TestFA1UntrustedPeers(t *testing.T) {
	b, srv := authtest.New(t), strictServer(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	h := newHandler(t, b)
	var log bytes.Buffer
	h.forward.log = slog.New(slog.NewTextHandler(&log, nil))
	h.protects(t, b, "legacy.example.com", gate.Rule{Action: gate.Skip, Text: "skip", Match: func(*http.Request) (bool, error) { return true, nil }})
	for range 3 {
		for _, peer := range []string{"192.0.2.9:1", "[2001:db8::1]:1", "@", ""} {
			if w := asked(t, h, question(srv, peer, "GET", "/", alice.Session)); w.Code != http.StatusForbidden || w.Header().Get("Remote-User") != "" {
				t.Errorf("from %q: got %d, %v, want 403", peer, w.Code, w.Header())
			}
		}
	}
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "trusted_proxies") || !strings.Contains(said, "192.0.2.9:1") {
		t.Errorf("the log says %q, want one line with the address and the word", said)
	}
}

func TestUnprotectedHostsAndMalformedQuestionsAreLogged(t *testing.T) {
	b, srv := authtest.New(t), strictServer(t)
	h := newHandler(t, b)
	var log bytes.Buffer
	h.forward.log = slog.New(slog.NewTextHandler(&log, nil))
	for range 3 {
		if w := asked(t, h, question(srv, proxyPeer, "GET", "/?secret", "")); w.Code != http.StatusForbidden {
			t.Errorf("a host that is not protected: got %d, want 403", w.Code)
		}
		if w := asked(t, h, question(srv, proxyPeer, "GET", "/?secret", "", "X-Forwarded-Method", "")); w.Code != http.StatusBadRequest {
			t.Errorf("no method: got %d, want 400", w.Code)
		}
	}
	said := log.String()
	if strings.Count(said, "\n") != 2 || !strings.Contains(said, "host=legacy.example.com") || !strings.Contains(said, "X-Forwarded-Method is missing") {
		t.Errorf("the log says %q, want two lines", said)
	}
	if strings.Contains(said, "secret") {
		t.Errorf("the log has what a visitor wrote: %q", said)
	}
}

// FA-2: no page of ours is a request that a proxy may let pass, however it is written.
func TestFA2OwnPathsAreNeverAllowed(t *testing.T) {
	b, srv := authtest.New(t), strictServer(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	h := newHandler(t, b)
	h.protects(t, b, "legacy.example.com", gate.Rule{Action: gate.Skip, Text: "skip", Match: func(*http.Request) (bool, error) { return true, nil }})
	for _, target := range []string{"/_nightlatch/", "/_nightlatch/sign-in", "/_nightlatch/forward-auth/caddy", "/_nightlatch/../public", "/%5fnightlatch/sign-in", "/_nightlatch%2fsign-in"} {
		if w := asked(t, h, question(srv, proxyPeer, "GET", target, alice.Session)); w.Code != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", target, w.Code)
		}
	}
}

func TestServedHosts(t *testing.T) {
	site := map[string]*protectedSite{}
	s := make(served)
	for _, word := range []string{"legacy.example.com", "legacy.example.com:8443", "*.example.com", "*.apps.example.com:8443", "*.apps.example.com", "a.apps.example.com", "b.example.com:443", "[::1]:9000"} {
		host, err := parseHost(word)
		if err != nil {
			t.Fatal(err)
		}
		site[word] = new(protectedSite)
		s[host] = site[word]
	}
	word := func(found *protectedSite) string {
		for word, candidate := range site {
			if candidate == found {
				return word
			}
		}
		return ""
	}
	for origin, want := range map[string]string{
		"https://legacy.example.com":             "legacy.example.com",
		"https://LEGACY.example.COM":             "legacy.example.com", // PC-11
		"https://legacy.example.com.":            "legacy.example.com",
		"https://legacy.example.com:443":         "legacy.example.com",
		"http://legacy.example.com":              "legacy.example.com",
		"http://legacy.example.com:80":           "legacy.example.com",
		"http://legacy.example.com:443":          "",
		"https://legacy.example.com:80":          "",
		"https://legacy.example.com:8443":        "legacy.example.com:8443",
		"http://legacy.example.com:8443":         "legacy.example.com:8443",
		"https://legacy.example.com:8444":        "",
		"https://other.example.com":              "*.example.com",
		"https://B.a.apps.example.com":           "",
		"https://b.Apps.example.com":             "*.apps.example.com",
		"https://b.apps.example.com:8443":        "*.apps.example.com:8443",
		"https://a.apps.example.com":             "a.apps.example.com",
		"https://a.apps.example.com:8443":        "*.apps.example.com:8443",
		"https://apps.example.com":               "*.example.com",
		"https://b.example.com":                  "b.example.com:443",
		"http://b.example.com":                   "*.example.com",
		"https://example.com":                    "",
		"https://.example.com":                   "",
		"https://.apps.example.com":              "",
		"https://evil.example":                   "",
		"https://legacy.example.com.evil":        "",
		"https://xlegacy.example.com":            "*.example.com",
		"https://evil-example.com":               "",
		"http://[::1]:9000":                      "[::1]:9000",
		"http://[::1]":                           "",
		"https://legacy.example.com\x00":         "",
		"https://*.example.com":                  "",
		"https://":                               "",
		"https://" + strings.Repeat("a.", 200):   "",
		"https://a" + strings.Repeat(".a", 2000): "",
	} {
		scheme, host, _ := strings.Cut(origin, "://")
		if got := word(s.of(scheme, host)); got != want {
			t.Errorf("%s: got %q, want %q", origin, got, want)
		}
	}
}

// FA-8, FA-9: rules about an address see the visitor's, as the proxy tells it. Where it tells none, no rule about an address opens
// anything and none that protects is passed over.
func TestFA9RulesAboutAddresses(t *testing.T) {
	b, srv := authtest.New(t), strictServer(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	const lan, bad = `client_ip {"ranges": ["192.0.2.0/24", "10.0.0.1/32", "127.0.0.1/32"]}`, `client_ip {"ranges": ["203.0.113.0/24"]}`
	sites := map[string][]*Rule{
		"opens to the LAN":       {{Action: "skip", MatcherSetsRaw: matching(lan)}},
		"opens but to strangers": {{Action: "skip", MatcherSetsRaw: matching(`not [{"client_ip": {"ranges": ["203.0.113.0/24"]}}]`)}},
		"denies the bad":         {{Action: "deny", MatcherSetsRaw: matching(bad)}},
		"denies all but the LAN": {{Action: "deny", MatcherSetsRaw: matching(`not [{"client_ip": {"ranges": ["192.0.2.0/24"]}}]`)}},
		"by an expression":       {{Action: "deny", MatcherSetsRaw: matching(`expression "client_ip('203.0.113.0/24')"`)}},
	}
	cases := []struct {
		name, forwarded string
		stranger, alice map[string]int
	}{
		{"of the LAN", "192.0.2.7", map[string]int{"opens to the LAN": 200, "opens but to strangers": 200}, map[string]int{}},
		{"of the LAN, with what the client wrote before", "203.0.113.7, 192.0.2.7", map[string]int{"opens to the LAN": 200, "opens but to strangers": 200}, map[string]int{}},
		{"bad", "203.0.113.7", map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403},
			map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403}},
		{"bad, told as IPv6", "::ffff:203.0.113.7", map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403},
			map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403}},
		{"of the LAN, told as IPv6", "::ffff:192.0.2.7", map[string]int{"opens to the LAN": 200, "opens but to strangers": 200}, map[string]int{}},
		{"bad, who claims to be in the LAN (FA-8)", "192.0.2.7, 203.0.113.7", map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403},
			map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403}},
		{"missing", "", map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403},
			map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403}},
		{"no address (FA-9)", "a", map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403},
			map[string]int{"denies the bad": 403, "denies all but the LAN": 403, "by an expression": 403}},
		{"no address at the end (FA-9)", "192.0.2.7, unknown", map[string]int{}, map[string]int{}},
	}
	for site, rules := range sites {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		defer cancel()
		compiled, err := (&Policy{Rules: rules}).compile(ctx, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		h := newHandler(t, b)
		h.protects(t, b, "legacy.example.com", compiled...)
		for _, c := range cases {
			for who, session := range map[string]string{"stranger": "", "alice": alice.Session} {
				want, special := map[string]map[string]int{"stranger": c.stranger, "alice": c.alice}[who][site]
				if !special {
					want = map[string]int{"stranger": 303, "alice": 200}[who]
				}
				if c.name == "no address at the end (FA-9)" && !strings.HasPrefix(site, "opens") {
					want = 403
				}
				if w := asked(t, h, question(srv, proxyPeer, "GET", "/", session, "X-Forwarded-For", c.forwarded)); w.Code != want {
					t.Errorf("%s, address %s, %s: got %d, want %d", site, c.name, who, w.Code, want)
				}
			}
		}
	}
}

// Where all that is told are addresses of proxies, Caddy falls back to its peer, which is nobody's who visits.
func TestFA8TheVisitorIsNotTheProxy(t *testing.T) {
	for name, c := range map[string]struct{ told, found, want string }{
		"a visitor":                  {"203.0.113.7", "203.0.113.7", "203.0.113.7"},
		"as IPv6":                    {"::ffff:203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7"},
		"with a port":                {"203.0.113.7:4711", "203.0.113.7", "203.0.113.7"},
		"on the proxy's own machine": {"10.0.0.1", "10.0.0.1", "10.0.0.1"},
		"on another proxy's machine": {"10.0.0.9", "10.0.0.1", ""},
		"words before a proxy":       {"garbage, 10.0.0.9", "10.0.0.1", ""},
		"nobody":                     {"", "10.0.0.1", ""},
	} {
		h := http.Header{"X-Forwarded-For": {c.told}}
		got := visitorsAddress(h, []string{"X-Forwarded-For"}, map[string]any{caddyhttp.ClientIPVarKey: c.found}, "10.0.0.1:4711")
		if want := plainAddress(c.want); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// What the matchers of Caddy see is the visitor's request and nothing of the connection on which the proxy asks.
func TestMatchersSeeTheVisitorsRequest(t *testing.T) {
	b, srv := authtest.New(t), strictServer(t)
	h := newHandler(t, b)
	var got string
	h.protects(t, b, "legacy.example.com", gate.Rule{Action: gate.Deny, Text: "deny", Match: func(r *http.Request) (bool, error) {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		got = repl.ReplaceAll("{http.request.method} {http.request.scheme} {http.request.host} {http.request.uri} {http.request.orig_uri} "+
			"{http.request.remote.host} {http.vars.client_ip} {http.request.header.Accept-Language} [{http.request.header.X-Forwarded-Uri}]", "-")
		return true, nil
	}})
	for address, want := range map[string]string{
		"192.0.2.7":   "PUT https legacy.example.com /a%20b?x=1 /a%20b?x=1 192.0.2.7 192.0.2.7 en [-]",
		"2001:db8::7": "PUT https legacy.example.com /a%20b?x=1 /a%20b?x=1 2001:db8::7 2001:db8::7 en [-]",
	} {
		asked(t, h, question(srv, proxyPeer, "PUT", "/a%20b?x=1", "", "X-Forwarded-For", address))
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// A cookie is read where the visitor's connection keeps it secret, and nowhere else.
func TestForwardAuthTransport(t *testing.T) {
	for name, c := range map[string]struct {
		scheme, host, peer, forwarded string
		want                          visit.Transport
	}{
		"https":                            {"https", "legacy.example.com", proxyPeer, "192.0.2.7", visit.Secure},
		"http":                             {"http", "legacy.example.com", proxyPeer, "192.0.2.7", visit.Exposed},
		"http on this machine":             {"http", "localhost:8080", "127.0.0.1:1", "127.0.0.1", visit.Loopback},
		"http by another name":             {"http", "legacy.example.com", "127.0.0.1:1", "127.0.0.1", visit.Exposed},
		"http by a proxy elsewhere":        {"http", "localhost:8080", proxyPeer, "127.0.0.2", visit.Exposed},
		"http of a visitor from elsewhere": {"http", "localhost:8080", "127.0.0.1:1", "192.0.2.7", visit.Exposed},
		"http of nobody knows whom":        {"http", "localhost:8080", "127.0.0.1:1", "", visit.Exposed},
	} {
		r := question(strictServer(t), c.peer, "GET", "/", "", "X-Forwarded-For", c.forwarded, "X-Forwarded-Proto", c.scheme, "X-Forwarded-Host", c.host)
		original, scheme, err := gate.Caddy.Original(r, "")
		if err != nil {
			t.Fatal(err)
		}
		_, v := visitorOf(original, scheme, r, varsOf(r), c.peer, httptest.NewRecorder())
		if v.Transport != c.want {
			t.Errorf("%s: got transport %d, want %d", name, v.Transport, c.want)
		}
	}
}

// The pages of a protected host are on it, or at the portal where the cookie is shared: then the portal leads back.
func TestPagesOfAProtectedHost(t *testing.T) {
	app, err := provision(t, `{
	servers {
		trusted_proxies static 10.0.0.1
		trusted_proxies_strict
	}
	nightlatch {
		portal https://auth.example.com
		cookie_domain example.com
	}
}
:9000 {
	nightlatch {
		protect legacy.example.com *.apps.example.net wiki.example.org:8443
	}
}`)
	if err != nil {
		t.Fatal(err)
	}
	h := app.guardedSites()[0].handler
	for origin, want := range map[string]visit.Visit{
		"https://legacy.example.com":    {Pages: "https://auth.example.com", Site: "https://legacy.example.com", Domain: "example.com", Portal: "https://auth.example.com"},
		"https://a.apps.example.net":    {Pages: "https://a.apps.example.net", Site: "https://a.apps.example.net", Portal: "https://auth.example.com"},
		"https://wiki.example.org:8443": {Pages: "https://wiki.example.org:8443", Site: "https://wiki.example.org:8443", Portal: "https://auth.example.com"},
		"https://wiki.example.org":      {Pages: "https://wiki.example.org", Portal: "https://auth.example.com"}, // known by another port
	} {
		scheme, host, _ := strings.Cut(origin, "://")
		got := h.locateServed(visit.Visit{Host: visit.HostName(host), Transport: visit.Secure}, scheme, host)
		if got.Pages != want.Pages || got.Site != want.Site || got.Domain != want.Domain || got.Portal != want.Portal {
			t.Errorf("%s: got %+v, want %+v", origin, got, want)
		}
		if known := app.knowsSite(origin).Known; known != (want.Site != "") {
			t.Errorf("%s: the portal knows it: %v", origin, known)
		}
	}
	if got := h.origins().of("legacy.example.com", visit.Secure); got != "https://legacy.example.com" {
		t.Errorf("a letter leads to %q", got)
	}
	if got := h.origins().of("a.apps.example.net", visit.Secure); got != "" {
		t.Errorf("a letter leads to %q, which the client wrote", got)
	}
}

// A protect without the means to tell a proxy from anybody is an error, as is what the Caddyfile parser would have refused.
func TestProtectIsCheckedWhenLoaded(t *testing.T) {
	const proxies = `"trusted_proxies": {"source": "static", "ranges": ["10.0.0.1"]}, `
	for name, c := range map[string]struct{ server, protect, want string }{
		"nobody is trusted": {``, `[{"hosts": ["a.example.com"]}]`, "trusted_proxies_strict"},
		"not strict":        {proxies, `[{"hosts": ["a.example.com"]}]`, "trusted_proxies_strict"},
		"fine":              {proxies + `"trusted_proxies_strict": 1, `, `[{"hosts": ["a.example.com", "*.example.com"]}]`, ""},
		"none":              {``, `[]`, ""},
		"no host":           {proxies + `"trusted_proxies_strict": 1, `, `[{}]`, "needs a host"},
		"twice":             {proxies + `"trusted_proxies_strict": 1, `, `[{"hosts": ["a.example.com"]}, {"hosts": ["A.example.com"]}]`, "protected twice"},
		"remote_ip": {proxies + `"trusted_proxies_strict": 1, `,
			`[{"hosts": ["a.example.com"], "rules": [{"action": "deny", "match": [{"remote_ip": {"ranges": ["192.0.2.1"]}}]}]}]`, "protect a.example.com: rule 1: remote_ip"},
		"an expression": {proxies + `"trusted_proxies_strict": 1, `,
			`[{"hosts": ["a.example.com"], "rules": [{"action": "deny", "match": [{"not": [{"expression": "tls\n ()"}]}]}]}]`, "protect a.example.com: rule 1: tls would"},
		"an expression in full": {proxies + `"trusted_proxies_strict": 1, `,
			`[{"hosts": ["a.example.com"], "rules": [{"action": "deny", "match": [{"expression": {"expr": "\u0070rotocol('http/3')", "name": "x"}}]}]}]`, "rule 1: protocol"},
		"a rule":        {proxies + `"trusted_proxies_strict": 1, `, `[{"hosts": ["a.example.com"], "rules": [{"action": "skip"}]}]`, "skip needs a matcher"},
		"headers":       {proxies + `"trusted_proxies_strict": 1, `, `[{"hosts": ["a.example.com"], "headers": {"user": "Cookie"}}]`, "uses this header itself"},
		"method":        {proxies + `"trusted_proxies_strict": 1, `, `[{"hosts": ["a.example.com"], "rules": [{"action": "require", "methods": ["email"]}]}]`, "smtp"},
		"inner protect": {proxies + `"trusted_proxies_strict": 1, `, `[{"hosts": ["a.example.com"], "protect": []}]`, "unknown field"},
	} {
		config := `{"servers": {"s": {"listen": ["127.0.0.1:0"], ` + c.server + `"routes": [{"handle": [{"handler": "nightlatch", "protect": ` + c.protect + `}]}]}}}`
		ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"http": []byte(config)}})
		if err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) || err == nil && c.want != "" {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		if err != nil {
			continue
		}
		for _, name := range []string{"http", "nightlatch"} {
			if app, err := ctx.AppIfConfigured(name); err == nil {
				app.(caddy.CleanerUpper).Cleanup()
			}
		}
	}
}

// BenchmarkForwardAuthLive is a question about a request of a signed-in person, from Caddy's handlers to the answer.
func BenchmarkForwardAuthLive(b *testing.B) {
	bench, srv := authtest.New(b), strictServer(b)
	alice := bench.Enroll(b, auth.NewUser{Name: "alice", Email: "alice@example.com", Groups: []string{"admins"}})
	h := newHandler(b, bench)
	h.protects(b, bench, "legacy.example.com")
	w := httptest.NewRecorder()
	requests := make([]*http.Request, 16)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(requests) == 0 {
			b.StopTimer()
			for j := range requests {
				requests[j] = question(srv, proxyPeer, "GET", "/page?x=1", alice.Session)
			}
			b.StartTimer()
		}
		clear(w.Header())
		if err := h.ServeHTTP(w, requests[i%len(requests)], nil); err != nil || w.Header().Get("Remote-User") != "alice" {
			b.Fatal(err, w.Header())
		}
	}
}
