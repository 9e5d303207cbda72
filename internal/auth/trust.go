// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// A trusted browser is one in which a person has asked not to be asked for a code for a while. It is off unless the operator turns it on
// (NIST SP 800-63B-4 §5.1 advises against it). What it stands for is a proof of its own, TrustedBrowser, which no fresh demand accepts.
//
// Its ticket is good for one sign-in: each use draws the next one. A ticket that comes a second time has been copied, and whichever of
// the two came first, the trust and all sessions end and the owner is told. It also ends when a factor or the password changes, since it vouches for
// those it was given for.

const (
	useTrust   = "trust"
	maxTrusted = 20 // browsers of one person; the oldest goes
	// ticketGrace is how long the ticket before the newest is still good: a form that is sent twice by a double click, or whose answer was
	// lost, is no theft.
	ticketGrace = time.Minute
)

// TrustedInfo describes a trusted browser in lists. ID is no credential.
type TrustedInfo struct {
	ID       string     `json:"id"`
	Device   string     `json:"device"`
	Address  netip.Addr `json:"address"`
	Created  time.Time  `json:"created"`
	LastUsed time.Time  `json:"last_used"`
	Expires  time.Time  `json:"expires"`
}

type trustedRecord struct {
	TrustedInfo
	UserID   string `json:"user_id"`
	Secret   []byte `json:"secret"`             // SHA-256 of the ticket that comes next
	Previous []byte `json:"previous,omitempty"` // and of the one before, for a moment
	Version  string `json:"version"`            // of the factors it vouches for
	Place    string `json:"place,omitempty"`    // the host at which the browser is trusted
	Ended    bool   `json:"ended,omitempty"`
}

func trustedKey(id string) string { return "trusted/" + id }

// trust makes this browser a trusted one and returns the value of its cookie.
func (t *tx) trust(u *userRecord, f *factors) (value string, expires time.Time, err error) {
	expires = t.now.Add(t.s.settings.Trust).UTC()
	r := trustedRecord{
		TrustedInfo: TrustedInfo{
			ID: newID(), Device: cut(t.client.Device, maxDevice), Address: t.client.Address,
			Created: t.now.UTC(), LastUsed: t.now.UTC(), Expires: expires,
		},
		UserID: u.ID, Version: f.Version, Place: t.client.Host,
	}
	u.Trusted = slices.DeleteFunc(u.Trusted, func(x ref) bool { return !t.now.Before(x.Expires) })
	for len(u.Trusted) >= maxTrusted {
		if err := t.endTrust(u, u.Trusted[0].ID, u.Name, "too many trusted browsers"); err != nil {
			return "", expires, err
		}
	}
	u.Trusted = append(u.Trusted, ref{ID: r.ID, Expires: expires})
	t.eventFor(u, Event{Type: EventTrusted, Outcome: success, Detail: r.ID})
	id, err := hex.DecodeString(r.ID)
	if err != nil {
		return "", expires, fmt.Errorf("decoding the id of a trusted browser: %w", err)
	}
	value, r.Secret = t.s.keys.newTicket(useTrust, id)
	return value, expires, put(t, trustedKey(r.ID), r, r.Expires)
}

// trusted tells whether this browser is a trusted one of the person, whose password has just been right, and draws its next ticket. The
// one before is good for ticketGrace, and gets the same.
func (t *tx) trusted(u *userRecord, f *factors) (is bool, next string, expires time.Time, err error) {
	id, sum, ok := t.s.keys.openTicket(useTrust, t.client.Trusted)
	if !ok || t.s.settings.Trust <= 0 {
		return false, "", expires, nil
	}
	r, found, err := get[trustedRecord](t, trustedKey(id))
	if err != nil || !found || r.UserID != u.ID || r.Ended || !t.now.Before(r.Expires) || !t.s.opens(r.Place, t.client.Host) {
		return false, "", expires, err
	}
	newest := subtle.ConstantTimeCompare(sum, r.Secret) == 1
	since := t.now.Sub(r.LastUsed)
	again := subtle.ConstantTimeCompare(sum, r.Previous) == 1 && 0 <= since && since < ticketGrace
	if !newest && !again {
		t.eventFor(u, Event{Type: EventTrustCopied, Outcome: refused, Detail: r.ID})
		t.notify(u, Message{Kind: NoticeTrustedElsewhere})
		// Whoever was first may be signed in by it.
		if err := t.endSessions(u, "", u.Name, "the ticket of a trusted browser was used twice"); err != nil {
			return false, "", expires, err
		}
		return false, "", expires, t.distrust(u, r.ID, "its ticket was used twice")
	}
	if !r.vouches(f, t.now, t.s.settings.Trust) {
		return false, "", expires, t.distrust(u, r.ID, "what it stood for has changed")
	}
	next, after := t.s.keys.nextTicket(useTrust, t.client.Trusted)
	if again {
		return true, next, r.Expires, nil
	}
	r.Previous, r.Secret, r.LastUsed, r.Address = r.Secret, after, t.now.UTC(), t.client.Address
	return true, next, r.Expires, put(t, trustedKey(r.ID), r, r.Expires)
}

// vouches tells whether the trust still stands for what it was given for: a change of factors ends it, and so does a shorter time in the
// configuration.
func (r *trustedRecord) vouches(f *factors, now time.Time, trust time.Duration) bool {
	return r.Version == f.Version && now.Sub(r.Created) < trust
}

func (t *tx) distrust(u *userRecord, id, why string) error {
	if err := t.endTrust(u, id, u.Name, why); err != nil {
		return err
	}
	return t.saveUser(u)
}

// endTrust ends the trust in one browser, with a fact that stays until it would have run out. The caller saves the user.
func (t *tx) endTrust(u *userRecord, id, actor, why string) error {
	u.Trusted = slices.DeleteFunc(slices.Clone(u.Trusted), func(x ref) bool { return x.ID == id })
	r, found, err := get[trustedRecord](t, trustedKey(id))
	if err != nil || !found || r.Ended {
		return err
	}
	t.eventFor(u, Event{Type: EventTrustEnded, Outcome: success, Actor: actor, Detail: why})
	ended := trustedRecord{TrustedInfo: TrustedInfo{ID: id, Expires: r.Expires}, UserID: r.UserID, Ended: true}
	if err := put(t, trustedKey(id), ended, r.Expires); err != nil {
		return fmt.Errorf("ending the trust in a browser: %w", err)
	}
	return nil
}

// endAllTrust ends the trust in all browsers of a person. The caller saves the user.
func (t *tx) endAllTrust(u *userRecord, actor, why string) error {
	for _, x := range slices.Clone(u.Trusted) {
		if err := t.endTrust(u, x.ID, actor, why); err != nil {
			return err
		}
	}
	return nil
}

// TrustedBrowsers lists the browsers in which a person is not asked for a code, the oldest first.
func (s *Service) TrustedBrowsers(ctx context.Context, userID string) (list []TrustedInfo, err error) {
	now := s.now()
	err = s.viewUser(ctx, userID, func(t store.Tx, u *userRecord) error {
		list = nil
		f, err := loadFactors(t, u.ID)
		if err != nil {
			return err
		}
		for _, x := range u.Trusted {
			r, found, err := get[trustedRecord](t, trustedKey(x.ID))
			if err != nil {
				return err
			}
			if found && !r.Ended && now.Before(r.Expires) && r.vouches(&f, now, s.settings.Trust) {
				list = append(list, r.TrustedInfo)
			}
		}
		return nil
	})
	return list, err
}
