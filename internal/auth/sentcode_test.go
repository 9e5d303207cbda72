// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

func TestStorySignInByMailedCode(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := mailUser(t, b, "alice")
	b.Sent()
	c := alice.Client()
	c.Language, c.Origin = "de", "https://app.example.com"
	pr, err := b.SignIn(ctx, c, alice.Credentials())
	pr = wantStep(t, pr, err, auth.StepCode, "the password")
	m := b.Await(t, auth.MessageCode)
	if m.Method != auth.Email || m.To != "alice@example.com" || m.User != "alice" || !sixDigits.MatchString(m.Code) || m.Language != "de" ||
		m.Origin != c.Origin || m.Address != c.Address || m.Device != c.Device {
		t.Errorf("the message: %+v", m)
	}
	if got, want := m.Expires, b.Clock.Now().Add(10*time.Minute); !got.Equal(want) {
		t.Errorf("ASVS 6.5.5: the code ends %v, want %v", got, want)
	}
	v, err := b.Attempt(ctx, pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	if v.Sent == nil || v.Sent.To != "a•••@example.com" || v.Sent.Failed || !v.Sent.Again.Equal(b.Clock.Now().Add(30*time.Second)) {
		t.Errorf("what the page may show of the code: %+v", v.Sent)
	}
	if len(v.Ways) != 2 || v.Ways[0].Method != auth.Email || v.Ways[1].Method != auth.BackupCode {
		t.Errorf("the ways: %+v", v.Ways)
	}
	first := pr.Attempt
	pr, err = b.Code(ctx, c, first, auth.Email, m.Code)
	pr = wantStep(t, pr, err, auth.StepDone, "the code")
	s, err := b.Session(ctx, auth.Asker{}, pr.Session)
	if err != nil || twoFactor.Judge(s, b.Clock.Now()) != auth.Pass {
		t.Errorf("the session: %+v, %v", s, err)
	}
	if last := b.Events[len(b.Events)-1]; last.Type != auth.EventSignIn || last.Method != auth.Email {
		t.Errorf("NIST SP 800-63B-4 §3.1.3.1: mail is called mail, got %+v", last)
	}
	apps := auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TOTP, auth.Webhook}}
	if v := apps.Judge(s, b.Clock.Now()); v != auth.ProveMore {
		t.Errorf("ASVS 6.3.6: mail where a rule wants an app: verdict %v, want prove more", v)
	}
	_, err = b.Code(ctx, c, first, auth.Email, m.Code)
	wantKind(t, err, auth.AttemptGone, "OT-1: the same code in the attempt that it finished")
	next := alice.EnterPassword(t)
	_, err = b.Code(ctx, c, next.Attempt, auth.Email, m.Code)
	wantKind(t, err, auth.WrongCode, "OT-1: the same code at the next sign-in")
	if d := alice.Account(t); len(d.Factors) != 1 || d.Factors[0].LastUsed.IsZero() {
		t.Errorf("last used: %+v", d.Factors)
	}
}

// TestOT2OT13ASVS6_5_1SentCodeInParallel: a hundred requests with the right code, one session.
func TestOT2OT13ASVS6_5_1SentCodeInParallel(t *testing.T) {
	for _, f := range []auth.NewFactor{byMail, bySMS("+4915112345678")} {
		t.Run(string(f.Method), func(t *testing.T) {
			b := mailBench(t)
			alice := b.EnrollWith(t, auth.NewUser{Name: "alice", Email: "alice@example.com"}, f)
			pr := alice.EnterPassword(t)
			m := b.Await(t, auth.MessageCode)
			var won atomic.Int32
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					done, err := b.Code(t.Context(), alice.Client(), pr.Attempt, m.Method, m.Code)
					switch {
					case err == nil && done.Session != "":
						won.Add(1)
					case auth.KindOf(err) != auth.AttemptGone:
						t.Errorf("unexpected answer: %+v, %v", done, err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%d sessions from one code, want 1", won.Load())
			}
		})
	}
}

// TestBF1WrongSentCodesInParallel: the tries of one attempt cannot be raced past their number.
func TestBF1WrongSentCodesInParallel(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	pr := alice.EnterPassword(t)
	m := b.Await(t, auth.MessageCode)
	var looked atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Email, other(m.Code)); auth.KindOf(err) == auth.WrongCode {
				looked.Add(1)
			}
		})
	}
	wg.Wait()
	if looked.Load() != 5 {
		t.Errorf("%d of a hundred parallel guesses were looked at, want 5", looked.Load())
	}
}

// TestOT9ASVS6_6_2CodeIsForItsAttempt: the code of one sign-in is worth nothing in another, of the same person or of somebody else.
func TestOT9ASVS6_6_2CodeIsForItsAttempt(t *testing.T) {
	b := mailBench(t)
	alice, bob := mailUser(t, b, "alice"), mailUser(t, b, "bob")
	one, two := alice.EnterPassword(t), alice.EnterPassword(t)
	b.Await(t, auth.MessageCode)
	code := b.Await(t, auth.MessageCode).Code // of two
	his := bob.EnterPassword(t)
	b.Await(t, auth.MessageCode)
	_, err := b.Code(t.Context(), alice.Client(), one.Attempt, auth.Email, code)
	wantKind(t, err, auth.WrongCode, "the code of another sign-in of the same person")
	_, err = b.Code(t.Context(), bob.Client(), his.Attempt, auth.Email, code)
	wantKind(t, err, auth.WrongCode, "alice's code for bob")
	pr, err := b.Code(t.Context(), alice.Client(), two.Attempt, auth.Email, code)
	wantStep(t, pr, err, auth.StepDone, "the code where it belongs")
}

// TestOT9CodeIsForItsPurpose: an attempt that has sent a code to prove an address or to enroll, and then has to prove the person again,
// does not take that code for the proof.
func TestOT9CodeIsForItsPurpose(t *testing.T) {
	begin := map[string]func(b *authtest.Bench, p *authtest.Person) (auth.Progress, error){
		"address": func(b *authtest.Bench, p *authtest.Person) (auth.Progress, error) {
			return b.ChangeEmail(t.Context(), p.Client(), p.Session, "new@example.com")
		},
		"enroll": func(b *authtest.Bench, p *authtest.Person) (auth.Progress, error) {
			return b.AddFactor(t.Context(), p.Client(), p.Session, bySMS("+4915112345678"))
		},
	}
	for name, act := range begin {
		t.Run(name, func(t *testing.T) {
			b := mailBench(t)
			alice := mailUser(t, b, "alice")
			b.Clock.Move(5 * time.Minute)
			b.Sent()
			pr, err := act(b, alice)
			if err != nil {
				t.Fatal(err)
			}
			code := b.Sent()[0].Code
			b.Clock.Move(5 * time.Minute) // the proofs of the session are too old now
			pr, err = b.ReenterPassword(t.Context(), alice.Client(), pr.Attempt, alice.Password)
			pr = wantStep(t, pr, err, auth.StepCode, "the password again")
			for _, m := range []auth.Method{auth.Email, auth.Webhook} {
				if _, err := b.Code(t.Context(), alice.Client(), pr.Attempt, m, code); err == nil {
					t.Errorf("the code is taken for a proof by %s", m)
				}
			}
			if v, err := b.Attempt(t.Context(), pr.Attempt); err != nil || v.Sent != nil {
				t.Errorf("the page that asks for a second factor shows a code for something else: %+v, %v", v.Sent, err)
			}
		})
	}
}

// TestOT9CodeIsBoundByItsMAC: what a code is for is not a field beside it that could be changed, but part of what is checked.
func TestOT9CodeIsBoundByItsMAC(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	one, _ := alice.Add(t, bySMS("+4915100000001"))
	two, _ := alice.Add(t, bySMS("+4915100000002"))
	b.AddUser(t, auth.NewUser{Name: "bob"})
	bob, err := b.User(ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	field := func(a map[string]any, name string) map[string]any { return a[name].(map[string]any) }

	newAddress := func() (auth.Progress, error) {
		return b.ChangeEmail(ctx, alice.Client(), alice.Session, "new@example.com")
	}
	newChat := func() (auth.Progress, error) {
		return b.AddFactor(ctx, alice.Client(), alice.Session, auth.NewFactor{Method: auth.Webhook, Channel: "chat", Destination: "alice@example.com"})
	}
	signIn := func() (auth.Progress, error) {
		pr := alice.EnterPassword(t)
		return pr, b.SendCode(ctx, alice.Client(), pr.Attempt, auth.Webhook, one.ID)
	}
	confirmAddress := func(attempt, code string) (auth.Progress, error) {
		return b.ConfirmAddress(ctx, alice.Client(), attempt, code)
	}
	confirmFactor := func(attempt, code string) (auth.Progress, error) {
		return b.ConfirmEnrollment(ctx, alice.Client(), attempt, code)
	}
	enter := func(attempt, code string) (auth.Progress, error) {
		return b.Code(ctx, alice.Client(), attempt, auth.Webhook, code)
	}
	for name, c := range map[string]struct {
		begin  func() (auth.Progress, error)
		change func(attempt map[string]any)
		use    func(attempt, code string) (auth.Progress, error)
	}{
		"purpose": {newAddress, func(a map[string]any) {
			delete(field(a, "pending"), "new_address")
			a["waits"] = auth.StepEnroll
		}, confirmFactor},
		"person":  {newAddress, func(a map[string]any) { a["user_id"] = bob.ID }, confirmAddress},
		"message": {newAddress, func(a map[string]any) { field(a, "sent")["id"] = "0123456789abcdef" }, confirmAddress},
		"address": {newAddress, func(a map[string]any) {
			field(a, "sent")["to"], field(a, "pending")["destination"] = "mallory@example.com", "mallory@example.com"
		}, confirmAddress},
		"method": {newChat, func(a map[string]any) {
			field(a, "sent")["method"], field(a, "pending")["method"] = auth.Email, auth.Email
		}, confirmFactor},
		"factor": {signIn, func(a map[string]any) { field(a, "sent")["factor"] = two.ID }, enter},
	} {
		b.Forget(t, "send/")
		b.Forget(t, "guess/")
		b.Sent()
		pr, err := c.begin()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m := b.Sent()[0]
		edit(t, b, "attempt/", m.ID, c.change)
		_, err = c.use(pr.Attempt, m.Code)
		if auth.KindOf(err) != auth.WrongCode {
			t.Errorf("a code whose %s was changed in the store: %v, want a wrong code", name, err)
		}
	}
}

func TestOT10NewestCodeOnly(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	id := alice.Account(t).Factors[0].ID
	pr := alice.EnterPassword(t)
	codes := []string{b.Await(t, auth.MessageCode).Code}
	for range 2 {
		b.Clock.Move(29 * time.Second)
		err := b.SendCode(t.Context(), alice.Client(), pr.Attempt, auth.Email, id)
		wantKind(t, err, auth.TooManyMessages, "asking again within half a minute")
		if got := retryAfter(err); got != time.Second {
			t.Errorf("asked to wait %v, want a second", got)
		}
		b.Clock.Move(time.Second)
		if err := b.SendCode(t.Context(), alice.Client(), pr.Attempt, auth.Email, id); err != nil {
			t.Fatal(err)
		}
		codes = append(codes, b.Await(t, auth.MessageCode).Code)
	}
	for i, code := range codes[:2] {
		_, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Email, code)
		wantKind(t, err, auth.WrongCode, fmt.Sprintf("code %d of 3", i+1))
	}
	pr, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Email, codes[2])
	wantStep(t, pr, err, auth.StepDone, "the newest code")
}

// TestOT10BF5ResendGivesNoTries: five wrong codes are all that an attempt has, however many codes it sends, and by whichever way.
func TestOT10BF5ResendGivesNoTries(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := mailUser(t, b, "alice")
	alice.Add(t, bySMS("+4915112345678"))
	alice.Secret = nil
	pr := alice.EnterPassword(t)
	m := b.Await(t, auth.MessageCode)
	wrong := func(doing string) {
		t.Helper()
		_, err := b.Code(ctx, alice.Client(), pr.Attempt, m.Method, other(m.Code))
		wantKind(t, err, auth.WrongCode, doing)
	}
	for range 3 {
		wrong("a wrong code")
	}
	b.Clock.Move(30 * time.Second)
	email := ""
	for _, f := range alice.Account(t).Factors {
		if f.Method == auth.Email {
			email = f.ID
		}
	}
	if err := b.SendCode(ctx, alice.Client(), pr.Attempt, auth.Email, email); err != nil {
		t.Fatal(err)
	}
	m = b.Await(t, auth.MessageCode)
	if m.Method != auth.Email {
		t.Fatalf("the other way sent %+v", m)
	}
	for range 2 {
		wrong("a wrong code by the other way")
	}
	b.Restart(t)
	_, err := b.Code(ctx, alice.Client(), pr.Attempt, m.Method, m.Code)
	wantKind(t, err, auth.TriesSpent, "the right code after five wrong ones")
	b.Clock.Move(30 * time.Second)
	for _, f := range alice.Account(t).Factors {
		wantKind(t, b.SendCode(ctx, alice.Client(), pr.Attempt, f.Method, f.ID), auth.TriesSpent, "a new code after five wrong ones")
	}
	pr, err = b.Code(ctx, alice.Client(), pr.Attempt, auth.BackupCode, alice.Codes[0])
	wantStep(t, pr, err, auth.StepDone, "a backup code, which is another way")
}

// TestASVS6_5_5SentCodeLastsTenMinutes also when the attempt lasts longer.
func TestASVS6_5_5SentCodeLastsTenMinutes(t *testing.T) {
	for at, want := range map[time.Duration]bool{10*time.Minute - time.Second: true, 10 * time.Minute: false} {
		t.Run(at.String(), func(t *testing.T) {
			b := mailBench(t)
			alice := mailUser(t, b, "alice")
			pr := alice.EnterPassword(t)
			m := b.Await(t, auth.MessageCode)
			edit(t, b, "attempt/", m.ID, func(a map[string]any) { a["expires"] = b.Clock.Now().Add(time.Hour) })
			b.Clock.Move(at)
			_, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Email, m.Code)
			if want && err != nil {
				t.Errorf("after %v: %v", at, err)
			}
			if !want {
				wantKind(t, err, auth.CodeGone, "the code after ten minutes")
				if v, err := b.Attempt(t.Context(), pr.Attempt); err != nil || v.Sent != nil {
					t.Errorf("the page still shows the code: %+v, %v", v.Sent, err)
				}
			}
		})
	}
}

// TestSentCodeEndsWithItsAttempt: one that is asked for late lasts no longer than what it is for.
func TestSentCodeEndsWithItsAttempt(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	end := b.Clock.Now().Add(10 * time.Minute)
	pr := alice.EnterPassword(t)
	b.Clock.Move(9 * time.Minute)
	b.Sent()
	if err := b.SendCode(t.Context(), alice.Client(), pr.Attempt, auth.Email, alice.Account(t).Factors[0].ID); err != nil {
		t.Fatal(err)
	}
	if m := b.Await(t, auth.MessageCode); !m.Expires.Equal(end) {
		t.Errorf("the mail says that the code ends %v, and the attempt ends %v", m.Expires, end)
	}
	b.Clock.Move(time.Minute)
	wantKind(t, b.SendCode(t.Context(), alice.Client(), pr.Attempt, auth.Email, alice.Account(t).Factors[0].ID), auth.AttemptGone, "asking when the attempt is over")
}

// TestOT11RE4CodesGoToWhatIsStored: nothing that a request names is an address.
func TestOT11RE4CodesGoToWhatIsStored(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice, bob := mailUser(t, b, "alice"), mailUser(t, b, "bob")
	pr := alice.EnterPassword(t)
	b.Clock.Move(time.Minute)
	b.Sent()
	for _, factor := range []string{"", "me@evil.example", "alice@example.com", bob.Account(t).Factors[0].ID, "a@x,b@y"} {
		for _, m := range []auth.Method{auth.Email, auth.Webhook, auth.TOTP, auth.BackupCode, auth.Password, ""} {
			wantKind(t, b.SendCode(ctx, alice.Client(), pr.Attempt, m, factor), auth.NoSuchWay, fmt.Sprintf("a code by %q to %q", m, factor))
		}
	}
	if sent := b.Sent(); len(sent) > 0 {
		t.Errorf("sent: %+v", sent)
	}
	wantKind(t, b.SendCode(ctx, alice.Client(), alice.Session, auth.Email, alice.Account(t).Factors[0].ID), auth.AttemptGone, "a session's ticket in place of the attempt's")
	app := b.Enroll(t, auth.NewUser{Name: "carol", Email: "carol@example.com"})
	p2 := app.EnterPassword(t)
	wantKind(t, b.SendCode(ctx, app.Client(), p2.Attempt, auth.Email, ""), auth.NoSuchWay, "mail that is not enrolled")
	_, err := b.Code(ctx, app.Client(), p2.Attempt, auth.Email, "123456")
	wantKind(t, err, auth.NoSuchWay, "OT-17: a code by mail that is not enrolled")
}

// TestMF7MethodsThatDoNotCountHere: a rule names the methods that count; another one is neither offered, sent nor taken.
func TestMF7MethodsThatDoNotCountHere(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	mailbox, _ := alice.Add(t, byMail)
	b.Clock.Move(20 * time.Minute)
	b.Sent()
	need := auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TOTP}, MaxAge: 5 * time.Minute}
	pr, err := b.StepUp(ctx, alice.Client(), alice.Session, need, "")
	if err != nil {
		t.Fatal(err)
	}
	pr, err = b.ReenterPassword(ctx, alice.Client(), pr.Attempt, alice.Password)
	pr = wantStep(t, pr, err, auth.StepCode, "the password")
	v, err := b.Attempt(ctx, pr.Attempt)
	if err != nil || len(v.Ways) != 2 || v.Ways[0].Method != auth.TOTP || v.Ways[1].Method != auth.BackupCode {
		t.Errorf("the ways where an app is asked: %+v, %v", v.Ways, err)
	}
	wantKind(t, b.SendCode(ctx, alice.Client(), pr.Attempt, auth.Email, mailbox.ID), auth.NoSuchWay, "a code by mail")
	_, err = b.Code(ctx, alice.Client(), pr.Attempt, auth.Email, "123456")
	wantKind(t, err, auth.NoSuchWay, "a code from the mail")
	wantMessages(t, b.Sent())
}

// TestOT12CodeIsInItsMessageAlone: neither an answer, nor an event, nor the store, sealed or opened, shows the code that was sent.
func TestOT12CodeIsInItsMessageAlone(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	pr := alice.EnterPassword(t)
	m := b.Await(t, auth.MessageCode)
	v, err := b.Attempt(t.Context(), pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal([]any{pr, v, v.Sent, m, b.Events})
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile(`\b` + m.Code + `\b`)
	if word.Match(out) {
		t.Errorf("an answer, an event or a message in JSON shows the code %s: %s", m.Code, out)
	}
	for key, value := range b.Records(t, "") {
		if word.MatchString(key) || word.MatchString(value) {
			t.Errorf("the record %s shows the code %s: %s", key, m.Code, value)
		}
	}
	for key, value := range b.Disk(t) {
		if strings.Contains(key, m.Code) && word.MatchString(key) || strings.Contains(value, m.Code) {
			t.Errorf("the disk shows the code %s under %q", m.Code, key)
		}
	}
}

// TestMF16SentCodeWhenItsFactorIsGone: what was begun before a factor was taken away is over.
func TestMF16SentCodeWhenItsFactorIsGone(t *testing.T) {
	b := mailBench(t)
	phone := bySMS("+4915100000001")
	alice := b.EnrollWith(t, auth.NewUser{Name: "alice", Email: "alice@example.com"}, phone)
	first := alice.Account(t).Factors[0]
	alice.Add(t, bySMS("+4915100000002"))
	pr := alice.EnterPassword(t)
	m := b.Await(t, auth.MessageCode)
	if m.To != phone.Destination {
		t.Fatalf("the code went to %s", m.To)
	}
	if err := b.RemoveFactor(t.Context(), alice.Client(), alice.Session, first.ID); err != nil {
		t.Fatal(err)
	}
	_, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Webhook, m.Code)
	wantKind(t, err, auth.AttemptGone, "the code to a phone that was taken off the account meanwhile")
}

// TestMF10MF16SentCodeWhenTheAddressHasChanged: a code in the old mailbox is worth nothing once the account has a new one.
func TestMF10MF16SentCodeWhenTheAddressHasChanged(t *testing.T) {
	b := mailBench(t)
	ctx := t.Context()
	alice := mailUser(t, b, "alice")
	pr := alice.EnterPassword(t)
	old := b.Await(t, auth.MessageCode)
	up, err := b.ChangeEmail(ctx, alice.Client(), alice.Session, "new@example.com")
	up = wantStep(t, up, err, auth.StepConfirmAddress, "changing the address")
	up, err = b.ConfirmAddress(ctx, alice.Client(), up.Attempt, b.Await(t, auth.MessageProve).Code)
	alice.Keep(wantStep(t, up, err, auth.StepDone, "confirming the address"))
	_, err = b.Code(ctx, alice.Client(), pr.Attempt, auth.Email, old.Code)
	wantKind(t, err, auth.AttemptGone, "the code in the old mailbox")
	pr = alice.EnterPassword(t)
	m := b.Await(t, auth.MessageCode)
	if m.To != "new@example.com" {
		t.Errorf("the next code goes to %s", m.To)
	}
	pr, err = b.Code(ctx, alice.Client(), pr.Attempt, auth.Email, m.Code)
	wantStep(t, pr, err, auth.StepDone, "the code in the new mailbox")
}

// TestBF1BF2BF3SentCodesStop: new sign-ins, new codes and other addresses give no more tries than fifty.
func TestBF1BF2BF3SentCodesStop(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	tries := 0
	for i := range 1000 {
		c := elsewhere(i)
		b.Sent()
		pr, err := b.SignIn(t.Context(), c, alice.Credentials())
		if err != nil {
			t.Fatalf("the right password after %d tries at the code: %v", tries, err)
		}
		sent := b.Sent()
		if len(sent) == 0 || sent[len(sent)-1].Kind != auth.MessageCode {
			b.Clock.Move(10 * time.Minute) // too many messages for now
			continue
		}
		code := sent[len(sent)-1].Code
		for err = nil; auth.KindOf(err) != auth.TriesSpent; {
			if _, err = b.Code(t.Context(), c, pr.Attempt, auth.Email, other(code)); auth.KindOf(err) == auth.WrongCode {
				tries++
				continue
			}
			if auth.KindOf(err) != auth.TooManyTries {
				break
			}
			b.Clock.Move(retryAfter(err))
		}
		if auth.KindOf(err) == auth.Stopped {
			break
		}
	}
	if tries != 50 {
		t.Errorf("%d tries at codes by mail before the stop, want 50", tries)
	}
	b.Clock.Move(time.Hour)
	b.Sent()
	pr := alice.EnterPassword(t)
	_, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Email, b.Await(t, auth.MessageCode).Code)
	wantKind(t, err, auth.Stopped, "the right code after the stop")
	if d, err := b.User(t.Context(), "alice"); err != nil || len(d.Stopped) != 1 || d.Stopped[0] != auth.Email {
		t.Errorf("what an operator sees: %v, %v", d.Stopped, err)
	}
	pr, err = b.Code(t.Context(), alice.Client(), pr.Attempt, auth.BackupCode, alice.Codes[0])
	wantStep(t, pr, err, auth.StepDone, "a backup code after the stop")
	signInByCode(t, b, alice)
}

// TestML2CapsOnMessages: per person, address, network and in all. A code is sent at sign-in as long as the caps allow it, and who asks
// for one beyond them is told when to ask again.
func TestML2ASVS6_6_3CapsOnMessages(t *testing.T) {
	ask := func(t *testing.T, b *authtest.Bench, p *authtest.Person, c auth.Client) error {
		t.Helper()
		pr, err := b.SignIn(t.Context(), c, p.Credentials())
		if err != nil {
			t.Fatal(err)
		}
		return b.SendCode(t.Context(), c, pr.Attempt, auth.Email, p.Account(t).Factors[0].ID)
	}
	codes := func(b *authtest.Bench) (n int) {
		for _, m := range b.Sent() {
			if m.Kind == auth.MessageCode {
				n++
			}
		}
		return n
	}
	fill := func(t *testing.T, b *authtest.Bench, key string, failures int) {
		b.Overwrite(t, key, fmt.Sprintf(`{"failures":%d,"last":%q}`, failures, b.Clock.Now().Format(time.RFC3339Nano)))
	}
	t.Run("person", func(t *testing.T) {
		b := mailBench(t)
		alice := mailUser(t, b, "alice")
		b.Forget(t, "send/")
		b.Sent()
		for i := range 15 {
			if _, err := b.SignIn(t.Context(), elsewhere(i), alice.Credentials()); err != nil {
				t.Fatal(err)
			}
		}
		if n := codes(b); n != 10 {
			t.Errorf("fifteen sign-ins sent %d codes, want 10", n)
		}
		err := ask(t, b, alice, elsewhere(100))
		wantKind(t, err, auth.TooManyMessages, "asking for the eleventh")
		if got := retryAfter(err); got != 6*time.Minute {
			t.Errorf("asked to wait %v, want six minutes", got)
		}
		b.Clock.Move(6 * time.Minute)
		if _, err := b.SignIn(t.Context(), elsewhere(101), alice.Credentials()); err != nil || codes(b) != 1 {
			t.Errorf("no code six minutes later: %v", err)
		}
	})
	t.Run("person, to many numbers", func(t *testing.T) {
		b := mailBench(t)
		alice := b.AddUser(t, auth.NewUser{Name: "alice"})
		alice.Keep(alice.EnterPassword(t))
		for i := range 15 {
			if _, err := b.AddFactor(t.Context(), elsewhere(i), alice.Session, bySMS(fmt.Sprint("+49151123456", 10+i))); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(b.Sent()); n != 10 {
			t.Errorf("one person had %d codes sent to fifteen numbers, want 10", n)
		}
	})
	t.Run("address", func(t *testing.T) {
		b := mailBench(t)
		var family []*authtest.Person
		for _, name := range []string{"ann", "ben"} {
			family = append(family, b.EnrollWith(t, auth.NewUser{Name: name, Email: "us@example.com"}, byMail))
		}
		b.Forget(t, "send/")
		b.Sent()
		for i := range 14 {
			if _, err := b.SignIn(t.Context(), elsewhere(i), family[i%2].Credentials()); err != nil {
				t.Fatal(err)
			}
		}
		if n := codes(b); n != 10 {
			t.Errorf("two people with one address got %d codes, want 10", n)
		}
	})
	t.Run("network", func(t *testing.T) {
		b := mailBench(t)
		alice := mailUser(t, b, "alice")
		b.Forget(t, "send/")
		fill(t, b, "send/net/2001:db8:1:2::/64", 99)
		b.Sent()
		at := func(a string) auth.Client { return auth.Client{Address: netip.MustParseAddr(a)} }
		for _, a := range []string{"2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::"} {
			if _, err := b.SignIn(t.Context(), at(a), alice.Credentials()); err != nil {
				t.Fatal(err)
			}
		}
		if n := codes(b); n != 1 {
			t.Errorf("%d codes from a network with one to go, want 1", n)
		}
		wantKind(t, ask(t, b, alice, at("2001:db8:1:2::9")), auth.TooManyMessages, "asking from there")
		if _, err := b.SignIn(t.Context(), at("2001:db8:1:3::1"), alice.Credentials()); err != nil || codes(b) != 1 {
			t.Errorf("no code from another network: %v", err)
		}
	})
	t.Run("all", func(t *testing.T) {
		b := mailBench(t)
		alice := mailUser(t, b, "alice")
		fill(t, b, "send/all", 999)
		b.Sent()
		alice.EnterPassword(t)
		wantKind(t, ask(t, b, alice, alice.Client()), auth.TooManyMessages, "the 1001st message of all")
		if n := codes(b); n != 1 {
			t.Errorf("%d codes with one to go, want 1", n)
		}
		b.Clock.Move(4 * time.Second)
		if err := ask(t, b, alice, alice.Client()); auth.KindOf(err) == auth.Unavailable || codes(b) != 1 {
			t.Errorf("no code four seconds later: %v", err)
		}
	})
	t.Run("a hundred requests", func(t *testing.T) {
		b := mailBench(t)
		alice := mailUser(t, b, "alice")
		b.Clock.Move(2 * time.Hour)
		alice.EnterPassword(t)
		alice.Keep(func() auth.Progress {
			pr := alice.EnterPassword(t)
			sent := b.Sent()
			done, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Email, sent[len(sent)-1].Code)
			return wantStep(t, done, err, auth.StepDone, "signing in")
		}())
		pr := alice.EnterPassword(t)
		b.Sent()
		id := alice.Account(t).Factors[0].ID
		for range 100 {
			b.SendCode(t.Context(), alice.Client(), pr.Attempt, auth.Email, id)
			b.Clock.Move(5 * time.Second)
		}
		if n := codes(b); n > 8 {
			t.Errorf("a hundred requests sent %d codes", n)
		}
	})
}

// TestML2NoMessageBeforeThePasswordIsRight.
func TestML2NoMessageBeforeThePasswordIsRight(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	b.Sent()
	_, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "alice", Password: "wrong"})
	wantKind(t, err, auth.WrongCredentials, "a wrong password")
	wantKind(t, b.SendCode(t.Context(), authtest.Client, b.VisitorToken(), auth.Email, alice.Account(t).Factors[0].ID), auth.AttemptGone, "asking for a code without an attempt")
	wantMessages(t, b.Sent())
}

// TestOT3FormsOfACode: what is not the digits that were sent is a wrong code, and costs a try.
func TestOT3FormsOfACode(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	pr := alice.EnterPassword(t)
	code := b.Await(t, auth.MessageCode).Code
	for _, form := range []string{" " + code, code + "\n", code[:3] + " " + code[3:], "+" + code, ""} {
		_, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Email, form)
		wantKind(t, err, auth.WrongCode, fmt.Sprintf("%q for the code %s", form, code))
	}
	_, err := b.Code(t.Context(), alice.Client(), pr.Attempt, auth.Email, code)
	wantKind(t, err, auth.TooManyTries, "the sixth try")
}

// TestAWayThatIsOutOfOrder: a factor whose mail server or webhook is no longer configured is one all the same, and the account stays shut.
func TestAWayThatIsOutOfOrder(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	alice.Add(t, bySMS("+4915112345678"))
	b.Configure(func(s *auth.Settings) { s.Mail, s.Channels = false, nil })
	pr := alice.EnterPassword(t)
	if pr.Step != auth.StepCode || pr.Session != "" {
		t.Fatalf("without mail server and webhook: %+v", pr)
	}
	v, err := b.Attempt(t.Context(), pr.Attempt)
	if err != nil || len(v.Ways) != 1 || v.Ways[0].Method != auth.BackupCode {
		t.Errorf("the ways: %+v, %v", v.Ways, err)
	}
}

// TestHints: who has the password alone learns no address, number or name from the page that asks for the code.
func TestHints(t *testing.T) {
	b := mailBench(t)
	cases := []struct{ channel, to, want string }{
		{"sms", "+4915112345678", "•••\u00a078"},
		{"chat", "bob", "b•••"},
		{"chat", "@bob:example.org", "@•••"},
		{"chat", "@bob", "@•••"},
		{"chat", "bob@example.org", "b•••@example.org"},
		{"chat", "ü@example.org", "ü•••@example.org"},
		{"chat", "+123", "+•••"},
	}
	bob := b.Enroll(t, auth.NewUser{Name: "bob"})
	for _, c := range cases {
		bob.Add(t, auth.NewFactor{Method: auth.Webhook, Channel: c.channel, Destination: c.to})
		b.Forget(t, "send/")
	}
	pr := bob.EnterPassword(t)
	v, err := b.Attempt(t.Context(), pr.Attempt)
	if err != nil || len(v.Ways) != len(cases)+2 {
		t.Fatalf("the ways: %+v, %v", v.Ways, err)
	}
	factors := bob.Account(t).Factors
	if app := factors[0]; app.Method != auth.TOTP || app.Hint() != "" {
		t.Errorf("an authenticator app has the hint %q, and codes go nowhere", app.Hint())
	}
	for i, c := range cases {
		w := v.Ways[i+1] // after the authenticator
		if w.To != c.want {
			t.Errorf("%s: got the hint %q, want %q", c.to, w.To, c.want)
		}
		if f := factors[i+1]; f.ID != w.Factor || f.To != c.to || f.Hint() != c.want {
			t.Errorf("%s: the factor has the hint %q, want %q", f.To, f.Hint(), c.want)
		}
		if err := b.SendCode(t.Context(), bob.Client(), pr.Attempt, auth.Webhook, w.Factor); err != nil {
			t.Fatal(err)
		}
		if v, err := b.Attempt(t.Context(), pr.Attempt); err != nil || v.Sent == nil || v.Sent.To != c.want {
			t.Errorf("%s: sent to the hint %+v, %v; want %q", c.to, v.Sent, err, c.want)
		}
		b.Clock.Move(30 * time.Second)
	}
}

// TestASVS6_5_3ASVS6_5_4CodesAreDrawnEvenly: all places take all digits alike, the first one too. The bound is that of chi-square with
// nine degrees of freedom at one in a billion.
func TestASVS6_5_3ASVS6_5_4CodesAreDrawnEvenly(t *testing.T) {
	t.Parallel()
	const n = 200_000
	var seen [6][10]int
	for range n {
		code := auth.NewDigits()
		if !sixDigits.MatchString(code) {
			t.Fatalf("got the code %q", code)
		}
		for i, d := range code {
			seen[i][d-'0']++
		}
	}
	for i, digits := range seen {
		chi := 0.0
		for _, count := range digits {
			d := float64(count) - n/10
			chi += d * d / (n / 10)
		}
		if chi > 62 {
			t.Errorf("place %d: chi-square %.1f of %v", i+1, chi, digits)
		}
	}
}
