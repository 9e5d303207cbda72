// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"io"
	"net/http"
	"strings"
)

// tameConnection leaves of Connection what an upgrade needs. A proxy deletes every header that Connection names, ours included
// (CVE-2024-45410, CVE-2026-29054 in peers), and net/http has acted on close and keep-alive before us.
func tameConnection(h http.Header) {
	if wantsUpgrade(h["Connection"]) && isTunnel(h["Upgrade"]) {
		h["Connection"] = []string{"Upgrade"}
		return
	}
	delete(h, "Connection")
	delete(h, "Upgrade")
}

func wantsUpgrade(connection []string) bool {
	for _, line := range connection {
		for more := true; more; {
			var token string
			token, line, more = strings.Cut(line, ",")
			if strings.EqualFold(strings.Trim(token, " \t"), "upgrade") {
				return true
			}
		}
	}
	return false
}

// isTunnel tells whether the protocol upgraded to is one that a proxy may pass through unseen. Another version of HTTP is not: once
// the application speaks h2c through us, every further request on the connection is its own, past rules and identity.
func isTunnel(upgrade []string) bool {
	if len(upgrade) != 1 || strings.Contains(upgrade[0], ",") {
		return false
	}
	protocol, _, _ := strings.Cut(strings.ToLower(strings.Trim(upgrade[0], " \t")), "/")
	switch protocol {
	case "", "http", "h2", "h2c", "h3", "tls":
		return false
	}
	return true
}

// dropTrailers makes sure that no trailer of the client reaches the application, where it may be read like a header. Those that the
// server has announced and those it finds after the body would both be forwarded. No client needs them; gRPC sends none.
//
// Te stays when it says only that trailers of the response are welcome, as gRPC servers insist on.
func dropTrailers(r *http.Request) {
	r.Trailer = nil
	delete(r.Header, "Trailer")
	if te, ok := r.Header["Te"]; ok && (len(te) != 1 || te[0] != "trailers") {
		delete(r.Header, "Te")
	}
	counted := r.ProtoMajor == 1 && r.ContentLength >= 0 // only chunks are followed by trailers there
	if r.Body == nil || r.Body == http.NoBody || counted {
		return
	}
	r.Body = &body{r.Body, r}
}

// body forgets the trailers that a server puts into the request when the body ends. net/http and quic-go put them into the request
// that they made, and Caddy hands that very one to its handlers; its reverse_proxy looks for them in the same Read.
type body struct {
	io.ReadCloser
	request *http.Request
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	// The server writes the field inside the Read above, so this is no race; a copy of its request is never written.
	if b.request.Trailer != nil {
		b.request.Trailer = nil
	}
	return n, err
}
