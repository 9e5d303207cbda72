// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"fmt"

	"github.com/nightlatch/nightlatch/internal/password"
	"github.com/nightlatch/nightlatch/internal/store"
)

// Credentials is what the sign-in form sends.
type Credentials struct {
	Name, Password string
	Remember       bool   // "keep me signed in"
	ReturnTo       string // kept as given
	Level          Level  // what is asked for at the least; zero: LevelPassword. With LevelTwoFactor whoever has no factor enrolls one on the way
	Tokens         bool   // the session is for a program and gets Tokens in place of a ticket
}

// SignIn takes a name and a password and begins an attempt, or makes a session when the person has no second factor. An unknown name,
// a wrong password and a disabled account are one answer, at one cost. Where a handler in front names somebody else, nobody else signs in:
// OtherPerson.
func (s *Service) SignIn(ctx context.Context, c Client, in Credentials) (p Progress, err error) {
	if !fits(nil, Canonical(in.Name), c.Vouched) {
		return p, fail(OtherPerson)
	}
	right, err := s.verifyPassword(ctx, c, in.Name, in.Password)
	if err != nil {
		return p, err
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		owner, found, err := userByID(t, right.user.ID)
		if err != nil {
			return p, err
		}
		if !found {
			return p, fail(WrongCredentials)
		}
		if err := t.acceptPassword(owner, right); err != nil {
			return p, err
		}
		if owner.LinkNeeded {
			return t.sendToLink(owner, EventPassword, Password)
		}
		if right.inARow > manyFailures {
			owner.Guessed = true
			if err := t.saveUser(owner); err != nil {
				return p, err
			}
		}
		return t.enter(owner, attempt{
			Need: Requirement{Level: in.Level}, Proofs: []Proof{{Password, t.now.UTC()}}, Remember: in.Remember, ReturnTo: in.ReturnTo, Tokens: in.Tokens,
		})
	})
}

// enter begins a sign-in of which the first factor is proven. A trusted browser stands in for the second.
func (t *tx) enter(owner *userRecord, a attempt) (p Progress, err error) {
	a.Need.Level = max(a.Need.Level, LevelPassword)
	f, err := loadFactors(t, owner.ID)
	if err != nil {
		return p, err
	}
	is, next, expires, err := t.trusted(owner, &f)
	if err != nil {
		return p, err
	}
	if is {
		a.prove(TrustedBrowser, t.now)
	}
	p, err = t.begin(owner, a)
	p.Trusted, p.TrustedExpires = next, expires
	return p, err
}

// sendToLink refuses somebody whose factors an operator has reset: what they enroll with is the link.
func (t *tx) sendToLink(owner *userRecord, event string, m Method) (Progress, error) {
	t.eventFor(owner, Event{Type: event, Outcome: refused, Method: m, Detail: "a link is needed to enroll"})
	return Progress{}, t.refuse(fail(LinkNeeded))
}

// manyFailures is how many wrong passwords before the right one are worth a notice.
const manyFailures = 10

// ReenterPassword gives a running step-up the password again.
func (s *Service) ReenterPassword(ctx context.Context, c Client, value, plain string) (p Progress, err error) {
	var h *held
	err = s.view(ctx, func(t store.Tx) error {
		if h, err = s.openAttempt(t, &c, value, s.now()); err == nil && h.step != StepPassword {
			err = fail(OutOfOrder)
		}
		return err
	})
	if err != nil {
		return p, err
	}
	return s.withPassword(ctx, c, h.user.Name, plain, nil, func(t *tx, try passwordTry) (p Progress, err error) {
		h, err := t.openAttempt(value, StepPassword)
		if err != nil {
			return p, err
		}
		if err := t.acceptPassword(h.user, try); err != nil {
			return p, err
		}
		h.attempt.prove(Password, t.now)
		return t.advance(h)
	})
}

// withPassword has a person type the password once more and does fn with it. Who it is about stands on the page, so a wrong one is told
// as WrongPassword. A right one is no failure, whatever fn then refuses. What fn needs and takes long is done by prepare, nil for nothing:
// after the password, or a try that the counters refuse would cost it all the same (DO-1).
func (s *Service) withPassword(
	ctx context.Context, c Client, name, plain string, prepare func() error, fn func(t *tx, try passwordTry) (Progress, error),
) (Progress, error) {
	try, err := s.verifyPassword(ctx, c, name, plain)
	if err != nil {
		if KindOf(err) == WrongCredentials {
			err = fail(WrongPassword)
		}
		return Progress{}, err
	}
	if prepare != nil {
		if err := prepare(); err != nil {
			return Progress{}, s.giveBack(ctx, c, try.limits, err)
		}
	}
	p, err := s.progress(ctx, c, func(t *tx) (Progress, error) { return fn(t, try) })
	if err != nil {
		return Progress{}, s.giveBack(ctx, c, try.limits, err)
	}
	return p, nil
}

// passwordTry is a try at a password that was counted before anything was looked at. Once verifyPassword returns it, the password was
// right, and acceptPassword takes it inside a transaction.
type passwordTry struct {
	user   *userRecord // as it was when the password was checked
	limits []limit     // what was reserved for the try
	inARow int         // what it would have been had it failed
	rehash string      // a new hash, when the stored one is of older parameters
}

// verifyPassword reserves a try, checks the password outside any transaction, and takes note of a wrong one.
func (s *Service) verifyPassword(ctx context.Context, c Client, name, plain string) (passwordTry, error) {
	var r passwordTry
	err := s.update(ctx, c, func(t *tx) (err error) {
		r, err = t.reservePassword(Canonical(name))
		return err
	})
	if err != nil {
		return r, err
	}
	right, err := s.isRight(ctx, &r, plain)
	if right && err == nil {
		return r, nil
	}
	checked := err == nil || KindOf(classify(err)) == BadPassword // what can be nobody's password is a wrong one
	undo := s.update(context.WithoutCancel(ctx), c, func(t *tx) error {
		if !checked {
			return t.release(r.limits, false) // it was not looked at: give the try back
		}
		t.passwordEvent(r.user, r.inARow)
		return nil
	})
	switch {
	case !checked:
		return r, classify(err)
	case undo != nil:
		return r, undo
	}
	return r, fail(WrongCredentials)
}

// reservePassword finds whose password it would be, nobody's included, and raises the counters.
func (t *tx) reservePassword(canonical string) (r passwordTry, err error) {
	var known bool
	if r.user, _, err = t.s.userByName(t, canonical); err != nil {
		return r, err
	}
	if r.user != nil {
		if known, err = t.isKnown(r.user.ID); err != nil {
			return r, err
		}
	}
	r.limits = t.passwordLimits(t.s.keys.nameKey(canonical), known)
	r.inARow, err = t.reserve(r.limits)
	return r, err
}

// isRight spends the time of one hash whoever it is (BF-13), and of a second one where the first is out of date.
func (s *Service) isRight(ctx context.Context, r *passwordTry, plain string) (bool, error) {
	if r.user == nil || r.user.Password == "" {
		return false, s.hasher.VerifyDummy(ctx, plain)
	}
	verdict, err := s.hasher.Verify(ctx, r.user.Password, plain)
	if err != nil || !verdict.OK() || r.user.Disabled {
		return false, err
	}
	if verdict == password.RightButOld {
		r.rehash, err = s.hasher.Hash(ctx, plain)
	}
	return true, err
}

// passwordEvent names the person only when there is one: what people type in the name field is at times their password.
func (t *tx) passwordEvent(u *userRecord, inARow int) {
	e := Event{Type: EventPassword, Outcome: failure, Method: Password, Actor: "anonymous", Detail: streak(inARow)}
	if u == nil {
		t.event(e)
		return
	}
	t.eventFor(u, e)
}

// row tells an operator how far guessing has come.
func streak(n int) string {
	if n >= stopAt {
		return fmt.Sprintf("failure %d in a row: stopped", n)
	}
	return fmt.Sprintf("failure %d in a row", n)
}

// acceptPassword takes what was checked outside the transaction to be true inside it: the hash is still the one that was checked. It
// clears the counters of the password, and never one of a code (BF-3).
func (t *tx) acceptPassword(owner *userRecord, right passwordTry) error {
	if owner.ID != right.user.ID || owner.Password != right.user.Password || owner.Disabled {
		return fail(WrongCredentials)
	}
	if err := t.release(right.limits, true); err != nil {
		return err
	}
	if right.rehash == "" {
		return nil
	}
	owner.Password = right.rehash
	return t.saveUser(owner)
}
