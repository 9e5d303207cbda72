// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// maxReturnPath bounds what is carried through a sign-in: longer targets grow with each round through our pages.
const maxReturnPath = 2 << 10

// maxContinue bounds the address that leads on to another site, which holds a return path with its bytes escaped.
const maxContinue = 3 * maxReturnPath

// returnPath makes the address to go to after a sign-in: a path on this host, rebuilt from its parsed parts, or "/" for whatever is
// not certain to be one. It is the only such check, and it runs where the address is used, also when it comes back from our own store.
//
// "No host, so it is local" is not enough: browsers take "/\host", "///host" and "https:host" for other sites, drop tabs and newlines
// anywhere, and what follows us may decode once more. So only a single leading slash counts, before and after decoding, and neither
// backslashes nor control bytes in the path. The query may hold anything, other addresses included: it leads nowhere by itself.
func returnPath(s string) string {
	return pathHere(s, func(u *url.URL) bool { return !ours(u.Path) || returnable(u) })
}

// pathHere is returnPath for those addresses that are wanted.
func pathHere(s string, wanted func(*url.URL) bool) string {
	most := maxReturnPath
	if strings.HasPrefix(s, visit.Prefix+"continue?") {
		most = maxContinue
	}
	if len(s) > most || !strings.HasPrefix(s, "/") || !visible(s) {
		return "/"
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Opaque != "" || u.User != nil || u.Host != "" || !safePath(u.Path) || !wanted(u) {
		return "/"
	}
	rebuilt := (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
	if len(rebuilt) > most { // rebuilding may encode a byte that was sent bare
		return "/"
	}
	return rebuilt
}

// visible tells whether a string holds only what a browser sends in a target: printable ASCII without those characters that it
// encodes.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"<>`, r) })
}

// safePath judges a decoded path.
func safePath(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
}

// accountPath is the page that acts on an account lead back to.
const accountPath = visit.Prefix + "account"

// ownPages are the pages of ours that people mean to come back to, after they have proven more for them. They show something and change
// nothing. Being sent to any other after a sign-in leads round in circles, or signs out.
var ownPages = []string{"account", "two-factor/add", "two-factor/disable", "backup-codes/new", "password", "email", "app-passwords", "app-passwords/new", "sessions", "form-waits"}

// returnable tells whether an address is one of ownPages or the page of a factor, spelled as we spell it. There is no query: what is
// written there may be meant to do something. The one that leads on to another site is looked at there, when somebody is signed in.
func returnable(u *url.URL) bool {
	p, is := strings.CutPrefix(u.Path, visit.Prefix)
	switch {
	case !is || !visit.PlainlySpelled(u):
		return false
	case p == "continue":
		return true
	case u.RawQuery != "" || u.ForceQuery:
		return false
	}
	id, factor := strings.CutPrefix(p, "factor/")
	return slices.Contains(ownPages, p) || factor && id != "" && !strings.Contains(id, "/")
}

// ours tells whether a path is one of our pages, however it is spelled.
func ours(p string) bool { return strings.HasPrefix(path.Clean(p)+"/", visit.Prefix) }
