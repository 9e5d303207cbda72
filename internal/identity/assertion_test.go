// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/signing/signingtest"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// at is a visit of a site.
func at(origin string) visit.Visit { return visit.Visit{Origin: origin, Site: origin} }

const wiki, mail = "https://wiki.example.test", "https://mail.example.test:8443"

// asserting is a Teller that signs.
func asserting(t testing.TB, keys *signing.Keys, a identity.Assertion) *identity.Teller {
	t.Helper()
	return teller(t, identity.Defaults).With(a, func() (*signing.Keys, error) { return keys, nil })
}

// tell returns the token that a request carries.
func tell(t testing.TB, told *identity.Teller, s *auth.Session, v visit.Visit) string {
	t.Helper()
	r := request(http.Header{})
	if err := told.Tell(r, s, v); err != nil {
		t.Fatal(err)
	}
	values := r.Header["Nightlatch-Assertion"]
	if len(values) != 1 {
		t.Fatalf("got %q, want one token", values)
	}
	return values[0]
}

// read checks a token as an application does, and returns its header and claims.
func read(t testing.TB, keys *signing.Keys, token string) (header, claims map[string]any) {
	t.Helper()
	parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	key, found := signingtest.Published(t, keys)[parsed.Signatures[0].Header.KeyID]
	if !found || key.Algorithm != parsed.Signatures[0].Header.Algorithm {
		t.Fatalf("the key of %+v is not published", parsed.Signatures[0].Header)
	}
	payload, err := parsed.Verify(key)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(token, ".")
	head, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]*map[string]any{string(head): &header, string(payload): &claims} {
		if err := json.Unmarshal([]byte(from), to); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// JW-6, JW-12, ID-11: what a token says, all of it: whose it is, for whom, and that it ends soon.
func TestAssertion(t *testing.T) {
	signedIn, typed := signingtest.Middle.Add(-3*time.Hour), signingtest.Middle.Add(-2*time.Minute)
	s := &auth.Session{
		ID: "00112233", UserID: "u1", Name: "alice", FullName: "Alice Añez", Email: "alice@example.test", Groups: []string{"admins", "staff"}, GroupList: "admins,staff",
		Created: signedIn, Proofs: []auth.Proof{{Method: auth.Password, At: signedIn}, {Method: auth.TOTP, At: typed}},
	}
	for _, c := range []struct {
		name      string
		assertion identity.Assertion
		session   *auth.Session
		visit     visit.Visit
		want      map[string]any // besides the header and the times
	}{
		{"all of it", identity.Assertion{Algorithm: signing.EdDSA}, s, at(wiki), map[string]any{
			"iss": wiki + "/_nightlatch", "aud": wiki, "sub": "u1", "preferred_username": "alice", "name": "Alice Añez", "email": "alice@example.test",
			"groups": []any{"admins", "staff"}, "sid": "00112233", "amr": []any{"pwd", "otp", "mfa"}, "auth_time": float64(signedIn.Unix()),
		}},
		{"another algorithm, audience and issuer", identity.Assertion{Algorithm: signing.ES256, Audience: "payroll"}, s,
			visit.Visit{Origin: mail, Site: mail, Portal: "https://auth.example.test"}, map[string]any{
				"iss": "https://auth.example.test/_nightlatch", "aud": "payroll", "sub": "u1", "preferred_username": "alice", "name": "Alice Añez",
				"email": "alice@example.test", "groups": []any{"admins", "staff"}, "sid": "00112233", "amr": []any{"pwd", "otp", "mfa"}, "auth_time": float64(signedIn.Unix()),
			}},
		{"hardly anything", identity.Assertion{Algorithm: signing.EdDSA, Audience: "payroll"},
			&auth.Session{ID: "44556677", UserID: "u2", Name: "bob", Created: signedIn, Proofs: []auth.Proof{{Method: auth.Password, At: signedIn}}}, visit.Visit{},
			map[string]any{
				"aud": "payroll", "sub": "u2", "preferred_username": "bob", "groups": []any{}, "sid": "44556677", "amr": []any{"pwd"}, "auth_time": float64(signedIn.Unix()),
			}},
		{"an app password", identity.Assertion{Algorithm: signing.EdDSA},
			&auth.Session{ID: "nlk0123456789abcdef", Key: "nlk0123456789abcdef", KeyLevel: auth.LevelTwoFactor, Program: true, UserID: "u2", Name: "bob", Created: signedIn,
				Proofs: []auth.Proof{{Method: auth.AppPassword, At: signedIn}}}, at(wiki),
			map[string]any{
				"iss": wiki + "/_nightlatch", "aud": wiki, "sub": "u2", "preferred_username": "bob", "groups": []any{}, "sid": "nlk0123456789abcdef",
				"amr": []any{"app_password"}, "auth_time": float64(signedIn.Unix()),
			}},
		{"a service token", identity.Assertion{Algorithm: signing.EdDSA},
			&auth.Session{ID: "nlk0123456789abcdef", Key: "nlk0123456789abcdef", KeyLevel: auth.LevelTwoFactor, Program: true, Created: signedIn,
				Proofs: []auth.Proof{{Method: auth.ServiceToken, At: signedIn}}}, at(wiki),
			map[string]any{
				"iss": wiki + "/_nightlatch", "aud": wiki, "sub": "nlk0123456789abcdef", "groups": []any{}, "sid": "nlk0123456789abcdef",
				"amr": []any{"service_token"}, "auth_time": float64(signedIn.Unix()),
			}},
		{"a host within a pattern", identity.Assertion{Algorithm: signing.EdDSA}, &auth.Session{UserID: "u2", Name: "bob", Created: signedIn},
			visit.Visit{Site: "https://a.apps.example.test"}, map[string]any{
				"iss": "https://a.apps.example.test/_nightlatch", "aud": "https://a.apps.example.test", "sub": "u2", "preferred_username": "bob", "groups": []any{}, "sid": "",
				"amr": []any{}, "auth_time": float64(signedIn.Unix()),
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, _ := signingtest.KeysAt(signingtest.Middle)
			header, claims := read(t, keys, tell(t, asserting(t, keys, c.assertion), c.session, c.visit))
			kid := signingtest.SignedBy(t, keys, c.assertion.Algorithm)
			if want := map[string]any{"alg": string(c.assertion.Algorithm), "typ": "JWT", "kid": kid}; !maps.Equal(header, want) {
				t.Errorf("header %v, want %v", header, want)
			}
			c.want["iat"], c.want["exp"] = float64(signingtest.Middle.Unix()), float64(signingtest.Middle.Unix()+60)
			if got, want := fmt.Sprint(claims), fmt.Sprint(c.want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// What was proven, in words that a verifier may know (RFC 8176).
func TestAssertionTellsMethods(t *testing.T) {
	proofs := func(methods ...auth.Method) (list []auth.Proof) {
		for _, m := range methods {
			list = append(list, auth.Proof{Method: m, At: signingtest.Middle})
		}
		return list
	}
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	for want, proven := range map[string][]auth.Proof{
		"[pwd]":                         proofs(auth.Password),
		"[pwd otp mfa]":                 proofs(auth.Password, auth.TOTP),
		"[pwd email mfa]":               proofs(auth.Password, auth.Email),
		"[pwd webhook mfa]":             proofs(auth.Password, auth.Webhook),
		"[pwd backup_code mfa]":         proofs(auth.Password, auth.BackupCode),
		"[pwd trusted_browser]":         proofs(auth.Password, auth.TrustedBrowser),
		"[pwd otp email mfa]":           proofs(auth.Password, auth.TOTP, auth.Email),
		"[trusted_browser pwd otp mfa]": proofs(auth.TrustedBrowser, auth.Password, auth.TOTP),
	} {
		_, claims := read(t, keys, tell(t, asserting(t, keys, identity.Assertion{Algorithm: signing.EdDSA}), &auth.Session{Name: "bob", Proofs: proven}, at(wiki)))
		if got := fmt.Sprint(claims["amr"]); got != want {
			t.Errorf("amr %s, want %s", got, want)
		}
	}
}

// ASVS 9.2.1: a token is used again for 30 seconds, so each one that is sent has at least 30 left, and then there is a new one.
func TestASVS9_2_1AssertionIsReused(t *testing.T) {
	keys, clock := signingtest.KeysAt(signingtest.Middle)
	told := asserting(t, keys, identity.Assertion{Algorithm: signing.ES256}) // whose signatures all differ
	s := &auth.Session{Name: "alice"}
	first := tell(t, told, s, at(wiki))
	for after, same := range map[time.Duration]bool{0: true, 29 * time.Second: true, 29999 * time.Millisecond: true, 30 * time.Second: false, -time.Second: false} {
		s := &auth.Session{Name: "alice"}
		clock.Time = signingtest.Middle
		first := tell(t, told, s, at(wiki))
		clock.Time = signingtest.Middle.Add(after)
		if got := tell(t, told, s, at(wiki)); (got == first) != same {
			t.Errorf("after %s: the same token %v, want %v", after, got == first, same)
		}
	}
	clock.Time = signingtest.Middle
	if tell(t, told, &auth.Session{Name: "alice"}, at(wiki)) == first {
		t.Error("another snapshot of the session has the same token")
	}
}

// JW-12, ID-18, JW-10, ASVS 9.2.4: sites that share a session, a person and every other thing never share a token, however many there are and
// whoever comes first; and each keeps its own.
func TestJW12SitesDoNotShareTokens(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	s := &auth.Session{Name: "alice"}
	type site struct {
		told  *identity.Teller
		visit visit.Visit
		want  [3]string // alg, iss, aud
	}
	var sites []site
	for _, a := range signing.Algorithms {
		for _, origin := range []string{wiki, mail} {
			for _, portal := range []string{"", "https://auth.example.test"} {
				v := visit.Visit{Origin: origin, Site: origin, Portal: portal}
				sites = append(sites, site{asserting(t, keys, identity.Assertion{Algorithm: a}), v, [3]string{string(a), visit.Issuer(v.Home()), origin}})
			}
		}
	}
	first := make(map[[3]string]string)
	for _, x := range sites {
		first[x.want] = tell(t, x.told, s, x.visit)
	}
	var crowd sync.WaitGroup
	for i := range 64 {
		crowd.Go(func() {
			for j := range 64 {
				x := sites[(i+j)%len(sites)]
				r := request(http.Header{})
				if err := x.told.Tell(r, s, x.visit); err != nil || r.Header.Get("Nightlatch-Assertion") != first[x.want] {
					t.Errorf("%v: another token, %v", x.want, err)
				}
				r.Header["Nightlatch-Assertion"][0] = "changed by a handler"
			}
		})
	}
	crowd.Wait()
	for want, token := range first {
		header, claims := read(t, keys, token)
		if got := [3]string{header["alg"].(string), claims["iss"].(string), claims["aud"].(string)}; got != want {
			t.Errorf("got the token %v, want %v", got, want)
		}
	}
}

// More sites than a session keeps tokens for cost signatures and nothing else.
func TestAssertionForManySites(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	s, told := &auth.Session{Name: "alice"}, asserting(t, keys, identity.Assertion{Algorithm: signing.EdDSA})
	for round := range 3 {
		for i := range 20 {
			origin := fmt.Sprintf("https://app%d.example.test", i)
			if _, claims := read(t, keys, tell(t, told, s, at(origin))); claims["aud"] != origin {
				t.Errorf("round %d: %s was told aud %v", round, origin, claims["aud"])
			}
		}
	}
}

// No token, no request: the headers that anybody may read are not sent either.
func TestAssertionFailsClosed(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	broken := errors.New("no keys")
	for name, c := range map[string]struct {
		told *identity.Teller
		v    visit.Visit
	}{
		"no keys":           {teller(t, identity.Defaults).With(identity.Assertion{Algorithm: signing.EdDSA}, func() (*signing.Keys, error) { return nil, broken }), at(wiki)},
		"no audience":       {asserting(t, keys, identity.Assertion{Algorithm: signing.EdDSA}), at("")},
		"unknown algorithm": {asserting(t, keys, identity.Assertion{Algorithm: "none"}), at(wiki)},
	} {
		r := request(http.Header{"Nightlatch-Assertion": {"forged"}, "Remote-User": {"root"}})
		if err := c.told.Tell(r, alice, c.v); err == nil || len(r.Header) != 0 {
			t.Errorf("%s: got %v and headers %v, want an error and none", name, err, r.Header)
		}
		// Where nobody is signed in there is nothing to tell.
		r = request(http.Header{"Nightlatch-Assertion": {"forged"}})
		if err := c.told.Tell(r, nil, c.v); err != nil || len(r.Header) != 0 {
			t.Errorf("%s, skipped: got %v and headers %v, want none", name, err, r.Header)
		}
	}
}

// FA-14, ID-4: the answer to a proxy has the token, or the empty header where nobody is signed in, so that the visitor's own never stays.
// Where it cannot be made there is no answer.
func TestAnswerHasTheAssertion(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	told, s, visitor := asserting(t, keys, identity.Assertion{Algorithm: signing.EdDSA}), &auth.Session{Name: "alice"}, http.Header{"Nightlatch-Assertion": {"forged"}}
	answer := http.Header{}
	if err := told.Answer(answer, visitor, s, at(wiki)); err != nil {
		t.Fatal(err)
	}
	if got, want := answer["Nightlatch-Assertion"], []string{tell(t, told, s, at(wiki))}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	answer = http.Header{}
	if err := told.Answer(answer, visitor, nil, at(wiki)); err != nil || !slices.Equal(answer["Nightlatch-Assertion"], []string{""}) {
		t.Errorf("skipped: got %q, %v, want an empty one", answer["Nightlatch-Assertion"], err)
	}
	answer = http.Header{}
	if err := told.Answer(answer, visitor, s, at("")); err == nil || len(answer) != 0 {
		t.Errorf("for nobody: got %v, %v, want an error and nothing", answer, err)
	}
}

// The name of the token is no header that can be configured, in any spelling: what verifies it would be given a user name.
func TestAssertionHeaderIsReserved(t *testing.T) {
	for _, name := range []string{"Nightlatch-Assertion", "nightlatch-ASSERTION", "Nightlatch--Assertion"} {
		if _, err := identity.New(identity.Config{User: name}); err == nil || !strings.Contains(err.Error(), "assertion") {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
}

// JW-1, JW-2, JW-4, JW-5, JW-7, JW-8, ASVS 9.2.3: our own keys in the hands of an ordinary verifier, and every token that somebody could make of ours.
func TestJW1JW2JW7TokensThatAreNotOurs(t *testing.T) {
	keys, clock := signingtest.KeysAt(signingtest.Middle)
	verify := func(token string) error {
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
		if err != nil {
			return err
		}
		key, found := signingtest.Published(t, keys)[parsed.Headers[0].KeyID]
		if !found {
			return errors.New("no such key")
		}
		var c jwt.Claims
		if err := parsed.Claims(key, &c); err != nil {
			return err
		}
		return c.ValidateWithLeeway(jwt.Expected{Issuer: wiki + "/_nightlatch", AnyAudience: jwt.Audience{wiki}, Time: clock.Now()}, 0)
	}
	for _, a := range signing.Algorithms {
		clock.Time = signingtest.Middle
		token := tell(t, asserting(t, keys, identity.Assertion{Algorithm: a}), &auth.Session{Name: "alice"}, at(wiki))
		other := tell(t, asserting(t, keys, identity.Assertion{Algorithm: a}), &auth.Session{Name: "alice"}, at(mail))
		part := strings.Split(token, ".")
		kid := signingtest.SignedBy(t, keys, a)
		public, err := json.Marshal(signingtest.Published(t, keys)[kid])
		if err != nil {
			t.Fatal(err)
		}
		head := func(h string) string { return base64.RawURLEncoding.EncodeToString([]byte(h)) }
		mac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: public, KeyID: kid}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := base64.RawURLEncoding.DecodeString(part[1])
		if err != nil {
			t.Fatal(err)
		}
		signed, err := mac.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		hs256, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(token); err != nil {
			t.Fatalf("%s: our own token: %v", a, err)
		}
		for name, forged := range map[string]string{
			"JW-1 none":               head(`{"alg":"none"}`) + "." + part[1] + ".",
			"JW-1 None with a key":    head(`{"alg":"None","kid":"`+kid+`"}`) + "." + part[1] + "." + part[2],
			"JW-1 no signature":       part[0] + "." + part[1] + ".",
			"JW-2 our public key":     hs256,
			"JW-4 another key":        head(`{"alg":"`+string(a)+`","kid":"../../dev/null"}`) + "." + part[1] + "." + part[2],
			"JW-5 a key of their own": head(`{"alg":"`+string(a)+`","jwk":`+string(public)+`}`) + "." + part[1] + "." + part[2],
			"JW-12 of another site":   other,
		} {
			if err := verify(forged); err == nil {
				t.Errorf("%s: %s was accepted", a, name)
			}
		}
		for i := range part {
			for at := 0; at < len(part[i]); at += 7 {
				changed := slices.Clone(part)
				raw := []byte(changed[i])
				if raw[at] == 'A' {
					raw[at] = 'B'
				} else {
					raw[at] = 'A'
				}
				if changed[i] = string(raw); verify(strings.Join(changed, ".")) == nil {
					t.Errorf("%s: JW-7: a token with letter %d of part %d changed was accepted", a, at, i)
				}
			}
		}
		for after, good := range map[time.Duration]bool{59 * time.Second: true, 61 * time.Second: false, time.Hour: false} {
			clock.Time = signingtest.Middle.Add(after)
			if err := verify(token); (err == nil) != good {
				t.Errorf("%s: JW-6 after %s: %v", a, after, err)
			}
		}
	}
}

func TestDiscovery(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(identity.Discovery(wiki+"/_nightlatch"), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"issuer": wiki + "/_nightlatch", "jwks_uri": wiki + "/_nightlatch/jwks.json", "subject_types_supported": []any{"public"},
		"id_token_signing_alg_values_supported": []any{"EdDSA", "ES256"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := url.Parse(got["jwks_uri"].(string)); err != nil {
		t.Error(err)
	}
}

// The warm path signs nothing and joins nothing, and allocates what the plain headers do: one array, also for a whole answer.
func TestTellingIsCheapWhenWarm(t *testing.T) {
	keys, _ := signingtest.KeysAt(signingtest.Middle)
	count := func(told *identity.Teller) float64 {
		s, r, v := &auth.Session{Name: "alice", Groups: []string{"admins", "staff"}}, request(http.Header{}), at(wiki)
		return testing.AllocsPerRun(100, func() {
			if err := told.Tell(r, s, v); err != nil {
				t.Fatal(err)
			}
		})
	}
	plain := count(teller(t, identity.Defaults))
	for name, told := range map[string]*identity.Teller{
		"the token": asserting(t, keys, identity.Assertion{Algorithm: signing.EdDSA}),
		"pipes":     teller(t, preset(t, "jenkins")),
	} {
		if n := count(told); n > plain {
			t.Errorf("with %s: got %v allocations, %v without", name, n, plain)
		}
	}
	told, answer := teller(t, identity.Defaults), http.Header{}
	if n := testing.AllocsPerRun(100, func() {
		if err := told.Answer(answer, http.Header{}, alice, visit.Visit{}); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("an answer: got %v allocations, want 1", n)
	}
}
