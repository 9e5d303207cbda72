// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"maps"
	"slices"
	"sync"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// Roster is the Couriers of one store, and the messages that they have in hand. It outlives configurations: on a reload the new Courier
// starts before the old one stops, and without it both would deliver what is stored. The zero value is empty and ready. It is safe for
// concurrent use.
type Roster struct {
	mu     sync.Mutex
	onDuty []*Courier // the newest last
	inHand map[string]bool
}

// enlist puts a Courier on duty and returns which messages are in somebody's hands.
func (r *Roster) enlist(c *Courier) map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onDuty = append(r.onDuty, c)
	return maps.Clone(r.inHand)
}

func (r *Roster) discharge(c *Courier) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onDuty = slices.DeleteFunc(r.onDuty, func(o *Courier) bool { return o == c })
}

// newest is the Courier that came last, or nil.
func (r *Roster) newest() *Courier {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.onDuty) == 0 {
		return nil
	}
	return r.onDuty[len(r.onDuty)-1]
}

// claim tells whether the message was in nobody's hands, and is now in the caller's.
func (r *Roster) claim(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inHand[id] {
		return false
	}
	if r.inHand == nil {
		r.inHand = make(map[string]bool)
	}
	r.inHand[id] = true
	return true
}

func (r *Roster) release(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inHand, id)
}

// handOn gives a message that a stopped Courier has not delivered to another one. When there is none the process ends: a code or link
// is given up, so that the page that waits for it says so after the restart, and a notice stays stored.
func (c *Courier) handOn(m auth.Message) {
	for heir := c.cfg.Roster.newest(); heir != nil; heir = c.cfg.Roster.newest() {
		if heir.take(m) {
			return
		}
	}
	if m.Secret() {
		c.end(m, errStopped)
	}
}
