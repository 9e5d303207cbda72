// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package storetest holds what every store must do: [Run] is the contract of package store as a suite that each backend
// and each wrapper passes, and [Failing] is a store that fails on demand, for the tests of those who use one. It is
// imported by tests only.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// Run tests a store. open returns a new, empty one each time it is called and arranges with t that it is closed.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"absence", absence},
		{"overwrite and delete", overwrite},
		{"empty value", emptyValue},
		{"large value", largeValue},
		{"many records in one update", manyRecords},
		{"binary keys", binaryKeys},
		{"keys refused", keysRefused},
		{"Get returns a copy", getCopies},
		{"Set keeps a copy", setCopies},
		{"reads own writes", ownWrites},
		{"View refuses writes", viewRefuses},
		{"View sees one moment", viewSnapshot},
		{"error rolls back", errorRollsBack},
		{"panic rolls back", panicRollsBack},
		{"expiry", expiry},
		{"Scan in byte order", scanOrder},
		{"Scan prefix and after", scanPrefix},
		{"Scan stops on error", scanStops},
		{"Scan hands over its slices", scanCopies},
		{"Scan and write", scanAndWrite},
		{"Scan in Scan", scanInScan},
		{"ST-1 consume once", consumeOnce},
		{"ST-1 counter", counter},
		{"ST-1 write skew", writeSkew},
		{"ST-1 blind writes", blindWrites},
		{"canceled context", canceled},
		{"ST-11 closed", closed},
		{"closed in flight", closedInFlight},
		{"closed under load", closedUnderLoad},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

var never time.Time

func absence(t *testing.T, s store.Store) {
	both(t, s, func(tx store.Tx) error {
		if value, err := tx.Get("absent"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get of an absent key = %q, %v; want ErrNotFound", value, err)
		}
		return tx.Scan("", "", func(key string, value []byte) error {
			t.Errorf("Scan of an empty store found %q", key)
			return nil
		})
	})
	update(t, s, func(tx store.Tx) error { return tx.Delete("absent") })
}

func overwrite(t *testing.T, s store.Store) {
	for _, value := range []string{"one", "a longer two", "3"} {
		update(t, s, func(tx store.Tx) error { return tx.Set("key", []byte(value), never) })
		wantValue(t, s, "key", value)
	}
	update(t, s, func(tx store.Tx) error { return tx.Delete("key") })
	wantAbsent(t, s, "key")
	update(t, s, func(tx store.Tx) error { return tx.Set("key", []byte("again"), never) })
	wantValue(t, s, "key", "again")
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Set("key", []byte("first"), never), tx.Delete("key"), tx.Set("key", []byte("last"), never))
	})
	wantValue(t, s, "key", "last")
}

func emptyValue(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Set("empty", []byte{}, never), tx.Set("nil", nil, never))
	})
	wantValue(t, s, "empty", "")
	wantValue(t, s, "nil", "")
	wantKeys(t, s, "", "", "empty", "nil")
}

func largeValue(t *testing.T, s store.Store) {
	large := make([]byte, store.MaxValueBytes)
	for i := range large {
		large[i] = byte(i * i >> 8)
	}
	update(t, s, func(tx store.Tx) error { return tx.Set("large", large, never) })
	wantValue(t, s, "large", string(large))
	view(t, s, func(tx store.Tx) error {
		return tx.Scan("l", "", func(_ string, value []byte) error {
			if string(value) != string(large) {
				t.Errorf("Scan gave %d bytes that differ from the %d written", len(value), len(large))
			}
			return nil
		})
	})
}

func manyRecords(t *testing.T, s store.Store) {
	var want []string
	update(t, s, func(tx store.Tx) error {
		want = nil
		for i := range 1000 {
			key := fmt.Sprintf("many/%04d", i)
			want = append(want, key)
			if err := tx.Set(key, []byte(key), never); err != nil {
				return err
			}
		}
		return nil
	})
	wantKeys(t, s, "many/", "", want...)
}

func binaryKeys(t *testing.T, s store.Store) {
	keys := []string{"\x00", "\x00\x00", "\x00\xff", "\n", "a\x00b", "é", "\xc3", "\xff", "\xff\x00", "\xff\xff"}
	long := make([]byte, store.MaxKeyBytes)
	for i := range long {
		long[i] = byte(255 - i)
	}
	keys = append(keys, string(long))
	update(t, s, func(tx store.Tx) error {
		for _, key := range keys {
			if err := tx.Set(key, []byte("value of "+key), never); err != nil {
				return err
			}
		}
		return nil
	})
	for _, key := range keys {
		wantValue(t, s, key, "value of "+key)
	}
	wantKeys(t, s, "\xff", "", "\xff", "\xff\x00", string(long), "\xff\xff")
	wantKeys(t, s, "\xff", "\xff\x00", string(long), "\xff\xff")
	wantKeys(t, s, "\x00", "", "\x00", "\x00\x00", "\x00\xff")
}

func keysRefused(t *testing.T, s store.Store) {
	for _, key := range []string{"", string(make([]byte, store.MaxKeyBytes+1))} {
		err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Set(key, []byte("x"), never) })
		if err == nil {
			t.Errorf("Set of a key of %d bytes: no error", len(key))
		}
		err = s.View(t.Context(), func(tx store.Tx) error { _, err := tx.Get(key); return err })
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get of a key of %d bytes: %v; want an error that is not ErrNotFound", len(key), err)
		}
		err = s.Update(t.Context(), func(tx store.Tx) error { return tx.Delete(key) })
		if err == nil {
			t.Errorf("Delete of a key of %d bytes: no error", len(key))
		}
	}
}

func getCopies(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Set("key", []byte("value"), never) })
	both(t, s, func(tx store.Tx) error {
		value, err := tx.Get("key")
		clear(value)
		again, err2 := tx.Get("key")
		if string(again) != "value" {
			t.Errorf("after the caller cleared its slice, Get = %q; want %q", again, "value")
		}
		return errors.Join(err, err2)
	})
	update(t, s, func(tx store.Tx) error {
		err := tx.Set("key", []byte("pending"), never)
		value, err2 := tx.Get("key")
		clear(value)
		return errors.Join(err, err2)
	})
	wantValue(t, s, "key", "pending")
}

func setCopies(t *testing.T, s store.Store) {
	value := []byte("value")
	update(t, s, func(tx store.Tx) error {
		copy(value, "value")
		err := tx.Set("key", value, never)
		clear(value)
		got, err2 := tx.Get("key")
		if string(got) != "value" {
			t.Errorf("before the commit, after the caller cleared its slice, Get = %q; want %q", got, "value")
		}
		return errors.Join(err, err2)
	})
	wantValue(t, s, "key", "value")
}

func ownWrites(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Set("old", []byte("old"), never), tx.Set("gone", []byte("gone"), never))
	})
	update(t, s, func(tx store.Tx) error {
		err := errors.Join(tx.Set("old", []byte("changed"), never), tx.Set("new", []byte("new"), never), tx.Delete("gone"))
		for key, want := range map[string]string{"old": "changed", "new": "new"} {
			if got, err := tx.Get(key); string(got) != want || err != nil {
				t.Errorf("in the transaction Get(%q) = %q, %v; want %q", key, got, err, want)
			}
		}
		if got, err := tx.Get("gone"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("in the transaction Get of what it deleted = %q, %v; want ErrNotFound", got, err)
		}
		found := map[string]string{}
		err2 := tx.Scan("", "", func(key string, value []byte) error { found[key] = string(value); return nil })
		if len(found) != 2 || found["old"] != "changed" || found["new"] != "new" {
			t.Errorf("in the transaction Scan = %q; want old: changed, new: new", found)
		}
		return errors.Join(err, err2)
	})
}

func viewRefuses(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Set("key", []byte("value"), never) })
	view(t, s, func(tx store.Tx) error {
		if err := tx.Set("key", []byte("changed"), never); err == nil {
			t.Error("Set in View: no error")
		}
		if err := tx.Set("new", []byte("new"), never); err == nil {
			t.Error("Set of a new key in View: no error")
		}
		if err := tx.Delete("key"); err == nil {
			t.Error("Delete in View: no error")
		}
		return nil
	})
	wantValue(t, s, "key", "value")
	wantAbsent(t, s, "new")
}

func errorRollsBack(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Set("key", []byte("value"), never) })
	mine := errors.New("mine")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.Set("key", []byte("changed"), never), tx.Set("new", nil, never), mine)
	})
	if !errors.Is(err, mine) {
		t.Errorf("Update returned %v; want the function's own error", err)
	}
	wantValue(t, s, "key", "value")
	wantAbsent(t, s, "new")
	if err := s.View(t.Context(), func(store.Tx) error { return mine }); err != mine {
		t.Errorf("View returned %v; want the function's own error", err)
	}
}

func panicRollsBack(t *testing.T, s store.Store) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the function did not reach its caller")
			}
		}()
		s.Update(t.Context(), func(tx store.Tx) error {
			if err := tx.Set("key", nil, never); err != nil {
				return err
			}
			panic("in the function")
		})
	}()
	wantAbsent(t, s, "key")
	update(t, s, func(tx store.Tx) error { return tx.Set("key", []byte("after"), never) })
	wantValue(t, s, "key", "after")
	if err := s.Close(); err != nil {
		t.Errorf("Close after a panic: %v", err)
	}
}

func expiry(t *testing.T, s store.Store) {
	for i, expires := range []time.Time{time.Now().Add(-time.Hour), time.Unix(0, 0), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)} {
		key := "past" + strconv.Itoa(i)
		update(t, s, func(tx store.Tx) error { return tx.Set(key, []byte("value"), expires) })
		view(t, s, func(tx store.Tx) error {
			if got, err := tx.Get(key); !errors.Is(err, store.ErrNotFound) && string(got) != "value" {
				t.Errorf("Get of a record that expired = %q, %v; want the record or ErrNotFound", got, err)
			}
			return nil
		})
	}
	for name, expires := range map[string]time.Time{
		"never": never, "in an hour": time.Now().Add(time.Hour), "far": time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		update(t, s, func(tx store.Tx) error { return tx.Set(name, []byte("value"), expires) })
		wantValue(t, s, name, "value")
	}

	// Setting again replaces the expiry: what was to go stays.
	update(t, s, func(tx store.Tx) error { return tx.Set("past0", []byte("renewed"), never) })
	wantValue(t, s, "past0", "renewed")

	// A store that counts whole seconds must not round down: the record is there until its last nanosecond.
	soon := time.Now().Add(200 * time.Millisecond)
	update(t, s, func(tx store.Tx) error { return tx.Set("soon", []byte("value"), soon) })
	for time.Now().Before(soon) {
		var got []byte
		var err error
		view(t, s, func(tx store.Tx) error { got, err = tx.Get("soon"); return nil })
		if now := time.Now(); now.Before(soon) && (err != nil || string(got) != "value") {
			t.Fatalf("%v before it expires, Get = %q, %v", soon.Sub(now), got, err)
		}
	}
}

func canceled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx store.Tx) error {
		err := tx.Set("key", nil, never)
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update canceled before its commit returned %v; want context.Canceled", err)
	}
	wantAbsent(t, s, "key")

	ran := false
	fn := func(store.Tx) error { ran = true; return nil }
	if err := s.View(ctx, fn); !errors.Is(err, context.Canceled) {
		t.Errorf("View under a canceled context returned %v; want context.Canceled", err)
	}
	if err := s.Update(ctx, fn); !errors.Is(err, context.Canceled) {
		t.Errorf("Update under a canceled context returned %v; want context.Canceled", err)
	}
	if ran {
		t.Error("a transaction ran under a context that had ended")
	}

	fill(t, s, "row/", 300)
	ctx, cancel = context.WithCancel(t.Context())
	seen := 0
	err = s.View(ctx, func(tx store.Tx) error {
		return tx.Scan("row/", "", func(string, []byte) error { seen++; cancel(); return nil })
	})
	if !errors.Is(err, context.Canceled) || seen == 300 {
		t.Errorf("Scan canceled at its first record saw %d of 300 and returned %v; want fewer, context.Canceled", seen, err)
	}
}
