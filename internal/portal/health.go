// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/web"
)

// healthz says that the program answers.
func healthz(q *request) { web.Plain(q.w, q.Request, http.StatusOK, "ok") }

// readyz says whether people can sign in: the service is there and its store answers.
func readyz(q *request) {
	s, err := q.portal.service()
	if err == nil {
		_, err = s.HasAdministrator(q.Context())
	}
	if err != nil {
		web.Plain(q.w, q.Request, http.StatusServiceUnavailable, "not ready")
		return
	}
	web.Plain(q.w, q.Request, http.StatusOK, "ok")
}
