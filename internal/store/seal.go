// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"time"
)

// sealVersion is the first byte of each sealed value: version, nonce, ciphertext with tag. A later format takes another
// number; the byte is authenticated with the key, so that nobody can have a value read in a format it was not written in.
const sealVersion = 1

// minSealNonce is the nonce size in bytes that can be drawn at random for a lifetime of writes. With the 12 bytes of plain
// AES-GCM one key is good for 2^32 messages only (NIST SP 800-38D §8.3), and every failed guess is a message.
const minSealNonce = 24

// Seal returns s with every value encrypted by aead, under a fresh random nonce and bound to its key: who can write to the
// disk can neither read a value, change a bit of it, nor move it to another record without Get and Scan saying ErrCorrupt.
// The same error, never ErrNotFound, tells of a wrong encryption key. Closing the result closes s.
//
// It hides neither the keys, nor the lengths, nor when a record expires, and cannot notice that a record was deleted or
// that an older value of the same record was put back. A key that would show something is made an HMAC by its owner.
//
// aead must take nonces of 24 bytes or more, as XChaCha20-Poly1305 does; Seal panics otherwise.
func Seal(s Store, aead cipher.AEAD) Store {
	if aead.NonceSize() < minSealNonce {
		panic(fmt.Sprintf("store: Seal needs an AEAD with nonces of at least %d bytes, got %d", minSealNonce, aead.NonceSize()))
	}
	return &sealed{s, aead}
}

type sealed struct {
	Store
	aead cipher.AEAD
}

func (s *sealed) View(ctx context.Context, fn func(Tx) error) error {
	return s.Store.View(ctx, func(tx Tx) error { return fn(sealedTx{tx, s.aead}) })
}

func (s *sealed) Update(ctx context.Context, fn func(Tx) error) error {
	return s.Store.Update(ctx, func(tx Tx) error { return fn(sealedTx{tx, s.aead}) })
}

type sealedTx struct {
	Tx
	aead cipher.AEAD
}

func (tx sealedTx) Get(key string) ([]byte, error) {
	box, err := tx.Tx.Get(key)
	if err != nil {
		return nil, err
	}
	return tx.open(key, box)
}

func (tx sealedTx) Set(key string, value []byte, expires time.Time) error {
	size := 1 + tx.aead.NonceSize()
	box := make([]byte, size, size+len(value)+tx.aead.Overhead())
	box[0] = sealVersion
	rand.Read(box[1:])
	return tx.Tx.Set(key, tx.aead.Seal(box, box[1:], value, boundTo(key)), expires)
}

func (tx sealedTx) Scan(prefix, after string, fn func(key string, value []byte) error) error {
	return tx.Tx.Scan(prefix, after, func(key string, box []byte) error {
		value, err := tx.open(key, box)
		if err != nil {
			return err
		}
		return fn(key, value)
	})
}

func (tx sealedTx) open(key string, box []byte) ([]byte, error) {
	size := 1 + tx.aead.NonceSize()
	if len(box) < size || box[0] != sealVersion {
		return nil, fmt.Errorf("opening the value of %q: %w: not in a known format", key, ErrCorrupt)
	}
	value, err := tx.aead.Open(nil, box[1:size], box[size:], boundTo(key))
	if err != nil {
		return nil, fmt.Errorf("opening the value of %q: %w: damaged, moved from another key, or written with another master key",
			key, ErrCorrupt)
	}
	return value, nil
}

// boundTo is the associated data of the value of key.
func boundTo(key string) []byte {
	return append([]byte{sealVersion}, key...)
}
