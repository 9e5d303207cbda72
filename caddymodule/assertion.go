// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/signing"
)

// Assertion is a signed token (JWT) that says who sends a request. The application verifies it with the keys at
// `/_nightlatch/jwks.json`, and so can tell a request that came through the gate from one that came around it. It lives for a minute and
// is for one audience. Requests that a rule skips have none. docs/assertion.md describes it.
//
// Caddy's own handlers write the headers of requests into logs at level DEBUG. A configuration with such a log is refused, unless the log
// leaves the token out.
type Assertion struct {
	// How it is signed: `eddsa` (Ed25519), or `es256` (ECDSA on P-256) for verifiers that do not know the former. Default: `eddsa`.
	Algorithm string `json:"algorithm,omitempty"`

	// The name of the application, which it compares with the claim `aud`. No two applications may have the same, or one could use the
	// token that it got at the other. Default: the address of the site, such as `https://app.example.com`; a site that names no host
	// needs one.
	Audience string `json:"audience,omitempty"`
}

var algorithms = map[string]signing.Algorithm{"": signing.EdDSA, "eddsa": signing.EdDSA, "es256": signing.ES256}

// parse reads what follows the word; the block may be left out.
func (a *Assertion) parse(d *caddyfile.Dispenser) error {
	checked := func(to *string) func(*caddyfile.Dispenser) error {
		return func(d *caddyfile.Dispenser) error {
			if err := text(to)(d); err != nil {
				return err
			}
			if err := a.check(); err != nil {
				return d.WrapErr(err)
			}
			return nil
		}
	}
	return block(d, "assertion", words{"algorithm": checked(&a.Algorithm), "audience": checked(&a.Audience)})
}

func (a *Assertion) check() error {
	if _, known := algorithms[a.Algorithm]; !known {
		return fmt.Errorf("unrecognized algorithm '%s'; allowed: eddsa, es256", a.Algorithm)
	}
	if strings.ContainsAny(a.Audience, "{}") {
		return fmt.Errorf("the audience '%s' holds a placeholder, which has no value here; write the name itself", a.Audience)
	}
	return nil
}

// compile of a nil Assertion is nil.
func (a *Assertion) compile(ctx caddy.Context) (*identity.Assertion, error) {
	if a == nil {
		return nil, nil
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if err := checkLogs(ctx); err != nil {
		return nil, err
	}
	return &identity.Assertion{Algorithm: algorithms[a.Algorithm], Audience: a.Audience}, nil
}

// checkAudiences finds a site whose tokens would be for nobody. Which hosts lead to a handler is known once all routes are. What it
// protects for other proxies names its hosts.
func (a *App) checkAudiences() error {
	for _, site := range a.guardedSites() {
		if given := site.handler.Assertion; given != nil && given.Audience == "" && len(site.hosts)+len(site.patterns) == 0 {
			return errors.New("assertion: the site names no host, so the token would be for nobody; write for whom it is, as in: " +
				"assertion {\n\taudience app.example.com\n}")
		}
	}
	return nil
}
