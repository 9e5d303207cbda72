// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
)

const month = 30 * 24 * time.Hour

// trustBench is a bench whose people may have their browsers trusted for a month.
func trustBench(t *testing.T) *authtest.Bench {
	t.Helper()
	b := mailBench(t)
	b.Configure(func(s *auth.Settings) { s.Trust = month })
	return b
}

// trustHere signs a person in with a code and has their browser trusted.
func trustHere(t *testing.T, b *authtest.Bench, p *authtest.Person) auth.Progress {
	t.Helper()
	pr := p.EnterPassword(t)
	if pr.Step != auth.StepCode {
		t.Fatalf("signing %s in: step %q", p.Name, pr.Step)
	}
	v, err := b.Attempt(bg, pr.Attempt)
	if err != nil || !v.CanTrust {
		t.Fatalf("%s cannot have a browser trusted: %v", p.Name, err)
	}
	pr, err = b.CodeAndTrust(bg, p.Client(), pr.Attempt, auth.TOTP, p.Code())
	pr = wantStep(t, pr, err, auth.StepDone, "a code, and trust for this browser")
	b.Clock.Move(otp.Period)
	p.Keep(pr)
	return pr
}

// wantTrust checks whether the next sign-in goes without a code.
func wantTrust(t *testing.T, p *authtest.Person, trusted bool, when string) auth.Progress {
	t.Helper()
	pr := p.EnterPassword(t)
	if got := pr.Step == auth.StepDone; got != trusted {
		t.Errorf("%s: step %q, want that the browser is trusted: %t", when, pr.Step, trusted)
	}
	if pr.Session != "" {
		p.Keep(pr)
	}
	return pr
}

func trusted(t *testing.T, b *authtest.Bench, p *authtest.Person) []auth.TrustedInfo {
	t.Helper()
	d, err := b.User(bg, p.Name)
	if err != nil {
		t.Fatal(err)
	}
	list, err := b.TrustedBrowsers(bg, d.ID)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestStoryTrustedBrowser(t *testing.T) {
	b := trustBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	begun := b.Clock.Now()
	pr := trustHere(t, b, alice)
	if pr.Trusted == "" || !pr.TrustedExpires.Equal(begun.Add(month)) {
		t.Errorf("the ticket %q ends %v, want %v", pr.Trusted, pr.TrustedExpires, begun.Add(month))
	}
	first := pr.Trusted
	b.Clock.Move(24 * time.Hour)
	pr = wantTrust(t, alice, true, "a day later")
	if pr.Trusted == "" || pr.Trusted == first || !pr.TrustedExpires.Equal(begun.Add(month)) {
		t.Errorf("the next ticket %q ends %v: each is good once, and using it prolongs nothing", pr.Trusted, pr.TrustedExpires)
	}
	if e := b.Events[len(b.Events)-1]; e.Type != auth.EventSignIn || e.Method != auth.TrustedBrowser {
		t.Errorf("the event: %+v", e)
	}
	s, err := b.Session(bg, auth.Asker{}, alice.Session)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		need auth.Requirement
		want auth.Verdict
	}{
		"password":             {auth.Requirement{Level: auth.LevelPassword}, auth.Pass},
		"two factors":          {twoFactor, auth.Pass},
		"two factors, recent":  {auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Hour}, auth.StepUp},
		"a password, recent":   {auth.Requirement{Level: auth.LevelPassword, MaxAge: time.Hour}, auth.StepUp},
		"an authenticator":     {auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TOTP}}, auth.ProveMore},
		"the proof by name":    {auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TrustedBrowser}}, auth.ProveMore},
		"what an account asks": {auth.Sudo, auth.StepUp},
	} {
		if got := c.need.Judge(s, b.Clock.Now()); got != c.want {
			t.Errorf("a rule that asks for %s: verdict %v, want %v", name, got, c.want)
		}
	}
	if b.InSudo(auth.Client{}, s) || !b.Complete(s) {
		t.Error("a trusted browser is a proof for a change of the account, or none for a look at it")
	}
	wantKind(t, b.EndOtherSessions(bg, alice.Client(), alice.Session), auth.StepUpNeeded, "MF-18: an act on the account")
	up, err := b.StepUp(bg, alice.Client(), alice.Session, auth.Sudo, "")
	up = wantStep(t, up, err, auth.StepCode, "sudo mode, a moment after the password")
	if v, err := b.Attempt(bg, up.Attempt); err != nil || v.CanTrust {
		t.Errorf("a step-up offers to trust the browser: %v", err)
	}
	up, err = b.CodeAndTrust(bg, alice.Client(), up.Attempt, auth.TOTP, alice.Code())
	alice.Keep(wantStep(t, up, err, auth.StepDone, "its code"))
	if up.Trusted != "" {
		t.Error("a step-up has a browser trusted")
	}
	if list := trusted(t, b, alice); len(list) != 1 || list[0].Device != "test browser" || !list[0].LastUsed.Equal(b.Clock.Now()) || !list[0].Expires.Equal(begun.Add(month)) {
		t.Errorf("the list: %+v", list)
	}
	b.Clock.Move(begun.Add(month).Add(-time.Second).Sub(b.Clock.Now()))
	wantTrust(t, alice, true, "a second before a month is over")
	b.Clock.Move(time.Second)
	wantTrust(t, alice, false, "a month after the code")
	if list := trusted(t, b, alice); len(list) != 0 {
		t.Errorf("the list after a month: %+v", list)
	}
}

// TestSE22MF18CopiedTicket: a ticket that comes a second time ends the trust, whether the thief or the owner was first.
func TestSE22MF18CopiedTicket(t *testing.T) {
	for _, first := range []string{"thief", "owner"} {
		t.Run(first+" first", func(t *testing.T) {
			b := trustBench(t)
			alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
			trustHere(t, b, alice)
			thief := *alice // with the password as well
			one, two := alice, &thief
			if first == "thief" {
				one, two = two, one
			}
			wantTrust(t, one, true, "who comes first")
			b.Clock.Move(time.Minute)
			b.Sent()
			told := len(b.Events)
			pr := wantTrust(t, two, false, "who comes second")
			if pr.Trusted != "" {
				t.Error("a copied ticket is replaced by a good one")
			}
			if got := types(b.Events[told:]); got[0] != auth.EventTrustCopied || !slices.Contains(got, auth.EventTrustEnded) || !slices.Contains(got, auth.EventSessionEnded) {
				t.Errorf("events: %v", got)
			}
			wantSession(t, b, one.Session, false, "what the copied ticket has opened")
			wantSession(t, b, alice.Session, false, "every session of the owner")
			wantMessages(t, b.Sent(), auth.NoticeTrustedElsewhere)
			wantTrust(t, one, false, "who came first, with the next ticket")
			wantTrust(t, two, false, "who came second, again")
			wantMessages(t, b.Sent())
			if list := trusted(t, b, alice); len(list) != 0 {
				t.Errorf("still listed: %+v", list)
			}
		})
	}
}

// TestMF18TicketsOfOthers: a ticket vouches for its own person, and not before the password is right.
func TestMF18TicketsOfOthers(t *testing.T) {
	b := trustBench(t)
	alice, bob := b.Enroll(t, auth.NewUser{Name: "alice"}), b.Enroll(t, auth.NewUser{Name: "bob"})
	trustHere(t, b, alice)
	bob.Trusted = alice.Trusted
	wantTrust(t, bob, false, "bob with alice's ticket")
	guess := alice.Credentials()
	guess.Password = "wrong"
	pr, err := b.SignIn(bg, alice.Client(), guess)
	wantKind(t, err, auth.WrongCredentials, "a wrong password in a trusted browser")
	if !reflect.DeepEqual(pr, auth.Progress{}) {
		t.Errorf("a wrong password gets %+v", pr)
	}
	ticket := alice.Trusted
	for name, value := range map[string]string{
		"nothing": "", "garbage": strings.Repeat("A", 100), "a session": alice.Session, "a browser": alice.Browser,
		"a changed one": ticket[:20] + strings.Map(func(r rune) rune { return r ^ 1 }, ticket[20:21]) + ticket[21:],
	} {
		alice.Trusted = value
		wantTrust(t, alice, false, "with "+name+" for a ticket")
	}
	alice.Trusted = ticket
	wantTrust(t, alice, true, "alice with her own, which nothing of that has used up")
	if _, err := b.Session(bg, auth.Asker{}, alice.Trusted); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("ST-18: the ticket as a session's: %v", err)
	}
	wantKind(t, b.EndTrust(bg, bob.Client(), bob.Session, trusted(t, b, alice)[0].ID), auth.NotFound, "bob ends the trust in alice's browser")
}

// TestMF18TrustEnds with whatever it vouches for.
func TestMF18TrustEnds(t *testing.T) {
	b := trustBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	alice.Add(t, bySMS("+4915112345678"))
	trustHere(t, b, alice)
	restore := b.Snapshot(t)
	for name, act := range map[string]func(t *testing.T, b *authtest.Bench, p *authtest.Person) error{
		"a factor was added": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			p.Add(t, bySMS("+4915112345670"))
			return nil
		},
		"a factor was removed": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			return b.RemoveFactor(bg, p.Client(), p.Session, p.Account(t).Factors[1].ID)
		},
		"two factors were turned off and on": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			pr := disable(t, b, p)
			pr, err := b.Code(bg, p.Client(), pr.Attempt, auth.TOTP, p.Code())
			p.Keep(wantStep(t, pr, err, auth.StepDone, "turning them off"))
			p.Secret = nil
			p.Add(t, byApp)
			return nil
		},
		"the password was changed": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			pr, err := b.ChangePassword(bg, p.Client(), p.Session, p.Password, newPassword)
			p.Keep(wantStep(t, pr, err, auth.StepDone, "changing the password"))
			p.Password = newPassword
			return nil
		},
		"the password was reset": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			err := b.ResetPassword(bg, p.Client(), askReset(t, b, p.Name), newPassword)
			p.Password = newPassword
			return err
		},
		"the person ended it": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			return b.EndTrust(bg, p.Client(), p.Session, trusted(t, b, p)[0].ID)
		},
		"the person ended all others": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			return b.EndOtherSessions(bg, p.Client(), p.Session)
		},
		"an operator ended all sessions": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			_, err := b.RevokeSessions(bg, auth.Client{}, p.Name)
			return err
		},
		"an operator reset the second factor": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			link, err := b.ResetTwoFactor(bg, auth.Client{}, p.Name)
			if err != nil {
				return err
			}
			pr, err := b.Reenroll(bg, p.Client(), link.Token, p.Password)
			p.Finish(t, wantStep(t, pr, err, auth.StepEnroll, "the link"))
			return nil
		},
		"the account was disabled and enabled": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			if err := b.SetDisabled(bg, auth.Client{}, p.Name, true); err != nil {
				return err
			}
			return b.SetDisabled(bg, auth.Client{}, p.Name, false)
		},
		"the time in the configuration is shorter": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			b.Configure(func(s *auth.Settings) { s.Trust = time.Minute })
			return nil
		},
		"it is off in the configuration": func(t *testing.T, b *authtest.Bench, p *authtest.Person) error {
			b.Configure(func(s *auth.Settings) { s.Trust = 0 })
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer restore()
			p := *alice
			b.Clock.Move(time.Minute)
			if err := act(t, b, &p); err != nil {
				t.Fatal(err)
			}
			if list := trusted(t, b, &p); len(list) != 0 {
				t.Errorf("still listed: %+v", list)
			}
			b.Sent()
			p.Trusted = alice.Trusted
			wantTrust(t, &p, false, name)
			wantMessages(t, b.Sent())
		})
	}
}

// TestTrustKeeps: what says nothing about factors and password leaves it alone.
func TestTrustKeeps(t *testing.T) {
	b := trustBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.com"})
	trustHere(t, b, alice)
	if err := b.RenameFactor(bg, alice.Client(), alice.Session, alice.Account(t).Factors[0].ID, "phone"); err != nil {
		t.Fatal(err)
	}
	if err := b.SignOut(bg, alice.Client(), alice.Session); err != nil {
		t.Fatal(err)
	}
	b.Restart(t)
	wantTrust(t, alice, true, "after a sign-out and a restart")
	b.Configure(func(s *auth.Settings) { s.Trust = 2 * month })
	wantTrust(t, alice, true, "after the configuration allows more")
	b.Clock.Move(trusted(t, b, alice)[0].Expires.Sub(b.Clock.Now()))
	wantTrust(t, alice, false, "at the end that was promised when it was given")
}

// TestTrustIsOffUnlessConfigured: asking for it is then a code and nothing else.
func TestTrustIsOffUnlessConfigured(t *testing.T) {
	b := mailBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	pr := alice.EnterPassword(t)
	if v, err := b.Attempt(bg, pr.Attempt); err != nil || v.CanTrust {
		t.Errorf("it is offered: %v", err)
	}
	pr, err := b.CodeAndTrust(bg, alice.Client(), pr.Attempt, auth.TOTP, alice.Code())
	wantStep(t, pr, err, auth.StepDone, "a code")
	if pr.Trusted != "" || len(trusted(t, b, alice)) != 0 {
		t.Error("a browser is trusted")
	}
}

// TestTrustIsAskedFor: a code alone has no browser trusted, nor does a backup code, which says that the device may be gone.
func TestTrustIsAskedFor(t *testing.T) {
	b := trustBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	alice.SignIn(t)
	pr := alice.EnterPassword(t)
	pr, err := b.CodeAndTrust(bg, alice.Client(), pr.Attempt, auth.BackupCode, alice.Codes[0])
	alice.Keep(wantStep(t, pr, err, auth.StepDone, "a backup code"))
	wrong := alice.EnterPassword(t)
	_, err = b.CodeAndTrust(bg, alice.Client(), wrong.Attempt, auth.TOTP, other(alice.Code()))
	wantKind(t, err, auth.WrongCode, "a wrong code")
	if list := trusted(t, b, alice); len(list) != 0 || alice.Trusted != "" {
		t.Errorf("trusted: %+v", list)
	}
}

func TestAtMostTwentyTrustedBrowsers(t *testing.T) {
	b := trustBench(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	var tickets []string
	for range 21 {
		alice.Trusted, alice.Browser = "", ""
		trustHere(t, b, alice)
		tickets = append(tickets, alice.Trusted)
	}
	if n := len(trusted(t, b, alice)); n != 20 {
		t.Errorf("%d trusted browsers, want 20", n)
	}
	for i, want := range map[int]bool{0: false, 1: true, 20: true} {
		alice.Trusted = tickets[i]
		wantTrust(t, alice, want, "browser "+string(rune('a'+i)))
	}
}
