// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"slices"
)

// A handler in front of us may have authenticated the person already: basic_auth, a client certificate, another gateway. Where the
// operator says so (first_factor), whom it names counts as the first factor, and only the second is asked for. It is named anew on each
// request, in Client.Vouched, so:
//
//   - What was begun with it, a session or an attempt, counts only as long as the same person is named. Whoever is named by nobody, or is
//     somebody else meanwhile, is not that person any more (fits).
//   - It does not grow old. A rule that asks for fresh proofs asks for the second factor alone.
//   - Where somebody is named, nobody else can sign in, by whatever proof.

// Vouching is what a site says of a sign-in that begins with a vouched name.
type Vouching struct {
	Create   bool   // a name that nobody has gets an account
	ReturnTo string // kept as given
	Level    Level  // as in Credentials
	Tokens   bool   // as in Credentials
}

// Vouch begins a sign-in for whom a handler in front has authenticated, Client.Vouched. A mere link leads to it, so it sends no code, and
// how often it can begin is bounded for each name.
//
// Errors are BadName for what can be no user name, NoAccount for one that nobody has or whose account is disabled, LinkNeeded,
// TooManyTries, and NothingTyped where a program would have to enroll.
func (s *Service) Vouch(ctx context.Context, c Client, in Vouching) (Progress, error) {
	name, err := vouchedName(c.Vouched)
	if err != nil {
		return Progress{}, err
	}
	return s.progress(ctx, c, func(t *tx) (p Progress, err error) {
		owner, found, err := t.s.userByName(t, name)
		if err != nil {
			return p, err
		}
		l, err := t.vouchLimit(name, owner)
		if err != nil {
			return p, err
		}
		if _, err := t.reserve([]limit{l}); err != nil {
			return p, err
		}
		switch {
		case !found && !in.Create:
			t.event(Event{Type: EventVouched, Outcome: refused, Method: Vouched, User: name, Actor: name, Detail: "there is no such account"})
			return p, t.refuse(fail(NoAccount))
		case !found:
			if owner, err = t.createUser(NewUser{Name: name}, ""); err != nil {
				return p, err
			}
			t.eventFor(owner, Event{Type: EventUserAdded, Actor: "system", Outcome: success, Method: Vouched, Detail: "on first sight"})
		case owner.Disabled:
			t.eventFor(owner, Event{Type: EventVouched, Outcome: refused, Method: Vouched, Detail: "the account is disabled"})
			return p, t.refuse(fail(NoAccount))
		case owner.LinkNeeded:
			return t.sendToLink(owner, EventVouched, Vouched)
		}
		t.silent = true
		return t.enter(owner, attempt{
			Need: Requirement{Level: in.Level}, Proofs: []Proof{{Vouched, t.now.UTC()}}, ReturnTo: in.ReturnTo, Tokens: in.Tokens,
		})
	})
}

// vouchedName is the user name of somebody whom a handler in front names. It is stricter than Canonical: that handler may tell apart what
// folding would make one, such as letters of full width and plain ones, and one person would come in as another (ID-15). Only the case of
// ASCII letters does not count.
func vouchedName(told string) (string, error) {
	name := lowerASCII(told)
	if !validName.MatchString(name) {
		return "", failf(BadName, "%q is no user name", cut(told, maxDetail))
	}
	return name, nil
}

// fits is the one place that says whether what was proven in the name of a person counts on a request on which a handler in front vouches
// for somebody, or for nobody. It neither blocks nor allocates where the name is spelled as ours is.
func fits(proofs []Proof, name, vouched string) bool {
	if vouched == "" {
		return !slices.ContainsFunc(proofs, isVouched)
	}
	return lowerASCII(vouched) == name // which is a valid one
}

func isVouched(p Proof) bool { return p.Method == Vouched }
