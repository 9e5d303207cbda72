// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Level is how long a password would resist somebody who has stolen its hash, in
// one word. The zero Level is Weak.
type Level int

const (
	// Weak falls within days to one machine that tries 100,000 times a second,
	// which is what argon2id lets a good graphics card do; or Check refuses it.
	Weak Level = iota
	// Fair takes it between days and a lifetime: two words and a little.
	Fair
	// Good takes it longer: four random words.
	Good
	// Strong is out of reach of a hundred thousand such machines: five random
	// words, or what a password manager makes.
	Strong
)

// The least bits of each Level. 2^36 guesses at 100,000 a second are eight days,
// 2^48 are 89 years, 2^64 are six million.
const (
	fairBits   = 36
	goodBits   = 48
	strongBits = 64
)

func (l Level) String() string {
	switch l {
	case Strong:
		return "strong"
	case Good:
		return "good"
	case Fair:
		return "fair"
	default:
		return "weak"
	}
}

// Strength estimates a new password for the page on which it is chosen. It
// informs, it never refuses: Check decides, with the least length of the site,
// which Strength does not know. What Check refuses for another reason, or has
// under eight characters, is Weak. context is that of Check.
//
// It is an estimate from below, in the manner of zxcvbn (Wheeler, USENIX Security
// 2016): the password is laid out in the pieces that are cheapest to guess. It
// has no dictionary, which would know some languages and not others; whatever can
// be pronounced counts as words. The ports of zxcvbn for Go take seconds for 256
// hostile characters, this two milliseconds at most. Safe for concurrent use.
func Strength(plain string, context ...string) Level {
	if Check(plain, 8, context...) != nil {
		return Weak
	}
	switch bits := guessBits(plain, contextWords(context)); {
	case bits >= strongBits:
		return Strong
	case bits >= goodBits:
		return Good
	case bits >= fairBits:
		return Fair
	default:
		return Weak
	}
}

// What the pieces cost, in bits.
const (
	digitBits   = 3.3 // one of ten
	letterBits  = 4.7 // one of 26; a Chinese character in a sentence, half a word, is not worth more
	capitalBits = 6   // the same, and that it is one
	signBits    = 5   // one of the 32 on a keyboard
	spaceBits   = 1   // somewhere in a phrase it is expected

	wordBits   = 13  // one of 7776, as in Diceware
	smallBits  = 7   // a word of two or three letters between spaces: "the", "on", "my"
	restBits   = 2.3 // each letter of a word, or of several, after the sixth
	trackBits  = 6   // where a run such as "4567" or "tttt" begins, and which way it goes
	againBits  = 4   // a piece that was there before
	knownBits  = 3   // a word of the context
	yearBits   = 6.5 // 1900 to 2099, the near ones first
	twistBits  = 2.5 // a capital or a digit inside of a word
	mostTwists = 2   // more of them are no word
)

// layout is a password as it was typed, and in the spellings that pieces are found by.
type layout struct {
	typed, lower, letters []rune // of the same length; letters has l33t spelling undone
	words                 [][]rune
}

// guessBits returns the logarithm to base 2 of how many guesses plain needs at least.
func guessBits(plain string, words []string) float64 {
	typed := []rune(norm.NFKC.String(plain))
	typed = typed[:min(len(typed), MaxLength)] // one code point may become 18 of them
	l := layout{typed: typed, lower: make([]rune, len(typed))}
	for i, r := range typed {
		l.lower[i] = unicode.ToLower(r)
	}
	l.letters = []rune(leet.Replace(string(l.lower)))
	for _, word := range words {
		l.words = append(l.words, []rune(word))
	}

	again := repeats(l.lower)
	best := make([]float64, len(typed)+1) // of the first i characters
	for i := range typed {
		best[i+1] = math.Inf(1)
	}
	for i := range typed {
		cost := func(length int, bits float64) { best[i+length] = min(best[i+length], best[i]+bits) }
		cost(1, characterBits(typed[i]))
		for length := stretch(l.lower[i:]); length >= 3; length-- {
			cost(length, trackBits+math.Log2(float64(length)))
		}
		for length := again[i]; length >= 3; length-- {
			cost(length, againBits)
		}
		for _, word := range l.words {
			if rest := l.lower[i:]; len(rest) >= len(word) && slices.Equal(rest[:len(word)], word) {
				cost(len(word), knownBits)
			}
		}
		if isYear(l.lower[i:]) {
			cost(4, yearBits)
		}
		l.pronounceable(i, cost)
	}
	return best[len(typed)]
}

func characterBits(r rune) float64 {
	switch {
	case unicode.IsDigit(r):
		return digitBits
	case unicode.IsUpper(r):
		return capitalBits
	case unicode.IsLetter(r):
		return letterBits
	case unicode.IsSpace(r), unicode.IsMark(r):
		return spaceBits
	default:
		return signBits
	}
}

func isGlyph(r rune) bool {
	return r > unicode.MaxASCII && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

// repeats returns, for each place in s, the length of the longest piece that
// begins there and was there before. It is quadratic, as comparing afresh is not.
func repeats(s []rune) []int {
	longest := make([]int, len(s))
	same := make([]int, len(s)+1) // how far s from start on agrees with s from i on; from i+1 on in what is not yet written
	for i := len(s) - 1; i > 0; i-- {
		for start := range i {
			if s[start] == s[i] {
				same[start] = same[start+1] + 1
			} else {
				same[start] = 0
			}
			longest[i] = max(longest[i], min(same[start], i-start))
		}
	}
	return longest
}

func isYear(s []rune) bool {
	return len(s) >= 4 && (string(s[:2]) == "19" || string(s[:2]) == "20") && isDigit(s[2]) && isDigit(s[3])
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// pronounceable tells the cost of each piece that begins at i and may be a word,
// or several without spaces: letters with vowels in them, at most three
// consonants or four vowels in a row, and few twists.
func (l *layout) pronounceable(i int, cost func(length int, bits float64)) {
	vowelSeen, vowels, consonants, capitals, swaps := false, 0, 0, 0, 0
	for end := i; end < len(l.letters); end++ {
		r := l.letters[end]
		switch {
		case !unicode.IsLetter(r) && !unicode.IsMark(r), isGlyph(r):
			return
		case r > unicode.MaxASCII: // which of them are vowels differs from language to language
			vowelSeen, vowels, consonants = true, 0, 0
		case strings.ContainsRune("aeiouy", r):
			vowelSeen, vowels, consonants = true, vowels+1, 0
		default:
			vowels, consonants = 0, consonants+1
		}
		if r != l.lower[end] {
			swaps++
		}
		if l.typed[end] != l.lower[end] && end > i {
			capitals++
		}
		length := end - i + 1
		twists := swaps + capitals
		if capitals == length-1 {
			twists = swaps + 1 // all of them
		}
		if vowels > 4 || consonants > 3 {
			return
		}
		if !vowelSeen || twists > mostTwists {
			continue
		}
		bits := wordBits + restBits*float64(max(0, length-6))
		if length <= 3 && l.standsAlone(i, end+1) {
			bits = smallBits
		}
		cost(length, bits+twistBits*float64(twists))
	}
}

func (l *layout) standsAlone(start, end int) bool {
	return (start == 0 || unicode.IsSpace(l.lower[start-1])) && (end == len(l.lower) || unicode.IsSpace(l.lower[end]))
}
