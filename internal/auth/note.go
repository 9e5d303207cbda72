// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"slices"
	"time"
)

// NoteKey says what a note is. It holds all that the text depends on besides the session, so that whoever asks for the same may have the
// same, and nobody else's (ID-18, JW-12).
type NoteKey struct {
	Kind string // what it is
	From string // in whose name
	For  string // for whom
}

// note is a text and when it may be used, in seconds since 1970 by the clock on the wall: after that is set back, no note of a time to
// come is used.
type note struct {
	key         NoteKey
	text        string
	from, until int64
}

// maxNotes are kept with one session. There is one for each application that it is told to.
const maxNotes = 8

// Note returns what Keep has left under a key, while it may be used. It neither blocks nor allocates, and is safe for concurrent use.
func (s *Session) Note(key NoteKey, now time.Time) (text string, ok bool) {
	notes, at := s.notes.Load(), now.Unix()
	if notes == nil {
		return "", false
	}
	for i := range *notes {
		if n := &(*notes)[i]; n.from <= at && at < n.until && n.key == key {
			return n.text, true
		}
	}
	return "", false
}

// Keep leaves a text with this snapshot of the session, to be used for that long. It goes with the snapshot, so what is written in it
// never outlives a change of the person or the session. What is kept may be forgotten early. It is safe for concurrent use.
func (s *Session) Keep(key NoteKey, text string, now time.Time, d time.Duration) {
	at := now.Unix()
	kept := note{key, text, at, now.Add(d).Unix()}
	for {
		old := s.notes.Load()
		var notes []note
		if old != nil {
			notes = slices.DeleteFunc(slices.Clone(*old), func(n note) bool { return n.key == key || at < n.from || at >= n.until })
		}
		if len(notes) >= maxNotes {
			notes = notes[1:] // the oldest
		}
		notes = append(notes, kept)
		if s.notes.CompareAndSwap(old, &notes) {
			return
		}
	}
}
