// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"

	"github.com/nightlatch/nightlatch/web"
)

// static serves the files of our pages.
func static(q *request) {
	if !web.ServeStatic(q.w, q.Request, q.portal.brand, q.token()) {
		q.notice(http.StatusNotFound, web.NotFoundTitle, web.NotFound, "account", web.ToAccount)
	}
}
