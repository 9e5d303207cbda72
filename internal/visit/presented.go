// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/credential"
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
		if len(secrets) > 0 && pairs[i].isOurs(h) { // an id alone proves nothing, and gives nothing away
			c = inPair(h[pairs[i].id], secrets)
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

// isOurs tells whether a pair is one of ours, good or bad, also with its halves mixed up, and where one half has the name of another pair.
// Under the names of Cloudflare there may be one of theirs, which is nothing to us.
func (p *pair) isOurs(h http.Header) bool {
	ids, secrets := h[p.id], h[p.secret]
	return p.always || slices.ContainsFunc(ids, credential.HoldsKeyID) ||
		slices.ContainsFunc(secrets, credential.Holds) || slices.ContainsFunc(secrets, credential.HoldsKeyID) ||
		slices.ContainsFunc(pairs[:], func(other pair) bool {
			halved := len(ids) == 0 || len(h[other.secret]) == 0 // a whole one of ours may stand beside one of theirs
			return halved && slices.ContainsFunc(h[other.id], credential.HoldsKeyID)
		})
}

// inPair reads a pair. Cloudflare writes .access after its ids, so people write it after ours; and in place of the second half of a key,
// which is shown as one, they write the whole.
func inPair(ids, secrets []string) (c Credential) {
	if len(ids) != 1 || len(secrets) != 1 {
		return c
	}
	id, secret := strings.TrimSuffix(ids[0], ".access"), secrets[0]
	if whole, is := strings.CutPrefix(secret, id+credential.KeyJoint); is {
		secret = whole
	}
	if credential.IsKeyID(id) && credential.IsKeySecret(secret) {
		c.Token = id + credential.KeyJoint + secret
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
	case strings.EqualFold(scheme, "Bearer") && (credential.IsKey(rest) || credential.IsAccessToken(rest)):
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
	if credential.IsKey(password) {
		c = Credential{Token: password, Basic: true, User: user}
	}
	return c
}

// cutScheme parts a line at the spaces after the scheme (RFC 9110 section 11.4).
func cutScheme(line string) (scheme, rest string) {
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimLeft(line[i:], " ")
}
