// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// visitOf is what Caddy knows of a request: the target before any rewrite, the address by its trusted_proxies, and how far the
// connection can be trusted. vars are Caddy's variables of the request.
func visitOf(r *http.Request, vars map[string]any) visit.Visit {
	v := visit.Visit{URL: r.URL, Host: visit.HostName(r.Host)}
	peer := r.RemoteAddr
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		v.URL, peer = original.URL, original.RemoteAddr
	}
	trusted, _ := vars[caddyhttp.TrustedProxyVarKey].(bool)
	if trusted {
		findAgain(r, vars, peer)
	}
	if ip, ok := vars[caddyhttp.ClientIPVarKey].(string); ok {
		v.Address = plainAddress(ip)
	}
	v.Transport = transport(r, peer, trusted)
	return v
}

// findAgain has Caddy find the client's address again where it reads what proxies have written otherwise than we do:
//
//   - Caddy knows ::ffff:192.0.2.1 neither as an address of 192.0.2.0/24 nor as a trusted proxy's, so it would take a proxy that writes IPv4 as
//     IPv6, as one that listens for both families does, for the client, and no rule about a network would see such a client.
//   - It passes over what is no address, such as the "unix:" of a proxy that is asked at a socket, and believes what stands before that. But
//     each proxy adds at the end what it knows itself: what stands before something that nobody can read may be the client's own (FA-9).
func findAgain(r *http.Request, vars map[string]any, peer string) {
	srv, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if srv == nil || !slices.ContainsFunc(srv.ClientIPHeaders, func(name string) bool { return !plainlyTold(r.Header.Values(name)) }) {
		return
	}
	plain := http.Header{}
	for _, name := range srv.ClientIPHeaders {
		entries := strings.Split(strings.Join(r.Header.Values(name), ","), ",")
		for i, entry := range slices.Backward(entries) {
			if strings.TrimSpace(entry) == "" {
				continue
			}
			addr, is := toldEntry(entry)
			if !is {
				entries = entries[i+1:]
				break
			}
			entries[i] = addr.Unmap().String()
		}
		if len(entries) > 0 {
			plain.Set(name, strings.Join(entries, ","))
		}
	}
	again := &http.Request{Method: http.MethodGet, URL: new(url.URL), Header: plain, RemoteAddr: peer}
	again = caddyhttp.PrepareRequest(again.WithContext(context.Background()), caddy.NewReplacer(), nil, srv)
	found := again.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	vars[caddyhttp.ClientIPVarKey] = found[caddyhttp.ClientIPVarKey]
}

// plainlyTold tells whether lines of X-Forwarded-For are read in one way.
func plainlyTold(lines []string) bool {
	for _, line := range lines {
		for entry := range strings.SplitSeq(line, ",") {
			if addr, is := toldEntry(entry); (!is || addr.Is4In6()) && strings.TrimSpace(entry) != "" {
				return false
			}
		}
	}
	return true
}

// toldEntry reads an address as proxies write it, some with a port.
func toldEntry(entry string) (addr netip.Addr, is bool) {
	entry = strings.TrimSpace(entry)
	if addr, err := netip.ParseAddr(entry); err == nil {
		return addr, true
	}
	withPort, err := netip.ParseAddrPort(entry)
	return withPort.Addr(), err == nil
}

// transport says how far the connection can be trusted with a cookie. Only a proxy that the operator declared is believed about the
// part of the way that we do not see, and it can also say that this part was plain: then Secure cookies would be lost, and the
// person would sign in forever.
func transport(r *http.Request, peer string, trusted bool) visit.Transport {
	if trusted {
		proto := r.Header["X-Forwarded-Proto"]
		if len(proto) == 1 && proto[0] == "https" || len(proto) == 0 && r.TLS != nil {
			return visit.Secure
		}
		return visit.Exposed
	}
	switch {
	case r.TLS != nil:
		return visit.Secure
	case r.ProtoAtLeast(1, 1) && isLoopbackPeer(peer) && isLoopbackHost(r.Host) && !proxied(r.Header):
		return visit.Loopback
	}
	return visit.Exposed
}

// proxied tells whether a header says that the peer passes on what somebody else sent. A proxy on this machine that adds no header
// and speaks HTTP/1.1 under the name localhost cannot be told from a browser. It would bring a stranger nothing but cookies without
// Secure, on a connection that was plain already.
func proxied(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded") {
			return true
		}
	}
	return h["Forwarded"] != nil || h["Via"] != nil || h["X-Real-Ip"] != nil || h["X-Original-Uri"] != nil || h["X-Original-Url"] != nil
}

func isLoopbackPeer(hostPort string) bool {
	ap, err := netip.ParseAddrPort(hostPort)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// isLoopbackHost knows the names that browsers count as this machine (W3C Secure Contexts, section 3.1).
func isLoopbackHost(hostPort string) bool {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
