// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/store"
)

// endSession ends a session. The caller takes it off the user's list.
func (t *tx) endSession(u *userRecord, id, actor, why string) error {
	r, found, err := getSession(t, id)
	if err != nil || !found {
		return err
	}
	t.eventFor(u, Event{Type: EventSessionEnded, Outcome: success, Session: id, Detail: why, Actor: actor})
	return t.bury(&r)
}

// endSessions ends all sessions of a person but one. The caller saves the user.
func (t *tx) endSessions(u *userRecord, but, actor, why string) error {
	var kept []ref
	for _, x := range u.SessionIDs {
		if x.ID == but {
			kept = append(kept, x)
			continue
		}
		if err := t.endSession(u, x.ID, actor, why); err != nil {
			return err
		}
	}
	u.SessionIDs = kept
	return nil
}

// SignOut ends the session behind a cookie value, also one that has run out, or behind an access token, and is done when there is none. With
// a ticket that was handed over it ends the session of the portal, and so all of them.
func (s *Service) SignOut(ctx context.Context, c Client, value string) error {
	opens, id, ok := s.opener(c, value)
	if !ok {
		return nil
	}
	return s.update(ctx, c, func(t *tx) error {
		r, found, err := getSession(t, id)
		if err != nil || !found || !opens(&r) {
			return err // a ticket from before a rotation ends nothing
		}
		return t.signOut(&r, EventSignOut, "")
	})
}

// opener reads a cookie value or an access token: which session it may be of, and whether it is.
func (s *Service) opener(c Client, value string) (opens func(*sessionRecord) bool, id string, ok bool) {
	if credential.IsAccessToken(value) {
		said, ok := s.readAccessToken(c.asker(), value, s.now())
		return said.opens, said.Session, ok
	}
	id, sum, ok := s.keys.openTicket(useSession, value)
	return func(r *sessionRecord) bool {
		_, _, found := r.ticket(sum)
		return found
	}, id, ok
}

// signOut ends a session and takes it off its person's list.
func (t *tx) signOut(r *sessionRecord, event, actor string) error {
	if err := t.bury(r); err != nil {
		return err
	}
	u, found, err := userByID(t, r.UserID)
	if err != nil || !found {
		return err
	}
	t.eventFor(u, Event{Type: event, Outcome: success, Session: r.ID, Actor: actor})
	u.SessionIDs = slices.DeleteFunc(u.SessionIDs, func(x ref) bool { return x.ID == r.ID })
	return t.saveUser(u)
}

// RevokeSession ends a session by its id.
func (s *Service) RevokeSession(ctx context.Context, c Client, id string) error {
	if len(id) > 2*idSize {
		return failf(NotFound, "there is no session of that id") // and no key of that length, which the store would call an error
	}
	return s.update(ctx, c, func(t *tx) error {
		r, found, err := getSession(t, id)
		if err != nil {
			return err
		}
		if !found {
			return failf(NotFound, "there is no session %q", id)
		}
		return t.signOut(&r, EventSessionEnded, operator)
	})
}

// RevokeSessions ends all sessions of a person and returns how many there were.
func (s *Service) RevokeSessions(ctx context.Context, c Client, name string) (n int, err error) {
	err = s.onUser(ctx, c, name, func(t *tx, u *userRecord) error {
		if err := t.signOutElsewhere(u, "", operator, "all sessions were ended"); err != nil {
			return err
		}
		n = len(t.ended)
		return t.saveUser(u)
	})
	return n, err
}

// RevokeAllSessions ends all sessions of everybody, one person after the other, and returns how many there were. Who signs in meanwhile
// may stay.
func (s *Service) RevokeAllSessions(ctx context.Context, c Client) (n int, err error) {
	users, err := s.Users(ctx)
	if err != nil {
		return 0, err
	}
	for _, u := range users {
		ended, err := s.RevokeSessions(ctx, c, u.Name)
		if err != nil && KindOf(err) != NotFound {
			return n, err
		}
		n += ended
	}
	return n, nil
}

// Sessions lists the running sessions of one person, or of everybody when name is empty.
func (s *Service) Sessions(ctx context.Context, name string) (list []SessionInfo, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		list = nil
		if name != "" {
			u, found, err := s.userByName(t, Canonical(name))
			if err != nil {
				return err
			}
			if !found {
				return failf(NotFound, "there is no user %q", name)
			}
			list, err = s.sessionsOf(t, u)
			return err
		}
		return t.Scan("session/", "", func(_ string, value []byte) error {
			var r sessionRecord
			if err := json.Unmarshal(value, &r); err != nil {
				return fmt.Errorf("decoding a session: %w", err)
			}
			if r.Ended {
				return nil
			}
			u, found, err := userByID(t, r.UserID)
			if err != nil || !found {
				return err
			}
			if info, running := s.sessionInfo(&r, u); running {
				list = append(list, info)
			}
			return nil
		})
	})
	return list, err
}

func (s *Service) sessionsOf(t store.Tx, u *userRecord) (list []SessionInfo, err error) {
	for _, x := range u.SessionIDs {
		r, found, err := getSession(t, x.ID)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		if info, running := s.sessionInfo(&r, u); running {
			list = append(list, info)
		}
	}
	return list, nil
}

func (s *Service) sessionInfo(r *sessionRecord, u *userRecord) (info SessionInfo, running bool) {
	seen := s.cache.lastSeen(r.ID)
	if r.over(s.now(), seen) {
		return info, false
	}
	if seen.Before(r.LastSeen) {
		seen = r.LastSeen
	}
	return SessionInfo{
		ID: r.ID, User: u.Name, Device: r.Device, Address: r.Address, Created: r.Created, LastSeen: seen.UTC(), Expires: r.Expires,
		Proofs: r.Proofs, Program: r.Refresh != nil,
	}, true
}
