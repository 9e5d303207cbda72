// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package signing holds the keys with which we sign what others check: the token that tells an application who somebody is, and the access
// token of a program. It signs, publishes the public keys and reads back what it has signed. What a token says is for others to decide.
package signing

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
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/nightlatch/nightlatch/internal/credential"
)

// Algorithm is how a token is signed, by its name in the header of the token (RFC 7518 section 3.1, RFC 8037 section 3.1).
type Algorithm string

const (
	EdDSA Algorithm = "EdDSA" // Ed25519
	ES256 Algorithm = "ES256" // ECDSA on P-256, for verifiers that do not know Ed25519
)

// Type says what a token is for, in its header, so that one kind is never taken for another (RFC 8725 §3.11).
type Type string

const (
	Assertion   Type = "JWT"    // tells one application who is there, see package identity
	AccessToken Type = "at+jwt" // opens the gate for a program, see package auth (RFC 9068 §2.1)
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
const MaxTokenLife = 5 * time.Minute

// Keys sign tokens and publish the public keys to check them by. They are derived from one secret by algorithm and epoch, so there is
// nothing to store, back up or lose, and a token of before a restart is good after it (docs/decisions/2026-11-22-assertion-keys.md). They
// are safe for concurrent use.
type Keys struct {
	secret  []byte
	now     func() time.Time
	signers map[use]*atomic.Pointer[signer] // of the moment; the map never changes
	set     atomic.Pointer[keySet]
	readers atomic.Pointer[readers]
}

// use is what a signer is for.
type use struct {
	algorithm Algorithm
	kind      Type
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
	k := &Keys{secret: secret, now: now, signers: make(map[use]*atomic.Pointer[signer])}
	for _, a := range Algorithms {
		k.signers[use{a, Assertion}] = new(atomic.Pointer[signer])
	}
	k.signers[use{EdDSA, AccessToken}] = new(atomic.Pointer[signer])
	return k
}

// Sign returns a token in the compact form of RFC 7515. Its claims are encoded as JSON; they must say when it ends, at most MaxTokenLife
// from now, or the key that checks it may be gone before.
func (k *Keys) Sign(a Algorithm, kind Type, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims of a token: %w", err)
	}
	s, err := k.signer(use{a, kind})
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
func (k *Keys) signer(of use) (jose.Signer, error) {
	kept, known := k.signers[of]
	if !known {
		return nil, errors.New("no such algorithm for this type")
	}
	epoch := epochOf(k.now())
	if s := kept.Load(); s != nil && s.epoch == epoch {
		return s.sign, nil
	}
	key, err := k.derive(of.algorithm, epoch)
	if err != nil {
		return nil, err
	}
	options := new(jose.SignerOptions).WithType(jose.ContentType(of.kind))
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(of.algorithm), Key: key}, options)
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

// derive makes the private key of one epoch. Its name is our mark and what RFC 7638 calls its public part.
func (k *Keys) derive(a Algorithm, epoch int64) (jose.JSONWebKey, error) {
	seed := func(try int) []byte {
		b, err := hkdf.Key(sha256.New, k.secret, nil, fmt.Sprintf("%s epoch %d try %d", a, epoch, try), 32)
		if err != nil {
			panic("signing: HKDF of a constant length failed: " + err.Error())
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
	key.KeyID = credential.SigningMark + base64.RawURLEncoding.EncodeToString(sum)
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

// Now is the time by which the keys sign.
func (k *Keys) Now() time.Time { return k.now() }

// readers are the keys that access tokens may be signed with at a time, by the first segment of the token, and between which times that
// is so.
type readers struct {
	by          map[string]jose.JSONWebKey
	from, until time.Time
}

// maxToken bounds an access token in bytes.
const maxToken = 2 << 10

// ErrNotOurs says that a token is none that we have signed, or that its key is retired, and so the token over.
var ErrNotOurs = errors.New("the token is not signed with a key of the moment")

// VerifyAccessToken returns the claims of an access token as they were given to Sign. It looks at the signature alone: whether the token is
// for the caller, and still good, is for the caller to judge. The first segment must be the very bytes that Sign writes, so a header with
// another algorithm, type or key, or with a key inside, is none (JW-1 to JW-5). Errors are ErrNotOurs, and what keeps the keys from being
// made.
func (k *Keys) VerifyAccessToken(token string) (claims []byte, err error) {
	r, err := k.reading()
	if err != nil {
		return nil, err
	}
	key, is := r.by[header(token)]
	if !is || len(token) > maxToken || !strictlyEncoded(token) {
		return nil, ErrNotOurs
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return nil, ErrNotOurs
	}
	if claims, err = signed.Verify(key); err != nil {
		return nil, ErrNotOurs
	}
	return claims, nil
}

// header is the first segment of a token, empty where it has none.
func header(token string) string {
	first, _, dotted := strings.Cut(token, ".")
	if !dotted {
		return ""
	}
	return first
}

// strictlyEncoded refuses the other spellings that base64 has for the same bytes, line ends among them: one token is one string.
func strictlyEncoded(token string) bool {
	if strings.ContainsAny(token, "\r\n") {
		return false
	}
	for segment := range strings.SplitSeq(token, ".") {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(segment); err != nil {
			return false
		}
	}
	return true
}

// reading finds the keys of the moment: those that are published.
func (k *Keys) reading() (*readers, error) {
	now := k.now()
	if r := k.readers.Load(); r != nil && !now.Before(r.from) && now.Before(r.until) {
		return r, nil
	}
	epochs, from, until := published(now)
	r := &readers{make(map[string]jose.JSONWebKey), from, until}
	for _, epoch := range epochs {
		key, err := k.derive(EdDSA, epoch)
		if err != nil {
			return nil, fmt.Errorf("preparing the key of access tokens: %w", err)
		}
		head, err := json.Marshal(map[string]string{"alg": string(EdDSA), "kid": key.KeyID, "typ": string(AccessToken)})
		if err != nil {
			return nil, fmt.Errorf("preparing the header of access tokens: %w", err)
		}
		r.by[base64.RawURLEncoding.EncodeToString(head)] = key.Public()
	}
	k.readers.Store(r)
	return r, nil
}
