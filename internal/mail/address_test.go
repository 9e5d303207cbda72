// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
)

// "localhost" is what the resolver says it is. Here it says that it is another machine.
func TestNoTLSLooksWhereItGoes(t *testing.T) {
	s, err := New(Config{Address: "localhost:25", From: "a@example.com", TLS: TLSNone})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"192.0.2.1:25", "[2001:db8::1]:25", "[::ffff:192.0.2.1]:25"} {
		s.address = address
		err = s.Send(t.Context(), Message{ID: "1", To: "ann@example.org", Subject: "Hello", Text: "Hello\n"})
		if e, is := errors.AsType[*Error](err); !is || e.Temporary || !strings.Contains(e.Error(), "mail without TLS does not go to") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

// An address that is taken is one address in a command and in a header, whatever it is.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"ann@example.org", "jörg@müller.example", `"a@x> RCPT TO:<b"@y`, "a@x\r\nBcc: b", "Ann <ann@example.org>", "a@[::1]", "a@b, c@d", "a@b (c)", "=?utf-8?q?a?=@b", "",
		"a@b\u0085", "g:a@b;", "a..b@c", "%s%d@x",
	} {
		f.Add(seed)
	}
	s, err := New(Config{Address: "localhost", From: "a@example.com", TLS: TLSNone})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, to string) {
		if checkAddress(to) != nil {
			return
		}
		if strings.Count(to, "@") != 1 || strings.ContainsAny(to, "<>()[]\\,;:\" \t\r\n\x00") || !utf8.ValidString(to) || strings.ContainsFunc(to, unicode.IsControl) {
			t.Fatalf("%q was taken", to)
		}
		raw, err := s.compose(Message{ID: "1", To: to, Subject: "Hello", Text: "Hello\n"})
		if err != nil {
			t.Fatalf("%q was taken, and then refused: %v", to, err)
		}
		m, err := mailtest.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		list, err := m.Header.AddressList("To")
		if err != nil || len(list) != 1 || list[0].Address != to || len(m.Header) != 9 {
			t.Errorf("%q: got %v, %v in %q", to, list, err, m.Header)
		}
	})
}

// A message that is taken has the header lines that it should have and no other, and says what it was made to say.
func FuzzMessage(f *testing.F) {
	f.Add("Example Corp <a@example.com>", "1", "Hello", "Hello\n")
	f.Add("=?utf-8?q?a=0D=0ABcc:_b?= <a@example.com>", "1>\r\n<2", "Hello\r\nBcc: b@example.com", ".\r\n.\n")
	f.Add("\"a  b\" <a@example.com>", "a.b", strings.Repeat("a  ", 90), strings.Repeat("x", 3000))
	f.Add("Müller <a@example.com>", "a-b_c", "日本語 日本語 \u2028", "\x00\xff ü")
	f.Fuzz(func(t *testing.T, from, id, subject, text string) {
		s, err := New(Config{Address: "localhost", From: from, TLS: TLSNone})
		if err != nil {
			return
		}
		raw, err := s.compose(Message{ID: id, To: "ann@example.org", Subject: subject, Text: text, HTML: text})
		if err != nil {
			return
		}
		m, err := mailtest.Parse(raw)
		if err != nil {
			t.Fatalf("%v: %q", err, raw)
		}
		names := slices.Sorted(maps.Keys(m.Header))
		want := []string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}
		if !slices.Equal(names, want) || m.Header.Get("To") != "<ann@example.org>" {
			t.Fatalf("got the header %q", m.Header)
		}
		lines := strings.NewReplacer("\r\n", "\n", "\r", "\n")
		if got := lines.Replace(text); m.Text != got || m.HTML != got {
			t.Fatalf("got %q and %q, want %q", m.Text, m.HTML, got)
		}
		for line := range strings.SplitSeq(string(raw), "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n") || line != "" && strings.TrimSpace(line) == "" {
				t.Fatalf("got the line %q", line)
			}
		}
	})
}

// A server address that is taken can be dialed, and is for the host that the certificate is checked against.
func FuzzServerAddress(f *testing.F) {
	for _, seed := range []string{"smtp.example.com", "smtp.example.com:25", "[::1]:25", "::1", "fe80::1%eth0", "::1%0 ", "a:b:c", ":25", "a:0", "[a]", "a\r\n:25", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, address, err := serverAddress(s, TLSStartTLS)
		if err != nil {
			return
		}
		if h, port, err := net.SplitHostPort(address); err != nil || h != host || port == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q: got %q and %q, %v", s, host, address, err)
		}
	})
}

// What a stranger says is one printable line of bounded length.
func FuzzCut(f *testing.F) {
	f.Add("550 no\r\nsuch \x1b[31m user \u202e \xff")
	f.Add(strings.Repeat("日", 1000))
	f.Fuzz(func(t *testing.T, s string) {
		got := cut(s)
		if utf8.RuneCountInString(got) > longestQuote+1 || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("got %q", got)
		}
	})
}
