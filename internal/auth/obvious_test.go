// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// TestASVS6_1_2ObviousWordsAreNoPassword: what stands on the sign-in page or in its address is what a guesser tries first.
func TestASVS6_1_2ObviousWordsAreNoPassword(t *testing.T) {
	b := authtest.New(t)
	b.Configure(func(s *auth.Settings) { s.MinPassword, s.Brand = 8, "Thornfield" })
	alice := b.AddUser(t, auth.NewUser{Name: "alicewonder", Email: "rabbithole@example.org"})
	pr := alice.EnterPassword(t)
	c := authtest.Client
	c.Origin = "https://ledgerbooks.example.com"
	for _, word := range []string{"alicewonder", "rabbithole", "thornfield", "ledgerbooks", "ledgerbooks.example.com"} {
		_, err := b.ChangePassword(t.Context(), c, pr.Session, alice.Password, word)
		wantKind(t, err, auth.BadPassword, "the password "+word)
	}
	if _, err := b.ChangePassword(t.Context(), c, pr.Session, alice.Password, "umbrella under a bridge"); err != nil {
		t.Errorf("words that stand nowhere: %v", err)
	}
}
