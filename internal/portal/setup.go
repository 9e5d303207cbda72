// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var setupForm = purpose{name: "setup", cookie: visit.Attempt}

func showSetup(q *request) {
	if _, ok := q.link(auth.SetupLink); ok {
		q.show(http.StatusOK, q.setupPage("", ""))
	}
}

// setup makes the first administrator.
func setup(q *request) {
	plain, ok := q.newPassword(func(problem string) web.Page { return q.setupPage("password", problem) })
	if !ok {
		return
	}
	p, err := q.auth.Setup(q.Context(), q.client(), q.token(), q.form.Get("name"), plain)
	if err != nil {
		q.refuse(err, auth.Password, func(problem string) web.Page { return q.setupPage(wrongField(err), problem) })
		return
	}
	q.proceed(p)
}

// wrongField is the field of the setup form that an error is about, or empty.
func wrongField(err error) string {
	switch auth.KindOf(err) {
	case auth.BadName, auth.NameTaken:
		return "name"
	case auth.BadPassword:
		return "password"
	}
	return ""
}

func (q *request) setupPage(wrong, problem string) web.Page {
	return web.Setup{
		Frame:       q.frame(),
		Form:        q.formFor(setupForm, problem),
		Action:      q.visit.URL.Path,
		Wrong:       wrong,
		Name:        q.form.Get("name"),
		MinPassword: q.auth.Settings().MinPassword,
	}
}
