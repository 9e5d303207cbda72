// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var (
	addFactorForm    = purpose{"two-factor/add", visit.Session}
	renameFactorForm = purpose{"factor/rename", visit.Session}
	removeFactorForm = purpose{"factor/remove", visit.Session}
)

// beginEnrollment sets up the first second factor of somebody who is signed in: the gate has brought them here, or a link in the
// application. Whoever has one finds the way to another on the account page.
func (q *request) beginEnrollment() {
	s, err := q.session()
	switch {
	case err != nil:
		q.unavailable(err)
	case s != nil && s.Enrolled:
		q.see("account")
	default:
		returnTo := accountPath
		if q.query.Has("return_to") {
			returnTo = q.returnTo()
		}
		q.stepUp(auth.Requirement{Level: auth.LevelTwoFactor}, returnTo)
	}
}

func showAddFactor(q *request) {
	if page, ok := q.addFactorPage(); ok {
		q.page(http.StatusOK, page)
	}
}

// addFactor begins to enroll one more. What it sends to is confirmed before it counts.
func addFactor(q *request) {
	in := q.newFactor()
	p, err := q.auth.AddFactor(q.Context(), q.client(), q.bound, in)
	if err == nil {
		q.proceed(p)
		return
	}
	page, ok := q.addFactorPage()
	if !ok {
		return
	}
	again := func(problem string) web.Page {
		if !refuseKind(&page.Kinds, in, problem) {
			page.Problem = problem // what was asked for is not to be had
		}
		return page
	}
	if auth.KindOf(err) == auth.BadInput {
		q.page(http.StatusUnprocessableEntity, again(q.say(web.BadFactorName)))
		return
	}
	q.refuse(err, in.Method, again)
}

// addFactorPage offers what may be enrolled. It answers when that cannot be found out.
func (q *request) addFactorPage() (page web.AddFactor, ok bool) {
	methods, err := q.auth.Enrollable(q.Context(), q.own.UserID)
	if err != nil {
		q.unavailable(err)
		return page, false
	}
	settings := q.auth.Settings()
	return web.AddFactor{
		Frame:      q.frame(),
		Kinds:      q.kinds(addFactorForm, methods, settings.Channels),
		NeedsEmail: q.own.Email == "" && settings.Mail && slices.Contains(settings.Methods, auth.Email),
	}, true
}

// ownFactor finds the second factor of the path among those of the person. Somebody else's is as good as none (ASVS 8.2.2).
func (q *request) ownFactor() (f auth.FactorInfo, last, ok bool) {
	u, err := q.auth.Account(q.Context(), q.own.UserID)
	if err != nil {
		q.unavailable(err)
		return f, false, false
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(q.visit.URL.Path, visit.Prefix+"factor/"), "/")
	for _, f := range u.Factors {
		if f.ID == id {
			return f, len(u.Factors) == 1, true
		}
	}
	q.notice(http.StatusNotFound, web.NotFoundTitle, web.NotFound, "account", web.ToAccount)
	return f, false, false
}

func showFactor(q *request) {
	if f, last, ok := q.ownFactor(); ok {
		q.page(http.StatusOK, q.factorPage(f, last))
	}
}

func (q *request) factorPage(f auth.FactorInfo, last bool) web.EditFactor {
	return web.EditFactor{
		Frame: q.frame(), Form: q.formFor(renameFactorForm), RemoveToken: q.formFor(removeFactorForm).Token,
		Factor: factor(f), Typed: f.Name, Last: last,
	}
}

func renameFactor(q *request) {
	f, last, ok := q.ownFactor()
	if !ok {
		return
	}
	page := q.factorPage(f, last)
	page.Typed = q.form.Get("name")
	err := q.auth.RenameFactor(q.Context(), q.client(), q.bound, f.ID, page.Typed)
	switch {
	case err == nil:
		q.done("account", auth.EventFactorRenamed, "")
	case auth.KindOf(err) == auth.BadInput:
		page.Problem, page.WrongName = q.say(web.BadFactorName), true
		q.page(http.StatusUnprocessableEntity, page)
	default:
		q.refuse(err, f.Method, func(problem string) web.Page {
			page.Problem = problem
			return page
		})
	}
}

func removeFactor(q *request) {
	f, last, ok := q.ownFactor()
	if !ok {
		return
	}
	if err := q.auth.RemoveFactor(q.Context(), q.client(), q.bound, f.ID); err != nil {
		q.refuse(err, f.Method, func(problem string) web.Page {
			page := q.factorPage(f, last)
			page.Problem = problem
			return page
		})
		return
	}
	q.done("account", auth.EventFactorRemoved, "")
}
