// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// forms are the sentences of a message by plural form; one that does not depend on a number has the form "".
func (w *words) forms(m Message) map[string]string {
	if s, ok := w.sentences[m]; ok {
		return map[string]string{"": s}
	}
	forms := map[string]string{}
	for i := 0; i+1 < len(w.counted[m]); i += 2 {
		forms[w.counted[m][i]] = w.counted[m][i+1]
	}
	return forms
}

func (w *words) messages() []Message {
	return slices.Sorted(func(yield func(Message) bool) {
		for m := range w.sentences {
			if !yield(m) {
				return
			}
		}
		for m := range w.counted {
			if !yield(m) {
				return
			}
		}
	})
}

// Every language has words for every message, in the same shape, and for no other.
func TestEveryLanguageIsWhole(t *testing.T) {
	for _, w := range vocabulary {
		for _, m := range english.messages() {
			if (w.sentences[m] == "") != (english.sentences[m] == "") || (w.counted[m] == nil) != (english.counted[m] == nil) {
				t.Errorf("%s lacks %s: %q", w.Tag, m, english.forms(m))
			}
		}
		for _, m := range w.messages() {
			if english.sentences[m] == "" && english.counted[m] == nil {
				t.Errorf("%s has words for %s, which is not in English", w.Tag, m)
			}
			if _, both := w.sentences[m]; both && w.counted[m] != nil {
				t.Errorf("%s has %s twice", w.Tag, m)
			}
		}
		for m, cases := range w.counted {
			if len(cases)%2 != 0 || len(cases) == 0 || cases[len(cases)-2] != "other" {
				t.Errorf("%s: %s: pairs of a form and a sentence that end with other, got %q", w.Tag, m, cases)
			}
		}
	}
}

var verb = regexp.MustCompile(`%(?:\[(\d)\])?(.)`)

// verbs are the arguments that a sentence is filled in with, by their place.
func verbs(s string) map[string]string {
	found := map[string]string{}
	next := '1'
	for _, m := range verb.FindAllStringSubmatch(s, -1) {
		if m[1] == "" {
			m[1] = string(next)
			next++
		}
		found[m[1]] = m[2]
	}
	return found
}

// What is filled in is the same in all languages, or a number would stand where a name should.
func TestLanguagesAreFilledInAlike(t *testing.T) {
	for _, w := range vocabulary {
		for _, m := range w.messages() {
			ours, theirs := w.forms(m), english.forms(m)
			for form, s := range ours {
				got := verbs(s)
				for place, kind := range got {
					if !strings.Contains("sd", kind) {
						t.Errorf("%s: %s: %q is filled in with %%%s", w.Tag, m, s, kind)
					}
					want := theirs[""]
					if form != "" {
						want = theirs["other"]
					}
					if verbs(want)[place] != kind {
						t.Errorf("%s: %s: %q is filled in otherwise than %q", w.Tag, m, s, want)
					}
				}
				if (form == "" || form == "other") && !maps.Equal(got, verbs(theirs[form])) {
					t.Errorf("%s: %s: %q leaves something out of %q", w.Tag, m, s, theirs[form])
				}
			}
		}
	}
}

// same are sentences that are the same in English and another language, by right.
var same = map[string][]Message{
	"de":      {Code, AccountFullName, DownloadName, NewAppPasswordName},
	"fr":      {AccountEmail, Code, KindEmail, MailSite, Minutes, NewAppPasswordSite},
	"pt":      {AccountEmail, AppPasswordSite, KindEmail, MailSite, NewAppPasswordSite},
	"ja":      {DownloadName},
	"zh-Hans": {DownloadName},
}

// Nothing was left in English by mistake.
func TestNothingIsLeftInEnglish(t *testing.T) {
	leftover := regexp.MustCompile(`(?i)\b(the|your|you|and|with|this|password)\b`)
	for _, w := range vocabulary[1:] {
		alike := map[Message]bool{}
		for _, m := range w.messages() {
			for form, s := range w.forms(m) {
				plain := verb.ReplaceAllString(s, "")
				if !strings.ContainsFunc(plain, unicode.IsLetter) {
					continue
				}
				if s == english.forms(m)[form] {
					alike[m] = true
					if !slices.Contains(same[w.Tag], m) {
						t.Errorf("%s: %s is as in English: %q", w.Tag, m, s)
					}
				}
				if word := leftover.FindString(plain); word != "" {
					t.Errorf("%s: %s: %q holds the English word %q", w.Tag, m, s, word)
				}
			}
		}
		for _, m := range same[w.Tag] {
			if !alike[m] {
				t.Errorf("%s: %s is not as in English any more; strike it off", w.Tag, m)
			}
		}
	}
}

// ends are how a sentence ends in other scripts.
var ends = strings.NewReplacer("。", ".", "？", "?", "：", ":", "\u00a0", "", "\u202f", "")

// A sentence stays a sentence, a title a title, a question a question; and each is set as its language is.
func TestLanguagesAreSetWell(t *testing.T) {
	odd := map[string]*regexp.Regexp{
		"fr":      regexp.MustCompile(` [;:?!»]|['"]|\S[;?!]`), // a no-break space goes before
		"zh-Hans": regexp.MustCompile(`\p{Han}[,;:?!()]|[,;:?!()]\p{Han}`),
		"ja":      regexp.MustCompile(`[\p{Han}\p{Hiragana}\p{Katakana}][,;?!]`),
	}
	for _, w := range vocabulary {
		for _, m := range w.messages() {
			for form, s := range w.forms(m) {
				if strings.Contains(s, "  ") || strings.TrimSpace(s) != s || strings.ContainsFunc(s, unicode.IsControl) {
					t.Errorf("%s: %s: spaces at an end, doubled, or a control character: %q", w.Tag, m, s)
				}
				if re := odd[w.Tag]; re != nil && re.MatchString(spaced.ReplaceAllString(s, "\u202f")) {
					t.Errorf("%s: %s: %q in %q", w.Tag, m, re.FindString(s), s)
				}
				model, ok := english.forms(m)[form]
				if !ok {
					model = english.forms(m)["other"]
				}
				if got, want := end(s), end(model); got != want {
					t.Errorf("%s: %s ends with %q and in English with %q: %q", w.Tag, m, got, want, s)
				}
			}
		}
	}
}

// spaced is a no-break space with what it belongs to.
var spaced = regexp.MustCompile("[\u00a0\u202f][:;?!]")

// end is the mark at the end of a sentence, or nothing.
func end(s string) string {
	s = ends.Replace(s)
	if last := s[len(s)-1:]; strings.Contains(".?!:", last) {
		return last
	}
	return ""
}

// Every page can be shown in every language, with nothing missing and nothing too much.
func TestEveryPageInEveryLanguage(t *testing.T) {
	for _, v := range voices {
		for _, page := range full {
			out := rendered(t, v, page)
			for _, bad := range []string{"%!", "%s", "%d", "<no value>", "ZgotmplZ"} {
				if strings.Contains(out, bad) {
					t.Errorf("%s: %T holds %q:\n%s", v.Tag, page, bad, out)
				}
			}
		}
	}
}
