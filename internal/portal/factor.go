// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"slices"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var (
	addFactorForm    = purpose{name: "two-factor/add", cookie: visit.Session}
	renameFactorForm = purpose{name: "factor/rename", page: "factor/{id}", cookie: visit.Session}
	removeFactorForm = purpose{name: "factor/remove", page: "factor/{id}", cookie: visit.Session}
)

func showAddFactor(q *request) {
	if page, ok := q.addFactorPage(); ok {
		q.show(http.StatusOK, page)
	}
}

// addFactor begins to enroll one more. What it sends to is confirmed before it counts.
func addFactor(q *request) {
	in := q.newFactor()
	p, err := q.auth.AddFactor(q.Context(), q.client(), q.ticket, in)
	if err == nil {
		q.proceed(p)
		return
	}
	page, ok := q.addFactorPage()
	if !ok {
		return
	}
	q.refuse(err, in.Method, func(problem string) web.Page {
		if !refuseKind(&page.Kinds, in, problem) {
			page.Problem = problem // what was asked for is not to be had
		}
		return page
	})
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
	for _, f := range u.Factors {
		if f.ID == q.id() {
			return f, len(u.Factors) == 1, true
		}
	}
	q.notFound()
	return f, false, false
}

func showFactor(q *request) {
	if f, last, ok := q.ownFactor(); ok {
		q.show(http.StatusOK, q.factorPage(f, last))
	}
}

func (q *request) factorPage(f auth.FactorInfo, last bool) web.EditFactor {
	return web.EditFactor{
		Frame: q.frame(), Form: q.formFor(renameFactorForm, ""), RemoveToken: q.tokenFor(removeFactorForm),
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
	if err := q.auth.RenameFactor(q.Context(), q.client(), q.ticket, f.ID, page.Typed); err != nil {
		q.refuse(err, f.Method, func(problem string) web.Page {
			page.Problem, page.WrongName = problem, auth.KindOf(err) == auth.BadFactorName
			return page
		})
		return
	}
	q.done("account", auth.EventFactorRenamed, "")
}

func removeFactor(q *request) {
	f, last, ok := q.ownFactor()
	if !ok {
		return
	}
	if err := q.auth.RemoveFactor(q.Context(), q.client(), q.ticket, f.ID); err != nil {
		q.refuse(err, f.Method, func(problem string) web.Page {
			page := q.factorPage(f, last)
			page.Problem = problem
			return page
		})
		return
	}
	q.done("account", auth.EventFactorRemoved, "")
}
