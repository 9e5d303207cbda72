// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// What a key is for is judged by the look-up of the key itself, so that no door can forget it. A request has to be inside of all of it:
// what a key says nothing of is not restricted, and what is not known of a request is outside.

const (
	maxScope     = 32  // hosts, paths, methods or networks of one key
	maxScopeText = 255 // bytes of each
	anyLabel     = "*."
)

// ask takes over what is asked for, in the one spelling in which it is compared, or says what is wrong with it.
func (r *accessKeyRecord) ask(in NewAccessKey, by *keyMaker, now time.Time) (err error) {
	r.Name = strings.TrimSpace(in.Name)
	if n := utf8.RuneCountInString(r.Name); n < 1 || n > maxKeyName || !printable(r.Name) {
		return failf(BadKeyName, "the name of a key is 1 to %d printable characters", maxKeyName)
	}
	if len(in.Hosts) == 0 {
		return failf(BadKeyHost, "name the hosts that the key is for")
	}
	if r.Hosts, err = asked(in.Hosts, keyHost, BadKeyHost, "hosts"); err != nil {
		return err
	}
	if r.Paths, err = asked(in.Paths, keyPath, BadKeyPath, "paths"); err != nil {
		return err
	}
	if r.Methods, err = asked(in.Methods, keyMethod, BadKeyMethod, "methods"); err != nil {
		return err
	}
	if r.Networks, err = asked(in.Networks, keyNetwork, BadKeyNetwork, "networks"); err != nil {
		return err
	}
	if in.Expires.IsZero() {
		in.Expires = now.Add(AccessKeyLife)
	}
	r.Expires = in.Expires.UTC().Truncate(time.Second)
	// Whoever asks has read the clock a little earlier or later than this act.
	if life := r.Expires.Sub(now); life <= 0 || life < by.shortest-time.Minute || life > by.longest+time.Minute {
		if by.shortest == 0 {
			return failf(BadKeyExpiry, "a key ends in at most %d days", days(by.longest))
		}
		return failf(BadKeyExpiry, "a key ends in %d to %d days", days(by.shortest), days(by.longest))
	}
	return nil
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// asked is a list in the spelling in which it is compared, without what is there twice. It is never nil.
func asked[T comparable](in []T, check func(T) (T, error), kind Kind, what string) ([]T, error) {
	if len(in) > maxScope {
		return nil, failf(kind, "a key has at most %d %s", maxScope, what)
	}
	out := make([]T, 0, len(in))
	for _, x := range in {
		x, err := check(x)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out, nil
}

// keyHost takes the name of a host as visit.HostName writes it, or one with a star for its first label. A port is none: the key is for
// the host, whatever it listens on.
func keyHost(host string) (string, error) {
	name := strings.TrimSuffix(lowerASCII(host), ".")
	rest, wide := strings.CutPrefix(name, anyLabel)
	if len(name) > maxScopeText || !isHostName(rest) && (wide || !isHostAddress(rest)) {
		return "", failf(BadKeyHost, "%q is no host: write a name without scheme, port and path, such as app.example.com, or *.example.com for one more label", cut(host, maxDetail))
	}
	return name, nil
}

func isHostName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.ContainsFunc(label, notOfHost) {
			return false
		}
	}
	return true
}

func notOfHost(c rune) bool {
	return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_'
}

// isHostAddress tells whether a host is an address of IPv6 in its brackets; one of IPv4 looks like a name.
func isHostAddress(host string) bool {
	inner, opened := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	a, err := netip.ParseAddr(inner)
	return opened && closed && err == nil && a.Is6() && a.Zone() == ""
}

// keyPath takes the beginning of a path, decoded, and refuses what no request that may pass has, since the gate calls it ambiguous. A star
// would be one that somebody means as a wildcard.
func keyPath(path string) (string, error) {
	prefix := strings.TrimSuffix(path, "/")
	segments := prefix + "/"
	if len(path) > maxScopeText || !strings.HasPrefix(path, "/") || !printable(path) || strings.ContainsAny(path, `\%;#?*`) ||
		strings.Contains(segments, "//") || strings.Contains(segments, "./") || strings.Contains(segments, " /") {
		return "", failf(BadKeyPath, "%q is no beginning of a path: write it decoded, without dot segments and stars, such as /api", cut(path, maxDetail))
	}
	if prefix == "" {
		return path, nil
	}
	return prefix, nil
}

// keyMethod takes a method of HTTP. Methods are words in capitals (RFC 9110 §9.1), and people write them small.
func keyMethod(method string) (string, error) {
	m := strings.ToUpper(method)
	if m == "" || len(m) > 32 || strings.ContainsFunc(m, func(c rune) bool { return (c < 'A' || c > 'Z') && c != '-' }) {
		return "", failf(BadKeyMethod, "%q is no method: write words such as GET, POST or PROPFIND", cut(method, maxDetail))
	}
	return m, nil
}

// ParseNetwork reads a network, or a single address, for NewAccessKey. The error is BadKeyNetwork.
func ParseNetwork(text string) (netip.Prefix, error) {
	if n, err := netip.ParsePrefix(text); err == nil {
		return n, nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, failf(BadKeyNetwork, "%q is no network: write it such as 192.0.2.0/24, 192.0.2.7 or 2001:db8::/32", cut(text, maxDetail))
}

// keyNetwork takes a network in its one spelling: without bits of a host, and IPv4 as such and not inside of IPv6.
func keyNetwork(p netip.Prefix) (netip.Prefix, error) {
	if p.IsValid() && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if !p.IsValid() || p.Addr().Is4In6() {
		return p, failf(BadKeyNetwork, "this is no network: write it such as 192.0.2.0/24 or 2001:db8::/32")
	}
	return p.Masked(), nil
}

// What is outside of a key is told to nobody but the log: whoever shows the key learns as much as from an unknown one.
var (
	errKeyUser    error = &Error{Kind: NotSignedIn, Detail: "the access key came with the user name of somebody else"}
	errKeyHost    error = &Error{Kind: NotSignedIn, Detail: "the access key is not for this host"}
	errKeyPath    error = &Error{Kind: NotSignedIn, Detail: "the access key is not for this path"}
	errKeyMethod  error = &Error{Kind: NotSignedIn, Detail: "the access key is not for this method"}
	errKeyNetwork error = &Error{Kind: NotSignedIn, Detail: "the access key is not for this network"}
)

// covers tells whether a request is what the key is for; nil if so. It neither blocks nor allocates.
func (k *AccessKeyInfo) covers(a *Asker) error {
	switch {
	case !k.coversHost(a.Host):
		return errKeyHost
	case !k.coversMethod(a.Method):
		return errKeyMethod
	case !k.coversPaths(a):
		return errKeyPath
	case !k.coversNetwork(a.Address):
		return errKeyNetwork
	}
	return nil
}

func (k *AccessKeyInfo) coversHost(host string) bool {
	for _, h := range k.Hosts {
		if h == host {
			return true
		}
		// One label and no more: what is below that may be somebody else's.
		if rest, wide := strings.CutPrefix(h, anyLabel); wide {
			if label, below, found := strings.Cut(host, "."); found && label != "" && below == rest {
				return true
			}
		}
	}
	return false
}

// coversMethod lets HEAD pass with GET, of which it is the first half (RFC 9110 §9.3.2).
func (k *AccessKeyInfo) coversMethod(method string) bool {
	return len(k.Methods) == 0 || slices.Contains(k.Methods, method) || method == "HEAD" && slices.Contains(k.Methods, "GET")
}

// coversPaths tells whether a key is for what a request is about, and for where it copies or moves that. A path that the application may read
// otherwise is no path that anything was said of (PA-1).
func (k *AccessKeyInfo) coversPaths(a *Asker) bool {
	return len(k.Paths) == 0 || !a.Ambiguous && k.coversPath(a.Path) && (a.Destination == "" || k.coversPath(a.Destination))
}

// coversPath goes by whole segments: /api is not the beginning of /apix.
func (k *AccessKeyInfo) coversPath(path string) bool {
	for _, p := range k.Paths {
		if rest, begins := strings.CutPrefix(path, p); begins && (rest == "" || rest[0] == '/' || p == "/") {
			return true
		}
	}
	return false
}

// coversNetwork takes an address of IPv4 inside of IPv6 for what it is. One that is not known is in no network.
func (k *AccessKeyInfo) coversNetwork(address netip.Addr) bool {
	if len(k.Networks) == 0 {
		return true
	}
	address = address.Unmap().WithZone("")
	for _, n := range k.Networks {
		if n.Contains(address) {
			return true
		}
	}
	return false
}
