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

// ID-18, JW-12: a text is found under exactly its key, and only within its time, also when the clock is set back.
func TestCachedTextsOfASession(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	key := auth.CacheKey{Kind: "token", From: "a", For: "b"}
	s := new(auth.Session)
	s.Cache(key, "text", now, 30*time.Second)
	for _, c := range []struct {
		key   auth.CacheKey
		after time.Duration
		found bool
	}{
		{key, 0, true}, {key, 29 * time.Second, true}, {key, 30 * time.Second, false}, {key, -time.Second, false},
		{auth.CacheKey{Kind: "token", From: "b", For: "a"}, 0, false},
		{auth.CacheKey{Kind: "token", From: "a"}, 0, false},
		{auth.CacheKey{Kind: "tokena", From: "", For: "b"}, 0, false},
		{auth.CacheKey{}, 0, false},
	} {
		if text, ok := s.Cached(c.key, now.Add(c.after)); ok != c.found || ok && text != "text" {
			t.Errorf("%+v after %s: got %q, %v; want it found: %v", c.key, c.after, text, ok, c.found)
		}
	}
	s.Cache(key, "newer", now.Add(time.Second), time.Minute)
	if text, _ := s.Cached(key, now.Add(time.Second)); text != "newer" {
		t.Errorf("got %q, want the newer one", text)
	}

	groups := auth.CacheKey{Kind: "groups", For: "|"}
	s.CacheForGood(groups, "a|b")
	if _, ok := s.Cached(key, now.Add(time.Second)); !ok {
		t.Error("what depends on no time took away what does")
	}
	s.Cache(auth.CacheKey{Kind: "token"}, "text", now.Add(time.Hour), time.Second)
	for _, at := range []time.Time{{}, now, now.Add(100 * 365 * 24 * time.Hour)} {
		if text, ok := s.Cached(groups, at); !ok || text != "a|b" {
			t.Errorf("at %s: got %q, %v, want what was left for good", at, text, ok)
		}
	}
}

// Whoever has many applications costs no more memory than whoever has eight.
func TestCachedTextsAreBounded(t *testing.T) {
	now, s := time.Unix(1_800_000_000, 0), new(auth.Session)
	for i := range 100 {
		s.Cache(auth.CacheKey{For: fmt.Sprint(i)}, "text", now, time.Minute)
	}
	found := 0
	for i := range 100 {
		if _, ok := s.Cached(auth.CacheKey{For: fmt.Sprint(i)}, now); ok {
			found++
		}
	}
	if _, newest := s.Cached(auth.CacheKey{For: "99"}, now); found != 8 || !newest {
		t.Errorf("%d texts are kept, the newest among them: %v; want 8, true", found, newest)
	}
}

// ID-18: readers and writers at once, each finds its own text or none.
func TestCachedTextsAtOnce(t *testing.T) {
	now, s := time.Unix(1_800_000_000, 0), new(auth.Session)
	var crowd sync.WaitGroup
	for i := range 32 {
		crowd.Go(func() {
			key := auth.CacheKey{For: fmt.Sprint(i % 4)}
			for range 200 {
				s.Cache(key, key.For, now, time.Minute)
				if text, ok := s.Cached(key, now); !ok || text != key.For {
					t.Errorf("got %q, %v, want %q", text, ok, key.For)
				}
			}
		})
	}
	crowd.Wait()
}

// A text is about one snapshot of a person: what changes about the person or the session, with the same ticket, takes it away.
func TestCachedTextsGoWithTheSnapshot(t *testing.T) {
	b := authtest.New(t)
	bob := b.AddUser(t, auth.NewUser{Name: "bob"})
	ticket, key := bob.EnterPassword(t).Session, auth.CacheKey{Kind: "token"}
	session := func() *auth.Session {
		t.Helper()
		s, err := b.Session(t.Context(), auth.Asker{}, ticket)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	session().Cache(key, "bob, without a second factor", b.Clock.Now(), time.Minute)
	if _, ok := session().Cached(key, b.Clock.Now()); !ok {
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
	} else if text, ok := s.Cached(key, b.Clock.Now()); ok {
		t.Errorf("after the enrollment: %q", text)
	}
}
