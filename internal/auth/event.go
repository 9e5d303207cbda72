// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// Event is one line of the record of what happened. It never holds a secret.
type Event struct {
	ID      string     `json:"id"` // sortable by time
	Time    time.Time  `json:"time"`
	Type    string     `json:"type"`  // one of the Event… constants
	Actor   string     `json:"actor"` // canonical name, "operator", "anonymous", or "system" for what happens by itself
	UserID  string     `json:"user_id,omitempty"`
	User    string     `json:"user,omitempty"`
	Address netip.Addr `json:"address"`
	Outcome string     `json:"outcome"`          // "success", "failure" or "refused"
	Method  Method     `json:"method,omitempty"` // the factor concerned
	Session string     `json:"session,omitempty"`
	Key     string     `json:"key,omitempty"` // the id of the access key concerned
	Detail  string     `json:"detail,omitempty"`
}

// What events are called. docs/events.md lists them for operators.
const (
	EventSignIn            = "sign_in"             // a session was made
	EventPassword          = "password"            // a password was wrong, or was right and more was needed than it
	EventVouched           = "vouched"             // a handler in front vouched for somebody who was not let in
	EventCode              = "code"                // a code was wrong
	EventReplay            = "code_replay"         // a right code was used again
	EventBackupCode        = "backup_code_used"    // a backup code was used up
	EventStepUp            = "step_up"             // a session proved more
	EventHandedOver        = "handed_over"         // the portal's session was opened at another site too
	EventSignOut           = "sign_out"            // the person ended the session
	EventSessionEnded      = "session_ended"       // an operator or a limit ended it
	EventTwoFactorEnabled  = "two_factor_enabled"  // the first factor was confirmed
	EventTwoFactorReset    = "two_factor_reset"    // an operator removed all factors
	EventTwoFactorDisabled = "two_factor_disabled" // the owner removed all factors
	EventFactorAdded       = "factor_added"        // one more was confirmed
	EventFactorRemoved     = "factor_removed"
	EventFactorRenamed     = "factor_renamed"
	EventBackupCodesMade   = "backup_codes_made" // new ones took the place of the old
	EventPasswordChanged   = "password_changed"  // by its owner
	EventPasswordReset     = "password_reset"    // through a mailed link
	EventEmailChanged      = "email_changed"
	EventTrusted           = "browser_trusted" // the person asked not to be asked for a code here
	EventTrustEnded        = "browser_trust_ended"
	EventTrustCopied       = "browser_trust_copied" // a ticket came a second time
	EventTokenCopied       = "refresh_token_copied" // a refresh token came a second time, and the session ended
	EventUserAdded         = "user_added"
	EventUserDisabled      = "user_disabled"
	EventUserEnabled       = "user_enabled"
	EventUserDeleted       = "user_deleted"
	EventUserUnlocked      = "user_unlocked" // an operator cleared the counters
	EventLinkMade          = "link_made"
	EventLinkUsed          = "link_used"
	EventAccessKeyMade     = "access_key_made"
	EventAccessKeyRevoked  = "access_key_revoked" // by its person, by an operator, or by what ends all of them
	EventNotDelivered      = "not_delivered"      // a mail or a webhook's message was given up
)

const (
	success = "success"
	failure = "failure"
	refused = "refused"
)

const eventLife = 90 * 24 * time.Hour

// event notes what this act does. The record is written with the act's transaction, and told after it.
func (t *tx) event(e Event) {
	// The events of one act have one time. A nanosecond for each keeps them in the order in which they happened.
	e.ID = fmt.Sprintf("%016x%s", t.now.UnixNano()+int64(len(t.events)), newID())
	e.Time = t.now.UTC()
	e.Address = t.client.Address
	if e.Actor == "" {
		e.Actor = "anonymous"
	}
	t.events = append(t.events, e)
}

func (t *tx) eventFor(u *userRecord, e Event) {
	e.UserID, e.User = u.ID, u.Name
	if e.Actor == "" {
		e.Actor = u.Name
	}
	t.event(e)
}

func (t *tx) appendEvents() error {
	for _, e := range t.events {
		if err := put(t, "event/"+e.ID, e, t.now.Add(eventLife)); err != nil {
			return fmt.Errorf("appending an event: %w", err)
		}
	}
	return nil
}

// MaxEvents is how many events can be asked for at once.
const MaxEvents = 10_000

// Events returns the newest events, at most limit of them, in the order of time; with a user name, those that concern the account of
// that name, also one that is gone. They are kept for 90 days.
//
// A limit that is not 1 to MaxEvents is BadInput, and a name that nobody can have is BadName. An event that cannot be read fails the
// whole: a list with a hole would look complete.
//
// It reads, decrypts and decodes every stored event, whatever the limit: the order of the store begins with the oldest, and a name has
// no index. That is for an operator, never for a request of a visitor. Memory holds limit events and no more.
func (s *Service) Events(ctx context.Context, user string, limit int) ([]Event, error) {
	if limit < 1 || limit > MaxEvents {
		return nil, failf(BadInput, "the limit of events is 1 to %d", MaxEvents)
	}
	name := ""
	if user != "" {
		var err error
		if name, err = checkName(user); err != nil {
			return nil, err
		}
	}
	var ring []Event
	oldest := 0 // in the ring, once it is full
	err := s.view(ctx, func(t store.Tx) error {
		ring, oldest = nil, 0
		return t.Scan("event/", "", func(_ string, value []byte) error {
			var e Event
			if err := json.Unmarshal(value, &e); err != nil {
				return fmt.Errorf("decoding an event: %w", err)
			}
			switch {
			case name != "" && e.User != name:
			case len(ring) < limit:
				ring = append(ring, e)
			default:
				ring[oldest] = e
				oldest = (oldest + 1) % limit
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(ring[oldest:], ring[:oldest]), nil
}
