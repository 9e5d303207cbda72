// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// target is the URL of a configuration, and what that allows to be dialed.
type target struct {
	url          url.URL
	literal      netip.Addr // where the host is one; only this address is then dialed
	localhost    bool
	allowPrivate bool
}

func parseTarget(raw string, allowPrivate bool) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, errors.New("it is not a URL") // the cause would quote it, with a password that it may hold
	}
	t := target{url: *u, allowPrivate: allowPrivate}
	switch {
	case raw == "":
		return target{}, errors.New("there is none")
	case u.Scheme != "https" && u.Scheme != "http":
		return target{}, errors.New("it does not begin with https:// or http://")
	case u.User != nil:
		return target{}, errors.New("it holds a user name; credentials go into a header")
	case strings.Contains(raw, "#"):
		return target{}, errors.New("it holds a fragment, which is never sent")
	case !validPort(u):
		return target{}, errors.New("its port is not a number from 1 to 65535")
	}
	if err := t.parseHost(u.Hostname(), strings.HasPrefix(u.Host, "[")); err != nil {
		return target{}, err
	}
	return t, nil
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// parseHost sorts hosts into three kinds with nothing in between: addresses as netip writes them, localhost, and names that no resolver
// takes for an address.
func (t *target) parseHost(host string, bracketed bool) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return t.setLiteral(addr)
	}
	switch {
	case bracketed, !validName(host):
		return errors.New("its host is neither a name nor an IP address")
	case endsInNumber(host):
		// getaddrinfo reads 2130706433, 0x7f.1, 127.1 and 0177.0.0.1 as 127.0.0.1, and 0 as any.
		return errors.New("its host is an IP address in an unusual spelling")
	}
	t.localhost = strings.EqualFold(host, "localhost")
	if t.plain() && !t.localhost && !t.allowPrivate {
		return errors.New("plain http is for addresses that are private or loopback; use https")
	}
	return nil
}

func (t *target) setLiteral(addr netip.Addr) error {
	if addr.Is4In6() || addr.Zone() != "" {
		return errors.New("its host is an IP address in an unusual spelling")
	}
	t.literal = addr
	if err := t.check(addr); err != nil {
		return fmt.Errorf("%s: %w", addr, err)
	}
	return nil
}

func (t *target) plain() bool { return t.url.Scheme == "http" }

// validName is stricter than DNS: labels of ASCII letters, digits, hyphens and underscores. Without others there is no percent sign, no
// full-width digit that becomes one in IDNA, and no space for two parsers to disagree.
func validName(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			if !letterOrDigit(label[i]) && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	return len(host) <= 253
}

// endsInNumber is the "ends in a number checker" of the WHATWG URL standard, for a host without a final period. No top-level domain is a
// number.
func endsInNumber(host string) bool {
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if digits, is := strings.CutPrefix(last, "0x"); is && strings.Trim(digits, "0123456789abcdef") == "" {
		return true
	}
	return strings.Trim(last, "0123456789") == ""
}

// refusal is the reason why an address is not dialed.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// guard is called with each address that a name has resolved to, on the socket that is about to connect to it. There is no moment after
// it for another answer to the name (CVE-2026-58442), and no way of connecting that goes round it.
func guard(to target, forbidden func(netip.AddrPort) bool) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return &refusal{"what it resolves to is not an IP address"}
		}
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if err := to.check(a.Addr()); err != nil {
			return &refusal{fmt.Sprintf("%s is not dialed: %v", a, err)}
		}
		if forbidden != nil && forbidden(a) {
			return &refusal{fmt.Sprintf("%s is not dialed: it is not for webhooks", a)}
		}
		return nil
	}
}

// check says whether, and why not, an address may be dialed for this URL.
func (t *target) check(addr netip.Addr) error {
	reach := reachOf(addr)
	switch {
	case reach == nowhere:
		return errors.New("nothing that could be a webhook has such an address")
	case t.plain() && reach == public:
		return errors.New("plain http is for addresses that are private or loopback; use https")
	case t.literal.IsValid() && addr != t.literal:
		return errors.New("it is not the address in the URL")
	case t.literal.IsValid():
		return nil
	case t.localhost && reach != loopback:
		return errors.New("it is not a loopback address")
	case !t.localhost && reach != public && !t.allowPrivate:
		return errors.New("it is private or loopback, and only public addresses are allowed")
	}
	return nil
}

// reach is from where an address can be reached.
type reach int

const (
	nowhere  reach = iota // not a host, or one that must not hear from us
	loopback              // this machine
	private               // a network that somebody here runs
	public
)

// blocks are the parts of the address space that are known, from the special-purpose registries of IANA. The longest match counts; what
// is in none of them is nowhere.
var blocks = []struct {
	prefix netip.Prefix
	reach  reach
}{
	{netip.MustParsePrefix("0.0.0.0/0"), public},
	{netip.MustParsePrefix("0.0.0.0/8"), nowhere}, // connects to this machine on Linux
	{netip.MustParsePrefix("10.0.0.0/8"), private},
	{netip.MustParsePrefix("100.64.0.0/10"), private},
	{netip.MustParsePrefix("100.100.100.200/32"), nowhere}, // metadata of Alibaba Cloud
	{netip.MustParsePrefix("127.0.0.0/8"), loopback},
	{netip.MustParsePrefix("168.63.129.16/32"), nowhere}, // the host of a machine in Azure
	{netip.MustParsePrefix("169.254.0.0/16"), nowhere},   // link-local, with the metadata of most clouds
	{netip.MustParsePrefix("172.16.0.0/12"), private},
	{netip.MustParsePrefix("192.0.0.0/24"), nowhere}, // with metadata of Oracle Cloud
	{netip.MustParsePrefix("192.168.0.0/16"), private},
	{netip.MustParsePrefix("198.18.0.0/15"), private},
	{netip.MustParsePrefix("224.0.0.0/4"), nowhere}, // multicast
	{netip.MustParsePrefix("240.0.0.0/4"), nowhere}, // reserved, with broadcast

	{netip.MustParsePrefix("::1/128"), loopback},
	{netip.MustParsePrefix("2000::/3"), public},
	{netip.MustParsePrefix("2001::/32"), nowhere}, // Teredo: holds an IPv4 address
	{netip.MustParsePrefix("2002::/16"), nowhere}, // 6to4: holds one too
	{netip.MustParsePrefix("fc00::/7"), private},
	{netip.MustParsePrefix("fd00:42::42/128"), nowhere},        // metadata of Scaleway
	{netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), nowhere}, // of Oracle Cloud
	{netip.MustParsePrefix("fd00:ec2::/32"), nowhere},          // of AWS
	{netip.MustParsePrefix("fd20:ce::254/128"), nowhere},       // of Google Cloud
}

// nat64 is the prefix under which networks without IPv4 reach it (RFC 6052 section 2.1). The last four bytes are the IPv4 address.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// reachOf takes an address that is not in the IPv4-mapped form; one that is, is nowhere.
func reachOf(addr netip.Addr) reach {
	if nat64.Contains(addr) {
		all := addr.As16()
		if reachOf(netip.AddrFrom4([4]byte(all[12:]))) == public {
			return public
		}
		return nowhere // RFC 6052 section 3.1: the prefix is not for other addresses
	}
	found, bits := nowhere, -1
	for _, b := range blocks {
		if b.prefix.Contains(addr) && b.prefix.Bits() > bits {
			found, bits = b.reach, b.prefix.Bits()
		}
	}
	return found
}
