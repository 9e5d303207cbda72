// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/nightlatch/nightlatch/internal/webhook"
)

// Webhook is a program of the site's own that takes codes to people: by SMS, in a chat, as a push message. With it people may enroll
// codes that come that way. See docs/webhook.md.
type Webhook struct {
	// Where codes are delivered to: https, or http to an address that is private or loopback. Required. Placeholders are expanded here, in
	// `secret`, `ca_file` and the values of `headers`; one that is not set is an error.
	URL string `json:"url,omitempty"`

	// The key of the signatures: 24 to 64 bytes in base64, with or without `whsec_` before it. Required. Write a placeholder rather than
	// the key itself, such as `{env.WEBHOOK_SECRET}`.
	Secret string `json:"secret,omitempty"`

	// How long one delivery may take, 1s to 30s. Default: 5s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// Headers of each request, such as one with a token of the gateway: any but those of the connection, `Host`, and those that begin with
	// `Content-` or `Webhook-`.
	Headers http.Header `json:"headers,omitempty"`

	// What the program delivers by, as people choose it and as it is told: at most 8 names of letters a-z, digits, _ and -. The
	// destinations of `sms`, `voice` and `whatsapp` are phone numbers. Default: `sms`.
	Channels []string `json:"channels,omitempty"`

	// Whether the host in the URL may be a name that resolves to a private or loopback address. An http URL with a name other than
	// `localhost` needs it. Default: false.
	AllowPrivate bool `json:"allow_private,omitempty"`

	// A file with the certificates, in PEM, of the authorities that the certificate of the other side may come from, in place of those of
	// the system.
	CAFile string `json:"ca_file,omitempty"`
}

const maxChannels = 8

var channelName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// parse reads
//
//	webhook <url> {
//		secret   <key>
//		timeout  <duration>
//		header   <name> <value>
//		channels <name...>
//		allow_private
//		ca_file  <file>
//	}
func (w *Webhook) parse(d *caddyfile.Dispenser) error {
	if err := text(&w.URL)(d); err != nil {
		return err
	}
	err := words{
		"secret":        text(&w.Secret),
		"timeout":       duration(&w.Timeout),
		"header":        w.parseHeader,
		"channels":      several(&w.Channels, w.checkChannels),
		"allow_private": alone(&w.AllowPrivate),
		"ca_file":       text(&w.CAFile),
	}.parse(d, "webhook", "header")
	if err != nil {
		return err
	}
	if err := w.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (w *Webhook) parseHeader(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 || args[0] == "" || args[1] == "" {
		return d.Err("header takes a name and a value; quote a value with spaces")
	}
	if w.Headers == nil {
		w.Headers = make(http.Header)
	}
	w.Headers.Add(args[0], args[1])
	return nil
}

// check is what can be told before placeholders are expanded.
func (w *Webhook) check() error {
	_, err := w.sender(asWritten, nil)
	return err
}

func (w *Webhook) checkChannels() error {
	if len(w.Channels) > maxChannels {
		return fmt.Errorf("webhook has %d channels; allowed: at most %d", len(w.Channels), maxChannels)
	}
	for i, name := range w.Channels {
		if !channelName.MatchString(name) {
			return fmt.Errorf("webhook channel '%s' is not made of a letter a-z and at most 31 more of a-z, 0-9, _ and -", name)
		}
		if slices.Contains(w.Channels[:i], name) {
			return fmt.Errorf("webhook channel '%s' is named twice", name)
		}
	}
	return nil
}

// channels of a nil Webhook are none.
func (w *Webhook) channels() []string {
	switch {
	case w == nil:
		return nil
	case len(w.Channels) == 0:
		return []string{"sms"}
	}
	return w.Channels
}

// sampleSecret is a key that nobody has, for asWritten; it opens nothing, since placeholders are expanded before anything is sent.
const sampleSecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// sender makes the way to the program. It connects nowhere. forbidden are addresses that it must not connect to later.
func (w *Webhook) sender(from resolver, forbidden func(netip.AddrPort) bool) (*webhook.Sender, error) {
	switch {
	case w.URL == "":
		return nil, errors.New("webhook has no url")
	case w.Secret == "":
		return nil, errors.New("webhook has no secret: make one with openssl rand -base64 32, and write a placeholder for it, as in: secret {env.WEBHOOK_SECRET}")
	}
	if err := w.checkChannels(); err != nil {
		return nil, err
	}
	cfg := webhook.Config{Timeout: time.Duration(w.Timeout), Header: make(http.Header), AllowPrivate: w.AllowPrivate, Forbidden: forbidden}
	var err error
	if cfg.URL, err = from.expand("webhook url", w.URL, "https://example.com/"); err != nil {
		return nil, err
	}
	if cfg.Secret, err = from.expand("webhook secret", w.Secret, sampleSecret); err != nil {
		return nil, err
	}
	for name, values := range w.Headers {
		for _, v := range values {
			value, err := from.expand("webhook header "+name, v, "sample")
			if err != nil {
				return nil, err
			}
			cfg.Header[name] = append(cfg.Header[name], value)
		}
	}
	file, err := from.expand("webhook ca_file", w.CAFile, "")
	if err != nil {
		return nil, err
	}
	if cfg.RootCAs, err = from.authorities(file); err != nil {
		return nil, fmt.Errorf("webhook ca_file %s: %w", file, err)
	}
	return webhook.New(cfg)
}
