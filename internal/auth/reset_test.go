// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/store"
)

// askReset asks for a link and takes it out of the mailbox.
func askReset(t *testing.T, b *authtest.Bench, who string) string {
	t.Helper()
	b.Forget(t, "reset/")
	b.Forget(t, "send/")
	b.Sent()
	if err := b.RequestReset(t.Context(), elsewhere(9), who); err != nil {
		t.Fatalf("asking for a reset of %q: %v", who, err)
	}
	return b.Await(t, auth.MessageReset).Token
}

// settle waits until everything that was asked for so far has been looked at: what is done after the answer is done in order.
func settle(t *testing.T, b *authtest.Bench, name string) []auth.Message {
	t.Helper()
	b.AddUser(t, auth.NewUser{Name: name, Email: name + "@settle.example"})
	b.Forget(t, "reset/net/192.0.2.250/32")
	ask(b, auth.Client{Address: netip.MustParseAddr("192.0.2.250")}, name)
	return b.SentUntil(t, name)
}

// ask asks for a reset, and again when too many wait, as soon as one of them is looked at.
func ask(b *authtest.Bench, c auth.Client, who string) {
	for done := b.Store.Done(); auth.KindOf(b.RequestReset(bg, c, who)) == auth.Busy; done = b.Store.Done() {
		b.Store.AwaitDone(done + 1)
	}
}

func TestStoryReset(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "Alice@example.com"})
	half := alice.EnterPassword(t)
	up, err := b.NewBackupCodes(bg, alice.Client(), alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		b.SignIn(bg, elsewhere(3), auth.Credentials{Name: "alice", Password: "wrong"})
	}
	b.Forget(t, "send/")
	b.Sent()
	c := elsewhere(1)
	c.Language, c.Origin, c.Device = "fr", "https://app.example.com", "a phone"
	if err := b.RequestReset(bg, c, "alice@EXAMPLE.com"); err != nil {
		t.Fatal(err)
	}
	m := b.Await(t, auth.MessageReset)
	if m.To != "Alice@example.com" || m.Origin != c.Origin || m.Language != "fr" || m.Address != c.Address || m.Token == "" || m.Code != "" ||
		!m.Expires.Equal(b.Clock.Now().Add(30*time.Minute)) {
		t.Errorf("RE-1, RE-6: the message: %+v", m)
	}
	wantSession(t, b, alice.Session, true, "the session, as long as nobody uses the link")
	for range 3 {
		if l, err := b.Link(bg, m.Token); err != nil || l.Kind != auth.ResetLink || l.UserName != "alice" {
			t.Fatalf("RE-5: looking at the link: %+v, %v", l, err)
		}
	}
	for _, weak := range []string{"short", "passwordpassword", "alice alice alice", strings.Repeat("x", 300)} {
		if err := b.ResetPassword(bg, c, m.Token, weak); auth.KindOf(err) != auth.BadPassword {
			t.Errorf("the new password %q: %v", weak, err)
		}
	}
	told := len(b.Events)
	if err := b.ResetPassword(bg, c, m.Token, newPassword); err != nil {
		t.Fatal(err)
	}
	if got := types(b.Events[told:]); !slices.Equal(got, []string{auth.EventPasswordReset, auth.EventSessionEnded}) {
		t.Errorf("events: %v", got)
	}
	wantMessages(t, b.Sent(), auth.NoticePasswordReset)
	wantSession(t, b, alice.Session, false, "a session from before")
	for name, attempt := range map[string]string{"a sign-in": half.Attempt, "an act on the account": up.Attempt} {
		if _, err := b.Attempt(bg, attempt); auth.KindOf(err) != auth.AttemptGone {
			t.Errorf("%s that was under way: %v", name, err)
		}
	}
	wantKind(t, b.ResetPassword(bg, c, m.Token, "another fine passphrase"), auth.LinkGone, "RE-2: the link again")
	_, err = b.SignIn(bg, alice.Client(), alice.Credentials())
	wantKind(t, err, auth.WrongCredentials, "the old password")
	alice.Password = newPassword
	pr, err := b.SignIn(bg, elsewhere(3), alice.Credentials()) // where strangers had failed too often
	pr = wantStep(t, pr, err, auth.StepCode, "the new password")
	if d, err := b.User(bg, "alice"); err != nil || len(d.Factors) != 1 || d.CodesLeft != 10 {
		t.Errorf("ASVS 6.4.3: factors after the reset: %+v, %v", d, err)
	}
	pr, err = b.Code(bg, elsewhere(3), pr.Attempt, auth.TOTP, alice.Code())
	wantStep(t, pr, err, auth.StepDone, "the code of the authenticator, as before")
}

// TestASVS6_4_3MF9ResetSignsNobodyIn: whatever the account has, the reset gives no session, and the second factor is asked for.
func TestASVS6_4_3MF9ResetSignsNobodyIn(t *testing.T) {
	b := mailBench(t)
	b.Configure(func(s *auth.Settings) { s.Trust = 24 * time.Hour })
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	pr := alice.EnterPassword(t)
	pr, err := b.CodeAndTrust(bg, alice.Client(), pr.Attempt, auth.TOTP, alice.Code())
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "trusting this browser"))
	if err := b.ResetPassword(bg, alice.Client(), askReset(t, b, "alice"), newPassword); err != nil {
		t.Fatal(err)
	}
	alice.Password = newPassword
	if sessions, err := b.Sessions(bg, "alice"); err != nil || len(sessions) != 0 {
		t.Errorf("sessions after the reset: %v, %v", sessions, err)
	}
	if pr := alice.EnterPassword(t); pr.Step != auth.StepCode {
		t.Errorf("signing in with the new password, in a browser that was trusted: step %q", pr.Step)
	}
}

// TestRE10ASVS6_4_4MailAloneIsNotEnough: after a reset by mail, a code by mail is no second factor until something else was proven, and
// mail cannot be enrolled.
func TestRE10ASVS6_4_4MailAloneIsNotEnough(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	id := alice.Account(t).Factors[0].ID
	if err := b.ResetPassword(bg, elsewhere(1), askReset(t, b, "alice"), newPassword); err != nil {
		t.Fatal(err)
	}
	alice.Password = newPassword
	b.Sent()
	pr := alice.EnterPassword(t)
	wantMessages(t, b.Sent())
	v, err := b.Attempt(bg, pr.Attempt)
	if err != nil || len(v.Ways) != 1 || v.Ways[0].Method != auth.BackupCode {
		t.Errorf("the ways: %+v, %v", v.Ways, err)
	}
	wantKind(t, b.SendCode(bg, alice.Client(), pr.Attempt, auth.Email, id), auth.NoSuchWay, "asking for a code by mail")
	_, err = b.Code(bg, alice.Client(), pr.Attempt, auth.Email, "123456")
	wantKind(t, err, auth.NoSuchWay, "a code by mail")

	// Nothing but another factor takes that back, least of all another reset.
	if err := b.ResetPassword(bg, elsewhere(1), askReset(t, b, "alice"), newPassword); err != nil {
		t.Fatal(err)
	}
	b.Sent()
	pr = alice.EnterPassword(t)
	wantMessages(t, b.Sent())
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.BackupCode, alice.Codes[0])
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "a backup code"))
	signInByCode(t, b, alice)
}

// TestRE10MailIsNotEnrolledAfterAReset: the mailbox must not become the second factor of a password that came through it.
func TestRE10MailIsNotEnrolledAfterAReset(t *testing.T) {
	b := mailBench(t)
	bob := b.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.com"})
	if err := b.ResetPassword(bg, elsewhere(1), askReset(t, b, "bob"), newPassword); err != nil {
		t.Fatal(err)
	}
	bob.Password = newPassword
	bob.Keep(bob.EnterPassword(t)) // there is no second factor: as strong as the password that was reset, and no stronger
	_, err := b.AddFactor(bg, bob.Client(), bob.Session, byMail)
	wantKind(t, err, auth.NoSuchWay, "enrolling mail")
	pr, err := b.AddFactor(bg, bob.Client(), bob.Session, byApp)
	pr = wantStep(t, pr, err, auth.StepEnroll, "enrolling an authenticator")
	if v, err := b.Attempt(bg, pr.Attempt); err != nil || !slices.Equal(v.Methods, []auth.Method{auth.TOTP, auth.Webhook}) {
		t.Errorf("what may be enrolled: %v, %v", v.Methods, err)
	}
	_, err = b.ChooseFactor(bg, bob.Client(), pr.Attempt, byMail)
	wantKind(t, err, auth.NoSuchWay, "choosing mail instead")
	bob.Add(t, byApp)
	bob.Add(t, byMail)
	pr, err = b.ChangePassword(bg, bob.Client(), bob.Session, newPassword, "another fine passphrase")
	bob.Keep(wantStep(t, pr, err, auth.StepDone, "changing the password"))
}

// TestASVS6_4_4OperatorHelpsWhereThereIsMailAlone: whoever has lost the password, and has no second factor but the mailbox and no backup
// code, gets in again through the operator's link, which did not come through the mailbox.
func TestASVS6_4_4OperatorHelpsWhereThereIsMailAlone(t *testing.T) {
	b := mailBench(t)
	b.Configure(func(s *auth.Settings) { s.Methods = []auth.Method{auth.Email} })
	alice := mailUser(t, b, "alice")
	if err := b.ResetPassword(bg, elsewhere(1), askReset(t, b, "alice"), newPassword); err != nil {
		t.Fatal(err)
	}
	alice.Password = newPassword
	link, err := b.ResetTwoFactor(bg, auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.SignIn(bg, alice.Client(), alice.Credentials())
	wantKind(t, err, auth.LinkNeeded, "the mailed password without the link")
	pr, err := b.Reenroll(bg, alice.Client(), link.Token, alice.Password)
	pr = wantStep(t, pr, err, auth.StepEnroll, "link and password")
	pr, err = b.ChooseFactor(bg, alice.Client(), pr.Attempt, byMail)
	if err != nil {
		t.Fatalf("choosing the only method there is: %v", err)
	}
	pr, err = b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, b.Await(t, auth.MessageEnroll).Code)
	pr = wantStep(t, pr, err, auth.StepSaveCodes, "the code")
	pr, err = b.SavedCodes(bg, alice.Client(), pr.Attempt)
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "saving the codes"))
	signInByCode(t, b, alice)
}

// TestRE2LinkInParallel: fifty requests with one link, one new password.
func TestRE2LinkInParallel(t *testing.T) {
	b := mailBench(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	token := askReset(t, b, "alice")
	var won atomic.Int32
	var set atomic.Value
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			plain := fmt.Sprintf("a fine passphrase number %d", i)
			err := b.ResetPassword(bg, elsewhere(i), token, plain)
			switch {
			case err == nil:
				won.Add(1)
				set.Store(plain)
			case auth.KindOf(err) != auth.LinkGone:
				t.Errorf("unexpected answer: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d resets by one link, want 1", won.Load())
	}
	alice.Password = set.Load().(string)
	alice.EnterPassword(t)
}

// TestRE2OlderLinksAreDead: by a newer one, and by any change of what the link would guard.
func TestRE2OlderLinksAreDead(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, b *authtest.Bench, p *authtest.Person){
		"a newer link": func(t *testing.T, b *authtest.Bench, p *authtest.Person) {
			if token := askReset(t, b, "alice"); b.ResetPassword(bg, elsewhere(1), token, newPassword) != nil {
				t.Error("the newer link is refused")
			}
		},
		"thirty minutes": func(t *testing.T, b *authtest.Bench, p *authtest.Person) { b.Clock.Move(30 * time.Minute) },
		"a disabled account": func(t *testing.T, b *authtest.Bench, p *authtest.Person) {
			if err := b.SetDisabled(bg, auth.Client{}, "alice", true); err != nil {
				t.Error(err)
			}
		},
		"a deleted account": func(t *testing.T, b *authtest.Bench, p *authtest.Person) {
			if err := b.DeleteUser(bg, auth.Client{}, "alice"); err != nil {
				t.Error(err)
			}
			b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := mailBench(t)
			alice := b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
			token := askReset(t, b, "alice")
			b.Clock.Move(-time.Second)
			if _, err := b.Link(bg, token); err != nil {
				t.Fatalf("the link before: %v", err)
			}
			b.Clock.Move(time.Second)
			act(t, b, alice)
			_, err := b.Link(bg, token)
			wantKind(t, err, auth.LinkGone, "looking at the link after "+name)
			wantKind(t, b.ResetPassword(bg, elsewhere(1), token, newPassword), auth.LinkGone, "using the link after "+name)
		})
	}
}

func TestASVS6_4_1ResetLinkLastsThirtyMinutes(t *testing.T) {
	b := mailBench(t)
	b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	token := askReset(t, b, "alice")
	b.Clock.Move(30*time.Minute - time.Second)
	if err := b.ResetPassword(bg, elsewhere(1), token, newPassword); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
}

// TestRE3KindsOfLinksDoNotCross, and none is killed by the making of another kind.
func TestRE3KindsOfLinksDoNotCross(t *testing.T) {
	b := mailBench(t)
	setup, err := b.NewSetupLink(bg)
	if err != nil {
		t.Fatal(err)
	}
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	_, invite, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "carol", Email: "carol@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	reset := askReset(t, b, "alice")
	reenroll, err := b.ResetTwoFactor(bg, auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Link(bg, reset); err != nil {
		t.Errorf("an operator's link has killed the mailed one: %v", err)
	}
	reset = askReset(t, b, "alice")
	for _, who := range []string{"carol", "carol@example.com"} { // who has no password yet
		if err := b.RequestReset(bg, elsewhere(2), who); err != nil {
			t.Fatal(err)
		}
	}
	wantMessages(t, settle(t, b, "afterwards"))
	for kind, token := range map[auth.LinkKind]string{
		auth.SetupLink: setup.Token, auth.InviteLink: invite.Token, auth.ReenrollLink: reenroll.Token, auth.ResetLink: reset,
	} {
		if l, err := b.Link(bg, token); err != nil || l.Kind != kind {
			t.Fatalf("the link %s after a request for a reset: %+v, %v", kind, l, err)
		}
		for use, act := range map[auth.LinkKind]func() error{
			auth.SetupLink:    func() error { _, err := b.Setup(bg, authtest.Client, token, "mallory", newPassword); return err },
			auth.InviteLink:   func() error { _, err := b.AcceptInvite(bg, authtest.Client, token, newPassword); return err },
			auth.ReenrollLink: func() error { _, err := b.Reenroll(bg, authtest.Client, token, alice.Password); return err },
			auth.ResetLink:    func() error { return b.ResetPassword(bg, authtest.Client, token, newPassword) },
		} {
			if use == kind {
				continue
			}
			if err := act(); auth.KindOf(err) != auth.LinkGone {
				t.Errorf("the link %s used as %s: %v", kind, use, err)
			}
		}
	}
	// A mailed password does not stand in for the operator's link.
	if err := b.ResetPassword(bg, authtest.Client, reset, newPassword); err != nil {
		t.Fatal(err)
	}
	alice.Password = newPassword
	_, err = b.SignIn(bg, alice.Client(), alice.Credentials())
	wantKind(t, err, auth.LinkNeeded, "a mailed password where the link is needed")
	pr, err := b.Reenroll(bg, alice.Client(), reenroll.Token, alice.Password)
	wantStep(t, pr, err, auth.StepEnroll, "the operator's link after a reset")
}

// TestBF15ASVS6_3_8ResetTellsNothing: the answer is the same for everybody, and is given before anybody is looked for.
func TestBF15ASVS6_3_8ResetTellsNothing(t *testing.T) {
	var disk *gate
	b := mailBench(t, func(c *auth.Config) {
		disk = &gate{Store: c.Store, open: make(chan struct{})}
		c.Store = disk
	})
	b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	b.AddUser(t, auth.NewUser{Name: "shut", Email: "shut@example.com"})
	b.AddUser(t, auth.NewUser{Name: "nomail"})
	if err := b.SetDisabled(bg, auth.Client{}, "shut", true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "invited", Email: "invited@example.com"}); err != nil {
		t.Fatal(err)
	}
	disk.shut.Store(true)
	for i, who := range []string{"alice", "alice@example.com", "shut", "shut@example.com", "nomail", "invited", "nobody", "nobody@example.com", "", "\x00", "\xff", strings.Repeat("a", 1<<20), "a@x,b@y"} {
		if err := b.RequestReset(bg, elsewhere(i), who); err != nil {
			t.Errorf("%.20q: %v", who, err)
		}
	}
	wantMessages(t, b.Sent())
	disk.shut.Store(false)
	close(disk.open)
	sent := settle(t, b, "afterwards")
	wantMessages(t, sent, auth.MessageReset, auth.MessageReset)
	for _, m := range sent {
		if m.User != "alice" {
			t.Errorf("RE-4, RE-9: a link was sent: %+v", m)
		}
	}
}

// gate is a store that does not answer while it is shut.
type gate struct {
	store.Store
	shut atomic.Bool
	open chan struct{}
}

func (g *gate) Update(ctx context.Context, fn func(store.Tx) error) error {
	if g.shut.Load() {
		<-g.open
	}
	return g.Store.Update(ctx, fn)
}

func (g *gate) View(ctx context.Context, fn func(store.Tx) error) error {
	if g.shut.Load() {
		<-g.open
	}
	return g.Store.View(ctx, fn)
}

// TestResetQueueIsBounded: what waits to be looked at is bounded, and who comes when it is full is told to come again.
func TestResetQueueIsBounded(t *testing.T) {
	var disk *gate
	b := mailBench(t, func(c *auth.Config) {
		disk = &gate{Store: c.Store, open: make(chan struct{})}
		c.Store = disk
	})
	disk.shut.Store(true)
	taken := 0
	var err error
	for range 100 {
		if err = b.RequestReset(bg, authtest.Client, "alice"); err != nil {
			break
		}
		taken++
	}
	disk.shut.Store(false)
	close(disk.open)
	wantKind(t, err, auth.Busy, "asking when many wait")
	if taken < 64 || taken > 65 || retryAfter(err) <= 0 {
		t.Errorf("%d requests wait, want 64 and the one that is looked at; retry after %v", taken, retryAfter(err))
	}
}

// TestResetWithoutMailServer asks for nothing.
func TestResetWithoutMailServer(t *testing.T) {
	b := mailBench(t)
	b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	sendless := b.With(auth.View{Settings: auth.DefaultSettings})
	if err := sendless.RequestReset(bg, authtest.Client, "alice"); err != nil {
		t.Fatal(err)
	}
	wantMessages(t, settle(t, b, "afterwards"))
	if got := b.Records(t, "link/"); len(got) != 1 {
		t.Errorf("%d links, want the one of the test alone", len(got))
	}
}

func TestML2CapsOnResets(t *testing.T) {
	at := func(i int) auth.Client {
		return auth.Client{Address: netip.AddrFrom4([4]byte{203, 0, byte(i / 250), byte(i%250 + 1)})}
	}
	askAll := func(t *testing.T, b *authtest.Bench, n int, who func(i int) (auth.Client, string)) map[string]int {
		t.Helper()
		for i := range n {
			c, name := who(i)
			ask(b, c, name)
		}
		got := map[string]int{}
		for _, m := range settle(t, b, fmt.Sprint("afterwards", len(b.Records(t, "user/")))) {
			got[m.User]++
		}
		return got
	}
	t.Run("person", func(t *testing.T) {
		b := mailBench(t)
		b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
		everywhere := func(i int) (auth.Client, string) { return at(i), "alice" }
		if got := askAll(t, b, 100, everywhere); got["alice"] != 3 {
			t.Errorf("a hundred requests from a hundred places: %v mails, want 3", got)
		}
		b.Clock.Move(20 * time.Minute)
		if got := askAll(t, b, 100, everywhere); got["alice"] != 1 {
			t.Errorf("twenty minutes later: %v mails, want 1", got)
		}
	})
	t.Run("network", func(t *testing.T) {
		b := mailBench(t)
		for i := range 12 {
			b.AddUser(t, auth.NewUser{Name: fmt.Sprint("user", i), Email: fmt.Sprint(i, "@example.com")})
		}
		got := askAll(t, b, 12, func(i int) (auth.Client, string) { return at(1), fmt.Sprint("user", i) })
		if len(got) != 10 {
			t.Errorf("twelve people from one place: %v, want ten", got)
		}
	})
	t.Run("all", func(t *testing.T) {
		b := mailBench(t)
		b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
		b.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.com"})
		b.Overwrite(t, "reset/all", fmt.Sprintf(`{"failures":299,"last":%q}`, b.Clock.Now().Format(time.RFC3339Nano)))
		done := b.Store.Done()
		for _, who := range []string{"nobody", "alice", "bob"} {
			ask(b, at(1), who)
		}
		b.Store.AwaitDone(done + 3)
		if sent := b.Sent(); len(sent) != 1 || sent[0].User != "alice" {
			t.Errorf("with one to go, asked for nobody, alice and bob: %v", kinds(sent))
		}
		b.Clock.Move(12 * time.Second)
		ask(b, at(1), "bob")
		b.Await(t, auth.MessageReset)
	})
	t.Run("shared address", func(t *testing.T) {
		b := mailBench(t)
		for i := range 7 {
			b.AddUser(t, auth.NewUser{Name: fmt.Sprint("user", i), Email: "Us@example.com"})
		}
		got := askAll(t, b, 1, func(int) (auth.Client, string) { return at(1), "us@example.com" })
		if len(got) != 5 {
			t.Errorf("seven people with one address: %v, want five mails", got)
		}
		got = askAll(t, b, 2, func(i int) (auth.Client, string) { return at(2 + i), "us@example.com" })
		if n := got["user0"] + got["user1"] + got["user2"] + got["user3"] + got["user4"]; n != 5 {
			t.Errorf("the mailbox had five mails, and then %v, want five more and no sixth", got)
		}
	})
}

// TestRE6AddressesThatLookAlike: the Kelvin sign is no k, and a dotless ı no i.
func TestRE6AddressesThatLookAlike(t *testing.T) {
	b := mailBench(t)
	b.AddUser(t, auth.NewUser{Name: "kim", Email: "kim@example.com"})
	for i, who := range []string{"\u212aim@example.com", "k\u0131m@example.com", "kim@example.com.evil.example", "kim@example.com,me@evil.example", "kim@example.com\r\nBcc: me@evil.example"} {
		if err := b.RequestReset(bg, elsewhere(i), who); err != nil {
			t.Fatal(err)
		}
	}
	wantMessages(t, settle(t, b, "afterwards"))
	if err := b.RequestReset(bg, elsewhere(7), "  KIM@Example.com "); err != nil {
		t.Fatal(err)
	}
	if m := b.Await(t, auth.MessageReset); m.To != "kim@example.com" {
		t.Errorf("sent to %q", m.To)
	}
}

// TestASVS6_4_6OperatorsBeginAResetAndChooseNoPassword: the link that an operator hands over sets a password once, is not killed by
// strangers who ask for mail, and does not make mail any weaker as a second factor.
func TestASVS6_4_6OperatorsBeginAResetAndChooseNoPassword(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	link, err := b.NewResetLink(t.Context(), auth.Client{}, "alice")
	if err != nil || link.Kind != auth.ResetLink {
		t.Fatalf("making the link: %+v, %v", link, err)
	}
	if _, err := b.Session(t.Context(), auth.Asker{}, alice.Session); err != nil {
		t.Errorf("the session before the link is used: %v", err)
	}
	if err := b.RequestReset(t.Context(), elsewhere(1), "alice"); err != nil {
		t.Fatal(err)
	}
	for _, m := range settle(t, b, "settler") {
		if m.Kind == auth.MessageReset {
			t.Error("a stranger's request sent a link beside the operator's")
		}
	}
	alice.Password = "umbrella under a narrow bridge"
	if err := b.ResetPassword(t.Context(), authtest.Client, link.Token, alice.Password); err != nil {
		t.Fatalf("using the operator's link: %v", err)
	}
	wantKind(t, b.ResetPassword(t.Context(), authtest.Client, link.Token, alice.Password), auth.LinkGone, "RE-2: a second time")
	_, err = b.Session(t.Context(), auth.Asker{}, alice.Session)
	wantKind(t, err, auth.NotSignedIn, "the session from before")
	if p := alice.EnterPassword(t); p.Step != auth.StepCode {
		t.Errorf("the sign-in after it stands at %q, want the code", p.Step)
	}
	b.AddUser(t, auth.NewUser{Name: "shut"})
	if err := b.SetDisabled(t.Context(), auth.Client{}, "shut", true); err != nil {
		t.Fatal(err)
	}
	_, err = b.NewResetLink(t.Context(), auth.Client{}, "shut")
	wantKind(t, err, auth.Disabled, "RE-9: for a disabled account")
}

func TestASVS7_4_5EverybodyIsSignedOut(t *testing.T) {
	b := authtest.New(t)
	alice, bob := b.Enroll(t, auth.NewUser{Name: "alice"}), b.Enroll(t, auth.NewUser{Name: "bob"})
	if n, err := b.RevokeAllSessions(t.Context(), auth.Client{}); err != nil || n != 2 {
		t.Errorf("ending all sessions: %d, %v, want 2", n, err)
	}
	for _, p := range []*authtest.Person{alice, bob} {
		_, err := b.Session(t.Context(), auth.Asker{}, p.Session)
		wantKind(t, err, auth.NotSignedIn, "the session of "+p.Name)
	}
}
