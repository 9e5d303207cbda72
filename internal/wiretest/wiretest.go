// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package wiretest lets a test see and send HTTP as it is on the wire. An ordinary client or server of net/http cleans a message up
// before a test gets to see it, and most attacks on a gateway live in what is cleaned away: two spellings of one header, a trailer, a
// token in Connection, a path with an encoded slash.
//
// Echo is an upstream that answers with the very bytes it received. Raw and Dial speak HTTP/1.1 as it is written in the test, H2 and H3
// speak HTTP/2 and HTTP/3 with any field. Nothing here judges or corrects a message. Every wait has an end: what takes longer than Patience fails the
// test. All of it is for tests only.
package wiretest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Patience is how long any single exchange may take.
const Patience = 10 * time.Second

// Message is one HTTP message as it was read.
type Message struct {
	Start   string   // the request line or status line
	Header  []string // the header lines, in order and as written
	Body    []byte   // without the framing of chunks
	Trailer []string // the lines after the last chunk
}

// Values returns the values of the header lines with this name, in any case.
func (m Message) Values(name string) []string { return values(m.Header, name) }

// TrailerValues returns the values of the trailer lines with this name, in any case.
func (m Message) TrailerValues(name string) []string { return values(m.Trailer, name) }

func values(lines []string, name string) []string {
	var found []string
	for _, line := range lines {
		n, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(n, name) {
			found = append(found, strings.Trim(value, " \t"))
		}
	}
	return found
}

// has tells whether a comma-separated header names the token.
func (m Message) has(name, token string) bool {
	for _, value := range m.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// readHead reads the start line and the header lines.
func readHead(r *bufio.Reader) (Message, error) {
	var m Message
	var err error
	if m.Start, err = readLine(r); err != nil {
		return m, err
	}
	m.Header, err = readLines(r)
	return m, err
}

// readLines reads lines up to an empty one.
func readLines(r *bufio.Reader) ([]string, error) {
	var lines []string
	for {
		line, err := readLine(r)
		if err != nil || line == "" {
			return lines, err
		}
		lines = append(lines, line)
	}
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err == io.EOF && line != "" {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// readBody reads what follows the head: chunks and trailers, a counted body, or, when toEnd, all there is.
func (m *Message) readBody(r *bufio.Reader, toEnd bool) error {
	var err error
	switch length := m.Values("Content-Length"); {
	case m.has("Transfer-Encoding", "chunked"):
		return m.readChunks(r)
	case len(length) > 0:
		n, convErr := strconv.Atoi(length[0])
		if convErr != nil || n < 0 {
			return fmt.Errorf("reading a body of length %q", length[0])
		}
		m.Body = make([]byte, n)
		_, err = io.ReadFull(r, m.Body)
	case toEnd:
		m.Body, err = io.ReadAll(r)
	}
	return err
}

func (m *Message) readChunks(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
		if err != nil {
			return fmt.Errorf("reading a chunk: %w", err)
		}
		if n == 0 {
			m.Trailer, err = readLines(r)
			return err
		}
		chunk := make([]byte, n)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return err
		}
		m.Body = append(m.Body, chunk...)
		if _, err := readLine(r); err != nil {
			return err
		}
	}
}
