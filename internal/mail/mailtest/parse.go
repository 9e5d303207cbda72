// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
)

// Parse takes a message apart, without an envelope.
func Parse(raw []byte) (Received, error) {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Received{}, err
	}
	got := Received{Header: m.Header, Raw: raw}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return got, err
	}
	if kind != "multipart/alternative" {
		return got, got.take(kind, m.Header.Get("Content-Transfer-Encoding"), m.Body)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		// Raw: the other one decodes quoted-printable and hides that it was.
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			return got, err
		}
		if err := got.take(kind, part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
			return got, err
		}
	}
}

// take decodes one part into its field.
func (r *Received) take(kind, encoding string, body io.Reader) error {
	if encoding != "quoted-printable" {
		return fmt.Errorf("a %s in %q", kind, encoding)
	}
	b, err := io.ReadAll(quotedprintable.NewReader(body))
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	switch kind {
	case "text/plain":
		r.Text = text
	case "text/html":
		r.HTML = text
	default:
		return fmt.Errorf("a part of type %s", kind)
	}
	return nil
}
