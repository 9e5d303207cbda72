// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"context"
	"crypto/tls"
	"encoding/base32"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/otp"
)

// pastSteps lets ten earlier codes count, so that a person can sign in ten times without waiting for the clock.
const pastSteps = 10

const password = "a door with two locks holds"

// person is who an account belongs to, and what they keep: an authenticator app and backup codes on paper.
type person struct {
	name   string
	secret []byte
	step   int64    // of the last code taken from the app
	paper  []string // backup codes not used yet
}

// addPerson makes an account with the command.
func (s *server) addPerson(t *testing.T, name string, flags ...string) *person {
	t.Helper()
	args := append([]string{"user", "add", name, "--password-stdin", "--address", "unix/" + s.socket()}, flags...)
	s.do(t, password, args...)
	return &person{name: name}
}

// code is one of the app that was not used yet. It stays away from the oldest that counts, which may stop counting on the way.
func (p *person) code() (string, error) {
	now := otp.Step(time.Now())
	p.step = max(p.step+1, now-pastSteps+2)
	if p.step > now {
		return "", fmt.Errorf("%s has used all codes of the moment", p.name)
	}
	return otp.Code(p.secret, p.step), nil
}

// browser is as much of one as the pages need: cookies, forms, redirects when asked to follow them.
type browser struct {
	base    string
	client  *http.Client
	cookies *cookies
	header  http.Header // sent with everything
	at      answer
}

// answer is what a browser shows.
type answer struct {
	path   string
	status int
	header http.Header
	body   string
}

// newBrowser is for the site at base. trust is for TLS, over which it prefers HTTP/2.
func newBrowser(t *testing.T, base string, trust *tls.Config) *browser {
	t.Helper()
	jar := &cookies{held: map[string]*http.Cookie{}}
	transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, DisableCompression: true,
		// Whatever else the machine takes localhost for.
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.Replace(addr, "localhost:", "127.0.0.1:", 1))
		}}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{base: base, cookies: jar, header: http.Header{}, client: &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// lost is an exchange that broke off: nobody knows whether the server has done what it was asked.
type lost struct{ error }

func isLost(err error) bool {
	_, ok := errors.AsType[lost](err)
	return ok
}

func (b *browser) send(method, path string, form url.Values) error {
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	if form == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"} {
		r.Header.Set(name, value)
	}
	for name, values := range b.header {
		r.Header[name] = values
	}
	b.at = answer{path: path}
	resp, err := b.client.Do(r)
	if err != nil {
		return lost{err}
	}
	defer resp.Body.Close()
	b.at.status, b.at.header = resp.StatusCode, resp.Header
	body, err := io.ReadAll(resp.Body)
	b.at.body = string(body)
	if err != nil {
		return lost{err}
	}
	return nil
}

// open goes to a path of the site, and on from there while it is led to another.
func (b *browser) open(path string) error {
	err := b.send("GET", path, nil)
	for hops := 0; err == nil && b.at.status == http.StatusSeeOther && hops < 5; hops++ {
		err = b.send("GET", b.at.header.Get("Location"), nil)
	}
	return err
}

var (
	formRE   = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)">(.*?)</form>`)
	hiddenRE = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	secretRE = regexp.MustCompile(`<code class="secret">([^<]+)</code>`)
	paperRE  = regexp.MustCompile(`<li><code>([^<]+)</code>`)
)

// submit sends the form of the page whose action ends so, filled in, and stays at the answer: a redirect is the server's word that it
// is done.
func (b *browser) submit(action string, fields ...string) error {
	for _, form := range formRE.FindAllStringSubmatch(b.at.body, -1) {
		if !strings.HasSuffix(form[1], "/"+action) {
			continue
		}
		values := url.Values{}
		for _, h := range hiddenRE.FindAllStringSubmatch(form[2], -1) {
			values.Set(h[1], html.UnescapeString(h[2]))
		}
		for i := 0; i < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}
		return b.send("POST", html.UnescapeString(form[1]), values)
	}
	return b.unexpected("no form for " + action)
}

// led checks that a form was accepted, by where it leads.
func (b *browser) led(to string) error {
	if to = "/_nightlatch/" + to; b.at.status != http.StatusSeeOther || !strings.HasPrefix(b.at.header.Get("Location"), to) {
		return b.unexpected("not led to " + to)
	}
	return nil
}

// leads tells whether a form was accepted and leads there.
func (b *browser) leads(to string) bool {
	return b.at.status == http.StatusSeeOther && strings.HasPrefix(b.at.header.Get("Location"), to)
}

func (b *browser) unexpected(what string) error {
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(b.at.body, " ")
	return fmt.Errorf("%s: at %s, status %d, Location %q, page %q", what, b.at.path, b.at.status, b.at.header.Get("Location"), strings.Join(strings.Fields(text), " "))
}

// typePassword begins a sign-in.
func (b *browser) typePassword(p *person) error {
	if err := b.open("/_nightlatch/sign-in"); err != nil {
		return err
	}
	return b.submit("sign-in", "name", p.name, "password", password)
}

// enroll confirms the key of an authenticator app. The password is proven, and the application leads to the page that shows the key.
func (b *browser) enroll(p *person) error {
	if err := b.open("/"); err != nil {
		return err
	}
	found := secretRE.FindStringSubmatch(b.at.body)
	if found == nil {
		return b.unexpected("no secret")
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(found[1], " ", ""))
	if err != nil {
		return err
	}
	p.secret, p.step = secret, 0
	code, err := p.code()
	if err != nil {
		return err
	}
	if err := b.submit("two-factor/enable", "code", code); err != nil {
		return err
	}
	return b.led("backup-codes")
}

// saveCodes writes the backup codes down and goes on to the application.
func (b *browser) saveCodes(p *person) error {
	if err := b.open("/_nightlatch/backup-codes"); err != nil {
		return err
	}
	p.paper = nil
	for _, code := range paperRE.FindAllStringSubmatch(b.at.body, -1) {
		p.paper = append(p.paper, code[1])
	}
	if len(p.paper) != 10 {
		return b.unexpected(fmt.Sprintf("%d backup codes", len(p.paper)))
	}
	if err := b.submit("backup-codes"); err != nil {
		return err
	}
	if !b.leads("/") {
		return b.unexpected("the codes are saved")
	}
	return nil
}

// typeCode answers the page for the second factor, to which the browser has been led.
func (b *browser) typeCode(method, code string) error {
	page := "/_nightlatch/second-factor"
	if method == "backup_code" {
		page += "?method=backup_code"
	}
	if err := b.open(page); err != nil {
		return err
	}
	return b.submit("second-factor", "code", code)
}

// join signs a new person in: password, enrollment, backup codes.
func (b *browser) join(p *person) error {
	err := b.typePassword(p)
	if err == nil {
		err = b.enroll(p)
	}
	if err == nil {
		err = b.saveCodes(p)
	}
	return err
}

// signIn signs an enrolled person in with a code of the app.
func (b *browser) signIn(p *person) error {
	err := b.typePassword(p)
	if err == nil {
		err = b.led("second-factor")
	}
	if err != nil {
		return err
	}
	code, err := p.code()
	if err != nil {
		return err
	}
	if err := b.typeCode("otp", code); err != nil {
		return err
	}
	if !b.leads("/") {
		return b.unexpected("signing in as " + p.name)
	}
	return nil
}

// comeIn signs anybody in, new or not.
func (b *browser) comeIn(p *person) error {
	if p.secret == nil {
		return b.join(p)
	}
	return b.signIn(p)
}

// signOut ends the session of the browser.
func (b *browser) signOut() error {
	if err := b.open("/_nightlatch/sign-out"); err != nil {
		return err
	}
	if err := b.submit("sign-out"); err != nil {
		return err
	}
	return b.led("signed-out")
}

// must fails the test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// joined is a new person and a browser of theirs, signed in.
func (s *server) joined(t *testing.T, name, base string, trust *tls.Config, flags ...string) (*person, *browser) {
	t.Helper()
	p, b := s.addPerson(t, name, flags...), newBrowser(t, base, trust)
	must(t, b.join(p))
	return p, b
}

// cookies keeps all that a site sets, without the rules of a browser: the tests say which sites there are and what is sent to them.
type cookies struct {
	mu   sync.Mutex
	held map[string]*http.Cookie
}

func (c *cookies) SetCookies(_ *url.URL, set []*http.Cookie) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range set {
		c.held[one.Name] = one
		if one.MaxAge < 0 {
			delete(c.held, one.Name)
		}
	}
}

func (c *cookies) Cookies(*url.URL) []*http.Cookie {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*http.Cookie
	for _, one := range c.held {
		all = append(all, &http.Cookie{Name: one.Name, Value: one.Value})
	}
	return all
}

// String is the value of a Cookie header.
func (c *cookies) String() string {
	var pairs []string
	for _, one := range c.Cookies(nil) {
		pairs = append(pairs, one.Name+"="+one.Value)
	}
	return strings.Join(pairs, "; ")
}
