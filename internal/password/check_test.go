// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

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

func TestASVS6_2_1MinimumCountsCodePoints(t *testing.T) {
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
func TestASVS6_2_4CommonPasswordsAreRefused(t *testing.T) {
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
		"29022001-30022001", "monkey 84719204817365", "sunshine on my left shoe", "tofu lantern gravel 7",
	} {
		if err := Check(plain, 15); err != nil {
			t.Errorf("%q: %v, want it accepted", plain, err)
		}
	}
}

// The heads of every published list, and what is in the published one alone.
func TestASVS6_2_4TheBestKnownAreRefusedWithAReason(t *testing.T) {
	for plain, want := range map[string]Reason{
		"password": Common, "baseball": Common, "football": Common, "jennifer": Common, "trustno1": Common, "sunshine": Common,
		"iloveyou": Common, "michelle": Common, "starwars": Common, "princess": Common, "corvette": Common, "password1": Common,
		"mercedes": Common, "steelers": Common, "maverick": Common, "marlboro": Common, "whatever": Common, "cocacola": Common,
		"jordan23": Common, "welcome1": Common, "letmein123": Common, "Passw0rd!": Common, "Football1": Common, "ｐａｓｓｗｏｒｄ１": Common,
		"nineinch": Common, "fr33dom!": Common, "slipknot666": Common, "ncc1701d": Common, "stonecold316": Common, "13041984": Common, "blink182": Common,
		"29021996": Common, "1999-12-31": Common, "12/25/2003": Common, "07. 11. 1949": Common,
		"12345678": Pattern, "123456789": Pattern, "qwertyuiop": Pattern, "1qaz2wsx": Pattern, "11111111": Pattern, "q1w2e3r4t5": Pattern,
	} {
		err := Check(plain, 8)
		if got := reasonOf(t, err); got != want || len(err.Error()) < 40 {
			t.Errorf("%q: got reason %d (%v), want %d and a sentence", plain, got, err, want)
		}
	}
}

func TestDates(t *testing.T) {
	for s, want := range map[string]bool{
		"29021996": true, "02291996": true, "19960229": true, "01011900": true, "31122099": true,
		"29022001": false, "31121899": false, "01012100": false, "1996022": false, "199602290": false, "２９０２１９９６": false, "": false,
	} {
		if got := isDate(s); got != want {
			t.Errorf("%q: date is %t, want %t", s, got, want)
		}
	}
}

// A line out of order or not folded would never be found.
func TestASVS6_2_4ListsAreLongEnoughAndClean(t *testing.T) {
	for name, list := range map[string]string{"common.txt": common, "frequent.txt": frequent} {
		words := strings.Split(strings.TrimSuffix(list, "\n"), "\n")
		long := 0
		for i, word := range words {
			if word != fold(word) || strings.TrimSpace(word) != word || word == "" || strings.HasPrefix(word, "#") {
				t.Errorf("%s: %q is not folded and normalized", name, word)
			}
			if i > 0 && words[i-1] >= word {
				t.Errorf("%s: %q stands after %q", name, word, words[i-1])
			}
			if utf8.RuneCountInString(word) >= 8 {
				long++
				if Check(word, 8) == nil {
					t.Errorf("%s: %q is listed and accepted", name, word)
				}
			}
			if !hasLine(list, word) || hasLine(list, word+"\n") || hasLine(list, word[:len(word)-1]) != slices.Contains(words[:i], word[:len(word)-1]) {
				t.Errorf("%s: the search for %q or its beginning goes astray", name, word)
			}
		}
		if name == "frequent.txt" && (long < 3000 || long != len(words)) {
			t.Errorf("%s: %d of %d lines have eight characters or more, want all and at least 3000", name, long, len(words))
		}
		if !strings.HasPrefix(list, words[0]) || hasLine(list, "") || hasLine(list, words[len(words)-1]+"~") {
			t.Errorf("%s: finds what is not there", name)
		}
	}
}

// ASVS 6.2.5: no class of characters is demanded.
func TestASVS6_2_5NoCompositionRules(t *testing.T) {
	for _, plain := range []string{"qzmfwkrtbxhvdylgnsce", "marigoldteapotwindow", "KQZMFWXRTBHVDYLGNSCP", "839201748392657", "~^~%`+{}=|<>?_-", "日本語の長い合言葉です忘れないで", "                       x y"} {
		if err := Check(plain, 15); err != nil {
			t.Errorf("%q: %v, want it accepted", plain, err)
		}
	}
}

func TestASVS6_2_9CheckAcceptsLongAndRefusesTooLong(t *testing.T) {
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

func TestASVS6_2_11ContextWordsAreRefused(t *testing.T) {
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
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(plain, 15, "alice.smith", "Example Corp"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListed(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if listed("fern gate 7 moss") || !listed("slipknot666") {
			b.Fatal("wrong answer")
		}
	}
}
