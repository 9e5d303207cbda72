// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
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
	c := http.NewResponseController(w)
	// A writer without deadlines is one without a connection, as in tests.
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, err
	}
	// Left standing, the deadline would cancel the request while a password is being checked.
	if err := c.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	return body, nil
}
