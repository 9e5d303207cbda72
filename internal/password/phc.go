// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds on what a stored hash may ask for. A hash comes from outside when it was
// imported or the store was tampered with, and "m=4294967295" must cost an
// error, not four terabytes.
const (
	maxHashLength = 512
	maxMemory     = 128 << 10 // KiB
	maxTime       = 10
	maxThreads    = 8
	minSalt       = 8
	maxSalt       = 64
	minKey        = 16
	maxKey        = 64
)

// ErrBadHash says that a stored hash is not an argon2id PHC string within
// bounds. It is a fault of the store, never a wrong password.
var ErrBadHash = errors.New("not an argon2id hash within bounds")

// params are the costs of one run: memory in KiB, passes, lanes.
type params struct {
	memory  uint32
	time    uint32
	threads uint8
}

// today is what new hashes cost: OWASP's argon2id row of 19 MiB and two passes,
// also ASVS 5 appendix C.
var today = params{memory: 19456, time: 2, threads: 1}

const (
	saltSize = 16
	keySize  = 32
)

// hash is a PHC string, taken apart.
type hash struct {
	params
	salt []byte
	key  []byte
}

var phcBase64 = base64.RawStdEncoding

func (h hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.memory, h.time, h.threads, phcBase64.EncodeToString(h.salt), phcBase64.EncodeToString(h.key))
}

// parse reads a PHC string (github.com/P-H-C/phc-string-format). It accepts
// exactly what String writes: one spelling per hash, so no leading zeros, no
// reordering, no line breaks inside base64.
func parse(s string) (hash, error) {
	if len(s) > maxHashLength {
		return hash{}, ErrBadHash
	}
	fields := strings.Split(s, "$") // "", "argon2id", "v=19", costs, salt, key
	if len(fields) != 6 {
		return hash{}, ErrBadHash
	}
	costs := strings.Split(fields[3], ",")
	if len(costs) != 3 {
		return hash{}, ErrBadHash
	}
	memory, memoryOK := number(costs[0], "m=", maxMemory)
	time, timeOK := number(costs[1], "t=", maxTime)
	threads, threadsOK := number(costs[2], "p=", maxThreads)
	salt, saltErr := phcBase64.DecodeString(fields[4])
	key, keyErr := phcBase64.DecodeString(fields[5])
	h := hash{params{memory, time, uint8(threads)}, salt, key}
	switch {
	case !memoryOK || !timeOK || !threadsOK || saltErr != nil || keyErr != nil,
		memory < 8*threads, // RFC 9106 section 3.1; the library would raise it silently
		len(salt) < minSalt || len(salt) > maxSalt,
		len(key) < minKey || len(key) > maxKey,
		h.String() != s:
		return hash{}, ErrBadHash
	}
	return h, nil
}

func number(s, prefix string, highest uint64) (uint32, bool) {
	digits, found := strings.CutPrefix(s, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), found && err == nil && n >= 1 && n <= highest
}

// derive spends p on plain.
func (p params) derive(plain string, salt []byte, size int) []byte {
	return argon2.IDKey([]byte(plain), salt, p.time, p.memory, p.threads, uint32(size))
}

// matches spends the cost of h on plain and compares.
func (h hash) matches(plain string) bool {
	return subtle.ConstantTimeCompare(h.derive(plain, h.salt, len(h.key)), h.key) == 1
}

// old reports whether any part of h is weaker than a hash made today.
func (h hash) old() bool {
	return h.memory < today.memory || h.time < today.time || len(h.salt) < saltSize || len(h.key) < keySize
}

func newSalt() []byte {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return salt
}
