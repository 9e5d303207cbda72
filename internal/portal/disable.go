// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var disableForm = purpose{name: "two-factor/disable", cookie: visit.Session}

// showDisable says what it means to turn two-factor sign-in off. No fresh proofs are asked for yet: what comes after the button asks for
// all of them, whatever has been typed before.
func showDisable(q *request) {
	if !q.own.Enrolled {
		q.see("account")
		return
	}
	q.show(http.StatusOK, q.disablePage(""))
}

func disable(q *request) {
	p, err := q.auth.DisableTwoFactor(q.Context(), q.client(), q.ticket)
	switch {
	case err == nil:
		q.proceed(p)
	case auth.KindOf(err) == auth.AlreadyDone:
		q.see("account")
	default:
		q.refuse(err, "", q.disablePage)
	}
}

func (q *request) disablePage(problem string) web.Page {
	return web.DisableTwoFactor{Frame: q.frame(), Form: q.formFor(disableForm, problem), Vouched: q.visit.Vouched != ""}
}
