// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
)

// Policy is what a site asks of whom, and what it tells the application.
type Policy struct {
	// What is asked of whom; see there. Without any, every request needs a sign-in with two factors.
	Rules []*Rule `json:"rules,omitempty"`

	// The request headers that tell the application who it is. They and other well-known identity headers are removed first from
	// every request, in every spelling, also where a rule skips the sign-in. Default: `Remote-User`, `Remote-Name`, `Remote-Email`
	// and `Remote-Groups`. When set, a header that is left out is not sent.
	Headers *Headers `json:"headers,omitempty"`

	// In place of `headers`, the name of an application: it gets the headers that it reads. There are `2fauth`, `calibreweb`,
	// `filebrowser`, `firefly`, `forgejo`, `freshrss`, `gitea`, `grafana`, `guacamole`, `homeassistant`, `jenkins`, `miniflux`,
	// `navidrome`, `nextcloud`, `nexus`, `opensearch`, `paperless`, `radicale` and `sogo`. Default: none.
	Preset string `json:"preset,omitempty"`

	// A signed token that tells the application who it is, in the header `Nightlatch-Assertion`, so that it can check instead of trust.
	// Default: none.
	Assertion *Assertion `json:"assertion,omitempty"`
}

// Headers are names of request headers for the application.
type Headers struct {
	// The user name.
	User string `json:"user,omitempty"`
	// What the person is called.
	Name string `json:"name,omitempty"`
	// The e-mail address.
	Email string `json:"email,omitempty"`
	// The groups, separated by commas.
	Groups string `json:"groups,omitempty"`
}

// told is what the application is told and by which headers: those of the preset, those that are written out, or the defaults.
func told(preset string, headers *Headers) (identity.Config, error) {
	switch {
	case preset != "" && headers != nil:
		return identity.Config{}, errors.New("preset and headers both say which headers the application gets: keep one of them")
	case preset != "":
		return identity.Preset(preset)
	case headers != nil:
		return identity.Config{User: headers.User, Name: headers.Name, Email: headers.Email, Groups: headers.Groups}, nil
	}
	return identity.Defaults, nil
}

// lax tells whether a rule lets people in with a password alone.
func (p *Policy) lax() bool {
	return slices.ContainsFunc(p.Rules, func(r *Rule) bool { return r.need().Level == auth.LevelPassword })
}

// settings are those of a site with this policy.
func (p *Policy) settings(ctx caddy.Context, app *App, log *slog.Logger) (server.SiteConfig, error) {
	cfg := server.SiteConfig{Service: app.Service, Keys: app.Keys, Brand: app.pages, Central: app.central, Log: log}
	var err error
	if cfg.Rules, err = p.compile(ctx, log); err != nil {
		return cfg, err
	}
	for i, r := range p.Rules {
		for _, word := range r.Methods {
			if err := app.offers(word); err != nil {
				return cfg, fmt.Errorf("rule %d: %w", i+1, err)
			}
		}
	}
	if cfg.Assertion, err = p.Assertion.compile(ctx); err != nil {
		return cfg, fmt.Errorf("assertion: %w", err)
	}
	cfg.Headers, err = told(p.Preset, p.Headers)
	return cfg, err
}

func (p *Policy) compile(ctx caddy.Context, log *slog.Logger) ([]gate.Rule, error) {
	if i, err := checkAll(p.Rules); err != nil {
		return nil, fmt.Errorf("rule %d: %w", i+1, err)
	}
	byDefault := defaultOf(p.Rules)
	var rules []gate.Rule
	for i, r := range p.Rules {
		rule, err := r.compile(ctx, byDefault)
		if err != nil {
			return nil, fmt.Errorf("rule %d, '%s': %w", i+1, rule.Text, err)
		}
		if rule.Action == gate.Skip {
			log.Info("requests pass without a sign-in", "rule", rule.Text)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// more is what a block says beyond the policy.
type more struct {
	words      words
	repeatable []string          // those of the words that may stand there more than once
	check      func(*Rule) error // what is wrong with a rule in this block alone; nil: nothing
}

// parse reads a block, in which what the policy says stands among more, and checks the rules.
func (p *Policy) parse(h httpcaddyfile.Helper, block string, more more) error {
	var lines []caddyfile.Dispenser // where each rule stands
	rule := func(parse func(httpcaddyfile.Helper, *Rule) error) func(*caddyfile.Dispenser) error {
		return func(d *caddyfile.Dispenser) error {
			r := &Rule{Action: d.Val()}
			if err := parseMatchers(h, r); err != nil {
				return err
			}
			if err := parse(h, r); err != nil {
				return err
			}
			p.Rules = append(p.Rules, r)
			lines = append(lines, *d)
			return nil
		}
	}
	w := words{
		"require": rule(parseRequire),
		"skip":    rule(parseMatchersOnly),
		"deny":    rule(parseMatchersOnly),
		"headers": parseHeaders(&p.Headers, &p.Preset),
		"preset":  parsePreset(&p.Preset, &p.Headers),
		"assertion": func(d *caddyfile.Dispenser) error {
			p.Assertion = new(Assertion)
			return p.Assertion.parse(d)
		},
	}
	maps.Copy(w, more.words)
	if err := w.parse(h.Dispenser, block, append(more.repeatable, "require", "skip", "deny")...); err != nil {
		return err
	}
	if i, err := checkAll(p.Rules); err != nil {
		return lines[i].WrapErr(err)
	}
	if more.check == nil {
		return nil
	}
	for i, r := range p.Rules {
		if err := more.check(r); err != nil {
			return lines[i].WrapErr(err)
		}
	}
	return nil
}
