// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/nightlatch/nightlatch/internal/store"
)

// tx is one Badger transaction seen as a store.Tx. Badger's errors are translated here and go no further.
type tx struct {
	s   *Store
	txn *badger.Txn
	ctx context.Context
}

func (t *tx) Get(key string) ([]byte, error) {
	if err := t.check(key); err != nil {
		return nil, err
	}
	item, err := t.txn.Get([]byte(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("getting %q: %w", key, err)
	}
	return valueOf(item)
}

func (t *tx) Set(key string, value []byte, expires time.Time) error {
	if err := t.check(key); err != nil {
		return err
	}
	// Badger keeps what it is given until the commit, and the value is the caller's: so a copy.
	entry := badger.NewEntry([]byte(key), append([]byte(nil), value...))
	entry.ExpiresAt = wholeSeconds(expires)
	if err := t.txn.SetEntry(entry); err != nil {
		return fmt.Errorf("setting %q (%d bytes): %w", key, len(value), err)
	}
	return nil
}

func (t *tx) Delete(key string) error {
	if err := t.check(key); err != nil {
		return err
	}
	if err := t.txn.Delete([]byte(key)); err != nil {
		return fmt.Errorf("deleting %q: %w", key, err)
	}
	return nil
}

// Scan reads a page, lets go of Badger's iterator, and calls fn: a transaction that writes can have one iterator only, a
// second makes Badger panic, and an iterator held open during fn would keep old tables alive for as long as fn takes.
func (t *tx) Scan(prefix, after string, fn func(key string, value []byte) error) error {
	for {
		page, err := t.page(prefix, after)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		for _, r := range page {
			if err := fn(r.key, r.value); err != nil {
				return err
			}
			after = r.key
		}
	}
}

type record struct {
	key   string
	value []byte
}

// A page ends at either of these.
const (
	pageRecords = 100
	pageBytes   = 256 << 10
)

// page returns the next records, or none at the end.
func (t *tx) page(prefix, after string) ([]record, error) {
	if err := t.s.ready(t.ctx); err != nil {
		return nil, err
	}
	from := prefix
	if after >= prefix {
		from = after + "\x00" // the first key that can follow
	}
	it := t.txn.NewIterator(badger.IteratorOptions{Prefix: []byte(prefix)})
	defer it.Close()
	var page []record
	size := 0
	for it.Seek([]byte(from)); it.Valid() && len(page) < pageRecords && size < pageBytes; it.Next() {
		item := it.Item()
		value, err := valueOf(item)
		if err != nil {
			return nil, err
		}
		page = append(page, record{string(item.Key()), value})
		size += len(value)
	}
	return page, nil
}

// check is asked before each step that names a key.
func (t *tx) check(key string) error {
	if len(key) == 0 || len(key) > store.MaxKeyBytes {
		return fmt.Errorf("a key has 1 to %d bytes, this one %d", store.MaxKeyBytes, len(key))
	}
	return t.s.ready(t.ctx)
}

// valueOf copies the value out. If Badger cannot read a value from its value log, or the value fails its checksum, it logs
// that and returns an empty value without an error; the size it had noted tells the difference.
func valueOf(item *badger.Item) ([]byte, error) {
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, fmt.Errorf("reading the value of %q: %w", item.Key(), err)
	}
	if len(value) == 0 && item.ValueSize() > 0 {
		return nil, fmt.Errorf("reading the value of %q: %w: not in the value log", item.Key(), store.ErrCorrupt)
	}
	return value, nil
}

// wholeSeconds is Badger's expiry, whole seconds since 1970 with 0 for never: rounded up, so that no record goes early,
// and at least 1, so that a date long past is not taken for never.
func wholeSeconds(expires time.Time) uint64 {
	if expires.IsZero() {
		return 0
	}
	return uint64(max(1, expires.Add(time.Second-time.Nanosecond).Unix()))
}
