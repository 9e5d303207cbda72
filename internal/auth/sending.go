// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"time"
)

// What is sent is bounded, so that nobody fills a mailbox, spends an SMS budget or makes a mail server distrust us (ML-2). Every message
// is counted for the person, the address it goes to, the network that asked and in all. Codes and links are refused where one of the
// counters is full; notices are counted and never held back, since they tell an owner what has happened.
const (
	sendMost, sendEvery       = 10, 6 * time.Minute // for a person, and for an address
	sendNetMost, sendNetEvery = 30, 2 * time.Minute
	sendAllMost, sendAllEvery = 1000, 4 * time.Second
)

// sendLimits are the counters of a message to an address or destination.
func (t *tx) sendLimits(userID, to string) []limit {
	limits := []limit{
		leaking("send/user/"+userID, sendMost, sendEvery),
		leaking("send/to/"+t.s.keys.nameKey(to), sendMost, sendEvery),
		leaking("send/net/"+network(t.client.Address), sendNetMost, sendNetEvery),
		leaking("send/all", sendAllMost, sendAllEvery),
	}
	for i := range limits {
		limits[i].kind = TooManyMessages
	}
	return limits
}

// count raises leaking counters without asking whether they are full.
func (t *tx) count(limits []limit) error {
	for _, l := range limits {
		c, _, err := get[counter](t, l.key)
		if err != nil {
			return err
		}
		c.forget(t.now, l.every)
		c.Failures, c.Last = min(c.Failures+1, l.most), t.now
		if err := t.putCounter(l, c); err != nil {
			return fmt.Errorf("counting a message: %w", err)
		}
	}
	return nil
}
