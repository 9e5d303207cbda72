// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// longestAddress is the longest path that a server has to take, without its angle brackets (RFC 5321 section 4.5.3.1.3).
const longestAddress = 254

// checkAddress refuses what is not one plain address: no name, no angle brackets, no comment, no list, no route, and no quoted local part,
// since what is quoted there can end the command that it is put into (CVE-2025-59937: `"a@x> RCPT TO:<b"@y`).
func checkAddress(s string) error {
	a, err := netmail.ParseAddress(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not an address: %w", cut(s), err)
	case a.Address != s || a.Name != "":
		return fmt.Errorf("%q is not one plain address", cut(s))
	case len(s) > longestAddress:
		return fmt.Errorf("%q is longer than %d bytes", cut(s), longestAddress)
	case strings.ContainsAny(s, "[]"): // a domain literal: mail that goes round the domain's own server
		return fmt.Errorf("%q has an address in place of a domain", cut(s))
	case strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return fmt.Errorf("%q has characters that cannot be seen", cut(s))
	}
	return nil
}

// sender parses an address that may have a name. The name can be encoded (RFC 2047), so it is what comes out of that
// which is checked.
func sender(s string) (netmail.Address, error) {
	a, err := netmail.ParseAddress(s)
	if err != nil {
		return netmail.Address{}, fmt.Errorf("%q is not an address: %w", cut(s), err)
	}
	if err := checkAddress(a.Address); err != nil {
		return netmail.Address{}, err
	}
	switch {
	case s != a.Address && !strings.HasSuffix(s, "<"+a.Address+">"): // a group, or words that are neither name nor address
		return netmail.Address{}, fmt.Errorf("%q is not one address with or without a name", cut(s))
	case strings.ContainsFunc(a.Name, unicode.IsControl):
		return netmail.Address{}, fmt.Errorf("the name in %q has control characters", cut(s))
	}
	return *a, nil
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// serverAddress returns the host, for the certificate, and host:port, for the dialer.
func serverAddress(s string, mode TLS) (host, address string, err error) {
	port := "587" // submission (RFC 6409)
	if mode == TLSImplicit {
		port = "465" // submissions (RFC 8314)
	}
	host = s
	switch _, err := netip.ParseAddr(s); {
	case err == nil: // an IPv6 address has colons of its own
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		host = s[1 : len(s)-1]
	case strings.Contains(s, ":"):
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", "", err
		}
	}
	if !isHost(host) {
		return "", "", fmt.Errorf("%q is not a host", cut(host))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q is not a port", cut(port))
	}
	return host, net.JoinHostPort(host, port), nil
}

// isHost tells whether a name can be that of a host: letters, digits, dots, hyphens and the underscores of container networks; or whether
// it is an IP address.
func isHost(s string) bool {
	strange := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_')
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return !strings.ContainsFunc(a.Zone(), strange)
	}
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, strange)
}

func isLoopbackName(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}
