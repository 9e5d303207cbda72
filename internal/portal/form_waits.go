// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/web"
)

// showFormWaits is where a sign-in leads that the gate's page about a form has asked for: the form is in another tab (package forms). It
// knows nothing of it, so it says the same to everybody.
func showFormWaits(q *request) {
	q.notice(http.StatusOK, web.FormWaitsTitle, web.FormWaits, "", "")
}
