// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var emailForm = purpose{name: "email", cookie: visit.Session}

func showEmail(q *request) { q.show(http.StatusOK, q.emailPage("", "")) }

// changeEmail sends a code to the new address. Until that code comes back, nothing has changed (MF-10).
func changeEmail(q *request) {
	address := q.form.Get("email")
	p, err := q.auth.ChangeEmail(q.Context(), q.client(), q.ticket, address)
	if err != nil {
		q.refuse(err, "", func(problem string) web.Page { return q.emailPage(address, problem) })
		return
	}
	q.proceed(p)
}

func (q *request) emailPage(typed, problem string) web.Page {
	return web.ChangeEmail{Frame: q.frame(), Form: q.formFor(emailForm, problem), Current: q.own.Email, Typed: typed}
}
