// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// TestASVS6_3_4SameStrengthOnEveryPathway: whatever can make a session gives none to somebody who has the password of an account with two
// factors, and nothing else of it. A new act that returns Progress is not listed here, and fails the test.
func TestASVS6_3_4SameStrengthOnEveryPathway(t *testing.T) {
	b := mailBench(t)
	b.Configure(func(s *auth.Settings) { s.Trust = month })
	alice := mailUser(t, b, "alice")
	alice.Add(t, byApp)
	_, invite, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "new", Admin: true})
	if err != nil {
		t.Fatal(err)
	}
	thief := elsewhere(1)
	attempt := func() string {
		t.Helper()
		b.Forget(t, "guess/")
		pr, err := b.SignIn(bg, thief, alice.Credentials())
		if err != nil {
			t.Fatal(err)
		}
		return pr.Attempt
	}
	reset := askReset(t, b, "alice")
	v := attempt()
	pathways := map[string]func() (auth.Progress, error){
		"SignIn":          func() (auth.Progress, error) { return b.SignIn(bg, thief, alice.Credentials()) },
		"ReenterPassword": func() (auth.Progress, error) { return b.ReenterPassword(bg, thief, v, alice.Password) },
		"Code":            func() (auth.Progress, error) { return b.Code(bg, thief, v, auth.TOTP, "000000") },
		"CodeAndTrust": func() (auth.Progress, error) {
			return b.CodeAndTrust(bg, thief, v, auth.BackupCode, "0000-0000-0000-0000")
		},
		"ConfirmEnrollment": func() (auth.Progress, error) { return b.ConfirmEnrollment(bg, thief, v, "000000") },
		"ChooseFactor":      func() (auth.Progress, error) { return b.ChooseFactor(bg, thief, v, byApp) },
		"SavedCodes":        func() (auth.Progress, error) { return b.SavedCodes(bg, thief, v) },
		"ConfirmAddress":    func() (auth.Progress, error) { return b.ConfirmAddress(bg, thief, v, "000000") },
		"StepUp":            func() (auth.Progress, error) { return b.StepUp(bg, thief, v, twoFactor, "") },
		"AddFactor":         func() (auth.Progress, error) { return b.AddFactor(bg, thief, v, byApp) },
		"NewBackupCodes":    func() (auth.Progress, error) { return b.NewBackupCodes(bg, thief, v) },
		"DisableTwoFactor":  func() (auth.Progress, error) { return b.DisableTwoFactor(bg, thief, v) },
		"ChangePassword":    func() (auth.Progress, error) { return b.ChangePassword(bg, thief, v, alice.Password, newPassword) },
		"ChangeEmail":       func() (auth.Progress, error) { return b.ChangeEmail(bg, thief, v, "thief@example.com") },
		"AcceptInvite":      func() (auth.Progress, error) { return b.AcceptInvite(bg, thief, invite.Token, newPassword) },
		"Reenroll":          func() (auth.Progress, error) { return b.Reenroll(bg, thief, reset, alice.Password) },
		"Setup":             func() (auth.Progress, error) { return b.Setup(bg, thief, reset, "mallory", newPassword) },
		"TakeOver": func() (auth.Progress, error) {
			return b.TakeOver(bg, thief, auth.Arrival{Site: "https://app.example.com", Cookie: v, Code: v})
		},
		"Vouch": func() (auth.Progress, error) { return b.Vouch(bg, vouchedFor("alice"), auth.Vouching{Create: true}) },
	}
	var makers []string
	for m := range reflect.TypeFor[*auth.Service]().Methods() {
		for i := range m.Type.NumOut() {
			if m.Type.Out(i) == reflect.TypeFor[auth.Progress]() {
				makers = append(makers, m.Name)
			}
		}
	}
	if want := slices.Sorted(maps.Keys(pathways)); !slices.Equal(makers, want) {
		t.Errorf("acts that may make a session: %v, of which the test knows %v", makers, want)
	}
	for name, act := range pathways {
		for range 2 { // with an attempt of alice's, then with a ticket of nobody's
			pr, err := act()
			if pr.Session != "" || pr.Step == auth.StepDone || pr.Trusted != "" {
				t.Errorf("%s with a password alone: %+v, %v", name, pr, err)
			}
			v = b.VisitorToken()
		}
		v = attempt()
		for _, level := range []auth.Level{auth.LevelPassword, auth.LevelTwoFactor} {
			if s, err := b.Session(bg, auth.Asker{}, v); err == nil {
				need := auth.Requirement{Level: level}
				t.Errorf("MF-1: after %s the attempt is a session, verdict %v", name, need.Judge(s, b.Clock.Now()))
			}
		}
	}
	if list, err := b.Sessions(bg, ""); err != nil || len(list) != 1 {
		t.Errorf("sessions: %v, %v; want alice's own", list, err)
	}
	if d := alice.Account(t); len(d.Factors) != 2 || d.CodesLeft != 10 || d.Email != "alice@example.com" {
		t.Errorf("the account: %+v", d)
	}
}

// TestASVS6_2_1ASVS6_2_4ASVS6_2_11NewPasswordsAreJudgedOnEveryPathway: wherever a password is set, a short or common one, or one that is
// the name of the account, is refused, and uses up no link.
func TestASVS6_2_1ASVS6_2_4ASVS6_2_11NewPasswordsAreJudgedOnEveryPathway(t *testing.T) {
	b := mailBench(t)
	setup, err := b.NewSetupLink(bg)
	if err != nil {
		t.Fatal(err)
	}
	_, invite, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "averylongusername"})
	if err != nil {
		t.Fatal(err)
	}
	alice := b.EnrollWith(t, auth.NewUser{Name: "anotherlongusername", Email: "alice@example.com"}, byApp)
	reset := askReset(t, b, alice.Name)
	for name, set := range map[string]struct {
		user string
		act  func(plain string) error
	}{
		"AddUser": {"athirdlongusername", func(plain string) error {
			_, _, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "athirdlongusername", Password: plain})
			return err
		}},
		"Setup": {"afourthlongusername", func(plain string) error {
			_, err := b.Setup(bg, authtest.Client, setup.Token, "afourthlongusername", plain)
			return err
		}},
		"AcceptInvite": {"averylongusername", func(plain string) error {
			_, err := b.AcceptInvite(bg, authtest.Client, invite.Token, plain)
			return err
		}},
		"ChangePassword": {alice.Name, func(plain string) error {
			pr, err := b.ChangePassword(bg, alice.Client(), alice.Session, alice.Password, plain)
			if err == nil {
				alice.Keep(pr)
				reset = askReset(t, b, alice.Name)
			}
			return err
		}},
	} {
		judge(t, name, set.user, set.act)
	}
	// Last, since it ends the session that ChangePassword needs.
	judge(t, "ResetPassword", alice.Name, func(plain string) error { return b.ResetPassword(bg, authtest.Client, reset, plain) })
}

func judge(t *testing.T, name, user string, set func(plain string) error) {
	t.Helper()
	for what, plain := range map[string]string{
		"fourteen characters": "fourteenchars!", "common": "passwordpassword", "the name": user,
		"too long": strings.Repeat("ä", 257), "not text": "a fine passphrase\x00",
	} {
		if err := set(plain); auth.KindOf(err) != auth.BadPassword {
			t.Errorf("%s with a password that is %s: %v, want that it is refused", name, what, err)
		}
	}
	if err := set("fifteen letter."); err != nil {
		t.Errorf("%s with fifteen characters: %v", name, err)
	}
}

// TestASVS6_4_6OperatorsChooseNoPassword: an operator gives out links; what a person has chosen stays theirs.
func TestASVS6_4_6OperatorsChooseNoPassword(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	_, _, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "Alice", Password: newPassword})
	wantKind(t, err, auth.NameTaken, "adding an account that is there, with another password")
	link, err := b.ResetTwoFactor(bg, auth.Client{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.ResetPassword(bg, authtest.Client, link.Token, newPassword); auth.KindOf(err) != auth.LinkGone {
		t.Errorf("the operator's link sets a password: %v", err)
	}
	pr, err := b.Reenroll(bg, authtest.Client, link.Token, alice.Password)
	wantStep(t, pr, err, auth.StepEnroll, "the link with the password that the person has")
}

// TestASVS7_6_2LookingMakesNoSession: what a browser may do by itself, or a mail scanner, opens and changes nothing.
func TestASVS7_6_2LookingMakesNoSession(t *testing.T) {
	b := mailBench(t)
	alice := mailUser(t, b, "alice")
	reset := askReset(t, b, "alice")
	_, invite, err := b.Service.AddUser(bg, auth.Client{}, auth.NewUser{Name: "new"})
	if err != nil {
		t.Fatal(err)
	}
	pr := alice.EnterPassword(t)
	id := alice.Account(t).ID
	updates := b.Store.Updates()
	for range 3 {
		for _, token := range []string{reset, invite.Token} {
			if _, err := b.Link(bg, token); err != nil {
				t.Error(err)
			}
		}
		if _, err := b.Attempt(bg, pr.Attempt); err != nil {
			t.Error(err)
		}
		for name, look := range map[string]func() error{
			"account":  func() error { _, err := b.Service.Account(bg, id); return err },
			"sessions": func() error { _, err := b.SessionsOf(bg, id); return err },
			"trusted":  func() error { _, err := b.TrustedBrowsers(bg, id); return err },
			"methods":  func() error { _, err := b.Enrollable(bg, id); return err },
			"outbox":   func() error { _, err := b.Undelivered(bg); return err },
		} {
			if err := look(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		b.VisitorToken()
	}
	if n := b.Store.Updates() - updates; n != 0 {
		t.Errorf("looking wrote %d times", n)
	}
}

// TestASVS7_4_3OtherSessionsEnd after each change of what guards the account, and the one at hand goes on.
func TestASVS7_4_3OtherSessionsEnd(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	phone, _ := alice.Add(t, bySMS("+4915112345678"))
	beside := *alice
	beside.SignIn(t)
	restore := b.Snapshot(t)
	for name, c := range map[string]struct {
		act  func(p *authtest.Person) (auth.Progress, error)
		goes bool // the session at hand too
	}{
		"a factor was removed": {func(p *authtest.Person) (auth.Progress, error) {
			return auth.Progress{}, b.RemoveFactor(bg, p.Client(), p.Session, phone.ID)
		}, false},
		"two factors were turned off": {func(p *authtest.Person) (auth.Progress, error) {
			return b.Code(bg, p.Client(), disable(t, b, p).Attempt, auth.TOTP, p.Code())
		}, false},
		"the password was changed": {func(p *authtest.Person) (auth.Progress, error) {
			return b.ChangePassword(bg, p.Client(), p.Session, p.Password, newPassword)
		}, false},
		"the person ended them": {func(p *authtest.Person) (auth.Progress, error) {
			return auth.Progress{}, b.EndOtherSessions(bg, p.Client(), p.Session)
		}, false},
		"the password was reset": {func(p *authtest.Person) (auth.Progress, error) {
			return auth.Progress{}, b.ResetPassword(bg, p.Client(), askReset(t, b, "alice"), newPassword)
		}, true},
		"ASVS 7.4.5: an operator ended them": {func(p *authtest.Person) (auth.Progress, error) {
			n, err := b.RevokeSessions(bg, auth.Client{}, "alice")
			if n != 2 {
				t.Errorf("%d sessions were ended, want 2", n)
			}
			return auth.Progress{}, err
		}, true},
		"an operator reset the second factor": {func(p *authtest.Person) (auth.Progress, error) {
			_, err := b.ResetTwoFactor(bg, auth.Client{}, "alice")
			return auth.Progress{}, err
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			defer restore()
			p := *alice
			wantSession(t, b, beside.Session, true, "another session before")
			pr, err := c.act(&p)
			if err != nil {
				t.Fatal(err)
			}
			if pr.Session != "" {
				p.Keep(pr)
			}
			wantSession(t, b, beside.Session, false, "another session")
			wantSession(t, b, p.Session, !c.goes, "the session at hand")
		})
	}
}

// TestASVS7_2_4TicketsRotate at each rise in privilege: the one before is dead in the same moment.
func TestASVS7_2_4TicketsRotate(t *testing.T) {
	b := mailBench(t)
	alice := b.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Keep(alice.EnterPassword(t))
	dead := map[string]string{}
	step := func(name string, act func()) {
		t.Helper()
		before := alice.Session
		act()
		if alice.Session == before {
			t.Errorf("%s leaves the ticket as it is", name)
		}
		dead[name] = before
		for name, value := range dead {
			wantSession(t, b, value, false, "the ticket from before "+name)
		}
		wantSession(t, b, alice.Session, true, "the new ticket")
	}
	step("the first factor", func() { alice.Add(t, byApp) })
	step("another factor", func() { alice.Add(t, byMail) })
	step("sudo mode", func() {
		b.Clock.Move(auth.SudoAge)
		alice.Sudo(t)
	})
	step("a new password", func() {
		pr, err := b.ChangePassword(bg, alice.Client(), alice.Session, alice.Password, newPassword)
		if err != nil {
			t.Fatal(err)
		}
		alice.Password = newPassword
		alice.Keep(pr)
	})
	step("turning two factors off", func() {
		pr := disable(t, b, alice)
		pr, err := b.Code(bg, alice.Client(), pr.Attempt, auth.TOTP, alice.Code())
		if err != nil {
			t.Fatal(err)
		}
		alice.Keep(pr)
	})
	if e, err := b.Session(bg, auth.Asker{}, alice.Session); err != nil || !e.Expires.Before(b.Clock.Now().Add(12*time.Hour)) {
		t.Errorf("SE-10: rotating has moved the end: %+v, %v", e, err)
	}
}
