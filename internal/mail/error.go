// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"unicode"
)

// Error is why a message was not delivered.
type Error struct {
	// Temporary says that another try may help: the network failed, time ran out, or the server said so (a reply 4xx). It is false where
	// the same try will fail alike: a reply 5xx, an address that is none, no STARTTLS, a certificate that is not right.
	Temporary bool
	// Reply is what the server answered, cut and made printable, on one line; empty if it was not the server that refused. It is for the
	// operator, and none of it can be believed. It can quote what it was sent: whoever keeps it keeps it where the message could stand.
	Reply string
	// Cause is what was tried and how it failed. It can quote the server at length: show [Error.Error] to people, which does not.
	Cause error
}

// Error says the cause on one line of bounded length.
func (e *Error) Error() string { return "delivering mail: " + cut(e.Cause.Error()) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// refuse is an error that another try does not cure.
func refuse(err error) *Error { return &Error{Cause: err} }

// judge tells what another try may cure from what it cannot.
func judge(err error) *Error {
	if e, is := errors.AsType[*Error](err); is {
		return e
	}
	if reply, is := errors.AsType[*textproto.Error](err); is {
		return &Error{Temporary: reply.Code < 500, Reply: cut(fmt.Sprintf("%d %s", reply.Code, reply.Msg)), Cause: err}
	}
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	return &Error{Temporary: !badCertificate, Cause: err}
}

// longestQuote is how much of somebody else's words is shown, in characters.
const longestQuote = 300

// cut returns one line of bounded length from words that a stranger may have chosen: what moves a cursor, colors a terminal, turns the
// direction of writing or begins a new line in a log becomes a space.
func cut(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			r = ' '
		}
		if n++; n > longestQuote {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
