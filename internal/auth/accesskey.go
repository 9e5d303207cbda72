// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/store"
)

// An access key is what a program without a person before it shows on each request: an app password when it is a person's, a service
// token when an operator made it for nobody. It never changes, so whoever sees it once has it. Therefore it opens only what it was made
// for (keyscope.go), for a time that is said when it is made, and nothing of ours: no page, no API, no other key. Its secret is shown
// once, and its hash is kept.
//
// It ends with whatever makes its person's account safe again: another password, a second factor that goes, an operator's reset, an account
// that is disabled. That sessions are ended does not end it, since no session carries it. keylookup.go is what the gate asks.

// NewAccessKey is what is asked for. Everything but the name may be left out.
type NewAccessKey struct {
	Name     string         // 1 to 64 printable characters
	Hosts    []string       // as visit.HostName writes them, or *.example.com for one more label. Of a person, empty: Client.Host
	Paths    []string       // prefixes of whole segments, decoded: /api is /api and /api/x; empty: all
	Methods  []string       // of HTTP; GET includes HEAD; empty: all
	Networks []netip.Prefix // from where; empty: anywhere
	Expires  time.Time      // zero: in AccessKeyLife
	Newest   *string        // of a person, the id of the newest that whoever asks knows of, empty for none: make nothing where there is another; nil: make it
}

// AccessKeyInfo describes an access key in lists. ID is no credential. Its lists are never nil.
type AccessKeyInfo struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	User     string         `json:"user"` // canonical name of whose app password it is; empty: a service token
	Hosts    []string       `json:"hosts"`
	Paths    []string       `json:"paths"`
	Methods  []string       `json:"methods"`
	Networks []netip.Prefix `json:"networks"`
	Created  time.Time      `json:"created"`
	Expires  time.Time      `json:"expires"`
	LastUsed time.Time      `json:"last_used,omitzero"`
	MadeBy   string         `json:"made_by"` // canonical name, or "operator"
}

// MadeAccessKey is an access key with what opens it, which is told once and never again.
type MadeAccessKey struct {
	AccessKeyInfo
	Secret string `json:"secret"` // the half of a pair of headers beside ID
	Token  string `json:"token"`  // ID and Secret in one, for Bearer and as the password of Basic
}

const (
	// AccessKeyLife is how long an access key works when nobody says.
	AccessKeyLife = 90 * 24 * time.Hour
	// MaxAppPasswordLife and MinAppPasswordLife bound what a person may ask for, MaxServiceTokenLife what an operator may.
	MaxAppPasswordLife  = 365 * 24 * time.Hour
	MinAppPasswordLife  = 24 * time.Hour
	MaxServiceTokenLife = 3650 * 24 * time.Hour

	// MaxAccessKeys are those of one person at a time.
	MaxAccessKeys = 50
	maxKeyName    = 64 // code points
)

// accessKeyRecord is an access key as stored, under its id.
type accessKeyRecord struct {
	AccessKeyInfo        // without User
	UserID        string `json:"user_id,omitempty"` // empty: a service token
	Secret        []byte `json:"secret,omitempty"`  // SHA-256
	Level         Level  `json:"level,omitempty"`   // of the session that made it
	Vouched       bool   `json:"vouched,omitempty"` // that session was of somebody for whom a handler in front vouches, see fits
	Ended         bool   `json:"ended,omitempty"`
}

func accessKeyKey(id string) string { return "access/" + id }

// getAccessKey reads a key that has not been revoked. As with sessions, that it was is a fact that stays for as long as it would have
// worked (ST-7).
func getAccessKey(t store.Tx, id string) (r accessKeyRecord, found bool, err error) {
	r, found, err = get[accessKeyRecord](t, accessKeyKey(id))
	return r, found && !r.Ended, err
}

// NewAppPassword makes an access key for the person of a session in sudo mode. It stands for what the session has proven, no more. The
// person is told by mail.
//
// Errors are StepUpNeeded, TooManyKeys, BadKeyName, BadKeyHost, BadKeyPath, BadKeyMethod, BadKeyNetwork and BadKeyExpiry, and with in.Newest
// AlreadyDone, where another is the newest.
func (s *Service) NewAppPassword(ctx context.Context, c Client, session string, in NewAccessKey) (made MadeAccessKey, err error) {
	if len(in.Hosts) == 0 && c.Host != "" {
		in.Hosts = []string{c.Host}
	}
	_, err = s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		level := LevelPassword // in sudo mode the session has proven what there is
		if a.factors.enrolled() {
			level = LevelTwoFactor
		}
		made, err = t.makeAccessKey(a.user, in, &keyMaker{
			name: a.user.Name, session: a.session.ID, level: level, vouched: slices.ContainsFunc(a.session.Proofs, isVouched),
			shortest: MinAppPasswordLife, longest: MaxAppPasswordLife,
		})
		return p, err
	})
	if err != nil {
		return MadeAccessKey{}, err
	}
	return made, nil
}

// AddAccessKey makes an access key in an operator's name: a service token, or with a user name an app password of that person. It stands
// for two factors.
//
// Errors are those of NewAppPassword but StepUpNeeded, AlreadyDone only for a person and with in.Newest, and NotFound and Disabled for the person.
func (s *Service) AddAccessKey(ctx context.Context, c Client, user string, in NewAccessKey) (made MadeAccessKey, err error) {
	by := &keyMaker{name: operator, level: LevelTwoFactor, longest: MaxServiceTokenLife}
	add := func(t *tx, u *userRecord) (err error) {
		if u != nil && u.Disabled {
			return failf(Disabled, "the user %q is disabled, and no key of theirs would open anything: enable the account first", u.Name)
		}
		made, err = t.makeAccessKey(u, in, by)
		return err
	}
	if user != "" {
		err = s.onUser(ctx, c, user, add)
	} else {
		err = s.update(ctx, c, func(t *tx) error { return add(t, nil) })
	}
	if err != nil {
		return MadeAccessKey{}, err
	}
	return made, nil
}

// keyMaker is who makes a key, and what it can be at most.
type keyMaker struct {
	name, session     string
	level             Level
	vouched           bool
	shortest, longest time.Duration
}

// makeAccessKey makes a key of a person, or of nobody, and stores it.
func (t *tx) makeAccessKey(u *userRecord, in NewAccessKey, by *keyMaker) (made MadeAccessKey, err error) {
	r := accessKeyRecord{Level: by.level, Vouched: by.vouched}
	if err := r.ask(in, by, t.now); err != nil {
		return made, err
	}
	r.Created, r.MadeBy = t.now.UTC(), by.name
	var secret string
	r.ID, secret = t.s.keys.newAccessKey()
	sum := sha256.Sum256([]byte(secret))
	r.Secret = sum[:]
	if _, found, err := get[accessKeyRecord](t, accessKeyKey(r.ID)); err != nil || found {
		return made, fmt.Errorf("making the id of an access key: taken %t: %w", found, err)
	}
	made = MadeAccessKey{r.AccessKeyInfo, secret, r.ID + credential.KeyJoint + secret}
	e := Event{Type: EventAccessKeyMade, Outcome: success, Actor: by.name, Session: by.session, Key: r.ID, Detail: r.Name}
	if u == nil {
		t.event(e)
		return made, t.putAccessKey(&r)
	}
	u.AccessKeys = slices.DeleteFunc(u.AccessKeys, func(x ref) bool { return !t.now.Before(x.Expires) })
	if in.Newest != nil && *in.Newest != newestKey(u) {
		return made, failf(AlreadyDone, "an app password was made or revoked since")
	}
	if len(u.AccessKeys) >= MaxAccessKeys {
		return made, failf(TooManyKeys, "at most %d at a time: revoke one first", MaxAccessKeys)
	}
	u.AccessKeys = append(u.AccessKeys, ref{ID: r.ID, Expires: r.Expires})
	r.UserID, made.User = u.ID, u.Name
	t.eventFor(u, e)
	t.notify(u, Message{Kind: NoticeAppPasswordMade, KeyName: r.Name})
	if err := t.saveUser(u); err != nil {
		return made, err
	}
	return made, t.putAccessKey(&r)
}

// newestKey is the id of the newest key of a person, or empty.
func newestKey(u *userRecord) string {
	if len(u.AccessKeys) == 0 {
		return ""
	}
	return u.AccessKeys[len(u.AccessKeys)-1].ID
}

func (t *tx) putAccessKey(r *accessKeyRecord) error {
	return put(t, accessKeyKey(r.ID), r, r.Expires)
}

// RemoveAppPassword ends one of the person's own keys, in a session in sudo mode. Errors are StepUpNeeded and NotFound.
func (s *Service) RemoveAppPassword(ctx context.Context, c Client, session, id string) error {
	_, err := s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		if !slices.ContainsFunc(a.user.AccessKeys, func(x ref) bool { return x.ID == id }) {
			return p, failf(NotFound, "there is no app password of that id") // somebody else's is as good as none (ASVS 8.2.2)
		}
		r, found, err := getAccessKey(t, id)
		if err != nil || !found {
			return p, err
		}
		return p, t.revokeAccessKey(&r, a.user, a.user.Name, a.session.ID)
	})
	return err
}

// RevokeAccessKey ends any key by its id, as an operator does.
func (s *Service) RevokeAccessKey(ctx context.Context, c Client, id string) error {
	if !credential.IsKeyID(id) {
		return failf(NotFound, "there is no access key of that id")
	}
	return s.update(ctx, c, func(t *tx) error {
		r, found, err := getAccessKey(t, id)
		if err != nil {
			return err
		}
		if !found || !t.now.Before(r.Expires) {
			return failf(NotFound, "there is no access key %q", id)
		}
		var u *userRecord
		if r.UserID != "" {
			if u, found, err = userByID(t, r.UserID); err != nil {
				return err
			}
			if !found {
				return failf(NotFound, "there is no access key %q", id)
			}
		}
		return t.revokeAccessKey(&r, u, operator, "")
	})
}

// revokeAccessKey ends one key, and takes it off its person's list.
func (t *tx) revokeAccessKey(r *accessKeyRecord, u *userRecord, actor, session string) error {
	if err := t.endAccessKey(r, u, Event{Actor: actor, Session: session}, ""); err != nil || u == nil {
		return err
	}
	u.AccessKeys = slices.DeleteFunc(u.AccessKeys, func(x ref) bool { return x.ID == r.ID })
	return t.saveUser(u)
}

// endAccessKey writes that a key was ended, and nothing else of it.
func (t *tx) endAccessKey(r *accessKeyRecord, u *userRecord, e Event, why string) error {
	e.Type, e.Outcome, e.Key, e.Detail = EventAccessKeyRevoked, success, r.ID, r.Name
	if why != "" {
		e.Detail += ": " + why
	}
	if u != nil {
		t.eventFor(u, e)
	} else {
		t.event(e)
	}
	t.ended = append(t.ended, r.ID)
	ended := accessKeyRecord{UserID: r.UserID, Ended: true}
	ended.ID, ended.Expires = r.ID, r.Expires
	return t.putAccessKey(&ended)
}

// endAccessKeys ends all keys of a person. The caller saves the user.
func (t *tx) endAccessKeys(u *userRecord, actor, why string) error {
	for _, x := range u.AccessKeys {
		r, found, err := getAccessKey(t, x.ID)
		if err != nil {
			return err
		}
		if !found || !t.now.Before(r.Expires) {
			continue
		}
		if err := t.endAccessKey(&r, u, Event{Actor: actor}, why); err != nil {
			return err
		}
	}
	u.AccessKeys = nil
	return nil
}

// AppPasswords lists a person's own keys that have not run out, the oldest first.
func (s *Service) AppPasswords(ctx context.Context, userID string) (list []AccessKeyInfo, err error) {
	err = s.viewUser(ctx, userID, func(t store.Tx, u *userRecord) (err error) {
		list, err = s.accessKeysOf(t, u)
		return err
	})
	return list, err
}

// AccessKeys lists the keys of a person, or all of them when the name is empty, that have not run out. The order is that of the ids.
func (s *Service) AccessKeys(ctx context.Context, user string) (list []AccessKeyInfo, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		list = nil
		if user != "" {
			u, found, err := s.userByName(t, Canonical(user))
			if err != nil {
				return err
			}
			if !found {
				return failf(NotFound, "there is no user %q", user)
			}
			list, err = s.accessKeysOf(t, u)
			return err
		}
		return t.Scan(accessKeyKey(""), "", func(_ string, value []byte) error {
			var r accessKeyRecord
			if err := json.Unmarshal(value, &r); err != nil {
				return fmt.Errorf("decoding an access key: %w", err)
			}
			if r.Ended {
				return nil
			}
			var u *userRecord
			if r.UserID != "" {
				var err error
				var found bool
				if u, found, err = userByID(t, r.UserID); err != nil || !found {
					return err
				}
			}
			if info, works := s.accessKeyInfo(&r, u); works {
				list = append(list, info)
			}
			return nil
		})
	})
	return list, err
}

func (s *Service) accessKeysOf(t store.Tx, u *userRecord) (list []AccessKeyInfo, err error) {
	for _, x := range u.AccessKeys {
		r, found, err := getAccessKey(t, x.ID)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		if info, works := s.accessKeyInfo(&r, u); works {
			list = append(list, info)
		}
	}
	return list, nil
}

// accessKeyInfo describes a key that has not run out. Memory may know of a later use than the store.
func (s *Service) accessKeyInfo(r *accessKeyRecord, u *userRecord) (info AccessKeyInfo, works bool) {
	if !s.now().Before(r.Expires) {
		return info, false
	}
	info = r.AccessKeyInfo
	info.LastUsed = later(info.LastUsed, s.cache.lastSeen(r.ID).UTC())
	if u != nil {
		info.User = u.Name
	}
	return info, true
}
