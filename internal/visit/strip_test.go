// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/credential"
)

// ID-12: what is ours goes, good or bad, and everything else stays as it was sent.
func TestStripAuthorization(t *testing.T) {
	foreign := []string{
		basic("alice", "pw"), "Bearer " + theirJWT, `Digest username="alice", realm="x"`, "Bearer  two  spaces", "basic YTpi\t", "", "Negotiate YII=",
		"AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu/s3/aws4_request, SignedHeaders=host, Signature=00", "Bearer " + assertion,
		"Bearer nlr_short", "Bearer x" + refresh, "Bearer e30." + refresh + ".c2ln", "Bearer x.nlr_" + refresh, basic("nlr_user", "pw"), "Basicnlr",
	}
	for _, line := range foreign {
		h := authorization(line)
		StripAuthorization(h)
		if got := h["Authorization"]; !slices.Equal(got, []string{line}) {
			t.Errorf("%q: left %q", line, got)
		}
		if got := OtherAuthorization(authorization(line)); !slices.Equal(got, []string{line}) {
			t.Errorf("%q: the other is %q", line, got)
		}
	}
	for _, line := range []string{
		"Bearer " + wholeKey, "bearer  " + ourJWT, "Token " + wholeKey, wholeKey, "Bearer\t" + wholeKey, "Bearer " + wholeKey[:40], "Basic YTpi, Bearer " + wholeKey,
		basic("alice", wholeKey), "BASIC " + basic("alice", wholeKey)[6:], strings.TrimRight(basic("bob", wholeKey), "="), basic(wholeKey, "x"),
		basic("alice", ourJWT), basic(strings.Repeat("long", 400), wholeKey), "Basic\t" + basic("a", wholeKey)[6:], "Bearer " + ourJWT + "x",
		"Bearer " + credential.AccessBegin + "Bearer " + ourJWT, "Bearer nlk nlk" + wholeKey,
		" " + basic("alice", wholeKey), "\t" + basic("alice", wholeKey), " Bearer " + wholeKey, " Bearer " + refresh, "Bearer " + refresh, refresh, `Bearer "` + refresh + `"`,
		"Basic YTpi, " + basic("alice", wholeKey), "Basic YTpi," + basic("a", wholeKey), "Basic YTp," + basic("ab", wholeKey), "Basic YT," + basic("abc", wholeKey),
		"Basic Y," + basic("abcd", wholeKey), "Bearer abc, bAsIc" + basic("alice", wholeKey)[5:], "Basic YTpi, Bearer " + refresh, "Bearer nlr_nlr_ " + refresh[:40], basic("alice", refresh), basic("nlr_user", refresh),
		"x" + basic("alice", wholeKey), "xx" + basic("alice", wholeKey), "xxx" + basic("alice", wholeKey), "xxxx" + basic("alice", wholeKey), "xxxxx" + basic("alice", wholeKey),
		"Bearer nlk0123456789ABCDEF_" + secretPart,
	} {
		for _, name := range []string{"Authorization", "Proxy-Authorization"} {
			all := append(slices.Clone(foreign), line)
			h := http.Header{name: slices.Concat([]string{line}, foreign, []string{line}), "X-Other": {line}}
			shared := h[name]
			StripAuthorization(h)
			if got := h[name]; !slices.Equal(got, foreign) {
				t.Errorf("%s: %q: left %q", name, line, got)
			}
			if shared[0] != line {
				t.Errorf("%s: %q: the lines of the sender were changed in place", name, line)
			}
			h = http.Header{name: {line}}
			StripAuthorization(h)
			if len(h) != 0 {
				t.Errorf("%s: %q: left %q", name, line, h)
			}
			if got := OtherAuthorization(authorization(all...)); !slices.Equal(got, foreign) {
				t.Errorf("%q: the others are %q", line, got)
			}
		}
		if got := OtherAuthorization(authorization(line)); !slices.Equal(got, []string{""}) {
			t.Errorf("%q: the other is %q, want one empty line", line, got)
		}
	}
	if got := OtherAuthorization(http.Header{}); got != nil {
		t.Errorf("of no line the other is %q", got)
	}
}
