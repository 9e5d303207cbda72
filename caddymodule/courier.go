// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"

	"github.com/nightlatch/nightlatch/internal/courier"
)

// courierConfig prepares what delivers messages, and the brand that pages and letters show. It connects nowhere.
func (a *App) courierConfig() (cfg courier.Config, err error) {
	if a.pages, err = a.Brand.load(); err != nil {
		return cfg, err
	}
	if a.SMTP != nil {
		if cfg.Mail, err = a.SMTP.sender(expanded); err != nil {
			return cfg, err
		}
	}
	if a.Webhook != nil {
		if cfg.Webhook, err = a.Webhook.sender(expanded, a.isAdminEndpoint); err != nil {
			return cfg, err
		}
	}
	cfg.Brand, cfg.Origin, cfg.Log = a.pages, a.linkOrigin, a.log
	return cfg, nil
}

// linkOrigin is where links in letters lead that belong to no site in particular; empty if that cannot be told.
func (a *App) linkOrigin() string {
	if a.SMTP != nil && a.SMTP.LinkOrigin != "" {
		return a.SMTP.LinkOrigin
	}
	return a.knownOrigin()
}

// warnOfLinks says at the start what an operator would else learn from people who cannot reset their password.
func (a *App) warnOfLinks() {
	if a.SMTP != nil && a.linkOrigin() == "" {
		a.log.Warn("letters have no links, and passwords cannot be reset: no protected site of the configuration names its host; " +
			"write into smtp where it is reached, as in: link_origin https://app.example.com")
	}
}

// isAdminEndpoint tells whether Caddy's admin endpoint listens at an address: who reaches it administers this server, so no webhook may.
// Caddy does not show plugins the configuration of its admin endpoint, but counts who listens where in this process. Who listens and is
// no site is taken for it.
func (a *App) isAdminEndpoint(to netip.AddrPort) bool {
	port := strconv.Itoa(int(to.Port()))
	hosts := []string{to.Addr().String(), "", "0.0.0.0", "::"}
	if to.Addr().IsLoopback() {
		hosts = append(hosts, "localhost")
	}
	listens := func(host string) bool { return caddy.ListenerUsage("tcp", net.JoinHostPort(host, port)) > 0 }
	return slices.ContainsFunc(hosts, listens) && !a.isSitePort(to.Port())
}

// isSitePort tells whether a site of the configuration listens on a port.
func (a *App) isSitePort(port uint16) bool {
	app := a.sitesApp()
	if app == nil {
		return false
	}
	for _, srv := range app.Servers {
		for _, listen := range srv.Listen {
			addr, err := caddy.ParseNetworkAddress(listen)
			if err == nil && uint(port) >= addr.StartPort && uint(port) <= addr.EndPort {
				return true
			}
		}
	}
	return false
}
