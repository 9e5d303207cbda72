// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// Ambiguous tells whether the application may read the path of a request differently than the rules of the site do. Matchers look
// at a decoded path without dot segments, while the application gets the target as the client sent it and has its own idea of what
// a backslash, an encoded slash or a ";" means there. Where the two can differ, a rule that opens a door must not be believed.
//
// Both the target as sent and the target as it stands after the site's rewrites are looked at: the client chose the first and the
// application sees the second. These make a path ambiguous, raw or encoded: a dot segment, a backslash, ";", "#", a control byte or
// DEL, an empty segment, and a segment that ends in a dot or a space, which Windows drops. So do an encoded slash, dot, percent or
// "?", bytes that are not UTF-8, a "#" anywhere in the target, and a target that is no path. What follows "?" is no path and is
// otherwise left alone. It does not allocate.
func Ambiguous(r *http.Request, v visit.Visit) bool {
	return v.URL == nil || ambiguous(r.URL) || ambiguous(v.URL)
}

func ambiguous(u *url.URL) bool {
	return u.Opaque != "" || u.Fragment != "" || strings.IndexByte(u.RawQuery, '#') >= 0 ||
		ambiguousPath(u.Path) || hidesDelimiter(u.RawPath)
}

// destination is the path to which a request of WebDAV copies or moves something: an address, or its path (RFC 4918 section 10.3). plain tells
// whether everybody reads the same there: not where two slashes begin it, which are a host's to some and a path's to others, and not with a
// query. Which host an address has does not matter, since no application moves anything to another one.
func destination(lines []string) (path string, plain bool) {
	if len(lines) != 1 {
		return "", false
	}
	u, err := url.Parse(lines[0])
	if err != nil || ambiguous(u) || u.Scheme == "" && u.Host != "" || u.RawQuery != "" || u.ForceQuery {
		return "", false
	}
	return u.Path, true
}

// class is what a byte of a decoded path means to somebody, somewhere.
type class uint8

const (
	plain class = iota
	alarm       // read differently by different programs wherever it stands
	faint       // dropped by some at the end of a segment; dot segments end in it too
	slash
	high // part of a UTF-8 sequence, or not
)

var classes = func() (t [256]class) {
	for c := range t {
		switch {
		case c < ' ' || c == 0x7f:
			t[c] = alarm
		case c >= utf8.RuneSelf:
			t[c] = high
		}
	}
	// A percent sign in a decoded path was encoded, and whoever decodes twice sees something else. The same holds for "?", which
	// would end the path there.
	for _, c := range []byte(`\%;#?`) {
		t[c] = alarm
	}
	t['.'], t[' '], t['/'] = faint, faint, slash
	return t
}()

func ambiguousPath(p string) bool {
	if p == "" || p[0] != '/' {
		return true
	}
	last, text := slash, false
	for i := 1; i < len(p); i++ {
		c := classes[p[i]]
		switch {
		case c == alarm, c == slash && (last == slash || last == faint):
			return true
		case c == high:
			text = true
		}
		last = c
	}
	return last == faint || text && !utf8.ValidString(p)
}

// hidesDelimiter finds the two bytes that a decoded path shows without telling that they were encoded. net/url keeps RawPath
// whenever it is not the usual encoding of Path, and the usual encoding of neither byte is an escape.
func hidesDelimiter(raw string) bool {
	for {
		i := strings.IndexByte(raw, '%')
		if i < 0 || len(raw) < i+3 {
			return false
		}
		if raw[i+1] == '2' {
			switch raw[i+2] {
			case 'f', 'F', 'e', 'E':
				return true
			}
		}
		raw = raw[i+3:]
	}
}
