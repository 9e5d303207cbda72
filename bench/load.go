// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load sends the same request over and over on each of so many connections, the next one when the answer is there, and returns how
// many answers of the wanted status it got and how long that took. Any other answer is an error: a comparison of refusals with
// answers would look splendid. The client does as little as it can, since it takes its share of the processors that it measures.
func load(ctx context.Context, addr string, request []byte, wantStatus, connections int, d time.Duration) (answers int64, took time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		total   atomic.Int64
		clients sync.WaitGroup
	)
	start := time.Now()
	end := start.Add(d)
	for range connections {
		clients.Go(func() {
			n, err := keepAsking(addr, request, wantStatus, func() bool { return ctx.Err() == nil && time.Now().Before(end) })
			total.Add(n)
			if err != nil {
				cancel(err)
			}
		})
	}
	clients.Wait()
	return total.Load(), time.Since(start), context.Cause(ctx)
}

// patience is how long the client waits for one answer.
const patience = 10 * time.Second

func keepAsking(addr string, request []byte, wantStatus int, more func() bool) (answers int64, err error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for more() {
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return answers, err
		}
		if _, err := conn.Write(request); err != nil {
			return answers, err
		}
		status, err := readAnswer(r)
		if err != nil {
			return answers, fmt.Errorf("reading answer %d of a connection: %w", answers+1, err)
		}
		if status != wantStatus {
			return answers, fmt.Errorf("got status %d, want %d", status, wantStatus)
		}
		answers++
	}
	return answers, nil
}

// readAnswer reads one response of HTTP/1.1 with a counted body and returns its status. It knows no other framing.
func readAnswer(r *bufio.Reader) (status int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, fmt.Errorf("not a status: %q", line)
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return 0, fmt.Errorf("not a length: %q", line)
			}
		}
	}
	if length < 0 {
		return 0, fmt.Errorf("an answer of status %d without a length", status)
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return status, err
}
