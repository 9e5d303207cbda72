// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"cmp"
	"encoding/json"
	"errors"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// AssertionHeader is the request header with the signed token. It cannot be configured: what verifies it has to find it.
const AssertionHeader = "Nightlatch-Assertion"

const (
	tokenLife  = time.Minute
	tokenReuse = 30 * time.Second // so that each one that is sent lives for as long again, and costs a signature that seldom
)

// Assertion says how the application gets the signed token: a JWT (RFC 7519) that names the person and the one application that it is
// for, so that an application which somebody reaches around the gate, or to which another one passes its token on, can tell (ID-11, JW-12).
type Assertion struct {
	Algorithm signing.Algorithm
	Audience  string // empty: the address of the site, as visit.Visit.Site
}

// signed is an Assertion with what signs it.
type signed struct {
	Assertion
	keys func() (*signing.Keys, error)
}

// said are the claims of the token. docs/assertion.md describes them.
type said struct {
	Issuer   string   `json:"iss,omitempty"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	Expires  int64    `json:"exp"`
	Issued   int64    `json:"iat"`
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`
	Session  string   `json:"sid"`
	UserName string   `json:"preferred_username,omitempty"`
	Name     string   `json:"name,omitempty"`
	Email    string   `json:"email,omitempty"`
	Groups   []string `json:"groups"`
}

// token returns the token for a session at a site, the one of the last time where that is fresh enough. It is kept with the snapshot of
// the session, under all that it depends on: no two sites get each other's, and no token says what is no longer so.
func (a *signed) token(s *auth.Session, v visit.Visit) (string, error) {
	keys, err := a.keys()
	if err != nil {
		return "", err
	}
	audience := cmp.Or(a.Audience, v.Site)
	if audience == "" {
		return "", errors.New("the assertion has no audience, since the configuration does not name the host that was asked for; write one, as in: assertion { audience NAME }")
	}
	home, now := v.Home(), keys.Now()
	key := auth.CacheKey{Kind: string(a.Algorithm), From: home, For: audience}
	if token, ok := s.Cached(key, now); ok {
		return token, nil
	}
	proven := s.ProvenAt()
	if proven.IsZero() {
		proven = s.Created
	}
	token, err := keys.Sign(a.Algorithm, signing.Assertion, said{
		Issuer:   visit.Issuer(home),
		Subject:  cmp.Or(s.UserID, s.Key), // a service token is nobody's: it speaks for itself (RFC 9068 section 2.2)
		Audience: audience,
		Expires:  now.Add(tokenLife).Unix(),
		Issued:   now.Unix(),
		AuthTime: proven.Unix(),
		AMR:      auth.AMR(s.Proofs),
		Session:  s.ID,
		UserName: s.Name,
		Name:     s.FullName,
		Email:    s.Email,
		Groups:   append([]string{}, s.Groups...), // never null
	})
	if err != nil {
		return "", err
	}
	s.Cache(key, token, now, tokenReuse)
	return token, nil
}

// Discovery returns the document by which a verifier finds the keys of an issuer, as JSON. It says what of OpenID Connect Discovery 1.0
// section 3 is true here. That also requires an authorization_endpoint, a token_endpoint and response_types_supported: nobody can ask us
// for a token, so there are none, and libraries which only verify do without. It requires RS256 among the algorithms, with which nothing
// is signed.
func Discovery(issuer string) []byte {
	document, err := json.Marshal(struct {
		Issuer       string              `json:"issuer"`
		KeySet       string              `json:"jwks_uri"`
		SubjectTypes []string            `json:"subject_types_supported"`
		Algorithms   []signing.Algorithm `json:"id_token_signing_alg_values_supported"`
	}{issuer, issuer + "/jwks.json", []string{"public"}, signing.Algorithms})
	if err != nil {
		panic("identity: strings did not encode: " + err.Error())
	}
	return document
}
