// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var sudoForm = purpose{name: "sudo", cookie: visit.Attempt}

// showSudo asks a person who is signed in for what a rule finds missing. With a query it begins a step-up, which leads to the page of
// its first step; that page may be this one, without a query.
//
// Beginning on GET changes nothing that guards the account and sends nothing: it opens the dialog that a person would open by a click,
// and what it asks for has to be asked for there and typed. The gate judges anew afterwards, so a made-up query gains nothing.
func showSudo(q *request) {
	if len(q.query) > 0 && q.Method == http.MethodGet {
		need, ok := requirement(q.query.Get("level"), q.query.Get("max_age"), q.query.Get("methods"))
		if !ok {
			q.notice(http.StatusBadRequest, web.BadRequestTitle, web.BadRequest, "account", web.ToAccount)
			return
		}
		q.stepUp(need, q.returnTo())
		return
	}
	if a, ok := q.at(auth.StepPassword); ok {
		q.show(http.StatusOK, q.sudoPage(a, ""))
	}
}

func sudo(q *request) {
	a, ok := q.at(auth.StepPassword)
	if !ok {
		return
	}
	p, err := q.auth.ReenterPassword(q.Context(), q.client(), q.ticket, q.form.Get("password"))
	if err != nil {
		q.refuse(err, auth.Password, func(problem string) web.Page { return q.sudoPage(a, problem) })
		return
	}
	q.proceed(p)
}

func (q *request) sudoPage(a *auth.AttemptView, problem string) web.Page {
	return web.Sudo{Frame: q.frame(), Form: q.formFor(sudoForm, problem), UserName: a.UserName, TurnsOff: turnsOff(a)}
}

// stepUp begins to prove more with the session at hand. returnTo is a path that has been made safe.
func (q *request) stepUp(need auth.Requirement, returnTo string) {
	s, err := q.session()
	if err != nil {
		q.unavailable(err)
		return
	}
	if s == nil {
		q.begin()
		return
	}
	a, err := q.attempt()
	if err != nil {
		q.unavailable(err)
		return
	}
	if a != nil && a.Step == auth.StepSaveCodes {
		// They are shown only now. A link from anywhere leads here, and another attempt in their place would lose them.
		q.see(pathOf(a.Step))
		return
	}
	value, _ := q.visit.Cookie(q.Request, visit.Session)
	p, err := q.auth.StepUp(q.Context(), q.client(), value, need, returnTo)
	if err != nil {
		q.refuse(err, "", q.refused)
		return
	}
	q.proceed(p)
}

// requirement reads what the gate wrote into the address.
func requirement(level, maxAge, methods string) (need auth.Requirement, ok bool) {
	switch level {
	case auth.LevelPassword.String():
		need.Level = auth.LevelPassword
	case auth.LevelTwoFactor.String():
		need.Level = auth.LevelTwoFactor
	default:
		return need, false
	}
	if maxAge != "" {
		seconds, err := strconv.ParseUint(maxAge, 10, 31)
		if err != nil {
			return need, false
		}
		need.MaxAge = time.Duration(seconds) * time.Second
	}
	if methods == "" {
		return need, true
	}
	for m := range strings.SplitSeq(methods, ",") {
		if !auth.Method(m).Second() || len(need.Methods) == maxMethods {
			return need, false
		}
		need.Methods = append(need.Methods, auth.Method(m))
	}
	return need, true
}

// maxMethods bounds a list that comes from outside.
const maxMethods = 8
