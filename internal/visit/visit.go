// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package visit holds what the outermost handler knows of one request, in plain types: the target as the client sent it, the
// address that Caddy's trusted_proxies settled on, how safe the connection is, which host and site it came to, and where its pages are.
//
// It also owns what several rooms must read alike: our cookies, how one is read, set, cleared, and kept away from the application in both
// directions (cookie.go); what a program presents in place of one (presented.go), and how that is kept away (strip.go); what is a host name
// (host.go); what is a page that somebody opens (navigate.go); how a small body is read in time (body.go); the addresses that lead from the portal
// to a site (portal.go); and how often the log says what each of many requests would (throttle.go).
//
// It decides nothing about who may pass. The gate, the portal, forms and identity all read it, so that no two of them can disagree about
// what counts as our cookie.
package visit

import (
	"cmp"
	"net/netip"
	"net/url"
	"strings"
)

// Prefix is the path under which everything of ours lives on a protected site.
const Prefix = "/_nightlatch/"

// Transport says how far a connection can be trusted to keep a cookie secret.
type Transport int

const (
	// Exposed is plain HTTP from beyond this machine: no cookie is read or set there, and the pages explain why.
	Exposed Transport = iota
	// Loopback is plain HTTP between two loopback addresses. Cookies lose the __Host- prefix, since browsers want Secure for it.
	Loopback
	// Secure is TLS, or a trusted proxy that says it ended TLS.
	Secure
)

// Visit is one request as the outermost handler met it. It is passed by value and never changed.
type Visit struct {
	// URL is the request target as the client sent it, before any rewrite by the site.
	URL *url.URL
	// Address is the client's address, unmapped; the zero value where it is unknown.
	Address netip.Addr
	// Transport is how far the connection can be trusted with a cookie.
	Transport Transport
	// Host is the name of the host that was asked for, as HostName reads it; empty where that is no name. A session works at one host.
	Host string
	// Vouched is whom a handler in front of us has authenticated on this request, as it spells the name; empty: nobody, also where the
	// site takes no handler's word.
	Vouched string
	// Origin is the site as scheme://host[:port], where the configuration names the host that the request came for; empty where it does
	// not, and on an Exposed connection. It is never put together from what the client says (RE-1), so it may stand in a letter.
	Origin string
	// Site is Origin, and where the configuration has a pattern such as *.example.com instead, what the client asked for within it: enough
	// to lead a browser back, and not for a letter.
	Site string
	// Portal is the origin of the central portal, where people sign in for this site; empty: they do so here.
	Portal string
	// AtPortal says that this host is the central portal.
	AtPortal bool
	// Domain is the parent domain whose hosts share the session cookie of the portal, where the configuration says so of this host; mostly
	// empty. Then there need be no pages of ours on the host itself.
	Domain string
	// Pages is the scheme and host in front of the addresses of our pages, where they are not on the host that this request came to;
	// empty: this host.
	Pages string
}

// Home is the origin of the pages where people sign in for this visit; empty where it is not known.
func (v Visit) Home() string { return cmp.Or(v.Portal, v.Site) }

// Issuer names us in what we sign where people sign in at home, see Visit.Home, and the keys and the discovery document stand under it.
// It depends on nothing else. Empty: it is not known.
func Issuer(home string) string {
	if home == "" {
		return ""
	}
	return home + strings.TrimSuffix(Prefix, "/")
}
