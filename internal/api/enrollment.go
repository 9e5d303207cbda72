// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// waiting is an enrollment in a session that is there already. Its id stands in addresses and opens nothing without the session.
type waiting struct {
	ID      string    `json:"id"`
	Expires time.Time `json:"expires_at"`
	enrollment
}

// named is what is said of a factor that sends nowhere else than to where the account says.
type named struct {
	Name string `json:"name,omitzero"`
}

// addFactor begins to enroll one of a method: an authenticator app, or the address of the account.
func addFactor(m auth.Method) act[named] {
	return func(c *call, in named) (any, error) {
		return c.addFactor(auth.NewFactor{Method: m, Name: in.Name})
	}
}

type destination struct {
	Channel     string `json:"channel"`
	Destination string `json:"destination"`
	Name        string `json:"name,omitzero"`
}

// addWebhook begins to enroll a destination that the webhook delivers to.
func addWebhook(c *call, in destination) (any, error) {
	return c.addFactor(auth.NewFactor{Method: auth.Webhook, Name: in.Name, Channel: in.Channel, Destination: in.Destination})
}

func (c *call) addFactor(in auth.NewFactor) (any, error) {
	p, err := c.auth.AddFactor(c.Context(), c.client(), c.ticket, in)
	if err != nil {
		return nil, err
	}
	v, err := c.attempt(p.ID)
	if err != nil {
		return nil, err
	}
	e, err := enrollmentOf(v)
	return waiting{p.ID, moment(v.Expires), e}, err
}

// enrolling finds what waits to be confirmed under the id of the path. One of another method, of another session, or that took too long is
// none, and so is any other attempt: what it is about is no factor.
func (c *call) enrolling(m auth.Method) (*auth.AttemptView, error) {
	v, err := c.attempt(c.id())
	switch {
	case err != nil && auth.KindOf(err) != auth.AttemptGone:
		return nil, err
	case err != nil, !v.StepUp, v.Step != auth.StepEnroll, v.Pending.Method != m:
		return nil, kinds[auth.NotFound]
	}
	return v, nil
}

type confirming struct {
	Code string `json:"code"`
}

// confirmed is a new second factor, with the backup codes that the first one brings.
type confirmed struct {
	Factor factor   `json:"factor"`
	Codes  []string `json:"backup_codes,omitempty"`
	tokens
}

// confirmFactor takes the first code of what is being enrolled.
func confirmFactor(m auth.Method) act[confirming] {
	return func(c *call, in confirming) (any, error) {
		if _, err := c.enrolling(m); err != nil {
			return nil, err
		}
		p, err := c.auth.ConfirmEnrollment(c.Context(), c.client(), c.id(), unspaced(in.Code))
		if err != nil {
			return nil, goneIsNone(err)
		}
		return confirmed{factorOf(p.Factor), p.Codes, c.turned(p)}, nil
	}
}

// resent is a code that confirms an enrollment, on its way.
type resent struct {
	ID   string `json:"id"`
	Sent *sent  `json:"sent"`
}

// sendToConfirm has the code that confirms an enrollment sent once more.
func sendToConfirm(m auth.Method) act[nothing] {
	return func(c *call, _ nothing) (any, error) {
		if _, err := c.enrolling(m); err != nil {
			return nil, err
		}
		if err := c.auth.SendCode(c.Context(), c.client(), c.id(), "", ""); err != nil {
			return nil, goneIsNone(err)
		}
		v, err := c.enrolling(m)
		if err != nil {
			return nil, err
		}
		return resent{c.id(), sentOf(v.Sent)}, nil
	}
}

// goneIsNone tells of an attempt that somebody else was faster to end as of one that was over before: the path names what is not there.
func goneIsNone(err error) error {
	if auth.KindOf(err) == auth.AttemptGone {
		return kinds[auth.NotFound]
	}
	return err
}
