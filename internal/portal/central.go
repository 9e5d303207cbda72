// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// With a central portal people sign in at one host for all sites. The other hosts send every page there, and keep what belongs to
// themselves: taking a session over, signing out, and what needs nobody. How a session is handed over stands in package auth.

// Central is what a portal for other sites knows of them.
type Central struct {
	Origin string // of the portal itself

	// Site tells whether an origin is one of ours, and whether it shares the session cookie of the portal. It is never asked for the
	// portal's own.
	Site func(origin string) (known, shares bool)
}

// leadsBack are the pages to which the gate sends people with an address to come back to.
var leadsBack = []string{"sign-in", "sudo", "two-factor/enable"}

// toPortal answers a request for a page that is at the central portal.
func toPortal(q *request) {
	target := url.Values{}
	if slices.Contains(leadsBack, q.page) {
		for name, values := range q.query {
			target[name] = values
		}
		target.Set("return_to", q.continueAddress())
	}
	address := q.visit.Portal + visit.Prefix + q.page
	if len(target) > 0 {
		address += "?" + target.Encode()
	}
	web.See(q.w, address)
}

// continueAddress is where the portal leads the browser on to, once there is somebody signed in. The cookie of the challenge is the one of a
// browser that is signing in; it stays afterwards, so that two windows can be on their way at once.
func (q *request) continueAddress() string {
	challenge := auth.Challenge(q.visitorCookie())
	to := visit.Continue(q.visit.Site, q.returnTo(), challenge)
	if len(to) > maxReturnPath {
		to = visit.Continue(q.visit.Site, "/", challenge)
	}
	return to
}

// visitorCookie is the value of the attempt cookie. A browser without one gets it, and nothing is stored for it.
func (q *request) visitorCookie() string {
	value, ok := q.visit.Cookie(q.Request, visit.Attempt)
	if !ok {
		value = q.auth.VisitorToken()
		q.visit.SetCookie(q.w, visit.Attempt, value, time.Time{})
	}
	return value
}

// goOn leads whoever is signed in at the portal on to the site that sent them.
func goOn(q *request) {
	site, returnTo, challenge := q.query.Get("site"), returnPath(q.query.Get("return_to")), q.query.Get("challenge")
	known, shares := q.knows(site)
	if !known || !shares && len(challenge) != len(auth.Challenge("")) {
		q.notice(http.StatusBadRequest, web.UnknownSiteTitle, web.UnknownSite, "account", web.ToAccount)
		return
	}
	value, _ := q.visit.Cookie(q.Request, visit.Session)
	s, err := q.session()
	switch {
	case err != nil:
		q.unavailable(err)
	case s == nil:
		q.see("sign-in?return_to=" + url.QueryEscape(visit.Continue(site, returnTo, challenge)))
	case shares:
		web.See(q.w, site+returnTo)
	default:
		code, err := q.auth.HandOver(q.Context(), q.client(), value, auth.HandOver{Site: site, Challenge: challenge, ReturnTo: returnTo})
		if err != nil {
			q.refuse(err, "", q.refused)
			return
		}
		web.See(q.w, site+visit.Prefix+"hand-over?code="+url.QueryEscape(code))
	}
}

// isPortal tells whether this host is the central portal.
func (q *request) isPortal() bool {
	return q.portal.central != nil && q.visit.Site == q.portal.central.Origin
}

// knows tells whether an origin is one of the other sites of this portal.
func (q *request) knows(site string) (known, shares bool) {
	if !q.isPortal() || site == q.portal.central.Origin {
		return false, false
	}
	return q.portal.central.Site(site)
}

// handOver takes the session over that the portal hands to this site.
func handOver(q *request) {
	cookie, ok := q.visit.Cookie(q.Request, visit.Attempt)
	if !ok {
		q.notice(http.StatusForbidden, web.CookiesTitle, web.Cookies, "sign-in", web.OpenAgain)
		return
	}
	p, err := q.auth.TakeOver(q.Context(), q.client(), q.visit.Site, cookie, q.query.Get("code"))
	switch {
	case err == nil:
		q.visit.SetCookie(q.w, visit.Session, p.Session, p.Expires)
		q.leave(p.ReturnTo)
	case auth.KindOf(err) == auth.CodeGone:
		q.codeGone()
	default:
		q.refuse(err, "", q.refused)
	}
}

// codeGone answers a code that does not work. Going back in the browser leads here as well. There is no redirect to the portal, which
// would lead round in circles where it goes wrong each time.
func (q *request) codeGone() {
	s, err := q.session()
	switch {
	case err != nil:
		q.unavailable(err)
	case s != nil:
		q.leave("/")
	default:
		o := outcomes[auth.AttemptGone]
		q.notice(o.status, o.title, o.text, o.next, linkText(o.next))
	}
}

// refused is the page for an act without a form.
func (q *request) refused(problem string) web.Page {
	return web.Notice{Frame: q.frame(), Title: q.say(web.RefusedTitle), Text: problem, Link: visit.Prefix + "account", LinkText: q.say(web.ToAccount)}
}

// siteBehind is the host of the other site that an address of ours leads on to, or empty.
func (q *request) siteBehind(path string) string {
	rest, is := strings.CutPrefix(path, visit.Prefix+"continue?")
	if !is {
		return ""
	}
	query, ok := parseOnce(rest)
	if !ok {
		return ""
	}
	if known, _ := q.knows(query.Get("site")); !known {
		return ""
	}
	_, host, _ := strings.Cut(query.Get("site"), "://")
	return host
}
