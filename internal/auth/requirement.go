// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"slices"
	"time"
)

// Level is what a rule demands. The zero value demands nothing and is not valid in a rule.
type Level int

const (
	LevelPassword  Level = 1
	LevelTwoFactor Level = 2
)

func (l Level) String() string {
	switch l {
	case LevelPassword:
		return "password"
	case LevelTwoFactor:
		return "two_factor"
	}
	return "none"
}

// Requirement is what a rule of a site asks of whoever wants to pass.
type Requirement struct {
	Level   Level
	Groups  []string      // a member of at least one of them; empty: any
	Users   []string      // one of these canonical names; empty: any
	Methods []Method      // second factors that count; empty: any the person enrolled
	MaxAge  time.Duration // how old the proofs may be; zero: as old as the session

	own bool // asked for an act on an own account, so that no access key meets it
}

// Verdict is the answer of Requirement.Judge.
type Verdict int

const (
	// SignIn: nobody is signed in.
	SignIn Verdict = iota
	// ProveMore: signed in, but a second factor is missing, or the one proven does not count here.
	ProveMore
	// StepUp: the proofs are too old for this rule.
	StepUp
	// Forbidden: signed in as somebody whom the rule does not admit.
	Forbidden
	// Pass: go ahead.
	Pass
)

// Judge is the one place that says whether a session satisfies a requirement. A nil session is nobody. It is safe to call from many
// goroutines and neither blocks nor allocates.
//
// Whom the rule does not admit at all is told so before being asked to prove anything more. A person who has enrolled a factor is
// asked for it under every level (ASVS 6.3.4: a lax rule must not weaken an account that chose two factors).
func (req *Requirement) Judge(s *Session, now time.Time) Verdict {
	if s == nil {
		return SignIn
	}
	if !req.admits(s) {
		return Forbidden
	}
	if s.Key != "" {
		return req.judgeKey(s)
	}
	m := req.missing(s.Proofs, s.Enrolled, now)
	switch {
	case m.Code && !hasSecond(s.Proofs, req.Methods), m.Enroll:
		return ProveMore
	case m.Password || m.Code:
		return StepUp
	}
	return Pass
}

// judgeKey says whether an access key satisfies a requirement that admits its person. Nobody is there to prove anything when it is used, so it
// never has proofs that are fresh or of a method that somebody names, and it opens no account. It counts for what the session had proven
// that made it: when its person has enrolled a factor since, that of a password is not enough. ProveMore is final for a key.
func (req *Requirement) judgeKey(s *Session) Verdict {
	need := req.Level
	if s.Enrolled {
		need = max(need, LevelTwoFactor)
	}
	if req.own || req.MaxAge > 0 || len(req.Methods) > 0 || s.KeyLevel < need {
		return ProveMore
	}
	return Pass
}

// Level is the highest level that the session meets: what a rule of that level, with no options, would let pass. A trusted browser counts
// where it counts for the rule. It is zero for a nil session, and for one that stopped half way.
func (s *Session) Level() Level {
	for _, level := range []Level{LevelTwoFactor, LevelPassword} {
		if req := (Requirement{Level: level}); req.Judge(s, time.Time{}) == Pass {
			return level
		}
	}
	return 0
}

// ProvenAt is the time since which all that the session has proven stands: of password and second factor the one that was proven longer
// ago, each at its last time. A maximal age counts from it. A trusted browser proves nothing, so it has no time, and what a handler in front
// says anew on each request counts only where there is nothing else. Of an access key it is when that was made. It is zero for a session
// without proofs.
func (s *Session) ProvenAt() time.Time {
	var first, second, vouched time.Time
	for _, p := range s.Proofs {
		switch {
		case p.Method == TrustedBrowser:
		case p.Method == Vouched:
			vouched = later(vouched, p.At)
		case p.Method.Second():
			second = later(second, p.At)
		default:
			first = later(first, p.At)
		}
	}
	if !vouched.IsZero() {
		first = time.Time{}
	}
	switch {
	case first.IsZero() && second.IsZero():
		return vouched
	case first.IsZero() || !second.IsZero() && second.Before(first):
		return second
	}
	return first
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (req *Requirement) admits(s *Session) bool {
	if len(req.Users) > 0 && !slices.Contains(req.Users, s.Name) {
		return false
	}
	if len(req.Groups) == 0 {
		return true
	}
	for _, g := range s.Groups {
		if slices.Contains(req.Groups, g) {
			return true
		}
	}
	return false
}

// missing are the kinds of proof that a person still owes.
type missing struct {
	Password bool // or what stands in for it
	Code     bool // a second factor that is enrolled
	Enroll   bool // a second factor, and none is enrolled
}

// missing says what proofs lack for the requirement. It is what Judge and a step-up share, so that a person is never sent to prove
// something that the gate does not then accept.
func (req *Requirement) missing(proofs []Proof, enrolled bool, now time.Time) missing {
	fresh := func(p Proof) bool { return req.MaxAge <= 0 || now.Sub(p.At) < req.MaxAge }
	m := missing{Password: true, Code: enrolled, Enroll: !enrolled && req.Level == LevelTwoFactor}
	for _, p := range proofs {
		switch {
		case p.Method == Vouched, p.Method == Password && fresh(p):
			m.Password = false // whom a handler in front vouches for is named anew on each request, see vouch.go: that does not grow old
		case enrolled && req.counts(p.Method) && fresh(p):
			m.Code = false
		}
	}
	return m
}

// counts tells whether a method is a second factor that this requirement accepts. A backup code stands in for any factor. A trusted
// browser stands in for one that was proven some time ago, so it counts only where neither the time nor the method matters.
func (req *Requirement) counts(m Method) bool {
	if m == TrustedBrowser {
		return req.MaxAge <= 0 && len(req.Methods) == 0
	}
	return m.Second() && (len(req.Methods) == 0 || m == BackupCode || slices.Contains(req.Methods, m))
}

func hasSecond(proofs []Proof, methods []Method) bool {
	req := Requirement{Methods: methods}
	return slices.ContainsFunc(proofs, func(p Proof) bool { return req.counts(p.Method) })
}

const (
	// SudoAge is how fresh every kind of proof must be to change what guards an account.
	SudoAge = 10 * time.Minute
)

// Sudo is what a session must satisfy to change anything that guards its account: a password and, where one is enrolled, a second
// factor, both typed in this session within SudoAge. Where a handler in front vouches for the person, the second factor alone is typed.
//
// Which second factor does not matter, or a lost device could never be taken off the list; a trusted browser is none.
var Sudo = Requirement{Level: LevelPassword, MaxAge: SudoAge, own: true}

// complete is what any act on an own account asks: nothing fresh, but no session that stopped half way either (MF-1).
var complete = Requirement{Level: LevelPassword, own: true}
