// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/store"
)

// Step is what an attempt needs next.
type Step string

const (
	StepPassword  Step = "password"   // type the password (again)
	StepCode      Step = "code"       // a code of an enrolled factor, or a backup code
	StepEnroll    Step = "enroll"     // scan the QR code, confirm with a code
	StepSaveCodes Step = "save-codes" // the backup codes are on the page; say that they are saved
	StepDone      Step = "done"       // signed in
)

// Progress is the answer to each act of a sign-in.
type Progress struct {
	Step      Step
	Attempt   string    // value for the attempt cookie: a new one replaces the old; empty once done
	Session   string    // value for the session cookie; set at StepDone, unless the session at hand already sufficed
	Expires   time.Time // with Session: when the cookie may go; zero: with the browser
	ReturnTo  string    // where the person wanted to go, as given at the start; check it when used
	UsedCode  bool      // a backup code was just used …
	CodesLeft int       // … and this many are left
}

// AttemptView is what a page may show of an attempt. Secrets are in it only at the step that shows them.
type AttemptView struct {
	Step      Step
	UserName  string
	ReturnTo  string
	StepUp    bool     // the person is signed in and proves more, rather than signing in
	Secret    []byte   // at StepEnroll: the pending TOTP secret
	Issuer    string   // at StepEnroll: the name for the authenticator app
	Codes     []string // at StepSaveCodes: the backup codes, formatted
	CodesLeft int      // at StepCode: how many unused backup codes there are; 0 hides that way
	Expires   time.Time
}

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
	p.Attempt = t.s.keys.seal(useAttempt, ticket)
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
		r, found, err := getSession(t, id)
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
	h, err := t.s.openAttempt(t, value, t.now)
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
			v.Secret, v.Issuer = h.attempt.Secret, s.settings.Issuer
		case StepSaveCodes:
			v.Codes = h.attempt.Codes
		}
		return nil
	})
	return v, err
}

// StepUp begins to prove what a running session lacks for a requirement. When it lacks nothing, Progress is done and has no new
// session. The requirement says only what to ask for: the gate judges again afterwards, so a made-up one gains nothing.
func (s *Service) StepUp(ctx context.Context, c Client, session string, need Requirement, returnTo string) (Progress, error) {
	x, err := s.Session(ctx, session)
	if err != nil {
		return Progress{}, err
	}
	if need.MaxAge > 0 {
		need.MaxAge = max(need.MaxAge, MinMaxAge)
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		r, found, err := getSession(t, x.ID)
		if err != nil {
			return p, err
		}
		u, exists, err := userByID(t, x.UserID)
		if err != nil {
			return p, err
		}
		if !found || !exists || u.Disabled || r.over(t.now, s.cache.lastSeen(x.ID)) {
			return p, errNotSignedIn
		}
		f, err := loadFactors(t, u.ID)
		if err != nil {
			return p, err
		}
		a := attempt{Session: x.ID, Need: need, Proofs: r.Proofs, ReturnTo: returnTo}
		if need.Level == LevelTwoFactor && !f.enrolled() {
			if u.LinkNeeded {
				return p, fail(LinkNeeded)
			}
			a.Need.MaxAge = enrollAge
			if need.MaxAge > 0 {
				a.Need.MaxAge = min(need.MaxAge, enrollAge)
			}
		}
		if a.next(&f, t.now) == StepDone {
			return Progress{Step: StepDone, ReturnTo: returnTo}, nil
		}
		if _, err := t.reserve([]limit{stepUpLimit(x.ID)}); err != nil {
			return p, err
		}
		return t.begin(u, a)
	})
}
