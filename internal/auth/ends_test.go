// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// TestSE6NobodyStaysHalfSignedIn: what signs a person out elsewhere ends the sign-ins that are under way there too.
func TestSE6NobodyStaysHalfSignedIn(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	phone, _ := alice.Add(t, bySMS("+4915112345678"))
	half := alice.EnterPassword(t)
	restore := b.Snapshot(t)
	for name, act := range map[string]func(p *authtest.Person) error{
		"the person ended all others": func(p *authtest.Person) error { return b.EndOtherSessions(bg, p.Client(), p.Session) },
		"a factor was removed":        func(p *authtest.Person) error { return b.RemoveFactor(bg, p.Client(), p.Session, phone.ID) },
		"the password was changed": func(p *authtest.Person) error {
			_, err := b.ChangePassword(bg, p.Client(), p.Session, p.Password, newPassword)
			return err
		},
		"an operator ended all of a person": func(*authtest.Person) error {
			_, err := b.RevokeSessions(bg, auth.Client{}, "alice")
			return err
		},
		"an operator ended all": func(*authtest.Person) error {
			_, err := b.RevokeAllSessions(bg, auth.Client{})
			return err
		},
		"the account was disabled and enabled": func(*authtest.Person) error {
			if err := b.SetDisabled(bg, auth.Client{}, "alice", true); err != nil {
				return err
			}
			return b.SetDisabled(bg, auth.Client{}, "alice", false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer restore()
			if _, err := b.Attempt(bg, half.Attempt); err != nil {
				t.Fatal(err)
			}
			p := *alice
			if err := act(&p); err != nil {
				t.Fatal(err)
			}
			_, err := b.Code(bg, p.Client(), half.Attempt, auth.TOTP, p.Code())
			wantKind(t, err, auth.AttemptGone, "going on with a sign-in from before")
		})
	}
}

// TestMF16ProofsOfWhatIsGone: a session does not go on with what was proven by a factor that is no more.
func TestMF16ProofsOfWhatIsGone(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	mailbox := alice.Account(t).Factors[0].ID
	alice.Add(t, byApp)
	b.Clock.Move(time.Minute)
	secret := alice.Secret
	pr := alice.EnterPassword(t)
	if err := b.SendCode(bg, alice.Client(), pr.Attempt, auth.Email, mailbox); err != nil {
		t.Fatal(err)
	}
	pr, err := b.Code(bg, alice.Client(), pr.Attempt, auth.Email, b.Await(t, auth.MessageCode).Code)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "signing in by mail"))
	if err := b.RemoveFactor(bg, alice.Client(), alice.Session, mailbox); err != nil {
		t.Fatal(err)
	}
	s, err := b.Session(bg, auth.Asker{}, alice.Session)
	if err != nil || b.Complete(s) || twoFactor.Judge(s, b.Clock.Now()) != auth.ProveMore {
		t.Errorf("a session that has proven nothing but the mailbox that is gone: %+v, %v", s.Proofs, err)
	}
	alice.Secret = secret
	alice.Sudo(t)
	pr = disable(t, b, alice)
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, alice.Code())
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "turning two factors off"))
	if s, err = b.Session(bg, auth.Asker{}, alice.Session); err != nil || len(s.Proofs) != 1 || s.Proofs[0].Method != auth.Password {
		t.Errorf("the proofs after that: %+v, %v", s.Proofs, err)
	}
}

// TestMF10MF16ANewAddressEndsWhatTheOldOneOpened, where codes go to it; elsewhere every session tells the new one, and goes on.
func TestMF10MF16ANewAddressEndsWhatTheOldOneOpened(t *testing.T) {
	for _, byMailbox := range []bool{true, false} {
		b := authtest.New(t)
		b.WithMail()
		b.Configure(func(s *auth.Settings) { s.Trust = month })
		alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
		if byMailbox {
			alice.Add(t, byMail)
		}
		trustHere(t, b, alice)
		beside := *alice
		beside.Trusted = ""
		beside.SignIn(t)
		if s, err := b.Session(bg, auth.Asker{}, beside.Session); err != nil || s.Email != "alice@example.com" {
			t.Fatalf("%+v, %v", s, err)
		}
		half := beside.EnterPassword(t)
		pr, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
		if err != nil {
			t.Fatal(err)
		}
		pr, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, b.Await(t, auth.MessageProve).Code)
		alice.Keep(wantStep(t, pr, err, auth.StepDone, "the code"))
		wantSession(t, b, alice.Session, true, "the session at hand")
		wantSession(t, b, beside.Session, !byMailbox, "another session")
		if n := len(trusted(t, b, alice)); (n == 0) != byMailbox {
			t.Errorf("codes by mail %t: %d browsers are still trusted", byMailbox, n)
		}
		if _, err := b.Attempt(bg, half.Attempt); (err != nil) != byMailbox {
			t.Errorf("codes by mail %t: a sign-in that was under way: %v", byMailbox, err)
		}
		for _, value := range []string{alice.Session, beside.Session} {
			if s, err := b.Session(bg, auth.Asker{}, value); err == nil && s.Email != "new@example.com" {
				t.Errorf("codes by mail %t: a session tells the address %s", byMailbox, s.Email)
			}
		}
	}
}

// TestCodeThatTurnsTwoFactorsOffSaysSo: whoever is asked for it on the telephone reads what it is for.
func TestCodeThatTurnsTwoFactorsOffSaysSo(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	b.Sent()
	pr := disable(t, b, alice)
	sent := b.Sent()
	wantMessages(t, sent, auth.MessageTurnOff)
	if !sent[0].Secret() {
		t.Error("it would be stored")
	}
	pr, err := b.Code(bg, alice.Client(), pr.Attempt, auth.Email, sent[0].Code)
	wantStep(t, pr, err, auth.StepDone, "the code")
	if pr.Done != auth.EventTwoFactorDisabled {
		t.Errorf("done: %q", pr.Done)
	}
}

// TestSE22TheGraceOfATicketIsAMinute: the ticket before the newest is good for a minute, and not for longer by being used.
func TestSE22TheGraceOfATicketIsAMinute(t *testing.T) {
	b := trustBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	trustHere(t, b, alice)
	oldest := alice.Trusted
	b.Clock.Move(time.Hour)
	wantTrust(t, alice, true, "the newest ticket")
	first := alice.Trusted
	b.Clock.Move(time.Hour)
	b.Sent()
	wantTrust(t, alice, true, "the newest ticket again")
	next, session := alice.Trusted, alice.Session
	for _, wait := range []time.Duration{0, 30 * time.Second, 29 * time.Second} {
		b.Clock.Move(wait)
		alice.Trusted = first
		wantTrust(t, alice, true, "the one before, within a minute")
	}
	wantSession(t, b, session, true, "the first session")
	wantMessages(t, b.Sent())
	restore := b.Snapshot(t)
	for name, c := range map[string]struct {
		ticket string
		wait   time.Duration
	}{
		"the one before, after a minute": {first, time.Second},
		"the one before that":            {oldest, 0},
	} {
		p := *alice
		p.Trusted = c.ticket
		b.Clock.Move(c.wait)
		wantTrust(t, &p, false, name)
		wantMessages(t, b.Sent(), auth.NoticeTrustedElsewhere)
		p.Trusted = next
		wantTrust(t, &p, false, "the newest, after "+name)
		restore()
	}
	alice.Trusted = next
	wantTrust(t, alice, true, "the newest")
}

// TestOT6AnEnrollmentBurnsItsOwnStep and none of another device, also where both show the same digits.
func TestOT6AnEnrollmentBurnsItsOwnStep(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	pr, err := b.AddFactor(bg, alice.Client(), alice.Session, byApp)
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.Attempt(bg, pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	// Two devices that show the same at this moment, as one pair in a million does.
	edit(t, b, "attempt/", "pending", func(a map[string]any) { a["pending"].(map[string]any)["secret"] = alice.Secret })
	code := alice.Code()
	pr, err = b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, code)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "confirming"))
	in := alice.EnterPassword(t)
	in, err = b.Code(bg, alice.Client(), in.Attempt, auth.TOTP, code)
	wantStep(t, in, err, auth.StepDone, "the old device's own code")
	again := alice.EnterPassword(t)
	_, err = b.Code(bg, alice.Client(), again.Attempt, auth.TOTP, code)
	wantKind(t, err, auth.UsedCode, "after each has burned it")
	if slices.Equal(v.Pending.Secret, alice.Secret) {
		t.Error("a new device has the secret of another")
	}
}
