// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/store"
)

// The secret of an access key is 24 random bytes and 8 bytes of an HMAC over id and those: a text that we did not make dies of that before any
// read of the store, as a forged cookie does, and leaves no trace in memory. That half opens nothing: what opens is that the SHA-256 of the
// whole is the one that is kept. What the text of a key looks like is said in package credential.
const keyRandomSize = 24

// newAccessKey draws an id and a secret.
func (k *keys) newAccessKey() (id, secret string) {
	id = credential.KeyMark + newID()
	random := randomBytes(keyRandomSize)
	return id, base64.RawURLEncoding.EncodeToString(slices.Concat(random, k.accessKeyTag(id, random)))
}

// openAccessKey reads a text that newAccessKey has made. Whether its sum is the one that is kept is for the caller to compare, in
// constant time.
func (k *keys) openAccessKey(text string) (id string, sum []byte, ok bool) {
	if !credential.IsKey(text) {
		return "", nil, false
	}
	id, secret := text[:credential.KeyIDLength], text[credential.KeyIDLength+len(credential.KeyJoint):]
	b, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil || !hmac.Equal(k.accessKeyTag(id, b[:keyRandomSize]), b[keyRandomSize:]) {
		return "", nil, false
	}
	digest := sha256.Sum256([]byte(secret))
	return id, digest[:], true
}

func (k *keys) accessKeyTag(id string, random []byte) []byte {
	m := hmac.New(sha256.New, k.static)
	m.Write([]byte(id))
	m.Write(random)
	return m.Sum(nil)[:secretSize-keyRandomSize]
}

// accessKeySpace begins what is hashed for the place of a key in the cache: a place of its own, where no cookie and no access token looks,
// and Session looks at whether it has found a key.
const accessKeySpace = "access key\x00"

// accessKey is Bearer for a text that has the shape of a key. For one in memory it does not allocate.
func (s *Service) accessKey(ctx context.Context, a Asker, text string) (*Session, error) {
	if len(text) != credential.KeyLength {
		return nil, errNotSignedIn // a longer one would be cut to a place that is another's
	}
	var buf [len(accessKeySpace) + credential.KeyLength]byte
	copy(buf[copy(buf[:], accessKeySpace):], text)
	key := sha256.Sum256(buf[:])
	now := s.now()
	if x := s.cache.get(key); x != nil {
		return x.useAccessKey(&a, now)
	}
	return s.loadAccessKey(ctx, a, key, text, now)
}

// loadAccessKey looks at the text before it asks the store. Like a cookie, an unknown key is not remembered.
func (s *Service) loadAccessKey(ctx context.Context, a Asker, key [sha256.Size]byte, text string, now time.Time) (*Session, error) {
	id, sum, ok := s.keys.openAccessKey(text)
	if !ok {
		return nil, errNotSignedIn
	}
	l := s.cache.pin(id)
	defer s.cache.unpin(l)
	x := &Session{live: l, version: l.version.Load(), recalls: l.recalls.Load()} // before the store is read: see cache
	err := s.view(ctx, func(t store.Tx) error {
		r, found, err := getAccessKey(t, id)
		if err != nil {
			return err
		}
		if !found || !now.Before(r.Expires) || subtle.ConstantTimeCompare(sum, r.Secret) != 1 {
			return errNotSignedIn
		}
		return x.fillAccessKey(t, &r)
	})
	if err != nil {
		return nil, err
	}
	if x.version != over { // one that has run out by a clock that was wrong would stay here for good
		s.cache.add(key, x) // also where the request is not what it is for, or each of those would read the store
	}
	return x.useAccessKey(&a, now)
}

// useAccessKey says whether what was found by a key may be used on a request. A request that the key is not for is no use of it.
func (x *Session) useAccessKey(a *Asker, now time.Time) (*Session, error) {
	if !fits(x.Proofs, x.Name, a.Vouched) {
		return nil, errNotSignedIn
	}
	if a.Basic && !x.goesBy(a.User) {
		return nil, errKeyUser
	}
	if err := x.scope.covers(a); err != nil {
		return nil, err
	}
	if !x.live.use(now, x.Expires, x.Idle) {
		return nil, errNotSignedIn
	}
	return x, nil
}

// goesBy tells whether a key is the password of this user name: an app password is that of its person, and a service token goes by its id.
func (x *Session) goesBy(user string) bool {
	if x.UserID == "" {
		return user == x.Key
	}
	return Canonical(user) == x.Name
}

// fillAccessKey makes the session that a key stands for. Nothing in the store is one, so no act on an own account finds it.
func (x *Session) fillAccessKey(t store.Tx, r *accessKeyRecord) error {
	method := ServiceToken
	if r.UserID != "" {
		method = AppPassword
		if err := x.fillPerson(t, r.UserID); err != nil {
			return err
		}
	}
	x.ID, x.Key, x.KeyLevel, x.Program, x.scope = r.ID, r.ID, r.Level, true, &r.AccessKeyInfo
	x.Proofs = []Proof{{method, r.Created}}
	if r.Vouched {
		x.Proofs = append(x.Proofs, Proof{Vouched, r.Created})
	}
	x.Created, x.Expires, x.Idle = r.Created, r.Expires, r.Expires.Sub(r.Created) // it does not end by not being used
	if !r.LastUsed.IsZero() {
		x.live.saw(r.LastUsed)
	}
	return nil
}
