// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/forms"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// shop is a site with an application that remembers what it got. /vault wants proofs of the last ten minutes, /open no sign-in, /fails
// has a matcher that fails.
type shop struct {
	t     *testing.T
	bench *authtest.Bench
	site  *server.Site
	room  *forms.Room
	mu    sync.Mutex
	got   []received
}

type received struct {
	request *http.Request
	body    string
	user    string
}

func newShop(t *testing.T, changes ...func(*server.SiteConfig)) *shop {
	t.Helper()
	s := &shop{t: t, bench: authtest.New(t), room: forms.NewRoom()}
	at := func(path string) func(*http.Request) (bool, error) {
		return func(r *http.Request) (bool, error) { return strings.HasPrefix(r.URL.Path, path), nil }
	}
	cfg := server.SiteConfig{
		Service: func() (*auth.Service, error) { return s.bench.Service, nil },
		Headers: identity.Defaults,
		Forms:   s.room,
		Now:     s.bench.Clock.Now,
		Rules: []gate.Rule{
			{Action: gate.Skip, Text: "skip /open", PathBound: true, Match: at("/open")},
			{Action: gate.Deny, Text: "deny /closed", PathBound: true, Match: at("/closed")},
			{Action: gate.Deny, Text: "deny plain text", Match: func(r *http.Request) (bool, error) { return r.Header.Get("Content-Type") == "text/plain", nil }},
			{Action: gate.Require, Need: auth.Requirement{Level: auth.LevelTwoFactor, MaxAge: 10 * time.Minute}, PathBound: true, Text: "require /vault", Match: at("/vault")},
		},
	}
	for _, change := range changes {
		change(&cfg)
	}
	var err error
	if s.site, err = server.NewSite(cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

// application is what stands behind the gate.
func (s *shop) application(w http.ResponseWriter, r *http.Request, by *auth.Session) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	one := received{request: r, body: string(body)}
	if by != nil {
		one.user = by.Name
	}
	s.mu.Lock()
	s.got = append(s.got, one)
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sent is a form as a browser sends it from a page of the site.
type sent struct {
	path    string
	header  http.Header
	body    io.Reader
	session string
	visit   visit.Visit
	change  func(*http.Request)
}

func aForm(path, contentType, body string) sent {
	return sent{path: path, body: strings.NewReader(body), header: http.Header{
		"Content-Type": {contentType}, "Accept": {"text/html"}, "Origin": {"https://shop.example.com"}, "Referer": {"https://shop.example.com/cart?step=2"},
		"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"},
	}, visit: visit.Visit{Transport: visit.Secure, Address: authtest.Client.Address, Host: "shop.example.com"}}
}

const order = "item=%C3%A9t%C3%A9&note=a+b%0D%0Ac&n=1"

// anOrder is the form of most tests.
func anOrder() sent { return aForm("/orders?list=a%2Fb&x", "application/x-www-form-urlencoded", order) }

func (f sent) by(session string) sent {
	f.session = session
	return f
}

func (f sent) with(name string, values ...string) sent {
	f.header = maps.Clone(f.header)
	if f.header[name] = values; values == nil {
		delete(f.header, name)
	}
	return f
}

func (f sent) changed(change func(*http.Request)) sent {
	f.change = change
	return f
}

// send is what the browser does with a form.
func (s *shop) send(f sent) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest("POST", "https://shop.example.com"+f.path, f.body)
	r.Header = maps.Clone(f.header)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	if r.ContentLength >= 0 {
		r.Header.Set("Content-Length", fmt.Sprint(r.ContentLength))
	}
	if f.session != "" {
		r.AddCookie(&http.Cookie{Name: f.visit.Transport.CookieName(visit.Session), Value: f.session})
	}
	f.visit.URL = r.URL
	if f.change != nil {
		f.change(r)
	}
	w := httptest.NewRecorder()
	if err := s.site.ServeHTTP(w, r, f.visit, s.application); err != nil {
		s.t.Errorf("%s: %v", f.path, err)
	}
	return w
}

var keptField = regexp.MustCompile(`<form method="post" enctype="text/plain">\n<input type="hidden" name="nightlatch-form" value="([^"]+)"`)

// kept is what a page carries; empty: nothing.
func kept(w *httptest.ResponseRecorder) string {
	if found := keptField.FindStringSubmatch(w.Body.String()); found != nil {
		return html.UnescapeString(found[1])
	}
	return ""
}

// keep sends a form that has to be kept.
func (s *shop) keep(f sent) string {
	s.t.Helper()
	w := s.send(f)
	sealed := kept(w)
	if w.Code != http.StatusUnauthorized || sealed == "" {
		s.t.Fatalf("%s: got %d, kept %d bytes, want 401 and the form:\n%s", f.path, w.Code, len(sealed), w.Body)
	}
	return sealed
}

// back is what the button of the page sends: HTML's encoding text/plain, to where the page stands.
func back(path, sealed string) sent {
	return aForm(path, "text/plain", web.KeptField+"="+sealed+"\r\n").with("Origin", "null").with("Referer")
}

// reached checks how many requests came to the application.
func (s *shop) reached(n int) {
	s.t.Helper()
	if len(s.got) != n {
		s.t.Fatalf("%d requests came to the application, want %d", len(s.got), n)
	}
}

// A form that met the gate is in its page, sealed, and goes on once its sender has signed in: as it was sent, and once.
func TestKeptFormGoesOn(t *testing.T) {
	s := newShop(t)
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	first := s.send(anOrder())
	sealed := kept(first)
	if sealed == "" || strings.Contains(first.Body.String(), "item") || first.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("got headers %v and page\n%s\nwant the form in it, sealed", first.Header(), first.Body)
	}
	if link := `href="/_nightlatch/sign-in?return_to=/_nightlatch/form-waits" target="_blank"`; !strings.Contains(first.Body.String(), link) {
		t.Errorf("the page lacks %s:\n%s", link, first.Body)
	}

	// Too early: the same page, with the same form, whose ten minutes began with the first.
	s.bench.Clock.Move(auth.FormLife - time.Minute)
	again := s.send(back("/orders?list=a%2Fb&x", sealed))
	if again.Code != http.StatusUnauthorized || kept(again) != sealed {
		t.Errorf("before the sign-in: got %d and another form, want 401 and the same", again.Code)
	}
	s.reached(0)

	alice.SignIn(t)
	if w := s.send(back("/orders?list=a%2Fb&x", sealed).by(alice.Session).with("Cookie", "theirs=1")); w.Code != http.StatusNoContent {
		t.Fatalf("after the sign-in: got %d, want the application's 204:\n%s", w.Code, w.Body)
	}
	s.reached(1)
	got := s.got[0]
	if got.body != order || got.user != "alice" || got.request.ContentLength != int64(len(order)) {
		t.Errorf("the application got %q of %s, length %d, want %q of alice", got.body, got.user, got.request.ContentLength, order)
	}
	if r := got.request; r.Method != "POST" || r.URL.RequestURI() != "/orders?list=a%2Fb&x" || r.Trailer != nil || r.TransferEncoding != nil {
		t.Errorf("the application got %s %s, trailers %v, want the request that was sent", r.Method, r.URL, r.Trailer)
	}
	want := map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Content-Length": fmt.Sprint(len(order)), "Origin": "https://shop.example.com",
		"Referer": "https://shop.example.com/cart?step=2", "Sec-Fetch-Site": "same-origin", "Remote-User": "alice", "Cookie": "theirs=1",
	}
	for name, value := range want {
		if values := got.request.Header.Values(name); len(values) != 1 || values[0] != value {
			t.Errorf("the application got %s: %q, want %q", name, values, value)
		}
	}

	second := s.send(back("/orders?list=a%2Fb&x", sealed).by(alice.Session))
	if second.Code != http.StatusConflict || kept(second) != "" || !strings.Contains(second.Body.String(), "sent already") {
		t.Errorf("a second time: got %d, want 409:\n%s", second.Code, second.Body)
	}
	s.reached(1)
}

// What HTML can send comes out byte for byte, a file too, whether it was counted or came in chunks.
func TestKeptFormsComeOutAsTheyWere(t *testing.T) {
	var upload bytes.Buffer
	parts := multipart.NewWriter(&upload)
	file, err := parts.CreateFormFile("photo", "a \"b\".jpg")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100_000 {
		file.Write([]byte{byte(i), byte(i >> 8), '\r', '\n', 0})
	}
	parts.Close()
	s := newShop(t)
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	for name, f := range map[string]struct{ contentType, body string }{
		"fields":          {"application/x-www-form-urlencoded; charset=UTF-8", order},
		"a file":          {parts.FormDataContentType(), upload.String()},
		"plain text":      {"Text/Plain;charset=utf-8", "a=b\r\nc=d e\r\n"},
		"nothing":         {"application/x-www-form-urlencoded", ""},
		"just one MiB":    {"application/x-www-form-urlencoded", strings.Repeat("x", auth.MaxForm)},
		"looks like ours": {"text/plain; charset=utf-8", web.KeptField + "x=1\r\n"},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %t", name, chunked), func(t *testing.T) {
				s.got = nil
				in := aForm("/orders", f.contentType, f.body)
				if chunked {
					in.body = io.MultiReader(in.body) // of a length that nobody knows
				}
				out := back("/orders", s.keep(in)).by(alice.Session)
				if w := s.send(out); w.Code != http.StatusNoContent {
					t.Fatalf("got %d:\n%.2000s", w.Code, w.Body)
				}
				s.reached(1)
				if got := s.got[0]; got.body != f.body || got.request.Header.Get("Content-Type") != f.contentType || got.request.ContentLength != int64(len(f.body)) {
					t.Errorf("the application got %d bytes %.40q of %s, want %d bytes %.40q of %s",
						len(got.body), got.body, got.request.Header.Get("Content-Type"), len(f.body), f.body, f.contentType)
				}
			})
		}
	}
}

// CS-1, CS-2: what is not certain to be a form of this very site is not kept, so that nothing of another site can come out of here as one
// of ours. Neither is what is too large, or what no form of a page looks like.
func TestCS1FormsThatAreNotKept(t *testing.T) {
	for name, f := range map[string]sent{
		"of another site":                     anOrder().with("Sec-Fetch-Site", "cross-site").with("Origin", "https://evil.example"),
		"of another site, with our Origin":    anOrder().with("Sec-Fetch-Site", "cross-site"),
		"of a sibling":                        anOrder().with("Sec-Fetch-Site", "same-site").with("Origin", "https://blog.example.com"),
		"typed in":                            anOrder().with("Sec-Fetch-Site", "none"),
		"nothing said, our Origin":            anOrder().with("Sec-Fetch-Site"),
		"nothing said, nothing in Origin":     anOrder().with("Sec-Fetch-Site").with("Origin", "null"),
		"said twice":                          anOrder().with("Sec-Fetch-Site", "same-origin", "cross-site"),
		"said in capitals":                    anOrder().with("Sec-Fetch-Site", "Same-Origin"),
		"an Origin that says otherwise":       anOrder().with("Origin", "https://evil.example"),
		"an Origin of plain HTTP":             anOrder().with("Origin", "http://shop.example.com"),
		"an Origin of another port":           anOrder().with("Origin", "https://shop.example.com:8443"),
		"two Origins":                         anOrder().with("Origin", "https://shop.example.com", "https://evil.example"),
		"in a frame":                          anOrder().with("Sec-Fetch-Dest", "iframe"),
		"no destination":                      anOrder().with("Sec-Fetch-Dest"),
		"by a script":                         anOrder().with("Sec-Fetch-Mode", "cors").with("Sec-Fetch-Dest", "empty"),
		"JSON":                                anOrder().with("Content-Type", "application/json"),
		"no type":                             anOrder().with("Content-Type"),
		"two types":                           anOrder().with("Content-Type", "text/plain", "application/x-www-form-urlencoded"),
		"compressed":                          anOrder().with("Content-Encoding", "gzip"),
		"another method":                      anOrder().changed(func(r *http.Request) { r.Method = "PUT" }),
		"trailers":                            anOrder().changed(func(r *http.Request) { r.Trailer = http.Header{"X": nil} }),
		"early data":                          anOrder().changed(func(r *http.Request) { r.TLS.HandshakeComplete = false }),
		"one byte too many":                   aForm("/orders", "application/x-www-form-urlencoded", strings.Repeat("x", auth.MaxForm+1)),
		"one byte too many, in chunks":        {path: "/orders", header: anOrder().header, visit: anOrder().visit, body: io.MultiReader(strings.NewReader(strings.Repeat("x", auth.MaxForm+1)))},
		"a body that breaks off":              {path: "/orders", header: anOrder().header, visit: anOrder().visit, body: io.MultiReader(strings.NewReader("a=1"), broken{})},
		"a header that is too long":           anOrder().with("Referer", "https://shop.example.com/"+strings.Repeat("x", 16<<10)),
		"a header that would not come back":   anOrder().with("Referer", "https://shop.example.com/\xff"),
		"for a page of ours":                  aForm("/_nightlatch/sign-in", "application/x-www-form-urlencoded", "name=alice"),
		"for what is closed to everybody":     aForm("/closed", "application/x-www-form-urlencoded", order),
		"on a connection that is not trusted": func() sent { f := anOrder(); f.visit.Transport = visit.Exposed; return f }(),
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			w := s.send(f)
			if w.Code < 400 || strings.Contains(w.Body.String(), web.KeptField) {
				t.Errorf("got %d, want a refusal without the form:\n%.3000s", w.Code, w.Body)
			}
			s.reached(0)
		})
	}
	t.Run("turned off", func(t *testing.T) {
		s := newShop(t, func(c *server.SiteConfig) { c.Forms = nil })
		alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
		if w := s.send(anOrder()); w.Code != 401 || kept(w) != "" || !strings.Contains(w.Body.String(), "reload it and agree") {
			t.Errorf("got %d, want 401 and the advice to reload:\n%s", w.Code, w.Body)
		}
		other := newShop(t)
		if w := s.send(back("/open", other.keep(anOrder())).by(alice.Session)); w.Code != http.StatusNoContent || !strings.HasPrefix(s.got[0].body, web.KeptField) {
			t.Errorf("got %d, want a form like any other to pass as it is", w.Code)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// CS-1, CS-10: a form comes back only from the page that it was kept in, as the browser says, to where it was sent, unchanged, in time, and
// for the person whose session it came with. An attacker can have forms of their own kept, with any header: none of them gets through from
// another site.
func TestCS10FormsThatDoNotComeBack(t *testing.T) {
	const path = "/orders?list=a%2Fb&x"
	flip := func(at int) func(string) string {
		return func(sealed string) string {
			at := (at + len(sealed)) % len(sealed)
			c := byte('A')
			if sealed[at] == c {
				c = 'B'
			}
			return sealed[:at] + string(c) + sealed[at+1:]
		}
	}
	same := func(sealed string) string { return sealed }
	type replay struct {
		status int
		change func(sealed string) string
		how    func(f sent) sent
	}
	as := func(f sent) sent { return f }
	to := func(path string) func(sent) sent { return func(f sent) sent { f.path = path; return f } }
	s := newShop(t)
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	for name, c := range map[string]replay{
		"from another site": {403, same, func(f sent) sent {
			return f.with("Sec-Fetch-Site", "cross-site").with("Origin", "https://evil.example")
		}},
		"from a sibling":               {403, same, func(f sent) sent { return f.with("Sec-Fetch-Site", "same-site") }},
		"from nobody knows where":      {403, same, func(f sent) sent { return f.with("Sec-Fetch-Site") }},
		"with our Origin alone":        {403, same, func(f sent) sent { return f.with("Sec-Fetch-Site").with("Origin", "https://shop.example.com") }},
		"with a foreign Origin":        {403, same, func(f sent) sent { return f.with("Origin", "https://evil.example") }},
		"in a frame":                   {403, same, func(f sent) sent { return f.with("Sec-Fetch-Dest", "iframe") }},
		"in early data":                {403, same, func(f sent) sent { return f.changed(func(r *http.Request) { r.TLS.HandshakeComplete = false }) }},
		"another path":                 {410, same, to("/vault")},
		"another spelling of the path": {410, same, to("/orders?list=a/b&x")},
		"no query":                     {410, same, to("/orders")},
		"an open path":                 {410, same, to("/open")},
		"another host":                 {410, same, func(f sent) sent { return f.changed(func(r *http.Request) { r.Host = "other.example.com" }) }},
		"another port":                 {410, same, func(f sent) sent { return f.changed(func(r *http.Request) { r.Host = "shop.example.com:8443" }) }},
		"first character changed":      {410, flip(0), as},
		"one in the middle changed":    {410, flip(100), as},
		"last character changed":       {410, flip(-2), as},
		"cut off":                      {410, func(sealed string) string { return sealed[:len(sealed)-4] }, as},
		"one spelling more":            {410, func(sealed string) string { return sealed + "=" }, as},
		"something else":               {410, func(string) string { return "x" }, as},
		"nothing":                      {410, func(string) string { return "" }, as},
		"two fields":                   {410, func(sealed string) string { return sealed + "\r\n" + web.KeptField + "=" + sealed }, as},
		"far too large":                {413, func(string) string { return strings.Repeat("A", 2<<20) }, as},
	} {
		t.Run(name, func(t *testing.T) {
			s.got = nil
			sealed := s.keep(anOrder())
			w := s.send(c.how(back(path, c.change(sealed)).by(alice.Session)))
			if w.Code != c.status || kept(w) != "" || strings.Contains(w.Body.String(), sealed) {
				t.Errorf("got %d, want %d and a page without the form:\n%.3000s", w.Code, c.status, w.Body)
			}
			s.reached(0)
			// The form itself is as good as before.
			if w := s.send(back(path, sealed).by(alice.Session)); w.Code != http.StatusNoContent {
				t.Errorf("as it should be sent: got %d, want 204:\n%s", w.Code, w.Body)
			}
		})
	}

	t.Run("too late", func(t *testing.T) {
		s.got = nil
		sealed := s.keep(anOrder())
		s.bench.Clock.Move(auth.FormLife)
		if w := s.send(back(path, sealed).by(alice.Session)); w.Code != http.StatusGone || !strings.Contains(w.Body.String(), "can no longer be sent") {
			t.Errorf("got %d, want 410:\n%s", w.Code, w.Body)
		}
		s.reached(0)
	})
	t.Run("sealed under another key", func(t *testing.T) {
		other, err := auth.Open(t.Context(), auth.Config{Store: s.bench.Store, Key: bytes.Repeat([]byte{1}, 32), Now: s.bench.Clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		sealed, err := other.SealForm("shop.example.com"+path, auth.Form{ContentType: "text/plain"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if w := s.send(back(path, sealed).by(alice.Session)); w.Code != http.StatusGone {
			t.Errorf("got %d, want 410", w.Code)
		}
		s.reached(0)
	})
	// What is made for one use does not verify for another.
	t.Run("another value of ours", func(t *testing.T) {
		if w := s.send(back(path, strings.TrimRight(alice.Session, "=")).by(alice.Session)); w.Code != http.StatusGone {
			t.Errorf("got %d, want 410", w.Code)
		}
	})
}

// A rule wants a fresh proof: the form waits for that, and for the person who sent it.
func TestKeptFormWaitsForAStepUp(t *testing.T) {
	s := newShop(t)
	alice, bob := s.bench.Enroll(t, auth.NewUser{Name: "alice"}), s.bench.Enroll(t, auth.NewUser{Name: "bob"})
	s.bench.Clock.Move(11 * time.Minute)
	w := s.send(aForm("/vault/1", "application/x-www-form-urlencoded", order).by(alice.Session))
	sealed := kept(w)
	if want := `href="/_nightlatch/sudo?return_to=/_nightlatch/form-waits&amp;level=two_factor&amp;max_age=600"`; sealed == "" || !strings.Contains(w.Body.String(), want) {
		t.Fatalf("got %d, want the form and %s:\n%s", w.Code, want, w.Body)
	}
	if again := s.send(back("/vault/1", sealed).by(alice.Session)); again.Code != 401 || kept(again) != sealed {
		t.Errorf("before the step-up: got %d, want 401 and the same form", again.Code)
	}
	alice.SignIn(t)
	bob.SignIn(t)
	if w := s.send(back("/vault/1", sealed).by(bob.Session)); w.Code != http.StatusGone {
		t.Errorf("by bob: got %d, want 410", w.Code)
	}
	s.reached(0)
	if w := s.send(back("/vault/1", sealed).by(alice.Session)); w.Code != http.StatusNoContent {
		t.Errorf("by alice: got %d, want 204:\n%s", w.Code, w.Body)
	}
	s.reached(1)
}

// The rules judge what the application gets, and not what brought it: the type of the sealed value is denied here, that of the form not.
// A path that a rule opens meanwhile takes the form from whoever sends it.
func TestKeptFormIsJudgedAsItIs(t *testing.T) {
	s := newShop(t)
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	plain := aForm("/orders", "text/plain", "a=b\r\n").by(alice.Session)
	if w := s.send(plain); w.Code != http.StatusForbidden {
		t.Errorf("a form of plain text: got %d, want 403 by the rule", w.Code)
	}
	s.reached(0)
	if w := s.send(back("/orders?list=a%2Fb&x", s.keep(anOrder())).by(alice.Session)); w.Code != http.StatusNoContent {
		t.Errorf("got %d, want 204", w.Code)
	}
	s.reached(1)

	open := newShop(t, func(c *server.SiteConfig) {
		c.Service = func() (*auth.Service, error) { return s.bench.Service, nil }
		c.Rules = []gate.Rule{{Action: gate.Skip, Text: "skip /orders", PathBound: true, Match: func(r *http.Request) (bool, error) { return r.URL.Path == "/orders", nil }}}
	})
	for n := range 2 {
		if w := open.send(back("/orders?list=a/b", s.keep(aForm("/orders?list=a/b", "application/x-www-form-urlencoded", order)))); w.Code != http.StatusNoContent {
			t.Errorf("got %d, want 204", w.Code)
		}
		open.reached(n + 1)
	}
	if got := open.got[0]; got.body != order || got.user != "" {
		t.Errorf("got %q of %q, want the form of nobody", got.body, got.user)
	}
}

// Of many presses at once one goes on.
func TestKeptFormGoesOnOnceAtOnce(t *testing.T) {
	s := newShop(t)
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	sealed := s.keep(anOrder())
	var wait sync.WaitGroup
	statuses := make([]int, 20)
	for i := range statuses {
		wait.Go(func() { statuses[i] = s.send(back("/orders?list=a%2Fb&x", sealed).by(alice.Session)).Code })
	}
	wait.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	s.reached(1)
	if count[204] != 1 || count[409] != 19 {
		t.Errorf("got statuses %v, want 204 once and 409 else", count)
	}
}

// ST-11: where nobody can be asked, the form stays in the page, and goes on later.
func TestKeptFormSurvivesTheStore(t *testing.T) {
	const path = "/orders?list=a%2Fb&x"
	failure := errors.New("disk failure")
	var down, mute error
	var s *shop
	s = newShop(t, func(c *server.SiteConfig) {
		c.Service = func() (*auth.Service, error) {
			if down != nil {
				return nil, down
			}
			return s.bench.Service, nil
		}
		c.Assertion = &identity.Assertion{Algorithm: signing.EdDSA, Audience: "shop"}
		keys := signing.NewKeys(make([]byte, 32), c.Now)
		c.Keys = func() (*signing.Keys, error) { return keys, mute }
	})
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	sealed := s.keep(anOrder())
	for name, breaks := range map[string]func(error){
		"no service":   func(err error) { down = err },
		"no keys":      func(err error) { mute = err },
		"reading":      s.bench.Store.FailViews,
		"writing":      s.bench.Store.FailUpdates,
		"committing":   s.bench.Store.FailCommits,
		"the one read": func(err error) { s.bench.Store.FailReads("form/", err) },
	} {
		alice.SignIn(t) // a session that no memory knows
		breaks(failure)
		w := s.send(back(path, sealed).by(alice.Session))
		breaks(nil)
		if w.Code != http.StatusServiceUnavailable || kept(w) != sealed || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk failure") {
			t.Errorf("%s: got %d, Retry-After %q, want 503 and the form in the page:\n%s", name, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
		s.reached(0)
	}
	if w := s.send(back(path, sealed).by(alice.Session)); w.Code != http.StatusNoContent {
		t.Errorf("then: got %d, want 204:\n%s", w.Code, w.Body)
	}
}

// A session cannot fill the disk with the records of forms that went on. What is held back is not lost.
func TestKeptFormsAreCounted(t *testing.T) {
	s := newShop(t)
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	for i := range 100 {
		if w := s.send(back("/orders?list=a%2Fb&x", s.keep(anOrder())).by(alice.Session)); w.Code != http.StatusNoContent {
			t.Fatalf("form %d: got %d, want 204", i, w.Code)
		}
	}
	sealed := s.keep(anOrder())
	w := s.send(back("/orders?list=a%2Fb&x", sealed).by(alice.Session))
	if w.Code != http.StatusTooManyRequests || kept(w) != sealed || w.Header().Get("Retry-After") != "36" {
		t.Errorf("got %d, Retry-After %q, want 429, 36 and the form", w.Code, w.Header().Get("Retry-After"))
	}
	s.bench.Clock.Move(36 * time.Second)
	if w := s.send(back("/orders?list=a%2Fb&x", sealed).by(alice.Session)); w.Code != http.StatusNoContent {
		t.Errorf("later: got %d, want 204", w.Code)
	}
}

// An application may have forms of plain text. They pass as they are, also those that begin like ours or are short.
func TestFormsOfPlainTextPass(t *testing.T) {
	s := newShop(t)
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	for _, body := range []string{"", "a", web.KeptField, web.KeptField + "s=1\r\n", "a=b\r\nc=d\r\n", strings.Repeat("x", 3<<20)} {
		s.got = nil
		w := s.send(aForm("/orders", "text/plain; charset=utf-8", body).by(alice.Session))
		s.reached(1)
		if got := s.got[0]; w.Code != http.StatusNoContent || got.body != body || got.request.ContentLength != int64(len(body)) {
			t.Errorf("got %d and %d bytes %.40q, want 204 and %d bytes %.40q", w.Code, len(got.body), got.body, len(body), body)
		}
	}
}

// A form that somebody typed for whom a handler in front vouches does not go on in the name of another person whom it names later, though
// that one's session is in the browser.
func TestFormsAreOfWhomTheHandlerInFrontNames(t *testing.T) {
	s := newShop(t)
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	named := func(f sent, name string) sent {
		f.visit.Vouched = name
		return f
	}
	sealed := s.keep(named(anOrder().by(alice.Session), "bob"))
	if w := s.send(named(back("/orders?list=a%2Fb&x", sealed).by(alice.Session), "alice")); w.Code != http.StatusGone {
		t.Errorf("bob's form in alice's name: got %d, want 410", w.Code)
	}
	s.reached(0)
	sealed = s.keep(named(anOrder(), "alice"))
	if w := s.send(named(back("/orders?list=a%2Fb&x", sealed).by(alice.Session), "Alice")); w.Code != http.StatusNoContent {
		t.Errorf("alice's own: got %d, want 204", w.Code)
	}
}

// DO-1, DO-4: there is a limit to what is kept in memory at once. Beyond it strangers get the page without the form, and people who are
// signed in do not feel them. Each place is given back, also after a panic.
func TestDO4RoomForForms(t *testing.T) {
	var s *shop
	s = newShop(t, func(c *server.SiteConfig) {
		c.Rules = append(c.Rules, gate.Rule{Action: gate.Deny, Text: "deny /panics", PathBound: true, Match: func(r *http.Request) (bool, error) {
			if r.URL.Path == "/panics" && s.site != nil {
				panic("in a matcher")
			}
			return false, nil
		}})
	})
	alice := s.bench.Enroll(t, auth.NewUser{Name: "alice"})
	svc := s.bench.Service
	for range 20 {
		sealed, err := svc.SealForm("shop.example.com/panics", auth.Form{ContentType: "application/x-www-form-urlencoded"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() { recover() }()
			s.send(back("/panics", sealed))
			t.Error("nothing panicked")
		}()
		s.keep(anOrder())
		s.send(back("/orders", "x"))
		s.send(back("/orders?list=a%2Fb&x", s.keep(anOrder())).by(alice.Session))
	}

	// Four strangers who never finish theirs.
	var wait sync.WaitGroup
	defer wait.Wait()
	stop := make(chan struct{})
	defer close(stop)
	reading := make(chan struct{}, 4)
	for range 4 {
		wait.Go(func() {
			f := anOrder()
			f.body = &endless{reading: reading, stop: stop}
			s.send(f)
		})
		<-reading
	}
	if w := s.send(anOrder()); w.Code != 401 || kept(w) != "" || !strings.Contains(w.Body.String(), "reload it and agree") {
		t.Errorf("the fifth stranger: got %d, want 401 and the page without the form:\n%s", w.Code, w.Body)
	}
	alice.SignIn(t)
	s.bench.Clock.Move(11 * time.Minute)
	s.keep(aForm("/vault", "application/x-www-form-urlencoded", order).by(alice.Session))
}

// endless is a body that never comes.
type endless struct {
	once    sync.Once
	reading chan<- struct{}
	stop    <-chan struct{}
}

func (e *endless) Read([]byte) (int, error) {
	e.once.Do(func() { e.reading <- struct{}{} })
	<-e.stop
	return 0, io.ErrUnexpectedEOF
}
