// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Letter is a mail to one person, in two parts that say the same: one of plain text, one of HTML. Neither fetches anything, so no mail
// program tells us or anybody that it was read.
type Letter struct {
	Brand    Brand
	Language string // BCP 47, as Tag returns it; English for one that we do not speak

	Subject  Message // its words are filled in with the brand; never a secret, since it shows on locked screens
	Lead     Message // what this is about
	LeadArgs []any   // what the lead is filled in with; strings were chosen by somebody, and are shown as Fact.Value is

	Code     string  // shown in large type; empty: none
	Link     string  // an https address, or http of a site on loopback; shown twice, in words and as text; empty: none
	LinkText Message // the words of the link

	Facts   []Fact
	Advice  []Message // a paragraph each
	Account string    // the address of the page where the advice is followed, shown as Link is; empty: none
}

// Fact is one line of a table.
type Fact struct {
	Label Message
	Value string

	// Ours tells that the value was made or checked by the program: a moment, an origin, an e-mail address that is in use. Any other was
	// chosen by somebody, and mail programs make a link of whatever looks like one. It is cut and shown so that they do not (WB-4).
	Ours bool
}

// When returns a moment in words of the letter's language, in UTC.
func (l Letter) When(t time.Time) string { return l.voice().when(t) }

// Device is Device in the letter's language.
func (l Letter) Device(userAgent string) string { return l.voice().device(userAgent) }

// Kind is what a kind of second factor is called in the letter's language, by its method and, with a webhook, its channel. Empty: it has no
// word.
func (l Letter) Kind(method, channel string) string { return l.voice().kind(method, channel) }

func (l Letter) voice() *voice {
	if v := voiceNamed(l.Language); v != nil {
		return v
	}
	return voices[0]
}

// paper is a letter in words.
type paper struct {
	Lang, Dir, Brand, Subject, Lead, Code string
	Link, LinkText                        string
	Facts                                 []struct{ Label, Value string }
	Advice                                []string
	Account, AccountText                  string

	colon string
}

//go:embed letter.html
var letterHTML string

var letterTemplate = template.Must(template.New("letter.html").Parse(letterHTML))

// Render returns the subject, in one line, and both parts. It refuses a letter without a subject or a lead, and one with a link that is
// no web address; the error does not repeat the link, which may hold a secret.
func (l Letter) Render() (subject, text, html string, err error) {
	if l.Subject == "" || l.Lead == "" {
		return "", "", "", errors.New("rendering a letter without a subject or a lead")
	}
	for _, link := range []string{l.Link, l.Account} {
		if link != "" && !isWebAddress(link) {
			return "", "", "", fmt.Errorf("rendering the letter %s: its link is no web address", l.Subject)
		}
	}
	p := l.write()
	var b bytes.Buffer
	if err := letterTemplate.Execute(&b, p); err != nil {
		return "", "", "", fmt.Errorf("rendering the letter %s: %w", l.Subject, err)
	}
	return p.Subject, p.text(), b.String(), nil
}

func (l Letter) write() paper {
	v := l.voice()
	brand := oneLine(l.Brand.String(), longestValue)
	args := make([]any, len(l.LeadArgs))
	for i, a := range l.LeadArgs {
		if s, ok := a.(string); ok {
			a = chosen(s)
		}
		args[i] = a
	}
	p := paper{
		Lang: v.Tag, Dir: v.Dir, Brand: brand, Subject: v.say(l.Subject, brand), Lead: v.say(l.Lead, args...), Code: oneLine(l.Code, longestValue),
		Link: l.Link, LinkText: v.say(l.LinkText), Account: l.Account, AccountText: v.say(ToAccount), colon: v.colon,
	}
	for _, f := range l.Facts {
		value := chosen(f.Value)
		if f.Ours {
			value = oneLine(f.Value, longestOurs)
		}
		p.Facts = append(p.Facts, struct{ Label, Value string }{v.say(f.Label), value})
	}
	for _, m := range l.Advice {
		p.Advice = append(p.Advice, v.say(m))
	}
	return p
}

// text is the part without markup.
func (p paper) text() string {
	var b strings.Builder
	paragraph := func(s string) {
		if s != "" {
			b.WriteString(s + "\n\n")
		}
	}
	before := strings.TrimRight(p.colon, " ") + "\n" // a link, which has a line of its own
	paragraph(p.Brand)
	paragraph(p.Lead)
	if p.Code != "" {
		paragraph("    " + p.Code)
	}
	if p.Link != "" {
		paragraph(p.LinkText + before + p.Link)
	}
	for _, f := range p.Facts {
		b.WriteString(f.Label + p.colon + f.Value + "\n")
	}
	if len(p.Facts) > 0 {
		b.WriteString("\n")
	}
	for _, a := range p.Advice {
		paragraph(a)
	}
	if p.Account != "" {
		paragraph(p.AccountText + before + p.Account)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// How long a value may be, in characters: somebody's own, and one of ours, of which an e-mail address is the longest.
const (
	longestValue = 100
	longestOurs  = 320
)

// oneLine makes a value one line of visible text. What cannot be seen goes, line ends, and the marks that turn the direction of the
// text around and so let a name end a sentence of ours.
func oneLine(s string, longest int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return s
}

// chosen is oneLine for what somebody chose. A zero-width space after what holds a web address together keeps mail programs from making
// a link of it; a name without such characters stays as it is.
func chosen(s string) string {
	const apart = "\u200B"
	return strings.NewReplacer(".", "."+apart, ":", ":"+apart, "/", "/"+apart, "@", "@"+apart).Replace(oneLine(s, longestValue))
}

// isWebAddress tells whether a link is a whole web address that no mail program reads otherwise.
func isWebAddress(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Opaque != "" {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"'<>\\`", r) })
}
