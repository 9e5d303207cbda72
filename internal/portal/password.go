// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var passwordForm = purpose{"password", visit.Session}

func showPassword(q *request) { q.page(http.StatusOK, q.passwordPage("", "")) }

// changePassword takes the old password together with the new one, under the counters of the sign-in (BF-19).
func changePassword(q *request) {
	plain, ok := q.newPassword(func(problem string) web.Page { return q.passwordPage("password", problem) })
	if !ok {
		return
	}
	q.named = true
	p, err := q.auth.ChangePassword(q.Context(), q.client(), q.bound, q.form.Get("current"), plain)
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
	form := q.formFor(passwordForm)
	form.Problem = problem
	return web.ChangePassword{
		Frame: q.frame(), Form: form, Wrong: wrong, UserName: q.own.Name, MinPassword: q.auth.Settings().MinPassword,
	}
}
