// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/store"
)

// Step is what an attempt needs next.
type Step string

const (
	StepPassword       Step = "password"        // type the password (again)
	StepCode           Step = "code"            // a code of an enrolled factor, or a backup code
	StepEnroll         Step = "enroll"          // choose a second factor, and confirm it with a code
	StepConfirmAddress Step = "confirm-address" // type the code that was mailed to a new address
	StepSaveCodes      Step = "save-codes"      // the backup codes are on the page; say that they are saved
	StepDone           Step = "done"            // signed in
)

// Progress is the answer to each act of a sign-in: where it stands, what whoever asked is to keep from now on, and what to tell the person.
//
// As long as Step is not StepDone it goes on with Attempt. At StepDone the session is carried by Session, or where it is a program's by
// Tokens; both are empty where the session at hand already sufficed.
type Progress struct {
	Step     Step
	ReturnTo string // where the person wanted to go, as given at the start; check it when used
	Done     string // at StepDone: the act on an own account that this was the end of, by the name of its event; empty: a sign-in or a step-up

	Attempt string // value for the attempt cookie: a new one replaces the old; empty once done
	ID      string // with Attempt, through the API and on an own account: names the attempt, opens nothing, see Client.Session

	Session   string    // at StepDone: value for the session cookie
	Expires   time.Time // with Session: when the cookie may go; zero: with the browser
	Tokens    *Tokens   // at StepDone, in place of Session
	SessionID string    // with Session or Tokens: which session was made or has proven more; empty for one that was handed over

	Browser        string    // value for the browser cookie, to be kept for BrowserLife; empty: leave it as it is
	Trusted        string    // value for the trusted-browser cookie; empty: leave it as it is
	TrustedExpires time.Time // when the cookie Trusted may go

	UsedCode  bool        // a backup code was just used …
	CodesLeft int         // … and this many are left
	Codes     []string    // through the API: backup codes that were just made, formatted. They are shown nowhere else
	Factor    *FactorInfo // the second factor that was just confirmed; nil: none was
}

// AttemptView is what a page may show of an attempt. Secrets are in it only at the step that shows them, and factors only once the
// password is proven (BF-16).
type AttemptView struct {
	Step      Step
	UserName  string
	ReturnTo  string
	StepUp    bool   // the person is signed in and proves more, rather than signing in
	Vouched   bool   // a handler in front has said who it is, and nobody has typed a password
	Act       string // what on the own account it is for, by the name of the event that it ends in; empty: nothing but proving
	Expires   time.Time
	CodesLeft int // at StepCode: how many unused backup codes there are

	Ways      []Way     // at StepCode: how to go on, the best first
	Sent      *SentView // the newest code that was sent and still counts; nil: none
	CanTrust  bool      // at StepCode: the person may ask that this browser be trusted, see Service.CodeAndTrust
	OtherKind bool      // at StepCode without a way: there would be one if the requirement named no methods

	Pending  *PendingView // at StepEnroll and StepConfirmAddress; nil at StepEnroll: nothing is chosen yet
	Methods  []Method     // at StepEnroll: what may be enrolled
	Channels []string     // at StepEnroll: by what a webhook can deliver, where Methods has Webhook
	First    bool         // at StepEnroll: the person has no second factor yet

	Codes []string // at StepSaveCodes: the backup codes, formatted
}

// SentView is a code on its way.
type SentView struct {
	Method  Method
	Factor  string // as in Way; empty for what is pending
	To      string // where it went: a hint of it, or at StepEnroll and StepConfirmAddress all of it
	Expires time.Time
	Again   time.Time // from when on another one can be asked for
	Failed  bool      // it could not be delivered
}

// PendingView is what is being enrolled.
type PendingView struct {
	Method  Method
	Name    string
	Secret  []byte // of an authenticator app
	Issuer  string // … and the name for it
	Channel string
	To      string // where codes would go
}

const (
	attemptLife = 10 * time.Minute
	apiLife     = 5 * time.Minute // of an attempt through the API: no person has to find a telephone between two pages
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
	UserID     string      `json:"user_id"`
	Place      string      `json:"place,omitempty"`      // the host at which it was begun, and where alone it goes on
	API        bool        `json:"api,omitempty"`        // it was begun through the API, and goes on there alone
	Tokens     bool        `json:"tokens,omitempty"`     // the session gets Tokens
	Session    string      `json:"session,omitempty"`    // id of the session that proves more; empty for a sign-in
	Generation int         `json:"generation,omitempty"` // of the password it was begun with
	Waits      Step        `json:"waits"`                // the step it was stored at
	Need       Requirement `json:"need"`
	Proofs     []Proof     `json:"proofs"`
	Link       string      `json:"link,omitempty"`    // digest of the re-enrollment link that the confirmation uses up
	Pending    *pending    `json:"pending,omitempty"` // replaces nothing until it is confirmed
	Sent       *sentCode   `json:"sent,omitempty"`    // the newest code that was sent
	Act        string      `json:"act,omitempty"`     // the act on an own account that this attempt is for, by the name of its event
	Codes      []string    `json:"codes,omitempty"`   // backup codes that are not yet said to be saved
	UsedCode   bool        `json:"used_code,omitempty"`
	Remember   bool        `json:"remember,omitempty"`
	Trust      bool        `json:"trust,omitempty"` // the person asked that this browser be trusted
	ReturnTo   string      `json:"return_to,omitempty"`
	Expires    time.Time   `json:"expires"`
}

// pending is what is being enrolled and awaits its first code.
type pending struct {
	Method      Method `json:"method"`
	Name        string `json:"name,omitempty"`
	Secret      []byte `json:"secret,omitempty"`      // of TOTP
	Channel     string `json:"channel,omitempty"`     // of Webhook
	Destination string `json:"destination,omitempty"` // of Webhook and Email: where the code goes
	NewAddress  bool   `json:"new_address,omitempty"` // Email: the address is to be the account's, and is no factor by itself
}

// next is the one place that decides what comes next in a sign-in. Every act returns to it, and only StepDone makes a session.
func (a *attempt) next(f *factors, now time.Time) Step {
	m := a.Need.missing(a.Proofs, f.enrolled(), now)
	switch {
	case m.Password:
		return StepPassword
	case m.Code:
		return StepCode
	case a.Pending != nil && a.Pending.NewAddress:
		return StepConfirmAddress
	case m.Enroll || a.Pending != nil:
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

func attemptKey(ticket []byte) string { return attemptPrefix + digest(ticket) }

const attemptPrefix = "attempt/"

func (a *attempt) life() time.Duration {
	if a.API {
		return apiLife
	}
	return attemptLife
}

// begin stores a new attempt, or finishes at once when nothing is missing. Where a handler in front vouches for the person, no password
// is asked for.
func (t *tx) begin(u *userRecord, a attempt) (Progress, error) {
	if !fits(a.Proofs, u.Name, t.client.Vouched) {
		return Progress{}, fail(OtherPerson)
	}
	f, err := loadFactors(t, u.ID)
	if err != nil {
		return Progress{}, err
	}
	if t.client.Vouched != "" && a.Need.missing(a.Proofs, f.enrolled(), t.now).Password {
		a.prove(Vouched, t.now)
	}
	a.UserID, a.Place, a.Generation, a.API = u.ID, t.client.Host, u.Generation, t.client.API
	a.Expires = t.now.Add(a.life())
	return t.proceed(u, &f, &a)
}

// proceed does what next says: it makes the session, or stores the attempt under a new ticket. The caller has removed the old one, so a
// ticket is good for one step.
func (t *tx) proceed(u *userRecord, f *factors, a *attempt) (Progress, error) {
	p := Progress{ReturnTo: a.ReturnTo, UsedCode: a.UsedCode, CodesLeft: f.codesLeft()}
	if a.API {
		p.Codes, a.Codes = a.Codes, nil // a program has them with the answer, and nobody to ask whether they are saved
	}
	p.Step = a.next(f, t.now)
	if p.Step == StepDone {
		p.Done = a.Act
		err := t.finish(u, f, a, &p)
		return p, err
	}
	if p.Step == StepEnroll && a.API && !slices.ContainsFunc(a.Proofs, typed) {
		// The word of a handler in front comes along with what a script of the application sends too. Our pages it cannot drive; here it would
		// enroll an authenticator of its own (CS-11, CS-12).
		return p, fail(NothingTyped)
	}
	a.Waits = p.Step
	if p.Step == StepEnroll && a.Pending == nil && slices.Contains(t.s.settings.Methods, TOTP) {
		a.Pending = &pending{Method: TOTP, Secret: otp.NewSecret()}
	}
	if err := t.sendAtOnce(u, f, a); err != nil {
		return p, err
	}
	ticket := randomBytes(secretSize)
	p.Attempt = t.s.keys.seal(useAttempt, ticket)
	if a.API && a.Session != "" {
		p.ID = digest(ticket)
	}
	return p, put(t, attemptKey(ticket), a, a.Expires)
}

// typed tells a proof that somebody has typed.
func typed(p Proof) bool { return p.Method == Password || p.Method.Second() }

// sendAtOnce sends the code for which a step waits, when there is only one to think of. Where too many have been sent the person has to
// ask for the next one, and hears why.
func (t *tx) sendAtOnce(u *userRecord, f *factors, a *attempt) (err error) {
	switch {
	case a.Sent != nil || t.silent:
		return nil
	case a.Waits == StepCode:
		if w := t.client.Way.first(t.s.ways(u, f, &a.Need)); w != nil && w.Sends() {
			err = t.sendByWay(u, f, a, *w)
		}
	case a.Pending != nil && a.Pending.Method != TOTP && (a.Waits == StepEnroll || a.Waits == StepConfirmAddress):
		err = t.sendToPending(u, a)
	}
	if err != nil && KindOf(classify(err)) == TooManyMessages {
		return nil
	}
	return err
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
func (s *Service) openAttempt(t store.Tx, c *Client, value string, now time.Time) (*held, error) {
	digest, named, ok := s.keys.attempt(c, value)
	if !ok {
		return nil, fail(AttemptGone)
	}
	h := &held{key: attemptPrefix + digest}
	var found bool
	var err error
	if h.attempt, found, err = get[attempt](t, h.key); err != nil {
		return nil, err
	}
	if !found || !now.Before(h.attempt.Expires) || !s.opens(h.attempt.Place, c.Host) || h.attempt.API != c.API {
		return nil, fail(AttemptGone)
	}
	if h.attempt.API && h.attempt.Session != c.Session && (named || h.attempt.Session != "") {
		return nil, fail(AttemptGone) // through the API, what is begun with a session goes on with that session alone
	}
	if h.user, found, err = userByID(t, h.attempt.UserID); err != nil {
		return nil, err
	}
	if !found || h.user.Disabled || h.user.Generation != h.attempt.Generation {
		return nil, fail(AttemptGone) // also when the password it was begun with is no longer the one
	}
	if !fits(h.attempt.Proofs, h.user.Name, c.Vouched) {
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
	if h.step == StepDone || h.step == StepEnroll && h.attempt.Waits != StepEnroll {
		return nil, fail(AttemptGone) // it waited for a factor that has been removed meanwhile
	}
	return h, nil
}

// attempt is the digest of the ticket of an attempt, under which it is stored. With a session the value may be Progress.ID, which is that
// digest and only names the attempt: it stands in addresses, and opens nothing without the session.
func (k *keys) attempt(c *Client, value string) (sum string, named, ok bool) {
	if c.API && c.Session != "" && len(value) == sha256.Size*2 {
		return value, true, true
	}
	ticket, ok := k.open(useAttempt, value, secretSize)
	return digest(ticket), false, ok
}

// openAttempt is Service.openAttempt for a writing act, which demands a step.
func (t *tx) openAttempt(value string, step Step) (*held, error) {
	h, err := t.s.openAttempt(t, &t.client, value, t.now)
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
func (s *Service) Attempt(ctx context.Context, c Client, value string) (v AttemptView, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		h, err := s.openAttempt(t, &c, value, s.now())
		if err != nil {
			return err
		}
		v, err = s.attemptView(t, h)
		return err
	})
	return v, err
}

func (s *Service) attemptView(t store.Tx, h *held) (AttemptView, error) {
	a := &h.attempt
	v := AttemptView{
		Step: h.step, UserName: h.user.Name, ReturnTo: a.ReturnTo, StepUp: a.Session != "", Act: a.Act, CodesLeft: h.factors.codesLeft(),
		Expires: a.Expires, Vouched: slices.ContainsFunc(a.Proofs, isVouched),
	}
	switch h.step {
	case StepCode:
		v.Ways = s.ways(h.user, &h.factors, &a.Need)
		v.CanTrust = s.mayTrust(a)
		v.OtherKind = len(v.Ways) == 0 && len(s.ways(h.user, &h.factors, &Requirement{})) > 0
	case StepEnroll:
		v.Methods, v.Channels, v.First = s.enrollable(h.user, &h.factors), s.settings.Channels, !h.factors.enrolled()
	case StepSaveCodes:
		v.Codes = a.Codes
	}
	if p := a.Pending; p != nil && (h.step == StepEnroll || h.step == StepConfirmAddress) {
		v.Pending = &PendingView{Method: p.Method, Name: p.Name, Channel: p.Channel, To: p.Destination}
		if p.Method == TOTP {
			v.Pending.Secret, v.Pending.Issuer = p.Secret, s.settings.Issuer
		}
	}
	var err error
	v.Sent, err = s.sentView(t, h)
	return v, err
}

// sentView shows the code that the step waits for, if one was sent and can still be typed.
func (s *Service) sentView(t store.Tx, h *held) (*SentView, error) {
	c := h.attempt.Sent
	if c == nil || (h.step == StepCode) == (c.Factor == "") || !s.now().Before(c.Expires) {
		return nil, nil
	}
	d, _, err := get[delivery](t, deliveryKey(c.ID))
	if err != nil {
		return nil, err
	}
	v := &SentView{Method: c.Method, Factor: c.Factor, To: c.To, Expires: c.Expires, Again: c.At.Add(resendAfter), Failed: d.Failed}
	if h.step == StepCode {
		v.To = hint(c.To)
	}
	return v, nil
}

// StepUp begins to prove what a running session lacks for a requirement. When it lacks nothing, Progress is done and has no new
// session. The requirement says only what to ask for: the gate judges again afterwards, so a made-up one gains nothing. Since a link is
// enough to begin one, it sends no code until the person asks for one; through the API, which no link leads to, it does.
func (s *Service) StepUp(ctx context.Context, c Client, session string, need Requirement, returnTo string) (Progress, error) {
	x, err := s.ownSession(ctx, c, session)
	if err != nil {
		return Progress{}, err
	}
	if need.MaxAge > 0 {
		need.MaxAge = max(need.MaxAge, MinMaxAge)
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		o, err := t.openAccount(x)
		if err != nil {
			return p, err
		}
		a := attempt{Session: x.ID, Need: need, Proofs: o.session.Proofs, ReturnTo: returnTo}
		if c.API {
			a.Proofs = nil // a program asks in order to have what it sends looked at
		}
		if need.Level == LevelTwoFactor && !o.factors.enrolled() {
			if o.user.LinkNeeded {
				return p, fail(LinkNeeded)
			}
			a.Need.MaxAge = enrollAge
			if need.MaxAge > 0 {
				a.Need.MaxAge = min(need.MaxAge, enrollAge)
			}
		}
		if a.next(&o.factors, t.now) == StepDone {
			return Progress{Step: StepDone, ReturnTo: returnTo}, nil
		}
		if _, err := t.reserve([]limit{stepUpLimit(x.ID)}); err != nil {
			return p, err
		}
		t.silent = !c.API
		return t.begin(o.user, a)
	})
}
