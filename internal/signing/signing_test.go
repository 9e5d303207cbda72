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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/nightlatch/nightlatch/internal/signing"
)

// clock is moved by the test that made it.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

const epoch = 30 * 24 * time.Hour

// middle is a time in the middle of an epoch, and turn the beginning of the next one.
var (
	turn   = time.Unix(680*int64(epoch/time.Second), 0)
	middle = turn.Add(-epoch / 2)
)

func keysAt(at time.Time) (*signing.Keys, *clock) {
	c := &clock{at}
	return signing.NewKeys(bytes.Repeat([]byte("k"), 32), c.now), c
}

// set is what is published, by the names of the keys.
func set(t testing.TB, keys *signing.Keys) map[string]jose.JSONWebKey {
	t.Helper()
	body, err := keys.Set()
	if err != nil {
		t.Fatal(err)
	}
	var published jose.JSONWebKeySet
	if err := json.Unmarshal(body, &published); err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]jose.JSONWebKey)
	for _, k := range published.Keys {
		byName[k.KeyID] = k
	}
	if len(byName) != len(published.Keys) {
		t.Errorf("two keys of one name in %s", body)
	}
	return byName
}

// signedBy is the name of the key that signs now.
func signedBy(t testing.TB, keys *signing.Keys, a signing.Algorithm) string {
	t.Helper()
	token, err := keys.Sign(a, signing.Assertion, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Signatures[0].Header.KeyID
}

// JW-11: public members only, and names of our mark and what RFC 7638 gives.
func TestJW11PublishedKeysArePublic(t *testing.T) {
	keys, _ := keysAt(middle)
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
	for name, k := range set(t, keys) {
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
		keys, clock := keysAt(middle)
		before := signedBy(t, keys, a)
		clock.Time = turn
		after := signedBy(t, keys, a)
		if before == after {
			t.Fatalf("%s: the same key in two epochs", a)
		}
		for _, c := range []struct {
			at                  time.Duration // from the turn
			signs, hasNo, hasIt string
		}{
			{-epoch, before, after, before},
			{-24*time.Hour - time.Second, before, after, before},
			{-24 * time.Hour, before, "", after},
			{-time.Second, before, "", after},
			{0, after, "", before},
			{304 * time.Second, after, "", before},
			{305 * time.Second, after, before, after},
			{epoch - time.Second, after, before, after},
		} {
			clock.Time = turn.Add(c.at)
			published := set(t, keys)
			signs := signedBy(t, keys, a)
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
		clock.Time = middle
		if _, has := set(t, keys)[before]; !has || signedBy(t, keys, a) != before {
			t.Errorf("%s: after the clock was set back the key is not that of its epoch", a)
		}
	}
}

// After a restart, and on another machine with the same master key, the keys are the same; with another, all are others.
func TestKeysComeFromTheSecret(t *testing.T) {
	keys, _ := keysAt(middle)
	again, _ := keysAt(middle)
	other := signing.NewKeys(bytes.Repeat([]byte("o"), 32), func() time.Time { return middle })
	for name := range set(t, keys) {
		if _, has := set(t, again)[name]; !has {
			t.Errorf("%s is gone", name)
		}
		if _, has := set(t, other)[name]; has {
			t.Errorf("%s comes from another secret too", name)
		}
	}
	// These names must never change for this secret: after an upgrade the tokens of a moment ago would not be good any more.
	for a, want := range map[signing.Algorithm]string{signing.EdDSA: "nightlatch-Xa3VI6SIh_MDvGyDDq3x-CiNqdO9rvmaKJPsYdiaGAc", signing.ES256: "nightlatch-sFx1ecGZ7tJcJrQGq-P6KfnzD0xdMt-yPU1wgw47cAQ"} {
		if got := signedBy(t, keys, a); got != want {
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
	keys, _ := keysAt(middle)
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
	keys, clock := keysAt(turn.Add(-time.Second))
	token := accessToken(t, keys)
	for _, c := range []struct {
		at   time.Duration
		good bool
	}{{-time.Second, true}, {0, true}, {signing.MaxTokenLife, true}, {signing.MaxTokenLife + 5*time.Second, false}, {epoch, false}} {
		clock.Time = turn.Add(c.at)
		claims, err := keys.VerifyAccessToken(token)
		if c.good && (err != nil || string(claims) != `{"sub":"alice"}`) || !c.good && (err == nil || claims != nil) {
			t.Errorf("%s from the turn: got %s, %v; want good %t", c.at, claims, err, c.good)
		}
	}
}

// ASVS 9.1.1, 9.1.2, 9.1.3; JW-1 to JW-5, JW-7: nothing but the very token is one. Each of these is refused: another type, algorithm, key or
// header, one with a key inside, one bit, another spelling.
func TestJW1JW2JW4JW5JW7OnlyTheVeryTokenIsRead(t *testing.T) {
	keys, _ := keysAt(middle)
	token := accessToken(t, keys)
	parts := strings.Split(token, ".")
	assertion, err := keys.Sign(signing.EdDSA, signing.Assertion, map[string]string{"sub": "alice"})
	if err != nil {
		t.Fatal(err)
	}
	kid := signedBy(t, keys, signing.EdDSA)
	public, err := json.Marshal(set(t, keys)[kid])
	if err != nil {
		t.Fatal(err)
	}
	head := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) + "." + parts[1] + "." }
	foreign, _ := keysAt(middle)
	others := signing.NewKeys(bytes.Repeat([]byte("o"), 32), func() time.Time { return middle })
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
