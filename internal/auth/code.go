// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"slices"
	"time"
)

// Code takes a code at StepCode, by one of the ways that the attempt offers. Everything happens in one transaction: the try is counted,
// the code is burned, the attempt is removed and the session is made, or none of it.
func (s *Service) Code(ctx context.Context, c Client, value string, m Method, code string) (Progress, error) {
	return s.takeCode(ctx, c, value, m, code, false)
}

// CodeAndTrust is Code, and asks that this browser be trusted from then on, see Settings.Trust. Where that is not to be had it is
// Code alone: by a backup code, which says that the device may be gone, and where a running session proves more.
func (s *Service) CodeAndTrust(ctx context.Context, c Client, value string, m Method, code string) (Progress, error) {
	return s.takeCode(ctx, c, value, m, code, true)
}

func (s *Service) takeCode(ctx context.Context, c Client, value string, m Method, code string, trust bool) (Progress, error) {
	if m == BackupCode {
		return s.backupCode(ctx, c, value, code)
	}
	if !m.Second() {
		return Progress{}, failf(BadInput, "%q is not a way to enter a code", m)
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, try, err := t.tryCode(value, StepCode, m)
		if err != nil {
			return p, err
		}
		var o outcome
		if m == TOTP {
			o = h.factors.burn(code, t.now, s.settings.PastSteps)
		} else if o, err = t.useSent(h, m, code); err != nil {
			return p, err
		}
		if o != right {
			return p, t.refuseCode(h, try, o)
		}
		h.attempt.Trust = trust && s.mayTrust(&h.attempt)
		return t.acceptCode(h, try)
	})
}

// mayTrust tells whether a browser can be trusted by what this attempt proves: a sign-in does, proving more does not.
func (s *Service) mayTrust(a *attempt) bool {
	return s.settings.Trust > 0 && a.Session == "" && a.Link == ""
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
			return Progress{}, s.giveBack(ctx, c, try.limits, err)
		}
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, err := t.openAttempt(value, StepCode)
		if err != nil {
			return p, err
		}
		if o := h.factors.use(index, hashes, t.now); o != right {
			return p, t.refuseCode(h, try, o)
		}
		h.attempt.UsedCode = true
		t.eventFor(h.user, Event{Type: EventBackupCode, Outcome: success, Method: BackupCode})
		t.notify(h.user, Message{Kind: NoticeBackupCodeUsed, Left: h.factors.codesLeft()})
		return t.acceptCode(h, try)
	})
}

// codeTry is a try at a code that was counted before anything was looked at.
type codeTry struct {
	method   Method
	confirms bool // the code proves what is being enrolled rather than what is
	limits   []limit
	inARow   int // failures, if it comes to one
}

// tryCode opens an attempt that waits at a step, and counts a try at it. At StepCode the method must be one of the ways that the attempt
// offers: what a person has not enrolled, or what does not count here, is no code to be guessed at.
func (t *tx) tryCode(value string, step Step, m Method) (*held, codeTry, error) {
	try := codeTry{method: m}
	h, err := t.openAttempt(value, step)
	if err != nil {
		return nil, try, err
	}
	if step == StepCode {
		ways := t.s.ways(h.user, &h.factors, &h.attempt.Need)
		if !slices.ContainsFunc(ways, func(w Way) bool { return w.Method == m }) {
			return nil, try, fail(NoSuchWay)
		}
	}
	if try.confirms = step != StepCode; try.confirms {
		try.limits = t.confirmLimits(h.user.ID, m)
	} else if try.limits, err = t.codeLimits(h.user.ID, m); err != nil {
		return nil, try, err
	}
	try.inARow, err = t.reserve(try.limits)
	return h, try, err
}

// giveBack takes back a try that could not be looked at, because of why.
func (s *Service) giveBack(ctx context.Context, c Client, limits []limit, why error) error {
	err := s.update(context.WithoutCancel(ctx), c, func(t *tx) error { return t.release(limits, false) })
	if err != nil {
		return err
	}
	return classify(why)
}

// refuseCode keeps the raised counters, of the attempt too, and says what was wrong. The owner hears of it before it becomes a habit:
// whoever types these codes has proven the first factor.
func (t *tx) refuseCode(h *held, try codeTry, o outcome) error {
	e := Event{Type: EventCode, Outcome: failure, Method: try.method, Detail: streak(try.inARow)}
	why := WrongCode
	if o == used {
		e.Type, why = EventReplay, UsedCode
	}
	t.eventFor(h.user, e)
	if try.inARow == freeTries && h.step == StepCode && h.attempt.Session == "" {
		kind := NoticeWrongCodes
		if slices.ContainsFunc(h.attempt.Proofs, isVouched) {
			kind = NoticeVouchedCodes
		}
		t.notify(h.user, Message{Kind: kind})
	}
	if h.attempt.Sent != nil {
		if err := put(t, h.key, h.attempt, h.attempt.Expires); err != nil {
			return err
		}
	}
	return t.refuse(fail(why))
}

// acceptCode stores what was burned or used, clears the counters and goes on.
func (t *tx) acceptCode(h *held, try codeTry) (Progress, error) {
	if err := put(t, factorsKey(h.user.ID), h.factors, time.Time{}); err != nil {
		return Progress{}, err
	}
	if err := t.release(try.limits, !try.confirms); err != nil {
		return Progress{}, err
	}
	if err := t.clearCodes(h.user.ID); err != nil {
		return Progress{}, err
	}
	if h.user.MailedPassword && try.method != Email {
		h.user.MailedPassword = false
		if err := t.saveUser(h.user); err != nil {
			return Progress{}, err
		}
	}
	h.attempt.prove(try.method, t.now)
	return t.advance(h)
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
