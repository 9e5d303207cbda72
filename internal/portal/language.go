// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// languageAge is how long a browser remembers the language, the most that browsers allow (RFC 6265bis §5.5).
const languageAge = 400 * 24 * time.Hour

func showLanguages(q *request) {
	page := web.ChooseLanguage{Frame: q.frame(), ReturnTo: q.languagePath(q.query.Get("return_to"))}
	page.Here = page.ReturnTo // whoever follows the link of this page too still comes back
	q.show(http.StatusOK, page)
}

// chooseLanguage remembers a language in the browser. Nothing is stored.
func chooseLanguage(q *request) {
	tag := q.form.Get("language")
	if !web.HasLanguage(tag) {
		q.notice(http.StatusBadRequest, web.BadRequestTitle, web.BadRequest, "language", web.OpenAgain)
		return
	}
	q.visit.SetCookie(q.w, visit.Language, tag, time.Now().Add(languageAge))
	web.See(q.w, q.languagePath(q.form.Get("return_to")))
}

// languagePath is where the choice of a language leads: back to the page on which somebody wanted another one, or, without one, to the
// choice itself. Unlike a sign-in it may lead to any page of ours: it is where the person was, and looking at one changes nothing.
func (q *request) languagePath(s string) string {
	const choice = visit.Prefix + "language"
	if s == "" || s == choice {
		return choice
	}
	return pathHere(s, func(u *url.URL) bool {
		page := visit.PlainlySpelled(u) && strings.HasPrefix(u.Path, visit.Prefix) && q.portal.pattern(http.MethodGet, u.Path) != ""
		return !ours(u.Path) || page && u.Path != choice // the choice with an address of its own leads in circles
	})
}
