// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"cmp"
	"net/url"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// otherSessionsEnded is the act of which each session has an event of its own.
const otherSessionsEnded = "other_sessions_ended"

// doneSentences are what a page says of an act that led to it, by the name of the act's event.
var doneSentences = map[string]web.Message{
	auth.EventFactorAdded:       web.DoneFactorAdded,
	auth.EventFactorRenamed:     web.DoneFactorRenamed,
	auth.EventFactorRemoved:     web.DoneFactorRemoved,
	auth.EventTwoFactorDisabled: web.DoneTwoFactorOff,
	auth.EventBackupCodesMade:   web.DoneBackupCodes,
	auth.EventPasswordChanged:   web.DonePassword,
	auth.EventEmailChanged:      web.DoneEmail,
	auth.EventSessionEnded:      web.DoneSession,
	otherSessionsEnded:          web.DoneOtherSessions,
	auth.EventTrustEnded:        web.DoneTrust,
	auth.EventAccessKeyRevoked:  web.DoneAppPassword,
}

// doneFor ties the address of a page that says what was done to the session and to the act. Without it a link on any site could have
// our page say that the password was changed.
func doneFor(act string) purpose { return purpose{name: "done/" + act, cookie: visit.Session} }

// done leads to a page of ours, which says that an act is done. session is the value of a session cookie that is just being set; empty:
// the one at hand stays.
func (q *request) done(page, act, session string) {
	f := doneFor(act)
	value, _ := q.visit.Cookie(q.Request, f.cookie)
	target := url.Values{"done": {act}, "token": {q.auth.FormToken(cmp.Or(session, value), f.name)}}
	q.see(page + "?" + target.Encode())
}

// wasDone is the sentence for the address of the page, or empty.
func (q *request) wasDone() string {
	act := q.query.Get("done")
	sentence, known := doneSentences[act]
	f := doneFor(act)
	value, _ := q.visit.Cookie(q.Request, f.cookie)
	if !known || !q.auth.CheckFormToken(value, f.name, q.query.Get("token")) {
		return ""
	}
	return q.say(sentence)
}
