// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"math"
	"slices"
	"time"
)

// CacheKey says what a text is that was made of a session. It holds all that the text depends on besides the session, so that whoever asks
// for the same may have the same, and nobody else's (ID-18, JW-12).
type CacheKey struct {
	Kind string // what it is
	From string // in whose name
	For  string // for whom, or for what use
}

// cachedText is a text and when it may be used, in seconds since 1970 by the clock on the wall: after that is set back, none of a time to
// come is used.
type cachedText struct {
	key         CacheKey
	text        string
	from, until int64
}

// maxCached texts are kept with one session. There is one for each application that it is told to.
const maxCached = 8

// Cached returns what was left with this snapshot under a key, while it may be used. It neither blocks nor allocates, and is safe for
// concurrent use. For what CacheForGood has left the time may be zero.
func (s *Session) Cached(key CacheKey, now time.Time) (text string, ok bool) {
	texts, at := s.cached.Load(), now.Unix()
	if texts == nil {
		return "", false
	}
	for i := range *texts {
		if c := &(*texts)[i]; c.from <= at && at < c.until && c.key == key {
			return c.text, true
		}
	}
	return "", false
}

// Cache leaves a text with this snapshot of the session, to be used for that long. It goes with the snapshot, so what is written in it
// never outlives a change of the person or the session. What is left may be forgotten early. It is safe for concurrent use.
func (s *Session) Cache(key CacheKey, text string, now time.Time, d time.Duration) {
	at := now.Unix()
	s.leave(cachedText{key, text, at, now.Add(d).Unix()}, func(c *cachedText) bool { return at < c.from || at >= c.until })
}

// CacheForGood is Cache for a text that depends on no time.
func (s *Session) CacheForGood(key CacheKey, text string) {
	s.leave(cachedText{key, text, math.MinInt64, math.MaxInt64}, func(*cachedText) bool { return false })
}

// leave adds a text in place of the one under its key and of those that are over.
func (s *Session) leave(newest cachedText, over func(*cachedText) bool) {
	for {
		old := s.cached.Load()
		var texts []cachedText
		if old != nil {
			texts = slices.DeleteFunc(slices.Clone(*old), func(c cachedText) bool { return c.key == newest.key || over(&c) })
		}
		if len(texts) >= maxCached {
			texts = texts[1:] // the oldest
		}
		texts = append(texts, newest)
		if s.cached.CompareAndSwap(old, &texts) {
			return
		}
	}
}
