// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("nightlatch", parseApp)
	httpcaddyfile.RegisterDirective("nightlatch", parseSite)
	// After forward_auth: rate_limit, basic_auth and the like run first, and whatever answers with content runs behind the gate.
	httpcaddyfile.RegisterDirectiveOrder("nightlatch", httpcaddyfile.After, "forward_auth")
}

// words are what may begin a line of a block. Each parses the rest of its line, and a block of its own if it has one.
type words map[string]func(*caddyfile.Dispenser) error

// parse reads a block. A word that is not known, or comes twice and is not among those that may, is an error: a typing mistake must
// not lower what is asked for (AD-14).
func (w words) parse(d *caddyfile.Dispenser, block string, repeatable ...string) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		parse, known := w[word]
		switch {
		case !known:
			allowed := strings.Join(slices.Sorted(maps.Keys(w)), ", ")
			return d.Errf("unrecognized word '%s' in %s; allowed: %s", word, block, allowed)
		case seen[word] && !slices.Contains(repeatable, word):
			return d.Errf("'%s' stands twice in %s", word, block)
		}
		seen[word] = true
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// parseApp reads the global option:
//
//	nightlatch {
//		data_dir <directory>
//		key      <32 bytes in base64>
//		brand    <name> { ... }
//		issuer   <name>
//		portal   <scheme://host>
//		cookie_domain <domain>
//		smtp     <host:port> { ... }
//		webhook  <url> { ... }
//		methods  <method...>
//		totp {
//			past_steps <0 to 10>
//		}
//		password {
//			min_length <8 to 64>
//		}
//		session {
//			idle     <duration>
//			lifetime <duration>
//			remember <duration>
//			trust_browser <duration>
//		}
//	}
//
// All of it is optional; the defaults are those of App. The blocks of brand, smtp and webhook stand at their types.
func parseApp(d *caddyfile.Dispenser, previous any) (any, error) {
	d.Next()
	if previous != nil {
		return nil, d.Err("the global option nightlatch stands twice")
	}
	if d.NextArg() {
		return nil, d.Errf("unexpected '%s' after nightlatch; settings go into its block", d.Val())
	}
	app := &App{Brand: new(Brand), TOTP: new(TOTP), Password: new(Password), Session: new(Session)}
	var methodsAt, domainAt caddyfile.Dispenser
	err := words{
		"data_dir": text(&app.DataDir),
		"key":      app.parseKey,
		"brand":    app.Brand.parse,
		"issuer":   text(&app.Issuer),
		"portal":   app.parsePortal,
		"cookie_domain": func(d *caddyfile.Dispenser) error {
			domainAt = *d
			return app.parseCookieDomain(d)
		},
		"smtp": func(d *caddyfile.Dispenser) error {
			app.SMTP = new(SMTP)
			return app.SMTP.parse(d)
		},
		"webhook": func(d *caddyfile.Dispenser) error {
			app.Webhook = new(Webhook)
			return app.Webhook.parse(d)
		},
		"methods": func(d *caddyfile.Dispenser) error {
			methodsAt = *d
			return several(&app.Methods, func() error { return nil })(d)
		},
		"totp":     app.TOTP.parse,
		"password": app.Password.parse,
		"session":  app.Session.parse,
	}.parse(d, "nightlatch")
	if err != nil {
		return nil, err
	}
	// What is configured may stand after it.
	if err := app.checkMethods(); err != nil {
		return nil, methodsAt.WrapErr(err)
	}
	if err := app.checkPortal(); err != nil {
		return nil, domainAt.WrapErr(err)
	}
	app.dropEmpty()
	return httpcaddyfile.App{Name: "nightlatch", Value: caddyconfig.JSON(app, nil)}, nil
}

// dropEmpty leaves out of the JSON what was not written.
func (a *App) dropEmpty() {
	if *a.Brand == (Brand{}) {
		a.Brand = nil
	}
	if *a.TOTP == (TOTP{}) {
		a.TOTP = nil
	}
	if *a.Password == (Password{}) {
		a.Password = nil
	}
	if *a.Session == (Session{}) {
		a.Session = nil
	}
}

// parseKey also checks a key that is written out, which is allowed and unwise.
func (a *App) parseKey(d *caddyfile.Dispenser) error {
	if err := text(&a.Key)(d); err != nil {
		return err
	}
	if strings.Contains(a.Key, "{") {
		return nil
	}
	if _, err := server.ParseKey(a.Key); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (t *TOTP) parse(d *caddyfile.Dispenser) error {
	past := func(d *caddyfile.Dispenser) error {
		t.PastSteps = new(int)
		return number(t.PastSteps, t.check)(d)
	}
	return block(d, "totp", words{"past_steps": past})
}

func (p *Password) parse(d *caddyfile.Dispenser) error {
	return block(d, "password", words{"min_length": number(&p.MinLength, func() error { return checkMinLength(p.MinLength) })})
}

func (s *Session) parse(d *caddyfile.Dispenser) error {
	err := block(d, "session", words{
		"idle":          duration(&s.Idle),
		"lifetime":      duration(&s.Lifetime),
		"remember":      duration(&s.Remember),
		"trust_browser": duration(&s.TrustBrowser),
	})
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// block reads the block of a word that takes nothing else.
func block(d *caddyfile.Dispenser, name string, w words) error {
	if d.NextArg() {
		return d.Errf("unexpected '%s' after %s; settings go into its block", d.Val(), name)
	}
	return w.parse(d, name)
}

// text reads exactly one argument that is not empty: an empty one is mostly a variable that is not set.
func text(to *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		args := d.RemainingArgs()
		if len(args) > 1 {
			return d.Errf("'%s' takes one value, got %d; quote a value with spaces", word, len(args))
		}
		if len(args) == 0 || strings.TrimSpace(args[0]) == "" {
			return d.Errf("'%s' has no value; if it comes from a variable, the variable is not set", word)
		}
		*to = args[0]
		return nil
	}
}

// several reads one or more arguments.
func several(to *[]string, check func() error) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if *to = d.RemainingArgs(); len(*to) == 0 {
			return d.Errf("'%s' has no value", word)
		}
		if err := check(); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
}

// alone is a word that stands by itself.
func alone(to *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if d.NextArg() {
			return d.Errf("unexpected '%s' after %s, which stands alone", d.Val(), word)
		}
		*to = true
		return nil
	}
}

// off is a word for what is on without it.
func off(to **bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if args := d.RemainingArgs(); len(args) != 1 || args[0] != "off" {
			return d.Errf("'%s' takes the word off and nothing else; without this line it is on", word)
		}
		*to = new(bool)
		return nil
	}
}

func number(to *int, check func() error) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var s string
		if err := text(&s)(d); err != nil {
			return err
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			return d.Errf("'%s' is not a whole number", s)
		}
		*to = n
		if err := check(); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
}

func duration(to *caddy.Duration) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var s string
		if err := text(&s)(d); err != nil {
			return err
		}
		v, err := caddy.ParseDuration(s)
		if err != nil || v <= 0 {
			return d.Errf("'%s' is not a duration; examples: 90s, 10m, 12h, 30d", s)
		}
		*to = caddy.Duration(v)
		return nil
	}
}

// parseSite reads the directive, of which the first word alone is a complete configuration:
//
//	nightlatch {
//		require [<matchers...>] [password|two_factor] [group <name>...] [user <name>...] [methods <method...>] [max_age <duration>]
//		skip    <matchers...>
//		deny    [<matchers...>]
//		headers <user> [<name> [<email> [<groups>]]]
//		preset  <application>
//		assertion {
//			algorithm eddsa|es256
//			audience  <name>
//		}
//		first_factor <placeholder> { ... }
//		keep_forms off
//		protect <host...> { ... }
//	}
//
// Matchers are the site's own: @name, or a path such as /public/*. The rule without one is the default for what no other rule matches;
// without any it is `require two_factor`. The first rule that matches decides. In headers, - stands for a header that is not sent.
// There is either headers or a preset. The block of assertion may be left out; that of protect is at parseProtect.
func parseSite(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next()
	if h.NextArg() {
		return nil, h.Errf("unexpected '%s' after nightlatch, which guards the whole site; "+
			"rules for parts of it go into its block, as in: skip /public/*", h.Val())
	}
	site := new(Handler)
	err := site.Policy.parse(h, "nightlatch", more{
		words: words{
			"protect":      site.parseProtect(h),
			"first_factor": site.parseFirstFactor,
			"keep_forms":   off(&site.KeepForms),
		},
		repeatable: []string{"protect"},
	})
	if err != nil {
		return nil, err
	}
	return h.NewRoute(nil, site), nil
}

// parseMatchers reads what matchers the line begins with.
func parseMatchers(h httpcaddyfile.Helper, r *Rule) error {
	for h.CountRemainingArgs() > 0 {
		set, is, err := h.MatcherToken()
		if err != nil {
			return h.WrapErr(err)
		}
		if !is {
			h.Prev()
			return nil
		}
		if set == nil {
			return h.Err("'*' matches everything; a rule for everything is written without a matcher, and skip cannot be one")
		}
		r.MatcherSetsRaw = append(r.MatcherSetsRaw, set)
	}
	return nil
}

func parseMatchersOnly(h httpcaddyfile.Helper, r *Rule) error {
	if h.NextArg() {
		return h.Errf("unexpected '%s' in %s, which takes matchers only, such as /public/* or @name", h.Val(), r.Action)
	}
	return nil
}

// parseRequire reads what follows the matchers.
func parseRequire(h httpcaddyfile.Helper, r *Rule) error {
	first := true
	for ; h.NextArg(); first = false {
		word := h.Val()
		_, isLevel := levels[word]
		switch {
		case isLevel && first:
			r.Level = word
		case isLevel:
			return h.Errf("unexpected '%s'; the level stands once, before the options", word)
		case word == "group" || word == "user":
			if !h.NextArg() {
				return h.Errf("%s needs a name", word)
			}
			to := map[string]*[]string{"group": &r.Groups, "user": &r.Users}[word]
			*to = append(*to, h.Val())
		case word == "methods" && r.Methods == nil:
			if err := parseMethods(h, r); err != nil {
				return err
			}
		case word == "max_age" && r.MaxAge == 0:
			if err := parseMaxAge(h, r); err != nil {
				return err
			}
		default:
			return h.Errf("unexpected '%s' in require; after the matchers it takes a level (password, two_factor) "+
				"and options (group, user, methods, max_age)", word)
		}
	}
	return nil
}

// parseMethods reads all words up to the next that is no method.
func parseMethods(h httpcaddyfile.Helper, r *Rule) error {
	for h.NextArg() {
		if slices.Contains([]string{"group", "user", "max_age"}, h.Val()) {
			h.Prev()
			break
		}
		if err := checkMethod(h.Val()); err != nil {
			return h.WrapErr(err)
		}
		r.Methods = append(r.Methods, h.Val())
	}
	if r.Methods == nil {
		return h.Errf("methods needs one of: %s", methodNames)
	}
	return nil
}

func parseMaxAge(h httpcaddyfile.Helper, r *Rule) error {
	if !h.NextArg() {
		return h.Err("max_age needs a duration, such as 10m")
	}
	v, err := caddy.ParseDuration(h.Val())
	if err != nil || v <= 0 {
		return h.Errf("'%s' is not a duration; examples: 10m, 1h", h.Val())
	}
	r.MaxAge = caddy.Duration(v)
	return nil
}

// parseHeaders reads up to four names; - and what is missing are not sent.
func parseHeaders(to **Headers, preset *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		names := d.RemainingArgs()
		h := new(Headers)
		each := []*string{&h.User, &h.Name, &h.Email, &h.Groups}
		if len(names) == 0 || len(names) > len(each) {
			return d.Err("headers takes one to four names, for the user, the name, the e-mail address and the groups; - leaves one out")
		}
		for i, name := range names {
			if name != "-" {
				*each[i] = name
			}
		}
		*to = h
		return checkTold(d, *preset, h)
	}
}

// parsePreset reads the name of an application.
func parsePreset(to *string, headers **Headers) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if err := text(to)(d); err != nil {
			return err
		}
		return checkTold(d, *to, *headers)
	}
}

func checkTold(d *caddyfile.Dispenser, preset string, headers *Headers) error {
	c, err := told(preset, headers)
	if err == nil {
		_, err = identity.New(c)
	}
	if err != nil {
		return d.WrapErr(err)
	}
	return nil
}
