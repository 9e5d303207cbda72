// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nightlatch/nightlatch/internal/store"
)

// Adoption is how many of the people here have two-factor sign-in. All but Users is said of people who are not disabled: an account
// that nobody can sign in to has nothing to adopt.
type Adoption struct {
	Users     int            `json:"users"`              // all accounts
	Enabled   int            `json:"enabled_users"`      // those that are not disabled
	TwoFactor int            `json:"with_two_factor"`    // how many of them have a second factor
	Share     float64        `json:"share"`              // the same as a part of all of them, 0 to 1; 0 where there is nobody
	Methods   map[Method]int `json:"methods"`            // how many have at least one factor of the method; every method stands here
	Backup    BackupAdoption `json:"backup_codes"`       // of those with a second factor
	Without   []string       `json:"without_two_factor"` // who has none, in the order of their names
}

// BackupAdoption is how many people would be locked out, or soon will be, when they lose their second factor.
type BackupAdoption struct {
	None int `json:"none_left"`
	Few  int `json:"few_left"` // at least one, and fewer than FewBackupCodes
}

// FewBackupCodes is how many backup codes a person must have left not to be warned on our pages.
const FewBackupCodes = 4

// Adoption counts over all people, on one snapshot of the store. It reads and decodes two records of each, and keeps the names of those
// without a second factor: that is for an operator, never for a request of a visitor. A record that cannot be read fails the whole.
func (s *Service) Adoption(ctx context.Context) (a Adoption, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		a = Adoption{Methods: map[Method]int{TOTP: 0, Email: 0, Webhook: 0}}
		return t.Scan("user/", "", func(_ string, value []byte) error {
			var u userRecord
			if err := json.Unmarshal(value, &u); err != nil {
				return fmt.Errorf("decoding a user: %w", err)
			}
			f, err := loadFactors(t, u.ID)
			if err != nil {
				return err
			}
			a.count(&u, &f)
			return nil
		})
	})
	if a.Enabled > 0 {
		a.Share = float64(a.TwoFactor) / float64(a.Enabled)
	}
	slices.Sort(a.Without)
	return a, err
}

func (a *Adoption) count(u *userRecord, f *factors) {
	a.Users++
	if u.Disabled {
		return
	}
	a.Enabled++
	if !f.enrolled() {
		a.Without = append(a.Without, u.Name)
		return
	}
	a.TwoFactor++
	for m := range a.Methods {
		if f.has(m) {
			a.Methods[m]++
		}
	}
	switch left := f.codesLeft(); {
	case left == 0:
		a.Backup.None++
	case left < FewBackupCodes:
		a.Backup.Few++
	}
}
