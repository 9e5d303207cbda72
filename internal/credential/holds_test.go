// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/credential"
)

const someID = "nlk0123456789abcdef"

var (
	somePart    = strings.Repeat("Ab-_", 8)
	someHeader  = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"nightlatch-` + strings.Repeat("k", 43) + `","typ":"at+jwt"}`))
	theirHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"nightlatch-` + strings.Repeat("k", 43) + `","typ":"JWT"}`))
)

// ID-12: whatever nearly is the secret is found wherever it stands, and a word that begins as ours is somebody else's.
func TestHolds(t *testing.T) {
	for s, want := range map[string]struct{ ours, id bool }{
		someID + "_":                       {true, true},
		someID + "_" + somePart:            {true, true},
		"x" + someID + "_":                 {true, true},
		"nlnlknlk" + someID[3:] + "_":      {true, true},
		"nlk0123456789ABCDEF_":             {true, true},
		someID:                             {false, true},
		someID + "-":                       {false, true},
		someID[:18] + "_":                  {},
		"nlk0123456789abcdeg_":             {},
		"NLK0123456789abcdef_":             {},
		"nlr_" + somePart:                  {true, false},
		" nlr_" + somePart + "=":           {true, false},
		"nl nlr_nlr_ \"nlr_" + somePart:    {true, false},
		"xnlr_" + somePart:                 {},
		"e30.nlr_" + somePart:              {},
		"nlr_" + somePart[1:]:              {},
		"nlr_" + somePart[1:] + "=":        {},
		someHeader + ".":                   {true, false},
		"eyJeyJ" + someHeader + ".e30.":    {true, false},
		someHeader[:50] + someHeader:       {},
		someHeader[:50] + someHeader + ".": {true, false},
		theirHeader + ".":                  {},
		"":                                 {},
		"n":                                {},
		"nl":                               {},
	} {
		if got := credential.Holds(s); got != want.ours {
			t.Errorf("%q: holds ours %v, want %v", s, got, want.ours)
		}
		if got := credential.HoldsKeyID(s); got != want.id {
			t.Errorf("%q: holds an id %v, want %v", s, got, want.id)
		}
	}
}

// FuzzHolds: what has one of the shapes is found in any text, and nothing is where no three bytes may begin it.
func FuzzHolds(f *testing.F) {
	for _, seed := range []string{"", someID + "_" + somePart + somePart[:11], "nlr_" + somePart, someHeader + ".e30.c2ln", "a nlr", "eyJ"} {
		f.Add("", seed)
		f.Add("nl eyJ nlk", seed+" ")
	}
	f.Fuzz(func(t *testing.T, before, s string) {
		ours := credential.IsKey(s) || credential.IsAccessToken(s)
		if ours && (!credential.Holds(s) || !credential.Holds(before+s) || !credential.Holds(s+before)) {
			t.Errorf("%q is not found with %q", s, before)
		}
		may := false
		for i := 0; i+3 <= len(s); i++ {
			may = may || credential.MayBegin(uint32(s[i])<<16|uint32(s[i+1])<<8|uint32(s[i+2]))
		}
		if !may && (credential.Holds(s) || credential.HoldsKeyID(s)) {
			t.Errorf("%q holds something, and no three bytes begin it", s)
		}
	})
}
