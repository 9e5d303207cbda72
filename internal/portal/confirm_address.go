// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var confirmAddressForm = purpose{name: "email/confirm", cookie: visit.Attempt}

// showConfirmAddress asks for the code that was mailed to a new address.
func showConfirmAddress(q *request) {
	if a, ok := q.at(auth.StepConfirmAddress); ok {
		q.show(http.StatusOK, q.confirmAddressPage(a, ""))
	}
}

func confirmAddress(q *request) {
	a, ok := q.at(auth.StepConfirmAddress)
	if !ok {
		return
	}
	p, err := q.auth.ConfirmAddress(q.Context(), q.client(), q.ticket, unspaced(q.form.Get("code")))
	if err != nil {
		q.refuse(err, auth.Email, func(problem string) web.Page {
			page := q.confirmAddressPage(a, problem)
			page.Wrong = true
			return page
		})
		return
	}
	q.proceed(p)
}

var sendAddressForm = purpose{name: "email/send", page: "email/confirm", cookie: visit.Attempt}

// sendAddress has another code mailed to the new address.
func sendAddress(q *request) {
	a, ok := q.at(auth.StepConfirmAddress)
	if !ok {
		return
	}
	if err := q.auth.SendCode(q.Context(), q.client(), q.ticket, "", ""); err != nil {
		q.refuse(err, auth.Email, func(problem string) web.Page { return q.confirmAddressPage(a, problem) })
		return
	}
	q.see("email/confirm")
}

func (q *request) confirmAddressPage(a *auth.AttemptView, problem string) web.ConfirmAddress {
	return web.ConfirmAddress{
		Frame:     q.frame(),
		Form:      q.formFor(confirmAddressForm, problem),
		Sent:      sentPage(a.Sent, ""),
		SendToken: q.tokenFor(sendAddressForm),
	}
}
