// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package endtoend tests the program that people get: a process of its own, which package programtest runs, with a fresh data directory,
// ports of its own on loopback and its admin endpoint on a socket. People are made with its commands, sign in
// through its pages, and reach an application through its proxy.
//
// Here stands what only the whole can show: that reloads, a restart and kill -9 lose nothing, that what passes the gate passes as
// through a Caddy without one, that ending a session ends what is open, and that the application is told the truth on the real wire.
// What one room promises is tested in that room. The tests have no access to the inside of the process; when one fails, the process's
// log is printed.
package endtoend

import (
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// underRace tells whether the race detector watches. It watches the program too then.
var underRace = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})
