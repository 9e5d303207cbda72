// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	body   = `{"type":"code","data":{"code":"918273"}}`

	// patience is for what must happen; only a test that fails waits for it.
	patience = 10 * time.Second
)

// Proxies of the environment are read once in the life of a process, so it is all tests that go through no proxy.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		os.Setenv(name, "http://127.0.0.1:1")
	}
	os.Exit(m.Run())
}

func event() Event { return Event{ID: "msg_1", Time: time.Unix(1614265330, 0), Body: []byte(body)} }

func newSender(t *testing.T, cfg Config) *Sender {
	t.Helper()
	if cfg.Secret == "" {
		cfg.Secret = secret
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// received is a request as the handler of a test server saw it.
type received struct {
	*http.Request
	body string
}

// recorder answers with a status and keeps what came.
func recorder(status int) (http.HandlerFunc, chan received) {
	got := make(chan received, 10)
	return func(w http.ResponseWriter, r *http.Request) {
		all, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		got <- received{r, string(all)}
		w.WriteHeader(status)
	}, got
}

func tlsServer(t *testing.T, h http.Handler) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server, pool
}

// rawServer hands each connection to answer, after the request has been read to the end of its body, and closes it then.
func rawServer(t *testing.T, answer func(net.Conn)) (url string) {
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
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				io.Copy(io.Discard, r.Body)
				answer(conn)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// names is a resolver that says what a test wants, without a network. lookup is asked for each question about an IPv4 or IPv6 address.
func names(lookup func(name string) []string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			for answerDNS(server, lookup) == nil {
			}
		}()
		return client, nil
	}}
}

// answerDNS answers one question over a stream: RFC 1035 section 4.2.2 for the length, section 4.1 for the rest.
func answerDNS(conn net.Conn, lookup func(string) []string) error {
	var size uint16
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return err
	}
	question := make([]byte, size)
	if _, err := io.ReadFull(conn, question); err != nil {
		return err
	}
	var labels []string
	at := 12
	for question[at] != 0 {
		end := at + 1 + int(question[at])
		labels = append(labels, string(question[at+1:end]))
		at = end
	}
	kind := binary.BigEndian.Uint16(question[at+1:])
	end := at + 5
	var records []byte
	count := 0
	for _, text := range lookup(strings.Join(labels, ".")) {
		addr := netip.MustParseAddr(text)
		if addr.Is4() != (kind == 1) || !addr.Is4() && kind != 28 {
			continue
		}
		count++
		records = append(records, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(addr.BitLen()/8))
		records = append(records, addr.AsSlice()...)
	}
	answer := append([]byte{question[0], question[1], 0x85, 0x80, 0, 1, 0, byte(count), 0, 0, 0, 0}, question[12:end]...)
	answer = append(answer, records...)
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

func always(addrs ...string) *net.Resolver {
	return names(func(string) []string { return addrs })
}

// onPort is a URL with the port of a test server.
func onPort(t *testing.T, scheme, host string, server *httptest.Server) string {
	t.Helper()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

func TestDelivery(t *testing.T) {
	handler, got := recorder(http.StatusNoContent)
	server, pool := tlsServer(t, handler)
	s := newSender(t, Config{
		URL: server.URL + "/send?token=t-1", RootCAs: pool,
		Header: http.Header{"x-token": {"t-2"}, "X-Many": {"a", "b"}},
	})
	for range 2 { // the second on a connection of its own
		if err := s.Send(t.Context(), event()); err != nil {
			t.Fatal(err)
		}
	}
	first, second := <-got, <-got
	if first.RemoteAddr == second.RemoteAddr {
		t.Error("two deliveries share a connection")
	}
	for _, r := range []received{first, second} {
		for name, want := range map[string]string{
			"Webhook-Id":        "msg_1",
			"Webhook-Timestamp": "1614265330",
			"Webhook-Signature": "v1,71JuJK6FV5tn76UZhLFEAtm1rkZnIG4a7EHBWXKVPnc=",
			"X-Token":           "t-2",
			"X-Many":            "a b",
			"Content-Type":      "application/json",
			"User-Agent":        "Nightlatch",
			"Content-Length":    fmt.Sprint(len(body)),
			"Accept-Encoding":   "",
		} {
			if got := strings.Join(r.Header[name], " "); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		if r.Method != "POST" || r.RequestURI != "/send?token=t-1" || r.Host != server.Listener.Addr().String() || r.body != body {
			t.Errorf("got %s %s to %s with %s", r.Method, r.RequestURI, r.Host, r.body)
		}
	}
}

func TestEveryStatusFrom200To299IsSuccess(t *testing.T) {
	for status, want := range map[int]struct{ ok, temporary bool }{
		200: {ok: true}, 201: {ok: true}, 202: {ok: true}, 204: {ok: true}, 299: {ok: true},
		300: {}, 301: {}, 302: {}, 304: {}, 307: {}, 308: {},
		400: {}, 401: {}, 403: {}, 404: {}, 410: {}, 422: {}, 600: {}, 999: {},
		408: {temporary: true}, 425: {temporary: true}, 429: {temporary: true},
		500: {temporary: true}, 502: {temporary: true}, 503: {temporary: true}, 504: {temporary: true}, 599: {temporary: true},
	} {
		url := rawServer(t, func(conn net.Conn) { fmt.Fprintf(conn, "HTTP/1.1 %d 918273\r\nContent-Length: 0\r\n\r\n", status) })
		err := newSender(t, Config{URL: url}).Send(t.Context(), event())
		if want.ok {
			if err != nil {
				t.Errorf("%d: %v", status, err)
			}
			continue
		}
		e, is := errors.AsType[*Error](err)
		if !is || e.Status != status || e.Temporary != want.temporary {
			t.Errorf("%d: got %#v, want temporary %v", status, err, want.temporary)
			continue
		}
		if text := e.Error(); !strings.Contains(text, fmt.Sprint(status)) || strings.Contains(text, "918273") {
			t.Errorf("%d: got %q, want the number and no words of the other side", status, text)
		}
	}
}

// An answer decides by its status, whatever follows. What does not end, is longer than was said or never comes costs the timeout.
func TestAnswersAreBounded(t *testing.T) {
	header := "HTTP/1.1 200 OK\r\n"
	dribble := func(conn net.Conn, of string) { // as fast as it is read; ends when the other side is gone
		for {
			if _, err := io.WriteString(conn, of); err != nil {
				return
			}
		}
	}
	wait := func(conn net.Conn) { io.Copy(io.Discard, conn) } // until the other side is gone
	for name, c := range map[string]struct {
		answer func(net.Conn)
		ok     bool
	}{
		"no answer":               {wait, false},
		"half a status line":      {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 2"); wait(c) }, false},
		"half a header":           {func(c net.Conn) { io.WriteString(c, header+"X-Slow: "); wait(c) }, false},
		"a header without end":    {func(c net.Conn) { io.WriteString(c, header); dribble(c, "X-More: and more\r\n") }, false},
		"a line without end":      {func(c net.Conn) { io.WriteString(c, header); dribble(c, "X") }, false},
		"100 Continue for ever":   {func(c net.Conn) { dribble(c, "HTTP/1.1 100 Continue\r\n\r\n") }, false},
		"a long header":           {func(c net.Conn) { io.WriteString(c, header+"X: "+strings.Repeat("x", 20<<10)+"\r\n\r\n") }, false},
		"a header of some length": {func(c net.Conn) { io.WriteString(c, header+"X: "+strings.Repeat("x", 12<<10)+"\r\n\r\n") }, true},
		"closed":                  {func(net.Conn) {}, false},
		"no HTTP":                 {func(c net.Conn) { io.WriteString(c, "220 mail.example.com ESMTP 918273\r\n") }, false},
		"two lengths":             {func(c net.Conn) { io.WriteString(c, header+"Content-Length: 1\r\nContent-Length: 2\r\n\r\n") }, false},
		"a body that never comes": {func(c net.Conn) { io.WriteString(c, header+"Content-Length: 5\r\n\r\n"); wait(c) }, true},
		"a body without end":      {func(c net.Conn) { io.WriteString(c, header+"\r\n"); dribble(c, "more and more") }, true},
		"a short body":            {func(c net.Conn) { io.WriteString(c, header+"Content-Length: 500\r\n\r\nshort") }, true},
		"a broken chunk":          {func(c net.Conn) { io.WriteString(c, header+"Transfer-Encoding: chunked\r\n\r\nzz\r\n") }, true},
		"huge, and said so":       {func(c net.Conn) { io.WriteString(c, header+"Content-Length: 9999999999\r\n\r\n"); dribble(c, "0") }, true},
		"compressed, it lies":     {func(c net.Conn) { io.WriteString(c, header+"Content-Encoding: gzip\r\n\r\nno gzip") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			url := rawServer(t, func(conn net.Conn) { c.answer(conn); close(gone) })
			start := time.Now()
			const timeout = 2 * time.Second // what is in time must be so on a busy machine
			err := newSender(t, Config{URL: url, Timeout: timeout}).Send(t.Context(), event())
			if took := time.Since(start); took > timeout+patience/2 {
				t.Errorf("took %v", took)
			}
			e, is := errors.AsType[*Error](err)
			if c.ok && err != nil || !c.ok && (!is || !e.Temporary || e.Status != 0) {
				t.Errorf("got %v, want success: %v", err, c.ok)
			}
			if err != nil && strings.Contains(err.Error(), "918273") {
				t.Errorf("got %q, which repeats the answer", err)
			}
			select {
			case <-gone: // nothing is left open
			case <-time.After(patience):
				t.Error("the connection is still open")
			}
		})
	}
}

// A body is drained so that a receiver that writes first and works then is not cut off, but not for ever.
func TestShortBodiesAreRead(t *testing.T) {
	written := make(chan error, 1)
	url := rawServer(t, func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
		// Were the other side gone, it would say so now or with the reset that the first write causes.
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := conn.Read(make([]byte, 1))
		written <- err
		io.WriteString(conn, "ok")
	})
	if err := newSender(t, Config{URL: url}).Send(t.Context(), event()); err != nil {
		t.Fatal(err)
	}
	if err := <-written; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v before the body was written, want a connection that is still there", err)
	}
}

func TestOfLongBodiesTheBeginningIsRead(t *testing.T) {
	url := rawServer(t, func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 4<<10))
		io.Copy(io.Discard, conn) // there would be more
	})
	start := time.Now()
	if err := newSender(t, Config{URL: url, Timeout: MaxTimeout}).Send(t.Context(), event()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > patience {
		t.Errorf("took %v, so it waits for the end", took)
	}
}

// A Sender serves whoever asks at the same time, and mixes nothing up.
func TestDeliveriesAtOnce(t *testing.T) {
	handler, got := recorder(http.StatusOK)
	server := httptest.NewServer(handler)
	defer server.Close()
	s := newSender(t, Config{URL: server.URL, Header: http.Header{"X-Token": {"t"}}})
	const n = 10
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			e := event()
			e.ID = fmt.Sprint("msg_", i)
			if err := s.Send(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for range n {
		r := <-got
		e := event()
		e.ID = r.Header.Get("Webhook-Id")
		want := http.Header{}
		sign(want, s.key, e)
		if got, want := r.Header.Get("Webhook-Signature"), want.Get("Webhook-Signature"); got != want {
			t.Errorf("%s: got the signature %s, want %s", e.ID, got, want)
		}
		seen[e.ID] = true
	}
	if len(seen) != n {
		t.Errorf("got %d messages, want %d", len(seen), n)
	}
}

func TestHandshakesAreBounded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	gone := make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.Copy(io.Discard, conn)
		close(gone)
	}()
	s := newSender(t, Config{URL: "https://" + listener.Addr().String(), Timeout: MinTimeout})
	checkTimeout(t, s.Send(t.Context(), event()))
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the dial goes on after the delivery has been given up")
	}
}

func checkTimeout(t *testing.T, err error) {
	t.Helper()
	if e, is := errors.AsType[*Error](err); !is || !e.Temporary || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %#v, want a temporary error that is a timeout", err)
	}
}

func TestNamesThatAreNotAnsweredAreBounded(t *testing.T) {
	silent := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	s := newSender(t, Config{URL: "https://sms.example.com", Timeout: MinTimeout, resolver: silent})
	checkTimeout(t, s.Send(t.Context(), event()))

	// The transport lets a dial go on when its request has been given up.
	start := time.Now()
	_, err := s.transport.DialContext(t.Context(), "tcp", "sms.example.com:443")
	if took := time.Since(start); err == nil || took > patience/2 {
		t.Errorf("a dial by itself: got %v after %v", err, took)
	}
}

func TestTheCallerCanGiveUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := rawServer(t, func(conn net.Conn) {
		cancel()
		io.Copy(io.Discard, conn)
	})
	err := newSender(t, Config{URL: url, Timeout: MaxTimeout}).Send(ctx, event())
	if e, is := errors.AsType[*Error](err); !is || e.Temporary || !errors.Is(err, context.Canceled) {
		t.Errorf("got %#v, want an error that is no reason to try again", err)
	}
}

func TestConnectionRefused(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	err := newSender(t, Config{URL: server.URL}).Send(t.Context(), event())
	if e, is := errors.AsType[*Error](err); !is || !e.Temporary || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want a temporary error that says why", err)
	}
}

func TestUnknownName(t *testing.T) {
	err := newSender(t, Config{URL: "https://sms.example.com", resolver: always()}).Send(t.Context(), event())
	if e, is := errors.AsType[*Error](err); !is || !e.Temporary || !strings.Contains(err.Error(), "sms.example.com") {
		t.Errorf("got %v, want a temporary error with the name", err)
	}
}

// authority signs certificates for tests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func (a authority) issue(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: until.Add(-2 * time.Hour), NotAfter: until, DNSNames: []string{name},
	}, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestCertificates(t *testing.T) {
	known, stranger := newAuthority(t), newAuthority(t)
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		tls  *tls.Config
		want string // in the error; empty for none
	}{
		"right":                   {&tls.Config{Certificates: []tls.Certificate{known.issue(t, "sms.example.com", later)}}, ""},
		"TLS 1.2":                 {&tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{known.issue(t, "sms.example.com", later)}}, ""},
		"of an unknown authority": {&tls.Config{Certificates: []tls.Certificate{stranger.issue(t, "sms.example.com", later)}}, "authority"},
		"for another name":        {&tls.Config{Certificates: []tls.Certificate{known.issue(t, "918273.example.com", later)}}, "another name"},
		"expired":                 {&tls.Config{Certificates: []tls.Certificate{known.issue(t, "sms.example.com", earlier)}}, "expired"},
		"TLS 1.1": {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
			Certificates: []tls.Certificate{known.issue(t, "sms.example.com", later)}}, "protocol version"},
		"none at all": {nil, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			handler, got := recorder(http.StatusOK)
			server := httptest.NewUnstartedServer(handler)
			server.Config.ErrorLog = nil
			server.TLS = c.tls
			if c.tls != nil {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			s := newSender(t, Config{
				URL: onPort(t, "https", "sms.example.com", server), AllowPrivate: true, RootCAs: known.pool(), resolver: always("127.0.0.1"),
			})
			err := s.Send(t.Context(), event())
			if c.want == "" {
				if err != nil || len(got) != 1 {
					t.Errorf("got %v and %d requests", err, len(got))
				}
				return
			}
			e, is := errors.AsType[*Error](err)
			if !is || e.Temporary || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "918273") {
				t.Errorf("got %v, want a lasting error about %q, and no name from the certificate", err, c.want)
			}
			if len(got) != 0 {
				t.Error("the request was sent")
			}
		})
	}
}

func TestNoErrorShowsASecret(t *testing.T) {
	const hidden = "hunter2"
	echo := func(what string) string {
		return rawServer(t, func(conn net.Conn) { io.WriteString(conn, what) })
	}
	send := func(url string) func() error {
		return func() error {
			return newSender(t, Config{URL: url + "/" + hidden + "?token=" + hidden, Header: http.Header{"X-Token": {hidden}}}).
				Send(t.Context(), Event{ID: "msg_1", Time: time.Now(), Body: []byte(`"` + hidden + `"`)})
		}
	}
	configure := func(cfg Config) func() error {
		return func() error { _, err := New(cfg); return err }
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, act := range map[string]func() error{
		"refused connection":     send(closed.URL),
		"refused address":        send("https://sms.localhost"),
		"status":                 send(echo("HTTP/1.1 500 " + hidden + "\r\nContent-Length: 7\r\n\r\n" + hidden)),
		"redirect":               send(echo("HTTP/1.1 302 Found\r\nLocation: /" + hidden + "\r\nContent-Length: 0\r\n\r\n")),
		"redirect to nowhere":    send(echo("HTTP/1.1 302 Found\r\nLocation: http://%" + hidden + "\r\nContent-Length: 0\r\n\r\n")),
		"status line":            send(echo(hidden + "\r\n\r\n")),
		"version":                send(echo("HTTP/" + hidden + " 200 OK\r\n\r\n")),
		"header line":            send(echo("HTTP/1.1 200 OK\r\n" + hidden + "\r\n\r\n")),
		"length":                 send(echo("HTTP/1.1 200 OK\r\nContent-Length: " + hidden + "\r\n\r\n")),
		"encoding":               send(echo("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + hidden + "\r\n\r\n")),
		"no TLS":                 send(strings.Replace(echo("HTTP/1.1 400 "+hidden+"\r\n\r\n"), "http:", "https:", 1)),
		"user name in the URL":   configure(Config{URL: "https://me:" + hidden + "@sms.example.com", Secret: secret}),
		"slash in the password":  configure(Config{URL: "https://me:" + hidden + "/@sms.example.com", Secret: secret}),
		"escape in the URL":      configure(Config{URL: "https://sms.example.com/%zz" + hidden, Secret: secret}),
		"control in the URL":     configure(Config{URL: "https://sms.example.com/" + hidden + "\n", Secret: secret}),
		"scheme":                 configure(Config{URL: "ftp://sms.example.com/" + hidden, Secret: secret}),
		"fragment":               configure(Config{URL: "https://sms.example.com/" + hidden + "#" + hidden, Secret: secret}),
		"secret is no base64":    configure(Config{URL: "https://sms.example.com", Secret: hidden + "!"}),
		"secret is short":        configure(Config{URL: "https://sms.example.com", Secret: "hunter2="}),
		"value":                  configure(Config{URL: "https://sms.example.com", Secret: secret, Header: http.Header{"X-Token": {hidden + "\n"}}}),
		"value where a name was": configure(Config{URL: "https://sms.example.com", Secret: secret, Header: http.Header{"X-Token: " + hidden: {""}}}),
	} {
		err := act()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for ; err != nil; err = errors.Unwrap(err) { // a log may show any of them
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, hidden) {
				t.Errorf("%s: got %s", name, text)
			}
		}
	}
}

func TestHeaderOfTheConfiguration(t *testing.T) {
	for name, value := range map[string]string{
		"X-Token": "a\r\nHost: evil.example", "X-Line": "a\nb", "X-Return": "a\rb", "X-Nul": "a\x00", "X-Del": "\x7f",
		"Host": "evil.example", "host": "evil.example", "Connection": "X-Token", "Keep-Alive": "1", "Proxy-Connection": "close", "TE": "trailers",
		"te": "trailers", "Trailer": "X", "transfer-encoding": "chunked", "Upgrade": "h2c", "Expect": "100-continue",
		"Proxy-Authorization": "Basic eA==", "Proxy-Authenticate": "Basic", "Content-Type": "text/plain", "content-length": "3",
		"Content-Encoding": "gzip", "Webhook-Id": "1", "webhook-timestamp": "1", "WEBHOOK-SIGNATURE": "v1,", "webhook-else": "1",
		"": "x", "X Token": "x", "X-Tökén": "x", "X:": "x", "X\r\nY": "x",
	} {
		_, err := New(Config{URL: "https://sms.example.com", Secret: secret, Header: http.Header{name: {value}}})
		if err == nil || !strings.HasPrefix(err.Error(), "webhook header: ") {
			t.Errorf("%q: %q: got %v, want an error", name, value, err)
		}
	}
	handler, got := recorder(http.StatusOK)
	server := httptest.NewServer(handler)
	defer server.Close()
	configured := http.Header{"Authorization": {"Bearer t"}, "user-agent": {"Gate"}, "X-Tab": {"a\tb"}, "X-Utf8": {"ü"}}
	s := newSender(t, Config{URL: server.URL, Header: configured})
	configured.Set("Authorization", "changed later")
	if err := s.Send(t.Context(), event()); err != nil {
		t.Fatal(err)
	}
	r := <-got
	for name, want := range map[string]string{"Authorization": "Bearer t", "User-Agent": "Gate", "X-Tab": "a\tb", "X-Utf8": "ü"} {
		if got := strings.Join(r.Header[name], " "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestTimeoutOfTheConfiguration(t *testing.T) {
	for timeout, ok := range map[time.Duration]bool{
		0: true, time.Second: true, 30 * time.Second: true,
		-1: false, 1: false, time.Second - 1: false, 30*time.Second + 1: false,
	} {
		_, err := New(Config{URL: "https://sms.example.com", Secret: secret, Timeout: timeout})
		if (err == nil) != ok {
			t.Errorf("%v: got %v", timeout, err)
		}
	}
}

func TestEventsThatAreNotSent(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	s := newSender(t, Config{URL: server.URL})
	for name, spoil := range map[string]func(*Event){
		"no ID":              func(e *Event) { e.ID = "" },
		"long ID":            func(e *Event) { e.ID = strings.Repeat("x", 129) },
		"ID with a period":   func(e *Event) { e.ID = "msg.1" }, // msg.1.2 could be msg at 1 or msg.1 at 2
		"ID with a new line": func(e *Event) { e.ID = "msg\r\nHost: evil.example" },
		"ID beyond ASCII":    func(e *Event) { e.ID = "msgé" },
		"no time":            func(e *Event) { e.Time = time.Time{} },
		"no body":            func(e *Event) { e.Body = nil },
		"half a body":        func(e *Event) { e.Body = []byte(`{"a":`) },
	} {
		e := event()
		spoil(&e)
		err := s.Send(t.Context(), e)
		if got, is := errors.AsType[*Error](err); !is || got.Temporary {
			t.Errorf("%s: got %v, want a lasting error", name, err)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	e := event()
	e.ID = strings.Repeat("aZ0_-xyz", 16)
	if err := s.Send(t.Context(), e); err != nil {
		t.Error(err)
	}
}
