// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// A reset gives back a forgotten password through the mailbox of the account, and nothing else: it opens no session and removes no
// factor, so whoever has the mailbox alone still stands before the second one (ASVS 6.4.3). From then on a code to the same mailbox is
// no second factor, until another factor or a backup code has been proven.

const (
	resetMost, resetEvery       = 3, 20 * time.Minute // for a person
	resetNetMost, resetNetEvery = 10, 6 * time.Minute
	resetAllMost, resetAllEvery = 300, 12 * time.Second
	resetPeople                 = 5 // who share an address get one each
)

// RequestReset has a link mailed to whoever a user name or an e-mail address belongs to. The looking up happens after the answer, which
// is the same for everybody and takes the same time (BF-15). The one error is Busy.
func (s *Service) RequestReset(ctx context.Context, c Client, who string) error {
	return s.later(func(ctx context.Context) {
		if err := s.sendReset(ctx, c, who); err != nil {
			s.log.Error("asking for a password reset", slog.Any("error", err))
		}
	})
}

func (s *Service) sendReset(ctx context.Context, c Client, who string) error {
	if !s.settings.Mail || len(who) > maxAddress {
		return nil
	}
	return s.update(ctx, c, func(t *tx) error {
		if _, err := t.reserve(t.perNetwork("reset/net/", resetNetMost, resetNetEvery)); err != nil {
			return ignoreFull(err)
		}
		people, err := t.whoIs(who)
		if err != nil {
			return err
		}
		for _, u := range people {
			if err := t.mailReset(u); err != nil {
				return err
			}
		}
		return nil
	})
}

// whoIs finds the people of a user name or an address, who are few.
func (t *tx) whoIs(who string) (people []*userRecord, err error) {
	u, found, err := t.s.userByName(t, Canonical(who))
	if err != nil {
		return nil, err
	}
	if found {
		people = append(people, u)
	}
	ids, err := t.idsByEmail(who)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if len(people) == resetPeople {
			break
		}
		u, found, err := userByID(t, id)
		if err != nil {
			return nil, err
		}
		if found && !slices.ContainsFunc(people, func(x *userRecord) bool { return x.ID == id }) {
			people = append(people, u)
		}
	}
	return people, nil
}

// mailReset sends a link to the stored address of somebody who can use one (RE-4, RE-9).
func (t *tx) mailReset(u *userRecord) error {
	if u.Disabled || u.Email == "" || u.Password == "" {
		return nil
	}
	// None of the counters of codes: anybody can ask for this, and must not use up what somebody needs to sign in.
	limits := []limit{
		leaking("reset/user/"+u.ID, resetMost, resetEvery),
		leaking("reset/to/"+t.s.keys.nameKey(canonicalAddress(u.Email)), sendMost, sendEvery),
		leaking("reset/all", resetAllMost, resetAllEvery),
	}
	if _, err := t.reserve(limits); err != nil {
		return ignoreFull(err)
	}
	if waits, err := t.operatorsReset(u); err != nil || waits {
		return err // anybody can ask for mail, and must not kill by it what an operator has handed out
	}
	link, err := t.makeLink(ResetLink, u, true)
	if err != nil {
		return err
	}
	t.send(u, Message{Kind: MessageReset, Method: Email, To: u.Email, Token: link.Token, Expires: link.Expires})
	return nil
}

// operatorsReset tells whether a link that an operator made still waits to be used.
func (t *tx) operatorsReset(u *userRecord) (bool, error) {
	l, found, err := get[linkRecord](t, "link/"+u.Reset)
	return found && !l.Used && !l.Mailed && t.now.Before(l.Expires), err
}

// NewResetLink makes a link with which a person sets a new password, for an operator to hand over: an operator may begin a reset and never
// chooses the password (ASVS 6.4.6). Nothing else changes until it is used. A person who has no password yet gets a new invite instead.
func (s *Service) NewResetLink(ctx context.Context, c Client, name string) (link NewLink, err error) {
	err = s.onUser(ctx, c, name, func(t *tx, u *userRecord) error {
		if u.Disabled {
			return failf(Disabled, "the user %q is disabled, and no link would open: enable the account first", u.Name)
		}
		kind := ResetLink
		if u.Password == "" {
			kind = InviteLink
		}
		link, err = t.newLink(kind, u)
		return err
	})
	return link, err
}

// ResetPassword takes the link and sets a new password. It ends all sessions and the trust in browsers, and signs nobody in. The counters
// of the password are cleared: whoever was locked out by strangers gets in again without an operator.
func (s *Service) ResetPassword(ctx context.Context, c Client, token, plain string) error {
	u, err := s.linkFor(ctx, token, ResetLink)
	if err != nil {
		return err
	}
	if err := s.checkPassword(c, plain, u.Name, u.Email); err != nil {
		return err
	}
	hash, err := s.hasher.Hash(ctx, plain)
	if err != nil {
		return classify(err)
	}
	return s.update(ctx, c, func(t *tx) error {
		l, u, err := t.useLink(token, ResetLink)
		if err != nil {
			return err
		}
		u.setPassword(hash)
		u.MailedPassword = u.MailedPassword || l.Mailed
		t.eventFor(u, Event{Type: EventPasswordReset, Outcome: success})
		t.notify(u, Message{Kind: NoticePasswordReset})
		if err := t.endElsewhere(u, "", u.Name, "the password was reset"); err != nil {
			return err
		}
		if err := t.clearPassword(u); err != nil {
			return err
		}
		return t.saveUser(u)
	})
}
