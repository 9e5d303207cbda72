// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is how a token is signed, by its name in the header of the token (RFC 7518 section 3.1, RFC 8037 section 3.1).
type Algorithm string

const (
	EdDSA Algorithm = "EdDSA" // Ed25519
	ES256 Algorithm = "ES256" // ECDSA on P-256, for verifiers that do not know Ed25519
)

// Algorithms are all of them. The keys of all are published, whichever a site signs with.
var Algorithms = []Algorithm{EdDSA, ES256}

// A key signs for one epoch. It is published a day before that, so that a verifier which keeps the set knows it before the first token,
// and after it for as long as a token that it has signed can live (JW-11), with a little for clocks that differ.
const (
	epochLength  = 30 * 24 * time.Hour
	publishEarly = 24 * time.Hour
	publishLate  = MaxTokenLife + 5*time.Second
)

// MaxTokenLife is how long any token that is signed with Keys may live.
const MaxTokenLife = time.Minute

// Keys sign tokens and publish the public keys to check them by. They are derived from one secret by algorithm and epoch, so there is
// nothing to store, back up or lose, and a token of before a restart is good after it (docs/decisions/2026-11-22-assertion-keys.md). They
// are safe for concurrent use.
type Keys struct {
	secret  []byte
	now     func() time.Time
	signers map[Algorithm]*atomic.Pointer[signer] // of the moment; the map never changes
	set     atomic.Pointer[keySet]
}

type signer struct {
	epoch int64
	sign  jose.Signer
}

// keySet is a published set and when it is right.
type keySet struct {
	body        []byte
	from, until time.Time
}

// NewKeys makes Keys from a secret of 32 bytes that is used for nothing else.
func NewKeys(secret []byte, now func() time.Time) *Keys {
	k := &Keys{secret: secret, now: now, signers: make(map[Algorithm]*atomic.Pointer[signer])}
	for _, a := range Algorithms {
		k.signers[a] = new(atomic.Pointer[signer])
	}
	return k
}

// Sign returns a token in the compact form of RFC 7515. Its claims are encoded as JSON; they must say when it ends, at most MaxTokenLife
// from now, or the key that checks it may be gone before.
func (k *Keys) Sign(a Algorithm, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims of a token: %w", err)
	}
	s, err := k.signer(a)
	if err != nil {
		return "", fmt.Errorf("preparing the %s key: %w", a, err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing a token with %s: %w", a, err)
	}
	return signed.CompactSerialize()
}

// signer returns that of the current epoch. Two that are made at the same time are the same.
func (k *Keys) signer(a Algorithm) (jose.Signer, error) {
	kept, known := k.signers[a]
	if !known {
		return nil, errors.New("no such algorithm")
	}
	epoch := epochOf(k.now())
	if s := kept.Load(); s != nil && s.epoch == epoch {
		return s.sign, nil
	}
	key, err := k.derive(a, epoch)
	if err != nil {
		return nil, err
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(a), Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	kept.Store(&signer{epoch, s})
	return s, nil
}

// Set returns the public keys as a JWK set (RFC 7517): those that sign now, those that will from tomorrow on, and those of a moment ago
// whose tokens may still be on their way.
func (k *Keys) Set() ([]byte, error) {
	now := k.now()
	if s := k.set.Load(); s != nil && !now.Before(s.from) && now.Before(s.until) {
		return s.body, nil
	}
	epochs, from, until := published(now)
	var set jose.JSONWebKeySet
	for _, epoch := range epochs {
		for _, a := range Algorithms {
			key, err := k.derive(a, epoch)
			if err != nil {
				return nil, fmt.Errorf("preparing the %s key: %w", a, err)
			}
			set.Keys = append(set.Keys, key.Public())
		}
	}
	body, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encoding the public keys: %w", err)
	}
	k.set.Store(&keySet{body, from, until})
	return body, nil
}

func epochOf(t time.Time) int64 { return t.Unix() / int64(epochLength/time.Second) }

func beginning(epoch int64) time.Time { return time.Unix(epoch*int64(epochLength/time.Second), 0) }

// published are the epochs whose keys are public at a time, the current one first, and between which times that stays so.
func published(now time.Time) (epochs []int64, from, until time.Time) {
	current := epochOf(now)
	retired, announced := beginning(current).Add(publishLate), beginning(current+1).Add(-publishEarly)
	switch {
	case now.Before(retired):
		return []int64{current, current - 1}, beginning(current), retired
	case now.Before(announced):
		return []int64{current}, retired, announced
	}
	return []int64{current, current + 1}, announced, beginning(current + 1)
}

// derive makes the private key of one epoch, under the name that its public part has by RFC 7638.
func (k *Keys) derive(a Algorithm, epoch int64) (jose.JSONWebKey, error) {
	seed := func(try int) []byte {
		b, err := hkdf.Key(sha256.New, k.secret, nil, fmt.Sprintf("%s epoch %d try %d", a, epoch, try), 32)
		if err != nil {
			panic("identity: HKDF of a constant length failed: " + err.Error())
		}
		return b
	}
	key := jose.JSONWebKey{Algorithm: string(a), Use: "sig"}
	if a == ES256 {
		key.Key = scalar(seed)
	} else {
		key.Key = ed25519.NewKeyFromSeed(seed(0))
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return key, err
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return key, nil
}

// scalar takes the first candidate that is a private key of P-256: not zero, and below the order of the group. Bringing the others into
// range would make some keys likelier than others (FIPS 186-5 appendix A.2.2). One in four thousand million is none.
func scalar(candidate func(try int) []byte) *ecdsa.PrivateKey {
	for try := 0; ; try++ {
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), candidate(try)); err == nil {
			return key
		}
	}
}
