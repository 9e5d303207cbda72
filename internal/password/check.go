// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
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
// section 3.1.1.2); no class of characters is ever demanded (ASVS 6.2.5). The
// lists are 17,950 passwords of eight characters and more, the most frequent ones
// of ten million (ASVS 6.2.4 asks for 3,000), and the stems and phrases of
// common.txt. Safe for concurrent use.
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

// fold makes spellings that differ by case, normalization or width equal: full-width
// letters are one key away on a Japanese keyboard. It is for comparing only; what is
// hashed keeps them apart.
func fold(s string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
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

//go:generate sh frequent.sh

// Both lists are folded and sorted by bytes, so that they can be searched where
// they lie: as a map they would take memory of every process and time at its start.
var (
	//go:embed common.txt
	commonText string // stems and passwords in many languages; ours
	//go:embed frequent.txt
	frequentText string // the published list

	common, frequent = entries(commonText), entries(frequentText)
)

// entries leaves out the comment that ends with the first empty line.
func entries(text string) string {
	_, lines, _ := strings.Cut(text, "\n\n")
	return lines
}

// isCommon reports whether s is a listed password, the same with spaces or
// dashes between, repeated, or with a little decoration around it, or a date.
func isCommon(s string) bool {
	squeezed := squeeze(s)
	if listed(s) || listed(squeezed) || listed(unit(s)) || listed(unit(squeezed)) || isDate(squeezed) {
		return true
	}
	core, decoration := undecorate(s)
	core = squeeze(core)
	return trivial(decoration) && core != "" && (listed(core) || listed(unit(core)))
}

// isDate reports whether s is a day of the last or this century in eight digits,
// in one of the orders people write it: birthdays, mostly. The published list
// leaves out those that are rarer than a guess at a date is.
func isDate(s string) bool {
	for _, layout := range []string{"02012006", "01022006", "20060102"} {
		if day, err := time.Parse(layout, s); err == nil && day.Year() >= 1900 && day.Year() < 2100 {
			return true
		}
	}
	return false
}

func listed(s string) bool { return hasLine(common, s) || hasLine(frequent, s) }

// hasLine searches lines that are sorted by bytes.
func hasLine(sorted, s string) bool {
	for sorted != "" {
		start := strings.LastIndexByte(sorted[:len(sorted)/2], '\n') + 1
		line, after, _ := strings.Cut(sorted[start:], "\n")
		switch order := strings.Compare(line, s); {
		case order == 0:
			return true
		case order < 0:
			sorted = after
		default:
			sorted = sorted[:start]
		}
	}
	return false
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

// tracks holds, under each character, the ways on from it that fingers follow,
// forward or back; two turns where it is a circle.
var tracks = func() map[rune][][]rune {
	from := make(map[rune][][]rune)
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
		for _, way := range [][]rune{forward, backward} {
			for start, r := range way {
				from[r] = append(from[r], way[start:])
			}
		}
	}
	return from
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
	for _, way := range tracks[s[0]] {
		n := 1
		for n < min(len(s), len(way)) && s[n] == way[n] {
			n++
		}
		longest = max(longest, n)
	}
	return longest
}
