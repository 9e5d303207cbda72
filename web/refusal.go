// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// NotSent says that a form did not reach the application, and leads to the sign-in in a new tab, so that this one keeps the form. After
// the sign-in its button sends what is kept in the page, or, without that, a reload sends the form again.
type NotSent struct {
	Frame
	Title    string
	Text     string
	Link     string // a path on this host; empty: there is nothing to prove
	LinkText string
	Kept     string // the form, sealed; empty: it is not kept
}

// KeptField is the name under which the page sends what it has kept, to the address that the page stands at.
const KeptField = "nightlatch-form"

// Field is the name of the hidden field.
func (NotSent) Field() string { return KeptField }

// GRPC answers a gRPC client with a status and no message (the "Trailers-Only" of the gRPC protocol over HTTP/2). HTTP itself says
// 200: to many clients any other status is a broken server, whose answer they do not read. Where a proxy takes 200 for leave to pass,
// httpStatus has to be another one; clients that do not read the answer then make the same status of it, by the table of gRPC.
func GRPC(w http.ResponseWriter, httpStatus int, contentType string, status int, message string) {
	h := w.Header()
	secure(h)
	h.Set("Content-Type", contentType)
	h.Set("Grpc-Status", strconv.Itoa(status))
	h.Set("Grpc-Message", percentEncode(message))
	w.WriteHeader(httpStatus)
}

// percentEncode writes text as a grpc-message: printable ASCII but for the percent sign, and the rest by its bytes.
func percentEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// RetryAfter says when to come back, in whole seconds rounded up (RFC 9110 §10.2.3).
func RetryAfter(h http.Header, d time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
}

// Unread is the status and the sentence for a body that could not be read to its end: too large, too slow, or broken off.
func Unread(err error) (status int, text Message) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, TooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return http.StatusRequestTimeout, TooSlow
	}
	return http.StatusBadRequest, BadRequest
}
