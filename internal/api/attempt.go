// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// attempt is what an answer says of an attempt, and a problem after which it goes on.
type attempt struct {
	Attempt string    `json:"attempt"`
	Expires time.Time `json:"expires_at"`
}

// challenge asks for a code.
type challenge struct {
	Status string `json:"status"`
	attempt
	Methods []way `json:"methods"`
	Sent    *sent `json:"sent,omitempty"`
}

// way is one way to enter a code.
type way struct {
	Method      method `json:"method"`
	Factor      string `json:"factor,omitempty"` // of where codes are sent; the authenticator apps are asked together
	Name        string `json:"name,omitempty"`
	Channel     string `json:"channel,omitempty"`
	Destination string `json:"destination,omitempty"` // with all but a hint of it hidden
}

// sent is the newest code that was sent and still counts.
type sent struct {
	Method      method    `json:"method"`
	Factor      string    `json:"factor,omitempty"`
	Destination string    `json:"destination"`
	Expires     time.Time `json:"expires_at"`
	Resend      time.Time `json:"resend_at"`
	Failed      bool      `json:"failed,omitempty"` // it could not be delivered
}

// enrollmentRequired asks for a second factor to be chosen.
type enrollmentRequired struct {
	Status string `json:"status"`
	attempt
	Available []available `json:"available"`
}

// available is a kind of second factor that the person may enroll.
type available struct {
	Method   method   `json:"method"`
	Channels []string `json:"channels,omitempty"` // of a webhook
}

// confirmationRequired asks for the first code of what was chosen.
type confirmationRequired struct {
	Status string `json:"status"`
	attempt
	Enrollment enrollment `json:"enrollment"`
}

// enrollment is a second factor that waits for its first code: of an authenticator app the key, of others to where codes go. The key is in
// answers until it is confirmed, and in none after.
type enrollment struct {
	Method method `json:"method"`

	Secret string `json:"secret,omitempty"` // in base32
	URL    string `json:"otpauth_url,omitempty"`
	PNG    string `json:"qr_png,omitempty"` // as a data: URL
	SVG    string `json:"qr_svg,omitempty"`

	Channel     string `json:"channel,omitempty"`
	Destination string `json:"destination,omitempty"`
	Sent        *sent  `json:"sent,omitempty"`
}

// qrSize is the side of the picture in pixels.
const qrSize = 256

func challengeOf(ticket string, v *auth.AttemptView) challenge {
	return challenge{
		Status: "second_factor_required", attempt: attempt{ticket, moment(v.Expires)}, Methods: waysOf(v.Ways), Sent: sentOf(v.Sent),
	}
}

func waysOf(ways []auth.Way) []way {
	ours := []way{}
	for _, w := range ways {
		ours = append(ours, way{method(w.Method), w.Factor, w.Name, w.Channel, w.To})
	}
	return ours
}

func sentOf(s *auth.SentView) *sent {
	if s == nil {
		return nil
	}
	return &sent{method(s.Method), s.Factor, s.To, moment(s.Expires), moment(s.Again), s.Failed}
}

func availableOf(methods []auth.Method, channels []string) []available {
	ours := []available{}
	for _, m := range methods {
		a := available{Method: method(m)}
		if m == auth.Webhook {
			a.Channels = channels
		}
		ours = append(ours, a)
	}
	return ours
}

// enrollmentOf is what waits to be confirmed in an attempt.
func enrollmentOf(v *auth.AttemptView) (enrollment, error) {
	p := v.Pending
	e := enrollment{Method: method(p.Method), Channel: p.Channel, Destination: p.To, Sent: sentOf(v.Sent)}
	if p.Method != auth.TOTP {
		return e, nil
	}
	key, err := otp.NewKey(p.Issuer, v.UserName, p.Secret)
	if err != nil {
		return e, err
	}
	picture, err := key.PNG(qrSize)
	if err != nil {
		return e, err
	}
	drawing, err := key.SVG()
	if err != nil {
		return e, err
	}
	e.Secret, e.URL, e.PNG, e.SVG = key.Secret(), key.URL(), "data:image/png;base64,"+base64.StdEncoding.EncodeToString(picture), string(drawing)
	return e, nil
}

// attempt reads one of the sign-ins and step-ups in progress.
func (c *call) attempt(ticket string) (*auth.AttemptView, error) {
	v, err := c.auth.Attempt(c.Context(), c.client(), ticket)
	return &v, err
}

// send has a code sent by one of the ways of an attempt at a step, or to what it is enrolling. Of several factors of the method the first
// is taken where none is named. It goes to what is stored and never to what a request names (OT-11).
func (c *call) send(ticket string, m method, factor string) error {
	if factor == "" {
		v, err := c.attempt(ticket)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(v.Ways, func(w auth.Way) bool { return w.Method == auth.Method(m) }); i >= 0 {
			factor = v.Ways[i].Factor
		}
	}
	return c.auth.SendCode(c.Context(), c.client(), ticket, auth.Method(m), factor)
}

// goesOn adds to an error what a program needs to try again in the same attempt, where that has not ended by it.
func (c *call) goesOn(ticket string, err error) error {
	switch auth.KindOf(err) {
	case auth.Unavailable, auth.AttemptGone:
		return err
	}
	v, gone := c.attempt(ticket)
	if gone != nil {
		return err
	}
	return refusal{err, struct {
		attempt
		Methods []way `json:"methods,omitempty"` // where it waits for a code
	}{attempt{ticket, moment(v.Expires)}, waysOf(v.Ways)}}
}

// stepOf is the answer to an act after which an attempt waits for a person. Which step that may be is up to the act.
func (c *call) stepOf(ticket string) (any, error) {
	v, err := c.attempt(ticket)
	if err != nil {
		return nil, err
	}
	switch {
	case v.Step == auth.StepCode:
		return challengeOf(ticket, v), nil
	case v.Step == auth.StepEnroll && v.Pending != nil:
		e, err := enrollmentOf(v)
		return confirmationRequired{"confirmation_required", attempt{ticket, moment(v.Expires)}, e}, err
	}
	return nil, fmt.Errorf("an attempt waits at %q, for which there is no answer", v.Step)
}
