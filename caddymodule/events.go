// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// eventsTotal has only labels whose values our own code chooses: a user name or an address as a label would let a stranger grow it
// without end (LG-3).
var eventsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "caddy_nightlatch_events_total",
	Help: "What people and operators did, by type of event and outcome.",
}, []string{"type", "outcome"})

// registerMetrics runs at each load of a configuration: the registry is new, the counters go on.
func registerMetrics(registry *prometheus.Registry) error {
	err := registry.Register(eventsTotal)
	if _, twice := errors.AsType[prometheus.AlreadyRegisteredError](err); twice {
		return nil
	}
	return err
}

// tell passes an event on that has been stored: one log line, one count, and a Caddy event for whoever subscribed, later (see
// eventQueue). An auth.Event never holds a secret, so neither do these.
func (a *App) tell(e auth.Event) {
	eventsTotal.WithLabelValues(e.Type, e.Outcome).Inc()
	a.log.LogAttrs(context.Background(), slog.LevelInfo, e.Type, eventAttrs(e)...)
	if a.events.ShouldEmit(eventName(e)) {
		a.queue.put(e)
	}
}

// emit runs all subscribers of an event.
func (a *App) emit(e auth.Event) { a.events.Emit(a.ctx, eventName(e), eventData(e)) }

func eventName(e auth.Event) string { return "nightlatch_" + e.Type }

// eventAttrs are the keys under which operators search their logs. They stay as they are.
func eventAttrs(e auth.Event) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("event_id", e.ID),
		slog.String("outcome", e.Outcome),
		slog.String("actor", e.Actor),
	}
	optional := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	optional("user", e.User)
	optional("user_id", e.UserID)
	if e.Address.IsValid() {
		optional("address", e.Address.String())
	}
	optional("method", string(e.Method))
	optional("session", e.Session)
	optional("key", e.Key)
	optional("detail", e.Detail)
	return attrs
}

// eventData is the same for a subscriber, as {event.data.user} and so on.
func eventData(e auth.Event) map[string]any {
	data := make(map[string]any)
	for _, attr := range eventAttrs(e) {
		data[attr.Key] = attr.Value.String()
	}
	return data
}
