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

var backupCodesForm = purpose{name: "backup-codes", cookie: visit.Attempt}

func showBackupCodes(q *request) {
	if a, ok := q.at(auth.StepSaveCodes); ok {
		q.show(http.StatusOK, q.backupCodesPage(a, ""))
	}
}

// savedBackupCodes goes on once the person says that the codes are saved.
func savedBackupCodes(q *request) {
	a, ok := q.at(auth.StepSaveCodes)
	if !ok {
		return
	}
	p, err := q.auth.SavedCodes(q.Context(), q.client(), q.ticket)
	if err != nil {
		q.refuse(err, "", func(problem string) web.Page { return q.backupCodesPage(a, problem) })
		return
	}
	q.proceed(p)
}

func (q *request) backupCodesPage(a *auth.AttemptView, problem string) web.Page {
	return web.BackupCodes{Frame: q.frame(), Form: q.formFor(backupCodesForm, problem), UserName: a.UserName, Codes: a.Codes}
}

// codeUsed ties the address of the page that tells how many codes are left to the session that used one. Without it a link on any
// site could frighten people with "you used a backup code".
var codeUsed = purpose{name: "backup-codes/used", cookie: visit.Session}

// tellCodeUsed leads to the page that tells how many backup codes are left, and from there on to where the sign-in leads.
func (q *request) tellCodeUsed(p auth.Progress) {
	session := p.Session
	if session == "" {
		session, _ = q.visit.Cookie(q.Request, visit.Session)
	}
	target := url.Values{"return_to": {returnPath(p.ReturnTo)}, "token": {q.auth.FormToken(session, codeUsed.name)}}
	q.see("backup-codes/used?" + target.Encode())
}

func showBackupCodeUsed(q *request) {
	s, err := q.session()
	if err != nil {
		q.unavailable(err)
		return
	}
	value, _ := q.visit.Cookie(q.Request, visit.Session)
	if s == nil || !q.auth.CheckFormToken(value, codeUsed.name, q.query.Get("token")) {
		q.begin()
		return
	}
	u, err := q.auth.Account(q.Context(), s.UserID)
	if err != nil {
		q.unavailable(err)
		return
	}
	q.show(http.StatusOK, web.BackupCodeUsed{Frame: q.frame(), Left: u.CodesLeft, Continue: q.returnTo()})
}

var newBackupCodesForm = purpose{name: "backup-codes/new", cookie: visit.Session}

// showNewBackupCodes asks before the codes that somebody has on paper are made worthless. There are none without a second factor to stand
// in for (OT-15).
func showNewBackupCodes(q *request) {
	if !q.own.Enrolled {
		q.see("account")
		return
	}
	q.show(http.StatusOK, q.newBackupCodesPage(""))
}

// newBackupCodes makes them; the next page shows them, once (OT-16).
func newBackupCodes(q *request) {
	p, err := q.auth.NewBackupCodes(q.Context(), q.client(), q.ticket)
	if err != nil {
		q.refuse(err, "", q.newBackupCodesPage)
		return
	}
	q.proceed(p)
}

func (q *request) newBackupCodesPage(problem string) web.Page {
	return web.NewBackupCodes{Frame: q.frame(), Form: q.formFor(newBackupCodesForm, problem)}
}
