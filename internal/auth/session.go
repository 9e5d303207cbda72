// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/store"
)

// SessionInfo describes a session in lists. ID is no credential.
type SessionInfo struct {
	ID       string     `json:"id"`
	User     string     `json:"user"`
	Device   string     `json:"device"`
	Address  netip.Addr `json:"address"`
	Created  time.Time  `json:"created"`
	LastSeen time.Time  `json:"last_seen"`
	Expires  time.Time  `json:"expires"`
	Proofs   []Proof    `json:"proofs"`
	Program  bool       `json:"program"` // it is not a browser's, and goes on with tokens
}

// Session is a finished sign-in on one browser or in one program, or what an access key stands for, as of the moment it was loaded. It is
// shared by every request that comes with the same cookie, token or key: its fields are read-only, slices included. A change to the person
// or the session makes a new one, so a request that holds it sees one consistent identity.
type Session struct {
	ID        string // names it in lists and events; no credential; stays when the ticket rotates
	UserID    string
	Name      string // canonical user name
	FullName  string
	Email     string
	Groups    []string
	GroupList string // Groups joined with commas, for a header
	Admin     bool
	Enrolled  bool // the person has a confirmed second factor
	Proofs    []Proof
	Created   time.Time
	Expires   time.Time     // the end, whatever happens
	Idle      time.Duration // or this long after the last request
	Device    string
	Address   netip.Addr
	Handed    bool   // its ticket was handed over by the portal to one host, see HandOver; it changes nothing about the account
	Program   bool   // it was found by an access token or an access key, and not by a cookie
	API       bool   // what it has proven last was typed through the API, and not on our pages
	Key       string // the id of the access key that it stands for; empty: it is a sign-in
	KeyLevel  Level  // what that key stands for

	place   string         // what its ticket is for, see opens
	sum     []byte         // SHA-256 of the ticket
	until   time.Time      // from when on the access token it was found by is no longer good; zero: it was found by a cookie
	home    string         // Asker.Home, for which that token is
	scope   *AccessKeyInfo // of a key: what it is for
	live    *live
	version uint64 // of live when this was loaded
	recalls uint64 // the same
	cached  atomic.Pointer[[]cachedText]
}

// Watch calls cancel when the session ends, by any cause, until stop is called. It is how an open WebSocket or stream dies with its
// session. stop must be called when the request is over. If the session has ended already, cancel is called at once.
func (s *Session) Watch(cancel context.CancelFunc) (stop func()) { return s.live.watch(s, cancel) }

// sessionRecord is a session as stored, under its id. Rotation replaces Secret, and with it every older ticket is dead but those that
// were handed over: each of them stays with the proofs of when it was made.
type sessionRecord struct {
	ID       string        `json:"id"`
	UserID   string        `json:"user_id"`
	Secret   []byte        `json:"secret"`          // SHA-256 of the ticket
	Place    string        `json:"place,omitempty"` // what the ticket is for, see opens
	Handed   []handed      `json:"handed,omitempty"`
	Proofs   []Proof       `json:"proofs"`
	Created  time.Time     `json:"created"`
	Expires  time.Time     `json:"expires"`
	Idle     time.Duration `json:"idle"`
	LastSeen time.Time     `json:"last_seen"`
	Device   string        `json:"device"`
	Address  netip.Addr    `json:"address"`
	Remember bool          `json:"remember,omitempty"`
	API      bool          `json:"api,omitempty"`     // the newest proofs came through the API
	Refresh  *refreshing   `json:"refresh,omitempty"` // of a program's session; a browser's has none
	Ended    bool          `json:"ended,omitempty"`
}

// getSession reads a session that has not been ended. That it was ended is a fact that stays until the session would have run out,
// rather than a missing record: a store that lost a deletion would otherwise give the session back (ST-7).
func getSession(t store.Tx, id string) (r sessionRecord, found bool, err error) {
	r, found, err = get[sessionRecord](t, sessionKey(id))
	return r, found && !r.Ended, err
}

// bury writes that a session was ended, and nothing else of it.
func (t *tx) bury(r *sessionRecord) error {
	t.ended = append(t.ended, r.ID)
	if err := put(t, sessionKey(r.ID), sessionRecord{ID: r.ID, UserID: r.UserID, Ended: true}, r.Expires); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}

// over tells whether the session has ended by itself. seen is a later use that is known in memory only, or zero. Both limits are
// checked here, on reading; what the store sweeps decides nothing.
func (r *sessionRecord) over(now, seen time.Time) bool {
	if seen.Before(r.LastSeen) {
		seen = r.LastSeen
	}
	return !now.Before(r.Expires) || !now.Before(seen.Add(r.Idle))
}

const (
	maxSessions = 20 // per user; the oldest goes (ASVS 7.1.2)
	useSession  = "session"
	maxDevice   = 256
)

func sessionKey(id string) string { return "session/" + id }

// opens tells whether what was made for a place may be used at a host. A place is the name of a host, or ".example.com" for that domain
// and all below it, as long as the configuration has its hosts share a cookie. An application that got hold of a cookie of its own host
// could use it nowhere else. The empty place is of what was stored before there were any.
func (s *Service) opens(place, host string) bool {
	if domain, wide := strings.CutPrefix(place, "."); wide {
		return domain == s.settings.CookieDomain && (host == domain || strings.HasSuffix(host, place))
	}
	return place == host || place == ""
}

func (c *Client) asker() Asker {
	return Asker{Host: c.Host, Vouched: c.Vouched, Home: c.Home, Address: c.Address}
}

// place is what a ticket made for this client is for.
func (c *Client) place() string {
	if c.Domain != "" {
		return "." + c.Domain
	}
	return c.Host
}

// ticket finds the one with this sum: what it is for, and what it proves. It takes the same time for all.
func (r *sessionRecord) ticket(sum []byte) (t handed, isHanded, found bool) {
	if subtle.ConstantTimeCompare(sum, r.Secret) == 1 {
		t, found = handed{Place: r.Place, Proofs: r.Proofs}, true
	}
	for _, h := range r.Handed {
		if subtle.ConstantTimeCompare(sum, h.Secret) == 1 {
			t, isHanded, found = h, true, true
		}
	}
	return t, isHanded, found
}

// Asker is where a cookie or a token came to, and what is known there.
type Asker struct {
	Host    string // the name of the host in lower case, without port and final dot
	Vouched string // whom a handler in front names on this request; empty: nobody
	Home    string // the origin of the site where people sign in for this one; empty: not known. Access tokens are of it

	// Of the request, for what is good for some requests only.
	Method, Path string // the path decoded
	Destination  string // the path to which a request of WebDAV copies or moves, decoded; empty: none
	Address      netip.Addr
	Ambiguous    bool // the application may read one of the paths otherwise

	// Basic says that the token came as a password, beside the name of User.
	Basic bool
	User  string
}

// Session returns the session behind a cookie value. It is the one question of every proxied request: for a session
// in memory it costs one SHA-256 and one look-up, writes nothing and takes no lock that all requests share. Errors are NotSignedIn, also
// for a ticket of another host and for another person than whom a handler in front names, or Unavailable when the store cannot tell: never
// take that for "not signed in".
func (s *Service) Session(ctx context.Context, a Asker, value string) (*Session, error) {
	var buf [256]byte
	if len(value) > len(buf) {
		return nil, errNotSignedIn
	}
	key := sha256.Sum256(buf[:copy(buf[:], value)])
	now := s.now()
	if x := s.cache.get(key); x != nil {
		if x.Key == "" && s.opens(x.place, a.Host) && fits(x.Proofs, x.Name, a.Vouched) && x.live.use(now, x.Expires, x.Idle) {
			return x, nil
		}
		return nil, errNotSignedIn
	}
	return s.load(ctx, a, key, value, now)
}

// load checks the envelope before it asks the store, so that a forged cookie costs an HMAC and nothing else.
func (s *Service) load(ctx context.Context, a Asker, key [sha256.Size]byte, value string, now time.Time) (*Session, error) {
	id, sum, ok := s.keys.openTicket(useSession, value)
	if !ok {
		return nil, errNotSignedIn
	}
	return s.read(ctx, a, key, id, now, func(x *Session, r *sessionRecord) bool {
		ticket, isHanded, found := r.ticket(sum)
		x.place, x.sum, x.Proofs, x.Handed = ticket.Place, sum, ticket.Proofs, isHanded
		return found
	})
}

// read takes a session from the store into the cache. opened tells whether what the session was found by opens it, and fills in what that
// says.
func (s *Service) read(ctx context.Context, a Asker, key [sha256.Size]byte, id string, now time.Time, opened func(x *Session, r *sessionRecord) bool) (*Session, error) {
	l := s.cache.pin(id)
	defer s.cache.unpin(l)
	x := &Session{live: l, version: l.version.Load(), recalls: l.recalls.Load()} // before the store is read: see cache
	err := s.view(ctx, func(t store.Tx) error {
		r, found, err := getSession(t, id)
		if err != nil {
			return err
		}
		if !found || r.over(now, l.lastSeen()) || !opened(x, &r) || !s.opens(x.place, a.Host) {
			return errNotSignedIn
		}
		return x.fill(t, &r)
	})
	if err != nil {
		return nil, err
	}
	if !fits(x.Proofs, x.Name, a.Vouched) || !l.use(now, x.Expires, x.Idle) {
		return nil, errNotSignedIn
	}
	s.cache.add(key, x)
	return x, nil
}

func (x *Session) fill(t store.Tx, r *sessionRecord) error {
	if err := x.fillPerson(t, r.UserID); err != nil {
		return err
	}
	x.ID, x.Created, x.Expires, x.Idle, x.Device, x.Address, x.API = r.ID, r.Created, r.Expires, r.Idle, r.Device, r.Address, r.API
	x.live.saw(r.LastSeen)
	return nil
}

// fillPerson says whose it is: somebody who may be signed in.
func (x *Session) fillPerson(t store.Tx, id string) error {
	u, found, err := userByID(t, id)
	if err != nil {
		return err
	}
	if !found || u.Disabled {
		return errNotSignedIn
	}
	f, err := loadFactors(t, u.ID)
	if err != nil {
		return err
	}
	x.UserID, x.Name, x.FullName, x.Email = u.ID, u.Name, u.FullName, u.Email
	x.Groups, x.GroupList, x.Admin = u.Groups, strings.Join(u.Groups, ","), u.Admin
	x.Enrolled = f.enrolled()
	return nil
}

// finish makes the session of an attempt that lacks nothing, or rotates the one that proved more.
func (t *tx) finish(u *userRecord, f *factors, a *attempt, p *Progress) error {
	if a.Act == EventTwoFactorDisabled {
		a.Proofs = slices.DeleteFunc(slices.Clone(a.Proofs), func(p Proof) bool { return !p.Method.First() }) // of what is gone
		if err := t.turnOff(u, f, a); err != nil {
			return err
		}
		p.UsedCode, p.CodesLeft = false, 0 // the codes went with the factors: there is nothing to be told of them
	}
	if a.Session != "" {
		return t.rotate(u, a, p) // with tokens or without, as it was
	}
	r := sessionRecord{
		UserID: u.ID, Place: t.client.place(), Proofs: a.Proofs, Created: t.now.UTC(), LastSeen: t.now.UTC(), Remember: a.Remember,
		Idle: t.s.settings.Idle, Expires: t.now.Add(t.s.settings.Lifetime).UTC(), Address: t.client.Address,
		Device: cut(t.client.Device, maxDevice),
	}
	if a.Tokens {
		r.Refresh = new(refreshing)
	}
	if a.Remember {
		r.Idle, r.Expires = t.s.settings.Remember, t.now.Add(t.s.settings.Remember).UTC()
	}
	id := randomBytes(idSize)
	r.ID = hex.EncodeToString(id)
	if _, found, err := get[sessionRecord](t, sessionKey(r.ID)); err != nil || found {
		return fmt.Errorf("making a session id: taken %t: %w", found, err)
	}
	u.SessionIDs = slices.DeleteFunc(u.SessionIDs, func(x ref) bool { return !t.now.Before(x.Expires) })
	for len(u.SessionIDs) >= maxSessions {
		oldest := u.SessionIDs[0].ID
		u.SessionIDs = u.SessionIDs[1:]
		if err := t.endSession(u, oldest, u.Name, "too many sessions"); err != nil {
			return err
		}
	}
	u.SessionIDs = append(u.SessionIDs, ref{ID: r.ID, Expires: r.Expires})
	t.eventFor(u, Event{Type: EventSignIn, Outcome: success, Method: second(a.Proofs), Session: r.ID})
	if err := t.welcome(u, f, a, p); err != nil {
		return err
	}
	if err := t.saveUser(u); err != nil {
		return err
	}
	return t.issue(u, id, &r, p)
}

// welcome does what a sign-in means for the browser and for what the owner is told.
func (t *tx) welcome(u *userRecord, f *factors, a *attempt, p *Progress) (err error) {
	var isNew bool
	if a.Tokens {
		isNew, u.Welcomed = u.Welcomed, true // it keeps no cookie to know it by, and each time it would be one more browser
	} else if p.Browser, isNew, err = t.knowBrowser(u); err != nil {
		return err
	}
	if t.client.Language != "" {
		u.Language = t.client.Language
	}
	switch {
	case u.Guessed:
		u.Guessed = false
		err = t.notifySignIn(u, NoticeAfterFailures)
	case isNew:
		err = t.notifySignIn(u, NoticeNewBrowser)
	}
	if err != nil {
		return err
	}
	if a.Trust {
		p.Trusted, p.TrustedExpires, err = t.trust(u, f)
	}
	return err
}

// issue draws a new ticket for a session and stores it. A program gets tokens in its place: nobody has the ticket then.
func (t *tx) issue(u *userRecord, id []byte, r *sessionRecord, p *Progress) error {
	ticket, sum := t.s.keys.newTicket(useSession, id)
	r.Secret, r.API, p.SessionID = sum, t.client.API, r.ID
	if r.Remember {
		p.Expires = r.Expires
	}
	if r.Refresh == nil {
		p.Session = ticket
		return t.putSession(r)
	}
	refresh, next := t.s.keys.newTicket(useRefresh, id)
	*r.Refresh = refreshing{Secret: next, Previous: r.Refresh.Secret, Turned: t.now.UTC()}
	tokens, err := t.tokens(u, r, credential.RefreshMark+refresh)
	if err != nil {
		return err
	}
	p.Tokens = &tokens
	return t.putSession(r)
}

// rotate gives a session new proofs and a new ticket. Its end stays where it was: proving more must not keep a session alive for ever
// (SE-10).
func (t *tx) rotate(u *userRecord, a *attempt, p *Progress) error {
	r, found, err := getSession(t, a.Session)
	if err != nil {
		return err
	}
	if !found || r.over(t.now, t.s.cache.lastSeen(r.ID)) {
		return fail(AttemptGone)
	}
	r.Proofs = a.Proofs
	if a.Act == "" {
		t.eventFor(u, Event{Type: EventStepUp, Outcome: success, Method: second(a.Proofs), Session: r.ID})
	}
	return t.renew(u, &r, p)
}

// saveSession stores a session that has changed and keeps its ticket.
func (t *tx) saveSession(r *sessionRecord) error {
	t.changed = append(t.changed, r.ID)
	return t.putSession(r)
}

// putSession writes a running session.
func (t *tx) putSession(r *sessionRecord) error {
	if r.ID == t.recalled {
		r.Handed = nil // also where the record was read before they were taken back
	}
	return put(t, sessionKey(r.ID), r, r.Expires)
}

// renew gives a session another ticket.
func (t *tx) renew(u *userRecord, r *sessionRecord, p *Progress) error {
	id, err := r.idBytes()
	if err != nil {
		return err
	}
	r.LastSeen = t.now.UTC()
	if r.Place == "" {
		r.Place = t.client.place() // it is of before there were any
	}
	t.changed = append(t.changed, r.ID)
	return t.issue(u, id, r, p)
}

func (r *sessionRecord) idBytes() ([]byte, error) {
	id, err := hex.DecodeString(r.ID)
	if err != nil {
		return nil, fmt.Errorf("decoding a session id: %w", err)
	}
	return id, nil
}

// second is the second factor among proofs, or what stood in for it, for events; the newest one, or the first factor when there is none.
func second(proofs []Proof) Method {
	newest, first := Proof{}, Password
	for _, p := range proofs {
		switch {
		case p.Method == Vouched:
			first = Vouched
		case !p.Method.First() && !p.At.Before(newest.At):
			newest = p
		}
	}
	return cmp.Or(newest.Method, first)
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
