// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// bg is the context of acts that no test cancels.
var bg = context.Background()

const newPassword = "nine patient rivers glow"

// accountActs are all acts that change what guards an account, each as a person with two factors would do it.
func accountActs(b *authtest.Bench, p *authtest.Person, d auth.UserDetail) map[string]func(auth.Client) error {
	return map[string]func(auth.Client) error{
		"add a factor": func(c auth.Client) error {
			_, err := b.AddFactor(bg, c, p.Session, bySMS("+4915112345678"))
			return err
		},
		"rename a factor": func(c auth.Client) error { return b.RenameFactor(bg, c, p.Session, d.Factors[0].ID, "other") },
		"remove a factor": func(c auth.Client) error { return b.RemoveFactor(bg, c, p.Session, d.Factors[1].ID) },
		"new backup codes": func(c auth.Client) error {
			_, err := b.NewBackupCodes(bg, c, p.Session)
			return err
		},
		"change the password": func(c auth.Client) error {
			_, err := b.ChangePassword(bg, c, p.Session, p.Password, newPassword)
			return err
		},
		"change the address": func(c auth.Client) error {
			_, err := b.ChangeEmail(bg, c, p.Session, "new@example.com")
			return err
		},
		"end a session":      func(c auth.Client) error { return b.EndSession(bg, c, p.Session, "0123456789abcdef") },
		"end other sessions": func(c auth.Client) error { return b.EndOtherSessions(bg, c, p.Session) },
		"end a trust":        func(c auth.Client) error { return b.EndTrust(bg, c, p.Session, "0123456789abcdef") },
	}
}

// TestASVS7_5_1MF12MF13ChangesNeedFreshProofs: each act on an account, ten minutes after the older one of the two proofs.
func TestASVS7_5_1MF12MF13ChangesNeedFreshProofs(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Add(t, byMail)
	alice.Sudo(t)
	detail := alice.Account(t)
	s, err := b.Session(bg, auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	var oldest time.Time // of the newest proofs of both kinds
	for _, kinds := range [][]auth.Method{{auth.Password}, {auth.TOTP, auth.Email}} {
		var newest time.Time
		for _, p := range s.Proofs {
			if slices.Contains(kinds, p.Method) && newest.Before(p.At) {
				newest = p.At
			}
		}
		if oldest.IsZero() || newest.Before(oldest) {
			oldest = newest
		}
	}
	b.Clock.Move(oldest.Add(auth.SudoAge).Sub(b.Clock.Now()))
	if b.InSudo(auth.Client{}, s) {
		t.Error("in sudo mode after ten minutes")
	}
	before := b.Records(t, "")
	told := len(b.Events)
	for name, act := range accountActs(b, alice, detail) {
		if err := act(alice.Client()); auth.KindOf(err) != auth.StepUpNeeded {
			t.Errorf("%s ten minutes after the proofs: %v, want that fresh ones are needed", name, err)
		}
	}
	if !maps.Equal(before, b.Records(t, "")) || len(b.Events) != told {
		t.Errorf("refused acts changed the store or told %v", types(b.Events[told:]))
	}
	b.Clock.Move(-time.Second)
	if !b.InSudo(auth.Client{}, s) {
		t.Error("not in sudo mode a second before")
	}
	if err := b.RenameFactor(bg, alice.Client(), alice.Session, detail.Factors[0].ID, "phone"); err != nil {
		t.Errorf("renaming a second before: %v", err)
	}
}

// TestMF1MF13HalfASessionChangesNothing: a session that goes on with the password alone, while the first factor of its person is being
// enrolled, is none for any act on the account.
func TestMF1MF13HalfASessionChangesNothing(t *testing.T) {
	b := mailBench(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Keep(alice.EnterPassword(t))
	pr, err := b.AddFactor(bg, alice.Client(), alice.Session, byApp)
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.Attempt(bg, pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	pr, err = b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, otp.Code(v.Pending.Secret, otp.Step(b.Clock.Now())))
	wantStep(t, pr, err, auth.StepSaveCodes, "the first code")
	detail := alice.Account(t)
	detail.Factors = append(detail.Factors, detail.Factors...)
	acts := accountActs(b, alice, detail)
	acts["turn two factors off"] = func(c auth.Client) error {
		_, err := b.DisableTwoFactor(bg, c, alice.Session)
		return err
	}
	for name, act := range acts {
		if err := act(alice.Client()); auth.KindOf(err) != auth.StepUpNeeded {
			t.Errorf("%s with a password alone: %v, want that more is needed", name, err)
		}
	}
	if s, err := b.Session(bg, auth.Asker{}, alice.Session); err != nil || b.InSudo(auth.Client{}, s) || b.Complete(s) {
		t.Errorf("the session counts as complete: %v", err)
	}
}

// TestSudoTakesBothKinds: the password and any second factor, a backup code too, in this session.
func TestSudoTakesBothKinds(t *testing.T) {
	for name, way := range map[string]func(*authtest.Bench, *authtest.Person, auth.Progress) (auth.Method, string){
		"authenticator": func(b *authtest.Bench, p *authtest.Person, pr auth.Progress) (auth.Method, string) {
			return auth.TOTP, p.Code()
		},
		"backup code": func(b *authtest.Bench, p *authtest.Person, pr auth.Progress) (auth.Method, string) {
			return auth.BackupCode, p.Codes[0]
		},
		"mail": func(b *authtest.Bench, p *authtest.Person, pr auth.Progress) (auth.Method, string) {
			if err := b.SendCode(bg, p.Client(), pr.Attempt, auth.Email, p.Account(t).Factors[1].ID); err != nil {
				t.Error(err)
			}
			return auth.Email, b.Await(t, auth.MessageCode).Code
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := mailBench(t)
			alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
			alice.Add(t, byMail)
			beside := *alice
			beside.SignIn(t)
			b.Clock.Move(20 * time.Minute)
			pr, err := b.StepUp(bg, alice.Client(), alice.Session, auth.Sudo, "/account")
			pr = wantStep(t, pr, err, auth.StepPassword, "stepping up")
			pr, err = b.ReenterPassword(bg, alice.Client(), pr.Attempt, alice.Password)
			pr = wantStep(t, pr, err, auth.StepCode, "the password")
			wantKind(t, b.RenameFactor(bg, alice.Client(), alice.Session, alice.Account(t).Factors[0].ID, "x"), auth.StepUpNeeded, "half way")
			m, code := way(b, alice, pr)
			pr, err = b.Code(bg, alice.Client(), pr.Attempt, m, code)
			pr = wantStep(t, pr, err, auth.StepDone, "the code")
			wantSession(t, b, alice.Session, false, "ASVS 7.2.4: the ticket from before")
			alice.Keep(pr)
			s, err := b.Session(bg, auth.Asker{}, alice.Session)
			if err != nil || !b.InSudo(auth.Client{}, s) {
				t.Fatalf("not in sudo mode: %v", err)
			}
			if !slices.ContainsFunc(s.Proofs, func(p auth.Proof) bool { return p.Method == m && p.At.Equal(b.Clock.Now()) }) {
				t.Errorf("the methods are recorded, got %v", s.Proofs)
			}
			if o, err := b.Session(bg, auth.Asker{}, beside.Session); err != nil || b.InSudo(auth.Client{}, o) {
				t.Errorf("MF-15: another session of the same person is in sudo mode too: %v", err)
			}
			wantKind(t, b.RenameFactor(bg, beside.Client(), beside.Session, beside.Account(t).Factors[0].ID, "x"), auth.StepUpNeeded, "MF-15: in another session")
		})
	}
}

// TestSudoThatRunsOutOnTheWay: an enrollment does not outlive the proofs that it was begun with.
func TestSudoThatRunsOutOnTheWay(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b.Clock.Move(5 * time.Minute)
	pr, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	pr = wantStep(t, pr, err, auth.StepConfirmAddress, "changing the address")
	code := b.Await(t, auth.MessageProve).Code
	b.Clock.Move(5 * time.Minute)
	_, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, code)
	wantKind(t, err, auth.OutOfOrder, "confirming with proofs of ten minutes ago")
	v, err := b.Attempt(bg, pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	pr.Step = v.Step
	pr = alice.Prove(t, pr)
	if pr.Step != auth.StepConfirmAddress {
		t.Fatalf("after new proofs: step %q", pr.Step)
	}
	pr, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, code)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "confirming then"))
	if got := alice.Account(t).Email; got != "new@example.com" {
		t.Errorf("the address is %s", got)
	}
}

// TestSudoThatRunsOutOnTheWayOfAMailUser: the code that proves the person again is used up, and another one goes to the new address.
func TestSudoThatRunsOutOnTheWayOfAMailUser(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	b.Clock.Move(5 * time.Minute)
	pr, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	pr = wantStep(t, pr, err, auth.StepConfirmAddress, "changing the address")
	b.Clock.Move(5 * time.Minute)
	pr, err = b.ReenterPassword(bg, alice.Client(), pr.Attempt, alice.Password)
	pr = wantStep(t, pr, err, auth.StepCode, "the password again")
	b.Sent()
	if err := b.SendCode(bg, alice.Client(), pr.Attempt, auth.Email, alice.Account(t).Factors[0].ID); err != nil {
		t.Fatal(err)
	}
	m := b.Await(t, auth.MessageCode)
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.Email, m.Code)
	pr = wantStep(t, pr, err, auth.StepConfirmAddress, "a code in the old mailbox")
	_, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, m.Code)
	if err == nil {
		t.Error("OT-9: the code in the old mailbox proves the new one")
	}
	sent := b.Sent()
	wantMessages(t, sent, auth.MessageProve)
	if sent[0].To != "new@example.com" {
		t.Errorf("the next code went to %s", sent[0].To)
	}
	pr, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, sent[0].Code)
	wantStep(t, pr, err, auth.StepDone, "the code in the new one")
}

func TestRenameAndRemove(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	phone, _ := alice.Add(t, bySMS("+4915112345678"))
	tablet, secret := alice.Add(t, byApp)
	bob := b.Enroll(t, auth.NewUser{Name: "bob"})
	his := bob.Account(t).Factors[0].ID
	if err := b.RenameFactor(bg, alice.Client(), alice.Session, tablet.ID, "  Küche 📱 "); err != nil {
		t.Fatal(err)
	}
	if got := alice.Account(t).Factors[1].Name; got != "Küche 📱" {
		t.Errorf("the name is %q", got)
	}
	for _, name := range []string{"a\nb", "a\x1b[31m", strings.Repeat("ä", 65), "\xff"} {
		wantKind(t, b.RenameFactor(bg, alice.Client(), alice.Session, tablet.ID, name), auth.BadFactorName, fmt.Sprintf("the name %q", name))
	}
	for _, id := range []string{his, "", "0123456789abcdef", strings.Repeat("a", 5000)} {
		wantKind(t, b.RenameFactor(bg, alice.Client(), alice.Session, id, "x"), auth.NoSuchWay, "ASVS 8.2.2: renaming "+id)
		wantKind(t, b.RemoveFactor(bg, alice.Client(), alice.Session, id), auth.NoSuchWay, "ASVS 8.2.2: removing "+id)
	}
	if d := bob.Account(t); len(d.Factors) != 1 || d.Factors[0].Name != "" {
		t.Errorf("bob's factors: %+v", d.Factors)
	}

	beside := *alice
	beside.SignIn(t)
	b.Sent()
	told := len(b.Events)
	alice.Sudo(t)
	for i, id := range []string{tablet.ID, phone.ID} {
		if err := b.RemoveFactor(bg, alice.Client(), alice.Session, id); err != nil {
			t.Fatal(err)
		}
		if n := len(alice.Account(t).Factors); n != 2-i {
			t.Errorf("%d factors left, want %d", n, 2-i)
		}
	}
	sent := b.Sent()
	wantMessages(t, sent, auth.NoticeFactorRemoved, auth.NoticeFactorRemoved)
	if m := sent[0]; m.Factor != "Küche 📱" || m.FactorKind != auth.TOTP || m.To != "alice@example.com" || m.Method != auth.Email {
		t.Errorf("the notice: %+v", m)
	}
	if got, want := types(b.Events[told:]), []string{auth.EventFactorRemoved, auth.EventSessionEnded, auth.EventFactorRemoved}; !slices.Equal(got, want) {
		t.Errorf("events: %v, want %v", got, want)
	}
	wantSession(t, b, beside.Session, false, "ASVS 7.4.3: another session, after a factor was removed")
	wantSession(t, b, alice.Session, true, "the own session")
	wantKind(t, b.RemoveFactor(bg, alice.Client(), alice.Session, alice.Account(t).Factors[0].ID), auth.LastFactor, "removing the last factor")
	pr := alice.EnterPassword(t)
	_, err := b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, otp.Code(secret, otp.Step(b.Clock.Now())))
	wantKind(t, err, auth.WrongCode, "ASVS 6.5.6: a code of the device that was removed")
	alice.SignIn(t)
}

// disable proves what turning two factors off asks, up to the code.
func disable(t *testing.T, b *authtest.Bench, p *authtest.Person) auth.Progress {
	t.Helper()
	pr, err := b.DisableTwoFactor(t.Context(), p.Client(), p.Session)
	pr = wantStep(t, pr, err, auth.StepPassword, "turning two factors off, however fresh the proofs are")
	pr, err = b.ReenterPassword(t.Context(), p.Client(), pr.Attempt, p.Password)
	return wantStep(t, pr, err, auth.StepCode, "the password")
}

func TestStoryDisable(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Add(t, byMail)
	beside := *alice
	code := beside.Code()
	beside.SignIn(t)
	b.Clock.Move(-otp.Period)
	codes := alice.Codes
	b.Sent()
	pr := disable(t, b, alice)
	_, err := b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, code)
	wantKind(t, err, auth.UsedCode, "OT-5: a code that has signed somebody in")
	_, err = b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, other(code))
	wantKind(t, err, auth.WrongCode, "a wrong code")
	if n := len(alice.Account(t).Factors); n != 2 {
		t.Fatalf("%d factors before a code was right", n)
	}
	b.Clock.Move(otp.Period)
	code = alice.Code()

	b.Store.FailCommits(errDisk)
	_, err = b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, code)
	wantKind(t, err, auth.Unavailable, "the code on a full disk")
	b.Store.FailCommits(nil)
	if n := len(alice.Account(t).Factors); n != 2 {
		t.Fatalf("%d factors after an act that failed", n)
	}
	told := len(b.Events)
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, code)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "the same code when the disk is well: it was burned with the factors or not at all"))
	if d := alice.Account(t); len(d.Factors) != 0 || d.CodesLeft != 0 {
		t.Errorf("left: %+v, %d codes", d.Factors, d.CodesLeft)
	}
	wantSession(t, b, beside.Session, false, "another session")
	wantMessages(t, b.Sent(), auth.NoticeTwoFactorOff)
	if got := types(b.Events[told:]); !slices.Contains(got, auth.EventTwoFactorDisabled) || !slices.Contains(got, auth.EventSessionEnded) {
		t.Errorf("events: %v", got)
	}
	if pr := alice.EnterPassword(t); pr.Step != auth.StepDone {
		t.Errorf("signing in afterwards: step %q", pr.Step)
	}
	_, err = b.DisableTwoFactor(bg, alice.Client(), alice.Session)
	wantKind(t, err, auth.AlreadyDone, "turning it off twice")
	_, err = b.NewBackupCodes(bg, alice.Client(), alice.Session)
	wantKind(t, err, auth.NoSuchWay, "OT-15: backup codes without a factor")

	alice.Secret = nil
	alice.Add(t, byApp)
	if slices.Equal(alice.Codes, codes) || len(alice.Codes) != 10 {
		t.Errorf("OT-15: the codes after enabling again: %v", alice.Codes)
	}
	pr = alice.EnterPassword(t)
	_, err = b.Code(bg, alice.Client(), pr.Attempt, auth.BackupCode, codes[0])
	wantKind(t, err, auth.WrongCode, "OT-15: a backup code from before")
}

// TestStepUpThatWaitedForWhatIsGone: two factors are turned off in another window, and what waited for a code does not become an
// enrollment.
func TestStepUpThatWaitedForWhatIsGone(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(5 * time.Minute)
	waits, err := b.StepUp(bg, alice.Client(), alice.Session, auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Minute}, "")
	waits = wantStep(t, waits, err, auth.StepPassword, "stepping up")
	waits, err = b.ReenterPassword(bg, alice.Client(), waits.Attempt, alice.Password)
	waits = wantStep(t, waits, err, auth.StepCode, "the password")
	pr := disable(t, b, alice)
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, alice.Code())
	wantStep(t, pr, err, auth.StepDone, "turning two factors off")
	_, err = b.Attempt(bg, waits.Attempt)
	wantKind(t, err, auth.AttemptGone, "the step-up that waited for a code")
	_, err = b.ChooseFactor(bg, alice.Client(), waits.Attempt, byApp)
	wantKind(t, err, auth.AttemptGone, "enrolling in it")
}

// TestDisableByBackupCode: who has lost the device turns it off with a code that stands in for it.
func TestDisableByBackupCode(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	pr := disable(t, b, alice)
	pr, err := b.Code(bg, alice.Client(), pr.Attempt, auth.BackupCode, alice.Codes[7])
	wantStep(t, pr, err, auth.StepDone, "the backup code")
	if pr.UsedCode || pr.CodesLeft != 0 || pr.Done != auth.EventTwoFactorDisabled {
		t.Errorf("a page would speak of codes that are gone: %+v", pr)
	}
}

// TestBF8BF19DisablingSharesTheCounters: password and code at this door count as at all others.
func TestBF8BF19DisablingSharesTheCounters(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	pr := disable(t, b, alice)
	for range 5 {
		_, err := b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, other(alice.Code()))
		wantKind(t, err, auth.WrongCode, "a wrong code")
	}
	_, err := b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, alice.Code())
	wantKind(t, err, auth.TooManyTries, "the right code after five wrong ones")
	in := alice.EnterPassword(t)
	_, err = b.Code(bg, alice.Client(), in.Attempt, auth.TOTP, alice.Code())
	wantKind(t, err, auth.TooManyTries, "the right code at sign-in after that")
	again, err := b.DisableTwoFactor(bg, alice.Client(), alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_, err := b.ReenterPassword(bg, alice.Client(), again.Attempt, "wrong")
		wantKind(t, err, auth.WrongPassword, "a wrong password")
	}
	_, err = b.ReenterPassword(bg, alice.Client(), again.Attempt, alice.Password)
	wantKind(t, err, auth.TooManyTries, "the right password after five wrong ones")
	_, err = b.ChangePassword(bg, alice.Client(), alice.Session, alice.Password, newPassword)
	wantKind(t, err, auth.TooManyTries, "changing the password after that")
}

func TestOT16NewBackupCodes(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b.Sent()
	in := alice.EnterPassword(t)
	old := alice.Codes
	pr, err := b.NewBackupCodes(bg, alice.Client(), alice.Session)
	pr = wantStep(t, pr, err, auth.StepSaveCodes, "making new codes")
	wantMessages(t, b.Sent(), auth.NoticeBackupCodesMade)
	_, err = b.Code(bg, alice.Client(), in.Attempt, auth.BackupCode, old[0])
	wantKind(t, err, auth.WrongCode, "an old code before the new ones are saved")
	v, err := b.Attempt(bg, pr.Attempt)
	if err != nil || len(v.Codes) != 10 || slices.ContainsFunc(v.Codes, func(c string) bool { return slices.Contains(old, c) }) {
		t.Fatalf("the new codes: %v, %v", v.Codes, err)
	}
	first := pr.Attempt
	pr, err = b.SavedCodes(bg, alice.Client(), first)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "saving them"))
	if _, err := b.Attempt(bg, first); auth.KindOf(err) != auth.AttemptGone {
		t.Errorf("the codes are shown again: %v", err)
	}
	for key, value := range b.Records(t, "") {
		for _, code := range v.Codes {
			if strings.Contains(value, code) {
				t.Errorf("%s has a code after it was said to be saved", key)
			}
		}
	}
	done, err := b.Code(bg, alice.Client(), in.Attempt, auth.BackupCode, v.Codes[9])
	wantStep(t, done, err, auth.StepDone, "a new code")
	if done.CodesLeft != 9 || !done.UsedCode {
		t.Errorf("%+v", done)
	}
	sent := b.Sent()
	wantMessages(t, sent, auth.NoticeBackupCodeUsed)
	if sent[0].Left != 9 {
		t.Errorf("the notice says that %d are left", sent[0].Left)
	}
}

func TestASVS6_2_2ASVS6_2_3ChangePassword(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	beside := *alice
	beside.SignIn(t)
	half := alice.EnterPassword(t)
	if err := b.RequestReset(bg, alice.Client(), "alice"); err != nil {
		t.Fatal(err)
	}
	link := b.Await(t, auth.MessageReset).Token
	alice.Sudo(t)
	for _, old := range []string{"", "wrong", newPassword} {
		_, err := b.ChangePassword(bg, alice.Client(), alice.Session, old, newPassword)
		wantKind(t, err, auth.WrongPassword, fmt.Sprintf("the old password given as %q", old))
	}
	if d := b.Events[len(b.Events)-1]; d.Type != auth.EventPassword || d.Outcome != "failure" {
		t.Errorf("the last event: %+v", d)
	}
	_, err := b.ChangePassword(bg, alice.Client(), alice.Session, alice.Password, "too short")
	wantKind(t, err, auth.BadPassword, "a new password that is too short")
	told := len(b.Events)
	b.Sent()
	before := alice.Session
	pr, err := b.ChangePassword(bg, alice.Client(), alice.Session, alice.Password, newPassword)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "changing the password"))
	wantSession(t, b, before, false, "ASVS 7.2.4: the ticket from before")
	wantSession(t, b, alice.Session, true, "the new ticket")
	wantSession(t, b, beside.Session, false, "SE-7: another session")
	wantMessages(t, b.Sent(), auth.NoticePasswordChanged)
	if got, want := types(b.Events[told:]), []string{auth.EventPasswordChanged, auth.EventSessionEnded}; !slices.Equal(got, want) {
		t.Errorf("events: %v, want %v", got, want)
	}
	_, err = b.Code(bg, alice.Client(), half.Attempt, auth.TOTP, alice.Code())
	wantKind(t, err, auth.AttemptGone, "a sign-in that was begun with the old password")
	_, err = b.Link(bg, link)
	wantKind(t, err, auth.LinkGone, "RE-2: a reset link from before")
	_, err = b.SignIn(bg, alice.Client(), alice.Credentials())
	wantKind(t, err, auth.WrongCredentials, "the old password")
	alice.Password = newPassword
	alice.SignIn(t)
}

func TestStoryChangeEmail(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	beside := *alice
	b.Forget(t, "send/")
	if err := b.RequestReset(bg, alice.Client(), "alice"); err != nil {
		t.Fatal(err)
	}
	link := b.Await(t, auth.MessageReset).Token
	b.Sent()
	pr, err := b.ChangeEmail(bg, alice.Client(), alice.Session, " new@example.com ")
	pr = wantStep(t, pr, err, auth.StepConfirmAddress, "changing the address")
	sent := b.Sent()
	wantMessages(t, sent, auth.MessageProve)
	if sent[0].To != "new@example.com" {
		t.Errorf("the code went to %s", sent[0].To)
	}
	v, err := b.Attempt(bg, pr.Attempt)
	if err != nil || v.Pending == nil || v.Pending.To != "new@example.com" || v.Sent == nil || v.Sent.To != "new@example.com" {
		t.Errorf("the page: %+v, %v", v, err)
	}

	// Until it is confirmed the new address is nothing.
	if got := alice.Account(t).Email; got != "alice@example.com" {
		t.Errorf("MF-10: the address before the code is %s", got)
	}
	in := alice.EnterPassword(t)
	if m := b.Await(t, auth.MessageCode); m.To != "alice@example.com" {
		t.Errorf("MF-10: a code to sign in went to %s", m.To)
	}
	_, err = b.Code(bg, alice.Client(), in.Attempt, auth.Email, sent[0].Code)
	wantKind(t, err, auth.WrongCode, "OT-9: the code that proves the address, at sign-in")
	b.Sent()
	if err := b.RequestReset(bg, elsewhere(1), "new@example.com"); err != nil {
		t.Fatal(err)
	}
	_, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, other(sent[0].Code))
	wantKind(t, err, auth.WrongCode, "a wrong code")
	for _, confirm := range []func() error{
		func() error { _, err := b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, sent[0].Code); return err },
		func() error { _, err := b.Code(bg, alice.Client(), pr.Attempt, auth.Email, sent[0].Code); return err },
		func() error { _, err := b.ChooseFactor(bg, alice.Client(), pr.Attempt, byApp); return err },
	} {
		wantKind(t, confirm(), auth.OutOfOrder, "OT-9: the code at another step")
	}

	b.Forget(t, "send/")
	pr, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, sent[0].Code)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "the code"))
	wantSession(t, b, beside.Session, false, "the ticket from before")
	if got := alice.Account(t).Email; got != "new@example.com" {
		t.Errorf("the address is %s", got)
	}
	notices := b.Sent()
	wantMessages(t, notices, auth.NoticeEmailChanged, auth.NoticeEmailChanged)
	for i, to := range []string{"alice@example.com", "new@example.com"} {
		if m := notices[i]; m.To != to || m.OldEmail != "alice@example.com" || m.NewEmail != "new@example.com" {
			t.Errorf("ASVS 6.3.7: notice %d: %+v", i+1, m)
		}
	}
	if s, err := b.Session(bg, auth.Asker{}, alice.Session); err != nil || s.Email != "new@example.com" {
		t.Errorf("the session still has %q, %v", s.Email, err)
	}
	_, err = b.Link(bg, link)
	wantKind(t, err, auth.LinkGone, "a reset link in the old mailbox")
	b.Forget(t, "reset/")
	if err := b.RequestReset(bg, elsewhere(1), "alice@example.com"); err != nil {
		t.Fatal(err)
	}
	wantMessages(t, settle(t, b, "afterwards")) // the old address is nobody's any more
	if err := b.RequestReset(bg, elsewhere(1), "NEW@example.com"); err != nil {
		t.Fatal(err)
	}
	if m := b.Await(t, auth.MessageReset); m.To != "new@example.com" {
		t.Errorf("a reset went to %s", m.To)
	}
	wantMessages(t, b.Sent())
}

func TestML1BadAddresses(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b.Sent()
	for _, address := range []string{
		"", "alice", "a@x\r\nBcc: b", `"a@x> RCPT TO:<b"@y`, "A <a@x>", "a@x,b@y", "a@x;b@y", "a@x b@y", "a@x\x00", "<a@x>", "a@[127.0.0.1]", "a(b)@x",
		"@x", "a@", strings.Repeat("a", 251) + "@x.y", "a\u202e@x", "\xff@x",
	} {
		_, err := b.ChangeEmail(bg, alice.Client(), alice.Session, address)
		wantKind(t, err, auth.BadAddress, fmt.Sprintf("the address %q", address))
	}
	_, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "alice@example.com")
	wantKind(t, err, auth.SameAddress, "the address that it has")
	b.Configure(func(s *auth.Settings) { s.Mail = false })
	_, err = b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	wantKind(t, err, auth.NoSuchWay, "without a mail server")
	wantMessages(t, b.Sent())
}

// TestBF19WrongCodesForAnAddress count as all others do.
func TestBF19WrongCodesForAnAddress(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	pr, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	if err != nil {
		t.Fatal(err)
	}
	code := b.Await(t, auth.MessageProve).Code
	for range 5 {
		_, err := b.ConfirmAddress(bg, alice.Client(), pr.Attempt, other(code))
		wantKind(t, err, auth.WrongCode, "a wrong code")
	}
	_, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, code)
	wantKind(t, err, auth.TooManyTries, "the sixth")
	b.Clock.Move(5 * time.Second)
	_, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, code)
	wantKind(t, err, auth.TriesSpent, "OT-10: the right code after five wrong ones")
	again, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.ConfirmAddress(bg, alice.Client(), again.Attempt, "")
	wantKind(t, err, auth.WrongCode, "the sixth wrong one, in another attempt")
	_, err = b.ConfirmAddress(bg, alice.Client(), again.Attempt, b.Await(t, auth.MessageProve).Code)
	wantKind(t, err, auth.TooManyTries, "BF-2: after it")
}

// TestASVS7_5_2OwnSessions: a person sees and ends their own sessions, after proving themselves, and nobody else's (SE-21).
func TestASVS7_5_2OwnSessions(t *testing.T) {
	b := mailBench(t)
	alice, bob := b.Enroll(t, auth.NewUser{Name: "alice"}), b.Enroll(t, auth.NewUser{Name: "bob"})
	beside, third := *alice, *alice
	beside.SignIn(t)
	third.SignIn(t)
	ids := func(p *authtest.Person) (list []string) {
		t.Helper()
		s, err := b.Session(bg, auth.Asker{}, p.Session)
		if err != nil {
			t.Fatal(err)
		}
		sessions, err := b.SessionsOf(bg, s.UserID)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range sessions {
			list = append(list, x.ID)
			if x.Address != netip.MustParseAddr("192.0.2.1") || x.Device != "test browser" || len(x.Proofs) != 2 || x.User != p.Name {
				t.Errorf("a session: %+v", x)
			}
		}
		return list
	}
	mine, his := ids(alice), ids(bob)
	if len(mine) != 3 || len(his) != 1 {
		t.Fatalf("alice has %v, bob %v", mine, his)
	}
	for _, id := range []string{his[0], "", "0123456789abcdef", strings.Repeat("a", 5000), alice.Session} {
		wantKind(t, b.EndSession(bg, alice.Client(), alice.Session, id), auth.NotFound, "SE-21: ending "+id)
	}
	wantSession(t, b, bob.Session, true, "bob's session")
	told := len(b.Events)
	if err := b.EndSession(bg, alice.Client(), alice.Session, mine[1]); err != nil {
		t.Fatal(err)
	}
	if e := b.Events[told]; e.Type != auth.EventSessionEnded || e.Actor != "alice" || e.Session != mine[1] {
		t.Errorf("the event: %+v", e)
	}
	wantSession(t, b, beside.Session, false, "the one that was ended")
	wantSession(t, b, third.Session, true, "the other one")
	wantKind(t, b.EndSession(bg, alice.Client(), alice.Session, mine[1]), auth.NotFound, "ending it twice")
	if err := b.EndOtherSessions(bg, alice.Client(), alice.Session); err != nil {
		t.Fatal(err)
	}
	wantSession(t, b, third.Session, false, "another one, after all others were ended")
	wantSession(t, b, alice.Session, true, "the own one")
	if err := b.EndSession(bg, alice.Client(), alice.Session, mine[0]); err != nil {
		t.Fatal(err)
	}
	wantSession(t, b, alice.Session, false, "the own one, ended as any other")
	wantSession(t, b, bob.Session, true, "bob's session")
	_, err := b.SessionsOf(bg, "nobody")
	wantKind(t, err, auth.NotFound, "the sessions of nobody")
}

// TestAccountActsAreBounded: each is an event, and some are a mail.
func TestAccountActsAreBounded(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	id := alice.Account(t).Factors[0].ID
	done := 0
	for range 200 {
		err := b.RenameFactor(bg, alice.Client(), alice.Session, id, "x")
		if err == nil {
			done++
			continue
		}
		wantKind(t, err, auth.TooManyTries, "renaming without end")
		if retryAfter(err) != 36*time.Second {
			t.Fatalf("asked to wait %v", retryAfter(err))
		}
	}
	if done != 100 {
		t.Errorf("%d renamings at once, want 100", done)
	}
}

// TestDO1ActsThatHashAreBounded: ten new backup codes are ten hashes.
func TestDO1ActsThatHashAreBounded(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	sessions, err := b.Sessions(bg, "alice")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, b, "account/"+sessions[0].ID, 100)
	_, err = b.NewBackupCodes(bg, alice.Client(), alice.Session)
	wantKind(t, err, auth.TooManyTries, "new codes where the session has done a hundred acts")
	pr := alice.EnterPassword(t)
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.BackupCode, alice.Codes[0])
	wantStep(t, pr, err, auth.StepDone, "a code from before")
}
