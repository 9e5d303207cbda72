// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nightlatch/nightlatch/internal/store"
)

// view and update run fn and report an error as the test's.
func view(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), fn); err != nil {
		t.Errorf("View: %v", err)
	}
}

func update(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Errorf("Update: %v", err)
	}
}

// both runs fn once in a View and once in an Update: reading is the same in either.
func both(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	view(t, s, fn)
	update(t, s, fn)
}

// fill writes n records, prefix0000 and so on.
func fill(t *testing.T, s store.Store, prefix string, n int) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for i := range n {
			key := fmt.Sprintf("%s%04d", prefix, i)
			if err := tx.Set(key, []byte("value of "+key), never); err != nil {
				return err
			}
		}
		return nil
	})
}

func wantValue(t *testing.T, s store.Store, key, want string) {
	t.Helper()
	both(t, s, func(tx store.Tx) error {
		got, err := tx.Get(key)
		if err != nil {
			t.Errorf("Get(%.20q): %v", key, err)
		} else if string(got) != want {
			t.Errorf("Get(%.20q) = %.50q (%d bytes); want %.50q (%d bytes)", key, got, len(got), want, len(want))
		}
		return nil
	})
}

func wantAbsent(t *testing.T, s store.Store, key string) {
	t.Helper()
	both(t, s, func(tx store.Tx) error {
		if got, err := tx.Get(key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%.20q) = %.50q, %v; want ErrNotFound", key, got, err)
		}
		return nil
	})
}

// wantKeys scans in a View and in an Update.
func wantKeys(t *testing.T, s store.Store, prefix, after string, want ...string) {
	t.Helper()
	both(t, s, func(tx store.Tx) error {
		var got []string
		err := tx.Scan(prefix, after, func(key string, _ []byte) error { got = append(got, key); return nil })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Scan(%q, %q) = %.20q, %v; want %.20q", prefix, after, got, err, want)
		}
		return nil
	})
}
