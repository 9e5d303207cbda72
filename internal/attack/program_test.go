// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// accessKey is an app password, as its page shows it once.
type accessKey struct{ id, secret string }

func (k accessKey) token() string { return k.id + "_" + k.secret }

// appPassword makes one on the page of a browser that is signed in.
func (b *browser) appPassword(name string, fields ...string) accessKey {
	b.t.Helper()
	b.open("/_nightlatch/app-passwords/new")
	b.submit("app-passwords/new", append([]string{"name", name, "days", "30"}, fields...)...)
	made := appPasswordRE.FindStringSubmatch(b.At.Body)
	if made == nil {
		b.t.Fatalf("no app password on the page: %d %s", b.At.Status, b.Text())
	}
	return accessKey{made[1], made[2]}
}

// tokens are what the API gives a program that signs in.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Session struct {
		ID string `json:"id"`
	} `json:"session"`
}

func signInProgram(t *testing.T, addr, host string, p *person, password string) (in tokens) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"username": p.Name, "password": password, "code": codeOf(t, p), "tokens": true})
	if err != nil {
		t.Fatal(err)
	}
	r := raw(t, addr, secure(host), "POST /_nightlatch/api/v1/sign-in HTTP/1.1", "Host: "+host, "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
	if err := json.Unmarshal(r.Body, &in); err != nil || r.Status != 200 || in.Access == "" {
		t.Fatalf("signing a program in: %d %s", r.Status, r.Body)
	}
	return in
}

func basicLine(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// workshop is one process with a site that programs use, and two applications: the second shows the errors of the first.
type workshop struct {
	*house
	app, errors *wiretest.Upstream
	addr        string
}

const workshopHost = "app.test"

func openWorkshop(t *testing.T) *workshop {
	o := &workshop{app: wiretest.Echo(t), errors: wiretest.Echo(t), addr: programtest.FreeAddr(t)}
	o.house = begin(t, "", "", strings.NewReplacer("PORT", port(o.addr), "APP", o.app.Addr, "ERRORS", o.errors.Addr).Replace(`
https://app.test:PORT {
	@down path /down /public/down
	nightlatch {
		skip /public/*
		require /admin /admin/* two_factor group admins
		require /fresh two_factor max_age 10m
	}
	reverse_proxy @down 127.0.0.1:1
	reverse_proxy APP
	handle_errors {
		reverse_proxy ERRORS
	}
}
`))
	return o
}

func (o *workshop) ask(t *testing.T, target string, lines ...string) wiretest.Response {
	t.Helper()
	return raw(t, o.addr, secure(workshopHost), append([]string{"GET " + target + " HTTP/1.1", "Host: " + workshopHost, "Accept: text/html"}, lines...)...)
}

// mine are texts by which anything of ours is recognized in what an application got.
func mine(k accessKey, in tokens) []string {
	parts := strings.Split(in.Access, ".")
	return []string{k.secret, k.id, parts[1], parts[2], in.Refresh, base64.StdEncoding.EncodeToString([]byte("alice:" + k.id))[:24]}
}

// wantNothingOfOurs looks at all that an application got.
func wantNothingOfOurs(t *testing.T, what string, secrets []string, got []wiretest.Request) {
	t.Helper()
	for _, r := range got {
		for _, secret := range secrets {
			if strings.Contains(string(r.Raw), secret) {
				t.Errorf("%s: the application got %q, which holds %q", what, r.Raw, secret)
			}
		}
	}
}

func TestProgramsAtTheGate(t *testing.T) {
	o := openWorkshop(t)
	alice, hers := o.add(t, "alice"), visitor(t, "https://"+o.addr)
	hers.Header.Set("Host", workshopHost)
	hers.typePassword(alice)
	hers.enroll(alice)
	key, other := hers.appPassword("a program"), hers.appPassword("another program")
	in := signInProgram(t, o.addr, workshopHost, alice, password)
	secrets := mine(key, in)
	bearer, pair := "Authorization: Bearer "+key.token(), []string{"CF-Access-Client-Id: " + key.id + ".access", "CF-Access-Client-Secret: " + key.secret}
	cookies := "Cookie: " + hers.Cookies.String()

	// who is who the application was told, "" for a refusal, over HTTP/1.1, HTTP/2 and HTTP/3 alike.
	who := func(t *testing.T, target string, lines ...string) string {
		t.Helper()
		fields := h2(workshopHost, target)
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ":")
			fields = append(fields, [2]string{strings.ToLower(name), strings.Trim(value, " ")})
		}
		var one, two, three wiretest.Response
		got := reached(o.app, func() {
			one = o.ask(t, target, lines...)
			two = wiretest.H2(t, o.addr, secure(workshopHost)).Do(fields, nil, nil)
			three = wiretest.H3(t, o.addr, secure(workshopHost)).Do(fields, nil, nil)
		})
		wantNothingOfOurs(t, strings.Join(lines, " and "), secrets, got)
		if user(one) != user(two) || user(one) != user(three) {
			t.Errorf("%q: HTTP/1.1 says %d %q, HTTP/2 %d %q, HTTP/3 %d %q", lines, one.Status, user(one), two.Status, user(two), three.Status, user(three))
		}
		return user(one)
	}

	t.Run("MF5NothingElseOpens", func(t *testing.T) {
		for _, c := range []struct {
			want  string
			lines []string
		}{
			{"alice", []string{bearer}},
			{"alice", []string{"authorization: bearer " + key.token()}},
			{"alice", []string{"AUTHORIZATION: BEARER   " + key.token()}},
			{"alice", []string{basicLine("alice", key.token())}},
			{"alice", []string{strings.Replace(basicLine("ALICE", key.token()), "Basic", "BASIC", 1)}},
			{"alice", pair},
			{"alice", []string{"Nightlatch-Client-Id: " + key.id, "Nightlatch-Client-Secret: " + key.secret}},
			{"alice", []string{"Authorization: Bearer " + in.Access}},
			{"alice", append(pair, "Authorization: Basic YTpi")},

			{"", []string{basicLine("alice", password)}},
			{"", []string{"Authorization: Bearer " + password}},
			{"", []string{"Authorization: Bearer " + hers.session()}},
			{"", []string{"Authorization: Bearer " + in.Refresh}},
			{"", []string{"Cookie: __Host-nightlatch=" + key.token()}},
			{"", []string{"Cookie: __Host-nightlatch=" + in.Access}},
			{"", []string{bearer, bearer}},
			{"", []string{bearer, "Authorization: Basic YTpi"}},
			{"", []string{"Authorization: Basic YTpi", bearer}},
			{"", []string{bearer + ", " + bearer[len("Authorization: "):]}},
			{"", []string{"Authorization: Basic YTpi, Bearer " + key.token()}},
			{"", []string{"Authorization: Bearer\t" + key.token()}},
			{"", []string{"Authorization: Bearer\x0b" + key.token()}},
			{"", []string{"Authorization: Bearer \"" + key.token() + "\""}},
			{"", []string{"Authorization: " + key.token()}},
			{"", []string{"Authorization: Token " + key.token()}},
			{"", []string{"Proxy-Authorization: Bearer " + key.token()}},
			{"", []string{"X-Authorization: Bearer " + key.token()[:30]}},
			{"", []string{"CF_Access_Client_Id: " + key.id, "CF_Access_Client_Secret: " + key.secret}},
			{"", []string{"Nightlatch.Client.Id: " + key.id, "Nightlatch.Client.Secret: " + key.secret}},
			{"", []string{"Nightlatch_Client-Id: " + key.id, "Nightlatch_Client-Secret: " + key.secret}},
			{"", append([]string{bearer}, pair...)},
			{"", append(pair, "Nightlatch-Client-Id: "+key.id, "Nightlatch-Client-Secret: "+key.secret)},
			{"", append(pair, pair[0])},
			{"", []string{"CF-Access-Client-Id: " + other.id, "CF-Access-Client-Secret: " + key.secret}},
			{"", []string{"CF-Access-Client-Id: " + key.id}},
			{"", []string{"CF-Access-Client-Secret: " + key.secret}},
			{"", []string{"Authorization: Bearer " + key.id + "_" + other.secret}},
			{"", []string{"Authorization: Bearer " + strings.ToUpper(key.token())}},
			{"", []string{basicLine("bob", key.token())}},
			{"", []string{basicLine("", key.token())}},
			{"", []string{basicLine(key.id, key.token())}},
			{"", []string{basicLine("alice", key.token()+"\x00")}},
			{"", []string{"Authorization: Bearer " + in.Access[:strings.LastIndexByte(in.Access, '.')+1]}},
			{"", []string{"Authorization: Bearer " + in.Access[:strings.IndexByte(in.Access, '.')] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`)) + "." + in.Access[strings.LastIndexByte(in.Access, '.')+1:]}},
			{"", []string{basicLine("alice", in.Access)}},
		} {
			if got := who(t, "/x", c.lines...); got != c.want {
				t.Errorf("%q: the application was told %q, want %q", c.lines, got, c.want)
			}
		}
	})

	t.Run("SE16NotFromTheAddressOrTheBody", func(t *testing.T) {
		for _, target := range []string{"/?access_token=" + in.Access, "/?Authorization=Bearer%20" + key.token(), "/?CF-Access-Client-Id=" + key.id + "&CF-Access-Client-Secret=" + key.secret} {
			if got := o.ask(t, target); got.Status != 303 {
				t.Errorf("%.60s: got %d, want 303", target, got.Status)
			}
		}
		body := "access_token=" + in.Access
		r := raw(t, o.addr, secure(workshopHost), "POST /x HTTP/1.1", "Host: "+workshopHost, "Content-Type: application/x-www-form-urlencoded",
			fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
		if r.Status != 401 {
			t.Errorf("a token in a form: got %d, want 401", r.Status)
		}
	})

	// PC-18: by some headers an application takes another path than the one that the rules have judged.
	t.Run("PC18NoHeaderMovesThePath", func(t *testing.T) {
		for _, line := range []string{"X-Script-Name: /public", "x-script-name: /public", "X_Script_Name: /public", "X~Script~Name: /public", "X-Original-URL: /admin", "X-Rewrite-URL: /admin"} {
			name, _, _ := strings.Cut(line, ":")
			for target, lines := range map[string][]string{"/public/admin": {line}, "/x": {line, bearer}} {
				got := reached(o.app, func() { o.ask(t, target, lines...) })
				if len(got) != 1 || len(got[0].Values(name)) > 0 {
					t.Errorf("%s with %s: the application got %+v, want one request without it", target, line, got)
				}
			}
		}
	})

	t.Run("WhatIsPresentedAloneCounts", func(t *testing.T) {
		for _, bad := range [][]string{{"Authorization: Bearer " + key.token()[:62]}, {basicLine("bob", key.token())}, {bearer, bearer}, {pair[0], pair[1] + "x"}} {
			for _, target := range []string{"/x", "/fresh"} {
				r := o.ask(t, target, append(bad, cookies)...)
				challenge := strings.Join(r.Values("WWW-Authenticate"), ", ")
				if r.Status != 401 || !strings.Contains(challenge, `Bearer realm="Nightlatch", error="invalid_token"`) || strings.Join(r.Values("Content-Type"), "") != "application/problem+json" {
					t.Errorf("%q beside a cookie: got %d, %q %s; want 401, and a problem", bad, r.Status, challenge, r.Body)
				}
			}
		}
		if got := who(t, "/x", bearer, "Cookie: __Host-nightlatch=bad"); got != "alice" {
			t.Errorf("a good key beside a bad cookie: %q", got)
		}
		r := o.ask(t, "/fresh", bearer)
		if challenge := strings.Join(r.Values("WWW-Authenticate"), ", "); r.Status != 401 || !strings.Contains(challenge, `error="insufficient_user_authentication", max_age="600"`) {
			t.Errorf("a key where a fresh proof is asked for: got %d, %q", r.Status, challenge)
		}
		if r := o.ask(t, "/admin", bearer); r.Status != 403 || strings.Join(r.Values("Content-Type"), "") != "application/problem+json" {
			t.Errorf("a key of somebody who may not: got %d %s", r.Status, r.Body)
		}
		if got := who(t, "/fresh", "Authorization: Bearer "+in.Access); got != "alice" {
			t.Errorf("a fresh sign-in of a program: %q", got)
		}
	})

	// ID-12: whatever becomes of the request, no application gets what opens the gate; and what is its own it gets as it was sent.
	t.Run("ID12NothingOfOursIsForwarded", func(t *testing.T) {
		ours := [][]string{{bearer}, {basicLine("alice", key.token())}, pair, {"Authorization: Bearer " + in.Access}, {bearer, bearer}, {"Authorization: Bearer " + key.token()[:62]},
			{"Nightlatch-Client-Id: " + key.id, "Nightlatch-Client-Secret: " + key.secret}, {"Proxy-Authorization: Bearer " + key.token()}, {"Authorization: JWT " + in.Access},
			{"CF_Access_Client_Secret: " + key.secret}, {"Authorization: Basic\t" + base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe?:"+key.token()))}}
		for _, lines := range ours {
			for _, target := range []string{"/x", "/public/x", "/down", "/public/down", "/admin", "/fresh"} {
				for _, more := range [][]string{nil, {"Connection: Authorization, CF-Access-Client-Secret, close"}, {cookies}} {
					what := target + " with " + strings.Join(append(lines, more...), " and ")
					for _, u := range []*wiretest.Upstream{o.app, o.errors} {
						wantNothingOfOurs(t, what, secrets, reached(u, func() { o.ask(t, target, append(lines, more...)...) }))
					}
				}
			}
		}
		for _, line := range []string{"Basic YTpi", "basic  YTpi", `Digest username="alice", uri="/x"`, "Bearer e30.e30.c2ln", "Negotiate YII=", "a,b;c=d", "Bearer nlk"} {
			for target, lines := range map[string][]string{"/x": pair, "/public/x": nil} {
				got := reached(o.app, func() { o.ask(t, target, append(lines, "Authorization: "+line)...) })
				if len(got) != 1 || !slices.Equal(got[0].Values("Authorization"), []string{line}) {
					t.Errorf("%s: the application got %+v, want its own %q", target, got, line)
				}
			}
		}
	})

	t.Run("ASVS8_3_2RevokedAtOnce", func(t *testing.T) {
		if got := who(t, "/x", bearer); got != "alice" {
			t.Fatalf("before: %q", got)
		}
		cut := map[string]*wiretest.Conn{}
		for what, line := range map[string]string{"the key": bearer, "the key in a pair": strings.Join(pair, "\r\n"), "the token": "Authorization: Bearer " + in.Access} {
			c := wiretest.Dial(t, o.addr, secure(workshopHost))
			c.Send("GET /socket HTTP/1.1\r\nHost: " + workshopHost + "\r\n" + line + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			if r := c.Response("GET"); r.Status != 101 {
				t.Fatalf("%s: the socket got %d %s, want 101", what, r.Status, r.Body)
			}
			c.Send("knock")
			if echo := c.Read(5); echo != "knock" {
				t.Fatalf("%s: the socket got %q", what, echo)
			}
			cut[what] = c
		}
		hers.open("/_nightlatch/app-passwords")
		hers.submit("app-passwords/" + key.id + "/revoke")
		closes(t, "the key", cut["the key"])
		closes(t, "the key in a pair", cut["the key in a pair"])
		cut["the token"].Send("knock")
		if echo := cut["the token"].Read(5); echo != "knock" {
			t.Errorf("the socket of the token was cut with the key: %q", echo)
		}
		if got := who(t, "/x", bearer); got != "" {
			t.Errorf("a revoked key is still %q", got)
		}
		o.Operate(t, "DELETE", "/nightlatch/sessions/"+in.Session.ID, "")
		closes(t, "the token", cut["the token"])
		if got := who(t, "/x", "Authorization: Bearer "+in.Access); got != "" {
			t.Errorf("a token of an ended session is still %q", got)
		}
		if got := who(t, "/x", "Authorization: Bearer "+other.token()); got != "alice" {
			t.Errorf("the other key is %q", got)
		}
	})
}

// closes waits until a connection is cut. The application itself ends it after wiretest.Patience.
func closes(t *testing.T, what string, c *wiretest.Conn) {
	t.Helper()
	begun := time.Now()
	c.Closed()
	if took := time.Since(begun); took > wiretest.Patience/2 {
		t.Errorf("the socket of %s is cut after %s", what, took)
	}
}

// LG-1: Caddy's logs hold the values of all headers but four. The secret of a pair is not in them, whatever becomes of the request, and the
// request is in a log all the same.
func TestLG1PairsStayOutOfTheLogs(t *testing.T) {
	app := wiretest.Echo(t)
	logged, silent, filtered := programtest.FreeAddr(t), programtest.FreeAddr(t), programtest.FreeAddr(t)
	prepared := programtest.New(t)
	beginIn(t, prepared, "", "", strings.NewReplacer("DIR", prepared.Dir, "LOGGED", logged, "SILENT", silent, "APP", app.Addr).Replace(`
(site) {
	nightlatch {
		skip /public/*
	}
	reverse_proxy /public/down 127.0.0.1:1
	reverse_proxy APP
}
http://LOGGED {
	log {
		output file DIR/access.log
	}
	import site
}
http://SILENT {
	import site
}
`))
	const id, secret = "nlk0123456789abcdef", "Canary-0123456789012345678901234567890-pair"
	access := func() string {
		text, err := os.ReadFile(filepath.Join(prepared.Dir, "access.log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	ask := func(addr, target, agent string, lines ...string) {
		raw(t, addr, nil, append([]string{"GET " + target + " HTTP/1.1", "Host: " + addr, "User-Agent: " + agent}, lines...)...)
	}
	for family, value := range map[string]string{"CF-Access": secret, "Nightlatch": secret, "cf-access": id + "_" + secret} {
		for _, addr := range []string{logged, silent} {
			for _, target := range []string{"/x", "/public/x", "/public/down", "/_nightlatch/sign-in"} {
				ask(addr, target, "with-a-pair", family+"-Client-Id: "+id, family+"-Client-Secret: "+value)
			}
		}
	}
	// Mixed up, it is none, and the secret all the same.
	for i, lines := range [][]string{
		{"CF-Access-Client-Id: " + secret, "CF-Access-Client-Secret: " + id}, {"CF-Access-Client-Id: " + id + "_" + secret, "CF-Access-Client-Secret: "},
		{"CF-Access-Client-Id: " + id + "_" + secret}, {"Nightlatch-Client-Id: " + id + "_" + secret}, {"Nightlatch-Client-Id: " + id, "CF-Access-Client-Secret: " + secret},
	} {
		ask(logged, fmt.Sprintf("/mixed-up/%d", i), "with-a-pair", lines...)
	}
	ask(logged, "/x", "without-a-pair")
	ask(logged, "/x", "of-cloudflare", "CF-Access-Client-Id: 0123.access", "CF-Access-Client-Secret: of-cloudflare")
	ask(logged, "/x", "with-a-token", "Authorization: Bearer "+id+"_"+secret)
	if !programtest.Eventually(func() bool { return strings.Contains(access(), "with-a-token") }) {
		t.Fatalf("the access log is %s", access())
	}
	for what, text := range map[string]string{"the access log": access(), "the program": prepared.Said()} {
		if strings.Contains(text, secret) {
			t.Errorf("%s holds the secret: %s", what, text)
		}
	}
	if text := access(); strings.Contains(text, "with-a-pair") || !strings.Contains(text, "without-a-pair") || !strings.Contains(text, "of-cloudflare") {
		t.Errorf("the access log is %s", text)
	}
	lines := map[string]int{}
	for line := range strings.Lines(prepared.Said()) {
		var entry struct {
			Level, Msg, Method, Host, URI string
			Status                        int
		}
		if json.Unmarshal([]byte(line), &entry) == nil && strings.Contains(entry.Msg, "in a pair of headers") {
			lines[fmt.Sprintf("%s %s %s %s %d", entry.Level, strings.NewReplacer(logged, "logged", silent, "silent").Replace(entry.Host), entry.Method, entry.URI, entry.Status)]++
		}
	}
	want := map[string]int{
		"info logged GET /x 401": 3, "info logged GET /public/x 200": 3, "error logged GET /public/down 502": 3, "info logged GET /_nightlatch/sign-in 401": 3,
		"error silent GET /public/down 502": 3,
		"info logged GET /mixed-up/0 401":   1, "info logged GET /mixed-up/1 401": 1, "info logged GET /mixed-up/2 401": 1, "info logged GET /mixed-up/3 401": 1, "info logged GET /mixed-up/4 401": 1,
	}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("the log has the lines %v, want %v", lines, want)
	}

	// With the lines of the page the access log has them again.
	prepared.Stop(t)
	beginIn(t, prepared, "log {\n\t\tformat filter {\n\t\t\trequest>headers>Nightlatch-Client-Secret delete\n\t\t\trequest>headers>Cf-Access-Client-Secret delete\n\t\t}\n\t}", "",
		strings.NewReplacer("DIR", prepared.Dir, "FILTERED", filtered, "APP", app.Addr).Replace(`
http://FILTERED {
	log {
		output file DIR/access.log
		format filter {
			request>headers>Nightlatch-Client-Secret delete
			request>headers>Cf-Access-Client-Secret delete
		}
	}
	nightlatch
	reverse_proxy APP
}
`))
	ask(filtered, "/x", "filtered-pair", "CF-Access-Client-Id: "+id, "CF-Access-Client-Secret: "+secret)
	if !programtest.Eventually(func() bool { return strings.Contains(access(), "filtered-pair") }) {
		t.Errorf("the access log is %s", access())
	}
	if strings.Contains(access()+prepared.Said(), secret) {
		t.Errorf("a log holds the secret")
	}
}
