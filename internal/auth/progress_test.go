// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"slices"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// The page that says what was done is told so by the act itself: a sign-in and a step-up are no such act.
func TestProgressSaysWhichActOnTheAccountIsDone(t *testing.T) {
	b := authtest.New(t)
	b.WithMail()
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	check := func(pr auth.Progress, err error, want string) auth.Progress {
		t.Helper()
		if err != nil || pr.Step != auth.StepDone || pr.Done != want {
			t.Fatalf("step %q, done %q, error %v; want %q", pr.Step, pr.Done, err, want)
		}
		alice.Keep(pr)
		return pr
	}

	pr := alice.EnterPassword(t)
	pr, err := b.Code(ctx, authtest.Client, pr.Attempt, auth.TOTP, alice.Code())
	check(pr, err, "")

	if pr, err = b.AddFactor(ctx, authtest.Client, alice.Session, auth.NewFactor{Method: auth.Email}); err != nil {
		t.Fatal(err)
	}
	pr, err = b.ConfirmEnrollment(ctx, authtest.Client, pr.Attempt, b.Await(t, auth.MessageEnroll).Code)
	check(pr, err, auth.EventFactorAdded)

	if pr, err = b.NewBackupCodes(ctx, authtest.Client, alice.Session); err != nil || pr.Done != "" {
		t.Fatalf("done %q, error %v", pr.Done, err)
	}
	pr, err = b.SavedCodes(ctx, authtest.Client, pr.Attempt)
	check(pr, err, auth.EventBackupCodesMade)

	const next = "nine patient rivers glow"
	pr, err = b.ChangePassword(ctx, authtest.Client, alice.Session, alice.Password, next)
	check(pr, err, auth.EventPasswordChanged)
	alice.Password = next

	if pr, err = b.ChangeEmail(ctx, authtest.Client, alice.Session, "alice@other.test"); err != nil {
		t.Fatal(err)
	}
	pr, err = b.ConfirmAddress(ctx, authtest.Client, pr.Attempt, b.Await(t, auth.MessageProve).Code)
	check(pr, err, auth.EventEmailChanged)

	b.Clock.Move(auth.SudoAge)
	if pr, err = b.StepUp(ctx, authtest.Client, alice.Session, auth.Sudo, "/app"); err != nil {
		t.Fatal(err)
	}
	if pr, err = b.ReenterPassword(ctx, authtest.Client, pr.Attempt, alice.Password); err != nil {
		t.Fatal(err)
	}
	pr, err = b.Code(ctx, authtest.Client, pr.Attempt, auth.TOTP, alice.Code())
	check(pr, err, "")

	b.Clock.Move(auth.SudoAge)
	if pr, err = b.DisableTwoFactor(ctx, authtest.Client, alice.Session); err != nil {
		t.Fatal(err)
	}
	if pr, err = b.ReenterPassword(ctx, authtest.Client, pr.Attempt, alice.Password); err != nil {
		t.Fatal(err)
	}
	pr, err = b.Code(ctx, authtest.Client, pr.Attempt, auth.TOTP, alice.Code())
	check(pr, err, auth.EventTwoFactorDisabled)
}

func TestEnrollableIsWhatAddFactorTakes(t *testing.T) {
	b := authtest.New(t)
	b.WithMail()
	for _, c := range []struct {
		in   auth.NewUser
		want []auth.Method
	}{
		{auth.NewUser{Name: "alice", Email: "alice@example.test"}, []auth.Method{auth.TOTP, auth.Email, auth.Webhook}},
		{auth.NewUser{Name: "bob"}, []auth.Method{auth.TOTP, auth.Webhook}},
	} {
		p := b.Enroll(t, c.in)
		s, err := b.Session(t.Context(), auth.Asker{}, p.Session)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Enrollable(t.Context(), s.UserID)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", p.Name, got, err, c.want)
		}
		for _, m := range []auth.Method{auth.TOTP, auth.Email} {
			_, err := b.AddFactor(t.Context(), authtest.Client, p.Session, auth.NewFactor{Method: m})
			if (err == nil) != slices.Contains(got, m) {
				t.Errorf("%s: adding %s: %v, though enrollable are %v", p.Name, m, err, got)
			}
		}
	}
	if _, err := b.Enrollable(t.Context(), "nobody"); auth.KindOf(err) != auth.NotFound {
		t.Errorf("nobody: got %v", err)
	}
}
