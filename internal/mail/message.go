// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// longestSubject keeps "Subject: " and one word within a line (RFC 5322 section 2.1.1: 998 bytes).
const longestSubject = 900

// Message is one message to one person. Nobody else learns of it: there is no copy, and nothing in it is fetched or reports back.
type Message struct {
	// ID is the part of the Message-ID before the "@": letters, digits, "-", "_" and dots inside. The same message sent again has the
	// same ID, so that a mailbox can tell the repeat.
	ID string
	// To is one plain address, without a name.
	To string
	// Subject is one line; it is seen on locked screens and kept in logs, so no secret belongs there.
	Subject string
	// Text and HTML are the same message twice. HTML may be empty.
	Text, HTML string
	// Date is when the message was made. Zero: now.
	Date time.Time
}

// compose returns the message as it goes over the wire, before dots are doubled. Headers are encoded by RFC 2047 and bodies as
// quoted-printable, so no line is long and every byte is ASCII, whatever the text.
func (s *Sender) compose(m Message) ([]byte, error) {
	if err := checkAddress(m.To); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	id := m.ID + "@" + domain(s.from.Address)
	if err := checkAddress(id); err != nil || strings.ContainsFunc(m.ID, isNotOfID) {
		return nil, fmt.Errorf("message ID %q is not made of letters, digits, dots, hyphens and underscores", cut(m.ID))
	}
	switch {
	case m.Subject == "" || m.Text == "":
		return nil, errors.New("a message needs a subject and a text")
	case len(m.Subject) > longestSubject:
		return nil, fmt.Errorf("the subject has %d bytes, more than %d", len(m.Subject), longestSubject)
	case strings.ContainsFunc(m.Subject, unicode.IsControl):
		return nil, errors.New("the subject has control characters")
	}
	date := m.Date
	if date.IsZero() {
		date = time.Now()
	}

	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.from)
	if err := msg.To(m.To); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	// Runs of spaces can be folded into a line of nothing but spaces. A server that trims it makes the rest of the header a body.
	msg.Subject(strings.Join(strings.Fields(m.Subject), " "))
	msg.SetMessageIDWithValue(id)
	msg.SetDateWithValue(date)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5: no vacation notice answers it
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		return nil, fmt.Errorf("writing the message: %w", err)
	}
	return raw.Bytes(), nil
}

func isNotOfID(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
}
