// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// Action is what a rule does with a request that it matches.
type Action int

const (
	Require Action = iota // let through whoever satisfies Need
	Skip                  // let everybody through, without asking who it is
	Deny                  // let nobody through
)

// Rule is one line of the site's configuration.
type Rule struct {
	Action Action
	// Need is what a Require rule asks for. It is zero with Skip and Deny.
	Need auth.Requirement
	// Match tells whether the rule is meant for a request. An error refuses the request. nil makes the rule the default: it is for
	// every request that no other rule matches, wherever it stands among them.
	Match func(*http.Request) (bool, error)
	// PathBound says that the answer of Match depends on the path. When in doubt it is true: that is the stricter reading.
	PathBound bool
	// Always says that Match holds for every request, so that nothing after the rule is ever reached.
	Always bool
	// Matcher is what Match was made from, as written. Of two rules with the same one the second is never reached. Empty: unknown.
	Matcher string
	// Text is the rule as written, for messages.
	Text string
}

// Limits of max_age. Below the lower one a person could not type a code and be led back before the proof was too old again; beyond
// the upper one it is a slip of the keyboard.
const (
	minMaxAge = auth.MinMaxAge
	maxMaxAge = 365 * 24 * time.Hour
)

// implicit is the default of a site that writes none.
var implicit = Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor}, Text: "require two_factor"}

// arrange splits the rules of a site into those with a matcher, in written order, and the default. It refuses what is probably a slip
// (AD-14): a mistake in the rules must stop the start, and never lower what is asked for.
func arrange(all []Rule) (ordered []Rule, byDefault Rule, err error) {
	always := "" // the rule that leaves nothing for those after it
	found := false
	for i, rule := range all {
		if rule.Text == "" {
			rule.Text = fmt.Sprintf("number %d", i+1)
		}
		if err := rule.validate(); err != nil {
			return nil, Rule{}, fmt.Errorf("rule %q: %w", rule.Text, err)
		}
		if rule.Match == nil {
			if found {
				return nil, Rule{}, fmt.Errorf("rule %q: a second rule without a matcher; %q is the default already", rule.Text, byDefault.Text)
			}
			byDefault, found = rule, true
			continue
		}
		for _, earlier := range ordered {
			switch {
			case earlier.Text == rule.Text:
				return nil, Rule{}, fmt.Errorf("rule %q: written twice", rule.Text)
			case earlier.Matcher == rule.Matcher && rule.Matcher != "":
				return nil, Rule{}, fmt.Errorf("rule %q: never reached, since %q matches the same requests before it", rule.Text, earlier.Text)
			}
		}
		if always != "" {
			return nil, Rule{}, fmt.Errorf("rule %q: never reached, since %q matches every request", rule.Text, always)
		}
		ordered = append(ordered, rule)
		if rule.Always {
			always = rule.Text
		}
	}
	if found && always != "" {
		return nil, Rule{}, fmt.Errorf("rule %q: never reached, since %q matches every request", byDefault.Text, always)
	}
	if !found {
		byDefault = implicit
	}
	return ordered, byDefault, nil
}

func (rule *Rule) validate() error {
	switch rule.Action {
	case Require:
		return validateNeed(&rule.Need)
	case Skip:
		if rule.Match == nil || rule.Always {
			return errors.New("skips every request; remove nightlatch from the site instead")
		}
	case Deny:
	default:
		return fmt.Errorf("unknown action %d", rule.Action)
	}
	n := &rule.Need
	if n.Level != 0 || len(n.Groups) > 0 || len(n.Users) > 0 || len(n.Methods) > 0 || n.MaxAge != 0 {
		return errors.New("only a require rule can ask for a level, a group, a user, a method or an age")
	}
	return nil
}

func validateNeed(n *auth.Requirement) error {
	switch n.Level {
	case auth.LevelTwoFactor:
	case auth.LevelPassword:
		if len(n.Methods) > 0 {
			return errors.New("methods are second factors, which the level password does not ask for")
		}
	default:
		return fmt.Errorf("unknown level %d; the levels are password and two_factor", n.Level)
	}
	switch {
	case n.MaxAge < 0:
		return fmt.Errorf("max_age %v is negative", n.MaxAge)
	case n.MaxAge > 0 && n.MaxAge < minMaxAge:
		return fmt.Errorf("max_age %v is less than %v, too short to prove anything and be led back", n.MaxAge, minMaxAge)
	case n.MaxAge > maxMaxAge:
		return fmt.Errorf("max_age %v is more than a year", n.MaxAge)
	}
	for _, m := range n.Methods {
		if !m.Second() {
			return fmt.Errorf("%q is not a second factor", m)
		}
	}
	return errors.Join(eachOnce("group", n.Groups), eachOnce("user", n.Users), eachOnce("method", n.Methods))
}

func eachOnce[S ~string](what string, list []S) error {
	for i, s := range list {
		switch {
		case s == "":
			return fmt.Errorf("a %s without a name", what)
		case slices.Contains(list[:i], s):
			return fmt.Errorf("%s %q is named twice", what, s)
		}
	}
	return nil
}

// Covers tells whether whoever satisfies the rule satisfies other too. A rule that does not cover the default relaxes it.
func (rule *Rule) Covers(other *Rule) bool {
	switch {
	case rule.Action == Deny, other.Action == Skip:
		return true
	case rule.Action == Skip, other.Action == Deny:
		return false
	}
	a, b := &rule.Need, &other.Need
	return a.Level >= b.Level && narrower(a.Groups, b.Groups) && narrower(a.Users, b.Users) && narrower(a.Methods, b.Methods) &&
		(b.MaxAge == 0 || a.MaxAge > 0 && a.MaxAge <= b.MaxAge)
}

// narrower tells whether one of a is always one of b. An empty list stands for everything.
func narrower[S ~string](a, b []S) bool {
	return len(b) == 0 || len(a) > 0 && !slices.ContainsFunc(a, func(s S) bool { return !slices.Contains(b, s) })
}
