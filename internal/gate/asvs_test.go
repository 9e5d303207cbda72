// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// ASVS 6.3.3: a site that says nothing asks for two factors, of everybody and everywhere, and so does a rule that does not fit. Less has to
// be written down.
func TestASVS6_3_3TwoFactorsWhereNothingIsSaid(t *testing.T) {
	people["trusted"] = person(time.Minute, nil, auth.Password, auth.TrustedBrowser)
	t.Cleanup(func() { delete(people, "trusted") })
	for name, rules := range map[string][]Rule{"no rule": nil, "rules for something else": {skipPublic, adminsOnly, lanPassword, denySecret}} {
		g := site(t, rules...)
		for _, target := range []string{"/", "/new", "/a/b?c=d", "/api"} {
			for who, want := range map[string]string{"": "sign in", "fresh": "prove more", "half": "prove more", "full": "pass", "code": "pass", "trusted": "pass"} {
				for _, line := range []string{"Accept: text/html", "Upgrade: websocket", "Content-Type: application/grpc", "Authorization: Basic YWxpY2U6eA=="} {
					r, v := ask(t, "GET "+target, cookie(who), line)
					if got := verdict(g.Check(r, v)); got != want {
						t.Errorf("%s, %s as %q with %q: got %s, want %s", name, target, who, line, got, want)
					}
				}
			}
		}
	}
}

// ASVS 7.5.3: what an operator calls sensitive with max_age is for who has typed both proofs a short time ago. A browser that is trusted
// has typed no code.
func TestASVS7_5_3SensitivePartsWantFreshProofs(t *testing.T) {
	g, b, alice := open(t, freshProof)
	b.Configure(func(x *auth.Settings) { x.Trust = 30 * 24 * time.Hour })
	pay := func(value string) string {
		r, v := ask(t, "POST /pay", cookie(value))
		return verdict(g.Check(r, v))
	}
	if got := pay(alice.Session); got != "pass" {
		t.Errorf("just signed in: got %s", got)
	}
	p := alice.EnterPassword(t)
	p, err := b.CodeAndTrust(t.Context(), alice.Client(), p.Attempt, auth.TOTP, alice.Code())
	if err != nil || p.Trusted == "" {
		t.Fatalf("trusting a browser: %v", err)
	}
	alice.Keep(p)
	b.Clock.Move(9 * time.Minute)
	if got := pay(alice.Session); got != "pass" {
		t.Errorf("after 9 minutes: got %s", got)
	}
	b.Clock.Move(time.Minute)
	if got, rest := pay(alice.Session), checkAs(t, g, alice.Session); got != "step up" || rest != "pass" {
		t.Errorf("after 10 minutes: got %s, and %s for the rest; want step up, and pass", got, rest)
	}

	p = alice.EnterPassword(t)
	if p.Step != auth.StepDone {
		t.Fatalf("the trusted browser with the password: step %q", p.Step)
	}
	alice.Keep(p)
	if got, rest := pay(alice.Session), checkAs(t, g, alice.Session); got != "step up" || rest != "pass" {
		t.Errorf("a trusted browser: got %s, and %s for the rest; want step up, and pass", got, rest)
	}
	p, err = b.StepUp(t.Context(), alice.Client(), alice.Session, freshProof.Need, "")
	if err != nil {
		t.Fatal(err)
	}
	if alice.Keep(alice.Prove(t, p)); pay(alice.Session) != "pass" {
		t.Errorf("after the step-up: got %s", pay(alice.Session))
	}
}

// ASVS 8.3.2: what changes about a person or a session holds from the next request on, also for what is in memory.
func TestASVS8_3_2ChangesHoldAtOnce(t *testing.T) {
	b := authtest.New(t)
	admins := Rule{Need: auth.Requirement{Level: auth.LevelPassword, Groups: []string{"admins"}}, Match: under("/admin"), PathBound: true, Text: "require /admin* password group admins"}
	anybody := Rule{Need: auth.Requirement{Level: auth.LevelPassword}, Text: "require password"}
	g, err := New(Config{Service: func() (*auth.Service, error) { return b.Service, nil }, Rules: []Rule{admins, anybody}, Now: b.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(name string) error{
		"disabled": func(name string) error { return b.SetDisabled(t.Context(), auth.Client{}, name, true) },
		"deleted":  func(name string) error { return b.DeleteUser(t.Context(), auth.Client{}, name) },
		"reset": func(name string) error {
			_, err := b.ResetTwoFactor(t.Context(), auth.Client{}, name)
			return err
		},
		"ended": func(name string) error {
			_, err := b.RevokeSessions(t.Context(), auth.Client{}, name)
			return err
		},
		"added-again-without-the-group": func(name string) error {
			if err := b.DeleteUser(t.Context(), auth.Client{}, name); err != nil {
				return err
			}
			b.AddUser(t, auth.NewUser{Name: name})
			return nil
		},
	} {
		p := b.AddUser(t, auth.NewUser{Name: name, Groups: []string{"admins"}})
		p.Keep(p.EnterPassword(t))
		admin := func() string {
			r, v := ask(t, "GET /admin", cookie(p.Session))
			return verdict(g.Check(r, v))
		}
		for range 3 {
			if got := admin(); got != "pass" {
				t.Fatalf("%s: before it: got %s", name, got)
			}
		}
		if err := change(name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := admin(); got != "sign in" {
			t.Errorf("%s: the next request: got %s, want sign in", name, got)
		}
	}

	// Somebody whose session has a password alone enrolls: from the confirmation on the password is not enough.
	bob := b.AddUser(t, auth.NewUser{Name: "bob"})
	bob.Keep(bob.EnterPassword(t))
	session := bob.Session
	if got := checkAs(t, g, session); got != "pass" {
		t.Errorf("a password where that is enough: got %s", got)
	}
	p, err := b.StepUp(t.Context(), bob.Client(), session, auth.Requirement{Level: auth.LevelTwoFactor}, "")
	if err != nil {
		t.Fatal(err)
	}
	view, err := b.Attempt(t.Context(), p.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	bob.Secret = view.Pending.Secret
	if _, err = b.ConfirmEnrollment(t.Context(), bob.Client(), p.Attempt, bob.Code()); err != nil {
		t.Fatal(err)
	}
	if got := checkAs(t, g, session); got != "prove more" {
		t.Errorf("the same session after the confirmation: got %s, want prove more", got)
	}
}
