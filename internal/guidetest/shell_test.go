// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package guidetest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// shell is the one shell in which all commands of a page run, so that a variable stays what it is.
type shell struct {
	house    *house
	script   io.WriteCloser // commands go in here
	typed    io.Writer      // what the person types at `read`
	answers  chan string    // what each block has written; closed when the shell is gone
	complain complaints
}

// complaints is what commands write to standard error. There should be none.
type complaints struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *complaints) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *complaints) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// mark is printed after each block. It cannot be part of an answer.
const mark = '\x1e'

// shell starts sh with the program and its peers in the PATH. A command that fails ends it, and so does a variable that is not set.
func (h *house) shell(t *testing.T, g guide) *shell {
	t.Helper()
	program := h.Command()
	bin := filepath.Join(h.Dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program.Path, filepath.Join(bin, "nightlatch")); err != nil {
		t.Fatal(err)
	}
	pastSteps := programtest.PastSteps
	if _, after, is := strings.Cut(g.caddyfile, "past_steps "); is {
		if _, err := fmt.Sscan(after, &pastSteps); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(bin, "oathtool"), phone(t, h.Dir, pastSteps), 0o700)
	// Every name leads to this machine, whatever its resolver or a proxy of its network would do.
	port, root := h.listener(t)
	write(t, filepath.Join(h.Dir, ".curlrc"), fmt.Sprintf("connect-to = \"::127.0.0.1:%s\"\ncacert = %q\nnoproxy = \"*\"\nmax-time = %d\n",
		port, root, int(programtest.Patience.Seconds())), 0o600)

	script, commands, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{house: h, script: commands, answers: make(chan string)}
	process := exec.Command("sh", "-eu", "/dev/fd/3")
	process.Dir, process.ExtraFiles, process.Stderr = h.Dir, []*os.File{script}, &s.complain
	process.Env = append(program.Env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "CURL_HOME="+h.Dir, "TZ=UTC", "LC_ALL=C.UTF-8")
	if s.typed, err = process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	written, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	script.Close()
	go s.listen(written)
	t.Cleanup(func() {
		s.script.Close()
		process.Process.Kill()
		for range s.answers { // until nothing more is written
		}
		process.Wait()
	})
	return s
}

// listen takes apart what the commands write.
func (s *shell) listen(written io.Reader) {
	defer close(s.answers)
	for r := bufio.NewReader(written); ; {
		answer, err := r.ReadString(mark)
		if err != nil {
			return
		}
		s.answers <- strings.TrimSuffix(answer, string(mark))
	}
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// phone is oathtool, a step later with each call for the same key: the codes of a person who waits for the next one, as far as earlier
// ones count. It stays away from the oldest that counts, which may stop counting on the way.
func phone(t *testing.T, dir string, pastSteps int) string {
	t.Helper()
	oathtool, err := exec.LookPath("oathtool")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`#!/bin/sh
set -eu
for key; do :; done
now=$(($(date +%%s) / 30))
step=$((now - %d + 2))
last=%s/step-$key
if [ -e "$last" ] && [ "$(cat "$last")" -ge "$step" ]; then
	step=$(($(cat "$last") + 1))
fi
if [ "$step" -gt "$now" ]; then
	echo 'the codes of the moment are used up' >&2
	exit 1
fi
echo "$step" >"$last"
exec %s --now "@$((step * 30))" "$@"
`, pastSteps, dir, oathtool)
}

// run runs the commands of a step and returns what they write to standard output. At `read` the person types the code that has come.
func (s *shell) run(t *testing.T, st step) string {
	t.Helper()
	if _, err := fmt.Fprintf(s.script, "%s\nprintf '%c'\n", st.command, mark); err != nil {
		t.Fatalf("line %d: the shell takes no command: %v; it said:\n%s", st.line, err, &s.complain)
	}
	for range strings.Count(st.command, "read -r ") {
		code, came := s.house.next()
		if !came {
			t.Fatalf("line %d: no code has come for:\n%s\nthe shell said:\n%s", st.line, st.command, &s.complain)
		}
		if _, err := fmt.Fprintln(s.typed, code); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case answer, is := <-s.answers:
		if said := s.complain.String(); !is || said != "" {
			t.Fatalf("line %d: the commands failed:\n%s\nthey said:\n%s", st.line, st.command, said)
		}
		return answer
	case <-time.After(2 * programtest.Patience):
		t.Fatalf("line %d: the commands do not end:\n%s\nthe shell said:\n%s", st.line, st.command, &s.complain)
	}
	return ""
}
