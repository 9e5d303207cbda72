// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// proof is what a person who is signed in proves anew: the password, and with it a code or by which way to have one sent; or the code that an
// attempt waits for.
type proof struct {
	Password string `json:"password,omitzero"`
	Attempt  string `json:"attempt,omitzero"`
	Method   method `json:"method,omitzero"`
	Factor   string `json:"factor,omitzero"`
	Code     string `json:"code,omitzero"`
}

// asking is what asks for all proofs once more, whatever the session has proven before.
type asking struct {
	act   string // what it is for, by the name of its event, as in auth.AttemptView; empty: sudo mode
	begin func(*call) (auth.Progress, error)
	done  func(*call, auth.Progress) (any, error)
}

var sudo = asking{
	begin: func(c *call) (auth.Progress, error) {
		return c.auth.StepUp(c.Context(), c.client(), c.ticket, auth.Sudo, "")
	},
	done: inSudoMode,
}

var disabling = asking{
	act: auth.EventTwoFactorDisabled,
	begin: func(c *call) (auth.Progress, error) {
		return c.auth.DisableTwoFactor(c.Context(), c.client(), c.ticket)
	},
	done: func(c *call, p auth.Progress) (any, error) { return ended{"disabled", c.turned(p)}, nil },
}

// ended says that an act is done.
type ended struct {
	Status string `json:"status"`
	tokens
}

// sudoMode says until when the account can be changed.
type sudoMode struct {
	Status  string    `json:"status"`
	Expires time.Time `json:"expires_at"`
	tokens
}

func inSudoMode(c *call, p auth.Progress) (any, error) {
	s, err := c.open(ticketOf(p))
	if err != nil {
		return nil, err
	}
	return sudoMode{"done", moment(s.SudoUntil()), c.turned(p)}, nil
}

// prove takes one step, or both at once.
func (a asking) prove(c *call, in proof) (any, error) {
	step := a.first
	if in.Attempt != "" {
		step = a.second
	}
	p, err := step(c, in)
	switch {
	case err != nil:
		return nil, err
	case p.Step == auth.StepDone:
		return a.done(c, p)
	}
	return c.stepOf(p.Attempt)
}

// first takes the password, and a code that came with it. Whatever is sent is looked at, also where it would not be needed: who asks whether a
// password is right must not hear that all is well. Where a handler in front has said who it is, there is no password to look at.
func (a asking) first(c *call, in proof) (p auth.Progress, err error) {
	vouched := c.visit.Vouched != ""
	switch {
	case vouched && in.Password != "":
		return p, badRequest.because("a handler in front of this site says who this is: leave the password out")
	case !vouched && in.Password == "":
		return p, missingField("password")
	case in.Code != "" && !c.own.Enrolled:
		return p, kinds[auth.NoSuchWay]
	}
	if err := c.goBy(in.Method, in.Factor, in.Code); err != nil {
		return p, err
	}
	if p, err = a.begin(c); err != nil {
		return p, err
	}
	if p.Step == auth.StepPassword {
		if p, err = c.auth.ReenterPassword(c.Context(), c.client(), p.Attempt, in.Password); err != nil {
			return p, err
		}
	}
	if p.Step == auth.StepCode && in.Code != "" {
		return c.enterCode(p.Attempt, in.Method, in.Code)
	}
	return p, nil
}

// second takes the code.
func (a asking) second(c *call, in proof) (p auth.Progress, err error) {
	switch {
	case in.Password != "" || in.Factor != "":
		return p, badRequest.because("the attempt has the password: send the attempt, the method and the code, or the password without an attempt")
	case in.Method == "":
		return p, missingField("method")
	case in.Code == "":
		return p, missingField("code")
	}
	if err := a.is(c, in.Attempt); err != nil {
		return p, err
	}
	return c.enterCode(in.Attempt, in.Method, in.Code)
}

// is tells whether an attempt is for what is asked here. A code that somebody types for one thing must not end another, and a sign-in ends as
// somebody's new session.
func (a asking) is(c *call, ticket string) error {
	v, err := c.attempt(ticket)
	if err == nil && (!v.StepUp || v.Act != a.act) {
		err = kinds[auth.AttemptGone]
	}
	return err
}

// send has a code sent to one of the person's factors.
func (a asking) send(c *call, in sending) (any, error) {
	if err := a.is(c, in.Attempt); err != nil {
		return nil, err
	}
	if err := c.send(in.Attempt, in.Method, in.Factor); err != nil {
		return nil, c.goesOn(in.Attempt, err)
	}
	return c.stepOf(in.Attempt)
}
