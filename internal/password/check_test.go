// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// reasonOf returns the Reason of a refusal, 0 for an accepted password.
func reasonOf(t *testing.T, err error) Reason {
	t.Helper()
	if err == nil {
		return 0
	}
	var weak *WeakError
	if !errors.As(err, &weak) {
		t.Fatalf("got %T, want a *WeakError", err)
	}
	return weak.Reason
}

func TestV6_2_1MinimumCountsCodePoints(t *testing.T) {
	for _, c := range []struct {
		plain string
		least int
		want  Reason
	}{
		{"", 15, TooShort},
		{"", 0, TooShort},
		{"ghostly ferns!", 15, TooShort},      // 14
		{"ghostly ferns!!", 15, 0},            // 15
		{"ghostly fern🔑🚪", 15, TooShort},      // 14 code points, 20 bytes
		{"ghostly ferns🔑🚪", 15, 0},            // 15
		{"e\u0301tude nocturn", 15, TooShort}, // 15 typed, 14 once "é" is one
		{"ghostly", 8, TooShort},
		{"ghost fe", 8, 0},
	} {
		err := Check(c.plain, c.least)
		if got := reasonOf(t, err); got != c.want {
			t.Errorf("%q, at least %d: got reason %d (%v), want %d", c.plain, c.least, got, err, c.want)
		}
	}
	if err := Check("short", 15); err == nil || !strings.Contains(err.Error(), "at least 15 characters") {
		t.Errorf("message: got %v, want it to name the minimum", err)
	}
}

// ASVS 6.2.4: known common passwords are refused, in any case and normalization.
func TestV6_2_4CommonPasswords(t *testing.T) {
	for _, plain := range []string{
		"iloveyousomuch", "ILoveYouForever", "administrator", "motherfucker", "basketball1", "sunshine123",
		"Maytheforcebewithyou", "May the Force be with you", "correct horse battery staple", "Correct-Horse-Battery-Staple",
		"passwordpassword", "PasswordPassword", "password password", "passwordpasswordpassword",
		"password2024!!!", "!!!Administrator!!!", "Password123456789", "2024administrator", "P@ssw0rdP@ssw0rd", "p4$$w0rd12345678",
		"$unshine$unshine", "contraseña12345", norm.NFD.String("contraseña12345"), "CONTRASEÑA", "Fußball2024", "привет12345678",
	} {
		if got := reasonOf(t, Check(plain, 8)); got != Common {
			t.Errorf("%q: got reason %d, want %d (common)", plain, got, Common)
		}
	}
	// Whole passwords only: a common word beside others is no reason.
	for _, plain := range []string{
		"the dragon ate my homework again", "monkey wrench in Leipzig", "password for the blue shed",
		"monkey 84719204817365", "sunshine on my left shoe", "tofu lantern gravel 7",
	} {
		if err := Check(plain, 15); err != nil {
			t.Errorf("%q: %v, want it accepted", plain, err)
		}
	}
}

func TestV6_2_4ListIsClean(t *testing.T) {
	words := commonWords()
	if len(words) < 3000 {
		t.Errorf("list has %d lines, want at least 3000", len(words))
	}
	for word := range words {
		if word != fold(word) || strings.ContainsAny(word, " \t") {
			t.Errorf("%q is not folded and normalized: it would never be found", word)
		}
		if len(word) >= 8 && Check(word, 8) == nil {
			t.Errorf("%q is listed and accepted", word)
		}
	}
}

// ASVS 6.2.5: no class of characters is demanded.
func TestV6_2_5NoCompositionRules(t *testing.T) {
	for _, plain := range []string{"qzmfwkrtbxhvdylgnsce", "KQZMFWXRTBHVDYLGNSCP", "839201748392657", "~^~%`+{}=|<>?_-", "日本語の長い合言葉です忘れないで", "                       x y"} {
		if err := Check(plain, 15); err != nil {
			t.Errorf("%q: %v, want it accepted", plain, err)
		}
	}
}

func TestV6_2_9CheckAcceptsLongAndRefusesTooLong(t *testing.T) {
	long := strings.Repeat("fern gate 7 moss ", 16)
	if err := Check(long[:64], 15); err != nil {
		t.Errorf("64 characters: %v", err)
	}
	for _, c := range []struct {
		plain  string
		reason Reason
		cause  error
	}{
		{long[:256] + "x", TooLong, ErrTooLong},
		{strings.Repeat("a", 10_000_000), TooLong, ErrTooLong},
		{"a perfectly fine\x00phrase", NotText, ErrNotText},
		{"a perfectly fine \xff phrase", NotText, ErrNotText},
	} {
		err := Check(c.plain, 15)
		if got := reasonOf(t, err); got != c.reason || !errors.Is(err, c.cause) || err.Error() != c.cause.Error() {
			t.Errorf("%.20q: got reason %d (%v), want %d (%v)", c.plain, got, err, c.reason, c.cause)
		}
	}
}

func TestV6_2_11ContextWords(t *testing.T) {
	context := []string{"Alice.Smith", "asmith@mail.example.org", "Grünwald Café", "ox"}
	for _, plain := range []string{
		"nightlatch", "NightlatchNightlatch", "nightlatch123456", "N1ghtl4tch!!", "Nightlatch2024!",
		"alice.smith", "AliceSmith2024!", "smithalicesmith", "alicesmithalicesmith", "Alice-Smith-123456789",
		"asmith@mail.example.org", "4l1c3sm1th", "Grünwald Café 2024", "GRÜNWALDCAFÉ!!", norm.NFD.String("GrünwaldCafé1"),
		"alicepassword12", "nightlatch-alice",
	} {
		if got := reasonOf(t, Check(plain, 8, context...)); got != Context {
			t.Errorf("%q: got reason %d, want %d (context)", plain, got, Context)
		}
	}
	for _, plain := range []string{"alice ate nine plums", "alice 84719204817365", "nightlatch on a green door", "oxoxo pelican dune", "fern gate 7 moss"} {
		if err := Check(plain, 15, context...); err != nil {
			t.Errorf("%q: %v, want it accepted", plain, err)
		}
	}
	// Without the words of the account, its name is just a phrase.
	if err := Check("smith.zelda-quixote", 15); err != nil {
		t.Errorf("no context: %v, want it accepted", err)
	}
}

func TestRepetitionsAndSequences(t *testing.T) {
	for _, plain := range []string{
		"aaaaaaaaaaaaaaa", "               ", "ééééééééééééééé", "🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑",
		"123456789012345", "543210987654321", "abcdefghijklmno", "ABCDEFGHIJKLMNO", "zyxwvutsrqponml",
		"qwertyuiopasdfg", "QwertyUiopAsdfg", "gfdsapoiuytrewq", "qwertzuiopasdfg", "1qaz2wsx3edc4rfv", "1q2w3e4r5t6y7u8i",
		"abababababababa", "abc123abc123abc", "k7#qzk7#qzk7#qz", "aaabbbcccdddeee", "111222333444555",
		"abcdefg12345678", "qwe123asd456zxc", "abcdefghijklm!7", "йцукенгшщзхъфыв",
	} {
		if got := reasonOf(t, Check(plain, 8)); got != Pattern {
			t.Errorf("%q: got reason %d, want %d (pattern)", plain, got, Pattern)
		}
	}
	for _, plain := range []string{"fern7gate#moss!kiln", "abc plus qwerty minus 7", "12 brass trumpets, 345 geese"} {
		if err := Check(plain, 15); err != nil {
			t.Errorf("%q: %v, want it accepted", plain, err)
		}
	}
}

// FuzzCheck: Check neither panics nor accepts what cannot be hashed or is short.
func FuzzCheck(f *testing.F) {
	f.Add("fern7gate#moss!kiln", "alice", 15)
	f.Add("$\u0301\u0323aa€", "\xff", 0)
	f.Add("@@a", "@", -1)
	f.Fuzz(func(t *testing.T, plain, word string, least int) {
		err := Check(plain, least, word)
		prepared, prepareErr := prepare(plain)
		if err == nil && (prepareErr != nil || len([]rune(prepared)) < least) {
			t.Errorf("accepted %q, at least %d", plain, least)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("refused %q without a word", plain)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	plain := strings.Repeat("fern gate 7 moss ", 16)[:256]
	for b.Loop() {
		if err := Check(plain, 15, "alice.smith", "Example Corp"); err != nil {
			b.Fatal(err)
		}
	}
}
