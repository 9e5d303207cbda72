// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"net/url"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// pathOf is the page of a step, under visit.Prefix.
func pathOf(s auth.Step) string {
	switch s {
	case auth.StepPassword:
		return "sudo"
	case auth.StepCode:
		return "second-factor"
	case auth.StepEnroll:
		return "two-factor/enable"
	case auth.StepConfirmAddress:
		return "email/confirm"
	case auth.StepSaveCodes:
		return "backup-codes"
	}
	return "sign-in"
}

// at returns the sign-in in progress when it waits for the given step. Anybody else is answered: whoever is at another step is led
// to its page, so that a back button, a second tab or a second click leads on and not into an error.
func (q *request) at(step auth.Step) (*auth.AttemptView, bool) {
	a, err := q.attempt()
	switch {
	case err != nil:
		q.unavailable(err)
	case a == nil && q.Method == http.MethodPost:
		q.attemptGone()
	case a == nil:
		q.begin()
	case a.Step != step:
		q.see(pathOf(a.Step))
	default:
		return a, true
	}
	return nil, false
}

// begin leads a browser without a sign-in in progress to the application when it is signed in, and else to the sign-in page.
func (q *request) begin() {
	s, err := q.session()
	switch {
	case err != nil:
		q.unavailable(err)
	case s != nil:
		q.leave(q.query.Get("return_to"))
	default:
		q.see("sign-in?return_to=" + url.QueryEscape(q.returnTo()))
	}
}

// proceed hands out the cookies that an act of a sign-in earned and leads to its next step.
func (q *request) proceed(p auth.Progress) {
	q.visit.SetCookie(q.w, visit.Session, p.Session, p.Expires)
	q.visit.SetCookie(q.w, visit.Browser, p.Browser, time.Now().Add(auth.BrowserLife))
	q.visit.SetCookie(q.w, visit.Trusted, p.Trusted, p.TrustedExpires)
	if p.Step != auth.StepDone {
		q.visit.SetCookie(q.w, visit.Attempt, p.Attempt, time.Time{})
		q.see(pathOf(p.Step))
		return
	}
	q.visit.ClearCookie(q.w, visit.Attempt)
	switch {
	case p.Done != "" && (p.ReturnTo == "" || p.ReturnTo == accountPath):
		q.done("account", p.Done, p.Session)
	case p.UsedCode:
		q.tellCodeUsed(p)
	default:
		q.leave(p.ReturnTo)
	}
}
