// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// keepLinkFromLog leaves the request for a one-time link out of Caddy's access log, which would hold the token in the address. Looking
// at a link does not use it up, so for a day whoever reads the log could have the account (LG-1, LG-2). Where there is an access log,
// the handler's own log has a line in its place, without the token.
//
// Any spelling counts, those that we answer with 404 too: what somebody has copied badly is the right token all the same.
func (h *Handler) keepLinkFromLog(r *http.Request, v visit.Visit, vars map[string]any) {
	rest, ours := strings.CutPrefix(v.URL.Path, visit.Prefix)
	if !ours {
		return
	}
	for _, kind := range []auth.LinkKind{auth.SetupLink, auth.InviteLink, auth.ReenrollLink} {
		if !strings.Contains("/"+rest, "/"+string(kind)+"/") {
			continue
		}
		vars[caddyhttp.LogSkipVar] = true
		srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
		if !ok || srv == nil || srv.Logs == nil {
			return
		}
		h.log.LogAttrs(r.Context(), slog.LevelInfo, "request for a one-time link, which the access log leaves out because of its token",
			slog.String("kind", string(kind)), slog.String("method", r.Method), slog.String("host", r.Host), slog.String("address", v.Address.String()))
		return
	}
}
