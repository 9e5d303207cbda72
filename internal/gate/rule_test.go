// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/web"
)

func nobody() (*auth.Service, error) { panic("nobody was to be asked") }

func never(*http.Request) (bool, error)  { return false, nil }
func always(*http.Request) (bool, error) { return true, nil }

var (
	password  = auth.Requirement{Level: auth.LevelPassword}
	twoFactor = auth.Requirement{Level: auth.LevelTwoFactor}
)

// TestAD14Slips: a slip in the rules stops the start, and the message names the rule.
func TestAD14Slips(t *testing.T) {
	tests := []struct {
		name  string
		rules []Rule
		want  []string // words of the error
	}{
		{"two defaults", []Rule{
			{Need: password, Text: "require password"}, {Need: twoFactor, Text: "require two_factor"},
		}, []string{"'require two_factor'", "'require password'", "second rule without a matcher"}},
		{"the same default twice", []Rule{
			{Need: password, Text: "require password"}, {Need: password, Text: "require password"},
		}, []string{"'require password'", "second rule without a matcher"}},
		{"written twice", []Rule{
			{Action: Skip, Match: never, Matcher: "/a", Text: "skip /a"}, {Action: Skip, Match: never, Matcher: "/a", Text: "skip /a"},
		}, []string{"'skip /a'", "never reached"}},
		{"the same matcher", []Rule{
			{Need: twoFactor, Match: never, Matcher: "@a", Text: "require @a two_factor"}, {Action: Skip, Match: never, Matcher: "@a", Text: "skip @a"},
		}, []string{"'skip @a'", "'require @a two_factor'", "never reached"}},
		{"after one that always matches", []Rule{
			{Need: password, Match: always, Always: true, Text: "require /* password"}, {Action: Deny, Match: never, Text: "deny /a"},
		}, []string{"'deny /a'", "'require /* password'", "never reached"}},
		{"a default beside one that always matches", []Rule{
			{Need: twoFactor, Text: "require two_factor"}, {Need: password, Match: always, Always: true, Text: "require /* password"},
		}, []string{"'require two_factor'", "'require /* password'", "never reached"}},
		{"skip everything", []Rule{{Action: Skip, Text: "skip"}}, []string{"'skip'", "needs a matcher"}},
		{"skip everything by a matcher", []Rule{
			{Action: Skip, Match: always, Always: true, Text: "skip /*"},
		}, []string{"'skip /*'", "remove nightlatch from the site instead"}},
		{"no level", []Rule{{Match: never, Text: "require @a"}}, []string{"'require @a'", "unknown level", "password, two_factor"}},
		{"unknown level", []Rule{{Need: auth.Requirement{Level: 3}, Text: "require x"}}, []string{"'require x'", "unknown level 3"}},
		{"unknown action", []Rule{{Action: 7, Text: "allow"}}, []string{"'allow'", "unknown action"}},
		{"no text", []Rule{{Action: Skip, Match: never}, {Action: 7}}, []string{"'number 2'", "unknown action"}},
		{"skip with a group", []Rule{
			{Action: Skip, Match: never, Need: auth.Requirement{Groups: []string{"a"}}, Text: "skip @a group a"},
		}, []string{"'skip @a group a'", "belongs to require"}},
		{"deny with an age", []Rule{
			{Action: Deny, Match: never, Need: auth.Requirement{MaxAge: time.Hour}, Text: "deny @a max_age 1h"},
		}, []string{"belongs to require"}},
		{"negative age", []Rule{need(auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: -time.Hour})}, []string{"-1h0m0s; allowed: 1m to 365d"}},
		{"tiny age", []Rule{need(auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Second})}, []string{"1s; allowed: 1m to 365d"}},
		{"huge age", []Rule{need(auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10000 * time.Hour})}, []string{"10000h0m0s; allowed: 1m to 365d"}},
		{"a method that is no second factor", []Rule{
			need(auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TOTP, auth.Password}}),
		}, []string{"'password' is not a second factor"}},
		{"unknown method", []Rule{
			need(auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{"totpp"}}),
		}, []string{"'totpp' is not a second factor"}},
		{"a method twice", []Rule{
			need(auth.Requirement{Level: auth.LevelTwoFactor, Methods: []auth.Method{auth.TOTP, auth.TOTP}}),
		}, []string{"method 'totp' is named twice"}},
		{"password with methods", []Rule{
			need(auth.Requirement{Level: auth.LevelPassword, Methods: []auth.Method{auth.TOTP}}),
		}, []string{"methods are second factors"}},
		{"an empty group", []Rule{need(auth.Requirement{Level: auth.LevelPassword, Groups: []string{""}})}, []string{"'' cannot be the name of a group"}},
		{"two groups in one word", []Rule{need(auth.Requirement{Level: auth.LevelPassword, Groups: []string{"a,b"}})}, []string{"'a,b' cannot be the name of a group"}},
		{"two rules without a text", []Rule{{Need: twoFactor}, {Action: Deny}}, []string{"'number 1'", "'number 2'"}},
		{"a user twice", []Rule{need(auth.Requirement{Level: auth.LevelPassword, Users: []string{"a", "b", "a"}})}, []string{"user 'a' is named twice"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(Config{Service: nobody, Brand: web.Brand{Name: "Example"}, Rules: tt.rules})
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %q, want it to say %q", err, want)
				}
			}
		})
	}
	if _, err := New(Config{Brand: web.Brand{Name: "Example"}}); err == nil {
		t.Error("a gate without a service: got no error")
	}
}

func need(n auth.Requirement) Rule { return Rule{Need: n, Match: never, Text: "require @a"} }

func TestRulesThatAreFine(t *testing.T) {
	for name, rules := range map[string][]Rule{
		"none":                  nil,
		"deny by default":       {{Action: Deny, Text: "deny"}, {Need: password, Match: never, Text: "require @a password"}},
		"rules after a default": {{Need: password, Text: "require password"}, {Action: Skip, Match: never, Text: "skip /a"}},
		"one that always matches, last": {
			{Action: Skip, Match: never, Text: "skip /a"}, {Need: password, Match: always, Always: true, Text: "require /* password"},
		},
		"everything asked for": {need(auth.Requirement{
			Level: auth.LevelTwoFactor, Groups: []string{"a", "b"}, Users: []string{"c"},
			Methods: []auth.Method{auth.TOTP, auth.BackupCode}, MaxAge: 10 * time.Minute,
		})},
		"the limits of max_age": {
			need(auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: time.Minute}),
			{Need: auth.Requirement{Level: auth.LevelPassword, MaxAge: 365 * 24 * time.Hour}, Match: never, Text: "require @b"},
		},
	} {
		if _, err := New(Config{Service: nobody, Brand: web.Brand{Name: "Example"}, Rules: rules}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCovers(t *testing.T) {
	requires := func(n auth.Requirement) Rule { return Rule{Need: n} }
	two := func(change func(*auth.Requirement)) Rule {
		n := twoFactor
		change(&n)
		return requires(n)
	}
	admins := two(func(n *auth.Requirement) { n.Groups = []string{"admins", "owners"} })
	owners := two(func(n *auth.Requirement) { n.Groups = []string{"owners"} })
	staff := two(func(n *auth.Requirement) { n.Groups = []string{"owners", "staff"} })
	alice := two(func(n *auth.Requirement) { n.Users = []string{"alice"} })
	hour := two(func(n *auth.Requirement) { n.MaxAge = time.Hour })
	minute := two(func(n *auth.Requirement) { n.MaxAge = time.Minute })
	totp := two(func(n *auth.Requirement) { n.Methods = []auth.Method{auth.TOTP} })
	tests := []struct {
		name        string
		rule, other Rule
		want        bool
	}{
		{"skip", Rule{Action: Skip}, requires(password), false},
		{"deny over require", Rule{Action: Deny}, admins, true},
		{"deny over deny", Rule{Action: Deny}, Rule{Action: Deny}, true},
		{"require over deny", admins, Rule{Action: Deny}, false},
		{"the same", admins, admins, true},
		{"lower level", requires(password), requires(twoFactor), false},
		{"higher level", requires(twoFactor), requires(password), true},
		{"a group more", owners, requires(twoFactor), true},
		{"a group less", requires(twoFactor), owners, false},
		{"fewer groups", owners, admins, true},
		{"other groups", staff, admins, false},
		{"users", alice, requires(twoFactor), true},
		{"no users", requires(twoFactor), alice, false},
		{"younger", minute, hour, true},
		{"older", hour, minute, false},
		{"any age", requires(twoFactor), hour, false},
		{"methods", totp, requires(twoFactor), true},
		{"any method", requires(twoFactor), totp, false},
	}
	for _, tt := range tests {
		if got := tt.rule.Covers(&tt.other); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
