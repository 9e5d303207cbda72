// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	"crypto/rand"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// bitsOf is what Strength judges by, without the words of an account.
func bitsOf(plain string) float64 { return guessBits(plain, contextWords(nil)) }

func TestStrength(t *testing.T) {
	for _, c := range []struct {
		plain string
		want  Level
	}{
		{"", Weak},
		{"K#7VX!Q", Weak}, // seven characters, however good
		{"password", Weak},
		{"correct horse battery staple", Weak}, // by its fame
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaa", Weak},
		{"qwertyuiop1234567890", Weak},
		{"Tr0ub4dor&3", Weak},
		{"brambles1987", Weak},
		{"ilovemybigdog", Weak},
		{"мамонты пекут", Weak},
		{"fern fern fern fern fern fern", Weak},
		{"alice.smith 1987 berlin", Weak},
		{strings.Repeat("x", 257), Weak},
		{"a perfectly fine\x00phrase", Weak},

		{"mossy lantern 42", Fair},
		{"mydogbella2019!!", Fair},
		{"tofu lantern gravel", Fair},
		{"tofulanterngravelmoss", Fair}, // where one word ends is a few bits
		{"fern fern fern lantern", Fair},

		{"tofu lantern gravel moss", Good},
		{"sunshine on my left shoe", Good},
		{"xK7#qP!9d@w", Good},

		{"tofu lantern gravel moss piston", Strong},
		{"kX9#vT2!qLm8$wRz", Strong},
		{"7f3c9a1e5b8d2460af19", Strong},
		{"雨の朝に青い傘を三本買って帰った", Strong},
		{"зимой мамонты пекут вкусный хлеб", Strong},
		{strings.Repeat("fern gate 7 ", 20) + "!", Good}, // length that repeats is not strength
	} {
		if got := Strength(c.plain, "alice.smith"); got != c.want {
			t.Errorf("%.40q: got %v (%.1f bits), want %v", c.plain, got, bitsOf(c.plain), c.want)
		}
	}
}

// Each pair differs in one thing that an attacker knows.
func TestStrengthOrder(t *testing.T) {
	for _, c := range []struct{ weaker, stronger string }{
		{"gravel lantern 1963", "gravel lantern 5163"},
		{"gravel lantern 4567", "gravel lantern 5387"},
		{"gravel lantern gravel", "gravel lantern piston"},
		{"gr4vel lantern", "gr#vel lantern"},
		{"gravel lantern", "gravel lantErn"},
		{"gravellantern", "grvxlqlntbrnk"},
		{"moss anvelza", "moss anvlzla"},
		{"moss anioleau", "moss anioeaul"},
		{"gravel bxtq", "gravel bXtq"},
		{"GRAVEL lantern", "GrAvEl lantern"},
		{"gravel lantern", "gravel lantern moss"},
		{"gravel lantern ttttttt", "gravel lantern tqxbvzk"},
	} {
		if weaker, stronger := bitsOf(c.weaker), bitsOf(c.stronger); weaker >= stronger {
			t.Errorf("%q has %.1f bits, %q %.1f: want more", c.weaker, weaker, c.stronger, stronger)
		}
	}
	const phrase = "alice.smith lantern gravel moss"
	if without, with := Strength(phrase), Strength(phrase, "alice.smith"); with >= without {
		t.Errorf("%q with the user's name: got %v, want less than %v", phrase, with, without)
	}
}

// What a password manager makes must not be called weak because a stretch of it
// happens to sound like words. (An estimate from below it is: of 2,000 such
// passwords the lowest had 53 bits, half of them over 80.)
func TestRandomPasswordsAreGood(t *testing.T) {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789!#%+:=?"
	for range 200 {
		b := make([]byte, 20)
		rand.Read(b)
		for i := range b {
			b[i] = alphabet[int(b[i])%len(alphabet)]
		}
		for _, plain := range []string{string(b), rand.Text()} {
			if got := Strength(plain); got < Good {
				t.Errorf("%q: got %v (%.1f bits), want %v or %v", plain, got, bitsOf(plain), Good, Strong)
			}
		}
	}
}

// hostile are the inputs that make an estimator work: long, periodic or not, and
// what normalization makes 18 times longer.
func hostile() map[string]string {
	inputs := map[string]string{
		"one letter, almost": strings.Repeat("a", 255) + "b",
		"a sequence":         strings.Repeat("abcdefghijklmnopqrstuvwxyz", 9) + "#",
		"keyboard walks":     strings.Repeat("1qaz2wsx3edc", 21) + "#~",
		"dates":              strings.Repeat("1/2/1990", 31) + "#~x",
		"l33t":               strings.Repeat("4@8({[<63901!17|", 15) + "#~x",
		"syllables":          strings.Repeat("banana", 42) + "#~x",
		"ligatures":          strings.Repeat("ﷺ", 255) + "#",
		"ligatures, mixed":   strings.Repeat("ﷺabﷺ12", 42) + "#~x",
		"marks":              "a" + strings.Repeat("\u0301\u0327", 255),
		"two letters":        strings.Repeat("ab", 126) + "#~x",
		"halves":             strings.Repeat("ab", 64) + strings.Repeat("ba", 63) + "#",
	}
	random := make([]byte, 256)
	rand.Read(random)
	for i := range random {
		random[i] = 'a' + random[i]%26
	}
	inputs["random"] = string(random)
	return inputs
}

// slowdown is more than one when the tests are built to run slower.
var slowdown time.Duration = 1

func TestStrengthIsBoundedInTime(t *testing.T) {
	Strength("warm, so that nothing is built on first use")
	for name, plain := range hostile() {
		best := time.Hour // of several tries: the machine may be busy with something else
		for range 10 {
			begin := time.Now()
			Strength(plain, "alice.smith", "alice.smith@mail.example.org", "Example Corp", "app.example.com")
			best = min(best, time.Since(begin))
		}
		if limit := 5 * time.Millisecond * slowdown; best > limit {
			t.Errorf("%s: took %v, want %v at most", name, best, limit)
		}
	}
}

func TestRepeats(t *testing.T) {
	for s, want := range map[string]string{
		"":           "[]",
		"abc":        "[0 0 0]",
		"aaaa":       "[0 1 2 1]",
		"abcabcab":   "[0 0 0 3 3 3 2 1]",
		"fern, fern": "[0 0 0 0 0 0 4 3 2 1]",
	} {
		if got := fmt.Sprint(repeats([]rune(s))); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

func TestLevelsInWords(t *testing.T) {
	if got, want := fmt.Sprint(Weak, Fair, Good, Strong, Level(9), Level(-1)), "weak fair good strong weak weak"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var zero Level
	if zero != Weak {
		t.Errorf("zero level: got %v, want %v", zero, Weak)
	}
}

// FuzzStrength: what Check refuses at eight characters is Weak, and the estimate
// is a number that no brute force would beat.
func FuzzStrength(f *testing.F) {
	for _, plain := range hostile() {
		f.Add(plain, "alice.smith")
	}
	f.Add("gr4vel Lantern 1987!", "\xff")
	f.Add("İstanbul ß ﬀ Ⅷ", "ß")
	f.Fuzz(func(t *testing.T, plain, word string) {
		level := Strength(plain, word)
		if err := Check(plain, 8, word); err != nil && level != Weak {
			t.Errorf("%q is refused (%v) and called %v", plain, err, level)
		}
		bits := guessBits(plain, contextWords([]string{word}))
		if most := capitalBits * float64(MaxLength); math.IsNaN(bits) || bits < 0 || bits > most {
			t.Errorf("%q: got %f bits, want 0 to %f", plain, bits, most)
		}
	})
}

func BenchmarkStrength(b *testing.B) {
	for name, plain := range hostile() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Strength(plain, "alice.smith", "Example Corp")
			}
		})
	}
}
