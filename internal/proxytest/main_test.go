// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package proxytest runs the proxies for which docs/proxies has a page, with the very configuration of that page, in front of an
// application that shows each byte it was sent, and asks whether anybody comes in who does not belong there.
//
// It holds tests only. page_test.go takes the configuration out of a page; what is replaced in it are addresses, ports, paths of files
// and what a second site adds. house_test.go is Nightlatch, the applications and the people; nginx_test.go, haproxy_test.go, traefik_test.go
// and caddy_test.go start a proxy and say what is its own. The checks in paths_test.go, claims_test.go and asking_test.go are the same for
// all of them, named after the cases of the attack catalogue. mutation_test.go makes the mistakes that people make in such a
// configuration, and wants a check to fail for each. wire_test.go plays the proxies that are not installed here.
package proxytest

import (
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// check is one thing that no proxy may get wrong. It fails t; what it is given may be watched (see fails).
type check struct {
	name string
	play func(t testing.TB, f *front)
}

// checks are those that every proxy has to pass.
var checks = []check{
	{"Story", story},
	{"PC1toPC16Paths", paths},
	{"PC8PathInTheQuery", pathInTheQuery},
	{"PC11PC13PC14Hosts", hosts},
	{"PC15PseudoHeaders", pseudoHeaders},
	{"PC20Methods", methods},
	{"ID1ConnectionTakesNothing", connectionTakesNothing},
	{"ID2ID6ID10OtherSpellings", otherSpellings},
	{"ID4FA14NothingToSay", nothingToSay},
	{"ID5SkippedPaths", skippedPaths},
	{"ID12OurCookiesStay", ourCookiesStay},
	{"ID12ProgramsPassAndTheirKeysStay", programs},
	{"MF5ProgramsAreRefused", programsRefused},
	{"OwnAuthorization", ownAuthorization},
	{"FA1FA2FA7ClaimedAddress", claimedAddress},
	{"FA4MalformedCookies", malformedCookies},
	{"FA5NoShortcuts", noShortcuts},
	{"FA8LeftmostAddress", leftmostAddress},
	{"FA12Statuses", statuses},
	{"FA13NothingCached", nothingCached},
	{"FA15Bodies", bodies},
	{"FA16AskedByBrowsers", askedByBrowsers},
	{"FA18NoCookieOnTheWay", noCookieOnTheWay},
	{"WB8WebSockets", webSockets},
	{"UpgradesToNothingElse", upgradesToNothingElse},
	{"OneConnectionForManyQuestions", oneConnection},
}

// playAll runs every check against a proxy.
func playAll(t *testing.T, f *front) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.play(t, f) })
	}
}
