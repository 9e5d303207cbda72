// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"crypto/tls"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

const patience = programtest.Patience

// server is the program in a directory of its own.
type server struct {
	*programtest.Server
	global string // more global options
}

func newServer(t *testing.T) *server {
	t.Helper()
	return &server{Server: programtest.New(t)}
}

// serve is a server that runs with these lines in the nightlatch option and these sites.
func serve(t *testing.T, option, sites string) *server {
	t.Helper()
	s := newServer(t)
	s.configure(t, option, sites)
	s.Start(t)
	return s
}

// configure writes the configuration. The running process takes it up with reload.
func (s *server) configure(t *testing.T, option, sites string) {
	t.Helper()
	s.Configure(t, "persist_config off\n\t"+s.global, option, sites)
}

// write is configure for another file and another socket.
func (s *server) write(t *testing.T, file, socket, option, sites string) {
	t.Helper()
	s.Write(t, file, "unix/"+socket+"|0600", "persist_config off\n\t"+s.global, option, sites)
}

func (s *server) reload(t *testing.T) {
	t.Helper()
	s.Do(t, "", "reload", "--config", s.Caddyfile(), "--address", "unix/"+s.Socket())
}

var totalRE = regexp.MustCompile(`goroutine profile: total (\d+)`)

// goroutines counts those of the process.
func (s *server) goroutines(t *testing.T) int {
	t.Helper()
	found := totalRE.FindStringSubmatch(s.Operate(t, "GET", "/debug/pprof/goroutine?debug=1", ""))
	if found == nil {
		t.Fatal("the profile of goroutines has no total")
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// files counts the open files of the process. Only Linux tells.
func (s *server) files(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(entries)
}

type (
	browser = programtest.Browser
	person  = programtest.Person
)

// addPerson makes an account with the command.
func (s *server) addPerson(t *testing.T, name string, flags ...string) *person {
	t.Helper()
	args := append([]string{"user", "add", name, "--password-stdin", "--address", "unix/" + s.Socket()}, flags...)
	s.Do(t, programtest.Password, args...)
	return &person{Name: name}
}

// joined is a new person and a browser of theirs, signed in.
func (s *server) joined(t *testing.T, name, base string, trust *tls.Config, flags ...string) (*person, *browser) {
	t.Helper()
	p, b := s.addPerson(t, name, flags...), programtest.NewBrowser(t, base, trust)
	must(t, b.Join(p))
	return p, b
}

// comeIn signs anybody in, new or not.
func comeIn(b *browser, p *person) error {
	if p.Secret == nil {
		return b.Join(p)
	}
	return b.SignIn(p)
}

// must fails the test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
