// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

// LinkKind is what a one-time link is for.
type LinkKind string

const (
	SetupLink    LinkKind = "setup"     // makes the first administrator; 1 hour
	InviteLink   LinkKind = "invite"    // sets the password of a new user and enrolls; 24 hours
	ReenrollLink LinkKind = "re-enroll" // after an operator's reset: enrolls again, with the password; 1 hour
	ResetLink    LinkKind = "reset"     // for somebody who forgot the password, by mail or from an operator: sets a new one; 30 minutes
)

// Link is what a page may show of a one-time link before it is used. Looking at a link consumes nothing.
type Link struct {
	Kind     LinkKind
	UserName string // empty for setup
	Expires  time.Time
}

// NewLink is a one-time link that was just made. The token is shown once and stored as a digest.
type NewLink struct {
	Token   string
	Kind    LinkKind
	Expires time.Time
}

// linkRecord is a one-time link. It stands under the digest of its token; Used is a fact that stays until the record goes.
type linkRecord struct {
	Kind    LinkKind  `json:"kind"`
	UserID  string    `json:"user_id,omitempty"` // empty for setup
	Expires time.Time `json:"expires"`
	Used    bool      `json:"used,omitempty"`
	Mailed  bool      `json:"mailed,omitempty"` // anybody could ask for it, and it went to the mailbox of the account
}

var linkLife = map[LinkKind]time.Duration{
	SetupLink:    time.Hour,
	InviteLink:   24 * time.Hour,
	ReenrollLink: time.Hour,
	ResetLink:    30 * time.Minute,
}

// newestSetupKey holds the digest of the newest setup link, as userRecord.Invite does for a person: a newer link kills the older.
const newestSetupKey = "setup-link"

// newLink makes a link that an operator hands out, for u, which it saves, or for setup when u is nil.
func (t *tx) newLink(kind LinkKind, u *userRecord) (NewLink, error) {
	return t.makeLink(kind, u, false)
}

func (t *tx) makeLink(kind LinkKind, u *userRecord, mailed bool) (NewLink, error) {
	made := NewLink{Token: rand.Text(), Kind: kind, Expires: t.now.Add(linkLife[kind]).UTC()}
	r := linkRecord{Kind: kind, Expires: made.Expires}
	d := digest([]byte(made.Token))
	if u == nil {
		if err := put(t, newestSetupKey, d, time.Time{}); err != nil {
			return NewLink{}, err
		}
		t.event(Event{Type: EventLinkMade, Actor: operator, Outcome: success, Detail: string(kind)})
	} else {
		r.UserID = u.ID
		if kind == ResetLink {
			u.Reset = d
		} else {
			u.Invite = d
		}
		actor := operator
		if mailed {
			r.Mailed, actor = true, "anonymous"
		}
		t.eventFor(u, Event{Type: EventLinkMade, Actor: actor, Outcome: success, Detail: string(kind)})
		if err := t.saveUser(u); err != nil {
			return NewLink{}, err
		}
	}
	return made, put(t, "link/"+d, r, r.Expires)
}

// NewSetupLink returns a link that makes the first administrator. It works once, for an hour, as long as there is none,
// and replaces the one before.
func (s *Service) NewSetupLink(ctx context.Context) (link NewLink, err error) {
	err = s.update(ctx, Client{}, func(t *tx) error {
		ids, _, err := get[[]string](t, administratorsKey)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			return failf(AlreadyDone, "there is an administrator already")
		}
		link, err = t.newLink(SetupLink, nil)
		return err
	})
	return link, err
}

// openLink reads a link that can still be used, with its person. It consumes nothing.
func (s *Service) openLink(t store.Tx, token string, now time.Time) (linkRecord, *userRecord, error) {
	d := digest([]byte(token))
	l, found, err := get[linkRecord](t, "link/"+d)
	if err != nil {
		return l, nil, err
	}
	if !found || l.Used || !now.Before(l.Expires) {
		return l, nil, fail(LinkGone)
	}
	if l.Kind == SetupLink {
		newest, _, err := get[string](t, newestSetupKey)
		if err != nil {
			return l, nil, err
		}
		ids, _, err := get[[]string](t, administratorsKey)
		if err != nil {
			return l, nil, err
		}
		if newest != d || len(ids) > 0 {
			return l, nil, fail(LinkGone)
		}
		return l, nil, nil
	}
	u, found, err := userByID(t, l.UserID)
	if err != nil {
		return l, nil, err
	}
	if !found || u.Disabled {
		return l, nil, fail(LinkGone)
	}
	newest := u.Invite
	if l.Kind == ResetLink {
		newest = u.Reset
	}
	if newest != d {
		return l, nil, fail(LinkGone)
	}
	return l, u, nil
}

// useLink opens a link of the given kind and marks it used.
func (t *tx) useLink(token string, kind LinkKind) (linkRecord, *userRecord, error) {
	l, u, err := t.s.openLink(t, token, t.now)
	if err != nil {
		return l, nil, err
	}
	if l.Kind != kind {
		return l, nil, fail(LinkGone)
	}
	l.Used = true
	return l, u, put(t, "link/"+digest([]byte(token)), l, l.Expires)
}

// Link says what a link is for, so that a page can be shown. Mail scanners and browsers that look ahead consume nothing by it.
func (s *Service) Link(ctx context.Context, token string) (l Link, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		r, u, err := s.openLink(t, token, s.now())
		if err != nil {
			return err
		}
		l = Link{Kind: r.Kind, Expires: r.Expires}
		if u != nil {
			l.UserName = u.Name
		}
		return nil
	})
	return l, err
}

// linkFor opens a link ahead of costly work, so that hashing is not to be had with a made-up token.
func (s *Service) linkFor(ctx context.Context, token string, kind LinkKind) (u *userRecord, err error) {
	err = s.view(ctx, func(t store.Tx) error {
		var l linkRecord
		if l, u, err = s.openLink(t, token, s.now()); err == nil && l.Kind != kind {
			err = fail(LinkGone)
		}
		return err
	})
	return u, err
}

// enrollment is what everybody who comes by a link must finish before they have a session.
var enrollment = Requirement{Level: LevelTwoFactor}

// Setup makes the first administrator and begins their enrollment.
func (s *Service) Setup(ctx context.Context, c Client, token string, name, password string) (p Progress, err error) {
	if _, err := s.linkFor(ctx, token, SetupLink); err != nil {
		return p, err
	}
	canonical, err := checkName(name)
	if err != nil {
		return p, err
	}
	if err := s.checkPassword(c, password, canonical, ""); err != nil {
		return p, err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return p, classify(err)
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		if _, _, err := t.useLink(token, SetupLink); err != nil {
			return p, err
		}
		u, err := t.createUser(NewUser{Name: canonical, Admin: true}, hash)
		if err != nil {
			return p, err
		}
		t.eventFor(u, Event{Type: EventLinkUsed, Outcome: success, Detail: string(SetupLink)})
		return t.begin(u, attempt{Need: enrollment, Proofs: []Proof{{Password, t.now.UTC()}}})
	})
}

// AcceptInvite sets the password of a new person and begins their enrollment.
func (s *Service) AcceptInvite(ctx context.Context, c Client, token, password string) (p Progress, err error) {
	u, err := s.linkFor(ctx, token, InviteLink)
	if err != nil {
		return p, err
	}
	if err := s.checkPassword(c, password, u.Name, u.Email); err != nil {
		return p, err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return p, classify(err)
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		_, u, err := t.useLink(token, InviteLink)
		if err != nil {
			return p, err
		}
		u.Password, u.LinkNeeded = hash, false // the invite comes from the operator too, who has made it after the reset
		if err := t.saveUser(u); err != nil {
			return p, err
		}
		t.eventFor(u, Event{Type: EventLinkUsed, Outcome: success, Detail: string(InviteLink)})
		return t.begin(u, attempt{Need: enrollment, Proofs: []Proof{{Password, t.now.UTC()}}})
	})
}

// Reenroll begins a new enrollment after an operator's reset. It takes the link and the password: the link alone, found in a mailbox,
// opens nothing. A password that was set through the mailbox is as good as any beside it, since the link came from the operator: where
// mail is the only second factor to be had, there would be no way back otherwise. Where a handler in front vouches for the person, that
// stands in for the password.
func (s *Service) Reenroll(ctx context.Context, c Client, token, password string) (p Progress, err error) {
	u, err := s.linkFor(ctx, token, ReenrollLink)
	if err != nil {
		return p, err
	}
	if c.Vouched != "" {
		return s.progress(ctx, c, func(t *tx) (p Progress, err error) { return t.reenroll(token, Vouched, nil) })
	}
	return s.withPassword(ctx, c, u.Name, password, nil, func(t *tx, try passwordTry) (p Progress, err error) {
		return t.reenroll(token, Password, &try)
	})
}

// reenroll begins the enrollment. With Password there is a try, which was right.
func (t *tx) reenroll(token string, m Method, try *passwordTry) (p Progress, err error) {
	_, owner, err := t.s.openLink(t, token, t.now)
	if err != nil {
		return p, err
	}
	if try != nil {
		if err := t.acceptPassword(owner, *try); err != nil {
			return p, err
		}
	}
	if owner.MailedPassword {
		owner.MailedPassword = false
		if err := t.saveUser(owner); err != nil {
			return p, err
		}
	}
	return t.begin(owner, attempt{Need: enrollment, Proofs: []Proof{{m, t.now.UTC()}}, Link: digest([]byte(token))})
}

// useEnrollmentLink uses up the link that an enrollment came by. A person who needs one cannot confirm without it, so that a session or
// a sign-in that began before the operator's reset binds nothing.
func (t *tx) useEnrollmentLink(h *held) error {
	if !h.user.LinkNeeded {
		return nil
	}
	l, found, err := get[linkRecord](t, "link/"+h.attempt.Link)
	if err != nil {
		return err
	}
	if !found || l.Used || l.Kind != ReenrollLink || h.user.Invite != h.attempt.Link || !t.now.Before(l.Expires) {
		return fail(LinkGone)
	}
	l.Used, h.user.LinkNeeded = true, false
	t.eventFor(h.user, Event{Type: EventLinkUsed, Outcome: success, Detail: string(ReenrollLink)})
	return put(t, "link/"+h.attempt.Link, l, l.Expires)
}
