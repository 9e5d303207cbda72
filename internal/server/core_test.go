// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/store"
)

func TestParseKeyRefuses(t *testing.T) {
	counting := make([]byte, 32)
	for i := range counting {
		counting[i] = byte(i)
	}
	b64 := base64.StdEncoding.EncodeToString
	cases := map[string]struct{ text, want string }{
		"empty":                    {"", "0 bytes"},
		"a password":               {"correct horse battery staple", "not base64"},
		"hex":                      {strings.Repeat("ab", 32), "48 bytes"},
		"31 bytes":                 {b64(make([]byte, 31)), "31 bytes"},
		"33 bytes":                 {b64(make([]byte, 33)), "33 bytes"},
		"ST-16 all zero":           {b64(make([]byte, 32)), "everybody knows"},
		"ST-16 one byte repeated":  {b64(bytes.Repeat([]byte{'k'}, 32)), "everybody knows"},
		"ST-16 the counting bytes": {b64(counting), "everybody knows"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := server.ParseKey(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got error %v, want one with %q", err, c.want)
			}
			if c.text != "" && strings.Contains(err.Error(), c.text) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

func TestParseKey(t *testing.T) {
	want := bytes.Repeat([]byte{1, 9}, 16)
	got, err := server.ParseKey(base64.StdEncoding.EncodeToString(want) + "\n")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
}

func open(t *testing.T, o server.Options) *server.Core {
	t.Helper()
	c, err := server.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestFirstStartMakesAPrivateKeyAndLaterOnesUseIt(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, server.Options{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "master.key")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("got mode %v, want 0600", got)
	}
	before, _ := os.ReadFile(file)
	open(t, server.Options{Dir: dir})
	if after, _ := os.ReadFile(file); !bytes.Equal(after, before) {
		t.Error("the second start changed the key")
	}
}

// refusedToOpen also wants the sentence on one line and the directory named, since an operator reads nothing else.
func refusedToOpen(t *testing.T, o server.Options, want string) error {
	t.Helper()
	c, err := server.Open(t.Context(), o)
	if err == nil {
		c.Close()
		t.Fatalf("opened, want an error with %q", want)
	}
	got := err.Error()
	if !strings.Contains(got, want) || !strings.Contains(got, o.Dir) || strings.Contains(got, "\n") {
		t.Errorf("got %q, want one line with %q and the directory", got, want)
	}
	return err
}

func TestWrongKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	a, b := bytes.Repeat([]byte{1, 2}, 16), bytes.Repeat([]byte{3, 4}, 16)
	open(t, server.Options{Dir: dir, Key: a}).Close()
	refusedToOpen(t, server.Options{Dir: dir, Key: b}, "key does not fit this data directory")
	open(t, server.Options{Dir: dir, Key: a}) // the refusal changed nothing
}

func TestLostKeyFileIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	open(t, server.Options{Dir: dir}).Close()
	file := filepath.Join(dir, "master.key")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	refusedToOpen(t, server.Options{Dir: dir}, "missing")
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key file was made: %v", err)
	}
}

func TestDamagedKeyFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "master.key"), []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refusedToOpen(t, server.Options{Dir: dir}, "master.key")
}

func TestSecondOpenIsToldWhatToDo(t *testing.T) {
	dir := t.TempDir()
	open(t, server.Options{Dir: dir})
	err := refusedToOpen(t, server.Options{Dir: dir}, "in use by another process")
	if !errors.Is(err, store.ErrLocked) {
		t.Errorf("got %v, want it to wrap store.ErrLocked", err)
	}
}

func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refusedToOpen(t, server.Options{Dir: file}, "opening the data directory")
}

func TestClosedCoreAnswersWithErrors(t *testing.T) {
	c := open(t, server.Options{Dir: t.TempDir()})
	svc := c.Service()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.HasAdministrator(context.Background()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v, want store.ErrClosed", err)
	}
}

// The keys that sign for applications are those of the data directory: the same after a restart, and no other has them.
func TestKeysOutliveARestart(t *testing.T) {
	set := func(dir string) string {
		t.Helper()
		c := open(t, server.Options{Dir: dir, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
		keys, err := c.Keys().Set()
		if err := errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
		return string(keys)
	}
	dir := t.TempDir()
	first := set(dir)
	if again := set(dir); again != first {
		t.Errorf("got %s after a restart, want %s", again, first)
	}
	if other := set(t.TempDir()); other == first {
		t.Error("another data directory has the same keys")
	}
}
