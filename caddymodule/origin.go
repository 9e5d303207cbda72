// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"cmp"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// sitesApp is Caddy's HTTP app, nil in a configuration without sites.
func (a *App) sitesApp() *caddyhttp.App {
	app, err := a.ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	return app.(*caddyhttp.App)
}

// guarded is one place among the routes where a handler of ours stands, and the hosts that lead to it and can be typed into a browser.
type guarded struct {
	handler  *Handler
	hosts    []string // in lower case; none: any, or only such as cannot be told, such as *.example.com
	patterns []string // such as *.example.com, in lower case
	at       listener
	apart    map[string]bool // hosts that the patterns do not mean, see guardedSites
}

// byItself tells whether people sign in there and nowhere else, whatever portal there is: a handler in front says who they are.
func (g guarded) byItself() bool { return g.handler.FirstFactor != nil }

// guardedSites are all of them, the first server's first.
func (a *App) guardedSites() (sites []guarded) {
	app := a.sitesApp()
	if app == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		srv := app.Servers[name]
		apart := make(map[string]bool)
		for _, route := range srv.Routes {
			look := lookup{srv: srv, at: listenerOf(app, srv), apart: apart}
			look.in(caddyhttp.RouteList{route}, matched{})
			sites = append(sites, look.found...)
			// A name that stands there for itself, without a sign-in of ours that others share, is not meant by a pattern. Deeper in the routes of
			// a site names only tell its parts from one another.
			if !slices.ContainsFunc(look.found, func(g guarded) bool { return !g.byItself() }) {
				for _, host := range matchedHosts(route.MatcherSets).hosts {
					apart[host] = true
				}
			}
		}
	}
	return sites
}

// lookup goes through the routes of a server, at any depth, and through the named routes that they invoke.
type lookup struct {
	srv     *caddyhttp.Server
	at      listener
	found   []guarded
	apart   map[string]bool
	invoked []string // on the way to here
}

func (l *lookup) in(routes caddyhttp.RouteList, hosts matched) {
	for _, route := range routes {
		here := hosts
		if named := matchedHosts(route.MatcherSets); !named.none() {
			here = named
		}
		for _, handler := range route.Handlers {
			switch h := handler.(type) {
			case *Handler:
				l.found = append(l.found, guarded{h, here.hosts, here.patterns, l.at, l.apart})
			case *caddyhttp.Subroute:
				l.in(h.Routes, here)
			case *caddyhttp.Invoke:
				l.invoke(h.Name, here)
			}
		}
	}
}

func (l *lookup) invoke(name string, hosts matched) {
	route := l.srv.NamedRoutes[name]
	if route == nil || slices.Contains(l.invoked, name) {
		return
	}
	l.invoked = append(l.invoked, name)
	l.in(caddyhttp.RouteList{*route}, hosts)
	l.invoked = l.invoked[:len(l.invoked)-1]
}

// matched are the hosts that a route is for: names, and patterns of names.
type matched struct{ hosts, patterns []string }

func (m matched) none() bool { return m.hosts == nil && m.patterns == nil }

// matchedHosts are those of a route, in lower case as written. A pattern is *. and a name: what other patterns match cannot be told.
func matchedHosts(sets caddyhttp.MatcherSets) (m matched) {
	for _, h := range hostsOf(sets) {
		h = strings.ToLower(h)
		base, wild := strings.CutPrefix(h, "*.")
		switch {
		case !strings.ContainsAny(h, "*{"):
			m.hosts = append(m.hosts, h)
		case wild && !strings.ContainsAny(base, "*{"):
			m.patterns = append(m.patterns, h)
		}
	}
	return m
}

// hostsOf are those of a route, as written.
func hostsOf(sets caddyhttp.MatcherSets) (hosts []string) {
	for _, set := range sets {
		for _, m := range set {
			switch m := m.(type) {
			case *caddyhttp.MatchHost:
				hosts = append(hosts, *m...)
			case caddyhttp.MatchHost: // Caddy's own redirects, in no order
				hosts = append(hosts, slices.Sorted(slices.Values(m))...)
			}
		}
	}
	return hosts
}

// matchesWildcard tells whether a host, in lower case, is one label and what follows the star of a pattern.
func matchesWildcard(pattern, host string) bool {
	label, rest, ok := strings.Cut(host, ".")
	return ok && label != "" && rest == pattern[len("*."):]
}

// origins are where the protected sites can be reached, one for each place of a handler and for each host that another proxy serves, as well
// as that can be told. Where no host is named, localhost is a guess for whoever sits at this machine. A portal comes first.
func (a *App) origins() (all []string) {
	if a.Portal != "" {
		all = append(all, a.Portal)
	}
	for _, g := range a.guardedSites() {
		before := len(all)
		for _, site := range g.withServed() {
			if len(site.hosts) > 0 {
				all = append(all, site.at.origin(site.hosts[0]))
			}
		}
		if len(all) == before {
			all = append(all, g.at.origin("localhost"))
		}
	}
	return all
}

// knownOrigin is where letters lead: the portal, or the first of them that is no guess, or empty.
func (a *App) knownOrigin() string {
	if a.Portal != "" {
		return a.Portal
	}
	for _, g := range a.guardedSites() {
		for _, site := range g.withServed() {
			if len(site.hosts) > 0 {
				return site.at.letterOrigin(site.hosts[0])
			}
		}
	}
	return ""
}

// listener is how a server is reached: by TLS or not, and on which port.
type listener struct {
	plain bool
	port  int // 0: the usual one
	usual int
}

func listenerOf(app *caddyhttp.App, srv *caddyhttp.Server) listener {
	var l listener
	for _, listen := range srv.Listen {
		if addr, err := caddy.ParseNetworkAddress(listen); err == nil && addr.StartPort != 0 {
			l.port = int(addr.StartPort)
			break
		}
	}
	l.plain = !speaksTLS(app, srv, l.port)
	l.usual = caddyhttp.DefaultHTTPSPort
	if l.plain {
		l.usual = caddyhttp.DefaultHTTPPort
	}
	return l
}

// speaksTLS tells whether connections to a port are by TLS, as Caddy decides it when it opens the listener.
func speaksTLS(app *caddyhttp.App, srv *caddyhttp.Server, port int) bool {
	return len(srv.TLSConnPolicies) > 0 && port != cmp.Or(app.HTTPPort, caddyhttp.DefaultHTTPPort)
}

// origin is the address of a host on this listener.
func (l listener) origin(host string) string {
	scheme := "https"
	if l.plain {
		scheme = "http"
	}
	return (&url.URL{Scheme: scheme, Host: l.authority(host)}).String()
}

// authority is the host as a browser sends it: without the usual port.
func (l listener) authority(host string) string {
	host = strings.Trim(host, "[]")
	switch {
	case l.port != 0 && l.port != l.usual:
		return net.JoinHostPort(host, strconv.Itoa(l.port))
	case strings.Contains(host, ":"):
		return "[" + host + "]"
	}
	return host
}

// letterOrigin is the address of a host for a letter. Beyond this machine the pages want HTTPS: a host that is served without is
// reached through a proxy that ends TLS, on the usual port as far as anybody knows.
func (l listener) letterOrigin(host string) string {
	if l.plain && !isLoopbackHost(host) {
		l = listener{usual: caddyhttp.DefaultHTTPSPort}
	}
	return l.origin(host)
}

// hostOrigins are the addresses of one site, by what the Host of a request is.
//
// Only what the configuration names is in it. What a client sends as Host selects one and is never made into one: a link in a letter
// would lead wherever a stranger says (RE-1).
type hostOrigins struct {
	secure, loopback map[string]string
	wild             []wildcard
	named            bool // there are any
}

// wildcard is a pattern of hosts: one label, and the rest of the authority, with a port if it is not the usual one.
type wildcard struct {
	tail     string
	loopback bool            // of plain HTTP on this machine
	apart    map[string]bool // names that it does not mean
}

// hostOrigins are those of one handler; of nil those of all that take part in the one sign-in of a portal.
func (a *App) hostOrigins(h *Handler) hostOrigins {
	o := hostOrigins{secure: make(map[string]string), loopback: make(map[string]string)}
	for _, g := range a.guardedSites() {
		if h == nil && g.byItself() || h != nil && g.handler != h {
			continue
		}
		for _, site := range g.withServed() {
			o.add(site)
		}
	}
	// The host of the portal is known wherever it leads to.
	if scheme, authority, _ := strings.Cut(a.Portal, "://"); scheme == "https" {
		o.secure[authority] = a.Portal
	} else if scheme == "http" {
		o.loopback[authority] = a.Portal
	}
	return o
}

func (o *hostOrigins) add(g guarded) {
	o.named = o.named || len(g.hosts)+len(g.patterns) > 0
	for _, host := range g.hosts {
		if g.at.plain {
			if isLoopbackHost(host) { // no cookie goes anywhere else without TLS
				o.loopback[g.at.authority(host)] = g.at.origin(host)
			}
			// For requests through a trusted proxy. Where that listens is not told: with another port in Host, nothing is known.
			usual := listener{usual: caddyhttp.DefaultHTTPSPort}
			o.secure[usual.authority(host)] = usual.origin(host)
			continue
		}
		o.secure[g.at.authority(host)] = g.at.origin(host)
	}
	for _, p := range g.patterns {
		base := p[len("*."):]
		if !g.at.plain {
			o.wild = append(o.wild, wildcard{tail: "." + g.at.authority(base), apart: g.apart})
			continue
		}
		o.wild = append(o.wild, wildcard{tail: "." + base, apart: g.apart}) // through a proxy that ends TLS
		if isLoopbackHost(base) {
			o.wild = append(o.wild, wildcard{tail: "." + g.at.authority(base), loopback: true, apart: g.apart})
		}
	}
}

// of selects the address for a request, or none. The usual port may be written out, as some clients and proxies do. It does not allocate
// for a host in lower case, which is what browsers send.
func (o hostOrigins) of(host string, t visit.Transport) string {
	switch t {
	case visit.Secure:
		return o.secure[strings.TrimSuffix(strings.ToLower(host), ":443")]
	case visit.Loopback:
		return o.loopback[strings.TrimSuffix(strings.ToLower(host), ":80")]
	}
	return ""
}

// within is the address of a host for which there is only a pattern: what the client asked for.
func (o hostOrigins) within(host string, t visit.Transport) string {
	if len(o.wild) == 0 || t == visit.Exposed {
		return ""
	}
	authority, scheme := strings.TrimSuffix(strings.ToLower(host), ":443"), "https://"
	if t == visit.Loopback {
		authority, scheme = strings.TrimSuffix(strings.ToLower(host), ":80"), "http://"
	}
	if t == visit.Loopback && !isLoopbackHost(authority) {
		return ""
	}
	for _, w := range o.wild {
		if w.loopback == (t == visit.Loopback) && w.means(authority, w.tail) {
			return scheme + authority
		}
	}
	return ""
}

// means tells whether an authority, or a name, is one label and the tail.
func (w wildcard) means(authority, tail string) bool {
	label, ok := strings.CutSuffix(authority, tail)
	return ok && label != "" && visit.HostName(label) == label && !strings.ContainsAny(label, ".:[") && !w.apart[visit.HostName(authority)]
}

// hosts are the names of those that are named, in order, and whether there are patterns besides.
func (o hostOrigins) hosts() (names []string, more bool) {
	for _, by := range []map[string]string{o.secure, o.loopback} {
		for authority := range by {
			names = append(names, visit.HostName(authority))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), len(o.wild) > 0
}

// has tells whether a name is that of a host, named or of a pattern, on whatever port it is.
func (o hostOrigins) has(name string) bool {
	if names, _ := o.hosts(); slices.Contains(names, name) {
		return true
	}
	return slices.ContainsFunc(o.wild, func(w wildcard) bool {
		tail, _ := visit.SplitHost(w.tail)
		return w.means(name, tail)
	})
}
