// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"net/http"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// Explanation is a decision about a request that somebody thinks of, and how it came about.
type Explanation struct {
	Decision
	// Ambiguous says that no rule that opens a door was believed; see Ambiguous.
	Ambiguous bool
	// Steps are the rules that were looked at, in their order. Those that decided are Matched or Assumed, and the default is the last of
	// them where it came to that. There are none where the host or the method refused the request before.
	Steps []Step
}

// Step is what became of one rule.
type Step struct {
	Rule    *Rule
	Outcome Outcome
}

// Outcome is what a rule was found to be for a request.
type Outcome int

const (
	Missed     Outcome = iota // its matchers say no
	Matched                   // its matchers say yes, or it is the default
	PassedOver                // it skips, and the path is ambiguous
	Assumed                   // it looks at the path, which is ambiguous, so it counts as if it matched
	Failed                    // a matcher of it failed
)

// trail notes steps. Check has none, which costs it nothing.
type trail []Step

func (t *trail) note(rule *Rule, o Outcome) {
	if t != nil {
		*t = append(*t, Step{rule, o})
	}
}

// Explain says what Check would decide if the request came from who, nil for a stranger, and why. It is Check's own walk through the
// rules. What stands in cookies and tokens is not looked at, and no service is asked.
func (g *Gate) Explain(r *http.Request, v visit.Visit, who *auth.Session) Explanation {
	supposed := Gate{rules: g.rules, byDefault: g.byDefault, now: g.now}
	supposed.session = func(context.Context, auth.Asker, string) (*auth.Session, error) { return who, nil }
	supposed.bearer = supposed.session
	var why trail
	d := supposed.decide(r, v, &why)
	return Explanation{Decision: d, Ambiguous: len(why) > 0 && Ambiguous(r, v), Steps: why}
}

// Word is the decision in one word: "pass", or the last word of the problem type that a program is told.
func (d *Decision) Word() string {
	if d.Pass {
		return "pass"
	}
	return d.refusal().problem
}
