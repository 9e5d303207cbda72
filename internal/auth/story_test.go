// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

var twoFactor = auth.Requirement{Level: auth.LevelTwoFactor}

func wantKind(t *testing.T, err error, want auth.Kind, doing string) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error, want kind %v", doing, want)
	}
	if got := auth.KindOf(err); got != want {
		t.Fatalf("%s: got kind %v (%v), want %v", doing, got, err, want)
	}
}

func wantStep(t *testing.T, p auth.Progress, err error, want auth.Step, doing string) auth.Progress {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
	if p.Step != want {
		t.Fatalf("%s: got step %q, want %q", doing, p.Step, want)
	}
	if done := p.Step == auth.StepDone; done != (p.Attempt == "") {
		t.Fatalf("%s: step %q with attempt %q", doing, p.Step, p.Attempt)
	}
	return p
}

func TestStoryFirstAdministrator(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	ctx := t.Context()
	old, err := b.NewSetupLink(ctx)
	if err != nil {
		t.Fatal(err)
	}
	link, err := b.NewSetupLink(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Link(ctx, old.Token)
	wantKind(t, err, auth.LinkGone, "opening a setup link that a newer one replaced")
	for range 2 {
		if l, err := b.Link(ctx, link.Token); err != nil || l.Kind != auth.SetupLink {
			t.Fatalf("looking at the setup link: %+v, %v", l, err)
		}
	}
	_, err = b.Setup(ctx, authtest.Client, link.Token, "admin", "short")
	wantKind(t, err, auth.BadPassword, "setting up with a short password")
	_, err = b.Setup(ctx, authtest.Client, link.Token, "ad min", "a long enough passphrase")
	wantKind(t, err, auth.BadName, "setting up with a bad name")

	p, err := b.Setup(ctx, authtest.Client, link.Token, "Admin", "a long enough passphrase")
	p = wantStep(t, p, err, auth.StepEnroll, "setting up")
	if p.Session != "" {
		t.Fatal("setting up gave a session before a second factor was enrolled")
	}
	_, err = b.Setup(ctx, authtest.Client, link.Token, "mallory", "another long passphrase")
	wantKind(t, err, auth.LinkGone, "using the setup link twice")
	if _, err := b.NewSetupLink(ctx); auth.KindOf(err) != auth.AlreadyDone {
		t.Fatalf("a setup link while there is an administrator: %v", err)
	}

	v, err := b.Attempt(ctx, p.Attempt)
	if err != nil || len(v.Pending.Secret) != 20 || v.UserName != "admin" {
		t.Fatalf("the enrollment: %+v, %v", v, err)
	}
	_, err = b.ConfirmEnrollment(ctx, authtest.Client, p.Attempt, "000000")
	wantKind(t, err, auth.WrongCode, "confirming with a wrong code")
	_, err = b.SavedCodes(ctx, authtest.Client, p.Attempt)
	wantKind(t, err, auth.OutOfOrder, "skipping the enrollment")
}

func TestStorySignInAndOut(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", FullName: "Alice A", Email: "alice@example.com", Groups: []string{"staff", "admins", "staff"}})
	ctx := t.Context()
	s, err := b.Session(ctx, auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "alice" || s.GroupList != "admins,staff" || !s.Enrolled {
		t.Errorf("got session %+v", s)
	}
	if v := twoFactor.Judge(s, b.Clock.Now()); v != auth.Pass {
		t.Errorf("after enrollment: verdict %v, want pass", v)
	}

	p := alice.EnterPassword(t)
	if p.Step != auth.StepCode || p.Session != "" {
		t.Fatalf("after the password: %+v", p)
	}
	code := alice.Code()
	p2, err := b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, code)
	p2 = wantStep(t, p2, err, auth.StepDone, "entering the code")
	if p2.Session == alice.Session {
		t.Error("two sign-ins share a ticket")
	}
	_, err = b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, code)
	wantKind(t, err, auth.AttemptGone, "entering a code in a finished attempt")

	p = alice.EnterPassword(t)
	_, err = b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, code)
	wantKind(t, err, auth.UsedCode, "reusing a code")
	_, err = b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, "000000")
	wantKind(t, err, auth.WrongCode, "a wrong code")

	p3, err := b.Code(ctx, authtest.Client, p.Attempt, auth.BackupCode, strings.ToLower(alice.Codes[3]))
	p3 = wantStep(t, p3, err, auth.StepDone, "a backup code in lower case")
	if !p3.UsedCode || p3.CodesLeft != 9 {
		t.Errorf("after a backup code: used %t, left %d; want true, 9", p3.UsedCode, p3.CodesLeft)
	}
	p = alice.EnterPassword(t)
	_, err = b.Code(ctx, authtest.Client, p.Attempt, auth.BackupCode, alice.Codes[3])
	wantKind(t, err, auth.UsedCode, "a used backup code")

	if err := b.SignOut(ctx, authtest.Client, p2.Session); err != nil {
		t.Fatal(err)
	}
	_, err = b.Session(ctx, auth.Asker{}, p2.Session)
	wantKind(t, err, auth.NotSignedIn, "a session after signing out")
	if _, err := b.Session(ctx, auth.Asker{}, p3.Session); err != nil {
		t.Errorf("the other session after signing out: %v", err)
	}
	b.Clock.Move(11 * time.Minute)
	_, err = b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, alice.Code())
	wantKind(t, err, auth.AttemptGone, "MF-24: an attempt after eleven minutes")
}

func TestASVS6_4_1StoryInvite(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	ctx := t.Context()
	u, invite, err := b.Service.AddUser(ctx, auth.Client{}, auth.NewUser{Name: "bob"})
	if err != nil || invite.Token == "" {
		t.Fatalf("adding bob: %v, invite %q", err, invite.Token)
	}
	_, err = b.SignIn(ctx, authtest.Client, auth.Credentials{Name: u.Name})
	wantKind(t, err, auth.WrongCredentials, "signing in without ever having set a password")
	p, err := b.AcceptInvite(ctx, authtest.Client, invite.Token, "bob has a long passphrase")
	wantStep(t, p, err, auth.StepEnroll, "MF-23: an invite leads to enrollment")
	_, err = b.AcceptInvite(ctx, authtest.Client, invite.Token, "mallory has a passphrase")
	wantKind(t, err, auth.LinkGone, "using an invite twice")
	b.Clock.Move(25 * time.Hour)
	_, late, err := b.Service.AddUser(ctx, auth.Client{}, auth.NewUser{Name: "late"})
	if err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(24 * time.Hour)
	_, err = b.Link(ctx, late.Token)
	wantKind(t, err, auth.LinkGone, "an invite after a day")
}

func TestASVS6_4_4StoryResetTwoFactor(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	link, err := b.ResetTwoFactor(ctx, auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Session(ctx, auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "a session after a reset")
	_, err = b.SignIn(ctx, authtest.Client, alice.Credentials())
	wantKind(t, err, auth.LinkNeeded, "the password alone after a reset")
	_, err = b.Reenroll(ctx, authtest.Client, link.Token, "not the password, surely")
	wantKind(t, err, auth.WrongPassword, "the link without the password")
	p, err := b.Reenroll(ctx, authtest.Client, link.Token, alice.Password)
	wantStep(t, p, err, auth.StepEnroll, "the link with the password")
	_, err = b.SignIn(ctx, authtest.Client, alice.Credentials())
	wantKind(t, err, auth.LinkNeeded, "the password alone while the enrollment is under way")
	oldSecret, oldCode := alice.Secret, alice.Codes[0]
	alice.Finish(t, p)
	if slices.Equal(oldSecret, alice.Secret) {
		t.Error("MF-16: the new enrollment has the old secret")
	}
	_, err = b.Reenroll(ctx, authtest.Client, link.Token, alice.Password)
	wantKind(t, err, auth.LinkGone, "using the re-enrollment link twice")
	pr := alice.EnterPassword(t)
	_, err = b.Code(ctx, authtest.Client, pr.Attempt, auth.BackupCode, oldCode)
	wantKind(t, err, auth.WrongCode, "MF-16: a backup code from before the reset")
}

func TestStoryStepUp(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	need := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}
	judge := func(value string) auth.Verdict {
		t.Helper()
		s, err := b.Session(ctx, auth.Asker{}, value)
		if err != nil {
			t.Fatal(err)
		}
		return need.Judge(s, b.Clock.Now())
	}
	if v := judge(alice.Session); v != auth.Pass {
		t.Fatalf("fresh proofs: verdict %v, want pass", v)
	}
	b.Clock.Move(10 * time.Minute)
	if v := judge(alice.Session); v != auth.StepUp {
		t.Fatalf("old proofs: verdict %v, want step-up", v)
	}
	p, err := b.StepUp(ctx, authtest.Client, alice.Session, need, "/admin")
	p = wantStep(t, p, err, auth.StepPassword, "stepping up")
	_, err = b.ReenterPassword(ctx, authtest.Client, p.Attempt, "wrong, wrong, wrong")
	wantKind(t, err, auth.WrongPassword, "a wrong password at step-up")
	p, err = b.ReenterPassword(ctx, authtest.Client, p.Attempt, alice.Password)
	p = wantStep(t, p, err, auth.StepCode, "the password at step-up")
	p, err = b.Code(ctx, authtest.Client, p.Attempt, auth.TOTP, alice.Code())
	p = wantStep(t, p, err, auth.StepDone, "the code at step-up")
	if p.ReturnTo != "/admin" {
		t.Errorf("return address: got %q", p.ReturnTo)
	}
	if v := judge(p.Session); v != auth.Pass {
		t.Errorf("after step-up: verdict %v, want pass", v)
	}
	_, err = b.Session(ctx, auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "SE-3: the ticket from before a step-up")
	p, err = b.StepUp(ctx, authtest.Client, p.Session, need, "")
	wantStep(t, p, err, auth.StepDone, "stepping up with nothing missing")
}

func TestStreamsEndWithTheirSession(t *testing.T) {
	ends := map[string]func(b *authtest.Bench, p *authtest.Person) error{
		"sign-out": func(b *authtest.Bench, p *authtest.Person) error {
			return b.SignOut(context.Background(), authtest.Client, p.Session)
		},
		"revoked": func(b *authtest.Bench, p *authtest.Person) error {
			_, err := b.RevokeSessions(context.Background(), auth.Client{}, p.Name)
			return err
		},
		"disabled": func(b *authtest.Bench, p *authtest.Person) error {
			return b.SetDisabled(context.Background(), auth.Client{}, p.Name, true)
		},
		"deleted": func(b *authtest.Bench, p *authtest.Person) error {
			return b.DeleteUser(context.Background(), auth.Client{}, p.Name)
		},
		"reset": func(b *authtest.Bench, p *authtest.Person) error {
			_, err := b.ResetTwoFactor(context.Background(), auth.Client{}, p.Name)
			return err
		},
		"idle": func(b *authtest.Bench, p *authtest.Person) error {
			b.Clock.Move(auth.DefaultSettings.Idle)
			return nil // the house-keeping finds it within a second
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			b := authtest.New(t)
			alice := b.Enroll(t, auth.NewUser{Name: "alice"})
			s, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			stream, closeStream := context.WithCancel(ctx)
			stop := s.Watch(closeStream)
			defer stop()
			if err := end(b, alice); err != nil {
				t.Fatal(err)
			}
			<-stream.Done()
			if ctx.Err() != nil {
				t.Fatal("WB-9: the stream outlived its session by two seconds")
			}
			cancel()
			_, err = b.Session(t.Context(), auth.Asker{}, alice.Session)
			wantKind(t, err, auth.NotSignedIn, "a request after the end")
		})
	}
}

func TestStepUpKeepsStreams(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	s, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	stream, cancel := context.WithCancel(t.Context())
	defer s.Watch(cancel)()
	b.Clock.Move(10 * time.Minute)
	p, err := b.StepUp(t.Context(), authtest.Client, alice.Session, auth.Requirement{Level: auth.LevelPassword, MaxAge: time.Minute}, "")
	p = wantStep(t, p, err, auth.StepPassword, "stepping up")
	p, err = b.ReenterPassword(t.Context(), authtest.Client, p.Attempt, alice.Password)
	p = wantStep(t, p, err, auth.StepCode, "the password")
	p, err = b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, alice.Code())
	p = wantStep(t, p, err, auth.StepDone, "the code")
	if stream.Err() != nil {
		t.Error("a rotation closed the streams of its session")
	}
	if err := b.SignOut(t.Context(), authtest.Client, p.Session); err != nil {
		t.Fatal(err)
	}
	if stream.Err() == nil {
		t.Error("signing out after a rotation left a stream open")
	}
}

func TestRestartKeepsSessionsAndCounters(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(50 * time.Minute)
	if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
		t.Fatal(err)
	}
	b.Restart(t)
	b.Clock.Move(50 * time.Minute)
	if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
		t.Fatalf("a session used 50 minutes ago, after a restart: %v", err)
	}
	for range 5 {
		_, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "alice", Password: "wrong"})
		wantKind(t, err, auth.WrongCredentials, "a wrong password")
	}
	b.Restart(t)
	_, err := b.SignIn(t.Context(), authtest.Client, alice.Credentials())
	wantKind(t, err, auth.TooManyTries, "BF-10: the counter after a restart")
}

func TestSE10ASVS7_3_2BusySessionEndsAtItsAbsoluteLimit(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	start := b.Clock.Now().Add(-30 * time.Second) // Enroll moves the clock by one code at its end
	limit := start.Add(auth.DefaultSettings.Lifetime)
	for b.Clock.Now().Add(30 * time.Minute).Before(limit) {
		b.Clock.Move(30 * time.Minute)
		if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
			t.Fatalf("%v before the limit: %v", limit.Sub(b.Clock.Now()), err)
		}
	}
	b.Clock.Move(limit.Sub(b.Clock.Now()) - time.Second)
	if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
		t.Fatalf("SE-11: a second before the limit: %v", err)
	}
	b.Clock.Move(time.Second)
	_, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "SE-11: at the limit")
	b.Clock.Move(-time.Hour)
	_, err = b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "ST-6: an ended session after the clock went back")
}

func TestSE11ASVS7_3_1IdleLimitIsExact(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(time.Hour - time.Second)
	if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
		t.Fatalf("a second before the idle limit: %v", err)
	}
	b.Clock.Move(time.Hour)
	_, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "at the idle limit")
}

func TestSE20ASVS7_1_2AtMostTwentySessions(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	var values []string
	for range 21 {
		values = append(values, alice.EnterPassword(t).Session)
	}
	_, err := b.Session(t.Context(), auth.Asker{}, values[0])
	wantKind(t, err, auth.NotSignedIn, "the oldest of 21 sessions")
	for i, v := range values[1:] {
		if _, err := b.Session(t.Context(), auth.Asker{}, v); err != nil {
			t.Errorf("session %d of 21: %v", i+2, err)
		}
	}
}

func TestSE8ASVS7_4_2DisabledUser(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	p := alice.EnterPassword(t)
	if err := b.SetDisabled(t.Context(), auth.Client{}, "ALICE ", true); err != nil {
		t.Fatal(err)
	}
	_, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "the session of a disabled user")
	_, err = b.Code(t.Context(), authtest.Client, p.Attempt, auth.TOTP, alice.Code())
	wantKind(t, err, auth.AttemptGone, "an attempt of a disabled user")
	_, err = b.SignIn(t.Context(), authtest.Client, alice.Credentials())
	wantKind(t, err, auth.WrongCredentials, "the right password of a disabled user")
}

func TestASVS7_4_2DeletedUserIsAnotherPerson(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	if err := b.DeleteUser(t.Context(), auth.Client{}, "alice"); err != nil {
		t.Fatal(err)
	}
	again := b.AddUser(t, auth.NewUser{Name: "alice"})
	if p := again.EnterPassword(t); p.Step != auth.StepDone {
		t.Errorf("a new person of an old name: step %q, want %q: the old factor is still asked", p.Step, auth.StepDone)
	}
	_, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "the session of the person deleted before")
}

func TestLastAdministratorStays(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	b.AddUser(t, auth.NewUser{Name: "root", Admin: true})
	wantKind(t, b.DeleteUser(t.Context(), auth.Client{}, "root"), auth.LastAdministrator, "deleting the last administrator")
	wantKind(t, b.SetDisabled(t.Context(), auth.Client{}, "root", true), auth.LastAdministrator, "disabling the last administrator")
	b.AddUser(t, auth.NewUser{Name: "second", Admin: true})
	if err := b.DeleteUser(t.Context(), auth.Client{}, "root"); err != nil {
		t.Errorf("deleting one of two administrators: %v", err)
	}
}

func TestID8ID13ASVS4_2_5NamesThatBreakHeaders(t *testing.T) {
	b := authtest.New(t)
	for _, name := range []string{"", "a\r\nRemote-Groups: admins", "é", "a\x00b", strings.Repeat("a", 65), "-a", "а", "a,b", "a b", "a/b", "a\u200bb"} {
		_, _, err := b.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: name})
		wantKind(t, err, auth.BadName, "adding "+name)
	}
	for _, g := range []string{"", "a,b", "a|b", "a;b", "a\nb", "é", " a", "a ", strings.Repeat("g", 65)} {
		_, _, err := b.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "x", Groups: []string{g}})
		wantKind(t, err, auth.BadInput, "adding somebody in group "+g)
	}
	var many []string
	for i := range 2000 {
		many = append(many, strings.Repeat("g", 10)+string(rune('a'+i%26)))
	}
	for _, in := range []auth.NewUser{
		{Name: "x", Groups: many}, {Name: "x", FullName: "a\nb"}, {Name: "x", FullName: strings.Repeat("é", 129)},
		{Name: "x", Email: "a@x\r\nBcc: b@y"}, {Name: "x", Email: "A <a@x>"}, {Name: "x", Email: "nobody"},
	} {
		_, _, err := b.Service.AddUser(t.Context(), auth.Client{}, in)
		wantKind(t, err, auth.BadInput, "adding somebody whose profile does not go")
	}
	if _, _, err := b.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "x", FullName: "José Ñandú 山田", Email: "j@example.com"}); err != nil {
		t.Errorf("a display name in other letters: %v", err)
	}
}

func TestOneIdentityHoweverTheNameIsSpelled(t *testing.T) {
	t.Parallel()
	b := authtest.New(t)
	kelvin := b.AddUser(t, auth.NewUser{Name: "Kelvin"})
	for _, name := range []string{"kelvin", "KELVIN", " kelvin ", "\u212aelvin", "ｋｅｌｖｉｎ"} {
		if _, _, err := b.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: name}); auth.KindOf(err) != auth.NameTaken {
			t.Errorf("BF-7: adding %q beside kelvin: %v, want name taken", name, err)
		}
		p, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: name, Password: kelvin.Password})
		if err != nil || p.Session == "" {
			t.Errorf("signing in as %q: %v", name, err)
		}
	}
	_, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "kеlvin", Password: kelvin.Password}) // Cyrillic е
	wantKind(t, err, auth.WrongCredentials, "ID-15: a look-alike")
}

func elsewhere(i int) auth.Client {
	return auth.Client{Address: netip.AddrFrom4([4]byte{198, 51, byte(i / 250), byte(i%250 + 1)})}
}
