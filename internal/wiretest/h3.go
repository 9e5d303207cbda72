// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package wiretest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// The frames and the stream of HTTP/3 that are needed here (RFC 9114 §6.2.1, §7.2).
const (
	h3Control  = 0x00
	h3Data     = 0x00
	h3Header   = 0x01
	h3Settings = 0x04
)

// H3Conn is a raw HTTP/3 connection.
type H3Conn struct {
	t    testing.TB
	conn *quic.Conn
}

// H3 opens an HTTP/3 connection. The connection ends with the test.
func H3(t testing.TB, addr string, config *tls.Config) *H3Conn {
	t.Helper()
	return h3(t, addr, config, quic.DialAddr)
}

// H3Early is H3 on a connection whose first requests may go out before its handshake is done (RFC 9001 §4.6). The configuration needs a
// session cache in which an earlier connection has left a ticket.
func H3Early(t testing.TB, addr string, config *tls.Config) *H3Conn {
	t.Helper()
	return h3(t, addr, config, quic.DialAddrEarly)
}

func h3(t testing.TB, addr string, config *tls.Config, dial func(context.Context, string, *tls.Config, *quic.Config) (*quic.Conn, error)) *H3Conn {
	t.Helper()
	config = config.Clone()
	config.NextProtos = []string{http3.NextProtoH3}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	conn, err := dial(ctx, addr, config, nil)
	if err != nil {
		t.Fatalf("QUIC handshake with %s: %v", addr, err)
	}
	t.Cleanup(func() { conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") })
	c := &H3Conn{t, conn}
	control, err := conn.OpenUniStreamSync(ctx)
	c.must(err)
	_, err = control.Write(append(quicvarint.Append(nil, h3Control), frame(h3Settings, nil)...))
	c.must(err)
	return c
}

// Early tells whether the server has taken what came before the handshake was done.
func (c *H3Conn) Early() bool {
	c.t.Helper()
	select {
	case <-c.conn.HandshakeComplete():
	case <-time.After(Patience):
		c.t.Fatal("the handshake is not done")
	}
	return c.conn.ConnectionState().Used0RTT
}

// Do sends one request with these fields, pseudo-header fields among them, in this order and as they are, then the body and the
// trailers, each left out when nil, and reads the response. A stream that the server refuses gives Status 0 and the code in Reset.
func (c *H3Conn) Do(header [][2]string, body []byte, trailer [][2]string) Response {
	c.t.Helper()
	return c.Begin(header, body, trailer)()
}

// Begin is Do that does not wait: the response is read by what it returns.
func (c *H3Conn) Begin(header [][2]string, body []byte, trailer [][2]string) (response func() Response) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), Patience)
	defer cancel()
	stream, err := c.conn.OpenStreamSync(ctx)
	c.must(err)
	message := frame(h3Header, c.fields(header))
	if body != nil {
		message = append(message, frame(h3Data, body)...)
	}
	if trailer != nil {
		message = append(message, frame(h3Header, c.fields(trailer))...)
	}
	stream.SetDeadline(time.Now().Add(Patience))
	if _, err := stream.Write(message); errors.Is(err, os.ErrDeadlineExceeded) { // else what the server said is read next
		c.t.Fatalf("sending: %v", err)
	}
	stream.Close()
	return func() Response {
		c.t.Helper()
		stream.SetReadDeadline(time.Now().Add(Patience))
		return c.response(stream)
	}
}

func frame(kind uint64, payload []byte) []byte {
	return append(quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(payload))), payload...)
}

func (c *H3Conn) fields(fields [][2]string) []byte {
	c.t.Helper()
	var block bytes.Buffer
	e := qpack.NewEncoder(&block)
	for _, field := range fields {
		c.must(e.WriteField(qpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	return block.Bytes()
}

// response reads frames until the stream has ended.
func (c *H3Conn) response(stream *quic.Stream) (response Response) {
	c.t.Helper()
	r := quicvarint.NewReader(stream)
	for {
		kind, payload, err := readFrame(r)
		switch reset, isReset := errors.AsType[*quic.StreamError](err); {
		case err == io.EOF:
			return response
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.t.Fatalf("waiting for a response: %v; so far %+v", err, response)
		case isReset:
			response.Reset = http3.ErrCode(reset.ErrorCode).String()
			return response
		case err != nil:
			response.Reset = err.Error()
			return response
		}
		switch kind {
		case h3Data:
			response.Body = append(response.Body, payload...)
		case h3Header:
			if response.Status >= 100 && response.Status < 200 {
				response = Response{Interim: append(response.Interim, Response{Message: response.Message, Status: response.Status})}
			}
			c.addFields(&response, payload)
		}
	}
}

func readFrame(r quicvarint.Reader) (kind uint64, payload []byte, err error) {
	if kind, err = quicvarint.Read(r); err != nil {
		return 0, nil, err
	}
	n, err := quicvarint.Read(r)
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return kind, payload, err
}

// addFields adds the header, or, when the response has one, the trailer.
func (c *H3Conn) addFields(r *Response, block []byte) {
	c.t.Helper()
	next := qpack.NewDecoder().Decode(block)
	var lines []string
	status := ""
	for {
		f, err := next()
		if err == io.EOF {
			break
		}
		c.must(err)
		if f.Name == ":status" {
			status = f.Value
			continue
		}
		lines = append(lines, f.Name+": "+f.Value)
	}
	if r.Status != 0 {
		r.Trailer = lines
		return
	}
	r.Start, r.Header = strings.TrimSpace("HTTP/3 "+status), lines
	r.Status, _ = strconv.Atoi(status)
}

func (c *H3Conn) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}
