// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package wiretest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Response is what a raw client received.
type Response struct {
	Message
	Status  int        // 0: the server closed the connection or reset the stream without an answer
	Interim []Response // 1xx answers that came first; 101 is final
	Reset   string     // HTTP/2 only: the error code with which the server ended the stream or the connection
}

// Raw connects, sends exactly these bytes and reads one response. It makes no check of the request and accepts nearly any response. A
// connection that is closed without an answer gives a Response with Status 0.
func Raw(t testing.TB, addr, request string) Response {
	t.Helper()
	return RawTLS(t, addr, nil, request)
}

// RawTLS is Raw over TLS. It offers only http/1.1. A nil configuration means plain TCP.
func RawTLS(t testing.TB, addr string, config *tls.Config, request string) Response {
	t.Helper()
	c := Dial(t, addr, config)
	c.Send(request)
	method, _, _ := strings.Cut(request, " ")
	return c.Response(method)
}

// Conn is a raw HTTP/1.1 connection, for requests in a row, pieces of a request, and what follows an upgrade.
type Conn struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// Dial connects; a nil configuration means plain TCP. The connection ends with the test.
func Dial(t testing.TB, addr string, config *tls.Config) *Conn {
	t.Helper()
	conn := dial(t, addr, config, "http/1.1")
	return &Conn{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func dial(t testing.TB, addr string, config *tls.Config, protocol string) net.Conn {
	t.Helper()
	dialer := &net.Dialer{Timeout: Patience}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(Patience))
	if config == nil {
		return conn
	}
	config = config.Clone()
	config.NextProtos = []string{protocol}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(conn, config)
	if err := secure.Handshake(); err != nil {
		t.Fatalf("TLS handshake with %s: %v", addr, err)
	}
	return secure
}

// Send writes exactly these bytes. A write that fails is no failure of the test: a server may refuse a request before it has read all
// of it, and its answer is what counts.
func (c *Conn) Send(bytes string) {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(Patience))
	if _, err := io.WriteString(c.conn, bytes); errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("sending: %v", err)
	}
}

// Response reads one response to a request of this method (a response to HEAD has no body).
func (c *Conn) Response(method string) Response {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(Patience))
	var interim []Response
	for {
		response, err := c.response(method)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.t.Fatalf("waiting for a response: %v; so far %+v", err, response)
		}
		if err != nil || response.Status >= 200 || response.Status <= 101 && response.Status != 100 {
			response.Interim = interim
			return response
		}
		interim = append(interim, response)
	}
}

func (c *Conn) response(method string) (Response, error) {
	m, err := readHead(c.r)
	response := Response{Message: m}
	if fields := strings.Fields(m.Start); len(fields) > 1 {
		response.Status, _ = strconv.Atoi(fields[1])
	}
	if err != nil || method == "HEAD" || response.Status < 200 || response.Status == 204 || response.Status == 304 {
		return response, err
	}
	return response, response.readBody(c.r, true)
}

// Read reads exactly n bytes, as after an upgrade.
func (c *Conn) Read(n int) string {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(Patience))
	buf := make([]byte, n)
	if got, err := io.ReadFull(c.r, buf); err != nil {
		c.t.Fatalf("reading %d bytes: got %q, then %v", n, buf[:got], err)
	}
	return string(buf)
}

// Closed waits for the server to close the connection. Bytes that come first, or waiting in vain, fail the test.
func (c *Conn) Closed() {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(Patience))
	rest, err := io.ReadAll(c.r)
	if len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("waiting for the connection to close: got %q, then %v", rest, err)
	}
}

// Close closes the connection early.
func (c *Conn) Close() { c.conn.Close() }
