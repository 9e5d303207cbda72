// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/netip"
	"slices"
	"time"
)

type runningSessions struct {
	Sessions []runningSession `json:"sessions"`
}

// runningSession is where the person is signed in.
type runningSession struct {
	ID       string     `json:"id"` // no credential
	Current  bool       `json:"current"`
	Device   string     `json:"device"`
	Address  netip.Addr `json:"address,omitzero"`
	Created  time.Time  `json:"created_at"`
	LastSeen time.Time  `json:"last_seen_at"`
	Expires  time.Time  `json:"expires_at"`
	Methods  []method   `json:"methods"`
}

// showSessions lists them, the newest first.
func showSessions(c *call, _ nothing) (any, error) {
	sessions, err := c.auth.SessionsOf(c.Context(), c.own.UserID)
	if err != nil {
		return nil, err
	}
	out := runningSessions{[]runningSession{}}
	for _, s := range slices.Backward(sessions) {
		out.Sessions = append(out.Sessions, runningSession{
			s.ID, s.ID == c.own.ID, s.Device, s.Address, moment(s.Created), moment(s.LastSeen), moment(s.Expires), proven(s.Proofs),
		})
	}
	return out, nil
}

func endOtherSessions(c *call, _ nothing) (any, error) {
	return nil, c.auth.EndOtherSessions(c.Context(), c.client(), c.ticket)
}

// endSession ends one of the person's own. The one at hand is a sign-out.
func endSession(c *call, in nothing) (any, error) {
	if c.id() == c.own.ID {
		return signOut(c, in)
	}
	return nil, c.auth.EndSession(c.Context(), c.client(), c.ticket, c.id())
}
