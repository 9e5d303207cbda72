// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nightlatch/nightlatch/internal/otp"
)

const (
	sentCodeLife = 10 * time.Minute // NIST SP 800-63B-4 §3.1.3
	resendAfter  = 30 * time.Second // unless the one before could not be delivered
	sentTries    = 5                // wrong codes in one attempt, however often one is sent
)

// sentCode is the newest code that an attempt has sent. It is part of the attempt, so no other sign-in and no other person can use it,
// and the MAC is over what it is for, so no other step can either (OT-9).
type sentCode struct {
	ID      string    `json:"id"` // of the message
	Method  Method    `json:"method"`
	Factor  string    `json:"factor,omitempty"` // empty: what is pending
	To      string    `json:"to"`
	MAC     []byte    `json:"mac"`
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires"`
	Tries   int       `json:"tries,omitempty"` // wrong ones, also at the codes before it
}

// Way is one way to enter a code at StepCode.
type Way struct {
	Method  Method
	Factor  string // which one, where codes are sent; empty for the authenticator apps, which are asked together, and backup codes
	Name    string // as the person called it; empty: not named
	Channel string // of a webhook
	To      string // where the code goes, with all but a hint of it hidden
}

// Sends tells whether a code is sent when this way is taken.
func (w *Way) Sends() bool { return w.Method == Email || w.Method == Webhook }

// first is the first of some ways that is by the same method, and by the same factor if w names one. Where w names nothing it is the best
// of them.
func (w *Way) first(ways []Way) *Way {
	i := slices.IndexFunc(ways, func(x Way) bool {
		return (w.Method == "" || w.Method == x.Method) && (w.Factor == "" || w.Factor == x.Factor)
	})
	if i < 0 {
		return nil
	}
	return &ways[i]
}

// ways are the factors with which somebody at StepCode can go on, the best first, and the backup codes last. It is the one place that
// says which method is accepted, for the page that offers them and for the code that comes back (MF-7).
func (s *Service) ways(u *userRecord, f *factors, need *Requirement) (list []Way) {
	f.each(func(m Method, n *named, channel, to string) {
		switch {
		case !need.counts(m):
		case m == TOTP:
			if !slices.ContainsFunc(list, func(w Way) bool { return w.Method == TOTP }) {
				list = append(list, Way{Method: TOTP})
			}
		case m == Webhook && slices.Contains(s.settings.Channels, channel):
			list = append(list, Way{Method: m, Factor: n.ID, Name: n.Name, Channel: channel, To: hint(to)})
		case m == Email && s.settings.Mail && !u.MailedPassword && u.Email != "":
			// After a reset through the mailbox, a code to the same mailbox would make mail alone enough (RE-10).
			list = append(list, Way{Method: m, Factor: n.ID, To: hint(u.Email)})
		}
	})
	if f.codesLeft() > 0 && f.enrolled() {
		list = append(list, Way{Method: BackupCode})
	}
	return list
}

// hint hides all of an address or number but what its owner knows it by.
func hint(to string) string {
	if local, domain, is := strings.Cut(to, "@"); is && local != "" { // a name in a chat may begin with @, and all of it would show
		_, size := utf8.DecodeRuneInString(local)
		return local[:size] + "•••@" + domain
	}
	if len(to) <= 4 || !strings.HasPrefix(to, "+") {
		_, size := utf8.DecodeRuneInString(to)
		return to[:size] + "•••"
	}
	return "•••\u00a0" + to[len(to)-2:] // does not break
}

// SendCode sends a new code: at StepCode by the given way, at StepEnroll and StepConfirmAddress to what is being enrolled, where method
// and factor do not matter. It goes to what is stored and never to what a request names (OT-11). The code before it is worth nothing
// from then on; the tries that it cost stay spent.
//
// Errors are TooManyMessages, TriesSpent, NoSuchWay and those of the attempt.
func (s *Service) SendCode(ctx context.Context, c Client, value string, m Method, factor string) error {
	return s.update(ctx, c, func(t *tx) error {
		h, err := s.openAttempt(t, &c, value, t.now)
		if err != nil {
			return err
		}
		switch h.step {
		case StepCode:
			for _, w := range s.ways(h.user, &h.factors, &h.attempt.Need) {
				if w.Method == m && w.Factor == factor && w.Sends() {
					err = t.sendByWay(h.user, &h.factors, &h.attempt, w)
					return t.putAttempt(h, err)
				}
			}
			return fail(NoSuchWay)
		case StepEnroll, StepConfirmAddress:
			if h.attempt.Pending == nil || h.attempt.Pending.Method == TOTP {
				return fail(NoSuchWay)
			}
			return t.putAttempt(h, t.sendToPending(h.user, &h.attempt))
		}
		return fail(OutOfOrder)
	})
}

// putAttempt stores an attempt under the ticket it has, unless the act failed.
func (t *tx) putAttempt(h *held, err error) error {
	if err != nil {
		return err
	}
	return put(t, h.key, h.attempt, h.attempt.Expires)
}

// sendByWay sends a code to an enrolled factor.
func (t *tx) sendByWay(u *userRecord, f *factors, a *attempt, w Way) error {
	to, channel := u.Email, ""
	if w.Method == Webhook {
		f.each(func(_ Method, n *named, c, destination string) {
			if n.ID == w.Factor {
				to, channel = destination, c
			}
		})
	}
	m := Message{Kind: MessageCode, Method: w.Method, To: to, Channel: channel}
	if a.Act == EventTwoFactorDisabled {
		m.Kind = MessageTurnOff
	}
	return t.sendCode(u, a, m, w.Factor)
}

// sendToPending sends the code that confirms what is being enrolled.
func (t *tx) sendToPending(u *userRecord, a *attempt) error {
	p := a.Pending
	m := Message{Kind: MessageEnroll, Method: p.Method, To: p.Destination, Channel: p.Channel}
	if p.NewAddress {
		m.Kind = MessageProve
	}
	return t.sendCode(u, a, m, "")
}

func (t *tx) sendCode(u *userRecord, a *attempt, m Message, factor string) error {
	next := sentCode{ID: newID(), Method: m.Method, Factor: factor, To: m.To, At: t.now.UTC(), Expires: t.now.Add(sentCodeLife).UTC()}
	if before := a.Sent; before != nil {
		if before.Tries >= sentTries {
			return fail(TriesSpent)
		}
		d, _, err := get[delivery](t, deliveryKey(before.ID))
		if err != nil {
			return err
		}
		if wait := before.At.Add(resendAfter).Sub(t.now); wait > 0 && !d.Failed {
			return retry(TooManyMessages, min(wait, resendAfter))
		}
		next.Tries = before.Tries
	}
	if a.Expires.Before(next.Expires) {
		next.Expires = a.Expires
	}
	if _, err := t.reserve(t.sendLimits(u.ID, m.To, factor != "" || m.To == u.Email)); err != nil {
		return err
	}
	code := newDigits()
	next.MAC = t.s.keys.codeMAC(a, &next, code)
	a.Sent = &next
	m.ID, m.Code, m.Expires = next.ID, code, next.Expires
	t.send(u, m)
	return nil
}

var million = big.NewInt(1_000_000)

// newDigits draws a code without bias.
func newDigits() string {
	n, err := rand.Int(rand.Reader, million)
	if err != nil {
		panic("drawing a code: " + err.Error()) // crypto/rand does not fail
	}
	return fmt.Sprintf("%0*d", otp.Digits, n)
}

// codeMAC is how a sent code stands in the store: there are only a million of them, so a hash without a key would be no secret.
func (k *keys) codeMAC(a *attempt, c *sentCode, code string) []byte {
	what := "factor"
	if c.Factor == "" {
		what = "enroll"
		if a.Pending.NewAddress {
			what = "address"
		}
	}
	m := hmac.New(sha256.New, k.code)
	for _, part := range []string{what, a.UserID, c.ID, string(c.Method), c.Factor, c.To, code} {
		fmt.Fprintf(m, "%d:%s", len(part), part)
	}
	return m.Sum(nil)
}

// checkSent compares a code with the one that was sent last. A wrong one is counted in the attempt, which the caller stores: see
// refuseCode. An error says why there is nothing to compare with.
func (t *tx) checkSent(a *attempt, m Method, code string) (outcome, error) {
	c := a.Sent
	switch {
	case c != nil && c.Tries >= sentTries:
		return wrong, fail(TriesSpent)
	case c == nil || c.Method != m || !t.now.Before(c.Expires):
		return wrong, fail(CodeGone)
	}
	if !hmac.Equal(c.MAC, t.s.keys.codeMAC(a, c, code)) {
		c.Tries++
		return wrong, nil
	}
	return right, nil
}

// confirmSent takes a code that was sent to what is being enrolled.
func (t *tx) confirmSent(a *attempt, code string) (outcome, error) {
	if c := a.Sent; c != nil && (c.Factor != "" || c.To != a.Pending.Destination) {
		return wrong, fail(CodeGone)
	}
	return t.checkSent(a, a.Pending.Method, code)
}

// useSent takes a code that was sent to an enrolled factor. What changes factors or the address ends every attempt, so it still goes there.
func (t *tx) useSent(h *held, m Method, code string) (outcome, error) {
	c := h.attempt.Sent
	if c != nil {
		method, n := h.factors.byID(c.Factor) // none for a code that confirms what is pending: that signs nobody in
		if n == nil || method != m {
			return wrong, fail(CodeGone)
		}
	}
	o, err := t.checkSent(&h.attempt, m, code)
	if o == right && err == nil {
		_, n := h.factors.byID(c.Factor)
		n.LastUsed = t.now.UTC()
		h.attempt.Sent = nil
	}
	return o, err
}
