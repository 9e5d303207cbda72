// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package signingtest gives tests signing keys with a clock that moves when told to, and looks at them as a verifier does.
package signingtest

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/nightlatch/nightlatch/internal/signing"
)

// Clock is moved by the test that made it.
type Clock struct{ time.Time }

// Now is the time that the test has set.
func (c *Clock) Now() time.Time { return c.Time }

// Epoch is how long a key signs.
const Epoch = 30 * 24 * time.Hour

// Middle is a time in the middle of an epoch, and Turn the beginning of the next one.
var (
	Turn   = time.Unix(680*int64(Epoch/time.Second), 0)
	Middle = Turn.Add(-Epoch / 2)
)

// KeysAt are keys of one secret, the same in each test, and the clock that they go by.
func KeysAt(at time.Time) (*signing.Keys, *Clock) {
	c := &Clock{at}
	return signing.NewKeys(bytes.Repeat([]byte("k"), 32), c.Now), c
}

// Published are the public keys of the moment, by their names.
func Published(t testing.TB, keys *signing.Keys) map[string]jose.JSONWebKey {
	t.Helper()
	body, err := keys.Set()
	if err != nil {
		t.Fatal(err)
	}
	var published jose.JSONWebKeySet
	if err := json.Unmarshal(body, &published); err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]jose.JSONWebKey)
	for _, k := range published.Keys {
		byName[k.KeyID] = k
	}
	if len(byName) != len(published.Keys) {
		t.Errorf("two keys of one name in %s", body)
	}
	return byName
}

// SignedBy is the name of the key that signs now.
func SignedBy(t testing.TB, keys *signing.Keys, a signing.Algorithm) string {
	t.Helper()
	token, err := keys.Sign(a, signing.Assertion, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Signatures[0].Header.KeyID
}
