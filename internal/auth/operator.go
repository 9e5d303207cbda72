// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// operator is the actor of commands.
const operator = "operator"

// AddUser makes an account. Without a password it returns an invite link, which works for a day; with one, none.
func (s *Service) AddUser(ctx context.Context, c Client, in NewUser) (u User, invite NewLink, err error) {
	var hash string
	if in.Password != "" {
		if err := s.checkPassword(c, in.Password, Canonical(in.Name), in.Email); err != nil {
			return User{}, invite, err
		}
		if hash, err = s.hasher.Hash(ctx, in.Password); err != nil {
			return User{}, invite, classify(err)
		}
	}
	err = s.update(ctx, c, func(t *tx) error {
		r, err := t.createUser(in, hash)
		if err != nil {
			return err
		}
		invite = NewLink{}
		if hash == "" {
			if invite, err = t.newLink(InviteLink, r); err != nil {
				return err
			}
		}
		u = r.User
		t.eventFor(r, Event{Type: EventUserAdded, Actor: operator, Outcome: success})
		return nil
	})
	return u, invite, err
}

// Users lists everybody, in no particular order.
func (s *Service) Users(ctx context.Context) (users []User, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		users = users[:0]
		return t.Scan("user/", "", func(_ string, value []byte) error {
			var r userRecord
			if err := json.Unmarshal(value, &r); err != nil {
				return fmt.Errorf("decoding a user: %w", err)
			}
			users = append(users, r.User)
			return nil
		})
	})
	return users, err
}

// User describes one person to an operator.
func (s *Service) User(ctx context.Context, name string) (d UserDetail, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		u, found, err := s.userByName(t, Canonical(name))
		if err != nil {
			return err
		}
		if !found {
			return failf(NotFound, "there is no user %q", name)
		}
		d, err = s.detail(t, u)
		return err
	})
	return d, err
}

// onUser is an operator's act on one person.
func (s *Service) onUser(ctx context.Context, c Client, name string, fn func(t *tx, u *userRecord) error) error {
	return s.update(ctx, c, func(t *tx) error {
		u, found, err := s.userByName(t, Canonical(name))
		if err != nil {
			return err
		}
		if !found {
			return failf(NotFound, "there is no user %q", name)
		}
		return fn(t, u)
	})
}

// SetDisabled shuts an account, which ends its sessions at once, or opens it again.
func (s *Service) SetDisabled(ctx context.Context, c Client, name string, disabled bool) error {
	return s.onUser(ctx, c, name, func(t *tx, u *userRecord) error {
		done := u.Disabled == disabled
		what, state := EventUserEnabled, "enabled"
		if disabled {
			what, state = EventUserDisabled, "disabled"
			if err := t.endElsewhere(u, "", operator, "the account was disabled"); err != nil {
				return err
			}
		}
		if done && len(t.ended) == 0 {
			return failf(AlreadyDone, "the user %q is %s already", u.Name, state)
		}
		u.Disabled = disabled
		if err := t.countAdministrator(u); err != nil {
			return err
		}
		t.eventFor(u, Event{Type: what, Actor: operator, Outcome: success})
		return t.saveUser(u)
	})
}

// DeleteUser removes a person, with factors and sessions. Events stay, and so do links and attempts, which open nothing without the
// person, until they run out. The name may be given again; the id never is.
func (s *Service) DeleteUser(ctx context.Context, c Client, name string) error {
	return s.onUser(ctx, c, name, func(t *tx, u *userRecord) error {
		t.eventFor(u, Event{Type: EventUserDeleted, Actor: operator, Outcome: success})
		if err := t.endElsewhere(u, "", operator, "the account was deleted"); err != nil {
			return err
		}
		u.Admin = false
		if err := t.countAdministrator(u); err != nil {
			return err
		}
		if err := t.setEmail(u, ""); err != nil {
			return err
		}
		if err := t.clearCodes(u.ID); err != nil {
			return err
		}
		for _, key := range []string{userKey(u.ID), nameIndex(t.s.keys.nameKey(u.Name)), factorsKey(u.ID), knownKey(u.ID)} {
			if err := t.Delete(key); err != nil {
				return fmt.Errorf("deleting a user: %w", err)
			}
		}
		return nil
	})
}

// ResetTwoFactor removes all second factors and backup codes of a person, ends their sessions and returns the link with which they
// enroll again. Until then the password alone enrolls nothing: whoever knows only the password must not be the one who
// binds the new authenticator. A person who never accepted the invite, and has not signed in in another way either, gets a new invite
// instead.
func (s *Service) ResetTwoFactor(ctx context.Context, c Client, name string) (link NewLink, err error) {
	err = s.onUser(ctx, c, name, func(t *tx, u *userRecord) error {
		if u.Disabled {
			return failf(Disabled, "the user %q is disabled, and no link would open: enable the account first", u.Name)
		}
		if err := t.endElsewhere(u, "", operator, "the second factor was reset"); err != nil {
			return err
		}
		if err := t.clearCodes(u.ID); err != nil {
			return err
		}
		if err := put(t, factorsKey(u.ID), factors{Version: newID()}, time.Time{}); err != nil {
			return err
		}
		kind := ReenrollLink
		if u.Password == "" && !u.Welcomed {
			kind = InviteLink
		}
		u.LinkNeeded = kind == ReenrollLink
		if link, err = t.newLink(kind, u); err != nil {
			return err
		}
		t.eventFor(u, Event{Type: EventTwoFactorReset, Actor: operator, Outcome: success})
		t.notify(u, Message{Kind: NoticeTwoFactorReset})
		return nil
	})
	return link, err
}

// Unlock clears what guessing has stopped for a person: codes everywhere, the password from every network and in every browser.
func (s *Service) Unlock(ctx context.Context, c Client, name string) error {
	return s.onUser(ctx, c, name, func(t *tx, u *userRecord) error {
		if err := t.clearCodes(u.ID); err != nil {
			return err
		}
		if err := t.clear(u.ID, confirmKey); err != nil {
			return err
		}
		t.eventFor(u, Event{Type: EventUserUnlocked, Actor: operator, Outcome: success})
		return t.clearPassword(u)
	})
}

// clearPassword forgets the failures at a person's password, wherever they happened.
func (t *tx) clearPassword(u *userRecord) error {
	prefix := passwordKey(t.s.keys.nameKey(u.Name))
	keys := []string{prefix}
	err := t.Scan(prefix+"/", "", func(key string, _ []byte) error {
		keys = append(keys, key)
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for counters: %w", err)
	}
	for _, key := range keys {
		if err := t.Delete(key); err != nil {
			return fmt.Errorf("clearing a counter: %w", err)
		}
	}
	return nil
}
