// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap/exp/zapslog"

	"github.com/nightlatch/nightlatch/internal/admin"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves the operator API under /nightlatch/ on Caddy's admin endpoint. It holds nothing: Caddy makes one before the apps
// exist, never cleans it up, and after a failed reload keeps the one that belongs to the configuration that failed. So each request
// asks which configuration runs.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.nightlatch", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes returns the operator API as one route; package admin knows the addresses.
func (adminAPI) Routes() []caddy.AdminRoute {
	api := admin.Handler(admin.Config{
		Service:  runningService,
		LinkPath: linkPath,
		Origins:  runningOrigins,
		TestMail: runningMail,
		Log:      slog.New(zapslog.NewHandler(caddy.Log().Named("admin.api.nightlatch").Core())),
	})
	return []caddy.AdminRoute{{
		Pattern: admin.Prefix,
		Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			api.ServeHTTP(w, r)
			return nil
		}),
	}}
}

// runningApp is the app of the configuration that runs now.
func runningApp() (*App, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("nightlatch")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, &admin.Problem{
			Title: http.StatusText(http.StatusNotFound), Status: http.StatusNotFound, Kind: admin.KindNotConfigured,
			Detail: "the running configuration has no nightlatch",
		}
	}
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

func runningService() (*auth.Service, error) {
	app, err := runningApp()
	if err != nil {
		return nil, err
	}
	return app.Service()
}

func runningOrigins() []string {
	app, err := runningApp()
	if err != nil {
		return nil
	}
	return app.origins()
}

// runningMail tries the mail server of the running configuration out.
func runningMail(ctx context.Context, to string) (string, error) {
	app, err := runningApp()
	if err != nil {
		return "", err
	}
	server, err := app.testMail(ctx, to)
	return server, mailProblem(server, err)
}

// linkPath is the page that opens a one-time link; package portal serves it.
func linkPath(kind auth.LinkKind, token string) string {
	return visit.Prefix + string(kind) + "/" + token
}

var _ caddy.AdminRouter = adminAPI{}
