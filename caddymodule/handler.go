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
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
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
// `{http.auth.user.id}` | The user name, as in `Remote-User`; also `user_id` in the access log. Empty for a service token
// `{http.auth.user.name}` | What the person is called
// `{http.auth.user.email}` | The e-mail address
// `{http.auth.user.groups}` | The groups, separated by commas
// `{http.nightlatch.level}` | What the session has proven, or an access key stands for: `password` or `two_factor`
// `{http.nightlatch.methods}` | How it was proven, separated by commas: `password`, `totp`, `email`, `webhook`, `backup_code`, `trusted_browser`, `vouched`; or `app_password` or `service_token`
// `{http.nightlatch.session}` | The id of the session or the access key, as in events and on the command line; it opens nothing. Of a key it is `access_key` in the access log too
// `{http.nightlatch.auth_time}` | When it was proven, in Unix seconds: of password and second factor the older one, as `max_age` counts. Of a key, when it was made
type Handler struct {
	Policy

	// Sites that another proxy serves, which asks here about each of their requests: `/_nightlatch/forward-auth/` and `caddy`, `traefik`,
	// `nginx`, `haproxy` or `envoy`. It needs `trusted_proxies` and `trusted_proxies_strict` on the server. A host that is not named
	// is refused. Default: none.
	Protect []*Protected `json:"protect,omitempty"`

	// Whose word is taken for the first factor, in place of a password; see there. Default: nobody's.
	FirstFactor *FirstFactor `json:"first_factor,omitempty"`

	// Whether a form that somebody sends without being signed in, or without a proof that a rule wants, is kept for them: sealed in the page
	// that says so, up to 1 MiB, for ten minutes. After the sign-in they can send it on with a button. Only forms of this very site are kept,
	// as the browser tells. Default: true.
	KeepForms *bool `json:"keep_forms,omitempty"`

	app       *App
	log       *slog.Logger
	site      *server.Site
	forward   *forwardAuth
	origins   func() hostOrigins // of this site; put together when first asked
	warnProxy func()

	accessLog   bool // the server has one
	logsSecrets bool // of access keys, unless it is kept from that
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
	h.origins = sync.OnceValue(func() hostOrigins { return app.hostOrigins(h) })
	cfg, err := h.Policy.settings(ctx, app, h.log)
	if err != nil {
		return err
	}
	if h.FirstFactor != nil {
		if err := h.FirstFactor.provision(h.Protect); err != nil {
			return err
		}
		cfg.Create = h.FirstFactor.Create
	}
	if h.KeepForms == nil || *h.KeepForms {
		cfg.Forms = app.forms
	}
	if h.site, err = server.NewSite(cfg); err != nil {
		return err
	}
	if h.forward, err = h.provisionForward(ctx, app); err != nil {
		return err
	}
	app.addSite(h.lax())
	h.look(ctx)
	h.lookAtLogs(ctx)
	return nil
}

// lax tells whether a rule lets people in with a password alone.
func (h *Handler) lax() bool {
	return h.Policy.lax() || slices.ContainsFunc(h.Protect, func(p *Protected) bool { return p.lax() })
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
	if h.logsSecrets && visit.InPair(r.Header) {
		return h.serveUnlogged(w, r, next)
	}
	return h.serve(w, r, next)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ctx := r.Context()
	vars := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	repl := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if vars[passedVar] != nil {
		return caddyhttp.Error(http.StatusInternalServerError, errors.New("nightlatch stands twice in front of this request; "+
			"the second one cannot see the cookie that the first has kept from the application"))
	}
	vouched := h.FirstFactor.named(r, repl)
	// Behind the gate these placeholders are ours alone, whatever another handler has said (ID-17).
	repl.DeleteByPrefix("http.auth.user.")
	v := visitOf(r, vars)
	h.keepLinkFromLog(r, v, vars)
	h.warnOfForgeableAddress(r, vars)
	if proxy, asks := gate.AskedBy(v.URL.EscapedPath()); asks { // as it was sent: the proxies' own rules see no other spelling
		h.answer(proxy, w, r, vars)
		return nil
	}
	v = h.app.locate(v, h.origins(), r.Host)
	if h.FirstFactor != nil {
		v = h.FirstFactor.visit(v, vouched)
	}
	return h.site.ServeHTTP(w, r, v, func(w http.ResponseWriter, r *http.Request, s *auth.Session) error {
		vars[passedVar] = passage{s}
		repl.Map(placeholders(s))
		nameKey(r, s)
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
