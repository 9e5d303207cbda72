// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/credential"
)

// FuzzShapes: the shapes are those of the documents, and no text has two of them.
func FuzzShapes(f *testing.F) {
	key := regexp.MustCompile(`\Anlk[0-9a-f]{16}_[A-Za-z0-9_-]{43}\z`)
	token := regexp.MustCompile(`\A[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*\z`)
	header := regexp.MustCompile(`\A\{"alg":"EdDSA","kid":"nightlatch-.{43}","typ":"at\+jwt"\}\z`)
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	named := func(kid, typ string) string { return encode(`{"alg":"EdDSA","kid":"` + kid + `","typ":"` + typ + `"}`) }
	sum := strings.Repeat("k", 43)
	for _, seed := range []string{
		"", "nlk", "nlk0123456789abcdef_", "nlk0123456789abcdef_" + strings.Repeat("A", 43), "nlk0123456789abcdef_" + strings.Repeat("_", 43),
		"nlk0123456789ABCDEF_" + strings.Repeat("A", 43), "nlk0123456789abcdef." + strings.Repeat("A", 43), "nlk0123456789abcdef_" + strings.Repeat("A", 44),
		"a.b.c", strings.Repeat("é", 32),
		named("nightlatch-"+sum, "at+jwt") + ".e30.c2ln", named("nightlatch-"+sum, "at+jwt") + ".", named("nightlatch-"+sum, "at+jwt"),
		named("nightlatch-"+sum, "JWT") + ".e30.c2ln", named(sum, "at+jwt") + ".e30.c2ln", named("nightlatch-"+sum[1:], "at+jwt") + ".e30.c2ln",
		named("nightlatch-"+sum, "at+jwt") + ".e30.c2ln=", named("nightlatch-"+sum, "at+jwt") + ".é",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		isKey, isToken := credential.IsKey(s), credential.IsAccessToken(s)
		if want := key.MatchString(s); isKey != want {
			t.Errorf("%q: key %v, want %v", s, isKey, want)
		}
		first, _, _ := strings.Cut(s, ".")
		if isToken && !token.MatchString(s) {
			t.Errorf("%q: taken for an access token", s)
		}
		if text, err := base64.RawURLEncoding.DecodeString(first); err == nil && token.MatchString(s) && header.Match(text) && !isToken {
			t.Errorf("%q: taken for no access token", s)
		}
		if isKey && isToken {
			t.Errorf("%q is a key and an access token", s)
		}
		if isToken && !credential.BeginsAccessToken(s) {
			t.Errorf("%q is an access token and does not begin as one", s)
		}
	})
}

func TestShapesAllocateNothing(t *testing.T) {
	key := "nlk0123456789abcdef_" + strings.Repeat("A", 43)
	header := `{"alg":"EdDSA","kid":"` + credential.SigningMark + strings.Repeat("k", 43) + `","typ":"at+jwt"}`
	token := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + strings.Repeat("a", 500)
	if !credential.IsKey(key) || !credential.IsAccessToken(token) {
		t.Fatalf("key %t, access token %t; want both", credential.IsKey(key), credential.IsAccessToken(token))
	}
	if n := testing.AllocsPerRun(100, func() { credential.IsKey(key); credential.IsAccessToken(token) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
