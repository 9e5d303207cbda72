// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package authtest

import (
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/store"
)

// EnrollWith makes a person whose one second factor is the given one, with backup codes, signed in. The Bench must be able to send what
// it takes.
func (b *Bench) EnrollWith(t testing.TB, in auth.NewUser, f auth.NewFactor) *Person {
	t.Helper()
	p := b.AddUser(t, in)
	p.Keep(p.EnterPassword(t))
	p.Add(t, f)
	return p
}

// Account is what the person may see of themselves.
func (p *Person) Account(t testing.TB) auth.UserDetail {
	t.Helper()
	s, err := p.bench.Service.Session(t.Context(), auth.Asker{}, p.Session)
	if err != nil {
		t.Fatalf("the session of %s: %v", p.Name, err)
	}
	d, err := p.bench.Service.Account(t.Context(), s.UserID)
	if err != nil {
		t.Fatalf("the account of %s: %v", p.Name, err)
	}
	return d
}

// Prove goes on with an attempt as far as password and codes go: the password, a code of the authenticator or, without one, the code
// that was sent. It moves the clock to the next code of the authenticator, where one was used.
func (p *Person) Prove(t testing.TB, pr auth.Progress) auth.Progress {
	t.Helper()
	b := p.bench
	var err error
	if pr.Step == auth.StepPassword {
		if pr, err = b.ReenterPassword(t.Context(), p.Client(), pr.Attempt, p.Password); err != nil {
			t.Fatalf("the password of %s again: %v", p.Name, err)
		}
	}
	if pr.Step != auth.StepCode {
		return pr
	}
	method, code := auth.TOTP, p.Code()
	if p.Secret == nil {
		m := b.Await(t, auth.MessageCode)
		method, code = m.Method, m.Code
	}
	if pr, err = b.Service.Code(t.Context(), p.Client(), pr.Attempt, method, code); err != nil {
		t.Fatalf("a code of %s: %v", p.Name, err)
	}
	if method == auth.TOTP {
		b.Clock.Move(otp.Period)
	}
	return pr
}

// Sudo proves again whatever it takes to change what guards the account in the person's session.
func (p *Person) Sudo(t testing.TB) {
	t.Helper()
	pr, err := p.bench.StepUp(t.Context(), p.Client(), p.Session, auth.Sudo, "")
	if err != nil {
		t.Fatalf("stepping %s up: %v", p.Name, err)
	}
	if pr = p.Prove(t, pr); pr.Step != auth.StepDone {
		t.Fatalf("stepping %s up: step %q", p.Name, pr.Step)
	}
	if pr.Session != "" {
		p.Keep(pr)
	}
}

// Add enrolls one more factor, or the first, and returns it. The session must be in sudo mode. Each code that it takes is of a step of
// its own: it moves the clock.
func (p *Person) Add(t testing.TB, in auth.NewFactor) (auth.FactorInfo, []byte) {
	t.Helper()
	b := p.bench
	pr, err := b.AddFactor(t.Context(), p.Client(), p.Session, in)
	if err != nil {
		t.Fatalf("adding %+v to %s: %v", in, p.Name, err)
	}
	v, err := b.Attempt(t.Context(), pr.Attempt)
	if err != nil || v.Step != auth.StepEnroll {
		t.Fatalf("adding %+v to %s: step %q, error %v", in, p.Name, v.Step, err)
	}
	secret := v.Pending.Secret
	code := otp.Code(secret, otp.Step(b.Clock.Now()))
	if in.Method != auth.TOTP {
		code = b.Await(t, auth.MessageEnroll).Code
	}
	if pr, err = b.ConfirmEnrollment(t.Context(), p.Client(), pr.Attempt, code); err != nil {
		t.Fatalf("confirming %+v of %s: %v", in, p.Name, err)
	}
	if pr.Step == auth.StepSaveCodes {
		if v, err = b.Attempt(t.Context(), pr.Attempt); err != nil {
			t.Fatalf("the backup codes of %s: %v", p.Name, err)
		}
		p.Codes = v.Codes
		if pr, err = b.SavedCodes(t.Context(), p.Client(), pr.Attempt); err != nil {
			t.Fatalf("saving the backup codes of %s: %v", p.Name, err)
		}
	}
	if pr.Step != auth.StepDone {
		t.Fatalf("adding %+v to %s: step %q at the end", in, p.Name, pr.Step)
	}
	p.Keep(pr)
	if in.Method == auth.TOTP && p.Secret == nil {
		p.Secret = secret
	}
	b.Clock.Move(otp.Period)
	factors := p.Account(t).Factors
	newest := factors[0]
	for _, f := range factors {
		if newest.Created.Before(f.Created) {
			newest = f
		}
	}
	return newest, secret
}

// Records are all records of the store whose keys begin with a prefix, opened, by their keys.
func (b *Bench) Records(t testing.TB, prefix string) map[string]string {
	t.Helper()
	return records(t, b.Store.Store, prefix)
}

// Disk is all that lies below the seal, by its keys.
func (b *Bench) Disk(t testing.TB) map[string]string {
	t.Helper()
	return records(t, b.Raw, "")
}

func records(t testing.TB, s store.Store, prefix string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := s.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan(prefix, "", func(key string, value []byte) error {
			all[key] = string(value)
			return nil
		})
	})
	if err != nil {
		t.Fatalf("reading the store: %v", err)
	}
	return all
}

// Overwrite puts a record in the place of another, as somebody who can write to the store and has the key could.
func (b *Bench) Overwrite(t testing.TB, key, value string) {
	t.Helper()
	err := b.Store.Store.Update(t.Context(), func(tx store.Tx) error { return tx.Set(key, []byte(value), time.Time{}) })
	if err != nil {
		t.Fatalf("overwriting %s: %v", key, err)
	}
}

// Forget deletes all records whose keys begin with a prefix.
func (b *Bench) Forget(t testing.TB, prefix string) {
	t.Helper()
	err := b.Store.Store.Update(t.Context(), func(tx store.Tx) error {
		var keys []string
		if err := tx.Scan(prefix, "", func(key string, _ []byte) error { keys = append(keys, key); return nil }); err != nil {
			return err
		}
		for _, key := range keys {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("forgetting %s: %v", prefix, err)
	}
}

// Snapshot remembers the store, the clock and the settings, and returns what puts them back: a test that does many things to the same
// people saves the time of making them anew. Copy each Person before it is used.
func (b *Bench) Snapshot(t testing.TB) (restore func()) {
	t.Helper()
	before, now, settings := b.Records(t, ""), b.Clock.Now(), b.settings
	return func() {
		t.Helper()
		after := b.Records(t, "")
		err := b.Store.Store.Update(t.Context(), func(tx store.Tx) error {
			for key := range after {
				if err := tx.Delete(key); err != nil {
					return err
				}
			}
			for key, value := range before {
				if err := tx.Set(key, []byte(value), time.Time{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("putting the store back: %v", err)
		}
		b.Clock.Move(now.Sub(b.Clock.Now()))
		b.Configure(func(s *auth.Settings) { *s = settings })
		b.Sent()
	}
}
