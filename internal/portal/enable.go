// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var enableForm = purpose{name: "two-factor/enable", cookie: visit.Attempt}

// showEnable shows what is being enrolled, at first the key of a new authenticator app. A person who is signed in without a second
// factor is brought here by the gate, and gets a step-up first.
func showEnable(q *request) {
	a, err := q.attempt()
	if err != nil {
		q.unavailable(err)
		return
	}
	if q.Method == http.MethodGet && (a == nil || turnsOff(a)) { // a link of the application ends nothing else on the way
		q.beginEnrollment()
		return
	}
	a, ok := q.at(auth.StepEnroll)
	if !ok {
		return
	}
	if page, ok := q.enablePage(a); ok {
		q.show(http.StatusOK, page)
	}
}

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

func enable(q *request) {
	a, ok := q.at(auth.StepEnroll)
	if !ok {
		return
	}
	p, err := q.auth.ConfirmEnrollment(q.Context(), q.client(), q.ticket, unspaced(q.form.Get("code")))
	if err != nil {
		q.refuseEnrollment(a, err, true)
		return
	}
	q.proceed(p)
}

var chooseForm = purpose{name: "two-factor/choose", page: "two-factor/enable", cookie: visit.Attempt}

// choose changes what is being enrolled.
func choose(q *request) {
	a, ok := q.at(auth.StepEnroll)
	if !ok {
		return
	}
	in := q.newFactor()
	p, err := q.auth.ChooseFactor(q.Context(), q.client(), q.ticket, in)
	if err != nil {
		page, ok := q.enablePage(a)
		if !ok {
			return
		}
		q.refuse(err, in.Method, func(problem string) web.Page {
			if !refuseKind(&page.Kinds, in, problem) {
				page.Problem = problem
			}
			return page
		})
		return
	}
	q.proceed(p)
}

var sendEnrollmentForm = purpose{name: "two-factor/send", page: "two-factor/enable", cookie: visit.Attempt}

// sendEnrollment has another code sent to what is being enrolled.
func sendEnrollment(q *request) {
	a, ok := q.at(auth.StepEnroll)
	if !ok {
		return
	}
	if err := q.auth.SendCode(q.Context(), q.client(), q.ticket, "", ""); err != nil {
		q.refuseEnrollment(a, err, false)
		return
	}
	q.see("two-factor/enable")
}

// refuseEnrollment answers with the page of the enrollment and why something was not accepted. code: it was the code.
func (q *request) refuseEnrollment(a *auth.AttemptView, err error, code bool) {
	page, ok := q.enablePage(a)
	if !ok {
		return
	}
	q.refuse(err, auth.Method(page.Method), func(problem string) web.Page {
		page.Problem, page.Wrong = problem, code
		return page
	})
}

// qrSize is the side of the picture in pixels: twice what the page gives it, for fine screens.
const qrSize = 512

// enablePage shows what is being enrolled, and what else may be. It answers when that cannot be shown.
func (q *request) enablePage(a *auth.AttemptView) (page web.EnableTwoFactor, ok bool) {
	page = web.EnableTwoFactor{
		Frame:     q.frame(),
		Form:      q.formFor(enableForm, ""),
		UserName:  a.UserName,
		First:     a.First,
		Kinds:     q.kinds(chooseForm, a.Methods, a.Channels),
		StartOver: q.startOverToken(a),
	}
	if a.Pending == nil {
		if len(page.Kinds.List) > 0 {
			page.Kinds.List[0].Open = true
		}
		return page, true
	}
	page.Method = string(a.Pending.Method)
	if a.Pending.Method != auth.Webhook { // of which there may be several, or the number was mistyped
		page.Kinds.List = slices.DeleteFunc(page.Kinds.List, func(k web.Kind) bool { return k.Method == page.Method })
	}
	if a.Pending.Method != auth.TOTP {
		page.Sent, page.SendToken = sentPage(a.Sent, a.Pending.Channel), q.tokenFor(sendEnrollmentForm)
		return page, true
	}
	if err := showKey(&page, a); err != nil {
		q.unavailable(fmt.Errorf("showing the key of a new factor: %w", err))
		return page, false
	}
	return page, true
}

// showKey draws the key. The picture is part of the page and has no address of its own, so that the secret is in no URL, log or
// cache (WB-13).
func showKey(page *web.EnableTwoFactor, a *auth.AttemptView) error {
	key, err := otp.NewKey(a.Pending.Issuer, a.UserName, a.Pending.Secret)
	if err != nil {
		return err
	}
	picture, err := key.PNG(qrSize)
	if err != nil {
		return err
	}
	page.QR = base64.StdEncoding.EncodeToString(picture)
	page.Secret = key.SecretGroups()
	page.Link = strings.TrimPrefix(key.URL(), "otpauth://")
	return nil
}
