// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"net/http"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/credential"
)

// StripAuthorization removes the lines of Authorization that hold something of ours from a request that goes on to the application, which
// must never get a visitor's credential (ID-12; CVE-2026-41181 in a peer), good or bad. It is wider than what Presented reads. All other lines
// stay as they are, byte for byte. What is in a pair of headers goes by the name, see package identity.
//
// Proxy-Authorization is not read, but who mistakes it for the other one has sent their secret all the same.
func StripAuthorization(h http.Header) {
	for _, name := range [...]string{"Authorization", "Proxy-Authorization"} {
		lines := h[name]
		if !slices.ContainsFunc(lines, authorizes) {
			continue
		}
		// A copy: who keeps the header of the request, such as a log, has the same slice.
		if kept := slices.DeleteFunc(slices.Clone(lines), authorizes); len(kept) > 0 {
			h[name] = kept
		} else {
			delete(h, name)
		}
	}
}

// OtherAuthorization is what StripAuthorization would leave of Authorization: nil where there was none, and one empty line in place of those
// that it would remove, where it would leave nothing. The header is not changed.
func OtherAuthorization(h http.Header) []string {
	lines := slices.DeleteFunc(slices.Clone(h["Authorization"]), authorizes)
	if len(lines) == 0 && len(h["Authorization"]) > 0 {
		return []string{""}
	}
	return lines
}

// InPair tells whether an access key is presented in a pair of headers, good or bad, or stands as a whole where only its id belongs.
func InPair(h http.Header) bool {
	for i := range pairs {
		if len(h[pairs[i].secret]) > 0 && pairs[i].isOurs(h) || slices.ContainsFunc(h[pairs[i].id], holdsOurs) {
			return true
		}
	}
	return false
}

// SecretHeaders are the headers that hold the secret of an access key, besides Authorization.
func SecretHeaders() (names []string) {
	for i := range pairs {
		names = append(names, pairs[i].secret)
	}
	return names
}

// authorizes tells whether a line of Authorization holds something of ours, wherever it stands in it. HTTP/2 and HTTP/3 carry a value with
// the spaces around it, which are gone when it is sent on, and some read a list as one credential after the other.
func authorizes(line string) bool {
	return holdsOurs(line) || namesBasic(line) && holdsEncoded(line)
}

// namesBasic tells whether the scheme of passwords stands anywhere in a line.
func namesBasic(line string) bool {
	const basic = "basic"
	for i := 0; i+len(basic) <= len(line); i++ {
		if line[i]|0x20 == basic[0] && strings.EqualFold(line[i:i+len(basic)], basic) {
			return true
		}
	}
	return false
}

// holdsOurs tells whether an access token, an access key or a refresh token begins anywhere in s, whole or not: what was copied badly is
// nearly the secret.
func holdsOurs(s string) bool {
	for rest := s; ; {
		i := strings.Index(rest, credential.AccessBegin)
		if i < 0 {
			break
		}
		if credential.BeginsAccessToken(rest[i:]) {
			return true
		}
		rest = rest[i+1:]
	}
	return holdsKey(s, true) || holdsRefresh(s)
}

// refreshPart is how many bytes come after the mark of a refresh token that was cut off, and not after a mark that is part of a name. Such a
// token is for the API alone: one in place of an access token is a mistake, and worth more than that.
const refreshPart = 32

// holdsRefresh tells whether a refresh token begins anywhere in s, where no other token is under way, in which its mark may stand by chance.
func holdsRefresh(s string) bool {
	for at := 0; ; at += len(credential.RefreshMark) {
		i := strings.Index(s[at:], credential.RefreshMark)
		if i < 0 {
			return false
		}
		at += i
		rest := s[at+len(credential.RefreshMark):]
		if (at == 0 || !only(s[at-1:at], tokenBytes)) && len(rest) >= refreshPart && only(rest[:refreshPart], base64Bytes) {
			return true
		}
	}
}

// holdsID tells whether the id of an access key stands anywhere in s.
func holdsID(s string) bool { return holdsKey(s, false) }

func holdsKey(s string, withSecret bool) bool {
	for {
		i := strings.Index(s, credential.KeyMark)
		if i < 0 || len(s) < i+credential.KeyIDLength {
			return false
		}
		if only(s[i+len(credential.KeyMark):i+credential.KeyIDLength], hexBytes) && (!withSecret || strings.HasPrefix(s[i+credential.KeyIDLength:], credential.KeyJoint)) {
			return true
		}
		s = s[i+1:]
	}
}

// holdsEncoded is holdsOurs for what somebody may read in base64: of either alphabet, padded or not, with anything in between, and from
// wherever they begin to read.
func holdsEncoded(s string) bool {
	var space [512]byte
	for from := range 4 {
		if holdsOurs(string(decodeFrom(from, s, space[:0]))) {
			return true
		}
	}
	return false
}

// decodeFrom appends to text what s says from one of its digits on.
func decodeFrom(digit int, s string, text []byte) []byte {
	bits, n := uint32(0), -6*digit
	for i := range len(s) {
		v := base64Value[s[i]]
		if v > 63 {
			continue
		}
		if n += 6; n <= 0 {
			continue // before that digit
		}
		bits = bits<<6 | uint32(v)
		if n >= 8 {
			n -= 8
			text = append(text, byte(bits>>n))
		}
	}
	return text
}

// base64Value has what a byte stands for in either alphabet of RFC 4648, and 255 for those that are in neither.
var base64Value = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = byte(i)
	}
	t['-'], t['_'] = 62, 63
	return t
}()
