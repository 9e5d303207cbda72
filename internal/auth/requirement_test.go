// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// everySession is one for each way of having proven something: each method never, now or a while ago. Who has not enrolled a factor has
// proven none.
func everySession(now time.Time) (all []*auth.Session) {
	ages := []time.Duration{-1, 0, 30 * time.Minute, time.Hour}
	methods := []auth.Method{auth.Password, auth.TOTP, auth.Email, auth.BackupCode, auth.TrustedBrowser, auth.Vouched}
	count := 1
	for range methods {
		count *= len(ages)
	}
	for n := range count {
		s, rest := new(auth.Session), n
		for _, m := range methods {
			if age := ages[rest%len(ages)]; age >= 0 {
				s.Proofs = append(s.Proofs, auth.Proof{Method: m, At: now.Add(-age)})
				s.Enrolled = s.Enrolled || !m.First()
			}
			rest /= len(ages)
		}
		all = append(all, s)
		if !s.Enrolled {
			all = append(all, &auth.Session{Proofs: s.Proofs, Enrolled: true}) // stopped half way
		}
	}
	return all
}

func of(m auth.Method) func(auth.Proof) bool {
	return func(p auth.Proof) bool { return p.Method == m }
}

// TestLevelIsWhatRulesAccept: what is told of a session is what a rule would say of it, of whatever it has proven.
func TestLevelIsWhatRulesAccept(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	passes := func(s *auth.Session, req auth.Requirement) bool { return req.Judge(s, now) == auth.Pass }
	seen := map[auth.Level]int{}
	for _, s := range everySession(now) {
		level := s.Level()
		seen[level]++
		for _, l := range []auth.Level{auth.LevelPassword, auth.LevelTwoFactor} {
			if got, want := level >= l, passes(s, auth.Requirement{Level: l}); got != want {
				t.Fatalf("%+v enrolled %v: level %s, but a rule of %s lets it pass: %v", s.Proofs, s.Enrolled, level, l, want)
			}
		}
		if level == 0 {
			continue
		}
		// Whom a handler in front names is as fresh as the request.
		if slices.ContainsFunc(s.Proofs, of(auth.Vouched)) && !s.Enrolled {
			continue
		}
		// What a trusted browser stands in for has no time, and max_age does not take it.
		need := level
		if level == auth.LevelTwoFactor && !passes(s, auth.Requirement{Level: level, MaxAge: 24 * time.Hour}) {
			continue
		}
		for _, age := range []time.Duration{time.Minute, 30 * time.Minute, 31 * time.Minute, time.Hour, 61 * time.Minute} {
			if got, want := now.Sub(s.ProvenAt()) < age, passes(s, auth.Requirement{Level: need, MaxAge: age}); got != want {
				t.Fatalf("%+v enrolled %v: proven at %s, but max_age %s lets it pass: %v", s.Proofs, s.Enrolled, s.ProvenAt(), age, want)
			}
		}
	}
	for _, l := range []auth.Level{0, auth.LevelPassword, auth.LevelTwoFactor} {
		if seen[l] == 0 {
			t.Errorf("no session of level %s was looked at", l)
		}
	}
	if got := (*auth.Session)(nil).Level(); got != 0 {
		t.Errorf("nobody has level %s", got)
	}
	if got := new(auth.Session).ProvenAt(); !got.IsZero() {
		t.Errorf("nothing was proven at %s", got)
	}
}
