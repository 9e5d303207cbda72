// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

var buildProgram = sync.OnceValues(func() (string, error) {
	program := filepath.Join(workshop, "nightlatch")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/nightlatch").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

// program is a running server on a data directory of its own.
type program struct {
	t      *testing.T
	path   string
	dir    string
	origin string
	setup  string // the link that it printed
}

// start runs the program on Caddyfile.example with ports and places of its own. site replaces the one word that guards the site, settings
// are added to those of the program.
func start(t *testing.T, site string, settings ...string) *program {
	t.Helper()
	chromium(t) // before the work of building
	path, err := buildProgram()
	if err != nil {
		t.Fatalf("building the program: %v", err)
	}
	p := &program{t: t, path: path, dir: t.TempDir()}
	front, application := freePort(t), freePort(t)
	p.origin = "http://localhost:" + front

	example, err := os.ReadFile("../../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	config := string(example)
	for _, change := range []struct{ old, new string }{
		{"\tadmin localhost:2019\n", "\tadmin " + p.admin() + "\n"},
		{"data_dir ./nightlatch-data", strings.Join(append(settings, "data_dir "+filepath.Join(p.dir, "data")), "\n\t\t")},
		{"http://localhost:8080", p.origin},
		{"127.0.0.1:8081", "127.0.0.1:" + application},
		{"http://:8081", "http://:" + application},
		{"\n\tnightlatch\n", "\n\t" + site + "\n"},
	} {
		if !strings.Contains(config, change.old) {
			t.Fatalf("Caddyfile.example has no %q any more", change.old)
		}
		config = strings.ReplaceAll(config, change.old, change.new)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "Caddyfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run()
	return p
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(programtest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (p *program) admin() string { return "unix/" + filepath.Join(p.dir, "admin.sock") }

func (p *program) cmd(args ...string) *exec.Cmd {
	c := exec.Command(p.path, args...)
	c.Dir = p.dir
	c.Env = append(os.Environ(), "HOME="+p.dir, "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	return c
}

var setupLink = regexp.MustCompile(`http\S+/_nightlatch/setup/\S+`)

// run starts the server and waits for its setup link, which it prints when its sites are about to be served.
func (p *program) run() {
	p.t.Helper()
	c := p.cmd("run", "--config", "Caddyfile")
	stderr, err := c.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	var said bytes.Buffer
	links, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if l := setupLink.FindString(lines.Text()); l != "" {
				links <- l
			}
		}
	}()
	p.t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		<-ended
		c.Wait()
		if p.t.Failed() {
			p.t.Logf("the server said:\n%s", said.String())
		}
	})
	select {
	case p.setup = <-links:
	case <-ended:
		p.t.Fatal("the server ended")
	case <-time.After(patience):
		p.t.Fatal("the server printed no setup link")
	}
	p.answers()
}

// answers waits until the site does: the link is printed a moment before the sites are up.
func (p *program) answers() {
	p.t.Helper()
	deadline, tick := time.After(patience), time.Tick(10*time.Millisecond)
	for {
		conn, err := net.Dial("tcp", "127.0.0.1:"+p.origin[strings.LastIndexByte(p.origin, ':')+1:])
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-tick:
		case <-deadline:
			p.t.Fatalf("the site does not answer: %v", err)
		}
	}
}

// operator types a command, which goes through the admin socket of the running server, and returns what it prints.
func (p *program) operator(args ...string) string {
	p.t.Helper()
	c := p.cmd(append(args, "--address", p.admin())...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		p.t.Fatalf("nightlatch %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// link finds the one-time link in what a command printed.
func (p *program) link(printed string) string {
	p.t.Helper()
	l := regexp.MustCompile(regexp.QuoteMeta(p.origin) + `/_nightlatch/\S+`).FindString(printed)
	if l == "" {
		p.t.Fatalf("no link of %s in:\n%s", p.origin, printed)
	}
	return l
}
