// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"errors"
	"net/textproto"
	"regexp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/mail"
)

// replyCode is what a reply of a mail server begins with: the code, and the one of RFC 3463 where there is one.
var replyCode = regexp.MustCompile(`^\d{3}(?:[ -][245]\.\d{1,3}\.\d{1,3})?\b`)

// reason says for an operator why a message was not delivered. It goes into the log and into an event, which are kept for long and read by
// many, so it holds no secret.
//
// A mail server that has read the message can repeat it in its answer, in whatever spelling. Of a message with a code or a link therefore
// none of the server's own words are shown, only the numbers before them; what they mean stands in RFC 5321 and 3463, and Test shows
// the words. A notice has no secret: package mail makes one printable line of what the server said. Package webhook shows no words of the
// other side at all.
func reason(m *auth.Message, err error) string {
	if m.Secret() && m.Method == auth.Email {
		return withoutWords(err)
	}
	return err.Error()
}

// withoutWords leaves out of an error of package mail what the server said.
func withoutWords(err error) string {
	if e, ok := errors.AsType[*mail.Error](err); ok && e.Reply != "" {
		if code := replyCode.FindString(e.Reply); code != "" {
			return "the mail server answered " + code
		}
		return "the mail server refused it"
	}
	if _, ok := errors.AsType[textproto.ProtocolError](err); ok {
		return "the mail server said what is not SMTP"
	}
	return err.Error()
}
