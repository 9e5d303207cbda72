// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// person is a session of alice, with proofs of the methods at the given age.
func person(age time.Duration, groups []string, methods ...auth.Method) *auth.Session {
	s := &auth.Session{Name: "alice", Groups: groups, Enrolled: true}
	for _, m := range methods {
		s.Proofs = append(s.Proofs, auth.Proof{Method: m, At: now.Add(-age)})
	}
	return s
}

// people are who is behind the cookie values of these tests.
var people = map[string]*auth.Session{
	"half":  person(time.Minute, nil, auth.Password), // has a second factor and has not proven it
	"fresh": {Name: "carol", Proofs: []auth.Proof{{Method: auth.Password, At: now}}},
	"full":  person(time.Minute, []string{"staff"}, auth.Password, auth.TOTP),
	"old":   person(time.Hour, []string{"admins"}, auth.Password, auth.TOTP),
	"admin": person(time.Minute, []string{"staff", "admins"}, auth.Password, auth.TOTP),
	"code":  person(time.Minute, []string{"admins"}, auth.Password, auth.BackupCode),
}

// site returns a gate with these rules whose sessions are the people above.
func site(t testing.TB, rules ...Rule) *Gate {
	t.Helper()
	g, err := New(Config{Service: nobody, Rules: rules, Now: func() time.Time { return now }, Brand: web.Brand{Name: "Example"}})
	if err != nil {
		t.Fatal(err)
	}
	g.session = func(_ context.Context, _ auth.Asker, value string) (*auth.Session, error) {
		if s, ok := people[value]; ok || value == "" {
			return s, nil
		}
		return nil, &auth.Error{Kind: auth.NotSignedIn}
	}
	return g
}

// under matches a path and everything below it, on a clean path as Caddy's path matcher does.
func under(prefix string) func(*http.Request) (bool, error) {
	return func(r *http.Request) (bool, error) {
		p := strings.ToLower(path.Clean(r.URL.Path))
		return p == prefix || strings.HasPrefix(p, prefix+"/"), nil
	}
}

// from matches requests that carry a header, which no path has a say in.
func from(where string) func(*http.Request) (bool, error) {
	return func(r *http.Request) (bool, error) { return r.Header.Get("X-From") == where, nil }
}

func need2(groups ...string) auth.Requirement {
	return auth.Requirement{Level: auth.LevelTwoFactor, Groups: groups}
}

var (
	skipPublic   = Rule{Action: Skip, Match: under("/public"), PathBound: true, Text: "skip /public/*"}
	adminsOnly   = Rule{Need: need2("admins"), Match: under("/admin"), PathBound: true, Text: "require /admin* two_factor group admins"}
	staffOnly    = Rule{Need: need2("staff"), Match: under("/staff"), PathBound: true, Text: "require /staff/* two_factor group staff"}
	denySecret   = Rule{Action: Deny, Match: under("/secret"), PathBound: true, Text: "deny /secret/*"}
	denyBots     = Rule{Action: Deny, Match: from("bots"), Text: "deny @bots"}
	lanPassword  = Rule{Need: password, Match: from("lan"), Text: "require @lan password"}
	lanSkip      = Rule{Action: Skip, Match: from("lan"), Text: "skip @lan"}
	vpnTwoFactor = Rule{Need: twoFactor, Match: from("vpn"), Text: "require @vpn two_factor"}
	freshProof   = Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}, Match: under("/pay"), PathBound: true, Text: "require /pay two_factor max_age 10m"}
)

func cookie(value string) string { return "Cookie: __Host-nightlatch=" + value }

// verdict is a Decision in one word.
func verdict(d Decision) string {
	if d.Pass {
		return "pass"
	}
	if d.Reason != ByRule {
		return d.refusal().problem
	}
	return map[auth.Verdict]string{
		auth.SignIn: "sign in", auth.ProveMore: "prove more", auth.StepUp: "step up", auth.Forbidden: "forbidden", auth.Pass: "pass?",
	}[d.Verdict]
}

func TestCheck(t *testing.T) {
	usual := []Rule{skipPublic, adminsOnly, freshProof, denySecret, lanPassword}
	tests := []struct {
		name, target, who, from string
		rules                   []Rule
		want                    string
	}{
		{"default for a stranger", "/", "", "", nil, "sign in"},
		{"default for a password", "/", "half", "", nil, "prove more"},
		{"default for somebody not enrolled", "/", "fresh", "", nil, "prove more"},
		{"default for two factors", "/", "full", "", nil, "pass"},
		{"default for a backup code", "/", "code", "", nil, "pass"},
		{"a cookie that is nobody's", "/", "forged", "", nil, "sign in"},
		{"skip for a stranger", "/public/x", "", "", usual, "pass"},
		{"skip for somebody", "/public/x", "half", "", usual, "pass"},
		{"beside what is skipped (PC-9)", "/publicity", "", "", usual, "sign in"},
		{"skipped path inside another (PC-9)", "/admin/public/x", "full", "", usual, "forbidden"},
		{"skipped path in the query (PC-8)", "/admin?path=/public/x", "", "", usual, "sign in"},
		{"group, not a member", "/admin", "full", "", usual, "forbidden"},
		{"group, a member", "/admin/x", "admin", "", usual, "pass"},
		{"group, in capitals (PC-10)", "/ADMIN", "full", "", usual, "forbidden"},
		{"group, needlessly escaped (PC-10)", "/%41dmin", "full", "", usual, "forbidden"},
		{"max_age, young", "/pay", "full", "", usual, "pass"},
		{"max_age, old", "/pay", "old", "", usual, "step up"},
		{"deny for a stranger", "/secret", "", "", usual, "forbidden"},
		{"deny for an admin", "/secret/x", "admin", "", usual, "forbidden"},
		{"password where that is enough", "/", "fresh", "lan", usual, "pass"},
		{"password of somebody with a second factor (ASVS 6.3.4)", "/", "half", "lan", usual, "prove more"},
		{"first match wins", "/public/x", "", "bots", []Rule{skipPublic, denyBots}, "pass"},
		{"first match wins, the other way round", "/public/x", "", "bots", []Rule{denyBots, skipPublic}, "forbidden"},
		{"a default in front counts last", "/public/x", "", "", []Rule{{Action: Deny, Text: "deny"}, skipPublic}, "pass"},
		{"a default of deny", "/x", "admin", "", []Rule{{Action: Deny, Text: "deny"}, skipPublic}, "forbidden"},
		{"a default of password", "/x", "fresh", "", []Rule{{Need: password, Text: "require password"}}, "pass"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, v := ask(t, "GET "+tt.target, cookie(tt.who), "X-From: "+tt.from)
			d := site(t, tt.rules...).Check(r, v)
			if got := verdict(d); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if d.Pass && d.Rule.Action == Skip && d.Session != nil {
				t.Error("a skipped request has a session")
			}
			if d.Pass && d.Rule.Action != Skip && d.Session == nil {
				t.Error("a request that passed a requirement has no session")
			}
		})
	}
}

// TestPCNeverByASkip: no spelling of a path gets a stranger in, on the site that the attack catalogue describes.
func TestPCNeverByASkip(t *testing.T) {
	g := site(t, skipPublic, adminsOnly)
	for name, targets := range hostile {
		t.Run(name, func(t *testing.T) {
			for _, target := range targets {
				r, v := ask(t, "GET "+target)
				if got := verdict(g.Check(r, v)); got != "sign in" {
					t.Errorf("%q: got %s, want sign in", target, got)
				}
				r, v = ask(t, "GET "+target, cookie("full"))
				if got := verdict(g.Check(r, v)); got != "forbidden" {
					t.Errorf("%q, signed in but no admin: got %s, want forbidden", target, got)
				}
				r, v = ask(t, "GET "+target, cookie("admin"))
				d := g.Check(r, v)
				if got := verdict(d); got != "pass" {
					t.Errorf("%q, an admin: got %s, want pass", target, got)
				}
				if d.Rule.Action == Skip {
					t.Errorf("%q, an admin: got in by %q", target, d.Rule.Text)
				}
			}
		})
	}
}

// TestPCAmbiguousMeetsEveryReading: whatever the application takes the path for, the rules there are met.
func TestPCAmbiguousMeetsEveryReading(t *testing.T) {
	deny := Rule{Action: Deny, Text: "deny"}
	adminsByDefault := Rule{Need: need2("admins"), Text: "require two_factor group admins"}
	passwordByDefault := Rule{Need: password, Text: "require password"}
	lanStaff := Rule{Need: auth.Requirement{Level: auth.LevelPassword, Groups: []string{"staff"}}, Match: from("lan"), Text: "require @lan password group staff"}
	fails := Rule{Need: twoFactor, Match: func(*http.Request) (bool, error) { return false, errors.New("broken") }, Text: "require @broken two_factor"}
	failsByPath := fails
	failsByPath.PathBound = true
	tests := []struct {
		name      string
		who, from string
		rules     []Rule
		want      string
	}{
		{"the default alone", "full", "", nil, "pass"},
		{"a path rule may be meant", "full", "", []Rule{adminsOnly}, "forbidden"},
		{"each of several path rules may be meant", "old", "", []Rule{adminsOnly, staffOnly}, "forbidden"},
		{"all of them are met", "admin", "", []Rule{adminsOnly, staffOnly}, "pass"},
		{"also the age", "old", "", []Rule{adminsOnly, freshProof}, "step up"},
		{"who is not admitted hears that first", "old", "", []Rule{freshProof, staffOnly}, "forbidden"},
		{"a path that is denied may be meant", "admin", "", []Rule{denySecret}, "forbidden"},
		{"and is denied to strangers too", "", "", []Rule{denySecret}, "forbidden"},
		{"a path rule after the default", "full", "", []Rule{{Need: twoFactor, Text: "require two_factor"}, adminsOnly}, "forbidden"},
		{"skip by address is passed over", "", "lan", []Rule{lanSkip}, "sign in"},
		{"password by address leaves the default", "fresh", "lan", []Rule{lanPassword}, "prove more"},
		{"what a relaxing rule asks for is asked for all the same", "old", "lan", []Rule{lanStaff}, "forbidden"},
		{"deny by address", "admin", "bots", []Rule{denyBots}, "forbidden"},
		{"deny by address, somewhere else", "admin", "", []Rule{denyBots}, "pass"},
		{"a rule by address ends the walk", "full", "vpn", []Rule{vpnTwoFactor, adminsOnly, denySecret}, "pass"},
		{"a rule by address elsewhere does not", "full", "", []Rule{vpnTwoFactor, adminsOnly}, "forbidden"},
		{"a path rule before it counts", "full", "vpn", []Rule{adminsOnly, vpnTwoFactor}, "forbidden"},
		{"a rule by address that relaxes does not end the walk", "full", "vpn", []Rule{vpnTwoFactor, adminsByDefault}, "forbidden"},
		{"it does not relax a lower default", "full", "vpn", []Rule{vpnTwoFactor, adminsOnly, passwordByDefault}, "pass"},
		{"the default denies", "admin", "", []Rule{deny, adminsOnly}, "forbidden"},
		{"a matcher that fails", "admin", "", []Rule{fails}, "rule-failed"},
		{"a path matcher is not asked", "admin", "", []Rule{failsByPath}, "pass"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, v := ask(t, "GET /public/..%2fadmin", cookie(tt.who), "X-From: "+tt.from)
			if got := verdict(site(t, tt.rules...).Check(r, v)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestPC14Host: HTTP/1.0 needs no Host line, and net/http lets through what is no host name (F6).
func TestPC14Host(t *testing.T) {
	g := site(t, skipPublic)
	for host, want := range map[string]string{
		"app.example.test": "pass", "APP.Example.test": "pass", "app.example.test.": "pass", "app.example.test:443": "pass",
		"app.example.test:99999": "pass", "app_1.test": "pass", "192.0.2.1:80": "pass", "[2001:db8::1]": "pass", "[::1]:8443": "pass",
		"": "bad-host", ":443": "bad-host", "app.example.test%00.evil": "bad-host", "[fe80::1%25eth0]": "bad-host", "user@app": "bad-host",
		`app\evil`: "bad-host", "app/evil": "bad-host", "app evil": "bad-host", "app\x00": "bad-host", "app\r\n": "bad-host", "app,evil": "bad-host",
		"app:80:90": "bad-host", "app:http": "bad-host", "app:-1": "bad-host", "app:443443": "bad-host", "::1": "bad-host", "[::1": "bad-host", "[]": "bad-host",
		"[app]": "bad-host", "app\xff": "bad-host", "app?x": "bad-host", "app#x": "bad-host", `"app"`: "bad-host", "*": "bad-host",
	} {
		r, v := ask(t, "GET /public/x")
		r.Host = host
		if got := verdict(g.Check(r, v)); got != want {
			t.Errorf("host %q: got %s, want %s", host, got, want)
		}
	}
}

func TestPC20ASVS4_1_4Methods(t *testing.T) {
	onlyGET := func(r *http.Request) (bool, error) { return r.Method == http.MethodGet, nil }
	g := site(t, Rule{Action: Skip, Match: onlyGET, Text: "skip @get"})
	for method, want := range map[string]string{
		"GET": "pass", "get": "sign in", "HEAD": "sign in", "OPTIONS": "sign in", "FOO": "sign in", "DELETE": "sign in",
		"CONNECT": "method-not-allowed", "connect": "method-not-allowed", "TRACE": "method-not-allowed", "Trace": "method-not-allowed",
	} {
		r, v := ask(t, "GET /x", "X-HTTP-Method-Override: DELETE")
		r.Method = method
		if got := verdict(g.Check(r, v)); got != want {
			t.Errorf("%s: got %s, want %s", method, got, want)
		}
	}
}

// extended returns a WebSocket over HTTP/2 or HTTP/3, as net/http and quic-go hand it on.
func extended(t testing.TB, major int, protocol string, more ...string) (*http.Request, visit.Visit) {
	t.Helper()
	r, v := ask(t, "GET /socket", more...)
	r.Method, r.ProtoMajor, r.Proto = http.MethodConnect, major, "HTTP/2.0"
	if major == 2 {
		r.Header[":protocol"] = []string{protocol}
	} else {
		r.Proto = protocol
	}
	return r, v
}

func TestPC20ExtendedConnect(t *testing.T) {
	g := site(t)
	for _, tt := range []struct {
		major    int
		protocol string
		want     string
	}{
		{2, "websocket", "pass"},
		{2, "connect-udp", "method-not-allowed"},
		{2, "", "method-not-allowed"},
		{3, "websocket", "pass"},
		{3, "HTTP/3.0", "method-not-allowed"},
		{1, "websocket", "method-not-allowed"},
	} {
		r, v := extended(t, tt.major, tt.protocol, cookie("full"))
		if got := verdict(g.Check(r, v)); got != tt.want {
			t.Errorf("HTTP/%d, protocol %q: got %s, want %s", tt.major, tt.protocol, got, tt.want)
		}
	}
}

// TestWB8ForeignWebSocket: any page may open a WebSocket with this person's cookie; only Origin tells.
func TestWB8ForeignWebSocket(t *testing.T) {
	tests := []struct {
		name, host string
		transport  visit.Transport
		origins    []string
		want       string
	}{
		{"a program", "app.test", visit.Secure, nil, "pass"},
		{"the site", "app.test", visit.Secure, []string{"https://app.test"}, "pass"},
		{"in capitals", "APP.test", visit.Secure, []string{"https://app.Test"}, "pass"},
		{"with the default port", "app.test:443", visit.Secure, []string{"https://app.test"}, "pass"},
		{"with the default port in Origin", "app.test", visit.Secure, []string{"https://app.test:443"}, "pass"},
		{"with a dot", "app.test.", visit.Secure, []string{"https://app.test"}, "pass"},
		{"another port of ours", "app.test:8443", visit.Secure, []string{"https://app.test:8443"}, "pass"},
		{"IPv6", "[::1]:8443", visit.Secure, []string{"https://[::1]:8443"}, "pass"},
		{"loopback", "localhost:8080", visit.Loopback, []string{"http://localhost:8080"}, "pass"},
		{"loopback, default port", "localhost", visit.Loopback, []string{"http://localhost:80"}, "pass"},
		{"another site", "app.test", visit.Secure, []string{"https://evil.example"}, "foreign-origin"},
		{"a sibling", "app.test", visit.Secure, []string{"https://blog.app.test"}, "foreign-origin"},
		{"a longer name", "app.test", visit.Secure, []string{"https://app.test.evil.example"}, "foreign-origin"},
		{"another port", "app.test", visit.Secure, []string{"https://app.test:8443"}, "foreign-origin"},
		{"without TLS (CS-8)", "app.test", visit.Secure, []string{"http://app.test"}, "foreign-origin"},
		{"without TLS on our port", "app.test:8443", visit.Secure, []string{"http://app.test:8443"}, "foreign-origin"},
		{"a sandbox", "app.test", visit.Secure, []string{"null"}, "foreign-origin"},
		{"nothing", "app.test", visit.Secure, []string{""}, "foreign-origin"},
		{"an extension", "app.test", visit.Secure, []string{"chrome-extension://app.test"}, "foreign-origin"},
		{"user information", "app.test", visit.Secure, []string{"https://app.test@evil.example"}, "foreign-origin"},
		{"a path", "app.test", visit.Secure, []string{"https://app.test/"}, "foreign-origin"},
		{"two", "app.test", visit.Secure, []string{"https://app.test", "https://evil.example"}, "foreign-origin"},
		{"two alike", "app.test", visit.Secure, []string{"https://app.test", "https://app.test"}, "foreign-origin"},
	}
	g := site(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check := func(how string, r *http.Request, v visit.Visit) {
				t.Helper()
				r.Host, v.Transport = tt.host, tt.transport
				if tt.origins != nil {
					r.Header["Origin"] = tt.origins
				}
				if got := verdict(g.Check(r, v)); got != tt.want {
					t.Errorf("%s: got %s, want %s", how, got, tt.want)
				}
			}
			line := cookie("full") + "; nightlatch=full"
			r, v := ask(t, "GET /socket", line, "Connection: Upgrade", "Upgrade: websocket")
			check("HTTP/1.1", r, v)
			r, v = extended(t, 2, "websocket", line)
			check("HTTP/2", r, v)
			r, v = extended(t, 3, "websocket", line)
			check("HTTP/3", r, v)
		})
	}

	foreign := "Origin: https://evil.example"
	r, v := ask(t, "GET /socket", "Upgrade: websocket", foreign)
	if got := verdict(g.Check(r, v)); got != "sign in" {
		t.Errorf("a stranger from another site: got %s, want sign in", got)
	}
	r, v = ask(t, "GET /api", cookie("full"), foreign)
	if got := verdict(g.Check(r, v)); got != "pass" {
		t.Errorf("no WebSocket: got %s, want pass, since CORS is for the application to decide", got)
	}
	r, v = ask(t, "GET /public/socket", cookie("full"), "Upgrade: websocket", foreign)
	if got := verdict(site(t, skipPublic).Check(r, v)); got != "pass" {
		t.Errorf("skipped: got %s, want pass, since no session goes with it", got)
	}
}

// TestAD9StoreDown: an error of the store is neither a pass nor "signed out", and what is skipped does not need the store.
func TestAD9StoreDown(t *testing.T) {
	down := errors.New("disk on fire")
	g := site(t, skipPublic, denySecret)
	g.session = func(context.Context, auth.Asker, string) (*auth.Session, error) { return nil, down }
	for target, want := range map[string]string{
		"/public/x": "pass", "/secret": "forbidden", "/": "unavailable", "/public/../x": "forbidden",
	} {
		for _, who := range []string{"", "full"} {
			r, v := ask(t, "GET "+target, cookie(who))
			d := g.Check(r, v)
			if got := verdict(d); got != want {
				t.Errorf("%s as %q: got %s, want %s", target, who, got, want)
			}
			if d.Reason == Unavailable && !errors.Is(d.Err, down) {
				t.Errorf("%s as %q: got error %v, want the cause", target, who, d.Err)
			}
		}
	}

	noService, err := New(Config{Service: func() (*auth.Service, error) { return nil, down }, Brand: web.Brand{Name: "Example"}})
	if err != nil {
		t.Fatal(err)
	}
	r, v := ask(t, "GET /")
	if d := noService.Check(r, v); verdict(d) != "unavailable" || !errors.Is(d.Err, down) {
		t.Errorf("no service, a stranger: got %s and error %v, want unavailable and the cause", verdict(d), d.Err)
	}

	for _, kind := range []auth.Kind{auth.Unavailable, auth.Busy, auth.NotFound, auth.WrongCredentials} {
		g.session = func(context.Context, auth.Asker, string) (*auth.Session, error) { return nil, &auth.Error{Kind: kind} }
		r, v := ask(t, "GET /", cookie("full"))
		if got := verdict(g.Check(r, v)); got != "unavailable" {
			t.Errorf("an error of kind %d: got %s, want unavailable", kind, got)
		}
	}
}

// TestMatcherErrors: the error of a matcher refuses the request, and reaches whoever knows what it means as it is.
func TestMatcherErrors(t *testing.T) {
	broken := errors.New("425, in a type that only Caddy knows")
	for _, matched := range []bool{false, true} {
		g := site(t, Rule{Action: Skip, Match: func(*http.Request) (bool, error) { return matched, broken }, Text: "skip @broken"}, skipPublic)
		r, v := ask(t, "GET /public/x", cookie("admin"))
		if d := g.Check(r, v); d.Pass || d.Reason != MatcherFailed || d.Err != broken || d.Rule.Text != "skip @broken" {
			t.Errorf("got %+v, want a refusal with the error and the rule", d)
		}
	}
}

// TestExposed: on plain HTTP from elsewhere nobody can be signed in, whatever cookie comes along.
func TestExposed(t *testing.T) {
	g := site(t, skipPublic, denySecret)
	for target, want := range map[string]string{"/public/x": "pass", "/secret": "forbidden", "/": "https-required", "/public%2fx": "forbidden"} {
		r, v := ask(t, "GET "+target, cookie("admin")+"; nightlatch=admin")
		v.Transport = visit.Exposed
		g.session = func(context.Context, auth.Asker, string) (*auth.Session, error) { panic("the cookie was read") }
		if got := verdict(g.Check(r, v)); got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
}

// TestTooEarly: TLS early data can be played back, so what may change something waits for the handshake (F8).
func TestTooEarly(t *testing.T) {
	g := site(t)
	for _, tt := range []struct {
		method string
		tls    *tls.ConnectionState
		who    string
		want   string
	}{
		{"POST", &tls.ConnectionState{}, "full", "too-early"},
		{"DELETE", &tls.ConnectionState{}, "full", "too-early"},
		{"GET", &tls.ConnectionState{}, "full", "pass"},
		{"HEAD", &tls.ConnectionState{}, "full", "pass"},
		{"OPTIONS", &tls.ConnectionState{}, "full", "pass"},
		{"POST", &tls.ConnectionState{HandshakeComplete: true}, "full", "pass"},
		{"POST", nil, "full", "pass"},
		{"POST", &tls.ConnectionState{}, "", "sign in"},
		{"GET?_method=DELETE", &tls.ConnectionState{}, "full", "too-early"},
		{"GET?_method=DELETE", &tls.ConnectionState{HandshakeComplete: true}, "full", "pass"},
		{"GET?a=b", &tls.ConnectionState{}, "full", "pass"},
		{"POST?told", &tls.ConnectionState{HandshakeComplete: true}, "full", "too-early"},
		{"POST?told", nil, "full", "too-early"},
		{"GET?told", nil, "full", "pass"},
	} {
		method, query, _ := strings.Cut(tt.method, "?")
		r, v := ask(t, method+" /x?"+query, cookie(tt.who))
		r.TLS = tt.tls
		if query == "told" {
			r.Header.Set("Early-Data", "1") // by the proxy that has ended TLS
		}
		if got := verdict(g.Check(r, v)); got != tt.want {
			t.Errorf("%s, %+v, %q: got %s, want %s", tt.method, tt.tls, tt.who, got, tt.want)
		}
	}
}

// TestMF1HalfSignedIn: a session without its second factor, and the cookie of a sign-in that is not finished, open nothing.
func TestMF1HalfSignedIn(t *testing.T) {
	g := site(t, adminsOnly)
	for _, lines := range [][]string{
		{cookie("half")},
		{"Cookie: __Host-nightlatch-attempt=admin"},
		{"Cookie: nightlatch=admin"},
		{cookie("admin") + "; __Host-nightlatch=admin"},
		{cookie("admin"), cookie("admin")},
		{cookie("admin") + "; __Host-nightlatch="},
	} {
		for _, line := range []string{"X: y", "Upgrade: websocket", "Content-Type: application/grpc", "Accept: text/html"} {
			r, v := ask(t, "GET /x", append(lines, line)...)
			if d := g.Check(r, v); d.Pass {
				t.Errorf("%q with %q passes", lines, line)
			}
		}
	}
}

// TestOneInstant: a decision stands on one reading of the clock.
func TestOneInstant(t *testing.T) {
	g := site(t, adminsOnly, freshProof)
	read := 0
	g.now = func() time.Time { read++; return now }
	r, v := ask(t, "GET /a%2fb", cookie("admin"))
	if d := g.Check(r, v); !d.Pass || read != 1 {
		t.Errorf("got %s after reading the clock %d times, want pass after 1", verdict(d), read)
	}
}

// TestManyRules: more rules than fit where the collected ones are kept at first.
func TestManyRules(t *testing.T) {
	var rules []Rule
	for _, c := range "abcdefghijklmnop" {
		rule := adminsOnly
		rule.Match, rule.Text = under("/"+string(c)), string(c)
		rules = append(rules, rule)
	}
	rules[15].Need = need2("staff")
	for who, want := range map[string]string{"admin": "pass", "old": "forbidden", "full": "forbidden"} {
		r, v := ask(t, "GET /x;y", cookie(who))
		if got := verdict(site(t, rules...).Check(r, v)); got != want {
			t.Errorf("%s: got %s, want %s", who, got, want)
		}
	}
}
