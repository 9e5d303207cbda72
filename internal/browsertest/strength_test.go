// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// The page says in words how hard a new password is to guess. What is long without being hard gets no praise.
func TestStrength(t *testing.T) {
	const short, weak, fair, good, strong = "Too short", "Easy to guess.", "Could be guessed", "Good:", "Very good:"
	bench, front := newHouse(t)
	alice := bench.Enroll(t, auth.NewUser{Name: "alice.smith"})
	b := newTab(t, front.URL)
	b.open("/_nightlatch/password").fill("name", "alice.smith", "password", alice.Password).press("Sign in").
		fill("code", alice.Code()).press("Continue").sees(200, "/_nightlatch/password")
	for _, test := range []struct{ typed, want string }{
		{"kX9#vT2!qLm8$w", short}, // 14 of 15 characters, however good
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaa", weak},
		{"abcabcabcabcabcabc", weak},
		{"qwertyuiop1234567890", weak},
		{"1q2w3e4r5t6y7u8i9o", weak},
		{"password password", weak},
		{"fern fern fern fern fern fern", weak},
		{"ilovemybigdoggy", weak},
		{"alice.smith 1987 berlin", weak}, // her own name adds nothing
		{"nightlatch nightlatch", weak},   // nor that of the site
		{"mossy lantern 42", fair},
		{"tofu lantern gravel", fair},
		{"tofu lantern gravel moss", good},
		{"sunshine on my left shoe", good},
		{"tofu lantern gravel moss piston", strong},
		{"kX9#vT2!qLm8$wRz", strong},
		{"7f3c9a1e5b8d2460af19", strong},
	} {
		typeInto(b, chromedp.CSS("#password"), test.typed)
		if got := b.text("#strength"); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: the page says %q, want %q", test.typed, got, test.want)
		}
	}
	b.do(chromedp.Evaluate[chromedp.Void](`document.getElementById("password").select()`), chromedp.KeyEvent("\b"))
	if got := b.text("#strength"); got != "" {
		t.Errorf("of no password the page says %q", got)
	}
}
