// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/password"
	"github.com/nightlatch/nightlatch/internal/store"
)

const (
	attemptLife = 10 * time.Minute
	// enrollAge is how fresh the password must be to bind a first authenticator in a running session: a browser left open must not
	// be enough.
	enrollAge  = 10 * time.Minute
	useAttempt = "attempt"

	// MinMaxAge is the least that a requirement may ask of the age of proofs. Shorter, and the first proof of a step-up would be too old
	// before the second is typed. The gate and the step-up must agree on it, or a person would be sent to and fro between them.
	MinMaxAge = time.Minute
)

// attempt is a sign-in, an enrollment or a step-up in progress. It is all server-side: the cookie holds a random ticket, and nothing
// that a browser can edit says how far the person has come (MF-19).
type attempt struct {
	UserID   string      `json:"user_id"`
	Session  string      `json:"session,omitempty"` // id of the session that proves more; empty for a sign-in
	Need     Requirement `json:"need"`
	Proofs   []Proof     `json:"proofs"`
	Link     string      `json:"link,omitempty"`   // digest of the re-enrollment link that the confirmation uses up
	Secret   []byte      `json:"secret,omitempty"` // pending authenticator; replaces nothing until it is confirmed
	Codes    []string    `json:"codes,omitempty"`  // backup codes that are not yet said to be saved
	UsedCode bool        `json:"used_code,omitempty"`
	Remember bool        `json:"remember,omitempty"`
	ReturnTo string      `json:"return_to,omitempty"`
	Expires  time.Time   `json:"expires"`
}

// next is the one place that decides what comes next in a sign-in. Every act returns to it, and only StepDone makes a session.
func (a *attempt) next(f *factors, now time.Time) Step {
	m := a.Need.missing(a.Proofs, f.enrolled(), now)
	switch {
	case m.Password:
		return StepPassword
	case m.Code:
		return StepCode
	case m.Enroll:
		return StepEnroll
	case len(a.Codes) > 0:
		return StepSaveCodes
	}
	return StepDone
}

// prove adds a proof, replacing an older one of the same method.
func (a *attempt) prove(m Method, now time.Time) {
	a.Proofs = slices.DeleteFunc(slices.Clone(a.Proofs), func(p Proof) bool { return p.Method == m })
	a.Proofs = append(a.Proofs, Proof{Method: m, At: now.UTC()})
}

func attemptKey(ticket []byte) string { return "attempt/" + digest(ticket) }

// begin stores a new attempt, or finishes at once when nothing is missing.
func (t *tx) begin(u *userRecord, a attempt) (Progress, error) {
	f, err := loadFactors(t, u.ID)
	if err != nil {
		return Progress{}, err
	}
	a.UserID, a.Expires = u.ID, t.now.Add(attemptLife)
	return t.proceed(u, &f, &a)
}

// proceed does what next says: it makes the session, or stores the attempt under a new ticket. The caller has removed the old one, so a
// ticket is good for one step.
func (t *tx) proceed(u *userRecord, f *factors, a *attempt) (Progress, error) {
	p := Progress{Step: a.next(f, t.now), ReturnTo: a.ReturnTo, UsedCode: a.UsedCode, CodesLeft: f.codesLeft()}
	if p.Step == StepDone {
		value, expires, err := t.finish(u, a)
		p.Session, p.Expires = value, expires
		return p, err
	}
	if p.Step == StepEnroll && a.Secret == nil {
		a.Secret = otp.NewSecret()
	}
	ticket := randomBytes(secretSize)
	p.Attempt = t.keys.seal(useAttempt, ticket)
	return p, put(t, attemptKey(ticket), a, a.Expires)
}

// held is an attempt with what it is about.
type held struct {
	key     string
	attempt attempt
	user    *userRecord
	factors factors
	step    Step
}

// openAttempt reads the attempt behind a cookie value. Whatever is wrong with it is the same AttemptGone.
func (s *Service) openAttempt(t store.Tx, value string, now time.Time) (*held, error) {
	ticket, ok := s.keys.open(useAttempt, value, secretSize)
	if !ok {
		return nil, fail(AttemptGone)
	}
	h := &held{key: attemptKey(ticket)}
	var found bool
	var err error
	if h.attempt, found, err = get[attempt](t, h.key); err != nil {
		return nil, err
	}
	if !found || !now.Before(h.attempt.Expires) {
		return nil, fail(AttemptGone)
	}
	if h.user, found, err = userByID(t, h.attempt.UserID); err != nil {
		return nil, err
	}
	if !found || h.user.Disabled {
		return nil, fail(AttemptGone)
	}
	if h.factors, err = loadFactors(t, h.user.ID); err != nil {
		return nil, err
	}
	if id := h.attempt.Session; id != "" {
		r, found, err := get[sessionRecord](t, sessionKey(id))
		if err != nil {
			return nil, err
		}
		if !found || r.over(now, s.cache.lastSeen(id)) {
			return nil, fail(AttemptGone)
		}
	}
	h.step = h.attempt.next(&h.factors, now)
	if h.step == StepDone || h.step == StepEnroll && h.attempt.Secret == nil {
		return nil, fail(AttemptGone) // it waited for a factor that an operator has removed meanwhile
	}
	return h, nil
}

// openAttempt is Service.openAttempt for a writing act, which demands a step.
func (t *tx) openAttempt(value string, step Step) (*held, error) {
	h, err := t.Service.openAttempt(t, value, t.now)
	if err == nil && h.step != step {
		err = fail(OutOfOrder)
	}
	return h, err
}

// advance replaces the attempt by what comes next.
func (t *tx) advance(h *held) (Progress, error) {
	if err := t.Delete(h.key); err != nil {
		return Progress{}, err
	}
	return t.proceed(h.user, &h.factors, &h.attempt)
}

// Attempt shows where a sign-in stands.
func (s *Service) Attempt(ctx context.Context, value string) (v AttemptView, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		h, err := s.openAttempt(t, value, s.now())
		if err != nil {
			return err
		}
		v = AttemptView{
			Step: h.step, UserName: h.user.Name, ReturnTo: h.attempt.ReturnTo, StepUp: h.attempt.Session != "",
			CodesLeft: h.factors.codesLeft(), Expires: h.attempt.Expires,
		}
		switch h.step {
		case StepEnroll:
			v.Secret, v.Issuer = h.attempt.Secret, s.Settings.Issuer
		case StepSaveCodes:
			v.Codes = h.attempt.Codes
		}
		return nil
	})
	return v, err
}

// SignIn takes a name and a password and begins an attempt, or makes a session when the person has no second factor. An unknown name,
// a wrong password and a disabled account are one answer, at one cost.
func (s *Service) SignIn(ctx context.Context, c Client, in Credentials) (p Progress, err error) {
	u, rehash, err := s.verifyPassword(ctx, c, in.Name, in.Password)
	if err != nil {
		return p, err
	}
	err = s.update(ctx, c, func(t *tx) error {
		owner, err := t.again(u)
		if err != nil {
			return err
		}
		if err := t.acceptPassword(owner, u, rehash); err != nil {
			return err
		}
		if owner.LinkNeeded {
			t.eventFor(owner, Event{Type: EventPassword, Outcome: refused, Method: Password, Detail: "a link is needed to enroll"})
			return t.refuse(fail(LinkNeeded))
		}
		p, err = t.begin(owner, attempt{
			Need: Requirement{Level: LevelPassword}, Proofs: []Proof{{Password, t.now.UTC()}},
			Remember: in.Remember, ReturnTo: in.ReturnTo,
		})
		return err
	})
	return p, err
}

// ReenterPassword gives a running step-up the password again.
func (s *Service) ReenterPassword(ctx context.Context, c Client, value, plain string) (p Progress, err error) {
	var h *held
	err = s.view(ctx, func(t store.Tx) error {
		if h, err = s.openAttempt(t, value, s.now()); err == nil && h.step != StepPassword {
			err = fail(OutOfOrder)
		}
		return err
	})
	if err != nil {
		return p, err
	}
	u, rehash, err := s.verifyPassword(ctx, c, h.user.Name, plain)
	if err != nil {
		return p, err
	}
	err = s.update(ctx, c, func(t *tx) error {
		h, err := t.openAttempt(value, StepPassword)
		if err != nil {
			return err
		}
		if err := t.acceptPassword(h.user, u, rehash); err != nil {
			return err
		}
		h.attempt.prove(Password, t.now)
		p, err = t.advance(h)
		return err
	})
	return p, err
}

// verifyPassword reserves a try, checks the password outside any transaction, and takes note of a wrong one. For a right one it
// returns the person as read, and a new hash when the stored one is of older parameters.
func (s *Service) verifyPassword(ctx context.Context, c Client, name, plain string) (u *userRecord, rehash string, err error) {
	canonical := Canonical(name)
	nameKey := s.keys.nameKey(canonical)
	var limits []limit
	var inARow int
	err = s.update(ctx, c, func(t *tx) error {
		var known bool
		var err error
		if u, _, err = s.userByName(t, canonical); err != nil {
			return err
		}
		if u != nil {
			if known, err = t.isKnown(u.ID); err != nil {
				return err
			}
		}
		limits = t.passwordLimits(nameKey, known)
		inARow, err = t.reserve(limits)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	verdict := password.Wrong
	if u == nil || u.Password == "" {
		err = s.hasher.VerifyDummy(ctx, plain)
	} else {
		verdict, err = s.hasher.Verify(ctx, u.Password, plain)
	}
	if err == nil && verdict.OK() && !u.Disabled {
		if verdict == password.RightButOld {
			rehash, err = s.hasher.Hash(ctx, plain)
		}
		if err == nil {
			return u, rehash, nil
		}
	}
	checked := err == nil || KindOf(classify(err)) == BadPassword // what can be nobody's password is a wrong one
	undo := s.update(context.WithoutCancel(ctx), c, func(t *tx) error {
		if !checked {
			return t.release(limits, false) // it was not looked at: give the try back
		}
		t.passwordEvent(u, inARow)
		return nil
	})
	switch {
	case !checked:
		return nil, "", classify(err)
	case undo != nil:
		return nil, "", undo
	}
	return nil, "", fail(WrongCredentials)
}

// passwordEvent names the person only when there is one: what people type in the name field is at times their password.
func (t *tx) passwordEvent(u *userRecord, inARow int) {
	e := Event{Type: EventPassword, Outcome: failure, Method: Password, Actor: "anonymous", Detail: row(inARow)}
	if u == nil {
		t.event(e)
		return
	}
	t.eventFor(u, e)
}

// row tells an operator how far guessing has come.
func row(n int) string {
	if n >= stopAt {
		return fmt.Sprintf("failure %d in a row: stopped", n)
	}
	return fmt.Sprintf("failure %d in a row", n)
}

// again reads a person once more inside the act that relies on them.
func (t *tx) again(u *userRecord) (*userRecord, error) {
	owner, found, err := userByID(t, u.ID)
	if err != nil {
		return nil, err
	}
	if !found || owner.Disabled {
		return nil, fail(WrongCredentials)
	}
	return owner, nil
}

// acceptPassword takes what was checked outside the transaction to be true inside it: the hash is still the one that was checked. It
// clears the counters of the password, and never one of a code (BF-3).
func (t *tx) acceptPassword(owner, checked *userRecord, rehash string) error {
	if owner.ID != checked.ID || owner.Password != checked.Password || owner.Disabled {
		return fail(WrongCredentials)
	}
	known, err := t.isKnown(owner.ID)
	if err != nil {
		return err
	}
	if err := t.release(t.passwordLimits(t.keys.nameKey(owner.Name), known), true); err != nil {
		return err
	}
	if rehash == "" {
		return nil
	}
	owner.Password = rehash
	return t.saveUser(owner)
}

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

func (s *Service) totpCode(ctx context.Context, c Client, value, code string) (p Progress, err error) {
	err = s.update(ctx, c, func(t *tx) error {
		p = Progress{}
		h, err := t.openAttempt(value, StepCode)
		if err != nil {
			return err
		}
		limits, inARow, err := t.reserveCode(h.user, TOTP)
		if err != nil {
			return err
		}
		if o := h.factors.burn(code, t.now, s.Settings.PastSteps); o != right {
			return t.refuseCode(h.user, TOTP, o, inARow)
		}
		p, err = t.acceptCode(h, TOTP, limits)
		return err
	})
	return p, err
}

// backupCode counts the try in one transaction, spends 25 ms on the hash outside any, and uses the code up in a second one that makes
// the session as well.
func (s *Service) backupCode(ctx context.Context, c Client, value, code string) (p Progress, err error) {
	var hashes []string
	var limits []limit
	var inARow int
	err = s.update(ctx, c, func(t *tx) error {
		h, err := t.openAttempt(value, StepCode)
		if err != nil {
			return err
		}
		hashes = h.factors.hashes()
		limits, inARow, err = t.reserveCode(h.user, BackupCode)
		return err
	})
	if err != nil {
		return p, err
	}
	index := -1
	if plain, ok := plainCode(code); ok {
		if index, err = s.hasher.FindCode(ctx, hashes, plain); err != nil {
			undo := s.update(context.WithoutCancel(ctx), c, func(t *tx) error { return t.release(limits, false) })
			if undo != nil {
				return p, undo
			}
			return p, classify(err)
		}
	}
	err = s.update(ctx, c, func(t *tx) error {
		p = Progress{}
		h, err := t.openAttempt(value, StepCode)
		if err != nil {
			return err
		}
		if o := h.factors.use(index, hashes, t.now); o != right {
			return t.refuseCode(h.user, BackupCode, o, inARow)
		}
		h.attempt.UsedCode = true
		t.eventFor(h.user, Event{Type: EventBackupCode, Outcome: success, Method: BackupCode})
		p, err = t.acceptCode(h, BackupCode, limits)
		return err
	})
	return p, err
}

func (t *tx) reserveCode(u *userRecord, m Method) (limits []limit, inARow int, err error) {
	if limits, err = t.codeLimits(u.ID, m); err != nil {
		return nil, 0, err
	}
	inARow, err = t.reserve(limits)
	return limits, inARow, err
}

// refuseCode keeps the raised counters and says what was wrong.
func (t *tx) refuseCode(u *userRecord, m Method, o outcome, inARow int) error {
	if o == used {
		t.eventFor(u, Event{Type: EventReplay, Outcome: failure, Method: m, Detail: row(inARow)})
		return t.refuse(fail(UsedCode))
	}
	t.eventFor(u, Event{Type: EventCode, Outcome: failure, Method: m, Detail: row(inARow)})
	return t.refuse(fail(WrongCode))
}

// acceptCode stores what was burned or used, clears the counters and goes on.
func (t *tx) acceptCode(h *held, m Method, limits []limit) (Progress, error) {
	if err := put(t, factorsKey(h.user.ID), h.factors, time.Time{}); err != nil {
		return Progress{}, err
	}
	if err := t.release(limits, true); err != nil {
		return Progress{}, err
	}
	if err := t.clearCodes(h.user.ID); err != nil {
		return Progress{}, err
	}
	h.attempt.prove(m, t.now)
	return t.advance(h)
}

// ConfirmEnrollment takes the first code of the pending authenticator, which makes it a factor and burns that code. It makes the ten
// backup codes, which the next step shows, and ends the person's other sessions: they were made with a password alone.
func (s *Service) ConfirmEnrollment(ctx context.Context, c Client, value, code string) (p Progress, err error) {
	var limits []limit
	err = s.update(ctx, c, func(t *tx) error {
		h, err := t.openAttempt(value, StepEnroll)
		if err != nil {
			return err
		}
		var inARow int
		if limits, inARow, err = t.reserveCode(h.user, TOTP); err != nil {
			return err
		}
		if _, ok := otp.Match(h.attempt.Secret, code, t.now, s.Settings.PastSteps, -1); !ok {
			return t.refuseCode(h.user, TOTP, wrong, inARow)
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	codes := newBackupCodes()
	hashes, err := s.hasher.HashCodes(ctx, plainCodes(codes))
	if err != nil {
		return p, classify(err)
	}
	err = s.update(ctx, c, func(t *tx) error {
		h, err := t.openAttempt(value, StepEnroll)
		if err != nil {
			return err
		}
		f := totpFactor{ID: newID(), Name: "Authenticator app", Secret: h.attempt.Secret, Created: t.now.UTC(), LastStep: -1}
		h.factors.TOTP = append(h.factors.TOTP, f)
		if h.factors.burn(code, t.now, s.Settings.PastSteps) != right {
			return fail(WrongCode) // it ran out while the backup codes were hashed
		}
		h.factors.Backup = nil
		for _, hash := range hashes {
			h.factors.Backup = append(h.factors.Backup, backupCode{Hash: hash})
		}
		h.attempt.Secret, h.attempt.Codes, h.attempt.Expires = nil, codes, t.now.Add(attemptLife)
		if err := t.endSessions(h.user, h.attempt.Session); err != nil {
			return err
		}
		if h.attempt.Session != "" {
			// The session goes on with a password alone until the codes are saved: from now on that is not enough (MF-4).
			t.changed = append(t.changed, h.attempt.Session)
		}
		if err := t.useEnrollmentLink(h); err != nil {
			return err
		}
		if err := t.saveUser(h.user); err != nil {
			return err
		}
		t.eventFor(h.user, Event{Type: EventTwoFactorEnabled, Outcome: success, Method: TOTP})
		p, err = t.acceptCode(h, TOTP, limits)
		return err
	})
	return p, err
}

// SavedCodes says that the person has the backup codes. They are gone from the store with it, but for their hashes.
func (s *Service) SavedCodes(ctx context.Context, c Client, value string) (p Progress, err error) {
	err = s.update(ctx, c, func(t *tx) error {
		h, err := t.openAttempt(value, StepSaveCodes)
		if err != nil {
			return err
		}
		h.attempt.Codes = nil
		p, err = t.advance(h)
		return err
	})
	return p, err
}

// StepUp begins to prove what a running session lacks for a requirement. When it lacks nothing, Progress is done and has no new
// session. The requirement says only what to ask for: the gate judges again afterwards, so a made-up one gains nothing.
func (s *Service) StepUp(ctx context.Context, c Client, session string, need Requirement, returnTo string) (p Progress, err error) {
	live, err := s.Session(ctx, session)
	if err != nil {
		return p, err
	}
	if need.MaxAge > 0 {
		need.MaxAge = max(need.MaxAge, MinMaxAge)
	}
	err = s.update(ctx, c, func(t *tx) error {
		p = Progress{}
		r, found, err := get[sessionRecord](t, sessionKey(live.ID))
		if err != nil {
			return err
		}
		u, exists, err := userByID(t, live.UserID)
		if err != nil {
			return err
		}
		if !found || !exists || u.Disabled || r.over(t.now, s.cache.lastSeen(live.ID)) {
			return errNotSignedIn
		}
		f, err := loadFactors(t, u.ID)
		if err != nil {
			return err
		}
		a := attempt{Session: live.ID, Need: need, Proofs: r.Proofs, ReturnTo: returnTo}
		if need.Level == LevelTwoFactor && !f.enrolled() {
			if u.LinkNeeded {
				return fail(LinkNeeded)
			}
			a.Need.MaxAge = enrollAge
			if need.MaxAge > 0 {
				a.Need.MaxAge = min(need.MaxAge, enrollAge)
			}
		}
		if a.next(&f, t.now) == StepDone {
			p = Progress{Step: StepDone, ReturnTo: returnTo}
			return nil
		}
		if _, err := t.reserve([]limit{stepUpLimit(live.ID)}); err != nil {
			return err
		}
		p, err = t.begin(u, a)
		return err
	})
	return p, err
}
