// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package gate answers one question per proxied request: may it pass, or must its sender sign in, prove more, or go away? Check
// decides and Refuse tells the sender in the words that a page, a script or a gRPC client understands.
//
// The rules of the site say what a request needs; package auth says who somebody is and whether that is enough. The gate adds what
// only it can see: that a path may mean something else to the application than to the rules, that a WebSocket was opened by a
// foreign page, that a connection cannot carry a cookie. It writes nothing, keeps nothing for a stranger, never reads a body, and
// whatever it does not understand it refuses.
//
// Another proxy may ask about a request that it serves itself (forward-auth): then the question is first made into the request that the
// visitor sent, and the same Check decides about that one. Explain is Check for a request that somebody thinks of, with the reasons.
//
// Read path.go for ambiguous paths, rule.go for the rules, refuse.go for the answers, forward.go for what proxies ask and
// forward_refuse.go for what they understand, explain.go for the reasons. What a program presents in place of a cookie is read in package
// visit and judged in package auth; here it is decided that nothing else counts beside it.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// Config is what a Gate stands on.
type Config struct {
	Service func() (*auth.Service, error) // an error is answered with 503
	Rules   []Rule                        // in written order; none: everybody proves two factors
	Now     auth.Clock                    // nil: time.Now
	Brand   web.Brand                     // what the pages show
	Log     *slog.Logger                  // nil: nothing is logged
}

// Gate guards one site. It is safe for concurrent use.
type Gate struct {
	rules     []rule // those with a matcher
	byDefault Rule
	now       auth.Clock
	brand     web.Brand
	realm     string // for WWW-Authenticate, quoted
	log       *slog.Logger
	logged    visit.Throttle // of an unavailable store

	// session finds who a cookie value belongs to: nil for nobody. An empty value is nobody's, unless there is no service to say so.
	session func(ctx context.Context, a auth.Asker, value string) (*auth.Session, error)
	// bearer finds who has presented a token, which is not empty.
	bearer func(ctx context.Context, a auth.Asker, token string) (*auth.Session, error)
}

// rule is a Rule and what New found out about it.
type rule struct {
	Rule
	relaxes bool // somebody may satisfy it who does not satisfy the default
}

// New makes a Gate. It refuses a Config without a service, and rules that cannot mean what they say; the error names the
// rule by its Text.
func New(cfg Config) (*Gate, error) {
	if cfg.Service == nil {
		return nil, errors.New("a gate needs a service")
	}
	ordered, byDefault, err := arrange(cfg.Rules)
	if err != nil {
		return nil, err
	}
	g := &Gate{byDefault: byDefault, now: cfg.Now, brand: cfg.Brand, log: cfg.Log}
	for _, o := range ordered {
		g.rules = append(g.rules, rule{o, !o.Covers(&byDefault)})
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.realm = realm(g.brand.String())
	g.session = func(ctx context.Context, a auth.Asker, value string) (*auth.Session, error) {
		svc, err := cfg.Service()
		if err != nil || value == "" {
			return nil, err
		}
		return svc.Session(ctx, a, value)
	}
	g.bearer = func(ctx context.Context, a auth.Asker, token string) (*auth.Session, error) {
		svc, err := cfg.Service()
		if err != nil {
			return nil, err
		}
		return svc.Bearer(ctx, a, token)
	}
	return g, nil
}

// Reason says why a request was refused.
type Reason int

const (
	ByRule        Reason = iota // the Verdict says it
	BadHost                     // the host is missing or no host name
	BadMethod                   // CONNECT or TRACE
	MatcherFailed               // Err is the error of a matcher
	Exposed                     // the connection cannot keep a cookie secret
	TooEarly                    // TLS early data, which somebody may be playing back
	Unavailable                 // Err says why nobody could be asked who this is
	ForeignOrigin               // a page of another site opens a WebSocket with this person's cookie

	// What follows is about a question of a proxy, see Proxy.
	Untrusted   // who asks is no proxy that is trusted
	Malformed   // the question does not say which request it is about, or says two things
	Unprotected // the host of the request is not one that this site answers for
	OwnPath     // the request is for a page of ours, which no proxy lets through or keeps away: it sends it here
)

// Decision is the answer of Check. Its zero value refuses.
type Decision struct {
	// Pass alone says whether the request goes to the application.
	Pass bool
	// Session is who asks. It is nil for a stranger, and always when a rule skips the request.
	Session *auth.Session
	// Verdict says what is missing when Reason is ByRule.
	Verdict auth.Verdict
	// Need is the requirement that Verdict is about.
	Need auth.Requirement
	// Rule is the rule that decided; nil when it did not come to that.
	Rule   *Rule
	Reason Reason
	// Presented says that a program asks, which has presented something of ours, good or bad. No cookie was looked at.
	Presented bool
	// Err is the cause with MatcherFailed and Unavailable, unchanged. A matcher of Caddy may fail with a status of its own, such as
	// 425 from the IP matchers: package gate does not know Caddy's error type, so a caller that does returns Err instead of
	// calling Refuse when Reason is MatcherFailed. Where a program has presented something that opens nothing, it says why, for the log
	// alone.
	Err error
}

// WantsProof tells whether the request would pass once the person who has sent it has proven who they are, or something more.
func (d *Decision) WantsProof() bool {
	return !d.Pass && !d.Presented && d.refusal().status == http.StatusUnauthorized
}

// Check decides about a request. It writes nothing and logs nothing.
//
// The first rule that matches counts, or the default when none does. A rule that skips is believed before anybody is asked who this
// is, so that what it opens stays open while the store is down. See ambiguous for the requests whose path cannot be trusted.
func (g *Gate) Check(r *http.Request, v visit.Visit) Decision { return g.decide(r, v, nil) }

// decide is Check, and notes what becomes of the rules for whoever asks why.
func (g *Gate) decide(r *http.Request, v visit.Visit, why *trail) Decision {
	switch {
	case !visit.ValidHost(r.Host):
		return Decision{Reason: BadHost}
	case !validMethod(r):
		return Decision{Reason: BadMethod}
	case Ambiguous(r, v):
		return g.ambiguous(r, v, why)
	}
	found := &g.byDefault
	for i := range g.rules {
		rule := &g.rules[i].Rule
		ok, err := rule.Match(r)
		if err != nil {
			why.note(rule, Failed)
			return Decision{Reason: MatcherFailed, Rule: rule, Err: err}
		}
		if ok {
			found = rule
			break
		}
		why.note(rule, Missed)
	}
	why.note(found, Matched)
	switch found.Action {
	case Require:
		return g.require(r, v, false, found)
	case Skip:
		return Decision{Pass: true, Verdict: auth.Pass, Rule: found}
	}
	return denied(found)
}

func denied(by *Rule) Decision { return Decision{Verdict: auth.Forbidden, Rule: by} }

// ambiguous decides about a request whose path the application may read in a way that the rules cannot foresee (section PC of the
// attack catalogue; Envoy CVE-2019-9901, Traefik CVE-2025-66490, oauth2-proxy CVE-2026-41059). Whatever the application makes of it,
// the request must have met what the site asks for there:
//
//   - A rule bound to the path may be the one for the application's reading. It is not asked, but what it requires is required, and
//     when it denies, the request is denied.
//   - A rule that is not bound to the path is asked, since its answer is the same for every reading. What it requires is required.
//     No rule after it can be meant, so the walk ends there, unless the rule relaxes the default.
//   - A rule that skips is passed over. It and every other rule that relaxes leave the default standing, which is added at the end.
//
// So no rule that opens a door decides here, and the session must satisfy all that was collected.
func (g *Gate) ambiguous(r *http.Request, v visit.Visit, why *trail) Decision {
	var few [8]*Rule
	needed := few[:0]
	for i := range g.rules {
		rule := &g.rules[i]
		if rule.Action == Skip {
			why.note(&rule.Rule, PassedOver)
			continue
		}
		if !rule.PathBound {
			ok, err := rule.Match(r)
			if err != nil {
				why.note(&rule.Rule, Failed)
				return Decision{Reason: MatcherFailed, Rule: &rule.Rule, Err: err}
			}
			if !ok {
				why.note(&rule.Rule, Missed)
				continue
			}
			why.note(&rule.Rule, Matched)
		} else {
			why.note(&rule.Rule, Assumed)
		}
		if rule.Action == Deny {
			return denied(&rule.Rule)
		}
		needed = append(needed, &rule.Rule)
		if !rule.PathBound && !rule.relaxes {
			return g.require(r, v, true, needed...)
		}
	}
	why.note(&g.byDefault, Matched)
	if g.byDefault.Action == Deny {
		return denied(&g.byDefault)
	}
	return g.require(r, v, true, append(needed, &g.byDefault)...)
}

// require lets through whoever satisfies all of the rules.
func (g *Gate) require(r *http.Request, v visit.Visit, ambiguous bool, rules ...*Rule) Decision {
	d := Decision{Rule: rules[0]}
	credential, presented := visit.Presented(r.Header)
	d.Presented = presented
	if v.Transport == visit.Exposed {
		d.Reason = Exposed
		return d
	}
	var err error
	if presented {
		d.Session, err = g.program(r, v, ambiguous, credential)
	} else {
		d.Session, err = g.person(r, v)
	}
	// Only NotSignedIn means a stranger; any other failure means that nobody knows, and is never taken for "signed out" (ST-11).
	switch {
	case err == nil:
	case auth.KindOf(err) != auth.NotSignedIn:
		d.Reason, d.Err = Unavailable, fmt.Errorf("looking up a session: %w", err)
		return d
	case presented && visit.Early(r):
		d.Reason, d.Err = TooEarly, err // where it comes from is known then, which may be what it lacked
		return d
	case presented:
		d.Err = err
	}
	now := g.now()
	d.Verdict = auth.Pass
	for _, rule := range rules {
		if verdict := rule.Need.Judge(d.Session, now); worse(verdict, d.Verdict) {
			d.Verdict, d.Rule, d.Need = verdict, rule, rule.Need
		}
	}
	switch {
	case d.Verdict != auth.Pass:
	case early(r):
		d.Reason = TooEarly
	case upgrades(r) && fromForeignPage(r, v), credential.Basic && !visit.SameOrigin(r, v):
		d.Reason = ForeignOrigin // a browser sends a password along that it once was given, as it does with a cookie
	default:
		d.Pass = true
	}
	return d
}

// person finds the session of a browser: nil for a stranger, and where a handler in front vouches for somebody else.
func (g *Gate) person(r *http.Request, v visit.Visit) (*auth.Session, error) {
	value, ok := v.Cookie(r, visit.Session)
	if !ok {
		value = ""
	}
	return g.session(r.Context(), auth.Asker{Host: v.Host, Vouched: v.Vouched}, value)
}

// program finds the session of what a program presents. An access key is for some requests only: which they are is said of the path that the
// visitor asked for, not of what the site's rewrites make of it.
func (g *Gate) program(r *http.Request, v visit.Visit, ambiguous bool, c visit.Credential) (*auth.Session, error) {
	if c.Token == "" {
		return nil, errUnclear
	}
	a := auth.Asker{
		Host: v.Host, Vouched: v.Vouched, Home: v.Home(),
		Method: methodOf(r), Address: v.Address, Ambiguous: ambiguous,
		Basic: c.Basic, User: c.User,
	}
	if visit.Early(r) {
		// Anybody can write any address on a datagram, and before the end of the handshake nobody has shown that they are there (RFC 9000
		// section 8.1): a key for a network would be one for the whole world, as long as its holder needs no answer.
		a.Address = netip.Addr{}
	}
	if v.URL != nil {
		a.Path = v.URL.Path
	}
	if to := r.Header["Destination"]; len(to) > 0 {
		var plain bool
		a.Destination, plain = destination(to)
		a.Ambiguous = a.Ambiguous || !plain
	}
	return g.bearer(r.Context(), a, c.Token)
}

// errUnclear is what is presented in a way that can be read as two things, or as none.
var errUnclear error = &auth.Error{Kind: auth.NotSignedIn, Detail: "what was presented is not one whole token in one place"}

// worse orders verdicts of one session by what to say first: that somebody is not admitted, before asking them to prove anything.
func worse(a, b auth.Verdict) bool {
	if a == auth.Forbidden || b == auth.Forbidden {
		return b != auth.Forbidden
	}
	return a < b
}
