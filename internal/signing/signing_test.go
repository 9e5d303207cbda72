// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/signing/signingtest"
)

// JW-11: public members only, and names of our mark and what RFC 7638 gives.
func TestJW11PublishedKeysArePublic(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	body, err := keys.Set()
	if err != nil {
		t.Fatal(err)
	}
	var published struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(body, &published); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"EdDSA OKP": {"alg", "crv", "kid", "kty", "use", "x"},
		"ES256 EC":  {"alg", "crv", "kid", "kty", "use", "x", "y"},
	}
	for _, k := range published.Keys {
		kind := k["alg"] + " " + k["kty"]
		if got := slices.Sorted(maps.Keys(k)); !slices.Equal(got, want[kind]) || k["use"] != "sig" {
			t.Errorf("a key %s has %q, use %q; want %q, sig", kind, got, k["use"], want[kind])
		}
		delete(want, kind)
	}
	if len(want) > 0 {
		t.Errorf("no key for %v in %s", want, body)
	}
	for name, k := range signingtest.Published(t, keys) {
		sum, err := k.Thumbprint(crypto.SHA256)
		if err != nil || name != "nightlatch-"+base64.RawURLEncoding.EncodeToString(sum) || !k.IsPublic() {
			t.Errorf("the key %q: thumbprint %x, %v, public %v", name, sum, err, k.IsPublic())
		}
	}
}

// JW-11: a verifier that keeps the set for five minutes, or asks once a day, knows each key before it signs, and a key is gone when no
// token of it can live.
func TestJW11KeysTurnWithOverlap(t *testing.T) {
	for _, a := range signing.Algorithms {
		keys, clock := signingtest.KeysAt(signingtest.Middle)
		before := signingtest.SignedBy(t, keys, a)
		clock.Time = signingtest.Turn
		after := signingtest.SignedBy(t, keys, a)
		if before == after {
			t.Fatalf("%s: the same key in two epochs", a)
		}
		for _, c := range []struct {
			at                  time.Duration // from the turn
			signs, hasNo, hasIt string
		}{
			{-signingtest.Epoch, before, after, before},
			{-24*time.Hour - time.Second, before, after, before},
			{-24 * time.Hour, before, "", after},
			{-time.Second, before, "", after},
			{0, after, "", before},
			{304 * time.Second, after, "", before},
			{305 * time.Second, after, before, after},
			{signingtest.Epoch - time.Second, after, before, after},
		} {
			clock.Time = signingtest.Turn.Add(c.at)
			published := signingtest.Published(t, keys)
			signs := signingtest.SignedBy(t, keys, a)
			if _, has := published[signs]; signs != c.signs || !has {
				t.Errorf("%s, %s from the turn: %s signs, published %v; want %s", a, c.at, signs, has, c.signs)
			}
			if _, has := published[c.hasIt]; !has {
				t.Errorf("%s, %s from the turn: %s is not published", a, c.at, c.hasIt)
			}
			if _, has := published[c.hasNo]; has {
				t.Errorf("%s, %s from the turn: %s is published", a, c.at, c.hasNo)
			}
		}
		// A clock that is set back signs with the key of that time, which is published again.
		clock.Time = signingtest.Middle
		if _, has := signingtest.Published(t, keys)[before]; !has || signingtest.SignedBy(t, keys, a) != before {
			t.Errorf("%s: after the clock was set back the key is not that of its epoch", a)
		}
	}
}

// After a restart, and on another machine with the same master key, the keys are the same; with another, all are others.
func TestKeysComeFromTheSecret(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	again, _ := signingtest.KeysAt(signingtest.Middle)
	other := signing.NewKeys(bytes.Repeat([]byte("o"), 32), func() time.Time { return signingtest.Middle })
	for name := range signingtest.Published(t, keys) {
		if _, has := signingtest.Published(t, again)[name]; !has {
			t.Errorf("%s is gone", name)
		}
		if _, has := signingtest.Published(t, other)[name]; has {
			t.Errorf("%s comes from another secret too", name)
		}
	}
	// These names must never change for this secret: after an upgrade the tokens of a moment ago would not be good any more.
	for a, want := range map[signing.Algorithm]string{signing.EdDSA: "nightlatch-Xa3VI6SIh_MDvGyDDq3x-CiNqdO9rvmaKJPsYdiaGAc", signing.ES256: "nightlatch-sFx1ecGZ7tJcJrQGq-P6KfnzD0xdMt-yPU1wgw47cAQ"} {
		if got := signingtest.SignedBy(t, keys, a); got != want {
			t.Errorf("%s: the key is %s, want %s", a, got, want)
		}
	}
}

// FIPS 186-5 appendix A.2.2: a candidate that is zero, or not below the order of the group, is thrown away and not reduced.
func TestScalarsOutOfRangeAreThrownAway(t *testing.T) {
	order := elliptic.P256().Params().N.FillBytes(make([]byte, 32))
	one := make([]byte, 32)
	one[31] = 1
	candidates := [][]byte{make([]byte, 32), order, bytes.Repeat([]byte{0xff}, 32), one}
	asked := 0
	key := signing.Scalar(func(try int) []byte { asked++; return candidates[try] })
	got, err := key.Bytes()
	if err != nil || !bytes.Equal(got, one) || asked != 4 {
		t.Errorf("got %x, %v after %d candidates; want %x after 4", got, err, asked, one)
	}
}

func TestSignRefusesAnUnknownAlgorithm(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	for _, a := range []signing.Algorithm{"", "none", "HS256", "RS256", "eddsa"} {
		if token, err := keys.Sign(a, signing.Assertion, map[string]string{}); err == nil || token != "" {
			t.Errorf("%q: got %q, want an error", a, token)
		}
	}
}

func accessToken(t testing.TB, keys *signing.Keys) string {
	t.Helper()
	token, err := keys.Sign(signing.EdDSA, signing.AccessToken, map[string]string{"sub": "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// An access token is read back as it was signed, across the turn of an epoch, and no longer than the key is published.
func TestAccessTokensAreReadBack(t *testing.T) {
	keys, clock := signingtest.KeysAt(signingtest.Turn.Add(-time.Second))
	token := accessToken(t, keys)
	for _, c := range []struct {
		at   time.Duration
		good bool
	}{{-time.Second, true}, {0, true}, {signing.MaxTokenLife, true}, {signing.MaxTokenLife + 5*time.Second, false}, {signingtest.Epoch, false}} {
		clock.Time = signingtest.Turn.Add(c.at)
		claims, err := keys.VerifyAccessToken(token)
		if c.good && (err != nil || string(claims) != `{"sub":"alice"}`) || !c.good && (err == nil || claims != nil) {
			t.Errorf("%s from the turn: got %s, %v; want good %t", c.at, claims, err, c.good)
		}
	}
}

// ASVS 9.1.1, 9.1.2, 9.1.3; JW-1 to JW-5, JW-7: nothing but the very token is one. Each of these is refused: another type, algorithm, key or
// header, one with a key inside, one bit, another spelling.
func TestJW1JW2JW4JW5JW7OnlyTheVeryTokenIsRead(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	token := accessToken(t, keys)
	parts := strings.Split(token, ".")
	assertion, err := keys.Sign(signing.EdDSA, signing.Assertion, map[string]string{"sub": "alice"})
	if err != nil {
		t.Fatal(err)
	}
	kid := signingtest.SignedBy(t, keys, signing.EdDSA)
	public, err := json.Marshal(signingtest.Published(t, keys)[kid])
	if err != nil {
		t.Fatal(err)
	}
	head := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) + "." + parts[1] + "." }
	foreign, _ := signingtest.KeysAt(signingtest.Middle)
	others := signing.NewKeys(bytes.Repeat([]byte("o"), 32), func() time.Time { return signingtest.Middle })
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, new(jose.SignerOptions).WithType("at+jwt").WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := hmac.Sign([]byte(`{"sub":"alice"}`))
	if err != nil {
		t.Fatal(err)
	}
	hs256, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	last := token[len(token)-1]
	for name, bad := range map[string]string{
		"empty": "", "dots": "..", "an assertion": assertion, "of other keys": accessToken(t, others), "HS256 with the public key": hs256,
		"none":             head(`{"alg":"none","kid":"` + kid + `","typ":"at+jwt"}`),
		"None":             head(`{"alg":"None","kid":"`+kid+`","typ":"at+jwt"}`) + parts[2],
		"no signature":     parts[0] + "." + parts[1] + ".",
		"two segments":     parts[0] + "." + parts[1],
		"four segments":    token + "." + parts[2],
		"a key inside":     head(`{"alg":"EdDSA","jwk":`+string(public)+`,"typ":"at+jwt"}`) + parts[2],
		"a path as key":    head(`{"alg":"EdDSA","kid":"../../dev/null","typ":"at+jwt"}`) + parts[2],
		"another order":    head(`{"typ":"at+jwt","alg":"EdDSA","kid":"`+kid+`"}`) + parts[2],
		"another payload":  parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"bob"}`)) + "." + parts[2],
		"padded":           token + "=",
		"a line end":       token + "\n",
		"another spelling": token[:len(token)-1] + string(last^1),
		"a blank in front": " " + token,
		"too long":         parts[0] + "." + strings.Repeat("A", 2<<10) + "." + parts[2],
		"crit":             head(`{"alg":"EdDSA","crit":["x"],"kid":"`+kid+`","typ":"at+jwt","x":1}`) + parts[2],
		"jku":              head(`{"alg":"EdDSA","jku":"https://evil.example/jwks.json","kid":"`+kid+`","typ":"at+jwt"}`) + parts[2],
		"x5c":              head(`{"alg":"EdDSA","kid":"`+kid+`","typ":"at+jwt","x5c":["AA=="]}`) + parts[2],
		"b64":              head(`{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"`+kid+`","typ":"at+jwt"}`) + parts[2],
		"a name twice":     head(`{"alg":"none","alg":"EdDSA","kid":"`+kid+`","typ":"at+jwt"}`) + parts[2],
		"an escape":        head(`{"alg":"EdDSA","kid":"`+kid+`","typ":"at\u002bjwt"}`) + parts[2],
		"a blank inside":   head(`{"alg":"EdDSA", "kid":"`+kid+`","typ":"at+jwt"}`) + parts[2],
		"ES256 by name":    head(`{"alg":"ES256","kid":"`+kid+`","typ":"at+jwt"}`) + parts[2],
		"an assertion's":   parts[0] + "." + strings.SplitN(assertion, ".", 2)[1],
		"a token inside":   parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(token)) + "." + parts[2],
		"the other S":      parts[0] + "." + parts[1] + "." + otherS(t, parts[2]),
		"a short S":        parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-2],
		"JSON":             `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
	} {
		if claims, err := keys.VerifyAccessToken(bad); !errors.Is(err, signing.ErrNotOurs) || claims != nil {
			t.Errorf("%s: got %s, %v; want ErrNotOurs", name, claims, err)
		}
	}
	if _, err := foreign.VerifyAccessToken(token); err != nil {
		t.Errorf("the same keys made anew: %v", err)
	}
}

// otherS is the other encoding that a signature of Ed25519 has where a verifier does not look for it: S and the order of the group (RFC 8032
// section 5.1.7).
func otherS(t *testing.T, signature string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || len(b) != 64 {
		t.Fatalf("the signature %q: %v", signature, err)
	}
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	slices.Reverse(b[32:])
	s := new(big.Int).SetBytes(b[32:])
	s.Add(s, order).FillBytes(b[32:])
	slices.Reverse(b[32:])
	return base64.RawURLEncoding.EncodeToString(b)
}
