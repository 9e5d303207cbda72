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

// vouch begins the sign-in of somebody whom a handler in front has authenticated. There is no form to fill in, so the page leads on.
//
// A browser that keeps no cookies would be led round in circles, and each round would leave a session in the store. So it is given one
// first, and has to come back with it.
func (q *request) vouch() {
	if _, ok := q.visit.Cookie(q.Request, visit.Attempt); !ok {
		if q.query.Has("cookie") {
			q.notice(http.StatusForbidden, web.CookiesTitle, web.Cookies, "sign-in", web.OpenAgain)
			return
		}
		q.tokenFor(signInForm)
		q.see("sign-in?" + url.Values{"cookie": {"set"}, "return_to": {q.returnTo()}}.Encode())
		return
	}
	p, err := q.auth.Vouch(q.Context(), q.client(), auth.Vouching{Create: q.portal.create, ReturnTo: q.returnTo()})
	if err != nil {
		q.refuse(err, auth.Vouched, func(problem string) web.Page {
			return web.Notice{Frame: q.frame(), Title: q.say(web.VouchedTitle), Text: problem}
		})
		return
	}
	q.proceed(p)
}
