// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package identity is what the application is told: who the visitor is, in four request headers and, where a site wants it, in a signed
// token, and nothing else that would pass for such a statement.
//
// Half of the applications that read these headers do not ask who sent them, so taking away what the client sent is as much the work as
// adding ours, and it happens on every request that goes on, signed in or not.
//
// Teller.Tell does all of it to a request, in one place, so that no path to the application can do half; Teller.Answer tells the same to a
// proxy that asks. GuardResponse is the way back: the application cannot plant, replace or clear our cookies. The package does not decide
// who may pass, and between requests it keeps nothing but texts with the session that they are made of.
//
// Read names.go for which headers are taken away and which are left alone, and why, presets.go for what well-known applications read,
// assertion.go for the token.
package identity

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// Config names the headers that tell the application who the visitor is. A name that is empty is not sent.
type Config struct {
	User      string // the canonical user name
	Name      string // the display name, in UTF-8
	Email     string
	Groups    string
	Separator Separator // of the groups
}

// Separator is what stands between two groups. No group has one in its name, or one of them could claim to be two.
type Separator int

// The separators that applications split at.
const (
	Comma Separator = iota
	Pipe
)

// Defaults are the names that most applications with a switch for it read.
var Defaults = Config{User: "Remote-User", Name: "Remote-Name", Email: "Remote-Email", Groups: "Remote-Groups"}

// What the application can be told, as indices of headers.
const (
	user = iota
	fullName
	email
	groups
	token // where there is an Assertion
)

// headers holds something for each header of ours.
type headers [token + 1]string

// Teller tells the application who the visitor is. It is safe for many goroutines.
type Teller struct {
	names     headers // canonical; empty: it is not sent
	separator Separator
	assertion *signed // nil: no token
	claims
}

// New checks the names and makes a Teller. It refuses a name that a proxy or server on the way would change, drop or understand
// otherwise: one with anything but letters, digits and hyphens, one that frames or routes the message, and two names that some
// application would take for the same.
func New(c Config) (*Teller, error) {
	t := &Teller{names: headers{user: c.User, fullName: c.Name, email: c.Email, groups: c.Groups}, separator: c.Separator}
	seen := map[string]string{}
	for i, name := range t.names {
		if name == "" {
			continue
		}
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("identity header %q: %w", name, err)
		}
		key := foldString(name)
		if other, taken := seen[key]; taken {
			return nil, fmt.Errorf("identity header %q: the same as %q", name, other)
		}
		seen[key] = name
		t.names[i] = textproto.CanonicalMIMEHeaderKey(name)
	}
	t.claims = newClaims(t.names[:])
	return t, nil
}

// With returns a Teller that sends a signed token too. keys is asked on each request.
func (t *Teller) With(a Assertion, keys func() (*signing.Keys, error)) *Teller {
	with := *t
	with.assertion, with.names[token] = &signed{a, keys}, AssertionHeader
	return &with
}

// Tell makes the request fit for the application. It strips it of what claims an identity. Then it sets our headers, each once, or not
// at all where the session has no value. A nil session only takes away. It changes r in place and must be the last to do so before the
// application's handlers; our own cookies are read before.
//
// An error means that the signed token could not be made. Then nothing is set, and the request must not go on: an application that
// checks the token would be told less than it may count on. Without an Assertion, or a session, there is none.
//
// The values have an array of their own on each request. Handlers behind us may change a header value in place, and one that two
// requests shared would carry one person's name into the other's request (CVE-2026-71326 in a peer).
//
// A value with a control character is left out. None should exist, but one with a line break would be a header of its own.
func (t *Teller) Tell(r *http.Request, s *auth.Session, v visit.Visit) error {
	t.Strip(r)
	if s == nil {
		return nil
	}
	values, err := t.values(s, v)
	if err != nil {
		return err
	}
	for i, name := range t.names {
		if name != "" && values[i] != "" {
			r.Header[name] = values[i : i+1 : i+1]
		}
	}
	return nil
}

// Strip takes away every header that claims an identity, in any spelling; our cookies, and what a program presents in their place, good or
// bad; every token in Connection but an upgrade; and all trailers, those that arrive after the body too.
func (t *Teller) Strip(r *http.Request) {
	for name := range r.Header {
		if t.claims.match(name) {
			delete(r.Header, name)
		}
	}
	visit.StripCookies(r.Header)
	visit.StripAuthorization(r.Header)
	tameConnection(r.Header)
	dropTrailers(r)
}

// values is what there is to tell of a session, nil for nobody's. What cannot stand in a header is empty.
func (t *Teller) values(s *auth.Session, v visit.Visit) (values headers, err error) {
	if s == nil {
		return values, nil
	}
	values = headers{user: s.Name, fullName: s.FullName, email: s.Email, groups: t.groups(s)}
	if t.assertion != nil {
		if values[token], err = t.assertion.token(s, v); err != nil {
			return headers{}, err
		}
	}
	for i, value := range values {
		if !sendable(value) {
			values[i] = ""
		}
	}
	return values, nil
}

// groups is the list as the application splits it, put together once for each snapshot of a session.
func (t *Teller) groups(s *auth.Session) string {
	if t.separator == Comma {
		return s.GroupList
	}
	key := auth.CacheKey{Kind: "groups", For: pipe}
	list, ok := s.Cached(key, time.Time{})
	if !ok {
		list = strings.Join(s.Groups, pipe)
		s.CacheForGood(key, list)
	}
	return list
}

const pipe = "|"

// Answer writes what Tell would make of the visitor's headers into the header of the answer to a proxy that asked about a request, and
// that serves the application itself (forward-auth). It is complete as the header of an answer without a body.
//
// Each of our headers is there, empty where the session has no value and where there is no session: a proxy that copies only what it
// finds would leave the visitor's own line to the application (FA-14, ID-4; Caddy CVE-2026-30851). For the one that never does,
// gate.Proxy.Allow leaves out what is empty. What else claims somebody, the proxy has to take away, since nothing in an answer can.
// Cookie holds the visitor's cookies without ours, for proxies that put it in the place of the visitor's (ID-12), and Authorization what
// the visitor has sent there, but for ours. It is empty where that was ours, and not there where the visitor has sent none: some proxies
// would make an empty line of it, and some applications an error of that. No cache may keep any of it for another visitor or another
// request (FA-13).
//
// An error is the one of Tell, with nothing written.
func (t *Teller) Answer(answer, visitor http.Header, s *auth.Session, v visit.Visit) error {
	values, err := t.values(s, v)
	if err != nil {
		return err
	}
	// Each answer has its own, as in Tell, and all of it at once.
	own := &struct {
		values                        headers
		cookie, caching, vary, length [1]string
	}{values, [1]string{visit.OtherCookies(visitor)}, [1]string{"no-store"}, [1]string{"Cookie, Authorization"}, [1]string{"0"}}
	for i, name := range t.names {
		if name != "" {
			answer[name] = own.values[i : i+1 : i+1]
		}
	}
	answer["Cookie"] = own.cookie[:]
	if others := visit.OtherAuthorization(visitor); others != nil {
		answer["Authorization"] = others
	}
	answer["Cache-Control"] = own.caching[:]
	answer["Vary"] = own.vary[:]
	answer["Content-Length"] = own.length[:]
	return nil
}

// sendable tells whether a value can stand in a header (RFC 9110 §5.5).
func sendable(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] == 0x7f {
			return false
		}
	}
	return true
}

func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("longer than %d bytes", maxName)
	}
	for i := range len(name) {
		if !isAlphanumeric(name[i]) && name[i] != '-' {
			return errors.New("use letters, digits and hyphens only: servers disagree about other characters")
		}
	}
	if !isLetter(name[0]) || name[len(name)-1] == '-' {
		return errors.New("begin with a letter and do not end with a hyphen")
	}
	if reserved[foldString(name)] {
		return errors.New("HTTP or the proxy uses this header itself")
	}
	if foldString(name) == foldString(AssertionHeader) {
		return errors.New("only the signed token is sent under this name; the word assertion turns it on")
	}
	return nil
}

// reserved are the headers that frame, route or authenticate a message, that proxies drop on the way, or that Caddy sets anew.
var reserved = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-authenticate": true, "proxy-authorization": true, "proxy-connection": true,
	"te": true, "trailer": true, "transfer-encoding": true, "upgrade": true, "http2-settings": true, "proxy": true,
	"host": true, "content-length": true, "content-type": true, "content-encoding": true, "expect": true, "range": true,
	"authorization": true, "cookie": true, "set-cookie": true, "origin": true, "referer": true, "user-agent": true, "accept": true,
	"forwarded": true, "via": true, "x-forwarded-for": true, "x-forwarded-host": true, "x-forwarded-proto": true,
}
