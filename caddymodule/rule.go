// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/gate"
)

// Rule is what a site asks of the requests that it matches. The first rule that matches, in the order written, decides. A rule
// without a matcher is the default, wherever it stands; there is at most one.
type Rule struct {
	// What to do: `require` a sign-in, `skip` it, or `deny` everybody. A `skip` needs a matcher.
	Action string `json:"action,omitempty"`

	// Which requests the rule is for, in the form of Caddy's own routes: the matchers of one set must all match, of the sets one.
	// None: the rule is the default.
	//
	// A rule that asks less than the default is held to more: its path patterns match the exact case only, and it never matches a
	// path that an application might read differently than Caddy does. See docs/caddyfile.md.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// With `require`: `two_factor`, the default, or `password`. Whoever has enrolled a second factor is asked for it under both.
	Level string `json:"level,omitempty"`

	// With `require`: groups, one of which the person must be in. None: any.
	Groups []string `json:"groups,omitempty"`

	// With `require`: user names, one of which it must be. None: any. With groups as well, both must hold.
	Users []string `json:"users,omitempty"`

	// With `require` and `two_factor`: second factors that count: `totp`, `email`, `webhook`. The last two must be configured. A backup code
	// stands in for each, a trusted browser for none. None: any that the person enrolled.
	Methods []string `json:"methods,omitempty"`

	// With `require`: how old the proofs may be, one minute to 365 days. After that the person is asked again, and keeps the session.
	// Default: as old as the session.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// For whoever asks what the rule does; loading the matchers clears what they were made from.
	written string
	doubted []doubt // where one of them holds, the rule does not match
}

var (
	levels  = map[string]auth.Level{"": auth.LevelTwoFactor, "two_factor": auth.LevelTwoFactor, "password": auth.LevelPassword}
	actions = map[string]gate.Action{"require": gate.Require, "skip": gate.Skip, "deny": gate.Deny}
)

// check finds what is wrong with a rule by itself: here the words that only a configuration has, in package gate what they mean.
func (r *Rule) check() error {
	if _, ok := actions[r.Action]; !ok {
		return fmt.Errorf("unrecognized action '%s'; allowed: deny, require, skip", r.Action)
	}
	if _, ok := levels[r.Level]; !ok {
		return fmt.Errorf("unrecognized level '%s'; allowed: password, two_factor", r.Level)
	}
	for i, m := range r.Methods {
		if err := checkMethod(m); err != nil {
			return err
		}
		if slices.Contains(r.Methods[:i], m) {
			return fmt.Errorf("method '%s' is named twice", m) // the gate knows it under another name
		}
	}
	if err := checkOwnMatchers(r.MatcherSetsRaw); err != nil {
		return err
	}
	return r.gated().Validate()
}

// checkAll finds what is wrong with the rules of a site, and with which of them. It is what the parser asks, to name the line, and what
// a JSON configuration meets.
func checkAll(rules []*Rule) (at int, err error) {
	byDefault := defaultOf(rules)
	for i, r := range rules {
		if err := r.check(); err != nil {
			return i, err
		}
		if err := clash(rules[:i], r); err != nil {
			return i, err
		}
	}
	for i, r := range rules {
		if !r.isDefault() && r.opens(byDefault) {
			if err := r.checkOpening(); err != nil {
				return i, err
			}
		}
	}
	return 0, nil
}

// defaultOf is the rule for what no other one matches.
func defaultOf(rules []*Rule) *Rule {
	if i := slices.IndexFunc(rules, (*Rule).isDefault); i >= 0 {
		return rules[i]
	}
	return &Rule{Action: "require"}
}

// checkOpening refuses a pattern with a percent sign where it would open something: Caddy compares such a one with the path as it was
// sent, in which one address has many spellings.
func (r *Rule) checkOpening() error {
	for _, set := range r.MatcherSetsRaw {
		patterns, err := pathPatterns(set)
		if err != nil {
			return fmt.Errorf("reading the path matcher: %w", err)
		}
		for _, p := range patterns {
			if strings.Contains(p, "%") {
				return fmt.Errorf("path '%s' cannot open anything: write it without percent signs", p)
			}
		}
	}
	return nil
}

func (r *Rule) isDefault() bool { return len(r.MatcherSetsRaw) == 0 }

// need is what the rule demands. A rule other than require has none unless it was written, which Validate refuses.
func (r *Rule) need() auth.Requirement {
	n := auth.Requirement{Groups: r.Groups, MaxAge: time.Duration(r.MaxAge)}
	if r.Level != "" || actions[r.Action] == gate.Require {
		n.Level = levels[r.Level]
	}
	for _, u := range r.Users {
		n.Users = append(n.Users, auth.Canonical(u))
	}
	for _, m := range r.Methods {
		n.Methods = append(n.Methods, auth.Method(m))
	}
	return n
}

// text is the rule much as a Caddyfile says it, for messages. Two rules with the same text are the same rule.
func (r *Rule) text() string {
	words := []string{r.Action}
	for _, set := range r.MatcherSetsRaw {
		words = append(words, matcherText(set))
	}
	if r.Level != "" {
		words = append(words, r.Level)
	}
	for _, g := range r.Groups {
		words = append(words, "group", g)
	}
	for _, u := range r.Users {
		words = append(words, "user", u)
	}
	if len(r.Methods) > 0 {
		words = append(words, "methods", strings.Join(r.Methods, " "))
	}
	if r.MaxAge != 0 {
		words = append(words, "max_age", time.Duration(r.MaxAge).String())
	}
	return strings.Join(words, " ")
}

func matcherText(set caddy.ModuleMap) string {
	if only, ok := onlyPaths(set); ok {
		return strings.Join(only, " ")
	}
	return canonicalJSON(set)
}

// canonicalJSON writes the same matchers always the same way.
func canonicalJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, b) != nil {
		return string(b)
	}
	return compact.String()
}

// compile makes the rule into one of the gate's. byDefault is the rule for what no other one matches.
func (r *Rule) compile(ctx caddy.Context, byDefault *Rule) (gate.Rule, error) {
	rule := *r.gated()
	r.written = rule.Text
	if r.isDefault() {
		return rule, nil
	}
	paths := make([][]string, len(r.MatcherSetsRaw))
	for i, set := range r.MatcherSetsRaw {
		paths[i], _ = pathPatterns(set) // a malformed one is refused by LoadModule, which also clears the raw sets
	}
	doubts, opens := r.lookedAt(), r.opens(byDefault)
	loaded, err := ctx.LoadModule(r, "MatcherSetsRaw")
	if err != nil {
		return rule, fmt.Errorf("loading matchers: %w", err)
	}
	var sets caddyhttp.MatcherSets
	if err := sets.FromInterface(loaded); err != nil {
		return rule, fmt.Errorf("loading matchers: %w", err)
	}
	if opens {
		r.doubted = doubts
		demandExactCase(sets, paths)
	}
	rule.Match = careful(sets.AnyMatchWithError, doubts, opens)
	return rule, nil
}

// matchesAll tells whether a set matches every request: it has no matcher, or a path that leaves nothing out.
func matchesAll(set caddy.ModuleMap) bool {
	patterns, only := onlyPaths(set)
	return len(set) == 0 || only && slices.ContainsFunc(patterns, func(p string) bool { return p == "*" || p == "/*" })
}

// blindToPath are the matchers that cannot look at the path, nor at anything that a rewrite or another handler may have derived from
// it. A matcher that is not listed here, as of another plugin, counts as looking at it.
var blindToPath = map[string]bool{
	"client_ip": true, "remote_ip": true, "header": true, "header_regexp": true, "host": true, "method": true, "protocol": true, "tls": true,
}

func (r *Rule) pathBound() bool {
	for _, set := range r.MatcherSetsRaw {
		for name := range set {
			if !blindToPath[name] {
				return true
			}
		}
	}
	return false
}

// gated is the rule as the gate judges it, before its matchers are loaded.
func (r *Rule) gated() *gate.Rule {
	rule := &gate.Rule{Action: actions[r.Action], Need: r.need(), Text: r.text()}
	if !r.isDefault() {
		rule.Match = notLoaded
		rule.Matcher = canonicalJSON(r.MatcherSetsRaw)
		rule.PathBound = r.pathBound()
		rule.Always = slices.ContainsFunc(r.MatcherSetsRaw, matchesAll)
	}
	return rule
}

// notLoaded stands for matchers that are not there yet, and refuses every request.
func notLoaded(*http.Request) (bool, error) {
	return false, errors.New("the matchers of the rule are not loaded")
}

// opens tells whether the rule asks nothing that the default does not ask: then a request that only looks like its own must not match.
// A rule that asks for something else altogether is left to match generously, since the default may be the weaker of the two.
func (r *Rule) opens(byDefault *Rule) bool { return byDefault.gated().Covers(r.gated()) }

// demandExactCase adds to each set with a path matcher that the case is as written. Caddy's own path matcher folds it, which is right
// for a rule that protects and wrong for one that opens: /Public may be another file than /public (PC-10).
func demandExactCase(sets caddyhttp.MatcherSets, paths [][]string) {
	for i, patterns := range paths {
		if patterns != nil {
			sets[i] = append(sets[i], exactPath(patterns))
		}
	}
}

// exactPath matches as caddyhttp.MatchPath does, except for the case.
type exactPath []string

func (m exactPath) MatchWithError(r *http.Request) (bool, error) {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	for _, pattern := range m {
		if strings.Contains(pattern, "{") {
			pattern = repl.ReplaceAll(pattern, "")
		}
		if matchesExactly(pattern, caddyhttp.CleanPath(r.URL.Path, !strings.Contains(pattern, "//"))) {
			return true, nil
		}
	}
	return false, nil
}

func matchesExactly(pattern, p string) bool {
	inner := strings.Trim(pattern, "*")
	before, after := strings.HasPrefix(pattern, "*"), strings.HasSuffix(pattern, "*")
	switch stars := strings.Count(pattern, "*"); {
	case pattern == "*":
		return true
	case stars == 2 && before && after:
		return strings.Contains(p, inner)
	case stars == 1 && before:
		return strings.HasSuffix(p, inner)
	case stars == 1 && after:
		return strings.HasPrefix(p, inner)
	}
	ok, err := path.Match(pattern, p)
	return ok && err == nil
}

// pathPatterns are those of the set's path matcher, nil if it has none.
func pathPatterns(set caddy.ModuleMap) ([]string, error) {
	raw, ok := set["path"]
	if !ok {
		return nil, nil
	}
	var patterns []string
	if err := json.Unmarshal(raw, &patterns); err != nil {
		return nil, err
	}
	return patterns, nil
}

// onlyPaths returns the patterns of a set that looks at nothing but the path.
func onlyPaths(set caddy.ModuleMap) ([]string, bool) {
	patterns, err := pathPatterns(set)
	return patterns, err == nil && len(set) == 1 && len(patterns) > 0
}

// clash finds a rule that can never be reached because of one before it, in whole or for one of its sets: it would not do what it
// says. Beyond what the gate knows of, it sees a set of matchers that is another rule's as well, and a path inside a path.
func clash(before []*Rule, r *Rule) error {
	for _, e := range before {
		if err := r.gated().Clash(e.gated()); err != nil {
			return err
		}
		for _, set := range r.MatcherSetsRaw {
			if slices.ContainsFunc(e.MatcherSetsRaw, func(s caddy.ModuleMap) bool { return shadows(s, set) }) {
				return fmt.Errorf("%s in '%s' is never reached: '%s' comes first and matches the same; put the narrower rule first",
					matcherText(set), r.text(), e.text())
			}
		}
	}
	return nil
}

// shadows tells whether whatever the second set matches is surely matched by the first.
func shadows(first, second caddy.ModuleMap) bool {
	if canonicalJSON(first) == canonicalJSON(second) {
		return true
	}
	wide, ok := onlyPaths(first)
	if !ok {
		return false
	}
	narrow, err := pathPatterns(second)
	if err != nil || len(narrow) == 0 {
		return false
	}
	return !slices.ContainsFunc(narrow, func(n string) bool {
		return !slices.ContainsFunc(wide, func(w string) bool { return inside(n, w) })
	})
}

// inside tells whether the pattern n is within w: the same, or below a prefix.
func inside(n, w string) bool {
	prefix, isPrefix := strings.CutSuffix(w, "*")
	return n == w || isPrefix && !strings.ContainsAny(prefix, `*?[\{%`) && strings.HasPrefix(n, prefix)
}

var _ caddyhttp.RequestMatcherWithError = exactPath(nil)
