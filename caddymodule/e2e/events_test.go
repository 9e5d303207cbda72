// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

func init() { caddy.RegisterModule(listener{}) }

// heard is what the listener was told.
var heard = make(chan caddy.Event, 10)

// listener stands for whatever an operator subscribes to events with.
type listener struct{}

func (listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.e2e_listener", New: func() caddy.Module { return new(listener) }}
}

func (listener) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (listener) Handle(_ context.Context, e caddy.Event) error {
	heard <- e
	return nil
}

var _ caddyevents.Handler = listener{}

func TestOperatorsHearOfEvents(t *testing.T) {
	h := newHouse(t, whoami)
	h.load(t)
	l := link(t)
	cfg := strings.Replace(h.config(), "admin off", "admin off\n\tevents {\n\t\ton nightlatch_sign_in e2e_listener\n\t}", 1)
	h.loadText(t, cfg)
	newBrowser(t, h.addr).setUp(l)
	select {
	case e := <-heard:
		if e.Name() != "nightlatch_sign_in" || e.Data["user"] != "alice" || e.Data["outcome"] != "success" || e.Data["address"] != "127.0.0.1" {
			t.Errorf("got %s %v", e.Name(), e.Data)
		}
		if said := fmt.Sprint(e.Data); strings.Contains(said, password) {
			t.Errorf("the event holds a secret: %s", said)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
}
