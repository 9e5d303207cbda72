// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package credential says what the credentials of programs look like: access keys, access tokens and refresh tokens. Package auth makes them;
// package visit finds them among what is the application's, and keeps them from it. It goes by the shape of a text alone, and whether one opens
// anything is for auth to say.
package credential

import (
	"encoding/base64"
	"strings"
)

// An access key is its id, which is KeyMark and hexadecimal digits, KeyJoint, and its secret in base64url. A scanner for leaked secrets can find
// that.
const (
	KeyMark         = "nlk"
	KeyJoint        = "_"
	KeyIDLength     = len(KeyMark) + 16
	KeySecretLength = 43
	KeyLength       = KeyIDLength + len(KeyJoint) + KeySecretLength
)

// IsKey tells whether a text has the shape of an access key.
func IsKey(s string) bool {
	return len(s) == KeyLength && IsKeyID(s[:KeyIDLength]) && s[KeyIDLength:KeyIDLength+len(KeyJoint)] == KeyJoint && IsKeySecret(s[KeyIDLength+len(KeyJoint):])
}

// IsKeyID tells whether a text has the shape of the id of an access key, which no id of a session has.
func IsKeyID(s string) bool {
	return len(s) == KeyIDLength && strings.HasPrefix(s, KeyMark) && all(s[len(KeyMark):], isLowerHex)
}

// IsKeySecret tells whether a text has the shape of the secret of an access key.
func IsKeySecret(s string) bool { return len(s) == KeySecretLength && all(s, isBase64) }

// RefreshMark begins each refresh token.
const RefreshMark = "nlr_"

// SigningMark begins the name of each key that signs. By it an access token is told without any key, and so one whose key is gone is known too.
const SigningMark = "nightlatch-"

// The header of each access token has the name of its key between AccessBegin and accessEnd: SigningMark, and a SHA-256 in base64url.
const accessHeader = len(`{"alg":"EdDSA","kid":"","typ":"at+jwt"}`) + len(SigningMark) + 43

var (
	// AccessBegin begins each access token, and some texts that are none.
	AccessBegin = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"` + SigningMark))

	accessEnd   = base64.RawURLEncoding.EncodeToString([]byte(`"typ":"at+jwt"}`)) + "."
	accessEndAt = base64.RawURLEncoding.EncodedLen(accessHeader) + len(".") - len(accessEnd)
)

// BeginsAccessToken tells whether a text begins with the header of an access token.
func BeginsAccessToken(s string) bool {
	return strings.HasPrefix(s, AccessBegin) && len(s) > accessEndAt && strings.HasPrefix(s[accessEndAt:], accessEnd)
}

// IsAccessToken tells whether a text has the shape of an access token, which no access key and no value of a cookie has.
func IsAccessToken(s string) bool { return BeginsAccessToken(s) && all(s, isToken) }

// Holds tells whether an access token, an access key or a refresh token begins anywhere in s, whole or not: what was copied badly is nearly the
// secret. It does not allocate.
func Holds(s string) bool {
	// By the first bytes alone, which are found sooner than a whole mark.
	return holds(s, AccessBegin[:3], func(s string, at int) bool { return BeginsAccessToken(s[at:]) }) ||
		holds(s, KeyMark[:2], func(s string, at int) bool { return beginsKey(s[at:]) || beginsRefresh(s, at) })
}

// HoldsKeyID tells whether the id of an access key stands anywhere in s.
func HoldsKeyID(s string) bool {
	return holds(s, KeyMark, func(s string, at int) bool { return beginsKeyID(s[at:]) })
}

// MayBegin tells whether three bytes, the first of them the highest, begin something that Holds finds. Where no three bytes do, there is nothing
// of ours.
func MayBegin(three uint32) bool {
	switch three {
	case 'n'<<16 | 'l'<<8 | 'k', 'n'<<16 | 'l'<<8 | 'r', 'e'<<16 | 'y'<<8 | 'J':
		return true
	}
	return false
}

func holds(s, mark string, begins func(s string, at int) bool) bool {
	for at := 0; ; at += len(mark) {
		i := strings.Index(s[at:], mark)
		if i < 0 {
			return false
		}
		if at += i; begins(s, at) {
			return true
		}
	}
}

func beginsKey(s string) bool { return beginsKeyID(s) && strings.HasPrefix(s[KeyIDLength:], KeyJoint) }

// beginsKeyID takes digits of either case: an id that somebody wrote anew is still one.
func beginsKeyID(s string) bool {
	return len(s) >= KeyIDLength && strings.HasPrefix(s, KeyMark) && all(s[len(KeyMark):KeyIDLength], isHex)
}

// refreshPart is how many bytes come after the mark of a refresh token that was cut off, and not after a mark that is part of a name. Such a
// token is for the API alone: one in place of an access token is a mistake, and worth more than that.
const refreshPart = 32

// beginsRefresh wants no other token to be under way, in which the mark may stand by chance.
func beginsRefresh(s string, at int) bool {
	rest, marked := strings.CutPrefix(s[at:], RefreshMark)
	return marked && (at == 0 || !isToken(s[at-1])) && len(rest) >= refreshPart && all(rest[:refreshPart], isBase64)
}

func all(s string, is func(c byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isLowerHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

func isHex(c byte) bool { return isLowerHex(c) || 'A' <= c && c <= 'F' }

// isBase64 knows the alphabet for URLs (RFC 4648 section 5).
func isBase64(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func isToken(c byte) bool { return isBase64(c) || c == '.' }
