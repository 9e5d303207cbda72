// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/store"
)

// manyEvents lets an operator act on alice and bob in turn, a second apart, and returns what was told.
func manyEvents(t *testing.T, b *authtest.Bench) []auth.Event {
	t.Helper()
	b.AddUser(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(time.Second)
	b.AddUser(t, auth.NewUser{Name: "bob"})
	for i := range 10 {
		b.Clock.Move(time.Second)
		if err := b.Unlock(t.Context(), auth.Client{}, []string{"alice", "bob"}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.Events) != 12 {
		t.Fatalf("%d events were told, want 12", len(b.Events))
	}
	return b.Events
}

func TestEventsAreTheNewestInOrder(t *testing.T) {
	b := authtest.New(t)
	told := manyEvents(t, b)
	for _, limit := range []int{1, 2, 5, 7, 11, 12, 13, auth.MaxEvents} {
		got, err := b.Service.Events(t.Context(), "", limit)
		want := told[max(0, len(told)-limit):]
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("the newest %d: got %+v, %v\nwant %+v", limit, got, err, want)
		}
	}
}

// One act tells several events, with one time: the account is deleted, and so its sessions end.
func TestEventsOfOneActKeepTheirOrder(t *testing.T) {
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	for range 6 {
		b.Clock.Move(time.Second)
		alice.EnterPassword(t)
	}
	b.Clock.Move(time.Second)
	if err := b.DeleteUser(t.Context(), auth.Client{}, "alice"); err != nil {
		t.Fatal(err)
	}
	want := b.Events[len(b.Events)-7:]
	if first, last := want[0], want[6]; first.Type != auth.EventUserDeleted || last.Type != auth.EventSessionEnded || first.Time != last.Time {
		t.Fatalf("the deletion told %+v", want)
	}
	if got, err := b.Service.Events(t.Context(), "", 7); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestEventsOfOnePerson(t *testing.T) {
	b := authtest.New(t)
	ctx := t.Context()
	manyEvents(t, b)
	b.Clock.Move(time.Second)
	if err := b.DeleteUser(ctx, auth.Client{}, "bob"); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(time.Second)
	// A name that is nobody's is in no event, so that this one has no user.
	if _, err := b.SignIn(ctx, authtest.Client, auth.Credentials{Name: "mallory", Password: "a guess of some length"}); err == nil {
		t.Fatal("a stranger came in")
	}
	want := slices.DeleteFunc(slices.Clone(b.Events), func(e auth.Event) bool { return e.User != "bob" })
	if len(want) != 7 {
		t.Fatalf("bob has %d events, want 7", len(want))
	}
	for _, name := range []string{"bob", "BOB", " Bob ", "ｂｏｂ"} {
		if got, err := b.Service.Events(ctx, name, 100); err != nil || !slices.Equal(got, want) {
			t.Errorf("of %q: got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
	if got, err := b.Service.Events(ctx, "bob", 3); err != nil || !slices.Equal(got, want[4:]) {
		t.Errorf("the newest three of bob: got %+v, %v\nwant %+v", got, err, want[4:])
	}
	if got, err := b.Service.Events(ctx, "mallory", 100); err != nil || len(got) != 0 {
		t.Errorf("of nobody: got %+v, %v", got, err)
	}
	for _, name := range []string{" ", "b b", "\x00"} {
		_, err := b.Service.Events(ctx, name, 100)
		wantKind(t, err, auth.BadName, "asking for the events of a name that nobody can have")
	}
}

func TestEventsLimit(t *testing.T) {
	b := authtest.New(t)
	for _, limit := range []int{-1, 0, auth.MaxEvents + 1} {
		_, err := b.Service.Events(t.Context(), "", limit)
		wantKind(t, err, auth.BadInput, "asking for a number of events that is out of bounds")
	}
}

// An event that cannot be read, be it the oldest of many, is an error: a list with a hole would look complete.
func TestUnreadableEventIsAnError(t *testing.T) {
	t.Run("not JSON", func(t *testing.T) {
		b := authtest.New(t)
		manyEvents(t, b)
		if err := b.Store.Update(t.Context(), func(tx store.Tx) error {
			return tx.Set("event/"+b.Events[0].ID, []byte(`{"id":`), time.Time{})
		}); err != nil {
			t.Fatal(err)
		}
		got, err := b.Service.Events(t.Context(), "", 3)
		wantKind(t, err, auth.Unavailable, "listing events of which one is broken")
		if got != nil {
			t.Errorf("got %+v beside the error", got)
		}
	})
	t.Run("store", func(t *testing.T) {
		b := authtest.New(t)
		manyEvents(t, b)
		b.Store.FailReads("event/", errDisk)
		got, err := b.Service.Events(t.Context(), "", 3)
		wantKind(t, err, auth.Unavailable, "listing events on a broken disk")
		if got != nil || !errors.Is(err, errDisk) {
			t.Errorf("got %+v, %v; want nothing but the cause", got, err)
		}
	})
}
