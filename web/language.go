// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// words is one language as its translator writes it, in a file of its own.
type words struct {
	Tag    string // BCP 47
	Name   string // as its speakers call it
	Dir    string // of the script: ltr or rtl
	colon  string // between a label and what it labels, with its spaces
	space  string // between two sentences, and after the colon of a message
	moment string // how a moment is written, as a layout of package time
	months [12]string

	sentences map[Message]string

	// counted are the sentences that depend on a number, which is their first argument: pairs of a plural form and a sentence. The forms
	// are those of CLDR for the language ("one", "other"), "=0" for an exact number and "<2" for all below; the first that fits counts.
	counted map[Message][]string
}

// voice is a language that speaks.
type voice struct {
	words
	print     *message.Printer
	templates sheets
	fallback  *voice // says what this one has no words for; nil for English
}

// vocabulary is the languages of our pages, in the order in which they are offered. The first is for whoever wants none of them.
var vocabulary = []words{english, german, french, spanish, portuguese, japanese, chinese}

// voices are the same, speaking.
var voices = speak(vocabulary)

// speak gives voices to words. Words that cannot be formatted stop the program at start.
func speak(all []words) []*voice {
	c := catalog.NewBuilder()
	var speaking []*voice
	parsed := parse()
	for _, w := range all {
		tag := language.MustParse(w.Tag)
		for m, s := range w.sentences {
			if strings.Contains(s, "%") {
				must(c.SetString(tag, string(m), s))
			}
		}
		for m, forms := range w.counted {
			cases := make([]any, len(forms))
			for i := range forms {
				cases[i] = forms[i]
			}
			must(c.Set(tag, string(m), plural.Selectf(1, "%d", cases...)))
		}
		v := &voice{words: w, print: message.NewPrinter(tag, message.Catalog(c))}
		if len(speaking) > 0 {
			v.fallback = speaking[0]
		}
		v.templates = parsed.in(v)
		speaking = append(speaking, v)
	}
	return speaking
}

func must(err error) {
	if err != nil {
		panic(fmt.Errorf("web: %w", err))
	}
}

func (v *voice) has(m Message) bool {
	return v.sentences[m] != "" || v.counted[m] != nil
}

func (v *voice) say(m Message, args ...any) string {
	if v.fallback != nil && !v.has(m) {
		v = v.fallback
	}
	if len(args) == 0 {
		return v.sentences[m]
	}
	return v.print.Sprintf(string(m), args...)
}

func (v *voice) wait(d time.Duration) string {
	switch {
	case d <= 90*time.Second:
		return v.say(Seconds, roundUp(d, time.Second))
	case d <= 90*time.Minute:
		return v.say(Minutes, roundUp(d, time.Minute))
	}
	return v.say(Hours, roundUp(d, time.Hour))
}

// trust offers to trust a browser for a time.
func (v *voice) trust(d time.Duration) string {
	const day = 24 * time.Hour
	if d < day {
		return v.say(TrustBrowserHours, roundUp(d, time.Hour))
	}
	return v.say(TrustBrowser, roundUp(d, day))
}

// roundUp is how many units a time takes, at least one.
func roundUp(d, unit time.Duration) int64 { return max(1, int64((d+unit-1)/unit)) }

func (v *voice) when(t time.Time) string {
	if t.IsZero() {
		return v.say(Never)
	}
	t = t.UTC()
	return strings.Replace(t.Format(v.moment), t.Month().String(), v.months[t.Month()-1], 1)
}

// Say returns the words of a message in the language of whoever asks, with args filled in as package fmt does. It is safe for
// concurrent use.
func Say(r *http.Request, m Message, args ...any) string { return voiceFor(r).say(m, args...) }

// Wait returns a time to wait in words. It rounds up, so that nobody who waited as told comes too early.
func Wait(r *http.Request, d time.Duration) string { return voiceFor(r).wait(d) }

// When returns a moment in words, in UTC; the zero time is "never".
func When(r *http.Request, t time.Time) string { return voiceFor(r).when(t) }

// Tag returns the language of whoever asks (BCP 47): one of those that HasLanguage knows.
func Tag(r *http.Request) string { return voiceFor(r).Tag }

// HasLanguage tells whether our pages speak a language, by its exact tag.
func HasLanguage(tag string) bool { return voiceNamed(tag) != nil }

func voiceNamed(tag string) *voice {
	for _, v := range voices {
		if v.Tag == tag {
			return v
		}
	}
	return nil
}

// voiceFor chooses the language for a request: the one that was chosen on the page for it, else what the browser prefers.
func voiceFor(r *http.Request) *voice {
	if v := remembered(r.Header["Cookie"]); v != nil {
		return v
	}
	if accepted := r.Header["Accept-Language"]; len(accepted) > 0 {
		return preferred(accepted[0])
	}
	return voices[0]
}

// languageCookies are the names of the cookie that remembers a choice, the one that no other site can set first. They repeat the names
// of visit.Language, since this package may not import visit; a test of package portal holds the two together.
var languageCookies = [...]string{"__Host-nightlatch-language", "nightlatch-language"}

// remembered finds the language of the cookie, or nil. The value is compared with what we have and used for nothing else, so a planted
// one can do no more than choose a language.
func remembered(lines []string) *voice {
	for _, name := range languageCookies {
		for _, line := range lines {
			for pair := range strings.SplitSeq(line, ";") {
				if n, value, _ := strings.Cut(strings.TrimSpace(pair), "="); n == name {
					if v := voiceNamed(value); v != nil {
						return v
					}
				}
			}
		}
	}
	return nil
}

// maxAccepted is how much of an Accept-Language header is read, in bytes. Browsers send a tenth of it; what follows is wanted least.
const maxAccepted = 256

// preferred finds the language that fits an Accept-Language header best (RFC 9110 §12.5.4), English where none fits.
func preferred(accepted string) *voice {
	if v := first(accepted); v != nil {
		return v
	}
	if len(accepted) > maxAccepted {
		accepted = accepted[:max(0, strings.LastIndexByte(accepted[:maxAccepted], ','))]
	}
	tags, _, err := language.ParseAcceptLanguage(accepted)
	if err != nil {
		return voices[0]
	}
	_, i, _ := matcher.Match(tags...)
	return voices[i]
}

// first is the language that a header names first and without a weight, or nil: what most browsers send, found without reading the rest.
// A refusal says two sentences, and weighing a whole header costs more than they do. Chinese for Taiwan, Hong Kong and Macau is written
// otherwise than ours, so it has to be weighed.
func first(accepted string) *voice {
	wanted, _, _ := strings.Cut(accepted, ",")
	primary, region, _ := strings.Cut(wanted, "-")
	if len(wanted) != 2 && len(region) != 2 || strings.EqualFold(primary, "zh") && region != "" && !strings.EqualFold(region, "cn") {
		return nil
	}
	for _, v := range voices {
		if strings.EqualFold(v.Tag[:2], primary) {
			return v
		}
	}
	return nil
}

var matcher = func() language.Matcher {
	tags := make([]language.Tag, len(voices))
	for i, v := range voices {
		tags[i] = language.MustParse(v.Tag)
	}
	return language.NewMatcher(tags)
}()
