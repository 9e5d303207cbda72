// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/password"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// outcome is how a person hears of an error: a sentence above the form that was not accepted, or, with a title, a page of its own.
type outcome struct {
	status   int
	text     web.Message
	backup   web.Message // instead of text, where a backup code was typed
	sent     web.Message // instead of text, where a code was typed that had been sent
	password web.Message // instead of text, where a password was typed
	vouched  web.Message // instead of text, where a handler in front has said who it is; with the name
	noPhone  web.Message // instead of text, where codes were to go to something else than a telephone number
	title    web.Message
	next     string // of a page of its own: where to go, under visit.Prefix
}

// outcomes is the one table of what people are told. What it does not name is told as Unavailable, but for StepUpNeeded, which leads on.
var outcomes = map[auth.Kind]outcome{
	auth.Unavailable:      {status: http.StatusServiceUnavailable, title: web.UnavailableTitle, text: web.Unavailable},
	auth.NotSignedIn:      {status: http.StatusForbidden, title: web.AttemptGoneTitle, text: web.AttemptGone, next: "sign-in"},
	auth.WrongCredentials: {status: http.StatusForbidden, text: web.WrongCredentials},
	auth.WrongPassword:    {status: http.StatusForbidden, text: web.WrongPassword},
	auth.WrongCode:        {status: http.StatusForbidden, text: web.WrongCode, backup: web.WrongBackupCode, sent: web.WrongSentCode},
	auth.UsedCode:         {status: http.StatusForbidden, text: web.UsedCode, backup: web.UsedBackupCode},
	auth.TooManyTries:     {status: http.StatusTooManyRequests, text: web.TooManyTries},
	auth.Stopped:          {status: http.StatusForbidden, text: web.Stopped, backup: web.StoppedBackupCodes, password: web.StoppedPassword},
	auth.AttemptGone:      {status: http.StatusForbidden, title: web.AttemptGoneTitle, text: web.AttemptGone, next: "sign-in"},
	auth.OutOfOrder:       {status: http.StatusConflict, title: web.OldFormTitle, text: web.OldForm, next: "sign-in"},
	auth.LinkGone:         {status: http.StatusGone, title: web.LinkGoneTitle, text: web.LinkGone, next: "sign-in"},
	auth.LinkNeeded:       {status: http.StatusForbidden, text: web.LinkNeeded},
	auth.NameTaken:        {status: http.StatusConflict, text: web.NameTaken},
	auth.BadName:          {status: http.StatusUnprocessableEntity, text: web.BadName, vouched: web.VouchedBadName},
	auth.BadPassword:      {status: http.StatusUnprocessableEntity}, // one sentence for each reason, below
	auth.BadInput:         {status: http.StatusBadRequest, title: web.BadRequestTitle, text: web.BadRequest, next: "sign-in"},
	auth.NotFound:         {status: http.StatusNotFound, title: web.NotFoundTitle, text: web.NotFound, next: "account"},
	auth.AlreadyDone:      {status: http.StatusConflict, text: web.SameDestination},
	auth.CodeGone:         {status: http.StatusForbidden, text: web.CodeGone},
	auth.TriesSpent:       {status: http.StatusForbidden, text: web.TriesSpent},
	auth.TooManyMessages:  {status: http.StatusTooManyRequests, text: web.TooManyMessages},
	auth.NoSuchWay:        {status: http.StatusForbidden, text: web.NoSuchWay},
	auth.LastFactor:       {status: http.StatusConflict, text: web.LastFactor},
	auth.BadDestination:   {status: http.StatusUnprocessableEntity, text: web.BadDestination, noPhone: web.BadReceiver},
	auth.BadAddress:       {status: http.StatusUnprocessableEntity, text: web.BadAddress},
	auth.SameAddress:      {status: http.StatusUnprocessableEntity, text: web.SameEmail},
	auth.BadFactorName:    {status: http.StatusUnprocessableEntity, text: web.BadFactorName},
	auth.TooManyKeys:      {status: http.StatusConflict, text: web.TooManyAppPasswords},
	auth.BadKeyName:       {status: http.StatusUnprocessableEntity, text: web.BadAppPasswordName},
	auth.BadKeyHost:       {status: http.StatusUnprocessableEntity, text: web.BadAppPasswordSite},
	auth.BadKeyPath:       {status: http.StatusUnprocessableEntity, text: web.BadAppPasswordPath},
	auth.NoAccount:        {status: http.StatusForbidden, vouched: web.VouchedNoAccount},
	auth.OtherPerson:      {status: http.StatusForbidden, title: web.VouchedTitle, text: web.OtherPerson, next: "account"},
	auth.Busy:             {status: http.StatusServiceUnavailable, text: web.Busy},
}

var weakPasswords = map[password.Reason]web.Message{
	password.TooShort: web.PasswordTooShort,
	password.TooLong:  web.PasswordTooLong,
	password.NotText:  web.PasswordNotText,
	password.Common:   web.PasswordCommon,
	password.Context:  web.PasswordContext,
	password.Pattern:  web.PasswordPattern,
}

// refuse answers an error of package auth. again makes the page of the form anew with a sentence on it.
func (q *request) refuse(err error, m auth.Method, again func(problem string) web.Page) {
	kind := auth.KindOf(err)
	switch kind {
	case auth.AttemptGone:
		q.attemptGone()
		return
	case auth.StepUpNeeded:
		q.proveMore(auth.SudoAge)
		return
	}
	o, ok := outcomes[kind]
	if !ok || kind == auth.Unavailable {
		q.unavailable(err)
		return
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && e.RetryAfter > 0 {
		web.RetryAfter(q.w.Header(), e.RetryAfter)
	}
	if o.title != "" {
		q.notice(o.status, o.title, o.text, o.next, linkText(o.next))
		return
	}
	q.show(o.status, again(q.sentence(err, o, m)))
}

// maxShown is how many bytes of a name that may be anything come onto a page.
const maxShown = 128

// sentence fills in what the error knows.
func (q *request) sentence(err error, o outcome, m auth.Method) string {
	e, _ := errors.AsType[*auth.Error](err)
	switch e.Kind {
	case auth.TooManyTries, auth.TooManyMessages, auth.Busy:
		return q.say(o.text, web.Wait(q.Request, e.RetryAfter))
	case auth.BadPassword:
		weak, ok := errors.AsType[*password.WeakError](err)
		switch {
		case !ok:
			return q.say(web.PasswordTooLong) // the only other cause: a password that cannot even be hashed
		case weak.Reason == password.TooShort:
			return q.say(web.PasswordTooShort, weak.Min)
		}
		return q.say(weakPasswords[weak.Reason])
	}
	switch {
	case m == auth.BackupCode && o.backup != "":
		return q.say(o.backup)
	case (m == auth.Email || m == auth.Webhook) && o.sent != "":
		return q.say(o.sent)
	case m == auth.Vouched && o.vouched != "":
		return q.say(o.vouched, strings.ToValidUTF8(q.visit.Vouched[:min(len(q.visit.Vouched), maxShown)], ""))
	case m == auth.Password && o.password != "":
		return q.say(o.password)
	case o.noPhone != "" && !auth.PhoneChannel(q.form.Get("channel")):
		return q.say(o.noPhone)
	}
	return q.say(o.text)
}

// unavailable answers that the service cannot be asked. It is logged here and nowhere else, once a second at most, since each request would
// say the same; the visitor learns no cause.
func (q *request) unavailable(err error) {
	if q.Context().Err() == nil && q.portal.logged.Allows(q.portal.now(), time.Second) { // a visitor who left is no failure of ours
		q.portal.log.Error("sign-in service unavailable", "error", err, "route", q.pattern)
	}
	web.RetryAfter(q.w.Header(), 10*time.Second)
	o := outcomes[auth.Unavailable]
	q.notice(o.status, o.title, o.text, "", "")
}

// attemptGone answers a form whose sign-in is over. If it was finished in another window, there is nothing left to do.
func (q *request) attemptGone() {
	s, err := q.session()
	if err != nil {
		q.unavailable(err)
		return
	}
	q.visit.ClearCookie(q.w, visit.Attempt)
	if s != nil {
		q.leave("/")
		return
	}
	o := outcomes[auth.AttemptGone]
	q.notice(o.status, o.title, o.text, o.next, linkText(o.next))
}

func linkText(path string) web.Message {
	switch path {
	case "":
		return ""
	case "account":
		return web.ToAccount
	}
	return web.SignInAgain
}
