// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/store"
)

var errDisk = errors.New("disk on fire")

// TestST11MF25ErrorIsNeverAbsence: a record that cannot be read is not a record that is not there. Every kind of record is broken in
// turn, and no act may take that for "no second factor", "signed out" or "wrong".
func TestST11MF25ErrorIsNeverAbsence(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"user/", "name/", "factors/", "session/", "attempt/", "guess/", "known/", "link/", "administrators"} {
		t.Run(prefix, func(t *testing.T) {
			b := authtest.New(t)
			ctx := t.Context()
			alice := b.Enroll(t, auth.NewUser{Name: "alice", Admin: true})
			p := alice.EnterPassword(t)
			_, invite, err := b.Service.AddUser(ctx, auth.Client{}, auth.NewUser{Name: "bob"})
			if err != nil {
				t.Fatal(err)
			}
			b.Restart(t) // so that no session is in memory
			b.Store.FailReads(prefix, errDisk)
			acts := map[string]func() error{
				"session": func() error { _, err := b.Session(ctx, auth.Asker{}, alice.Session); return err },
				"sign in": func() error { _, err := b.SignIn(ctx, authtest.Client, alice.Credentials()); return err },
				"code":    func() error { _, err := b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, alice.Code()); return err },
				"backup code": func() error {
					_, err := b.Code(ctx, authtest.Client, p.Attempt, auth.BackupCode, alice.Codes[0])
					return err
				},
				"step up": func() error {
					_, err := b.StepUp(ctx, authtest.Client, alice.Session, auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Minute}, "")
					return err
				},
				"invite": func() error {
					_, err := b.AcceptInvite(ctx, authtest.Client, invite.Token, "bob has a passphrase")
					return err
				},
				"setup":   func() error { _, err := b.NewSetupLink(ctx); return err },
				"disable": func() error { return b.SetDisabled(ctx, auth.Client{}, "alice", true) },
			}
			broken := 0
			for name, act := range acts {
				err := act()
				switch {
				case err == nil:
				case auth.KindOf(err) == auth.Unavailable:
					if broken++; !errors.Is(err, errDisk) {
						t.Errorf("%s: the cause is lost: %v", name, err)
					}
				case name == "setup" && auth.KindOf(err) == auth.AlreadyDone, name == "disable" && auth.KindOf(err) == auth.LastAdministrator:
				case auth.KindOf(err) == auth.AttemptGone && (name == "code" || name == "backup code"):
					// map order: the other act has finished the attempt
				default:
					t.Errorf("%s with unreadable %s: %v", name, prefix, err)
				}
			}
			if broken == 0 {
				t.Errorf("no act reads %s", prefix)
			}
		})
	}
}

func TestST3NothingIsHalfDone(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	p := alice.EnterPassword(t)
	b.Store.FailCommits(errDisk)
	code := alice.Code()
	_, err := b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, code)
	wantKind(t, err, auth.Unavailable, "a code while the disk is full")
	err = b.SignOut(ctx, authtest.Client, alice.Session)
	wantKind(t, err, auth.Unavailable, "signing out while the disk is full")
	told := len(b.Events)
	b.Store.FailCommits(nil)
	if _, err := b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, code); err != nil {
		t.Errorf("the same code after the disk is well again: %v", err)
	}
	if len(b.Events) != told+1 {
		t.Errorf("%d events told, want 1: an act that did not happen must not be told", len(b.Events)-told)
	}
}

func TestReadPathWritesNothing(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	updates, views := b.Store.Updates(), b.Store.Views()
	for range 1000 {
		if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Store.Views() - views; n != 1 {
		t.Errorf("a thousand requests read the store %d times, want once", n)
	}
	for _, forged := range []string{"", "x", strings.Repeat("A", 120), alice.Session[:len(alice.Session)-4] + "AAA=", strings.Repeat("=", 4000)} {
		if _, err := b.Session(t.Context(), auth.Asker{}, forged); auth.KindOf(err) != auth.NotSignedIn {
			t.Errorf("FA-4: a forged cookie: %v", err)
		}
	}
	if n := b.Store.Views() - views; n != 1 {
		t.Errorf("forged cookies read the store %d times", n-1)
	}
	if n := b.Store.Updates() - updates; n != 0 {
		t.Errorf("requests wrote %d times", n)
	}
}

// TestSE19ASVS7_2_1RevocationWins: sessions are checked while they end. Once the end was answered, no check passes.
func TestSE19ASVS7_2_1RevocationWins(t *testing.T) {
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	for range 50 {
		value := alice.EnterPassword(t).Session
		ended := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-ended:
						if _, err := b.Session(t.Context(), auth.Asker{}, value); auth.KindOf(err) != auth.NotSignedIn {
							t.Errorf("a request after the revocation: %v", err)
						}
						return
					default:
						b.Session(t.Context(), auth.Asker{}, value)
					}
				}
			})
		}
		if err := b.SignOut(t.Context(), authtest.Client, value); err != nil {
			t.Error(err)
		}
		close(ended)
		wg.Wait()
	}
}

// TestASVS7_2_3SecretsAreNotStoredInClear reads the sealed store as a thief of the disk and the key would, one layer down.
func TestASVS7_2_3SecretsAreNotStoredInClear(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	p := alice.EnterPassword(t)
	link, err := b.ResetTwoFactor(t.Context(), auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	secrets := append([]string{alice.Password, alice.Session, p.Attempt, link.Token}, alice.Codes...)
	err = b.Store.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan("", "", func(key string, value []byte) error {
			for _, s := range secrets {
				if strings.Contains(key, s) || strings.Contains(string(value), s) {
					t.Errorf("%s holds a secret in clear", key)
				}
			}
			if strings.Contains(key, "alice") {
				t.Errorf("the key %s shows a name", key)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFA4OddSpellingOfATicket: the same bytes in another spelling of base64 are not our cookie.
func TestFA4OddSpellingOfATicket(t *testing.T) {
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	value := alice.EnterPassword(t).Session
	want, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	body, padding := strings.TrimRight(value, "="), strings.Count(value, "=")
	odd := 0
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, c := range alphabet {
		spelling := body[:len(body)-1] + string(c) + strings.Repeat("=", padding)
		got, err := base64.URLEncoding.DecodeString(spelling)
		if spelling == value || err != nil || !bytes.Equal(got, want) {
			continue
		}
		odd++
		if _, err := b.Session(t.Context(), auth.Asker{}, spelling); auth.KindOf(err) != auth.NotSignedIn {
			t.Errorf("another spelling of the ticket: %v", err)
		}
	}
	if odd == 0 && padding > 0 {
		t.Error("found no other spelling to try")
	}
	if _, err := b.Session(t.Context(), auth.Asker{}, value); err != nil {
		t.Errorf("the ticket itself: %v", err)
	}
}

func TestCS4CS10FormTokens(t *testing.T) {
	b := authtest.New(t)
	mine, other := b.VisitorToken(), b.VisitorToken()
	token := b.FormToken(mine, "sign-in")
	if !b.CheckFormToken(mine, "sign-in", token) {
		t.Error("its own token is refused")
	}
	if b.CheckFormToken(other, "sign-in", token) || b.CheckFormToken(mine, "sign-out", token) || b.CheckFormToken("", "sign-in", b.FormToken("", "sign-in")) {
		t.Error("a token of another browser, another purpose or no cookie is taken")
	}
	if _, err := b.Session(t.Context(), auth.Asker{}, mine); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("SE-1: a visitor's ticket as a session: %v", err)
	}
}

// lying is a store that commits and then says that it failed, as a disk may.
type lying struct {
	store.Store
	lie bool
}

func (l *lying) Update(ctx context.Context, fn func(store.Tx) error) error {
	err := l.Store.Update(ctx, fn)
	if l.lie && err == nil {
		return errDisk
	}
	return err
}

// TestMemoryIsNeverAheadOfTheStore: the act says that it failed, so nobody knows whether it was done. The next request finds out.
func TestMemoryIsNeverAheadOfTheStore(t *testing.T) {
	var disk *lying
	b := authtest.New(t, func(c *auth.Config) {
		disk = &lying{Store: c.Store}
		c.Store = disk
	})
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	s, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	stream, cancel := context.WithCancel(t.Context())
	defer s.Watch(cancel)()
	disk.lie = true
	wantKind(t, b.SetDisabled(t.Context(), auth.Client{}, "alice", true), auth.Unavailable, "disabling on a failing disk")
	if stream.Err() == nil {
		t.Error("an open stream goes on")
	}
	_, err = b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "the session of a person who was disabled after all")
}

// TestST7EndedSessionsAreFacts: a session that was ended is a record that says so, until it would have run out.
func TestST7EndedSessionsAreFacts(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	deletes := b.Store.Deletes()
	if err := b.SignOut(t.Context(), authtest.Client, alice.Session); err != nil {
		t.Fatal(err)
	}
	if n := b.Store.Deletes() - deletes; n != 0 {
		t.Errorf("signing out deleted %d records, and a deletion can be lost", n)
	}
	b.Restart(t)
	_, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "the session after a restart")
	if list, err := b.Sessions(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("sessions listed: %v, %v", list, err)
	}
}
