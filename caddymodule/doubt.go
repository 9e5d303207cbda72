// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A rule is about what the application will see, and its matchers see something else where the two read a request in two ways. Of the
// path the gate takes care. These are the other parts of a request where that is so, by the matcher that looks at them:
//
//   - query: Caddy's matcher fails on a query that Go cannot parse, and applications parse on: "?action=delete&%zz" (PC-21).
//   - method: methods are compared by the letter, and many frameworks capitalize "post" (PC-20).
//   - host: "admin.example.com." is the same host to DNS, nginx and Django, and another one to the matcher (PC-11).
//   - client_ip: nobody has told the address, and the matcher takes that for an address which is in no list (FA-9).
//
// Where a rule looks at such a part and it is in doubt, a rule that opens does not match, and one that protects fails the request.
//
// The order is that in which they are told.
var doubts = []doubt{
	{"query", func(r *http.Request) bool {
		_, err := url.ParseQuery(r.URL.RawQuery)
		return err != nil
	}, twoWays},
	{"method", func(r *http.Request) bool { return strings.ToUpper(r.Method) != r.Method }, twoWays},
	{"host", func(r *http.Request) bool {
		name, _, _ := strings.Cut(r.Host, ":")
		return strings.HasSuffix(name, ".")
	}, twoWays},
	{"client_ip", func(r *http.Request) bool {
		address, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
		_, err := netip.ParseAddr(address)
		return err != nil
	}, "is not known"},
}

const twoWays = "can be read in two ways"

// doubt is a part of a request, by the name of its matcher, whether one request has it in doubt, and what is said then.
type doubt struct {
	part string
	in   func(*http.Request) bool
	why  string
}

// careful wraps the matchers of a rule, with the doubts from lookedAt.
func careful(match func(*http.Request) (bool, error), doubts []doubt, opens bool) func(*http.Request) (bool, error) {
	if len(doubts) == 0 {
		return match
	}
	return func(r *http.Request) (bool, error) {
		for _, d := range doubts {
			switch {
			case !d.in(r):
			case opens:
				return false, nil
			default:
				return false, caddyhttp.Error(http.StatusBadRequest, fmt.Errorf("the %s %s, and a rule of the site depends on it", d.part, d.why))
			}
		}
		return match(r)
	}
}

// lookedAt are the doubts about what the rule looks at.
func (r *Rule) lookedAt() []doubt {
	var found []doubt
	for _, d := range doubts {
		for name, raw := range eachMatcher(r.MatcherSetsRaw) {
			if looksAt(name, raw, d.part) {
				found = append(found, d)
				break
			}
		}
	}
	return found
}
