// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package mailtest is a real mail server on a loopback port, for the tests of every room whose acts end in a mail. It takes messages,
// takes them apart and hands them to the test, or behaves as badly as the test wants.
//
//	server := mailtest.Start(t)
//	sender, err := mail.New(mail.Config{Address: server.Address, RootCAs: server.RootCAs, From: "no-reply@example.com"})
//	…
//	got := server.Wait(t, 1)[0]
//
// Without options it is a good server: STARTTLS with a certificate that RootCAs vouches for, and it takes every message. Each test has
// an authority of its own, so no other client believes the server.
package mailtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	netmail "net/mail"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Patience is how long [Server.Wait] waits.
const Patience = 10 * time.Second

// What a server started with [Auth] wants to hear.
const (
	Username = "nightlatch"
	Password = "correct horse battery"
)

// Server is a mail server that runs until its test ends. It is safe for concurrent use.
type Server struct {
	Address string         // host:port
	RootCAs *x509.CertPool // the authority of its certificate

	behavior behavior

	mu       sync.Mutex
	arrived  chan struct{} // closed, and made anew, when a message has come
	messages []Received
	taken    int
	greyed   bool
	wire     bytes.Buffer
}

// Received is one message as the server took it.
type Received struct {
	From   string   // of the envelope
	To     []string // of the envelope
	Header netmail.Header
	Text   string // the text/plain part, decoded, with plain line feeds
	HTML   string // the text/html part, likewise; empty if there is none
	Raw    []byte // all of it as it came, with dots undoubled
}

type behavior struct {
	plain, implicit, greylist, hang bool
	host                            string
	until                           time.Time
	mechanisms                      []string
	refusal                         *smtp.SMTPError
}

// Option is a way in which a server differs from a good one.
type Option func(*behavior)

// NoStartTLS offers no encryption.
func NoStartTLS() Option { return func(b *behavior) { b.plain = true } }

// ImplicitTLS speaks TLS from the first byte.
func ImplicitTLS() Option { return func(b *behavior) { b.implicit = true } }

// WrongName has a certificate for somebody else.
func WrongName() Option { return func(b *behavior) { b.host = "mail.example.net" } }

// Expired has a certificate that was good until an hour ago.
func Expired() Option { return func(b *behavior) { b.until = time.Now().Add(-time.Hour) } }

// RefuseRecipient answers RCPT with 550.
func RefuseRecipient() Option {
	return func(b *behavior) { b.refusal = refusal(550, smtp.EnhancedCode{5, 1, 1}, "no such mailbox here") }
}

// Greylist answers the first RCPT with 451 and takes what comes after it.
func Greylist() Option { return func(b *behavior) { b.greylist = true } }

// Hang takes connections and never says a word.
func Hang() Option { return func(b *behavior) { b.hang = true } }

// Auth takes mail only from [Username] with [Password], by these mechanisms ("PLAIN", "LOGIN"). It offers them before TLS too, for whoever
// is careless.
func Auth(mechanisms ...string) Option { return func(b *behavior) { b.mechanisms = mechanisms } }

func refusal(code int, enhanced smtp.EnhancedCode, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// Start runs a server on 127.0.0.1 until the test ends.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	b := behavior{host: "127.0.0.1", until: time.Now().Add(24 * time.Hour)}
	for _, option := range options {
		option(&b)
	}
	authority := NewAuthority(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: listener.Addr().String(), RootCAs: authority.Pool, behavior: b, arrived: make(chan struct{})}
	if b.hang {
		hang(t, listener)
		return s
	}
	listener = &tap{listener, s}
	secrets := &tls.Config{Certificates: []tls.Certificate{authority.Issue(t, b.host, b.until)}}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return s.session(), nil }))
	server.Domain = "mailtest"
	server.AllowInsecureAuth = true
	server.EnableSMTPUTF8 = true
	server.ErrorLog = log.New(io.Discard, "", 0) // clients that leave are what the tests are about
	switch {
	case b.implicit:
		listener = tls.NewListener(listener, secrets)
	case !b.plain:
		server.TLSConfig = secrets
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the mail server ended: %v", err)
		}
	})
	return s
}

// hang holds every connection open and silent.
func hang(t testing.TB, listener net.Listener) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
}

// Wait returns the next n messages, in the order in which they came and each once in the life of the server. It fails the test when they
// have not come in time.
func (s *Server) Wait(t testing.TB, n int) []Received {
	t.Helper()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	for {
		s.mu.Lock()
		waiting, arrived := s.messages[s.taken:], s.arrived
		if len(waiting) >= n {
			s.taken += n
			s.mu.Unlock()
			return slices.Clone(waiting[:n])
		}
		s.mu.Unlock()
		select {
		case <-arrived:
		case <-patience.C:
			t.Fatalf("got %d mails, want %d", len(waiting), n)
		}
	}
}

// All returns every message that has come so far, without waiting.
func (s *Server) All() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Wire returns every byte that clients have sent so far, as it was on the wire: encrypted if it was.
func (s *Server) Wire() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.wire.Bytes())
}

// tap is a listener whose connections are overheard.
type tap struct {
	net.Listener
	server *Server
}

func (l *tap) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tapped{conn, l.server}, nil
}

type tapped struct {
	net.Conn
	server *Server
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.wire.Write(p[:n])
	return n, err
}

// session is what one client does.
type session struct {
	server *Server
	known  bool
	from   string
	to     []string
}

// signedIn is a session of a server that wants a password.
type signedIn struct{ *session }

func (s *Server) session() smtp.Session {
	plain := &session{server: s}
	if len(s.behavior.mechanisms) > 0 {
		return signedIn{plain}
	}
	plain.known = true
	return plain
}

func (s signedIn) AuthMechanisms() []string { return s.server.behavior.mechanisms }

func (s signedIn) Auth(mechanism string) (sasl.Server, error) {
	check := func(username, password string) error {
		if username != Username || password != Password {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}
	switch {
	case !slices.Contains(s.AuthMechanisms(), mechanism):
		return nil, smtp.ErrAuthUnknownMechanism
	case mechanism == "LOGIN":
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, username, password string) error { return check(username, password) }), nil
}

// login is the server's half of LOGIN, which go-sasl has not: it asks for two answers.
type login struct {
	check    func(username, password string) error
	asked    int
	username string
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.username = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.username, string(response))
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if r := s.server.behavior.refusal; r != nil {
		return r
	}
	if s.server.behavior.greylist && s.server.firstTime() {
		return refusal(451, smtp.EnhancedCode{4, 7, 1}, "greylisted, come back later")
	}
	s.to = append(s.to, to)
	return nil
}

func (s *Server) firstTime() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.greyed
	s.greyed = true
	return first
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	got, err := Parse(raw)
	if err != nil {
		return refusal(554, smtp.EnhancedCode{5, 6, 0}, "this is not a message: "+err.Error())
	}
	got.From, got.To = s.from, s.to
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.messages = append(s.server.messages, got)
	close(s.server.arrived)
	s.server.arrived = make(chan struct{})
	return nil
}
