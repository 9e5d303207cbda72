// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
)

// secrets are what nobody on the way may read before TLS: the account at the mail server, people, and the message.
var secrets = []string{
	"AUTH", mailtest.Username, mailtest.Password, base64.StdEncoding.EncodeToString([]byte("\x00" + mailtest.Username + "\x00" + mailtest.Password)),
	"MAIL", "RCPT", "DATA", "example.com", "example.org", "482913", "Your sign-in",
}

func checkNoSecret(t *testing.T, wire string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(strings.ToUpper(wire), strings.ToUpper(secret)) {
			t.Errorf("%q can be read on the wire: %q", secret, wire)
		}
	}
}

// ML-4: a server that does not prove who it is gets nothing.
func TestML4NothingIsSentToAServerThatProvesNothing(t *testing.T) {
	strangers := mailtest.NewAuthority(t).Pool
	cases := map[string]struct {
		options []mailtest.Option
		roots   *x509.CertPool // nil: those of the server
		tls     mail.TLS
		want    string
	}{
		"no STARTTLS":                 {[]mailtest.Option{mailtest.NoStartTLS()}, nil, mail.TLSStartTLS, "does not offer STARTTLS"},
		"expired":                     {[]mailtest.Option{mailtest.Expired()}, nil, mail.TLSStartTLS, "expired"},
		"wrong name":                  {[]mailtest.Option{mailtest.WrongName()}, nil, mail.TLSStartTLS, "doesn't contain any IP SANs"},
		"unknown authority":           {nil, strangers, mail.TLSStartTLS, "unknown authority"},
		"implicit, expired":           {[]mailtest.Option{mailtest.ImplicitTLS(), mailtest.Expired()}, nil, mail.TLSImplicit, "expired"},
		"implicit, wrong name":        {[]mailtest.Option{mailtest.ImplicitTLS(), mailtest.WrongName()}, nil, mail.TLSImplicit, "doesn't contain any IP SANs"},
		"implicit, unknown authority": {[]mailtest.Option{mailtest.ImplicitTLS()}, strangers, mail.TLSImplicit, "unknown authority"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := mailtest.Start(t, append(c.options, mailtest.Auth("PLAIN", "LOGIN"))...)
			if c.roots == nil {
				c.roots = server.RootCAs
			}
			s := newSender(t, mail.Config{Address: server.Address, RootCAs: c.roots, TLS: c.tls, Username: mailtest.Username, Password: mailtest.Password})
			e := refused(t, s.Send(t.Context(), message()))
			stage := mail.StageStartTLS
			if c.tls == mail.TLSImplicit {
				stage = mail.StageConnect
			}
			if e.Temporary || e.Stage != stage || !strings.Contains(e.Error(), c.want) {
				t.Errorf("got %v, temporary: %v, at stage %d; want it permanent, at %d, with %q", e, e.Temporary, e.Stage, stage, c.want)
			}
			if got := server.All(); len(got) > 0 {
				t.Errorf("the server took %q", got[0].Raw)
			}
			checkNoSecret(t, string(server.Wire()))
		})
	}
}

// ML-4: a server that offers STARTTLS and then does not do it gets nothing.
func TestML4NothingIsSentWhenStartTLSFails(t *testing.T) {
	cases := map[string]struct {
		answers   map[string]string
		temporary bool
	}{
		"454":                  {map[string]string{"STARTTLS": "454 TLS not available due to temporary reason"}, true},
		"502":                  {map[string]string{"STARTTLS": "502 not here"}, false},
		"250":                  {map[string]string{"STARTTLS": "250 no need to"}, true},
		"hung up":              {map[string]string{"STARTTLS": hangUp}, true},
		"no EHLO":              {map[string]string{"EHLO": "502 what is that"}, false},
		"offer taken away":     {map[string]string{"EHLO": "250-liar\r\n250-XXXXXXXA\r\n250 AUTH PLAIN"}, false},
		"offer in another way": {map[string]string{"EHLO": "250-liar STARTTLS\r\n250 AUTH PLAIN STARTTLS"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := startLiar(t, c.answers)
			s := newSender(t, mail.Config{Address: server.address, RootCAs: server.pool, Username: mailtest.Username, Password: mailtest.Password})
			if e := refused(t, s.Send(t.Context(), message())); e.Temporary != c.temporary {
				t.Errorf("got %v, temporary: %v, want %v", e, e.Temporary, c.temporary)
			}
			checkNoSecret(t, strings.Join(server.heard(), "\n"))
		})
	}
}

// A server that does not speak TLS where it should gets one TLS record and no more.
func TestML4ImplicitTLSDoesNotFallBack(t *testing.T) {
	server := mailtest.Start(t, mailtest.NoStartTLS(), mailtest.Auth("PLAIN"))
	s := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs, TLS: mail.TLSImplicit, Username: mailtest.Username, Password: mailtest.Password})
	if e := refused(t, s.Send(t.Context(), message())); e.Temporary || e.Stage != mail.StageConnect {
		t.Errorf("got %v, temporary: %v, at stage %d; a port that does not begin with TLS will not do so later", e, e.Temporary, e.Stage)
	}
	if got := server.All(); len(got) > 0 {
		t.Errorf("the server took %q", got[0].Raw)
	}
	checkNoSecret(t, string(server.Wire()))
}

// ML-5: answers that somebody put into the stream before TLS are not taken for the server's after it.
func TestML5InjectedAnswersAreDropped(t *testing.T) {
	injected := "220 go ahead\r\n250-liar\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n250 taken\r\n221 bye"
	server := startLiar(t, map[string]string{"STARTTLS": injected, "tls EHLO": "250 liar", "tls MAIL": "554 5.7.1 the real server"})
	s := newSender(t, mail.Config{Address: server.address, RootCAs: server.pool})
	e := refused(t, s.Send(t.Context(), message()))
	if !server.wasEncrypted() || e.Reply != "554 5.7.1 the real server" {
		t.Errorf("got %v after %q, want the refusal from inside TLS", e, server.heard())
	}
}

// ML-5: answers that somebody put in before the server's own are no way round TLS either.
func TestML5AnswersAheadOfTime(t *testing.T) {
	server := startLiar(t, map[string]string{"EHLO": "250-liar\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n220 go ahead\r\n250 liar\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n250 taken"})
	s := newSender(t, mail.Config{Address: server.address, RootCAs: server.pool, Username: mailtest.Username, Password: mailtest.Password})
	refused(t, s.Send(t.Context(), message()))
	checkNoSecret(t, strings.Join(server.heard(), "\n"))
}

// What a server can do is asked again in TLS: what was said before may be anybody's words (RFC 3207 section 4.2).
func TestML5OffersFromBeforeTLSAreForgotten(t *testing.T) {
	server := startLiar(t, map[string]string{"tls EHLO": "250-liar\r\n250 SIZE 1000000"})
	s := newSender(t, mail.Config{Address: server.address, RootCAs: server.pool, Username: mailtest.Username, Password: mailtest.Password})
	e := refused(t, s.Send(t.Context(), message()))
	if e.Temporary || !strings.Contains(e.Error(), "neither PLAIN nor LOGIN") {
		t.Errorf("got %v, temporary: %v", e, e.Temporary)
	}
	heard := server.heard()
	if !slices.ContainsFunc(heard, func(c string) bool { return strings.HasPrefix(c, "tls EHLO") }) {
		t.Errorf("the server heard %q, and was not asked again", heard)
	}
	checkNoSecret(t, strings.Join(heard, "\n"))
}

// The password is for the server that proved who it is. It is offered to nobody before that, whoever asks for it.
func TestNoPasswordBeforeTLS(t *testing.T) {
	for _, way := range []string{"PLAIN", "LOGIN"} {
		server := mailtest.Start(t, mailtest.Auth(way))
		s := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs, Username: mailtest.Username, Password: mailtest.Password})
		if err := s.Send(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
		server.Wait(t, 1)
		checkNoSecret(t, string(server.Wire()))
	}
}

func TestWrongPassword(t *testing.T) {
	for _, way := range []string{"PLAIN", "LOGIN"} {
		server := mailtest.Start(t, mailtest.Auth(way))
		s := newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs, Username: mailtest.Username, Password: "a-word-of-mine"})
		e := refused(t, s.Send(t.Context(), message()))
		if e.Temporary || e.Reply != "535 5.7.8 Authentication failed" || strings.Contains(e.Error(), "a-word-of-mine") {
			t.Errorf("%s: got %v, temporary: %v, with the reply %q", way, e, e.Temporary, e.Reply)
		}
		if got := server.All(); len(got) > 0 {
			t.Errorf("%s: the server took %q", way, got[0].Raw)
		}
	}
}

// Mail without TLS stays on this machine.
func TestNoTLSOnlyToLoopback(t *testing.T) {
	for address, taken := range map[string]bool{
		"localhost": true, "LOCALHOST:25": true, "127.0.0.1": true, "127.9.9.9:25": true, "[::1]:25": true, "::1": true, "[::ffff:127.0.0.1]:25": true,
		"smtp.example.com": false, "localhost.example.com": false, "localhost.": false, "127.0.0.1.example.com": false, "10.0.0.1": false, "0.0.0.0": false,
		"[::]:25": false, "192.0.2.1:25": false, "[2001:db8::1]:25": false, "[::ffff:192.0.2.1]:25": false, "2130706433": false,
	} {
		if _, err := mail.New(mail.Config{Address: address, From: from, TLS: mail.TLSNone}); (err == nil) != taken {
			t.Errorf("%s: got %v, want it taken: %v", address, err, taken)
		}
	}
}
