// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var secondFactorForm = purpose{name: "second-factor", cookie: visit.Attempt}

func showSecondFactor(q *request) {
	if a, ok := q.at(auth.StepCode); ok {
		q.show(http.StatusOK, q.secondFactorPage(a, q.query, ""))
	}
}

func secondFactor(q *request) {
	a, ok := q.at(auth.StepCode)
	if !ok {
		return
	}
	method, code := auth.Method(q.form.Get("method")), q.form.Get("code")
	take := q.auth.Code
	if q.form.Get("trust") == "yes" {
		take = q.auth.CodeAndTrust
	}
	p, err := take(q.Context(), q.client(), q.ticket, method, unspaced(code))
	if err != nil {
		q.refuse(err, method, func(problem string) web.Page {
			page := q.secondFactorPage(a, q.form, problem)
			page.Wrong = true
			return page
		})
		return
	}
	q.proceed(p)
}

var sendSecondFactorForm = purpose{name: "second-factor/send", page: "second-factor", cookie: visit.Attempt}

// sendSecondFactor has a code sent by one of the ways of a person, to where that way leads (OT-11).
func sendSecondFactor(q *request) {
	a, ok := q.at(auth.StepCode)
	if !ok {
		return
	}
	method, factor := q.form.Get("method"), q.form.Get("factor")
	if err := q.auth.SendCode(q.Context(), q.client(), q.ticket, auth.Method(method), factor); err != nil {
		q.refuse(err, auth.Method(method), func(problem string) web.Page { return q.secondFactorPage(a, q.form, problem) })
		return
	}
	q.see("second-factor?" + url.Values{"method": {method}, "factor": {factor}}.Encode())
}

// turnsOff tells whether what a person proves turns two-factor sign-in off. The page has to say so: whoever comes back to it from elsewhere
// would take it for one more step-up.
func turnsOff(a *auth.AttemptView) bool { return a.Act == auth.EventTwoFactorDisabled }

// secondFactorPage asks by the way that the values name, else by the one for which a code is on its way, else by the best. Neither an
// address nor a form can name one that is not the person's.
func (q *request) secondFactorPage(a *auth.AttemptView, named url.Values, problem string) web.SecondFactor {
	page := web.SecondFactor{
		Frame:     q.frame(),
		Form:      q.formFor(secondFactorForm, problem),
		UserName:  a.UserName,
		OtherKind: a.OtherKind,
		StepUp:    a.StepUp,
		TurnsOff:  turnsOff(a),
		Vouched:   a.Vouched,
		Trusted:   named.Get("trust") == "yes",
		StartOver: q.startOverToken(a),
	}
	if a.CanTrust {
		page.Trust = q.auth.Settings().Trust
	}
	at := wayOf(a.Ways, auth.Method(named.Get("method")), named.Get("factor"))
	if at < 0 && a.Sent != nil {
		at = wayOf(a.Ways, a.Sent.Method, a.Sent.Factor)
	}
	at = max(at, 0)
	for i, w := range a.Ways {
		way := web.Way{Method: string(w.Method), Factor: w.Factor, Name: w.Name, Channel: w.Channel, To: w.To}
		if w.Sends() {
			way.Token = q.tokenFor(sendSecondFactorForm)
		}
		if i != at {
			page.Others = append(page.Others, way)
			continue
		}
		page.Way = way
		if s := a.Sent; s != nil && s.Method == w.Method && s.Factor == w.Factor {
			page.Sent = sentPage(s, w.Channel)
		}
	}
	return page
}

// wayOf finds a way, or -1.
func wayOf(ways []auth.Way, m auth.Method, factor string) int {
	return slices.IndexFunc(ways, func(w auth.Way) bool { return w.Method == m && w.Factor == factor })
}

func sentPage(s *auth.SentView, channel string) *web.Sent {
	if s == nil {
		return nil
	}
	return &web.Sent{Method: string(s.Method), Channel: channel, To: s.To, Until: s.Expires, Failed: s.Failed}
}

// startOverToken is empty for somebody who is signed in: to drop a step-up, going elsewhere is enough. Where a handler in front has said
// who it is, to begin again would lead to the same person.
func (q *request) startOverToken(a *auth.AttemptView) string {
	if a.StepUp || q.visit.Vouched != "" {
		return ""
	}
	return q.tokenFor(startOverForm)
}

// unspaced takes out the blanks that an authenticator app shows between the halves of a code.
func unspaced(code string) string { return strings.ReplaceAll(code, " ", "") }
