// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler lets through to the handlers behind it only whoever is signed in, with a second factor unless a rule says otherwise, and
// tells the application who it is. Everybody else gets the sign-in page, or, where no page would be seen, an error that says so.
//
// Pages and cookies live under `/_nightlatch/` on the site itself, so the handler has to see all requests of a site: put it in front
// of everything that it protects, not inside a `handle` for one path. It needs HTTPS, except on localhost.
//
// ### Placeholders
//
// They are set on every request that passes, empty where a rule skips the sign-in, whatever set them before:
//
// Placeholder | Description
// ------------|-------------
// `{http.auth.user.id}` | The user name, as in `Remote-User`; also `user_id` in the access log
// `{http.auth.user.name}` | What the person is called
// `{http.auth.user.email}` | The e-mail address
// `{http.auth.user.groups}` | The groups, separated by commas
// `{http.nightlatch.level}` | What the session has proven: `password` or `two_factor`
// `{http.nightlatch.methods}` | How it was proven, separated by commas: `password`, `totp`, `email`, `webhook`, `backup_code`, `trusted_browser`
// `{http.nightlatch.session}` | The id of the session, as in events and on the command line; it opens nothing
// `{http.nightlatch.auth_time}` | When it was proven, in Unix seconds: of password and second factor the older one, as `max_age` counts
type Handler struct {
	// What is asked of whom; see there. Without any, every request needs a sign-in with two factors.
	Rules []*Rule `json:"rules,omitempty"`

	// The request headers that tell the application who it is. They and other well-known identity headers are removed first from
	// every request, in every spelling, also where a rule skips the sign-in. Default: `Remote-User`, `Remote-Name`, `Remote-Email`
	// and `Remote-Groups`. When set, a header that is left out is not sent.
	Headers *Headers `json:"headers,omitempty"`

	// In place of `headers`, the name of an application: it gets the headers that it reads. There are `2fauth`, `calibreweb`,
	// `filebrowser`, `firefly`, `forgejo`, `freshrss`, `gitea`, `grafana`, `guacamole`, `homeassistant`, `jenkins`, `miniflux`,
	// `navidrome`, `nexus`, `nextcloud`, `opensearch`, `paperless`, `radicale` and `sogo`. Default: none.
	Preset string `json:"preset,omitempty"`

	app       *App
	log       *slog.Logger
	site      *server.Site
	origins   func() hostOrigins // of this site; put together when first asked
	warnProxy func()
}

// Headers are names of request headers for the application.
type Headers struct {
	// The user name.
	User string `json:"user,omitempty"`
	// What the person is called.
	Name string `json:"name,omitempty"`
	// The e-mail address.
	Email string `json:"email,omitempty"`
	// The groups, separated by commas.
	Groups string `json:"groups,omitempty"`
}

// told is what the application is told and by which headers: those of the preset, those that are written out, or the defaults.
func told(preset string, headers *Headers) (identity.Config, error) {
	switch {
	case preset != "" && headers != nil:
		return identity.Config{}, errors.New("preset and headers both say which headers the application gets: keep one of them")
	case preset != "":
		return identity.Preset(preset)
	case headers != nil:
		return identity.Config{User: headers.User, Name: headers.Name, Email: headers.Email, Groups: headers.Groups}, nil
	}
	return identity.Defaults, nil
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.nightlatch", New: func() caddy.Module { return new(Handler) }}
}

// Provision prepares the rules. It opens nothing; see App.Provision.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.log = ctx.Slogger()
	h.warnProxy = sync.OnceFunc(func() {
		h.log.Warn("trusted_proxies without trusted_proxies_strict: clients behind a proxy that appends to X-Forwarded-For can forge their address")
	})
	mod, err := ctx.App("nightlatch")
	if err != nil {
		return fmt.Errorf("getting the nightlatch app: %w", err)
	}
	app := mod.(*App)
	h.app = app
	rules, err := h.compile(ctx)
	if err != nil {
		return err
	}
	headers, err := told(h.Preset, h.Headers)
	if err != nil {
		return err
	}
	for i, r := range h.Rules {
		for _, word := range r.Methods {
			if err := app.offers(word); err != nil {
				return fmt.Errorf("rule %d: %w", i+1, err)
			}
		}
	}
	h.origins = sync.OnceValue(func() hostOrigins { return app.hostOrigins(h) })
	h.site, err = server.NewSite(server.SiteConfig{
		Service: app.Service,
		Rules:   rules,
		Headers: headers,
		Brand:   app.pages,
		Central: app.central,
		Log:     h.log,
	})
	if err != nil {
		return err
	}
	app.addSite(h.lax())
	h.look(ctx)
	return nil
}

// lax tells whether a rule lets people in with a password alone.
func (h *Handler) lax() bool {
	return slices.ContainsFunc(h.Rules, func(r *Rule) bool { return r.need().Level == auth.LevelPassword })
}

func (h *Handler) compile(ctx caddy.Context) ([]gate.Rule, error) {
	if i, err := checkAll(h.Rules); err != nil {
		return nil, fmt.Errorf("rule %d: %w", i+1, err)
	}
	byDefault := defaultOf(h.Rules)
	var rules []gate.Rule
	for i, r := range h.Rules {
		rule, err := r.compile(ctx, byDefault)
		if err != nil {
			return nil, fmt.Errorf("rule %d, '%s': %w", i+1, rule.Text, err)
		}
		if rule.Action == gate.Skip {
			h.log.Info("requests pass without a sign-in", "rule", rule.Text)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// look warns of what around the handler weakens it.
func (h *Handler) look(ctx caddy.Context) {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || srv.Errors == nil {
		return
	}
	for _, route := range srv.Errors.Routes {
		for _, raw := range route.HandlersRaw {
			if name := servesContent(raw); name != "" {
				h.log.Warn("handle_errors runs without a sign-in and serves content: what it serves is open to everybody", "handler", name)
				return
			}
		}
	}
}

// servesContent finds a handler of error routes that answers with more than a fixed text, at any depth. php_fastcgi is a
// reverse_proxy too.
func servesContent(raw json.RawMessage) string {
	var node struct {
		Handler string `json:"handler"`
		Routes  []struct {
			Handle []json.RawMessage `json:"handle"`
		} `json:"routes"`
	}
	if json.Unmarshal(raw, &node) != nil {
		return ""
	}
	if node.Handler == "reverse_proxy" || node.Handler == "file_server" {
		return node.Handler
	}
	for _, route := range node.Routes {
		for _, inner := range route.Handle {
			if name := servesContent(inner); name != "" {
				return name
			}
		}
	}
	return ""
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ctx := r.Context()
	vars := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	repl := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if vars[passedVar] != nil {
		return caddyhttp.Error(http.StatusInternalServerError, errors.New("nightlatch stands twice in front of this request; "+
			"the second one cannot see the cookie that the first has kept from the application"))
	}
	// Behind the gate these placeholders are ours alone, whatever another handler has said (ID-17).
	repl.DeleteByPrefix("http.auth.user.")
	v := visitOf(r, vars)
	v = h.app.locate(v, h.origins(), r.Host)
	h.keepLinkFromLog(r, v, vars)
	h.warnOfForgeableAddress(r, vars)
	return h.site.ServeHTTP(w, r, v, func(w http.ResponseWriter, r *http.Request, s *auth.Session) error {
		vars[passedVar] = passage{s}
		repl.Map(placeholders(s))
		return next.ServeHTTP(w, r)
	})
}

// passedVar marks a request that a Handler has let through.
const passedVar = "nightlatch.passed"

// warnOfForgeableAddress says once that Caddy takes the left-most address that a proxy passes on, which the client wrote: rules by
// client_ip and the counters against guessing would believe it. Caddy shows a plugin its trusted proxies only on a request.
func (h *Handler) warnOfForgeableAddress(r *http.Request, vars map[string]any) {
	if trusted, _ := vars[caddyhttp.TrustedProxyVarKey].(bool); !trusted {
		return
	}
	srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if ok && srv != nil && srv.TrustedProxiesStrict == 0 {
		h.warnProxy()
	}
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
