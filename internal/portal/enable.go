// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var enableForm = purpose{"two-factor/enable", visit.Attempt}

// showEnable shows the key of a new authenticator app. A person who is signed in without a second factor is brought here by the gate,
// and gets a step-up first.
func showEnable(q *request) {
	a, err := q.attempt()
	if err != nil {
		q.unavailable(err)
		return
	}
	if a == nil && q.Method == http.MethodGet {
		q.stepUp(auth.Requirement{Level: auth.LevelTwoFactor})
		return
	}
	a, ok := q.at(auth.StepEnroll)
	if !ok {
		return
	}
	page, err := q.enablePage(a)
	if err != nil {
		q.unavailable(err)
		return
	}
	q.page(http.StatusOK, page)
}

func enable(q *request) {
	a, ok := q.at(auth.StepEnroll)
	if !ok {
		return
	}
	p, err := q.auth.ConfirmEnrollment(q.Context(), q.client(), q.bound, unspaced(q.form.Get("code")))
	if err != nil {
		page, keyErr := q.enablePage(a)
		if keyErr != nil {
			q.unavailable(keyErr)
			return
		}
		q.refuse(err, auth.TOTP, func(problem string) web.Page {
			page.Problem = problem
			return page
		})
		return
	}
	q.proceed(p)
}

// qrSize is the side of the picture in pixels: twice what the page gives it, for fine screens.
const qrSize = 512

// enablePage draws the key. The picture is part of the page and has no address of its own, so that the secret is in no URL, log or
// cache (WB-13).
func (q *request) enablePage(a *auth.AttemptView) (web.EnableTwoFactor, error) {
	key, err := otp.NewKey(a.Pending.Issuer, a.UserName, a.Pending.Secret)
	if err != nil {
		return web.EnableTwoFactor{}, fmt.Errorf("showing the key of a new factor: %w", err)
	}
	picture, err := key.PNG(qrSize)
	if err != nil {
		return web.EnableTwoFactor{}, fmt.Errorf("showing the key of a new factor: %w", err)
	}
	return web.EnableTwoFactor{
		Frame:     q.frame(),
		Form:      q.formFor(enableForm),
		UserName:  a.UserName,
		QR:        base64.StdEncoding.EncodeToString(picture),
		Secret:    key.SecretGroups(),
		Link:      strings.TrimPrefix(key.URL(), "otpauth://"),
		StartOver: q.startOverToken(a),
	}, nil
}
