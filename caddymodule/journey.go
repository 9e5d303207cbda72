// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// thought is a request that somebody thinks of.
type thought struct {
	method, scheme, host, target string // target as on the wire; host with the port that was written
	port                         int
	from                         netip.Addr
}

// think reads what an operator types. The target stays as it is, byte for byte: it may be an attack that they wonder about.
func think(method, address string, from netip.Addr) (thought, error) {
	t := thought{method: method, from: from}
	scheme, rest, ok := strings.Cut(address, "://")
	t.scheme = strings.ToLower(scheme)
	if !ok || t.scheme != "http" && t.scheme != "https" {
		return t, usagef("%q is no address; example: https://app.example.com/page", address)
	}
	rest, _, _ = strings.Cut(rest, "#") // no browser sends what follows
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	t.host, t.target = rest[:end], rest[end:]
	if !strings.HasPrefix(t.target, "/") {
		t.target = "/" + t.target
	}
	name, port := visit.SplitHost(t.host)
	t.port = map[string]int{"http": caddyhttp.DefaultHTTPPort, "https": caddyhttp.DefaultHTTPSPort}[t.scheme]
	if usual := t.port; port != "" {
		var err error
		if t.port, err = strconv.Atoi(port); err != nil || t.port < 1 || t.port > 65535 {
			return t, usagef("%q is no port", port)
		}
		if t.port == usual {
			t.host = name // as browsers send it
		}
	}
	switch {
	case name == "":
		return t, usagef("%q names no host", address)
	case strings.Contains(name, "@"):
		return t, usagef("leave the user name out of the address, and name it with --user")
	case strings.ContainsFunc(name, func(r rune) bool { return r > 0x7e }):
		return t, usagef("write the host as browsers send it, in ASCII with xn--")
	}
	if !t.from.IsValid() {
		t.from = netip.AddrFrom4([4]byte{198, 51, 100, 1})
		if isLoopbackHost(t.host) {
			t.from = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	_, err := t.request()
	return t, err
}

// request is the request as a server reads it.
func (t *thought) request() (*http.Request, error) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(t.method + " " + t.target + " HTTP/1.1\r\nHost: " + t.host + "\r\n\r\n")))
	if err != nil {
		return nil, usagef("a server would not take this for a request: %w", err)
	}
	r.RemoteAddr = net.JoinHostPort(t.from.String(), "50000")
	if t.scheme == "https" {
		name, _ := visit.SplitHost(t.host)
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: strings.Trim(name, "[]")}
	}
	return r, nil
}

// journey is the way of a request through the routes of a server, up to the first Handler.
type journey struct {
	server  string
	proxied bool // it is taken for a request that a proxy in front, which ended TLS, has passed on
	site    string
	before  []string // what it goes through before the gate
	gate    *Handler // nil: it never gets there
	end     deed     // without a gate: what the handler does that ends it
	by      string   // that handler
	err     error    // of a matcher on the way

	r      *http.Request
	vars   map[string]any
	srv    *caddyhttp.Server
	groups map[string]bool
}

var errNobodyListens = errors.New("no server of the configuration listens there")

// follow leads a request through the server that would get it. Where none that listens there has an answer to HTTPS, a proxy in front may
// end TLS and pass it on to one that is plain. Nothing of the configuration is run but what changes the request.
func (a *App) follow(t thought) (*journey, error) {
	app := a.sitesApp()
	if app == nil {
		return nil, errNobodyListens
	}
	var nothing *journey
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		srv := app.Servers[name]
		if !listens(app, srv, t) {
			continue
		}
		j, err := start(t, name, srv, false)
		if err != nil {
			return nil, err
		}
		if j.gate != nil || j.by != "" {
			return j, nil
		}
		nothing = j
	}
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		srv := app.Servers[name]
		if t.scheme != "https" || !listenerOf(app, srv).plain {
			continue
		}
		j, err := start(t, name, srv, true)
		if err != nil {
			return nil, err
		}
		if j.gate != nil || j.by != "" && j.end != redirects {
			return j, nil
		}
	}
	if nothing == nil {
		return nil, errNobodyListens
	}
	return nothing, nil
}

// listens tells whether a server takes connections of the scheme on the port. A socket has none: whatever is in front of it could be at any.
func listens(app *caddyhttp.App, srv *caddyhttp.Server, t thought) bool {
	return slices.ContainsFunc(srv.Listen, func(listen string) bool {
		addr, err := caddy.ParseNetworkAddress(listen)
		if err != nil {
			return false
		}
		if !addr.IsUnixNetwork() && !addr.IsFdNetwork() && (uint(t.port) < addr.StartPort || uint(t.port) > addr.EndPort) {
			return false
		}
		return speaksTLS(app, srv, t.port) == (t.scheme == "https")
	})
}

func start(t thought, name string, srv *caddyhttp.Server, proxied bool) (*journey, error) {
	r, err := t.request()
	if err != nil {
		return nil, err
	}
	if proxied {
		r.TLS = nil
	}
	j := &journey{server: serverText(name, srv), proxied: proxied, srv: srv, groups: make(map[string]bool)}
	j.r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nowhere{}, srv)
	j.vars = j.r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	j.through(srv.Routes)
	return j, nil
}

// visit is what the Handler at the end of the journey knows of the request.
func (j *journey) visit() visit.Visit {
	v := visitOf(j.r, j.vars)
	if j.proxied {
		v.Transport = visit.Secure
	}
	return v
}

// through leads the request through routes as Caddy does, and tells whether it comes out behind them.
func (j *journey) through(routes caddyhttp.RouteList) bool {
	for _, route := range routes {
		if route.Group != "" && j.groups[route.Group] {
			continue
		}
		matches, err := route.MatcherSets.AnyMatchWithError(j.r)
		if err != nil {
			j.err, j.end, j.by = err, refuses, "a matcher"
			return false
		}
		if !matches {
			continue
		}
		if route.Group != "" {
			j.groups[route.Group] = true
		}
		if hosts := hostsOf(route.MatcherSets); len(hosts) > 0 {
			j.site = strings.Join(hosts, ", ")
		}
		for _, handler := range route.Handlers {
			if !j.pass(handler) {
				return false
			}
		}
		if route.Terminal {
			j.end, j.by = answers, ""
			return false
		}
	}
	return true
}

// changing are handlers that change the request or what matchers see of it, and do nothing else before they hand it on.
var changing = []string{"headers", "map", "rewrite", "vars"}

// pass leads the request through one handler, and tells whether it comes out behind it.
func (j *journey) pass(handler caddyhttp.MiddlewareHandler) bool {
	name := caddy.GetModuleName(handler)
	switch h := handler.(type) {
	case *Handler:
		j.gate = h
		return false
	case *caddyhttp.Subroute:
		return j.through(h.Routes)
	case *caddyhttp.Invoke:
		route := j.srv.NamedRoutes[h.Name]
		return route == nil || j.through(caddyhttp.RouteList{*route})
	}
	p := read(caddyJSON(name, handler))
	switch {
	case slices.Contains(changing, name):
		return j.change(p.label, handler)
	case p.deed == goesOn, p.foreign:
		if p.foreign {
			p.label += " (of another plugin, which may answer by itself)"
		}
		j.before = append(j.before, p.label)
		return true
	}
	j.end, j.by = p.deed, p.label
	return false
}

// nowhere takes no answer. Each question gets its own headers, which nobody reads.
type nowhere struct{}

func (nowhere) Header() http.Header         { return make(http.Header) }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

// change has a handler change the request.
func (j *journey) change(label string, handler caddyhttp.MiddlewareHandler) bool {
	method, uri := j.r.Method, j.r.RequestURI
	err := handler.ServeHTTP(nowhere{}, j.r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		j.r = r
		return nil
	}))
	if err != nil {
		j.err, j.end, j.by = err, refuses, label
		return false
	}
	if j.r.Method != method || j.r.RequestURI != uri {
		label += " to " + j.r.Method + " " + j.r.RequestURI
	}
	j.before = append(j.before, label)
	return true
}

// caddyJSON is the configuration of a handler with its name in it.
func caddyJSON(name string, handler any) json.RawMessage {
	fields := make(map[string]any)
	if b, err := json.Marshal(handler); err != nil || json.Unmarshal(b, &fields) != nil || fields == nil {
		fields = make(map[string]any)
	}
	fields["handler"] = name
	b, err := json.Marshal(fields)
	if err != nil {
		return nil
	}
	return b
}

// text is the request in short.
func (t *thought) text() string {
	return fmt.Sprintf("%s %s of %s over %s, from %s", t.method, t.target, t.host, t.scheme, t.from)
}
