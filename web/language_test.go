// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"
)

func rendered(t *testing.T, v *voice, page Page) string {
	t.Helper()
	var out bytes.Buffer
	if err := v.render(&out, page); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// asking is a request with headers, which alternate with their values.
func asking(headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestLanguageIsChosen(t *testing.T) {
	for _, c := range []struct {
		want    string
		headers []string
	}{
		{"en", nil},
		{"en", []string{"Accept-Language", ""}},
		{"en", []string{"Accept-Language", "*"}},
		{"en", []string{"Accept-Language", "en-GB,de;q=0.9"}},
		{"en", []string{"Accept-Language", "nl,uk;q=0.9"}},
		{"en", []string{"Accept-Language", "de;q=0"}},
		{"de", []string{"Accept-Language", "de"}},
		{"de", []string{"Accept-Language", "DE-at,en;q=0.9"}},
		{"de", []string{"Accept-Language", "en;q=0.8,de"}},
		{"de", []string{"Accept-Language", "nl,de;q=0.5"}},
		{"de", []string{"Accept-Language", "en-GB;q=0,de"}},
		{"de", []string{"Accept-Language", "gsw"}},
		{"fr", []string{"Accept-Language", "fr-CA,fr;q=0.8,en;q=0.7"}},
		{"es", []string{"Accept-Language", "es-419,es;q=0.9"}},
		{"pt", []string{"Accept-Language", "pt-BR,pt;q=0.9,en;q=0.8"}},
		{"pt", []string{"Accept-Language", "pt-PT"}},
		{"ja", []string{"Accept-Language", "ko,ja;q=0.1"}},
		{"de", []string{"Accept-Language", strings.Repeat("nl;q=0.9,", 20) + "de;q=0.1"}},
		{"en", []string{"Accept-Language", strings.Repeat("nl;q=0.9,", 30) + "de;q=0.1"}}, // what stands so far back is not read
		{"zh-Hans", []string{"Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8"}},
		{"zh-Hans", []string{"Accept-Language", "zh"}},
		{"zh-Hans", []string{"Accept-Language", "zh-Hans-SG"}},
		{"zh-Hans", []string{"Accept-Language", "zh-TW"}}, // nearer than English
		{"en", []string{"Accept-Language", "zh-TW,en;q=0.9"}},

		{"fr", []string{"Accept-Language", "de", "Cookie", "nightlatch-language=fr"}},
		{"fr", []string{"Accept-Language", "de", "Cookie", "a=b;__Host-nightlatch-language=fr;c=d"}},
		{"fr", []string{"Cookie", "nightlatch-language=ja", "Cookie", "__Host-nightlatch-language=fr"}}, // a sibling domain can set only the first
		{"de", []string{"Accept-Language", "de", "Cookie", "nightlatch-language=FR"}},
		{"de", []string{"Accept-Language", "de", "Cookie", `nightlatch-language="fr"`}},
		{"de", []string{"Accept-Language", "de", "Cookie", "nightlatch-language=xx; my-nightlatch-language=fr; nightlatch-language"}},
	} {
		if got := Tag(asking(c.headers...)); got != c.want {
			t.Errorf("%q: got %s, want %s", c.headers, got, c.want)
		}
	}
}

// FuzzAcceptLanguage: whatever a header says, it is read soon and comes to a language of ours, and who wants one of ours first gets it.
func FuzzAcceptLanguage(f *testing.F) {
	for _, seed := range []string{
		"de-DE,de;q=0.9,en;q=0.8", "", ",", ";;;", "*;q=0.5", "zh-Hant-TW", "x-private", "i-klingon", "en-US-u-co-phonebk", "de;q=1.0000000000000000001",
		strings.Repeat("a-", 4000), strings.Repeat("de,", 4000), strings.Repeat("de;q=0.1,", 4000), "\x00\xff", "fr;q=nan", "de-", "-de", "DE_DE",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accepted string) {
		start := time.Now()
		tag := Tag(asking("Accept-Language", accepted))
		if spent := time.Since(start); spent > time.Second {
			t.Errorf("%q took %v", accepted, spent)
		}
		if !HasLanguage(tag) {
			t.Errorf("%q: got %q", accepted, tag)
		}
		if strings.HasPrefix(accepted, "ja,") && tag != "ja" {
			t.Errorf("%q: got %q, want ja", accepted, tag)
		}
	})
}

// What is found without weighing is what weighing finds.
func TestFirstAgreesWithTheMatcher(t *testing.T) {
	for _, accepted := range []string{"de", "de-CH", "en-US", "en-IN", "fr-BE", "es-MX", "pt-BR", "pt-AO", "ja-JP", "zh", "zh-CN"} {
		v := first(accepted + ",nl;q=0.9")
		if v == nil {
			t.Errorf("%s: not found at once", accepted)
			continue
		}
		if _, i, _ := matcher.Match(language.MustParse(accepted)); voices[i] != v {
			t.Errorf("%s: got %s at once, %s by weight", accepted, v.Tag, voices[i].Tag)
		}
	}
	for _, accepted := range []string{"nl", "zh-TW", "de;q=0.5", "deu", "d", "", "d-DE"} {
		if v := first(accepted); v != nil {
			t.Errorf("%s: got %s at once", accepted, v.Tag)
		}
	}
}

func TestChoosingTheLanguageIsCheap(t *testing.T) {
	r := asking("Accept-Language", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "Cookie", "a=b; __Host-nightlatch=x")
	if n := testing.AllocsPerRun(100, func() { voiceFor(r) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// A page says its language, is in it, and no cache gives it to somebody who wants another.
func TestPageIsInTheLanguageOfItsReader(t *testing.T) {
	for _, v := range voices {
		w := httptest.NewRecorder()
		Write(w, asking("Accept-Language", v.Tag), 200, BackupCodeUsed{Frame: example, Left: 3, Continue: "/"})
		page := w.Body.String()
		for _, want := range []string{`<html lang="` + v.Tag + `" dir="` + v.Dir + `">`, v.say(CodesLeft, 3), v.Name} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: no %q in\n%s", v.Tag, want, page)
			}
		}
		if !strings.Contains(w.Header().Get("Vary"), "Accept-Language") {
			t.Errorf("%s: Vary %q", v.Tag, w.Header().Get("Vary"))
		}
	}
}

// Every page leads to the choice of a language, and from there back; without a way back the page stays where it is.
func TestEveryPageLeadsToTheLanguages(t *testing.T) {
	link := regexp.MustCompile(`<footer><a href="([^"]*)"([^>]*)>`)
	for _, page := range full {
		m := link.FindStringSubmatch(rendered(t, voices[0], page))
		if m == nil || m[1] != "/_nightlatch/language?return_to=%2f_nightlatch%2fsign-in%3freturn_to%3d%2fapp" || m[2] != "" {
			t.Errorf("%T: got %q", page, m)
		}
	}
	m := link.FindStringSubmatch(rendered(t, voices[0], NotSent{}))
	if m == nil || m[1] != "/_nightlatch/language" || !strings.Contains(m[2], `target="_blank"`) {
		t.Errorf("a page that must not be left: got %q", m)
	}
}

func TestLanguagesAreOfferedByTheirOwnNames(t *testing.T) {
	page := rendered(t, voiceNamed("fr"), ChooseLanguage{Frame: example})
	for _, v := range voices {
		want := `name="language" value="` + v.Tag + `" lang="` + v.Tag + `" dir="` + v.Dir + `"`
		if v.Tag == "fr" {
			want += ` aria-current="true"`
		}
		if want += ">" + v.Name + "</button>"; !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
}

// What a language lacks is said in English, numbers included, and a page is never without a sentence.
func TestWhatALanguageLacksIsSaidInEnglish(t *testing.T) {
	v := &voice{fallback: voices[0]}
	if got := v.say(SignInTitle); got != "Sign in" {
		t.Errorf("got %q", got)
	}
	if got := v.say(CodesLeft, 1); got != "You have 1 backup code left." {
		t.Errorf("got %q", got)
	}
}

func TestHowLongABrowserIsTrusted(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "for up to an hour.", 90 * time.Minute: "for up to 2 hours.", 24 * time.Hour: "for up to a day.", 36 * time.Hour: "for up to 2 days.", month: "for up to 30 days.",
	} {
		if got := voices[0].trust(d); !strings.Contains(got, want) {
			t.Errorf("%v: got %q, want %q in it", d, got, want)
		}
	}
}

func TestMomentsAreInWordsAndUTC(t *testing.T) {
	moment := time.Date(2026, 3, 1, 23, 5, 0, 0, time.FixedZone("", -2*3600)) // 2 March 01:05 UTC
	for tag, want := range map[string]string{
		"en": "2 March 2026, 01:05 UTC", "de": "2. März 2026, 01:05 UTC", "fr": "2 mars 2026 à 01:05 UTC", "es": "2 de marzo de 2026, 01:05 UTC",
		"pt": "2 de março de 2026, 01:05 UTC", "ja": "2026年3月2日 01:05 UTC", "zh-Hans": "2026年3月2日 01:05 UTC",
	} {
		if got := When(asking("Accept-Language", tag), moment); got != want {
			t.Errorf("%s: got %q, want %q", tag, got, want)
		}
		if got := When(asking("Accept-Language", tag), time.Time{}); got != voiceNamed(tag).say(Never) {
			t.Errorf("%s: the zero time is %q", tag, got)
		}
	}
	for _, v := range voices {
		if months := slices.Sorted(slices.Values(v.months[:])); len(slices.Compact(months)) != 12 || months[0] == "" {
			t.Errorf("%s: months %q", v.Tag, v.months)
		}
	}
}
