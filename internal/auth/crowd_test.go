// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// Somebody with a password alone signs in again and again without a browser cookie. Each is a "new browser" notice, never held back.
// It must neither flood a mailbox past its cap nor use up what others' codes need.
func TestML2NoticesUseUpNobodysCodes(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	bob := b.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.com"})
	b.Clock.Move(3 * time.Hour)
	b.Forget(t, "send/")
	b.Sent()
	from := auth.Client{Address: netip.MustParseAddr("203.0.113.77"), Device: "x"}
	for range 40 {
		if _, err := b.SignIn(bg, from, bob.Credentials()); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(b.Sent()); got != 5 {
		t.Errorf("%d mails to one person in one moment, want 5", got)
	}
	if left := b.Records(t, "send/"); len(left) != 0 {
		t.Errorf("notices are counted as codes: %v", left)
	}
	b.Clock.Move(time.Hour)
	if _, err := b.SignIn(bg, from, bob.Credentials()); err != nil || len(b.Sent()) != 1 {
		t.Errorf("an hour later there is no notice: %v", err)
	}
	pr := alice.EnterPassword(t)
	if v, err := b.Attempt(bg, pr.Attempt); err != nil || v.Sent == nil {
		t.Error("alice gets no code")
	}
}

// The same in one network, such as an office behind one address: thirty sign-ins of one person are enough, without any record by hand.
func TestML2NoticesUseUpNoNetwork(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	bob := b.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.com"})
	b.Clock.Move(3 * time.Hour)
	b.Sent()
	for range 32 {
		if _, err := b.SignIn(bg, auth.Client{Address: alice.Client().Address}, bob.Credentials()); err != nil {
			t.Fatal(err)
		}
	}
	b.Sent()
	pr := alice.EnterPassword(t)
	if v, err := b.Attempt(bg, pr.Attempt); err != nil || v.Sent == nil {
		t.Errorf("alice gets no code: bob has signed in thirty times from her network")
	}
}

// Somebody with an account of their own names alice's number or address as theirs, ten times. She must still get her codes there.
func TestML2WhoNamesAnAddressStopsNobodysCodes(t *testing.T) {
	for name, ask := range map[string]func(b *authtest.Bench, p *authtest.Person) error{
		"sms": func(b *authtest.Bench, p *authtest.Person) error {
			_, err := b.AddFactor(bg, auth.Client{Address: netip.MustParseAddr("203.0.113.9")}, p.Session, bySMS("+4915112345678"))
			return err
		},
		"mail": func(b *authtest.Bench, p *authtest.Person) error {
			_, err := b.ChangeEmail(bg, auth.Client{Address: netip.MustParseAddr("203.0.113.9")}, p.Session, "alice@example.com")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := mailBench(t)
			f := byMail
			if name == "sms" {
				f = bySMS("+4915112345678")
			}
			alice := b.EnrollWith(t, auth.NewUser{Name: "alice", Email: "alice@example.com"}, f)
			mallory := b.Enroll(t, auth.NewUser{Name: "mallory", Email: "mallory@example.com"})
			b.Clock.Move(3 * time.Hour)
			mallory.SignIn(t)
			for i := range 10 {
				if err := ask(b, mallory); err != nil {
					t.Fatalf("%d: %v", i, err)
				}
			}
			pr := alice.EnterPassword(t)
			if v, err := b.Attempt(bg, pr.Attempt); err != nil || v.Sent == nil {
				t.Error("alice gets no code: mallory has had ten sent to her, and one more every six minutes keeps it so")
			}
		})
	}
}

// The address is where the factor sends. Another address is another factor: what vouched for the old one ends with it.
func TestMF16MF18ANewMailboxEndsWhatTheOldOneOpened(t *testing.T) {
	b := mailBench(t)
	b.Configure(func(s *auth.Settings) { s.Trust = 30 * 24 * time.Hour })
	alice := b.EnrollWith(t, auth.NewUser{Name: "alice", Email: "alice@example.com"}, byMail)
	b.Clock.Move(time.Minute)
	thief := auth.Client{Address: netip.MustParseAddr("203.0.113.9"), Device: "thief"}
	pr, err := b.SignIn(bg, thief, alice.Credentials()) // who has password and mailbox
	pr = wantStep(t, pr, err, auth.StepCode, "the password")
	m := b.Await(t, auth.MessageCode)
	pr, err = b.CodeAndTrust(bg, thief, pr.Attempt, auth.Email, m.Code)
	pr = wantStep(t, pr, err, auth.StepDone, "the code")
	thief.Trusted, thief.Browser = pr.Trusted, pr.Browser
	theirs := pr.Session
	// alice sees it, and moves to a mailbox that is hers alone.
	b.Clock.Move(time.Minute)
	b.Sent()
	p, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "safe@example.com")
	if err != nil {
		t.Fatal(err)
	}
	m = b.Await(t, auth.MessageProve)
	p, err = b.ConfirmAddress(bg, alice.Client(), p.Attempt, m.Code)
	wantStep(t, p, err, auth.StepDone, "the new address")
	if _, err := b.Session(bg, auth.Asker{}, theirs); err == nil {
		t.Error("ASVS 7.4.3: the session that was opened by the old mailbox goes on")
	}
	pr, err = b.SignIn(bg, thief, alice.Credentials())
	if err == nil && pr.Step == auth.StepDone {
		t.Error("the browser that was trusted for a code to the old mailbox is asked for none")
	}
}

// BF-2: one subscriber with a /48 has 65536 /64s. It must not use up the resets of everybody.
func TestML2OneSubscriberUsesUpNoResets(t *testing.T) {
	b := mailBench(t)
	b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.com"})
	for i := range 60 {
		who := []string{"bob", fmt.Sprint("nobody", i)}[i%2]
		ask(b, auth.Client{Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i/5+1))}, who)
	}
	ask(b, auth.Client{Address: netip.MustParseAddr("198.51.100.1")}, "alice")
	b.SentUntil(t, "alice")
	if len(b.Records(t, "reset/net/2001:db8:1::/48")) == 0 {
		t.Error("the /48 is not counted")
	}
	if all := b.Records(t, "reset/all"); len(all) != 1 || !strings.Contains(all["reset/all"], `"failures":4`) {
		t.Errorf("the counter of all: %v, want the three mails to bob and the one to alice", all)
	}
}

// Dormant accounts are those that are taken over: the first sign-in after ninety days is from a browser that nobody knows, and worth a
// notice.
func TestASVS6_3_5ADormantAccountIsTold(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b.Clock.Move(91 * 24 * time.Hour)
	b.Sent()
	c := elsewhere(5)
	pr, err := b.SignIn(bg, c, alice.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	pr, err = b.Code(bg, c, pr.Attempt, auth.TOTP, alice.Code())
	wantStep(t, pr, err, auth.StepDone, "a stranger signs in")
	wantMessages(t, b.Sent(), auth.NoticeNewBrowser)
}

// An operator who throws somebody out, out of all sessions or by shutting the account for a moment, throws out what is about to become
// a session too.
func TestMF24WhoIsThrownOutIsNotHalfSignedIn(t *testing.T) {
	for name, act := range map[string]func(b *authtest.Bench) error{
		"all sessions are ended": func(b *authtest.Bench) error { _, err := b.RevokeSessions(bg, auth.Client{}, "alice"); return err },
		"disabled and enabled": func(b *authtest.Bench) error {
			if err := b.SetDisabled(bg, auth.Client{}, "alice", true); err != nil {
				return err
			}
			return b.SetDisabled(bg, auth.Client{}, "alice", false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := mailBench(t)
			_, invite, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "alice", Email: "alice@example.com"})
			if err != nil {
				t.Fatal(err)
			}
			c := elsewhere(5)
			pr, err := b.AcceptInvite(bg, c, invite.Token, newPassword)
			pr = wantStep(t, pr, err, auth.StepEnroll, "the invite")
			v, err := b.Attempt(bg, pr.Attempt)
			if err != nil {
				t.Fatal(err)
			}
			pr, err = b.ConfirmEnrollment(bg, c, pr.Attempt, otp.Code(v.Pending.Secret, otp.Step(b.Clock.Now())))
			pr = wantStep(t, pr, err, auth.StepSaveCodes, "the first code")
			if err := act(b); err != nil {
				t.Fatal(err)
			}
			_, err = b.SavedCodes(bg, c, pr.Attempt)
			wantKind(t, err, auth.AttemptGone, "what waited at the last step")
		})
	}
}

// RE-6: the cap of an address holds however the address is spelled.
func TestML2RE6TheCapOfAnAddressHoldsInEverySpelling(t *testing.T) {
	b := mailBench(t)
	for i, address := range []string{"victim@example.net", "Victim@example.net", "vIctim@example.net"} {
		p := b.AddUser(t, auth.NewUser{Name: fmt.Sprint("mallory", i), Email: fmt.Sprint(i, "@example.com")})
		p.Keep(p.EnterPassword(t))
		for range 10 {
			c := p.Client()
			c.Address = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
			if _, err := b.ChangeEmail(bg, c, p.Session, address); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(b.Sent()); n != 10 {
		t.Errorf("%d codes to one mailbox, want 10", n)
	}
}

// TestBF1LeakingCountersLeakUnderTraffic: what comes a little slower than a counter forgets is never refused, however long it goes on, or an
// office that signs in all day would be shut out by the slips of weeks. What comes faster gets through as often as one is forgotten.
func TestBF1LeakingCountersLeakUnderTraffic(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Clock.Move(20 * time.Minute)
	need := auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Minute}
	for i := range 500 {
		if _, err := b.StepUp(bg, alice.Client(), alice.Session, need, ""); err != nil {
			t.Fatalf("step-up %d: %v", i+1, err)
		}
		b.Clock.Move(37 * time.Second)
	}
	key := ""
	for k := range b.Records(t, "step-up/") {
		key = k
	}
	fill(t, b, key, 100)
	taken := 0
	for range 100 { // every ten seconds, where one goes in 36
		if _, err := b.StepUp(bg, alice.Client(), alice.Session, need, ""); err == nil {
			taken++
		}
		b.Clock.Move(10 * time.Second)
	}
	if taken != 27 {
		t.Errorf("%d step-ups within 990 seconds of a full counter, want 27", taken)
	}
}

// TestSE22ADoubleClickIsNoTheft: a form that is sent twice, or whose answer was lost, comes with the same ticket again.
func TestSE22ADoubleClickIsNoTheft(t *testing.T) {
	b := trustBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	trustHere(t, b, alice)
	again := *alice
	first := wantTrust(t, alice, true, "the first click")
	b.Sent()
	wantTrust(t, &again, true, "the second click")
	wantSession(t, b, first.Session, true, "the session of the first click")
	wantMessages(t, b.Sent())
	b.Clock.Move(time.Hour)
	wantTrust(t, &again, true, "the next sign-in, by what the second answer gave: the first may have been lost")
	b.Clock.Move(-2 * time.Hour)
	wantTrust(t, alice, false, "an old ticket on a clock that went back")
}

// TestASVS8_3_2ANewAddressIsToldToApplicationsAtOnce, by every session of the person.
func TestASVS8_3_2ANewAddressIsToldToApplicationsAtOnce(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	elsewhereToo := alice.Session
	alice.SignIn(t)
	if s, err := b.Session(bg, auth.Asker{}, elsewhereToo); err != nil || s.Email != "alice@example.com" {
		t.Fatalf("before: %v", err)
	}
	pr, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	pr = wantStep(t, pr, err, auth.StepConfirmAddress, "a new address")
	pr, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, b.Await(t, auth.MessageProve).Code)
	wantStep(t, pr, err, auth.StepDone, "its code")
	if s, err := b.Session(bg, auth.Asker{}, elsewhereToo); err != nil || s.Email != "new@example.com" {
		t.Errorf("the other session: %+v, %v", s, err)
	}
}

// TestML2ALinkSendsNothing: whoever can have a person follow a link must not spend their codes.
func TestML2ALinkSendsNothing(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Add(t, byMail)
	b.Clock.Move(time.Hour)
	alice.SignIn(t)
	b.Sent()
	need := auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.Email}}
	pr, err := b.StepUp(bg, alice.Client(), alice.Session, need, "/")
	pr = wantStep(t, pr, err, auth.StepCode, "a rule that wants mail")
	wantMessages(t, b.Sent())
	if err := b.SendCode(bg, alice.Client(), pr.Attempt, auth.Email, alice.Account(t).Factors[1].ID); err != nil {
		t.Fatal(err)
	}
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.Email, b.Await(t, auth.MessageCode).Code)
	wantStep(t, pr, err, auth.StepDone, "the code that the person asked for")
}

// TestBF19ARightPasswordIsNoFailure, whatever the act then comes to.
func TestBF19ARightPasswordIsNoFailure(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	b.Forget(t, "guess/")
	x, err := b.Session(bg, auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	b.Overwrite(t, "account/"+x.ID, fmt.Sprintf(`{"failures":100,"last":%q}`, b.Clock.Now().Format(time.RFC3339Nano)))
	_, err = b.ChangePassword(bg, alice.Client(), alice.Session, alice.Password, newPassword)
	wantKind(t, err, auth.TooManyTries, "a change too many")
	if left := b.Records(t, "guess/"); len(left) != 0 {
		t.Errorf("the right password is counted: %v", left)
	}
}

// TestMF16WhatWasProvenWithAFactorThatIsGone proves nothing any more, also in the session that took it away.
func TestMF16WhatWasProvenWithAFactorThatIsGone(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	alice.Add(t, byApp) // the newest proof, beside that of mail
	alice.Secret = nil
	for _, f := range alice.Account(t).Factors {
		if f.Method == auth.TOTP {
			if err := b.RemoveFactor(bg, alice.Client(), alice.Session, f.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := b.Session(bg, auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	app := auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TOTP}}
	if v := app.Judge(s, b.Clock.Now()); v == auth.Pass {
		t.Error("a rule that wants an authenticator app passes a session whose app is gone")
	}
}

// TestBF1WhoGuessesAtSomebodyElsesMailboxIsStopped: signing in meanwhile, with a second factor and in a known browser, gives no more tries.
func TestBF1WhoGuessesAtSomebodyElsesMailboxIsStopped(t *testing.T) {
	b := mailBench(t)
	mallory := b.Enroll(t, auth.NewUser{Name: "mallory", Email: "mallory@example.com"})
	tries := 0
	for range 60 {
		b.Clock.Move(16 * time.Minute)
		mallory.SignIn(t)
		b.Sent()
		pr, err := b.ChangeEmail(bg, mallory.Client(), mallory.Session, "victim@example.com")
		if err != nil {
			t.Fatal(err)
		}
		code := b.Await(t, auth.MessageProve).Code
		for range 5 {
			_, err := b.ConfirmAddress(bg, mallory.Client(), pr.Attempt, other(code))
			switch auth.KindOf(err) {
			case auth.WrongCode:
				tries++
			case auth.Stopped:
				if tries != 50 {
					t.Errorf("stopped after %d tries, want 50", tries)
				}
				if err := b.Unlock(bg, auth.Client{}, "mallory"); err != nil {
					t.Fatal(err)
				}
				if _, err := b.ConfirmAddress(bg, mallory.Client(), pr.Attempt, code); err != nil {
					t.Errorf("after an operator's unlock: %v", err)
				}
				return
			}
		}
	}
	t.Errorf("%d tries and no stop", tries)
}

// TestML2ResetsUseUpNobodysCodes, also where several people share an address.
func TestML2ResetsUseUpNobodysCodes(t *testing.T) {
	b := mailBench(t)
	var family []*authtest.Person
	for i := range 4 {
		family = append(family, b.EnrollWith(t, auth.NewUser{Name: fmt.Sprint("kin", i), Email: "us@example.com"}, byMail))
	}
	b.Clock.Move(3 * time.Hour)
	for i := range 12 {
		ask(b, elsewhere(i), "us@example.com")
	}
	b.Sent()
	settle(t, b, "afterwards")
	family[0].EnterPassword(t)
	wantMessages(t, b.Sent(), auth.MessageCode)
}

// TestML2WhoNamesANewColleaguesAddressStopsNoEnrollment: the address of the account is an operator's word, or proven.
func TestML2WhoNamesANewColleaguesAddressStopsNoEnrollment(t *testing.T) {
	b := mailBench(t)
	mallory := b.Enroll(t, auth.NewUser{Name: "mallory"})
	for range 10 {
		if _, err := b.ChangeEmail(bg, mallory.Client(), mallory.Session, "bob@example.com"); err != nil {
			t.Fatal(err)
		}
	}
	bob := b.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.com"})
	bob.Keep(bob.EnterPassword(t))
	b.Sent()
	if _, err := b.AddFactor(bg, bob.Client(), bob.Session, byMail); err != nil {
		t.Fatal(err)
	}
	wantMessages(t, b.Sent(), auth.MessageEnroll)
}

// TestOT18ManyEnrollmentsUnderWay come to no more factors than one after the other.
func TestOT18ManyEnrollmentsUnderWay(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	var begun []auth.Progress
	for range 11 {
		pr, err := b.AddFactor(bg, alice.Client(), alice.Session, byApp)
		if err != nil {
			t.Fatal(err)
		}
		begun = append(begun, pr)
	}
	var err error
	for _, pr := range begun {
		v, viewErr := b.Attempt(bg, pr.Attempt)
		if viewErr != nil {
			t.Fatal(viewErr)
		}
		_, err = b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, otp.Code(v.Pending.Secret, otp.Step(b.Clock.Now())))
	}
	wantKind(t, err, auth.NoSuchWay, "the twelfth authenticator")
}

// TestBF20AClockThatWasFarAhead leaves no counter full.
func TestBF20AClockThatWasFarAhead(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	b.Clock.Move(10 * 365 * 24 * time.Hour)
	b.Overwrite(t, "send/all", fmt.Sprintf(`{"failures":1000,"last":%q}`, b.Clock.Now().Format(time.RFC3339Nano)))
	b.Clock.Move(-10 * 365 * 24 * time.Hour)
	b.Sent()
	alice.EnterPassword(t)
	wantMessages(t, b.Sent(), auth.MessageCode)
}

// TestASVS6_3_5GuessesAreToldWhenSomebodyGetsIn, however many right passwords came before the code.
func TestASVS6_3_5GuessesAreToldWhenSomebodyGetsIn(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	for failed := 0; failed < 11; {
		n, err := failAt(t, b, elsewhere(1), "alice", 1)
		failed += n
		if err != nil {
			b.Clock.Move(retryAfter(err))
		}
	}
	b.Clock.Move(15 * time.Minute)
	var pr auth.Progress
	for range 2 {
		var err error
		if pr, err = b.SignIn(bg, elsewhere(1), alice.Credentials()); err != nil {
			t.Fatal(err)
		}
	}
	b.Sent()
	pr, err := b.Code(bg, elsewhere(1), pr.Attempt, auth.TOTP, alice.Code())
	wantStep(t, pr, err, auth.StepDone, "the code")
	wantMessages(t, b.Sent(), auth.NoticeAfterFailures)
}

// TestDO2NewBackupCodesAreBounded: each set costs ten hashes, for which everybody else waits.
func TestDO2NewBackupCodesAreBounded(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	id := alice.Account(t).ID
	b.Overwrite(t, "account/codes/"+id, fmt.Sprintf(`{"failures":9,"last":%q}`, b.Clock.Now().Format(time.RFC3339Nano)))
	if _, err := b.NewBackupCodes(bg, alice.Client(), alice.Session); err != nil {
		t.Fatalf("the tenth set: %v", err)
	}
	_, err := b.NewBackupCodes(bg, alice.Client(), alice.Session)
	wantKind(t, err, auth.TooManyTries, "the eleventh set")
	b.Clock.Move(6 * time.Minute)
	if _, err := b.NewBackupCodes(bg, alice.Client(), alice.Session); err != nil {
		t.Errorf("six minutes later: %v", err)
	}
}
