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

// withMail hides pages that lead nowhere without a mail server.
func withMail(q *request) bool {
	if q.auth.Settings().Mail {
		return true
	}
	q.notFound()
	return false
}

var resetForm = purpose{name: "reset", cookie: visit.Attempt}

func showReset(q *request) { q.show(http.StatusOK, q.resetPage("")) }

// reset has a link mailed to somebody who forgot the password. Every answer is the same, whoever it is about (BF-15), and the mail goes
// to the address of the account (RE-4).
func reset(q *request) {
	if err := q.auth.RequestReset(q.Context(), q.client(), q.form.Get("who")); err != nil {
		q.refuse(err, "", q.resetPage)
		return
	}
	q.see("reset/sent")
}

func showResetSent(q *request) {
	q.notice(http.StatusOK, web.ResetSentTitle, web.ResetSent, "sign-in", web.SignInAgain)
}

func (q *request) resetPage(problem string) web.Page {
	return web.Reset{Frame: q.frame(), Form: q.formFor(resetForm, problem)}
}

var newPasswordForm = purpose{name: "reset/new", cookie: visit.Attempt}

func showResetPassword(q *request) {
	if l, ok := q.link(auth.ResetLink); ok {
		q.show(http.StatusOK, q.resetPasswordPage(l, ""))
	}
}

// resetPassword sets another password by a mailed link, and signs nobody in (MF-9).
func resetPassword(q *request) {
	l, ok := q.link(auth.ResetLink)
	if !ok {
		return
	}
	again := func(problem string) web.Page { return q.resetPasswordPage(l, problem) }
	plain, ok := q.newPassword(again)
	if !ok {
		return
	}
	if err := q.auth.ResetPassword(q.Context(), q.client(), q.token(), plain); err != nil {
		q.refuse(err, auth.Password, again)
		return
	}
	q.see("reset/done?" + url.Values{"token": {q.auth.FormToken(q.ticket, resetDone.name)}}.Encode())
}

// resetDone ties the address of the page that tells so to the browser in which it was done, as codeUsed does.
var resetDone = purpose{name: "reset/done", cookie: visit.Attempt}

func showResetDone(q *request) {
	value, ok := q.visit.Cookie(q.Request, resetDone.cookie)
	if !ok || !q.auth.CheckFormToken(value, resetDone.name, q.query.Get("token")) {
		q.begin()
		return
	}
	q.notice(http.StatusOK, web.ResetDoneTitle, web.ResetDone, "sign-in", web.SignInAgain)
}

func (q *request) resetPasswordPage(l auth.Link, problem string) web.Page {
	return q.choosePasswordPage(newPasswordForm, problem, web.NewPasswordTitle, web.NewPasswordWhy, l)
}
