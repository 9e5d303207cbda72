// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package webhook delivers one signed JSON body to the one URL of the configuration, by the Standard Webhooks convention
// (github.com/standard-webhooks/standard-webhooks, spec 1.0.0). Gateways for SMS, chat and push messages listen there.
//
// It decides how a delivery is signed, which addresses may be dialed for it, how long it may take, and whether another try is worth it.
// It never decides who gets what: the body comes from the caller, the URL from the configuration, and nothing that a visitor or the
// other side says changes where a request goes. It tries once; the second try is the caller's. It shows nothing of what the other side
// answers but the status, since an answer may repeat the code that it was sent.
//
// signature.go makes the headers, target.go judges URLs and addresses, error.go says what went wrong.
package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

const (
	// DefaultTimeout is that of a Config without one.
	DefaultTimeout = 5 * time.Second
	// MinTimeout and MaxTimeout bound that of a Config.
	MinTimeout = time.Second
	MaxTimeout = 30 * time.Second

	maxAnswerHeader = 16 << 10 // bytes
	maxAnswerBody   = 4 << 10  // bytes
	maxIDLength     = 128      // bytes
)

// Config is where a Sender delivers to, and how.
type Config struct {
	// URL is https. Plain http is for addresses that are private or loopback, since it shows the code to everybody on the way: an IP
	// literal of that kind, "localhost", or with AllowPrivate a name that resolves to one. IP addresses are written the usual way only.
	URL string
	// Secret is the key of the signatures in base64, 24 to 64 bytes, with or without the prefix "whsec_".
	Secret string
	// Timeout bounds a whole delivery, from looking up the name to the end of the answer. Zero means DefaultTimeout.
	Timeout time.Duration
	// Header is sent as it is with each delivery, for gateways that want a token of their own.
	Header http.Header
	// AllowPrivate lets the name in the URL resolve to private or loopback addresses. An IP literal or "localhost" in the URL says so by
	// itself, and then means that one address, or loopback.
	AllowPrivate bool
	// Forbidden tells addresses that are not dialed although the rest would allow it, such as Caddy's admin endpoint. It is asked last, at
	// each dial, from several goroutines at once. Nil forbids none.
	Forbidden func(netip.AddrPort) bool
	// RootCAs are whom the certificate of the other side must come from. Nil means those of the system.
	RootCAs *x509.CertPool

	resolver *net.Resolver // nil: that of the system
}

// Sender delivers to one URL. It may be used by several goroutines at once, holds nothing open between deliveries, and needs no closing.
type Sender struct {
	to        target
	key       []byte
	header    http.Header
	timeout   time.Duration
	transport *http.Transport
}

// Event is one delivery. A second try has the same ID, so that the receiver can tell that it is one, and the time of that try.
type Event struct {
	ID   string    // 1 to 128 of A–Z, a–z, 0–9, "_" and "-"
	Time time.Time // of this try; receivers refuse what is some minutes old
	Body []byte    // JSON
}

// New checks a configuration; it looks up and dials nothing. No error shows a part of the URL beyond its host, a value of a header, or the
// secret.
func New(cfg Config) (*Sender, error) {
	to, err := parseTarget(cfg.URL, cfg.AllowPrivate)
	if err != nil {
		return nil, fmt.Errorf("webhook URL: %w", err)
	}
	key, err := parseSecret(cfg.Secret)
	if err != nil {
		return nil, fmt.Errorf("webhook secret: %w", err)
	}
	header, err := ownHeader(cfg.Header)
	if err != nil {
		return nil, fmt.Errorf("webhook header: %w", err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Timeout < MinTimeout || cfg.Timeout > MaxTimeout {
		return nil, fmt.Errorf("webhook timeout: %v is not from %v to %v", cfg.Timeout, MinTimeout, MaxTimeout)
	}
	return &Sender{to: to, key: key, header: header, timeout: cfg.Timeout, transport: newTransport(cfg, to)}, nil
}

// newTransport makes the only way out of this package. It has no proxy, which would dial for us unseen, and leaves no connection open, so
// that each delivery looks up the name anew and is judged anew.
func newTransport(cfg Config, to target) *http.Transport {
	dialer := &net.Dialer{
		Timeout:        cfg.Timeout,
		Resolver:       cfg.resolver,
		ControlContext: guard(to, cfg.Forbidden),
	}
	var onlyHTTP1 http.Protocols
	onlyHTTP1.SetHTTP1(true)
	return &http.Transport{
		Proxy:       nil,
		DialContext: dialer.DialContext,
		// A dial goes on when its request has been given up, so it is bounded by itself too.
		TLSHandshakeTimeout:    cfg.Timeout,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswerHeader,
		Protocols:              &onlyHTTP1,
	}
}

// Send makes one POST. Any status from 200 to 299 is success. Of the answer's body up to 4 KiB are read, so that a simple receiver is not
// cut off while it works, and thrown away; how it ends changes nothing, since by then the receiver has said what it did. Each error is an
// *Error. Send returns after Config.Timeout at the latest, and earlier when ctx is done.
//
// Redirects are not followed: the address was chosen by the operator, and the next one would be by somebody else (CVE-2026-58418). That is
// why there is a transport here and no http.Client.
func (s *Sender) Send(ctx context.Context, e Event) error {
	if err := e.check(); err != nil {
		return &Error{Cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := s.transport.RoundTrip(s.request(ctx, e))
	if err != nil {
		return failure(ctx, err)
	}
	defer answer.Body.Close()
	if err := judge(answer.StatusCode); err != nil {
		return err
	}
	io.CopyN(io.Discard, answer.Body, maxAnswerBody)
	return nil
}

func (s *Sender) request(ctx context.Context, e Event) *http.Request {
	header := s.header.Clone()
	sign(header, s.key, e)
	to := s.to.url
	r := &http.Request{
		Method: http.MethodPost, URL: &to, Host: to.Host, Header: header,
		Body: io.NopCloser(bytes.NewReader(e.Body)), ContentLength: int64(len(e.Body)),
	}
	return r.WithContext(ctx)
}

// check keeps the three parts of what is signed apart: a period in an ID could move the border between ID and time.
func (e Event) check() error {
	for i := range len(e.ID) {
		if !letterOrDigit(e.ID[i]) && e.ID[i] != '_' && e.ID[i] != '-' {
			return errors.New("the ID of an event holds more than letters, digits, _ and -")
		}
	}
	switch {
	case e.ID == "" || len(e.ID) > maxIDLength:
		return fmt.Errorf("the ID of an event has %d bytes, not 1 to %d", len(e.ID), maxIDLength)
	case e.Time.Unix() <= 0:
		return errors.New("an event has no time")
	case !json.Valid(e.Body):
		return errors.New("the body of an event is not JSON")
	}
	return nil
}

// ownHeader is the header of all deliveries: that of the configuration, and what says who we are and what the body is.
func ownHeader(configured http.Header) (http.Header, error) {
	header := http.Header{}
	for name, values := range configured {
		if err := checkName(name); err != nil {
			return nil, err
		}
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return nil, fmt.Errorf("the value of %s holds a control character", name)
			}
			header.Add(name, value)
		}
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "Nightlatch")
	}
	header.Set("Content-Type", "application/json")
	return header, nil
}

// reserved are the names that a delivery sets itself, and those that are about the connection (RFC 9110 section 7.6.1) and would let a
// body be read differently by whoever stands between.
var reserved = map[string]bool{
	"Host": true, "Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true,
	"Upgrade": true, "Expect": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
}

func checkName(name string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !tokenRune(r) }) {
		return errors.New("a name is empty or holds a character that none may") // unnamed: somebody may have put the value there
	}
	canonical := http.CanonicalHeaderKey(name)
	if reserved[canonical] || strings.HasPrefix(canonical, "Content-") || strings.HasPrefix(canonical, "Webhook-") {
		return fmt.Errorf("%s is not for the configuration to set", canonical)
	}
	return nil
}

// tokenRune is tchar of RFC 9110 section 5.6.2.
func tokenRune(r rune) bool {
	return r < 0x80 && (letterOrDigit(byte(r)) || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
