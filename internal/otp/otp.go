// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package otp is the arithmetic of authenticator codes: RFC 4226 (HOTP) and
// RFC 6238 (TOTP) with SHA-1, six digits and thirty seconds, which is what
// every authenticator app reads.
//
// It decides one thing: which time step, if any, a typed code proves. It does
// not remember. The caller keeps the last accepted step of each factor and
// must store the step that Match returns in the same transaction that lets the
// person in; two requests that both read the old value would otherwise both
// win. It never sees a user, a store or a request, and it never reads the
// clock: time enters as now.
//
// key.go holds what a person scans or types at enrollment.
package otp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

const (
	// Period is the length of one time step (RFC 6238 section 4.1, X).
	Period = 30 * time.Second
	// Digits is the length of a code.
	Digits = 6
	// SecretSize is the length in bytes of a new secret: the output of SHA-1,
	// as RFC 4226 section 4 (R6) recommends.
	SecretSize = 20
	// MinSecretSize is the shortest secret in bytes that can ever match, the
	// 128 bits RFC 4226 section 4 (R6) demands.
	MinSecretSize = 16
	// MaxPastSteps bounds how many earlier codes can be asked to count.
	MaxPastSteps = 10
)

// ErrShortSecret says that a secret has fewer than MinSecretSize bytes. An
// empty secret is the usual cause: a record that did not load.
var ErrShortSecret = errors.New("secret is shorter than 16 bytes")

// NewSecret returns SecretSize random bytes.
func NewSecret() []byte {
	secret := make([]byte, SecretSize)
	rand.Read(secret) // never fails and never returns short: crypto/rand ends the program instead
	return secret
}

// Step returns the number of whole Periods between the Unix epoch and t, or -1
// for a time before the epoch, which matches nothing.
func Step(t time.Time) int64 {
	seconds := t.Unix()
	if seconds < 0 {
		return -1
	}
	return seconds / int64(Period/time.Second)
}

// Code returns the code of a step (RFC 4226 section 5.3). A secret shorter
// than MinSecretSize or a negative step has no code: the result is then empty,
// a string Match never accepts.
func Code(secret []byte, step int64) string {
	if len(secret) < MinSecretSize || step < 0 {
		return ""
	}
	mac := hmac.New(sha1.New, secret)
	binary.Write(mac, binary.BigEndian, step) // a hash.Hash never returns an error
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	truncated := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%06d", truncated%1_000_000)
}

// Match reports whether code proves possession of secret at now, and with
// which step. It accepts the current step and pastSteps earlier ones (RFC 6238
// section 5.2 advises one), never a future one. last is the step accepted
// before, 0 when there is none; only later steps count, so a clock that steps
// back cannot revive a code. On success the caller stores step as the new last.
//
// The code must be exactly six ASCII digits: trimming or folding would give one
// code many spellings, and a replay check by spelling could then be walked
// around (CVE-2025-6014). pastSteps outside 0 to MaxPastSteps matches nothing.
//
// A code works once (RFC 6238 section 5.2), and that is about the digits the
// person typed, not only about the step. Two nearby steps can share their
// digits, about once in a million, and then "step > last" alone accepts the
// same six digits twice. Two rules close that:
//
//   - When several steps match, the newest is returned, so all are burned.
//   - A step is refused when an earlier step at or below last, at most
//     pastSteps+1 back, has the same digits. That reach covers every code
//     that was acceptable together with the step before this one; farther
//     apart, an old code is as good as a random guess. Any such step may have
//     been accepted before last was, so all of them count, not last alone.
//
// The price is that the owner waits for the next code once in a million times.
//
// Every step of the window is computed and compared whatever the outcome, also
// for a secret too short to use, so time tells nothing about which matched.
func Match(secret []byte, code string, now time.Time, pastSteps int, last int64) (step int64, ok bool) {
	current := Step(now)
	if !wellFormed(code) || current < 0 || pastSteps < 0 || pastSteps > MaxPastSteps {
		return 0, false
	}
	usable := len(secret) >= MinSecretSize
	if !usable {
		// The empty key has codes too, and anybody can compute them.
		secret = make([]byte, SecretSize)
	}

	reach := int64(pastSteps) + 1
	oldest := current - int64(pastSteps)
	burned := int64(-1) // newest step at or below last with these digits
	found := int64(-1)  // newest step above last with these digits
	for s := oldest - reach; s <= current; s++ {
		same := subtle.ConstantTimeCompare([]byte(Code(secret, s)), []byte(code)) == 1
		switch {
		case !same:
		case s <= last:
			burned = s
		case s >= oldest:
			found = s
		}
	}
	replay := burned >= 0 && found-burned <= reach
	if !usable || found < 0 || replay {
		return 0, false
	}
	return found, true
}

// wellFormed reports whether code is ^[0-9]{6}$ byte by byte. unicode.IsDigit
// would let full-width digits in.
func wellFormed(code string) bool {
	if len(code) != Digits {
		return false
	}
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
	}
	return true
}
