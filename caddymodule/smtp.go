// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/nightlatch/nightlatch/internal/mail"
)

// SMTP is the mail server that codes, links and notices go to. With it people may enroll codes by e-mail, and reset a password.
type SMTP struct {
	// The mail server as host:port. Required. Without a port it is 587, or 465 with `implicit`. Its certificate must be for this host.
	// Placeholders are expanded here, in `from`, `username`, `password` and `ca_file`; one that is not set is an error.
	Address string `json:"address,omitempty"`

	// The sender, such as `Example <no-reply@example.com>`. Required.
	From string `json:"from,omitempty"`

	// With the password, what to sign in to the mail server with: both or neither. Default: nobody signs in.
	Username string `json:"username,omitempty"`

	// Write a placeholder rather than the password itself, such as `{env.SMTP_PASSWORD}` or `{file./run/secrets/smtp}`.
	Password string `json:"password,omitempty"`

	// How the connection is encrypted: `starttls`, which the server must then offer, `implicit`, or `none`, to a loopback address only.
	// Default: `starttls`.
	TLS string `json:"tls,omitempty"`

	// A file with the certificates, in PEM, of the authorities that the server's certificate may come from, in place of those of the
	// system.
	CAFile string `json:"ca_file,omitempty"`

	// Where the links in letters lead when it cannot be told from the hosts of the protected sites, such as `https://app.example.com`: a
	// scheme and a host, and https beyond this machine. Default: the first protected site that names a host. Where there is none either,
	// letters have no links and passwords cannot be reset.
	LinkOrigin string `json:"link_origin,omitempty"`
}

var tlsModes = map[string]mail.TLS{"": mail.TLSStartTLS, "starttls": mail.TLSStartTLS, "implicit": mail.TLSImplicit, "none": mail.TLSNone}

// parse reads
//
//	smtp <host:port> {
//		from        <address>
//		username    <name>
//		password    <password>
//		tls         starttls|implicit|none
//		ca_file     <file>
//		link_origin <scheme://host>
//	}
func (s *SMTP) parse(d *caddyfile.Dispenser) error {
	if err := text(&s.Address)(d); err != nil {
		return err
	}
	err := words{
		"from":        text(&s.From),
		"username":    text(&s.Username),
		"password":    text(&s.Password),
		"tls":         text(&s.TLS),
		"ca_file":     text(&s.CAFile),
		"link_origin": text(&s.LinkOrigin),
	}.parse(d, "smtp")
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// check is what can be told before placeholders are expanded.
func (s *SMTP) check() error {
	_, err := s.sender(asWritten)
	return err
}

// sender makes the way to the mail server. It connects nowhere.
func (s *SMTP) sender(from resolver) (*mail.Sender, error) {
	switch {
	case s.Address == "":
		return nil, errors.New("smtp has no address, such as smtp.example.com:587")
	case s.From == "":
		return nil, errors.New(`smtp has no from: write who the letters are from, as in: from "Example <no-reply@example.com>"`)
	}
	mode, known := tlsModes[s.TLS]
	if !known {
		allowed := slices.Sorted(maps.Keys(tlsModes))[1:]
		return nil, fmt.Errorf("smtp tls is '%s'; allowed: %s", s.TLS, strings.Join(allowed, ", "))
	}
	if err := checkLinkOrigin(s.LinkOrigin); err != nil {
		return nil, err
	}
	cfg := mail.Config{TLS: mode}
	for _, f := range []struct {
		to                       *string
		setting, written, sample string
	}{
		{&cfg.Address, "smtp address", s.Address, "localhost:25"},
		{&cfg.From, "smtp from", s.From, "sample@example.com"},
		{&cfg.Username, "smtp username", s.Username, "sample"},
		{&cfg.Password, "smtp password", s.Password, "sample"},
	} {
		var err error
		if *f.to, err = from.expand(f.setting, f.written, f.sample); err != nil {
			return nil, err
		}
	}
	file, err := from.expand("smtp ca_file", s.CAFile, "")
	if err != nil {
		return nil, err
	}
	if cfg.RootCAs, err = from.authorities(file); err != nil {
		return nil, fmt.Errorf("smtp ca_file %s: %w", file, err)
	}
	sender, err := mail.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	return sender, nil
}

// checkLinkOrigin is for a setting that may be missing.
func checkLinkOrigin(s string) error {
	if s == "" {
		return nil
	}
	return checkOrigin("smtp link_origin", s)
}
