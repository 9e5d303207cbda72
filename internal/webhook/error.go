// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
)

// Error is every error of Send. Its text is for the operator's log; it holds the host or the address and what went wrong, and nothing that
// was sent or answered.
type Error struct {
	// Temporary says that a second try a little later is worth it: the network failed, there was no answer in time, or the answer was 408,
	// 425, 429 or 5xx.
	Temporary bool
	// Status is the status of the answer, zero without one.
	Status int
	Cause  error
}

func (e *Error) Error() string { return "delivering to the webhook: " + e.Cause.Error() }

func (e *Error) Unwrap() error { return e.Cause }

// judge turns the status of an answer into an error, or none. The phrase is Go's: that in the answer is for the other side to choose.
func judge(status int) error {
	e := &Error{Status: status, Cause: fmt.Errorf("answered %d %s", status, http.StatusText(status))}
	switch {
	case status/100 == 2:
		return nil
	case status/100 == 3:
		e.Cause = fmt.Errorf("answered %d, a redirect, and none is followed", status)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status/100 == 5:
		e.Temporary = true
	}
	return e
}

// failure says what kept a delivery from being answered. It lists what it lets through, because much of what net/http and crypto/tls say
// quotes the other side, who knows the code and the headers: a status line that is none is quoted in full, and so are the names in a
// certificate.
func failure(ctx context.Context, err error) *Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &Error{Cause: fmt.Errorf("given up: %w", context.Canceled)}
	}
	if timeout, ok := errors.AsType[net.Error](err); ctx.Err() != nil || ok && timeout.Timeout() {
		return &Error{Temporary: true, Cause: fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)}
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		return &Error{Cause: refused}
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Error{Cause: fmt.Errorf("the certificate of the webhook %s", fault(certificate.Err))}
	}
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" { // TLS; the other side chose a number, not the words
		return &Error{Cause: alert}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &Error{Cause: errors.New("the webhook does not speak TLS")}
	}
	return &Error{Temporary: true, Cause: interruption(err)}
}

func interruption(err error) error {
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return lookup
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return dial
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return fmt.Errorf("the connection broke off: %w", number)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the connection was closed before an answer: %w", io.ErrUnexpectedEOF)
	}
	return errors.New("what was answered is no HTTP")
}

func fault(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "is signed by an authority that is not known here"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "is for another name"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "has expired or is not valid yet"
	}
	return "is not valid"
}
