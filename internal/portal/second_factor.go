// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var secondFactorForm = purpose{"second-factor", visit.Attempt}

func showSecondFactor(q *request) {
	a, ok := q.at(auth.StepCode)
	if !ok {
		return
	}
	q.page(http.StatusOK, q.secondFactorPage(a, auth.Method(q.query.Get("method")), ""))
}

func secondFactor(q *request) {
	a, ok := q.at(auth.StepCode)
	if !ok {
		return
	}
	method, code := auth.Method(q.form.Get("method")), q.form.Get("code")
	if !method.Second() {
		q.notice(http.StatusBadRequest, web.BadRequestTitle, web.BadRequest, "second-factor", web.OpenAgain)
		return
	}
	p, err := q.auth.Code(q.Context(), q.client(), q.bound, method, unspaced(code))
	if err != nil {
		q.refuse(err, method, func(problem string) web.Page { return q.secondFactorPage(a, method, problem) })
		return
	}
	q.proceed(p)
}

func (q *request) secondFactorPage(a *auth.AttemptView, m auth.Method, problem string) web.Page {
	form := q.formFor(secondFactorForm)
	form.Problem = problem
	return web.SecondFactor{
		Frame:     q.frame(),
		Form:      form,
		UserName:  a.UserName,
		Backup:    m == auth.BackupCode && a.CodesLeft > 0,
		HasBackup: a.CodesLeft > 0,
		StartOver: q.startOverToken(a),
	}
}

// startOverToken is empty for somebody who is signed in: to drop a step-up, going elsewhere is enough.
func (q *request) startOverToken(a *auth.AttemptView) string {
	if a.StepUp {
		return ""
	}
	return q.formFor(startOverForm).Token
}

// unspaced takes out the blanks that an authenticator app shows between the halves of a code.
func unspaced(code string) string { return strings.ReplaceAll(code, " ", "") }
