// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap/exp/zapslog"

	"github.com/nightlatch/nightlatch/internal/courier"
	"github.com/nightlatch/nightlatch/internal/server"
)

// stores holds each open data directory under its canonical name, so that it lives on when one configuration replaces another: Badger
// lets nobody open a directory twice, and sessions, counters and burned codes must not notice a reload.
var stores = caddy.NewUsagePool()

// handle is one data directory, opened when first needed.
type handle struct {
	options server.Options
	open    func() (*server.Core, error)
	opened  *server.Core
	greet   sync.Once // for the setup link

	couriers courier.Roster // so that a reload neither loses a message nor sends it twice
}

// takeStore counts a reference to the data directory. The caller owes stores.Delete.
func takeStore(o server.Options) (*handle, error) {
	v, _, err := stores.LoadOrNew(o.Dir, func() (caddy.Destructor, error) { return newHandle(o), nil })
	if err != nil {
		return nil, err
	}
	h := v.(*handle)
	if !bytes.Equal(h.options.Key, o.Key) {
		if _, err := stores.Delete(o.Dir); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("the key of the data directory %s cannot change while it is in use: restart to change it", o.Dir)
	}
	return h, nil
}

func newHandle(o server.Options) *handle {
	h := &handle{options: o}
	h.open = sync.OnceValues(func() (*server.Core, error) {
		core, err := server.Open(context.Background(), o)
		h.opened = core
		return core, err
	})
	return h
}

// Destruct implements caddy.Destructor. Requests that are still under way get errors from the closed store, which are answered with
// 503, never with a pass.
func (h *handle) Destruct() error {
	if h.opened == nil {
		return nil
	}
	return h.opened.Close()
}

// survivingLog logs through whatever is Caddy's default log at the moment. What is pooled outlives the configuration that made it,
// and with it that configuration's loggers.
func survivingLog() *slog.Logger {
	return slog.New(currentLog{func(h slog.Handler) slog.Handler { return h }})
}

type currentLog struct {
	with func(slog.Handler) slog.Handler // adds the attributes and groups so far
}

func (l currentLog) Enabled(_ context.Context, level slog.Level) bool {
	return zapslog.NewHandler(caddy.Log().Core()).Enabled(context.Background(), level)
}

func (l currentLog) Handle(ctx context.Context, r slog.Record) error {
	h := zapslog.NewHandler(caddy.Log().Core(), zapslog.WithName("nightlatch.store"), zapslog.AddStacktraceAt(slog.Level(127)))
	return l.with(h).Handle(ctx, r)
}

func (l currentLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return currentLog{func(h slog.Handler) slog.Handler { return l.with(h).WithAttrs(attrs) }}
}

func (l currentLog) WithGroup(name string) slog.Handler {
	return currentLog{func(h slog.Handler) slog.Handler { return l.with(h).WithGroup(name) }}
}

var (
	_ caddy.Destructor = (*handle)(nil)
	_ slog.Handler     = currentLog{}
)
