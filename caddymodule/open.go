// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// opening is a route that answers with content and has no Handler of ours in front of it on every way to it (AD-10).
type opening struct {
	server, site, route string
	answers             []string // the handlers
	why                 string
}

const (
	anyHost      = "any host"
	everyRequest = "every request"
	errorRoutes  = "handle_errors"
)

// openings finds all of them in the JSON of the http app. What Caddy adds by itself, such as redirects to HTTPS, is not in there.
//
// It sees which handlers come in which order, and not what their matchers have in common: a gate in a route with a matcher protects what
// is inside of that route, and nothing behind it.
func openings(sites json.RawMessage) ([]opening, error) {
	var app struct {
		Servers map[string]*caddyhttp.Server `json:"servers"`
	}
	if len(sites) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(sites, &app); err != nil {
		return nil, fmt.Errorf("reading the sites: %w", err)
	}
	var found []opening
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		srv := app.Servers[name]
		s := search{named: srv.NamedRoutes, server: serverText(name, srv), gates: make(map[string]bool)}
		s.in(srv.Routes, way{site: anyHost})
		if srv.Errors != nil {
			s.in(srv.Errors.Routes, way{site: anyHost, onError: true})
		}
		found = append(found, s.openings()...)
	}
	return found, nil
}

func serverText(name string, srv *caddyhttp.Server) string {
	return name + " (" + strings.Join(srv.Listen, " ") + ")"
}

// way is what leads to a place among the routes of a server.
type way struct {
	site    string
	matches []string // the matchers of the routes, from the outside to the inside
	gated   bool     // whoever comes here has met a gate
	onError bool
	without string   // why there is none where one could be expected
	invoked []string // named routes that this place is in
}

// search goes through the routes of a server, at any depth.
type search struct {
	named  map[string]*caddyhttp.Route
	server string
	gates  map[string]bool // the sites that have one
	found  []opening
}

// in goes through routes and returns what is so of whatever comes out behind them.
func (s *search) in(routes caddyhttp.RouteList, w way) way {
	groups := make(map[string]bool) // of which a request meets one route: whether it meets a gate in each so far
	for _, route := range routes {
		out := s.along(route.HandlersRaw, w.into(route.MatcherSetsRaw))
		gated := out.gated
		if route.Group != "" {
			before, is := groups[route.Group]
			gated = gated && (before || !is)
			groups[route.Group] = gated
		}
		if len(route.MatcherSetsRaw) > 0 && !slices.ContainsFunc(route.MatcherSetsRaw, matchesAll) {
			continue // others go past it
		}
		w.gated, w.without = w.gated || gated, out.without
		if route.Terminal && route.Group == "" {
			return w
		}
	}
	return w
}

// into is the way into a route.
func (w way) into(sets caddyhttp.RawMatcherSets) way {
	var hosts, others []string
	everyHost, everything := false, len(sets) == 0
	for _, set := range sets {
		rest := maps.Clone(set)
		delete(rest, "host")
		var names []string
		if json.Unmarshal(set["host"], &names) != nil || len(names) == 0 {
			everyHost = true
		}
		hosts = append(hosts, names...)
		if len(rest) == 0 {
			everything = true
			continue
		}
		others = append(others, matcherText(rest))
	}
	if len(hosts) > 0 && !everyHost {
		w.site = strings.Join(hosts, ", ")
	}
	if !everything {
		w.matches = append(slices.Clone(w.matches), strings.Join(others, " or "))
	}
	return w
}

// along goes through the handlers of a route.
func (s *search) along(handlers []json.RawMessage, w way) way {
	for _, raw := range handlers {
		p, failed := read(raw), w
		failed.onError = true
		switch p.deed {
		case gates:
			w.gated = true
			s.gates[w.site] = true
			continue
		case invokes:
			w = s.invoke(p.invoked, w)
			continue
		case answers:
			// A fixed text of an error route is an error page.
			if !w.gated && !(w.onError && p.Handler == "static_response") {
				s.add(p, w)
			}
		}
		for _, routes := range p.routes {
			out := s.in(routes, w)
			if p.deed == branches {
				w.gated, w.without = out.gated, out.without
			}
		}
		s.in(p.onErrors, failed)
	}
	return w
}

func (s *search) invoke(name string, w way) way {
	route := s.named[name]
	if route == nil || slices.Contains(w.invoked, name) {
		return w
	}
	inner := w
	inner.invoked = append(slices.Clone(w.invoked), name)
	out := s.in(caddyhttp.RouteList{*route}, inner)
	if w.gated = out.gated; !w.gated {
		w.without = fmt.Sprintf("the named route '%s' holds no nightlatch; of several directives without matchers Caddy keeps the first", name)
	}
	return w
}

// add notes an opening, several handlers of one route in one.
func (s *search) add(p part, w way) {
	o := opening{server: s.server, site: w.site, route: strings.Join(w.matches, " and "), answers: []string{p.label}, why: w.without}
	switch {
	case w.onError:
		o.route = strings.TrimSpace(errorRoutes + " " + o.route)
		o.why = "error routes run without a sign-in"
	case p.foreign:
		o.why = "it belongs to another plugin and may answer by itself"
	}
	if o.route == "" {
		o.route = everyRequest
	}
	if last := len(s.found) - 1; last >= 0 && s.found[last].same(o) {
		s.found[last].answers = append(s.found[last].answers, p.label)
		return
	}
	s.found = append(s.found, o)
}

func (o opening) same(other opening) bool {
	return o.server == other.server && o.site == other.site && o.route == other.route && o.why == other.why
}

// openings are what was found, each with a reason.
func (s *search) openings() []opening {
	for i := range s.found {
		o := &s.found[i]
		switch {
		case o.why != "":
		case s.gates[o.site]:
			o.why = "nightlatch stands behind it, or in another route"
		default:
			o.why = "there is no nightlatch in the site"
		}
	}
	return s.found
}
