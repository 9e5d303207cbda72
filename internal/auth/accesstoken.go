// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/signing"
)

// A session of a program goes on with two tokens in place of a cookie. The access token is a JWT that lives for a few minutes and is sent with
// each request; whoever has the public keys can read it, and the gate looks besides whether its session is alive. The refresh token is a
// ticket for the next pair, and each use draws the next one. One that comes a second time has been copied, and whichever of the two came
// first, the session ends (RFC 9700 §4.14.2; OA-6).

const (
	accessLife = signing.MaxTokenLife
	useRefresh = "refresh"

	// refreshGrace is how long the refresh token before the newest still leads to the newest: two parts of one program that find the
	// access token over at the same time are no thieves.
	refreshGrace = 10 * time.Second

	// clockLeeway is how far the clock may have been set back since a token was made.
	clockLeeway = 5 * time.Second
)

// Tokens are what a program goes on with.
type Tokens struct {
	Access        string
	AccessExpires time.Time
	Refresh       string    // opaque; good for one use
	Expires       time.Time // the end of the session, whatever happens: no refresh goes beyond it
}

// refreshing is how a program's session goes on.
type refreshing struct {
	Secret   []byte    `json:"secret"`             // SHA-256 of the refresh token that comes next
	Previous []byte    `json:"previous,omitempty"` // and of the one before, for a moment
	Turned   time.Time `json:"turned"`             // when it took that one's place
}

// accessClaims are the claims of an access token (RFC 9068, without client_id: there are no registered clients).
type accessClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	Expires   int64    `json:"exp"`
	Issued    int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	ID        string   `json:"jti"`
	Session   string   `json:"sid"`
	Version   string   `json:"ver"` // of the session: proving more makes another one, and the older tokens are dead (SE-3)
	AMR       []string `json:"amr"`
	AuthTime  int64    `json:"auth_time"`
	UserName  string   `json:"preferred_username"`
}

// issuer and audience name us in access tokens: the gate and the API where people sign in at home. An audience is never that of an
// application, so no access token passes for what an application is told (ASVS 9.2.3).
func issuer(home string) string   { return home + "/_nightlatch" }
func audience(home string) string { return issuer(home) + "/api" }

// tokenVersion is what an access token is bound to: the ticket that nobody has, which is drawn anew with each proof.
func (r *sessionRecord) tokenVersion() string { return hex.EncodeToString(r.Secret[:8]) }

// tokens makes an access token for a session, beside its refresh token.
func (t *tx) tokens(u *userRecord, r *sessionRecord, refresh string) (Tokens, error) {
	expires := t.now.Add(accessLife)
	if r.Expires.Before(expires) {
		expires = r.Expires
	}
	proven := (&Session{Proofs: r.Proofs}).ProvenAt()
	if proven.IsZero() {
		proven = r.Created
	}
	home := t.client.Home
	access, err := t.s.sign.Sign(signing.EdDSA, signing.AccessToken, accessClaims{
		Issuer: issuer(home), Subject: u.ID, Audience: audience(home), Expires: expires.Unix(), Issued: t.now.Unix(), NotBefore: t.now.Unix(),
		ID: newID(), Session: r.ID, Version: r.tokenVersion(), AMR: AMR(r.Proofs), AuthTime: proven.Unix(), UserName: u.Name,
	})
	return Tokens{Access: access, AccessExpires: expires, Refresh: refresh, Expires: r.Expires}, err
}

// AMR is what was proven in the words of RFC 8176 where it has one, and ours elsewhere: a code by mail is no "otp" of RFC 4226 or 6238, a
// webhook is not known to be "sms", and a trusted browser has typed no second factor, so it makes no "mfa".
func AMR(proofs []Proof) []string {
	names := make([]string, 0, len(proofs)+1)
	for _, p := range proofs {
		names = append(names, p.Method.amr())
	}
	if slices.ContainsFunc(proofs, func(p Proof) bool { return p.Method.Second() }) {
		names = append(names, "mfa")
	}
	return names
}

// maxBearer bounds what a program presents, in bytes.
const maxBearer = 2 << 10

// Bearer returns the session behind what a program presents: an access token or an access key. As Session, it costs one SHA-256 and one
// look-up for what is in memory, writes nothing, and takes no lock that all requests share. Errors are NotSignedIn, whatever is wrong with
// the token, and Unavailable. Where an access key is good and the request is not what it is for, the error has a Detail, for the log alone.
func (s *Service) Bearer(ctx context.Context, a Asker, token string) (*Session, error) {
	if credential.IsKey(token) {
		return s.accessKey(ctx, a, token)
	}
	return s.accessToken(ctx, a, token)
}

// accessTokenSpace begins what is hashed for the place of an access token in the cache, so that the same text as a cookie is another one.
const accessTokenSpace = "access token\x00"

// accessToken is Bearer for an access token.
func (s *Service) accessToken(ctx context.Context, a Asker, token string) (*Session, error) {
	if len(token) > maxBearer {
		return nil, errNotSignedIn // a longer one would be cut to a place that is another's
	}
	var buf [len(accessTokenSpace) + maxBearer]byte
	n := copy(buf[:], accessTokenSpace)
	n += copy(buf[n:], token)
	key := sha256.Sum256(buf[:n])
	now := s.now()
	if x := s.cache.get(key); x != nil {
		if now.Before(x.until) && x.home == a.Home && s.opens(x.place, a.Host) && fits(x.Proofs, x.Name, a.Vouched) && x.live.use(now, x.Expires, x.Idle) {
			return x, nil
		}
		return nil, errNotSignedIn
	}
	said, ok := s.readAccessToken(a, token, now)
	if !ok {
		return nil, errNotSignedIn
	}
	home := a.Home // alone, or a would be on the heap for those in memory too
	return s.read(ctx, a, key, said.Session, now, func(x *Session, r *sessionRecord) bool {
		x.place, x.sum, x.Proofs, x.Program, x.until, x.home = r.Place, r.Secret, r.Proofs, true, time.Unix(said.Expires, 0), home
		return said.opens(r)
	})
}

// opens tells whether a token is of a session as it is now.
func (c *accessClaims) opens(r *sessionRecord) bool {
	return r.Refresh != nil && r.UserID == c.Subject && subtle.ConstantTimeCompare([]byte(r.tokenVersion()), []byte(c.Version)) == 1
}

// readAccessToken reads a token that is ours, for here, and good by the clock. Every claim that it is judged by must be there (JW-3, JW-6).
func (s *Service) readAccessToken(a Asker, token string, now time.Time) (said *accessClaims, ok bool) {
	said = new(accessClaims)
	payload, err := s.sign.VerifyAccessToken(token)
	if err != nil || json.Unmarshal(payload, said) != nil {
		return said, false
	}
	at, leeway := now.Unix(), int64(clockLeeway/time.Second)
	return said, said.Issuer == issuer(a.Home) && said.Audience == audience(a.Home) && said.Session != "" && said.Subject != "" &&
		said.Issued > 0 && said.NotBefore > 0 && at < said.Expires && said.NotBefore <= at+leeway && said.Issued <= at+leeway
}

// Refresh takes a refresh token for the next pair. It proves nothing anew and does not move the end of the session (OA-9). The token
// before the newest leads to the newest for refreshGrace; an older one, or one after that, ends the session.
//
// Errors are NotSignedIn, whatever is wrong with the token, and TooManyTries.
func (s *Service) Refresh(ctx context.Context, c Client, token string) (pair Tokens, err error) {
	ticket, id, sum, ok := s.openRefresh(token)
	if !ok {
		return pair, errNotSignedIn
	}
	err = s.update(ctx, c, func(t *tx) error {
		r, u, err := t.running(id)
		if err != nil {
			return err
		}
		if u == nil || r.Refresh == nil || !s.opens(r.Place, c.Host) || !fits(r.Proofs, u.Name, c.Vouched) {
			return errNotSignedIn
		}
		next, after := s.keys.nextTicket(useRefresh, ticket)
		since := t.now.Sub(r.Refresh.Turned) // less than nothing where the act that began later was stored first, or the clock was set back
		switch {
		case subtle.ConstantTimeCompare(sum, r.Refresh.Secret) == 1:
			*r.Refresh = refreshing{Secret: after, Previous: sum, Turned: t.now.UTC()}
		case subtle.ConstantTimeCompare(sum, r.Refresh.Previous) != 1 || since.Abs() >= refreshGrace:
			if err := t.signOut(&r, EventTokenCopied, ""); err != nil {
				return err
			}
			return t.refuse(errNotSignedIn)
		case subtle.ConstantTimeCompare(after, r.Refresh.Secret) != 1:
			return errNotSignedIn // a proof has drawn another one meanwhile, which only its answer holds
		}
		if _, err := t.reserve([]limit{refreshLimit(r.ID)}); err != nil {
			return err
		}
		r.LastSeen = t.now.UTC()
		if pair, err = t.tokens(u, &r, credential.RefreshMark+next); err != nil {
			return err
		}
		return t.saveSession(&r)
	})
	if err != nil {
		return Tokens{}, err
	}
	return pair, nil
}

// openRefresh reads a refresh token: the ticket in it, and what that says.
func (s *Service) openRefresh(token string) (ticket, id string, sum []byte, ok bool) {
	ticket, marked := strings.CutPrefix(token, credential.RefreshMark)
	id, sum, ok = s.keys.openTicket(useRefresh, ticket)
	return ticket, id, sum, ok && marked
}

// RevokeToken ends the session of a refresh token, any that it has had, and is done when there is none (RFC 7009).
func (s *Service) RevokeToken(ctx context.Context, c Client, token string) error {
	_, id, _, ok := s.openRefresh(token)
	if !ok {
		return nil
	}
	return s.update(ctx, c, func(t *tx) error {
		r, found, err := getSession(t, id)
		if err != nil || !found {
			return err
		}
		return t.signOut(&r, EventSignOut, "")
	})
}
