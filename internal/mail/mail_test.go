// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
)

var decoder mime.WordDecoder

const from = "Example Corp <no-reply@example.com>"

// message holds a word that must not be seen where it does not belong.
func message() mail.Message {
	return mail.Message{
		ID: "01J-test.1", To: "ann@example.org", Subject: "Your sign-in", Text: "The code is 482913.\n", HTML: "<p>The code is 482913.</p>\n",
		Date: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	}
}

func newSender(t *testing.T, cfg mail.Config) *mail.Sender {
	t.Helper()
	if cfg.From == "" {
		cfg.From = from
	}
	s, err := mail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refused checks that a message was refused, and returns how.
func refused(t *testing.T, err error) *mail.Error {
	t.Helper()
	e, is := errors.AsType[*mail.Error](err)
	if !is {
		t.Fatalf("got %v, want a *mail.Error", err)
	}
	return e
}

func TestSend(t *testing.T) {
	server := mailtest.Start(t)
	m := message()
	if err := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.Wait(t, 1)[0]
	if got.From != "no-reply@example.com" || !slices.Equal(got.To, []string{m.To}) {
		t.Errorf("got the envelope %q to %q", got.From, got.To)
	}
	if got.Text != m.Text || got.HTML != m.HTML {
		t.Errorf("got %q and %q, want %q and %q", got.Text, got.HTML, m.Text, m.HTML)
	}
	// Nothing else: no X-Mailer that tells what to attack, nothing that reports back.
	want := map[string]string{
		"From": `"Example Corp" <no-reply@example.com>`, "To": "<ann@example.org>", "Subject": m.Subject, "Message-Id": "<01J-test.1@example.com>",
		"Date": "Wed, 04 Mar 2026 05:06:07 +0000", "Auto-Submitted": "auto-generated", "Mime-Version": "1.0",
	}
	for name, value := range want {
		if got := got.Header[name]; !slices.Equal(got, []string{value}) {
			t.Errorf("%s: got %q, want %q once", name, got, value)
		}
	}
	names := slices.Sorted(maps.Keys(got.Header))
	if wanted := slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(want)), "Content-Type"))); !slices.Equal(names, wanted) {
		t.Errorf("got the header lines %q, want %q", names, wanted)
	}
}

func TestSendOverEachConnection(t *testing.T) {
	cases := map[string]struct {
		options []mailtest.Option
		cfg     mail.Config
	}{
		"STARTTLS":                  {nil, mail.Config{}},
		"implicit TLS":              {[]mailtest.Option{mailtest.ImplicitTLS()}, mail.Config{TLS: mail.TLSImplicit}},
		"none, to this machine":     {[]mailtest.Option{mailtest.NoStartTLS()}, mail.Config{TLS: mail.TLSNone}},
		"PLAIN after STARTTLS":      {[]mailtest.Option{mailtest.Auth("PLAIN")}, mail.Config{Username: mailtest.Username, Password: mailtest.Password}},
		"LOGIN after STARTTLS":      {[]mailtest.Option{mailtest.Auth("LOGIN")}, mail.Config{Username: mailtest.Username, Password: mailtest.Password}},
		"LOGIN in implicit TLS":     {[]mailtest.Option{mailtest.ImplicitTLS(), mailtest.Auth("LOGIN")}, mail.Config{TLS: mail.TLSImplicit, Username: mailtest.Username, Password: mailtest.Password}},
		"PLAIN within this machine": {[]mailtest.Option{mailtest.NoStartTLS(), mailtest.Auth("LOGIN", "PLAIN")}, mail.Config{TLS: mail.TLSNone, Username: mailtest.Username, Password: mailtest.Password}},
		"LOGIN within this machine": {[]mailtest.Option{mailtest.NoStartTLS(), mailtest.Auth("LOGIN")}, mail.Config{TLS: mail.TLSNone, Username: mailtest.Username, Password: mailtest.Password}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := mailtest.Start(t, c.options...)
			c.cfg.Address, c.cfg.RootCAs = server.Address, server.RootCAs
			if err := newSender(t, c.cfg).Send(t.Context(), message()); err != nil {
				t.Fatal(err)
			}
			if got := server.Wait(t, 1)[0]; got.Text != message().Text {
				t.Errorf("got %q", got.Text)
			}
			if seen := strings.Contains(string(server.Wire()), "ann@example.org"); seen != (c.cfg.TLS == mail.TLSNone) {
				t.Errorf("the recipient can be read on the wire: %v", seen)
			}
		})
	}
}

func TestTextSurvives(t *testing.T) {
	texts := map[string]string{
		"lines of dots":        ".\n..\n. x\n.\n\nand on\n",
		"a dot alone":          ".\n",
		"a long line":          strings.Repeat("0123456789", 500) + "\n",
		"long beyond ASCII":    strings.Repeat("日本語", 500) + "\n",
		"many languages":       "Grüße, olá, こんにちは, 你好, שלום, 🔑\n",
		"what looks encoded":   "a=20b =3D =?utf-8?q?x?= --boundary--\n",
		"ends of lines":        "spaces   \ntabs\t\t\n\n\nFrom here\n",
		"what looks like SMTP": "\nQUIT\nMAIL FROM:<eve@example.net>\n",
	}
	server := mailtest.Start(t)
	s := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs})
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			m := message()
			m.Text, m.HTML = text, "<pre>"+text+"</pre>\n"
			if err := s.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := server.Wait(t, 1)[0]
			if got.Text != m.Text || got.HTML != m.HTML {
				t.Errorf("got %q and %q, want %q and %q", got.Text, got.HTML, m.Text, m.HTML)
			}
			checkLines(t, got.Raw)
		})
	}
}

// checkLines wants what every server on the way takes: ASCII, in lines of at most 998 bytes that end in CRLF (RFC 5322 section 2.1.1), and
// none of nothing but spaces, which a server that trims it would take for the end of the header.
func checkLines(t *testing.T, raw []byte) {
	t.Helper()
	for line := range strings.Lines(string(raw)) {
		if !strings.HasSuffix(line, "\r\n") || len(line) > 1000 || line != "\r\n" && strings.TrimSpace(line) == "" || strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("got the line %q", line)
		}
	}
}

func TestSubjectSurvives(t *testing.T) {
	subjects := map[string]string{
		"ASCII":             "Sign in to Example Corp",
		"beyond ASCII":      "Anmeldung für Müller & Söhne",
		"long":              strings.TrimSpace(strings.Repeat("a rather long subject ", 40)),
		"long without ends": strings.Repeat("x", 900),
		"long Japanese":     strings.Repeat("サインイン", 60),
		"like a header":     "Bcc: eve@example.net",
		"runs of spaces":    "Hello" + strings.Repeat(" ", 200) + "world",
	}
	server := mailtest.Start(t)
	s := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs})
	for name, subject := range subjects {
		t.Run(name, func(t *testing.T) {
			m := message()
			m.Subject = subject
			if err := s.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			received := server.Wait(t, 1)[0]
			if got := decoded(t, received.Header.Get("Subject")); got != strings.Join(strings.Fields(subject), " ") {
				t.Errorf("got %q, want %q", got, subject)
			}
			checkLines(t, received.Raw)
		})
	}
}

func decoded(t testing.TB, header string) string {
	t.Helper()
	s, err := decoder.DecodeHeader(header)
	if err != nil {
		t.Fatalf("the header %q: %v", header, err)
	}
	return s
}

// Some people have addresses outside of ASCII. A server that knows of them gets them, another one gets nothing.
func TestAddressOutsideOfASCII(t *testing.T) {
	m := message()
	m.To = "jörg@müller.example"
	server := mailtest.Start(t)
	if err := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.Wait(t, 1)[0]
	if to, err := got.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != m.To || !slices.Equal(got.To, []string{m.To}) {
		t.Errorf("got the recipient %q, %v and %q in the envelope", to, err, got.To)
	}

	old := startLiar(t, nil)
	err := newSender(t, mail.Config{Address: old.address, TLS: mail.TLSNone}).Send(t.Context(), m)
	if e := refused(t, err); e.Temporary {
		t.Errorf("got %v, temporary; want it to be permanent", err)
	}
	if sent := old.heard(); slices.ContainsFunc(sent, func(c string) bool { return strings.HasPrefix(c, "MAIL") }) {
		t.Errorf("the server heard %q", sent)
	}
}

// Who does not need it does not ask for it: a message that is marked so is returned by servers that do not know of it.
func TestNoSMTPUTF8WithoutNeed(t *testing.T) {
	server := startLiar(t, map[string]string{"EHLO": "250-liar\r\n250 SMTPUTF8"})
	if err := newSender(t, mail.Config{Address: server.address, TLS: mail.TLSNone}).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	if heard := server.heard(); !slices.Contains(heard, "MAIL FROM:<no-reply@example.com>") {
		t.Errorf("the server heard %q", heard)
	}
}

// A repeat is recognized by its ID, also after the first one was refused.
func TestMessageIDIsStable(t *testing.T) {
	server := mailtest.Start(t, mailtest.Greylist())
	s := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs})
	if e := refused(t, s.Send(t.Context(), message())); !e.Temporary || !strings.Contains(e.Reply, "451 4.7.1 greylisted") {
		t.Errorf("got %+v, want 451, temporary", e)
	}
	for range 2 {
		if err := s.Send(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
	}
	for i, got := range server.Wait(t, 2) {
		if id := got.Header.Get("Message-Id"); id != "<01J-test.1@example.com>" {
			t.Errorf("message %d: got the ID %q", i, id)
		}
	}
}

func TestSendIsSafeForConcurrentUse(t *testing.T) {
	server := mailtest.Start(t)
	s := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			m := message()
			m.ID = fmt.Sprint("m", i)
			if err := s.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ids := make(map[string]bool)
	for _, got := range server.Wait(t, 8) {
		ids[got.Header.Get("Message-Id")] = true
	}
	if len(ids) != 8 {
		t.Errorf("got %d messages of 8", len(ids))
	}
}

func TestNew(t *testing.T) {
	ok := mail.Config{Address: "smtp.example.com", From: from}
	cases := map[string]struct {
		change func(*mail.Config)
		want   string // in the error; empty: none
	}{
		"as it is":                   {func(c *mail.Config) {}, ""},
		"a port":                     {func(c *mail.Config) { c.Address = "smtp.example.com:2525" }, ""},
		"an IPv6 address":            {func(c *mail.Config) { c.Address = "[2001:db8::1]:587" }, ""},
		"an IPv6 address alone":      {func(c *mail.Config) { c.Address = "2001:db8::1" }, ""},
		"a container":                {func(c *mail.Config) { c.Address = "mail_relay:587" }, ""},
		"no address":                 {func(c *mail.Config) { c.Address = "" }, "not a host"},
		"only a port":                {func(c *mail.Config) { c.Address = ":587" }, "not a host"},
		"a URL":                      {func(c *mail.Config) { c.Address = "smtp://smtp.example.com" }, "mail server address"},
		"port 0":                     {func(c *mail.Config) { c.Address = "smtp.example.com:0" }, "not a port"},
		"port 65536":                 {func(c *mail.Config) { c.Address = "smtp.example.com:65536" }, "not a port"},
		"a named port":               {func(c *mail.Config) { c.Address = "smtp.example.com:smtp" }, "not a port"},
		"a line break in address":    {func(c *mail.Config) { c.Address = "smtp.example.com\r\n" }, "not a host"},
		"a bare sender":              {func(c *mail.Config) { c.From = "no-reply@example.com" }, ""},
		"no sender":                  {func(c *mail.Config) { c.From = "" }, "mail sender"},
		"a sender without a domain":  {func(c *mail.Config) { c.From = "no-reply" }, "mail sender"},
		"two senders":                {func(c *mail.Config) { c.From = "a@example.com, b@example.com" }, "mail sender"},
		"a sender's domain in UTF-8": {func(c *mail.Config) { c.From = "a@müller.example" }, "xn--"},
		"a user without password":    {func(c *mail.Config) { c.Username = "me" }, "both"},
		"a password without user":    {func(c *mail.Config) { c.Password = "secret-word" }, "both"},
		"a line break in password":   {func(c *mail.Config) { c.Username, c.Password = "me", "secret-word\r\nQUIT" }, "line break"},
		"a NUL in user name":         {func(c *mail.Config) { c.Username, c.Password = "me\x00you", "secret-word" }, "NUL"},
		"an unknown TLS":             {func(c *mail.Config) { c.TLS = 3 }, "TLS mode 3"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cfg := ok
			c.change(&cfg)
			_, err := mail.New(cfg)
			if got := fmt.Sprint(err); (err == nil) != (c.want == "") || !strings.Contains(got, c.want) || strings.Contains(got, "secret-word") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// ML-1: what ends a header line or a command is refused when it is set, and nothing reaches the server.
func TestML1SenderIsRefused(t *testing.T) {
	for _, from := range []string{
		"a@example.com\r\nBcc: b@example.com",
		"Example\r\n Corp <a@example.com>",
		"Example\nBcc: b@example.com <a@example.com>",
		"=?utf-8?q?Example=0D=0ABcc:_b?= <a@example.com>",
		"=?utf-8?b?RXhhbXBsZQ0KQmNjOiBi?= <a@example.com>",
		`"a@example.com> RCPT TO:<b"@example.net`,
		`Example <"a@example.com> RCPT TO:<b"@example.net>`,
		"a@example.com (comment) , b@example.com",
		"a@[192.0.2.1]",
		"team: a@example.com;",
	} {
		if _, err := mail.New(mail.Config{Address: "smtp.example.com", From: from}); err == nil {
			t.Errorf("the sender %q was taken", from)
		}
	}
}

func TestML1MessageIsRefused(t *testing.T) {
	type change = func(*mail.Message)
	cases := map[string]change{
		"subject of two lines":     func(m *mail.Message) { m.Subject = "Hello\r\nBcc: eve@example.net" },
		"subject with a bare LF":   func(m *mail.Message) { m.Subject = "Hello\nBcc: eve@example.net" },
		"subject with a bare CR":   func(m *mail.Message) { m.Subject = "Hello\rBcc: eve@example.net" },
		"subject with a NUL":       func(m *mail.Message) { m.Subject = "Hello\x00" },
		"subject with C1 newline":  func(m *mail.Message) { m.Subject = "Hello\u0085" },
		"subject of a page":        func(m *mail.Message) { m.Subject = strings.Repeat("x", 901) },
		"no subject":               func(m *mail.Message) { m.Subject = "" },
		"no text":                  func(m *mail.Message) { m.Text = "" },
		"no ID":                    func(m *mail.Message) { m.ID = "" },
		"ID of two lines":          func(m *mail.Message) { m.ID = "1\r\nBcc: eve@example.net" },
		"ID that ends its bracket": func(m *mail.Message) { m.ID = "1> <2" },
		"ID with a host":           func(m *mail.Message) { m.ID = "1@example.net" },
		"ID beyond ASCII":          func(m *mail.Message) { m.ID = "ü" },
		"ID that ends in a dot":    func(m *mail.Message) { m.ID = "1." },
	}
	for _, to := range []string{
		"", "ann", "ann@", "@example.org", "ann@example.org\r\nBcc: eve@example.net", "ann@example.org\n", "ann@example.org\r\nRCPT TO:<eve@example.net>",
		`"ann@example.org> RCPT TO:<eve"@example.net`, `"ann"@example.org`, "Ann <ann@example.org>", "<ann@example.org>", " ann@example.org",
		"ann@example.org ", "ann@example.org, eve@example.net", "ann@example.org,", "ann@example.org (Ann)", "people: ann@example.org;",
		"ann@example.org>", "ann@[192.0.2.1]", "ann@exam\u202eple.org", "ann@example.org\u0085", "ann\x00@example.org", "@relay.example:ann@example.org",
		strings.Repeat("a", 250) + "@example.org",
	} {
		cases[fmt.Sprintf("to %q", to)] = func(m *mail.Message) { m.To = to }
	}
	server := startLiar(t, nil)
	s := newSender(t, mail.Config{Address: server.address, TLS: mail.TLSNone})
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			m := message()
			change(&m)
			if e := refused(t, s.Send(t.Context(), m)); e.Temporary || e.Stage != mail.StageCompose {
				t.Errorf("got %v, temporary: %v, at stage %d; another try is no use, and nobody was called", e, e.Temporary, e.Stage)
			}
		})
	}
	if heard := server.heard(); len(heard) > 0 {
		t.Errorf("the server heard %q, want nothing", heard)
	}
}

// ML-1: what may stand in a header stands there encoded, and adds nothing.
func TestML1NamesAreEncoded(t *testing.T) {
	for _, name := range []string{`Ann "the boss", Inc.`, "Müller & Söhne", "a: b", "x <y@example.net>", `back\slash`, "日本語"} {
		server := mailtest.Start(t)
		address := netmail.Address{Name: name, Address: "no-reply@example.com"}
		s := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs, From: address.String()})
		if err := s.Send(t.Context(), message()); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		got := server.Wait(t, 1)[0]
		senders, err := got.Header.AddressList("From")
		if err != nil || len(senders) != 1 || *senders[0] != address || len(got.Header) != 8 {
			t.Errorf("%q: got %q, %v, in the header %q", name, senders, err, got.Header)
		}
		checkLines(t, got.Raw)
	}
}
