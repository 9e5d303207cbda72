// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/nightlatch/nightlatch/internal/password"
)

// Kind is what went wrong, for the program: each door maps it to a status and a sentence.
type Kind int

const (
	Unavailable       Kind = iota // the store did not answer; never read it as "signed out" or "has no factor"
	NotSignedIn                   // no session, or one that has ended
	WrongCredentials              // unknown name, wrong password or disabled account: never say which
	WrongCode                     // the code is not right
	UsedCode                      // the code was right, but has been used
	TooManyTries                  // wait RetryAfter
	Stopped                       // this factor is stopped until another one, a backup code or an operator clears it
	AttemptGone                   // the sign-in took too long, was finished, or never began
	OutOfOrder                    // the attempt waits for another step
	LinkGone                      // the link was used, replaced, or has run out
	LinkNeeded                    // an operator reset the second factor: the new one is enrolled through the link only
	NothingTyped                  // through the API: a person of whom nothing was typed cannot enroll there, see proceed
	NameTaken                     // somebody has this user name
	BadName                       // the user name is not acceptable; Detail says why
	BadPassword                   // the new password is not acceptable; the cause is the error of package password
	BadInput                      // another field is not acceptable; Detail says which and why
	NotFound                      // no such user or session
	Busy                          // too many sign-ins at once: wait RetryAfter
	AlreadyDone                   // nothing to change
	Disabled                      // the account is shut; only an operator is told so
	LastAdministrator             // this would leave nobody to administer
	StepUpNeeded                  // the proofs of the session are too old for this: ask for Sudo
	CodeGone                      // the code that was sent has run out, or none was sent
	TriesSpent                    // this sign-in has used its tries at codes that were sent: start over, or go another way
	TooManyMessages               // wait RetryAfter before the next message is sent
	NoSuchWay                     // the person has no such factor, or it does not count here
	LastFactor                    // the last factor goes only by turning two-factor sign-in off
	BadDestination                // where codes should go is not acceptable, such as a telephone number without its country
	BadAddress                    // this is not an e-mail address
	SameAddress                   // this is the account's address already
	BadFactorName                 // the name of a factor is too long, or not printable
	FormGone                      // a kept form is too old, was changed, or belongs elsewhere
	FormSent                      // a kept form went on to the application before
	WrongPassword                 // of a person who is named on the page, so there is nothing to hide about who that is
	NoAccount                     // a handler in front vouches for somebody who has no account here, or a disabled one
	TooManyKeys                   // the person has as many access keys as anybody may
	BadKeyName                    // the name of an access key is empty, too long, or not printable
	BadKeyHost                    // what an access key is for is not acceptable: a host …
	BadKeyPath                    // … a path …
	BadKeyMethod                  // … a method …
	BadKeyNetwork                 // … a network …
	BadKeyExpiry                  // … or how long
	OtherPerson                   // a handler in front vouches for somebody else than the one whom this is about
)

// Error is every error of this package. Kind is for the program; Detail, where set, is a plain clause for an operator or a form; the
// cause is for the log and may name things that a visitor must not learn.
type Error struct {
	Kind       Kind
	Detail     string
	RetryAfter time.Duration // with TooManyTries, TooManyMessages and Busy
	Cause      error
}

// KindOf returns the Kind of an error of this package, and Unavailable for any other: what is not understood denies.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Unavailable
}

var kindNames = map[Kind]string{
	Unavailable:       "the store is not available",
	NotSignedIn:       "not signed in",
	WrongCredentials:  "wrong user name or password",
	WrongCode:         "wrong code",
	UsedCode:          "the code has been used",
	TooManyTries:      "too many tries",
	Stopped:           "stopped after too many wrong tries",
	AttemptGone:       "the sign-in has expired or is over",
	OutOfOrder:        "the sign-in waits for another step",
	LinkGone:          "the link has been used or has expired",
	LinkNeeded:        "a new second factor needs the link from the operator",
	NothingTyped:      "nothing was typed that a second factor could be enrolled with",
	NameTaken:         "the user name is taken",
	BadName:           "the user name is not acceptable",
	BadPassword:       "the password is not acceptable",
	BadInput:          "the input is not acceptable",
	NotFound:          "not found",
	Busy:              "too many sign-ins at once",
	AlreadyDone:       "nothing to change",
	Disabled:          "the account is disabled",
	LastAdministrator: "this is the last administrator",
	StepUpNeeded:      "fresh proofs are needed",
	CodeGone:          "the code has run out or was never sent",
	TriesSpent:        "too many wrong codes in this sign-in",
	TooManyMessages:   "too many messages were sent",
	NoSuchWay:         "there is no such second factor",
	LastFactor:        "this is the last second factor",
	BadDestination:    "the destination is not acceptable",
	BadAddress:        "the e-mail address is not acceptable",
	SameAddress:       "the account has this address already",
	BadFactorName:     "the name of the factor is not acceptable",
	FormGone:          "the form can no longer be sent",
	FormSent:          "the form has been sent",
	WrongPassword:     "wrong password",
	NoAccount:         "there is no account to use",
	TooManyKeys:       "there are too many access keys",
	BadKeyName:        "the name of the access key is not acceptable",
	BadKeyHost:        "the hosts of the access key are not acceptable",
	BadKeyPath:        "the paths of the access key are not acceptable",
	BadKeyMethod:      "the methods of the access key are not acceptable",
	BadKeyNetwork:     "the networks of the access key are not acceptable",
	BadKeyExpiry:      "the time that the access key works for is not acceptable",
	OtherPerson:       "a handler in front vouches for somebody else",
}

func (e *Error) Error() string {
	s := kindNames[e.Kind]
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Cause }

func fail(k Kind) error { return &Error{Kind: k} }

func failf(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

func retry(k Kind, after time.Duration) error { return &Error{Kind: k, RetryAfter: after} }

// errNotSignedIn is shared, since it is the answer to most requests of strangers.
var errNotSignedIn error = &Error{Kind: NotSignedIn}

// classify gives errors from below a Kind. Whatever is not known is Unavailable, which every door answers with 503: an error must
// never look like "signed out" or "has no second factor" (ASVS 16.5.3).
func classify(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, password.ErrBusy):
		return &Error{Kind: Busy, RetryAfter: 2 * time.Second, Cause: err}
	case errors.Is(err, password.ErrTooLong), errors.Is(err, password.ErrNotText):
		return &Error{Kind: BadPassword, Cause: err}
	}
	return &Error{Kind: Unavailable, Cause: err}
}
