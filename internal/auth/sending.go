// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import "time"

// What is sent is bounded, so that nobody fills a mailbox, spends an SMS budget or makes a mail server distrust us (ML-2): for the
// person, for the address or destination, for the network that asked, and in all.
//
// Nobody must use up what another one needs. So codes to an address that whoever asks has not proven, which anybody may name, have a
// counter of their own, and so have reset links; notices are not counted here at all. What changes an account takes sudo mode, is bounded for each session, and is
// always told. What merely signs in is told five times, and then once an hour: with a right password anybody can sign in all day.
const (
	sendMost, sendEvery       = 10, 6 * time.Minute // for a person, and for an address
	sendNetMost, sendNetEvery = 100, 36 * time.Second
	sendAllMost, sendAllEvery = 1000, 4 * time.Second
	noticeMost, noticeEvery   = 5, time.Hour
)

// sendLimits are the counters of a code. proven says that the address or destination is known to be the person's.
func (t *tx) sendLimits(userID, to string, proven bool) []limit {
	place := "send/to/"
	if !proven {
		place = "send/unproven/"
	}
	limits := append([]limit{
		leaking("send/user/"+userID, sendMost, sendEvery),
		leaking(place+t.s.keys.nameKey(canonicalAddress(to)), sendMost, sendEvery),
		leaking("send/all", sendAllMost, sendAllEvery),
	}, t.perNetwork("send/net/", sendNetMost, sendNetEvery)...)
	for i := range limits {
		limits[i].kind = TooManyMessages
	}
	return limits
}

// notifySignIn tells the owner of a sign-in, as often as is worth reading.
func (t *tx) notifySignIn(u *userRecord, kind MessageKind) error {
	if _, err := t.reserve([]limit{leaking("notice/"+u.ID, noticeMost, noticeEvery)}); err != nil {
		return ignoreFull(err)
	}
	t.notify(u, Message{Kind: kind})
	return nil
}

// ignoreFull takes a counter that is full for an end without an error: there is nobody to tell.
func ignoreFull(err error) error {
	if k := KindOf(classify(err)); k == TooManyTries || k == TooManyMessages {
		return nil
	}
	return err
}
