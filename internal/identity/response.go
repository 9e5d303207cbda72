// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// GuardResponse returns a writer through which the application cannot set, replace or clear our cookies: it removes such Set-Cookie
// lines just before the headers leave, with interim responses too. All else of w keeps working: http.ResponseController, Flush,
// Hijack, Push, and ReadFrom with the kernel's file copying.
//
// Three things it cannot see. A handler that returns without having written anything leaves the headers to the server, so the caller
// calls visit.StripSetCookies on them after the handler. A handler that hijacks first and then writes the head of the response itself is
// on its own; Caddy's reverse_proxy does not. Trailers are left alone, since browsers take no cookie from them.
func GuardResponse(w http.ResponseWriter) http.ResponseWriter { return &guard{ResponseWriter: w} }

type guard struct {
	http.ResponseWriter
	sent bool // the final headers
}

// Unwrap is for http.ResponseController.
func (g *guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (g *guard) WriteHeader(status int) {
	visit.StripSetCookies(g.Header())
	g.sent = g.sent || status >= 200 || status == http.StatusSwitchingProtocols
	g.ResponseWriter.WriteHeader(status)
}

func (g *guard) Write(p []byte) (int, error) {
	g.beforeHeaders()
	return g.ResponseWriter.Write(p)
}

func (g *guard) WriteString(s string) (int, error) {
	g.beforeHeaders()
	return io.WriteString(g.ResponseWriter, s)
}

// ReadFrom hands the reader to the writer below, which may let the kernel copy a file to the socket.
func (g *guard) ReadFrom(r io.Reader) (int64, error) {
	g.beforeHeaders()
	return io.Copy(g.ResponseWriter, r)
}

func (g *guard) Flush() { g.FlushError() }

// FlushError is what http.ResponseController calls.
func (g *guard) FlushError() error {
	g.beforeHeaders()
	return http.NewResponseController(g.ResponseWriter).Flush()
}

func (g *guard) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(g.ResponseWriter).Hijack()
}

func (g *guard) Push(target string, options *http.PushOptions) error {
	if pusher, ok := g.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, options)
	}
	return http.ErrNotSupported
}

// beforeHeaders is for what sends the headers by the way.
func (g *guard) beforeHeaders() {
	if !g.sent {
		g.sent = true
		visit.StripSetCookies(g.Header())
	}
}
