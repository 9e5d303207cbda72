// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/gorilla/securecookie"
	"golang.org/x/crypto/chacha20poly1305"
)

// Two kinds of secret are handed out, and neither is stored in clear. A ticket is the value of a cookie: random bytes in a
// gorilla/securecookie HMAC envelope, so that a forged one dies before any read of the store. A link token is 130 random bits of
// text, short enough for a URL.

const (
	secretSize = 32 // bytes of randomness in a ticket
	idSize     = 8  // bytes that name a session and stay the same when its secret rotates; public
)

// keys are derived from the one master key, each for one use (HKDF, RFC 5869), so that a value made for one never verifies for
// another.
type keys struct {
	envelope *securecookie.SecureCookie
	form     []byte      // HMAC of form tokens
	index    []byte      // HMAC of names in store keys
	code     []byte      // HMAC of codes that were sent
	next     []byte      // HMAC of a ticket, which is the one that follows on it
	access   []byte      // that the keys of access tokens come from, where there are no others
	kept     cipher.AEAD // of forms that their senders keep
	static   []byte      // HMAC inside of access keys
}

func deriveKeys(master []byte) (keys, error) {
	if len(master) != 32 {
		return keys{}, fmt.Errorf("the key must be 32 bytes, not %d", len(master))
	}
	derive := func(use string) []byte {
		k, err := hkdf.Key(sha256.New, master, nil, "nightlatch "+use, 32)
		if err != nil {
			panic("deriving the key for " + use + ": " + err.Error()) // only for lengths that are wrong in this file
		}
		return k
	}
	env := securecookie.New(derive("cookie"), nil)
	env.SetSerializer(rawBytes{})
	kept, err := chacha20poly1305.NewX(derive("kept form"))
	if err != nil {
		return keys{}, fmt.Errorf("preparing the encryption of forms: %w", err)
	}
	env.MaxAge(0) // the record in the store says when a session ends; the envelope only says that we made it
	return keys{
		envelope: env, form: derive("form"), index: derive("index"), code: derive("code"), next: derive("next ticket"), access: derive("access token"),
		static: derive("access key"), kept: kept,
	}, nil
}

// rawBytes is the encoder of the envelope: bytes as they are, never gob or JSON of what a client sent (ASVS 1.5.2).
type rawBytes struct{}

func (rawBytes) Serialize(src any) ([]byte, error) {
	b, ok := src.([]byte)
	if !ok {
		return nil, errors.New("a ticket is bytes")
	}
	return b, nil
}

func (rawBytes) Deserialize(src []byte, dst any) error {
	b, ok := dst.(*[]byte)
	if !ok {
		return errors.New("a ticket is bytes")
	}
	*b = src
	return nil
}

// seal puts bytes into the envelope. use is bound into the HMAC: a ticket for one use is refused for another.
func (k *keys) seal(use string, b []byte) string {
	v, err := k.envelope.Encode(use, b)
	if err != nil {
		panic("sealing a ticket: " + err.Error()) // only for a missing key or a value over 4 KiB
	}
	return v
}

// open checks the envelope and returns the bytes, which have the given size; ok is false for anything that we did not make. The
// encoding must be the one we write: base64 leaves a few bits of the last character open, and a value with many spellings would have as
// many places in the cache.
func (k *keys) open(use, value string, size int) (b []byte, ok bool) {
	if _, err := base64.URLEncoding.Strict().DecodeString(value); err != nil {
		return nil, false
	}
	if err := k.envelope.Decode(use, value, &b); err != nil {
		return nil, false
	}
	return b, len(b) == size
}

// ticketSize is that of a ticket with a public id, which stays when its secret is drawn anew: the id, then the secret.
const ticketSize = idSize + secretSize

// newTicket draws a ticket for what has this id. The record of it keeps sum, and with that every older ticket is dead.
func (k *keys) newTicket(use string, id []byte) (value string, sum []byte) {
	ticket := slices.Concat(id, randomBytes(secretSize))
	digest := sha256.Sum256(ticket)
	return k.seal(use, ticket), digest[:]
}

// nextTicket derives the ticket that follows on one which openTicket has read. It is the same however often it is asked for, so that a form
// which comes twice leads to one next ticket; who has the older one alone cannot compute it.
func (k *keys) nextTicket(use, value string) (next string, sum []byte) {
	ticket, _ := k.open(use, value, ticketSize)
	m := hmac.New(sha256.New, k.next)
	m.Write(ticket)
	ticket = slices.Concat(ticket[:idSize], m.Sum(nil))
	digest := sha256.Sum256(ticket)
	return k.seal(use, ticket), digest[:]
}

// openTicket reads a ticket made by newTicket. Whether its sum is the one that is kept is for the caller to compare, in constant time.
func (k *keys) openTicket(use, value string) (id string, sum []byte, ok bool) {
	ticket, ok := k.open(use, value, ticketSize)
	if !ok {
		return "", nil, false
	}
	digest := sha256.Sum256(ticket)
	return hex.EncodeToString(ticket[:idSize]), digest[:], true
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24
	return b
}

// digest is how a secret stands in the store: SHA-256 is enough for 130 random bits and more (NIST SP 800-63B-4 §3.1.2).
func digest(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}

// newID returns a random identifier that is no secret.
func newID() string { return hex.EncodeToString(randomBytes(idSize)) }

// nameKey hides a user name in store keys, since it is often an e-mail address.
func (k *keys) nameKey(canonical string) string {
	m := hmac.New(sha256.New, k.index)
	m.Write([]byte(canonical))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// VisitorToken makes the value of the attempt cookie of somebody who has not proven anything. Nothing is stored for it: it is there
// to bind the first form to this browser, so that another site cannot sign somebody in under a name of its choice (login CSRF).
func (s *Service) VisitorToken() string { return s.keys.seal(useAttempt, randomBytes(secretSize)) }

// FormToken is the hidden field that binds a form to the cookie it travels with and to one purpose. NIST SP 800-63B-4 §5.1 asks for
// it besides the browser's own word about the origin of a request.
func (s *Service) FormToken(cookieValue, purpose string) string {
	m := hmac.New(sha256.New, s.keys.form)
	m.Write([]byte(purpose))
	m.Write([]byte{0})
	m.Write([]byte(cookieValue))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// CheckFormToken compares in constant time. An empty cookie value never passes.
func (s *Service) CheckFormToken(cookieValue, purpose, token string) bool {
	want := s.FormToken(cookieValue, purpose)
	return cookieValue != "" && hmac.Equal([]byte(want), []byte(token))
}
