// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/password"
	"github.com/nightlatch/nightlatch/internal/store"
)

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// TestOT2ASVS6_5_1ASVS15_4_2SameCodeInParallel: a hundred browsers with the right password and the same code, one session.
func TestOT2ASVS6_5_1ASVS15_4_2SameCodeInParallel(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	const n = 20
	attempts := make([]string, n)
	for i := range attempts {
		attempts[i] = alice.EnterPassword(t).Attempt
	}
	code := alice.Code()
	var won, others atomic.Int32
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			p, err := b.Code(t.Context(), authtest.Client, attempts[i%n], auth.TOTP, code)
			switch {
			case err == nil && p.Session != "":
				won.Add(1)
			case auth.KindOf(err) == auth.UsedCode, auth.KindOf(err) == auth.AttemptGone, auth.KindOf(err) == auth.TooManyTries:
			default:
				others.Add(1)
				t.Errorf("unexpected answer: %+v, %v", p, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d sessions from one code, want 1", won.Load())
	}
}

func TestOT13ASVS6_5_1BackupCodeInParallel(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	const n = 5 // more would only meet the waits against guessing
	attempts := make([]string, n)
	for i := range attempts {
		attempts[i] = alice.EnterPassword(t).Attempt
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if p, err := b.Code(t.Context(), authtest.Client, attempts[i], auth.BackupCode, alice.Codes[0]); err == nil && p.Session != "" {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d sessions from one backup code, want 1", won.Load())
	}
	if d, err := b.User(t.Context(), "alice"); err != nil || d.CodesLeft != 9 {
		t.Errorf("codes left: %d, %v; want 9", d.CodesLeft, err)
	}
}

// TestActsMayRunTwice: a store may run a transaction again after a conflict; nothing may be counted, burned or told twice by it.
func TestActsMayRunTwice(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	b.Store.RunTwice(true)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	alice.SignIn(t)
	p := alice.EnterPassword(t)
	if _, err := b.Code(t.Context(), authtest.Client, p.Attempt, auth.BackupCode, alice.Codes[0]); err != nil {
		t.Fatalf("a backup code: %v", err)
	}
	count := map[string]int{}
	for _, e := range b.Events {
		count[e.Type]++
	}
	if count[auth.EventSignIn] != 3 || count[auth.EventBackupCode] != 1 || count[auth.EventTwoFactorEnabled] != 1 {
		t.Errorf("events told: %v", count)
	}
}

func TestOT6EnrollmentCodeIsBurned(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	code := alice.CodeAt(-1) // Enroll has moved on by one code
	p := alice.EnterPassword(t)
	_, err := b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, code)
	wantKind(t, err, auth.UsedCode, "the code that confirmed the enrollment")
}

func TestOT8ASVS6_5_5Window(t *testing.T) {
	t.Parallel()
	for step, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: false, 2: false} {
		b := authtest.New(t)
		alice := b.Enroll(t, auth.NewUser{Name: "alice"})
		b.Clock.Move(time.Hour)
		p := alice.EnterPassword(t)
		_, err := b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, alice.CodeAt(step))
		if (err == nil) != want {
			t.Errorf("the code of step %+d: %v, want accepted %t", step, err, want)
		}
	}
}

func TestOT17NoFactorAndEmptySecret(t *testing.T) {
	b := authtest.New(t)
	bob := b.AddUser(t, auth.NewUser{Name: "bob"})
	p := bob.EnterPassword(t)
	_, err := b.Code(t.Context(), authtest.Client, p.Session, auth.TOTP, bob.Code())
	wantKind(t, err, auth.AttemptGone, "a session's ticket given as an attempt's")
	if _, err := b.Session(t.Context(), auth.Asker{}, p.Attempt); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("no ticket: %v", err)
	}
}

// TestBF1BF2BF3ASVS6_3_1CodesStop: starting over with the right password, from other addresses, gives no new tries at the code.
func TestBF1BF2BF3ASVS6_3_1CodesStop(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	tries, waits := 0, 0
	for i := range 1000 {
		c := elsewhere(i)
		p, err := b.SignIn(t.Context(), c, alice.Credentials())
		if err != nil {
			t.Fatalf("the right password after %d tries at the code: %v", tries, err)
		}
		_, err = b.Code(t.Context(), c, p.Attempt, auth.TOTP, "000000")
		if auth.KindOf(err) == auth.Stopped {
			break
		}
		if auth.KindOf(err) == auth.TooManyTries {
			if waits++; retryAfter(err) <= 0 || retryAfter(err) > 15*time.Minute {
				t.Fatalf("a wait of %v", retryAfter(err))
			}
			b.Clock.Move(retryAfter(err))
			continue
		}
		wantKind(t, err, auth.WrongCode, "a wrong code")
		tries++
	}
	if tries != 50 || waits != 45 {
		t.Errorf("got %d tries and %d waits before the stop, want 50 and 45", tries, waits)
	}
	p := alice.EnterPassword(t)
	_, err := b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, alice.Code())
	wantKind(t, err, auth.Stopped, "the right code after the stop")
	if d, err := b.User(t.Context(), "alice"); err != nil || len(d.Stopped) != 1 || d.Stopped[0] != auth.TOTP {
		t.Errorf("what an operator sees: %v, %v", d.Stopped, err)
	}
	if _, err = b.Code(t.Context(), authtest.Client, p.Attempt, auth.BackupCode, alice.Codes[0]); err != nil {
		t.Fatalf("a backup code after the stop: %v", err)
	}
	alice.SignIn(t) // which the backup code allows again
}

func TestStoppedCodeUnlockedByOperator(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	for range 50 {
		p := alice.EnterPassword(t)
		b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, "000000")
		b.Clock.Move(15 * time.Minute)
	}
	p := alice.EnterPassword(t)
	_, err := b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, alice.Code())
	wantKind(t, err, auth.Stopped, "after fifty wrong codes")
	if err := b.Unlock(t.Context(), auth.Client{}, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, alice.Code()); err != nil {
		t.Errorf("after an operator's unlock: %v", err)
	}
}

// TestBF17ASVS6_1_1StrangersDoNotLockTheOwnerOut: the owner's own browser goes on, while strangers are stopped at the same number of tries that
// a name without an account is stopped at.
func TestBF17ASVS6_1_1StrangersDoNotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	ceo := b.Enroll(t, auth.NewUser{Name: "ceo"})
	stopped := map[string]int{}
	for _, name := range []string{"ceo", "nobody"} {
		for i := range 1000 {
			_, err := b.SignIn(t.Context(), elsewhere(i), auth.Credentials{Name: name, Password: "guess"})
			if auth.KindOf(err) == auth.Stopped {
				break
			}
			if auth.KindOf(err) == auth.TooManyTries {
				b.Clock.Move(retryAfter(err))
				continue
			}
			wantKind(t, err, auth.WrongCredentials, "a guess at "+name)
			stopped[name]++
		}
	}
	if stopped["ceo"] != 50 || stopped["nobody"] != 50 {
		t.Errorf("tries before the stop: %v, want 50 for each", stopped)
	}
	_, err := b.SignIn(t.Context(), elsewhere(5000), ceo.Credentials())
	wantKind(t, err, auth.Stopped, "the right password in a browser never seen")
	if p := ceo.EnterPassword(t); p.Step != auth.StepCode {
		t.Errorf("the owner in their own browser: %+v", p)
	}
}

// TestBF17AnAddressMakesNobodyKnown: who shares an address with the owner, or has a browser cookie of their own, is a stranger.
func TestBF17AnAddressMakesNobodyKnown(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice, mallory := b.AddUser(t, auth.NewUser{Name: "alice"}), b.Enroll(t, auth.NewUser{Name: "mallory"})
	if _, err := b.SignIn(t.Context(), authtest.Client, alice.Credentials()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_, err := b.SignIn(t.Context(), mallory.Client(), auth.Credentials{Name: "alice", Password: "wrong"})
		wantKind(t, err, auth.WrongCredentials, "a wrong password")
	}
	_, err := b.SignIn(t.Context(), elsewhere(1), alice.Credentials())
	wantKind(t, err, auth.TooManyTries, "the right password from elsewhere: the failures counted for the name")
}

func TestBF7CountersFollowTheIdentity(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	for _, name := range []string{"alice", "ALICE", " alice", "alice ", "ａlice"} {
		_, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: name, Password: "wrong"})
		wantKind(t, err, auth.WrongCredentials, "a wrong password for "+name)
	}
	_, err := b.SignIn(t.Context(), authtest.Client, alice.Credentials())
	wantKind(t, err, auth.TooManyTries, "the sixth try under the sixth spelling")
}

func TestNetworkBudget(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	owner := b.Enroll(t, auth.NewUser{Name: "owner"})
	for i := range 100 {
		_, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "user" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Password: "x"})
		wantKind(t, err, auth.WrongCredentials, "BF-18: spraying")
	}
	_, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "another", Password: "x"})
	wantKind(t, err, auth.TooManyTries, "the 101st failure of a network")
	sets, updates := b.Store.Sets(), b.Store.Updates()
	for range 100 {
		b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "another", Password: "x"})
	}
	if n := b.Store.Sets() - sets; n != 0 || b.Store.Updates()-updates != 100 {
		t.Errorf("a hundred refused tries wrote %d records, want none", n)
	}
	owner.SignIn(t) // behind the same address as the sprayer, in a browser that is known
	b.Clock.Move(7 * time.Second)
	_, err = b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "another", Password: "x"})
	wantKind(t, err, auth.WrongCredentials, "after one failure is forgotten")
}

// TestBF12ASVS6_3_8SameAnswer: nothing but the cost of hashing tells a stranger what there is, and that is the same as well.
func TestBF12ASVS6_3_8SameAnswer(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	b.AddUser(t, auth.NewUser{Name: "there"})
	b.Enroll(t, auth.NewUser{Name: "enrolled"})
	b.AddUser(t, auth.NewUser{Name: "shut"})
	if err := b.SetDisabled(t.Context(), auth.Client{}, "shut", true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "invited"}); err != nil {
		t.Fatal(err)
	}
	var answers []string
	for _, name := range []string{"there", "enrolled", "shut", "invited", "nobody", "", "\x00", "\xff"} {
		views, updates := b.Store.Views(), b.Store.Updates()
		_, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: name, Password: "not it"})
		e, ok := errors.AsType[*auth.Error](err)
		if !ok {
			t.Fatalf("%q: %v", name, err)
		}
		if e.Kind != auth.WrongCredentials || e.Detail != "" || e.Cause != nil {
			t.Errorf("%q: got %+v", name, e)
		}
		answers = append(answers, err.Error())
		if v, u := b.Store.Views()-views, b.Store.Updates()-updates; v != 0 || u != 2 {
			t.Errorf("BF-13: %q cost %d views and %d updates, want 0 and 2", name, v, u)
		}
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("answers differ: %q and %q", a, answers[0])
		}
	}
}

func TestBF20CountersAndAJumpingClock(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	for range 5 {
		b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "alice", Password: "wrong"})
	}
	b.Clock.Move(-10 * 365 * 24 * time.Hour)
	_, err := b.SignIn(t.Context(), authtest.Client, alice.Credentials())
	wantKind(t, err, auth.TooManyTries, "after the clock went back")
	if retryAfter(err) > 15*time.Minute {
		t.Errorf("a wait of %v, want at most 15 minutes", retryAfter(err))
	}
}

func TestDO1BusyGivesTheTryBack(t *testing.T) {
	hasher := password.New(1, 0)
	b := authtest.New(t, func(c *auth.Config) { c.Hasher = hasher })
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	free := occupy(t, hasher)
	busy := 0
	for range 2 * freeTries {
		if _, err := b.SignIn(t.Context(), authtest.Client, alice.Credentials()); auth.KindOf(err) == auth.Busy {
			busy++
		}
	}
	free()
	if busy != 2*freeTries {
		t.Fatalf("%d sign-ins were told to wait, want %d", busy, 2*freeTries)
	}
	counters := 0
	err := b.Store.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan("guess/", "", func(string, []byte) error { counters++; return nil })
	})
	if err != nil || counters != 0 {
		t.Errorf("tries that were not looked at left %d counters, %v", counters, err)
	}
	if p := alice.EnterPassword(t); p.Session == "" {
		t.Errorf("after %d tries that were not looked at: %+v", busy, p)
	}
}

// DO-1: a try that the counters refuse costs no hash, not even of the password that would be the new one: whoever is signed in could have
// them made for ever.
func TestDO1ARefusedTryHashesNothing(t *testing.T) {
	hasher := password.New(1, 0)
	b := authtest.New(t, func(c *auth.Config) { c.Hasher = hasher })
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	alice.Keep(alice.EnterPassword(t))
	change := func() error {
		_, err := b.ChangePassword(t.Context(), alice.Client(), alice.Session, "wrong", newPassword)
		return err
	}
	for range freeTries {
		wantKind(t, change(), auth.WrongPassword, "a wrong password")
	}
	free := occupy(t, hasher)
	defer free()
	wantKind(t, change(), auth.TooManyTries, "one more, while others have their passwords hashed")
}

// occupy takes the only slot of a hasher until free is called.
func occupy(t *testing.T, hasher *password.Hasher) (free func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		codes := make([]string, 1000)
		for i := range codes {
			codes[i] = "0123456789ABCDEF"
		}
		for ctx.Err() == nil { // holds the only slot, once it has it, until it is canceled
			hasher.HashCodes(ctx, codes)
		}
	}()
	for _, err := hasher.Hash(t.Context(), "anything at all"); !errors.Is(err, password.ErrBusy); {
		_, err = hasher.Hash(t.Context(), "anything at all")
	}
	return func() {
		cancel()
		<-ended
	}
}

// freeTries is how many failures pass before the first wait.
const freeTries = 5

// TestST6ASVS6_5_8TheClockGoesBack: what was used stays used, whatever the clock says.
func TestST6ASVS6_5_8TheClockGoesBack(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	alice.SignIn(t)
	for _, back := range []time.Duration{30 * time.Second, 5 * time.Minute, 24 * time.Hour} {
		b.Clock.Move(-back)
		p := alice.EnterPassword(t)
		if _, err := b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, alice.Code()); err == nil {
			t.Errorf("a code of %v before the last one used was taken", back)
		}
	}
}

func TestStepUpsAreBounded(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(20 * time.Minute)
	need := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Minute}
	for i := range 100 {
		if _, err := b.StepUp(t.Context(), authtest.Client, alice.Session, need, ""); err != nil {
			t.Fatalf("step-up %d: %v", i+1, err)
		}
	}
	sets := b.Store.Sets()
	for range 100 {
		_, err := b.StepUp(t.Context(), authtest.Client, alice.Session, need, "")
		wantKind(t, err, auth.TooManyTries, "the 101st step-up of a session")
	}
	if n := b.Store.Sets() - sets; n != 0 {
		t.Errorf("refused step-ups wrote %d records", n)
	}
	b.Clock.Move(time.Minute)
	if _, err := b.StepUp(t.Context(), authtest.Client, alice.Session, need, ""); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// TestShortIdleStepUp: what memory knows of the last use counts in a step-up as it does at the gate.
func TestShortIdleStepUp(t *testing.T) {
	b := authtest.New(t)
	short := auth.DefaultSettings
	short.Idle = time.Minute
	b.Service = b.With(auth.View{Settings: short})
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	for range 10 {
		b.Clock.Move(25 * time.Second)
		if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
			t.Fatal(err)
		}
	}
	p, err := b.StepUp(t.Context(), authtest.Client, alice.Session, auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Minute}, "")
	p = wantStep(t, p, err, auth.StepPassword, "a step-up of a session that was used every 25 seconds")
	p, err = b.ReenterPassword(t.Context(), authtest.Client, p.Attempt, alice.Password)
	p = wantStep(t, p, err, auth.StepCode, "its password")
	p, err = b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, alice.Code())
	wantStep(t, p, err, auth.StepDone, "its code")
}
