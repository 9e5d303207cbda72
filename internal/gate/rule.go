// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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

// String is the word of the configuration.
func (a Action) String() string {
	switch a {
	case Require:
		return "require"
	case Skip:
		return "skip"
	case Deny:
		return "deny"
	}
	return fmt.Sprintf("action %d", int(a))
}

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

// maxMaxAge bounds max_age from above: beyond it is a slip of the keyboard. From below auth.MinMaxAge does.
const maxMaxAge = 365 * 24 * time.Hour

// implicit is the default of a site that writes none.
var implicit = Rule{Need: auth.Requirement{Level: auth.LevelTwoFactor}, Text: "require two_factor"}

// arrange splits the rules of a site into those with a matcher, in written order, and the default. It refuses what is probably a slip
// (AD-14): a mistake in the rules must stop the start, and never lower what is asked for.
func arrange(all []Rule) (ordered []Rule, byDefault Rule, err error) {
	byDefault = implicit
	all = slices.Clone(all)
	for i := range all {
		rule := &all[i]
		if rule.Text == "" {
			rule.Text = fmt.Sprintf("number %d", i+1)
		}
		if err := rule.Validate(); err != nil {
			return nil, Rule{}, fmt.Errorf("rule '%s': %w", rule.Text, err)
		}
		for j := range all[:i] {
			if err := rule.Clash(&all[j]); err != nil {
				return nil, Rule{}, err
			}
		}
		if rule.Match == nil {
			byDefault = *rule
			continue
		}
		ordered = append(ordered, *rule)
	}
	return ordered, byDefault, nil
}

// Validate finds what is wrong with a rule by itself: what it asks for cannot be meant, or can never be met. The error is for the
// operator who wrote it and does not name the rule.
func (rule *Rule) Validate() error {
	n := &rule.Need
	switch rule.Action {
	case Require:
		return validateNeed(n)
	case Skip, Deny:
		if n.Level != 0 || len(n.Groups) > 0 || len(n.Users) > 0 || len(n.Methods) > 0 || n.MaxAge != 0 {
			return fmt.Errorf("%s takes matchers only; a level, group, user, methods or max_age belongs to require", rule.Action)
		}
	default:
		return fmt.Errorf("unknown action %d", rule.Action)
	}
	switch {
	case rule.Action == Deny:
	case rule.Match == nil:
		return errors.New("skip needs a matcher: without one the whole site would be open")
	case rule.Always:
		return errors.New("skip of every request leaves the whole site open; if that is meant, remove nightlatch from the site instead")
	}
	return nil
}

func validateNeed(n *auth.Requirement) error {
	if n.Level != auth.LevelPassword && n.Level != auth.LevelTwoFactor {
		return fmt.Errorf("unknown level %d; allowed: password, two_factor", n.Level)
	}
	if len(n.Methods) > 0 && n.Level != auth.LevelTwoFactor {
		return errors.New("methods are second factors; they need the level two_factor")
	}
	if n.MaxAge != 0 && (n.MaxAge < auth.MinMaxAge || n.MaxAge > maxMaxAge) {
		return fmt.Errorf("max_age is %s; allowed: %gm to %gd", n.MaxAge, auth.MinMaxAge.Minutes(), maxMaxAge.Hours()/24)
	}
	for _, m := range n.Methods {
		if !m.Second() {
			return fmt.Errorf("'%s' is not a second factor", m)
		}
	}
	return errors.Join(validateNames("group", n.Groups), validateNames("user", n.Users), validateNames("method", n.Methods))
}

// validateNames refuses what cannot be a name: it could never match, so the rule would not say what it seems to.
func validateNames[S ~string](what string, names []S) error {
	for i, n := range names {
		switch {
		case n == "" || strings.ContainsFunc(string(n), func(c rune) bool { return c <= ' ' || c == ',' || c == 0x7f }):
			return fmt.Errorf("'%s' cannot be the name of a %s", n, what)
		case slices.Contains(names[:i], n):
			return fmt.Errorf("%s '%s' is named twice", what, n)
		}
	}
	return nil
}

// Clash finds what is wrong with a rule after an earlier one of the same site: one of the two would never decide anything, and so not
// do what it says. It sees what the fields tell; that one matcher takes in another is for whoever knows matchers.
func (rule *Rule) Clash(earlier *Rule) error {
	switch {
	case rule.Match == nil && earlier.Match == nil:
		return fmt.Errorf("'%s' is a second rule without a matcher; '%s' is the default already", rule.Text, earlier.Text)
	case earlier.Always:
		return fmt.Errorf("'%s' is never reached: '%s' matches every request", rule.Text, earlier.Text)
	case rule.Always && earlier.Match == nil:
		return fmt.Errorf("'%s' is never reached: '%s' matches every request", earlier.Text, rule.Text)
	case rule.Matcher != "" && rule.Matcher == earlier.Matcher:
		return fmt.Errorf("'%s' is never reached: '%s' comes first and matches the same", rule.Text, earlier.Text)
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
