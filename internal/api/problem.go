// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/password"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// problem is one kind of refusal, in the form of RFC 9457. What a program may go by is the name, which never changes.
type problem struct {
	status int
	name   string // the last word of the type
	title  string
	detail string
	more   any // members of its own; nil: none
}

// Error makes a problem what an act can end with.
func (p problem) Error() string { return p.name }

// because gives a problem another detail.
func (p problem) because(detail string) problem {
	p.detail = detail
	return p
}

// missingField is what a body lacks.
func missingField(name string) problem {
	return badRequest.because(fmt.Sprintf("the field %q is missing", name))
}

// with gives a problem members.
func (p problem) with(more any) problem {
	p.more = more
	return p
}

// What is refused before package auth is asked.
var (
	badHost       = problem{status: 400, name: "bad-host", title: "There is no such host", detail: "the request names no host, or something that is no host name"}
	badRequest    = problem{status: 400, name: "bad-request", title: "Not a request of this API"}
	httpsRequired = problem{status: 403, name: "https-required", title: "HTTPS required", detail: "the connection is not encrypted: use https, and change what was sent, since it could be read on the way"}
	crossOrigin   = problem{status: 403, name: "cross-origin", title: "Sent from another origin", detail: "pages of other origins cannot use this API: send the request from your server, or from a page of this very origin"}
	atPortal      = problem{status: 403, name: "at-portal", title: "Ask at the central portal", detail: "people sign in for this site at a central portal: send this to the API there, at api_url"}
	notFound      = problem{status: 404, name: "not-found", title: "Not found", detail: "there is nothing at this address"}
	wrongMethod   = problem{status: 405, name: "method-not-allowed", title: "Method not allowed", detail: "this address takes only the methods of the Allow header"}
	wrongType     = problem{status: 415, name: "wrong-type", title: "Not JSON", detail: "the body must be application/json in UTF-8, without compression"}
	tooEarly      = problem{status: 425, name: "too-early", title: "Sent too early", detail: "the request came as TLS early data, which can be sent again by others: send it after the handshake"}

	invalidRefreshToken = problem{status: 401, name: "invalid-refresh-token", title: "The refresh token is not good", detail: "it is unknown, was used before, or its session has ended: sign in"}

	// badScope is a limit of an app password that cannot be set. Which, and why, is in the error.
	badScope = problem{status: 422, name: "bad-scope", title: "The limits are not acceptable"}

	// unread are the answers to a body that could not be read to its end, by status.
	unread = map[int]problem{
		http.StatusBadRequest:            badRequest.because("the body broke off"),
		http.StatusRequestTimeout:        {status: 408, name: "too-slow", title: "Sent too slowly", detail: "the body took longer than ten seconds to arrive"},
		http.StatusRequestEntityTooLarge: {status: 413, name: "too-large", title: "Too large", detail: "the body is larger than 64 KiB"},
	}
)

// kinds is the one table of how a program hears of an error of package auth. What it does not name is told as Unavailable.
var kinds = map[auth.Kind]problem{
	auth.Unavailable:      {status: 503, name: "unavailable", title: "Out of order", detail: "the sign-in service cannot be asked: try again in a moment"},
	auth.NotSignedIn:      {status: 401, name: "sign-in-required", title: "Sign-in required", detail: "there is no session, or it has ended: sign in"},
	auth.WrongCredentials: {status: 401, name: "wrong-credentials", title: "Wrong user name or password", detail: "the user name or the password is not right"},
	auth.WrongPassword:    {status: 401, name: "wrong-password", title: "Wrong password", detail: "the password is not right"},
	auth.WrongCode:        {status: 401, name: "wrong-code", title: "Wrong code", detail: "the code is not right"},
	auth.UsedCode:         {status: 401, name: "used-code", title: "Used code", detail: "the code was right and has been used: wait for the next one, or take another backup code"},
	auth.CodeGone:         {status: 401, name: "code-gone", title: "No code to compare with", detail: "the code that was sent has run out, or none was sent: have one sent"},
	auth.AttemptGone:      {status: 401, name: "attempt-gone", title: "The attempt is over", detail: "it took too long, was finished, or never began: begin again"},
	auth.StepUpNeeded:     {status: 401, name: "step-up-required", title: "Fresh proof required", detail: "what the session has proven is missing something, or too old for this: prove it with POST sudo"},
	auth.LinkNeeded:       {status: 403, name: "link-needed", title: "A link is needed", detail: "an operator has reset the second factor: the new one is enrolled through their link"},
	auth.NothingTyped:     {status: 403, name: "enroll-on-page", title: "Enroll on a page", detail: "nobody has typed anything here: a first second factor is enrolled in a browser, at /_nightlatch/two-factor/enable"},
	auth.Stopped:          {status: 403, name: "stopped", title: "Stopped after too many wrong tries", detail: "this way of signing in stays shut until the person goes another way or an operator opens it"},
	auth.TriesSpent:       {status: 403, name: "tries-spent", title: "Too many wrong codes in this attempt", detail: "begin again, or go another way"},
	auth.NoAccount:        {status: 403, name: "no-account", title: "There is no account to use", detail: "the person whom the handler in front names has no account here, or it is disabled"},
	auth.OtherPerson:      {status: 403, name: "other-person", title: "Somebody else is named", detail: "the handler in front of this site names another person than the one whom this is about"},
	auth.NotFound:         {status: 404, name: "not-found", title: "Not found", detail: "there is nothing of that id"},
	auth.NoSuchWay:        {status: 404, name: "no-such-factor", title: "No such second factor", detail: "the person has no such second factor, or it cannot be used or enrolled here: methods and available list what can"},
	auth.OutOfOrder:       {status: 409, name: "out-of-order", title: "Out of order", detail: "the attempt waits for another step"},
	auth.AlreadyDone:      {status: 409, name: "already-done", title: "Nothing to change", detail: "it is so already"},
	auth.LastFactor:       {status: 409, name: "last-factor", title: "This is the last second factor", detail: "it goes only by turning two-factor sign-in off"},
	auth.BadInput:         {status: 400, name: "bad-request", title: "Not a request of this API"},
	auth.BadPassword:      {status: 422, name: "bad-password", title: "The new password is not acceptable"},
	auth.BadFactorName:    {status: 422, name: "bad-name", title: "The name is not acceptable", detail: "a name is at most 64 printable characters"},
	auth.BadName:          {status: 422, name: "bad-name", title: "The name is not acceptable", detail: "the handler in front of this site names somebody by what can be no user name here"},
	auth.BadDestination:   {status: 422, name: "bad-destination", title: "The destination is not acceptable", detail: "codes cannot be sent there: a telephone number has its country in front, as in +15550100"},
	auth.BadKeyName:       {status: 422, name: "bad-name", title: "The name is not acceptable"},
	auth.BadKeyHost:       badScope,
	auth.BadKeyPath:       badScope,
	auth.BadKeyMethod:     badScope,
	auth.BadKeyNetwork:    badScope,
	auth.BadKeyExpiry:     badScope,
	auth.TooManyKeys:      {status: 409, name: "too-many-keys", title: "Too many app passwords"},
	auth.TooManyTries:     {status: 429, name: "too-many-tries", title: "Too many tries", detail: "wait for the seconds of Retry-After"},
	auth.TooManyMessages:  {status: 429, name: "too-many-messages", title: "Too many messages", detail: "wait for the seconds of Retry-After before the next one is sent"},
	auth.Busy:             {status: 503, name: "busy", title: "Busy", detail: "too many are signing in at once: wait for the seconds of Retry-After"},
}

// reasons are why a new password is refused, as the member reason has them.
var reasons = map[password.Reason]string{
	password.TooShort: "too_short",
	password.TooLong:  "too_long",
	password.NotText:  "not_text",
	password.Common:   "common",
	password.Context:  "context",
	password.Pattern:  "pattern",
}

// patience is what a client is asked to wait for a service that does not answer.
const patience = 10 * time.Second

// answer answers with a problem.
func (c *call) answer(p problem) {
	if p.status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", c.challenge(p))
	}
	web.Problem(c.w, c.Request, p.status, web.ProblemDetails{Type: p.name, Title: p.title, Detail: p.detail, More: p.more})
}

// challenge is the value of WWW-Authenticate, which RFC 9110 section 11.6.1 wants with each 401. What is wrong with a token is told by RFC
// 6750 section 3, and that its proofs are too old by RFC 9470 section 3.
func (c *call) challenge(p problem) string {
	const realm = `Bearer realm="nightlatch"`
	switch p.name {
	case kinds[auth.StepUpNeeded].name:
		return fmt.Sprintf(`%s, error="insufficient_user_authentication", max_age="%d"`, realm, int(auth.SudoAge.Seconds()))
	case kinds[auth.NotSignedIn].name:
		if _, found := visit.Presented(c.Header); found || len(c.Header["Authorization"]) > 0 && !c.byCookie {
			return realm + `, error="invalid_token"`
		}
	}
	return realm
}

// refusal is an error of package auth with members that tell how to go on.
type refusal struct {
	error
	more any
}

func (r refusal) Unwrap() error { return r.error }

// refuse answers what an act has ended with: a problem, or an error of package auth.
func (c *call) refuse(err error) {
	if p, ok := errors.AsType[problem](err); ok {
		c.answer(p)
		return
	}
	kind := auth.KindOf(err)
	p, known := kinds[kind]
	if !known {
		kind, p = auth.Unavailable, kinds[auth.Unavailable]
	}
	e, _ := errors.AsType[*auth.Error](err)
	switch kind {
	case auth.Unavailable:
		// A client that left is no failure of ours, and each request would say the same.
		if c.Context().Err() == nil && c.api.logged.Allows(c.api.now(), time.Second) {
			c.api.log.Error("sign-in service unavailable", "error", err, "route", c.route.method+" "+Prefix+c.route.path)
		}
		web.RetryAfter(c.w.Header(), patience)
	case auth.BadPassword:
		p = weak(p, err)
	}
	if p.detail == "" && e != nil {
		p.detail = e.Detail
	}
	if e != nil && e.RetryAfter > 0 {
		web.RetryAfter(c.w.Header(), e.RetryAfter)
	}
	if r, ok := errors.AsType[refusal](err); ok {
		p.more = r.more
	}
	c.answer(p)
}

// weak says what is wrong with a new password.
func weak(p problem, err error) problem {
	w, ok := errors.AsType[*password.WeakError](err)
	if !ok { // the only other cause: a password that cannot even be hashed
		return p.because(password.ErrTooLong.Error()).with(weakness{Reason: reasons[password.TooLong]})
	}
	more := weakness{Reason: reasons[w.Reason]}
	if w.Reason == password.TooShort {
		more.MinLength = w.Min
	}
	return p.because(w.Error()).with(more)
}

type weakness struct {
	Reason    string `json:"reason"`
	MinLength int    `json:"min_length,omitempty"` // in characters
}
