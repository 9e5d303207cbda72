// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import "strings"

// HostName is the name in a Host header or :authority in the one way in which we compare and store it: lower case, without port and final
// dot, which DNS, browsers and Caddy understand as the same host (PC-11). It is empty for what is no host. It does not allocate for a name
// in lower case.
func HostName(host string) string {
	if !ValidHost(host) {
		return ""
	}
	name, _ := SplitHost(host)
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// ValidHost tells whether a Host header or :authority is a host name or an address with an optional port, and nothing that two
// programs could read differently (PC-14; net/http accepts "app.example%00.evil", and none at all with HTTP/1.0).
func ValidHost(host string) bool {
	name, port := SplitHost(host)
	if len(port) > len("65535") {
		return false
	}
	for i := 0; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	if strings.HasPrefix(name, "[") {
		return len(name) > 4 && strings.HasSuffix(name, "]") && only(name[1:len(name)-1], addressBytes)
	}
	return name != "" && only(name, nameBytes)
}

// SplitHost parts a host from its port, which may be missing.
func SplitHost(host string) (name, port string) {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i], host[i+1:]
	}
	return host, ""
}

const (
	nameBytes    byteSet = 1 << iota // of a DNS name as they occur in the wild, underscore included
	addressBytes                     // of an IPv6 address without a zone
)

type byteSet uint8

var byteSets = func() (t [256]byteSet) {
	for c := range t {
		digit, letter, hex := '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'z', 'a' <= c|0x20 && c|0x20 <= 'f'
		set := func(here bool, set byteSet) {
			if here {
				t[c] |= set
			}
		}
		set(digit || letter || c == '-' || c == '_' || c == '.', nameBytes)
		set(digit || hex || c == '.' || c == ':', addressBytes)
	}
	return t
}()

func only(s string, set byteSet) bool {
	for i := 0; i < len(s); i++ {
		if byteSets[s[i]]&set == 0 {
			return false
		}
	}
	return true
}
