// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package programtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Browser is as much of one as the pages need: cookies, forms, and redirects when asked to follow them. Its methods return errors, so
// that other goroutines than the test's may use it, each browser one at a time.
type Browser struct {
	Base    string // scheme and host
	Client  *http.Client
	Cookies *Cookies
	Header  http.Header // sent with everything; Host replaces the name of the site
	At      Answer
}

// Answer is what a browser shows.
type Answer struct {
	Path   string
	Status int
	Header http.Header
	Body   string
}

// NewBrowser is for the site at base. trust is for TLS, over which it prefers HTTP/2.
func NewBrowser(t testing.TB, base string, trust *tls.Config) *Browser {
	t.Helper()
	jar := &Cookies{held: map[string]string{}}
	transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, DisableCompression: true,
		// Whatever else the machine takes localhost for.
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.Replace(addr, "localhost:", "127.0.0.1:", 1))
		}}
	t.Cleanup(transport.CloseIdleConnections)
	return &Browser{Base: base, Cookies: jar, Header: http.Header{}, Client: &http.Client{
		Jar: jar, Transport: transport, Timeout: Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// lost is an exchange that broke off.
type lost struct{ error }

// IsLost tells whether an exchange broke off: nobody knows whether the server has done what it was asked.
func IsLost(err error) bool {
	_, ok := errors.AsType[lost](err)
	return ok
}

// Send asks for a path of the site, or an address there, as a page of it does, and stays at the answer.
func (b *Browser) Send(method, path string, form url.Values) error {
	path = strings.TrimPrefix(path, b.Base)
	r, err := http.NewRequest(method, b.Base+path, strings.NewReader(form.Encode()))
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
	for name, values := range b.Header {
		if name == "Host" {
			r.Host = values[0]
			continue
		}
		r.Header[name] = values
	}
	b.At = Answer{Path: path}
	resp, err := b.Client.Do(r)
	if err != nil {
		return lost{err}
	}
	defer resp.Body.Close()
	b.At.Status, b.At.Header = resp.StatusCode, resp.Header
	body, err := io.ReadAll(resp.Body)
	b.At.Body = string(body)
	if err != nil {
		return lost{err}
	}
	return nil
}

// Open goes to a path of the site, and on from there while it is led to another.
func (b *Browser) Open(path string) error {
	err := b.Send("GET", path, nil)
	for hops := 0; err == nil && b.At.Status == http.StatusSeeOther && hops < 5; hops++ {
		err = b.Send("GET", b.At.Header.Get("Location"), nil)
	}
	return err
}

var (
	formRE   = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)">(.*?)</form>`)
	hiddenRE = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	tagRE    = regexp.MustCompile(`<[^>]*>`)
)

// Form fills in the form of the page whose action begins so under our prefix, and does not send it.
func (b *Browser) Form(action string, fields ...string) (to string, values url.Values, err error) {
	for _, form := range formRE.FindAllStringSubmatch(b.At.Body, -1) {
		if to = html.UnescapeString(form[1]); !strings.Contains(to, "/_nightlatch/"+action) {
			continue
		}
		values = url.Values{}
		for _, h := range hiddenRE.FindAllStringSubmatch(form[2], -1) {
			values.Set(h[1], html.UnescapeString(h[2]))
		}
		for i := 0; i < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}
		return to, values, nil
	}
	return "", nil, b.Unexpected("no form for " + action)
}

// Submit sends a form and stays at the answer: a redirect is the server's word that it is done.
func (b *Browser) Submit(action string, fields ...string) error {
	to, values, err := b.Form(action, fields...)
	if err != nil {
		return err
	}
	return b.Send("POST", to, values)
}

// Leads tells whether the answer leads to a path of the site that begins so.
func (b *Browser) Leads(to string) bool {
	return b.At.Status == http.StatusSeeOther && strings.HasPrefix(strings.TrimPrefix(b.At.Header.Get("Location"), b.Base), to)
}

// Led is an error unless the answer leads to a path that begins so.
func (b *Browser) Led(to string) error {
	if !b.Leads(to) {
		return b.Unexpected("not led to " + to)
	}
	return nil
}

// Unexpected is an error that tells what the browser shows.
func (b *Browser) Unexpected(what string) error {
	return fmt.Errorf("%s: at %s, status %d, Location %q, page %q", what, b.At.Path, b.At.Status, b.At.Header.Get("Location"), b.Text())
}

// Text is the page without its markup.
func (b *Browser) Text() string {
	return strings.Join(strings.Fields(tagRE.ReplaceAllString(b.At.Body, " ")), " ")
}

// Cookies keeps all that a site sets, without the rules of a browser: the tests say which sites there are and what is sent to them.
type Cookies struct {
	mu   sync.Mutex
	held map[string]string
}

// SetCookies implements http.CookieJar.
func (c *Cookies) SetCookies(_ *url.URL, set []*http.Cookie) {
	for _, one := range set {
		c.Set(one.Name, one.Value)
		if one.MaxAge < 0 {
			c.Delete(one.Name)
		}
	}
}

// Cookies implements http.CookieJar. They come by name, so that a test sends the same bytes in each run.
func (c *Cookies) Cookies(*url.URL) []*http.Cookie {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*http.Cookie
	for _, name := range slices.Sorted(maps.Keys(c.held)) {
		all = append(all, &http.Cookie{Name: name, Value: c.held[name]})
	}
	return all
}

// Get is the value of a cookie, or empty.
func (c *Cookies) Get(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held[name]
}

// Set plants a cookie.
func (c *Cookies) Set(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[name] = value
}

// Delete forgets a cookie.
func (c *Cookies) Delete(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, name)
}

// String is the value of a Cookie header.
func (c *Cookies) String() string {
	var pairs []string
	for _, one := range c.Cookies(nil) {
		pairs = append(pairs, one.Name+"="+one.Value)
	}
	return strings.Join(pairs, "; ")
}
