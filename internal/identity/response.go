// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bufio"
	"context"
	"io"
	"math"
	"net"
	"net/http"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// GuardResponse returns a writer through which the application cannot set, replace or clear our cookies: it removes such Set-Cookie
// lines just before the headers leave, with interim responses too. All else of w keeps working: http.ResponseController, Flush,
// Hijack, Push, and ReadFrom with the kernel's file copying.
//
// Writing fails once ctx is over, with its cause. That is for handlers that do not look at the context of their request, such as a file
// server in the middle of a file: what they send would outlive the session that it is for (WB-9).
//
// Three things it cannot see. A handler that returns without having written anything leaves the headers to the server, so the caller
// calls visit.StripSetCookies on them after the handler. A handler that hijacks first and then writes the head of the response itself is
// on its own; Caddy's reverse_proxy does not. Trailers are left alone, since browsers take no cookie from them.
func GuardResponse(ctx context.Context, w http.ResponseWriter) *Guard {
	return &Guard{ResponseWriter: w, ctx: ctx}
}

// Guard is the writer of GuardResponse.
type Guard struct {
	http.ResponseWriter
	ctx  context.Context
	sent bool // the final headers
}

// Sent tells whether the application has answered: the headers have left.
func (g *Guard) Sent() bool { return g.sent }

// Unwrap is for http.ResponseController.
func (g *Guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (g *Guard) WriteHeader(status int) {
	visit.StripSetCookies(g.Header())
	g.sent = g.sent || status >= 200 || status == http.StatusSwitchingProtocols
	g.ResponseWriter.WriteHeader(status)
}

func (g *Guard) Write(p []byte) (int, error) {
	if g.ctx.Err() != nil {
		return 0, context.Cause(g.ctx)
	}
	g.beforeHeaders()
	return g.ResponseWriter.Write(p)
}

func (g *Guard) WriteString(s string) (int, error) {
	if g.ctx.Err() != nil {
		return 0, context.Cause(g.ctx)
	}
	g.beforeHeaders()
	return io.WriteString(g.ResponseWriter, s)
}

// atOnce is how many bytes are sent between two looks at the context.
const atOnce = 1 << 20

// ReadFrom hands the reader to the writer below, a piece at a time. That one may let the kernel copy a file to the socket, which it can
// when the file is behind one limit and no more.
func (g *Guard) ReadFrom(r io.Reader) (total int64, err error) {
	g.beforeHeaders()
	limit, limited := r.(*io.LimitedReader)
	if !limited {
		limit = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	for limit.N > 0 {
		if g.ctx.Err() != nil {
			return total, context.Cause(g.ctx)
		}
		piece := min(limit.N, atOnce)
		n, err := io.Copy(g.ResponseWriter, &io.LimitedReader{R: limit.R, N: piece})
		limit.N -= n
		total += n
		if err != nil || n < piece {
			return total, err
		}
	}
	return total, nil
}

func (g *Guard) Flush() { g.FlushError() }

// FlushError is what http.ResponseController calls.
func (g *Guard) FlushError() error {
	g.beforeHeaders()
	return http.NewResponseController(g.ResponseWriter).Flush()
}

func (g *Guard) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(g.ResponseWriter).Hijack()
}

func (g *Guard) Push(target string, options *http.PushOptions) error {
	if pusher, ok := g.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, options)
	}
	return http.ErrNotSupported
}

// beforeHeaders is for what sends the headers by the way.
func (g *Guard) beforeHeaders() {
	if !g.sent {
		g.sent = true
		visit.StripSetCookies(g.Header())
	}
}
