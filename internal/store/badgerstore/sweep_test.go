// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4/options"

	"github.com/nightlatch/nightlatch/internal/store"
)

func openDir(t *testing.T, dir string, log *slog.Logger) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// write writes n records of size bytes.
func write(t *testing.T, s *Store, prefix string, n, size int, expires time.Time) {
	t.Helper()
	for from := 0; from < n; from += 500 {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for i := from; i < min(from+500, n); i++ {
				value := fmt.Appendf(nil, "%08d%s", i, strings.Repeat("x", size-8))
				if err := tx.Set(fmt.Sprintf("%s%08d", prefix, i), value, expires); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func count(t *testing.T, s *Store, prefix string) (n int) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan(prefix, "", func(string, []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tableKeys counts the records in the tables, dead ones included.
func tableKeys(s *Store) (n uint32) {
	for _, table := range s.db.Tables() {
		n += table.KeyCount
	}
	return n
}

// Power loss cannot be staged in a test; that Badger is told to sync can. Its default is not to.
func TestST4WritesAreSyncedAndVerified(t *testing.T) {
	o := openDir(t, t.TempDir(), nil).db.Opts()
	if !o.SyncWrites || !o.VerifyValueChecksum || o.ChecksumVerificationMode != options.OnBlockRead {
		t.Errorf("sync: %v, verify values: %v, verify tables: %v; want true, true, %v",
			o.SyncWrites, o.VerifyValueChecksum, o.ChecksumVerificationMode, options.OnBlockRead)
	}
}

func TestSweepFreesExpiredRecords(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, nil)
	write(t, s, "session/", 3_000, 300, time.Now().Add(time.Hour))
	for i := range 20 { // expired records, strewn among those that live
		write(t, s, fmt.Sprintf("session/%08d/", i*150), 3_000, 300, time.Unix(1, 0))
	}
	s.Close() // moves what is in memory to the tables
	s = openDir(t, dir, nil)
	s.reclaim()
	if n := tableKeys(s); n > 4_000 {
		t.Errorf("after a sweep the tables hold %d records; want about the 3,000 of 63,000 that live", n)
	}
	if n := count(t, s, "session/"); n != 3_000 {
		t.Errorf("%d live records remain of 3,000", n)
	}
}

// Badger before 4.9.3 brought a deleted key back when it collected the value log.
func TestST7DeletedKeyStaysDeleted(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, nil)
	reopen := func() {
		s.Close() // moves what is in memory to a table of its own
		s = openDir(t, dir, nil)
	}
	write(t, s, "code/", 20_000, 2_000, time.Time{})
	first := logFiles(t, dir)[0]
	reopen()
	for from := 0; from < 20_000; from += 500 {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for i := from; i < from+500; i++ {
				if err := tx.Delete(fmt.Sprintf("code/%08d", i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		reopen()
		write(t, s, "other/", 1, 10, time.Time{})
		reopen()
		s.reclaim()
		if n := count(t, s, "code/"); n != 0 {
			t.Fatalf("%d deleted records came back", n)
		}
	}
	if now := logFiles(t, dir); slices.Contains(now, first) {
		t.Errorf("the value log is %q: its first file was never collected, so this test shows nothing", now)
	}
}

func logFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Damage that appears while the store is open must stop it, before a rewrite makes the loss permanent.
func TestST15SweepStopsADamagedStore(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, nil)
	write(t, s, "revoked/", 60_000, 300, time.Time{})
	s.Close()

	var log bytes.Buffer
	s = openDir(t, dir, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		flipInside(t, table)
	}
	s.db.CacheMaxCost(0, 1) // what is cached was read before the damage
	s.reclaim()
	for name, act := range map[string]func() error{
		"View":   func() error { return s.View(t.Context(), func(store.Tx) error { t.Error("it ran"); return nil }) },
		"Update": func() error { return s.Update(t.Context(), func(store.Tx) error { t.Error("it ran"); return nil }) },
	} {
		if err := act(); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s on a damaged store returned %v; want ErrCorrupt", name, err)
		}
	}
	if !strings.Contains(log.String(), "restore a backup") {
		t.Errorf("the log does not tell the operator: %q", log.String())
	}
}

// flipInside changes bits throughout the blocks of a table, in place, as the disk under a mapped file would.
func flipInside(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	for at := info.Size() / 4; at < info.Size()*3/4; at += 1000 {
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
}

// Close ends the sweeping: else it would wait for it for good, and a sweep on a closed Badger would panic.
func TestCloseEndsTheSweep(t *testing.T) {
	s := openDir(t, "", nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.sweep() // returns at once
}

func TestWholeSecondsNeverEarlyNeverForever(t *testing.T) {
	for _, test := range []struct {
		expires time.Time
		want    uint64
	}{
		{time.Time{}, 0},
		{time.Unix(1_800_000_000, 0), 1_800_000_000},
		{time.Unix(1_800_000_000, 1), 1_800_000_001},
		{time.Unix(1_800_000_000, 999_999_999), 1_800_000_001},
		{time.Unix(0, 0), 1}, // zero would be never
		{time.Unix(-5, 0), 1},
		{time.Time{}.Add(1), 1},
	} {
		if got := wholeSeconds(test.expires); got != test.want {
			t.Errorf("wholeSeconds(%v) = %d; want %d", test.expires, got, test.want)
		}
	}
}
