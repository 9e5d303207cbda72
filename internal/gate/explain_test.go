// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// steps are the trail in short: the text of each rule and what became of it.
func steps(e Explanation) string {
	words := map[Outcome]string{Missed: "-", Matched: "+", PassedOver: "over", Assumed: "assumed", Failed: "failed"}
	var list []string
	for _, s := range e.Steps {
		list = append(list, words[s.Outcome]+" "+s.Rule.Text)
	}
	return strings.Join(list, ", ")
}

func TestExplain(t *testing.T) {
	fails := Rule{Need: twoFactor, Match: func(*http.Request) (bool, error) { return false, errors.New("broken") }, Text: "require @broken"}
	tests := []struct {
		name, request, who string
		rules              []Rule
		word, steps        string
		ambiguous          bool
	}{
		{"no rules", "GET /", "", nil, "sign-in-required", "+ require two_factor", false},
		{"first match ends it", "GET /admin", "full", []Rule{skipPublic, adminsOnly, denySecret}, "forbidden", "- skip /public/*, + require /admin* two_factor group admins", false},
		{"the default", "GET /", "half", []Rule{skipPublic}, "second-factor-required", "- skip /public/*, + require two_factor", false},
		{"skip", "GET /public/x", "", []Rule{skipPublic}, "pass", "+ skip /public/*", false},
		{"deny", "GET /secret", "admin", []Rule{denySecret}, "denied", "+ deny /secret/*", false},
		{"old proofs", "GET /pay", "old", []Rule{freshProof}, "step-up-required", "+ require /pay two_factor max_age 10m", false},
		{"ambiguous", "GET /public/..%2fx", "full", []Rule{skipPublic, lanPassword, adminsOnly}, "forbidden",
			"over skip /public/*, - require @lan password, assumed require /admin* two_factor group admins, + require two_factor", true},
		{"ambiguous, settled before the default", "GET /a//b", "admin", []Rule{vpnTwoFactor, adminsOnly}, "pass",
			"- require @vpn two_factor, assumed require /admin* two_factor group admins, + require two_factor", true},
		{"ambiguous and denied", "GET /a//b", "admin", []Rule{denySecret, adminsOnly}, "denied", "assumed deny /secret/*", true},
		{"a matcher that fails", "GET /", "admin", []Rule{skipPublic, fails}, "rule-failed", "- skip /public/*, failed require @broken", false},
		{"a method that is refused before", "TRACE /a//b", "admin", []Rule{skipPublic}, "method-not-allowed", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, v := ask(t, tt.request)
			e := site(t, tt.rules...).Explain(r, v, people[tt.who])
			if got := e.Word(); got != tt.word {
				t.Errorf("got %s, want %s", got, tt.word)
			}
			if got := steps(e); got != tt.steps {
				t.Errorf("steps: got %s\nwant %s", got, tt.steps)
			}
			if e.Ambiguous != tt.ambiguous {
				t.Errorf("ambiguous: got %v, want %v", e.Ambiguous, tt.ambiguous)
			}
		})
	}
}

func told(d Decision) string {
	rule := "none"
	if d.Rule != nil {
		rule = d.Rule.Text
	}
	return fmt.Sprintf("%s by '%s': %v %v %+v %p %v", d.Word(), rule, d.Verdict, d.Reason, d.Need, d.Session, d.Err)
}

// TestExplainIsCheck: what is told of a person is what the gate does when that person comes, on every path of the attack catalogue.
func TestExplainIsCheck(t *testing.T) {
	g := site(t, skipPublic, denyBots, adminsOnly, freshProof, lanPassword, vpnTwoFactor)
	targets := []string{"/", "/public/x", "/admin/x", "/pay", "/secret"}
	for _, more := range hostile {
		targets = append(targets, more...)
	}
	asked := 0
	for _, target := range targets {
		for _, where := range []string{"", "bots", "lan", "vpn"} {
			for _, who := range []string{"", "half", "fresh", "full", "old", "admin", "code"} {
				r, v := ask(t, "GET "+target, cookie(who), "X-From: "+where)
				want := g.Check(r, v)
				r, v = ask(t, "GET "+target, "X-From: "+where)
				got := g.Explain(r, v, people[who]).Decision
				if a, b := told(got), told(want); a != b {
					t.Errorf("%s from %q by %q: got %s, want %s", target, where, who, a, b)
				}
				asked++
			}
		}
	}
	if asked < 500 {
		t.Errorf("only %d requests were tried", asked)
	}
}
