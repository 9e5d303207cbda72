// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

var (
	endSessionForm = purpose{name: "sessions/end", page: "sessions", cookie: visit.Session}
	endOthersForm  = purpose{name: "sessions/end-others", page: "sessions", cookie: visit.Session}
	endTrustForm   = purpose{name: "sessions/end-trust", page: "sessions", cookie: visit.Session}
)

func showSessions(q *request) {
	page, err := q.sessionsPage()
	if err != nil {
		q.unavailable(err)
		return
	}
	page.Done = q.wasDone()
	q.show(http.StatusOK, page)
}

// sessionsPage lists where the person is signed in, this browser first and then the newest, and which browsers are asked for no code.
func (q *request) sessionsPage() (web.Sessions, error) {
	page := web.Sessions{
		Frame: q.frame(), EndToken: q.tokenFor(endSessionForm), OthersToken: q.tokenFor(endOthersForm),
		TrustToken: q.tokenFor(endTrustForm),
	}
	sessions, err := q.auth.SessionsOf(q.Context(), q.own.UserID)
	if err != nil {
		return page, err
	}
	for _, s := range slices.Backward(sessions) {
		row := web.Session{
			ID: s.ID, Device: s.Device, Program: s.Program, Address: addressText(s.Address), Since: s.Created, Seen: s.LastSeen, Proofs: q.proofs(s.Proofs),
		}
		if s.ID == q.own.ID {
			page.This = row
		} else {
			page.Others = append(page.Others, row)
		}
	}
	trusted, err := q.auth.TrustedBrowsers(q.Context(), q.own.UserID)
	if err != nil {
		return page, err
	}
	for _, b := range slices.Backward(trusted) {
		page.Trusted = append(page.Trusted, web.TrustedBrowser{
			ID: b.ID, Device: b.Device, Address: addressText(b.Address), LastUsed: b.LastUsed, Until: b.Expires,
		})
	}
	return page, nil
}

// addressText is empty for an address that is not known.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

var proofWords = map[auth.Method]web.Message{
	auth.Password:       web.ProofPassword,
	auth.TOTP:           web.ProofApp,
	auth.Email:          web.ProofEmail,
	auth.Webhook:        web.ProofMessage,
	auth.BackupCode:     web.ProofBackupCode,
	auth.TrustedBrowser: web.ProofTrusted,
	auth.Vouched:        web.ProofVouched,
}

// proofs says in words what was proven.
func (q *request) proofs(list []auth.Proof) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = q.say(proofWords[p.Method])
	}
	return strings.Join(words, ", ")
}

// endSession ends one session of the person. Their own one is a sign-out.
func endSession(q *request) {
	id := q.form.Get("id")
	if id == q.own.ID {
		signOut(q)
		return
	}
	q.ended(q.auth.EndSession(q.Context(), q.client(), q.ticket, id), auth.EventSessionEnded)
}

func endOthers(q *request) {
	q.ended(q.auth.EndOtherSessions(q.Context(), q.client(), q.ticket), otherSessionsEnded)
}

func endTrust(q *request) {
	q.ended(q.auth.EndTrust(q.Context(), q.client(), q.ticket, q.form.Get("id")), auth.EventTrustEnded)
}

// ended answers an act of the sessions page.
func (q *request) ended(err error, act string) {
	if err == nil {
		q.done("sessions", act, "")
		return
	}
	page, readErr := q.sessionsPage()
	if readErr != nil {
		q.unavailable(readErr)
		return
	}
	q.refuse(err, "", func(problem string) web.Page {
		page.Problem = problem
		return page
	})
}
