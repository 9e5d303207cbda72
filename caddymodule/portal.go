// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"golang.org/x/net/publicsuffix"

	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// portalHost is the name of the host of the portal.
func (a *App) portalHost() string {
	_, authority, _ := strings.Cut(a.Portal, "://")
	return visit.HostName(authority)
}

// checkPortal finds what is wrong with `portal` and `cookie_domain` by themselves.
func (a *App) checkPortal() error {
	if a.Portal != "" {
		if err := checkOrigin("portal", a.Portal); err != nil {
			return err
		}
	}
	if a.CookieDomain == "" {
		return nil
	}
	if a.Portal == "" {
		return errors.New("cookie_domain needs portal: the place where people sign in for the hosts of that domain")
	}
	if err := checkCookieDomain(a.CookieDomain); err != nil {
		return err
	}
	if !within(a.portalHost(), a.CookieDomain) || !strings.HasPrefix(a.Portal, "https://") {
		return fmt.Errorf("portal %s is not under cookie_domain %s with https: browsers would not keep its cookie", a.Portal, a.CookieDomain)
	}
	return nil
}

// checkOrigin wants a scheme and a host as a browser writes them, and nothing more. Passwords are typed there, so beyond this machine it
// is https.
func checkOrigin(word, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme+"://"+u.Host != s || strings.HasSuffix(s, ":") || !visit.ValidHost(u.Host) {
		return fmt.Errorf("%s '%s' is not a scheme and a host, such as https://auth.example.com", word, s)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopbackHost(u.Host)) {
		return fmt.Errorf("%s '%s' must begin with https://", word, s)
	}
	if s != strings.ToLower(s) || u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		return fmt.Errorf("%s '%s': write it in lower case and without the usual port, as browsers do", word, s)
	}
	return nil
}

// checkCookieDomain refuses a domain under which strangers have hosts too (SE-13), and what is no domain.
func checkCookieDomain(d string) error {
	_, err := netip.ParseAddr(d)
	suffix, _ := publicsuffix.PublicSuffix(d)
	switch {
	case err == nil || d != visit.HostName(d) || d[0] == '.' || strings.Contains(d, ":") || !strings.Contains(d, "."):
		return fmt.Errorf("cookie_domain '%s' is not a domain, such as example.com, in lower case", d)
	case suffix == d:
		return fmt.Errorf("cookie_domain '%s' is a public suffix: others have hosts under it too", d)
	}
	return nil
}

// within tells whether a host is a domain or below it.
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// checkPortalSite finds a portal that no site of the configuration answers, which nobody could sign in at.
func (a *App) checkPortalSite() error {
	sites := a.guardedSites()
	if a.Portal == "" || len(sites) == 0 {
		return nil
	}
	sites = slices.DeleteFunc(sites, guarded.byItself)
	if slices.ContainsFunc(sites, func(g guarded) bool { return len(g.hosts) == 0 && len(g.patterns) == 0 }) {
		return nil // any host
	}
	host := a.portalHost()
	// Which port a browser sees the listener does not always tell, so one place is taken for the portal. Two cannot both be.
	var origins []string
	for _, g := range sites {
		if slices.Contains(g.hosts, host) {
			origins = append(origins, g.at.letterOrigin(host))
		}
	}
	slices.Sort(origins)
	if origins = slices.Compact(origins); len(origins) > 1 {
		return fmt.Errorf("portal %s: the sites %s share their cookies, since browsers do not look at the port: give the portal a host of its own",
			a.Portal, strings.Join(origins, " and "))
	}
	if slices.ContainsFunc(sites, func(g guarded) bool {
		return slices.Contains(g.hosts, host) || slices.ContainsFunc(g.patterns, func(p string) bool { return matchesWildcard(p, host) })
	}) {
		return nil
	}
	return fmt.Errorf("portal %s: no site with nightlatch and without first_factor has the host %s, so nobody could sign in; add one, as in: %s { nightlatch }", a.Portal, host, host)
}

// knowsSite tells what an origin is for the portal.
func (a *App) knowsSite(origin string) (site server.OtherSite) {
	scheme, authority, ok := strings.Cut(origin, "://")
	t := visit.Secure
	if scheme == "http" {
		t = visit.Loopback
	}
	site.Named = ok && a.known().of(authority, t) == origin
	if site.Known = site.Named || ok && a.known().within(authority, t) == origin; !site.Known {
		return site
	}
	site.Shares = a.CookieDomain != "" && t == visit.Secure && within(visit.HostName(authority), a.CookieDomain)
	return site
}

// locate adds to a visit what the configuration says of its host.
func (a *App) locate(v visit.Visit, here hostOrigins, host string) visit.Visit {
	v.Origin = here.of(host, v.Transport)
	if v.Site = v.Origin; v.Site == "" {
		v.Site = here.within(host, v.Transport)
	}
	switch {
	case a.Portal == "":
		return v
	case v.Site == "":
		// A site that has names is asked for by another, or with a port that is not known: nobody can be led back there, and nobody is to sign
		// in there either. A site without any, such as :8443, signs people in by itself.
		if here.named {
			v.Portal = a.Portal
		}
		return v
	}
	if a.CookieDomain != "" && v.Transport == visit.Secure && within(v.Host, a.CookieDomain) {
		v.Domain = a.CookieDomain
	}
	if v.AtPortal = v.Site == a.Portal; !v.AtPortal {
		v.Portal = a.Portal
	}
	return v
}

// parsePortal reads the origin of the portal.
func (a *App) parsePortal(d *caddyfile.Dispenser) error {
	if err := text(&a.Portal)(d); err != nil {
		return err
	}
	if err := checkOrigin("portal", a.Portal); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// parseCookieDomain reads the domain whose hosts share a cookie.
func (a *App) parseCookieDomain(d *caddyfile.Dispenser) error {
	if err := text(&a.CookieDomain)(d); err != nil {
		return err
	}
	if err := checkCookieDomain(a.CookieDomain); err != nil {
		return d.WrapErr(err)
	}
	return nil
}
