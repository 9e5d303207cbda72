// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"slices"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// handler answers one call.
type handler func(c *call)

// guard answers the call itself and returns false, or lets it through.
type guard func(c *call) bool

// chain is the guards of a route, in the order in which a call meets them.
type chain []guard

func (g chain) then(h handler) handler {
	return func(c *call) {
		for _, passes := range g {
			if !passes(c) {
				return
			}
		}
		h(c)
	}
}

// and adds guards.
func (g chain) and(more ...guard) chain { return append(slices.Clip(g), more...) }

// unless answers with a problem where something is not so.
func (c *call) unless(is bool, p problem) bool {
	if !is {
		c.answer(p)
	}
	return is
}

// atHost refuses a request for what is no host: a session is bound to one.
func atHost(c *call) bool { return c.unless(c.visit.Host != "", badHost) }

// overHTTPS refuses a connection on which anybody could read a password or a token. There is no redirect: a program that sends its secrets
// in the clear has to hear of it, and not to go on doing so (ASVS 4.1.2).
func overHTTPS(c *call) bool { return c.unless(c.visit.Transport != visit.Exposed, httpsRequired) }

// afterHandshake refuses an act in TLS early data, which somebody on the way can send a second time (RFC 8470).
func afterHandshake(c *call) bool { return c.unless(!visit.Early(c.Request), tooEarly) }

// sameOrigin refuses what a page of another origin has sent, a sibling domain included, whatever it carries: there is no cross-origin use of
// this API. Here is no token of a form to tell where a browser says little, so an Origin header must be ours. A script of ours that hides its
// referrer sends "null" there, and then Sec-Fetch-Site has to say that it is one of ours.
func sameOrigin(c *call) bool {
	ours := visit.SameOrigin(c.Request, c.visit)
	if origin := c.Header["Origin"]; len(origin) > 0 && !visit.FromHere(c.Request, c.visit) {
		ours = ours && slices.Equal(origin, []string{"null"}) && c.Header.Get("Sec-Fetch-Site") == "same-origin"
	}
	return c.unless(ours, crossOrigin)
}

// withoutQuery refuses a query: no route has parameters, and what somebody means to say in one would come to stand in logs.
func withoutQuery(c *call) bool {
	return c.unless(c.visit.URL.RawQuery == "" && !c.visit.URL.ForceQuery, badRequest.because("this address takes no query parameters"))
}

// atOwnHost refuses what is to be done where people sign in: at another host of a central portal no session can change an account.
func atOwnHost(c *call) bool { return c.unless(c.visit.Portal == "", c.onlyAtPortal()) }

// onlyAtPortal leads a program there.
func (c *call) onlyAtPortal() problem {
	return atPortal.with(struct {
		URL string `json:"api_url"`
	}{c.visit.Portal + Prefix})
}

// withService gets the auth.Service of the moment.
func withService(c *call) bool {
	var err error
	if c.auth, err = c.api.service(); err != nil {
		c.refuse(err)
		return false
	}
	return true
}

// withAccount lets through whoever has proven all that their account has. A session that stopped half way, or was opened before a second
// factor was enrolled, is asked for the rest first (MF-1).
func withAccount(c *call) bool {
	if !withSession(c) {
		return false
	}
	return c.unless(c.auth.Complete(c.own), kinds[auth.StepUpNeeded])
}

// notHanded refuses a session that a portal has handed over: it is for the application at this host alone, which knows what it is told of the
// person and no more, and it changes nothing about the account.
func notHanded(c *call) bool {
	if c.visit.Portal != "" {
		return c.unless(!c.own.Handed, c.onlyAtPortal())
	}
	return c.unless(!c.own.Handed, kinds[auth.NotSignedIn])
}

// inSudo lets through who has proven here all that the account has, a short time ago and in this session (MF-12, MF-15). It is judged again
// in the transaction of the act; here nobody sends what is then refused.
func inSudo(c *call) bool {
	return c.unless(c.auth.InSudo(c.client(), c.own), kinds[auth.StepUpNeeded])
}
