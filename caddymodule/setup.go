// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// offerSetup prints a link that makes the first administrator, once for as long as the store is open. The link goes to standard
// error only: logs are collected, forwarded and read by many.
func (a *App) offerSetup(svc *auth.Service) (err error) {
	a.store.greet.Do(func() { err = a.printSetupLink(svc) })
	return err
}

func (a *App) printSetupLink(svc *auth.Service) error {
	ctx := context.Background()
	has, err := svc.HasAdministrator(ctx)
	if err != nil || has {
		return err
	}
	link, err := svc.NewSetupLink(ctx)
	if err != nil {
		return fmt.Errorf("making the setup link: %w", err)
	}
	fmt.Fprintf(os.Stderr, "\nNightlatch has no administrator yet. Open this link within one hour to make the first account:\n\n    %s%ssetup/%s\n\n",
		a.firstOrigin(), visit.Prefix, link.Token)
	a.log.Info("no administrator yet: a setup link was printed to standard error")
	return nil
}

// firstOrigin is where the setup link leads. Where no site can be told from the configuration, it is a guess with the right port.
func (a *App) firstOrigin() string {
	if known := a.origins(); len(known) > 0 {
		return known[0]
	}
	if app := a.sitesApp(); app != nil && len(app.Servers) > 0 {
		first := slices.Sorted(maps.Keys(app.Servers))[0]
		return serverOrigin(app, app.Servers[first], "localhost")
	}
	return "http://localhost"
}

// sitesApp is Caddy's HTTP app, nil in a configuration without sites.
func (a *App) sitesApp() *caddyhttp.App {
	app, err := a.ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	return app.(*caddyhttp.App)
}

// origins are where the protected sites of the configuration can be reached, as well as that can be told, the first one first.
func (a *App) origins() []string {
	app := a.sitesApp()
	if app == nil {
		return nil
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		srv := app.Servers[name]
		for _, host := range guardedHosts(srv.Routes, "localhost") {
			all = append(all, serverOrigin(app, srv, host))
		}
	}
	return all
}

// guardedHosts finds our handler among routes, at any depth, and the hosts that lead to it.
func guardedHosts(routes caddyhttp.RouteList, host string) (hosts []string) {
	for _, route := range routes {
		here := host
		if h, ok := matchedHost(route.MatcherSets); ok {
			here = h
		}
		for _, handler := range route.Handlers {
			switch h := handler.(type) {
			case *Handler:
				hosts = append(hosts, here)
			case *caddyhttp.Subroute:
				hosts = append(hosts, guardedHosts(h.Routes, here)...)
			}
		}
	}
	return hosts
}

// matchedHost is the first host of a route that can be typed into a browser.
func matchedHost(sets caddyhttp.MatcherSets) (string, bool) {
	for _, set := range sets {
		for _, m := range set {
			hosts, ok := m.(*caddyhttp.MatchHost)
			if !ok {
				continue
			}
			for _, h := range *hosts {
				if !strings.ContainsAny(h, "*{") {
					return h, true
				}
			}
		}
	}
	return "", false
}

// serverOrigin builds the address of a host from what its server listens on.
func serverOrigin(app *caddyhttp.App, srv *caddyhttp.Server, host string) string {
	port := 0
	for _, listen := range srv.Listen {
		if addr, err := caddy.ParseNetworkAddress(listen); err == nil && addr.StartPort != 0 {
			port = int(addr.StartPort)
			break
		}
	}
	plain := len(srv.TLSConnPolicies) == 0 || port == cmp.Or(app.HTTPPort, caddyhttp.DefaultHTTPPort)
	origin := url.URL{Scheme: "https", Host: strings.Trim(host, "[]")}
	usual := caddyhttp.DefaultHTTPSPort
	if plain {
		origin.Scheme, usual = "http", caddyhttp.DefaultHTTPPort
	}
	switch {
	case port != 0 && port != usual:
		origin.Host = net.JoinHostPort(origin.Host, strconv.Itoa(port))
	case strings.Contains(origin.Host, ":"):
		origin.Host = "[" + origin.Host + "]"
	}
	return origin.String()
}
