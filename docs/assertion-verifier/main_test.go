// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// application is the verifier behind the program, and the last token that it got.
type application struct {
	*verifier
	*httptest.Server
	mu    sync.Mutex
	token string
}

func newApplication(t *testing.T, issuer, audience string) *application {
	t.Helper()
	a := &application{verifier: &verifier{issuer: issuer, audience: audience, client: http.Client{Timeout: programtest.Patience}, now: time.Now}}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.token = r.Header.Get("Nightlatch-Assertion")
		a.mu.Unlock()
		a.verifier.ServeHTTP(w, r)
	}))
	t.Cleanup(a.Server.Close)
	return a
}

func (a *application) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.token
}

// ask sends a request with tokens to the application, around the gate, and returns the status.
func (a *application) ask(tokens ...string) int {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Nightlatch-Assertion"] = tokens
	r.Header.Set("Remote-User", "root")
	w := httptest.NewRecorder()
	a.verifier.ServeHTTP(w, r)
	return w.Code
}

// origin is how a browser calls a port of this machine.
func origin(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + port
}

// noTokens leaves tokens out of a log at level DEBUG. docs/assertion.md has the same lines.
const noTokens = `format filter {
	request>headers>Nightlatch-Assertion delete
	headers>Nightlatch-Assertion delete
	env>HTTP_NIGHTLATCH_ASSERTION delete
}
`

// accessToken signs in as a program does.
func accessToken(t *testing.T, issuer string, p *programtest.Person) string {
	t.Helper()
	code, err := p.Code()
	must(t, err)
	body := fmt.Sprintf(`{"username": %q, "password": %q, "code": %q, "tokens": true}`, p.Name, programtest.Password, code)
	resp, err := http.Post(issuer+"/api/v1/sign-in", "application/json", strings.NewReader(body))
	must(t, err)
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != 200 || answer.Token == "" {
		t.Fatalf("the API answers %s %+v, %v", resp.Status, answer, err)
	}
	return answer.Token
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ID-11, JW-1, JW-6, JW-7, JW-11, JW-12, LG-1: the program signs, two applications verify with what it publishes, and what was made for
// one is nothing to the other. Nothing that is logged, at the finest level, holds a token.
func TestApplicationsVerify(t *testing.T) {
	wikiAddr, payAddr, phpAddr, askAddr := programtest.FreeAddr(t), programtest.FreeAddr(t), programtest.FreeAddr(t), programtest.FreeAddr(t)
	wiki := newApplication(t, origin(t, wikiAddr)+"/_nightlatch", origin(t, wikiAddr))
	pay := newApplication(t, origin(t, payAddr)+"/_nightlatch", "payroll")
	s := programtest.New(t)
	s.Configure(t, "debug\n\tlog {\n\t\t"+noTokens+"\t}\n\tservers {\n\t\ttrace\n\t}\n\tservers "+askAddr+" {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t\ttrusted_proxies_strict\n\t}", "",
		strings.NewReplacer("WIKI", origin(t, wikiAddr), "PAY", origin(t, payAddr), "PHP", origin(t, phpAddr), "ASK", origin(t, askAddr), "DIR", s.Dir,
			"WAPP", wiki.Listener.Addr().String(), "PAPP", pay.Listener.Addr().String(), "NONE", programtest.FreeAddr(t)).Replace(`
(logged) {
	log {
		output file DIR/access.log
		level DEBUG
	}
}
WIKI {
	import logged
	nightlatch {
		skip /open
		assertion
	}
	handle_path /below/* {
		rewrite * /rewritten{uri}
		reverse_proxy WAPP
	}
	reverse_proxy /dead NONE
	reverse_proxy WAPP
	handle_errors {
		respond "{err.status_code}"
	}
}
PAY {
	import logged
	nightlatch {
		assertion {
			algorithm es256
			audience payroll
		}
	}
	reverse_proxy PAPP
}
PHP {
	import logged
	nightlatch {
		assertion
	}
	root DIR
	php_fastcgi NONE
}
ASK {
	import logged
	nightlatch {
		protect localhost:9999 {
			assertion {
				audience legacy
			}
		}
	}
}
`))
	s.Start(t)
	s.Do(t, programtest.Password, "user", "add", "alice", "--password-stdin", "--group", "staff", "--address", "unix/"+s.Socket())
	alice := &programtest.Person{Name: "alice"}
	b := programtest.NewBrowser(t, origin(t, wikiAddr), nil)
	must(t, b.Join(alice))
	opened := func(path string, status int) {
		t.Helper()
		must(t, b.Send("GET", path, nil))
		if b.At.Status != status {
			t.Errorf("%s%s: %d %s, want %d", b.Base, path, b.At.Status, b.At.Body, status)
		}
	}
	opened("/", 200)
	if b.At.Body != "Hello, alice of [staff]\n" {
		t.Errorf("the application says %q", b.At.Body)
	}
	opened("/below/x", 200)
	opened("/dead", 502)
	opened("/open", 401) // nobody is signed in on a path that a rule skips
	if wiki.last() != "" {
		t.Errorf("a skipped request has the token %s", wiki.last())
	}
	opened("/", 200)
	first := wiki.last()
	// A session holds at every port of its host.
	b.Base = origin(t, payAddr)
	opened("/", 200)
	second := pay.last()
	b.Base = origin(t, phpAddr)
	opened("/index.php", 502)

	// A proxy of another kind asks, and gets the token for the application in the answer.
	r, err := http.NewRequest("GET", origin(t, askAddr)+"/_nightlatch/forward-auth/nginx", nil)
	must(t, err)
	r.Header = http.Header{"X-Original-Url": {"http://localhost:9999/x"}, "X-Original-Method": {"GET"}, "X-Forwarded-For": {"127.0.0.1"}}
	resp, err := b.Client.Do(r)
	must(t, err)
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	third := resp.Header.Get("Nightlatch-Assertion")
	if resp.StatusCode != 200 || strings.Count(third, ".") != 2 {
		t.Fatalf("the proxy was told %s %v", resp.Status, resp.Header)
	}

	// A program's access token is signed with the same keys. An application that calls itself what the API does takes none either (RFC 8725
	// section 3.11).
	access := accessToken(t, wiki.issuer, alice)
	namesake := newApplication(t, wiki.issuer, wiki.issuer+"/api")

	for name, c := range map[string]struct {
		app    *application
		tokens []string
		want   int
	}{
		"its own":                    {wiki, []string{first}, 200},
		"its own, the other one":     {pay, []string{second}, 200},
		"ID-11 no token":             {wiki, nil, 401},
		"ID-11 an empty one":         {wiki, []string{""}, 401},
		"JW-12 another's":            {wiki, []string{second}, 401},
		"JW-12 another's, back":      {pay, []string{first}, 401},
		"JW-12 of a proxy's":         {wiki, []string{third}, 401},
		"JW-1 without signature":     {wiki, []string{first[:strings.LastIndexByte(first, '.')+1]}, 401},
		"JW-7 changed":               {wiki, []string{first[:len(first)-10] + "AAAA" + first[len(first)-6:]}, 401},
		"JW-7 claims of the other's": {wiki, []string{strings.Split(first, ".")[0] + "." + strings.Split(second, ".")[1] + "." + strings.Split(first, ".")[2]}, 401},
		"two":                        {wiki, []string{first, first}, 401},
		"JW-12 of a program":         {wiki, []string{access}, 401},
		"JW-12 meant for the API":    {namesake, []string{access}, 401},
	} {
		if got := c.app.ask(c.tokens...); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	wiki.now = func() time.Time { return time.Now().Add(66 * time.Second) }
	if got := wiki.ask(first); got != 401 {
		t.Errorf("JW-6: a token that has ended: %d", got)
	}

	// An ordinary library finds its own way from the name of the issuer.
	for issuer, c := range map[string]struct{ audience, token, other string }{wiki.issuer: {wiki.audience, first, second}, pay.issuer: {"payroll", second, first}} {
		provider, err := oidc.NewProvider(t.Context(), issuer)
		must(t, err)
		verify := provider.Verifier(&oidc.Config{ClientID: c.audience})
		if token, err := verify.Verify(t.Context(), c.token); err != nil || token.Issuer != issuer || token.Subject == "" {
			t.Errorf("go-oidc: %+v, %v", token, err)
		}
		if _, err := verify.Verify(t.Context(), c.other); err == nil {
			t.Error("JW-12: go-oidc accepts the token of another application")
		}
	}

	shown := map[string]string{"what the process said": s.Said()}
	for _, path := range []string{"/config/", "/reverse_proxy/upstreams"} {
		_, shown[path] = s.Ask(t, "GET", path, "")
	}
	must(t, filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		shown[strings.TrimPrefix(path, s.Dir)] = string(text)
		return err
	}))
	said := shown["what the process said"]
	for _, line := range []string{"upstream roundtrip", "rewrote request", "http.reverse_proxy.transport.fastcgi"} {
		if !strings.Contains(said, line) {
			t.Errorf("nothing was logged of %q, so nothing was looked at", line)
		}
	}
	if n := strings.Count(shown["/access.log"], "handled request"); n < 8 || !strings.Contains(shown["/access.log"], "forward-auth/nginx") {
		t.Errorf("the access log has %d requests", n)
	}
	for where, text := range shown {
		// What every token begins with, the one for PHP too, and what each goes on with.
		parts := []string{first[:len(`eyJhbGciOi`)]}
		for _, token := range []string{first, second, third} {
			parts = append(parts, strings.Split(token, ".")[1:]...)
		}
		for _, part := range parts {
			if at := strings.Index(text, part); at >= 0 {
				t.Errorf("%s holds a token: …%s…", where, text[max(0, at-300):at])
			}
		}
	}
}

// JW-4, JW-11: names of keys that nobody knows do not make the verifier ask again and again.
func TestUnknownKeysAreNotFetchedForEver(t *testing.T) {
	asked := 0
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		io.WriteString(w, `{"keys":[]}`)
	}))
	defer issuer.Close()
	now := time.Now()
	v := &verifier{issuer: issuer.URL, now: func() time.Time { return now }}
	for range 50 {
		if _, err := v.key("../../dev/null"); err == nil {
			t.Fatal("there is such a key")
		}
		now = now.Add(time.Second)
	}
	if asked > 5 {
		t.Errorf("asked %d times in 50 seconds, want at most 5", asked)
	}
}

func TestPageShowsTheProgram(t *testing.T) {
	page, err := os.ReadFile("../assertion.md")
	must(t, err)
	program, err := os.ReadFile("main.go")
	must(t, err)
	if !strings.Contains(string(page), "```go\n"+string(program)+"```\n") {
		t.Error("docs/assertion.md does not show docs/assertion-verifier/main.go as it is")
	}
	if !strings.Contains(strings.ReplaceAll(string(page), "\n\t\t", "\n"), noTokens) {
		t.Error("docs/assertion.md does not have the lines that keep tokens out of a log, as they are here")
	}
}
