// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package attack plays an attacker against the program that people get: a process of its own, with sites on loopback, real listeners,
// real TLS, raw HTTP/1.1 and HTTP/2 clients, and an application that shows each byte it was sent. Each test is named after a case of
// the attack catalogue and says what has to happen: nobody comes in who does not belong there, nobody is somebody else, nothing that
// was ended goes on, nothing secret is told, and the gate falls over for nobody.
//
// Here stands what can only be shown through the wire. What one room promises is tested in that room, what an honest person sees in
// package endtoend. Package programtest runs the process.
package attack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/api/apitest"
	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

const (
	patience = programtest.Patience
	password = programtest.Password
)

func TestMain(m *testing.M) { programtest.Main(m) }

// house is one process with its sites.
type house struct{ *programtest.Server }

// begin runs the program until it serves. global are more global options, option more lines of the nightlatch option.
func begin(t *testing.T, global, option, sites string) *house {
	t.Helper()
	return beginIn(t, programtest.New(t), global, option, sites)
}

var siteRE = regexp.MustCompile(`https://([a-z0-9.-]+):([0-9]+)`)

// beginIn is begin in a directory that was prepared.
func beginIn(t *testing.T, s *programtest.Server, global, option, sites string) *house {
	t.Helper()
	s.Configure(t, "grace_period 1s\n\t"+global, option, sites)
	s.Start(t)
	awaitCertificates(t, s.Dir, sites)
	return &house{s}
}

// beginPlainAndSecured runs the program before an application that says what it was sent, at one address without TLS and at one with it.
func beginPlainAndSecured(t *testing.T) (h *house, app *wiretest.Upstream, plain, secured string) {
	t.Helper()
	app = wiretest.Echo(t)
	plain, secured = programtest.FreeAddr(t), programtest.FreeAddr(t)
	h = begin(t, "", "", strings.NewReplacer("PLAIN", plain, "PORT", port(secured), "APP", app.Addr).Replace(`
http://PLAIN {
	nightlatch
	reverse_proxy APP
}
https://app.test:PORT {
	nightlatch
	reverse_proxy APP
}
`))
	return h, app, plain, secured
}

// awaitCertificates waits until each site of the program in this directory has one.
func awaitCertificates(t *testing.T, dir, sites string) {
	t.Helper()
	for _, site := range siteRE.FindAllStringSubmatch(sites, -1) {
		if !programtest.Eventually(func() bool { return programtest.SpeaksTLS(dir, "127.0.0.1:"+site[2], site[1]) }) {
			t.Fatalf("%s has no certificate", site[0])
		}
	}
}

type person = programtest.Person

// add makes an account.
func (h *house) add(t *testing.T, name string, groups ...string) *person {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "groups": groups, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	h.Operate(t, "POST", "/nightlatch/users", string(body))
	return &person{Name: name}
}

// codeOf is one of the person's app that was not used yet.
func codeOf(t *testing.T, p *person) string {
	t.Helper()
	code, err := p.Code()
	must(t, err)
	return code
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// browser is one whose failures are the test's.
type browser struct {
	*programtest.Browser
	t *testing.T
}

// visitor speaks HTTP/1.1. Over TLS it greets app.test whatever host it asks for.
func visitor(t *testing.T, base string) *browser {
	b := programtest.NewBrowser(t, base, secure("app.test"))
	b.Client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	return &browser{b, t}
}

// session is the value of the session cookie.
func (b *browser) session() string {
	return b.Cookies.Get("nightlatch") + b.Cookies.Get("__Host-nightlatch")
}

func (b *browser) send(method, path string, form url.Values) {
	b.t.Helper()
	must(b.t, b.Send(method, path, form))
}

func (b *browser) open(path string) {
	b.t.Helper()
	must(b.t, b.Open(path))
}

func (b *browser) form(action string, fields ...string) (to string, values url.Values) {
	b.t.Helper()
	to, values, err := b.Form(action, fields...)
	must(b.t, err)
	return to, values
}

func (b *browser) submit(action string, fields ...string) {
	b.t.Helper()
	must(b.t, b.Submit(action, fields...))
}

func (b *browser) wantLed(to string) {
	b.t.Helper()
	must(b.t, b.Led(to))
}

func (b *browser) typePassword(p *person) {
	b.t.Helper()
	must(b.t, b.TypePassword(p))
	b.wantLed("/")
}

// key opens the page that shows a new key, and takes the key into the app.
func (b *browser) key(p *person) {
	b.t.Helper()
	b.open("/_nightlatch/two-factor/enable")
	must(b.t, b.TakeKey(p))
}

// enroll confirms a new authenticator and writes the backup codes down.
func (b *browser) enroll(p *person) {
	b.t.Helper()
	must(b.t, b.Enroll(p))
	must(b.t, b.SaveCodes(p))
}

func (b *browser) signIn(p *person) {
	b.t.Helper()
	must(b.t, b.SignIn(p))
}

func (b *browser) signOut() {
	b.t.Helper()
	must(b.t, b.SignOut())
}

// joined is a new person, enrolled and signed in.
func (h *house) joined(t *testing.T, base, name string, groups ...string) (*person, *browser) {
	t.Helper()
	p, b := h.add(t, name, groups...), visitor(t, base)
	b.typePassword(p)
	b.enroll(p)
	return p, b
}

// program asks the API of a site. Every answer is held to docs/openapi.yaml.
type program struct {
	*browser
	answer map[string]any // of the last request; nil: it had none
}

func (h *house) program(t *testing.T, base, host string) *program {
	p := &program{browser: visitor(t, base)}
	p.Client.Transport = apitest.Transport{T: t, Base: p.Client.Transport}
	p.Header.Set("Host", host)
	return p
}

// post sends a body and remembers the answer, and the cookies as a browser would.
func (p *program) post(path string, members map[string]any) {
	p.t.Helper()
	body, err := json.Marshal(members)
	must(p.t, err)
	if members == nil {
		body = nil
	}
	r, err := http.NewRequest("POST", p.Base+"/_nightlatch/api/v1/"+path, strings.NewReader(string(body)))
	must(p.t, err)
	r.Header = p.Header.Clone()
	r.Host = p.Header.Get("Host")
	r.Header.Del("Host")
	r.Header.Set("Content-Type", "application/json")
	resp, err := p.Client.Do(r)
	must(p.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(p.t, err)
	p.At = programtest.Answer{Path: path, Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
	p.answer = nil
	if len(text) > 0 {
		must(p.t, json.Unmarshal(text, &p.answer))
	}
}

// said is a member of the last answer, which must be a text.
func (p *program) said(member string) string {
	p.t.Helper()
	text, ok := p.answer[member].(string)
	if !ok {
		p.t.Fatalf("%s: got %d without %s:\n%s", p.At.Path, p.At.Status, member, p.At.Body)
	}
	return text
}

// port is that of an address.
func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
