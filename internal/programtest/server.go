// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package programtest runs the program that people get, as a process of its own with a fresh data directory, and plays the people who
// sign in through its pages. It is for tests of the whole, which have no access to the inside of the process.
//
// The process is the test binary itself: TestMain of a package that uses this one calls Main, which acts as the program in a child. So
// the race detector and the coverage of the test hold for the program too, and nothing is built twice. What cmd/nightlatch adds to it
// is tested there.
//
// Server is the process and its configuration, Browser as much of a browser as the pages need, Person what somebody knows and keeps.
package programtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/nightlatch/nightlatch/caddymodule"
)

// Patience is how long anything may take that the tests wait for. It is far more than an idle machine needs.
const Patience = 30 * time.Second

// childEnv makes the test binary the program.
const childEnv = "NIGHTLATCH_PROGRAMTEST_CHILD"

// workdir holds everything the tests write. It is short, because the name of a socket may have no more than a hundred bytes.
var workdir string

// Main is the TestMain of a package that runs the program.
func Main(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		signal.Ignore(syscall.SIGXFSZ) // a file that may not grow is an error of a write, as on a full disk
		caddymodule.RegisterTopLevelCommands()
		caddycmd.Main()
		return
	}
	var err error
	if workdir, err = os.MkdirTemp("", "nl"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(workdir)
	os.Exit(code)
}

// Server is one directory, its configuration and the process that serves it.
type Server struct {
	Dir   string // all that the process writes is in here
	Admin string // the address of the admin endpoint; a socket unless it is set before Configure

	process *exec.Cmd
	exited  chan struct{} // closed when the process is gone, after exit is set
	exit    error
	log     logbook
	ending  sync.Once
}

// New prepares a directory. Configure and Start come next.
func New(t *testing.T) *Server {
	t.Helper()
	dir, err := os.MkdirTemp(workdir, "s")
	if err != nil {
		t.Fatal(err)
	}
	return &Server{Dir: dir}
}

// Socket is where the admin endpoint listens unless Admin says otherwise.
func (s *Server) Socket() string { return filepath.Join(s.Dir, "admin") }

// Caddyfile is the file that the process is configured by.
func (s *Server) Caddyfile() string { return filepath.Join(s.Dir, "Caddyfile") }

// Data is the data directory.
func (s *Server) Data() string { return filepath.Join(s.Dir, "data") }

// Configure writes the configuration: more global options, more lines of the nightlatch option, and sites.
func (s *Server) Configure(t *testing.T, global, option, sites string) {
	t.Helper()
	admin := s.Admin
	if admin == "" {
		admin = "unix/" + s.Socket() + "|0600"
	}
	s.Write(t, s.Caddyfile(), admin, global, option, sites)
}

// Write is Configure for another file and another admin endpoint.
func (s *Server) Write(t *testing.T, file, admin, global, option, sites string) {
	t.Helper()
	config := fmt.Sprintf(`{
	admin %s
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
`, admin, global, s.Data(), PastSteps, option, sites)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Start runs the process until it serves. It ends with the test, which fails when the process has said that something is badly wrong.
func (s *Server) Start(t *testing.T) {
	t.Helper()
	serving := s.log.expect("serving initial configuration")
	process, exited := s.Command("run", "--config", s.Caddyfile()), make(chan struct{})
	process.Stdout, process.Stderr = &s.log, &s.log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	s.process, s.exited = process, exited
	go func() {
		s.exit = process.Wait()
		close(exited)
	}()
	s.ending.Do(func() { t.Cleanup(func() { s.end(t) }) })
	select {
	case <-serving:
	case <-exited:
		t.Fatalf("the program ended before it served: %v", s.exit)
	case <-time.After(Patience):
		t.Fatal("the program does not start")
	}
}

func (s *Server) end(t *testing.T) {
	s.Kill()
	said := s.Said()
	for _, bad := range []string{"DATA RACE", "panic", "fatal error", "SIGBUS"} {
		if at := strings.Index(said, bad); at >= 0 {
			t.Errorf("the process said %q:\n%s", bad, said[at:min(at+8000, len(said))])
		}
	}
	if t.Failed() {
		t.Logf("the end of what the process said:\n%s", said[max(0, len(said)-20000):])
	}
}

// Stop ends the process as an operator does, and waits for it.
func (s *Server) Stop(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
		if s.exit != nil {
			t.Errorf("the server ended with %v", s.exit)
		}
	case <-time.After(Patience):
		t.Fatal("the server does not stop")
	}
}

// Kill ends the process as a crash does, and waits until it is gone.
func (s *Server) Kill() {
	s.process.Process.Kill()
	<-s.exited
}

// Runs tells whether the process that was started last is there.
func (s *Server) Runs() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// PID is the id of the process.
func (s *Server) PID() int { return s.process.Process.Pid }

// Said is all that the processes have written to standard output and standard error.
func (s *Server) Said() string { return s.log.String() }

// Command is a command of the program. Nothing of the machine's own Caddy is read or written.
func (s *Server) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = s.Dir
	// A WebSocket may come over HTTP/2, which Go does not offer by itself yet.
	cmd.Env = append(os.Environ(), childEnv+"=1", "XDG_DATA_HOME="+s.Dir, "XDG_CONFIG_HOME="+s.Dir, "HOME="+s.Dir, "GODEBUG=http2xconnect=1")
	return cmd
}

// Try runs a command beside the server.
func (s *Server) Try(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := s.Command(args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(Patience, func() { cmd.Process.Kill() })
	defer hangs.Stop()
	err := cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// Do runs a command that has to succeed.
func (s *Server) Do(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, said, code := s.Try(t, stdin, args...)
	if code != 0 {
		t.Fatalf("nightlatch %s: exit %d, %s", strings.Join(args, " "), code, said)
	}
	return out
}

// Ask sends a request to the admin endpoint at the socket.
func (s *Server) Ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: Patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.Socket())
		},
	}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// Operate is Ask for what has to succeed.
func (s *Server) Operate(t *testing.T, method, path, body string) string {
	t.Helper()
	status, answer := s.Ask(t, method, path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// given are the addresses that FreeAddr has returned. A port that was free a moment ago is the likeliest to be offered again.
var given sync.Map

// FreeAddr is a loopback address that nobody listens on, another one at each call.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		if _, again := given.LoadOrStore(addr, true); !again {
			return addr
		}
	}
}

// ListensAlone waits until no more than one socket listens at the port with which an address ends. For a moment after a reload Caddy's old
// one is still there, and who is taken by that is answered by the configuration of before. Only Linux tells; elsewhere nothing is waited
// for.
func ListensAlone(t testing.TB, addr string) {
	t.Helper()
	port, err := strconv.ParseUint(addr[strings.LastIndexByte(addr, ':')+1:], 10, 16)
	if err != nil {
		t.Fatalf("%s: %v", addr, err)
	}
	listening := regexp.MustCompile(fmt.Sprintf(`:%04X 0+:0000 0A `, port)) // the columns local_address, rem_address and st
	if !Eventually(func() bool {
		for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
			if sockets, err := os.ReadFile(file); err == nil && len(listening.FindAll(sockets, 2)) > 1 {
				return false
			}
		}
		return true
	}) {
		t.Fatalf("two sockets listen at %s", addr)
	}
}

// Eventually waits until ok, looking again and again, since what happens in another process brings no event here.
func Eventually(ok func() bool) bool {
	deadline, tick := time.After(Patience), time.Tick(20*time.Millisecond)
	for !ok() {
		select {
		case <-tick:
		case <-deadline:
			return false
		}
	}
	return true
}

// logbook keeps what processes say.
type logbook struct {
	mu    sync.Mutex
	text  bytes.Buffer
	from  int // where the words that are expected may begin
	words []byte
	found chan struct{}
}

// expect returns a channel that is closed when the words are said, from now on.
func (l *logbook) expect(words string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from, l.words, l.found = l.text.Len(), []byte(words), make(chan struct{})
	return l.found
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.found != nil && bytes.Contains(l.text.Bytes()[l.from:], l.words) {
		close(l.found)
		l.found = nil
	}
	return len(p), nil
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
