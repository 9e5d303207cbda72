// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// errorsOnly are the log settings of a server that has none, and so no access log: they let a request say that Caddy's log of errors leaves
// it out. Nobody changes them.
var errorsOnly = new(caddyhttp.ServerLogConfig)

// keyFilterLines are what a log needs in a Caddyfile to hold requests with a pair of headers, without the secret.
var keyFilterLines = "format filter {\n\trequest>headers>" + strings.Join(visit.SecretHeaders(), " delete\n\trequest>headers>") + " delete\n}"

// lookAtLogs finds out whether Caddy's logs would hold the secret of an access key that comes in a pair of headers. Caddy leaves out the
// values of Authorization and Cookie, and of nothing else, and it takes the header of a request for its logs before any handler sees it.
func (h *Handler) lookAtLogs(ctx caddy.Context) {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return
	}
	if srv.Logs == nil {
		srv.Logs = errorsOnly
	}
	h.accessLog = srv.Logs != errorsOnly
	for _, name := range visit.SecretHeaders() {
		field := []string{"request", "headers", name}
		for _, logger := range []moduleOf{"http.log.access", "http.log.error"} {
			h.logsSecrets = h.logsSecrets || encodes(ctx.Logger(logger).Core(), field)
		}
		if core := ctx.Logger(moduleOf("http.handlers.rewrite")).Core(); core.Enabled(zapcore.DebugLevel) && encodes(core, field) {
			h.log.Warn("a log at level DEBUG holds the secrets of access keys that come in a pair of headers, where rewrite and its like stand in front; " +
				"leave them out of each log by these lines in its block:\n" + keyFilterLines)
			break
		}
	}
	if srv.Logs.ShouldLogCredentials {
		h.log.Warn("log_credentials writes session cookies, access tokens and access keys into the access log: whoever reads it can be these people")
	}
}

// serveUnlogged serves a request that has an access key in a pair of headers, and has Caddy's logs leave it out, since they would hold the
// secret (LG-1). The handler's own log has a line in its place, so that nobody can keep a request from the log by such a pair: at the levels
// at which Caddy would have had one.
func (h *Handler) serveUnlogged(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	vars := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	vars[caddyhttp.AccessLoggerNameVarKey] = []any{} // no access log, and none of errors
	rec := caddyhttp.NewResponseRecorder(w, nil, nil)
	host, begun := r.Host, time.Now()
	err := h.serve(rec, r, next)

	level, status := slog.LevelDebug, rec.Status()
	if failure, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		status = failure.StatusCode
	} else if err != nil {
		status = http.StatusInternalServerError
	}
	skipped, _ := vars[caddyhttp.LogSkipVar].(bool)
	switch {
	case status >= http.StatusInternalServerError && (err != nil || h.accessLog && !skipped):
		level = slog.LevelError
	case skipped:
		return err
	case h.accessLog:
		level = slog.LevelInfo
	}
	if !h.log.Enabled(r.Context(), level) {
		return err
	}
	asked, _ := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	uri := asked.RequestURI
	if skipped {
		uri = "" // it was left out for what stands in it
	}
	address, _ := vars[caddyhttp.ClientIPVarKey].(string)
	user, _ := repl.GetString("http.auth.user.id")
	attrs := []slog.Attr{
		slog.String("method", asked.Method), slog.String("host", host), slog.String("uri", uri), slog.String("client_ip", address),
		slog.String("user_id", user), slog.Int("status", status), slog.Int("size", rec.Size()), slog.Duration("duration", time.Since(begun)),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	h.log.LogAttrs(r.Context(), level, "request with an access key in a pair of headers, which Caddy's logs leave out because of its secret", attrs...)
	return err
}

// nameKey adds to the log lines of a request by which access key it was let through.
func nameKey(r *http.Request, s *auth.Session) {
	if s == nil || s.Key == "" {
		return
	}
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("access_key", s.Key))
	}
}
