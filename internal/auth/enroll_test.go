// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// methods are what factors a person has, the best first.
func methods(d auth.UserDetail) (list []auth.Method) {
	for _, f := range d.Factors {
		list = append(list, f.Method)
	}
	return list
}

func TestStorySeveralFactors(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	elsewhere := alice.Session
	alice.SignIn(t)
	b.Sent()
	codes := alice.Account(t).CodesLeft
	phone, _ := alice.Add(t, auth.NewFactor{Method: auth.Webhook, Name: " Work phone ", Channel: "sms", Destination: " +49 (151) 123-456.78/9 "})
	if phone.Name != "Work phone" || phone.To != "+49151123456789" || phone.Channel != "sms" || phone.Method != auth.Webhook {
		t.Errorf("the phone: %+v", phone)
	}
	wantMessages(t, b.Sent(), auth.NoticeFactorAdded)
	alice.Add(t, byMail)
	alice.Add(t, byApp)
	if got, want := methods(alice.Account(t)), []auth.Method{auth.TOTP, auth.TOTP, auth.Webhook, auth.Email}; !slices.Equal(got, want) {
		t.Errorf("the factors: %v, want %v", got, want)
	}
	if got := alice.Account(t).CodesLeft; got != codes {
		t.Errorf("%d backup codes after more factors, want the %d of before", got, codes)
	}
	wantSession(t, b, elsewhere, true, "another session, after a factor was added")
	b.Sent()

	pr := alice.EnterPassword(t)
	v, err := b.Attempt(ctx, pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	var ways []auth.Method
	for _, w := range v.Ways {
		ways = append(ways, w.Method)
	}
	if want := []auth.Method{auth.TOTP, auth.Webhook, auth.Email, auth.BackupCode}; !slices.Equal(ways, want) || v.CodesLeft != 10 {
		t.Errorf("the ways: %v, want %v, and %d codes left", ways, want, v.CodesLeft)
	}
	wantMessages(t, b.Sent()) // the best way sends nothing, so nothing is sent
	if err := b.SendCode(ctx, alice.Client(), pr.Attempt, auth.Webhook, phone.ID); err != nil {
		t.Fatal(err)
	}
	m := b.Await(t, auth.MessageCode)
	if m.Method != auth.Webhook || m.Channel != "sms" || m.To != "+49151123456789" {
		t.Errorf("the message: %+v", m)
	}
	_, err = b.Code(ctx, alice.Client(), pr.Attempt, auth.Email, m.Code)
	wantKind(t, err, auth.CodeGone, "MF-7: the code of the phone as one of the mail")
	pr, err = b.Code(ctx, alice.Client(), pr.Attempt, auth.Webhook, m.Code)
	wantStep(t, pr, err, auth.StepDone, "the code of the phone")
	for _, f := range alice.Account(t).Factors {
		if used := f.LastUsed.Equal(b.Clock.Now()); used != (f.ID == phone.ID) {
			t.Errorf("%s %q was last used %v", f.Method, f.Name, f.LastUsed)
		}
	}
}

// TestOT5SeveralDevicesEachBurnTheirOwn: a code of one device burns nothing of another, and each is good once.
func TestOT5SeveralDevicesEachBurnTheirOwn(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	_, tablet := alice.Add(t, byApp)
	step := otp.Step(b.Clock.Now())
	_, err := b.Code(ctx, alice.Client(), alice.EnterPassword(t).Attempt, auth.TOTP, otp.Code(tablet, step-1))
	wantKind(t, err, auth.UsedCode, "OT-6: the code that confirmed the second device")
	for name, secret := range map[string][]byte{"phone": alice.Secret, "tablet": tablet} {
		code := otp.Code(secret, step)
		pr, err := b.Code(ctx, alice.Client(), alice.EnterPassword(t).Attempt, auth.TOTP, code)
		wantStep(t, pr, err, auth.StepDone, "the code of the "+name)
		_, err = b.Code(ctx, alice.Client(), alice.EnterPassword(t).Attempt, auth.TOTP, code)
		wantKind(t, err, auth.UsedCode, "the same code of the "+name)
	}
}

// TestOT18PendingFactorReplacesNothing: until it is confirmed, a new device opens nothing and the old one is asked for.
func TestOT18PendingFactorReplacesNothing(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	pr, err := b.AddFactor(ctx, alice.Client(), alice.Session, byApp)
	pr = wantStep(t, pr, err, auth.StepEnroll, "adding a device")
	v, err := b.Attempt(ctx, pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	pendingCode := func() string { return otp.Code(v.Pending.Secret, otp.Step(b.Clock.Now())) }
	in := alice.EnterPassword(t)
	_, err = b.Code(ctx, alice.Client(), in.Attempt, auth.TOTP, pendingCode())
	wantKind(t, err, auth.WrongCode, "a code of the pending device at sign-in")
	pr, err = b.ChooseFactor(ctx, alice.Client(), pr.Attempt, byMail)
	pr = wantStep(t, pr, err, auth.StepEnroll, "choosing mail instead")
	_, err = b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, pendingCode())
	wantKind(t, err, auth.WrongCode, "a code of the device that is no longer chosen")
	pr, err = b.ChooseFactor(ctx, alice.Client(), pr.Attempt, byApp)
	pr = wantStep(t, pr, err, auth.StepEnroll, "choosing a device again")
	_, err = b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, pendingCode())
	wantKind(t, err, auth.WrongCode, "a code of the secret that was shown before")
	_, err = b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, b.Await(t, auth.MessageEnroll).Code)
	wantKind(t, err, auth.WrongCode, "the mailed code for the device")
	if v, err = b.Attempt(ctx, pr.Attempt); err != nil || v.First || v.Sent != nil && v.Sent.Method != auth.Email {
		t.Fatalf("%+v, %v", v, err)
	}
	b.Clock.Move(10 * time.Minute)
	_, err = b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, pendingCode())
	wantKind(t, err, auth.AttemptGone, "confirming after ten minutes")
	if got := methods(alice.Account(t)); !slices.Equal(got, []auth.Method{auth.TOTP}) {
		t.Errorf("the factors: %v", got)
	}
	alice.SignIn(t)
}

// TestEnrollmentCodeInParallel: a hundred requests with the right code, one factor and one set of backup codes.
func TestEnrollmentCodeInParallel(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	alice.Keep(alice.EnterPassword(t))
	pr, err := b.AddFactor(ctx, alice.Client(), alice.Session, bySMS("+4915112345678"))
	if err != nil {
		t.Fatal(err)
	}
	code := b.Await(t, auth.MessageEnroll).Code
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_, err := b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, code)
			switch auth.KindOf(err) {
			case auth.AttemptGone, auth.OutOfOrder, auth.TooManyTries, auth.Busy:
			default:
				if err != nil {
					t.Errorf("unexpected answer: %v", err)
				}
			}
			if err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	d := alice.Account(t)
	if won.Load() != 1 || len(d.Factors) != 1 || d.CodesLeft != 10 {
		t.Errorf("%d confirmations, factors %v, %d codes; want one, one and ten", won.Load(), d.Factors, d.CodesLeft)
	}
}

func TestBadDestinations(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Sent()
	for _, to := range []string{"", "0151 1234567", "+0151234567", "+1", "+123456", "+1234567890123456", "+49151abcdef", "+４９１５１１２３４５６７", "+4915112345678\r\nBcc: x", "++4915112345678", "alice@example.com"} {
		_, err := b.AddFactor(ctx, alice.Client(), alice.Session, bySMS(to))
		wantKind(t, err, auth.BadDestination, fmt.Sprintf("the number %q", to))
	}
	for _, to := range []string{"", " ", "a\nb", "a\x00b", "a\u202eb", strings.Repeat("a", 129)} {
		_, err := b.AddFactor(ctx, alice.Client(), alice.Session, auth.NewFactor{Method: auth.Webhook, Channel: "chat", Destination: to})
		wantKind(t, err, auth.BadDestination, fmt.Sprintf("the destination %q", to))
	}
	for _, name := range []string{"a\nb", "a\x1b[31m", strings.Repeat("ä", 65)} {
		_, err := b.AddFactor(ctx, alice.Client(), alice.Session, auth.NewFactor{Method: auth.TOTP, Name: name})
		wantKind(t, err, auth.BadFactorName, fmt.Sprintf("WB-4: the name %q", name))
	}
	for _, in := range []auth.NewFactor{
		{Method: auth.Webhook, Channel: "pager", Destination: "1"}, {Method: auth.Webhook, Destination: "1"},
		{Method: auth.Email}, // there is no address
		{Method: auth.BackupCode}, {Method: auth.Password}, {Method: auth.TrustedBrowser}, {},
	} {
		_, err := b.AddFactor(ctx, alice.Client(), alice.Session, in)
		wantKind(t, err, auth.NoSuchWay, fmt.Sprintf("enrolling %+v", in))
	}
	wantMessages(t, b.Sent())
	alice.Add(t, bySMS("+1 234567"))
	alice.Add(t, bySMS("+123456789012345"))
	_, err := b.AddFactor(ctx, alice.Client(), alice.Session, bySMS("+1-234567"))
	wantKind(t, err, auth.AlreadyDone, "a number that is there, written otherwise")
}

func TestFactorsAreBounded(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	for range 9 {
		alice.Add(t, byApp)
	}
	b.Forget(t, "send/") // the notices of so many devices
	_, err := b.AddFactor(ctx, alice.Client(), alice.Session, byApp)
	wantKind(t, err, auth.NoSuchWay, "the eleventh device")
	alice.Add(t, byMail)
	_, err = b.AddFactor(ctx, alice.Client(), alice.Session, byMail)
	wantKind(t, err, auth.NoSuchWay, "the mailbox twice")
	alice.Add(t, bySMS("+4915112345678"))
	b.Configure(func(s *auth.Settings) { s.Methods = []auth.Method{auth.TOTP} })
	_, err = b.AddFactor(ctx, alice.Client(), alice.Session, bySMS("+4915112345679"))
	wantKind(t, err, auth.NoSuchWay, "a method that may not be enrolled any more")
	if got := methods(alice.Account(t)); len(got) != 12 {
		t.Errorf("the factors that are there: %v", got)
	}
}

// TestBF19WrongCodesAtEnrollment cost tries like those at sign-in, of the attempt and of the person.
func TestBF19WrongCodesAtEnrollment(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := mailUser(t, b, "alice")
	pr, err := b.AddFactor(ctx, alice.Client(), alice.Session, bySMS("+4915112345678"))
	if err != nil {
		t.Fatal(err)
	}
	code := b.Await(t, auth.MessageEnroll).Code
	for range 3 {
		_, err := b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, other(code))
		wantKind(t, err, auth.WrongCode, "a wrong code")
	}
	b.Clock.Move(30 * time.Second)
	// Choosing again, another number or the same, sends another code and gives no tries.
	pr, err = b.ChooseFactor(ctx, alice.Client(), pr.Attempt, bySMS("+4915112345679"))
	if err != nil {
		t.Fatal(err)
	}
	second := b.Await(t, auth.MessageEnroll).Code
	for _, wrong := range []string{code, other(second)} {
		_, err = b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, wrong)
		wantKind(t, err, auth.WrongCode, "a wrong code for another number")
	}
	b.Clock.Move(5 * time.Second)
	_, err = b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, second)
	wantKind(t, err, auth.TriesSpent, "OT-10: the right code after five wrong ones")
	b.Clock.Move(25 * time.Second)
	wantKind(t, b.SendCode(ctx, alice.Client(), pr.Attempt, auth.Webhook, ""), auth.TriesSpent, "another code after five wrong ones")
	again, err := b.AddFactor(ctx, alice.Client(), alice.Session, bySMS("+4915112345678"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.ConfirmEnrollment(ctx, alice.Client(), again.Attempt, "")
	wantKind(t, err, auth.WrongCode, "BF-2: the sixth wrong code, in another attempt")
	_, err = b.ConfirmEnrollment(ctx, alice.Client(), again.Attempt, b.Await(t, auth.MessageEnroll).Code)
	wantKind(t, err, auth.TooManyTries, "BF-2: the seventh try, in another attempt")
	if n := len(alice.Account(t).Factors); n != 1 {
		t.Errorf("%d factors, want one", n)
	}
}

// TestBF1AnOwnCodeGivesNoTriesAtOthers: whoever guesses at a code that went to somebody else's number confirms one of their own in
// between, and has no more tries by it.
func TestBF1AnOwnCodeGivesNoTriesAtOthers(t *testing.T) {
	b := mailBench(t)
	mallory := b.Enroll(t, auth.NewUser{Name: "mallory"})
	guess := func() error {
		t.Helper()
		b.Forget(t, "send/")
		pr, err := b.AddFactor(bg, mallory.Client(), mallory.Session, bySMS("+4915100000001"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.ConfirmEnrollment(bg, mallory.Client(), pr.Attempt, other(b.Await(t, auth.MessageEnroll).Code))
		return err
	}
	for i := range 5 {
		wantKind(t, guess(), auth.WrongCode, "a guess at a code that went elsewhere")
		if i == 3 {
			mallory.Add(t, bySMS("+4915100000002"))
		}
	}
	wantKind(t, guess(), auth.TooManyTries, "the sixth guess")
}

// TestChoosingAgainWithinHalfAMinute: the choice before it stands, and its code counts.
func TestChoosingAgainWithinHalfAMinute(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	pr, err := b.AddFactor(ctx, alice.Client(), alice.Session, bySMS("+4915112345678"))
	if err != nil {
		t.Fatal(err)
	}
	code := b.Await(t, auth.MessageEnroll).Code
	_, err = b.ChooseFactor(ctx, alice.Client(), pr.Attempt, bySMS("+4915112345679"))
	wantKind(t, err, auth.TooManyMessages, "choosing another number at once")
	if v, err := b.Attempt(ctx, pr.Attempt); err != nil || v.Pending.To != "+4915112345678" || v.Sent == nil || v.Sent.To != "+4915112345678" {
		t.Errorf("what is pending: %+v, %+v, %v", v.Pending, v.Sent, err)
	}
	pr, err = b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, code)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "the code"))
	if got := alice.Account(t).Factors[1].To; got != "+4915112345678" {
		t.Errorf("enrolled %s", got)
	}
}

// TestOT9CodeOfAFactorConfirmsNoOther: the proofs run out in the middle of an enrollment, a code is sent to the old phone to prove the
// person again, and is not used. It must not confirm the new one, also where that
// has the same number by another channel.
func TestOT9CodeOfAFactorConfirmsNoOther(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	old, _ := alice.Add(t, bySMS("+4915100000001"))
	chat := auth.NewFactor{Method: auth.Webhook, Channel: "chat", Destination: old.To}
	b.Clock.Move(5 * time.Minute)
	pr, err := b.AddFactor(bg, alice.Client(), alice.Session, chat)
	pr = wantStep(t, pr, err, auth.StepEnroll, "adding a phone")
	b.Clock.Move(5 * time.Minute)
	b.Sent()
	pr, err = b.ReenterPassword(bg, alice.Client(), pr.Attempt, alice.Password)
	pr = wantStep(t, pr, err, auth.StepCode, "the password again")
	if err := b.SendCode(bg, alice.Client(), pr.Attempt, auth.Webhook, old.ID); err != nil {
		t.Fatal(err)
	}
	code := b.Await(t, auth.MessageCode).Code
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, alice.Code())
	pr = wantStep(t, pr, err, auth.StepEnroll, "a code of the authenticator instead")
	_, err = b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, code)
	wantKind(t, err, auth.CodeGone, "the code of the old phone for the new one")
	if v, err := b.Attempt(bg, pr.Attempt); err != nil || v.Sent != nil {
		t.Errorf("the page that waits for the new phone's code shows the old phone's: %+v, %v", v.Sent, err)
	}
	b.Clock.Move(30 * time.Second)
	if err := b.SendCode(bg, alice.Client(), pr.Attempt, "", ""); err != nil {
		t.Fatal(err)
	}
	m := b.Await(t, auth.MessageEnroll)
	if m.Channel != "chat" || m.To != old.To {
		t.Errorf("the next code goes by %s to %s", m.Channel, m.To)
	}
	pr, err = b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, m.Code)
	wantStep(t, pr, err, auth.StepDone, "the code of the new phone")
}

// TestMF12FirstFactorByMail: the first factor of a person, whatever it is, makes the backup codes and ends what a password alone opened.
func TestMF12FirstFactorByMail(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Keep(alice.EnterPassword(t))
	elsewhere := alice.Session
	alice.Keep(alice.EnterPassword(t))
	pr, err := b.StepUp(ctx, alice.Client(), alice.Session, twoFactor, "/app")
	pr = wantStep(t, pr, err, auth.StepEnroll, "what a rule with two factors asks")
	v, err := b.Attempt(ctx, pr.Attempt)
	if err != nil || !v.First || !slices.Equal(v.Methods, []auth.Method{auth.TOTP, auth.Email, auth.Webhook}) || !slices.Equal(v.Channels, []string{"sms", "chat"}) {
		t.Errorf("what may be enrolled: %+v, %v", v, err)
	}
	pr, err = b.ChooseFactor(ctx, alice.Client(), pr.Attempt, byMail)
	pr = wantStep(t, pr, err, auth.StepEnroll, "choosing mail")
	m := b.Await(t, auth.MessageEnroll)
	if v, err = b.Attempt(ctx, pr.Attempt); err != nil || v.Sent == nil || v.Sent.To != "alice@example.com" || v.Pending.Secret != nil {
		t.Errorf("the page that waits for the code: %+v, %v", v, err)
	}
	pr, err = b.ConfirmEnrollment(ctx, alice.Client(), pr.Attempt, m.Code)
	pr = wantStep(t, pr, err, auth.StepSaveCodes, "the code")
	wantSession(t, b, elsewhere, false, "SE-7: a session that was opened with the password alone")
	s, err := b.Session(ctx, auth.Asker{}, alice.Session)
	if err != nil || b.Complete(s) || twoFactor.Judge(s, b.Clock.Now()) == auth.Pass {
		t.Errorf("MF-6: the session passes before the codes are saved: %v", err)
	}
	if v, err = b.Attempt(ctx, pr.Attempt); err != nil || len(v.Codes) != 10 {
		t.Errorf("the codes: %v, %v", v.Codes, err)
	}
	pr, err = b.SavedCodes(ctx, alice.Client(), pr.Attempt)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "saving the codes"))
	if pr.ReturnTo != "/app" {
		t.Errorf("on to %q", pr.ReturnTo)
	}
	wantMessages(t, b.Sent(), auth.NoticeTwoFactorOn)
	signInByCode(t, b, alice)
}

// TestASVS6_5_2ShortSecretsAreHashedSlowly: whoever reads the store, opened, finds backup codes under argon2id
// alone. What stands for codes that were sent needs the key: see TestOT9CodeIsBoundByItsMAC and TestOT12CodeIsInItsMessageAlone.
func TestASVS6_5_2ShortSecretsAreHashedSlowly(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	factors := b.Records(t, "factors/")
	for key, value := range factors {
		if strings.Count(value, `"$argon2id$`) != 10 || strings.Count(value, `"hash":`) != 10 {
			t.Errorf("%s keeps its ten codes otherwise: %s", key, value)
		}
		for _, code := range alice.Codes {
			if strings.Contains(value, code) || strings.Contains(value, strings.ReplaceAll(code, "-", "")) {
				t.Errorf("%s holds a code in clear", key)
			}
		}
	}
	if len(factors) != 1 || len(alice.Codes) != 10 {
		t.Errorf("%d records of factors, %d codes", len(factors), len(alice.Codes))
	}
}
