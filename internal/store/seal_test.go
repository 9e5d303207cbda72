// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/nightlatch/nightlatch/internal/store"
	"github.com/nightlatch/nightlatch/internal/store/badgerstore"
)

// sealedOver returns an empty store and the same store sealed with a key that repeats b.
func sealedOver(t testing.TB, b byte) (raw, sealed store.Store) {
	t.Helper()
	raw, err := badgerstore.Open(badgerstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return raw, store.Seal(raw, aead(t, b))
}

func aead(t testing.TB, b byte) cipher.AEAD {
	t.Helper()
	a, err := chacha20poly1305.NewX(bytes.Repeat([]byte{b}, chacha20poly1305.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func set(t testing.TB, s store.Store, key string, value []byte) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Set(key, value, time.Time{}) })
	if err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s store.Store, key string) (value []byte, err error) {
	t.Helper()
	err = s.View(t.Context(), func(tx store.Tx) error {
		var err error
		value, err = tx.Get(key)
		return err
	})
	return value, err
}

// wantCorrupt checks that neither Get nor Scan of the one record key passes it on or calls it absent.
func wantCorrupt(t *testing.T, s store.Store, key, how string) {
	t.Helper()
	value, err := get(t, s, key)
	if !errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotFound) || value != nil {
		t.Errorf("%s: Get = %q, %v; want nothing, ErrCorrupt", how, value, err)
	}
	err = s.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan(key, "", func(_ string, value []byte) error {
			t.Errorf("%s: Scan passed on %q", how, value)
			return nil
		})
	})
	if !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("%s: Scan returned %v; want ErrCorrupt", how, err)
	}
}

func TestASVS11_3_4SealFormat(t *testing.T) {
	raw, sealed := sealedOver(t, 1)
	secret := []byte("JBSWY3DPEHPK3PXP")
	boxes := map[string]bool{}
	for range 3 {
		set(t, sealed, "factor", secret)
		box, err := get(t, raw, "factor")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(box, secret[:4]) {
			t.Errorf("the stored value %q shows the secret", box)
		}
		if got, want := len(box), 1+24+len(secret)+16; got != want || box[0] != 1 {
			t.Errorf("the stored value has %d bytes and version %d; want %d and 1", got, box[0], want)
		}
		boxes[string(box)] = true
		if got, err := get(t, sealed, "factor"); !bytes.Equal(got, secret) || err != nil {
			t.Errorf("Get = %q, %v; want %q", got, err, secret)
		}
	}
	if len(boxes) != 3 {
		t.Errorf("three writes of one value gave %d different boxes; want 3: the nonce repeats", len(boxes))
	}
}

func TestASVS11_2_5SealNoticesEachBit(t *testing.T) {
	raw, sealed := sealedOver(t, 1)
	set(t, sealed, "factor", []byte("secret"))
	box, err := get(t, raw, "factor")
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(box) {
		box[bit/8] ^= 1 << (bit % 8)
		set(t, raw, "factor", box)
		wantCorrupt(t, sealed, "factor", "a flipped bit")
		box[bit/8] ^= 1 << (bit % 8)
	}
	for size := range box {
		set(t, raw, "factor", box[:size])
		wantCorrupt(t, sealed, "factor", "a shortened value")
	}
	set(t, raw, "factor", append(box, 0))
	wantCorrupt(t, sealed, "factor", "a lengthened value")
	set(t, raw, "factor", box)
	if got, err := get(t, sealed, "factor"); string(got) != "secret" || err != nil {
		t.Errorf("the value put back: Get = %q, %v; want %q", got, err, "secret")
	}
}

// Who can write to the disk must not be able to hand the administrator's record their own password hash.
func TestSealNoticesSwappedValues(t *testing.T) {
	raw, sealed := sealedOver(t, 1)
	set(t, sealed, "password/admin", []byte("hash of the administrator"))
	set(t, sealed, "password/mallory", []byte("hash of mallory"))
	admin, err := get(t, raw, "password/admin")
	if err != nil {
		t.Fatal(err)
	}
	mallory, err := get(t, raw, "password/mallory")
	if err != nil {
		t.Fatal(err)
	}
	set(t, raw, "password/admin", mallory)
	set(t, raw, "password/mallory", admin)
	wantCorrupt(t, sealed, "password/admin", "a swapped value")
	wantCorrupt(t, sealed, "password/mallory", "a swapped value")
}

// A wrong master key must stop everything; read as absence it would mean that nobody has a second factor.
func TestST10WrongKeyIsNotAbsence(t *testing.T) {
	raw, sealed := sealedOver(t, 1)
	set(t, sealed, "factor", []byte("secret"))
	wantCorrupt(t, store.Seal(raw, aead(t, 2)), "factor", "another key")
}

func TestSealRefusesShortNonces(t *testing.T) {
	raw, _ := sealedOver(t, 1)
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Seal took an AEAD whose nonce is too short to be random")
		}
	}()
	store.Seal(raw, gcm)
}
