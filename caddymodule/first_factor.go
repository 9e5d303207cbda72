// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// FirstFactor takes the word of a handler in front of nightlatch for who somebody is. Whom it names is not asked for a password any more,
// only for the second factor. Where it names nobody, the sign-in asks for our own password.
//
// The handler in front has to see every request of the site, those under `/_nightlatch/` too. Its names are taken for ours: its `admin` is
// our `admin`.
type FirstFactor struct {
	// The placeholder that names the person, alone and in braces. It must be one that no client can write: `{http.auth.user.id}` and
	// the others below `http.auth.user`, which `basic_auth` and other authentication handlers set; `{http.reverse_proxy.header.NAME}`,
	// a header of the answer of `forward_auth`; `{http.request.tls.client.san.emails.0}`, `{http.request.tls.client.san.dns_names.0}`
	// and `{http.request.tls.client.fingerprint}`, of a client certificate that Caddy has verified against a `trust_pool`; or
	// `{http.vars.NAME}`, a variable that the configuration sets. Default: none; it must be there.
	Placeholder string `json:"placeholder"`

	// Whether a name that nobody has gets an account when it first comes. Default: false, and such people are refused.
	Create bool `json:"create,omitempty"`

	key string // the placeholder without its braces
}

// parseFirstFactor reads:
//
//	first_factor <placeholder> {
//		create
//	}
func (h *Handler) parseFirstFactor(d *caddyfile.Dispenser) error {
	f := new(FirstFactor)
	h.FirstFactor = f
	if err := text(&f.Placeholder)(d); err != nil {
		return err
	}
	if err := (words{"create": alone(&f.Create)}).parse(d, "first_factor"); err != nil {
		return err
	}
	if err := f.provision(h.Protect); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

var (
	onePlaceholder = regexp.MustCompile(`^\{([^{}\s]+)\}$`)

	// vouching are the placeholders that a handler of the server has set, or the handshake, and never the client.
	vouching = regexp.MustCompile(`^http\.(auth\.user|reverse_proxy\.header|vars)\.[^.{}]+$` +
		`|^http\.request\.tls\.client\.(fingerprint|san\.(emails|dns_names)\.[0-9]+)$`)
)

const (
	certificatePrefix = "http.request.tls.client."
	answerPrefix      = "http.reverse_proxy.header."
)

// provision reads the placeholder, or says why it cannot be one. What another proxy serves, protect, has no first factor of this sort: a
// handler in front of us sees that proxy and its certificate, and not the visitor.
func (f *FirstFactor) provision(protect []*Protected) error {
	if len(protect) > 0 {
		return errors.New("first_factor and protect cannot stand together: a handler in front sees the proxy that asks about the protected sites, " +
			"and not who visits them; give them a site of their own")
	}
	found := onePlaceholder.FindStringSubmatch(f.Placeholder)
	if found == nil {
		return fmt.Errorf("first_factor takes one placeholder and nothing around it, as in {http.auth.user.id}; got '%s'", f.Placeholder)
	}
	f.key = found[1]
	switch {
	case strings.HasPrefix(f.key, "http.request.header."), strings.HasPrefix(f.key, "http.request.cookie."),
		strings.HasPrefix(f.key, "http.request.uri."), strings.HasPrefix(f.key, "http.request.host"):
		return fmt.Errorf("first_factor %s is written by the client, who could be anybody by it; take what the handler in front has found out, "+
			"such as {http.auth.user.id}, or {http.reverse_proxy.header.Remote-User} of a forward_auth", f.Placeholder)
	case f.key == "http.vars.client_ip":
		return errors.New("first_factor {client_ip} is an address, which is nobody's name")
	case strings.HasPrefix(f.key, certificatePrefix) && !vouching.MatchString(f.key):
		return fmt.Errorf("first_factor %s makes no user name; of a client certificate it takes {http.request.tls.client.san.emails.0}, "+
			"{http.request.tls.client.san.dns_names.0} and {http.request.tls.client.fingerprint}", f.Placeholder)
	case !vouching.MatchString(f.key):
		return fmt.Errorf("first_factor %s is none of the placeholders that a client cannot write; allowed are {http.auth.user.*}, "+
			"{http.reverse_proxy.header.*}, {http.vars.*} and some of {http.request.tls.client.*}", f.Placeholder)
	}
	if name, is := strings.CutPrefix(f.key, answerPrefix); is {
		f.key = answerPrefix + http.CanonicalHeaderKey(name) // as Caddy stores it
	}
	return nil
}

// visit adds to a visit whom the handler in front has named. It names them on this site alone, so the site has a sign-in of its own beside
// a central portal, and is none.
func (f *FirstFactor) visit(v visit.Visit, named string) visit.Visit {
	v.Vouched, v.Portal, v.AtPortal, v.Domain = named, "", false, ""
	return v
}

// named is whom the handler in front has authenticated on this request; empty: nobody.
func (f *FirstFactor) named(r *http.Request, repl *caddy.Replacer) string {
	if f == nil {
		return ""
	}
	if strings.HasPrefix(f.key, certificatePrefix) && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0) {
		return "" // client_auth may ask for a certificate and believe any: whoever made it wrote the name
	}
	name, _ := repl.GetString(f.key)
	return name
}
