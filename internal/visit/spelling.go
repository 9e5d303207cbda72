// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"net/url"
	"strings"
)

// PlainlySpelled tells whether a path is written in the only way in which we write ours. Everything else is nothing of ours, so that no
// cache, log or rule in front of us can take one path for another.
func PlainlySpelled(u *url.URL) bool {
	if u == nil || u.RawPath != "" || u.Opaque != "" || u.Fragment != "" {
		return false
	}
	previous := byte(0)
	for i := range len(u.Path) {
		c := u.Path[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
		switch {
		case letter:
		case c == '/' && previous != '/':
		case c == '.' && previous != '/' && previous != '.':
		case strings.HasPrefix(u.Path[i:], wellKnown) && previous == '/': // the one name of ours that begins with a dot
		default:
			return false
		}
		previous = c
	}
	return true
}

// wellKnown is the segment of RFC 8615.
const wellKnown = ".well-known/"
