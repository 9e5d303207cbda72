// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

const (
	appHost = "app.example.test"
	appHome = "https://app.example.test"
)

func bearer(token string) string { return "Authorization: Bearer " + token }

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func pair(family string, k auth.MadeAccessKey) []string {
	return []string{family + "-Client-Id: " + k.ID, family + "-Client-Secret: " + k.Secret}
}

// askHost is ask of the host that the keys of these tests are for.
func askHost(t testing.TB, target string, more ...string) (*http.Request, visit.Visit) {
	t.Helper()
	r, v := ask(t, target, more...)
	v.Host, v.Site, v.Address = appHost, appHome, netip.MustParseAddr("192.0.2.7")
	return r, v
}

func checkWith(t testing.TB, g *Gate, target string, more ...string) string {
	t.Helper()
	r, v := askHost(t, target, more...)
	return verdict(g.Check(r, v))
}

// serviceToken makes a key of nobody, or of a person when user is not empty.
func serviceToken(t testing.TB, b *authtest.Bench, user string, in auth.NewAccessKey) auth.MadeAccessKey {
	t.Helper()
	in.Name = "a program"
	if in.Hosts == nil {
		in.Hosts = []string{appHost}
	}
	made, err := b.AddAccessKey(t.Context(), auth.Client{}, user, in)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// tokens signs a person in as a program does.
func tokens(t testing.TB, b *authtest.Bench, p *authtest.Person) auth.Progress {
	t.Helper()
	c := p.Client()
	c.API, c.Home, c.Host = true, appHome, appHost
	b.Clock.Move(30 * time.Second) // the next code is a fresh one
	in := p.Credentials()
	in.Tokens = true
	pr, err := b.SignIn(t.Context(), c, in)
	if err == nil && pr.Step == auth.StepCode {
		pr, err = b.Code(t.Context(), c, pr.Attempt, auth.TOTP, p.Code())
	}
	if err != nil || pr.Tokens == nil {
		t.Fatalf("signing a program in: step %q, %v", pr.Step, err)
	}
	return pr
}

// Each way to present what opens the gate, in front of the rules that it meets and those that it does not.
func TestProgramsPass(t *testing.T) {
	g, b, alice := open(t, skipPublic, adminsOnly, staffOnly, freshProof, denySecret,
		Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor, Users: []string{"alice"}}, Match: under("/alice"), PathBound: true, Text: "require /alice* two_factor user alice"},
		Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TOTP}}, Match: under("/otp"), PathBound: true, Text: "require /otp* two_factor methods totp"})
	service, own, access := serviceToken(t, b, "", auth.NewAccessKey{}), serviceToken(t, b, "alice", auth.NewAccessKey{}), tokens(t, b, alice)
	for name, c := range map[string]struct {
		lines                               []string
		admin, staff, alice, fresh, methods string
	}{
		"a service token":                 {[]string{bearer(service.Token)}, "forbidden", "forbidden", "forbidden", "prove more", "prove more"},
		"a service token as a password":   {[]string{basic(service.ID, service.Token)}, "forbidden", "forbidden", "forbidden", "prove more", "prove more"},
		"a service token in a pair":       {pair("Nightlatch", service), "forbidden", "forbidden", "forbidden", "prove more", "prove more"},
		"an app password":                 {[]string{bearer(own.Token)}, "pass", "forbidden", "pass", "prove more", "prove more"},
		"an app password as a password":   {[]string{basic("alice", own.Token)}, "pass", "forbidden", "pass", "prove more", "prove more"},
		"an app password of ALICE":        {[]string{basic("ALICE", own.Token)}, "pass", "forbidden", "pass", "prove more", "prove more"},
		"an app password in a pair":       {pair("Nightlatch", own), "pass", "forbidden", "pass", "prove more", "prove more"},
		"an app password, by Cloudflare":  {pair("CF-Access", own), "pass", "forbidden", "pass", "prove more", "prove more"},
		"an access token":                 {[]string{bearer(access.Tokens.Access)}, "pass", "forbidden", "pass", "pass", "pass"},
		"an access token beside a cookie": {[]string{bearer(access.Tokens.Access), cookie("bad")}, "pass", "forbidden", "pass", "pass", "pass"},
	} {
		for target, want := range map[string]string{
			"/": "pass", "/public/x": "pass", "/x//y": "forbidden", "/admin": c.admin, "/staff/x": c.staff, "/alice": c.alice, "/pay": c.fresh, "/otp": c.methods,
			"/secret": "forbidden", "/public/../admin": "forbidden",
		} {
			if got := checkWith(t, g, "GET "+target, c.lines...); got != want {
				t.Errorf("%s for %s: got %s, want %s", name, target, got, want)
			}
			// A browser that presents the same is no other visitor.
			if got := checkWith(t, g, "GET "+target, append(c.lines, browserGET)...); got != want {
				t.Errorf("%s for %s in a browser: got %s, want %s", name, target, got, want)
			}
		}
	}
	r, v := askHost(t, "GET /", bearer(service.Token))
	if s := g.Check(r, v).Session; s.Key != service.ID || s.Name != "" || s.UserID != "" || !s.Program {
		t.Errorf("a service token is %+v", s)
	}
	r, v = askHost(t, "GET /", basic("alice", own.Token))
	if s := g.Check(r, v).Session; s.Key != own.ID || s.Name != "alice" || !s.Program {
		t.Errorf("an app password is %+v", s)
	}
	r, v = askHost(t, "GET /", bearer(access.Tokens.Access))
	if s := g.Check(r, v).Session; s.ID != access.SessionID || s.Key != "" || s.Name != "alice" || !s.Program {
		t.Errorf("an access token is %+v, want session %s", s, access.SessionID)
	}
}

// MF-5, SE-16, R: nothing else opens the gate, and whoever presents something bad is nobody by another way.
func TestWhatIsPresentedAloneCounts(t *testing.T) {
	g, b, alice := open(t)
	key, access := serviceToken(t, b, "alice", auth.NewAccessKey{}), tokens(t, b, alice).Tokens
	other := serviceToken(t, b, "", auth.NewAccessKey{})
	for name, c := range map[string]struct {
		lines        []string
		alone, aside string // beside alice's cookie
	}{
		"nothing":                          {nil, "sign in", "pass"},
		"the password of a person (MF-5)":  {[]string{basic("alice", alice.Password)}, "sign in", "pass"},
		"a cookie as a token":              {[]string{bearer(alice.Session)}, "sign in", "pass"},
		"the application's own":            {[]string{bearer("e30.e30.e30")}, "sign in", "pass"},
		"other spellings (ID-2)":           {[]string{"Nightlatch_Client_Id: " + key.ID, "Nightlatch_Client_Secret: " + key.Secret}, "sign in", "pass"},
		"Proxy-Authorization":              {[]string{"Proxy-" + bearer(key.Token)}, "sign in", "pass"},
		"an access key in a cookie":        {[]string{"Cookie: nightlatch=" + key.Token}, "sign in", "pass"},
		"a key as a session cookie":        {[]string{cookie(key.Token)}, "sign in", "sign in"},
		"a key that does not exist":        {[]string{bearer("nlk0000000000000000_" + key.Secret)}, "sign in", "sign in"},
		"a key with another secret":        {[]string{bearer(key.ID + "_" + other.Secret)}, "sign in", "sign in"},
		"a key that is cut off":            {[]string{bearer(key.Token[:62])}, "sign in", "sign in"},
		"a key twice":                      {[]string{bearer(key.Token), bearer(key.Token)}, "sign in", "sign in"},
		"two kinds":                        {append(pair("CF-Access", key), bearer(key.Token)), "sign in", "sign in"},
		"in a list":                        {[]string{bearer(key.Token) + ", " + strings.TrimPrefix(basic("alice", key.Token), "Authorization: ")}, "sign in", "sign in"},
		"a tab":                            {[]string{"Authorization: Bearer\t" + key.Token}, "sign in", "sign in"},
		"as the password of another":       {[]string{basic("bob", key.Token)}, "sign in", "sign in"},
		"as the password of its id":        {[]string{basic(key.ID, key.Token)}, "sign in", "sign in"},
		"nobody's as alice's password":     {[]string{basic("alice", other.Token)}, "sign in", "sign in"},
		"nobody's as a password of nobody": {[]string{basic("", other.Token)}, "sign in", "sign in"},
		"a pair of two keys":               {[]string{"Nightlatch-Client-Id: " + other.ID, "Nightlatch-Client-Secret: " + key.Secret}, "sign in", "sign in"},
		"an access token with another bit": {[]string{bearer(flip(access.Access))}, "sign in", "sign in"},
		"an access token without its end":  {[]string{bearer(access.Access[:len(access.Access)-43])}, "sign in", "sign in"},
		"an access token as a password":    {[]string{basic("alice", access.Access)}, "sign in", "sign in"},
		"a refresh token":                  {[]string{bearer(access.Refresh)}, "sign in", "sign in"},
		"a good key":                       {[]string{bearer(key.Token)}, "pass", "pass"},
		"a good key, spaces around it":     {[]string{"Authorization:   bearer   " + key.Token + "  "}, "pass", "pass"},
		"a good key beside the app's own":  {append(pair("Nightlatch", key), basic("alice", "x")), "pass", "pass"},
	} {
		if got := checkWith(t, g, "GET /", c.lines...); got != c.alone {
			t.Errorf("%s: got %s, want %s", name, got, c.alone)
		}
		beside := append(c.lines[:len(c.lines):len(c.lines)], cookie(alice.Session))
		if got := checkWith(t, g, "GET /", beside...); got != c.aside {
			t.Errorf("%s beside a cookie: got %s, want %s", name, got, c.aside)
		}
	}
	// SE-16: not from the query.
	for _, target := range []string{"/?access_token=" + access.Access, "/?token=" + key.Token, "/?Authorization=Bearer+" + key.Token, "/" + key.Token} {
		if got := checkWith(t, g, "GET "+target); got != "sign in" {
			t.Errorf("%s: got %s, want sign in", target, got)
		}
	}
}

// flip is a token with another last letter but one, where every bit counts.
func flip(token string) string {
	i, c := len(token)-2, "A"
	if token[i] == 'A' {
		c = "B"
	}
	return token[:i] + c + token[i+1:]
}

// What a key is for is judged of the request as the visitor sent it.
func TestScopeOfKeys(t *testing.T) {
	g, b, _ := open(t)
	of := func(in auth.NewAccessKey) string { return bearer(serviceToken(t, b, "", in).Token) }
	paths := of(auth.NewAccessKey{Paths: []string{"/api"}})
	methods := of(auth.NewAccessKey{Methods: []string{"GET"}})
	network := of(auth.NewAccessKey{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	elsewhere := of(auth.NewAccessKey{Hosts: []string{"other.example.test"}})
	for _, c := range []struct{ line, target, want string }{
		{paths, "GET /api", "pass"}, {paths, "POST /api/x?y=/", "pass"}, {paths, "GET /apix", "sign in"}, {paths, "GET /", "sign in"},
		{paths, "GET /api/../admin", "sign in"}, {paths, "GET /api//x", "sign in"}, {paths, "GET /x/../api", "sign in"}, {paths, "GET /api%2fx", "sign in"},
		{paths, "GET /x?/api", "sign in"}, {paths, "GET http://app.example.test/api/x", "pass"},
		{methods, "GET /", "pass"}, {methods, "HEAD /", "pass"}, {methods, "POST /", "sign in"}, {methods, "get /", "sign in"}, {methods, "GETX /", "sign in"},
		{network, "GET /", "pass"}, {elsewhere, "GET /", "sign in"},
	} {
		if got := checkWith(t, g, c.target, c.line); got != c.want {
			t.Errorf("%s: got %s, want %s", c.target, got, c.want)
		}
	}
	// PC-20: a key for some methods is for none that an application may put in the place of them; one for all is.
	overriding := map[string][]string{"GET /x": {"X-HTTP-Method-Override: GET", "x-http-method: GET", "X-Method-Override: GET", "X-HTTP-Method-Override: ", "X~HTTP-Method~Override: GET"}}
	for _, query := range []string{"_method=GET", "a=b&_method=DELETE", "a=b;_method=DELETE", "%5Fmethod=PUT", "_%6dethod", ".method=PUT", "+method=PUT", "%20_METHOD=PUT", "%zz=1&m",
		"_method%00=DELETE", "a=b&_method%00x=DELETE", "_method%0a=DELETE", "x-http-method-override=DELETE", "X_HTTP_Method=PUT", "%58-Method-Override=PUT"} {
		overriding["GET /x?"+query] = []string{"X-Y: z"}
	}
	for target, lines := range overriding {
		for _, more := range lines {
			for line, want := range map[string]string{methods: "sign in", of(auth.NewAccessKey{}): "pass"} {
				if got := checkWith(t, g, target, line, more); got != want {
					t.Errorf("%s with %s: got %s, want %s", target, more, got, want)
				}
			}
		}
	}
	for _, target := range []string{"GET /x?method=PUT", "GET /x?my_method=PUT", "GET /x?_methods=PUT", "GET /x?a=_method=PUT", "GET /x?a=%zz", "GET /_method?m"} {
		if got := checkWith(t, g, target, methods, "X-HTTP-Methods: PUT", "X-Method: PUT"); got != "pass" {
			t.Errorf("%s: got %s, want pass", target, got)
		}
	}
	// PC-18: a key for some paths copies and moves nothing to another one (RFC 4918 section 9.8).
	for _, c := range []struct{ to, want string }{
		{"Destination: https://app.example.test/api/y", "pass"}, {"Destination: /api/y", "pass"}, {"destination: https://app.example.test/api", "pass"},
		{"Destination: https://app.example.test/admin", "sign in"}, {"Destination: /apix", "sign in"}, {"Destination: //app.example.test/admin", "sign in"},
		{"Destination: https://app.example.test/api/../admin", "sign in"}, {"Destination: /api/%2e%2e/admin", "sign in"}, {"Destination: /api%2f..%2fadmin", "sign in"},
		{"Destination: /api//x", "sign in"}, {"Destination: /api;/../x", "sign in"}, {"Destination: https://app.example.test", "sign in"}, {"Destination: ", "sign in"},
		{"Destination: api/y", "sign in"}, {"Destination: https:/api/y#/admin", "sign in"}, {"Destination: %zz", "sign in"},
		{"Destination: /api/y\r\nDestination: /admin", "sign in"}, {"Destination: //admin/api/y", "sign in"}, {"Destination: //app.example.test/api/y", "sign in"},
		{"Destination: /api?/../../admin", "sign in"}, {"Destination: /api/y?", "sign in"},
	} {
		lines := strings.Split(c.to, "\r\n")
		if got := checkWith(t, g, "MOVE /api/x", append(lines, paths)...); got != c.want {
			t.Errorf("moving, %s: got %s, want %s", c.to, got, c.want)
		}
		if got := checkWith(t, g, "MOVE /api/x", append(lines, of(auth.NewAccessKey{}))...); got != "pass" {
			t.Errorf("moving with a key for all paths, %s: got %s, want pass", c.to, got)
		}
	}
	// A rewrite of the site changes what the rules see, and not what the key is for.
	r, v := askHost(t, "GET /api/x", paths)
	r.URL.Path = "/index.php"
	if got := verdict(g.Check(r, v)); got != "pass" {
		t.Errorf("rewritten: got %s, want pass", got)
	}
	r, v = askHost(t, "GET /x", paths)
	r.URL.Path = "/api/x"
	if got := verdict(g.Check(r, v)); got != "sign in" {
		t.Errorf("rewritten to what the key is for: got %s, want sign in", got)
	}
	r, v = askHost(t, "GET /api/x", paths)
	v.URL = nil
	if got := verdict(g.Check(r, v)); got != "sign in" {
		t.Errorf("without a target: got %s, want sign in", got)
	}
	r, v = askHost(t, "GET /", network)
	v.Address = netip.MustParseAddr("198.51.100.7")
	if got := verdict(g.Check(r, v)); got != "sign in" {
		t.Errorf("from another network: got %s, want sign in", got)
	}
	v.Address = netip.Addr{}
	if got := verdict(g.Check(r, v)); got != "sign in" {
		t.Errorf("from nowhere: got %s, want sign in", got)
	}
	// FA-20, FA-21: before the end of the handshake nobody knows where a request comes from. What was not good for it may be then.
	for line, want := range map[string]string{network: "too-early", of(auth.NewAccessKey{}): "pass", elsewhere: "too-early", bearer("nlk0123456789abcdef_" + strings.Repeat("A", 43)): "too-early"} {
		r, v := askHost(t, "GET /", line)
		r.TLS = new(tls.ConnectionState)
		if got := verdict(g.Check(r, v)); got != want {
			t.Errorf("in early data: got %s, want %s", got, want)
		}
	}
	// A WebSocket begins with a GET, whatever the version of HTTP.
	for _, major := range []int{2, 3} {
		for line, want := range map[string]string{methods: "pass", of(auth.NewAccessKey{Methods: []string{"POST"}}): "sign in"} {
			r, v := extended(t, major, "websocket", line)
			v.Host, v.Site = appHost, appHome
			if got := verdict(g.Check(r, v)); got != want {
				t.Errorf("HTTP/%d: got %s, want %s", major, got, want)
			}
		}
	}
}

// What was revoked, has run out or belongs to nobody any more opens nothing from then on.
func TestProgramsEnd(t *testing.T) {
	g, b, alice := open(t)
	want := func(when, line, want string) {
		t.Helper()
		if got := checkWith(t, g, "GET /", line); got != want {
			t.Errorf("%s: got %s, want %s", when, got, want)
		}
	}
	key := serviceToken(t, b, "alice", auth.NewAccessKey{Expires: b.Clock.Now().Add(24 * time.Hour)})
	want("a key", bearer(key.Token), "pass")
	b.Restart(t)
	want("a key after a restart", bearer(key.Token), "pass")
	if err := b.RevokeAccessKey(t.Context(), auth.Client{}, key.ID); err != nil {
		t.Fatal(err)
	}
	want("a revoked key", bearer(key.Token), "sign in")

	key = serviceToken(t, b, "alice", auth.NewAccessKey{Expires: b.Clock.Now().Add(24 * time.Hour)})
	access := tokens(t, b, alice)
	want("an access token", bearer(access.Tokens.Access), "pass")
	want("another key", bearer(key.Token), "pass")
	b.Clock.Move(access.Tokens.AccessExpires.Sub(b.Clock.Now()))
	want("an access token that has run out", bearer(access.Tokens.Access), "sign in")
	b.Clock.Move(24 * time.Hour)
	want("a key that has run out", bearer(key.Token), "sign in")

	access = tokens(t, b, alice)
	want("an access token again", bearer(access.Tokens.Access), "pass")
	if err := b.RevokeSession(t.Context(), auth.Client{}, access.SessionID); err != nil {
		t.Fatal(err)
	}
	want("an access token of an ended session", bearer(access.Tokens.Access), "sign in")

	key, access = serviceToken(t, b, "alice", auth.NewAccessKey{}), tokens(t, b, alice)
	want("the last key", bearer(key.Token), "pass")
	want("the last token", bearer(access.Tokens.Access), "pass")
	if err := b.SetDisabled(t.Context(), auth.Client{}, "alice", true); err != nil {
		t.Fatal(err)
	}
	want("the key of a disabled account", bearer(key.Token), "sign in")
	want("the token of a disabled account", bearer(access.Tokens.Access), "sign in")
}

// ST-11: a store that does not answer is 503, and never a pass or a "wrong token".
func TestStoreFailsForPrograms(t *testing.T) {
	g, b, alice := open(t)
	for name, line := range map[string]string{"a key": bearer(serviceToken(t, b, "", auth.NewAccessKey{}).Token), "a token": bearer(tokens(t, b, alice).Tokens.Access)} {
		b.Store.FailViews(errors.New("disk on fire"))
		r, v := askHost(t, "GET /", line, browserGET)
		got := refuse(t, g, r, v)
		b.Store.FailViews(nil)
		if kind := got.Header.Get("Content-Type"); got.StatusCode != 503 || kind != "application/problem+json" {
			t.Errorf("%s: got %d, %s, want 503 and a problem", name, got.StatusCode, kind)
		}
		if got := checkWith(t, g, "GET /", line); got != "pass" {
			t.Errorf("%s, when the store is back: got %s, want pass", name, got)
		}
	}
	broken, err := New(Config{Service: func() (*auth.Service, error) { return nil, errors.New("closed") }, Brand: web.Brand{Name: "Example"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := checkWith(t, broken, "GET /", bearer(serviceToken(t, b, "", auth.NewAccessKey{}).Token)); got != "unavailable" {
		t.Errorf("without a service: got %s, want unavailable", got)
	}
}

// A program gets a status and JSON, whatever it says it takes, and is told in the words of RFC 6750 and RFC 9470.
func TestProgramsAreRefusedAsPrograms(t *testing.T) {
	day := Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 24 * time.Hour}, Match: under("/day"), PathBound: true, Text: "require /day* two_factor max_age 1d"}
	g, b, alice := open(t, staffOnly, freshProof, day, Rule{Need: password, Match: under("/lax"), PathBound: true, Text: "require /lax* password"})
	carol := b.AddUser(t, auth.NewUser{Name: "carol"})
	service, access, weak := serviceToken(t, b, "", auth.NewAccessKey{}), tokens(t, b, alice).Tokens, tokens(t, b, carol).Tokens
	b.Clock.Move(2 * time.Minute)
	const nl, asks = `Nightlatch realm="Example"`, `Basic realm="Example", charset="UTF-8", `
	for name, c := range map[string]struct {
		target, line, from string
		status             int
		problem, challenge string
	}{
		"a bad key":                  {"/", bearer(service.Token[:60]), "", 401, "sign-in-required", `Bearer realm="Example", error="invalid_token", ` + asks + nl},
		"a bad key of a browser":     {"/", bearer(service.Token[:60]), browserGET, 401, "sign-in-required", `Bearer realm="Example", error="invalid_token", ` + nl},
		"a bad key of a script":      {"/", bearer(service.Token[:60]), script, 401, "sign-in-required", `Bearer realm="Example", error="invalid_token", ` + nl},
		"a bad password":             {"/", basic("bob", service.Token), oldBrowser, 401, "sign-in-required", `Bearer realm="Example", error="invalid_token", ` + asks + nl},
		"a key where a code is old":  {"/day", bearer(service.Token), browserGET, 401, "second-factor-required", `Bearer realm="Example", error="insufficient_user_authentication", max_age="86400", ` + nl},
		"a token of a password":      {"/", bearer(weak.Access), "", 401, "second-factor-required", `Bearer realm="Example", error="insufficient_user_authentication", ` + nl},
		"somebody else's":            {"/staff/x", bearer(access.Access), browserGET, 403, "forbidden", ""},
		"nobody where a group is":    {"/staff/x", bearer(service.Token), browserGET, 403, "forbidden", ""},
		"another host of a key":      {"/", bearer(serviceToken(t, b, "", auth.NewAccessKey{Hosts: []string{"other.test"}}).Token), browserGET, 401, "sign-in-required", `Bearer realm="Example", error="invalid_token", ` + nl},
		"an access key of nobody":    {"/", bearer("nlk0123456789abcdef_" + strings.Repeat("A", 43)), browserGET, 401, "sign-in-required", `Bearer realm="Example", error="invalid_token", ` + nl},
		"what cannot be read":        {"/", "Authorization: " + service.Token, browserGET, 401, "sign-in-required", `Bearer realm="Example", error="invalid_token", ` + nl},
		"a form with a bad password": {"/", basic("bob", service.Token), browserGET, 401, "sign-in-required", `Bearer realm="Example", error="invalid_token", ` + nl},
	} {
		for _, method := range []string{"GET", "POST"} {
			r, v := askHost(t, method+" "+c.target, c.line, "X-A: b\r\n"+strings.TrimSuffix("X-B: c\r\n"+c.from, "\r\n"))
			if d := g.Check(r, v); !d.Presented || d.WantsProof() {
				t.Errorf("%s: %+v", name, d)
			}
			got := refuse(t, g, r, v)
			var p struct {
				Type, Detail string
				SignInURL    string `json:"sign_in_url"`
			}
			if err := json.NewDecoder(got.Body).Decode(&p); err != nil || got.StatusCode != c.status || p.Type != "/_nightlatch/problems/"+c.problem {
				t.Errorf("%s: got %d, %+v, %v; want %d, %s", name, got.StatusCode, p, err, c.status, c.problem)
			}
			if c.status == 401 && (p.SignInURL != "" || !strings.Contains(p.Detail, "presented")) {
				t.Errorf("%s: got %+v", name, p)
			}
			if challenge := got.Header.Get("WWW-Authenticate"); challenge != c.challenge {
				t.Errorf("%s: got WWW-Authenticate %q, want %q", name, challenge, c.challenge)
			}
			for _, p := range []Proxy{Caddy, NGINX} {
				w := httptest.NewRecorder()
				v.Pages = appHome
				g.RefuseTo(p, w, r, r, v, g.Check(r, v))
				if w.Code != c.status || w.Header().Get("WWW-Authenticate") != c.challenge || w.Header().Get("Location") != "" {
					t.Errorf("%s through %s: got %d, %v, want %d", name, p, w.Code, w.Header(), c.status)
				}
			}
		}
	}
	// The proofs behind an access token grow old as those of a cookie do.
	b.Clock.Move(2 * time.Minute)
	r, v := askHost(t, "GET /lax", bearer(weak.Access))
	if got := verdict(g.Check(r, v)); got != "pass" {
		t.Errorf("a token of a password where that suffices: got %s, want pass", got)
	}
	b.Clock.Move(24 * time.Hour)
	access = tokens(t, b, alice).Tokens
	r, v = askHost(t, "GET /", bearer(access.Access), grpcCall)
	if got := verdict(g.Check(r, v)); got != "pass" {
		t.Errorf("a gRPC client: got %s, want pass", got)
	}
	r, v = askHost(t, "POST /", bearer("nlk0123456789abcdef_"), grpcCall)
	if got := refuse(t, g, r, v); got.Header.Get("Grpc-Status") != "16" {
		t.Errorf("a gRPC client: got %v, want grpc-status 16", got.Header)
	}
}

// Why a token was refused is for the operator who looks for it, and for nobody else.
func TestWhyAProgramWasRefused(t *testing.T) {
	g, b, _ := open(t)
	key := serviceToken(t, b, "alice", auth.NewAccessKey{Paths: []string{"/api"}})
	for line, want := range map[string]string{
		bearer(key.Token):             "not for this path",
		basic("bob", key.Token):       "the user name of somebody else",
		bearer(key.Token) + ", x":     "not one whole token in one place",
		bearer(key.ID + "_" + key.ID): "not one whole token in one place",
		bearer(key.Token[:62] + "AA"): "not one whole token in one place",
		basic("alice", key.Token):     "not for this path",
	} {
		var said bytes.Buffer
		g.log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
		r, v := askHost(t, "GET /x", line)
		answer, err := io.ReadAll(refuse(t, g, r, v).Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := said.String(); !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, want) || strings.Contains(got, key.Secret) {
			t.Errorf("%.30s: logged %q, want %q in it", line, got, want)
		}
		if strings.Contains(string(answer), want) {
			t.Errorf("%.30s: the program was told %s", line, answer)
		}
		said.Reset()
		g.log = slog.New(slog.NewTextHandler(&said, nil))
		if refuse(t, g, r, v); said.Len() > 0 {
			t.Errorf("%.30s: logged %q at the usual level", line, said.String())
		}
	}
}

// RFC 9470: a program learns how fresh the proofs have to be.
func TestOldProofsOfAToken(t *testing.T) {
	g, b, alice := open(t, freshProof)
	access := tokens(t, b, alice)
	b.Clock.Move(4 * time.Minute)
	c := alice.Client()
	c.API, c.Home, c.Host = true, appHome, appHost
	for range 2 { // a refresh proves nothing anew
		next, err := b.Refresh(t.Context(), c, access.Tokens.Refresh)
		if err != nil {
			t.Fatal(err)
		}
		access.Tokens = &next
		b.Clock.Move(4 * time.Minute)
	}
	if got := checkWith(t, g, "GET /", bearer(access.Tokens.Access)); got != "pass" {
		t.Errorf("where nothing fresh is asked: got %s, want pass", got)
	}
	r, v := askHost(t, "GET /pay", bearer(access.Tokens.Access), browserGET)
	got := refuse(t, g, r, v)
	if challenge := got.Header.Get("WWW-Authenticate"); got.StatusCode != 401 ||
		challenge != `Bearer realm="Example", error="insufficient_user_authentication", max_age="600", Nightlatch realm="Example"` {
		t.Errorf("got %d, %q", got.StatusCode, challenge)
	}
}

// CS-2: a browser sends a password along that it once was given, from the pages of any site, as it would a cookie without SameSite.
func TestPasswordsFromForeignPages(t *testing.T) {
	g, b, _ := open(t)
	key := serviceToken(t, b, "alice", auth.NewAccessKey{})
	for _, c := range []struct{ line, basic, bearer string }{
		{"X-A: b", "pass", "pass"},
		{"Sec-Fetch-Site: none", "pass", "pass"},
		{"Sec-Fetch-Site: same-origin", "pass", "pass"},
		{"Sec-Fetch-Site: same-site", "foreign-origin", "pass"},
		{"Sec-Fetch-Site: cross-site", "foreign-origin", "pass"},
		{"Origin: https://app.example.test", "pass", "pass"},
		{"Origin: https://evil.example", "foreign-origin", "pass"},
	} {
		if got := checkWith(t, g, "POST /", basic("alice", key.Token), c.line); got != c.basic {
			t.Errorf("a password, %s: got %s, want %s", c.line, got, c.basic)
		}
		if got := checkWith(t, g, "POST /", bearer(key.Token), c.line); got != c.bearer {
			t.Errorf("a token, %s: got %s, want %s", c.line, got, c.bearer)
		}
	}
}

// On plain HTTP from beyond this machine nobody is let in by what everybody on the way has read.
func TestProgramsWithoutTLS(t *testing.T) {
	g, b, _ := open(t)
	key := serviceToken(t, b, "", auth.NewAccessKey{})
	r, v := askHost(t, "GET /", bearer(key.Token), browserGET)
	v.Transport = visit.Exposed
	if got := refuse(t, g, r, v); got.StatusCode != 403 || got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d, %s, want 403 and a problem", got.StatusCode, got.Header.Get("Content-Type"))
	}
	v.Transport = visit.Loopback
	if got := verdict(g.Check(r, v)); got != "pass" {
		t.Errorf("on loopback: got %s, want pass", got)
	}
}

// liveProgram is the request of a program whose credential is in memory.
func liveProgram(t testing.TB, line func(*authtest.Bench, *authtest.Person) string) (*Gate, *http.Request, visit.Visit) {
	t.Helper()
	g, b, alice := open(t, skipPublic, adminsOnly, freshProof)
	r, v := askHost(t, "GET /orders/2026/index.html?page=2", line(b, alice), "Accept: application/json")
	if d := g.Check(r, v); !d.Pass {
		t.Fatalf("got %s, want pass", verdict(d))
	}
	return g, r, v
}

func byKey(t testing.TB) func(*authtest.Bench, *authtest.Person) string {
	return func(b *authtest.Bench, _ *authtest.Person) string {
		return bearer(serviceToken(t, b, "", auth.NewAccessKey{Paths: []string{"/orders"}, Methods: []string{"GET"}}).Token)
	}
}

func byToken(t testing.TB) func(*authtest.Bench, *authtest.Person) string {
	return func(b *authtest.Bench, p *authtest.Person) string { return bearer(tokens(t, b, p).Tokens.Access) }
}

func TestProgramsAllocateNothing(t *testing.T) {
	for name, line := range map[string]func(*authtest.Bench, *authtest.Person) string{"a key": byKey(t), "a token": byToken(t)} {
		g, r, v := liveProgram(t, line)
		if n := testing.AllocsPerRun(200, func() { g.Check(r, v) }); n > 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
}

func BenchmarkCheckKey(b *testing.B) { benchmarkProgram(b, byKey(b)) }

func BenchmarkCheckToken(b *testing.B) { benchmarkProgram(b, byToken(b)) }

func benchmarkProgram(b *testing.B, line func(*authtest.Bench, *authtest.Person) string) {
	g, r, v := liveProgram(b, line)
	b.ReportAllocs()
	for b.Loop() {
		if d := g.Check(r, v); !d.Pass {
			b.Fatal(verdict(d))
		}
	}
}
