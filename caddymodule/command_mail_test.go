// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/mail"
)

// What to look at follows from where a delivery has failed, whatever the words of the server.
func TestMailAdvice(t *testing.T) {
	noTLS := tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}
	for name, c := range map[string]struct {
		err  error
		want string // how the advice begins; empty: there is none
	}{
		"the sender":            {&mail.Error{Stage: mail.StageSender, Reply: "550 5.7.1 not naming the recipient", Cause: errors.New("no")}, "Check from: "},
		"the recipient":         {&mail.Error{Stage: mail.StageRecipient, Reply: "550 5.1.1 not naming the sender", Cause: errors.New("no")}, "Check the address; "},
		"the message":           {&mail.Error{Stage: mail.StageData, Reply: "554 5.6.0 no STARTTLS", Cause: errors.New("no")}, ""},
		"signing in":            {&mail.Error{Stage: mail.StageSignIn, Reply: "535 5.7.8 no", Cause: errors.New("no")}, "Check username and password"},
		"not signed in":         {&mail.Error{Stage: mail.StageSender, Reply: "530 5.7.0 no", Cause: errors.New("no")}, "The server wants a username and password"},
		"for now":               {&mail.Error{Stage: mail.StageRecipient, Temporary: true, Reply: "451 4.7.1 later", Cause: errors.New("no")}, "The server may take it later"},
		"no STARTTLS":           {&mail.Error{Stage: mail.StageStartTLS, Cause: errors.New("not offered")}, "If the port begins with TLS"},
		"STARTTLS breaks off":   {&mail.Error{Stage: mail.StageStartTLS, Temporary: true, Cause: errors.New("EOF")}, ""},
		"an odd certificate":    {&mail.Error{Stage: mail.StageStartTLS, Cause: &tls.CertificateVerificationError{Err: errors.New("odd")}}, ""},
		"no TLS from the start": {&mail.Error{Stage: mail.StageConnect, Cause: noTLS}, "This port does not begin with TLS"},
		"silence":               {&mail.Error{Stage: mail.StageConnect, Temporary: true, Cause: context.DeadlineExceeded}, "Check host and port; "},
		"our own":               {errors.New("STARTTLS"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mailAdvice(c.err); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
