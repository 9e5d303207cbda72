// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long the client waits for one answer.
const patience = 10 * time.Second

// client keeps connections to one server. It does as little as it can, since it takes its share of the processors that it measures.
type client struct {
	request    []byte
	wantStatus int
	conns      []*connection
}

type connection struct {
	net.Conn
	r *bufio.Reader
}

// dial opens the connections of a client that sends the same request again and again and wants the same status each time. Any other
// answer is an error: a comparison of refusals with answers would look splendid.
func dial(addr string, request []byte, wantStatus, connections int) (*client, error) {
	c := &client{request: request, wantStatus: wantStatus}
	for range connections {
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.conns = append(c.conns, &connection{conn, bufio.NewReader(conn)})
	}
	return c, nil
}

func (c *client) close() (err error) {
	for _, conn := range c.conns {
		err = errors.Join(err, conn.Close())
	}
	return err
}

// load asks on every connection, the next time when the answer is there, and returns how many answers came and how long that took.
func (c *client) load(ctx context.Context, d time.Duration) (answers int64, took time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		total atomic.Int64
		done  sync.WaitGroup
	)
	start := time.Now()
	end := start.Add(d)
	for _, conn := range c.conns {
		done.Go(func() {
			n, err := c.keepAsking(conn, func() bool { return ctx.Err() == nil && time.Now().Before(end) })
			total.Add(n)
			if err != nil {
				cancel(err)
			}
		})
	}
	done.Wait()
	return total.Load(), time.Since(start), context.Cause(ctx)
}

func (c *client) keepAsking(conn *connection, more func() bool) (answers int64, err error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	for more() {
		if _, err := conn.Write(c.request); err != nil {
			return answers, err
		}
		status, err := readAnswer(conn.r)
		if err != nil {
			return answers, fmt.Errorf("reading an answer: %w", err)
		}
		if status != c.wantStatus {
			return answers, fmt.Errorf("got status %d, want %d", status, c.wantStatus)
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
