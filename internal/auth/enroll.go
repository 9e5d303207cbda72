// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/store"
)

// NewFactor is what a person says of a factor to be enrolled. The address of Email is not in it: it is that of the account.
type NewFactor struct {
	Method      Method // TOTP, Email or Webhook
	Name        string // what the person calls it; may be empty
	Channel     string // of Webhook: one of Settings.Channels
	Destination string // of Webhook
}

// phoneChannels are channels whose destination is a telephone number. What others deliver to is the receiver's business.
var phoneChannels = []string{"sms", "voice", "whatsapp"}

// PhoneChannel tells whether a channel delivers to a telephone number.
func PhoneChannel(channel string) bool { return slices.Contains(phoneChannels, channel) }

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// number takes out what people write between the digits of a telephone number.
var number = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "", "\u00a0", "")

const maxDestination = 128 // bytes

// enrollable are the methods that this person may still enroll. After a reset through the mailbox, mail is no second proof.
func (s *Service) enrollable(u *userRecord, f *factors) (list []Method) {
	for _, m := range s.settings.Methods {
		may := false
		switch m {
		case TOTP:
			may = len(f.TOTP) < maxFactors
		case Webhook:
			may = len(f.Webhook) < maxFactors && len(s.settings.Channels) > 0
		case Email:
			may = f.Email == nil && u.Email != "" && s.settings.Mail && !u.MailedPassword
		}
		if may {
			list = append(list, m)
		}
	}
	return list
}

// Enrollable lists the methods that a person may still enroll, in the order of Settings.Methods. Errors are NotFound and Unavailable.
func (s *Service) Enrollable(ctx context.Context, userID string) (list []Method, err error) {
	err = s.viewUser(ctx, userID, func(t store.Tx, u *userRecord) error {
		f, err := loadFactors(t, userID)
		list = s.enrollable(u, &f)
		return err
	})
	return list, err
}

// factorName checks what a person calls a factor.
func factorName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) > maxFactorName || !printable(name) {
		return "", failf(BadFactorName, "the name of a factor is at most %d printable characters", maxFactorName)
	}
	return name, nil
}

// pendingFor checks what a person wants to enroll.
func (s *Service) pendingFor(u *userRecord, f *factors, in NewFactor) (*pending, error) {
	name, err := factorName(in.Name)
	if err != nil {
		return nil, err
	}
	p := &pending{Method: in.Method, Name: name}
	switch in.Method {
	case TOTP:
		p.Secret = otp.NewSecret()
	case Email:
		p.Destination = u.Email
	case Webhook:
		if !slices.Contains(s.settings.Channels, in.Channel) {
			return nil, fail(NoSuchWay)
		}
		to := strings.TrimSpace(in.Destination)
		if PhoneChannel(in.Channel) {
			if to = number.Replace(to); !e164.MatchString(to) {
				return nil, fail(BadDestination)
			}
		}
		if to == "" || len(to) > maxDestination || !printable(to) {
			return nil, fail(BadDestination)
		}
		p.Channel, p.Destination = in.Channel, to
	}
	return p, s.mayEnroll(u, f, p)
}

// mayEnroll tells whether there is room for one more factor, and none like it yet. It is asked when an enrollment begins and when it is
// confirmed, since several can be under way.
func (s *Service) mayEnroll(u *userRecord, f *factors, p *pending) error {
	same := func(w webhookFactor) bool { return w.Channel == p.Channel && w.Destination == p.Destination }
	switch {
	case !slices.Contains(s.enrollable(u, f), p.Method):
		return fail(NoSuchWay)
	case p.Method == Webhook && slices.ContainsFunc(f.Webhook, same):
		return fail(AlreadyDone)
	}
	return nil
}

// AddFactor begins to enroll one more factor in a session that is in sudo mode. The factors that there are stay as they are until it is
// confirmed, and an enrollment that is not confirmed within ten minutes has never been.
//
// Where too many messages have been sent, the attempt waits for a code that SendCode is asked for later.
//
// Errors are StepUpNeeded, NoSuchWay, BadFactorName, BadDestination, AlreadyDone, LinkNeeded, TooManyTries.
func (s *Service) AddFactor(ctx context.Context, c Client, session string, in NewFactor) (Progress, error) {
	return s.onAccount(ctx, c, session, Sudo, func(t *tx, a *account) (p Progress, err error) {
		if a.user.LinkNeeded {
			return p, fail(LinkNeeded)
		}
		w, err := s.pendingFor(a.user, &a.factors, in)
		if err != nil {
			return p, err
		}
		return t.begin(a.user, t.attempt(a, attempt{Act: EventFactorAdded, Pending: w}))
	})
}

// ChooseFactor changes what an enrollment in progress is about, before it is confirmed. There is one pending factor at a time (OT-18).
func (s *Service) ChooseFactor(ctx context.Context, c Client, value string, in NewFactor) (Progress, error) {
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, err := t.openAttempt(value, StepEnroll)
		if err != nil {
			return p, err
		}
		w, err := s.pendingFor(h.user, &h.factors, in)
		if err != nil {
			return p, err
		}
		if _, err := t.reserve([]limit{chooseLimit(h.user.ID)}); err != nil {
			return p, err
		}
		h.attempt.Pending = w
		if w.Method != TOTP {
			// Asked for by the person, so a limit is told. A code that was sent elsewhere is worth nothing now, but its tries stay spent.
			if err := t.sendToPending(h.user, &h.attempt); err != nil {
				return p, err
			}
		}
		return t.advance(h)
	})
}

// ConfirmEnrollment takes the first code of what is being enrolled, which makes it a factor and burns that code. With the first factor
// of a person it makes the ten backup codes, which the next step shows, and ends their other sessions: they were made with a password
// alone.
func (s *Service) ConfirmEnrollment(ctx context.Context, c Client, value, code string) (Progress, error) {
	try, first, err := s.tryEnrollment(ctx, c, value, code)
	if err != nil {
		return Progress{}, err
	}
	var codes, hashes []string
	if first {
		codes = newBackupCodes()
		if hashes, err = s.hasher.HashCodes(ctx, plainCodes(codes)); err != nil {
			return Progress{}, s.giveBack(ctx, c, try.limits, err)
		}
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, err := t.openAttempt(value, StepEnroll)
		if err != nil {
			return p, err
		}
		if h.attempt.Pending == nil || h.attempt.Pending.Method != try.method || first == h.factors.enrolled() {
			return p, fail(OutOfOrder) // another window was faster
		}
		o, step, err := t.confirms(h, code)
		if err != nil {
			return p, err
		}
		if o != right {
			return p, t.refuseCode(h, try, o) // it ran out while the backup codes were hashed
		}
		if err := s.mayEnroll(h.user, &h.factors, h.attempt.Pending); err != nil {
			return p, err // others were confirmed meanwhile
		}
		if h.attempt.Session != "" {
			h.attempt.Act = EventFactorAdded
		}
		f, err := t.bindFactor(h, step, first, hashes)
		if err != nil {
			return p, err
		}
		h.attempt.Pending, h.attempt.Sent = nil, nil
		h.attempt.Codes, h.attempt.Expires = codes, t.now.Add(h.attempt.life())
		p, err = t.acceptCode(h, try)
		p.Factor = f
		return p, err
	})
}

// tryEnrollment counts a try at the first code of what is being enrolled, and tells whether that would be the person's first factor. A wrong
// code is refused here, before the cost of hashing backup codes.
func (s *Service) tryEnrollment(ctx context.Context, c Client, value, code string) (try codeTry, first bool, err error) {
	err = s.update(ctx, c, func(t *tx) error {
		h, err := t.openAttempt(value, StepEnroll)
		if err != nil {
			return err
		}
		if h.attempt.Pending == nil {
			return fail(OutOfOrder)
		}
		if h, try, err = t.tryCode(value, StepEnroll, h.attempt.Pending.Method); err != nil {
			return err
		}
		first = !h.factors.enrolled()
		o, _, err := t.confirms(h, code)
		if err == nil && o != right {
			return t.refuseCode(h, try, o)
		}
		return err
	})
	return try, first, err
}

// confirms tells whether a code is one of what is being enrolled, and of an authenticator app which step it is of.
func (t *tx) confirms(h *held, code string) (o outcome, step int64, err error) {
	p := h.attempt.Pending
	if p.Method != TOTP {
		o, err = t.confirmSent(&h.attempt, code)
		return o, 0, err
	}
	if step, ok := otp.Match(p.Secret, code, t.now, t.s.settings.PastSteps, -1); ok {
		return right, step, nil
	}
	return wrong, 0, nil
}

// bindFactor makes what was confirmed a factor, with what that means for everything else of its person.
func (t *tx) bindFactor(h *held, step int64, first bool, hashes []string) (*FactorInfo, error) {
	p := h.attempt.Pending
	f := h.factors.enroll(p, step, t.now)
	if err := t.useEnrollmentLink(h); err != nil {
		return nil, err
	}
	if !first {
		t.eventFor(h.user, Event{Type: EventFactorAdded, Outcome: success, Method: p.Method})
		t.notify(h.user, Message{Kind: NoticeFactorAdded, Factor: p.Name, FactorKind: p.Method, Channel: p.Channel})
		return f, t.saveUser(h.user)
	}
	h.factors.setBackup(hashes)
	if err := t.endSessions(h.user, h.attempt.Session, h.user.Name, "a second factor was enrolled"); err != nil {
		return nil, err
	}
	for _, x := range h.user.AccessKeys {
		// Memory forgets them and what is open with them is closed: whether they are enough from now on, the next request finds out.
		t.ended = append(t.ended, x.ID)
	}
	if h.attempt.Session != "" {
		// The session goes on with a password alone until the codes are saved: from now on that is not enough (MF-4).
		t.changed = append(t.changed, h.attempt.Session)
	}
	t.eventFor(h.user, Event{Type: EventTwoFactorEnabled, Outcome: success, Method: p.Method})
	t.notify(h.user, Message{Kind: NoticeTwoFactorOn, Factor: p.Name, FactorKind: p.Method, Channel: p.Channel})
	return f, t.saveUser(h.user)
}
