// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// plant is an application that tries to set our cookies beside its own.
func plant(h http.Header) {
	h["Set-Cookie"] = []string{"__Host-nightlatch=evil; Secure; Path=/", "app=1", "nightlatch", "=__Host-nightlatch=evil", " __host-NIGHTLATCH = evil"}
}

func checkPlanted(t *testing.T, what string, got []string) {
	t.Helper()
	if !slices.Equal(got, []string{"app=1"}) {
		t.Errorf("%s: Set-Cookie: %q; want app=1", what, got)
	}
}

func TestGuardResponse(t *testing.T) {
	for name, send := range map[string]func(w http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) },
		"Write":       func(w http.ResponseWriter) { w.Write([]byte("x")) },
		"empty Write": func(w http.ResponseWriter) { w.Write(nil) },
		"WriteString": func(w http.ResponseWriter) { io.WriteString(w, "x") },
		"ReadFrom":    func(w http.ResponseWriter) { w.(io.ReaderFrom).ReadFrom(strings.NewReader("x")) },
		"Copy":        func(w http.ResponseWriter) { io.Copy(w, io.LimitReader(strings.NewReader("x"), 1)) },
		"Flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller": func(w http.ResponseWriter) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
		},
		"after hints": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusEarlyHints)
			plant(w.Header())
			w.Write([]byte("x"))
		},
	} {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w = identity.GuardResponse(t.Context(), w)
			plant(w.Header())
			send(w)
		})
		addr, config := startTLS(t, handler)
		first := wiretest.RawTLS(t, addr, config, "GET / HTTP/1.1\r\nHost: app\r\n\r\n")
		second := wiretest.H2(t, addr, config).Do([][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "app"}, {":path", "/"}}, nil, nil)
		for _, response := range []wiretest.Response{first, second} {
			if response.Status == 0 {
				t.Fatalf("%s: no response: %+v", name, response)
			}
			what := name + ", " + strings.Fields(response.Start)[0]
			checkPlanted(t, what, response.Values("Set-Cookie"))
			for _, interim := range response.Interim {
				checkPlanted(t, what+", interim", interim.Values("Set-Cookie"))
			}
		}
	}
}

func TestGuardResponseSwitchesProtocols(t *testing.T) {
	for name, hijack := range map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"controller": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		},
		"interface": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
	} {
		t.Run(name, func(t *testing.T) {
			addr, config := startTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w = identity.GuardResponse(t.Context(), w)
				plant(w.Header())
				w.Header().Set("Connection", "Upgrade")
				w.Header().Set("Upgrade", "websocket")
				w.WriteHeader(http.StatusSwitchingProtocols)
				conn, both, err := hijack(w)
				if err != nil {
					t.Errorf("hijacking: %v", err)
					return
				}
				defer conn.Close()
				both.Flush()
				line, err := both.ReadString('\n')
				if err != nil {
					t.Errorf("reading: %v", err)
				}
				io.WriteString(conn, "you said "+line)
			}))
			c := wiretest.Dial(t, addr, config)
			c.Send("GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			response := c.Response("GET")
			if response.Status != 101 {
				t.Fatalf("got %+v; want 101", response)
			}
			checkPlanted(t, "101", response.Values("Set-Cookie"))
			c.Send("hello\n")
			if got := c.Read(15); got != "you said hello\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Server-sent events reach the browser as they happen.
func TestGuardResponseStreams(t *testing.T) {
	seen := make(chan bool)
	addr, config := startTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w = identity.GuardResponse(t.Context(), w)
		plant(w.Header())
		w.Header().Set("Content-Type", "text/event-stream")
		for range 2 {
			io.WriteString(w, "data: x\n\n")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flushing: %v", err)
			}
			select {
			case <-seen:
			case <-time.After(wiretest.Patience):
				t.Error("the event did not reach the client before the next one")
			}
		}
	}))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, Timeout: wiretest.Patience}
	t.Cleanup(client.CloseIdleConnections)
	response, err := client.Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	checkPlanted(t, "stream", response.Header["Set-Cookie"])
	for range 2 {
		event := make([]byte, len("data: x\n\n"))
		if _, err := io.ReadFull(response.Body, event); err != nil {
			t.Fatal(err)
		}
		seen <- true
	}
}

// watchedConn counts what is handed to the connection as a reader: that is the path on which the kernel copies a file.
type watchedConn struct {
	*net.TCPConn
	files *atomic.Int64
}

func (c watchedConn) ReadFrom(r io.Reader) (int64, error) {
	c.files.Add(1)
	return c.TCPConn.ReadFrom(r)
}

type watchedListener struct {
	net.Listener
	files *atomic.Int64
}

func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return watchedConn{conn.(*net.TCPConn), l.files}, nil
}

func TestGuardResponseSendsFiles(t *testing.T) {
	content := strings.Repeat("0123456789", 50_000)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var files atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plant(w.Header())
		http.ServeFile(identity.GuardResponse(t.Context(), w), r, path)
	}))
	s.Listener = watchedListener{s.Listener, &files}
	s.Start()
	t.Cleanup(s.Close)
	response := wiretest.Raw(t, s.Listener.Addr().String(), "GET / HTTP/1.1\r\nHost: app\r\n\r\n")
	checkPlanted(t, "file", response.Values("Set-Cookie"))
	if string(response.Body) != content {
		t.Errorf("%d bytes arrived; want the %d of the file", len(response.Body), len(content))
	}
	if files.Load() != 1 {
		t.Errorf("the connection was handed %d readers; want 1", files.Load())
	}
}

type pusher struct {
	http.ResponseWriter
	pushed string
}

func (p *pusher) Push(target string, _ *http.PushOptions) error {
	p.pushed = target
	return nil
}

func TestGuardResponsePushes(t *testing.T) {
	below := &pusher{ResponseWriter: httptest.NewRecorder()}
	if err := any(identity.GuardResponse(t.Context(), below)).(http.Pusher).Push("/style.css", nil); err != nil || below.pushed != "/style.css" {
		t.Errorf("pushed %q, %v; want /style.css", below.pushed, err)
	}
	if err := any(identity.GuardResponse(t.Context(), httptest.NewRecorder())).(http.Pusher).Push("/", nil); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("where it is not supported: %v; want ErrNotSupported", err)
	}
}

// Deadlines and full duplex are set through the writer below.
func TestGuardResponseUnwraps(t *testing.T) {
	addr, config := startTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(identity.GuardResponse(t.Context(), w))
		if err := errors.Join(control.SetWriteDeadline(time.Now().Add(time.Minute)), control.SetReadDeadline(time.Now().Add(time.Minute)), control.EnableFullDuplex()); err != nil {
			t.Error(err)
		}
	}))
	if got := wiretest.RawTLS(t, addr, config, "GET / HTTP/1.1\r\nHost: app\r\n\r\n"); got.Status != 200 {
		t.Errorf("got %d", got.Status)
	}
	unable := identity.GuardResponse(t.Context(), struct{ http.ResponseWriter }{httptest.NewRecorder()})
	if err := http.NewResponseController(unable).Flush(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("flushing a writer that cannot: %v; want ErrNotSupported", err)
	}
}
