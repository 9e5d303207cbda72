// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is one data directory, its configuration and the process that serves it.
type server struct {
	dir     string
	binary  string
	global  string // more global options
	process *exec.Cmd
	exited  chan error // closed after the one value
	log     *logbook
}

// newServer prepares a directory. configure and start come next.
func newServer(t *testing.T) *server {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(workdir, "s")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{dir: dir, binary: bin, log: new(logbook)}
	t.Cleanup(func() {
		s.kill()
		said := s.log.String()
		if strings.Contains(said, "DATA RACE") || strings.Contains(said, "panic") {
			t.Error("the process had a data race or a panic")
		}
		if t.Failed() {
			t.Logf("the end of the process's log:\n%s", said[max(0, len(said)-20000):])
		}
	})
	return s
}

// serve is a server that runs with these lines in the nightlatch option and these sites.
func serve(t *testing.T, option, sites string) *server {
	t.Helper()
	s := newServer(t)
	s.configure(t, option, sites)
	s.start(t)
	return s
}

func (s *server) socket() string    { return filepath.Join(s.dir, "admin") }
func (s *server) caddyfile() string { return filepath.Join(s.dir, "Caddyfile") }

// configure writes the configuration. The running process takes it up with reload.
func (s *server) configure(t *testing.T, option, sites string) {
	t.Helper()
	s.write(t, s.caddyfile(), s.socket(), option, sites)
}

func (s *server) write(t *testing.T, file, socket, option, sites string) {
	t.Helper()
	config := fmt.Sprintf(`{
	admin unix/%s|0600
	persist_config off
	auto_https disable_redirects
	local_certs
	skip_install_trust
	default_bind 127.0.0.1
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
`, socket, s.global, filepath.Join(s.dir, "data"), pastSteps, option, sites)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs the process until it serves.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.process = s.command("run", "--config", s.caddyfile())
	stderr, err := s.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	exited, serving := make(chan error, 1), make(chan struct{})
	s.exited = exited
	go func() {
		s.log.copy(stderr, "serving initial configuration", serving)
		exited <- s.process.Wait()
		close(exited)
	}()
	select {
	case <-serving:
	case err := <-exited:
		t.Fatalf("the server ended before it served: %v", err)
	case <-time.After(patience):
		t.Fatal("the server does not start")
	}
}

// stop ends the process as an operator does, and waits for it.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.exited:
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the server does not stop")
	}
}

// kill ends the process as a crash does, and waits until it is gone.
func (s *server) kill() {
	if s.process == nil || s.process.Process == nil {
		return
	}
	s.process.Process.Kill()
	<-s.exited
}

func (s *server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	cmd.Dir = s.dir
	// Nothing of the machine's own Caddy is read or written. A WebSocket may come over HTTP/2, which Go does not offer by itself yet.
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir, "GODEBUG=http2xconnect=1")
	return cmd
}

// try runs a command of the program beside the server.
func (s *server) try(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := s.command(args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer hangs.Stop()
	err := cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// do runs a command that has to succeed.
func (s *server) do(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, said, code := s.try(t, stdin, args...)
	if code != 0 {
		t.Fatalf("nightlatch %s: exit %d, %s", strings.Join(args, " "), code, said)
	}
	return out
}

func (s *server) reload(t *testing.T) {
	t.Helper()
	s.do(t, "", "reload", "--config", s.caddyfile(), "--address", "unix/"+s.socket())
}

// admin asks Caddy's admin endpoint.
func (s *server) admin(t *testing.T, path string) string {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.socket())
		},
	}}
	resp, err := client.Get("http://127.0.0.1" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %s, %v", path, resp.StatusCode, body, err)
	}
	return string(body)
}

var totalRE = regexp.MustCompile(`goroutine profile: total (\d+)`)

// goroutines counts those of the process.
func (s *server) goroutines(t *testing.T) int {
	t.Helper()
	found := totalRE.FindStringSubmatch(s.admin(t, "/debug/pprof/goroutine?debug=1"))
	if found == nil {
		t.Fatal("the profile of goroutines has no total")
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// files counts the open files of the process. Only Linux tells.
func (s *server) files(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.process.Process.Pid))
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(entries)
}

// eventually waits until ok, looking again and again, since what happens in another process brings no event here.
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

// freeAddr is an address on loopback where nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// logbook keeps what a process says.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// copy reads to the end and closes found at the first line with these words.
func (l *logbook) copy(r io.Reader, words string, found chan struct{}) {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		l.mu.Lock()
		l.text.WriteString(line)
		l.mu.Unlock()
		if found != nil && strings.Contains(line, words) {
			close(found)
			found = nil
		}
		if err != nil {
			return
		}
	}
}
