// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/web"
)

func toAccount(q *request) { q.see("account") }

// showAccount tells a person what is known of them.
func showAccount(q *request) {
	s, err := q.session()
	if err != nil {
		q.unavailable(err)
		return
	}
	if s == nil {
		q.see("sign-in?return_to=" + accountPath)
		return
	}
	u, err := q.auth.Account(q.Context(), s.UserID)
	if err != nil {
		q.unavailable(err)
		return
	}
	page := web.Account{
		Frame:    q.frame(),
		Token:    q.formFor(signOutForm).Token,
		UserName: u.Name,
		FullName: u.FullName,
		Email:    u.Email,
		Groups:   u.Groups,
		Left:     u.CodesLeft,
		Sessions: u.Sessions,
	}
	for _, f := range u.Factors {
		page.Factors = append(page.Factors, web.Factor{Name: f.Name, LastUsed: f.LastUsed})
	}
	q.page(http.StatusOK, page)
}
