// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var inviteForm = purpose{name: "invite", cookie: visit.Attempt}

func showInvite(q *request) {
	if l, ok := q.link(auth.InviteLink); ok {
		q.show(http.StatusOK, q.invitePage(l, ""))
	}
}

// invite sets the first password of somebody whom an operator has added.
func invite(q *request) {
	l, ok := q.link(auth.InviteLink)
	if !ok {
		return
	}
	again := func(problem string) web.Page { return q.invitePage(l, problem) }
	plain, ok := q.newPassword(again)
	if !ok {
		return
	}
	p, err := q.auth.AcceptInvite(q.Context(), q.client(), q.token(), plain)
	if err != nil {
		q.refuse(err, auth.Password, again)
		return
	}
	q.proceed(p)
}

func (q *request) invitePage(l auth.Link, problem string) web.Page {
	return q.choosePasswordPage(inviteForm, problem, web.InviteTitle, web.InviteWhy, l)
}
