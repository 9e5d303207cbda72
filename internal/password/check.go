// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Reason names why a new password is refused, for a page that words it itself.
type Reason int

const (
	// TooShort has fewer code points than the policy's minimum.
	TooShort Reason = iota + 1
	// TooLong and NotText are also ErrTooLong and ErrNotText.
	TooLong
	NotText
	// Common is a password many people use, or a simple variant of one.
	Common
	// Context is made only of words an attacker knows beforehand: the user's
	// name or address, the site, the brand, and simple variants.
	Context
	// Pattern is one short piece repeated, or a sequence such as 12345 or qwerty.
	Pattern
)

// WeakError is the verdict of Check on a refused password. It never holds the
// password.
type WeakError struct {
	Reason Reason
	// Min is the least number of code points the policy asks for.
	Min   int
	cause error
}

// Error says in plain words what is wrong and what would do.
func (e *WeakError) Error() string {
	switch e.Reason {
	case TooShort:
		return fmt.Sprintf("password is too short: use at least %d characters", e.Min)
	case Common:
		return "password is one that many people use: choose another"
	case Context:
		return "password is made of your name or the name of this site: choose another"
	case Pattern:
		return "password is a repetition or a simple sequence: choose another"
	default:
		return e.cause.Error()
	}
}

// Unwrap gives ErrTooLong or ErrNotText where they are the cause.
func (e *WeakError) Unwrap() error { return e.cause }

// maxDecoration is how many digits and signs around a known word still make
// only a variant of it. More of them, unless a pattern, are strength of their own.
const maxDecoration = 8

// Check judges a new password before it is hashed and returns a *WeakError or
// nil. least is the minimum length in Unicode code points (ASVS 6.2.1). context
// holds the words of ASVS 6.2.11: user name, e-mail address or its local part,
// brand, host labels; words under three characters are ignored, and
// "nightlatch" is always one. Whole passwords are compared, never parts, so a
// passphrase may contain any of these words beside others (NIST SP 800-63B-4
// section 3.1.1.2); no class of characters is ever demanded (ASVS 6.2.5).
func Check(plain string, least int, context ...string) error {
	prepared, err := prepare(plain)
	switch {
	case errors.Is(err, ErrTooLong):
		return &WeakError{Reason: TooLong, Min: least, cause: err}
	case plain == "": // a person who typed nothing is told how much to type
	case err != nil:
		return &WeakError{Reason: NotText, Min: least, cause: err}
	}
	if plain == "" || utf8.RuneCountInString(prepared) < least {
		return &WeakError{Reason: TooShort, Min: least}
	}

	folded := fold(prepared)
	if isPattern(folded) {
		return &WeakError{Reason: Pattern, Min: least}
	}
	words := contextWords(context)
	for _, spelling := range []string{folded, unleet(folded), leet.Replace(folded)} {
		if isCommon(spelling) {
			return &WeakError{Reason: Common, Min: least}
		}
		if isContext(spelling, words) {
			return &WeakError{Reason: Context, Min: least}
		}
	}
	return nil
}

// fold makes spellings that differ by case or normalization equal.
func fold(s string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
}

var leet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i", "|", "l", "€", "e")

// unleet undoes l33t spelling inside the word; signs around it are decoration.
func unleet(s string) string {
	first := strings.IndexFunc(s, unicode.IsLetter)
	last := strings.LastIndexFunc(s, unicode.IsLetter)
	if first < 0 {
		return s
	}
	_, size := utf8.DecodeRuneInString(s[last:])
	// A sign touching the word may be a letter of it: "$unshine", "pa55w0rd", "monk3y".
	for first > 0 && strings.ContainsRune("@$", rune(s[first-1])) {
		first--
	}
	return s[:first] + leet.Replace(s[first:last+size]) + s[last+size:]
}

//go:embed common.txt
var commonText string

var commonWords = sync.OnceValue(func() map[string]struct{} {
	words := make(map[string]struct{}, strings.Count(commonText, "\n"))
	for line := range strings.Lines(commonText) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			words[line] = struct{}{}
		}
	}
	return words
})

// isCommon reports whether s is a listed password, the same with spaces or
// dashes between, repeated, or with a little decoration around it.
func isCommon(s string) bool {
	squeezed := squeeze(s)
	if listed(s) || listed(squeezed) || listed(unit(s)) || listed(unit(squeezed)) {
		return true
	}
	core, decoration := undecorate(s)
	core = squeeze(core)
	return trivial(decoration) && core != "" && (listed(core) || listed(unit(core)))
}

func listed(s string) bool {
	_, ok := commonWords()[s]
	return ok
}

// isContext reports whether nothing but decoration, or a common word, is left of
// s once the context words are taken out.
func isContext(s string, words []string) bool {
	rest := s
	for _, word := range words {
		rest = strings.ReplaceAll(rest, word, " ")
	}
	if rest == s {
		return false
	}
	rest = strings.ReplaceAll(rest, " ", "")
	if !strings.ContainsFunc(rest, unicode.IsLetter) {
		return trivial(rest)
	}
	return isCommon(rest)
}

// contextWords folds the given words, adds their parts ("alice" and "smith" of
// "alice.smith@example.com") and sorts the longest first, so that taking out
// "alice" does not break "alicesmith".
func contextWords(context []string) []string {
	var words []string
	for _, given := range append([]string{"nightlatch"}, context...) {
		given = fold(given)
		parts := strings.FieldsFunc(given, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		words = append(words, given, squeeze(given))
		words = append(words, parts...)
	}
	words = slices.DeleteFunc(words, func(word string) bool { return utf8.RuneCountInString(word) < 3 })
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	return words
}

// squeeze keeps letters, marks and digits.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// undecorate splits off what is not a letter from both ends.
func undecorate(s string) (core, decoration string) {
	isLetter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }
	first := strings.IndexFunc(s, isLetter)
	if first < 0 {
		return "", s
	}
	last := strings.LastIndexFunc(s, isLetter)
	_, size := utf8.DecodeRuneInString(s[last:])
	return s[first : last+size], s[:first] + s[last+size:]
}

func trivial(decoration string) bool {
	return utf8.RuneCountInString(decoration) <= maxDecoration || isPattern(decoration)
}

// unit returns the shortest piece whose repetition makes s, s itself if none.
func unit(s string) string {
	for size := 1; size <= len(s)/2; size++ {
		if len(s)%size == 0 && s[size:] == s[:len(s)-size] {
			return s[:size]
		}
	}
	return s
}

// tracks are what fingers follow, forward or back; two turns where it is a circle.
var tracks = func() (both [][]rune) {
	for _, track := range []string{
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
		"01234567890123456789",
		"qwertyuiop[]asdfghjkl;'zxcvbnm,./", "qwertyuiopasdfghjklzxcvbnm",
		"qwertzuiopüasdfghjklöäyxcvbnm", "azertyuiopqsdfghjklmwxcvbn", "йцукенгшщзхъфывапролджэячсмитьбю",
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0",
		"1a2b3c4d5e6f7g8h9i0j", "a1b2c3d4e5f6g7h8i9j0", "!@#$%^&*()_+",
	} {
		forward := []rune(track)
		backward := slices.Clone(forward)
		slices.Reverse(backward)
		both = append(both, forward, backward)
	}
	return both
}()

// isPattern reports whether s is a short piece repeated, or can be laid out,
// but for at most two characters, in stretches of three or more along the
// tracks and in repeated characters.
func isPattern(s string) bool {
	runes := []rune(s)
	for size := 1; size <= min(7, len(runes)/2); size++ {
		if slices.Equal(runes[size:], runes[:len(runes)-size]) {
			return true // "abcabcab": as strong as its first piece
		}
	}
	const spare = 2
	// uncovered[i] is the least number of characters of runes[:i] outside any stretch.
	uncovered := make([]int, len(runes)+1)
	for i := range runes {
		uncovered[i+1] = len(runes)
	}
	for i := range runes {
		uncovered[i+1] = min(uncovered[i+1], uncovered[i]+1)
		for end := i + stretch(runes[i:]); end >= i+3; end-- {
			uncovered[end] = min(uncovered[end], uncovered[i])
		}
	}
	return uncovered[len(runes)] <= spare
}

// stretch returns how many characters at the start of s follow one track or
// repeat the first.
func stretch(s []rune) int {
	longest := 1
	for longest < len(s) && s[longest] == s[0] {
		longest++
	}
	for _, track := range tracks {
		for start := range track {
			n := 0
			for n < len(s) && start+n < len(track) && s[n] == track[start+n] {
				n++
			}
			longest = max(longest, n)
		}
	}
	return longest
}
