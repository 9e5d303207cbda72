// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// validMethod refuses what makes no sense in front of an application: CONNECT asks for a tunnel, and TRACE echoes the request with
// its cookies (PC-20). Both are compared without regard to case, in case a server behind us does that too. A WebSocket over HTTP/2
// or HTTP/3 is a CONNECT as well (RFC 8441, RFC 9220), and is let through.
func validMethod(r *http.Request) bool {
	switch len(r.Method) {
	case len("CONNECT"):
		return !strings.EqualFold(r.Method, http.MethodConnect) || extendedConnect(r)
	case len("TRACE"):
		return !strings.EqualFold(r.Method, http.MethodTrace)
	}
	return true
}

// extendedConnect recognizes a WebSocket over HTTP/2, where net/http keeps the pseudo header, and over HTTP/3, where quic-go has it
// in Proto. It is what Caddy's reverse proxy turns into an upgrade; no other protocol is.
func extendedConnect(r *http.Request) bool {
	if r.Method != http.MethodConnect {
		return false
	}
	switch r.ProtoMajor {
	case 2:
		protocol := r.Header[":protocol"]
		return len(protocol) == 1 && protocol[0] == "websocket"
	case 3:
		return r.Proto == "websocket"
	}
	return false
}

// methodHeaders ask an application to take a request for one of another method, and many do: Rails, Laravel, Spring and ASP.NET among them.
// These are the letters of their names: CGI and its heirs make one variable of many spellings.
var methodHeaders = [...]string{"xhttpmethodoverride", "xhttpmethod", "xmethodoverride"}

// overridden tells whether an application may take a request for one of another method, as far as that stands in its head.
func overridden(r *http.Request) bool {
	for name := range r.Header {
		if overrides(name) {
			return true
		}
	}
	return methodInQuery(r.URL)
}

func overrides(name string) bool {
	for _, letters := range methodHeaders {
		if hasLetters(name, letters) {
			return true
		}
	}
	return false
}

// hasLetters tells whether a name has these letters, in any case and with anything in between.
func hasLetters(name, letters string) bool {
	if len(name) < len(letters) {
		return false
	}
	n := 0
	for i := range len(name) {
		c := name[i] | 0x20
		switch {
		case (c < 'a' || c > 'z') && (name[i] < '0' || name[i] > '9'):
		case n == len(letters) || c != letters[n]:
			return false
		default:
			n++
		}
	}
	return n == len(letters)
}

// methodInQuery finds _method, which WordPress takes for the method of any request, and others for that of a form; PHP writes that name for
// others too, such as .method. Some look there for the headers as well. What cannot be decoded, and a control byte, at which PHP ends a name,
// is read by everybody in a way of their own.
func methodInQuery(u *url.URL) bool {
	if u == nil || !strings.ContainsAny(u.RawQuery, "%mM") {
		return false
	}
	for parameter := range strings.FieldsFuncSeq(u.RawQuery, func(c rune) bool { return c == '&' || c == ';' }) {
		name, _, _ := strings.Cut(parameter, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || strings.ContainsFunc(name, unicode.IsControl) || overrides(name) {
			return true
		}
		if word := strings.TrimLeft(name, "_. ["); len(word) < len(name) && strings.EqualFold(word, "method") {
			return true
		}
	}
	return false
}

// methodOf is by which method a request may be taken. It is empty where nobody can tell.
func methodOf(r *http.Request) string {
	switch {
	case overridden(r):
		return ""
	case extendedConnect(r):
		return http.MethodGet // what a WebSocket begins with elsewhere
	}
	return r.Method
}

// upgrades tells whether a request asks to become something else than HTTP. In a browser that is always a WebSocket. A proxy that asks
// about a request may have dropped Upgrade, which is for one connection, and not the key, which is for both ends.
func upgrades(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 || len(r.Header["Sec-Websocket-Key"]) > 0 || r.Method == http.MethodConnect
}

// early tells whether a request that may change something came as TLS early data (RFC 8470). The answer 425 makes the browser repeat it
// when the handshake is done.
func early(r *http.Request) bool {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	return visit.Early(r) && (!safe || overridden(r))
}

// fromForeignPage tells whether a page of another origin sent the request (WB-8; ASVS 5.0 requirement 4.4.2). Browsers open a WebSocket
// to any site from any page, and the answer is readable to that page: only the Origin header shows it. A program sends none.
func fromForeignPage(r *http.Request, v visit.Visit) bool {
	return len(r.Header["Origin"]) > 0 && !visit.FromHere(r, v)
}

// dialect is the kind of answer that the sender of a request can make sense of.
type dialect int

const (
	program    dialect = iota // a script, a subresource, a WebSocket, a command line
	navigation                // a person who follows a link
	form                      // a person who sends a form
	grpc
)

func dialectOf(r *http.Request) dialect {
	switch {
	case isGRPC(r):
		return grpc
	case !visit.Navigates(r):
		return program
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return navigation
	}
	return form
}

// dialect is that of a request about which was decided so, or nothing at all.
func (d *Decision) dialect(r *http.Request) dialect {
	if d != nil && d.Presented {
		return program
	}
	return dialectOf(r)
}

const (
	plainGRPC = "application/grpc"
	webGRPC   = "application/grpc-web" // the dialect for browsers, whose clients accept no other type in an answer
)

func isGRPC(r *http.Request) bool { return hasType(r, plainGRPC) }

// grpcType is the content type of the answer to a gRPC client.
func grpcType(r *http.Request) string {
	if hasType(r, webGRPC) {
		return webGRPC
	}
	return plainGRPC
}

func hasType(r *http.Request, prefix string) bool {
	t := r.Header.Get("Content-Type")
	return len(t) >= len(prefix) && strings.EqualFold(t[:len(prefix)], prefix)
}
