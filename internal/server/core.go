// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package server puts the rooms together. It is the only one that knows them all.
//
// A Core is what one data directory holds: the store, encrypted with the master key, and the auth.Service on it. It outlives
// configurations. A Site is one protected site of one configuration: for each request it asks the portal or the gate, and lets
// through to the application only what the gate has passed, with identity told and our cookies kept apart. A form that the gate stops it
// hands to forms, and asks there for one that comes back. A Served is a site that another proxy serves: the gate decides, identity tells
// the proxy, and there are neither pages nor an application behind it.
//
// It decides nothing about people. It does decide what keeps a data directory safe: that a key is made once and never replaced, and
// that a key which does not fit is an error at the start and not a wrong password later. Read core.go, key.go, then site.go and forward.go.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/store"
	"github.com/nightlatch/nightlatch/internal/store/badgerstore"
)

// Options say what to open.
type Options struct {
	// Dir is the data directory. It is made, with mode 0700, if it is not there. The store is in Dir/store.
	Dir string

	// Key is the master key, 32 bytes. Nil means the key in Dir/master.key, which is made on the first start, and only then.
	Key []byte

	Now auth.Clock   // nil: time.Now
	Log *slog.Logger // nil: nothing is logged; otherwise it must outlive the Core
}

// Core is one open data directory. It is safe for concurrent use.
type Core struct {
	store   store.Store
	service *auth.Service
	keys    *signing.Keys
}

// Open opens a data directory. The error wraps store.ErrLocked when another process holds it, and is one sentence for an operator.
func Open(ctx context.Context, o Options) (*Core, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	raw, err := badgerstore.Open(badgerstore.Options{Dir: filepath.Join(o.Dir, "store"), Logger: o.Log})
	if errors.Is(err, store.ErrLocked) {
		return nil, &lockedError{o.Dir}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the data directory %s: %w", o.Dir, err)
	}
	c, err := openOn(ctx, raw, o)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return c, nil
}

// openOn does what comes after the directory's lock is held, so that of two first starts at the same time one makes the key.
func openOn(ctx context.Context, raw store.Store, o Options) (*Core, error) {
	master := o.Key
	if master == nil {
		var err error
		if master, err = keyFile(ctx, raw, o); err != nil {
			return nil, err
		}
	}
	aead, err := chacha20poly1305.NewX(subkey(master, "store"))
	if err != nil {
		return nil, fmt.Errorf("preparing the encryption of the store: %w", err)
	}
	sealed := store.Seal(raw, aead)
	if err := checkKey(ctx, raw, sealed, o.Dir); err != nil {
		return nil, err
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	keys := signing.NewKeys(subkey(master, "assertion"), now)
	service, err := auth.Open(ctx, auth.Config{Store: sealed, Key: subkey(master, "tokens"), Now: o.Now, Sign: keys, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("opening the data directory %s: %w", o.Dir, err)
	}
	return &Core{store: sealed, service: service, keys: keys}, nil
}

// Service is the way to everything in the data directory. It answers with errors, never with a panic, once the Core is closed.
func (c *Core) Service() *auth.Service { return c.service }

// Keys sign what the application is told, and access tokens. They come from the master key, so they are the same after a restart.
func (c *Core) Keys() *signing.Keys { return c.keys }

// Close saves what is in memory and gives up the directory.
func (c *Core) Close() error {
	return errors.Join(c.service.Close(), c.store.Close())
}

// lockedError says in one sentence what an operator who started a second server has to do.
type lockedError struct{ dir string }

func (e *lockedError) Error() string {
	return fmt.Sprintf("the data directory %s is in use by another process: reload that one instead of starting a second, or stop it, "+
		"or give this one a data_dir of its own", e.dir)
}

func (e *lockedError) Unwrap() error { return store.ErrLocked }
