// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// The same application stands behind a gate and, for comparison, behind the same Caddy without one, with and without TLS.
type sites struct {
	server                                 *server
	trust                                  *tls.Config
	gated, plain, gatedSecure, plainSecure string // host:port
}

// host is what the clients call every site, so that no difference between two answers comes from the name.
const host = "localhost"

// newSites serves the application at app. global are more global options.
func newSites(t *testing.T, app string, global ...string) *sites {
	t.Helper()
	x := &sites{server: newServer(t), gated: programtest.FreeAddr(t), plain: programtest.FreeAddr(t), gatedSecure: programtest.FreeAddr(t), plainSecure: programtest.FreeAddr(t)}
	var config strings.Builder
	for _, site := range []struct{ scheme, addr, gate string }{
		{"http", x.gated, "nightlatch {\n\t\tskip /open/*\n\t}"}, {"http", x.plain, ""},
		{"https", x.gatedSecure, "nightlatch {\n\t\tskip /open/*\n\t}"}, {"https", x.plainSecure, ""},
	} {
		fmt.Fprintf(&config, "%s {\n\t%s\n\treverse_proxy %s\n}\n", named(site.scheme, site.addr), site.gate, app)
	}
	x.server.global = strings.Join(global, "\n")
	x.server.configure(t, "", config.String())
	x.server.Start(t)
	x.trust = x.server.trust(t)
	for _, addr := range []string{x.gatedSecure, x.plainSecure} {
		certified := func() bool { // certificates are made once the server runs
			conn, err := tls.Dial("tcp", addr, x.trust)
			if err == nil {
				conn.Close()
			}
			return err == nil
		}
		if !programtest.Eventually(certified) {
			t.Fatalf("%s has no certificate", addr)
		}
	}
	return x
}

// named is the URL of a site by its name.
func named(scheme, addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return scheme + "://" + net.JoinHostPort(host, port)
}

func (x *sites) browser(t *testing.T) *browser {
	return programtest.NewBrowser(t, named("http", x.gated), nil)
}

// secure is a browser over TLS and HTTP/2.
func (x *sites) secure(t *testing.T) *browser {
	return programtest.NewBrowser(t, named("https", x.gatedSecure), x.trust)
}

// What a signed-in person and the application send each other is what they would send through Caddy alone.
func TestSameAsWithoutTheGate(t *testing.T) {
	// The application answers with the response that the request's path names, byte for byte as it stands here. Each body has a type,
	// since net/http guesses a missing one only when the body comes together with the header, which is a matter of time.
	responses := map[string]string{
		"/plain":       "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 5\r\nX-Odd:  a  b \r\nSet-Cookie: app=1; Path=/\r\nSet-Cookie: other=\"x y\"\r\n\r\nhello",
		"/chunks":      "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
		"/trailers":    "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Unannounced: 2\r\n\r\n",
		"/hints":       "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </script.js>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 2\r\n\r\nok",
		"/range":       "HTTP/1.1 206 Partial Content\r\nContent-Type: text/x\r\nContent-Range: bytes 2-4/10\r\nContent-Length: 3\r\nAccept-Ranges: bytes\r\nEtag: \"v1\"\r\n\r\n234",
		"/unmodified":  "HTTP/1.1 304 Not Modified\r\nEtag: W/\"v1\"\r\nCache-Control: max-age=5\r\n\r\n",
		"/gzip":        "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
		"/empty":       "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
		"/error":       "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/x\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy",
		"/redirect":    "HTTP/1.1 302 Found\r\nLocation: //else.example/x?y#z\r\nContent-Length: 0\r\n\r\n",
		"/unauthentic": "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"app\"\r\nContent-Length: 0\r\n\r\n",
	}
	echo := wiretest.Echo(t)
	app := serveRaw(t, func(conn net.Conn, r *bufio.Reader) {
		for {
			request, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, request.Body)
			response := responses[request.URL.Path]
			if request.Method == "HEAD" {
				response, _, _ = strings.Cut(response, "\r\n\r\n")
				response += "\r\n\r\n"
			}
			io.WriteString(conn, response)
		}
	})

	t.Run("responses", func(t *testing.T) {
		x := newSites(t, app)
		_, alice := x.server.joined(t, "alice", named("http", x.gated), nil)
		cookie := alice.Cookies.String()
		for path := range responses {
			for _, method := range []string{"GET", "HEAD"} {
				if method == "HEAD" && path == "/hints" {
					continue // the application above cannot tell where the last of its heads ends
				}
				request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nRange: bytes=2-4\r\nIf-None-Match: W/\"v1\"\r\nAccept-Encoding: gzip\r\nTE: trailers\r\nCookie: app=1; %%s\r\n\r\n", method, path, host)
				got := wiretest.Raw(t, x.gated, fmt.Sprintf(request, cookie))
				want := wiretest.Raw(t, x.plain, fmt.Sprintf(request, "else=2"))
				compare(t, method+" "+path, got, want)

				fields := [][2]string{{":method", method}, {":scheme", "https"}, {":authority", host}, {":path", path}, {"range", "bytes=2-4"}, {"te", "trailers"}}
				got = wiretest.H2(t, x.gatedSecure, x.trust).Do(append(fields, [2]string{"cookie", overTLS(cookie)}), nil, nil)
				want = wiretest.H2(t, x.plainSecure, x.trust).Do(append(fields, [2]string{"cookie", "else=2"}), nil, nil)
				compare(t, method+" "+path+" over HTTP/2", got, want)
			}
		}
	})
	t.Run("requests", func(t *testing.T) {
		x := newSites(t, echo.Addr)
		_, alice := x.server.joined(t, "alice", named("http", x.gated), nil)
		for _, request := range []string{
			"GET /a%%2Fb//c/./d?x=%%20;y HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n\r\n",
			"GET /range HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1,5-\r\nIf-Range: \"v1\"\r\nIf-None-Match: \"a\", W/\"b\"\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\nCookie: %s\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br;q=0.5, gzip\r\nAuthorization: Bearer x\r\nx-odd:   y  \r\nX-Twice: 1\r\nX-Twice: 2\r\nCookie: a=\"b c\"; %s; d=e\r\n\r\n",
			"HEAD /head HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n\r\n",
			"POST /counted HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Type: text/x\r\nCookie: %s\r\n\r\nhello",
			"POST /chunked HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nCookie: %s\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
			"POST /empty HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nCookie: %s\r\n\r\n",
			"PURGE /odd-method HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n\r\n",
			"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://else.example\r\nAccess-Control-Request-Method: PUT\r\nCookie: %s\r\n\r\n",
		} {
			got := wiretest.Raw(t, x.gated, fmt.Sprintf(request, alice.Cookies))
			want := wiretest.Raw(t, x.plain, fmt.Sprintf(request, "nightlatch-none=x"))
			if got.Status != 200 || want.Status != 200 {
				t.Errorf("%q: status %d through the gate and %d without", request, got.Status, want.Status)
				continue
			}
			all := echo.Requests()
			reached, expected := withoutIdentity(all[len(all)-2].Message), withoutIdentity(all[len(all)-1].Message)
			if reached != expected {
				t.Errorf("%q reached the application as\n%s\nwithout the gate as\n%s", request, reached, expected)
			}
		}
	})
	t.Run("100-continue", func(t *testing.T) {
		x := newSites(t, echo.Addr)
		_, alice := x.server.joined(t, "alice", named("http", x.gated), nil)
		c := wiretest.Dial(t, x.gated, nil)
		c.Send(fmt.Sprintf("POST /late HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\nCookie: %s\r\n\r\n", alice.Cookies))
		var interim string
		for !strings.HasSuffix(interim, "\r\n\r\n") {
			interim += c.Read(1)
		}
		if !strings.HasPrefix(interim, "HTTP/1.1 100 Continue\r\n") {
			t.Fatalf("before the body: got %q, want 100 Continue", interim)
		}
		c.Send("hello")
		if got := c.Response("POST"); got.Status != 200 || !strings.HasSuffix(string(got.Body), "hello") {
			t.Errorf("got %d %q", got.Status, got.Body)
		}
		stranger := wiretest.Raw(t, x.gated, "POST /late HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		if stranger.Status != http.StatusUnauthorized || len(stranger.Interim) != 0 {
			t.Errorf("a stranger was answered %d after %+v, want 401 and no invitation to send the body", stranger.Status, stranger.Interim)
		}
	})
}

// compare wants two responses to be the same but for what names the moment.
func compare(t *testing.T, what string, got, want wiretest.Response) {
	t.Helper()
	if want.Status == 0 {
		t.Errorf("%s: no answer to compare with: %+v", what, want)
	}
	ofTheMoment := func(line string) bool {
		line = strings.ToLower(line)
		return strings.HasPrefix(line, "date:") || strings.HasPrefix(line, "alt-svc:")
	}
	flat := func(r wiretest.Response) string {
		header := slices.DeleteFunc(slices.Clone(r.Header), ofTheMoment)
		slices.Sort(header) // net/http writes in no certain order
		trailer := slices.Sorted(slices.Values(r.Trailer))
		var interim []string
		for _, i := range r.Interim {
			interim = append(interim, fmt.Sprintf("%s %q", i.Start, slices.DeleteFunc(slices.Clone(i.Header), ofTheMoment)))
		}
		return fmt.Sprintf("%s %q %q %q after %q, reset %q", r.Start, header, r.Body, trailer, interim, r.Reset)
	}
	if g, w := flat(got), flat(want); g != w {
		t.Errorf("%s: through the gate\n%s\nwithout\n%s", what, g, w)
	}
}

var identityRE = regexp.MustCompile(`^Remote-(User|Name|Email|Groups): `)

// withoutIdentity is what the application received, but for what the gate is there to add and to take away.
func withoutIdentity(m wiretest.Message) string {
	var header []string
	for _, line := range m.Header {
		line = strings.Replace(line, "; nightlatch-none=x", "", 1)
		if line = strings.Replace(line, "nightlatch-none=x", "", 1); line != "Cookie: " && !identityRE.MatchString(line) {
			header = append(header, line)
		}
	}
	return fmt.Sprintf("%q %q %q %q", m.Start, header, m.Body, m.Trailer)
}

// A WebSocket carries frames of all kinds in both directions, over HTTP/1.1 and HTTP/2.
func TestWebSocket(t *testing.T) {
	ended := make(chan error, 10)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveSocket(w, r, ended) }))
	t.Cleanup(app.Close)
	x := newSites(t, app.Listener.Addr().String())
	alice := x.server.addPerson(t, "alice")
	for _, b := range []*browser{x.browser(t), x.secure(t)} {
		t.Run(b.Base[:5], func(t *testing.T) {
			must(t, comeIn(b, alice))
			socket := openSocket(t, b, "/socket")
			expectFrame(t, socket, textFrame, []byte("hello alice")) // the application speaks first
			noise := bytes.Repeat([]byte{0, 1, 0xfe, 0xff}, 10000)
			for _, f := range []struct {
				sent, answered byte
				payload        []byte
			}{{textFrame, textFrame, []byte("grüße")}, {pingFrame, pongFrame, []byte("are you there")}, {binaryFrame, binaryFrame, noise}} {
				if _, err := socket.Write(frame(f.sent, f.payload, true)); err != nil {
					t.Fatal(err)
				}
				expectFrame(t, socket, f.answered, f.payload)
			}
			socket.Write(frame(closeFrame, nil, true))
			select {
			case err := <-ended:
				if err.Error() != "closed in good form" {
					t.Errorf("the application's end: %v", err)
				}
			case <-time.After(patience):
				t.Error("the application never hears of the end")
			}
		})
	}
}

// Each event arrives before the next one is made.
func TestServerSentEvents(t *testing.T) {
	next := make(chan string)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			http.NewResponseController(w).Flush()
			select {
			case event := <-next:
				fmt.Fprintf(w, "data: %s\n", event)
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(app.Close)
	x := newSites(t, app.Listener.Addr().String())
	alice := x.server.addPerson(t, "alice")
	for _, b := range []*browser{x.browser(t), x.secure(t)} {
		t.Run(b.Base[:5], func(t *testing.T) {
			must(t, comeIn(b, alice))
			lines := bufio.NewReader(openStream(t, b, "/events"))
			for i := range 20 {
				event := fmt.Sprint("event ", i)
				select {
				case next <- event:
				case <-time.After(patience):
					t.Fatal("the application waits for nothing")
				}
				if got, err := lines.ReadString('\n'); err != nil || got != "data: "+event+"\n" {
					t.Fatalf("got %q, %v, want %q", got, err, event)
				}
			}
		})
	}
}

// openStream sends a GET and returns the body, which has no end of its own.
func openStream(t *testing.T, b *browser, path string) io.Reader {
	t.Helper()
	client := *b.Client
	client.Timeout = 0
	resp, err := client.Get(b.Base + path)
	must(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	if wantHTTP2 := strings.HasPrefix(b.Base, "https:"); resp.StatusCode != http.StatusOK || (resp.ProtoMajor == 2) != wantHTTP2 {
		t.Fatalf("opening a stream: %s %s", resp.Proto, resp.Status)
	}
	return resp.Body
}

// flood is a body that is made as it is read. Each piece of it differs from the others.
type flood struct {
	left, sent int64
	block      [1 << 16]byte
	sum        uint32
}

// largeUpload is a gigabyte, less under the race detector, which makes each one take ten times as long.
func largeUpload() int64 {
	if underRace() {
		return 1 << 27
	}
	return 1 << 30
}

// otherUpload is still more than anybody may hold in memory, see mostMemory.
const otherUpload = 1 << 26

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (f *flood) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	binary.LittleEndian.PutUint64(f.block[:], uint64(f.left))
	n := copy(p[:min(int64(len(p)), f.left)], f.block[:])
	f.left, f.sent = f.left-int64(n), f.sent+int64(n)
	f.sum = crc32.Update(f.sum, castagnoli, p[:n])
	return n, nil
}

// received says of a body what flood says of it.
func received(r io.Reader) string {
	sum := crc32.New(castagnoli)
	n, err := io.Copy(sum, r)
	return fmt.Sprintf("%d bytes, sum %08x, %v", n, sum.Sum32(), err)
}

// mostMemory is how much more memory the process may take for an upload than before. Buffering the smallest would take far more.
const mostMemory = 24 << 20

func TestUploads(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, received(r.Body)) }))
	t.Cleanup(app.Close)
	x := newSites(t, app.Listener.Addr().String())
	alice := x.server.addPerson(t, "alice")
	over1, over2 := x.browser(t), x.secure(t)
	must(t, comeIn(over1, alice))
	must(t, comeIn(over2, alice))
	for _, c := range []struct {
		name         string
		by           *browser
		size, length int64
	}{
		{"counted over HTTP/1.1", over1, otherUpload, otherUpload},
		{"chunked over HTTP/1.1", over1, otherUpload, -1},
		{"over HTTP/2", over2, largeUpload(), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := &flood{left: c.size}
			r, err := http.NewRequest("PUT", c.by.Base+"/upload", io.NopCloser(body))
			must(t, err)
			r.ContentLength = c.length
			before := x.server.memory(t)
			began := time.Now()
			client := *c.by.Client
			client.Timeout = 2 * time.Minute
			resp, err := client.Do(r)
			must(t, err)
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			must(t, err)
			if want := fmt.Sprintf("%d bytes, sum %08x, <nil>", c.size, body.sum); string(got) != want {
				t.Errorf("%s: the application got %s, want %s", resp.Proto, got, want)
			}
			grown := x.server.peak(t) - before
			t.Logf("%d MiB in %v; memory grew by %d KiB", c.size>>20, time.Since(began).Round(time.Millisecond), grown>>10)
			if grown > mostMemory {
				t.Errorf("memory grew by %d bytes, want at most %d", grown, mostMemory)
			}
		})
	}
}

// memory starts a new count of the most memory that the process holds, and returns what it holds now. Only Linux tells; elsewhere
// both are 0.
func (s *server) memory(t *testing.T) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Log("the memory of another process is measured on Linux only")
		return 0
	}
	// proc(5): 5 resets the peak resident set size.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.PID()), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return s.peak(t)
}

var peakRE = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// peak is the most memory that the process has held since memory was called, in bytes.
func (s *server) peak(t *testing.T) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	must(t, err)
	found := peakRE.FindSubmatch(status)
	if found == nil {
		t.Fatalf("no peak in %s", status)
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	must(t, err)
	return kilobytes << 10
}

// A stranger's upload is refused before it is read.
func TestUploadOfAStranger(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the application was asked") }))
	t.Cleanup(app.Close)
	x := newSites(t, app.Listener.Addr().String())
	const head = "PUT /upload HTTP/1.1\r\nHost: localhost\r\n"
	for _, framing := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n", int64(1<<30)), "Transfer-Encoding: chunked\r\n\r\n40000000\r\n"} {
		// The answer comes though nothing of the body does.
		if got := wiretest.Raw(t, x.gated, head+framing); got.Status != http.StatusUnauthorized {
			t.Errorf("before any of the body: got %d, want 401", got.Status)
		}
		// Who sends on regardless is cut off. What was taken is what lies in the buffers of the two ends.
		conn, err := net.Dial("tcp", x.gated)
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		io.WriteString(conn, head+framing)
		n, err := io.Copy(conn, &flood{left: 1 << 30})
		t.Logf("%d KiB were taken, then %v", n>>10, err)
		if err == nil || n > 32<<20 {
			t.Errorf("%d bytes were taken, then %v", n, err)
		}
	}
	body := &flood{left: 1 << 30}
	r, err := http.NewRequest("PUT", named("https", x.gatedSecure)+"/upload", io.NopCloser(body))
	must(t, err)
	resp, err := x.secure(t).Client.Do(r)
	must(t, err)
	resp.Body.Close()
	t.Logf("%d KiB were taken over %s", body.sent>>10, resp.Proto)
	if resp.StatusCode != http.StatusUnauthorized || body.sent > 32<<20 {
		t.Errorf("over %s: %d after %d bytes", resp.Proto, resp.StatusCode, body.sent)
	}
}
