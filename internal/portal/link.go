// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import "github.com/nightlatch/nightlatch/internal/auth"

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
		q.linkGone()
	}
	return auth.Link{}, false
}

func (q *request) linkGone() {
	o := outcomes[auth.LinkGone]
	q.notice(o.status, o.title, o.text, o.next, linkText(o.next))
}
