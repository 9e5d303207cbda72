// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

//lint:file-ignore SA1019 the client of net/http refuses the field :protocol, which a WebSocket over HTTP/2 begins with (RFC 8441)

package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// trust is the TLS configuration of a client that trusts the server's own authority.
func (s *server) trust(t *testing.T) *tls.Config {
	t.Helper()
	var ca struct {
		Root string `json:"root_certificate"`
	}
	if err := json.Unmarshal([]byte(s.Operate(t, "GET", "/pki/ca/local", "")), &ca); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca.Root)) {
		t.Fatalf("no root certificate in %q", ca.Root)
	}
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// serveRaw answers each connection with answer until the test is over. net/http would add to a response and leave out of it.
func serveRaw(t *testing.T, answer func(conn net.Conn, r *bufio.Reader)) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn, bufio.NewReader(conn))
			}()
		}
	}()
	return listener.Addr().String()
}

// The frames of a WebSocket (RFC 6455 section 5.2) that the tests need: unfragmented, under 64 KiB.
const (
	textFrame, binaryFrame, closeFrame, pingFrame, pongFrame = 1, 2, 8, 9, 10

	final, masked, length16 = 0x80, 0x80, 126
)

// frame is one frame. That of a client is masked.
func frame(kind byte, payload []byte, fromClient bool) []byte {
	out := []byte{final | kind, byte(len(payload))}
	if len(payload) >= length16 {
		out = binary.BigEndian.AppendUint16([]byte{final | kind, length16}, uint16(len(payload)))
	}
	if !fromClient {
		return append(out, payload...)
	}
	out[1] |= masked
	mask := [4]byte{1, 2, 3, 4}
	out = append(out, mask[:]...)
	for i, c := range payload {
		out = append(out, c^mask[i%4])
	}
	return out
}

func readFrame(r io.Reader) (kind byte, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1] &^ masked)
	if n == length16 {
		var long [2]byte
		if _, err = io.ReadFull(r, long[:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	var mask [4]byte
	if head[1]&masked != 0 {
		if _, err = io.ReadFull(r, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, n)
	if _, err = io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head[0] &^ final, payload, nil
}

// expectFrame reads the next frame and compares it.
func expectFrame(t *testing.T, r io.Reader, kind byte, payload []byte) {
	t.Helper()
	gotKind, got, err := readFrame(r)
	if err != nil || gotKind != kind || !bytes.Equal(got, payload) {
		t.Fatalf("got a frame of kind %d with %d bytes, %v, want kind %d with %d", gotKind, len(got), err, kind, len(payload))
	}
}

// openSocket opens a WebSocket as the browser does, over HTTP/1.1 or, for a browser with TLS, over HTTP/2 (RFC 8441). Reading fails when
// nothing comes for the time that anything may take.
func openSocket(t *testing.T, b *browser, path string) io.ReadWriteCloser {
	t.Helper()
	if strings.HasPrefix(b.Base, "https:") {
		return openSocketH2(t, b, path)
	}
	r, err := http.NewRequest("GET", b.Base+path, nil)
	must(t, err)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": b.Base} {
		r.Header.Set(name, value)
	}
	client := *b.Client
	client.Timeout = 0 // it would end the socket
	resp, err := client.Do(r)
	must(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("opening a WebSocket: %s", resp.Status)
	}
	socket := resp.Body.(io.ReadWriteCloser)
	t.Cleanup(func() { socket.Close() })
	return socket
}

func openSocketH2(t *testing.T, b *browser, path string) io.ReadWriteCloser {
	t.Helper()
	in, out := io.Pipe()
	r, err := http.NewRequest("CONNECT", b.Base+path, in)
	must(t, err)
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Origin", b.Base)
	r.Header.Set("Cookie", b.Cookies.String())
	web := b.Client.Transport.(*http.Transport)
	transport := &http2.Transport{TLSClientConfig: web.TLSClientConfig}
	transport.DialTLSContext = func(ctx context.Context, network, addr string, config *tls.Config) (net.Conn, error) {
		conn, err := web.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return tls.Client(conn, config), nil
	}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(r)
	must(t, err)
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Fatalf("opening a WebSocket over HTTP/2: %s %s", resp.Proto, resp.Status)
	}
	socket := stream{resp.Body, out}
	t.Cleanup(func() { socket.Close() })
	return socket
}

// stream is one of HTTP/2, open in both directions.
type stream struct {
	io.Reader
	io.WriteCloser
}

// serveSocket is the application's end: it greets, sends back what it gets, answers a ping with a pong, and ends when the other end
// does. heard gets what ended it.
func serveSocket(w http.ResponseWriter, r *http.Request, heard chan<- error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		heard <- err
		return
	}
	defer conn.Close()
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		heard <- fmt.Errorf("no upgrade in %v", r.Header)
		return
	}
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	conn.Write(frame(textFrame, []byte("hello "+r.Header.Get("Remote-User")), false))
	for {
		kind, payload, err := readFrame(rw)
		if err != nil {
			heard <- err
			return
		}
		switch kind {
		case pingFrame:
			kind = pongFrame
		case closeFrame:
			heard <- errors.New("closed in good form")
			return
		}
		if _, err := conn.Write(frame(kind, payload, false)); err != nil {
			heard <- err
			return
		}
	}
}
