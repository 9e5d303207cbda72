// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/signing/signingtest"
	"github.com/nightlatch/nightlatch/internal/visit"
)

var alice = &auth.Session{Name: "alice", FullName: "Alice Añez", Email: "alice@example.test", Groups: []string{"admins", "staff"}, GroupList: "admins,staff"}

func teller(t testing.TB, c identity.Config) *identity.Teller {
	t.Helper()
	teller, err := identity.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return teller
}

func request(h http.Header) *http.Request {
	return &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: http.NoBody}
}

func TestTellSetsEachOnce(t *testing.T) {
	r := request(http.Header{"Accept": {"*/*"}, "Remote-User": {"root", "admin"}, "Remote-Groups": {"wheel"}})
	teller(t, identity.Defaults).Tell(r, alice, visit.Visit{})
	want := http.Header{
		"Accept":        {"*/*"},
		"Remote-User":   {"alice"},
		"Remote-Name":   {"Alice Añez"},
		"Remote-Email":  {"alice@example.test"},
		"Remote-Groups": {"admins,staff"},
	}
	if !maps.EqualFunc(r.Header, want, slices.Equal) {
		t.Errorf("headers %v; want %v", r.Header, want)
	}
}

// ID-4: a header for which the session has no value is removed, not left to the client.
func TestTellRemovesWhatItHasNoValueFor(t *testing.T) {
	r := request(http.Header{"Remote-User": {"root"}, "Remote-Name": {"Root"}, "Remote-Email": {"ceo@example.test"}, "Remote-Groups": {"admins"}})
	teller(t, identity.Defaults).Tell(r, &auth.Session{Name: "bob"}, visit.Visit{})
	if want := (http.Header{"Remote-User": {"bob"}}); !maps.EqualFunc(r.Header, want, slices.Equal) {
		t.Errorf("headers %v; want %v", r.Header, want)
	}
}

// ID-8: a value that would end its line is left out.
func TestTellLeavesOutBrokenValues(t *testing.T) {
	for _, bad := range []string{"a\r\nRemote-Groups: admins", "a\nb", "a\x00b", "a\x7fb", "a\tb"} {
		r := request(http.Header{"Remote-Name": {"client"}})
		teller(t, identity.Defaults).Tell(r, &auth.Session{Name: "bob", FullName: bad}, visit.Visit{})
		if want := (http.Header{"Remote-User": {"bob"}}); !maps.EqualFunc(r.Header, want, slices.Equal) {
			t.Errorf("with the name %q, headers %v; want %v", bad, r.Header, want)
		}
	}
}

// ID-2, ID-5, ID-6, ID-10: on every request, signed in or not, in every spelling.
func TestTellRemovesClaims(t *testing.T) {
	own := teller(t, identity.Config{User: "x-auth-USER", Groups: "My-Groups"})
	for _, name := range []string{
		"Remote-User", "remote-user", "REMOTE-USER", "Remote_User", "REMOTE_USER", "Remote.User", "Remote-_User", "Remote--User",
		"Remote~User", "-Remote-User", "Remote-User-", "Remote_Email", "Remote-Sub",
		"X-Auth-User", "x_auth.user", "My-Groups", "my_groups",
		"X-Forwarded-User", "X_Forwarded_User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username",
		"X-Forwarded-Access-Token", "X-Forwarded-Login", "X-Forwarded-Client-Cert",
		"X-Auth-Request-User", "X-Auth-Request-Access-Token", "x-auth-request_email", "X-WEBAUTH-USER", "X-Webauth-Role", "X_WEBAUTH_USER",
		"X-Remote-User", "X-Remote-Group", "X-Remote-Extra-Scopes", "X-Webobjects-Remote-User",
		"X-Authentik-Username", "X-Authentik-Jwt", "X-Pomerium-Jwt-Assertion", "X-Pomerium-Claim-Email", "X-Vouch-User", "X-Vouch-Idp-Claims-Name",
		"X-Goog-Authenticated-User-Email", "X-Goog-Iap-Jwt-Assertion", "Cf-Access-Jwt-Assertion", "Cf-Access-Authenticated-User-Email",
		"X-Auth-Userid", "X-Auth-Email", "X-Auth-Roles", "Ssl-Client-S-Dn", "SSL_CLIENT_VERIFY", "X-Ssl-Client-Cert", "X-Sso-User",
		"X-Proxy-User", "X-Proxy-Roles", "Auth-User", "X-Username", "Oidc_claim_sub", "Shib-Session-Id", "X-Consumer-Username",
		"X-Amzn-Oidc-Identity", "X-Ms-Client-Principal-Name", "X-Ms-Client-Principal", "Tailscale-User-Login", "X-Token-User-Name",
		"Nightlatch-Assertion", "nightlatch_user", "Gap-Signature", "Client-Cert", "Proxy", "Http2-Settings",
		"Nightlatch-Client-Id", "Nightlatch-Client-Secret", "nightlatch_client_secret", "NIGHTLATCH.CLIENT.SECRET", "Nightlatch--Client_Secret",
		"Cf-Access-Client-Id", "Cf-Access-Client-Secret", "CF_ACCESS_CLIENT_SECRET", "cf.access.client-secret", "-Cf-Access-Client-Secret",
	} {
		for _, s := range []*auth.Session{nil, {}} {
			r := request(http.Header{name: {"root"}, "Accept": {"*/*"}})
			own.Tell(r, s, visit.Visit{})
			if want := (http.Header{"Accept": {"*/*"}}); !maps.EqualFunc(r.Header, want, slices.Equal) {
				t.Errorf("%s (session %v): headers %v; want %v", name, s != nil, r.Header, want)
			}
		}
	}
}

// What an application or its own clients need stays.
func TestTellLeavesOthers(t *testing.T) {
	for _, name := range []string{
		"Authorization", "X-Auth-Token", "X-Auth-Key", "X-User-Id", "X-Api-Key", "X-Access-Token", "Private-Token", "X-Jwt-Assertion",
		"Impersonate-User", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "Forwarded",
		"X-Real-Ip", "X-Remote-Ip", "X-Requested-With", "X-Csrf-Token", "X-Request-Id", "X-Webauthn-Challenge", "X-Goog-Upload-Command",
		"X-Amz-Date", "X-Proxy-Cache", "X-Author", "X-Authentication", "Referer", "Remote", "Remote-Users", "Removed-User", "Sec-Websocket-Key",
		"Sec-Fetch-Mode", "Cf-Connecting-Ip", "Content-Type", "Priority", "Proxy-Authorization", "Client", "Authority", "Te",
		":protocol", "X", "",
	} {
		r := request(http.Header{name: {"trailers"}})
		teller(t, identity.Defaults).Tell(r, nil, visit.Visit{})
		if !slices.Equal(r.Header[name], []string{"trailers"}) {
			t.Errorf("%s was removed", name)
		}
	}
}

// accessKey has the shape of one, and opens nothing.
const accessKey = "nlk0123456789abcdef_0123456789012345678901234567890123456789abc"

// ID-12: what a program presents to us goes, signed in or not, and what is the application's own stays as it was sent.
func TestTellRemovesOurAuthorization(t *testing.T) {
	theirs := []string{"Basic YWxpY2U6cHc=", "Bearer  0123", `Digest username="alice"`, "bearer e30.e30.c2ln", ""}
	for _, ours := range []string{"Bearer " + accessKey, "BEARER  " + accessKey + "x", "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+accessKey))} {
		for _, s := range []*auth.Session{nil, {}} {
			r := request(http.Header{"Authorization": slices.Concat([]string{ours}, theirs, []string{ours}), "Proxy-Authorization": {ours}})
			teller(t, identity.Defaults).Tell(r, s, visit.Visit{})
			if want := (http.Header{"Authorization": theirs}); !maps.EqualFunc(r.Header, want, slices.Equal) {
				t.Errorf("%s (session %v): headers %v; want %v", ours, s != nil, r.Header, want)
			}
		}
	}
}

func TestTellLongNames(t *testing.T) {
	longest := strings.Repeat("a", 64)
	told := teller(t, identity.Config{User: longest})
	for name, kept := range map[string]bool{
		longest: false, longest + "a": true, longest + "-a": true, longest[:63] + "-a": true, longest + "-aaaa": true, longest + strings.Repeat("-", 99): false,
		strings.Repeat("x-", 4000): true, "x-webauth-" + longest: false, "Remote" + strings.Repeat("_", 8000) + "User": false,
	} {
		r := request(http.Header{name: {"x"}})
		told.Tell(r, nil, visit.Visit{})
		if (len(r.Header) == 1) != kept {
			t.Errorf("%.80s (%d bytes): kept %v; want %v", name, len(name), !kept, kept)
		}
	}
}

func TestTellRemovesOneLetterNames(t *testing.T) {
	r := request(http.Header{"U": {"root"}})
	teller(t, identity.Config{User: "U"}).Tell(r, nil, visit.Visit{})
	if len(r.Header) != 0 {
		t.Errorf("headers %v; want none", r.Header)
	}
}

// ID-12: the application never holds our credential.
func TestTellRemovesOurCookies(t *testing.T) {
	r := request(http.Header{"Cookie": {"__Host-nightlatch=S; app=1; nightlatch-attempt=A"}})
	teller(t, identity.Defaults).Tell(r, nil, visit.Visit{})
	if got := r.Header["Cookie"]; !slices.Equal(got, []string{"app=1"}) {
		t.Errorf("Cookie: %q; want app=1", got)
	}
}

func TestTellConnection(t *testing.T) {
	for _, c := range []struct {
		name                string
		connection, upgrade []string
		want                string // what both are afterwards
	}{
		{"ID-1", []string{"close, Remote-User, remote-groups, X-Forwarded-For, Cookie"}, nil, ""},
		{"ID-1 several lines", []string{"keep-alive", "Remote-User"}, nil, ""},
		{"ID-1 upgrade", []string{"Upgrade, Remote-User"}, []string{"websocket"}, "websocket"},
		{"ID-1 upgrade, second line", []string{"Remote-User", "keep-alive ,\tUPGRADE"}, []string{"WebSocket"}, "WebSocket"},
		{"other tunnel", []string{"Upgrade"}, []string{"SPDY/3.1"}, "SPDY/3.1"},
		{"upgrade not asked for", []string{"close"}, []string{"websocket"}, ""},
		{"upgrade to nothing", []string{"Upgrade"}, nil, ""},
		{"upgrade to an empty name", []string{"Upgrade"}, []string{""}, ""},
		{"h2c", []string{"Upgrade"}, []string{"h2c"}, ""},
		{"h2c in disguise", []string{"Upgrade, HTTP2-Settings"}, []string{" H2C "}, ""},
		{"h2c second", []string{"Upgrade"}, []string{"websocket, h2c"}, ""},
		{"h2c on a second line", []string{"Upgrade"}, []string{"websocket", "h2c"}, ""},
		{"another HTTP", []string{"Upgrade"}, []string{"HTTP/2.0"}, ""},
		{"TLS", []string{"Upgrade"}, []string{"TLS/1.3"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			if c.connection != nil {
				h["Connection"] = c.connection
			}
			if c.upgrade != nil {
				h["Upgrade"] = c.upgrade
			}
			teller(t, identity.Defaults).Tell(request(h), nil, visit.Visit{})
			want := http.Header{}
			if c.want != "" {
				want = http.Header{"Connection": {"Upgrade"}, "Upgrade": {c.want}}
			}
			if !maps.EqualFunc(h, want, slices.Equal) {
				t.Errorf("headers %v; want %v", h, want)
			}
		})
	}
}

func TestTellTe(t *testing.T) {
	for value, kept := range map[string]bool{"trailers": true, "trailers, deflate": false, "gzip": false} {
		r := request(http.Header{"Te": {value}, "Trailer": {"Remote-User"}})
		teller(t, identity.Defaults).Tell(r, nil, visit.Visit{})
		if (r.Header.Get("Te") != "") != kept || r.Header.Get("Trailer") != "" {
			t.Errorf("Te: %s: headers %v; want it kept: %v", value, r.Header, kept)
		}
	}
}

// ID-18: handlers behind us change values in place; no request may see another's.
func TestTellSharesNothing(t *testing.T) {
	bob := &auth.Session{Name: "bob", FullName: "Bob", Email: "bob@example.test", GroupList: "staff"}
	shared := teller(t, identity.Defaults)
	var done sync.WaitGroup
	for i := range 200 {
		s := []*auth.Session{alice, bob}[i%2]
		done.Go(func() {
			for range 20 {
				r := request(http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}})
				shared.Tell(r, s, visit.Visit{})
				if got := r.Header.Get("Remote-User") + r.Header.Get("Remote-Groups"); got != s.Name+s.GroupList {
					t.Errorf("%s was told to be %s", s.Name, got)
				}
				for name, values := range r.Header {
					values[0] = "changed by a handler"
					r.Header[name] = append(values, "and added to")
				}
				if got := r.Header["Remote-Name"][0]; got != "changed by a handler" {
					t.Errorf("appending to one header changed another: %s", got)
				}
			}
		})
	}
	done.Wait()
}

func TestNewRefuses(t *testing.T) {
	long := strings.Repeat("a", 65)
	for _, c := range []identity.Config{
		{User: "Remote_User"}, {User: "Remote.User"}, {User: "Remote User"}, {User: "Remote:User"}, {User: "Rémote"}, {User: "Remote~User"},
		{User: "-User"}, {User: "User-"}, {User: "1User"}, {User: long},
		{User: "Connection"}, {User: "te"}, {User: "Transfer-Encoding"}, {User: "Upgrade"}, {User: "Keep-Alive"}, {User: "Proxy-Connection"},
		{Email: "Host"}, {Email: "Content-Length"}, {Email: "COOKIE"}, {Email: "Authorization"}, {Email: "X-Forwarded-For"},
		{User: "Remote-User", Name: "remote-USER"}, {User: "Remote-User", Groups: "Remote--User"},
	} {
		if _, err := identity.New(c); err == nil {
			t.Errorf("New(%+v) succeeded; want an error", c)
		}
	}
}

func TestNewAccepts(t *testing.T) {
	for _, c := range []identity.Config{{}, identity.Defaults, {User: "X-WEBAUTH-USER"}, {User: "Nightlatch-User"}, {User: strings.Repeat("a", 64)}} {
		if _, err := identity.New(c); err != nil {
			t.Errorf("New(%+v): %v", c, err)
		}
	}
}

var notAlphanumeric = regexp.MustCompile(`[^a-z0-9]+`)

// FuzzTell holds the removal against a second reading of names: letters and digits without case, one hyphen between.
func FuzzTell(f *testing.F) {
	for _, name := range []string{"Remote-User", "REMOTE__user", "X-Auth-Token", "x.webauth.x", "-remote!user-", "Accept", "Remote-User\x80", "Cf-Access", strings.Repeat("a", 64) + "-b"} {
		f.Add(name)
	}
	told := teller(f, identity.Config{User: "App-User"})
	exact := []string{"app-user", "remote-user", "remote-groups", "x-forwarded-user", "x-auth-user", "auth-user", "proxy", "client-cert"}
	prefix := []string{"x-webauth-", "x-authentik-", "cf-access-", "nightlatch-", "ssl-client-", "x-auth-request-", "oidc-"}
	f.Fuzz(func(t *testing.T, name string) {
		plain := strings.Trim(notAlphanumeric.ReplaceAllString(asciiLower(name), "-"), "-")
		claims := slices.Contains(exact, plain) || slices.ContainsFunc(prefix, func(p string) bool { return strings.HasPrefix(plain, p) })
		r := request(http.Header{name: {"x"}})
		told.Tell(r, nil, visit.Visit{})
		if _, kept := r.Header[name]; claims && kept {
			t.Errorf("%q, read as %s, was kept", name, plain)
		}
		if _, kept := r.Header[name]; !kept && !regexp.MustCompile(`(?i)^[^a-z0-9]*(app|remote|x|auth|proxy|client|cf|nightlatch|ssl|oidc|shib|gap|tailscale|http2|cookie|connection|upgrade|te|trailer)`).MatchString(name) {
			t.Errorf("%q was removed", name)
		}
	})
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// BenchmarkTell is one request of a browser with fifteen headers: what is added to each proxied request. It includes setting the
// request back, about a tenth.
func BenchmarkTell(b *testing.B) {
	browser := http.Header{
		"Accept":                    {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		"Accept-Encoding":           {"gzip, deflate, br, zstd"},
		"Accept-Language":           {"en-US,en;q=0.5"},
		"Cache-Control":             {"no-cache"},
		"Connection":                {"keep-alive"},
		"Cookie":                    {"theme=dark; __Host-nightlatch=" + strings.Repeat("a", 120)},
		"Pragma":                    {"no-cache"},
		"Priority":                  {"u=0, i"},
		"Referer":                   {"https://app.example.test/"},
		"Sec-Fetch-Dest":            {"document"},
		"Sec-Fetch-Mode":            {"navigate"},
		"Sec-Fetch-Site":            {"same-origin"},
		"Upgrade-Insecure-Requests": {"1"},
		"User-Agent":                {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		"X-Requested-With":          {"XMLHttpRequest"},
	}
	plain := teller(b, identity.Defaults)
	piped := teller(b, preset(b, "jenkins"))
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	signed := asserting(b, keys, identity.Assertion{Algorithm: signing.EdDSA})
	warm := &auth.Session{Name: alice.Name, FullName: alice.FullName, Email: alice.Email, GroupList: alice.GroupList}
	for _, c := range []struct {
		name    string
		told    *identity.Teller
		session *auth.Session
	}{{"SignedIn", plain, alice}, {"Asserted", signed, warm}, {"Skipped", plain, nil}, {"Piped", piped, alice}} {
		b.Run(c.name, func(b *testing.B) {
			r := request(maps.Clone(browser))
			connection, cookie, line := r.Header["Connection"], r.Header["Cookie"], browser["Cookie"][0]
			ours := []string{
				"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Nightlatch-Assertion",
				"X-Forwarded-User", "X-Forwarded-Displayname", "X-Forwarded-Mail", "X-Forwarded-Groups",
			}
			v := at(wiki)
			b.ReportAllocs()
			for b.Loop() {
				cookie[0] = line
				r.Header["Connection"], r.Header["Cookie"] = connection, cookie
				for _, name := range ours {
					delete(r.Header, name)
				}
				if err := c.told.Tell(r, c.session, v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func ExampleTeller_Tell() {
	told, err := identity.New(identity.Defaults)
	if err != nil {
		panic(err)
	}
	r := &http.Request{Header: http.Header{"Remote_user": {"root"}, "Cookie": {"__Host-nightlatch=secret; app=1"}}}
	told.Tell(r, &auth.Session{Name: "alice"}, visit.Visit{})
	fmt.Println(r.Header)
	// Output: map[Cookie:[app=1] Remote-User:[alice]]
}

// BenchmarkSign is what a new token costs, twice a minute for each session and site that is busy.
func BenchmarkSign(b *testing.B) {
	for _, a := range signing.Algorithms {
		b.Run(string(a), func(b *testing.B) {
			keys, clock := signingtest.KeysAt(signingtest.Middle)
			told, r, s := asserting(b, keys, identity.Assertion{Algorithm: a}), request(http.Header{}), &auth.Session{Name: "alice", Groups: []string{"admins", "staff"}}
			b.ReportAllocs()
			for b.Loop() {
				clock.Time = clock.Add(30 * time.Second)
				if err := told.Tell(r, s, at(wiki)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
