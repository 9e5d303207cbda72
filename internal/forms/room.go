// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package forms

import (
	"context"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

const (
	// places is how many forms are in memory at once, for strangers and for people who are signed in each. One takes up to ten times
	// auth.MaxForm while it is read, sealed and written into a page.
	places = 4
	// patience is how long a form that comes back waits for a place.
	patience = 5 * time.Second
)

// Room bounds how much is kept in memory at once, for all sites together (DO-1, DO-4). Strangers cannot take the places of people who are
// signed in.
type Room struct{ strangers, people chan struct{} }

// NewRoom makes an empty Room.
func NewRoom() *Room { return &Room{make(chan struct{}, places), make(chan struct{}, places)} }

// enter takes a place, waiting at most so long; leave gives it back.
func (m *Room) enter(ctx context.Context, by *auth.Session, wait time.Duration) (leave func(), ok bool) {
	taken := m.strangers
	if by != nil {
		taken = m.people
	}
	leave = func() { <-taken }
	select {
	case taken <- struct{}{}:
		return leave, true
	default:
	}
	if wait == 0 {
		return nil, false
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case taken <- struct{}{}:
		return leave, true
	case <-late.C:
	case <-ctx.Done():
	}
	return nil, false
}
