// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package mail hands one message to the site's own mail server over SMTP (RFC 5321).
//
// It decides whether the way there is safe enough for a code or a link (TLS with a certificate that is right, or this very machine),
// whether an address is one address, and whether another try can help when the server refuses. It never decides who gets what, words
// nothing, keeps nothing, tries nothing twice and logs nothing: whoever calls [Sender.Send] has a queue and a journal of its own.
//
// The server is not trusted. It may be slow, dead, lying or hostile: a delivery ends with its timeout whatever the server does, what it
// says is read up to a limit, and only its own words, cut and made printable, leave this package (see [Error]). message.go makes the
// message, send.go is the conversation, address.go holds what an address may be.
package mail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	netmail "net/mail"
	"os"
	"strings"
	"time"
)

// TLS is how the connection to the mail server is encrypted. There is no "if the server offers it": who can change bytes on the way
// can take the offer away.
type TLS int

const (
	TLSStartTLS TLS = iota // STARTTLS (RFC 3207): the server must offer it, or nothing is sent
	TLSImplicit            // TLS from the first byte (RFC 8314)
	TLSNone                // none, and only to a loopback address
)

// longestDelivery is how long one whole delivery may take, from looking up the name to the last reply.
const longestDelivery = 30 * time.Second

// Config is where mail goes and whom it comes from.
type Config struct {
	// Address is the mail server as host:port. Without a port it is 587, or 465 with TLSImplicit. The certificate must be for this host.
	Address string
	// From is one address, with or without a name (RFC 5322 section 3.4). The address is the envelope's sender too, and its domain is
	// that of the Message-IDs.
	From string
	// Username and Password sign in to the server (RFC 4954, PLAIN or LOGIN), both or neither. They are sent after TLS only, or, with
	// TLSNone, over a connection to this machine: what listens there may end TLS for us.
	Username, Password string
	TLS                TLS
	// RootCAs are the authorities that the server's certificate may come from. Nil: those of the system.
	RootCAs *x509.CertPool
}

// Sender delivers messages. It holds no connection and is safe for concurrent use.
type Sender struct {
	host, address      string
	from               netmail.Address
	username, password string
	mode               TLS
	tls                *tls.Config
	timeout            time.Duration
	hello              string // our name
}

// New checks a configuration and connects nowhere. The error says which field is wrong and never holds the password.
func New(cfg Config) (*Sender, error) {
	host, address, err := serverAddress(cfg.Address, cfg.TLS)
	if err != nil {
		return nil, fmt.Errorf("mail server address: %w", err)
	}
	from, err := sender(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("mail sender: %w", err)
	}
	if d := domain(from.Address); !isASCII(d) { // it is part of every Message-ID
		return nil, fmt.Errorf("mail sender: the domain %q is to be written in its ASCII form (xn--…)", d)
	}
	switch cfg.TLS {
	case TLSStartTLS, TLSImplicit:
	case TLSNone:
		// The name is no proof of the place: the dialer looks at the address that it got.
		if !isLoopbackName(host) {
			return nil, fmt.Errorf("mail without TLS goes to localhost or a loopback address only, not to %s", host)
		}
	default:
		return nil, fmt.Errorf("mail has no TLS mode %d", cfg.TLS)
	}
	switch {
	case (cfg.Username == "") != (cfg.Password == ""):
		return nil, errors.New("mail needs both a user name and a password, or neither")
	case strings.ContainsAny(cfg.Username+cfg.Password, "\r\n\x00"):
		return nil, errors.New("the mail user name or password has a line break or a NUL")
	}
	return &Sender{
		host: host, address: address, from: from, username: cfg.Username, password: cfg.Password, mode: cfg.TLS,
		tls:     &tls.Config{ServerName: host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
		timeout: longestDelivery, hello: helloName(),
	}, nil
}

// helloName is what EHLO says. A host whose own name is none that a server would take is called localhost: nobody but the server reads it.
func helloName() string {
	if name, err := os.Hostname(); err == nil && isHost(name) {
		return name
	}
	return "localhost"
}
