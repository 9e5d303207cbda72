// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

// ReadSoon reads a body of at most most bytes within a time, so that a thousand slow senders do not hold a thousand goroutines (DO-6). The
// error is an *http.MaxBytesError for one that is larger, and wraps os.ErrDeadlineExceeded for one that is slower. After an error the
// connection is good for an answer and nothing else.
func ReadSoon(w http.ResponseWriter, r *http.Request, most int64, within time.Duration) ([]byte, error) {
	if r.ContentLength > most {
		return nil, &http.MaxBytesError{Limit: most}
	}
	if err := readUntil(w, time.Now().Add(within)); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, err
	}
	// Left standing, the deadline would cancel the request while a password is being checked.
	return body, readUntil(w, time.Time{})
}

// PeekSoon reads the first n bytes of a body within a time, and leaves them in place for whoever reads it next. Of a shorter body it
// returns what there is, with io.EOF or io.ErrUnexpectedEOF. The error wraps os.ErrDeadlineExceeded for one that is slower.
func PeekSoon(w http.ResponseWriter, r *http.Request, n int, within time.Duration) ([]byte, error) {
	if err := readUntil(w, time.Now().Add(within)); err != nil {
		return nil, err
	}
	head := make([]byte, n)
	n, err := io.ReadFull(r.Body, head)
	head = head[:n]
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	if err := readUntil(w, time.Time{}); err != nil {
		return nil, err
	}
	return head, err
}

// readUntil sets the deadline for reading. A writer without deadlines is one without a connection, as in tests.
func readUntil(w http.ResponseWriter, deadline time.Time) error {
	err := http.NewResponseController(w).SetReadDeadline(deadline)
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
