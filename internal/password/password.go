// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package password turns passwords and backup codes into argon2id hashes,
// verifies them, and judges whether a new password is good enough.
//
// A Hasher bounds how many hashes run at once, because each takes 19 MiB and
// about 25 ms of a core: a flood of sign-ins then meets ErrBusy instead of the
// end of memory. Checks of length and shape come before any hashing. Check is
// the policy for new passwords: length, a list of common passwords, words of
// the account and the site, repetition and sequences, and no composition
// rules (NIST SP 800-63B-4 section 3.1.1.2, ASVS 5 V6.2).
//
// It knows no user, store or request. Counting failures, choosing what to tell
// the person and storing the new hash after RightButOld are the caller's.
//
// A password is hashed exactly as received but for Unicode normalization (NFC):
// keyboards disagree on how to write the same accented letter. Nothing is
// trimmed, folded or cut (ASVS 6.2.8).
//
// Of the lists of common passwords, frequent.txt is a published one under the MIT
// license, and common.txt was written for this package; NOTICE beside them says
// where they come from, and what they are not.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// MaxLength is the longest password in Unicode code points, after
	// normalization. ASVS 6.2.9 wants at least 64.
	MaxLength = 256
	// maxBytes is checked first, so that a 10 MB password costs a comparison.
	maxBytes = 1024
)

var (
	// ErrBusy says that every hashing slot is taken and the queue is full. The
	// door answers 503 with Retry-After; nothing was verified.
	ErrBusy = errors.New("too many passwords are being hashed")
	// ErrTooLong says that a password has more than MaxLength code points or 1024 bytes.
	ErrTooLong = errors.New("password is longer than 256 characters or 1024 bytes")
	// ErrNotText says that a password is empty, not UTF-8 or contains NUL.
	ErrNotText = errors.New("password is empty or not plain text")
)

// Verdict is the outcome of a verification. The zero Verdict is Wrong, so what
// was never decided is refused.
type Verdict int

const (
	// Wrong refuses.
	Wrong Verdict = iota
	// Right accepts.
	Right
	// RightButOld accepts a password whose hash is weaker than one made today:
	// the caller hashes it again and stores that.
	RightButOld
)

// OK reports whether the password was right, under an old hash or a new one.
func (v Verdict) OK() bool { return v == Right || v == RightButOld }

func (v Verdict) String() string {
	switch v {
	case Right:
		return "right"
	case RightButOld:
		return "right but old"
	default:
		return "wrong"
	}
}

// Hasher hashes and verifies within a bound. It is safe for concurrent use, and
// a process needs one: two would allow twice the memory.
type Hasher struct {
	slots chan struct{} // one element per running hash
	room  chan struct{} // one element per running or waiting hash
	dummy hash          // what VerifyDummy verifies against
}

// New returns a Hasher that runs at most limit hashes at once (0: one per
// available core) and lets at most queue more wait. Memory in use stays under
// limit × 19 MiB for hashes made here; an imported hash may ask for up to 128
// MiB. Garbage not yet collected comes on top.
func New(limit, queue int) *Hasher {
	if limit <= 0 {
		limit = runtime.GOMAXPROCS(0)
	}
	// No password leads to a random key, so the dummy needs no hashing to make;
	// only its costs must be those of a real one.
	key := make([]byte, keySize)
	rand.Read(key)
	return &Hasher{
		slots: make(chan struct{}, limit),
		room:  make(chan struct{}, limit+max(queue, 0)),
		dummy: hash{today, newSalt(), key},
	}
}

// Hash returns a PHC string with a fresh salt for a new password. It does not
// judge strength; see Check. Errors: ErrTooLong, ErrNotText, ErrBusy, or the
// context's when it ends while waiting.
func (h *Hasher) Hash(ctx context.Context, plain string) (string, error) {
	plain, err := prepare(plain)
	if err != nil {
		return "", fmt.Errorf("hashing password: %w", err)
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return "", fmt.Errorf("hashing password: %w", err)
	}
	defer release()
	salt := newSalt()
	return hash{today, salt, today.derive(plain, salt, keySize)}.String(), nil
}

// Verify compares a typed password with a stored PHC string in constant time.
// With an error the Verdict is Wrong and means nothing: ErrTooLong and
// ErrNotText are the person's (400, before any hashing), ErrBusy and the
// context's are the moment's, ErrBadHash is the store's.
func (h *Hasher) Verify(ctx context.Context, phc, plain string) (Verdict, error) {
	stored, err := parse(phc)
	if err != nil {
		return Wrong, fmt.Errorf("reading stored hash: %w", err)
	}
	return h.verify(ctx, stored, plain)
}

// VerifyDummy costs and fails like Verify for an account that does not exist or
// has no password, so that time and errors do not tell who has an account. It
// takes the same path against a hash of today's parameters that no password
// matches; there is no verdict to use by mistake.
func (h *Hasher) VerifyDummy(ctx context.Context, plain string) error {
	_, err := h.verify(ctx, h.dummy, plain)
	return err
}

func (h *Hasher) verify(ctx context.Context, stored hash, plain string) (Verdict, error) {
	plain, err := prepare(plain)
	if err != nil {
		return Wrong, fmt.Errorf("verifying password: %w", err)
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return Wrong, fmt.Errorf("verifying password: %w", err)
	}
	defer release()
	switch {
	case !stored.matches(plain):
		return Wrong, nil
	case stored.old():
		return RightButOld, nil
	default:
		return Right, nil
	}
}

// HashCodes hashes a set of backup codes under one salt, so that FindCode can
// check a code against all of them with one hash. Codes must be in the one
// spelling the caller has chosen (no dashes, one case) and have at least 64
// random bits: a shared salt spends one guess on the whole set, which ten
// random codes can bear and ten passwords could not. The whole set takes one
// slot, for as many hashes as there are codes. Errors are those of Hash.
func (h *Hasher) HashCodes(ctx context.Context, codes []string) ([]string, error) {
	prepared := make([]string, len(codes))
	for i, code := range codes {
		var err error
		if prepared[i], err = prepare(code); err != nil {
			return nil, fmt.Errorf("hashing backup codes: %w", err)
		}
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("hashing backup codes: %w", err)
	}
	defer release()
	salt := newSalt()
	hashes := make([]string, len(codes))
	for i, code := range prepared {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("hashing backup codes: %w", err)
		}
		hashes[i] = hash{today, salt, today.derive(code, salt, keySize)}.String()
	}
	return hashes, nil
}

// FindCode returns the index of the hash that code matches, or -1. hashes are
// one set from HashCodes, used codes included: FindCode does not know which are
// used, and the caller decides that inside the transaction that marks the code.
// Whatever the set, also an empty one, it costs one hash and compares with
// every element in constant time. A set that mixes salts or parameters is
// ErrBadHash; other errors are those of Verify.
func (h *Hasher) FindCode(ctx context.Context, hashes []string, code string) (int, error) {
	set := []hash{h.dummy}
	for i, phc := range hashes {
		stored, err := parse(phc)
		if err != nil {
			return -1, fmt.Errorf("reading stored backup code: %w", err)
		}
		if i == 0 {
			set = set[:0]
		} else if stored.params != set[0].params || string(stored.salt) != string(set[0].salt) || len(stored.key) != len(set[0].key) {
			return -1, fmt.Errorf("reading stored backup codes: mixed sets: %w", ErrBadHash)
		}
		set = append(set, stored)
	}
	code, err := prepare(code)
	if err != nil {
		return -1, fmt.Errorf("verifying backup code: %w", err)
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return -1, fmt.Errorf("verifying backup code: %w", err)
	}
	defer release()
	key := set[0].derive(code, set[0].salt, len(set[0].key))
	found := -1
	for i, stored := range set {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(key, stored.key), i, found)
	}
	if len(hashes) == 0 {
		return -1, nil
	}
	return found, nil
}

// acquire takes a slot, waiting for one if the queue has room.
func (h *Hasher) acquire(ctx context.Context) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case h.room <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots; <-h.room }, nil
	case <-ctx.Done():
		<-h.room
		return nil, ctx.Err()
	}
}

// prepare refuses what is never hashed and normalizes the rest.
func prepare(plain string) (string, error) {
	if len(plain) > maxBytes {
		return "", ErrTooLong
	}
	if plain == "" || !utf8.ValidString(plain) || strings.ContainsRune(plain, 0) {
		return "", ErrNotText
	}
	plain = norm.NFC.String(plain)
	if utf8.RuneCountInString(plain) > MaxLength {
		return "", ErrTooLong
	}
	return plain, nil
}
