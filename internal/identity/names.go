// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity

import "strings"

// wellKnown are the headers by which gateways tell an application who the visitor is. They are taken away from every request, whatever
// names the site itself uses: an application often reads more of them than its operator knows. A star stands for any ending, after
// at least three bytes.
//
// What is on the list is a bare statement of identity, or a signed one that only a gateway ever issues. What is not on it is a
// credential that the application checks for itself and that its own clients send: Authorization, X-Auth-Token (OpenStack, Miniflux,
// Rocket.Chat with X-User-Id), X-Api-Key, X-Access-Token, Private-Token, X-JWT-Assertion, Kubernetes' Impersonate-*. That is why
// X-Auth-*, X-Remote-* and X-Forwarded-* are given name by name.
//
// A header that the operator adds in Caddy itself is safe when reverse_proxy adds it (header_up), which is after us.
var wellKnown = []string{
	"nightlatch-*",

	// Authelia, tinyauth, VoidAuth; and REMOTE_USER of CGI, which a header Remote-User may become.
	"remote-user", "remote-name", "remote-email", "remote-groups", "remote-group", "remote-roles", "remote-sub",
	// Apache, Radicale, SOGo, and the front proxy of Kubernetes.
	"x-remote-user", "x-remote-username", "x-remote-name", "x-remote-email", "x-remote-group", "x-remote-groups", "x-remote-roles",
	"x-remote-uid", "x-remote-extra-*", "x-webobjects-remote-user", "x-webobjects-auth-type",
	// oauth2-proxy, and what Jenkins, SonarQube and Home Assistant read.
	"x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-group", "x-forwarded-roles",
	"x-forwarded-preferred-username", "x-forwarded-access-token", "x-forwarded-mail", "x-forwarded-displayname", "x-forwarded-login",
	"x-forwarded-name", "x-auth-request-*", "gap-auth", "gap-signature",
	// Grafana, Gitea, Forgejo, FreshRSS, LogScale.
	"x-webauth-*",
	// gogatekeeper and many hand-written configurations.
	"x-auth-user", "x-auth-userid", "x-auth-username", "x-auth-name", "x-auth-email", "x-auth-groups", "x-auth-roles", "x-auth-subject",
	"x-authenticated-*",
	// authentik, Pomerium, vouch, LemonLDAP::NG, nginx-sso, caddy-security.
	"x-authentik-*", "x-pomerium-*", "x-vouch-*", "auth-user", "auth-mail", "auth-cn", "auth-groups", "x-username",
	"x-token-subject", "x-token-user-*",
	// mod_auth_openidc, Shibboleth, Kong, APISIX.
	"oidc-*", "shib-*", "x-consumer-*", "x-credential-identifier", "x-anonymous-consumer", "x-userinfo",
	// Cloudflare Access, Google IAP, AWS load balancers, Azure App Service, Tailscale.
	"cf-access-*", "x-goog-authenticated-user-*", "x-goog-iap-*", "x-amzn-oidc-*", "x-ms-client-principal", "x-ms-client-principal-*",
	"tailscale-user-*",
	// OpenSearch, Nexus.
	"x-proxy-user", "x-proxy-roles", "x-proxy-ext-*", "x-sso-user",
	// Client certificates: nginx and Apache conventions, RFC 9440, Envoy, Traefik, Azure, AWS, Puppet.
	"ssl-client-*", "x-ssl-client-*", "client-cert", "client-cert-chain", "x-client-cert", "x-client-verify", "x-client-dn",
	"x-forwarded-client-cert", "x-forwarded-tls-client-cert", "x-forwarded-tls-client-cert-info", "x-arr-clientcert",
	"x-amzn-mtls-clientcert", "x-amzn-mtls-clientcert-*",

	// No identities, but of no use and harm behind a gateway: the first becomes HTTP_PROXY in a CGI program (httpoxy, CVE-2016-5385),
	// the second belongs to an upgrade to h2c, which tameConnection refuses. From the next two IIS, Zend and older Symfony, Laravel and
	// Drupal take the path in place of the one in the request line (CVE-2018-14773), which is the one that the rules have judged. By the
	// last one calibre-web and what else has the old middleware of Flask cut off the beginning of that path: /public/admin would be /admin.
	"proxy", "http2-settings", "x-original-url", "x-rewrite-url", "x-script-name",
}

// maxName is the longest header name of ours, in bytes. A client's name is folded to at most two bytes more: enough to be told from it.
const (
	maxName   = 64
	maxFolded = maxName + 2
)

// claims knows the headers that claim an identity, by the letters and digits of their names.
type claims struct {
	names    [maxFolded + 1][]string // by length
	prefixes [32][]string            // by the low bits of the third byte
	begin    [32]uint32              // for each first letter, which second ones occur; 0 stands for what is no letter
}

func newClaims(configured []string) claims {
	var c claims
	for _, name := range configured {
		if name != "" {
			c.add(foldString(name))
		}
	}
	for _, name := range wellKnown {
		c.add(name)
	}
	return c
}

// add takes a folded name, or a folded prefix with a star.
func (c *claims) add(name string) {
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		c.prefixes[prefix[2]&31] = append(c.prefixes[prefix[2]&31], prefix)
	} else {
		c.names[len(name)] = append(c.names[len(name)], name)
	}
	c.begin[name[0]&31] |= 1 << second(name)
}

// match tells whether a header claims an identity, however its name is spelled: CGI and its heirs make one variable of Remote-User,
// remote_user, Remote.User and Remote~User (CVE-2025-64484, CVE-2026-52845 in peers). Two letters settle it for most headers.
func (c *claims) match(name string) bool {
	if name == "" || isLetter(name[0]) && c.begin[name[0]&31]&(1<<second(name)) == 0 {
		return false
	}
	var space [maxFolded]byte
	folded := fold(space[:0], name)
	for _, claim := range c.names[len(folded)] {
		if string(folded) == claim {
			return true
		}
	}
	if len(folded) < 3 {
		return false
	}
	for _, prefix := range c.prefixes[folded[2]&31] {
		if len(folded) >= len(prefix) && string(folded[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// second maps the second letter of a name to 1 to 26, without case, and anything else to 0.
func second(name string) byte {
	if len(name) < 2 || !isLetter(name[1]) {
		return 0
	}
	return name[1] & 31
}

// fold appends the letters and digits of a name to buf, in lower case, with one hyphen for whatever stands between them. It stops when
// buf is full: no name that is looked for is so long.
func fold(buf []byte, name string) []byte {
	gap := false
	for i := range len(name) {
		c := name[i]
		if !isAlphanumeric(c) {
			gap = len(buf) > 0
			continue
		}
		if len(buf)+2 > cap(buf) {
			break
		}
		if gap {
			buf, gap = append(buf, '-'), false
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf = append(buf, c)
	}
	return buf
}

func foldString(name string) string { return string(fold(make([]byte, 0, len(name)+2), name)) }

func isLetter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }

func isAlphanumeric(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }
