// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"github.com/nightlatch/nightlatch/web"
)

// static serves the files of our pages.
func static(q *request) {
	if !web.ServeStatic(q.w, q.Request, q.portal.brand, q.token()) {
		q.notFound()
	}
}
