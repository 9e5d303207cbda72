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

	// Site tells what an origin is. It is never asked for the portal's own.
	Site func(origin string) Site

	// Hosts are the names of all hosts that people sign in for at the portal, its own among them, as far as the configuration has names; others
	// says that it has patterns too.
	Hosts func() (names []string, others bool)

	// HasHost tells whether a name, as visit.HostName writes it, is one of those, or within a pattern.
	HasHost func(name string) bool
}

// Site is another site that people sign in for at the portal. The zero value is none.
type Site struct {
	Known  bool
	Named  bool // the configuration has its name, and not only a pattern
	Shares bool // it shares the session cookie of the portal
}

// leadsBack are the pages to which the gate sends people with an address to come back to.
var leadsBack = []string{"sign-in", "sudo", "two-factor/enable"}

// toPortal answers a request for a page that is at the central portal.
func toPortal(q *request) {
	if q.visit.Site == "" {
		// The name is known and the port is not, so nobody could be led back (see visit.Visit).
		q.notice(http.StatusBadRequest, web.UnknownSiteTitle, web.UnknownAddress, "", "")
		return
	}
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
	to := visit.Continue{Site: q.visit.Site, ReturnTo: q.returnTo(), Challenge: auth.Challenge(q.visitorCookie()), Again: q.query.Get("again") != ""}
	if address := to.Path(); len(address) <= maxContinue {
		return address
	}
	to.ReturnTo = "/"
	return to.Path()
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
//
// Of a site that the configuration only has a pattern for, the person is asked first: a name under it may lead in DNS to somebody else, whose
// page would otherwise fetch a code from here without a word.
func goOn(q *request) {
	to := visit.Continue{
		Site: q.query.Get("site"), ReturnTo: returnPath(q.query.Get("return_to")), Challenge: q.query.Get("challenge"), Again: q.query.Get("again") != "",
	}
	site := q.siteAt(to.Site)
	if !site.Known || !site.Shares && !auth.ValidChallenge(to.Challenge) {
		q.notice(http.StatusBadRequest, web.UnknownSiteTitle, web.UnknownSite, "account", web.ToAccount)
		return
	}
	value, _ := q.visit.Cookie(q.Request, visit.Session)
	s, err := q.session()
	switch {
	case err != nil:
		q.unavailable(err)
	case s == nil:
		q.see("sign-in?return_to=" + url.QueryEscape(to.Path()))
	case site.Shares && ours(to.ReturnTo):
		web.See(q.w, to.Site+"/") // our pages are here, and need not be there
	case site.Shares:
		web.See(q.w, to.Site+to.ReturnTo)
	case !site.Named && !q.auth.CheckFormToken(value, agreesTo(to), q.query.Get("agreed")):
		agreed := to.Path() + "&agreed=" + url.QueryEscape(q.auth.FormToken(value, agreesTo(to)))
		q.show(http.StatusOK, web.GoOn{Frame: web.Frame{Brand: q.portal.brand}, To: agreed, Site: hostOf(to.Site), Asks: true})
	default:
		code, err := q.auth.HandOver(q.Context(), q.client(), value, auth.HandOver{Site: to.Site, Challenge: to.Challenge, ReturnTo: to.ReturnTo})
		if err != nil {
			q.refuse(err, "", q.refused)
			return
		}
		web.See(q.w, to.Site+visit.Prefix+"hand-over?"+to.Back(code))
	}
}

// agreesTo is the purpose of the token in the link with which a person agrees to go on to a site, in this browser.
func agreesTo(to visit.Continue) string { return "continue " + to.Site + " " + to.Challenge }

// isPortal tells whether this host is the central portal.
func (q *request) isPortal() bool {
	return q.portal.central != nil && q.visit.AtPortal
}

// siteAt is what is known of an origin as one of the other sites of this portal.
func (q *request) siteAt(origin string) Site {
	if !q.isPortal() || origin == q.portal.central.Origin {
		return Site{}
	}
	return q.portal.central.Site(origin)
}

// handOver takes the session over that the portal hands to this site.
func handOver(q *request) {
	cookie, has := q.visit.Cookie(q.Request, visit.Attempt)
	ticket, _ := q.visit.Cookie(q.Request, visit.Session)
	p, err := q.auth.TakeOver(q.Context(), q.client(), auth.Arrival{Site: q.visit.Site, Cookie: cookie, Code: q.query.Get("code"), Ticket: ticket})
	switch {
	case err == nil:
		if p.Session != "" {
			q.visit.SetCookie(q.w, visit.Session, p.Session, p.Expires)
		}
		q.leave(p.ReturnTo)
	case !has:
		q.notice(http.StatusForbidden, web.CookiesTitle, web.Cookies, "sign-in", web.OpenAgain)
	case auth.KindOf(err) == auth.CodeGone:
		q.codeGone()
	default:
		q.refuse(err, "", q.refused)
	}
}

// codeGone answers a code that does not work. Going back in the browser leads here, and so do all but one of the windows that a browser
// opens at once when it has no cookie of ours yet. They go round once more by themselves, now that there is one; whatever else goes wrong
// would go wrong each time.
func (q *request) codeGone() {
	s, err := q.anySession()
	switch {
	case err != nil:
		q.unavailable(err)
	case s != nil:
		q.leave(q.returnTo())
	case q.query.Get("again") == "":
		q.see("sign-in?" + url.Values{"return_to": {q.returnTo()}, "again": {"1"}}.Encode())
	default:
		o := outcomes[auth.AttemptGone]
		q.notice(o.status, o.title, o.text, "sign-in?return_to="+url.QueryEscape(q.returnTo()), web.SignInAgain)
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
	if !q.siteAt(query.Get("site")).Known {
		return ""
	}
	return hostOf(query.Get("site"))
}

func hostOf(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return host
}
