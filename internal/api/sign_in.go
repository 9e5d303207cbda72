// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// credentials are the first step of a sign-in. A method without a code says by which way to have one sent at once.
type credentials struct {
	Username string `json:"username,omitzero"`
	Password string `json:"password,omitzero"`
	Method   method `json:"method,omitzero"`
	Factor   string `json:"factor,omitzero"`
	Code     string `json:"code,omitzero"`
	Tokens   bool   `json:"tokens,omitzero"`
	Remember bool   `json:"remember,omitzero"`
}

// signIn takes a name and a password, and the code of a second factor too, if there is one. Whoever has one and sends no code learns nothing
// but how to go on (MF-20).
func signIn(c *call, in credentials) (any, error) {
	if c.visit.Portal != "" && !in.Tokens {
		return nil, c.onlyAtPortal() // whose session a browser has here, and which no cookie of this host could be
	}
	if err := c.goBy(in.Method, in.Factor, in.Code); err != nil {
		return nil, err
	}
	p, err := c.begin(in)
	if err != nil {
		return nil, err
	}
	if p.Step == auth.StepCode && in.Code != "" {
		return c.enter(p.Attempt, in.Method, in.Code)
	}
	return c.proceed(p)
}

// goBy takes note of how a person means to go on after the password: by the code that came with it, or by a way to have one sent.
func (c *call) goBy(m method, factor, code string) error {
	c.way = auth.Way{Method: auth.Method(m), Factor: factor}
	if code == "" {
		return nil
	}
	if c.way.Sends() {
		return badRequest.because("a code that is sent comes in a second step, with the attempt: there was none yet for which it could have been sent")
	}
	c.way = auth.Way{Method: kindOf(m, code, nil)} // so that none is sent besides
	return nil
}

// begin takes the first factor. Where a handler in front has said who it is, nobody needs to say so again.
func (c *call) begin(in credentials) (auth.Progress, error) {
	switch {
	case c.visit.Vouched != "" && in.Username == "" && in.Password == "":
		return c.auth.Vouch(c.Context(), c.client(), auth.Vouching{Create: c.api.create, Level: c.api.level, Tokens: in.Tokens})
	case in.Username == "":
		return auth.Progress{}, missingField("username")
	case in.Password == "":
		return auth.Progress{}, missingField("password")
	}
	return c.auth.SignIn(c.Context(), c.client(), auth.Credentials{
		Name: in.Username, Password: in.Password, Remember: in.Remember, Level: c.api.level, Tokens: in.Tokens,
	})
}

// proceed answers where a sign-in has come to.
func (c *call) proceed(p auth.Progress) (any, error) {
	switch p.Step {
	case auth.StepDone:
		return c.signedIn(p)
	case auth.StepEnroll:
		v, err := c.attempt(p.Attempt)
		return enrollmentRequired{"enrollment_required", attempt{p.Attempt, moment(v.Expires)}, availableOf(v.Methods, v.Channels)}, err
	}
	return c.stepOf(p.Attempt)
}

type sending struct {
	Attempt string `json:"attempt"`
	Method  method `json:"method"`
	Factor  string `json:"factor,omitzero"`
}

// sendSignInCode has a code sent, to one of the person's factors or once more to what they are enrolling.
func sendSignInCode(c *call, in sending) (any, error) {
	if err := c.send(in.Attempt, in.Method, in.Factor); err != nil {
		return nil, c.goesOn(in.Attempt, err)
	}
	return c.stepOf(in.Attempt)
}

type enrolling struct {
	Attempt     string `json:"attempt"`
	Method      method `json:"method"`
	Name        string `json:"name,omitzero"`
	Channel     string `json:"channel,omitzero"`
	Destination string `json:"destination,omitzero"`
}

// enrollInSignIn chooses the second factor that a sign-in needs.
func enrollInSignIn(c *call, in enrolling) (any, error) {
	m := auth.Method(in.Method)
	if m != auth.Webhook && in.Channel+in.Destination != "" {
		return nil, badRequest.because("only a webhook has a channel and a destination") // where other codes go is not for the request to say (OT-11)
	}
	p, err := c.auth.ChooseFactor(c.Context(), c.client(), in.Attempt, auth.NewFactor{
		Method: m, Name: in.Name, Channel: in.Channel, Destination: in.Destination,
	})
	if err != nil {
		return nil, c.goesOn(in.Attempt, err)
	}
	return c.stepOf(p.Attempt)
}

type verifying struct {
	Attempt string `json:"attempt"`
	Method  method `json:"method,omitzero"`
	Code    string `json:"code"`
}

// verifySignIn takes a code: of a second factor, or the first one of what is being enrolled.
func verifySignIn(c *call, in verifying) (any, error) { return c.enter(in.Attempt, in.Method, in.Code) }

// enter takes a code for the step at which a sign-in waits.
func (c *call) enter(ticket string, m method, code string) (any, error) {
	p, err := c.enterCode(ticket, m, code)
	if err != nil {
		return nil, err
	}
	return c.proceed(p)
}

// enterCode takes a code for the step at which an attempt waits.
func (c *call) enterCode(ticket string, m method, code string) (p auth.Progress, err error) {
	v, err := c.attempt(ticket)
	if err != nil {
		return p, err
	}
	code = unspaced(code)
	if v.Step == auth.StepEnroll {
		p, err = c.auth.ConfirmEnrollment(c.Context(), c.client(), ticket, code)
	} else {
		p, err = c.auth.Code(c.Context(), c.client(), ticket, kindOf(m, code, v.Sent), code)
	}
	if err != nil {
		return p, c.goesOn(ticket, err)
	}
	return p, nil
}

// unspaced takes out the blank that an authenticator app shows between the halves of a code.
func unspaced(code string) string { return strings.ReplaceAll(code, " ", "") }

// kindOf is the method of a code of which the request does not say so: what was sent, or by its look.
func kindOf(m method, code string, sent *auth.SentView) auth.Method {
	switch {
	case m != "":
		return auth.Method(m)
	case len(code) != otp.Digits:
		return auth.BackupCode
	case sent != nil:
		return sent.Method
	}
	return auth.TOTP
}
