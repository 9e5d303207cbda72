// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var reenrollForm = purpose{name: "re-enroll", cookie: visit.Attempt}

func showReenroll(q *request) {
	if l, ok := q.link(auth.ReenrollLink); ok {
		q.show(http.StatusOK, q.reenrollPage(l, ""))
	}
}

// reenroll starts anew with a second factor that an operator has reset; the link alone is not enough, the password is asked too
// unless a handler in front vouches for the person.
func reenroll(q *request) {
	l, ok := q.link(auth.ReenrollLink)
	if !ok {
		return
	}
	p, err := q.auth.Reenroll(q.Context(), q.client(), q.token(), q.form.Get("password"))
	if err != nil {
		q.refuse(err, auth.Password, func(problem string) web.Page { return q.reenrollPage(l, problem) })
		return
	}
	q.proceed(p)
}

func (q *request) reenrollPage(l auth.Link, problem string) web.Page {
	return web.Reenroll{
		Frame: q.frame(), Form: q.formFor(reenrollForm, problem), Action: q.visit.URL.Path, UserName: l.UserName, Vouched: q.visit.Vouched != "",
	}
}
