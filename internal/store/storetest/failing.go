// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// Faults is a store that fails when told to and counts what is asked of it. It proves what a room does when the store is
// down ("503, never a pass") and what it leaves undone ("an anonymous request writes nothing"). Until a Fail method is
// called it behaves as the store below. All methods may be called while transactions run.
type Faults struct {
	store.Store

	views, updates, sets, deletes atomic.Int64

	mu      sync.Mutex
	ended   *sync.Cond // an Update has returned
	done    int64      // how many have
	view    error
	update  error
	commit  error
	read    error
	readsOf string
	rerun   bool
}

// Failing returns s as a Faults. Closing it closes s.
func Failing(s store.Store) *Faults {
	f := &Faults{Store: s}
	f.ended = sync.NewCond(&f.mu)
	return f
}

// FailViews makes every View return err without running its function; nil heals.
func (f *Faults) FailViews(err error) {
	f.set(func() { f.view = err })
}

// FailUpdates makes every Update return err without running its function; nil heals.
func (f *Faults) FailUpdates(err error) {
	f.set(func() { f.update = err })
}

// FailCommits makes every Update run its function, keep nothing and return err; nil heals.
func (f *Faults) FailCommits(err error) {
	f.set(func() { f.commit = err })
}

// FailReads makes every Get of a key that begins with prefix, and every Scan that could meet such a key, return err; nil
// heals. One broken record ("list the factors", "is it revoked?") is where a forgotten check hides.
func (f *Faults) FailReads(prefix string, err error) {
	f.set(func() { f.readsOf, f.read = prefix, err })
}

// RunTwice makes every Update run its function, throw the result away, and run it again, as a conflict does. A function
// that changes anything besides its transaction shows.
func (f *Faults) RunTwice(on bool) {
	f.set(func() { f.rerun = on })
}

// Views returns how often View was called since the start, refused calls included; so do Updates, Sets and Deletes for
// theirs. Sets and Deletes count each run of a function, also one that was rolled back.
func (f *Faults) Views() int64 { return f.views.Load() }

// Updates returns how often Update was called.
func (f *Faults) Updates() int64 { return f.updates.Load() }

// Done returns how many Updates have returned.
func (f *Faults) Done() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// AwaitDone blocks until n Updates have returned since the start. It is how a test waits for what is done after an answer.
func (f *Faults) AwaitDone(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.done < n {
		f.ended.Wait()
	}
}

// Sets returns how often Set was called.
func (f *Faults) Sets() int64 { return f.sets.Load() }

// Deletes returns how often Delete was called.
func (f *Faults) Deletes() int64 { return f.deletes.Load() }

func (f *Faults) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// View implements [store.Store].
func (f *Faults) View(ctx context.Context, fn func(store.Tx) error) error {
	f.views.Add(1)
	f.mu.Lock()
	err := f.view
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Store.View(ctx, func(tx store.Tx) error { return fn(faultyTx{tx, f}) })
}

// Update implements [store.Store].
func (f *Faults) Update(ctx context.Context, fn func(store.Tx) error) error {
	f.updates.Add(1)
	defer func() {
		f.set(func() { f.done++ })
		f.ended.Broadcast()
	}()
	f.mu.Lock()
	err, commit, rerun := f.update, f.commit, f.rerun
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if rerun {
		discard := errors.New("first run")
		err := f.Store.Update(ctx, func(tx store.Tx) error { return errors.Join(fn(faultyTx{tx, f}), discard) })
		if !errors.Is(err, discard) {
			return err
		}
	}
	return f.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(faultyTx{tx, f}); err != nil {
			return err
		}
		return commit
	})
}

type faultyTx struct {
	store.Tx
	f *Faults
}

func (tx faultyTx) Get(key string) ([]byte, error) {
	tx.f.mu.Lock()
	prefix, err := tx.f.readsOf, tx.f.read
	tx.f.mu.Unlock()
	if err != nil && strings.HasPrefix(key, prefix) {
		return nil, err
	}
	return tx.Tx.Get(key)
}

func (tx faultyTx) Scan(prefix, after string, fn func(key string, value []byte) error) error {
	tx.f.mu.Lock()
	bad, err := tx.f.readsOf, tx.f.read
	tx.f.mu.Unlock()
	if err != nil && (strings.HasPrefix(prefix, bad) || strings.HasPrefix(bad, prefix)) {
		return err
	}
	return tx.Tx.Scan(prefix, after, fn)
}

func (tx faultyTx) Set(key string, value []byte, expires time.Time) error {
	tx.f.sets.Add(1)
	return tx.Tx.Set(key, value, expires)
}

func (tx faultyTx) Delete(key string) error {
	tx.f.deletes.Add(1)
	return tx.Tx.Delete(key)
}
