// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	// mostHeard is how much a server may say in one delivery, in bytes. A real one says less than 10 KiB, certificates included.
	mostHeard = 256 << 10
	// goodbye is how long we wait for an answer to QUIT. By then the message is delivered.
	goodbye = 2 * time.Second
)

// Send delivers one message over a connection of its own and returns nil once the server has taken it. Every error is an [*Error]; what is
// wrong with the message is found before the server is called. Send returns when ctx ends, and after 30 seconds at the latest, whatever
// the server does. It is safe for concurrent use.
//
// An error does not say that nothing was delivered: a server that dies after it took the message may have kept it. Hence [Message.ID].
func (s *Sender) Send(ctx context.Context, m Message) error {
	raw, err := s.compose(m)
	if err != nil {
		return refuse(StageCompose, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if e := s.deliver(ctx, m.To, raw); e != nil {
		if ctx.Err() != nil {
			e.Cause = fmt.Errorf("%w: %w", context.Cause(ctx), e.Cause)
		}
		return e
	}
	return nil
}

func (s *Sender) deliver(ctx context.Context, to string, raw []byte) *Error {
	dialer := net.Dialer{Control: s.mayDial}
	conn, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return failed(StageConnect, "", err)
	}
	defer conn.Close()
	// All that blocks from here on blocks in this connection.
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	bounded := net.Conn(&boundedConn{Conn: conn, left: mostHeard})
	if s.mode == TLSImplicit {
		bounded = tls.Client(bounded, s.tls)
	}
	c, err := smtp.NewClient(bounded, s.host)
	if err != nil {
		return failed(StageConnect, "waiting for the greeting", err)
	}
	if e := s.open(c); e != nil {
		return e
	}
	if e := s.hand(c, to, raw); e != nil {
		return e
	}
	_ = conn.SetDeadline(time.Now().Add(goodbye))
	_ = c.Quit() // good manners: the message is the server's already
	return nil
}

// open says hello, encrypts and signs in, in this order: before TLS the server learns our name and nothing else.
func (s *Sender) open(c *smtp.Client) *Error {
	if err := c.Hello(s.hello); err != nil {
		return failed(StageConnect, "saying hello", err)
	}
	if s.mode == TLSStartTLS {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return refuse(StageStartTLS, errors.New("the server does not offer STARTTLS"))
		}
		// What came before TLS is forgotten: the client reads anew from the encrypted connection and asks again what the server can do.
		if err := c.StartTLS(s.tls); err != nil {
			return failed(StageStartTLS, "starting TLS", err)
		}
	}
	if s.username == "" {
		return nil
	}
	auth, err := s.auth(c)
	if err != nil {
		return refuse(StageSignIn, err)
	}
	if err := c.Auth(auth); err != nil {
		return failed(StageSignIn, "signing in to the server", err)
	}
	return nil
}

// auth picks how to sign in. Both ways send the password itself, which TLS protects; PLAIN is the standard (RFC 4616), LOGIN what some
// servers have in its place.
func (s *Sender) auth(c *smtp.Client) (smtp.Auth, error) {
	_, offered := c.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	switch {
	case slices.Contains(ways, "PLAIN"):
		return smtp.PlainAuth("", s.username, s.password, s.host, s.mode == TLSNone), nil
	case slices.Contains(ways, "LOGIN"):
		return smtp.LoginAuth(s.username, s.password, s.host, s.mode == TLSNone), nil
	}
	return nil, fmt.Errorf("the server offers to sign in by %q, neither PLAIN nor LOGIN", offered)
}

// hand gives the message to the server.
func (s *Sender) hand(c *smtp.Client, to string, raw []byte) *Error {
	// An address outside of ASCII needs a server that knows of them (RFC 6531). Mail without one does not ask for it, or the next server
	// on the way would have to know as well.
	if isASCII(s.from.Address) && isASCII(to) {
		c.SkipSMTPUTF8(true)
	} else if knows, _ := c.Extension("SMTPUTF8"); !knows {
		return refuse(StageSender, errors.New("the server does not take addresses outside of ASCII (SMTPUTF8)"))
	}
	if err := c.Mail("<" + s.from.Address + ">"); err != nil {
		return failed(StageSender, "naming the sender", err)
	}
	if err := c.Rcpt("<" + to + ">"); err != nil {
		return failed(StageRecipient, "naming the recipient", err)
	}
	w, err := c.Data()
	if err != nil {
		return failed(StageData, "beginning the message", err)
	}
	if _, err := w.Write(raw); err != nil {
		return failed(StageData, "sending the message", err)
	}
	if err := w.Close(); err != nil {
		return failed(StageData, "waiting for the server to take the message", err)
	}
	return nil
}

// mayDial refuses to send unencrypted mail to another machine, at the address that the name led to: "localhost" is what the resolver says.
func (s *Sender) mayDial(_, address string, _ syscall.RawConn) error {
	if s.mode != TLSNone {
		return nil
	}
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
		return refuse(StageConnect, fmt.Errorf("mail without TLS does not go to %s", address))
	}
	return nil
}

// boundedConn ends when the server has said too much: a reply has no limit of its own, and is held in memory.
type boundedConn struct {
	net.Conn
	left int // bytes
}

var errTooMuch = fmt.Errorf("the server said more than %d bytes", mostHeard)

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p)
	c.left -= n
	return n, err
}
