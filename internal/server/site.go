// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/forms"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/portal"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// SiteConfig is what one configuration says of one site.
type SiteConfig struct {
	Service   func() (*auth.Service, error) // an error is answered with 503
	Keys      func() (*signing.Keys, error) // the same; nil: there are none, and no Assertion
	Rules     []gate.Rule
	Headers   identity.Config
	Assertion *identity.Assertion // nil: the application gets no signed token
	Forms     *forms.Room         // nil: no form is kept for its sender
	Brand     web.Brand           // what the pages show
	Central   *Central            // where people sign in for other sites too; nil: nowhere
	Create    bool                // whom a handler in front vouches for gets an account, if there is none of the name
	Now       auth.Clock          // nil: time.Now
	Log       *slog.Logger        // nil: nothing is logged
}

// Central is what the configuration says of a central portal.
type Central = portal.Central

// OtherSite is what such a portal is told of an origin.
type OtherSite = portal.Site

// Site guards one site. It is safe for concurrent use.
type Site struct {
	portal  *portal.Portal
	api     *api.API
	gate    *gate.Gate
	forms   *forms.Keeper
	tell    *identity.Teller
	central *Central
}

// NewSite makes a Site. It refuses a missing service, and rules and headers that cannot mean what they say.
func NewSite(cfg SiteConfig) (*Site, error) {
	g, teller, err := cfg.gate()
	if err != nil {
		return nil, err
	}
	p, err := portal.New(portal.Config{
		Service: cfg.Service, Keys: cfg.Keys, Brand: cfg.Brand, Central: cfg.Central, Create: cfg.Create, Now: cfg.Now, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	a, err := api.New(api.Config{Service: cfg.Service, Level: cfg.level(), Create: cfg.Create, Now: cfg.Now, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	s := &Site{portal: p, api: a, gate: g, tell: teller, central: cfg.Central}
	if cfg.Forms != nil {
		s.forms = forms.New(forms.Config{Service: cfg.Service, Room: cfg.Forms, Brand: cfg.Brand, Log: cfg.Log})
	}
	return s, nil
}

// level is what the site asks where no rule says otherwise: a program signs in before anybody knows which rule it will meet.
func (cfg *SiteConfig) level() auth.Level {
	for _, r := range cfg.Rules {
		if r.Match == nil && r.Need.Level != 0 {
			return r.Need.Level
		}
	}
	return auth.LevelTwoFactor
}

func (cfg *SiteConfig) gate() (*gate.Gate, *identity.Teller, error) {
	teller, err := identity.New(cfg.Headers)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Assertion != nil {
		if cfg.Keys == nil {
			return nil, nil, errors.New("an assertion needs keys")
		}
		teller = teller.With(*cfg.Assertion, cfg.Keys)
	}
	g, err := gate.New(gate.Config{Service: cfg.Service, Rules: cfg.Rules, Now: cfg.Now, Brand: cfg.Brand, Log: cfg.Log})
	if err != nil {
		return nil, nil, err
	}
	return g, teller, nil
}

// ErrSessionEnded is the cause for which the context of a request is canceled when its session ends while it runs.
var ErrSessionEnded = errors.New("the session has ended")

// Next is what stands behind a Site. The session is nil where a rule skips the sign-in.
type Next func(http.ResponseWriter, *http.Request, *auth.Session) error

// ServeHTTP answers a request of ours, refuses it, or hands it to next, whose error it returns. The error of a matcher is returned
// too, with nothing written, because it may carry a status that only the caller understands. There is one call of next, at the end
// of the one path on which the gate said so: whatever else happens, a panic included, does not come to it.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request, v visit.Visit, next Next) error {
	switch {
	case strings.HasPrefix(v.URL.Path, api.Root):
		s.api.ServeHTTP(w, r, v)
		return nil
	case isOurs(v):
		s.portal.ServeHTTP(w, r, v)
		return nil
	}
	var form *forms.Kept // one that its sender has kept, and that has taken the place of the request
	if s.forms.Returns(r) {
		var answered bool
		if form, answered = s.forms.Take(w, r, v); answered {
			return nil
		}
		defer form.Release()
	}
	d := s.gate.Check(r, v)
	if d.Pass {
		return s.pass(w, r, v, d.Session, form, next)
	}
	return s.refuse(w, r, v, d, form)
}

// refuse answers a request that the gate did not let pass. A form that only lacks a proof of its sender is offered to be sent again.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, v visit.Visit, d gate.Decision, form *forms.Kept) error {
	if d.Reason == gate.MatcherFailed {
		s.tell.Strip(r) // the caller's error pages may be an application too
		return d.Err
	}
	if form == nil && d.WantsProof() {
		form = s.forms.Keep(w, r, v, d.Session)
		defer form.Release()
	}
	s.gate.Refuse(w, r, v, d, form.Hold())
	return nil
}

// Explain says what ServeHTTP would decide about a request if it came from who, nil for a stranger, and why. ours tells that a page of
// ours answers it, to which no rule applies.
func (s *Site) Explain(r *http.Request, v visit.Visit, who *auth.Session) (e gate.Explanation, ours bool) {
	if isOurs(v) {
		return e, true
	}
	return s.gate.Explain(r, v, who), false
}

func isOurs(v visit.Visit) bool { return strings.HasPrefix(v.URL.Path, visit.Prefix) }

// pass hands a request on. One with a session ends with it, which is how a WebSocket or a stream is closed when somebody signs out: its
// context is canceled, for whoever looks at that, and what is written from then on fails, for whoever does not, such as a file server
// in the middle of a file.
//
// What is told and taken away goes into the request that we were given, not into a copy: where next fails, the caller's error pages
// get that one, and they may be an application too. For the same reason no cookie of ours stays among the headers of an answer that
// next left to the caller.
//
// Where the signed token cannot be made the request goes no further: without it an application that checks could not tell it from one
// that came around the gate.
func (s *Site) pass(w http.ResponseWriter, r *http.Request, v visit.Visit, session *auth.Session, form *forms.Kept, next Next) error {
	if err := s.tell.Tell(r, session, v); err != nil {
		s.gate.RefuseUntold(w, r, v, err, form.Hold())
		return nil
	}
	if form != nil {
		if !s.forms.Pass(w, r, v, form, session) {
			return nil
		}
		form.Release() // the application may take its time
	}
	if session != nil {
		ctx, cancel := context.WithCancelCause(r.Context())
		stop := session.Watch(func() { cancel(ErrSessionEnded) })
		defer cancel(nil)
		defer stop()
		r = r.WithContext(ctx)
	}
	guard := identity.GuardResponse(r.Context(), w)
	err := next(guard, r, session)
	visit.StripSetCookies(w.Header())
	if err == nil && !guard.Sent() && v.AtPortal && r.Method == http.MethodGet && v.URL.Path == "/" {
		web.See(w, visit.Prefix+"account") // nothing else is there: whoever has signed in at the portal itself is not shown an empty page
	}
	return err
}
