// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"reflect"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// spend uses up backup codes of a person.
func spend(t *testing.T, b *authtest.Bench, p *authtest.Person, codes []string) {
	t.Helper()
	for _, code := range codes {
		pr := p.EnterPassword(t)
		if _, err := b.Code(t.Context(), p.Client(), pr.Attempt, auth.BackupCode, code); err != nil {
			t.Fatalf("a backup code of %s: %v", p.Name, err)
		}
	}
}

// An operator is told how many people have which second factor, who has none, and whose backup codes run out.
func TestAdoption(t *testing.T) {
	b := mailBench(t)
	want := func(want auth.Adoption) {
		t.Helper()
		got, err := b.Adoption(t.Context())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
	want(auth.Adoption{Methods: map[auth.Method]int{auth.TOTP: 0, auth.Email: 0, auth.Webhook: 0}})

	ada := b.Enroll(t, auth.NewUser{Name: "ada", Email: "ada@example.com"})
	ada.Add(t, byApp)  // a second one of the same method counts once
	ada.Add(t, byMail) // and one of another for that
	bob := b.EnrollWith(t, auth.NewUser{Name: "bob"}, bySMS("+4915112345678"))
	cleo := b.Enroll(t, auth.NewUser{Name: "cleo"})
	b.AddUser(t, auth.NewUser{Name: "dora"})
	if _, _, err := b.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "carl"}); err != nil { // never accepted the invite
		t.Fatal(err)
	}
	for _, p := range []*authtest.Person{b.Enroll(t, auth.NewUser{Name: "eve"}), b.AddUser(t, auth.NewUser{Name: "finn"})} {
		if err := b.SetDisabled(t.Context(), auth.Client{}, p.Name, true); err != nil {
			t.Fatal(err)
		}
	}
	spend(t, b, ada, ada.Codes[:6])   // 4 left: no warning
	spend(t, b, cleo, cleo.Codes[:7]) // 3 left: one
	all := auth.Adoption{
		Users: 7, Enabled: 5, TwoFactor: 3, Share: 0.6, Without: []string{"carl", "dora"},
		Methods: map[auth.Method]int{auth.TOTP: 2, auth.Email: 1, auth.Webhook: 1},
		Backup:  auth.BackupAdoption{Few: 1},
	}
	want(all)

	spend(t, b, cleo, cleo.Codes[7:])
	all.Backup = auth.BackupAdoption{None: 1}
	want(all)

	if _, err := b.ResetTwoFactor(t.Context(), auth.Client{}, "bob"); err != nil {
		t.Fatal(err)
	}
	all.TwoFactor, all.Share, all.Without = 2, 0.4, []string{"bob", "carl", "dora"}
	all.Methods[auth.Webhook] = 0
	want(all)
	if got, err := b.User(t.Context(), bob.Name); err != nil || got.TwoFactor.Enabled || len(got.TwoFactor.Methods) != 0 {
		t.Errorf("bob after the reset: %+v, %v", got.TwoFactor, err)
	}
	wantTwo := auth.TwoFactor{Enabled: true, Methods: []auth.Method{auth.TOTP, auth.Email}}
	if got, err := b.User(t.Context(), ada.Name); err != nil || !reflect.DeepEqual(got.TwoFactor, wantTwo) {
		t.Errorf("ada: got %+v, %v; want %+v", got.TwoFactor, err, wantTwo)
	}
}

// A record that cannot be read is an error: a sum that leaves people out would look like one of everybody.
func TestAdoptionOfAnUnreadableRecord(t *testing.T) {
	for _, prefix := range []string{"user/", "factors/"} {
		t.Run(prefix, func(t *testing.T) {
			b := authtest.New(t)
			b.Enroll(t, auth.NewUser{Name: "ada"})
			for key := range b.Records(t, prefix) {
				b.Overwrite(t, key, "{")
			}
			if got, err := b.Adoption(t.Context()); err == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}
