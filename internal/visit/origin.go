// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"net/http"
	"strings"
)

// FromHere tells whether the Origin header says that a page of the very origin sent the request that it came to: the same scheme, host and
// port. A header that is missing, "null", or there twice does not say so; what that means is up to the door.
//
// The scheme counts, since what plain HTTP serves under our name is not us (CVE-2025-47909).
func FromHere(r *http.Request, v Visit) bool {
	origins := r.Header["Origin"]
	if len(origins) != 1 {
		return false
	}
	ownScheme, defaultPort := "http", "80"
	if v.Transport == Secure {
		ownScheme, defaultPort = "https", "443"
	}
	scheme, host, ok := strings.Cut(origins[0], "://") // "null" has none
	if !ok || !strings.EqualFold(scheme, ownScheme) || !ValidHost(host) {
		return false
	}
	theirs, theirPort := canonicalHost(host, defaultPort)
	ours, ourPort := canonicalHost(r.Host, defaultPort)
	return strings.EqualFold(theirs, ours) && theirPort == ourPort
}

func canonicalHost(host, defaultPort string) (name, port string) {
	name, port = SplitHost(host)
	if port == "" {
		port = defaultPort
	}
	return strings.TrimSuffix(name, "."), port
}

// SameOrigin tells whether a page of the very origin sent a request, or no page at all. It goes by Sec-Fetch-Site. A browser too old for it
// may also say nothing, which passes here: what that means is up to the door. Our pages send no referrer, and for those a browser writes
// "null" where our own origin would stand (Fetch standard, "append a request Origin header"), so that passes too. A browser says each once;
// of two lines one program reads the first and the next one the last.
func SameOrigin(r *http.Request, v Visit) bool {
	if len(r.Header["Sec-Fetch-Site"]) > 1 || len(r.Header["Origin"]) > 1 {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := r.Header.Get("Origin")
		return origin == "" || origin == "null" || FromHere(r, v)
	}
	return false
}

// Early tells whether a request came as TLS early data (RFC 8470), which whoever recorded it can send again: to us, or to a proxy in front,
// which says so in a header. Whatever stands there counts as that (section 5.1), from anybody: it makes nobody more than they are.
func Early(r *http.Request) bool {
	return r.TLS != nil && !r.TLS.HandshakeComplete || len(r.Header["Early-Data"]) > 0
}
