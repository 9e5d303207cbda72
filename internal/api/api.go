// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package api receives programs: JSON under Prefix for scripts, mobile applications, and applications that bring their own pages. Each act
// reads one object, calls methods of auth.Service, and answers one object or a problem (RFC 9457); what a proof is worth and what is still
// missing is decided in package auth alone.
//
// All routes are in the one list of this file, each with the chain that guards it (guard.go). body.go says what is taken for a request,
// problem.go what is answered when something is not accepted. A session that an act is done with comes as the cookie of the pages or as an
// access token (credential.go), never as both, and what rotates it answers in the same form (signed_in.go).
//
// The package trusts no origin but its own and knows no exception from that. It answers in English: whatever a person is to read is up to
// the program that asks.
package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

const (
	// Root is the path under which every version of the API lives.
	Root = visit.Prefix + "api/"
	// Prefix is the path of the one version that there is.
	Prefix = Root + "v1/"

	description = "openapi.json"
)

// Config is what an API stands on.
type Config struct {
	Service func() (*auth.Service, error) // asked on each request; an error is answered with 503
	Level   auth.Level                    // that a sign-in has to reach: what the site asks where no rule says otherwise
	Create  bool                          // whom a handler in front vouches for gets an account, if there is none of the name
	Now     auth.Clock                    // nil: time.Now
	Log     *slog.Logger                  // nil: nothing is logged
}

// API answers everything under Root. It is safe for concurrent use.
type API struct {
	service func() (*auth.Service, error)
	level   auth.Level
	create  bool
	now     auth.Clock
	log     *slog.Logger
	logged  visit.Throttle // of a service that does not answer
	mux     *http.ServeMux // only finds the pattern of a request
	routes  map[string]route
	plain   map[string]bool // the paths that name nothing but themselves
}

// New makes an API. It refuses a Config without a service or a level.
func New(cfg Config) (*API, error) {
	switch {
	case cfg.Service == nil:
		return nil, errors.New("an API needs a service")
	case cfg.Level == 0:
		return nil, errors.New("an API needs the level that a sign-in has to reach")
	}
	a := &API{
		service: cfg.Service, level: cfg.Level, create: cfg.Create, now: cfg.Now, log: cfg.Log,
		mux: http.NewServeMux(), routes: make(map[string]route), plain: make(map[string]bool),
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	for _, r := range routes() {
		pattern := r.method + " " + Prefix + r.path
		a.mux.Handle(pattern, http.NotFoundHandler())
		a.routes[pattern], a.plain[Prefix+r.path] = r, true
	}
	// Who does not know the version yet finds the description of the one there is.
	const before = "GET " + Root + description
	a.mux.Handle(before, http.NotFoundHandler())
	a.routes[before] = a.routes["GET "+Prefix+description]
	return a, nil
}

type route struct {
	method, path string
	serve        handler
}

func routes() []route {
	// A request meets the guards of its chain in this order; what gets through has reached its act. No form of another site gets to one, since
	// the origin is looked at whatever the request carries.
	anyone := chain{atHost, overHTTPS, sameOrigin, withoutQuery}
	read := anyone.and(withService)
	act := chain{atHost, overHTTPS, afterHandshake, sameOrigin, withoutQuery, withService}
	// What is on an account is for who has proven all that it has, and what guards it for who has done so here a short time ago. Both are where
	// people sign in, and nowhere else.
	own, ownAct := read.and(atOwnHost, withAccount, notHanded), act.and(atOwnHost, withAccount, notHanded)
	guarded, guardedAct := own.and(inSudo), ownAct.and(inSudo)
	prove := act.and(atOwnHost, withSession, notHanded)

	return []route{
		{"POST", "sign-in", act.then(answer(http.StatusOK, signIn))},
		{"POST", "sign-in/send", act.then(answer(http.StatusOK, sendSignInCode))},
		{"POST", "sign-in/enroll", act.then(answer(http.StatusOK, enrollInSignIn))},
		{"POST", "sign-in/verify", act.then(answer(http.StatusOK, verifySignIn))},
		{"POST", "sign-out", act.and(withSession).then(answer(http.StatusNoContent, signOut))},
		{"POST", "token/refresh", act.then(answer(http.StatusOK, refresh))},
		{"POST", "token/revoke", act.then(answer(http.StatusNoContent, revoke))},
		{"GET", "account", read.and(withAccount, notHanded).then(answer(http.StatusOK, showAccount))},

		{"GET", "two-factor", own.then(answer(http.StatusOK, showTwoFactor))},
		{"POST", "two-factor/totp", guardedAct.then(answer(http.StatusCreated, addFactor(auth.TOTP)))},
		{"POST", "two-factor/totp/{id}/confirm", ownAct.then(answer(http.StatusOK, confirmFactor(auth.TOTP)))},
		{"POST", "two-factor/email", guardedAct.then(answer(http.StatusCreated, addFactor(auth.Email)))},
		{"POST", "two-factor/email/{id}/confirm", ownAct.then(answer(http.StatusOK, confirmFactor(auth.Email)))},
		{"POST", "two-factor/email/{id}/send", ownAct.then(answer(http.StatusOK, sendToConfirm(auth.Email)))},
		{"POST", "two-factor/webhook", guardedAct.then(answer(http.StatusCreated, addWebhook))},
		{"POST", "two-factor/webhook/{id}/confirm", ownAct.then(answer(http.StatusOK, confirmFactor(auth.Webhook)))},
		{"POST", "two-factor/webhook/{id}/send", ownAct.then(answer(http.StatusOK, sendToConfirm(auth.Webhook)))},
		{"PATCH", "two-factor/{id}", guardedAct.then(answer(http.StatusOK, renameFactor))},
		{"DELETE", "two-factor/{id}", guardedAct.then(answer(http.StatusNoContent, removeFactor))},
		{"POST", "two-factor/backup-codes", guardedAct.then(answer(http.StatusOK, newBackupCodes))},
		{"POST", "two-factor/disable", ownAct.then(answer(http.StatusOK, disabling.prove))},
		{"POST", "two-factor/disable/send", ownAct.then(answer(http.StatusOK, disabling.send))},
		{"POST", "sudo", prove.then(answer(http.StatusOK, sudo.prove))},
		{"POST", "sudo/send", prove.then(answer(http.StatusOK, sudo.send))},
		{"GET", "sessions", guarded.then(answer(http.StatusOK, showSessions))},
		{"DELETE", "sessions", guardedAct.then(answer(http.StatusNoContent, endOtherSessions))},
		{"DELETE", "sessions/{id}", guardedAct.then(answer(http.StatusNoContent, endSession))},
		{"POST", "password", guardedAct.then(answer(http.StatusOK, changePassword))},
		{"GET", "app-passwords", own.then(answer(http.StatusOK, showAppPasswords))},
		{"POST", "app-passwords", guardedAct.then(answer(http.StatusCreated, makeAppPassword))},
		{"DELETE", "app-passwords/{id}", guardedAct.then(answer(http.StatusNoContent, removeAppPassword))},
		{"GET", description, anyone.then(answer(http.StatusOK, describe))},
	}
}

// Route names a route: its method, and its path under Prefix, with the parts in braces that name what it is about.
type Route struct{ Method, Path string }

// Routes are all that there are.
func Routes() (list []Route) {
	for _, r := range routes() {
		list = append(list, Route{r.method, r.path})
	}
	return list
}

// ServeHTTP answers a request whose target, as the client sent it, begins with Root.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request, v visit.Visit) {
	c := &call{Request: r, w: w, visit: v, api: a}
	web.LeaveUnread(w, r) // most of what can be wrong with a request is found before its body is read
	if !visit.PlainlySpelled(v.URL) {
		c.answer(notFound)
		return
	}
	found, ok := a.routes[a.pattern(r.Method, v.URL.Path)]
	if ok {
		c.route = found
		found.serve(c)
		return
	}
	if allowed := a.allowed(v.URL.Path); allowed != "" {
		w.Header().Set("Allow", allowed)
		c.answer(wrongMethod)
		return
	}
	c.answer(notFound)
}

// pattern is the route of a method and path, or empty. What names an act of its own is no id, whatever the method.
func (a *API) pattern(method, path string) string {
	_, pattern := a.mux.Handler(&http.Request{Method: method, URL: &url.URL{Path: path}})
	if a.plain[path] && !strings.HasSuffix(pattern, path) {
		return ""
	}
	return pattern
}

// allowed lists the methods under which a path exists.
func (a *API) allowed(path string) string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if a.pattern(m, path) != "" {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}
