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

var backupCodesForm = purpose{"backup-codes", visit.Attempt}

func showBackupCodes(q *request) {
	if a, ok := q.at(auth.StepSaveCodes); ok {
		q.page(http.StatusOK, web.BackupCodes{Frame: q.frame(), Form: q.formFor(backupCodesForm), UserName: a.UserName, Codes: a.Codes})
	}
}

// savedBackupCodes goes on once the person says that the codes are saved.
func savedBackupCodes(q *request) {
	a, ok := q.at(auth.StepSaveCodes)
	if !ok {
		return
	}
	p, err := q.auth.SavedCodes(q.Context(), q.client(), q.bound)
	if err != nil {
		q.refuse(err, "", func(problem string) web.Page {
			form := q.formFor(backupCodesForm)
			form.Problem = problem
			return web.BackupCodes{Frame: q.frame(), Form: form, UserName: a.UserName, Codes: a.Codes}
		})
		return
	}
	q.proceed(p)
}

// codeUsed ties the address of the page that tells how many codes are left to the session that used one. Without it a link on any
// site could frighten people with "you used a backup code".
var codeUsed = purpose{"backup-codes/used", visit.Session}

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
	q.page(http.StatusOK, web.BackupCodeUsed{Frame: q.frame(), Left: u.CodesLeft, Continue: q.returnTo()})
}

var newBackupCodesForm = purpose{"backup-codes/new", visit.Session}

// showNewBackupCodes asks before the codes that somebody has on paper are made worthless. There are none without a second factor to stand
// in for (OT-15).
func showNewBackupCodes(q *request) {
	if !q.own.Enrolled {
		q.see("account")
		return
	}
	q.page(http.StatusOK, web.NewBackupCodes{Frame: q.frame(), Form: q.formFor(newBackupCodesForm)})
}

// newBackupCodes makes them; the next page shows them, once (OT-16).
func newBackupCodes(q *request) {
	p, err := q.auth.NewBackupCodes(q.Context(), q.client(), q.bound)
	if err != nil {
		q.refuse(err, "", func(problem string) web.Page {
			form := q.formFor(newBackupCodesForm)
			form.Problem = problem
			return web.NewBackupCodes{Frame: q.frame(), Form: form}
		})
		return
	}
	q.proceed(p)
}
