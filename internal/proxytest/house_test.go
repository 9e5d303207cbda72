// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// The sites. That of the pages has a rule for a group and one that skips; the others are what a second site may have.
const (
	appHost     = "app.example.com"
	laxHost     = "lax.example.com"     // everything is skipped
	methodsHost = "methods.example.com" // GET is skipped
	lanHost     = "lan.example.com"     // a network is skipped
	lanAddress  = "10.0.0.9"            // the one
)

// matchers and more are what the other sites have, which the pages do not.
const (
	matchers = `
	@all not method NONE
	@get method GET
	@lan client_ip 10.0.0.9
`
	more = `
		protect lax.example.com {
			skip @all
		}
		protect methods.example.com {
			skip @get
		}
		protect lan.example.com {
			skip @lan
		}
`
)

// house is Nightlatch as a page has it configured, with what stands behind the proxies and who comes to them.
type house struct {
	program *programtest.Server
	gate    string // where Nightlatch listens
	door    *counter
	app     *wiretest.Upstream // the application of the site of the pages
	other   *wiretest.Upstream // that of the other sites
	cert    string             // a file with certificate and key
	trusted *x509.CertPool     // that certificate alone
	alice   *programtest.Person
	bob     *programtest.Person
	key     accessKey // of alice
	narrow  accessKey // of alice, for GET of what begins with /reports
}

// build starts Nightlatch with the configuration of a page, and more lines in the block of the sites.
func build(t *testing.T, pageName, lines string) *house {
	t.Helper()
	h := &house{program: programtest.New(t), app: wiretest.Echo(t), other: wiretest.Echo(t)}
	h.gate = programtest.FreeAddr(t) // last: those who take any port would take this one
	config := readPage(t, pageName)["caddyfile"][0]
	global, sites, ok := strings.Cut(config, "\n}\n")
	if !ok {
		t.Fatalf("no global options in:\n%s", config)
	}
	sites = replace(t, sites, ":9080", ":"+port(h.gate), "\tnightlatch {\n", matchers+"\tnightlatch {\n"+more+lines)
	h.program.Configure(t, strings.TrimPrefix(global, "{\n"), "", sites)
	h.program.Start(t)
	h.door = count(t, h.gate)
	h.cert, h.trusted = certificate(t, filepath.Join(h.program.Dir, "site.pem"))
	h.alice, h.bob = h.add(t, "alice"), h.add(t, "bob")
	h.key, h.narrow = h.newKey(t, ""), h.newKey(t, `, "methods": ["GET"], "paths": ["/reports"]`)
	return h
}

// add makes an account, without an e-mail address and in no group.
func (h *house) add(t *testing.T, name string) *programtest.Person {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "display_name": "A. B. " + name, "password": programtest.Password})
	if err != nil {
		t.Fatal(err)
	}
	h.program.Operate(t, "POST", "/nightlatch/users", string(body))
	return &programtest.Person{Name: name}
}

// front is a proxy that runs before the house.
type front struct {
	*house
	addr    string // where it listens, with TLS
	quirks  quirks
	asAlice string // a header line with her session at the site of the pages
	asBob   string
}

// quirks are what a proxy does by itself, to nobody's gain.
type quirks struct {
	plain bool // it hands on the status of a refusal and no body
	h2    bool // its page offers HTTP/2

	cleans bool // it makes one path of the dots in another before it asks, and passes that one on
	drops  bool // what Connection names is gone before it asks
	asks   bool // it asks about the addresses of the questions too, and the answer is no
}

// open signs alice and bob in at the site of the pages.
func open(t *testing.T, h *house, addr string, q quirks) *front {
	t.Helper()
	f := &front{house: h, addr: addr, quirks: q}
	f.asAlice, f.asBob = f.joined(t, h.alice), f.joined(t, h.bob)
	return f
}

func (f *front) joined(t *testing.T, p *programtest.Person) string {
	t.Helper()
	b := f.browser(t, appHost)
	if err := b.Join(p); err != nil {
		t.Fatal(err)
	}
	return "Cookie: " + b.Cookies.String()
}

// session is the value of the session cookie in a header line.
func (f *front) session(t testing.TB, line string) string {
	t.Helper()
	for _, pair := range strings.Split(strings.TrimPrefix(line, "Cookie: "), "; ") {
		if value, is := strings.CutPrefix(pair, "__Host-nightlatch="); is {
			return value
		}
	}
	t.Fatalf("no session in %q", line)
	return ""
}

// browser is one that goes to a site behind the proxy.
func (f *front) browser(t testing.TB, host string) *programtest.Browser {
	b := programtest.NewBrowser(t, "https://"+host, f.trust(host))
	transport := b.Client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.addr)
	}
	return b
}

// trust is TLS with this name in the greeting, to a proxy that has the certificate of the house.
func (h *house) trust(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: h.trusted}
}

// raw sends a request of HTTP/1.1 on a connection of its own.
func (f *front) raw(t testing.TB, name string, lines ...string) wiretest.Response {
	t.Helper()
	return f.rawWith(t, name, append(lines, "Connection: close")...)
}

// rawWith is raw without a word about the connection.
func (f *front) rawWith(t testing.TB, name string, lines ...string) wiretest.Response {
	t.Helper()
	return wiretest.RawTLS(t, f.addr, f.trust(name), strings.Join(lines, "\r\n")+"\r\n\r\n")
}

// get asks the site of the pages as a browser that follows a link.
func (f *front) get(t testing.TB, target string, more ...string) wiretest.Response {
	t.Helper()
	return f.raw(t, appHost, append([]string{"GET " + target + " HTTP/1.1", "Host: " + appHost, "Accept: text/html"}, more...)...)
}

// reached is what came to the applications while something was done.
func (f *front) reached(do func()) []wiretest.Request {
	app, other := len(f.app.Requests()), len(f.other.Requests())
	do()
	return append(f.app.Requests()[app:], f.other.Requests()[other:]...)
}

// kept checks that a request came to no application, and was refused.
func (f *front) kept(t testing.TB, what string, ask func() wiretest.Response) wiretest.Response {
	t.Helper()
	var r wiretest.Response
	for _, got := range f.reached(func() { r = ask() }) {
		t.Errorf("%s: an application got %q", what, got.Raw)
	}
	if r.Status/100 == 2 {
		t.Errorf("%s: got %d, want a refusal; %q", what, r.Status, r.Body)
	}
	return r
}

// passed checks that exactly one request came to the application of the pages, with this target, and returns it.
func (f *front) passed(t testing.TB, what, target string, ask func() wiretest.Response) wiretest.Request {
	t.Helper()
	before := len(f.app.Requests())
	r := ask()
	got := f.app.Requests()[before:]
	if len(got) != 1 || targetOf(got[0]) != target {
		t.Fatalf("%s: the application got %d requests (%+v), the client %d %q; want one for %s", what, len(got), got, r.Status, r.Body, target)
	}
	return got[0]
}

// targetOf is the second word of the request line, without scheme and host: an application takes both forms for the same.
func targetOf(r wiretest.Request) string {
	words := strings.Fields(r.Start)
	if len(words) != 3 {
		return r.Start
	}
	if _, rest, absolute := strings.Cut(words[1], "://"); absolute && words[1][0] != '/' {
		return rest[strings.IndexByte(rest+"/", '/'):]
	}
	return words[1]
}

func location(r wiretest.Response) string { return strings.Join(r.Values("Location"), " and ") }

// counter passes connections on and counts them.
type counter struct {
	addr   string
	opened atomic.Int64
}

func count(t *testing.T, to string) *counter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &counter{addr: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			c.opened.Add(1)
			go splice(in, to)
		}
	}()
	return c
}

func splice(in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		io.Copy(out, in)
		out.Close()
	}()
	io.Copy(in, out)
}

// certificate writes one for all sites, with its key, into one file, and returns who trusts it besides.
func certificate(t *testing.T, file string) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{appHost, laxHost, methodsHost, lanHost},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	write(t, file, string(text))
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	return file, trusted
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
