// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"net/http"
	"strings"
)

// Navigates tells whether the answer to a request will be shown to a person as a page: somebody follows a link, types an address or
// sends a form. Anything else is a program, a command line included, and is told what it can read.
//
// Browsers say so in Sec-Fetch-Mode and Sec-Fetch-Dest (W3C Fetch Metadata), which no script of a page can set. Where either header is
// there, only a window or a frame of one navigates: what an object or embed element loads is a part of its page. A frame counts, since a
// person looks at it and may be led from it to sign in; that our own pages show in none is up to the headers that go with them.
//
// Browsers send neither header on plain HTTP, nor before about 2020. Then it takes a word that programs do not say: Accept lists
// text/html. The wildcard alone, or nothing, is how curl and most libraries ask. Who asks for an upgrade or says that it is a script
// (X-Requested-With) is no person even so. These are hints: a program may claim to be a person, and gets a page.
func Navigates(r *http.Request) bool {
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if mode != "" || dest != "" {
		return mode == "navigate" && (dest == "document" || dest == "iframe" || dest == "frame")
	}
	if len(r.Header["Upgrade"]) > 0 || r.Method == http.MethodConnect || r.Header.Get("X-Requested-With") != "" {
		return false
	}
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, "text/html") {
			return true
		}
	}
	return false
}

// MayBrowse tells whether a browser may have sent a request, or a script in one. Those of today say so in Sec-Fetch-Mode, and all of them in
// the first word of User-Agent, which hardly any other program has.
func MayBrowse(r *http.Request) bool {
	return len(r.Header["Sec-Fetch-Mode"]) > 0 || len(r.Header["X-Requested-With"]) > 0 || strings.HasPrefix(r.Header.Get("User-Agent"), "Mozilla/")
}
