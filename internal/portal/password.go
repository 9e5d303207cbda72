// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var passwordForm = purpose{name: "password", cookie: visit.Session}

func showPassword(q *request) {
	u, err := q.auth.Account(q.Context(), q.own.UserID)
	switch {
	case err != nil:
		q.unavailable(err)
	case !u.HasPassword:
		q.notice(http.StatusOK, web.ChangePasswordTitle, web.NoPassword, "account", web.Back)
	default:
		q.show(http.StatusOK, q.passwordPage("", ""))
	}
}

// changePassword takes the old password together with the new one, under the counters of the sign-in (BF-19).
func changePassword(q *request) {
	plain, ok := q.newPassword(func(problem string) web.Page { return q.passwordPage("password", problem) })
	if !ok {
		return
	}
	p, err := q.auth.ChangePassword(q.Context(), q.client(), q.ticket, q.form.Get("current"), plain)
	if err != nil {
		wrong := "current"
		if auth.KindOf(err) == auth.BadPassword {
			wrong = "password"
		}
		q.refuse(err, auth.Password, func(problem string) web.Page { return q.passwordPage(wrong, problem) })
		return
	}
	q.proceed(p)
}

func (q *request) passwordPage(wrong, problem string) web.Page {
	return web.ChangePassword{
		Frame: q.frame(), Form: q.formFor(passwordForm, problem), Wrong: wrong, UserName: q.own.Name, MinPassword: q.auth.Settings().MinPassword,
	}
}

// choosePasswordPage asks for a password behind a one-time link.
func (q *request) choosePasswordPage(f purpose, problem string, title, why web.Message, l auth.Link) web.Page {
	return web.ChoosePassword{
		Frame: q.frame(), Form: q.formFor(f, problem), Title: q.say(title), Why: q.say(why), Action: q.visit.URL.Path,
		UserName: l.UserName, MinPassword: q.auth.Settings().MinPassword,
	}
}

// newPassword reads a password that is typed twice; a slip shows before it is set. It answers when the two differ.
func (q *request) newPassword(again func(problem string) web.Page) (string, bool) {
	if q.form.Get("password") != q.form.Get("repeat") {
		q.show(outcomes[auth.BadPassword].status, again(q.say(web.PasswordsDiffer)))
		return "", false
	}
	return q.form.Get("password"), true
}
