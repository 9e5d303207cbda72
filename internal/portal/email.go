// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var emailForm = purpose{"email", visit.Session}

// showEmail asks for another address. Without a mail server none can be proven, so there is no such page.
func showEmail(q *request) {
	if !q.auth.Settings().Mail {
		q.notice(http.StatusNotFound, web.NotFoundTitle, web.NotFound, "account", web.ToAccount)
		return
	}
	q.page(http.StatusOK, q.emailPage("", ""))
}

// changeEmail sends a code to the new address. Until that code comes back, nothing has changed (MF-10).
func changeEmail(q *request) {
	address := q.form.Get("email")
	p, err := q.auth.ChangeEmail(q.Context(), q.client(), q.bound, address)
	switch {
	case err == nil:
		q.proceed(p)
	case auth.KindOf(err) == auth.AlreadyDone:
		q.page(http.StatusUnprocessableEntity, q.emailPage(address, q.say(web.SameEmail)))
	default:
		q.refuse(err, "", func(problem string) web.Page { return q.emailPage(address, problem) })
	}
}

func (q *request) emailPage(typed, problem string) web.Page {
	form := q.formFor(emailForm)
	form.Problem = problem
	return web.ChangeEmail{Frame: q.frame(), Form: form, Current: q.own.Email, Typed: typed}
}
