// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/credential"
)

// StripAuthorization removes the lines of Authorization that hold something of ours from a request that goes on to the application, which
// must never get a visitor's credential (ID-12; CVE-2026-41181 in a peer), good or bad. It is wider than what Presented reads. All other lines
// stay as they are, byte for byte. What is in a pair of headers goes by the name, see package identity.
//
// Proxy-Authorization is not read, but who mistakes it for the other one has sent their secret all the same.
func StripAuthorization(h http.Header) {
	for _, name := range [...]string{"Authorization", "Proxy-Authorization"} {
		lines := h[name]
		if !slices.ContainsFunc(lines, authorizes) {
			continue
		}
		// A copy: who keeps the header of the request, such as a log, has the same slice.
		if kept := slices.DeleteFunc(slices.Clone(lines), authorizes); len(kept) > 0 {
			h[name] = kept
		} else {
			delete(h, name)
		}
	}
}

// OtherAuthorization is what StripAuthorization would leave of Authorization: nil where there was none, and one empty line in place of those
// that it would remove, where it would leave nothing. The header is not changed.
func OtherAuthorization(h http.Header) []string {
	lines := slices.DeleteFunc(slices.Clone(h["Authorization"]), authorizes)
	if len(lines) == 0 && len(h["Authorization"]) > 0 {
		return []string{""}
	}
	return lines
}

// InPair tells whether an access key is presented in a pair of headers, good or bad, or stands as a whole where only its id belongs.
func InPair(h http.Header) bool {
	for i := range pairs {
		if len(h[pairs[i].secret]) > 0 && pairs[i].isOurs(h) || slices.ContainsFunc(h[pairs[i].id], credential.Holds) {
			return true
		}
	}
	return false
}

// SecretHeaders are the headers that hold the secret of an access key, besides Authorization.
func SecretHeaders() (names []string) {
	for i := range pairs {
		names = append(names, pairs[i].secret)
	}
	return names
}

// authorizes tells whether a line of Authorization holds something of ours, wherever it stands in it. HTTP/2 and HTTP/3 carry a value with
// the spaces around it, which are gone when it is sent on, and some read a list as one credential after the other.
func authorizes(line string) bool {
	return credential.Holds(line) || namesBasic(line) && mayHoldEncoded(line) && holdsEncoded(line)
}

// namesBasic tells whether the scheme of passwords stands anywhere in a line. Wherever it does, one of its five letters is at a fifth byte.
func namesBasic(line string) bool {
	const basic = "basic"
	for i := len(basic) - 1; i < len(line); i += len(basic) {
		begin := i
		switch line[i] | 0x20 {
		case 'b':
		case 'a':
			begin--
		case 's':
			begin -= 2
		case 'i':
			begin -= 3
		case 'c':
			begin -= 4
		default:
			continue
		}
		if end := begin + len(basic); end <= len(line) && strings.EqualFold(line[begin:end], basic) {
			return true
		}
	}
	return false
}

// mayHoldEncoded is a first look, without which every password of the application's would be decoded four times: it tells whether something
// that holdsEncoded finds may begin anywhere in s. Each second bit may be the last of a byte, depending on where the reading began.
func mayHoldEncoded(s string) bool {
	bits := uint32(0)
	for i := range len(s) {
		v := base64Value[s[i]]
		if v > 63 {
			continue
		}
		bits = bits<<6 | uint32(v)
		if credential.MayBegin(bits&0xffffff) || credential.MayBegin(bits>>2&0xffffff) || credential.MayBegin(bits>>4&0xffffff) {
			return true
		}
	}
	return false
}

// holdsEncoded is credential.Holds for what somebody may read in base64: of either alphabet, padded or not, with anything in between, and
// from wherever they begin to read.
func holdsEncoded(s string) bool {
	var space [2][512]byte
	digits, text := space[0][:0], space[1][:0]
	if len(s) > len(space[0]) {
		digits = make([]byte, 0, len(s))
	}
	for i := range len(s) {
		if v := base64Value[s[i]]; v <= 63 {
			digits = append(digits, base64Digits[v])
		}
	}
	for from := 0; from < 4 && from < len(digits); from++ {
		read := digits[from:]
		if len(read)%4 == 1 { // the last one says nothing
			read = read[:len(read)-1]
		}
		text, _ = base64.RawStdEncoding.AppendDecode(text[:0], read)
		if credential.Holds(string(text)) {
			return true
		}
	}
	return false
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// base64Value has what a byte stands for in either alphabet of RFC 4648, and 255 for those that are in neither.
var base64Value = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
	}
	for i, c := range base64Digits {
		t[c] = byte(i)
	}
	t['-'], t['_'] = 62, 63
	return t
}()
