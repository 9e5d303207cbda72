// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests Nightlatch in a whole Caddy: real listeners, a real upstream, real reloads, and other processes where the promise is
// about them. All such tests are in this one package, since Caddy is one per process; each loads a configuration of its own and none
// runs in parallel.
package e2e

import (
	"bufio"
	"encoding/base32"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/nightlatch/nightlatch"
	"github.com/nightlatch/nightlatch/internal/otp"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// childEnv makes the test binary another process on the configuration that it names: "run FILE" or "validate FILE".
const childEnv = "NIGHTLATCH_E2E_CHILD"

// patience is how long anything may take that the tests wait for.
const patience = 30 * time.Second

// printed is every setup link that was printed to standard error. marked tells that all that was printed before the marker is there.
var (
	printed = make(chan string, 100)
	marked  = make(chan struct{})
)

const marker = "everything so far was read"

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		os.Exit(child(what))
	}
	// Before anything else runs, so that nobody reads os.Stderr meanwhile.
	real := os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	os.Stderr = w
	go func() {
		link := regexp.MustCompile(`http\S+/_nightlatch/setup/\S+`)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			fmt.Fprintln(real, lines.Text())
			if l := link.FindString(lines.Text()); l != "" {
				printed <- l
			}
			if lines.Text() == marker {
				marked <- struct{}{}
			}
		}
	}()
	os.Exit(m.Run())
}

func child(what string) int {
	mode, file, _ := strings.Cut(what, " ")
	cfg, err := os.ReadFile(file)
	if err == nil && mode == "run" {
		err = caddy.Load(cfg, true)
	}
	if err == nil && mode == "validate" {
		var parsed caddy.Config
		if err = caddy.StrictUnmarshalJSON(cfg, &parsed); err == nil {
			err = caddy.Validate(&parsed)
		}
	}
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println("fine")
	return 0
}

// elsewhere runs a configuration in another process and returns what it says.
func elsewhere(t *testing.T, mode, config string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, adapt(t, config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+mode+" "+file)
	out, err := cmd.Output()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
		t.Fatal(err)
	}
	return string(out)
}

func adapt(t *testing.T, caddyfile string) []byte {
	t.Helper()
	cfg, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// house is one data directory, one protected site and one application.
type house struct {
	dir, log string
	addr     string // of the site
	app      *httptest.Server
	global   string // more lines of the nightlatch option
	site     string // the site's directives
}

// newHouse has the application answer with handler.
func newHouse(t *testing.T, handler http.HandlerFunc) *house {
	t.Helper()
	tmp := t.TempDir()
	h := &house{dir: filepath.Join(tmp, "data"), log: filepath.Join(tmp, "log"), addr: programtest.FreeAddr(t), app: httptest.NewServer(handler)}
	h.site = "nightlatch\nreverse_proxy " + h.app.Listener.Addr().String()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		h.app.Close()
	})
	return h
}

func (h *house) config() string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output file %s
	}
	nightlatch {
		data_dir %s
		%s
	}
}
http://%s {
	bind 127.0.0.1
	log
	%s
}
`, h.log, h.dir, h.global, h.addr, h.site)
}

func (h *house) load(t *testing.T) {
	t.Helper()
	h.loadText(t, h.config())
}

// loadText loads another configuration than that of h, at its address.
func (h *house) loadText(t *testing.T, caddyfile string) {
	t.Helper()
	if err := caddy.Load(adapt(t, caddyfile), true); err != nil {
		t.Fatalf("%v\n%s", err, caddyfile)
	}
	programtest.ListensAlone(t, h.addr)
}

func (h *house) logged(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// link is the setup link that was printed.
func link(t *testing.T) string {
	t.Helper()
	select {
	case l := <-printed:
		return l
	case <-time.After(patience):
		t.Fatal("no setup link was printed")
		return ""
	}
}

// noLink waits until all that was printed so far is read, and wants no setup link among it.
func noLink(t *testing.T) {
	t.Helper()
	fmt.Fprintln(os.Stderr, marker)
	select {
	case <-marked:
	case <-time.After(patience):
		t.Fatal("standard error is not read")
	}
	select {
	case again := <-printed:
		t.Errorf("got another link, %s", again)
	default:
	}
}

// browser is as much of one as the pages need: cookies, redirects, the first form of a page.
type browser struct {
	t      *testing.T
	client *http.Client
	base   string
	page   string
	status int
	at     *url.URL
}

func newBrowser(t *testing.T, addr string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, client: &http.Client{Jar: jar, Timeout: patience}, base: "http://" + addr}
	t.Cleanup(b.client.CloseIdleConnections)
	return b
}

func (b *browser) do(r *http.Request) {
	b.t.Helper()
	r.Header.Set("Accept", "text/html")
	resp, err := b.client.Do(r)
	for tries := 0; err != nil && tries < 10; tries++ {
		// A moment after a reload Caddy may drop a connection that the listener it is closing had in its queue.
		if r.GetBody != nil {
			r.Body, _ = r.GetBody()
		}
		resp, err = b.client.Do(r)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.page, b.status, b.at = string(body), resp.StatusCode, resp.Request.URL
}

func (b *browser) open(target string) {
	b.t.Helper()
	r, err := http.NewRequest("GET", target, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(r)
}

var (
	formRE   = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)">(.*?)</form>`)
	hiddenRE = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	secretRE = regexp.MustCompile(`<code class="secret">([^<]+)</code>`)
)

// submit sends the form of the page whose action holds the given words, filled in.
func (b *browser) submit(action string, fields ...string) {
	b.t.Helper()
	for _, form := range formRE.FindAllStringSubmatch(b.page, -1) {
		if !strings.Contains(form[1], action) {
			continue
		}
		values := url.Values{}
		for _, h := range hiddenRE.FindAllStringSubmatch(form[2], -1) {
			values.Set(h[1], html.UnescapeString(h[2]))
		}
		for i := 0; i < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}
		r, err := http.NewRequest("POST", b.base+html.UnescapeString(form[1]), strings.NewReader(values.Encode()))
		if err != nil {
			b.t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.base)
		b.do(r)
		return
	}
	b.t.Fatalf("no form for %q at %s:\n%s", action, b.at, b.page)
}

const password = "a door with two locks holds"

// setUp goes from the setup link to the application, as the first administrator does.
func (b *browser) setUp(link string) (secret []byte) {
	b.t.Helper()
	b.open(link)
	b.submit("setup", "name", "alice", "password", password, "repeat", password)
	found := secretRE.FindStringSubmatch(b.page)
	if found == nil {
		b.t.Fatalf("no secret at %s:\n%s", b.at, b.page)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(found[1], " ", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	b.submit("two-factor/enable", "code", otp.Code(secret, otp.Step(time.Now())))
	b.submit("backup-codes")
	return secret
}
