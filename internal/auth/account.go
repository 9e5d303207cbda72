// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/store"
)

// account is a person's own, as their session opens it inside a transaction.
type account struct {
	session sessionRecord
	user    *userRecord
	factors factors
}

// Acting returns the session with which somebody acts: by the value of the session cookie, or by an access token. It is Session or Bearer,
// with their errors. An access key opens none.
func (s *Service) Acting(ctx context.Context, a Asker, value string) (*Session, error) {
	if credential.IsAccessToken(value) {
		return s.accessToken(ctx, a, value)
	}
	return s.Session(ctx, a, value)
}

// ownSession is the session with which a person acts on their account. One that was handed over is none: what opens a single application
// must not change what guards all of them.
func (s *Service) ownSession(ctx context.Context, c Client, value string) (*Session, error) {
	x, err := s.Acting(ctx, c.asker(), value)
	if err == nil && x.Handed {
		err = errNotSignedIn
	}
	return x, err
}

// openAccount reads what belongs to a session, which must still be running, and of which this must still be the ticket: one that a step-up
// has replaced meanwhile must not act with what that has proven (SE-3).
func (t *tx) openAccount(x *Session) (*account, error) {
	r, found, err := getSession(t, x.ID)
	if err != nil {
		return nil, err
	}
	u, exists, err := userByID(t, x.UserID)
	if err != nil {
		return nil, err
	}
	if !found || !exists || u.Disabled || r.over(t.now, t.s.cache.lastSeen(x.ID)) {
		return nil, errNotSignedIn
	}
	if _, isHanded, found := r.ticket(x.sum); !found || isHanded {
		return nil, errNotSignedIn
	}
	f, err := loadFactors(t, u.ID)
	return &account{r, u, f}, err
}

// attempt begins one in the name of the session, which proves sudo mode anew should it run out on the way. There is no page that would ask
// a program for that, so what it has begun in sudo mode it may finish, in the few minutes that it has for it.
func (t *tx) attempt(a *account, x attempt) attempt {
	x.Session, x.Need, x.Proofs = a.session.ID, Sudo, a.session.Proofs
	if t.client.API {
		x.Need = complete
	}
	return x
}

// onAccount is an act of a person on their own account. Whether the session has proven enough is asked inside the transaction of
// the act, so that no proof can run out and no factor appear in between.
func (s *Service) onAccount(ctx context.Context, c Client, session string, need Requirement, fn func(t *tx, a *account) (Progress, error)) (Progress, error) {
	x, err := s.ownSession(ctx, c, session)
	if err != nil {
		return Progress{}, err
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		a, err := t.openAccount(x)
		if err != nil {
			return p, err
		}
		if err := t.mayChange(a, need); err != nil {
			return p, err
		}
		return fn(t, a)
	})
}

// mayChange tells whether a session has proven enough for an act on its account, and counts the act.
func (t *tx) mayChange(a *account, need Requirement) error {
	if need.missing(a.session.Proofs, a.factors.enrolled(), t.now) != (missing{}) || need.MaxAge > 0 && !t.client.trusts(a.session.API) {
		return fail(StepUpNeeded)
	}
	_, err := t.reserve([]limit{accountLimit(a.session.ID)})
	return err
}

// InSudo tells whether a session may change what guards its account, or has to prove more before.
func (s *Service) InSudo(c Client, x *Session) bool {
	return Sudo.Judge(x, s.now()) == Pass && c.trusts(x.API)
}

// trusts tells whether proofs can be fresh for a client, by whether they were typed through the API. There, what was typed on our pages is
// not: a script that slipped into the application shares our origin and the cookie, and would make use of the minutes in which a person is
// about to change something (CS-12). It has to ask for the proofs itself.
func (c *Client) trusts(throughAPI bool) bool { return throughAPI || !c.API }

// SudoUntil is when a session that is in sudo mode leaves it, unless more is proven until then. The word of a handler in front does not
// grow old.
func (x *Session) SudoUntil() time.Time {
	until := x.ProvenAt().Add(SudoAge)
	if x.Expires.Before(until) || !x.Enrolled && slices.ContainsFunc(x.Proofs, isVouched) {
		until = x.Expires
	}
	return until
}

// Complete tells whether a session has proven what its account has: the least for any page about it.
func (s *Service) Complete(x *Session) bool { return complete.Judge(x, s.now()) == Pass }

// RenameFactor gives an own factor another name, at most 64 printable characters; empty: none.
func (s *Service) RenameFactor(ctx context.Context, c Client, session, id, name string) error {
	name, err := factorName(name)
	if err != nil {
		return err
	}
	_, err = s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		m, n := a.factors.byID(id)
		if n == nil {
			return p, fail(NoSuchWay)
		}
		n.Name = name
		t.eventFor(a.user, Event{Type: EventFactorRenamed, Outcome: success, Method: m, Session: a.session.ID})
		return p, t.saveFactors(a)
	})
	return err
}

// RemoveFactor takes one of several factors away. The other sessions end, since one of them may have been opened with it, and so does
// the trust in browsers. The last factor goes by DisableTwoFactor alone, which asks for more.
//
// Errors are StepUpNeeded, NoSuchWay and LastFactor.
func (s *Service) RemoveFactor(ctx context.Context, c Client, session, id string) error {
	_, err := s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		m, n := a.factors.byID(id)
		if n == nil {
			return p, fail(NoSuchWay)
		}
		if a.factors.count() == 1 {
			return p, fail(LastFactor)
		}
		notice := Message{Kind: NoticeFactorRemoved, Factor: n.Name, FactorKind: m, Channel: a.factors.channel(id)}
		a.factors.remove(id)
		if !a.factors.has(m) {
			a.session.Proofs = slices.DeleteFunc(slices.Clone(a.session.Proofs), func(p Proof) bool { return p.Method == m })
			if err := t.saveSession(&a.session); err != nil {
				return p, err
			}
		}
		t.eventFor(a.user, Event{Type: EventFactorRemoved, Outcome: success, Method: m, Session: a.session.ID})
		t.notify(a.user, notice)
		if err := t.endElsewhere(a.user, a.session.ID, a.user.Name, "a second factor was removed"); err != nil {
			return p, err
		}
		if err := t.saveUser(a.user); err != nil {
			return p, err
		}
		return p, t.saveFactors(a)
	})
	return err
}

func (t *tx) saveFactors(a *account) error {
	return put(t, factorsKey(a.user.ID), a.factors, time.Time{})
}

// endElsewhere ends all that opens something in the name of a person, but for one session: the access keys too, which is what every act
// needs after which the account must be safe. The caller saves the user.
func (t *tx) endElsewhere(u *userRecord, but, actor, why string) error {
	if err := t.endAccessKeys(u, actor, why); err != nil {
		return err
	}
	return t.signOutElsewhere(u, but, actor, why)
}

// signOutElsewhere ends every session of a person but one, the trust in all browsers, and whatever is in progress: who is signed out must
// not stay half signed in. Access keys go on: programs must not stop because a person tidies up the list of sessions, where no key
// stands. The caller saves the user.
func (t *tx) signOutElsewhere(u *userRecord, but, actor, why string) error {
	u.Generation++
	if err := t.endSessions(u, but, actor, why); err != nil {
		return err
	}
	if err := t.takeBack(but); err != nil {
		return err
	}
	return t.endAllTrust(u, actor, why)
}

// NewBackupCodes replaces the backup codes of a person who has a second factor. The older ones are dead in the same transaction
// (OT-16); the next step shows the new ones, once. Errors are StepUpNeeded, NoSuchWay, TooManyTries and Busy.
func (s *Service) NewBackupCodes(ctx context.Context, c Client, session string) (Progress, error) {
	codes := newBackupCodes()
	check := func(t *tx, a *account) (p Progress, err error) {
		if !a.factors.enrolled() {
			err = fail(NoSuchWay) // backup codes stand in for a factor, and there is none (OT-15)
		}
		return p, err
	}
	_, err := s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		if p, err = check(t, a); err == nil {
			_, err = t.reserve([]limit{newCodesLimit(a.user.ID)})
		}
		return p, err
	})
	if err != nil {
		return Progress{}, err // before the cost of hashing
	}
	hashes, err := s.hasher.HashCodes(ctx, plainCodes(codes))
	if err != nil {
		return Progress{}, classify(err)
	}
	return s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		if p, err := check(t, a); err != nil {
			return p, err
		}
		a.factors.setBackup(hashes)
		if err := t.saveFactors(a); err != nil {
			return p, err
		}
		t.eventFor(a.user, Event{Type: EventBackupCodesMade, Outcome: success, Session: a.session.ID})
		t.notify(a.user, Message{Kind: NoticeBackupCodesMade})
		return t.begin(a.user, t.attempt(a, attempt{Act: EventBackupCodesMade, Codes: codes}))
	})
}

// DisableTwoFactor begins to turn two-factor sign-in off. Whatever the session has proven before does not count: the attempt asks for
// the password, unless a handler in front vouches for the person, and for a current code. The transaction that takes the code removes all
// factors and backup codes, ends the other sessions and the trust in browsers, and tells the owner.
func (s *Service) DisableTwoFactor(ctx context.Context, c Client, session string) (Progress, error) {
	return s.onAccount(ctx, c, session, complete, func(t *tx, a *account) (p Progress, err error) {
		if !a.factors.enrolled() {
			return p, fail(AlreadyDone)
		}
		return t.begin(a.user, attempt{Session: a.session.ID, Need: Sudo, Act: EventTwoFactorDisabled})
	})
}

// turnOff removes every factor. It is called by finish, when password and code have been proven.
func (t *tx) turnOff(u *userRecord, f *factors, a *attempt) error {
	*f = factors{Version: newID()}
	if err := put(t, factorsKey(u.ID), f, time.Time{}); err != nil {
		return err
	}
	if err := t.clearCodes(u.ID); err != nil {
		return err
	}
	if err := t.endElsewhere(u, a.Session, u.Name, "two-factor sign-in was turned off"); err != nil {
		return err
	}
	t.eventFor(u, Event{Type: EventTwoFactorDisabled, Outcome: success, Session: a.Session})
	t.notify(u, Message{Kind: NoticeTwoFactorOff})
	return t.saveUser(u)
}

// ChangePassword sets another password in a session in sudo mode. The old one is asked for again, under the same counters as at sign-in
// (BF-19). Other sessions end, the own one gets a new ticket, which Progress has.
//
// Errors are StepUpNeeded, WrongPassword, BadPassword, Busy and those of guessing.
func (s *Service) ChangePassword(ctx context.Context, c Client, session, old, plain string) (Progress, error) {
	x, err := s.ownSession(ctx, c, session)
	if err != nil {
		return Progress{}, err
	}
	if !s.InSudo(c, x) {
		return Progress{}, fail(StepUpNeeded)
	}
	if err := s.checkPassword(c, plain, x.Name, x.Email); err != nil {
		return Progress{}, err
	}
	var hash string
	prepare := func() (err error) {
		hash, err = s.hasher.Hash(ctx, plain)
		return err
	}
	return s.withPassword(ctx, c, x.Name, old, prepare, func(t *tx, try passwordTry) (p Progress, err error) {
		a, err := t.openAccount(x)
		if err != nil {
			return p, err
		}
		if err := t.mayChange(a, Sudo); err != nil {
			return p, err
		}
		if err := t.acceptPassword(a.user, try); err != nil {
			return p, err
		}
		a.user.setPassword(hash)
		t.eventFor(a.user, Event{Type: EventPasswordChanged, Outcome: success, Session: a.session.ID})
		t.notify(a.user, Message{Kind: NoticePasswordChanged})
		if err := t.endElsewhere(a.user, a.session.ID, a.user.Name, "the password was changed"); err != nil {
			return p, err
		}
		if err := t.saveUser(a.user); err != nil {
			return p, err
		}
		p.Step, p.Done = StepDone, EventPasswordChanged
		err = t.renew(a.user, &a.session, &p)
		return p, err
	})
}

// setPassword replaces the password. What was begun with the old one, sign-ins in progress and reset links, is dead.
func (u *userRecord) setPassword(hash string) {
	u.Password, u.Reset = hash, ""
	u.Generation++
}

// ChangeEmail begins to change the address of an account in sudo mode. A code is mailed to the new one, and only that code makes it the
// account's; until then every mail goes to the old one (MF-10).
//
// Errors are StepUpNeeded, BadAddress, SameAddress, NoSuchWay where there is no mail server.
func (s *Service) ChangeEmail(ctx context.Context, c Client, session, address string) (Progress, error) {
	return s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		address := strings.TrimSpace(address)
		switch {
		case !s.settings.Mail:
			return p, fail(NoSuchWay)
		case !validAddress(address):
			return p, fail(BadAddress)
		case address == a.user.Email:
			return p, fail(SameAddress)
		}
		w := &pending{Method: Email, Destination: address, NewAddress: true}
		return t.begin(a.user, t.attempt(a, attempt{Act: EventEmailChanged, Pending: w}))
	})
}

// ConfirmAddress takes the code that was mailed to the new address, which makes it the account's. Both addresses are told.
func (s *Service) ConfirmAddress(ctx context.Context, c Client, value, code string) (Progress, error) {
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, try, err := t.tryCode(value, StepConfirmAddress, Email)
		if err != nil {
			return p, err
		}
		o, err := t.confirmSent(&h.attempt, code)
		if err != nil {
			return p, err
		}
		if o != right {
			return p, t.refuseCode(h, try, o)
		}
		old, address := h.user.Email, h.attempt.Pending.Destination
		if err := t.setEmail(h.user, address); err != nil {
			return p, err
		}
		h.user.Reset = "" // a reset link in the old mailbox is dead
		if err := t.moveEmailFactor(h); err != nil {
			return p, err
		}
		if err := t.release(try.limits, false); err != nil {
			return p, err
		}
		t.eventFor(h.user, Event{Type: EventEmailChanged, Outcome: success, Session: h.attempt.Session})
		for _, to := range []string{old, address} {
			t.notifyAt(h.user, to, Message{Kind: NoticeEmailChanged, OldEmail: old, NewEmail: address})
		}
		h.attempt.Pending, h.attempt.Sent = nil, nil
		if err := t.saveUser(h.user); err != nil {
			return p, err
		}
		return t.advance(h)
	})
}

// moveEmailFactor is what a new address means for codes by mail: they go to another mailbox from now on, so nothing stays open that the
// old one has opened.
func (t *tx) moveEmailFactor(h *held) error {
	if h.factors.Email == nil {
		return nil
	}
	h.factors.Version = newID()
	if err := put(t, factorsKey(h.user.ID), h.factors, time.Time{}); err != nil {
		return err
	}
	err := t.endElsewhere(h.user, h.attempt.Session, h.user.Name, "the address for codes was changed")
	h.attempt.Generation = h.user.Generation
	return err
}

// EndSession ends one of the person's own sessions; the one at hand too, which is signing out.
func (s *Service) EndSession(ctx context.Context, c Client, session, id string) error {
	_, err := s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		for _, x := range a.user.SessionIDs {
			if x.ID != id {
				continue
			}
			r, found, err := getSession(t, id)
			if err != nil || !found {
				return p, err
			}
			return p, t.signOut(&r, EventSessionEnded, a.user.Name)
		}
		return p, failf(NotFound, "there is no session of that id") // somebody else's is as good as none (ASVS 8.2.2)
	})
	return err
}

// EndOtherSessions ends all sessions of the person but the one at hand, and the trust in browsers.
func (s *Service) EndOtherSessions(ctx context.Context, c Client, session string) error {
	_, err := s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		if err := t.signOutElsewhere(a.user, a.session.ID, a.user.Name, "the person ended all others"); err != nil {
			return p, err
		}
		return p, t.saveUser(a.user)
	})
	return err
}

// EndTrust ends the trust in one of the person's own browsers.
func (s *Service) EndTrust(ctx context.Context, c Client, session, id string) error {
	_, err := s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		for _, x := range a.user.Trusted {
			if x.ID != id {
				continue
			}
			if err := t.endTrust(a.user, id, a.user.Name, "the person ended it"); err != nil {
				return p, err
			}
			return p, t.saveUser(a.user)
		}
		return p, failf(NotFound, "there is no trusted browser of that id")
	})
	return err
}

// SessionsOf lists the running sessions of a person, the oldest first.
func (s *Service) SessionsOf(ctx context.Context, userID string) (list []SessionInfo, err error) {
	err = s.viewUser(ctx, userID, func(t store.Tx, u *userRecord) (err error) {
		list, err = s.sessionsOf(t, u)
		return err
	})
	return list, err
}
