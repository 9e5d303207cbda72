// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// handler answers one request.
type handler func(q *request)

// guard answers the request itself and returns false, or lets it through.
type guard func(q *request) bool

// chain is the guards of a route, in the order in which a request meets them.
type chain []guard

func (c chain) then(h handler) handler {
	return func(q *request) {
		for _, passes := range c {
			if !passes(q) {
				return
			}
		}
		h(q)
	}
}

// and adds guards.
func (c chain) and(more ...guard) chain { return append(slices.Clip(c), more...) }

const (
	maxBody  = 64 << 10
	bodyTime = 10 * time.Second
)

// atHost refuses a request for what is no host: a session is bound to one.
func atHost(q *request) bool {
	if q.visit.Host != "" {
		return true
	}
	q.notice(http.StatusBadRequest, web.BadHostTitle, web.BadHost, "", "")
	return false
}

// atPortal is for a page that only a central portal has.
func atPortal(q *request) bool { return q.only(q.isPortal()) }

// atMember is for a page that only a host has whose people sign in at a central portal.
func atMember(q *request) bool { return q.only(q.visit.Portal != "") }

func (q *request) only(is bool) bool {
	if !is {
		q.notFound()
	}
	return is
}

// overHTTPS refuses a connection on which anybody could read a password or a cookie.
func overHTTPS(q *request) bool {
	if q.visit.Transport != visit.Exposed {
		return true
	}
	q.notice(http.StatusForbidden, web.ExposedTitle, web.Exposed, "", "")
	return false
}

// forPeople refuses scripts and what is embedded as a part of a page. The application shares our origin, so a script that slipped into
// it could otherwise read backup codes off our pages and send our forms (CS-12). A frame gets its page, as at the gate, and the browser
// shows it to nobody, the page around it included, because of the headers of package web. Who did not sign in is told so in the way
// that a program can read (WB-12).
func forPeople(q *request) bool {
	if visit.Navigates(q.Request) {
		return true
	}
	if _, ok := q.visit.Cookie(q.Request, visit.Session); !ok {
		q.w.Header().Set("WWW-Authenticate", `Nightlatch realm="nightlatch"`)
		web.Problem(q.w, q.Request, http.StatusUnauthorized, web.ProblemDetails{
			Type: "sign-in-required", Title: q.say(web.SignInRequiredTitle), SignInURL: visit.Prefix + "sign-in",
		})
		return false
	}
	web.Problem(q.w, q.Request, http.StatusForbidden, web.ProblemDetails{
		Type: "for-people", Title: q.say(web.ForPeopleTitle), Detail: q.say(web.ForPeople),
	})
	return false
}

// outOfFrames refuses a form whose answer a frame is to show. Our pages show in no frame, so no form of ours asks for that: a script of
// the application does, to drive us where nobody looks (CS-12, WB-6).
func outOfFrames(q *request) bool {
	if dest := q.Header.Get("Sec-Fetch-Dest"); dest == "" || dest == "document" {
		return true
	}
	q.notice(http.StatusForbidden, web.ForPeopleTitle, web.ForPeople, "", "")
	return false
}

// afterHandshake refuses a form in TLS early data, which somebody on the way can send a second time (RFC 8470).
func afterHandshake(q *request) bool {
	if !visit.Early(q.Request) {
		return true
	}
	q.notice(http.StatusTooEarly, web.BadRequestTitle, web.TooEarly, "", "")
	return false
}

// sameOrigin refuses a form that another site has sent, a sibling domain included. It trusts no other origin and knows no exception. Where a
// browser too old to tell says nothing, the token of the form has to.
func sameOrigin(q *request) bool {
	if visit.SameOrigin(q.Request, q.visit) {
		return true
	}
	q.notice(http.StatusForbidden, web.CrossOriginTitle, web.CrossOrigin, "sign-in", web.SignInAgain)
	return false
}

// withQuery parses the query of the target.
func withQuery(q *request) bool {
	var ok bool
	if q.query, ok = parseOnce(q.visit.URL.RawQuery); !ok {
		q.notice(http.StatusBadRequest, web.BadRequestTitle, web.BadRequest, "account", web.ToAccount)
	}
	return ok
}

// parseOnce parses a query or form in which no key stands twice: of two values one program checks the first and the next one uses
// the last.
func parseOnce(s string) (url.Values, bool) {
	values, err := url.ParseQuery(s)
	if err != nil {
		return nil, false
	}
	for _, v := range values {
		if len(v) > 1 {
			return nil, false
		}
	}
	return values, true
}

// withForm reads and parses the body: small, soon, and of the one type that our pages send.
func withForm(q *request) bool {
	refuse := func(status int, text web.Message) bool {
		q.w.Header().Set("Connection", "close") // what is left of the body is not worth reading
		q.notice(status, web.BadRequestTitle, text, "", "")
		return false
	}
	if t, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return refuse(http.StatusUnsupportedMediaType, web.WrongType)
	}
	body, err := visit.ReadSoon(q.w, q.Request, maxBody, bodyTime)
	if err != nil {
		return refuse(web.Unread(err))
	}
	var ok bool
	if q.form, ok = parseOnce(string(body)); !ok {
		return refuse(http.StatusBadRequest, web.BadRequest)
	}
	return true
}

// withService gets the auth.Service of the moment.
func withService(q *request) bool {
	var err error
	if q.auth, err = q.portal.service(); err != nil {
		q.unavailable(err)
		return false
	}
	return true
}

// purpose is what a form is for.
type purpose struct {
	name   string
	page   string       // on which it stands, under visit.Prefix; empty: on that of the path that it is sent to
	cookie visit.Cookie // that it is tied to
}

// standingOn is no guard of its own: it tells the others the page of a form, to which they lead back.
func standingOn(f purpose) guard {
	return func(q *request) bool {
		if f.page != "" {
			q.page = strings.Replace(f.page, "{id}", q.id(), 1)
		}
		return true
	}
}

// boundTo checks the hidden token of a form: it was rendered for this browser and this purpose. The cookie is ours alone to set, and
// another site can neither read the token nor make one, so that it cannot sign somebody in under a name of its choice either (login
// CSRF).
func boundTo(f purpose) guard {
	return func(q *request) bool {
		value, ok := q.visit.Cookie(q.Request, f.cookie)
		if !ok {
			noCookie(q, f)
			return false
		}
		if !q.auth.CheckFormToken(value, f.name, q.form.Get("token")) {
			q.notice(http.StatusForbidden, web.OldFormTitle, web.OldForm, q.page, web.OpenAgain)
			return false
		}
		q.ticket = value
		return true
	}
}

// noCookie answers a form that came without its cookie. Who has signed in meanwhile, in another tab or by a second click, is where the
// form was to lead. For anybody else the browser keeps no cookies.
func noCookie(q *request, f purpose) {
	if f.cookie == visit.Session {
		q.nobodyToSignOut()
		return
	}
	s, err := q.session()
	switch {
	case err != nil:
		q.unavailable(err)
	case s != nil:
		q.leave(q.form.Get("return_to"))
	default:
		q.notice(http.StatusForbidden, web.CookiesTitle, web.Cookies, q.page, web.OpenAgain)
	}
}

// withAccount lets through whoever is signed in with all that their account has. A session that stopped half way, or was opened before a
// second factor was enrolled, is asked for the rest first (MF-1).
func withAccount(q *request) bool {
	s, err := q.session()
	switch {
	case err != nil:
		q.unavailable(err)
	case s == nil:
		q.see("sign-in?return_to=" + url.QueryEscape(visit.Prefix+q.page))
	case !q.auth.Complete(s):
		q.proveMore(0)
	default:
		q.own = s
		return true
	}
	return false
}

// inSudo lets through who has typed all proofs of the account a short time ago, in this session (MF-12, MF-15). A form is judged again in
// the transaction of its act; here nobody fills in one that is then refused. Backup codes that wait to be saved come first: another
// attempt in place of theirs would lose them.
func inSudo(q *request) bool {
	a, err := q.attempt()
	switch {
	case err != nil:
		q.unavailable(err)
	case a != nil && a.Step == auth.StepSaveCodes:
		q.see(pathOf(a.Step))
	case !q.auth.InSudo(q.client(), q.own):
		q.proveMore(auth.SudoAge)
	default:
		return true
	}
	return false
}

// proveMore leads to the step-up for all proofs of the account, at most as old as given (zero: as old as the session), and from there back
// to the page.
func (q *request) proveMore(maxAge time.Duration) {
	need := url.Values{"level": {auth.LevelPassword.String()}, "return_to": {visit.Prefix + q.page}}
	if maxAge > 0 {
		need.Set("max_age", strconv.FormatInt(int64(maxAge/time.Second), 10))
	}
	q.see("sudo?" + need.Encode())
}
