// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// ID-18, JW-12: a note is found under exactly its key, and only within its time, also when the clock is set back.
func TestNotesOfASession(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	key := auth.NoteKey{Kind: "token", From: "a", For: "b"}
	s := new(auth.Session)
	s.Keep(key, "text", now, 30*time.Second)
	for _, c := range []struct {
		key   auth.NoteKey
		after time.Duration
		found bool
	}{
		{key, 0, true}, {key, 29 * time.Second, true}, {key, 30 * time.Second, false}, {key, -time.Second, false},
		{auth.NoteKey{Kind: "token", From: "b", For: "a"}, 0, false},
		{auth.NoteKey{Kind: "token", From: "a"}, 0, false},
		{auth.NoteKey{Kind: "tokena", From: "", For: "b"}, 0, false},
		{auth.NoteKey{}, 0, false},
	} {
		if text, ok := s.Note(c.key, now.Add(c.after)); ok != c.found || ok && text != "text" {
			t.Errorf("%+v after %s: got %q, %v; want it found: %v", c.key, c.after, text, ok, c.found)
		}
	}
	s.Keep(key, "newer", now.Add(time.Second), time.Minute)
	if text, _ := s.Note(key, now.Add(time.Second)); text != "newer" {
		t.Errorf("got %q, want the newer one", text)
	}
}

// Whoever has many applications costs no more memory than whoever has eight.
func TestNotesAreBounded(t *testing.T) {
	now, s := time.Unix(1_800_000_000, 0), new(auth.Session)
	for i := range 100 {
		s.Keep(auth.NoteKey{For: fmt.Sprint(i)}, "text", now, time.Minute)
	}
	found := 0
	for i := range 100 {
		if _, ok := s.Note(auth.NoteKey{For: fmt.Sprint(i)}, now); ok {
			found++
		}
	}
	if _, newest := s.Note(auth.NoteKey{For: "99"}, now); found != 8 || !newest {
		t.Errorf("%d notes are kept, the newest among them: %v; want 8, true", found, newest)
	}
}

// ID-18: readers and writers at once, each finds its own text or none.
func TestNotesAtOnce(t *testing.T) {
	now, s := time.Unix(1_800_000_000, 0), new(auth.Session)
	var crowd sync.WaitGroup
	for i := range 32 {
		crowd.Go(func() {
			key := auth.NoteKey{For: fmt.Sprint(i % 4)}
			for range 200 {
				s.Keep(key, key.For, now, time.Minute)
				if text, ok := s.Note(key, now); !ok || text != key.For {
					t.Errorf("got %q, %v, want %q", text, ok, key.For)
				}
			}
		})
	}
	crowd.Wait()
}

// A note is about one snapshot of a person: what changes about the person or the session, with the same ticket, takes it away.
func TestNotesGoWithTheSnapshot(t *testing.T) {
	b := authtest.New(t)
	bob := b.AddUser(t, auth.NewUser{Name: "bob"})
	ticket, key := bob.EnterPassword(t).Session, auth.NoteKey{Kind: "token"}
	session := func() *auth.Session {
		t.Helper()
		s, err := b.Session(t.Context(), "", ticket)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	session().Keep(key, "bob, without a second factor", b.Clock.Now(), time.Minute)
	if _, ok := session().Note(key, b.Clock.Now()); !ok {
		t.Fatal("the next request does not find it")
	}
	pr, err := b.StepUp(t.Context(), authtest.Client, ticket, auth.Requirement{Level: auth.LevelTwoFactor}, "")
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.Attempt(t.Context(), pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	bob.Secret = v.Pending.Secret
	if _, err := b.ConfirmEnrollment(t.Context(), authtest.Client, pr.Attempt, bob.Code()); err != nil {
		t.Fatal(err)
	}
	if s := session(); !s.Enrolled {
		t.Fatal("nothing has changed")
	} else if text, ok := s.Note(key, b.Clock.Now()); ok {
		t.Errorf("after the enrollment: %q", text)
	}
}
