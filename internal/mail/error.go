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

	"github.com/wneessen/go-mail/smtp"
)

// Stage is how far a delivery had come when it failed.
type Stage int

const (
	StageCompose   Stage = iota // the server was not called: the message or its address is none
	StageConnect                // up to the server's greeting and the answer to our first hello
	StageStartTLS               // from the offer of STARTTLS to the hello in TLS
	StageSignIn                 // with user name and password
	StageSender                 // whom the message comes from
	StageRecipient              // whom it goes to
	StageData                   // the message itself; from here on the server may have kept it
)

// Error is why a message was not delivered.
type Error struct {
	// Stage is what was under way.
	Stage Stage
	// Temporary says that another try may help: the network failed, time ran out, or the server said so (a reply 4xx). It is false where
	// the same try will fail alike: a reply 5xx, an address that is none, no STARTTLS, no TLS where it should begin, a certificate that is
	// not right.
	Temporary bool
	// Reply is what the server answered, cut and made printable, on one line; empty if it was not the server that refused. It is for the
	// operator, and none of it can be believed. It can quote what it was sent: whoever keeps it keeps it where the message could stand.
	Reply string
	// Cause is what was tried and how it failed. It can quote the server at length: show [Error.Error] to people, which does not.
	Cause error
}

// Error says the cause on one line of bounded length, in characters that can be seen.
func (e *Error) Error() string { return cut(e.Cause.Error()) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// refuse is an error that another try does not cure.
func refuse(at Stage, err error) *Error { return &Error{Stage: at, Cause: err} }

// failed tells what another try may cure from what it cannot. What was tried stands before the cause; empty: the cause says it.
func failed(at Stage, tried string, err error) *Error {
	if e, is := errors.AsType[*Error](err); is {
		return e
	}
	e := &Error{Stage: at, Temporary: true, Cause: err}
	if tried != "" {
		e.Cause = fmt.Errorf("%s: %w", tried, err)
	}
	if reply, is := errors.AsType[*textproto.Error](err); is {
		e.Temporary, e.Reply = reply.Code < 500, cut(fmt.Sprintf("%d %s", reply.Code, reply.Msg))
		return e
	}
	if errors.Is(err, smtp.ErrUnexpectedServerResponse) { // LOGIN quotes a question that it cannot answer
		e.Temporary, e.Reply = false, cut(err.Error())
		return e
	}
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	e.Temporary = !badCertificate && !noTLS
	return e
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
