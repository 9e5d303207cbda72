// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package wiretest

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Request is what the upstream received.
type Request struct {
	Message
	Raw []byte // every byte, framing and trailers included
}

// Upstream is an application that answers each request with its bytes.
type Upstream struct {
	Addr string // host:port on loopback

	header []string // response header lines

	mu       sync.Mutex
	requests []Request
	open     map[net.Conn]bool // nil once the test is over
	done     sync.WaitGroup
}

// Echo starts an upstream that answers 200 with the exact bytes of each request as its body (text/plain), and with the given header
// lines ("Set-Cookie: a=b") besides. It keeps connections alive, reads counted and chunked bodies with trailers, and answers a request
// to upgrade with 101 (to a WebSocket with its proof), after which it sends back every byte it gets. It ends with the test.
func Echo(t testing.TB, header ...string) *Upstream {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &Upstream{Addr: listener.Addr().String(), header: header, open: map[net.Conn]bool{}}
	u.done.Go(func() { u.accept(listener) })
	t.Cleanup(func() {
		listener.Close()
		u.closeAll()
		u.done.Wait()
	})
	return u
}

// Requests returns what was received so far, oldest first. A request is in the list before its answer is sent.
func (u *Upstream) Requests() []Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.requests)
}

func (u *Upstream) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if !u.track(conn) {
			conn.Close()
			return
		}
		u.done.Go(func() {
			u.serve(conn)
			u.forget(conn)
		})
	}
}

func (u *Upstream) track(conn net.Conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open == nil {
		return false
	}
	u.open[conn] = true
	return true
}

func (u *Upstream) forget(conn net.Conn) {
	conn.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, conn)
}

func (u *Upstream) closeAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for conn := range u.open {
		conn.Close()
	}
	u.open = nil
}

// serve answers the requests of one connection until it ends, breaks off, or stops making sense.
func (u *Upstream) serve(conn net.Conn) {
	var raw bytes.Buffer
	wire := bufio.NewReader(conn)
	for {
		raw.Reset()
		conn.SetDeadline(time.Now().Add(Patience))
		// One byte at a time, so that raw holds what was consumed and nothing of the next request.
		r := bufio.NewReaderSize(io.TeeReader(oneByte{wire}, &raw), 16)
		m, err := readHead(r)
		if err != nil {
			return
		}
		if m.has("Expect", "100-continue") {
			io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		if err := m.readBody(r, false); err != nil {
			return
		}
		request := Request{Message: m, Raw: bytes.Clone(raw.Bytes())}
		u.mu.Lock()
		u.requests = append(u.requests, request)
		u.mu.Unlock()

		if protocol := m.Values("Upgrade"); m.has("Connection", "upgrade") && len(protocol) > 0 {
			u.write(conn, "101 Switching Protocols", append(accept(m), "Connection: Upgrade", "Upgrade: "+protocol[0]), nil)
			io.Copy(conn, wire)
			return
		}
		body := request.Raw
		lines := []string{"Content-Type: text/plain", fmt.Sprintf("Content-Length: %d", len(body))}
		if strings.HasPrefix(m.Start, "HEAD ") {
			body = nil
		}
		u.write(conn, "200 OK", lines, body)
		if m.has("Connection", "close") {
			return
		}
	}
}

// accept is the proof that a WebSocket server has read the request (RFC 6455, section 4.2.2), which some proxies check.
func accept(m Message) []string {
	key := m.Values("Sec-WebSocket-Key")
	if len(key) != 1 {
		return nil
	}
	sum := sha1.Sum([]byte(key[0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return []string{"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:])}
}

func (u *Upstream) write(conn net.Conn, status string, lines []string, body []byte) {
	lines = append(lines, u.header...)
	fmt.Fprintf(conn, "HTTP/1.1 %s\r\n%s\r\n\r\n%s", status, strings.Join(lines, "\r\n"), body)
}

// oneByte keeps a reader above from reading ahead.
type oneByte struct{ r *bufio.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }
