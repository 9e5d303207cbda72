// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// whole is a letter with everything that one can have.
func whole(language string) Letter {
	l := Letter{
		Brand: Brand{Name: "Example & Sons"}, Language: language,
		Subject: MailCodeSubject, Lead: MailCode, LeadArgs: []any{10}, Code: "042137",
		Link: "https://app.example.test/_nightlatch/reset/TOKEN?a=1&b=2", LinkText: MailResetLink,
		Advice: []Message{MailKeepSecret, MailNotYou}, Account: "https://app.example.test/_nightlatch/account",
	}
	l.Facts = []Fact{
		{MailAccount, "alice", false},
		{MailSite, "https://app.example.test", true},
		{MailTime, l.When(time.Date(2026, 3, 1, 9, 5, 0, 0, time.UTC)), true},
		{MailAddress, "192.0.2.7", true},
		{MailDevice, l.Device(firefox), true},
	}
	return l
}

func mustRender(t *testing.T, l Letter) (subject, text, markup string) {
	t.Helper()
	subject, text, markup, err := l.Render()
	if err != nil {
		t.Fatal(err)
	}
	return subject, text, markup
}

// Both parts say everything, and the subject holds no secret (ML-6).
func TestML6BothPartsOfALetterSayTheSame(t *testing.T) {
	for _, v := range voices {
		l := whole(v.Tag)
		subject, text, markup := mustRender(t, l)
		if subject != v.say(MailCodeSubject, "Example & Sons") || strings.Contains(subject, l.Code) {
			t.Errorf("%s: subject %q", v.Tag, subject)
		}
		shown := html.UnescapeString(markup)
		for name, part := range map[string]string{"text": text, "HTML": shown} {
			for _, want := range []string{
				"Example & Sons", v.say(MailCode, 10), l.Code, l.Link, v.say(MailResetLink), v.say(MailAccount), "alice", l.Facts[1].Value, l.Facts[2].Value,
				"192.0.2.7", "Firefox", v.say(MailKeepSecret), v.say(MailNotYou), l.Account,
			} {
				if !strings.Contains(part, want) {
					t.Errorf("%s: the %s lacks %q:\n%s", v.Tag, name, want, part)
				}
			}
		}
		if !strings.Contains(markup, `<html lang="`+v.Tag+`"`) {
			t.Errorf("%s: the HTML does not say its language", v.Tag)
		}
		if !strings.Contains(shown, ">"+l.Link+"</small>") {
			t.Errorf("%s: the link does not stand as text too:\n%s", v.Tag, markup)
		}
	}
}

// Labels are set off as the language does it.
func TestColonsOfALetter(t *testing.T) {
	for language, want := range map[string]string{
		"en": "\nAccount: alice\n", "de": "\nKonto: alice\n", "fr": "\nCompte\u00a0: alice\n", "es": "\nCuenta: alice\n", "pt": "\nConta: alice\n",
		"ja": "\nアカウント：alice\n", "zh-Hans": "\n账户：alice\n",
	} {
		l := whole(language)
		_, text, _ := mustRender(t, l)
		link := l.voice().say(MailResetLink) + strings.TrimRight(l.voice().colon, " ") + "\n" + l.Link + "\n"
		if !strings.Contains(text, want) || !strings.Contains(text, link) {
			t.Errorf("%s: got\n%s\nwant %q and %q in it", language, text, want, link)
		}
	}
}

// Whoever reads a letter is not told of, and no color is set that a dark screen would make unreadable.
func TestLetterFetchesNothing(t *testing.T) {
	_, _, markup := mustRender(t, whole("en"))
	for _, bad := range []string{"<img", "<link", "<script", "<style", "url(", "@import", "src=", "background", "color:", "#fff"} {
		if strings.Contains(markup, bad) {
			t.Errorf("the HTML holds %q:\n%s", bad, markup)
		}
	}
	addresses := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(markup, -1)
	if len(addresses) != 2 {
		t.Errorf("links %q, want those of the letter alone", addresses)
	}
}

// WB-4, ML-1: what somebody chose is a short line of text: no header, no markup, no link, and it does not turn the text around it.
func TestWB4ML1ChosenValuesInLetters(t *testing.T) {
	for name, value := range map[string]string{
		"a header":        "x\r\nBcc: victim@example.test\r\n\r\nhello",
		"markup":          `</td><a href="https://evil.example">x</a><img src=x>`,
		"an address":      "https://evil.example/login",
		"a bare address":  "www.evil.example",
		"a mail address":  "help@evil.example",
		"turned around":   "abc\u202Egnp.exe\u2066x",
		"unseen":          "a\u200B\u2060\uFEFF\x00\x1b[31mb",
		"line separators": "a\u2028b\u2029c\u0085d",
		"long":            strings.Repeat("long ", 1000),
		"not UTF-8":       "a\xff\xfe",
	} {
		l := Letter{
			Brand: Brand{Name: "Example"}, Language: "en", Subject: MailFactorAddedSubject, Lead: MailFactorAdded,
			Facts: []Fact{{MailFactor, value, false}, {MailTime, "now", true}},
		}
		subject, text, markup := mustRender(t, l)
		if strings.ContainsFunc(subject, unicode.IsControl) || strings.Contains(subject, "evil") {
			t.Errorf("%s: subject %q", name, subject)
		}
		_, line, _ := strings.Cut(text, "Second factor: ")
		line, rest, _ := strings.Cut(line, "\n")
		if !strings.HasPrefix(rest, "Time: now\n") || len([]rune(strings.ReplaceAll(line, "\u200B", ""))) > longestValue {
			t.Errorf("%s: the value is not one short line: %q", name, text)
		}
		for _, part := range []string{text, markup} {
			for _, bad := range []string{"evil.example", "www.evil", "@evil", "://evil", "\u202E", "\u2066", "\x00", "\x1b", "\r"} {
				if strings.Contains(part, bad) {
					t.Errorf("%s: a part holds %q:\n%s", name, bad, part)
				}
			}
		}
		if strings.Contains(markup, "<img") || strings.Contains(markup, "<a") {
			t.Errorf("%s: the HTML has markup of its own:\n%s", name, markup)
		}
	}
	if got := oneLine(" a\u2028b\r\n\tc ", longestValue); got != "a b c" {
		t.Errorf("lines are joined to %q", got)
	}
	l := whole("en")
	l.Brand.Name = "Example\r\nBcc: x@example.test"
	if subject, _, _ := mustRender(t, l); strings.ContainsAny(subject, "\r\n") {
		t.Errorf("the brand makes a header: %q", subject)
	}
	l.Lead, l.LeadArgs = LanguageLink, []any{"www.evil.example"}
	if _, text, _ := mustRender(t, l); strings.Contains(text, "www.evil") {
		t.Errorf("a word of the lead is a link:\n%s", text)
	}
}

func TestLettersThatAreRefused(t *testing.T) {
	for _, link := range []string{
		"javascript:SECRET", "/_nightlatch/reset/SECRET", "https:///SECRET", "https://a:b@example.test/SECRET", "ftp://example.test/SECRET",
		"https://example.test/SECRET\r\nx", `https://example.test/"SECRET`, "https://example.test/ SECRET", "https://example.test/%zzSECRET", "https://exämple.test/SECRET",
	} {
		for _, l := range []Letter{{Subject: MailResetSubject, Lead: MailTest, Link: link}, {Subject: MailResetSubject, Lead: MailTest, Account: link}} {
			if _, _, _, err := l.Render(); err == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%q: got %v, want an error that does not repeat it", link, err)
			}
		}
	}
	for _, l := range []Letter{{}, {Subject: MailTestSubject}, {Lead: MailTest}} {
		if _, _, _, err := l.Render(); err == nil {
			t.Errorf("%+v: got no error", l)
		}
	}
}

func TestLetterInALanguageThatWeDoNotSpeak(t *testing.T) {
	for _, tag := range []string{"", "nl", "DE"} {
		l := Letter{Language: tag, Subject: MailTestSubject, Lead: MailTest}
		if subject, _, _ := mustRender(t, l); subject != "Test mail from Nightlatch" {
			t.Errorf("%q: got %q, want English", tag, subject)
		}
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		firefox: "Firefox, Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                        "Chrome, Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":          "Edge, Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                  "Safari, macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1": "Chrome, iPhone",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":    "Samsung Internet, Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36":                         "Chrome, ChromeOS",
		"curl/8.14.1":                   "curl",
		"Something for Linux":           "Linux",
		"":                              "Unknown device",
		"Free money: www.evil.example/": "Unknown device",
	} {
		if got := Device(asking(), agent); got != want {
			t.Errorf("%q: got %q, want %q", agent, got, want)
		}
	}
}

// A program is not taken for the browser that it may call itself.
func TestHolder(t *testing.T) {
	for agent, want := range map[string]string{"curl/8.14.1": "Program: curl", firefox: "Program: Firefox, Linux", "Sync/1.0": "Program", "": "Program"} {
		if got := voices[0].holder(agent, true); got != want {
			t.Errorf("%q: got %q, want %q", agent, got, want)
		}
		if got, want := voices[0].holder(agent, false), voices[0].device(agent); got != want {
			t.Errorf("%q of a browser: got %q, want %q", agent, got, want)
		}
	}
}

// Every letter is whole in every language: each subject takes the brand and nothing else, and each has a lead.
func TestEveryLetterHasASubjectAndALead(t *testing.T) {
	leads := map[Message]bool{}
	for m := range maps.Keys(voices[0].sentences) {
		if lead, ok := strings.CutSuffix(string(m), ".subject"); ok {
			leads[Message(lead)] = true
			for _, v := range voices {
				if got := v.say(m, "BRAND"); strings.Count(got, "BRAND") != 1 || strings.Contains(got, "%") {
					t.Errorf("%s: the subject %s is %q", v.Tag, m, got)
				}
			}
		}
	}
	for _, lead := range slices.Collect(maps.Keys(leads)) {
		if !voices[0].has(lead) {
			t.Errorf("the letter %s has no lead", lead)
		}
	}
}
