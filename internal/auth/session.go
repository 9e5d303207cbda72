// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"net/netip"
	"time"
)

// Session is a finished sign-in on one browser, as of the moment it was loaded. It is shared by every request of that browser: its
// fields are read-only, slices included. A change to the person or the session makes a new one, so a request that holds it sees one
// consistent identity.
type Session struct {
	ID       string // names it in lists and events; no credential
	UserID   string
	Name     string // canonical user name
	FullName string
	Email    string
	Groups   []string
	Admin    bool
	Enrolled bool // the person has a confirmed second factor
	Proofs   []Proof
	Created  time.Time
	Expires  time.Time     // the end, whatever happens
	Idle     time.Duration // or this long after the last request
	Device   string
	Address  netip.Addr

	live live
}

// Watch calls cancel when the session ends, by any cause, until stop is called. It is how an open WebSocket or stream dies with its
// session. stop must be called when the request is over. If the session has ended already, cancel is called at once.
func (s *Session) Watch(cancel context.CancelFunc) (stop func()) { return s.live.watch(cancel) }
