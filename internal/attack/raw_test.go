// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// secure is TLS with this name in the greeting. It trusts every certificate: an attacker does not care.
func secure(name string) *tls.Config {
	return &tls.Config{ServerName: name, InsecureSkipVerify: true}
}

// raw sends a request of HTTP/1.1 on a connection of its own. A nil configuration is plain TCP.
func raw(t *testing.T, addr string, config *tls.Config, lines ...string) wiretest.Response {
	t.Helper()
	return wiretest.RawTLS(t, addr, config, strings.Join(append(lines, "Connection: close"), "\r\n")+"\r\n\r\n")
}

// reached is what came to an application while something was done.
func reached(u *wiretest.Upstream, do func()) []wiretest.Request {
	before := len(u.Requests())
	do()
	return u.Requests()[before:]
}

// location is the Location of an answer, or empty.
func location(r wiretest.Response) string { return strings.Join(r.Values("Location"), " and ") }

// h2 is a request of HTTP/2 as a browser that goes to a page sends it. More fields replace those of the same name; an empty value
// leaves the field out.
func h2(host, path string, more ...[2]string) [][2]string {
	fields := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", path}, {"accept", "text/html"}}
	for _, m := range more {
		known := false
		for i := range fields {
			if fields[i][0] == m[0] {
				fields[i][1], known = m[1], true
			}
		}
		switch {
		case known:
		case strings.HasPrefix(m[0], ":"): // they stand first
			fields = append([][2]string{m}, fields...)
		default:
			fields = append(fields, m)
		}
	}
	var kept [][2]string
	for _, f := range fields {
		if f[1] != "" {
			kept = append(kept, f)
		}
	}
	return kept
}
