// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// The values of Problem.Kind that a program may want to tell apart.
const (
	KindNotConfigured     = "not_configured"     // the server runs without Nightlatch
	KindUnavailable       = "unavailable"        // the store did not answer
	KindBusy              = "busy"               // wait the seconds of Retry-After
	KindBadRequest        = "bad_request"        // not a request of this API
	KindBadInput          = "bad_input"          // a value is not acceptable
	KindNameTaken         = "name_taken"         // somebody has this user name
	KindTooMany           = "too_many"           // the person has as many of these as anybody may
	KindNotFound          = "not_found"          // no such user, session, token or address
	KindAlreadyDone       = "already_done"       // nothing to change
	KindDisabled          = "disabled"           // the account is disabled
	KindLastAdministrator = "last_administrator" // nobody would be left to administer
	KindNoMail            = "no_mail"            // the configuration has no mail server
	KindMailFailed        = "mail_failed"        // the mail server did not take a mail
)

func problem(status int, kind, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Kind: kind, Detail: detail}
}

// problemOf says in one sentence what an error means for the operator. An error that is not understood says no more than that: its
// text could hold what the log alone should.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	e, ok := errors.AsType[*auth.Error](err)
	if !ok {
		return problem(http.StatusServiceUnavailable, KindUnavailable, "the store could not be used; the server's log says why")
	}
	say := func(otherwise string) string {
		if e.Detail != "" {
			return e.Detail
		}
		return otherwise
	}
	switch e.Kind {
	case auth.BadName:
		return problem(http.StatusUnprocessableEntity, KindBadInput, "the user name cannot be used: "+say("it is not acceptable"))
	case auth.BadPassword:
		return problem(http.StatusUnprocessableEntity, KindBadInput, badPassword(e))
	case auth.BadInput, auth.BadKeyName, auth.BadKeyHost, auth.BadKeyPath, auth.BadKeyMethod, auth.BadKeyNetwork, auth.BadKeyExpiry:
		return problem(http.StatusUnprocessableEntity, KindBadInput, say("a value is not acceptable"))
	case auth.NameTaken:
		return problem(http.StatusConflict, KindNameTaken, say("this user name is taken"))
	case auth.TooManyKeys:
		return problem(http.StatusConflict, KindTooMany, "this person has too many app passwords: "+say("revoke one first"))
	case auth.NotFound:
		return problem(http.StatusNotFound, KindNotFound, say("there is no such user or session"))
	case auth.AlreadyDone:
		return problem(http.StatusConflict, KindAlreadyDone, say("there is nothing to change"))
	case auth.Disabled:
		return problem(http.StatusConflict, KindDisabled, say("the account is disabled: enable it first"))
	case auth.LastAdministrator:
		return problem(http.StatusConflict, KindLastAdministrator, "this is the last administrator: "+say("add another one first"))
	case auth.Busy, auth.TooManyTries:
		return problem(http.StatusServiceUnavailable, KindBusy, "too much is going on at once: try again in a moment")
	}
	return problem(http.StatusServiceUnavailable, KindUnavailable, "the store could not be used; the server's log says why")
}

// badPassword is why a new password was refused; package password words its errors for the person who chose it.
func badPassword(e *auth.Error) string {
	switch {
	case e.Detail != "":
		return e.Detail
	case e.Cause != nil:
		return e.Cause.Error()
	}
	return "the password is not acceptable"
}

func writeProblem(w http.ResponseWriter, err error) {
	p := problemOf(err)
	if e, ok := errors.AsType[*auth.Error](err); ok && e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())+1))
	} else if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // an error: the client is gone, and nobody is left to tell
}
