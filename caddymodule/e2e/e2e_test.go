// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// whoami is an application that shows what it was told.
func whoami(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "user=%q cookie=%q path=%q", r.Header.Values("Remote-User"), r.Header.Values("Cookie"), r.URL.Path)
}

func TestFromTheSetupLinkToTheApplication(t *testing.T) {
	h := newHouse(t, whoami)
	h.load(t)
	l := link(t)
	if want := "http://" + h.addr + "/_nightlatch/setup/"; !strings.HasPrefix(l, want) {
		t.Errorf("got link %s, want it to begin with %s", l, want)
	}
	b := newBrowser(t, h.addr)
	b.open(b.base + "/page")
	if b.at.Path != "/_nightlatch/sign-in" {
		t.Fatalf("a stranger is at %s, want the sign-in page", b.at)
	}
	b.setUp(l)
	b.open(b.base + "/page")
	if want := `user=["alice"] cookie=[] path="/page"`; b.status != 200 || b.page != want {
		t.Errorf("got %d %q, want 200 %q", b.status, b.page, want)
	}
	// LG-1: the link is a secret, and so is what was typed.
	log := h.logged(t)
	// This client sends a Referer, which a browser does not at our word; by then the link is used up.
	for _, secret := range []string{password, `"uri":"` + l[strings.Index(l, "/_nightlatch/"):]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds a secret: %s", secret)
		}
	}
	for _, want := range []string{`"msg":"two_factor_enabled"`, `"user_id":"alice"`, `a setup link was printed`, `request for a one-time link`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s", want)
		}
	}
}

// The link is printed once for an open store, and not at all when somebody can administer.
func TestSetupLinkIsPrintedOnce(t *testing.T) {
	h := newHouse(t, whoami)
	h.load(t)
	l := link(t)
	h.load(t)
	noLink(t)
	b := newBrowser(t, h.addr)
	b.setUp(l)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	h.load(t)
	noLink(t)
	b.open(b.base + "/")
	if !strings.HasPrefix(b.page, `user=["alice"]`) {
		t.Errorf("after a restart the administrator got %d %q", b.status, b.page)
	}
}

// AD-8: reloads under load sign nobody out, fail no request and leave nothing behind.
func TestReloadUnderLoad(t *testing.T) {
	h := newHouse(t, whoami)
	// Caddy keeps idle connections of old configurations to the application for a while; without them, what is left behind is ours.
	h.site += " {\n\t\ttransport http {\n\t\t\tkeepalive off\n\t\t}\n\t}"
	h.load(t)
	b := newBrowser(t, h.addr)
	b.setUp(link(t))
	b.client.CloseIdleConnections()
	before := settled(0)

	const reloads = 50
	l := &load{stop: make(chan struct{}), answered: make(chan struct{}, 1000)}
	end := sync.OnceFunc(func() {
		close(l.stop)
		l.workers.Wait()
	})
	defer end()
	for range 4 {
		l.workers.Go(func() { l.keepAsking(t, b) })
	}
	for i := range reloads {
		h.global = fmt.Sprintf("issuer I%d", i) // another configuration each time, as an operator's is
		h.load(t)
		for range 4 {
			select {
			case <-l.answered:
			case <-time.After(patience):
				t.Fatal("no request is answered")
			}
		}
	}
	end()
	all, dropped := l.requests.Load(), l.dropped.Load()
	t.Logf("%d requests, %d connections dropped", all, dropped)
	// A Caddy without the gate drops up to one a reload here. Were nobody's connection carried over, it would be four.
	if dropped > 2*reloads {
		t.Errorf("%d connections were dropped at %d reloads", dropped, reloads)
	}
	// The database compacts when it likes. A leak is at least one goroutine at each reload.
	if after := settled(before); after > before+reloads/2 {
		t.Errorf("got %d goroutines after %d reloads, %d before", after, reloads, before)
	}
}

// load is what goes on during reloads.
type load struct {
	stop, answered    chan struct{}
	workers           sync.WaitGroup
	requests, dropped atomic.Int64
}

// keepAsking sends requests as the person of the browser until it is stopped. Each answer must be the application's. That a connection
// is dropped without an answer is Caddy's way when a listener changes hands, with the gate or without it.
func (l *load) keepAsking(t *testing.T, b *browser) {
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{},
		Jar:           b.client.Jar,
		Timeout:       patience,
	}
	defer client.CloseIdleConnections()
	for !l.over() {
		l.requests.Add(1)
		if wantAlice(t, client, b.base+"/") != nil {
			l.dropped.Add(1)
			continue
		}
		select {
		case l.answered <- struct{}{}:
		case <-l.stop:
			return
		}
	}
}

func (l *load) over() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// wantAlice asks the application, which has to know alice. An error is a connection that was dropped before the answer.
func wantAlice(t *testing.T, client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), `user=["alice"]`) {
		t.Errorf("got %d %q, %v", resp.StatusCode, body, err)
	}
	return nil
}

// settled waits until there are at most so many goroutines, or no fewer come: old connections take a moment to close.
func settled(most int) int {
	fewest := runtime.NumGoroutine()
	for deadline, tick := time.After(3*time.Second), time.Tick(20*time.Millisecond); fewest > most; {
		select {
		case <-tick:
			fewest = min(fewest, runtime.NumGoroutine())
		case <-deadline:
			return fewest
		}
	}
	return fewest
}

// A reload that cannot be is refused, and the configuration that runs goes on.
func TestRefusedReloadsChangeNothing(t *testing.T) {
	h := newHouse(t, whoami)
	h.load(t)
	b := newBrowser(t, h.addr)
	b.setUp(link(t))
	refused := map[string]struct{ global, want string }{
		"another key":      {"key " + base64.StdEncoding.EncodeToString([]byte("another key of thirty-two bytes!")), "restart to change it"},
		"an unset key":     {"key {env.NIGHTLATCH_E2E_UNSET}", "is empty"},
		"a missing secret": {"key {file." + filepath.Join(t.TempDir(), "none") + "}", "is empty"},
	}
	for name, c := range refused {
		h.global = c.global
		err := caddy.Load(adapt(t, h.config()), true)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		b.open(b.base + "/")
		if b.status != 200 {
			t.Errorf("%s: the old configuration answers %d", name, b.status)
		}
	}
}

func TestOtherProcesses(t *testing.T) {
	h := newHouse(t, whoami)
	h.load(t)
	link(t)
	there := *h
	there.addr = programtest.FreeAddr(t)
	if got := elsewhere(t, "validate", there.config()); !strings.HasSuffix(got, "fine\n") {
		t.Errorf("validate beside a running server: got %q", got)
	}
	if got := elsewhere(t, "run", there.config()); !strings.Contains(got, h.dir+" is in use by another process") {
		t.Errorf("a second server: got %q", got)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	there.global = "key " + base64.StdEncoding.EncodeToString([]byte("another key of thirty-two bytes!"))
	if got := elsewhere(t, "run", there.config()); !strings.Contains(got, "the key does not fit this data directory, "+h.dir) {
		t.Errorf("a wrong key: got %q", got)
	}
	if err := os.Remove(filepath.Join(h.dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	there.global = ""
	if got := elsewhere(t, "run", there.config()); !strings.Contains(got, "master.key is missing") {
		t.Errorf("a lost key: got %q", got)
	}
}

// A stream ends when its session does.
func TestStreamEndsWithTheSession(t *testing.T) {
	gone := make(chan struct{})
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stream" {
			whoami(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: hello\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	h.load(t)
	b := newBrowser(t, h.addr)
	b.setUp(link(t))
	stream, err := b.client.Get(b.base + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewReader(stream.Body)
	if first, err := lines.ReadString('\n'); err != nil || first != "data: hello\n" {
		t.Fatalf("got %q, %v", first, err)
	}
	b.open(b.base + "/_nightlatch/sign-out")
	b.submit("sign-out")
	select {
	case <-gone:
	case <-time.After(2 * time.Second):
		t.Error("the stream is open two seconds after sign-out")
	}
	b.open(b.base + "/")
	if b.at.Path != "/_nightlatch/sign-in" {
		t.Errorf("after sign-out the person is at %s", b.at)
	}
}

// ID-17: behind the gate the placeholders of the user are the gate's alone.
func TestPlaceholders(t *testing.T) {
	h := newHouse(t, whoami)
	h.site = `
	vars http.auth.user.email planted@example.com
	@never header X-Never yes
	basic_auth @never {
		bob $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG
	}
	nightlatch {
		skip /open
	}
	respond "id={http.auth.user.id} groups={http.auth.user.groups}"`
	h.load(t)
	b := newBrowser(t, h.addr)
	b.setUp(link(t))
	b.open(b.base + "/")
	if want := "id=alice groups="; b.page != want {
		t.Errorf("got %q, want %q", b.page, want)
	}
	b.open(b.base + "/open")
	if want := "id= groups="; b.page != want {
		t.Errorf("skipped: got %q, want %q", b.page, want)
	}
}

func TestWarnings(t *testing.T) {
	h := newHouse(t, whoami)
	h.site = `
	nightlatch {
		skip /open
	}
	handle_errors {
		reverse_proxy ` + h.app.Listener.Addr().String() + `
	}
	respond ok`
	h.load(t)
	link(t)
	log := h.logged(t)
	for _, want := range []string{"handle_errors runs without a sign-in", `"rule":"skip /open"`} {
		if got := strings.Count(log, want); got != 1 {
			t.Errorf("got %d lines with %q, want 1", got, want)
		}
	}
}

func TestForgeableAddressIsWarnedOf(t *testing.T) {
	h := newHouse(t, whoami)
	h.load(t)
	link(t)
	cfg := strings.Replace(h.config(), "persist_config off", "persist_config off\n\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}", 1)
	h.loadText(t, cfg)
	b := newBrowser(t, h.addr)
	b.open(b.base + "/")
	b.open(b.base + "/")
	if got := strings.Count(h.logged(t), "trusted_proxies without trusted_proxies_strict"); got != 1 {
		t.Errorf("got %d warnings, want 1", got)
	}
}

// The second of two would never see the cookie, and the person would sign in forever.
func TestTwiceInFrontOfARequestIsAnError(t *testing.T) {
	h := newHouse(t, whoami)
	h.site = "nightlatch {\n\t\tskip /open\n\t}\n\thandle {\n\t\tnightlatch\n\t\trespond ok\n\t}"
	h.load(t)
	link(t)
	b := newBrowser(t, h.addr)
	b.open(b.base + "/open")
	if b.status != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", b.status)
	}
	if !strings.Contains(h.logged(t), "nightlatch stands twice") {
		t.Error("the log does not say why")
	}
}
