// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// Credential is what a program presents with a request, where a browser has a cookie.
type Credential struct {
	// Token is an access token or an access key, for auth.Service.Bearer. It is empty where something of ours is presented that does not
	// say clearly what it is: two of them, one in a list, one that is cut off. That proves nothing.
	Token string
	// Basic says that the token came as a password (RFC 7617), and User with which user name.
	Basic bool
	User  string
}

// Presented reads what a program presents with a request: an access token or an access key as a Bearer token (RFC 6750 section 2.1), an
// access key as the password of Basic, or an access key in one of the two pairs of headers. Nothing is read from the query or the body,
// which stand in logs (SE-16; RFC 9700 section 4.3.2).
//
// found tells whether anything of ours is there at all. Where it is, it alone counts: whoever presents something bad is not somebody by the
// cookie beside it. What has not the shape of ours is the application's: the token of another issuer, the password of a person (MF-5). It is
// as if it were not there.
//
// It does not allocate where there is nothing of ours, nor for a Bearer token.
func Presented(h http.Header) (c Credential, found bool) {
	n := 0
	if lines := h["Authorization"]; len(lines) > 0 {
		c, n = inAuthorization(lines)
	}
	for i := range pairs {
		secrets := h[pairs[i].secret]
		if len(secrets) == 0 {
			continue // an id alone proves nothing, and gives nothing away
		}
		if ids := h[pairs[i].id]; pairs[i].isOurs(ids, secrets) {
			c = inPair(ids, secrets)
			n++
		}
	}
	if n > 1 {
		return Credential{}, true // one of them is a mistake, or somebody else's, and nobody can tell which
	}
	return c, n == 1
}

// pairs are the headers that hold an access key in two parts, as net/http writes them. Those of Cloudflare Access are what many
// applications for telephones already know to send.
var pairs = [...]pair{
	{"Nightlatch-Client-Id", "Nightlatch-Client-Secret", true},
	{"Cf-Access-Client-Id", "Cf-Access-Client-Secret", false},
}

type pair struct {
	id, secret string
	always     bool // under these names there is nothing but ours
}

// SecretHeaders are the headers that hold the secret of an access key, besides Authorization.
func SecretHeaders() (names []string) {
	for i := range pairs {
		names = append(names, pairs[i].secret)
	}
	return names
}

// InPair tells whether an access key is presented in a pair of headers, good or bad, or stands as a whole where only its id belongs.
func InPair(h http.Header) bool {
	for i := range pairs {
		ids, secrets := h[pairs[i].id], h[pairs[i].secret]
		if len(secrets) > 0 && pairs[i].isOurs(ids, secrets) || slices.ContainsFunc(ids, holdsOurs) {
			return true
		}
	}
	return false
}

// isOurs tells whether a pair is one of ours, good or bad, also with its halves mixed up. Under the names of Cloudflare there may be one of
// theirs, which is nothing to us.
func (p *pair) isOurs(ids, secrets []string) bool {
	return p.always || slices.ContainsFunc(ids, holdsID) || slices.ContainsFunc(secrets, holdsOurs) || slices.ContainsFunc(secrets, holdsID)
}

// inPair reads a pair. Cloudflare writes .access after its ids, so people write it after ours; and in place of the second half of a key,
// which is shown as one, they write the whole.
func inPair(ids, secrets []string) (c Credential) {
	if len(ids) != 1 || len(secrets) != 1 {
		return c
	}
	id, secret := strings.TrimSuffix(ids[0], ".access"), secrets[0]
	if whole, is := strings.CutPrefix(secret, id+"_"); is {
		secret = whole
	}
	if isKeyID(id) && isKeySecret(secret) {
		c.Token = id + "_" + secret
	}
	return c
}

// inAuthorization reads the lines of Authorization, and returns how many of them hold something of ours.
func inAuthorization(lines []string) (c Credential, n int) {
	if len(lines) > 1 { // some read the first line and some the last
		for _, line := range lines {
			if authorizes(line) {
				n++
			}
		}
		return c, n
	}
	switch scheme, rest := cutScheme(lines[0]); {
	case strings.EqualFold(scheme, "Bearer") && (isKey(rest) || isAccessToken(rest)):
		return Credential{Token: rest}, 1
	case !authorizes(lines[0]):
		return c, 0
	case strings.EqualFold(scheme, "Basic"):
		return inBasic(rest), 1
	}
	return c, 1
}

// inBasic reads user name and password as RFC 7617 has them, and no other way.
func inBasic(encoded string) (c Credential) {
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return c
	}
	user, password, _ := strings.Cut(string(text), ":")
	if isKey(password) {
		c = Credential{Token: password, Basic: true, User: user}
	}
	return c
}

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

// refreshMark begins a refresh token, which is for the API alone. One in place of an access token is a mistake, and worth more than that.
const refreshMark = "nlr_"

// authorizes tells whether a line of Authorization holds something of ours.
func authorizes(line string) bool {
	scheme, rest := cutScheme(line)
	return holdsOurs(line) || strings.EqualFold(scheme, "Basic") && holdsEncoded(rest) || strings.HasPrefix(rest, refreshMark)
}

// cutScheme parts a line at the spaces after the scheme (RFC 9110 section 11.4).
func cutScheme(line string) (scheme, rest string) {
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimLeft(line[i:], " ")
}

// The header of each access token: its key has a name of this length that begins so, see package signing. It is told by its two ends, so no
// key has to be known, and a token of a key that is gone is ours as well.
const (
	tokenKeyName = len("nightlatch-") + 43
	tokenHeader  = len(`{"alg":"EdDSA","kid":"","typ":"at+jwt"}`) + tokenKeyName
)

var (
	tokenBegin = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"nightlatch-`))
	tokenEnd   = base64.RawURLEncoding.EncodeToString([]byte(`"typ":"at+jwt"}`)) + "."
	tokenEndAt = base64.RawURLEncoding.EncodedLen(tokenHeader) + len(".") - len(tokenEnd)
)

// beginsToken tells whether s begins with the header of an access token.
func beginsToken(s string) bool {
	return strings.HasPrefix(s, tokenBegin) && len(s) > tokenEndAt && strings.HasPrefix(s[tokenEndAt:], tokenEnd)
}

func isAccessToken(s string) bool {
	return beginsToken(s) && only(s, tokenBytes)
}

// An access key is its id and its secret, with an underscore between them, see package auth.
const (
	keyMark   = "nlk"
	keyID     = len(keyMark) + 16
	keySecret = 43
)

func isKey(s string) bool {
	return len(s) == keyID+1+keySecret && s[keyID] == '_' && isKeyID(s[:keyID]) && isKeySecret(s[keyID+1:])
}

func isKeyID(s string) bool {
	return len(s) == keyID && s[:len(keyMark)] == keyMark && only(s[len(keyMark):], lowerHexBytes)
}

func isKeySecret(s string) bool { return len(s) == keySecret && only(s, base64Bytes) }

// holdsOurs tells whether an access token or an access key begins anywhere in s, whole or not: what was copied badly is nearly the secret.
func holdsOurs(s string) bool {
	for rest := s; ; {
		i := strings.Index(rest, tokenBegin)
		if i < 0 {
			break
		}
		if beginsToken(rest[i:]) {
			return true
		}
		rest = rest[i+1:]
	}
	return holdsKey(s, true)
}

// holdsID tells whether the id of an access key stands anywhere in s.
func holdsID(s string) bool { return holdsKey(s, false) }

func holdsKey(s string, withSecret bool) bool {
	for {
		i := strings.Index(s, keyMark)
		if i < 0 || len(s) < i+keyID {
			return false
		}
		if only(s[i+len(keyMark):i+keyID], hexBytes) && (!withSecret || strings.HasPrefix(s[i+keyID:], "_")) {
			return true
		}
		s = s[i+1:]
	}
}

// holdsEncoded is holdsOurs for what somebody may read in base64: of either alphabet, padded or not, with anything in between.
func holdsEncoded(s string) bool {
	var space [512]byte
	text := space[:0]
	bits, n := uint32(0), 0
	for i := range len(s) {
		v := base64Value[s[i]]
		if v > 63 {
			continue
		}
		bits, n = bits<<6|uint32(v), n+6
		if n >= 8 {
			n -= 8
			text = append(text, byte(bits>>n))
		}
	}
	return holdsOurs(string(text))
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
