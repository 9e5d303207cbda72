// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package badgerstore keeps a [store.Store] in Badger: in one directory that one process holds, or in memory for tests.
//
// It decides how little memory a gate may take for its records, that an acknowledged write is on the disk, and that damage
// is an error. It never decides what is stored, and it encrypts nothing: put [store.Seal] above it.
//
// Badger answers some damage with "not found" or an empty value, which for a gate would read as "not revoked" or "no
// second factor". Open therefore reads every table once, and reads check what Badger leaves unsaid; look for ErrCorrupt.
// What no reader can tell is a damaged tail of the write-ahead log, which looks like a write cut short by a crash.
package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/nightlatch/nightlatch/internal/store"
)

// Options of [Open].
type Options struct {
	// Dir holds the files and nothing else. It is made, with mode 0700, if it is not there. Empty means in memory: gone
	// at Close.
	Dir string

	// Logger hears what Badger has to say: its chatter at debug level, its warnings and errors as such. Nil means nobody.
	Logger *slog.Logger
}

// Store is a [store.Store] in Badger.
type Store struct {
	db   *badger.DB
	log  *slog.Logger
	free func(dir string) (bytes uint64, err error)

	// Badger can panic when it is closed under a transaction or a sweep, so Close waits for all in running. mu orders the
	// two: a transaction either sees closed, or is counted before Close begins to wait.
	mu      sync.RWMutex
	running sync.WaitGroup
	closed  atomic.Bool

	corrupt atomic.Bool   // set once a table failed its checksum; from then on an absence proves nothing
	turn    chan struct{} // holds one token while an Update that lost several times tries again

	stop     chan struct{} // closed to end the sweeping
	closing  sync.Once
	closeErr error
}

var _ store.Store = (*Store)(nil)

// Open opens the store, makes it if there is none, and verifies the checksum of every table, about 0.1 s for a hundred
// thousand users. The error wraps [store.ErrLocked] if another process holds the directory and [store.ErrCorrupt] if a
// table is damaged. The caller closes what it opened.
func Open(o Options) (*Store, error) {
	where := "in memory"
	if o.Dir != "" {
		where = o.Dir
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the data directory: %w", err)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := badger.Open(tuned(o))
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", where, openError(err))
	}
	if err := verify(db); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store %s: %w", where, err), db.Close())
	}
	s := &Store{
		db:   db,
		log:  o.Logger,
		free: free,
		turn: make(chan struct{}, 1),
		stop: make(chan struct{}),
	}
	s.running.Go(s.sweep)
	return s, nil
}

// tuned sizes Badger for a gate. Its defaults are for a database server: after reading through a million sessions they
// hold 597 MiB, these 151.
func tuned(o Options) badger.Options {
	b := badger.DefaultOptions(o.Dir).
		WithMemTableSize(8 << 20).
		WithNumMemtables(2).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(6).
		WithNumCompactors(2). // the fewest it takes
		WithBaseTableSize(4 << 20).
		WithBlockCacheSize(16 << 20).
		WithIndexCacheSize(16 << 20).
		WithValueLogFileSize(32 << 20).
		WithValueThreshold(1 << 10). // small records, all that guard an account, stay in the checksummed tables
		WithMetricsEnabled(false).   // expvar counters that every read would share
		WithLogger(logger{o.Logger}).
		WithSyncWrites(true). // a used code stays used after a power cut
		WithVerifyValueChecksum(true).
		WithChecksumVerificationMode(options.OnBlockRead) // each block when it is read; verify reads them all
	if o.Dir == "" {
		// Nothing to sync, no value log: in memory the threshold is the largest value there can be.
		b = b.WithInMemory(true).WithSyncWrites(false).WithValueThreshold(1 << 20)
	}
	return b
}

// openError translates: Badger hands the cause of a failed Open on as text only, so the text is what there is to compare.
func openError(err error) error {
	if strings.Contains(err.Error(), "Another process is using this Badger database") {
		return fmt.Errorf("%w: another process has this directory open; stop it, or give this one a directory of its own",
			store.ErrLocked)
	}
	return err
}

// verify reads every block of every table. Badger reports a block that fails its checksum as "no such key", and its own
// VerifyChecksum stumbles over the missing block (a nil dereference, in our goroutine), hence the recover.
func verify(db *badger.DB) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: a table cannot be read: %v", store.ErrCorrupt, r)
		}
	}()
	if err := db.VerifyChecksum(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return nil
}

// View implements [store.Store].
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	if err := fn(&tx{s, txn, ctx}); err != nil {
		return err
	}
	return s.ready(ctx)
}

const (
	// eagerTries is how often an Update runs at once after losing. A hundred writers of one key would lose a hundred
	// times that way, so from then on the losers queue and one of them tries at a time, against newcomers only.
	eagerTries = 3
	maxTries   = 100
)

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	if err := s.room(); err != nil {
		return err
	}
	for try := range maxTries {
		if try == eagerTries {
			select {
			case s.turn <- struct{}{}:
				defer func() { <-s.turn }()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if lost, err := s.try(ctx, fn); !lost {
			return err
		}
	}
	return fmt.Errorf("updating the store: %w: gave up after %d tries", store.ErrConflict, maxTries)
}

// try runs fn once and commits. It reports whether the transaction lost against another and can run again.
func (s *Store) try(ctx context.Context, fn func(store.Tx) error) (lost bool, err error) {
	if err := s.ready(ctx); err != nil {
		return false, err
	}
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	if err := fn(&tx{s, txn, ctx}); err != nil {
		return false, err
	}
	if err := s.ready(ctx); err != nil {
		return false, err
	}
	switch err := txn.Commit(); {
	case errors.Is(err, badger.ErrConflict):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("committing: %w", err)
	}
	return false, nil
}

// enter counts a transaction in, or says why it cannot begin. After nil the caller owes running.Done.
func (s *Store) enter(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.running.Add(1)
	return nil
}

// ready is asked before each step of a transaction.
func (s *Store) ready(ctx context.Context) error {
	switch {
	case s.closed.Load():
		return store.ErrClosed
	case s.corrupt.Load():
		return fmt.Errorf("%w: a table failed its checksum", store.ErrCorrupt)
	}
	return ctx.Err()
}

// Close implements [store.Store]. It also waits for a sweep under way, a few seconds at most for a million records.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed.Store(true)
		s.mu.Unlock()
		close(s.stop)
		s.running.Wait()
		if err := s.db.Close(); err != nil {
			s.closeErr = fmt.Errorf("closing the store: %w", err)
		}
	})
	return s.closeErr
}
