// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package badgerstore_test

import (
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/nightlatch/nightlatch/internal/store"
	"github.com/nightlatch/nightlatch/internal/store/badgerstore"
	"github.com/nightlatch/nightlatch/internal/store/storetest"
)

func open(t testing.TB, dir string) *badgerstore.Store {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func seal(t testing.TB, s store.Store) store.Store {
	t.Helper()
	aead, err := chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return store.Seal(s, aead)
}

// ASVS 15.4.1, 15.4.2: the suite lets many goroutines read, count and use things up at once, on each way to keep records.
func TestInMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, "") })
}

func TestOnDisk(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

func TestSealedInMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return seal(t, open(t, "")) })
}

func TestSealedOnDisk(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return seal(t, open(t, t.TempDir())) })
}
