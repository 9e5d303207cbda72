// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/web"
)

func toAccount(q *request) { q.see("account") }

// showAccount tells a person what is known of them, and leads to what they can change.
func showAccount(q *request) {
	u, err := q.auth.Account(q.Context(), q.own.UserID)
	if err != nil {
		q.unavailable(err)
		return
	}
	apps, err := q.auth.AppPasswords(q.Context(), q.own.UserID)
	if err != nil {
		q.unavailable(err)
		return
	}
	page := web.Account{
		Frame:          q.frame(),
		Token:          q.tokenFor(signOutForm),
		Done:           q.wasDone(),
		UserName:       u.Name,
		HasPassword:    u.HasPassword,
		FullName:       u.FullName,
		Email:          u.Email,
		MayChangeEmail: q.auth.Settings().Mail,
		Groups:         u.Groups,
		Left:           u.CodesLeft,
		AppPasswords:   len(apps),
		Sessions:       u.Sessions,
	}
	for _, f := range u.Factors {
		page.Factors = append(page.Factors, factor(f))
	}
	q.show(http.StatusOK, page)
}

// factor is how a second factor is shown.
func factor(f auth.FactorInfo) web.Factor {
	return web.Factor{
		ID: f.ID, Method: string(f.Method), Channel: f.Channel, Name: f.Name, To: f.To, Added: f.Created, LastUsed: f.LastUsed,
	}
}
