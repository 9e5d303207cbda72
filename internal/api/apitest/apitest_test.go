// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package apitest_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/api/apitest"
)

// exchange is a request and its answer.
type exchange struct {
	method, path, sent string
	credential         http.Header
	status             int
	header             http.Header
	body               string
}

const (
	prefix    = "/_nightlatch/api/v1/"
	account   = `{"id":"3f2a9c1b7d5e4f60a1b2c3d4e5f60718","username":"ada","display_name":"","email":"","groups":[],"two_factor":{"enabled":false,"methods":[]}}`
	challenge = `{"status":"second_factor_required","attempt":"x","expires_at":"2026-11-23T07:25:00Z","methods":[{"method":"totp"},{"method":"backup_code"}]}`
	asked     = `{"username":"ada","password":"x"}`
)

func answer(contentType string, more ...string) http.Header {
	h := http.Header{"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

func problem(kind string, status int, more string) string {
	return fmt.Sprintf(`{"type":"/_nightlatch/problems/%s","title":"x","status":%d,"detail":"x"%s}`, kind, status, more)
}

const isProblem = "application/problem+json"

var (
	bearer = http.Header{"Authorization": {"Bearer a.b.c"}}
	realm  = []string{"WWW-Authenticate", `Bearer realm="nightlatch"`}
)

// listener hears what Hold says of a test.
type listener struct {
	testing.TB
	said []string
}

func (l *listener) Helper()                   {}
func (l *listener) Errorf(f string, a ...any) { l.said = append(l.said, fmt.Sprintf(f, a...)) }

func held(t *testing.T, x exchange) []string {
	r := httptest.NewRequest(x.method, "https://app.example.test"+x.path, strings.NewReader(x.sent))
	maps.Copy(r.Header, x.credential)
	if x.sent != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	l := &listener{TB: t}
	a := &http.Response{Request: r, StatusCode: x.status, Header: x.header, Body: io.NopCloser(strings.NewReader(x.body))}
	apitest.Hold(l, a, []byte(x.sent))
	if again, err := io.ReadAll(a.Body); err != nil || string(again) != x.body {
		t.Errorf("the body is %q afterwards, %v", again, err)
	}
	return l.said
}

func TestHoldLetsThroughWhatIsDescribed(t *testing.T) {
	for name, x := range map[string]exchange{
		"JSON":                        {"GET", prefix + "account", "", bearer, 200, answer("application/json"), account},
		"by cookie":                   {"GET", prefix + "account", "", http.Header{"Cookie": {"__Host-nightlatch=x"}}, 200, answer("application/json"), account},
		"on loopback":                 {"GET", prefix + "account", "", http.Header{"Cookie": {"nightlatch=x"}}, 200, answer("application/json"), account},
		"HEAD":                        {"HEAD", prefix + "account", "", bearer, 200, answer("application/json"), ""},
		"HEAD refused":                {"HEAD", prefix + "account", "", nil, 401, answer(isProblem, realm...), ""},
		"a body":                      {"POST", prefix + "sign-in", asked, nil, 200, answer("application/json"), challenge},
		"nothing":                     {"POST", prefix + "sign-out", "", bearer, 204, answer(""), ""},
		"empty object":                {"POST", prefix + "sign-out", "{}", bearer, 204, answer(""), ""},
		"empty object to GET":         {"GET", prefix + "account", "{}", bearer, 200, answer("application/json"), account},
		"in braces":                   {"DELETE", prefix + "two-factor/0123456789abcdef", "", bearer, 204, answer(""), ""},
		"refused":                     {"GET", prefix + "account", "", nil, 401, answer(isProblem, realm...), problem("sign-in-required", 401, "")},
		"to wait":                     {"POST", prefix + "sign-in", asked, nil, 429, answer(isProblem, "Retry-After", "5"), problem("too-many-tries", 429, "")},
		"to go on":                    {"POST", prefix + "sign-in", asked, nil, 401, answer(isProblem, realm...), problem("wrong-code", 401, `,"attempt":"x","expires_at":"2026-11-23T07:25:00Z"`)},
		"unlike any":                  {"POST", prefix + "sign-in", `{"name":1}`, nil, 400, answer(isProblem), problem("bad-request", 400, "")},
		"no route":                    {"GET", prefix + "nowhere", "", nil, 404, answer(isProblem), problem("not-found", 404, "")},
		"odd spelling":                {"GET", prefix + "%61ccount", "", nil, 404, answer(isProblem), problem("not-found", 404, "")},
		"no API":                      {"GET", "/_nightlatch/api/v2/account", "", nil, 404, answer(isProblem), problem("not-found", 404, "")},
		"not by this":                 {"PUT", prefix + "sessions", "", nil, 405, answer(isProblem, "Allow", "GET, HEAD, DELETE"), problem("method-not-allowed", 405, "")},
		"what is no id":               {"GET", prefix + "two-factor/totp", "", nil, 405, answer(isProblem, "Allow", "POST"), problem("method-not-allowed", 405, "")},
		"by a method of another case": {"get", prefix + "account", "", nil, 405, answer(isProblem, "Allow", "GET, HEAD"), problem("method-not-allowed", 405, "")},
		"HEAD of none":                {"HEAD", prefix + "sign-in", "", nil, 405, answer(isProblem, "Allow", "POST"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if said := held(t, x); len(said) > 0 {
				t.Errorf("%q", said)
			}
		})
	}
}

func TestHoldRefusesWhatIsNot(t *testing.T) {
	taken := func(method, path, sent string, credential http.Header) exchange {
		return exchange{method, prefix + path, sent, credential, 204, answer(""), ""}
	}
	shown := func(body string) exchange {
		return exchange{"GET", prefix + "account", "", bearer, 200, answer("application/json"), body}
	}
	refused := func(status int, header http.Header, body string) exchange {
		return exchange{"POST", prefix + "sign-in", asked, nil, status, header, body}
	}
	for name, x := range map[string]exchange{
		"a member less":             shown(strings.Replace(account, `"email":"",`, "", 1)),
		"a member more":             shown(strings.Replace(account, `{`, `{"password":"x",`, 1)),
		"one more, further in":      shown(strings.Replace(account, `"enabled"`, `"secret":"x","enabled"`, 1)),
		"another type":              shown(strings.Replace(account, `"groups":[]`, `"groups":null`, 1)),
		"another word":              shown(strings.Replace(account, `"methods":[]`, `"methods":["otp"]`, 1)),
		"an id of another form":     shown(strings.Replace(account, "3f2a", "", 1)),
		"a member twice":            shown(strings.Replace(account, `"groups"`, `"email":"","groups"`, 1)),
		"no JSON":                   shown(account + "x"),
		"no body":                   shown(""),
		"another Content-Type":      {"GET", prefix + "account", "", bearer, 200, answer("text/html"), account},
		"a body nobody expects":     {"POST", prefix + "sign-out", "", bearer, 204, answer("application/json"), "{}"},
		"a HEAD with a body":        {"HEAD", prefix + "account", "", bearer, 200, answer("application/json"), account},
		"a HEAD of another type":    {"HEAD", prefix + "account", "", bearer, 200, answer("text/plain"), ""},
		"cacheable":                 {"GET", prefix + "account", "", bearer, 200, http.Header{"Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"}}, account},
		"open to sniffing":          {"GET", prefix + "account", "", bearer, 200, http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}, account},
		"another status":            {"GET", prefix + "account", "", bearer, 201, answer("application/json"), account},
		"a time that is none":       {"POST", prefix + "sign-in", asked, nil, 200, answer("application/json"), strings.Replace(challenge, "11-23", "13-23", 1)},
		"a time elsewhere":          {"POST", prefix + "sign-in", asked, nil, 200, answer("application/json"), strings.Replace(challenge, "00Z", "00+01:00", 1)},
		"another status word":       {"POST", prefix + "sign-in", asked, nil, 200, answer("application/json"), strings.Replace(challenge, "second_factor", "factor", 1)},
		"tokens by halves":          {"POST", prefix + "password", `{"current_password":"x","new_password":"x"}`, bearer, 200, answer("application/json"), `{"status":"done","access_token":"a.b.c"}`},
		"a problem of no kind":      refused(401, answer(isProblem, realm...), problem("wrong", 401, "")),
		"one of another route":      refused(401, answer(isProblem, realm...), problem("step-up-required", 401, "")),
		"one of another status":     refused(401, answer(isProblem, realm...), problem("wrong-code", 400, "")),
		"a problem that says more":  refused(401, answer(isProblem, realm...), problem("wrong-credentials", 401, `,"attempt":"x","expires_at":"2026-11-23T07:25:00Z"`)),
		"a problem as JSON":         refused(401, answer("application/json", realm...), problem("wrong-credentials", 401, "")),
		"no challenge":              refused(401, answer(isProblem), problem("wrong-credentials", 401, "")),
		"another challenge":         refused(401, answer(isProblem, "WWW-Authenticate", "Basic"), problem("wrong-credentials", 401, "")),
		"how long to wait":          refused(429, answer(isProblem), problem("too-many-tries", 429, "")),
		"to wait for a date":        refused(429, answer(isProblem, "Retry-After", "Mon, 23 Nov 2026 07:25:00 GMT"), problem("too-many-tries", 429, "")),
		"a route of no description": {"GET", prefix + "users", "", bearer, 200, answer("application/json"), "[]"},
		"a method of none":          {"PUT", prefix + "account", "", bearer, 200, answer("application/json"), account},
		"another Allow":             {"PUT", prefix + "account", "", nil, 405, answer(isProblem, "Allow", "GET, HEAD, PUT"), problem("method-not-allowed", 405, "")},
		"405 without Allow":         {"PUT", prefix + "account", "", nil, 405, answer(isProblem), problem("method-not-allowed", 405, "")},
		"404 of a route":            {"GET", prefix + "account", "", bearer, 404, answer(isProblem), problem("not-found", 404, "")},
		"404 as a page":             {"GET", prefix + "users", "", nil, 404, answer("text/html"), "<p>"},
		"404 that says more":        {"GET", prefix + "users", "", nil, 404, answer(isProblem), problem("not-found", 404, `,"user":"x"`)},
		"an unknown field taken":    taken("POST", "token/revoke", `{"refresh_token":"x","also":"y"}`, nil),
		"a wrong type taken":        taken("POST", "token/revoke", `{"refresh_token":1}`, nil),
		"nothing taken":             taken("POST", "token/revoke", "", nil),
		"anything taken":            taken("POST", "sign-out", `{"all":true}`, bearer),
		"any body of DELETE taken":  taken("DELETE", "sessions", `{"all":true}`, bearer),
		"a body of GET taken":       {"GET", prefix + "account", `{"all":true}`, bearer, 200, answer("application/json"), account},
		"any id taken":              taken("DELETE", "sessions/0123456789abcdeg", "", bearer),
		"anybody let in":            taken("POST", "sign-out", "", nil),
		"Basic taken":               taken("POST", "sign-out", "", http.Header{"Authorization": {"Basic x"}}),
	} {
		t.Run(name, func(t *testing.T) {
			if said := held(t, x); len(said) == 0 {
				t.Error("it is let through")
			}
		})
	}
}

func TestTransportHoldsWhatItCarries(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil || string(sent) != asked {
			t.Errorf("%s: the body is %q, %v", r.URL.Path, sent, err)
		}
		maps.Copy(w.Header(), answer("application/json"))
		io.WriteString(w, challenge+r.URL.RawQuery)
	}))
	defer server.Close()
	for target, want := range map[string]int{prefix + "sign-in": 0, prefix + "sign-in?x": 1, "/elsewhere?x": 0} {
		l := &listener{TB: t}
		client := &http.Client{Transport: apitest.Transport{T: l, Base: http.DefaultTransport}}
		a, err := client.Post(server.URL+target, "application/json", strings.NewReader(asked))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || !strings.HasPrefix(string(body), challenge) {
			t.Errorf("%s: got %q, %v", target, body, err)
		}
		if (len(l.said) > 0) != (want > 0) {
			t.Errorf("%s: %q", target, l.said)
		}
	}
}

// An answer counts as seen when it was held and is one that is described: not a refusal, and each word of a status by itself.
func TestUnseen(t *testing.T) {
	unseen := func() []string {
		list, err := apitest.Unseen()
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	const signedIn, enroll, revoked = "signIn 200 signed_in", "signIn 200 enrollment_required", "revokeAppPassword 204"
	want := func(name string, is bool) {
		t.Helper()
		if got := slices.Contains(unseen(), name); got != is {
			t.Errorf("%s: unseen %t, want %t", name, got, is)
		}
	}
	want(signedIn, true)
	held(t, exchange{"POST", prefix + "sign-in", asked, nil, 200, answer("application/json"), `{"status":"enrollment_required","attempt":"x","expires_at":"2026-11-23T07:25:00Z","available":[]}`})
	want(enroll, false)
	want(signedIn, true)
	held(t, exchange{"DELETE", prefix + "app-passwords/nlk0123456789abcdef", "", bearer, 404, answer(isProblem), problem("not-found", 404, "")})
	want(revoked, true)
	held(t, exchange{"DELETE", prefix + "app-passwords/nlk0123456789abcdef", "", bearer, 204, answer(""), ""})
	want(revoked, false)
}
