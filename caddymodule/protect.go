// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// Protected are sites that another proxy serves, with one policy. The rules of the site around it do not apply to them, nor does anything
// else of its policy. Its rules are judged on the request that the visitor sent to that proxy: its method, host, path, query and headers.
// `client_ip` is the visitor's address. What happens between the visitor and the proxy is not known here, so `remote_ip`, `tls`, and
// `protocol` for anything but `http` and `https` are errors.
type Protected struct {
	// The hosts, such as `legacy.example.com`, with a port where it is not the usual one, and `*.example.com` for every host with one
	// more label. Of several that a host is in, the most specific counts. Default: none; there must be at least one.
	Hosts []string `json:"hosts,omitempty"`

	Policy

	hosts []hostPort // what Hosts say
}

// parseProtect reads
//
//	protect <host...> {
//		<require, skip, deny, headers, preset and assertion as for the site itself>
//	}
//
// The block may be missing, which asks everybody for two factors.
func (h *Handler) parseProtect(helper httpcaddyfile.Helper) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		p := new(Protected)
		for _, host := range d.RemainingArgs() {
			p.Hosts = append(p.Hosts, strings.ToLower(host))
		}
		if err := p.readHosts(h.Protect); err != nil {
			return d.WrapErr(err)
		}
		h.Protect = append(h.Protect, p)
		if h.FirstFactor != nil {
			return d.WrapErr(h.FirstFactor.provision(h.Protect))
		}
		return p.Policy.parse(helper, "protect", more{check: (*Rule).checkAsked})
	}
}

// hostPort is a host that is protected, or, with a dot in front, every host with one more label. Without a port it is for the usual one
// of the scheme.
type hostPort struct{ name, port string }

// readHosts reads the hosts, each of which may stand once in a site. before are those that stand there already.
func (p *Protected) readHosts(before []*Protected) error {
	if len(p.Hosts) == 0 {
		return errors.New("protect needs a host, such as legacy.example.com")
	}
	p.hosts = nil
	for _, word := range p.Hosts {
		host, err := parseHost(word)
		if err != nil {
			return err
		}
		names := func(p *Protected) bool { return slices.Contains(p.hosts, host) }
		if names(p) || slices.ContainsFunc(before, names) {
			return fmt.Errorf("host '%s' is protected twice", word)
		}
		p.hosts = append(p.hosts, host)
	}
	return nil
}

func parseHost(word string) (hostPort, error) {
	rest, below := strings.CutPrefix(word, "*.")
	name, port := visit.SplitHost(rest)
	canonical := visit.HostName(rest)
	switch {
	case strings.Contains(word, "/"):
		return hostPort{}, fmt.Errorf("'%s' is no host; write it without scheme and path, as in: legacy.example.com", word)
	case strings.Contains(rest, "*"):
		return hostPort{}, fmt.Errorf("in '%s' the star may stand for the first label only, as in: *.example.com", word)
	case canonical == "" || canonical[0] == '.' || strings.Contains(canonical, "..") || below && canonical[0] == '[':
		return hostPort{}, fmt.Errorf("'%s' is no host name; write it as browsers send it, international names as xn--", word)
	}
	if port != "" || len(name) < len(rest) {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return hostPort{}, fmt.Errorf("'%s' has no port that exists", word)
		}
	}
	if below {
		canonical = "." + canonical
	}
	return hostPort{canonical, port}, nil
}

// protectedSite is one such site, with its policy as it was written.
type protectedSite struct {
	*server.Served
	as *Protected
}

// served are the sites that other proxies serve, by host.
type served map[hostPort]*protectedSite

// of finds the site of a host as it stands in a request with this scheme. The most specific wins: the host itself before a pattern, and
// with a port before without. It does not allocate for a host in lower case.
func (s served) of(scheme, host string) *protectedSite {
	usual := "443"
	if scheme == "http" {
		usual = "80"
	}
	name := visit.HostName(host)
	if name == "" || name[0] == '.' {
		return nil // a dot in front means a pattern here
	}
	_, port := visit.SplitHost(host)
	if port == "" {
		port = usual
	}
	for {
		if site := s[hostPort{name, port}]; site != nil {
			return site
		}
		if site := s[hostPort{name, ""}]; site != nil && port == usual {
			return site
		}
		dot := strings.IndexByte(name, '.')
		if dot <= 0 {
			return nil
		}
		name = name[dot:]
	}
}

// provisionForward makes the sites that other proxies serve ready.
func (h *Handler) provisionForward(ctx caddy.Context, app *App) (*forwardAuth, error) {
	f := &forwardAuth{log: h.log, served: make(served)}
	if len(h.Protect) == 0 {
		return f, nil
	}
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || srv == nil || srv.TrustedProxiesStrict == 0 {
		return nil, errors.New("protect needs to know which proxies to believe: write trusted_proxies with their addresses, " +
			"and trusted_proxies_strict, into the servers option")
	}
	for i, p := range h.Protect {
		if err := p.readHosts(h.Protect[:i]); err != nil {
			return nil, err
		}
		gated, err := p.provision(ctx, app, h)
		if err != nil {
			return nil, fmt.Errorf("protect %s: %w", strings.Join(p.Hosts, " "), err)
		}
		site := &protectedSite{gated, p}
		for _, host := range p.hosts {
			f.served[host] = site
		}
	}
	return f, nil
}

func (p *Protected) provision(ctx caddy.Context, app *App, h *Handler) (*server.Served, error) {
	for i, r := range p.Rules {
		if err := r.checkAsked(); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	cfg, err := p.settings(ctx, app, h.log)
	if err != nil {
		return nil, err
	}
	return server.NewServed(cfg)
}

// withServed is a guarded place, and after it the sites that other proxies serve and that ask there. Those have pages by https alone.
func (g guarded) withServed() []guarded {
	all := []guarded{g}
	for _, p := range g.handler.Protect {
		for _, host := range p.hosts {
			site := guarded{handler: g.handler, at: listener{usual: caddyhttp.DefaultHTTPSPort}}
			site.at.port, _ = strconv.Atoi(host.port)
			if base, below := strings.CutPrefix(host.name, "."); below {
				site.patterns = []string{"*." + base}
			} else {
				site.hosts = []string{host.name}
			}
			all = append(all, site)
		}
	}
	return all
}
