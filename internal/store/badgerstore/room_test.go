// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package badgerstore

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// DO-11: on a disk that is full nothing is written, all can be read, and it goes on when there is room again.
func TestDO11FullDisk(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	set := func(value string) error {
		return s.Update(t.Context(), func(tx store.Tx) error { return tx.Set("key", []byte(value), time.Time{}) })
	}
	var left uint64
	var broken error
	s.free = func(string) (uint64, error) { return left, broken }
	wantValue := func(want string) {
		t.Helper()
		var got []byte
		if err := s.View(t.Context(), func(tx store.Tx) (err error) { got, err = tx.Get("key"); return err }); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	left = needed
	if err := set("first"); err != nil {
		t.Errorf("with room: %v", err)
	}
	left = needed - 1
	if err := set("second"); err == nil {
		t.Error("a write on a full disk was not refused")
	}
	wantValue("first")
	broken = errors.New("no such disk")
	if err := set("third"); !errors.Is(err, broken) {
		t.Errorf("with a disk that does not answer: got %v, want %v", err, broken)
	}
	left, broken = needed, nil
	if err := set("fourth"); err != nil {
		t.Errorf("with room again: %v", err)
	}
	wantValue("fourth")
}

func TestFree(t *testing.T) {
	n, err := free(t.TempDir())
	if err != nil || n == 0 {
		t.Errorf("a disk that we can write to: got %d bytes, %v", n, err)
	}
	if _, err := free(t.TempDir() + "/nowhere"); err == nil && runtime.GOOS == "linux" {
		t.Error("a directory that is not there has room")
	}
}
