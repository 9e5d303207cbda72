// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// keepLinkFromLog leaves the request for a one-time link out of Caddy's access log, which would hold the token in the address. Looking
// at a link does not use it up, so for a day whoever reads the log could have the account (LG-1, LG-2). The two requests that hand a session
// over from the portal to a site are left out too: the code stands in the Location of the first and in the address of the second. Where
// there is an access log, the handler's own log has a line in its place, without the token.
//
// Any spelling counts, those that we answer with 404 too: what somebody has copied badly is the right token all the same. But it counts
// only under our prefix as the portal reads it, so that nobody can keep a request for the application from the log.
func (h *Handler) keepLinkFromLog(r *http.Request, v visit.Visit, vars map[string]any) {
	kind := linkIn(v.URL.Path)
	if kind == "" {
		return
	}
	vars[caddyhttp.LogSkipVar] = true
	if !h.accessLog {
		return
	}
	text := "request for a one-time link, which the access log leaves out because of its token"
	if kind == handOver {
		text = "hand-over of a session, which the access log leaves out because of its code"
	}
	h.log.LogAttrs(r.Context(), slog.LevelInfo, text,
		slog.String("kind", kind), slog.String("method", r.Method), slog.String("host", r.Host), slog.String("address", v.Address.String()))
}

// handOver is the kind of the two requests that hand a session over.
const handOver = "hand-over"

// linkIn finds the kind of one-time link that a path, decoded once as net/url does, may have been meant for, or handOver; empty for none.
func linkIn(path string) string {
	rest, ours := strings.CutPrefix(path, visit.Prefix)
	if !ours {
		return ""
	}
	const rounds = 3 // of encoding what was encoded already, as mail programs do; each costs a pass over what a stranger sent
	for range rounds {
		decoded, err := url.PathUnescape(rest)
		if err != nil || decoded == rest {
			break
		}
		rest = decoded
	}
	rest = "/" + strings.ToLower(rest)
	for _, kind := range []auth.LinkKind{auth.SetupLink, auth.InviteLink, auth.ReenrollLink, auth.ResetLink} {
		if strings.Contains(rest, "/"+string(kind)+"/") {
			return string(kind)
		}
	}
	for _, page := range []string{"/hand-over", "/continue"} {
		if strings.Contains(rest+"/", page+"/") {
			return handOver
		}
	}
	return ""
}
