// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// request is one request on its way through a chain. The links fill it.
type request struct {
	*http.Request
	w       http.ResponseWriter
	visit   visit.Visit
	portal  *Portal
	pattern string // the route, for the log: a path may hold the token of a link

	query url.Values    // set by withQuery; each key once
	form  url.Values    // set by withForm; each key once
	auth  *auth.Service // set by withService
	own   *auth.Session // set by withAccount: whose account it is about

	page   string // that is asked for, or on which the form stands, under visit.Prefix; no page of ours where the pattern is empty
	ticket string // set by boundTo: the cookie value that the form is tied to
}

// client is who asks, for package auth.
func (q *request) client() auth.Client {
	browser, _ := q.visit.Cookie(q.Request, visit.Browser)
	trusted, _ := q.visit.Cookie(q.Request, visit.Trusted)
	return auth.Client{
		Address: q.visit.Address, Device: q.UserAgent(), Browser: browser, Trusted: trusted, Language: web.Tag(q.Request), Origin: q.visit.Origin,
		Host: q.visit.Host, Domain: q.visit.Domain, Vouched: q.visit.Vouched,
	}
}

// token is the last segment of the path of a one-time link.
func (q *request) token() string {
	return q.visit.URL.Path[strings.LastIndexByte(q.visit.URL.Path, '/')+1:]
}

// id is the segment of the path that stands for {id} in its route, which is always the second one.
func (q *request) id() string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(q.visit.URL.Path, visit.Prefix), "/")
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// returnTo is where the address of a page, or the form on it, says to go afterwards, made safe.
func (q *request) returnTo() string {
	return returnPath(cmp.Or(q.form.Get("return_to"), q.query.Get("return_to")))
}

// session returns the live session of the browser, or nil. One that a portal has handed over is for the application alone: there is
// nobody signed in here by it.
func (q *request) session() (*auth.Session, error) {
	s, err := q.anySession()
	if s != nil && s.Handed {
		return nil, nil
	}
	return s, err
}

// anySession is session, and one that was handed over too: for what is to be done at the application's host.
func (q *request) anySession() (*auth.Session, error) {
	value, ok := q.visit.Cookie(q.Request, visit.Session)
	if !ok {
		return nil, nil
	}
	s, err := q.auth.Session(q.Context(), auth.Asker{Host: q.visit.Host, Vouched: q.visit.Vouched}, value)
	switch {
	case err != nil && auth.KindOf(err) == auth.NotSignedIn:
		return nil, nil
	}
	return s, err
}

// attempt returns the sign-in in progress of the browser, or nil.
func (q *request) attempt() (*auth.AttemptView, error) {
	value, ok := q.visit.Cookie(q.Request, visit.Attempt)
	if !ok {
		return nil, nil
	}
	a, err := q.auth.Attempt(q.Context(), q.client(), value)
	if err != nil {
		if auth.KindOf(err) == auth.AttemptGone {
			return nil, nil
		}
		return nil, err
	}
	return &a, nil
}

// formFor makes a form, with the reason why it was not accepted, if it was sent before.
func (q *request) formFor(f purpose, problem string) web.Form {
	return web.Form{Token: q.tokenFor(f), Problem: problem}
}

// tokenFor ties a form to this browser. A browser without an attempt gets a cookie of its own, for which nothing is stored.
func (q *request) tokenFor(f purpose) string {
	if f.cookie == visit.Attempt {
		return q.auth.FormToken(q.visitorCookie(), f.name)
	}
	value, _ := q.visit.Cookie(q.Request, f.cookie)
	return q.auth.FormToken(value, f.name)
}

// frame is what is around a page; the choice of a language leads back to it. It does not where the path of the page holds the token of a
// one-time link, nor where it is no page: what is written into another address comes to stand in logs.
func (q *request) frame() web.Frame {
	f := web.Frame{Brand: q.portal.brand}
	if q.pattern == "" || strings.HasSuffix(q.pattern, "{token}") {
		return f
	}
	f.Here = visit.Prefix + q.page
	if returnTo := q.returnTo(); returnTo != "/" {
		f.Here += "?return_to=" + url.QueryEscape(returnTo)
	}
	return f
}

// show answers with a page.
func (q *request) show(status int, p web.Page) { web.Write(q.w, q.Request, status, p) }

// notice answers with a plain message. path, under visit.Prefix, is where its link leads; empty for none.
func (q *request) notice(status int, title, text web.Message, path string, linkText web.Message) {
	n := web.Notice{Frame: q.frame(), Title: q.say(title), Text: q.say(text)}
	if linkText != "" {
		n.Link, n.LinkText = visit.Prefix+path, q.say(linkText)
	}
	q.show(status, n)
}

// notFound answers that there is no such page.
func (q *request) notFound() {
	q.notice(http.StatusNotFound, web.NotFoundTitle, web.NotFound, "account", web.ToAccount)
}

// see answers 303 to a page of ours.
func (q *request) see(path string) { web.See(q.w, visit.Prefix+path) }

// leave leads to the application. The path is checked here, at its use, wherever it comes from.
func (q *request) leave(path string) {
	path = returnPath(path)
	if site := q.siteBehind(path); site != "" && q.Method == http.MethodPost {
		q.show(http.StatusOK, web.GoOn{Frame: web.Frame{Brand: q.portal.brand}, To: path, Site: site})
		return
	}
	web.See(q.w, path)
}

func (q *request) say(m web.Message, args ...any) string { return web.Say(q.Request, m, args...) }
