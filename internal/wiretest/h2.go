// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package wiretest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxH2Body is what may be sent before the server opens its window (RFC 9113 §6.9.2): the client does not wait for more.
const maxH2Body = 65535

// H2Conn is a raw HTTP/2 connection.
type H2Conn struct {
	t      testing.TB
	conn   net.Conn
	framer *http2.Framer
	stream uint32
	block  bytes.Buffer
	hpack  *hpack.Encoder
}

// H2 opens an HTTP/2 connection that offers only h2 over TLS, or speaks it at once over plain TCP when the configuration is nil. The
// connection ends with the test.
func H2(t testing.TB, addr string, config *tls.Config) *H2Conn {
	t.Helper()
	conn := dial(t, addr, config, "h2")
	c := &H2Conn{t: t, conn: conn, framer: http2.NewFramer(conn, conn), stream: 1}
	c.framer.AllowIllegalWrites = true
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.hpack = hpack.NewEncoder(&c.block)
	_, err := io.WriteString(conn, http2.ClientPreface)
	c.must(err)
	const window = 1 << 24 // so that no response has to wait for us
	c.must(c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
	c.must(c.framer.WriteWindowUpdate(0, window))
	return c
}

// Do sends one request with these fields, pseudo-header fields among them, in this order and as they are, then the body and the
// trailers, each left out when nil, and reads the response. A stream that the server refuses gives Status 0 and the code in Reset.
func (c *H2Conn) Do(header [][2]string, body []byte, trailer [][2]string) Response {
	c.t.Helper()
	if len(body) > maxH2Body {
		c.t.Fatalf("a body of %d bytes; the client sends at most %d", len(body), maxH2Body)
	}
	c.conn.SetDeadline(time.Now().Add(Patience))
	id := c.stream
	c.stream += 2
	c.sendFields(id, header, body == nil && trailer == nil)
	if body != nil {
		c.sendBody(id, body, trailer == nil)
	}
	if trailer != nil {
		c.sendFields(id, trailer, true)
	}
	return c.response(id)
}

func (c *H2Conn) sendFields(id uint32, fields [][2]string, last bool) {
	c.t.Helper()
	c.block.Reset()
	for _, field := range fields {
		c.must(c.hpack.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	c.sent(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: last}))
}

func (c *H2Conn) sendBody(id uint32, body []byte, last bool) {
	c.t.Helper()
	const frame = 16384 // RFC 9113 §4.2: what every server accepts
	for len(body) > frame {
		c.sent(c.framer.WriteData(id, false, body[:frame]))
		body = body[frame:]
	}
	c.sent(c.framer.WriteData(id, last, body))
}

// response reads frames until the stream has ended.
func (c *H2Conn) response(id uint32) Response {
	c.t.Helper()
	var response Response
	var interim []Response
	for {
		frame, err := c.framer.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.t.Fatalf("waiting for a response: %v; so far %+v", err, response)
		}
		if err != nil {
			if response.Reset == "" {
				response.Reset = err.Error()
			}
			return response
		}
		ended := false
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.sent(c.framer.WriteSettingsAck())
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				c.sent(c.framer.WritePing(true, f.Data))
			}
		case *http2.GoAwayFrame:
			if f.LastStreamID < id || f.ErrCode != http2.ErrCodeNo {
				return Response{Reset: f.ErrCode.String()}
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id && (f.ErrCode != http2.ErrCodeNo || response.Status == 0) {
				response.Reset = f.ErrCode.String()
			}
			ended = f.StreamID == id
		case *http2.MetaHeadersFrame:
			if f.StreamID != id {
				continue
			}
			if response.Status >= 100 && response.Status < 200 {
				interim, response = append(interim, response), Response{}
			}
			response.addFields(f)
			ended = f.StreamEnded()
		case *http2.DataFrame:
			if f.StreamID == id {
				response.Body = append(response.Body, f.Data()...)
				ended = f.StreamEnded()
			}
		}
		if ended {
			response.Interim = interim
			return response
		}
	}
}

// addFields adds the header, or, when the response has one, the trailer.
func (r *Response) addFields(f *http2.MetaHeadersFrame) {
	lines := make([]string, 0, len(f.Fields))
	for _, field := range f.RegularFields() {
		lines = append(lines, strings.ToLower(field.Name)+": "+field.Value)
	}
	if r.Status != 0 {
		r.Trailer = lines
		return
	}
	status := f.PseudoValue("status")
	r.Start, r.Header = "HTTP/2 "+status, lines
	r.Status, _ = strconv.Atoi(status)
}

// sent lets a write fail unless it timed out: the server may have closed the connection, and what it said before is read next.
func (c *H2Conn) sent(err error) {
	c.t.Helper()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("sending: %v", err)
	}
}

func (c *H2Conn) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}
