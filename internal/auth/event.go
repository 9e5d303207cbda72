// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// Event is one line of the record of what happened. It never holds a secret.
type Event struct {
	ID      string     `json:"id"` // sortable by time
	Time    time.Time  `json:"time"`
	Type    string     `json:"type"`  // one of the Event… constants
	Actor   string     `json:"actor"` // canonical name, "operator", or "anonymous"
	UserID  string     `json:"user_id,omitempty"`
	User    string     `json:"user,omitempty"`
	Address netip.Addr `json:"address"`
	Outcome string     `json:"outcome"`          // "success", "failure" or "refused"
	Method  Method     `json:"method,omitempty"` // the factor concerned
	Session string     `json:"session,omitempty"`
	Detail  string     `json:"detail,omitempty"`
}

// What events are called. docs/events.md lists them for operators.
const (
	EventSignIn           = "sign_in"            // a session was made
	EventPassword         = "password"           // a password was wrong, or was right and more was needed than it
	EventCode             = "code"               // a code was wrong
	EventReplay           = "code_replay"        // a right code was used again
	EventBackupCode       = "backup_code_used"   // a backup code was used up
	EventStepUp           = "step_up"            // a session proved more
	EventSignOut          = "sign_out"           // the person ended the session
	EventSessionEnded     = "session_ended"      // an operator or a limit ended it
	EventTwoFactorEnabled = "two_factor_enabled" // the first factor was confirmed
	EventTwoFactorReset   = "two_factor_reset"   // an operator removed all factors
	EventUserAdded        = "user_added"
	EventUserDisabled     = "user_disabled"
	EventUserEnabled      = "user_enabled"
	EventUserDeleted      = "user_deleted"
	EventUserUnlocked     = "user_unlocked" // an operator cleared the counters
	EventLinkMade         = "link_made"
	EventLinkUsed         = "link_used"
)

const (
	success = "success"
	failure = "failure"
	refused = "refused"
)

const eventLife = 90 * 24 * time.Hour

// event notes what this act does. The record is written with the act's transaction, and told after it.
func (t *tx) event(e Event) {
	e.ID = fmt.Sprintf("%016x%s", t.now.UnixNano(), newID())
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

// Events calls fn with each stored event, oldest first; with a user name, only that person's. They are kept for 90 days.
func (s *Service) Events(ctx context.Context, user string, fn func(Event) error) error {
	name := Canonical(user)
	return s.view(ctx, func(t store.Tx) error {
		return t.Scan("event/", "", func(_ string, value []byte) error {
			var e Event
			if err := json.Unmarshal(value, &e); err != nil {
				return fmt.Errorf("decoding an event: %w", err)
			}
			if user != "" && e.User != name {
				return nil
			}
			return fn(e)
		})
	})
}
