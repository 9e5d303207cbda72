// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// A form that met the gate is kept until its sender has signed in, and nowhere but in the page that says so: sealed, so that it comes back
// as it was sent or not at all, and nobody who sees the page sees what was typed. Nothing is stored for a stranger. That it went on to the
// application is stored, so that it does so once.

const (
	// FormLife is how long a form can be sent after it met the gate.
	FormLife = 10 * time.Minute
	// MaxForm is the largest body that is kept, in bytes.
	MaxForm = 1 << 20
	// maxFormHead bounds what is kept besides, in bytes. Browsers need a tenth of it.
	maxFormHead = 8 << 10
	// formFrame is what sealing adds at most: nonce, tag and the length of the head.
	formFrame = 64
)

// MaxSealedForm is the most characters that SealForm returns.
var MaxSealedForm = base64.RawURLEncoding.EncodedLen(MaxForm + maxFormHead + formFrame)

// Form is what a form brought besides its address. The method is POST.
type Form struct {
	ContentType string    `json:"content_type"`
	Origin      string    `json:"origin,omitempty"`  // the header; empty: none
	Referer     string    `json:"referer,omitempty"` // the header; empty: none
	UserID      string    `json:"user_id,omitempty"` // whose session it came with; empty: nobody was signed in
	ID          string    `json:"id"`
	At          time.Time `json:"at"` // when it met the gate
	Body        []byte    `json:"-"`
}

// SealForm makes the value that OpenForm reads, for the browser that has sent the form. place is the host, path and query that it was sent to.
// by is whose session it came with, nil for a stranger: then whoever signs in may send it on.
func (s *Service) SealForm(place string, f Form, by *Session) (string, error) {
	f.ID, f.At = newID(), s.now()
	if by != nil {
		f.UserID = by.UserID
	}
	if !utf8.ValidString(f.ContentType + f.Origin + f.Referer) {
		return "", errors.New("a header of the form would not come back as it was sent")
	}
	head, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("encoding a form: %w", err)
	}
	if len(head) > maxFormHead || len(f.Body) > MaxForm {
		return "", errors.New("the form is too large to be kept")
	}
	nonce := s.keys.kept.NonceSize()
	b := make([]byte, nonce, len(head)+len(f.Body)+formFrame)
	rand.Read(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(head)))
	b = append(append(b, head...), f.Body...)
	b = s.keys.kept.Seal(b[:nonce], b[:nonce], b[nonce:], []byte(place)) // in place
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// OpenForm reads what SealForm has made for this place. The error is FormGone for everything else, and when FormLife is over.
func (s *Service) OpenForm(place, value string) (*Form, error) {
	b, err := base64.RawURLEncoding.DecodeString(value)
	nonce := s.keys.kept.NonceSize()
	if err != nil || len(b) < nonce {
		return nil, fail(FormGone)
	}
	plain, err := s.keys.kept.Open(b[nonce:nonce], b[:nonce], b[nonce:], []byte(place)) // in place
	if err != nil {
		return nil, fail(FormGone)
	}
	// What opens is ours and has the shape that we gave it.
	size, plain := binary.BigEndian.Uint32(plain), plain[4:]
	f := new(Form)
	if err := json.Unmarshal(plain[:size], f); err != nil {
		return nil, &Error{Kind: FormGone, Cause: err}
	}
	if age := s.now().Sub(f.At); age < 0 || age >= FormLife {
		return nil, fail(FormGone)
	}
	f.Body = plain[size:]
	return f, nil
}

// sentForm is the record of a form that went on to the application.
type sentForm struct {
	UserID string    `json:"user_id"`
	At     time.Time `json:"at"`
}

func sentFormKey(id string) string { return "form/sent/" + id }

// PassForm notes that a form goes on to the application in the name of by. The error is FormSent when it did before: of any number of calls
// for one form, at once or over a restart, one succeeds. It is FormGone when the form came with the session of somebody else, and
// TooManyTries when this session has sent too many.
func (s *Service) PassForm(ctx context.Context, c Client, f *Form, by *Session) error {
	if f.UserID != "" && f.UserID != by.UserID {
		return fail(FormGone)
	}
	return s.update(ctx, c, func(t *tx) error {
		_, sent, err := get[sentForm](t, sentFormKey(f.ID))
		if err != nil {
			return err
		}
		if sent {
			return fail(FormSent)
		}
		if _, err := t.reserve([]limit{formLimit(by.ID)}); err != nil {
			return err
		}
		return put(t, sentFormKey(f.ID), sentForm{UserID: by.UserID, At: t.now}, f.At.Add(FormLife))
	})
}
