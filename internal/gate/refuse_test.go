// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/internal/wiretest"
	"github.com/nightlatch/nightlatch/web"
)

// noReader is a body that must not be read: it may be a gigabyte, and it is not meant for us.
type noReader struct{ t testing.TB }

func (b noReader) Read([]byte) (int, error) { b.t.Error("the body was read"); return 0, io.EOF }
func (noReader) Close() error               { return nil }

// refuse lets the gate refuse a request and checks what every answer of ours must hold.
func refuse(t testing.TB, g *Gate, r *http.Request, v visit.Visit) *http.Response {
	t.Helper()
	r.Body = noReader{t}
	d := g.Check(r, v)
	if d.Pass {
		t.Fatal("the request passes")
	}
	w := httptest.NewRecorder()
	g.Refuse(w, r, v, d, "")
	got := w.Result()
	if c := got.Header.Get("Cache-Control"); c != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store (WB-10)", c)
	}
	for _, want := range []string{"Cookie", "Authorization", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Accept"} {
		if vary := got.Header.Get("Vary"); !strings.Contains(vary+",", want+",") {
			t.Errorf("got Vary %q, want %s in it (WB-10)", vary, want)
		}
	}
	if csp := got.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("got Content-Security-Policy %q", csp)
	}
	if p := got.Header.Get("Referrer-Policy"); p != "no-referrer" {
		t.Errorf("got Referrer-Policy %q, want no-referrer", p)
	}
	if c := got.Header["Set-Cookie"]; c != nil {
		t.Errorf("got Set-Cookie %q for a refused request", c)
	}
	if l := got.Header.Get("Location"); l != "" && !strings.HasPrefix(l, visit.Prefix) {
		t.Errorf("got Location %q, want a path of ours", l)
	}
	if challenge := got.Header.Get("WWW-Authenticate"); (challenge != "") != (got.StatusCode == 401) {
		t.Errorf("got status %d and WWW-Authenticate %q", got.StatusCode, challenge)
	}
	if retry := got.Header.Get("Retry-After"); (retry != "") != (got.StatusCode == 503) {
		t.Errorf("got status %d and Retry-After %q", got.StatusCode, retry)
	}
	return got
}

const (
	browserGET = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html,*/*;q=0.8"
	oldBrowser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	script     = "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept: application/json"
	grpcCall   = "Content-Type: application/grpc+proto"
)

// TestWB12WhoGetsWhat is the table of the answers for a stranger: who is led on, who is told so on a page, who gets a status.
func TestWB12WhoGetsWhat(t *testing.T) {
	const redirect, form, problem, grpc = "redirect", "form", "problem", "grpc"
	tests := []struct {
		name, method, header, want string
	}{
		{"link", "GET", browserGET, redirect},
		{"HEAD of a link", "HEAD", browserGET, redirect},
		{"link in an old browser", "GET", oldBrowser, redirect},
		{"frame", "GET", "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\nAccept: text/html", redirect},
		{"form", "POST", browserGET, form},
		{"form in an old browser", "POST", oldBrowser, form},
		{"form of another method", "PUT", browserGET, form},
		{"fetch", "GET", script, problem},
		{"fetch that takes HTML", "GET", "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept: text/html", problem},
		{"XHR in an old browser", "GET", "Accept: text/html\r\nX-Requested-With: XMLHttpRequest", problem},
		{"POST by a script", "POST", script, problem},
		{"preflight", "OPTIONS", "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccess-Control-Request-Method: PUT", problem},
		{"image", "GET", "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\nAccept: image/*", problem},
		{"script element", "GET", "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\nAccept: */*", problem},
		{"object element", "GET", "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: object\r\nAccept: text/html", problem},
		{"embed element", "GET", "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: embed\r\nAccept: text/html", problem},
		{"event source", "GET", "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept: text/event-stream", problem},
		{"event source in an old browser", "GET", "Accept: text/event-stream", problem},
		{"WebSocket", "GET", "Sec-Fetch-Mode: websocket\r\nSec-Fetch-Dest: websocket\r\nConnection: Upgrade\r\nUpgrade: websocket", problem},
		{"WebSocket in an old browser", "GET", "Accept: text/html\r\nConnection: Upgrade\r\nUpgrade: websocket", problem},
		{"command line", "GET", "Accept: */*", problem},
		{"nothing said", "GET", "X: y", problem},
		{"gRPC", "POST", grpcCall, grpc},
		{"gRPC in capitals", "POST", "Content-Type: Application/gRPC", grpc},
		{"gRPC for browsers", "POST", script + "\r\nContent-Type: application/grpc-web-text", grpc},
	}
	g := site(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, v := ask(t, tt.method+" /orders?page=2", tt.header)
			got := refuse(t, g, r, v)
			body, err := io.ReadAll(got.Body)
			if err != nil {
				t.Fatal(err)
			}
			switch kind := got.Header.Get("Content-Type"); tt.want {
			case redirect:
				want := "/_nightlatch/sign-in?return_to=/orders%3Fpage%3D2"
				if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != want {
					t.Errorf("got status %d, Location %q, want 303, %q", got.StatusCode, got.Header.Get("Location"), want)
				}
			case form:
				if c := got.Header.Get("WWW-Authenticate"); c != `Nightlatch realm="Example"` {
					t.Errorf("got WWW-Authenticate %q, by which a browser may ask for a password", c)
				}
				if got.StatusCode != 401 || !strings.HasPrefix(kind, "text/html") {
					t.Errorf("got status %d, Content-Type %q, want 401, text/html", got.StatusCode, kind)
				}
				for _, want := range []string{"Your form was not sent", `href="/_nightlatch/sign-in?return_to=/_nightlatch/form-waits"`, `target="_blank"`, "Example"} {
					if !strings.Contains(html.UnescapeString(string(body)), want) {
						t.Errorf("the page lacks %q:\n%s", want, body)
					}
				}
			case problem:
				if got.StatusCode != 401 || kind != "application/problem+json" {
					t.Errorf("got status %d, Content-Type %q, want 401, application/problem+json", got.StatusCode, kind)
				}
				var p map[string]any
				if err := json.Unmarshal(body, &p); err != nil {
					t.Fatal(err)
				}
				if p["type"] != "/_nightlatch/problems/sign-in-required" || p["title"] != "Sign-in required" || p["status"] != 401.0 || p["sign_in_url"] != "/_nightlatch/sign-in" {
					t.Errorf("got %v", p)
				}
				challenge := `Nightlatch realm="Example"`
				if !visit.MayBrowse(r) {
					challenge = `Basic realm="Example", charset="UTF-8", ` + challenge
				}
				if c := got.Header.Get("WWW-Authenticate"); c != challenge {
					t.Errorf("got WWW-Authenticate %q, want %q", c, challenge)
				}
			case grpc:
				if got.StatusCode != 200 || got.Header.Get("Grpc-Status") != "16" || got.Header.Get("Grpc-Message") == "" || !strings.HasPrefix(kind, "application/grpc") {
					t.Errorf("got status %d, headers %v, want 200 and grpc-status 16", got.StatusCode, got.Header)
				}
				if wantWeb := strings.Contains(tt.header, "grpc-web"); strings.HasPrefix(kind, "application/grpc-web") != wantWeb {
					t.Errorf("got Content-Type %q", kind)
				}
				if len(body) > 0 {
					t.Errorf("got a body %q, want trailers only", body)
				}
			}
		})
	}
}

// TestRefusals: what each kind of refusal says to each kind of sender.
func TestRefusals(t *testing.T) {
	fails := Rule{Need: twoFactor, Match: func(*http.Request) (bool, error) { return false, errors.New("no detail for strangers") }, Text: "require @broken two_factor"}
	deny := Rule{Action: Deny, Text: "deny"}
	admins := Rule{Need: need2("admins"), Text: "require two_factor group admins"}
	fresh := Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute, Methods: []auth.Method{auth.TOTP, auth.BackupCode}}, Text: "require two_factor max_age 10m"}
	const back = "return_to=/orders%3Fpage%3D2"
	tests := []struct {
		name     string
		who      string
		rule     Rule
		change   func(*http.Request, *visit.Visit)
		location string // for a link; empty: a page of this status
		status   int
		problem  string
		solve    string // sign_in_url
		grpc     string
	}{
		{name: "second factor missing", who: "half", location: "sudo?" + back + "&level=two_factor",
			status: 401, problem: "second-factor-required", solve: "sudo?level=two_factor", grpc: "16"},
		{name: "no second factor enrolled", who: "fresh", location: "two-factor/enable?" + back,
			status: 401, problem: "second-factor-required", solve: "two-factor/enable", grpc: "16"},
		{name: "proofs too old", who: "old", rule: fresh, location: "sudo?" + back + "&level=two_factor&max_age=600&methods=totp,backup_code",
			status: 401, problem: "step-up-required", solve: "sudo?level=two_factor&max_age=600&methods=totp,backup_code", grpc: "16"},
		{name: "not admitted", who: "full", rule: admins, status: 403, problem: "forbidden", grpc: "7"},
		{name: "denied", rule: deny, status: 403, problem: "denied", grpc: "7"},
		{name: "matcher failed", who: "full", rule: fails, status: 500, problem: "rule-failed", grpc: "13"},
		{name: "bad host", change: func(r *http.Request, _ *visit.Visit) { r.Host = "" }, status: 400, problem: "bad-host", grpc: "3"},
		{name: "bad method", change: func(r *http.Request, _ *visit.Visit) { r.Method = "TRACE" }, status: 405, problem: "method-not-allowed", grpc: "12"},
		{name: "exposed", who: "full", change: func(_ *http.Request, v *visit.Visit) { v.Transport = visit.Exposed }, status: 403, problem: "https-required", grpc: "7"},
		{name: "too early", who: "full", change: func(r *http.Request, _ *visit.Visit) {
			r.Method, r.TLS = "POST", httptest.NewRequest("GET", "https://x/", nil).TLS
			r.TLS.HandshakeComplete = false
		}, status: 425, problem: "too-early", grpc: "14"},
		{name: "unavailable", who: "down", status: 503, problem: "unavailable", grpc: "14"},
		{name: "foreign page", who: "full", change: func(r *http.Request, _ *visit.Visit) {
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Origin", "https://evil.example")
		}, status: 403, problem: "foreign-origin", grpc: "7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rules []Rule
			if tt.rule.Text != "" {
				rules = append(rules, tt.rule)
			}
			g := site(t, rules...)
			known := g.session
			g.session = func(ctx context.Context, a auth.Asker, value string) (*auth.Session, error) {
				if value == "down" {
					return nil, errors.New("no detail for strangers")
				}
				return known(ctx, a, value)
			}
			answer := func(header string) *http.Response {
				r, v := ask(t, "GET /orders?page=2", cookie(tt.who), header)
				if tt.change != nil {
					tt.change(r, &v)
				}
				return refuse(t, g, r, v)
			}

			link := answer(browserGET)
			page, err := io.ReadAll(link.Body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.location != "" {
				if want := visit.Prefix + tt.location; link.StatusCode != 303 || link.Header.Get("Location") != want {
					t.Errorf("link: got status %d, Location %q, want 303, %q", link.StatusCode, link.Header.Get("Location"), want)
				}
			} else {
				if link.StatusCode != tt.status || !strings.HasPrefix(link.Header.Get("Content-Type"), "text/html") {
					t.Errorf("link: got status %d, Content-Type %q, want %d, a page", link.StatusCode, link.Header.Get("Content-Type"), tt.status)
				}
				if !bytes.Contains(page, []byte("<h1>")) || bytes.Contains(page, []byte("<h1></h1>")) || bytes.Contains(page, []byte("<p></p>")) {
					t.Errorf("link: a page without words:\n%s", page)
				}
			}

			data := answer(script)
			var p struct {
				Type, Title, Detail string
				Status              int
				SignInURL           string `json:"sign_in_url"`
			}
			if err := json.NewDecoder(data.Body).Decode(&p); err != nil {
				t.Fatal(err)
			}
			if data.StatusCode != tt.status || p.Status != tt.status || p.Type != "/_nightlatch/problems/"+tt.problem || p.Title == "" || p.Detail == "" {
				t.Errorf("script: got status %d, %+v, want %d, %s", data.StatusCode, p, tt.status, tt.problem)
			}
			if tt.solve != "" {
				tt.solve = visit.Prefix + tt.solve
			}
			if p.SignInURL != tt.solve {
				t.Errorf("script: got sign_in_url %q, want %q", p.SignInURL, tt.solve)
			}

			call := answer(grpcCall)
			if call.StatusCode != 200 || call.Header.Get("Grpc-Status") != tt.grpc || call.Header.Get("Grpc-Message") == "" {
				t.Errorf("gRPC: got status %d, headers %v, want 200 and grpc-status %s", call.StatusCode, call.Header, tt.grpc)
			}
			if strings.Contains(string(page)+p.Detail+p.Title+call.Header.Get("Grpc-Message"), "no detail for strangers") {
				t.Error("the cause is shown to a stranger")
			}
		})
	}
}

// TestForms: a form is answered with a page that names the page where what is missing can be proven, in a new tab, and from there the one
// that says where the form is. It carries the form where it was kept.
func TestForms(t *testing.T) {
	fresh := Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}, Text: "require two_factor max_age 10m"}
	for who, want := range map[string]string{
		"":      `href="/_nightlatch/sign-in?return_to=/_nightlatch/form-waits" target="_blank"`,
		"half":  `href="/_nightlatch/sudo?return_to=/_nightlatch/form-waits&level=two_factor&max_age=600" target="_blank"`,
		"fresh": `href="/_nightlatch/two-factor/enable?return_to=/_nightlatch/form-waits" target="_blank"`,
		"old":   `href="/_nightlatch/sudo?return_to=/_nightlatch/form-waits&level=two_factor&max_age=600" target="_blank"`,
	} {
		for _, form := range []string{"", "sealed"} {
			r, v := ask(t, "POST /orders", cookie(who), browserGET)
			g := site(t, fresh)
			d := g.Check(r, v)
			if !d.WantsProof() {
				t.Errorf("%q: %+v does not want a proof", who, d)
			}
			w := httptest.NewRecorder()
			g.Refuse(w, r, v, d, form)
			page := html.UnescapeString(w.Body.String())
			if w.Code != 401 || !strings.Contains(page, want) {
				t.Errorf("%q: got status %d, want 401 and %s in\n%s", who, w.Code, want, page)
			}
			if strings.Contains(page, `name="nightlatch-form" value="sealed"`) != (form != "") || strings.Contains(page, "reload it and agree") != (form == "") {
				t.Errorf("%q: with form %q the page is\n%s", who, form, page)
			}
		}
	}
	for name, refuse := range map[string]func(*Gate, http.ResponseWriter, *http.Request, visit.Visit){
		"no store": func(g *Gate, w http.ResponseWriter, r *http.Request, v visit.Visit) {
			g.Refuse(w, r, v, Decision{Reason: Unavailable, Err: errors.New("down")}, "sealed")
		},
		"not told": func(g *Gate, w http.ResponseWriter, r *http.Request, v visit.Visit) {
			g.RefuseUntold(w, r, v, errors.New("no key"), "sealed")
		},
	} {
		r, v := ask(t, "POST /orders", browserGET)
		w := httptest.NewRecorder()
		refuse(site(t), w, r, v)
		if page := w.Body.String(); w.Code != 503 || !strings.Contains(page, `name="nightlatch-form" value="sealed"`) || strings.Contains(page, "sign-in?") {
			t.Errorf("%s: got %d, want 503 and the form in\n%s", name, w.Code, page)
		}
	}
	for name, d := range map[string]Decision{
		"passes": {Pass: true}, "denied": denied(&Rule{Action: Deny}), "not admitted": {Verdict: auth.Forbidden}, "no store": {Reason: Unavailable},
		"plain HTTP": {Reason: Exposed}, "early": {Reason: TooEarly}, "no host": {Reason: BadHost}, "a matcher": {Reason: MatcherFailed},
	} {
		if d.WantsProof() {
			t.Errorf("%s: a proof is said to help", name)
		}
	}
}

// TestHEADAndRange: an answer of ours is whole or has no body, and is never taken from a cache.
func TestHEADAndRange(t *testing.T) {
	g := site(t, Rule{Action: Deny, Text: "deny"})
	r, v := ask(t, "HEAD /", browserGET)
	got := refuse(t, g, r, v)
	if body, _ := io.ReadAll(got.Body); got.StatusCode != 403 || len(body) > 0 {
		t.Errorf("HEAD: got status %d and a body of %d bytes, want 403 and none", got.StatusCode, len(body))
	}
	for _, header := range []string{"Range: bytes=0-3", "If-None-Match: *", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"} {
		r, v := ask(t, "GET /", browserGET, header)
		if got := refuse(t, g, r, v); got.StatusCode != 403 || got.Header.Get("Content-Range") != "" || got.Header.Get("Etag") != "" {
			t.Errorf("%s: got status %d, headers %v, want 403 as ever", header, got.StatusCode, got.Header)
		}
	}
}

// A client that means to send a gigabyte, or waits to be asked for its body, hears the refusal before it sends a byte, also behind a
// handler that has wrapped the body, as Caddy does. Short bodies cost nobody the connection.
func TestRefusedBeforeTheBody(t *testing.T) {
	g := site(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = struct{ io.ReadCloser }{r.Body}
		v := visit.Visit{URL: r.URL, Transport: visit.Loopback}
		g.Refuse(w, r, v, g.Check(r, v), "")
	}))
	t.Cleanup(s.Close)
	for _, c := range []struct {
		body   string
		closes bool
	}{
		{"Content-Length: 1073741824\r\n\r\n", true},
		{"Transfer-Encoding: chunked\r\n\r\n", true},
		{"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", true},
		{"Content-Length: 5\r\n\r\nhello", false},
	} {
		got := wiretest.Raw(t, s.Listener.Addr().String(), "PUT / HTTP/1.1\r\nHost: app.example\r\n"+c.body)
		closes := slices.Equal(got.Values("Connection"), []string{"close"})
		if got.Status != http.StatusUnauthorized || len(got.Interim) != 0 || closes != c.closes {
			t.Errorf("%q: got %d after %d other answers, Connection %q; want 401, closing: %v", c.body, got.Status, len(got.Interim), got.Values("Connection"), c.closes)
		}
	}
}

// TestORReturnTo: where a person is led back to is a path on this host, as it was sent, or "/" (OR-6, OR-7, P42, P44).
func TestORReturnTo(t *testing.T) {
	long := strings.Repeat("x", maxReturnTo)
	tests := []struct{ target, want string }{
		{"/", "/"},
		{"/a/b?c=d&e=f", "/a/b?c=d&e=f"},
		{"/path?next=https://docs.example/", "/path?next=https://docs.example/"},
		{"/a%20b/%C3%A4", "/a%20b/%C3%A4"},
		{"/a%2fb;c", "/a%2fb;c"},
		{"/a?", "/a"},
		{"/a?x=%0d%0aSet-Cookie:y", "/a?x=%0d%0aSet-Cookie:y"},
		{"http://evil.example/a?b", "/a?b"},
		{"http://evil.example", "/"},
		{"//evil.example/x", "/"},
		{"///evil.example", "/"},
		{"//evil.example/%2e%2e", "/"},
		{`/\evil.example`, "/%5Cevil.example"}, // net/url keeps no backslash in a path
		{"/" + long[2:], "/" + long[2:]},
		{"/" + long, "/"},
		{"/?" + long, "/"},
		{"http:evil.example", "/"},
	}
	for _, tt := range tests {
		r, v := ask(t, "GET "+tt.target, browserGET)
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = "/rewritten", "", "by=the-site"
		location := refuse(t, site(t), r, v).Header.Get("Location")
		u, err := url.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		q, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			t.Fatalf("%q: Location %q: %v", tt.target, location, err)
		}
		if u.Host != "" || u.Path != "/_nightlatch/sign-in" || len(q) != 1 || len(q["return_to"]) != 1 || q.Get("return_to") != tt.want {
			t.Errorf("%.40q: got Location %.80q, want return_to %.40q", tt.target, location, tt.want)
		}
	}
	if got := returnTo(nil); got != "/" {
		t.Errorf("no target: got %q, want /", got)
	}
}

func FuzzReturnTo(f *testing.F) {
	for _, targets := range hostile {
		for _, target := range targets {
			f.Add(target)
		}
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		to := returnTo(u)
		if to == "" || to[0] != '/' || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) || len(to) > maxReturnTo {
			t.Errorf("%q: a browser may be led elsewhere by %q", target, to)
		}
		location := (&Decision{}).address(visit.Visit{}, to)
		for _, c := range []byte(location) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\#", c) >= 0 {
				t.Fatalf("%q: Location %q holds %q", target, location, c)
			}
		}
		q, err := url.ParseQuery(strings.TrimPrefix(location, "/_nightlatch/sign-in?"))
		if err != nil || len(q) != 1 || q.Get("return_to") != to {
			t.Errorf("%q: Location %q carries %q, %v, want %q", target, location, q, err, to)
		}
	})
}

// TestBrandInChallenge: an operator's text cannot break out of the quotes.
func TestBrandInChallenge(t *testing.T) {
	for brand, want := range map[string]string{
		"Example Corp":         `Nightlatch realm="Example Corp"`,
		`A "B" \ C`:            `Nightlatch realm="A \"B\" \\ C"`,
		"A\r\nSet-Cookie: x=y": `Nightlatch realm="ASet-Cookie: x=y"`,
		"Bücher":               `Nightlatch realm="Bcher"`,
	} {
		g, err := New(Config{Service: nobody, Brand: web.Brand{Name: brand}})
		if err != nil {
			t.Fatal(err)
		}
		r, _ := ask(t, "GET /", script)
		if got := g.challenge(r, new(Decision)); got != want {
			t.Errorf("brand %q: got %s, want %s", brand, got, want)
		}
	}
}

// TestZeroDecision: a Decision that nobody filled in, and one that contradicts itself, are refused.
func TestZeroDecision(t *testing.T) {
	g := site(t)
	for _, d := range []Decision{{}, {Verdict: auth.Pass}, {Verdict: 99}, {Reason: 99, Verdict: 99}} {
		r, v := ask(t, "GET /", script)
		w := httptest.NewRecorder()
		g.Refuse(w, r, v, d, "")
		if w.Code != 401 && w.Code != 403 {
			t.Errorf("%+v: got status %d, want 401 or 403", d, w.Code)
		}
	}
}

// TestUnavailableIsLogged: the operator hears why, once a second, and not about clients who gave up.
func TestUnavailableIsLogged(t *testing.T) {
	var out bytes.Buffer
	clock := now
	g, err := New(Config{
		Service: func() (*auth.Service, error) { return nil, errors.New("disk on fire") },
		Now:     func() time.Time { return clock },
		Brand:   web.Brand{Name: "Example"},
		Log:     slog.New(slog.NewTextHandler(&out, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := func(requests int) int {
		out.Reset()
		for range requests {
			r, v := ask(t, "GET /", cookie("full"))
			refuse(t, g, r, v)
		}
		return strings.Count(out.String(), "disk on fire")
	}
	if got := lines(10); got != 1 {
		t.Errorf("ten requests in a second: got %d lines, want 1", got)
	}
	clock = clock.Add(time.Second)
	if got := lines(10); got != 1 {
		t.Errorf("a second later: got %d lines, want 1", got)
	}
	if strings.Contains(out.String(), "full") {
		t.Errorf("the log holds the cookie: %s", out.String())
	}
	clock = clock.Add(time.Second)
	out.Reset()
	r, v := ask(t, "GET /")
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	refuse(t, g, r.WithContext(ctx), v)
	if out.Len() > 0 {
		t.Errorf("a client that gave up: got %q, want nothing", out.String())
	}
}
