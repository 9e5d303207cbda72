// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"time"
)

// A central portal signs people in for sites under any name. Each site has a cookie of its own, which opens nothing but that site, so
// something must pass from the portal to the site through the browser: a code that works once, for half a minute, at one site and in one
// browser. That last part is what keeps somebody from sending others a link that signs them in under a foreign name (login CSRF):
//
//  1. The site gives the browser a random cookie, and sends it to the portal with the cookie's SHA-256, the challenge.
//  2. The portal, where the person signs in or is signed in already, makes a code for site and challenge: HandOver.
//  3. The site takes the code together with its cookie: TakeOver.
//
// This is the authorization code of RFC 6749 with the challenge of RFC 7636, between two parts of one program.

// handed is a ticket that one site has for the session of the portal. It proves what the session had proven when it was made, so that an
// old copy gains nothing from a later step-up (SE-3).
type handed struct {
	Place  string  `json:"place"`
	Secret []byte  `json:"secret"` // SHA-256 of the ticket
	Proofs []Proof `json:"proofs"`
}

// Arrival is how a browser comes back to a site with a code.
type Arrival struct {
	Site   string // scheme://host[:port] of the site, as it is configured
	Cookie string // what the site had given the browser; empty: it has none, and the code is not for it
	Code   string
	Ticket string // of a session that the browser has there already; empty: none
}

// HandOver is where a browser that is signed in at the portal goes on.
type HandOver struct {
	Site      string `json:"site"`      // scheme://host[:port], which the caller has found among those that are configured
	Challenge string `json:"challenge"` // what Challenge made of the site's cookie
	ReturnTo  string `json:"return_to"` // kept as given; check it when used
}

// handOverRecord is a code that was made. That it was used is a fact that stays, and not a missing record (ST-7).
type handOverRecord struct {
	HandOver
	Session    string    `json:"session"`
	Generation int       `json:"generation"` // what ends the other sessions of the person ends this code too
	Proofs     []Proof   `json:"proofs"`
	Expires    time.Time `json:"expires"`
	Used       bool      `json:"used,omitempty"`
}

const (
	handOverLife = 30 * time.Second
	useHandOver  = "hand-over"

	// maxHanded bounds at how many hosts one session is open, so that its record, which is read whole, stays at some 14 KB. The one that
	// came first goes, and comes back by itself when it is used.
	maxHanded = 64
)

func handOverKey(ticket []byte) string { return "hand-over/" + digest(ticket) }

// ValidChallenge tells whether a string can be a challenge of a cookie. That of no cookie is none: a code made for it could be taken in
// every browser that has not been here before, and sign whoever follows a link in under the name of its sender (CS-1).
func ValidChallenge(s string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(sum) == sha256.Size && len(s) == base64.RawURLEncoding.EncodedLen(sha256.Size) && s != Challenge("")
}

// Challenge is what a site tells the portal of the cookie that the code will be taken with.
func Challenge(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// HandOver makes the code with which the session behind a cookie of the portal is opened at another site. It says nothing of what the
// session has proven: the gate of the site judges that. Errors are BadInput for what is no challenge, NotSignedIn, and TooManyTries where a
// session asks without end.
func (s *Service) HandOver(ctx context.Context, c Client, session string, to HandOver) (code string, err error) {
	if !ValidChallenge(to.Challenge) {
		return "", failf(BadInput, "this is no challenge")
	}
	x, err := s.ownSession(ctx, c, session)
	if err != nil {
		return "", err
	}
	ticket := randomBytes(secretSize)
	err = s.update(ctx, c, func(t *tx) error {
		a, err := t.openAccount(x)
		if err != nil {
			return err
		}
		if _, err := t.reserve([]limit{handOverLimit(x.ID)}); err != nil {
			return err
		}
		h := handOverRecord{
			HandOver: to, Session: x.ID, Generation: a.user.Generation, Proofs: a.session.Proofs, Expires: t.now.Add(handOverLife).UTC(),
		}
		return put(t, handOverKey(ticket), h, h.Expires)
	})
	if err != nil {
		return "", err
	}
	return s.keys.seal(useHandOver, ticket), nil
}

// TakeOver takes a code at the site for which it was made, in the browser whose cookie it was made for, and answers with the ticket of
// that site, unless the browser has one already that is as good. Whatever is wrong with it is the same CodeGone. A code that is taken in the
// wrong browser is used up too: somebody else has seen it.
func (s *Service) TakeOver(ctx context.Context, c Client, in Arrival) (Progress, error) {
	ticket, ok := s.keys.open(useHandOver, in.Code, secretSize)
	if !ok || c.Host == "" {
		return Progress{}, fail(CodeGone)
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		h, found, err := get[handOverRecord](t, handOverKey(ticket))
		if err != nil {
			return p, err
		}
		if !found || h.Used || !t.now.Before(h.Expires) {
			return p, fail(CodeGone)
		}
		h.Used = true
		if err := put(t, handOverKey(ticket), h, h.Expires); err != nil {
			return p, err
		}
		r, u, err := t.running(h.Session)
		if err != nil {
			return p, err
		}
		if u == nil || u.Generation != h.Generation {
			return p, t.refuse(fail(CodeGone))
		}
		if h.Site != in.Site || in.Cookie == "" || subtle.ConstantTimeCompare([]byte(h.Challenge), []byte(Challenge(in.Cookie))) != 1 {
			t.eventFor(u, Event{Type: EventHandedOver, Outcome: refused, Session: r.ID, Detail: c.Host + ": in another browser, or at another site"})
			return p, t.refuse(fail(CodeGone))
		}
		if t.s.asGood(in.Ticket, &r, &h, c.Host) {
			return Progress{Step: StepDone, ReturnTo: h.ReturnTo}, t.release([]limit{handOverLimit(r.ID)}, false)
		}
		t.eventFor(u, Event{Type: EventHandedOver, Outcome: success, Session: r.ID, Detail: c.Host})
		return t.handOver(&r, &h)
	})
}

// asGood tells whether a browser has a ticket of the session at this host already that proves the same, as a second window of it does.
func (s *Service) asGood(value string, r *sessionRecord, h *handOverRecord, host string) bool {
	id, sum, ok := s.keys.openTicket(useSession, value)
	if !ok || id != r.ID {
		return false
	}
	has, isHanded, found := r.ticket(sum)
	return found && isHanded && has.Place == host && slices.EqualFunc(has.Proofs, h.Proofs, func(a, b Proof) bool { return a.Method == b.Method && a.At.Equal(b.At) })
}

// running reads a session that is not over, and whose it is; no user where it is.
func (t *tx) running(id string) (r sessionRecord, u *userRecord, err error) {
	r, found, err := getSession(t, id)
	if err != nil || !found || r.over(t.now, t.s.cache.lastSeen(id)) {
		return r, nil, err
	}
	u, found, err = userByID(t, r.UserID)
	if err != nil || !found || u.Disabled {
		return r, nil, err
	}
	return r, u, nil
}

// handOver adds a ticket to a session, in place of the one that the host had.
func (t *tx) handOver(r *sessionRecord, h *handOverRecord) (p Progress, err error) {
	id, err := r.idBytes()
	if err != nil {
		return p, err
	}
	n := handed{Place: t.client.Host, Proofs: h.Proofs} // never for a domain, whatever the configuration says meanwhile
	p.Step, p.ReturnTo = StepDone, h.ReturnTo
	p.Session, n.Secret = t.s.keys.newTicket(useSession, id)
	if r.Remember {
		p.Expires = r.Expires
	}
	r.Handed = slices.DeleteFunc(r.Handed, func(x handed) bool { return x.Place == n.Place })
	if len(r.Handed) >= maxHanded {
		r.Handed = r.Handed[1:]
	}
	r.Handed = append(r.Handed, n)
	r.LastSeen = t.now.UTC()
	return p, t.saveSession(r)
}

// takeBack makes all tickets that were handed over from a session useless, and closes what is open with them. The next visit to each site
// gets a new one from the portal, if the session still goes on. The empty id is of no session.
func (t *tx) takeBack(session string) error {
	t.recalled = session
	if session == "" {
		return nil
	}
	r, found, err := getSession(t, session)
	if err != nil || !found || len(r.Handed) == 0 {
		return err
	}
	return t.saveSession(&r)
}
