// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/webhook"
)

// payload is the body of a delivery. docs/webhook.md says the same to whoever writes a receiver; fields may be added and never change.
type payload struct {
	Type      string    `json:"type"`      // "code"
	Timestamp time.Time `json:"timestamp"` // when the code was asked for
	Data      codeData  `json:"data"`
}

type codeData struct {
	User        string    `json:"user"`
	Channel     string    `json:"channel"`
	Destination string    `json:"destination"`
	Code        string    `json:"code"`
	Expires     time.Time `json:"expires"`
	Site        string    `json:"site"`    // scheme://host[:port]; empty: not known
	Purpose     string    `json:"purpose"` // of purposes
}

// purposes say what a code is for. Of everything that is sent only codes go by webhook.
var purposes = map[auth.MessageKind]string{
	auth.MessageCode:    "sign_in",
	auth.MessageTurnOff: "turn_off",
	auth.MessageEnroll:  "enroll",
	auth.MessageProve:   "address",
}

// sendPayload calls the webhook once. The ID is that of the message at every try, the time of the call is now.
func (c *Courier) sendPayload(ctx context.Context, m auth.Message) error {
	purpose, ok := purposes[m.Kind]
	if !ok {
		return fmt.Errorf("a webhook delivers codes only, not a message of the kind %q", m.Kind)
	}
	body, err := json.Marshal(payload{Type: "code", Timestamp: m.Time.UTC().Truncate(time.Second), Data: codeData{
		User: m.User, Channel: m.Channel, Destination: m.To, Code: m.Code, Expires: m.Expires.UTC().Truncate(time.Second), Site: c.origin(&m), Purpose: purpose,
	}})
	if err != nil {
		return fmt.Errorf("encoding the body: %w", err)
	}
	return c.cfg.Webhook.Send(ctx, webhook.Event{ID: m.ID, Time: c.cfg.Now(), Body: body})
}

// origin is where the links of a message lead: the site where it was asked for, if that is known, or else the one of the configuration.
func (c *Courier) origin(m *auth.Message) string {
	if m.Origin != "" {
		return m.Origin
	}
	return c.cfg.Origin()
}
