// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// site is one running Caddy, or an nginx with or without a Caddy that it asks. Two columns with the same one share it.
type site struct {
	gate  bool
	nginx bool
	gogc  string // empty: what the binary chooses
}

// running is a site's process and somebody who is signed in there.
type running struct {
	*process          // where the client asks
	asked    *process // nil: none but the first is needed
	admin    string   // address of the admin endpoint; empty: there is no Caddy
	session  string   // value of the cookie
}

// cpu is what all processes of the site have used.
func (r *running) cpu() (time.Duration, error) {
	sum, err := r.process.cpu()
	if err != nil || r.asked == nil {
		return sum, err
	}
	more, err := r.asked.cpu()
	return sum + more, err
}

func (r *running) stop() {
	r.process.stop()
	if r.asked != nil {
		r.asked.stop()
	}
}

// bench is everything that runs while something is measured.
type bench struct {
	dir      string
	binary   string
	upstream *process
	servers  map[site]*running
	clients  []*client // one for each column
}

// prepare builds the binary, starts the application and each site, connects a client to each column, and leaves them idle.
func prepare(ctx context.Context, connections int) (*bench, error) {
	dir, err := os.MkdirTemp("", "nightlatch-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, binary: filepath.Join(dir, "nightlatch"), servers: map[site]*running{}}
	if err := b.startAll(ctx, connections); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) startAll(ctx context.Context, connections int) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "github.com/nightlatch/nightlatch/cmd/nightlatch")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	if b.upstream, err = start(ctx, addr, []string{upstreamEnv + "=" + addr}, self, "-upstream"); err != nil {
		return fmt.Errorf("starting the application: %w", err)
	}
	for _, c := range columns {
		if b.servers[c.site] == nil {
			r, err := b.open(ctx, c.site, len(b.servers))
			if err != nil {
				return fmt.Errorf("starting what is measured %s: %w", c.name, err)
			}
			b.servers[c.site] = r
		}
	}
	for _, c := range columns {
		client, err := dial(b.servers[c.site].addr, b.request(c), c.wantStatus(), connections)
		if err != nil {
			return fmt.Errorf("connecting to what is measured %s: %w", c.name, err)
		}
		b.clients = append(b.clients, client)
	}
	return nil
}

// wantStatus is what the client must be answered.
func (c column) wantStatus() int {
	if c.anonymous {
		return http.StatusSeeOther
	}
	return http.StatusOK
}

func (b *bench) close() error {
	for _, c := range b.clients {
		c.close() // nothing is lost with them
	}
	for _, s := range b.servers {
		s.stop()
	}
	if b.upstream != nil {
		b.upstream.stop()
	}
	return os.RemoveAll(b.dir)
}

// open starts the process of a site. Of a gate it first fills the data directory, with one person who is signed in.
func (b *bench) open(ctx context.Context, s site, number int) (*running, error) {
	dir := filepath.Join(b.dir, fmt.Sprint(number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	r := &running{}
	if s.nginx && !s.gate {
		r.process, err = b.startNginx(ctx, dir, addr, nginxPlain(addr))
		return r, err
	}
	if r.admin, err = freeAddr(); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if s.gate {
		if r.session, err = signIn(ctx, data); err != nil {
			return nil, fmt.Errorf("signing somebody in: %w", err)
		}
	}
	if s.nginx {
		return r, b.openAsking(ctx, r, s, dir, addr, data)
	}
	r.process, err = b.startCaddy(ctx, s, dir, addr, caddyfile(s, addr, r.admin, b.upstream.addr, data))
	return r, err
}

// startCaddy runs our binary with a configuration that listens at addr.
func (b *bench) startCaddy(ctx context.Context, s site, dir, addr, config string) (*process, error) {
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	env := []string{"GOGC=" + s.gogc, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}
	if s.gogc == atRest {
		env = append(env, "GOMEMLIMIT=256MiB")
	}
	return start(ctx, addr, env, b.binary, "run", "--config", file)
}

// caddyfile is the configuration of a site. The gate's says nothing but its name, so it asks for two factors and sends four headers.
func caddyfile(s site, addr, admin, upstream, data string) string {
	global, directive := "", ""
	if s.gate {
		global, directive = "nightlatch {\n\t\tdata_dir "+data+"\n\t}", "nightlatch"
	}
	return fmt.Sprintf(`{
	admin %s
	persist_config off
	%s
}
http://%s {
	bind 127.0.0.1
	%s
	reverse_proxy %s {
		transport http {
			keepalive_idle_conns_per_host 256
		}
	}
}
`, admin, global, addr, directive, upstream)
}

// signIn makes a person with two factors in a data directory and returns the session cookie of a browser of theirs.
func signIn(ctx context.Context, dir string) (session string, err error) {
	core, err := server.Open(ctx, server.Options{Dir: dir})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, core.Close()) }()
	s, client := core.Service(), auth.Client{Device: "bench"}
	const password = "a password for an hour of measuring"
	person := auth.NewUser{Name: "alice", FullName: "Alice Example", Email: "alice@example.com", Groups: []string{"staff", "admins"}, Admin: true, Password: password}
	if _, _, err := s.AddUser(ctx, client, person); err != nil {
		return "", err
	}
	at, err := s.SignIn(ctx, client, auth.Credentials{Name: person.Name, Password: password})
	if err != nil {
		return "", err
	}
	at, err = s.StepUp(ctx, client, at.Session, auth.Requirement{Level: auth.LevelTwoFactor}, "")
	if err != nil {
		return "", err
	}
	view, err := s.Attempt(ctx, client, at.Attempt)
	if err != nil {
		return "", err
	}
	at, err = s.ConfirmEnrollment(ctx, client, at.Attempt, otp.Code(view.Pending.Secret, otp.Step(time.Now())))
	if err != nil {
		return "", err
	}
	at, err = s.SavedCodes(ctx, client, at.Attempt)
	return at.Session, err
}

// printMemory says what the processes hold.
func (b *bench) printMemory(when string) error {
	for _, i := range []int{plain, gated, shipped} {
		resident, anonymous, err := b.servers[columns[i].site].memory()
		if err != nil {
			return err
		}
		fmt.Printf("%s, %s: %d MiB resident, of which %d MiB are not of the program file\n", when, columns[i].name, resident>>20, anonymous>>20)
	}
	return nil
}

// browser are the headers of a Firefox that follows a link.
const browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Site: same-origin\r\n" +
	"Sec-Fetch-User: ?1\r\n" +
	"Priority: u=0, i\r\n"

// request is what the client sends. The cookie goes to Caddy without the gate too, so that both read the same bytes.
func (b *bench) request(c column) []byte {
	var lines bytes.Buffer
	fmt.Fprintf(&lines, "GET /orders/2026?page=2 HTTP/1.1\r\nHost: %s\r\n", b.servers[c.site].addr)
	lines.WriteString(browser + "Cookie: theme=dark")
	if !c.anonymous {
		fmt.Fprintf(&lines, "; %s=%s", visit.Loopback.CookieName(visit.Session), b.anySession(c.site))
	}
	lines.WriteString("\r\n\r\n")
	return lines.Bytes()
}

// anySession is the session of the site, or, where there is no gate, another one's, which looks the same.
func (b *bench) anySession(s site) string {
	if r := b.servers[s]; s.gate {
		return r.session
	}
	return b.servers[columns[gated].site].session
}

// turn measures one column once.
func (b *bench) turn(ctx context.Context, i int, d time.Duration) (result, error) {
	s := b.servers[columns[i].site]
	before, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	answers, took, err := b.clients[i].load(ctx, d)
	if err != nil {
		return result{}, fmt.Errorf("%w\n%s", err, s.output.String())
	}
	after, err := s.cpu()
	return result{answers: answers, took: took, cpu: after - before}, err
}

// printAllocations counts what a request of each column allocates, in one more turn. It is the one measure here that does not depend on
// what else the machine does.
func (b *bench) printAllocations(ctx context.Context, d time.Duration) error {
	for i, c := range columns {
		s := b.servers[c.site]
		if s.admin == "" {
			continue
		}
		objects, bytes, err := s.allocated(ctx)
		if err != nil {
			return err
		}
		r, err := b.turn(ctx, i, d)
		if err != nil {
			return err
		}
		moreObjects, moreBytes, err := s.allocated(ctx)
		if err != nil {
			return err
		}
		n := float64(max(r.answers, 1))
		fmt.Printf("%s: %.0f allocations, %.1f KB per request\n", c.name, (moreObjects-objects)/n, (moreBytes-bytes)/n/1000)
	}
	return nil
}

// allocated is what the process has allocated since its start, as Caddy's metrics say it.
func (r *running) allocated(ctx context.Context) (objects, bytes float64, err error) {
	resp, err := get(ctx, "http://"+r.admin+"/metrics")
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(metrics)) {
		for name, into := range map[string]*float64{"go_memstats_mallocs_total ": &objects, "go_memstats_alloc_bytes_total ": &bytes} {
			if value, ok := strings.CutPrefix(line, name); ok {
				if *into, err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil {
					return 0, 0, err
				}
			}
		}
	}
	if objects == 0 || bytes == 0 {
		return 0, 0, errors.New("the metrics of Caddy do not say what it allocates")
	}
	return objects, bytes, nil
}

// get asks an admin endpoint.
func get(ctx context.Context, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("asking %s: status %d", url, resp.StatusCode)
	}
	return resp, nil
}

// profiles writes one CPU profile of each column, taken under load from the admin endpoint.
func (b *bench) profiles(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.profile, 0o755); err != nil {
		return err
	}
	seconds := int(max(o.duration, 2*time.Second) / time.Second)
	for i, c := range columns {
		if b.servers[c.site].admin == "" {
			continue
		}
		written := make(chan error, 1)
		go func() { written <- b.profile(ctx, c, o.profile, seconds) }()
		_, err := b.turn(ctx, i, time.Duration(seconds)*time.Second)
		if err := errors.Join(err, <-written); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) profile(ctx context.Context, c column, dir string, seconds int) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.servers[c.site].admin, seconds)
	resp, err := get(ctx, url)
	if err != nil {
		return fmt.Errorf("profiling %s: %w", c.name, err)
	}
	defer resp.Body.Close()
	name := strings.NewReplacer(" ", "-", ",", "", "=", "").Replace(c.name) + ".pprof"
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}

// upstreamEnv holds the address on which the application listens.
const upstreamEnv = "NIGHTLATCH_BENCH_UPSTREAM"

// serveUpstream is the application: 1 KiB for everybody.
func serveUpstream() {
	body := bytes.Repeat([]byte("0123456789abcdef"), 64)
	err := http.ListenAndServe(os.Getenv(upstreamEnv), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "1024")
		w.Write(body)
	}))
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}
