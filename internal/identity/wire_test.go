// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// gateway is a server that tells an upstream who alice is. It forwards as Caddy's reverse_proxy does: headers that Connection names
// are dropped after us, and the trailers of the request that the server made, as they are when the body ends, go on.
func gateway(t *testing.T, upstream *wiretest.Upstream) http.Handler {
	told := teller(t, identity.Defaults)
	to := &url.URL{Scheme: "http", Host: upstream.Addr}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told.Tell(r, alice, visit.Visit{})
		if r.URL.Path == "/copied" {
			r = r.WithContext(r.Context())
		}
		proxy := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			if p.Out.Body == nil {
				return
			}
			p.Out.Trailer = maps.Clone(p.In.Trailer)
			if p.Out.Trailer == nil {
				p.Out.Trailer = http.Header{}
			}
			p.Out.Body = &forwarding{p.Out.Body, p.In, p.Out.Trailer}
			if r.URL.Path == "/buffered" {
				buffer(t, p.Out)
			}
		}}
		proxy.ServeHTTP(identity.GuardResponse(t.Context(), w), r)
	})
}

// forwarding hands the trailers on when the body ends (requestBodyWithTrailers in Caddy 2.11.9).
type forwarding struct {
	io.ReadCloser
	in      *http.Request
	trailer http.Header
}

func (f *forwarding) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err == io.EOF {
		maps.Copy(f.trailer, f.in.Trailer)
	}
	return n, err
}

// buffer reads the body before it goes on, and with trailers there are chunks again (request_buffers of Caddy 2.11.9).
func buffer(t *testing.T, out *http.Request) {
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Errorf("reading the body: %v", err)
	}
	out.Body = io.NopCloser(strings.NewReader(string(body)))
	if len(out.Trailer) > 0 {
		out.ContentLength = -1
		out.Header.Del("Content-Length")
	}
}

func startTLS(t *testing.T, handler http.Handler) (addr string, config *tls.Config) {
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), s.Client().Transport.(*http.Transport).TLSClientConfig
}

// checkTold fails the test unless the upstream got exactly one request, which says that this is alice and nothing else.
func checkTold(t *testing.T, upstream *wiretest.Upstream) wiretest.Request {
	t.Helper()
	requests := upstream.Requests()
	if len(requests) != 1 {
		t.Fatalf("%d requests reached the upstream; want 1", len(requests))
	}
	r := requests[0]
	if got := r.Values("Remote-User"); !slices.Equal(got, []string{"alice"}) {
		t.Errorf("Remote-User: %q; want alice", got)
	}
	if raw := strings.ToLower(string(r.Raw)); strings.Contains(raw, "evil") || strings.Contains(raw, "trailer:") || len(r.Trailer) > 0 {
		t.Errorf("the upstream got %q; want nothing that the client said of itself", r.Raw)
	}
	return r
}

func TestWireConnection(t *testing.T) {
	for name, tokens := range map[string]string{
		"ID-1":                 "close, Remote-User, remote-groups, REMOTE-EMAIL, Cookie, Authorization",
		"ID-1 with keep-alive": "keep-alive, remote-user",
	} {
		t.Run(name, func(t *testing.T) {
			upstream := wiretest.Echo(t)
			addr, config := startTLS(t, gateway(t, upstream))
			response := wiretest.RawTLS(t, addr, config, "GET / HTTP/1.1\r\nHost: app\r\nConnection: "+tokens+
				"\r\nRemote-User: evil\r\nremote_user: evil\r\nCookie: __Host-nightlatch=evil; app=1\r\nAuthorization: Basic eA==\r\n\r\n")
			if response.Status != 200 {
				t.Fatalf("got %d", response.Status)
			}
			r := checkTold(t, upstream)
			for header, want := range map[string]string{"Remote-Groups": "admins,staff", "Remote-Email": "alice@example.test", "Cookie": "app=1", "Authorization": "Basic eA=="} {
				if got := r.Values(header); !slices.Equal(got, []string{want}) {
					t.Errorf("%s: %q; want %q", header, got, want)
				}
			}
		})
	}
}

func TestWireWebSocket(t *testing.T) {
	upstream := wiretest.Echo(t)
	addr, config := startTLS(t, gateway(t, upstream))
	c := wiretest.Dial(t, addr, config)
	c.Send("GET /ws HTTP/1.1\r\nHost: app\r\nConnection: Upgrade, Remote-User\r\nUpgrade: websocket\r\nRemote-User: evil\r\nCookie: __Host-nightlatch=evil\r\n\r\n")
	response := c.Response("GET")
	if response.Status != 101 {
		t.Fatalf("got %+v; want 101", response)
	}
	c.Send("ping")
	if got := c.Read(4); got != "ping" {
		t.Errorf("through the tunnel came %q; want ping", got)
	}
	checkTold(t, upstream)
}

// A tunnel to another version of HTTP would carry requests that no rule sees.
func TestWireRefusesH2C(t *testing.T) {
	upstream := wiretest.Echo(t)
	addr, config := startTLS(t, gateway(t, upstream))
	response := wiretest.RawTLS(t, addr, config, "GET /public HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	if response.Status != 200 {
		t.Errorf("got %d; want 200, without an upgrade", response.Status)
	}
	if r := checkTold(t, upstream); len(r.Values("Upgrade"))+len(r.Values("HTTP2-Settings")) > 0 {
		t.Errorf("the upstream got %q; want no upgrade", r.Raw)
	}
}

func TestWireTrailersHTTP1(t *testing.T) {
	for name, head := range map[string]string{
		"ID-7 announced":   "Trailer: X-Sum, Remote-User\r\n",
		"ID-7 some":        "Trailer: X-Sum\r\n",
		"ID-7 unannounced": "",
		"ID-7 with TE":     "TE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\n",
	} {
		for _, path := range []string{"/", "/copied", "/buffered"} {
			t.Run(name+" "+path, func(t *testing.T) {
				upstream := wiretest.Echo(t)
				addr, config := startTLS(t, gateway(t, upstream))
				response := wiretest.RawTLS(t, addr, config, "POST "+path+" HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n"+head+
					"\r\n3\r\nabc\r\n0\r\nX-Sum: evil\r\nRemote-User: evil\r\nRemote_User: evil\r\n\r\n")
				if response.Status != 200 {
					t.Fatalf("got %d", response.Status)
				}
				if r := checkTold(t, upstream); string(r.Body) != "abc" {
					t.Errorf("body %q; want abc", r.Body)
				}
			})
		}
	}
}

func TestWireTrailersHTTP2(t *testing.T) {
	for name, extra := range map[string][][2]string{
		"ID-7 announced":     {{"trailer", "remote-user, remote_user"}},
		"ID-7 unannounced":   nil,
		"ID-7 counted body":  {{"trailer", "remote-user"}, {"content-length", "3"}},
		"ID-7 like gRPC":     {{"trailer", "remote-user"}, {"te", "trailers"}, {"content-type", "application/grpc"}},
		"ID-2 in the header": {{"remote_user", "evil"}, {"remote-user", "evil"}},
	} {
		for _, path := range []string{"/", "/copied", "/buffered"} {
			t.Run(name+" "+path, func(t *testing.T) {
				upstream := wiretest.Echo(t)
				addr, config := startTLS(t, gateway(t, upstream))
				header := append([][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "app"}, {":path", path}}, extra...)
				response := wiretest.H2(t, addr, config).Do(header, []byte("abc"), [][2]string{{"remote-user", "evil"}, {"remote_user", "evil"}})
				if response.Status != 200 {
					t.Fatalf("got %d, reset %q", response.Status, response.Reset)
				}
				if r := checkTold(t, upstream); string(r.Body) != "abc" {
					t.Errorf("body %q; want abc", r.Body)
				}
			})
		}
	}
}

func TestWireTrailersHTTP3(t *testing.T) {
	for _, c := range []struct {
		name, path string
		length     int64
	}{{"ID-7", "/", -1}, {"ID-7 copied", "/copied", -1}, {"ID-7 buffered", "/buffered", -1}, {"ID-7 counted", "/", 3}, {"ID-7 counted, buffered", "/buffered", 3}} {
		t.Run(c.name, func(t *testing.T) {
			upstream := wiretest.Echo(t)
			cert := httptest.NewUnstartedServer(nil)
			cert.StartTLS()
			t.Cleanup(cert.Close)
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &http3.Server{Handler: gateway(t, upstream), TLSConfig: http3.ConfigureTLSConfig(cert.TLS)}
			served := make(chan error, 1)
			go func() { served <- server.Serve(conn) }()
			t.Cleanup(func() {
				server.Close()
				<-served
				conn.Close()
			})
			transport := &http3.Transport{TLSClientConfig: cert.Client().Transport.(*http.Transport).TLSClientConfig}
			t.Cleanup(func() { transport.Close() })

			r, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+conn.LocalAddr().String()+c.path, io.NopCloser(strings.NewReader("abc")))
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = c.length
			r.Trailer = http.Header{"Remote-User": {"evil"}, "X-Sum": {"evil"}}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if r := checkTold(t, upstream); string(r.Body) != "abc" {
				t.Errorf("body %q; want abc", r.Body)
			}
		})
	}
}
