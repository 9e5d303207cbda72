// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
	"github.com/nightlatch/nightlatch/internal/store/badgerstore"
	"github.com/nightlatch/nightlatch/internal/store/storetest"
)

func failing(t *testing.T) *storetest.Faults {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return storetest.Failing(s)
}

func put(key string) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.Set(key, nil, time.Time{}) }
}

func find(key string) func(store.Tx) error {
	return func(tx store.Tx) error { _, err := tx.Get(key); return err }
}

func TestFailingIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return failing(t) })
}

func TestFailingRunningTwiceIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		f := failing(t)
		f.RunTwice(true)
		return f
	})
}

func TestFailingFails(t *testing.T) {
	ctx := t.Context()
	down := errors.New("disk is gone")
	check := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) || (want == nil && got != nil) {
			t.Errorf("%s = %v; want %v", what, got, want)
		}
	}
	scan := func(prefix string) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.Scan(prefix, "", func(string, []byte) error { return nil }) }
	}

	f := failing(t)
	check("healthy Update", f.Update(ctx, put("factor/1")), nil)

	f.FailViews(down)
	check("View, views failing", f.View(ctx, find("factor/1")), down)
	check("Update, views failing", f.Update(ctx, find("factor/1")), nil)
	f.FailViews(nil)
	check("View, healed", f.View(ctx, find("factor/1")), nil)

	f.FailUpdates(down)
	check("Update, updates failing", f.Update(ctx, func(store.Tx) error { t.Error("it ran"); return nil }), down)
	check("View, updates failing", f.View(ctx, find("factor/1")), nil)
	f.FailUpdates(nil)

	f.FailCommits(down)
	ran := false
	check("Update, commits failing", f.Update(ctx, func(tx store.Tx) error { ran = true; return put("lost")(tx) }), down)
	if !ran {
		t.Error("with commits failing the function did not run")
	}
	f.FailCommits(nil)
	check("what the failed commit wrote", f.View(ctx, find("lost")), store.ErrNotFound)

	f.FailReads("factor/", down)
	check("Get of a failing record", f.View(ctx, find("factor/1")), down)
	check("Get of another record", f.View(ctx, find("session/1")), store.ErrNotFound)
	for prefix, want := range map[string]error{"": down, "fac": down, "factor/": down, "factor/1": down, "session/": nil} {
		check("Scan of "+prefix, f.Update(ctx, scan(prefix)), want)
	}
	f.FailReads("", nil)
	check("Get, healed", f.View(ctx, find("factor/1")), nil)
}

func TestFailingCounts(t *testing.T) {
	ctx := t.Context()
	f := failing(t)
	f.FailViews(errors.New("down"))
	f.View(ctx, find("key"))
	f.FailViews(nil)
	f.View(ctx, find("key"))
	for range 3 {
		f.Update(ctx, put("key"))
	}
	f.Update(ctx, func(tx store.Tx) error { return tx.Delete("key") })
	got := [4]int64{f.Views(), f.Updates(), f.Sets(), f.Deletes()}
	if want := [4]int64{2, 4, 3, 1}; got != want {
		t.Errorf("views, updates, sets, deletes = %d; want %d", got, want)
	}

	f.RunTwice(true)
	runs := 0
	f.Update(ctx, func(store.Tx) error { runs++; return nil })
	if runs != 2 {
		t.Errorf("told to run twice, the function ran %d times", runs)
	}
}
