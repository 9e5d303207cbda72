// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/nightlatch/nightlatch/internal/signing"
)

// clock is moved by the test that made it.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

const epoch = 30 * 24 * time.Hour

// middle is a time in the middle of an epoch, and turn the beginning of the next one.
var (
	turn   = time.Unix(680*int64(epoch/time.Second), 0)
	middle = turn.Add(-epoch / 2)
)

func keysAt(at time.Time) (*signing.Keys, *clock) {
	c := &clock{at}
	return signing.NewKeys(bytes.Repeat([]byte("k"), 32), c.now), c
}

// set is what is published, by the names of the keys.
func set(t testing.TB, keys *signing.Keys) map[string]jose.JSONWebKey {
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

// signedBy is the name of the key that signs now.
func signedBy(t testing.TB, keys *signing.Keys, a signing.Algorithm) string {
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
