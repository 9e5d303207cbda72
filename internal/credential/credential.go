// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package credential says what the credentials of programs look like: access keys, access tokens and refresh tokens. Package auth makes them;
// package visit tells them from what is the application's, and keeps them from it. It goes by the shape of a text alone, and whether one opens
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

func all(s string, is func(c byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isLowerHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

// isBase64 knows the alphabet for URLs (RFC 4648 section 5).
func isBase64(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func isToken(c byte) bool { return isBase64(c) || c == '.' }
