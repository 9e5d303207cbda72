// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package wiretest_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

func TestEchoReturnsTheExactBytes(t *testing.T) {
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: app\r\n\r\n",
		"GET /%2e%2e/a;b?#c HTTP/1.0\r\nremote_USER:  x \r\nRemote-User:y\r\nRemote-User: z\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\nRemote_User: z\r\n\r\n",
		"GET / HTTP/1.1\nHost: app\n\n",
	} {
		upstream := wiretest.Echo(t)
		response := wiretest.Raw(t, upstream.Addr, request)
		if response.Status != 200 || string(response.Body) != request {
			t.Errorf("sent %q; got %d with %q", request, response.Status, response.Body)
		}
		got := upstream.Requests()
		if len(got) != 1 || string(got[0].Raw) != request {
			t.Errorf("sent %q; recorded %+v", request, got)
		}
	}
}

func TestEchoTakesRequestsApart(t *testing.T) {
	upstream := wiretest.Echo(t)
	wiretest.Raw(t, upstream.Addr, "PUT /x HTTP/1.1\r\nHost: app\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\nx-a:  2\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 3\r\n\r\n")
	r := upstream.Requests()[0]
	if r.Start != "PUT /x HTTP/1.1" {
		t.Errorf("Start = %q", r.Start)
	}
	if want := []string{"Host: app", "X-A: 1", "Transfer-Encoding: chunked", "x-a:  2"}; !slices.Equal(r.Header, want) {
		t.Errorf("Header = %q; want %q", r.Header, want)
	}
	if got, want := r.Values("X-a"), []string{"1", "2"}; !slices.Equal(got, want) {
		t.Errorf("Values(X-a) = %q; want %q", got, want)
	}
	if string(r.Body) != "abcde" {
		t.Errorf("Body = %q; want abcde", r.Body)
	}
	if got, want := r.TrailerValues("x-t"), []string{"3"}; !slices.Equal(got, want) {
		t.Errorf("TrailerValues(x-t) = %q; want %q", got, want)
	}
}

func TestEchoKeepsConnections(t *testing.T) {
	upstream := wiretest.Echo(t, "Set-Cookie: nightlatch=x", "Set-Cookie: app=1")
	c := wiretest.Dial(t, upstream.Addr, nil)
	// Both at once: the second must not be swallowed with the first.
	c.Send("HEAD /1 HTTP/1.1\r\nHost: app\r\n\r\nGET /2 HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
	first, second := c.Response("HEAD"), c.Response("GET")
	if len(first.Body) != 0 || !strings.HasPrefix(string(second.Body), "GET /2 ") {
		t.Errorf("bodies %q and %q; want none and the second request", first.Body, second.Body)
	}
	if got, want := second.Values("set-cookie"), []string{"nightlatch=x", "app=1"}; !slices.Equal(got, want) {
		t.Errorf("Set-Cookie: %q; want %q", got, want)
	}
	c.Closed()
	if n := len(upstream.Requests()); n != 2 {
		t.Errorf("%d requests recorded; want 2", n)
	}
}

func TestEchoUpgrades(t *testing.T) {
	upstream := wiretest.Echo(t)
	c := wiretest.Dial(t, upstream.Addr, nil)
	c.Send("GET /ws HTTP/1.1\r\nHost: app\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
	if response := c.Response("GET"); response.Status != 101 || response.Values("Upgrade")[0] != "websocket" {
		t.Fatalf("got %+v; want 101", response)
	}
	if got := c.Read(5); got != "early" {
		t.Errorf("got %q; want early", got)
	}
	c.Send("late")
	if got := c.Read(4); got != "late" {
		t.Errorf("got %q; want late", got)
	}
}

func TestEchoContinues(t *testing.T) {
	upstream := wiretest.Echo(t)
	c := wiretest.Dial(t, upstream.Addr, nil)
	c.Send("POST / HTTP/1.1\r\nHost: app\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	c.Send("ok")
	response := c.Response("POST")
	if len(response.Interim) != 1 || response.Interim[0].Status != 100 || response.Status != 200 {
		t.Errorf("got %+v; want 200 after 100", response)
	}
}

// A client of net/http must be able to use the upstream, since proxies do.
func TestEchoServesOrdinaryClients(t *testing.T) {
	upstream := wiretest.Echo(t)
	for i := range 3 {
		response, err := http.Post("http://"+upstream.Addr+"/p", "text/plain", strings.NewReader(fmt.Sprint("body", i)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.HasSuffix(string(body), fmt.Sprint("\r\n\r\nbody", i)) {
			t.Errorf("got %q, %v", body, err)
		}
	}
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func address(s *httptest.Server) string { return s.Listener.Addr().String() }

func trust(s *httptest.Server) *tls.Config {
	return s.Client().Transport.(*http.Transport).TLSClientConfig
}

func TestRawTLS(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprintf(w, "%s %s", r.Proto, r.RequestURI)
		http.NewResponseController(w).Flush()
		w.Header().Set("X-Sum", "1")
	})
	response := wiretest.RawTLS(t, address(s), trust(s), "GET /a/%2e%2e/b HTTP/1.1\r\nHost: app\r\n\r\n")
	if response.Status != 200 || string(response.Body) != "HTTP/1.1 /a/%2e%2e/b" {
		t.Errorf("got %d with %q", response.Status, response.Body)
	}
	if len(response.Interim) != 1 || response.Interim[0].Status != 103 {
		t.Errorf("interim answers %+v; want one 103", response.Interim)
	}
	if got := response.TrailerValues("X-Sum"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("trailer X-Sum = %q; want 1", got)
	}
}

func TestRawToAServerThatCloses(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(s.Close)
	if got := wiretest.Raw(t, address(s), "GET / HTTP/1.1\r\nHost: app\r\n\r\n"); got.Status != 0 || got.Start != "" {
		t.Errorf("got %+v; want nothing", got)
	}
}

func TestRawReadsWhatHasNoLength(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			io.WriteString(conn, "HTTP/9 299 Odd\nX: y\n\nto the end")
			conn.Close()
		}
	}))
	t.Cleanup(s.Close)
	got := wiretest.Raw(t, address(s), "GET / HTTP/1.1\r\nHost: app\r\n\r\n")
	if got.Status != 299 || string(got.Body) != "to the end" || !slices.Equal(got.Values("x"), []string{"y"}) {
		t.Errorf("got %+v", got)
	}
}

// conversation is an application that answers by all that HTTP has: an interim answer, a body, and trailers both ways.
func conversation(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the body: %v", err)
		}
		w.Header().Set("Trailer", "X-Sum")
		w.Header()["X-Seen"] = r.Header["X-Seen"]
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprintf(w, "%s %s %s %d %s", r.Method, r.Host, r.RequestURI, len(body), r.Trailer.Get("X-Late"))
		w.Header().Set("X-Sum", "1")
	}
}

type requester interface {
	Do(header [][2]string, body []byte, trailer [][2]string) wiretest.Response
}

// wantConversation has it on streams that follow one another on one connection.
func wantConversation(t *testing.T, c requester) {
	t.Helper()
	head := [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "app"}, {":path", "/a;b"},
		{"trailer", "x-late"}, {"x-seen", "1"}, {"x-seen", "2"}}
	for range 2 {
		got := c.Do(head, make([]byte, 40000), [][2]string{{"x-late", "yes"}})
		if got.Status != 200 || string(got.Body) != "POST app /a;b 40000 yes" {
			t.Fatalf("got %d %q with %q", got.Status, got.Reset, got.Body)
		}
		if len(got.Interim) != 1 || got.Interim[0].Status != 103 {
			t.Errorf("interim answers %+v; want one 103", got.Interim)
		}
		if seen := got.Values("X-Seen"); !slices.Equal(seen, []string{"1", "2"}) {
			t.Errorf("x-seen: %q; want 1 and 2", seen)
		}
		if sum := got.TrailerValues("x-sum"); !slices.Equal(sum, []string{"1"}) {
			t.Errorf("trailer x-sum: %q; want 1", sum)
		}
	}
	get := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "app"}, {":path", "/"}}
	if got := c.Do(get, nil, nil); string(got.Body) != "GET app / 0 " {
		t.Errorf("without body: %+v", got)
	}
}

func TestH2(t *testing.T) {
	s := serve(t, conversation(t))
	wantConversation(t, wiretest.H2(t, address(s), trust(s)))
}

func TestH2Refused(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := wiretest.H2(t, address(s), trust(s))
	got := c.Do([][2]string{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"Upper", "x"}}, nil, nil)
	if got.Status != 0 || got.Reset != "PROTOCOL_ERROR" {
		t.Errorf("got status %d, reset %q; want a PROTOCOL_ERROR", got.Status, got.Reset)
	}
}

func TestH2WithoutTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	got := wiretest.H2(t, address(s), nil).Do([][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "app"}, {":path", "/"}}, nil, nil)
	if string(got.Body) != "HTTP/2.0" {
		t.Errorf("got %+v", got)
	}
}

// serveH3 serves HTTP/3 on loopback.
func serveH3(t *testing.T, handler http.HandlerFunc) (addr string, config *tls.Config) {
	certified := serve(t, nil)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http3.Server{Handler: handler, TLSConfig: http3.ConfigureTLSConfig(certified.TLS)}
	served := make(chan error, 1)
	go func() { served <- s.Serve(conn) }()
	t.Cleanup(func() {
		s.Close()
		<-served
		conn.Close()
	})
	return conn.LocalAddr().String(), trust(certified)
}

func TestH3(t *testing.T) {
	addr, config := serveH3(t, conversation(t))
	c := wiretest.H3(t, addr, config)
	wantConversation(t, c)
	if got := c.Do([][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "app"}, {":path", "/"}, {"Upper", "x"}}, nil, nil); got.Status != 0 || got.Reset != "H3_MESSAGE_ERROR" {
		t.Errorf("a name in capitals: status %d, reset %q; want H3_MESSAGE_ERROR", got.Status, got.Reset)
	}
	if c.Early() {
		t.Error("the requests came before the handshake was done")
	}
}
