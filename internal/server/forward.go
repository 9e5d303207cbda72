// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// Served is a site that another proxy serves: that one asks about each request before it lets it pass. It is safe for concurrent use.
//
// The pages for its people are those of the Site that answers the questions; the proxy sends visit.Prefix of each host there.
type Served struct {
	gate *gate.Gate
	tell *identity.Teller
}

// NewServed makes a Served. It refuses the same as NewSite.
func NewServed(cfg SiteConfig) (*Served, error) {
	g, t, err := cfg.gate()
	if err != nil {
		return nil, err
	}
	return &Served{gate: g, tell: t}, nil
}

// Answer tells a proxy whether the original request may pass, and of whom it is. v is the visit of the original. A failed matcher is
// an answer here, and not an error as with a Site: what a server makes of an error could be 2xx, which says that the request may pass.
// The error is returned for the log, with the answer written.
func (s *Served) Answer(p gate.Proxy, w http.ResponseWriter, question, original *http.Request, v visit.Visit) (*auth.Session, error) {
	d := gate.Decision{Reason: gate.OwnPath}
	if !isOurs(v) {
		d = s.gate.Check(original, v)
	}
	if !d.Pass {
		s.gate.RefuseTo(p, w, question, original, v, d)
		if d.Reason == gate.MatcherFailed {
			return nil, d.Err
		}
		return nil, nil
	}
	if err := s.tell.Answer(w.Header(), original.Header, d.Session, v); err != nil {
		s.gate.RefuseUntoldTo(p, w, question, original, v, err)
		return nil, nil
	}
	p.Allow(w, question)
	// What has left is not in this map any more, but Caddy writes it into the access log as the header of the answer (LG-1).
	w.Header().Del(identity.AssertionHeader)
	return d.Session, nil
}

// Explain says what Answer would decide about a request if it came from who, nil for a stranger, and why. ours tells that it is for a page
// of ours, about which no proxy should ask.
func (s *Served) Explain(original *http.Request, v visit.Visit, who *auth.Session) (e gate.Explanation, ours bool) {
	if isOurs(v) {
		return e, true
	}
	return s.gate.Explain(original, v, who), false
}
