// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package store says how Nightlatch remembers: records of bytes under string keys, in byte order, read and written in
// serializable transactions.
//
// It decides one thing, whether two acts can both happen: of two updates that read the same key and write it, the second
// sees what the first wrote. Whatever must happen once (a code, a backup code, a user name) rests on that. It never
// decides what a record means, whether it is still good, or who may read it; package auth does.
//
// [Seal] encrypts the values above any backend. The backends live in folders of their own (badgerstore) and import only
// this package; storetest holds the one suite that each of them, and each wrapper, passes. Read that suite next: it says
// again, as code, what the comments below promise.
package store

import (
	"context"
	"errors"
	"time"
)

// What every backend takes. More may be refused.
const (
	MaxKeyBytes   = 1024      // a key has 1 to MaxKeyBytes bytes, of any value
	MaxValueBytes = 1_000_000 // under 1 MiB, because a wrapper such as Seal needs some of it
)

// What a store can say besides "done". Test with errors.Is: a backend may add what was tried. Only ErrNotFound says
// anything about a record; every other error means that nothing is known, and who does not know must refuse.
var (
	// ErrNotFound: the store answered, and there is no such record.
	ErrNotFound = errors.New("record not found")
	// ErrConflict: an Update lost against others too many times. Nothing was written; the same act may be tried again.
	ErrConflict = errors.New("too many conflicting transactions")
	// ErrLocked: another process, or another Open in this one, holds the store.
	ErrLocked = errors.New("store is in use")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("store is closed")
	// ErrCorrupt: a record is there and is not what was written: a damaged disk, an exchanged value, another key.
	ErrCorrupt = errors.New("stored data is corrupt")
)

// Store is safe for use by many goroutines.
//
// Both View and Update return the error of fn as it is. If ctx ends, the transaction fails with the error of ctx, at the
// latest before it commits. If fn panics, nothing is written and the store stays usable.
type Store interface {
	// View runs fn on one unchanging snapshot of the store. Set and Delete in it are errors.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn and commits what it wrote, all or nothing. It is serializable for what fn read with Get, present or
	// absent: if another transaction wrote such a key meanwhile, nothing is kept and fn runs again, on what is true now.
	// So fn changes nothing but tx: no mail, no counter, no append to a slice from outside that the next run would find.
	// After very many lost runs the answer is ErrConflict.
	//
	// A Scan promises less: a record that another transaction adds to the scanned range may go unnoticed. An invariant
	// rests on a key that fn reads with Get, never on a Scan that found nothing.
	//
	// Nil means committed and, on disk, synced: a power cut does not undo it. An error means not committed, unless the
	// disk itself failed while committing; then nobody knows.
	//
	// One transaction may write 1,000 records and MaxValueBytes bytes. Neither View nor Update is called inside fn.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close ends the store. Transactions under way fail with ErrClosed at their next step and are waited for, except a
	// commit already begun, which completes; every later call gets ErrClosed. Close may be called twice, and is not called
	// inside a transaction.
	Close() error
}

// Tx is one transaction. It belongs to the goroutine that runs fn and ends when fn returns.
type Tx interface {
	// Get returns a copy of the value, which the caller owns, or ErrNotFound. An empty value is a value. What this
	// transaction wrote is seen.
	Get(key string) ([]byte, error)

	// Set writes a copy of value, replacing what was there and its expiry.
	//
	// From the moment expires on (by the machine's clock, not by any clock of the caller) the store may drop the record,
	// at once, later or never; before, it must not. The zero time means never. This only lets the store sweep: it never
	// decides. A record that must not be honored after some moment says so in its value.
	Set(key string, value []byte, expires time.Time) error

	// Delete removes the record. Deleting what is not there is no error. Facts that guard an account ("used", "revoked")
	// are written as records, not as an absence: an absence can also be a lost write or a restored backup.
	Delete(key string) error

	// Scan calls fn for each record whose key begins with prefix and comes after the key "after", in the order of the
	// bytes; an empty "after" begins at the first. The first error of fn ends the scan and is returned as it is. fn owns
	// key and value, and may Get, Set, Delete and Scan; whether the running scan shows what fn wrote ahead of it is open.
	Scan(prefix, after string, fn func(key string, value []byte) error) error
}
