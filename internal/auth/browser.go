// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"slices"
	"time"
)

// A browser keeps a ticket that says which browser it is, and proves nothing about who sits before it. Where somebody has signed in with
// it, strangers elsewhere cannot lock them out (BF-17), and a sign-in with another one is worth a notice.

const (
	useBrowser = "browser"
	// BrowserLife is how long a browser is known after the last sign-in with it, and how long its cookie may be kept.
	BrowserLife = 90 * 24 * time.Hour
	knownMost   = 20 // browsers of one person; the one unused for longest goes
)

// knownBrowser is one that a person has finished a sign-in with.
type knownBrowser struct {
	Browser string    `json:"browser"` // digest of the ticket
	At      time.Time `json:"at"`
}

func knownKey(userID string) string { return "known/" + userID }

// browser names the browser that asks, by the digest of its ticket; empty when it has none that we made.
func (t *tx) browser() string {
	ticket, ok := t.s.keys.open(useBrowser, t.client.Browser, secretSize)
	if !ok {
		return ""
	}
	return digest(ticket)
}

// isKnown tells whether the person has signed in with this browser.
func (t *tx) isKnown(userID string) (bool, error) {
	b := t.browser()
	if b == "" {
		return false, nil
	}
	known, _, err := get[[]knownBrowser](t, knownKey(userID))
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(known, func(k knownBrowser) bool {
		return k.Browser == b && t.now.Sub(k.At) < BrowserLife
	}), nil
}

// knowBrowser notes that the person has signed in with this browser, giving it a ticket if it has none, and returns the value of its
// cookie. isNew tells that the person has signed in before, and not with this one.
func (t *tx) knowBrowser(u *userRecord) (value string, isNew bool, err error) {
	known, _, err := get[[]knownBrowser](t, knownKey(u.ID))
	if err != nil {
		return "", false, err
	}
	known = slices.DeleteFunc(known, func(k knownBrowser) bool { return t.now.Sub(k.At) >= BrowserLife })
	value, b := t.client.Browser, t.browser()
	if b == "" {
		ticket := randomBytes(secretSize)
		value, b = t.s.keys.seal(useBrowser, ticket), digest(ticket)
	}
	others := slices.DeleteFunc(slices.Clone(known), func(k knownBrowser) bool { return k.Browser == b })
	isNew = u.Welcomed && len(others) == len(known)
	u.Welcomed = true
	known = append(others, knownBrowser{Browser: b, At: t.now})
	known = known[max(len(known)-knownMost, 0):]
	return value, isNew, put(t, knownKey(u.ID), known, t.now.Add(BrowserLife))
}
