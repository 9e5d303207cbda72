// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// canaries are secrets and what they are.
type canaries map[string]string

func (c canaries) add(what string, values ...string) {
	for _, v := range values {
		if len(v) > 5 {
			c[v] = what
		}
	}
}

var appPasswordRE = regexp.MustCompile(`(nlk[0-9a-f]{16})_([A-Za-z0-9_-]{43})`)

// LG-1: with everything logged that Caddy can log, no secret is in any output or file but the sealed store.
func TestLG1NoSecretIsTold(t *testing.T) {
	const (
		typed = "Canary-password-7f3a91 of alice"
		wrong = "Canary-mistyped-5b20cc of alice"
		dead  = "Canary-weak"
	)
	app := wiretest.Echo(t)
	plain, tls := programtest.FreeAddr(t), programtest.FreeAddr(t)
	prepared := programtest.New(t)
	master := base64.StdEncoding.EncodeToString([]byte("Canary-master-key-of-32-bytes-xy"))
	t.Setenv("NIGHTLATCH_ATTACK_KEY", master)
	h := beginIn(t, prepared, "debug\n\tservers {\n\t\ttrace\n\t}\n\tmetrics", "key {env.NIGHTLATCH_ATTACK_KEY}",
		strings.NewReplacer("DIR", prepared.Dir, "PLAIN", plain, "PORT", port(tls), "APP", app.Addr).Replace(`
(site) {
	log {
		output file DIR/access.log
		level DEBUG
	}
	log_append who {http.auth.user.id}
	nightlatch {
		require two_factor max_age 1h
		require /lax password
		deny /broken/*
	}
	reverse_proxy APP
	handle_errors {
		reverse_proxy APP
	}
}
http://PLAIN {
	import site
}
https://app.test:PORT {
	import site
}
`))
	c := canaries{}
	c.add("the master key", master, "Canary-master-key")
	c.add("a password", typed, url.QueryEscape(typed), wrong, url.QueryEscape(wrong), dead)

	// The first administrator, through the link that was printed.
	var setup string
	if !programtest.Eventually(func() bool {
		_, after, found := strings.Cut(h.Said(), "/_nightlatch/setup/")
		setup, _, _ = strings.Cut(after, "\n")
		return found && setup != ""
	}) {
		t.Fatal("no setup link was printed")
	}
	setup = strings.TrimSpace(setup)
	base := "https://" + tls
	b := visitor(t, base)
	b.Header.Set("Host", "app.test")
	keep := func(b *browser) {
		for _, held := range b.Cookies.Cookies(nil) {
			c.add("a cookie", held.Value, strings.TrimRight(held.Value, "="))
		}
	}
	b.open("/_nightlatch/setup/" + setup)
	keep(b)
	b.submit("setup/", "name", "alice", "password", dead, "repeat", dead) // too weak: the link stays alive
	b.submit("setup/", "name", "alice", "password", typed, "repeat", typed)
	keep(b)
	alice := &person{Name: "alice"}
	b.key(alice)
	c.add("the key of an authenticator", base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(alice.Secret), hex.EncodeToString(alice.Secret))
	b.submit("two-factor/enable", "code", "000000")
	confirming := codeOf(t, alice)
	c.add("a code", confirming)
	b.submit("two-factor/enable", "code", confirming)
	keep(b)
	b.open("/_nightlatch/backup-codes")
	alice.Paper = b.Paper()
	for _, code := range alice.Paper {
		c.add("a backup code", code, strings.ReplaceAll(code, "-", ""))
	}
	b.submit("backup-codes")
	keep(b)
	for _, path := range []string{"/x", "/broken/x", "/lax", "/_nightlatch/account"} {
		b.send("GET", path, nil)
	}
	b.open("/_nightlatch/app-passwords/new")
	b.submit("app-passwords/new", "name", "Calendar", "days", "90")
	made := appPasswordRE.FindStringSubmatch(b.At.Body)
	if made == nil {
		t.Fatalf("no app password on the page: %d %s", b.At.Status, b.Text())
	}
	c.add("an app password", made[2], strings.TrimPrefix(basicLine("alice", made[0]), "Authorization: Basic ")[12:])
	in := signInProgram(t, tls, "app.test", alice, typed)
	c.add("an access token", in.Access[strings.LastIndexByte(in.Access, '.'):])
	c.add("a refresh token", in.Refresh)
	for _, lines := range [][]string{
		{"Authorization: Bearer " + made[0]}, {basicLine("alice", made[0])}, {"CF-Access-Client-Id: " + made[1], "CF-Access-Client-Secret: " + made[2]},
		{"Nightlatch-Client-Id: " + made[1], "Nightlatch-Client-Secret: " + made[0]}, {"Authorization: Bearer " + in.Access},
	} {
		for _, target := range []string{"/x", "/broken/x", "/lax", "/_nightlatch/account", "/_nightlatch/api/v1/account"} {
			raw(t, tls, secure("app.test"), append([]string{"GET " + target + " HTTP/1.1", "Host: app.test"}, lines...)...)
		}
	}
	for _, path := range []string{"app-passwords", "app-passwords/new"} {
		if b.open("/_nightlatch/" + path); strings.Contains(b.At.Body, made[2]) {
			t.Errorf("%s shows the secret of an app password again", path)
		}
	}

	// Somebody mistypes the password, types it as a name, signs in with a code, a used code and a backup code, and proves more.
	o := visitor(t, base)
	o.Header.Set("Host", "app.test")
	o.open("/_nightlatch/sign-in")
	keep(o)
	o.submit("sign-in", "name", "alice", "password", wrong)
	o.submit("sign-in", "name", typed, "password", "x")
	o.submit("sign-in", "name", "alice", "password", typed)
	keep(o)
	o.open("/_nightlatch/second-factor")
	code := codeOf(t, alice)
	c.add("a code", code)
	o.submit("second-factor", "code", confirming)
	o.submit("second-factor", "code", code)
	keep(o)
	o.open("/_nightlatch/sudo?level=two_factor&methods=backup_code")
	keep(o)
	o.submit("second-factor", "method", "backup_code", "code", alice.Paper[0])
	keep(o)
	o.open(o.At.Header.Get("Location"))
	o.signOut()
	// On plain HTTP the cookies have other names.
	p := visitor(t, "http://"+plain)
	p.open("/_nightlatch/sign-in")
	p.submit("sign-in", "name", "alice", "password", typed)
	keep(p)
	p.open("/_nightlatch/second-factor")
	p.submit("second-factor", "method", "backup_code", "code", alice.Paper[1])
	keep(p)
	p.send("GET", "/x", nil)

	// A program signs in: without a code, with a wrong and a used one, and with a right one, refreshes its tokens, and signs out.
	api := h.program(t, base, "app.test")
	api.post("sign-in", map[string]any{"username": "alice", "password": wrong, "tokens": true})
	api.post("sign-in", map[string]any{"username": "alice", "password": typed, "tokens": true})
	c.add("an attempt", api.said("attempt"))
	attempt := api.said("attempt")
	api.post("sign-in/verify", map[string]any{"attempt": attempt, "code": confirming, "method": "totp"})
	api.post("sign-in/verify", map[string]any{"attempt": attempt, "code": alice.Paper[2]})
	c.add("an access token", api.said("access_token"))
	c.add("a refresh token", api.said("refresh_token"))
	api.post("token/refresh", map[string]any{"refresh_token": api.said("refresh_token")})
	c.add("an access token", api.said("access_token"))
	c.add("a refresh token", api.said("refresh_token"))
	api.Header.Set("Authorization", "Bearer "+api.said("access_token"))
	api.send("GET", "/x", nil)
	if api.At.Status != 200 || !strings.Contains(api.At.Body, "Remote-User: alice") {
		t.Fatalf("with an access token: %d\n%s", api.At.Status, api.At.Body)
	}
	api.post("sign-in", map[string]any{"username": typed, "password": typed, "extra": typed})

	// The same program looks after the account: each secret is in one answer, and in none after.
	told := ""
	act := func(status int, method, path string, members map[string]any) {
		t.Helper()
		if method == "POST" {
			api.post(path, members)
		} else {
			api.send(method, "/_nightlatch/api/v1/"+path, nil)
		}
		if api.At.Status != status {
			t.Fatalf("%s %s: got %d, want %d\n%s", method, path, api.At.Status, status, api.At.Body)
		}
		told += api.At.Body
		if token, ok := api.answer["access_token"].(string); ok && method == "POST" {
			c.add("an access token", token)
			c.add("a refresh token", api.said("refresh_token"))
			api.Header.Set("Authorization", "Bearer "+token)
		}
	}
	act(401, "POST", "sudo", map[string]any{"password": wrong})
	act(200, "POST", "sudo", map[string]any{"password": typed})
	c.add("an attempt", api.said("attempt"))
	act(401, "POST", "sudo", map[string]any{"attempt": api.said("attempt"), "method": "totp", "code": confirming})
	act(200, "POST", "sudo", map[string]any{"attempt": api.said("attempt"), "method": "backup_code", "code": alice.Paper[3]})
	act(201, "POST", "two-factor/totp", map[string]any{"name": "the second phone"})
	second, id := &person{Name: "alice"}, api.said("id")
	var err error
	if second.Secret, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(api.said("secret")); err != nil {
		t.Fatal(err)
	}
	once := canaries{}
	once.add("the key of an authenticator", api.said("secret"), hex.EncodeToString(second.Secret))
	told = ""
	act(401, "POST", "two-factor/totp/"+id+"/confirm", map[string]any{"code": "000000"})
	confirms := codeOf(t, second)
	c.add("a code", confirms)
	act(200, "POST", "two-factor/totp/"+id+"/confirm", map[string]any{"code": confirms})
	act(404, "POST", "two-factor/totp/"+id+"/confirm", map[string]any{"code": confirms})
	act(200, "POST", "two-factor/backup-codes", nil)
	told = strings.ReplaceAll(told, api.At.Body, "")
	for _, code := range api.answer["backup_codes"].([]any) {
		once.add("a backup code", code.(string), strings.ReplaceAll(code.(string), "-", ""))
		alice.Paper[4] = code.(string)
	}
	act(201, "POST", "app-passwords", map[string]any{"name": "Canary", "expires_in_days": 1})
	told = strings.ReplaceAll(told, api.At.Body, "")
	once.add("an app password", api.said("secret"))
	key := api.said("id")
	act(422, "POST", "app-passwords", map[string]any{"name": "Canary", "hosts": []string{typed}})
	act(422, "POST", "password", map[string]any{"current_password": typed, "new_password": dead})
	act(401, "POST", "password", map[string]any{"current_password": wrong, "new_password": typed + " too"})
	for _, path := range []string{"account", "two-factor", "sessions", "app-passwords"} {
		act(200, "GET", path, nil)
	}
	act(204, "DELETE", "app-passwords/"+key, nil)
	act(200, "POST", "two-factor/disable", map[string]any{"password": typed})
	c.add("an attempt", api.said("attempt"))
	act(401, "POST", "two-factor/disable", map[string]any{"attempt": api.said("attempt"), "method": "totp", "code": confirms})
	for secret, what := range once {
		c.add(what, secret)
		if strings.Contains(told, secret) {
			t.Errorf("%s is in another answer than its own:\n%s", what, told)
		}
	}
	api.post("sign-out", nil)

	// The operator makes accounts and links; somebody opens them.
	h.Operate(t, "POST", "/nightlatch/users", `{"name":"bob","password":"`+typed+` and bob"}`)
	for _, path := range []string{inviteRE(t, h.Operate(t, "POST", "/nightlatch/users", `{"name":"carol"}`)), inviteRE(t, h.Operate(t, "POST", "/nightlatch/users/bob/reset-2fa", ""))} {
		c.add("a link that was opened and can still be used", path[strings.LastIndexByte(path, '/')+1:])
		v := visitor(t, base)
		v.Header.Set("Host", "app.test")
		v.open(path)
		keep(v)
		if v.At.Status != 200 {
			t.Fatalf("the link: %d %s", v.At.Status, v.Text())
		}
		for _, alias := range []string{strings.Replace(path, "/_nightlatch/", "/_nightlatch/./", 1), path + "/", path + "?x=1", strings.Replace(path, "/_n", "/%5fn", 1)} {
			v.send("GET", alias, nil)
		}
	}
	c.add("the setup link", setup)

	// What the operator's tools show.
	shown := map[string]string{"what the process said": h.Said()}
	for _, path := range []string{"/config/", "/metrics", "/nightlatch/users", "/nightlatch/users/alice", "/nightlatch/sessions", "/reverse_proxy/upstreams", "/debug/vars", "/debug/pprof/cmdline"} {
		if status, body := h.Ask(t, "GET", path, ""); status == 200 {
			shown[path] = body
		}
	}
	adapted, err := h.Command("adapt", "--config", h.Caddyfile()).CombinedOutput()
	if err != nil {
		t.Fatalf("adapt: %v\n%s", err, adapted)
	}
	shown["adapt"] = string(adapted)
	for _, got := range app.Requests() {
		shown["the application"] += string(got.Raw)
	}
	err = filepath.WalkDir(h.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		shown[strings.TrimPrefix(path, h.Dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(shown["/access.log"]) < 1000 || !strings.Contains(shown["what the process said"], "DEBUG") && !strings.Contains(shown["what the process said"], `"debug"`) {
		t.Fatal("nothing was logged, so nothing was looked at")
	}
	if !strings.Contains(shown["what the process said"], "request for a one-time link") || strings.Count(shown["/access.log"], "/_nightlatch/sign-in") < 3 {
		t.Error("the log has no line for a link, or the access log none for a sign-in")
	}
	if named := `"access_key":"` + made[1] + `"`; !strings.Contains(shown["/access.log"], named) || !strings.Contains(shown["what the process said"], named) {
		t.Error("the logs do not say which access key a request has passed with")
	}
	for where, text := range shown {
		for secret, what := range c {
			at := strings.Index(text, secret)
			if at < 0 || where == "what the process said" && what == "the setup link" && strings.Count(text, secret) == 1 {
				continue
			}
			t.Errorf("%s holds %s: …%s…", where, what, strings.ToValidUTF8(text[max(0, at-300):min(len(text), at+60)], "?"))
		}
	}
}

// LG-4: what a stranger sends is one value of one line.
func TestLG4LogInjection(t *testing.T) {
	app := wiretest.Echo(t)
	plain := programtest.FreeAddr(t)
	h := begin(t, "debug", "", strings.NewReplacer("PLAIN", plain, "APP", app.Addr).Replace("http://PLAIN {\n\tlog\n\tnightlatch\n\treverse_proxy APP\n}"))
	alice := h.add(t, "alice")
	evil := "a\n{\"level\":\"info\",\"msg\":\"sign_in\",\"user\":\"root\"}\r\n\x1b[31mred\u009b0m\u2028"
	b := visitor(t, "http://"+plain)
	b.Header.Set("User-Agent", "evil \u009b31m\xff\x9b \u202e"+strings.Repeat("x", 600))
	b.open("/_nightlatch/sign-in?return_to=" + url.QueryEscape(evil))
	b.submit("sign-in", "name", evil, "password", evil)
	b.typePassword(alice)
	raw(t, plain, nil, "GET /x%0a%1b[31m HTTP/1.1", "Host: "+plain, "Referer: \u009b31m")
	said := h.Said()
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(line, "{") {
			continue // the setup link
		}
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["user"] == "root" {
			t.Errorf("log line %q: %v", line, err)
		}
	}
	if strings.ContainsAny(said, "\x1b\r\x00") {
		t.Error("the log holds raw control bytes")
	}
	out, err := h.Command("session", "list", "--address", "unix/"+h.Socket()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "evil") || strings.ContainsAny(string(out), "\x1b\u009b\u202e\r") {
		t.Errorf("session list: %v %q", err, out)
	}
}
