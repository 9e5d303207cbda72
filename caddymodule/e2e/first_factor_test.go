// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// sending adds to each request of a browser what a handler in front looks at.
type sending struct {
	add  func(*http.Request)
	next http.RoundTripper
}

func (s *sending) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if s.add != nil {
		s.add(r)
	}
	return s.next.RoundTrip(r)
}

// sends has the browser send something with each request from now on.
func (b *browser) sends(add func(*http.Request)) *browser {
	next := b.client.Transport
	if s, ok := next.(*sending); ok {
		next = s.next
	}
	if next == nil {
		next = http.DefaultTransport
	}
	b.client.Transport = &sending{add, next}
	return b
}

func basic(name string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(name, password) }
}

// wants checks where the browser is and what the page says.
func (b *browser) wants(what, path, text string) {
	b.t.Helper()
	if b.at.Path != path || !strings.Contains(b.page, text) {
		b.t.Errorf("%s: got %s, status %d, want %s and %q:\n%s", what, b.at, b.status, path, text, b.page)
	}
}

// enroll takes the key of the page into an app and goes on to the application.
func (b *browser) enroll() (secret []byte) {
	b.t.Helper()
	found := secretRE.FindStringSubmatch(b.page)
	if found == nil {
		b.t.Fatalf("no secret at %s:\n%s", b.at, b.page)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(found[1], " ", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	b.submit("two-factor/enable", "code", otp.Code(secret, otp.Step(time.Now())-6)) // earlier ones count in these tests
	b.submit("backup-codes")
	return secret
}

// hashed is the site's basic_auth for some people, all with the one password.
func hashed(t *testing.T, names ...string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("basic_auth {\n")
	for _, name := range names {
		fmt.Fprintf(&b, "\t\t%s %s\n", name, hash)
	}
	b.WriteString("\t}\n")
	return b.String()
}

// TestFirstFactorOfBasicAuth: basic_auth says who it is, and only the second factor is asked for.
func TestFirstFactorOfBasicAuth(t *testing.T) {
	h := newHouse(t, whoami)
	proxy := "reverse_proxy " + h.app.Listener.Addr().String()
	h.site = hashed(t, "Alice", "bob", "eve!") + "\tnightlatch {\n\t\tfirst_factor {http.auth.user.id} {\n\t\t\tcreate\n\t\t}\n\t\trequire /lax/* password\n\t}\n\t" + proxy
	h.global = "totp {\n\t\t\tpast_steps 10\n\t\t}"
	h.load(t)
	link(t)

	b := newBrowser(t, h.addr).sends(basic("Alice"))
	b.open(b.base + "/page")
	b.wants("the first visit", "/_nightlatch/two-factor/enable", "alice")
	secret := b.enroll()
	b.wants("after enrolling", "/page", `user=["alice"] cookie=[]`)
	if !strings.Contains(h.logged(t), `"user_id":"alice"`) {
		t.Error("the access log does not name the user")
	}

	again := newBrowser(t, h.addr).sends(basic("Alice"))
	again.open(again.base + "/page")
	again.wants("another browser", "/_nightlatch/second-factor", "alice")
	again.open(again.base + "/lax/x")
	again.wants("MF-4: a lax rule", "/_nightlatch/second-factor", "alice")
	again.submit("second-factor", "code", otp.Code(secret, otp.Step(time.Now())-4))
	again.wants("the code", "/page", `user=["alice"]`)

	// The person at basic_auth changes in mid-session.
	again.sends(basic("bob")).open(again.base + "/lax/x")
	again.wants("bob in alice's browser", "/lax/x", `user=["bob"]`)
	b.sends(basic("bob")).open(b.base + "/page")
	b.wants("bob with alice's session", "/_nightlatch/two-factor/enable", "bob")
	b.sends(basic("eve!")).open(b.base + "/page")
	b.wants("a name that is none", "/_nightlatch/sign-in", "cannot be a user name here")

	// Whoever basic_auth does not know gets to nobody's page.
	b.sends(func(r *http.Request) { r.SetBasicAuth("alice", password) }).open(b.base + "/_nightlatch/account")
	if b.status != http.StatusUnauthorized {
		t.Errorf("basic_auth let %q pass with %d", "alice", b.status)
	}
	b.sends(nil)

	// Signing out, and what the page says of it.
	again.sends(basic("Alice")).open(again.base + "/page")
	again.submit("second-factor", "code", otp.Code(secret, otp.Step(time.Now())-2))
	again.open(again.base + "/_nightlatch/sign-out")
	again.submit("sign-out")
	again.wants("signing out", "/_nightlatch/signed-out", "Only a second factor keeps them out")
	again.open(again.base + "/page")
	again.wants("after that", "/_nightlatch/second-factor", "alice")

	// Without the word the same cookies open nothing, and nobody is created without create.
	h.site = strings.Replace(h.site, " {\n\t\t\tcreate\n\t\t}", "", 1)
	h.site = strings.Replace(h.site, `eve!`, "carol", 1)
	h.load(t)
	c := newBrowser(t, h.addr).sends(basic("carol"))
	c.open(c.base + "/lax/x")
	c.wants("a stranger without create", "/_nightlatch/sign-in", "There is no account of that name here")
	fresh := newBrowser(t, h.addr).sends(basic("bob"))
	fresh.open(fresh.base + "/lax/x")
	fresh.wants("bob, who has been here", "/lax/x", `user=["bob"]`)
	h.site = "nightlatch {\n\t\trequire password\n\t}\n\t" + proxy
	h.load(t)
	fresh.open(fresh.base + "/lax/x")
	fresh.wants("his session where nobody vouches", "/_nightlatch/sign-in", `type="password"`)
}

// TestID17FirstFactorIsNotTheClients: nothing that a client writes makes it somebody, and the application is told our name for who it is.
func TestID17FirstFactorIsNotTheClients(t *testing.T) {
	h := newHouse(t, whoami)
	h.site = hashed(t, "Alice") + "\tnightlatch {\n\t\tfirst_factor {http.auth.user.id} {\n\t\t\tcreate\n\t\t}\n\t\trequire password\n\t}\n\t" +
		"respond /who \"{http.auth.user.id}\"\n\treverse_proxy " + h.app.Listener.Addr().String()
	h.load(t)
	link(t)
	b := newBrowser(t, h.addr).sends(basic("Alice"))
	b.open(b.base + "/who")
	b.wants("signing in", "/who", "alice")
	value := ""
	for _, c := range b.client.Jar.Cookies(b.at) {
		if c.Name == "nightlatch" {
			value = c.Value
		}
	}
	authorization := func(user string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + "\r\n"
	}
	for name, c := range map[string]struct {
		lines  string
		status int
		body   string
	}{
		"alice":                 {authorization("Alice") + "Cookie: nightlatch=" + value + "\r\n", 200, "alice"},
		"headers of others":     {authorization("Alice") + "Cookie: nightlatch=" + value + "\r\nRemote-User: root\r\nX-Remote-User: root\r\nHttp.auth.user.id: root\r\n", 200, "alice"},
		"the cookie alone":      {"Cookie: nightlatch=" + value + "\r\n", 401, ""},
		"another password":      {"Authorization: Basic QWxpY2U6eA==\r\nCookie: nightlatch=" + value + "\r\n", 401, ""},
		"two of them":           {"Authorization: Basic QWxpY2U6eA==\r\n" + authorization("Alice") + "Cookie: nightlatch=" + value + "\r\n", 401, ""},
		"a header, no password": {"Remote-User: alice\r\nCookie: nightlatch=" + value + "\r\n", 401, ""},
		"no cookie, a program":  {authorization("Alice"), 401, "sign-in-required"},
	} {
		got := wiretest.Raw(t, h.addr, "GET /who HTTP/1.1\r\nHost: "+h.addr+"\r\nConnection: close\r\n"+c.lines+"\r\n")
		if got.Status != c.status || !strings.Contains(string(got.Body), c.body) {
			t.Errorf("%s: got %d %q, want %d %q", name, got.Status, got.Body, c.status, c.body)
		}
	}
}

// TestFirstFactorOfForwardAuth: an authority that Caddy's forward_auth asks names the person in a header of its answer, by the recipe of the
// documents. What the client sends under that name is nobody's.
func TestFirstFactorOfForwardAuth(t *testing.T) {
	h := newHouse(t, whoami)
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch who, err := r.Cookie("who"); {
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		case who.Value != "anonymous":
			w.Header().Set("Remote-User", who.Value)
		}
	}))
	defer authority.Close()
	h.site = "forward_auth " + authority.Listener.Addr().String() + " {\n\t\turi /verify\n\t\tcopy_headers Remote-User\n\t}\n" +
		"\tnightlatch {\n\t\tfirst_factor {rp.header.Remote-User} {\n\t\t\tcreate\n\t\t}\n\t\trequire password\n\t}\n\treverse_proxy " + h.app.Listener.Addr().String()
	h.load(t)
	link(t)
	b := newBrowser(t, h.addr)
	who := func(name string) func(*http.Request) {
		return func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "who", Value: name})
			r.Header.Set("Remote-User", "root")
		}
	}
	b.sends(who("alice")).open(b.base + "/page")
	b.wants("alice", "/page", `user=["alice"]`)
	b.sends(who("anonymous")).open(b.base + "/page")
	b.wants("whom the authority lets pass without a name", "/_nightlatch/sign-in", `type="password"`)
	b.sends(who("bob")).open(b.base + "/page")
	b.wants("bob", "/page", `user=["bob"]`)
	b.sends(func(r *http.Request) { r.Header.Set("Remote-User", "alice") }).open(b.base + "/page")
	if b.status != http.StatusUnauthorized {
		t.Errorf("whom the authority refuses got %d:\n%s", b.status, b.page)
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a := &authority{}
	pair := a.sign(t, template)
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// sign makes a certificate; the first one of an authority is its own.
func (a *authority) sign(t *testing.T, c *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// write puts a certificate and its key into files of PEM.
func write(t *testing.T, pair tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// TestFirstFactorOfAClientCertificate: a certificate that Caddy has verified names the person. One that it only asked for does not, nor one
// of another authority.
func TestFirstFactorOfAClientCertificate(t *testing.T) {
	h := newHouse(t, whoami)
	servers, clients, strangers := newAuthority(t), newAuthority(t), newAuthority(t)
	certFile, keyFile := write(t, servers.sign(t, &x509.Certificate{DNSNames: []string{"localhost"}}))
	poolFile, _ := write(t, tls.Certificate{Certificate: [][]byte{clients.cert.Raw}, PrivateKey: clients.key})
	_, port, _ := strings.Cut(h.addr, ":")
	base := "https://localhost:" + port
	load := func(mode, factor string) {
		t.Helper()
		text := strings.Replace(h.config(), "http://"+h.addr+" {", base+" {\n\ttls "+certFile+" "+keyFile+" {\n\t\tclient_auth {\n\t\t\tmode "+mode+
			"\n\t\t\ttrust_pool file "+poolFile+"\n\t\t}\n\t}", 1)
		text = strings.Replace(text, "\n\tnightlatch\n", "\n\t"+factor+"\n", 1)
		text = strings.Replace(text, "admin off", "admin off\n\tauto_https disable_redirects", 1)
		h.loadText(t, text)
	}
	roots := x509.NewCertPool()
	roots.AddCert(servers.cert)
	with := func(certs ...tls.Certificate) *browser {
		b := newBrowser(t, h.addr)
		b.base = base
		// The very certificates, whatever authorities the server says it takes.
		config := &tls.Config{RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(certs) == 0 {
				return new(tls.Certificate), nil
			}
			return &certs[0], nil
		}}
		transport := programtest.NewBrowser(t, base, config).Client.Transport
		b.client.Transport = transport
		return b
	}
	person := func(a *authority, name string) tls.Certificate {
		return a.sign(t, &x509.Certificate{
			Subject: pkix.Name{CommonName: name, Organization: []string{"Home"}}, EmailAddresses: []string{name + "@example.com"},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
	}
	h.site = strings.Replace(h.site, "nightlatch\n", "\n\tnightlatch\n\t", 1)
	mail := "nightlatch {\n\t\tfirst_factor {http.request.tls.client.san.emails.0} {\n\t\t\tcreate\n\t\t}\n\t\trequire password\n\t}"
	alice, forged := person(clients, "Alice"), person(strangers, "alice")

	load("verify_if_given", mail)
	link(t)
	b := with(alice)
	b.open(base + "/page")
	b.wants("alice", "/page", `user=["alice@example.com"]`)
	b.open(base + "/page")
	b.wants("alice again", "/page", `user=["alice@example.com"]`)
	cookies := b.client.Jar
	none := with()
	none.client.Jar = cookies
	none.open(base + "/page")
	none.wants("her cookies without her certificate", "/_nightlatch/sign-in", `type="password"`)
	if _, err := with(forged).client.Get(base + "/page"); err == nil {
		t.Error("a certificate of another authority was taken")
	}

	load("request", mail)
	for name, cert := range map[string]tls.Certificate{"of another authority": forged, "of the right one, which nobody has verified": alice} {
		b := with(cert)
		b.open(base + "/page")
		b.wants("where any certificate is taken, one "+name, "/_nightlatch/sign-in", `type="password"`)
	}

	// The common name has to be taken out of the subject, by the recipe of the documents.
	load("require_and_verify", "map {tls_client_subject} {common_name} {\n\t\t~^CN=([a-zA-Z0-9._@-]+)(?:,|$) \"${1}\"\n\t}\n\tvars first_factor {common_name}\n\t"+
		"nightlatch {\n\t\tfirst_factor {vars.first_factor} {\n\t\t\tcreate\n\t\t}\n\t\trequire password\n\t}")
	b = with(person(clients, "Bob"))
	b.open(base + "/page")
	b.wants("bob by his common name", "/page", `user=["bob"]`)
	b = with(person(clients, "two words"))
	b.open(base + "/page")
	b.wants("a common name that the map does not take", "/_nightlatch/sign-in", `type="password"`)
}
