// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

// NotSent says that a form did not reach the application, and leads to the sign-in in a new tab, so that this one keeps the form:
// after the sign-in a reload sends it again.
type NotSent struct {
	Brand    string
	Title    string
	Text     string
	Link     string // a path on this host
	LinkText string
}

func (NotSent) page() {}

// GRPC answers a gRPC client with a status and no message (the "Trailers-Only" of the gRPC protocol over HTTP/2). HTTP itself says
// 200: to a client any other status is a broken server, whose answer it does not read.
func GRPC(w http.ResponseWriter, contentType string, status int, message string) {
	h := w.Header()
	secure(h)
	h.Set("Content-Type", contentType)
	h.Set("Grpc-Status", strconv.Itoa(status))
	h.Set("Grpc-Message", percentEncode(message))
	w.WriteHeader(http.StatusOK)
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

// Messages of the gate, beside those of text.go.
const (
	SecondFactorRequiredTitle Message = "second-factor-required.title"
	SecondFactorRequired      Message = "second-factor-required"
	StepUpRequiredTitle       Message = "step-up-required.title"
	StepUpRequired            Message = "step-up-required"
	SignInRequired            Message = "sign-in-required"
	FormNotProven             Message = "form-not-proven"
	BadHostTitle              Message = "bad-host.title"
	BadHost                   Message = "bad-host"
	NoTunnel                  Message = "no-tunnel"
	OtherSiteTitle            Message = "other-site.title"
	OtherSite                 Message = "other-site"
	TooEarlyTitle             Message = "too-early.title"
	RuleFailedTitle           Message = "rule-failed.title"
	RuleFailed                Message = "rule-failed"
)

var _ = english.add(map[Message]string{
	SecondFactorRequiredTitle: "Second factor required",
	SecondFactorRequired:      "You are signed in, but this needs a second factor too.",
	StepUpRequiredTitle:       "Fresh proof required",
	StepUpRequired:            "You are signed in, but it was too long ago for this.",
	SignInRequired:            "Sign in at sign_in_url in a browser, then try again.",
	FormNotProven:             "This needs a fresh proof that it is you, so what you sent did not reach the application. Go on through the link, in a new tab, then come back to this one, reload it and agree to send the form again.",
	BadHostTitle:              "There is no such host",
	BadHost:                   "The request names no host, or something that is no host name, so nothing was done.",
	NoTunnel:                  "This method opens a tunnel or shows what was sent, so it is not passed on.",
	OtherSiteTitle:            "Opened from another site",
	OtherSite:                 "A page of another site asked for this connection in your name, so it was not opened.",
	TooEarlyTitle:             "Sent too early",
	RuleFailedTitle:           "This request could not be judged",
	RuleFailed:                "A rule of this site failed, so nothing was done. Tell whoever runs this site.",
})

// add lets a file hold its own sentences.
func (c *catalog) add(more map[Message]string) bool {
	maps.Copy(c.sentences, more)
	return true
}
