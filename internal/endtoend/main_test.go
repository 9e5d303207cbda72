// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package endtoend tests the program that people get: the binary of cmd/nightlatch, built once and run as a process of its own, with a
// fresh data directory, ports of its own on loopback and its admin endpoint on a socket. People are made with its commands, sign in
// through its pages, and reach an application through its proxy.
//
// Here stands what only the whole can show: that reloads, a restart and kill -9 lose nothing, that what passes the gate passes as
// through a Caddy without one, that ending a session ends what is open, and that the application is told the truth on the real wire.
// What one room promises is tested in that room. The tests have no access to the inside of the process; when one fails, the process's
// log is printed.
package endtoend

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take that the tests wait for. It is far more than an idle machine needs.
const patience = 30 * time.Second

// workdir holds everything the tests write. It is short, because the name of a socket may have no more than a hundred bytes.
var workdir string

func TestMain(m *testing.M) {
	var err error
	if workdir, err = os.MkdirTemp("", "nl"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(workdir)
	os.Exit(code)
}

// underRace tells whether the tests run with the race detector. The binary does then too.
var underRace = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})

// program builds the program, once.
var program = sync.OnceValues(func() (string, error) {
	out := filepath.Join(workdir, "nightlatch")
	args := []string{"build", "-o", out}
	if underRace() {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "github.com/nightlatch/nightlatch/cmd/nightlatch")...)
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building nightlatch: %w\n%s", err, said)
	}
	return out, nil
})
