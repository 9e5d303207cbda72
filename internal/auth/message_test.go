// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/store"
)

// everyMessage lets alice do, and suffer, all that makes a message, and returns what was sent.
func everyMessage(t *testing.T, b *authtest.Bench) (*authtest.Person, []auth.Message) {
	t.Helper()
	b.Configure(func(s *auth.Settings) { s.Trust = month })
	var sent []auth.Message
	take := func() []auth.Message {
		b.Forget(t, "send/")
		m := b.Sent()
		sent = append(sent, m...)
		return m
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		take()
	}
	code := func(p *authtest.Person, pr auth.Progress, m auth.Method, code string) {
		t.Helper()
		pr, err := b.Code(bg, p.Client(), pr.Attempt, m, code)
		p.Keep(wantStep(t, pr, err, auth.StepDone, "a code"))
	}

	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	phone := bySMS("+4915112345678")
	pr, err := b.AddFactor(bg, alice.Client(), alice.Session, phone)
	must(err)
	pr, err = b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, sent[len(sent)-1].Code)
	must(err)
	alice.Keep(pr)
	must(b.RemoveFactor(bg, alice.Client(), alice.Session, alice.Account(t).Factors[1].ID))
	pr, err = b.AddFactor(bg, alice.Client(), alice.Session, byMail)
	must(err)
	pr, err = b.ConfirmEnrollment(bg, alice.Client(), pr.Attempt, sent[len(sent)-1].Code)
	must(err)
	alice.Keep(pr)

	pr = alice.EnterPassword(t)
	must(b.SendCode(bg, alice.Client(), pr.Attempt, auth.Email, alice.Account(t).Factors[1].ID))
	code(alice, pr, auth.Email, sent[len(sent)-1].Code)
	pr = alice.EnterPassword(t)
	code(alice, pr, auth.BackupCode, alice.Codes[0])
	pr, err = b.NewBackupCodes(bg, alice.Client(), alice.Session)
	must(err)
	v, err := b.Attempt(bg, pr.Attempt)
	must(err)
	alice.Codes = append(alice.Codes, v.Codes...)
	pr, err = b.SavedCodes(bg, alice.Client(), pr.Attempt)
	must(err)
	alice.Keep(pr)

	trustHere(t, b, alice)
	copied := alice.Trusted
	alice.Keep(alice.EnterPassword(t))
	alice.Trusted = copied
	b.Clock.Move(time.Minute)
	pr = alice.EnterPassword(t)
	take()
	alice.Browser = ""
	code(alice, pr, auth.TOTP, alice.Code())
	b.Clock.Move(otp.Period)
	alice.Browser = "" // ten failures elsewhere
	for failed := 0; failed < 10; {
		n, err := failAt(t, b, elsewhere(1), "alice", 1)
		failed += n
		if err != nil {
			b.Clock.Move(retryAfter(err))
		}
	}
	b.Clock.Move(15 * time.Minute)
	pr, err = b.SignIn(bg, elsewhere(1), alice.Credentials())
	must(err)
	for range 5 {
		_, err := b.Code(bg, elsewhere(1), pr.Attempt, auth.TOTP, other(alice.Code()))
		wantKind(t, err, auth.WrongCode, "a wrong code")
	}
	b.Clock.Move(otp.Period)
	code(alice, pr, auth.TOTP, alice.Code())
	b.Clock.Move(otp.Period)

	pr, err = b.ChangePassword(bg, alice.Client(), alice.Session, alice.Password, newPassword)
	must(err)
	alice.Keep(pr)
	pr, err = b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	must(err)
	pr, err = b.ConfirmAddress(bg, alice.Client(), pr.Attempt, sent[len(sent)-1].Code)
	must(err)
	alice.Keep(pr)
	if err := b.RequestReset(bg, alice.Client(), "alice"); err != nil {
		t.Fatal(err)
	}
	reset := b.Await(t, auth.MessageReset)
	sent = append(sent, reset)
	alice.Password = "another fine passphrase"
	must(b.ResetPassword(bg, alice.Client(), reset.Token, alice.Password))
	pr = alice.EnterPassword(t)
	code(alice, pr, auth.TOTP, alice.Code())
	b.Clock.Move(otp.Period)
	pr = disable(t, b, alice)
	code(alice, pr, auth.TOTP, alice.Code())
	_, err = b.ResetTwoFactor(bg, auth.Client{}, "alice")
	must(err)
	return alice, sent
}

func isSecret(m auth.Message) bool { return m.Secret() }

// stored makes what a message is in the store.
func stored(list []auth.Message) []auth.Message {
	list = slices.DeleteFunc(slices.Clone(list), isSecret)
	slices.SortFunc(list, func(x, y auth.Message) int { return cmp.Compare(x.ID, y.ID) })
	return list
}

// TestASVS6_3_7NoticesSurviveACrash: each notice is stored with what it tells of, until it is delivered or given up. A code or link is
// not, and neither is found anywhere in the store, opened or as it lies on the disk, nor in what is told or listed.
func TestASVS6_3_7NoticesSurviveACrash(t *testing.T) {
	b := mailBench(t)
	alice, sent := everyMessage(t, b)
	made := map[auth.MessageKind]bool{}
	for _, m := range sent {
		made[m.Kind] = true
		if m.ID == "" || m.User != "alice" || m.UserID == "" || m.To == "" || m.Time.IsZero() || m.Secret() != (m.Code+m.Token != "") || m.Secret() == m.Expires.IsZero() {
			t.Errorf("message: %+v", m)
		}
	}
	for _, k := range []auth.MessageKind{
		auth.MessageCode, auth.MessageEnroll, auth.MessageProve, auth.MessageReset,
		auth.NoticeNewBrowser, auth.NoticeFactorAdded, auth.NoticeFactorRemoved, auth.NoticeTwoFactorOn, auth.NoticeTwoFactorOff,
		auth.NoticeTwoFactorReset, auth.NoticePasswordChanged, auth.NoticePasswordReset, auth.NoticeEmailChanged, auth.NoticeBackupCodeUsed,
		auth.NoticeBackupCodesMade, auth.NoticeWrongCodes, auth.NoticeAfterFailures, auth.NoticeTrustedElsewhere,
	} {
		if !made[k] {
			t.Errorf("the story has no message %q", k)
		}
	}
	if len(made) != 18 {
		t.Errorf("%d kinds of messages, of which the test knows 18: %v", len(made), made)
	}

	b.Restart(t)
	got, err := b.Undelivered(bg)
	if err != nil {
		t.Fatal(err)
	}
	if want := stored(sent); !slices.Equal(stored(got), want) || len(got) != len(want) {
		t.Errorf("after a crash:\n%+v\nwant\n%+v", stored(got), want)
	}

	secrets := append([]string{alice.Password, newPassword, alice.Session, alice.Browser, alice.Trusted}, alice.Codes...)
	for _, m := range sent {
		if m.Secret() {
			secrets = append(secrets, m.Code+m.Token)
		}
	}
	out, err := json.Marshal([]any{b.Events, sent, got})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		whole := regexp.MustCompile(`(^|[^0-9A-Za-z])` + regexp.QuoteMeta(secret) + `($|[^0-9A-Za-z])`)
		if whole.Match(out) {
			t.Errorf("LG-1: an event or a message in JSON shows %q", secret)
		}
		for key, value := range b.Records(t, "") {
			if whole.MatchString(key) || whole.MatchString(value) {
				t.Errorf("the record %s shows %q", key, secret)
			}
		}
		for key, value := range b.Disk(t) {
			if whole.MatchString(key) || whole.MatchString(value) {
				t.Errorf("the disk shows %q under %q", secret, key)
			}
		}
	}
	for key, value := range b.Disk(t) {
		if strings.Contains(key+value, "example.com") || strings.Contains(key+value, "alice") {
			t.Errorf("the disk shows a name or an address under %q", key)
		}
	}

	// One is delivered, another given up, and both are forgotten.
	if err := b.Delivered(bg, got[0]); err != nil {
		t.Fatal(err)
	}
	told := len(b.Events)
	if err := b.NotDelivered(bg, got[1], "the server said 550"); err != nil {
		t.Fatal(err)
	}
	if e := b.Events[told]; e.Type != auth.EventNotDelivered || e.Outcome != "failure" || e.User != "alice" || e.Method != auth.Email ||
		e.Detail != string(got[1].Kind)+": the server said 550" {
		t.Errorf("the event: %+v", e)
	}
	b.Restart(t)
	if rest, err := b.Undelivered(bg); err != nil || !slices.Equal(stored(rest), stored(got[2:])) {
		t.Errorf("left: %v, %v", kinds(rest), err)
	}
	for _, m := range got {
		if err := b.Delivered(bg, m); err != nil {
			t.Fatal(err)
		}
	}
	if left := b.Records(t, "outbox/"); len(left) != 0 {
		t.Errorf("left in the store: %v", left)
	}
}

func TestNoticesAreGivenUpAfterThreeDays(t *testing.T) {
	b := mailBench(t)
	mailUser(t, b, "alice")
	b.Clock.Move(3*24*time.Hour - time.Minute)
	if list, err := b.Undelivered(bg); err != nil || len(list) != 1 {
		t.Errorf("within three days: %v, %v", kinds(list), err)
	}
	b.Clock.Move(time.Minute)
	if list, err := b.Undelivered(bg); err != nil || len(list) != 0 {
		t.Errorf("after three days: %v, %v", kinds(list), err)
	}
}

// TestML2NoticesAreNeverHeldBack by the caps of codes, and fill none of them either: who gets many must not be kept from a code.
func TestML2NoticesAreNeverHeldBack(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	alice.Add(t, bySMS("+4915112345678"))
	b.Forget(t, "send/")
	b.Sent()
	for range 6 {
		f, _ := alice.Add(t, byApp)
		if err := b.RemoveFactor(bg, alice.Client(), alice.Session, f.ID); err != nil {
			t.Fatal(err)
		}
	}
	alice.Secret = nil
	if n := len(b.Sent()); n != 12 {
		t.Errorf("%d notices, want 12", n)
	}
	b.Forget(t, "send/unproven/")
	b.Forget(t, "send/user/") // the codes that enrolled
	alice.EnterPassword(t)
	wantMessages(t, b.Sent(), auth.MessageCode)
}

// TestNoticesNeedAMailServerAndAnAddress.
func TestNoticesNeedAMailServerAndAnAddress(t *testing.T) {
	b := mailBench(t)
	b.Enroll(t, auth.NewUser{Name: "nomail"})
	wantMessages(t, b.Sent())
	b.Configure(func(s *auth.Settings) { s.Mail = false })
	b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	wantMessages(t, b.Sent())
	if list, err := b.Undelivered(bg); err != nil || len(list) != 0 {
		t.Errorf("stored: %v, %v", kinds(list), err)
	}
}

// TestACodeThatCouldNotBeDelivered: the page says so, an operator sees why, and another one can be asked for.
func TestACodeThatCouldNotBeDelivered(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	pr := alice.EnterPassword(t)
	m := b.Await(t, auth.MessageCode)
	told := len(b.Events)
	if err := b.NotDelivered(bg, m, strings.Repeat("ä", 1000)); err != nil {
		t.Fatal(err)
	}
	if e := b.Events[told]; e.Type != auth.EventNotDelivered || e.Actor != "system" || len(e.Detail) > 256 || strings.Contains(e.Detail, m.Code) {
		t.Errorf("the event: %+v", e)
	}
	v, err := b.Attempt(bg, pr.Attempt)
	if err != nil || v.Sent == nil || !v.Sent.Failed {
		t.Errorf("the page: %+v, %v", v.Sent, err)
	}
	if err := b.SendCode(bg, alice.Client(), pr.Attempt, auth.Email, alice.Account(t).Factors[0].ID); err != nil {
		t.Fatalf("another one, at once: %v", err)
	}
	again := b.Await(t, auth.MessageCode)
	if err := b.Delivered(bg, again); err != nil {
		t.Fatal(err)
	}
	if v, err = b.Attempt(bg, pr.Attempt); err != nil || v.Sent == nil || v.Sent.Failed {
		t.Errorf("the page after another one: %+v, %v", v.Sent, err)
	}
	pr, err = b.Code(bg, alice.Client(), pr.Attempt, auth.Email, again.Code)
	wantStep(t, pr, err, auth.StepDone, "the code that arrived")
}

// TestMessagesOfActsThatRunTwice: a store may run a transaction again; each message and event is one all the same.
func TestMessagesOfActsThatRunTwice(t *testing.T) {
	b := mailBench(t)
	b.Store.RunTwice(true)
	_, sent := everyMessage(t, b)
	ids := map[string]int{}
	count := map[auth.MessageKind]int{}
	for _, m := range sent {
		ids[m.ID]++
		count[m.Kind]++
	}
	want := map[auth.MessageKind]int{
		auth.MessageCode: 1, auth.MessageEnroll: 2, auth.MessageProve: 1, auth.MessageReset: 1,
		auth.NoticeNewBrowser: 1, auth.NoticeFactorAdded: 2, auth.NoticeFactorRemoved: 1, auth.NoticeTwoFactorOn: 1, auth.NoticeTwoFactorOff: 1,
		auth.NoticeTwoFactorReset: 1, auth.NoticePasswordChanged: 1, auth.NoticePasswordReset: 1, auth.NoticeEmailChanged: 2,
		auth.NoticeBackupCodeUsed: 1, auth.NoticeBackupCodesMade: 1, auth.NoticeWrongCodes: 1, auth.NoticeAfterFailures: 1,
		auth.NoticeTrustedElsewhere: 1,
	}
	if !maps.Equal(count, want) || len(ids) != len(sent) {
		t.Errorf("sent %v, want %v", count, want)
	}
	list, err := b.Undelivered(bg)
	if err != nil || !slices.Equal(stored(list), stored(sent)) {
		t.Errorf("stored %v, %v; want %v", kinds(stored(list)), err, kinds(stored(sent)))
	}
	events, err := b.Service.Events(bg, "alice", auth.MaxEvents)
	told := slices.Clone(b.Events)
	slices.SortFunc(told, func(x, y auth.Event) int { return cmp.Compare(x.ID, y.ID) })
	if err != nil || !slices.Equal(events, told) {
		t.Errorf("events stored %v, %v\ntold %v", types(events), err, types(b.Events))
	}
}

// ofAct marks the context of the acts whose writes fail, and not those of the house-keeping beside them.
type ofAct struct{}

var lastSeen = regexp.MustCompile(`"last_seen":"[^"]*"`)

// brittle is a store in which the n-th write of an act fails.
type brittle struct {
	store.Store
	mu   sync.Mutex
	left int // writes until the one that fails; 0: none does
	hit  bool
}

func (s *brittle) Update(ctx context.Context, fn func(store.Tx) error) error {
	if ctx.Value(ofAct{}) == nil {
		return s.Store.Update(ctx, fn)
	}
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(brittleTx{tx, s}) })
}

func (s *brittle) fail(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.hit = n, false
}

func (s *brittle) write() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left > 0 {
		if s.left--; s.left == 0 {
			s.hit = true
			return errDisk
		}
	}
	return nil
}

type brittleTx struct {
	store.Tx
	s *brittle
}

func (tx brittleTx) Set(key string, value []byte, expires time.Time) error {
	if err := tx.s.write(); err != nil {
		return err
	}
	return tx.Tx.Set(key, value, expires)
}

func (tx brittleTx) Delete(key string) error {
	if err := tx.s.write(); err != nil {
		return err
	}
	return tx.Tx.Delete(key)
}

// TestST3DO11EachWriteMayFail: every write of every act fails in turn, and the act is then Unavailable, with nothing changed, told or sent.
// What may stay is that a try was counted.
func TestST3DO11EachWriteMayFail(t *testing.T) {
	bg := context.WithValue(bg, ofAct{}, true)
	var disk *brittle
	b := mailBench(t, func(c *auth.Config) {
		disk = &brittle{Store: c.Store}
		c.Store = disk
	})
	b.Configure(func(s *auth.Settings) { s.Trust = month })
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Add(t, byMail)
	beside := *alice
	beside.SignIn(t)
	restore := b.Snapshot(t)
	attemptOf := func(t *testing.T, pr auth.Progress, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return pr.Attempt
	}
	for name, prepare := range map[string]func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error{
		"a code by mail": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			attempt := p.EnterPassword(t).Attempt
			if err := b.SendCode(bg, p.Client(), attempt, auth.Email, p.Account(t).Factors[1].ID); err != nil {
				t.Fatal(err)
			}
			code := b.Await(t, auth.MessageCode).Code
			return func() error { _, err := b.Code(bg, p.Client(), attempt, auth.Email, code); return err }
		},
		"a wrong code by mail": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			attempt := p.EnterPassword(t).Attempt
			if err := b.SendCode(bg, p.Client(), attempt, auth.Email, p.Account(t).Factors[1].ID); err != nil {
				t.Fatal(err)
			}
			return func() error {
				_, err := b.Code(bg, p.Client(), attempt, auth.Email, "")
				if auth.KindOf(err) == auth.WrongCode {
					return nil
				}
				return err
			}
		},
		"a code and trust": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			attempt := p.EnterPassword(t).Attempt
			return func() error { _, err := b.CodeAndTrust(bg, p.Client(), attempt, auth.TOTP, p.Code()); return err }
		},
		"a backup code": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			attempt := p.EnterPassword(t).Attempt
			return func() error { _, err := b.Code(bg, p.Client(), attempt, auth.BackupCode, p.Codes[0]); return err }
		},
		"sending a code": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			attempt, id := p.EnterPassword(t).Attempt, p.Account(t).Factors[1].ID
			return func() error { return b.SendCode(bg, p.Client(), attempt, auth.Email, id) }
		},
		"a sign-in by trust": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			trustHere(t, b, p)
			return func() error { _, err := b.SignIn(bg, p.Client(), p.Credentials()); return err }
		},
		"a copied trust": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			trustHere(t, b, p)
			p.EnterPassword(t)
			return func() error { _, err := b.SignIn(bg, p.Client(), p.Credentials()); return err }
		},
		"adding a factor": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			return func() error {
				_, err := b.AddFactor(bg, p.Client(), p.Session, bySMS("+4915112345678"))
				return err
			}
		},
		"choosing another factor": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			pr, err := b.AddFactor(bg, p.Client(), p.Session, byApp)
			attempt := attemptOf(t, pr, err)
			return func() error { _, err := b.ChooseFactor(bg, p.Client(), attempt, bySMS("+4915112345678")); return err }
		},
		"confirming a factor": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			pr, err := b.AddFactor(bg, p.Client(), p.Session, bySMS("+4915112345678"))
			attempt, code := attemptOf(t, pr, err), b.Await(t, auth.MessageEnroll).Code
			return func() error { _, err := b.ConfirmEnrollment(bg, p.Client(), attempt, code); return err }
		},
		"confirming the first factor": func(t *testing.T, b *authtest.Bench, _ *authtest.Person) func() error {
			p := b.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.com"})
			p.EnterPassword(t)
			p.Keep(p.EnterPassword(t))
			pr, err := b.AddFactor(bg, p.Client(), p.Session, byMail)
			attempt, code := attemptOf(t, pr, err), b.Await(t, auth.MessageEnroll).Code
			return func() error { _, err := b.ConfirmEnrollment(bg, p.Client(), attempt, code); return err }
		},
		"renaming": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			id := p.Account(t).Factors[0].ID
			return func() error { return b.RenameFactor(bg, p.Client(), p.Session, id, "other") }
		},
		"removing": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			id := p.Account(t).Factors[1].ID
			return func() error { return b.RemoveFactor(bg, p.Client(), p.Session, id) }
		},
		"new backup codes": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			return func() error { _, err := b.NewBackupCodes(bg, p.Client(), p.Session); return err }
		},
		"saving the codes": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			pr, err := b.NewBackupCodes(bg, p.Client(), p.Session)
			attempt := attemptOf(t, pr, err)
			return func() error { _, err := b.SavedCodes(bg, p.Client(), attempt); return err }
		},
		"turning two factors off": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			attempt := disable(t, b, p).Attempt
			return func() error { _, err := b.Code(bg, p.Client(), attempt, auth.TOTP, p.Code()); return err }
		},
		"changing the password": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			return func() error {
				_, err := b.ChangePassword(bg, p.Client(), p.Session, p.Password, newPassword)
				return err
			}
		},
		"changing the address": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			return func() error { _, err := b.ChangeEmail(bg, p.Client(), p.Session, "new@example.com"); return err }
		},
		"confirming the address": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			pr, err := b.ChangeEmail(bg, p.Client(), p.Session, "new@example.com")
			attempt, code := attemptOf(t, pr, err), b.Await(t, auth.MessageProve).Code
			return func() error { _, err := b.ConfirmAddress(bg, p.Client(), attempt, code); return err }
		},
		"ending a session": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			list, err := b.Sessions(bg, p.Name)
			if err != nil {
				t.Fatal(err)
			}
			return func() error { return b.EndSession(bg, p.Client(), p.Session, list[0].ID) }
		},
		"ending other sessions": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			trustHere(t, b, p)
			return func() error { return b.EndOtherSessions(bg, p.Client(), p.Session) }
		},
		"ending a trust": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			trustHere(t, b, p)
			id := trusted(t, b, p)[0].ID
			return func() error { return b.EndTrust(bg, p.Client(), p.Session, id) }
		},
		"a reset": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			trustHere(t, b, p)
			token := askReset(t, b, p.Name)
			return func() error { return b.ResetPassword(bg, p.Client(), token, newPassword) }
		},
		"an operator's link": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			if err := b.ResetPassword(bg, p.Client(), askReset(t, b, p.Name), newPassword); err != nil {
				t.Fatal(err)
			}
			link, err := b.ResetTwoFactor(bg, auth.Client{}, p.Name)
			if err != nil {
				t.Fatal(err)
			}
			return func() error { _, err := b.Reenroll(bg, p.Client(), link.Token, newPassword); return err }
		},
		"a delivery": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			list, err := b.Undelivered(bg)
			if err != nil || len(list) == 0 {
				t.Fatal(err)
			}
			return func() error { return b.Delivered(bg, list[0]) }
		},
		"a failed delivery": func(t *testing.T, b *authtest.Bench, p *authtest.Person) func() error {
			pr := p.EnterPassword(t)
			if err := b.SendCode(bg, p.Client(), pr.Attempt, auth.Email, p.Account(t).Factors[1].ID); err != nil {
				t.Fatal(err)
			}
			m := b.Await(t, auth.MessageCode)
			return func() error { return b.NotDelivered(bg, m, "no") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer restore()
			p := *alice
			act := prepare(t, b, &p)
			state := func() map[string]string {
				all := b.Records(t, "")
				for key, value := range all {
					all[key] = lastSeen.ReplaceAllString(value, "") // the house-keeping writes it meanwhile
				}
				maps.DeleteFunc(all, func(key, _ string) bool {
					return strings.HasPrefix(key, "guess/") || strings.HasPrefix(key, "account/")
				})
				return all
			}
			before, told := state(), len(b.Events)
			b.Sent()
			for n := 1; ; n++ {
				disk.fail(n)
				err := act()
				failed := disk.hit
				disk.fail(0)
				if !failed {
					if err != nil {
						t.Errorf("on a disk that is well: %v", err)
					}
					if n < 2 {
						t.Errorf("only %d writes were broken", n-1)
					}
					return
				}
				if auth.KindOf(err) != auth.Unavailable || !errors.Is(err, errDisk) {
					t.Fatalf("write %d fails: %v, want unavailable and the cause", n, err)
				}
				if after := state(); !maps.Equal(before, after) {
					for key := range after {
						if before[key] != after[key] {
							t.Errorf("write %d fails, and %s is %s, was %q", n, key, after[key], before[key])
						}
					}
					t.Fatalf("write %d fails, and %d records are %d", n, len(before), len(after))
				}
				if sent := b.Sent(); len(sent) > 0 || len(b.Events) != told {
					t.Fatalf("write %d fails, and it sent %v and told %v", n, kinds(sent), types(b.Events[told:]))
				}
				b.Forget(t, "guess/")
				b.Forget(t, "account/")
			}
		})
	}
}

// TestST11EachRecordMayBeUnreadable: what is new in the store is no more absent than the rest when it cannot be read.
func TestST11EachRecordMayBeUnreadable(t *testing.T) {
	b := mailBench(t)
	b.Configure(func(s *auth.Settings) { s.Trust = month })
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Add(t, byMail)
	trustHere(t, b, alice)
	id := alice.Account(t).Factors[1].ID
	userID := alice.Account(t).ID
	cookieless := *alice
	cookieless.Trusted = ""
	pr := cookieless.EnterPassword(t)
	if err := b.SendCode(bg, alice.Client(), pr.Attempt, auth.Email, id); err != nil {
		t.Fatal(err)
	}
	code := b.Await(t, auth.MessageCode).Code
	change, err := b.ChangeEmail(bg, alice.Client(), alice.Session, "new@example.com")
	if err != nil {
		t.Fatal(err)
	}
	prove := b.Await(t, auth.MessageProve).Code
	b.Clock.Move(30 * time.Second)
	for prefix, acts := range map[string]map[string]func() error{
		"trusted/": {
			"a sign-in": func() error { _, err := b.SignIn(bg, alice.Client(), alice.Credentials()); return err },
			"the list":  func() error { _, err := b.TrustedBrowsers(bg, userID); return err },
			"ending":    func() error { return b.EndOtherSessions(bg, alice.Client(), alice.Session) },
		},
		"known/": {
			"a sign-in": func() error { _, err := b.SignIn(bg, alice.Client(), alice.Credentials()); return err },
			"a code":    func() error { _, err := b.Code(bg, alice.Client(), pr.Attempt, auth.Email, code); return err },
		},
		"send/": {
			"sending": func() error { return b.SendCode(bg, alice.Client(), pr.Attempt, auth.Email, id) },
		},
		"email/":    {"a new address": func() error { _, err := b.ConfirmAddress(bg, alice.Client(), change.Attempt, prove); return err }},
		"delivery/": {"the page": func() error { _, err := b.Attempt(bg, pr.Attempt); return err }},
		"outbox/":   {"what is left": func() error { _, err := b.Undelivered(bg); return err }},
		"account/":  {"renaming": func() error { return b.RenameFactor(bg, alice.Client(), alice.Session, id, "x") }},
		"factors/": {
			"a sign-in": func() error { _, err := b.SignIn(bg, alice.Client(), alice.Credentials()); return err },
			"a removal": func() error { return b.RemoveFactor(bg, alice.Client(), alice.Session, id) },
			"the list":  func() error { _, err := b.Enrollable(bg, userID); return err },
		},
	} {
		b.Store.FailReads(prefix, errDisk)
		for name, act := range acts {
			if err := act(); auth.KindOf(err) != auth.Unavailable || !errors.Is(err, errDisk) {
				t.Errorf("%s with unreadable %s: %v, want unavailable", name, prefix, err)
			}
		}
		b.Store.FailReads("", nil)
	}
}
