// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"net/url"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var signInForm = purpose{name: "sign-in", cookie: visit.Attempt}

func toSignIn(q *request) { q.see("sign-in") }

func showSignIn(q *request) {
	a, err := q.attempt()
	if err != nil {
		q.unavailable(err)
		return
	}
	if a != nil {
		q.see(pathOf(a.Step))
		return
	}
	s, err := q.session()
	if err != nil {
		q.unavailable(err)
		return
	}
	if s != nil {
		q.leave(q.query.Get("return_to"))
		return
	}
	if q.visit.Vouched != "" {
		q.vouch()
		return
	}
	q.show(http.StatusOK, q.signInPage(auth.Credentials{ReturnTo: q.returnTo()}, ""))
}

func signIn(q *request) {
	if q.visit.Vouched != "" {
		q.see("sign-in?return_to=" + url.QueryEscape(q.returnTo())) // the form is of before, and its password is not asked for any more
		return
	}
	in := auth.Credentials{
		Name:     q.form.Get("name"),
		Password: q.form.Get("password"),
		Remember: q.form.Get("remember") == "yes",
		ReturnTo: q.returnTo(),
	}
	p, err := q.auth.SignIn(q.Context(), q.client(), in)
	if err != nil {
		q.refuse(err, auth.Password, func(problem string) web.Page { return q.signInPage(in, problem) })
		return
	}
	q.proceed(p)
}

func (q *request) signInPage(typed auth.Credentials, problem string) web.Page {
	return web.SignIn{
		Frame: q.frame(), Form: q.formFor(signInForm, problem), Name: typed.Name, Remember: typed.Remember, ReturnTo: typed.ReturnTo,
		Forgot: q.auth.Settings().Mail, Site: q.siteBehind(typed.ReturnTo),
	}
}

var startOverForm = purpose{name: "start-over", page: "sign-in", cookie: visit.Attempt}

// startOver drops the sign-in in progress, for somebody who began under the wrong name.
func startOver(q *request) {
	a, err := q.attempt()
	if err != nil {
		q.unavailable(err)
		return
	}
	returnTo := "/"
	if a != nil {
		returnTo = returnPath(a.ReturnTo)
	}
	q.visit.ClearCookie(q.w, visit.Attempt)
	q.see("sign-in?return_to=" + url.QueryEscape(returnTo))
}
