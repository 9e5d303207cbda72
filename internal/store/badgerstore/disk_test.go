// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package badgerstore_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
	"github.com/nightlatch/nightlatch/internal/store/badgerstore"
)

var never time.Time

func TestDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	open(t, dir)
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the data directory has mode %o; want 700", got)
	}
}

func TestST8SecondOpenIsLocked(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	wantLocked(t, dir)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func wantLocked(t *testing.T, dir string) {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Options{Dir: dir})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second Open of %s returned %v; want ErrLocked, naming the directory", dir, err)
	}
}

func TestOpenErrorIsNotLocked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := badgerstore.Open(badgerstore.Options{Dir: file}); err == nil || errors.Is(err, store.ErrLocked) {
		t.Errorf("Open of a file returned %v; want an error that is not ErrLocked", err)
	}
}

// A transaction that loses runs again on what is true now; one that always loses says so and leaves nothing.
func TestST2ConflictIsRetriedThenReported(t *testing.T) {
	for _, rivals := range []int{0, 1, 10, 1000} {
		s := open(t, "")
		runs := 0
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if _, err := tx.Get("key"); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if runs++; runs <= rivals {
				if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Set("key", []byte("rival"), never) }); err != nil {
					t.Errorf("the rival: %v", err)
				}
			}
			return tx.Set("key", []byte("mine"), never)
		})
		want, wantErr := "mine", error(nil)
		if rivals == 1000 {
			want, wantErr = "rival", store.ErrConflict
		}
		if !errors.Is(err, wantErr) || (wantErr == nil && runs != rivals+1) {
			t.Errorf("with %d rivals: %d runs, %v; want %v", rivals, runs, err, wantErr)
		}
		if got := get(t, s, "key"); got != want {
			t.Errorf("with %d rivals the key holds %q; want %q", rivals, got, want)
		}
		s.Close()
	}
}

// childDir makes the test binary a writer of pairs in that directory, to be killed.
const childDir = "NIGHTLATCH_TEST_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, writePairs(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writePairs writes, in each transaction, two records, and says on standard output when the store has said "done".
func writePairs(dir string) error {
	s, err := badgerstore.Open(badgerstore.Options{Dir: dir})
	if err != nil {
		return err
	}
	errs := make(chan error)
	for writer := range 4 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%06d", writer, i)
				value := []byte(id + strings.Repeat(".", 700*(i%3))) // below and above what goes to the value log
				err := s.Update(context.Background(), func(tx store.Tx) error {
					return errors.Join(tx.Set("used/"+id, value, never), tx.Set("session/"+id, value, never))
				})
				if err == nil {
					_, err = os.Stdout.WriteString(id + "\n")
				}
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

// A code is burned and a session made in one transaction. Whatever moment the process dies, what was acknowledged is
// there, and no code is burned without its session or the other way round.
func TestST3ST4KilledWriterLosesNothing(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var acknowledged []string
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // a last line cut short is not acknowledged
			break
		}
		acknowledged = append(acknowledged, strings.TrimSpace(line))
		if len(acknowledged) == 1500 {
			wantLocked(t, dir)
			child.Process.Kill()
		}
	}
	child.Wait()
	if len(acknowledged) < 1500 {
		t.Fatalf("the writer ended after %d writes", len(acknowledged))
	}

	s := open(t, dir)
	used, sessions := ids(t, s, "used/"), ids(t, s, "session/")
	for _, id := range acknowledged {
		if !used[id] || !sessions[id] {
			t.Errorf("%s was acknowledged; after the kill used: %v, session: %v", id, used[id], sessions[id])
		}
	}
	for id := range used {
		if !sessions[id] {
			t.Errorf("%s is used without a session", id)
		}
	}
	if len(used) != len(sessions) {
		t.Errorf("%d used, %d sessions; want as many", len(used), len(sessions))
	}
}

// ids returns what follows prefix in the keys, having compared each with its value.
func ids(t *testing.T, s store.Store, prefix string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := s.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan(prefix, "", func(key string, value []byte) error {
			id := strings.TrimPrefix(key, prefix)
			if got := strings.TrimRight(string(value), "."); got != id {
				t.Errorf("the value of %s is that of %q", key, got)
			}
			found[id] = true
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

// Values above 1 KiB go to a file of their own, whose losses Badger answers with an empty value.
func TestST15DamagedLargeValueIsAnError(t *testing.T) {
	for name, damage := range map[string]func(file string, content []byte) error{
		"flipped bit": func(file string, content []byte) error {
			content[bytes.Index(content, []byte("large value"))] ^= 1
			return os.WriteFile(file, content, 0o600)
		},
		"overwritten with zeros": func(file string, content []byte) error {
			return os.WriteFile(file, append(content[:20:20], make([]byte, len(content)-20)...), 0o600)
		},
		"cut off": func(file string, content []byte) error { return os.Truncate(file, int64(len(content)/2)) },
		"removed": func(file string, _ []byte) error { return os.Remove(file) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			set(t, s, "small", "small value")
			set(t, s, "large", "large value"+strings.Repeat(".", 5000))
			s.Close()
			file := only(t, filepath.Join(dir, "*.vlog"))
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(content, []byte("small value")) {
				t.Error("a small record went to the value log")
			}
			if err := damage(file, content); err != nil {
				t.Fatal(err)
			}

			s, err = badgerstore.Open(badgerstore.Options{Dir: dir})
			if err != nil {
				return // refusing to open is as good
			}
			defer s.Close()
			if got := get(t, s, "small"); got != "small value" {
				t.Errorf("the small record holds %q", got)
			}
			var value []byte
			err = s.View(t.Context(), func(tx store.Tx) error {
				var err error
				value, err = tx.Get("large")
				return err
			})
			if !errors.Is(err, store.ErrCorrupt) || value != nil {
				t.Errorf("Get = %d bytes, %v; want nothing, ErrCorrupt", len(value), err)
			}
			err = s.View(t.Context(), func(tx store.Tx) error {
				return tx.Scan("large", "", func(_ string, value []byte) error {
					t.Errorf("Scan passed on %d bytes", len(value))
					return nil
				})
			})
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("Scan returned %v; want ErrCorrupt", err)
			}
		})
	}
}

// Badger reads a damaged block of a table as "no such key", which would mean: not revoked, no second factor.
func TestST11ST15DamagedTableRefusesToOpen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fillRecords(t, s, 2000)
	s.Close()
	file := only(t, filepath.Join(dir, "*.sst"))
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{len(content) / 4, len(content) / 2} {
		damaged := bytes.Clone(content)
		damaged[at] ^= 1
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := badgerstore.Open(badgerstore.Options{Dir: dir})
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("with byte %d of the table changed, Open returned %v; want ErrCorrupt", at, err)
		}
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if n := len(records(t, s)); n != 2000 {
		t.Errorf("with the table restored there are %d records; want 2000", n)
	}
	s.Close()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if s, err := badgerstore.Open(badgerstore.Options{Dir: dir}); err == nil {
		s.Close()
		t.Error("Open of a store that misses a table: no error")
	}
}

// Values larger than the contract asks for, up to the size of a value log file, work on disk.
func TestLargeValuesOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, size := range []int{1<<10 - 1, 1 << 10, 1<<10 + 1, 1 << 20, 4 << 20} {
		want := make([]byte, size)
		rand.Read(want)
		key := fmt.Sprint(size)
		set(t, s, key, string(want))
		for range 2 {
			if got := get(t, s, key); got != string(want) {
				t.Errorf("a value of %d bytes came back as %d others", size, len(got))
			}
			s.Close()
			s = open(t, dir)
		}
	}
}

func set(t testing.TB, s store.Store, key, value string) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Set(key, []byte(value), never) }); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s store.Store, key string) (value string) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.Tx) error {
		got, err := tx.Get(key)
		value = string(got)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func only(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %q, %v; want one file", pattern, files, err)
	}
	return files[0]
}

func records(t *testing.T, s store.Store) (keys []string) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan("", "", func(key string, _ []byte) error { keys = append(keys, key); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
