// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Cookie is one of our cookies.
type Cookie int

const (
	// Session is the cookie of a browser that has signed in.
	Session Cookie = iota
	// Attempt is the cookie of a browser that is signing in.
	Attempt
	// Language is the cookie of a browser on which a language was chosen. It says nothing of anybody and opens nothing.
	Language
	// Browser is the cookie that tells one browser from another. It proves nothing about who sits before it, see auth.BrowserLife.
	Browser
	// Trusted is the cookie of a browser in which somebody asked not to be asked for codes for a while.
	Trusted
)

// The __Host- prefix makes browsers refuse the cookie from a sibling domain, without TLS, or for a part of the site (RFC 6265bis
// §4.1.3.2). Browsers want Secure for it, so on a loopback address the names go without.
var cookieNames = [...][5]string{
	Loopback: {
		Session: "nightlatch", Attempt: "nightlatch-attempt", Language: "nightlatch-language",
		Browser: "nightlatch-browser", Trusted: "nightlatch-trusted",
	},
	Secure: {
		Session: "__Host-nightlatch", Attempt: "__Host-nightlatch-attempt", Language: "__Host-nightlatch-language",
		Browser: "__Host-nightlatch-browser", Trusted: "__Host-nightlatch-trusted",
	},
}

// sharedSession is the session cookie where all hosts of a domain share it. No __Host- cookie can have a domain.
const sharedSession = "__Secure-nightlatch"

// cookieName is the name of a cookie at this host.
func (v Visit) cookieName(c Cookie) string {
	if c == Session && v.shares() {
		return sharedSession
	}
	return v.Transport.CookieName(c)
}

func (v Visit) shares() bool { return v.Domain != "" && v.Transport == Secure }

// domain is the attribute of a cookie; empty: for this host alone.
func (v Visit) domain(c Cookie) string {
	if c == Session && v.shares() {
		return v.Domain
	}
	return ""
}

// maxCookieValue bounds a value in bytes. The longest that package auth makes, that of a session, has 136; what exceeds this is not ours and
// is not worth decoding.
const maxCookieValue = 256

// CookieName is the name that a cookie has on this kind of connection. It is empty where none is used.
func (t Transport) CookieName(c Cookie) string { return cookieNames[t][c] }

// Cookie reads one of our cookies. It is found only when the request holds exactly one of that name, over all Cookie lines, and its
// value has the length and the alphabet of ours (padded base64url). A second one means that somebody planted a cookie beside ours,
// and nobody can tell which is which. Names are compared exactly, as browsers compare them. On an Exposed connection nothing is ever
// found. It does not allocate.
func (v Visit) Cookie(r *http.Request, c Cookie) (value string, ok bool) {
	name := v.cookieName(c)
	if name == "" {
		return "", false
	}
	for _, line := range r.Header["Cookie"] {
		for more := true; more; {
			var pair string
			pair, line, more = strings.Cut(line, ";")
			n, val, _ := strings.Cut(pair, "=")
			if trimBlank(n) != name {
				continue
			}
			if ok {
				return "", false
			}
			value, ok = trimBlank(val), true
		}
	}
	if !ok || !wellFormed(value) {
		return "", false
	}
	return value, true
}

// SetCookie sends one of our cookies: HttpOnly, SameSite=Lax, for the whole site, and for this host only unless it is the session of a
// Domain. The zero time makes it end with the browser. An empty value leaves the cookie as it is. On an Exposed connection it does nothing:
// whoever listens there would get the value.
//
// Lax and not Strict, so that a link in a mail or a chat leads to the application and not to the sign-in page.
func (v Visit) SetCookie(w http.ResponseWriter, c Cookie, value string, expires time.Time) {
	if v.Transport == Exposed || value == "" {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name:     v.cookieName(c),
		Value:    value,
		Path:     "/",
		Domain:   v.domain(c),
		Expires:  expires,
		Secure:   v.Transport == Secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

// ClearCookie makes the browser forget one of our cookies. It repeats the attributes of SetCookie, since browsers refuse a __Host-
// cookie without them, also one that has expired.
func (v Visit) ClearCookie(w http.ResponseWriter, c Cookie) {
	if v.Transport == Exposed {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name:     v.cookieName(c),
		Path:     "/",
		Domain:   v.domain(c),
		MaxAge:   -1,
		Secure:   v.Transport == Secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

// StripCookies removes our cookies from a request that goes on to the application: it must never hold a visitor's credential
// (CVE-2026-41181 in a peer). Both names of each cookie go, in any case and in every spelling that some reader takes for them. The
// other cookies stay as they are, byte for byte and in order.
func StripCookies(h http.Header) {
	lines := h["Cookie"]
	kept := lines[:0]
	for _, line := range lines {
		rest, cut := withoutOurs(line)
		if !cut || rest != "" {
			kept = append(kept, rest)
		}
	}
	if len(kept) == len(lines) {
		return
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

// OtherCookies is what StripCookies would leave of the cookies of a request, in one line. The header is not changed.
func OtherCookies(h http.Header) string {
	lines := h["Cookie"]
	if len(lines) == 1 {
		rest, _ := withoutOurs(lines[0])
		return rest
	}
	var kept []string
	for _, line := range lines {
		if rest, _ := withoutOurs(line); rest != "" {
			kept = append(kept, rest)
		}
	}
	return strings.Join(kept, "; ")
}

// StripSetCookies removes from the application's response headers whatever would set, replace or clear one of our cookies. A cookie
// without a name counts too: browsers send `=nightlatch=x` back as `nightlatch=x` (RFC 6265bis §5.8.3).
func StripSetCookies(h http.Header) {
	lines := h["Set-Cookie"]
	if !slices.ContainsFunc(lines, setsOurs) {
		return
	}
	// A copy: a handler may have put the same slice into every response.
	kept := slices.DeleteFunc(slices.Clone(lines), setsOurs)
	if len(kept) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}

func setsOurs(line string) bool {
	pair, _, _ := strings.Cut(line, ";")
	return isOurs(pair)
}

// withoutOurs returns a Cookie line without the pairs of ours, and whether there were any. Where they stand at either end, as they
// mostly do, the rest is a part of the line and nothing is copied.
func withoutOurs(line string) (rest string, cut bool) {
	for {
		pair, after, more := strings.Cut(line, ";")
		if !isOurs(pair) {
			break
		}
		if !more {
			return "", true
		}
		line, cut = strings.TrimLeft(after, " \t"), true
	}
	for {
		i := strings.LastIndexByte(line, ';')
		if i < 0 || !isOurs(line[i+1:]) {
			break
		}
		line, cut = line[:i], true
	}
	inside := false
	for pair := range strings.SplitSeq(line, ";") {
		inside = inside || isOurs(pair)
	}
	if !inside {
		return line, cut
	}
	var b strings.Builder
	b.Grow(len(line))
	separator := ""
	for pair := range strings.SplitSeq(line, ";") {
		if isOurs(pair) {
			continue
		}
		b.WriteString(separator)
		b.WriteString(pair)
		separator = ";"
	}
	return b.String(), true
}

// isOurs tells whether a cookie pair, of a request or of a Set-Cookie line, could be taken for one of ours by a browser or by an
// application: after blanks, quotes and equal signs in front, and in any case. It is wider than what Visit.Cookie reads, so what is
// read is always stripped.
func isOurs(pair string) bool {
	for pair != "" && (isJunk(pair[0]) || pair[0] == '=') {
		pair = pair[1:]
	}
	if pair == "" || pair[0] != '_' && pair[0]|0x20 != 'n' { // how our names begin; this settles it for most
		return false
	}
	name, _, _ := strings.Cut(pair, "=")
	for isJunk(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if len(name) == len(sharedSession) && strings.EqualFold(name, sharedSession) {
		return true
	}
	for _, names := range &cookieNames {
		for _, n := range names {
			if len(n) == len(name) && strings.EqualFold(n, name) {
				return true
			}
		}
	}
	return false
}

func isJunk(c byte) bool { return c <= ' ' || c == 0x7f || c == '"' }

func trimBlank(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// wellFormed tells whether a value could be one of ours: the base64url of RFC 4648 §5 with its padding.
func wellFormed(s string) bool {
	if s == "" || len(s) > maxCookieValue {
		return false
	}
	body := strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	for i := range len(body) {
		c := body[i]
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return body != ""
}
