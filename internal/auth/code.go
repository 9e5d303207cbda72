// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"time"

	"github.com/nightlatch/nightlatch/internal/otp"
)

// Code takes a code at StepCode. For a code of an authenticator everything happens in one transaction: the try is counted, the step is
// burned, the attempt is removed and the session is made, or none of it.
func (s *Service) Code(ctx context.Context, c Client, value string, m Method, code string) (Progress, error) {
	switch m {
	case TOTP:
		return s.totpCode(ctx, c, value, code)
	case BackupCode:
		return s.backupCode(ctx, c, value, code)
	}
	return Progress{}, failf(BadInput, "%q is not a way to enter a code", m)
}

func (s *Service) totpCode(ctx context.Context, c Client, value, code string) (Progress, error) {
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, try, err := t.tryCode(value, StepCode, TOTP)
		if err != nil {
			return p, err
		}
		if o := h.factors.burn(code, t.now, s.settings.PastSteps); o != right {
			return p, t.refuseCode(h.user, try, o)
		}
		return t.acceptCode(h, try)
	})
}

// backupCode counts the try in one transaction, spends 25 ms on the hash outside any, and uses the code up in a second one that makes
// the session as well.
func (s *Service) backupCode(ctx context.Context, c Client, value, code string) (Progress, error) {
	var try codeTry
	var hashes []string
	err := s.update(ctx, c, func(t *tx) (err error) {
		var h *held
		if h, try, err = t.tryCode(value, StepCode, BackupCode); err == nil {
			hashes = h.factors.hashes()
		}
		return err
	})
	if err != nil {
		return Progress{}, err
	}
	index := -1
	if plain, ok := plainCode(code); ok {
		if index, err = s.hasher.FindCode(ctx, hashes, plain); err != nil {
			return Progress{}, s.giveBack(ctx, c, try, err)
		}
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, err := t.openAttempt(value, StepCode)
		if err != nil {
			return p, err
		}
		if o := h.factors.use(index, hashes, t.now); o != right {
			return p, t.refuseCode(h.user, try, o)
		}
		h.attempt.UsedCode = true
		t.eventFor(h.user, Event{Type: EventBackupCode, Outcome: success, Method: BackupCode})
		return t.acceptCode(h, try)
	})
}

// codeTry is a try at a code that was counted before anything was looked at.
type codeTry struct {
	method Method
	limits []limit
	inARow int // failures, if it comes to one
}

// tryCode opens an attempt that waits at a step, and counts a try at it.
func (t *tx) tryCode(value string, step Step, m Method) (*held, codeTry, error) {
	try := codeTry{method: m}
	h, err := t.openAttempt(value, step)
	if err != nil {
		return nil, try, err
	}
	if try.limits, err = t.codeLimits(h.user.ID, m); err != nil {
		return nil, try, err
	}
	try.inARow, err = t.reserve(try.limits)
	return h, try, err
}

// giveBack takes back a try that could not be looked at, because of why.
func (s *Service) giveBack(ctx context.Context, c Client, try codeTry, why error) error {
	err := s.update(context.WithoutCancel(ctx), c, func(t *tx) error { return t.release(try.limits, false) })
	if err != nil {
		return err
	}
	return classify(why)
}

// refuseCode keeps the raised counters and says what was wrong.
func (t *tx) refuseCode(u *userRecord, try codeTry, o outcome) error {
	e := Event{Type: EventCode, Outcome: failure, Method: try.method, Detail: row(try.inARow)}
	why := WrongCode
	if o == used {
		e.Type, why = EventReplay, UsedCode
	}
	t.eventFor(u, e)
	return t.refuse(fail(why))
}

// acceptCode stores what was burned or used, clears the counters and goes on.
func (t *tx) acceptCode(h *held, try codeTry) (Progress, error) {
	if err := put(t, factorsKey(h.user.ID), h.factors, time.Time{}); err != nil {
		return Progress{}, err
	}
	if err := t.release(try.limits, true); err != nil {
		return Progress{}, err
	}
	if err := t.clearCodes(h.user.ID); err != nil {
		return Progress{}, err
	}
	h.attempt.prove(try.method, t.now)
	return t.advance(h)
}

// ConfirmEnrollment takes the first code of the pending authenticator, which makes it a factor and burns that code. It makes the ten
// backup codes, which the next step shows, and ends the person's other sessions: they were made with a password alone.
func (s *Service) ConfirmEnrollment(ctx context.Context, c Client, value, code string) (Progress, error) {
	var try codeTry
	err := s.update(ctx, c, func(t *tx) (err error) {
		var h *held
		if h, try, err = t.tryCode(value, StepEnroll, TOTP); err != nil {
			return err
		}
		if _, ok := otp.Match(h.attempt.Secret, code, t.now, s.settings.PastSteps, -1); !ok {
			return t.refuseCode(h.user, try, wrong)
		}
		return nil
	})
	if err != nil {
		return Progress{}, err
	}
	codes := newBackupCodes()
	hashes, err := s.hasher.HashCodes(ctx, plainCodes(codes))
	if err != nil {
		return Progress{}, s.giveBack(ctx, c, try, err)
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, err := t.openAttempt(value, StepEnroll)
		if err != nil {
			return p, err
		}
		h.factors.enroll(h.attempt.Secret, hashes, t.now)
		if h.factors.burn(code, t.now, s.settings.PastSteps) != right {
			return p, t.refuseCode(h.user, try, wrong) // it ran out while the backup codes were hashed
		}
		h.attempt.Secret, h.attempt.Codes, h.attempt.Expires = nil, codes, t.now.Add(attemptLife)
		if err := t.bindFactor(h); err != nil {
			return p, err
		}
		return t.acceptCode(h, try)
	})
}

// bindFactor is what a first factor means for everything else of its person.
func (t *tx) bindFactor(h *held) error {
	if err := t.endSessions(h.user, h.attempt.Session, h.user.Name, "a second factor was enrolled"); err != nil {
		return err
	}
	if h.attempt.Session != "" {
		// The session goes on with a password alone until the codes are saved: from now on that is not enough (MF-4).
		t.changed = append(t.changed, h.attempt.Session)
	}
	if err := t.useEnrollmentLink(h); err != nil {
		return err
	}
	t.eventFor(h.user, Event{Type: EventTwoFactorEnabled, Outcome: success, Method: TOTP})
	return t.saveUser(h.user)
}

// SavedCodes says that the person has the backup codes. They are gone from the store with it, but for their hashes.
func (s *Service) SavedCodes(ctx context.Context, c Client, value string) (Progress, error) {
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, err := t.openAttempt(value, StepSaveCodes)
		if err != nil {
			return p, err
		}
		h.attempt.Codes = nil
		return t.advance(h)
	})
}
