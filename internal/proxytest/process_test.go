// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// peer finds a program. Without it the test is skipped, except where every peer must be there.
func peer(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/"} { // not in every PATH
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	if os.Getenv("NIGHTLATCH_REQUIRE") == "all" {
		t.Fatalf("%s is not installed, and NIGHTLATCH_REQUIRE=all wants it", name)
	}
	t.Skipf("SKIPPED: %s is not installed, so nothing was asked for through it. .ci/run installs it.", name)
	return ""
}

// run starts a program and waits until it listens. It ends with the test.
func run(t *testing.T, addr string, command *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer // read when the process is gone
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		command.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(programtest.Patience):
			command.Process.Kill()
			<-exited
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", command.Path, said.String())
		}
	})
	if !programtest.Eventually(func() bool {
		select {
		case <-exited:
			t.Fatalf("%s ended at once:\n%s", command.Path, said.String())
		default:
		}
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}) {
		t.Fatalf("%s does not listen", command.Path)
	}
}
