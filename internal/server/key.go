// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// KeySize is the length of a master key in bytes.
const KeySize = 32

// keyFileName is the master key's file in the data directory, where the configuration names no key.
const keyFileName = "master.key"

// ParseKey reads a master key: 32 bytes in base64, as `openssl rand -base64 32` prints them. Keys that anybody could guess are
// refused: one byte repeated, or counting up, which is what examples are made of. The error never repeats the text.
func ParseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("the key is not base64; make one with: openssl rand -base64 32")
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key has %d bytes, not %d; make one with: openssl rand -base64 32", len(key), KeySize)
	}
	if step := key[1] - key[0]; step <= 1 && steps(key, step) {
		return nil, errors.New("the key is an example that everybody knows; make one with: openssl rand -base64 32")
	}
	return key, nil
}

// steps tells whether each byte is the one before plus step.
func steps(key []byte, step byte) bool {
	for i := 1; i < len(key); i++ {
		if key[i]-key[i-1] != step {
			return false
		}
	}
	return true
}

// subkey derives the key for one use (RFC 5869), so that nothing made with one key ever verifies under another.
func subkey(master []byte, use string) []byte {
	k, err := hkdf.Key(sha256.New, master, nil, "nightlatch 1 "+use, KeySize)
	if err != nil {
		panic("server: HKDF of a constant length failed: " + err.Error())
	}
	return k
}

// keyFile reads the key file, or makes it for a store that is still empty. A store with data never gets a new key: it could not read
// the enrolled second factors, and would look as if nobody had one.
func keyFile(ctx context.Context, raw store.Store, o Options) ([]byte, error) {
	path := filepath.Join(o.Dir, keyFileName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKeyFile(ctx, raw, path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		o.Log.Warn("others may read the key file; make it private", "file", path, "mode", info.Mode().Perm().String())
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("reading the key from %s: %w", path, err)
	}
	return key, nil
}

func makeKeyFile(ctx context.Context, raw store.Store, path string) ([]byte, error) {
	empty, err := isEmpty(ctx, raw)
	if err != nil {
		return nil, err
	}
	if !empty {
		return nil, fmt.Errorf("the key file %s is missing, and the data beside it cannot be read without it: put it back from a backup", path)
	}
	key := make([]byte, KeySize)
	rand.Read(key)
	text := base64.StdEncoding.EncodeToString(key) + "\n"
	if err := writeSynced(path, []byte(text)); err != nil {
		return nil, fmt.Errorf("making the key: %w", err)
	}
	return key, nil
}

// writeSynced writes a private file so that it is there whole or not at all, also after a power cut: data under a lost key is lost.
func writeSynced(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	// Not every system can sync a directory; where one cannot, there is no more to do.
	_ = dir.Sync()
	return dir.Close()
}

// checkRecord is written into a new store and read at every later start. Only the key that sealed it opens it.
const checkRecord = "server/check"

var checkValue = []byte("nightlatch 1")

// checkKey tells a wrong key at the start, in one sentence, rather than as a corrupt record when somebody signs in.
func checkKey(ctx context.Context, raw, sealed store.Store, dir string) error {
	empty, err := isEmpty(ctx, raw)
	if err != nil {
		return err
	}
	if empty {
		err := sealed.Update(ctx, func(tx store.Tx) error { return tx.Set(checkRecord, checkValue, time.Time{}) })
		if err != nil {
			return fmt.Errorf("writing to the data directory %s: %w", dir, err)
		}
		return nil
	}
	err = sealed.View(ctx, func(tx store.Tx) error {
		got, err := tx.Get(checkRecord)
		if err == nil && !bytes.Equal(got, checkValue) {
			return store.ErrCorrupt
		}
		return err
	})
	switch {
	case errors.Is(err, store.ErrCorrupt):
		return fmt.Errorf("the key does not fit this data directory, %s: start with the key it was made with", dir)
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("the data directory %s was not made by Nightlatch, or is damaged: restore it from a backup, or use another data_dir", dir)
	case err != nil:
		return fmt.Errorf("reading the data directory %s: %w", dir, err)
	}
	return nil
}

var errStop = errors.New("enough")

func isEmpty(ctx context.Context, raw store.Store) (bool, error) {
	err := raw.View(ctx, func(tx store.Tx) error {
		return tx.Scan("", "", func(string, []byte) error { return errStop })
	})
	switch {
	case errors.Is(err, errStop):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the data directory: %w", err)
	}
	return true, nil
}
