// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// forwardAuth answers other proxies.
type forwardAuth struct {
	served served
	log    *slog.Logger

	untrusted, malformed, unprotected, failed visit.Throttle // when each was last logged
}

// answer tells a proxy whether the request that it asks about may pass.
//
// Only a proxy that Caddy trusts is believed, and of anybody else not even a header is read: whoever could write one could be anybody
// (FA-1, FA-16; CVE-2026-40575 in a peer). What is refused here is a mistake in the configuration of the proxy or of this server, so
// the operator is told, and not more often than is of use.
func (h *Handler) answer(p gate.Proxy, w http.ResponseWriter, question *http.Request, vars map[string]any) {
	f, ctx := h.forward, question.Context()
	asked, _ := ctx.Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if trusted, _ := vars[caddyhttp.TrustedProxyVarKey].(bool); !trusted {
		f.warn(question, &f.untrusted, "a question of forward-auth was refused, since whoever asked is no trusted proxy; if it is yours, "+
			"add its address to trusted_proxies in the servers option", slog.String("address", asked.RemoteAddr), slog.String("proxy", p.String()))
		p.Refuse(w, question, gate.Untrusted)
		return
	}
	original, scheme, err := p.Original(question, asked.RequestURI)
	if err != nil {
		f.warn(question, &f.malformed, "a question of forward-auth was refused, since it does not say clearly which request it is about; "+
			"compare the configuration of the proxy with docs/proxies", slog.Any("error", err), slog.String("address", asked.RemoteAddr),
			slog.String("proxy", p.String()))
		p.Refuse(w, question, gate.Malformed)
		return
	}
	site := f.served.of(scheme, original.Host)
	if site == nil {
		f.warn(question, &f.unprotected, "a question of forward-auth was refused, since it is about a host that is not protected here; if it should be, "+
			"write protect and the host into the nightlatch block of this site", slog.String("host", original.Host), slog.String("scheme", scheme),
			slog.String("address", asked.RemoteAddr), slog.String("proxy", p.String()))
		p.Refuse(w, question, gate.Unprotected)
		return
	}
	original, v := visitorOf(original, scheme, question, vars, asked.RemoteAddr, w)
	v = h.locateServed(v, scheme, original.Host)
	h.keepLinkFromLog(original, v, vars)
	session, err := site.Answer(p, w, question, original, v)
	if err != nil {
		f.warn(question, &f.failed, "a question of forward-auth was refused, since a rule failed", slog.Any("error", err), slog.String("host", original.Host))
	}
	if session != nil {
		ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Map(placeholders(session))
		nameKey(question, session)
	}
}

// overTLS stands for a connection that only the proxy has seen.
var overTLS = &tls.ConnectionState{HandshakeComplete: true}

// visitorOf makes the original request one that Caddy's matchers can look at, and the visit of it. vars are those of the question, and
// peer is the address of the proxy.
//
// The address of the visitor is what the proxy tells in the header of client_ip_headers. Caddy takes the proxy's own where that
// says nothing; here it is unknown then, since a rule about an address must not be met by the proxy's.
func visitorOf(original *http.Request, scheme string, question *http.Request, vars map[string]any, peer string, w http.ResponseWriter) (*http.Request, visit.Visit) {
	srv, _ := question.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if scheme == "https" {
		original.TLS = overTLS
	}
	// Without a peer, so that Caddy does not look for the address again that it has found for the question.
	original = caddyhttp.PrepareRequest(original, caddy.NewReplacer(), w, srv)
	own := original.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	own[caddyhttp.TrustedProxyVarKey] = true
	v := visit.Visit{URL: original.URL, Host: visit.HostName(original.Host)}
	if srv != nil {
		v.Address = visitorsAddress(question.Header, srv.ClientIPHeaders, vars, peer)
	}
	if v.Address.IsValid() {
		own[caddyhttp.ClientIPVarKey] = v.Address.String()
		original.RemoteAddr = netip.AddrPortFrom(v.Address, 0).String()
	}
	switch {
	case scheme == "https":
		v.Transport = visit.Secure
	case isLoopbackHost(original.Host) && isLoopbackPeer(peer) && v.Address.IsLoopback():
		v.Transport = visit.Loopback
	}
	return original, v
}

// locateServed adds to the visit what the configuration says of its host, and where its pages are: on the host itself, whose proxy sends
// visit.Prefix here, or at the portal where the hosts of a domain share its cookie.
//
// The host comes from the question and goes into addresses that people are led to. That is sound (OR-7) since only a trusted proxy is
// believed and served.of has found this host and scheme in the configuration: by its name, or as one more label below a pattern.
func (h *Handler) locateServed(v visit.Visit, scheme, host string) visit.Visit {
	v = h.app.locate(v, h.origins(), host)
	v.Pages = scheme + "://" + host
	if v.Domain != "" && v.Portal != "" {
		v.Pages = v.Portal
	}
	return v
}

// visitorsAddress is what Caddy has found to be the visitor's, in the one spelling that matchers know: a proxy that listens for both families
// writes ::ffff:192.0.2.1, which no rule about 192.0.2.0/24 would see. It is unknown where the proxy has told no address, and where all that
// it has told are addresses of proxies, so that Caddy falls back to its peer.
func visitorsAddress(h http.Header, names []string, vars map[string]any, peer string) netip.Addr {
	text, _ := vars[caddyhttp.ClientIPVarKey].(string)
	found, last := plainAddress(text), toldAddress(h, names)
	if !last.IsValid() || found == plainAddress(hostOf(peer)) && found != last {
		return netip.Addr{}
	}
	return found
}

// plainAddress is an address without zone, and IPv4 as such; the zero value for what is none.
func plainAddress(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

func hostOf(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return hostPort
}

// toldAddress is the address that the proxy itself has written: proxies add what they know at the end.
func toldAddress(h http.Header, names []string) netip.Addr {
	for _, name := range names {
		lines := h.Values(name)
		if len(lines) == 0 {
			continue
		}
		last := lines[len(lines)-1]
		last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
		if addr := plainAddress(hostOf(last)); addr.IsValid() {
			return addr
		}
	}
	return netip.Addr{}
}

func (f *forwardAuth) warn(r *http.Request, t *visit.Throttle, text string, attrs ...slog.Attr) {
	if t.Allows(time.Now(), time.Minute) {
		f.log.LogAttrs(r.Context(), slog.LevelWarn, text+" (told at most once a minute)", attrs...)
	}
}
