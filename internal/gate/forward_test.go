// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

var proxies = []Proxy{Caddy, Traefik, NGINX, HAProxy, Envoy}

// asks is the question of a proxy about a request, and its target.
func asks(p Proxy, method, scheme, host, target string) (*http.Request, string) {
	at := forwardAuth + p.String()
	r := httptest.NewRequest("GET", at, nil)
	r.Header.Set("Cookie", "app=1")
	switch p {
	case NGINX:
		r.Header.Set("X-Original-URL", scheme+"://"+host+target)
		r.Header.Set("X-Original-Method", method)
	case Envoy:
		r.Method, r.Host = method, host
		r.Header.Set("X-Forwarded-Proto", scheme)
		at += target
	default:
		r.Header.Set("X-Forwarded-Method", method)
		r.Header.Set("X-Forwarded-Proto", scheme)
		r.Header.Set("X-Forwarded-Host", host)
		r.Header.Set("X-Forwarded-Uri", target)
	}
	return r, at
}

func TestAskedBy(t *testing.T) {
	for path, want := range map[string]Proxy{
		"/_nightlatch/forward-auth/caddy":       Caddy,
		"/_nightlatch/forward-auth/traefik":     Traefik,
		"/_nightlatch/forward-auth/nginx":       NGINX,
		"/_nightlatch/forward-auth/haproxy":     HAProxy,
		"/_nightlatch/forward-auth/envoy":       Envoy,
		"/_nightlatch/forward-auth/envoy/":      Envoy,
		"/_nightlatch/forward-auth/envoy/a/b":   Envoy,
		"/_nightlatch/forward-auth/envoys":      0,
		"/_nightlatch/forward-auth/nginx/":      0,
		"/_nightlatch/forward-auth/nginx/a":     0,
		"/_nightlatch/forward-auth/Nginx":       0,
		"/_nightlatch/forward-auth/":            0,
		"/_nightlatch/forward-auth":             0,
		"/_nightlatch/forward-auth/xyz":         0,
		"/x/_nightlatch/forward-auth/nginx":     0,
		"/_nightlatch/sign-in":                  0,
		"/":                                     0,
		"":                                      0,
		"/_nightlatch//forward-auth/nginx":      0,
		"/_nightlatch/forward-auth/../x/caddy":  0,
		"/_nightlatch/forward-auth/proxy 0":     0,
		"/_nightlatch/forward-auth/traefik?x=1": 0,
	} {
		if got, ok := AskedBy(path); got != want || ok != (want != 0) {
			t.Errorf("%s: got %s, %v", path, got, ok)
		}
	}
}

func TestOriginalIsTheVisitorsRequest(t *testing.T) {
	for _, p := range proxies {
		for _, c := range []struct{ method, scheme, host, target, path, query string }{
			{"GET", "https", "app.example.com", "/", "/", ""},
			{"POST", "http", "App.Example.com:8080", "/a%20b?x=%2F&y", "/a b", "x=%2F&y"},
			{"PROPFIND", "https", "[::1]:8443", "/a//../b;c?d?e", "/a//../b;c", "d?e"},
			{"get", "https", "app.example.com.", "//evil.example/x", "//evil.example/x", ""},
			{"BASELINE-CONTROL", "https", "10.0.0.1", "/public/x%23/#y", "/public/x#/#y", ""},
		} {
			r, target := asks(p, c.method, c.scheme, c.host, c.target)
			r.Body = noReader{t}
			got, scheme, err := p.Original(r, target)
			if err != nil {
				t.Errorf("%s, %+v: %v", p, c, err)
				continue
			}
			if got.Method != c.method || scheme != c.scheme || got.Host != c.host || got.RequestURI != c.target || got.URL.Path != c.path || got.URL.RawQuery != c.query {
				t.Errorf("%s: got %s %s://%s%s, path %q, query %q; want %+v", p, got.Method, scheme, got.Host, got.RequestURI, got.URL.Path, got.URL.RawQuery, c)
			}
			if got.Body != http.NoBody || got.ContentLength != 0 || got.TLS != nil {
				t.Errorf("%s: got body %v of %d bytes, TLS %v; want what no proxy tells", p, got.Body, got.ContentLength, got.TLS)
			}
			if len(got.Header) != 1 || got.Header.Get("Cookie") != "app=1" {
				t.Errorf("%s: got headers %v, want the visitor's", p, got.Header)
			}
		}
	}
}

// sets are the headers of which each has to be there once.
func sets(p Proxy) []string {
	switch p {
	case NGINX:
		return []string{originalURL, originalMethod}
	case Envoy:
		return []string{forwardedProto}
	}
	return []string{forwardedMethod, forwardedProto, forwardedHost, forwardedURI}
}

// FA-7: all of a set, once each and not empty, or nothing.
func TestFA7SetsAreWhole(t *testing.T) {
	for _, p := range proxies {
		for _, name := range sets(p) {
			for what, change := range map[string]func(http.Header){
				"missing":       func(h http.Header) { delete(h, name) },
				"no line":       func(h http.Header) { h[name] = []string{} },
				"empty":         func(h http.Header) { h[name] = []string{""} },
				"twice":         func(h http.Header) { h[name] = append(h[name], h[name][0]) },
				"a second line": func(h http.Header) { h[name] = append(h[name], "") },
			} {
				r, target := asks(p, "GET", "https", "app.example.com", "/admin")
				change(r.Header)
				if got, _, err := p.Original(r, target); err == nil || got != nil || !strings.Contains(err.Error(), name) {
					t.Errorf("%s, %s %s: got %v, %v, want an error that names it", p, name, what, got, err)
				}
			}
		}
	}
}

// broken are sets of which some part cannot be: each makes an error for every proxy.
var broken = map[string]struct{ method, scheme, host, target string }{
	"scheme in upper case":      {"GET", "HTTPS", "app.example.com", "/"},
	"scheme of a list":          {"GET", "https,http", "app.example.com", "/"},
	"another scheme":            {"GET", "javascript", "app.example.com", "/"},
	"scheme with a blank":       {"GET", "https ", "app.example.com", "/"},
	"scheme of a file":          {"GET", "file", "app.example.com", "/"},
	"no host":                   {"GET", "https", "", "/"},
	"host with a user":          {"GET", "https", "app.example.com@evil.example", "/"},
	"host with a password":      {"GET", "https", "app.example.com:1@evil.example", "/"},
	"host with a question mark": {"GET", "https", "app.example.com?", "/"},
	"host with a hash":          {"GET", "https", "app.example.com#", "/"},
	"host with a backslash":     {"GET", "https", `evil.example\app.example.com`, "/"},
	"host with a percent sign":  {"GET", "https", "app.example.com%00.evil.example", "/"},
	"host of a list":            {"GET", "https", "app.example.com, evil.example", "/"},
	"host with a zone":          {"GET", "https", "[fe80::1%25eth0]", "/"},
	"host with an empty port":   {"GET", "https", "app.example.com:", "/"},
	"host with letters as port": {"GET", "https", "app.example.com:https", "/"},
	"host not in ASCII":         {"GET", "https", "bücher.example.com", "/"},
	"method with a blank":       {"GET ", "https", "app.example.com", "/"},
	"method of a list":          {"GET,POST", "https", "app.example.com", "/"},
	"method with a slash":       {"GET/", "https", "app.example.com", "/"},
	"method with a line break":  {"GET\n", "https", "app.example.com", "/"},
	"method not in ASCII":       {"GÉT", "https", "app.example.com", "/"},
	"method without end":        {strings.Repeat("A", 33), "https", "app.example.com", "/"},
	"target of another host":    {"GET", "https", "app.example.com", "http://evil.example/"},
	"target without a slash":    {"GET", "https", "app.example.com", "admin"},
	"target of a query":         {"GET", "https", "app.example.com", "?x=/"},
	"target of a fragment":      {"GET", "https", "app.example.com", "#/"},
	"star":                      {"OPTIONS", "https", "app.example.com", "*"},
	"backslash":                 {"GET", "https", "app.example.com", `\admin`},
	"target with a blank":       {"GET", "https", "app.example.com", "/public /../admin"},
	"target with a line break":  {"GET", "https", "app.example.com", "/a\nb"},
	"target with NUL":           {"GET", "https", "app.example.com", "/a\x00"},
	"target with DEL":           {"GET", "https", "app.example.com", "/a\x7f"},
	"bad escape":                {"GET", "https", "app.example.com", "/%zz"},
	"half an escape":            {"GET", "https", "app.example.com", "/%2"},
	"nothing":                   {"", "", "", ""},
}

func TestFA7MalformedIsRefused(t *testing.T) {
	for name, c := range broken {
		for _, p := range proxies {
			r, target := asks(p, c.method, c.scheme, c.host, c.target)
			if got, _, err := p.Original(r, target); err == nil {
				t.Errorf("%s, %s: got %s %s%s, want an error", p, name, got.Method, got.Host, got.RequestURI)
			} else if c.target == "/a\nb" && strings.Contains(err.Error(), "a\nb") {
				t.Errorf("%s: the error holds what a visitor wrote: %v", p, err)
			}
		}
	}
	for _, address := range []string{"https", "https:", "https:/app.example.com/", "https:app.example.com/", "//app.example.com/", "/admin", "https://app.example.com", ":///", "app.example.com/"} {
		r, target := asks(NGINX, "GET", "https", "app.example.com", "/")
		r.Header.Set("X-Original-URL", address)
		if got, _, err := NGINX.Original(r, target); err == nil {
			t.Errorf("%s: got %s%s, want an error", address, got.Host, got.RequestURI)
		}
	}
}

// FA-17: the path is that of the question, as sent, or nothing.
func TestFA17EnvoyNeedsAPath(t *testing.T) {
	for _, target := range []string{
		"", "/", "*", "/_nightlatch/forward-auth/envoy", "/_nightlatch/forward-auth/envoy?x=/", "/_nightlatch/forward-auth/envoyx/", "/_nightlatch/forward-auth/%65nvoy/admin",
		"http://app.example.com/_nightlatch/forward-auth/envoy/admin", "//_nightlatch/forward-auth/envoy/admin",
	} {
		r, _ := asks(Envoy, "GET", "https", "app.example.com", "/admin")
		r.Header.Set("X-Envoy-Original-Path", "/public/x")
		if got, _, err := Envoy.Original(r, target); err == nil {
			t.Errorf("%q: got %s, want an error", target, got.RequestURI)
		}
	}
}

// FA-2, FA-7: whoever writes a header of another set is found out, and so is a proxy that asks at the address of another kind.
func TestFA2ContradictionsAreRefused(t *testing.T) {
	all := []string{originalURL, originalMethod, forwardedMethod, forwardedURI}
	same := map[string]string{originalURL: "https://app.example.com/admin", originalMethod: "GET", forwardedMethod: "GET", forwardedURI: "/admin"}
	others := map[string][]string{
		originalURL:     {"https://app.example.com/public", "http://app.example.com/admin", "https://other.example.com/admin", "/admin", ""},
		originalMethod:  {"POST", "get", ""},
		forwardedMethod: {"HEAD", ""},
		forwardedURI:    {"/public/x", "/admin?", "/Admin", ""},
	}
	for _, p := range proxies {
		for _, name := range all {
			if slices.Contains(sets(p), name) {
				continue
			}
			r, target := asks(p, "GET", "https", "app.example.com", "/admin")
			r.Header.Set(name, same[name])
			if _, _, err := p.Original(r, target); err != nil {
				t.Errorf("%s with %s that says the same: %v", p, name, err)
			}
			for _, other := range others[name] {
				for _, lines := range [][]string{{other}, {same[name], other}} {
					r.Header[name] = lines
					if _, _, err := p.Original(r, target); err == nil || !strings.Contains(err.Error(), name) {
						t.Errorf("%s with %s: %q: got %v, want an error that names it", p, name, lines, err)
					}
				}
			}
		}
	}
	// nginx asks at the address of another one, and the visitor wrote the set that is read there; and the other way round.
	for real, wired := range map[Proxy]Proxy{NGINX: Traefik, Traefik: NGINX} {
		r, _ := asks(wired, "GET", "https", "app.example.com", "/public/x")
		own, target := asks(real, "GET", "https", "app.example.com", "/admin")
		for name, lines := range own.Header {
			r.Header[name] = lines
		}
		if got, _, err := wired.Original(r, target); err == nil {
			t.Errorf("%s at the address of %s: got %s, want an error", real, wired, got.RequestURI)
		}
	}
}

// A WebSocket over TLS is wss to Traefik, which says so when it passes on what it was told itself.
func TestTraefikNamesWebSockets(t *testing.T) {
	for word, want := range map[string]string{"wss": "https", "ws": "http"} {
		for _, p := range proxies {
			r, target := asks(p, "GET", word, "app.example.com", "/")
			_, scheme, err := p.Original(r, target)
			if p == Traefik && (err != nil || scheme != want) || p != Traefik && err == nil {
				t.Errorf("%s, %s: got %q, %v", p, word, scheme, err)
			}
		}
	}
}

// FuzzOriginal: whatever stands in a set, what is found is a request as a server would have read it, or an error.
func FuzzOriginal(f *testing.F) {
	for _, c := range broken {
		f.Add(c.method, c.scheme, c.host, c.target)
	}
	for _, targets := range hostile {
		for _, target := range targets {
			f.Add("GET", "https", "app.example.com", target)
		}
	}
	f.Fuzz(func(t *testing.T, method, scheme, host, target string) {
		found := make(map[string]bool)
		for _, p := range proxies {
			r, at := asks(p, method, scheme, host, target)
			got, as, err := p.Original(r, at)
			if err != nil {
				continue
			}
			found[fmt.Sprintf("%s %s %s %s %q %q", got.Method, as, got.Host, got.RequestURI, got.URL.Path, got.URL.RawQuery)] = true
			if got.Method != method || got.Host != host && p != NGINX || as != scheme && p != Traefik || got.RequestURI[0] != '/' || !visit.ValidHost(got.Host) {
				t.Errorf("%s: got %s %s://%s%s", p, got.Method, as, got.Host, got.RequestURI)
			}
			// A server reads the same from the wire.
			wire, err := parse("GET " + got.RequestURI)
			if err != nil || wire.URL.Path != got.URL.Path || wire.URL.RawQuery != got.URL.RawQuery || wire.URL.RawPath != got.URL.RawPath {
				t.Errorf("%s: %q has path %q and query %q; a server reads %v, %v", p, got.RequestURI, got.URL.Path, got.URL.RawQuery, wire, err)
			}
		}
		// nginx has all in one line, so another word in another place makes another request of it.
		if whole := visit.ValidHost(host) && target != "" && target[0] == '/'; whole && len(found) > 1 && scheme != "ws" && scheme != "wss" {
			t.Errorf("the proxies tell different requests: %v", found)
		}
	})
}

// decisions are all that Check can decide, but pass.
func decisions() map[string]Decision {
	deny := denySecret
	return map[string]Decision{
		"sign in":    {}, // whatever nobody has decided
		"prove more": {Verdict: auth.ProveMore, Session: people["half"]},
		"enroll":     {Verdict: auth.ProveMore, Session: people["fresh"]},
		"step up":    {Verdict: auth.StepUp, Session: people["old"], Need: freshProof.Need},
		"forbidden":  {Verdict: auth.Forbidden, Session: people["full"]},
		"denied":     denied(&deny),
		"bad host":   {Reason: BadHost}, "bad method": {Reason: BadMethod}, "matcher": {Reason: MatcherFailed, Err: errors.New("broken")},
		"exposed": {Reason: Exposed}, "too early": {Reason: TooEarly}, "unavailable": {Reason: Unavailable, Err: errors.New("down")},
		"foreign": {Reason: ForeignOrigin}, "own path": {Reason: OwnPath},
	}
}

// senders are the requests that are answered in different ways.
var senders = map[string]string{"navigation": browserGET, "script": script, "gRPC": grpcCall, "gRPC in a browser": "Content-Type: application/grpc-web", "nothing": ""}

// FA-12: what is refused is never 2xx, in no dialect, since that lets pass; nginx gets what it knows; nothing sets a cookie, and nothing
// may be kept (FA-13).
func TestFA12EveryRefusalIsOne(t *testing.T) {
	g := site(t)
	refusals := map[string]func(Proxy, http.ResponseWriter, *http.Request, *http.Request, visit.Visit){
		"not told": func(p Proxy, w http.ResponseWriter, question, original *http.Request, v visit.Visit) {
			g.RefuseUntoldTo(p, w, question, original, v, errors.New("no key"))
		},
	}
	for name, d := range decisions() {
		refusals[name] = func(p Proxy, w http.ResponseWriter, question, original *http.Request, v visit.Visit) {
			g.RefuseTo(p, w, question, original, v, d)
		}
	}
	for name, refuse := range refusals {
		for sender, header := range senders {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				for _, p := range proxies {
					original, v := ask(t, method+" /page?x=1", header)
					original.Host, v.Pages = "legacy.example.com", "https://legacy.example.com"
					question, _ := asks(p, method, "https", "legacy.example.com", "/page?x=1")
					question.Method = "GET"
					question.Body = noReader{t}
					w := httptest.NewRecorder()
					refuse(p, w, question, original, v)
					got := w.Result()
					checkRefusal(t, fmt.Sprintf("%s, %s, %s %s", p, name, method, sender), p, got)
					location := got.Header.Get("Location")
					leads := got.StatusCode == 303 || p == NGINX && location != ""
					if want := (name == "sign in" || name == "prove more" || name == "enroll" || name == "step up") && sender == "navigation" && method != "POST"; leads != want {
						t.Errorf("%s, %s, %s %s: got %d to %q", p, name, method, sender, got.StatusCode, location)
					}
					if leads && !strings.HasPrefix(location, "https://legacy.example.com/_nightlatch/") {
						t.Errorf("%s, %s: got Location %q, want it on the protected host", p, name, location)
					}
					if nobodyKnows := name == "unavailable" || name == "not told"; nobodyKnows != (got.StatusCode == 503) {
						t.Errorf("%s, %s: got %d", p, name, got.StatusCode)
					}
				}
			}
		}
	}
}

func checkRefusal(t *testing.T, what string, p Proxy, got *http.Response) {
	t.Helper()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	status := got.StatusCode
	if status < 300 || status == 500 || status >= 502 && status != 503 {
		t.Errorf("%s: got %d", what, status)
	}
	if p == NGINX && (status != 401 && status != 403 && status != 503 || len(body) > 0) {
		t.Errorf("%s: got %d and %d bytes, want 401, 403 or 503 and none", what, status, len(body))
	}
	if c := got.Header.Get("Content-Length"); c != "" && c != fmt.Sprint(len(body)) {
		t.Errorf("%s: got Content-Length %s and %d bytes: the proxy would wait for more", what, c, len(body))
	}
	if got.Header.Get("Cache-Control") != "no-store" || got.Header["Set-Cookie"] != nil {
		t.Errorf("%s: got headers %v", what, got.Header)
	}
	if (got.Header.Get("WWW-Authenticate") != "") != (status == 401 && got.Header.Get("Grpc-Status") == "") {
		t.Errorf("%s: got %d and WWW-Authenticate %q", what, status, got.Header.Get("WWW-Authenticate"))
	}
}

// A page and a problem lead to the protected host too, wherever the proxy shows them.
func TestRefusalsOfAProxyAreAbsolute(t *testing.T) {
	g := site(t)
	for sender, c := range map[string]struct {
		request, header string
		who             *auth.Session
		want            string
	}{
		"problem": {"GET /data", script, nil, `"sign_in_url":"https://legacy.example.com/_nightlatch/sign-in"`},
		"form":    {"POST /form", browserGET, nil, `href="https://legacy.example.com/_nightlatch/sign-in?return_to=/_nightlatch/form-waits"`},
		"account": {"GET /admin", browserGET, people["full"], `href="https://legacy.example.com/_nightlatch/account"`},
	} {
		original, v := ask(t, c.request, c.header)
		v.Pages = "https://legacy.example.com"
		question, _ := asks(Traefik, "GET", "https", "legacy.example.com", "/")
		d := Decision{Verdict: auth.SignIn}
		if c.who != nil {
			d = Decision{Verdict: auth.Forbidden, Session: c.who}
		}
		w := httptest.NewRecorder()
		g.RefuseTo(Traefik, w, question, original, v, d)
		if !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: got %d %s, want %s in it", sender, w.Code, w.Body, c.want)
		}
	}
}

// Where the pages are at the portal, it leads back to the request, or to the site where no page is to come back to.
func TestRefusalsOfAProxyLeadToThePortal(t *testing.T) {
	g := site(t)
	for header, want := range map[string]string{
		browserGET: "https://auth.example.com/_nightlatch/sign-in?return_to=/_nightlatch/continue%3Freturn_to%3D%252Fpage%253Fx%253D1%26site%3Dhttps%253A%252F%252Flegacy.example.com",
		script:     "https://auth.example.com/_nightlatch/sign-in?return_to=/_nightlatch/continue%3Freturn_to%3D%26site%3Dhttps%253A%252F%252Flegacy.example.com",
	} {
		original, v := ask(t, "GET /page?x=1", header)
		v.Pages, v.Portal, v.Site, v.Domain = "https://auth.example.com", "https://auth.example.com", "https://legacy.example.com", "example.com"
		question, _ := asks(Traefik, "GET", "https", "legacy.example.com", "/")
		w := httptest.NewRecorder()
		g.RefuseTo(Traefik, w, question, original, v, Decision{})
		got := w.Header().Get("Location")
		if header == script {
			var problem struct {
				URL string `json:"sign_in_url"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
				t.Fatal(err)
			}
			got = problem.URL
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// FA-1, FA-7, FA-12: a question that is not answered.
func TestRefusedQuestions(t *testing.T) {
	for reason, want := range map[Reason]struct {
		status  int
		problem string
	}{Untrusted: {403, "untrusted-proxy"}, Malformed: {400, "bad-question"}, Unprotected: {403, "not-protected"}} {
		for _, p := range proxies {
			question, _ := asks(p, "GET", "https", "legacy.example.com", "/")
			question.Header.Set("Content-Type", "application/grpc")
			question.Body = noReader{t}
			w := httptest.NewRecorder()
			p.Refuse(w, question, reason)
			checkRefusal(t, fmt.Sprintf("%s, %s", p, want.problem), p, w.Result())
			if p == NGINX {
				continue
			}
			var problem struct{ Type string }
			if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Code != want.status || problem.Type != "/_nightlatch/problems/"+want.problem {
				t.Errorf("%s: got %d %s, %v, want %d %s", p, w.Code, w.Body, err, want.status, want.problem)
			}
			if w.Body.Len() > 1000 {
				t.Errorf("%s, %s: got %d bytes (FA-15)", p, want.problem, w.Body.Len())
			}
		}
	}
}

// FA-15: a connection on which a body was announced ends with the answer, whatever it is.
func TestFA15BodyIsLeftWithTheProxy(t *testing.T) {
	for _, length := range []int64{0, 1, 100, -1, 1 << 30} {
		for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
			"allowed":   NGINX.Allow,
			"malformed": func(w http.ResponseWriter, r *http.Request) { NGINX.Refuse(w, r, Malformed) },
			"refused": func(w http.ResponseWriter, r *http.Request) {
				original, v := ask(t, "GET /")
				site(t).RefuseTo(Caddy, w, r, original, v, Decision{})
			},
		} {
			question, _ := asks(NGINX, "POST", "https", "legacy.example.com", "/")
			question.Body, question.ContentLength = noReader{t}, length
			w := httptest.NewRecorder()
			answer(w, question)
			if got := w.Header().Get("Connection") == "close"; got != (length != 0) {
				t.Errorf("%s with %d bytes: the connection closes: %v", name, length, got)
			}
		}
	}
}

// FA-14: what is empty is there for every proxy that may leave the visitor's own line, and not for the one that never does and would make
// an empty line of it.
func TestFA14EmptyForAllButTraefik(t *testing.T) {
	for _, p := range proxies {
		question, _ := asks(p, "GET", "https", "legacy.example.com", "/")
		w := httptest.NewRecorder()
		w.Header()["Remote-User"], w.Header()["Remote-Email"], w.Header()["Authorization"] = []string{"alice"}, []string{""}, []string{""}
		p.Allow(w, question)
		got := w.Result().Header
		if user := got["Remote-User"]; !slices.Equal(user, []string{"alice"}) {
			t.Errorf("%s: Remote-User: got %q, want alice", p, user)
		}
		for _, name := range []string{"Remote-Email", "Authorization"} {
			if _, there := got[name]; there != (p != Traefik) {
				t.Errorf("%s: an empty %s is there: %v", p, name, there)
			}
		}
	}
}

// WB-8: a proxy drops Upgrade from its question, and the key of the WebSocket stays.
func TestWB8ForeignWebSocketThroughAProxy(t *testing.T) {
	g := site(t)
	for origin, want := range map[string]string{"https://legacy.example.com": "pass", "https://evil.example": "foreign-origin", "null": "foreign-origin"} {
		r, target := asks(NGINX, "GET", "https", "legacy.example.com", "/socket")
		r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		r.Header.Set("Origin", origin)
		r.Header.Set("Cookie", "__Host-nightlatch=full")
		original, _, err := NGINX.Original(r, target)
		if err != nil {
			t.Fatal(err)
		}
		if got := verdict(g.Check(original, visit.Visit{URL: original.URL, Transport: visit.Secure})); got != want {
			t.Errorf("from %s: got %s, want %s", origin, got, want)
		}
	}
}
