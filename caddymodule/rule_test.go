// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
)

func matching(sets ...string) caddyhttp.RawMatcherSets {
	var raw caddyhttp.RawMatcherSets
	for _, s := range sets {
		set := caddy.ModuleMap{}
		for _, part := range strings.Split(s, "; ") {
			name, config, _ := strings.Cut(part, " ")
			set[name] = []byte(config)
		}
		raw = append(raw, set)
	}
	return raw
}

func TestPathBound(t *testing.T) {
	cases := map[string]struct {
		sets []string
		want bool
	}{
		"client_ip":           {[]string{`client_ip {"ranges":["10.0.0.0/8"]}`}, false},
		"header and method":   {[]string{`header {"A":["b"]}; method ["GET"]`}, false},
		"host, protocol, tls": {[]string{`host ["a"]`, `protocol "https"`, `tls {}`}, false},
		"path":                {[]string{`path ["/x"]`}, true},
		"path in one of two":  {[]string{`method ["GET"]`, `path ["/x"]`}, true},
		"path with method":    {[]string{`method ["GET"]; path ["/x"]`}, true},
		"path_regexp":         {[]string{`path_regexp {"pattern":"x"}`}, true},
		"expression":          {[]string{`expression "true"`}, true},
		"not":                 {[]string{`not [{"path":["/x"]}]`}, true},
		"vars":                {[]string{`vars {"a":["b"]}`}, true},
		"query":               {[]string{`query {"a":["b"]}`}, true},
		"file":                {[]string{`file {}`}, true},
		"of another plugin":   {[]string{`maxmind {}`}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := (&Rule{MatcherSetsRaw: matching(c.sets...)}).pathBound(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRelaxes(t *testing.T) {
	two := Rule{Action: "require"}
	staff := Rule{Action: "require", Groups: []string{"staff", "admins"}}
	cases := map[string]struct {
		rule, byDefault Rule
		want            bool
	}{
		"skip":                           {Rule{Action: "skip"}, two, true},
		"skip under password":            {Rule{Action: "skip"}, Rule{Action: "require", Level: "password"}, true},
		"password under two_factor":      {Rule{Action: "require", Level: "password"}, two, true},
		"two_factor under password":      {two, Rule{Action: "require", Level: "password"}, false},
		"anything under deny":            {two, Rule{Action: "deny"}, true},
		"deny":                           {Rule{Action: "deny"}, two, false},
		"a group of its own":             {Rule{Action: "require", Groups: []string{"admins"}}, two, false},
		"no group under a group":         {two, staff, true},
		"a wider group":                  {Rule{Action: "require", Groups: []string{"staff", "admins", "guests"}}, staff, true},
		"a narrower group":               {Rule{Action: "require", Groups: []string{"admins"}}, staff, false},
		"password for another group":     {Rule{Action: "require", Level: "password", Groups: []string{"guests"}}, staff, false},
		"max_age under none":             {Rule{Action: "require", MaxAge: caddy.Duration(time.Minute)}, two, false},
		"none under max_age":             {two, Rule{Action: "require", MaxAge: caddy.Duration(time.Minute)}, true},
		"longer max_age under a shorter": {Rule{Action: "require", MaxAge: caddy.Duration(time.Hour)}, Rule{Action: "require", MaxAge: caddy.Duration(time.Minute)}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.rule.opens(&c.byDefault); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// compiled asks a rule whether it matches a path, as the gate would.
func compiled(t *testing.T, r *Rule, byDefault *Rule) func(target string) bool {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	rule, err := r.compile(ctx, byDefault)
	if err != nil {
		t.Fatal(err)
	}
	return func(target string) bool {
		ok, err := rule.Match(prepared(httptest.NewRequest("GET", target, nil)))
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		return ok
	}
}

// PC-10: what protects matches in any case, what opens in the case that is written.
func TestCaseOfPaths(t *testing.T) {
	patterns := `path ["/Public/*","*.CSS","/exact","*Mid*","/a*/B"]`
	targets := map[string]struct{ opens, protects bool }{
		"/Public/x":      {true, true},
		"/public/x":      {false, true},
		"/PUBLIC/x":      {false, true},
		"/%50ublic/x":    {true, true},
		"/x.CSS":         {true, true},
		"/x.css":         {false, true},
		"/exact":         {true, true},
		"/EXACT":         {false, true},
		"/exactly":       {false, false},
		"/xMidx":         {true, true},
		"/xmidx":         {false, true},
		"/aXY/B":         {true, true},
		"/aXY/b":         {false, true},
		"/Publicity":     {false, false},
		"/other":         {false, false},
		"//Public/x":     {true, true},
		"/Public/../x":   {false, false},
		"/public/PUBLIC": {false, true},
	}
	opens := compiled(t, &Rule{Action: "skip", MatcherSetsRaw: matching(patterns)}, &Rule{Action: "require"})
	protects := compiled(t, &Rule{Action: "require", MatcherSetsRaw: matching(patterns)}, &Rule{Action: "require", Level: "password"})
	for target, want := range targets {
		if got := opens(target); got != want.opens {
			t.Errorf("%s: a rule that opens matches: %v, want %v", target, got, want.opens)
		}
		if got := protects(target); got != want.protects {
			t.Errorf("%s: a rule that protects matches: %v, want %v", target, got, want.protects)
		}
	}
}

func TestCaseCountsInEachSet(t *testing.T) {
	opens := compiled(t, &Rule{Action: "skip", MatcherSetsRaw: matching(`method ["PUT"]`, `path ["/a"]; method ["GET"]`, `path ["/b"]`)}, &Rule{Action: "require"})
	for target, want := range map[string]bool{"/a": true, "/A": false, "/b": true, "/B": false} {
		if got := opens(target); got != want {
			t.Errorf("%s: got %v, want %v", target, got, want)
		}
	}
}

func TestPlaceholderInAnOpeningPath(t *testing.T) {
	t.Setenv("NIGHTLATCH_TEST_DIR", "Open")
	opens := compiled(t, &Rule{Action: "skip", MatcherSetsRaw: matching(`path ["/{env.NIGHTLATCH_TEST_DIR}/*"]`)}, &Rule{Action: "require"})
	for target, want := range map[string]bool{"/Open/x": true, "/open/x": false, "/x": false} {
		if got := opens(target); got != want {
			t.Errorf("%s: got %v, want %v", target, got, want)
		}
	}
}

func TestNeed(t *testing.T) {
	r := Rule{Action: "require", Users: []string{"Alice"}, Methods: []string{"totp"}, MaxAge: caddy.Duration(time.Hour)}
	got := r.need()
	if got.Level != auth.LevelTwoFactor || len(got.Users) != 1 || got.Users[0] != "alice" || len(got.Methods) != 1 || got.Methods[0] != auth.TOTP || got.MaxAge != time.Hour {
		t.Errorf("got %+v", got)
	}
}

// What the Caddyfile parser refuses a JSON configuration cannot smuggle in.
func TestRulesFromJSONAreChecked(t *testing.T) {
	cases := map[string]struct {
		rules []*Rule
		want  string
	}{
		"no action":          {[]*Rule{{}}, "unrecognized action ''"},
		"unknown action":     {[]*Rule{{Action: "allow"}}, "unrecognized action 'allow'"},
		"skip everything":    {[]*Rule{{Action: "skip"}}, "skip needs a matcher"},
		"level on skip":      {[]*Rule{{Action: "skip", Level: "password", MatcherSetsRaw: matching(`path ["/x"]`)}}, "matchers only"},
		"unknown level":      {[]*Rule{{Action: "require", Level: "one_factor"}}, "unrecognized level 'one_factor'"},
		"password as method": {[]*Rule{{Action: "require", Methods: []string{"password"}}}, "unrecognized method 'password'"},
		"negative age":       {[]*Rule{{Action: "require", MaxAge: -1}}, "max_age"},
		"skip by a matcher":  {[]*Rule{{Action: "skip", MatcherSetsRaw: matching(`path ["/a"]`, `path ["*"]`)}}, "whole site open"},
		"percent sign":       {[]*Rule{{Action: "skip", MatcherSetsRaw: matching(`path ["/a%2fb"]; method ["GET"]`)}}, "percent sign"},
		"percent under deny": {[]*Rule{{Action: "require", MatcherSetsRaw: matching(`path ["/a%2fb"]`)}, {Action: "deny"}}, "percent sign"},
		"malformed path":     {[]*Rule{{Action: "skip", MatcherSetsRaw: matching(`path 7`)}}, "path matcher"},
		"own matcher":        {[]*Rule{{Action: "require", MatcherSetsRaw: matching(`nightlatch_user ["ada"]`)}}, "nightlatch_user cannot be in a rule"},
		"own matcher in not": {[]*Rule{{Action: "deny", MatcherSetsRaw: matching(`path ["/a"]`, `not [{"not":[{"nightlatch_group":["a"]}]}]`)}}, "nightlatch_group cannot be in a rule"},
		"own matcher in CEL": {[]*Rule{{Action: "deny", MatcherSetsRaw: matching(`expression {"expr":"!nightlatch_level('password')"}`)}}, "nightlatch_level cannot be in a rule"},
		"two defaults":       {[]*Rule{{Action: "require"}, {Action: "deny"}}, "second rule without a matcher"},
		"unreachable":        {[]*Rule{{Action: "skip", MatcherSetsRaw: matching(`path ["/a/*"]`)}, {Action: "require", MatcherSetsRaw: matching(`path ["/a/b/*"]; method ["GET"]`)}}, "never reached"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
			defer cancel()
			h := &Handler{Policy: Policy{Rules: c.rules}, log: ctx.Slogger()}
			if _, err := h.compile(ctx, h.log); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
