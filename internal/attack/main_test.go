// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package attack plays an attacker against the program that people get: a process of its own, with sites on loopback, real listeners,
// real TLS, raw HTTP/1.1 and HTTP/2 clients, and an application that shows each byte it was sent. Each test is named after a case of
// the attack catalogue and says what has to happen: nobody comes in who does not belong there, nobody is somebody else, nothing that
// was ended goes on, nothing secret is told, and the gate falls over for nobody.
//
// Here stands what can only be shown through the wire. What one room promises is tested in that room, what an honest person sees in
// package endtoend. The process is this test binary itself, which acts as the program when childEnv is set.
package attack

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/nightlatch/nightlatch/caddymodule"
	"github.com/nightlatch/nightlatch/internal/otp"
)

const (
	childEnv = "NIGHTLATCH_ATTACK_CHILD"
	patience = 30 * time.Second
	password = "a door with two locks holds"
	// pastSteps lets a person sign in some ten times without waiting for the clock.
	pastSteps = 10
)

// workdir is short, because the name of a socket may have no more than a hundred bytes.
var workdir string

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		signal.Ignore(syscall.SIGXFSZ) // a file that may not grow is an error of a write, as on a full disk
		caddymodule.RegisterTopLevelCommands()
		caddycmd.Main()
		return
	}
	var err error
	if workdir, err = os.MkdirTemp("", "na"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(workdir)
	os.Exit(code)
}

// house is one process, its data directory and all that it says.
type house struct {
	dir     string
	process *exec.Cmd
	exited  chan struct{}
	said    *logbook
	admin   *http.Client
	may     string // words in the output that are no failure of the test, as of a crash that is meant
}

// begin runs the program until it serves. global are more global options, option more lines of the nightlatch option.
func begin(t *testing.T, global, option, sites string) *house {
	t.Helper()
	dir, err := os.MkdirTemp(workdir, "h")
	if err != nil {
		t.Fatal(err)
	}
	return beginIn(t, dir, global, option, sites)
}

func beginIn(t *testing.T, dir, global, option, sites string) *house {
	t.Helper()
	h := &house{dir: dir, exited: make(chan struct{}), said: &logbook{serving: make(chan struct{})}}
	if !strings.HasPrefix(global, "admin ") {
		global = "admin unix/" + h.socket() + "|0600\n\t" + global
	}
	config := fmt.Sprintf(`{
	auto_https disable_redirects
	local_certs
	skip_install_trust
	default_bind 127.0.0.1
	grace_period 1s
	%s
	nightlatch {
		data_dir %s
		totp {
			past_steps %d
		}
		%s
	}
}
%s
`, global, h.data(), pastSteps, option, sites)
	if err := os.WriteFile(h.caddyfile(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	h.admin = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.socket())
		},
	}}
	h.process = h.command("run", "--config", h.caddyfile())
	h.process.Stdout, h.process.Stderr = h.said, h.said
	if err := h.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		h.process.Wait()
		close(h.exited)
	}()
	t.Cleanup(func() { h.end(t) })
	select {
	case <-h.said.serving:
	case <-h.exited:
		t.Fatalf("the program ended before it served:\n%s", h.said)
	case <-time.After(patience):
		t.Fatalf("the program does not start:\n%s", h.said)
	}
	for _, site := range siteRE.FindAllStringSubmatch(sites, -1) {
		// Caddy gets its certificates after it has said that it serves.
		if !eventually(func() bool {
			conn, err := tls.Dial("tcp", "127.0.0.1:"+site[2], secure(site[1]))
			if err == nil {
				conn.Close()
			}
			return err == nil
		}) {
			t.Fatalf("%s has no certificate", site[0])
		}
	}
	return h
}

var siteRE = regexp.MustCompile(`https://([a-z0-9.-]+):([0-9]+)`)

// end stops the process. A panic or a data race in it fails the test, whatever else was seen.
func (h *house) end(t *testing.T) {
	h.process.Process.Kill()
	<-h.exited
	said := h.said.String()
	for _, bad := range []string{"DATA RACE", "panic", "fatal error", "SIGBUS"} {
		if strings.Contains(said, bad) && h.may != bad {
			t.Errorf("the process said %q", bad)
		}
	}
	if t.Failed() {
		t.Logf("the end of what the process said:\n%s", said[max(0, len(said)-8000):])
	}
}

func (h *house) socket() string    { return filepath.Join(h.dir, "admin") }
func (h *house) caddyfile() string { return filepath.Join(h.dir, "Caddyfile") }
func (h *house) data() string      { return filepath.Join(h.dir, "data") }

func (h *house) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), childEnv+"=1", "XDG_DATA_HOME="+h.dir, "XDG_CONFIG_HOME="+h.dir, "HOME="+h.dir, "GODEBUG=http2xconnect=1")
	return cmd
}

// ask sends a request to the admin endpoint.
func (h *house) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := h.admin.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// operate is ask for what has to succeed.
func (h *house) operate(t *testing.T, method, path, body string) string {
	t.Helper()
	status, answer := h.ask(t, method, path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// person is who an account belongs to, and what they keep.
type person struct {
	name   string
	secret []byte
	step   int64 // of the last code taken from the app
	paper  []string
}

// add makes an account.
func (h *house) add(t *testing.T, name string, groups ...string) *person {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "groups": groups, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	h.operate(t, "POST", "/nightlatch/users", string(body))
	return &person{name: name}
}

// code is one of the app that was not used yet.
func (p *person) code(t *testing.T) string {
	t.Helper()
	now := otp.Step(time.Now())
	p.step = max(p.step+1, now-pastSteps+2)
	if p.step > now {
		t.Fatalf("%s has used all codes of the moment", p.name)
	}
	return otp.Code(p.secret, p.step)
}

// browser is as much of one as the pages need. It follows no redirect by itself.
type browser struct {
	t      *testing.T
	base   string
	client *http.Client
	held   map[string]string // cookies
	header http.Header       // sent with everything

	status int
	got    http.Header
	page   string
	at     string
}

func visitor(t *testing.T, base string) *browser {
	transport := &http.Transport{TLSClientConfig: secure("app.test"), DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, base: base, held: map[string]string{}, header: http.Header{}, client: &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (b *browser) cookie() string {
	var pairs []string
	for name, value := range b.held {
		pairs = append(pairs, name+"="+value)
	}
	return strings.Join(pairs, "; ")
}

// session is the value of the session cookie.
func (b *browser) session() string {
	return b.held["nightlatch"] + b.held["__Host-nightlatch"]
}

func (b *browser) send(method, path string, form url.Values) {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range map[string]string{
		"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin", "Cookie": b.cookie(),
	} {
		r.Header.Set(name, value)
	}
	for name, values := range b.header {
		if name == "Host" {
			r.Host = values[0]
		}
		r.Header[name] = values
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.status, b.got, b.page, b.at = resp.StatusCode, resp.Header, string(body), path
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.held, c.Name)
		} else {
			b.held[c.Name] = c.Value
		}
	}
}

// open goes to a path and on from there while it is led to another.
func (b *browser) open(path string) {
	b.t.Helper()
	b.send("GET", path, nil)
	for hops := 0; b.status == http.StatusSeeOther && hops < 5; hops++ {
		b.send("GET", b.got.Get("Location"), nil)
	}
}

var (
	formRE   = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)">(.*?)</form>`)
	hiddenRE = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	secretRE = regexp.MustCompile(`<code class="secret">([^<]+)</code>`)
	paperRE  = regexp.MustCompile(`<li><code>([^<]+)</code>`)
)

// form fills in the form of the page whose action ends so, without sending it.
func (b *browser) form(action string, fields ...string) (to string, values url.Values) {
	b.t.Helper()
	for _, form := range formRE.FindAllStringSubmatch(b.page, -1) {
		to = html.UnescapeString(form[1])
		if !strings.Contains(to, "/_nightlatch/"+action) {
			continue
		}
		values = url.Values{}
		for _, h := range hiddenRE.FindAllStringSubmatch(form[2], -1) {
			values.Set(h[1], html.UnescapeString(h[2]))
		}
		for i := 0; i < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}
		return to, values
	}
	b.t.Fatalf("no form for %s at %s: %d %s", action, b.at, b.status, b.text())
	return "", nil
}

func (b *browser) submit(action string, fields ...string) {
	b.t.Helper()
	to, values := b.form(action, fields...)
	b.send("POST", to, values)
}

// text is the page without its markup.
func (b *browser) text() string {
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(b.page, " ")), " ")
}

func (b *browser) wantLed(to string) {
	b.t.Helper()
	if at := b.got.Get("Location"); b.status != http.StatusSeeOther || !strings.HasPrefix(at, to) {
		b.t.Fatalf("at %s: got %d to %q, want to be led to %q; %s", b.at, b.status, at, to, b.text())
	}
}

// typePassword begins a sign-in.
func (b *browser) typePassword(p *person) {
	b.t.Helper()
	b.open("/_nightlatch/sign-in")
	b.submit("sign-in", "name", p.name, "password", password)
	if b.status != http.StatusSeeOther {
		b.t.Fatalf("%s and the password: got %d %s", p.name, b.status, b.text())
	}
}

// key opens the page that shows a new key, and takes the key into the app.
func (b *browser) key(p *person) {
	b.t.Helper()
	b.open("/_nightlatch/two-factor/enable")
	b.takeKey(p)
}

// takeKey takes the key on the page into the app.
func (b *browser) takeKey(p *person) {
	b.t.Helper()
	found := secretRE.FindStringSubmatch(b.page)
	if found == nil {
		b.t.Fatalf("no key at %s: %d %s", b.at, b.status, b.text())
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(found[1], " ", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	p.secret, p.step = secret, 0
}

// enroll confirms a new authenticator and writes the backup codes down.
func (b *browser) enroll(p *person) {
	b.t.Helper()
	b.key(p)
	b.submit("two-factor/enable", "code", p.code(b.t))
	b.wantLed("/_nightlatch/backup-codes")
	b.open("/_nightlatch/backup-codes")
	p.paper = nil
	for _, code := range paperRE.FindAllStringSubmatch(b.page, -1) {
		p.paper = append(p.paper, code[1])
	}
	b.submit("backup-codes")
	b.wantLed("/")
}

// signIn signs an enrolled person in.
func (b *browser) signIn(p *person) {
	b.t.Helper()
	b.typePassword(p)
	b.open("/_nightlatch/second-factor")
	b.submit("second-factor", "code", p.code(b.t))
	b.wantLed("/")
}

// joined is a new person, enrolled and signed in.
func (h *house) joined(t *testing.T, base, name string, groups ...string) (*person, *browser) {
	t.Helper()
	p, b := h.add(t, name, groups...), visitor(t, base)
	b.typePassword(p)
	b.enroll(p)
	return p, b
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// port is that of an address.
func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// eventually waits until ok, since what happens in another process brings no event here.
func eventually(ok func() bool) bool {
	deadline, tick := time.After(patience), time.Tick(20*time.Millisecond)
	for !ok() {
		select {
		case <-tick:
		case <-deadline:
			return false
		}
	}
	return true
}

// logbook keeps what a process says.
type logbook struct {
	mu      sync.Mutex
	text    bytes.Buffer
	once    sync.Once
	serving chan struct{}
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if bytes.Contains(l.text.Bytes(), []byte("serving initial configuration")) {
		l.once.Do(func() { close(l.serving) })
	}
	return len(p), nil
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
