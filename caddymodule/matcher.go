// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/gate"
)

func init() {
	caddy.RegisterModule(MatchUser{})
	caddy.RegisterModule(MatchGroup{})
	caddy.RegisterModule(MatchLevel{})
}

// MatchUser matches requests that the `nightlatch` handler has let through for one of these people, by user name. The case of letters does
// not count.
//
// Nobody matches in front of the handler, nor where one of its rules skips the sign-in, also when the person is signed in. So inside `not`
// it matches all of those requests: "not signed in as", which is no protection. It cannot stand in the rules of the handler, which
// decide before anybody is let through; they have `users`.
type MatchUser []string

// MatchGroup matches requests that the `nightlatch` handler has let through for somebody who is in one of these groups. Names are compared
// exactly.
//
// Nobody matches in front of the handler, nor where one of its rules skips the sign-in, also when the person is signed in. So inside `not`
// it matches all of those requests: "not signed in as one of", which is no protection. It cannot stand in the rules of the handler, which
// decide before anybody is let through; they have `groups`.
type MatchGroup []string

// MatchLevel matches requests that the `nightlatch` handler has let through for a session which has proven just this: `password`, without a
// second factor, or `two_factor`. Both together match whoever is signed in.
//
// It is about the session, not about the rule: whoever has proven two factors has done so under a rule that asks for a password only.
//
// Nobody matches in front of the handler, nor where one of its rules skips the sign-in, also when the person is signed in. So inside `not`
// it matches all of those requests. It cannot stand in the rules of the handler, which decide before anybody is let through; they have
// `level`.
type MatchLevel []string

// CaddyModule returns the Caddy module information.
func (MatchUser) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.nightlatch_user", New: func() caddy.Module { return new(MatchUser) }}
}

// CaddyModule returns the Caddy module information.
func (MatchGroup) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.nightlatch_group", New: func() caddy.Module { return new(MatchGroup) }}
}

// CaddyModule returns the Caddy module information.
func (MatchLevel) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.nightlatch_level", New: func() caddy.Module { return new(MatchLevel) }}
}

// Provision brings the names into the form in which accounts have them.
func (m MatchUser) Provision(caddy.Context) error {
	for i := range m {
		m[i] = auth.Canonical(m[i])
	}
	return nil
}

// Validate refuses what could never match.
func (m MatchUser) Validate() error {
	var names []string
	for _, name := range m {
		names = append(names, auth.Canonical(name))
	}
	return validNames("nightlatch_user", m, auth.Requirement{Users: names})
}

// Validate refuses what could never match.
func (m MatchGroup) Validate() error {
	return validNames("nightlatch_group", m, auth.Requirement{Groups: m})
}

// Validate refuses what could never match.
func (m MatchLevel) Validate() error {
	if len(m) == 0 {
		return errors.New("nightlatch_level needs password or two_factor")
	}
	for i, word := range m {
		switch {
		case levels[word] == 0 || word == "":
			return fmt.Errorf("unrecognized level '%s'; allowed: password, two_factor", word)
		case slices.Contains(m[:i], word):
			return fmt.Errorf("level '%s' is named twice", word)
		}
	}
	return nil
}

// validNames holds names to what a rule may name.
func validNames(matcher string, names []string, need auth.Requirement) error {
	if len(names) == 0 {
		return fmt.Errorf("%s needs a name", matcher)
	}
	for _, name := range names {
		if strings.Contains(name, "{") {
			return fmt.Errorf("'%s': %s takes names as they are, without placeholders", name, matcher)
		}
	}
	need.Level = auth.LevelPassword
	return (&gate.Rule{Action: gate.Require, Need: need}).Validate()
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m MatchUser) MatchWithError(r *http.Request) (bool, error) {
	s := whoPassed(r)
	return s != nil && slices.Contains(m, s.Name), nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m MatchGroup) MatchWithError(r *http.Request) (bool, error) {
	s := whoPassed(r)
	return s != nil && slices.ContainsFunc(s.Groups, func(g string) bool { return slices.Contains(m, g) }), nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m MatchLevel) MatchWithError(r *http.Request) (bool, error) {
	s := whoPassed(r)
	return s != nil && slices.Contains(m, levelWord(s.Level())), nil
}

// UnmarshalCaddyfile reads the matcher. Several lines of one matcher are one list. Syntax:
//
//	nightlatch_user <name...>
func (m *MatchUser) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parseList(d, (*[]string)(m), func() error { return m.Validate() })
}

// UnmarshalCaddyfile reads the matcher. Several lines of one matcher are one list. Syntax:
//
//	nightlatch_group <name...>
func (m *MatchGroup) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parseList(d, (*[]string)(m), func() error { return m.Validate() })
}

// UnmarshalCaddyfile reads the matcher. Several lines of one matcher are one list. Syntax:
//
//	nightlatch_level password|two_factor
func (m *MatchLevel) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parseList(d, (*[]string)(m), func() error { return m.Validate() })
}

func parseList(d *caddyfile.Dispenser, to *[]string, check func() error) error {
	for d.Next() {
		matcher := d.Val()
		*to = append(*to, d.RemainingArgs()...)
		if err := check(); err != nil {
			return d.WrapErr(err)
		}
		if d.NextBlock(0) {
			return d.Errf("%s takes no block", matcher)
		}
	}
	return nil
}

// CELLibrary makes nightlatch_user('ada', 'grace') a function of the expression matcher.
func (MatchUser) CELLibrary(ctx caddy.Context) (cel.Library, error) {
	return celFunction("nightlatch_user", func(names []string) (caddyhttp.RequestMatcherWithError, error) {
		m := MatchUser(names)
		return m, errors.Join(m.Provision(ctx), m.Validate())
	})
}

// CELLibrary makes nightlatch_group('admins', 'staff') a function of the expression matcher.
func (MatchGroup) CELLibrary(caddy.Context) (cel.Library, error) {
	return celFunction("nightlatch_group", func(names []string) (caddyhttp.RequestMatcherWithError, error) {
		m := MatchGroup(names)
		return m, m.Validate()
	})
}

// CELLibrary makes nightlatch_level('two_factor') a function of the expression matcher.
func (MatchLevel) CELLibrary(caddy.Context) (cel.Library, error) {
	return celFunction("nightlatch_level", func(words []string) (caddyhttp.RequestMatcherWithError, error) {
		m := MatchLevel(words)
		return m, m.Validate()
	})
}

// celFunction is a matcher over a list of words as a function of the expression matcher.
func celFunction(name string, matcher func([]string) (caddyhttp.RequestMatcherWithError, error)) (cel.Library, error) {
	return caddyhttp.CELMatcherImpl(name, name+"_request_list", []*cel.Type{cel.ListType(cel.StringType)},
		func(data ref.Val) (caddyhttp.RequestMatcherWithError, error) {
			words, err := data.ConvertToNative(reflect.TypeFor[[]string]())
			if err != nil {
				return nil, err
			}
			return matcher(words.([]string))
		})
}

// ownMatchers are the matchers of this file, and what a rule says in their place.
var ownMatchers = map[string]string{
	"nightlatch_user":  "user NAME behind require",
	"nightlatch_group": "group NAME behind require",
	"nightlatch_level": "require password or require two_factor",
}

// checkOwnMatchers refuses in a rule what looks at whom the rules have let through. It would match nobody, and inside `not` everybody.
func checkOwnMatchers(sets []caddy.ModuleMap) error {
	for name, raw := range eachMatcher(sets) {
		if ownPlaceholder.Match(raw) {
			return errors.New("{http.auth.user.*} and {http.nightlatch.*} cannot be in a rule: they are empty there, since rules decide before " +
				"anybody is let through; write group or user in require")
		}
		if found := ownFunction.FindStringSubmatch(mentions(name, raw)); found != nil {
			name = found[1]
		}
		if instead, own := ownMatchers[name]; own {
			return fmt.Errorf("%s cannot be in a rule, since rules decide before anybody is let through; write %s", name, instead)
		}
	}
	return nil
}

var (
	_ caddy.Provisioner                 = MatchUser{}
	_ caddy.Validator                   = MatchUser{}
	_ caddyhttp.RequestMatcherWithError = MatchUser{}
	_ caddyhttp.CELLibraryProducer      = MatchUser{}
	_ caddyfile.Unmarshaler             = (*MatchUser)(nil)

	_ caddy.Validator                   = MatchGroup{}
	_ caddyhttp.RequestMatcherWithError = MatchGroup{}
	_ caddyhttp.CELLibraryProducer      = MatchGroup{}
	_ caddyfile.Unmarshaler             = (*MatchGroup)(nil)

	_ caddy.Validator                   = MatchLevel{}
	_ caddyhttp.RequestMatcherWithError = MatchLevel{}
	_ caddyhttp.CELLibraryProducer      = MatchLevel{}
	_ caddyfile.Unmarshaler             = (*MatchLevel)(nil)
)
