// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/web"
)

// link looks at the one-time link of the path. Looking consumes nothing, so a mail scanner or a preview that opens the address does
// no harm. A link of another kind is as good as none. Whoever has used it and is still at it is led on to the step that waits.
func (q *request) link(kind auth.LinkKind) (auth.Link, bool) {
	l, err := q.auth.Link(q.Context(), q.token())
	if err == nil && l.Kind == kind {
		return l, true
	}
	if err != nil && auth.KindOf(err) != auth.LinkGone {
		q.unavailable(err)
		return auth.Link{}, false
	}
	a, err := q.attempt()
	switch {
	case err != nil:
		q.unavailable(err)
	case a != nil:
		q.see(pathOf(a.Step))
	default:
		q.linkGone(kind)
	}
	return auth.Link{}, false
}

// linkGone says so, and where another link comes from.
func (q *request) linkGone(kind auth.LinkKind) {
	o := outcomes[auth.LinkGone]
	if kind == auth.ResetLink && q.auth.Settings().Mail {
		q.notice(o.status, o.title, web.ResetLinkGone, "reset", web.ResetAgain)
		return
	}
	q.notice(o.status, o.title, o.text, o.next, linkText(o.next))
}
