// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var signOutForm = purpose{name: "sign-out", cookie: visit.Session}

// showSignOut asks first: a link, an image or a preview must not sign anybody out (CS-5).
func showSignOut(q *request) {
	s, err := q.anySession()
	switch {
	case err != nil:
		q.unavailable(err)
	case s == nil:
		q.nobodyToSignOut()
	default:
		q.show(http.StatusOK, web.SignOut{Frame: q.frame(), Token: q.tokenFor(signOutForm), Vouched: q.visit.Vouched != ""})
	}
}

// signOut ends the session and whatever step-up was under way. While the store does not answer the cookies stay: "signed out" is
// said only when it is so.
func signOut(q *request) {
	s, err := q.anySession()
	if err != nil {
		q.unavailable(err)
		return
	}
	if s == nil && q.visit.Portal != "" {
		q.nobodyToSignOut()
		return
	}
	if err := q.auth.SignOut(q.Context(), q.client(), q.ticket); err != nil && auth.KindOf(err) != auth.NotSignedIn {
		q.unavailable(err)
		return
	}
	q.visit.ClearCookie(q.w, visit.Session)
	q.visit.ClearCookie(q.w, visit.Attempt)
	q.w.Header().Set("Clear-Site-Data", `"cache"`) // the back button shows nothing of the application either (WB-11)
	q.see("signed-out")
}

// nobodyToSignOut answers a browser that has no session here. Where people sign in at a portal that does not say that they are signed out:
// the next visit would let them in again without a word. So they are asked there.
func (q *request) nobodyToSignOut() {
	if there := q.visit.Portal + visit.Prefix + "sign-out"; q.visit.Portal != "" {
		if q.Method == http.MethodPost { // see web.GoOn
			q.show(http.StatusOK, web.GoOn{Frame: web.Frame{Brand: q.portal.brand}, To: there, Site: hostOf(q.visit.Portal)})
			return
		}
		web.See(q.w, there)
		return
	}
	q.see("signed-out")
}

func showSignedOut(q *request) {
	text := web.SignedOutText
	if q.visit.Vouched != "" {
		text = web.SignedOutVouched
	}
	q.notice(http.StatusOK, web.SignedOutTitle, text, "sign-in", web.SignInAgain)
}
