// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"context"
	"html"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// streets are three sites under three root domains, one of which is the portal, and one that shares its cookie.
const streets = `
https://auth.example.com:PORT {
	nightlatch {
		require password
	}
}
https://shared.example.com:PORT {
	nightlatch
	reverse_proxy APP
}
https://app.example.net:PORT, https://wiki.example.org:PORT, https://*.example.org:PORT {
	nightlatch {
		require password
		require /fresh/* max_age 1m
		require /admin/* group admins
	}
	reverse_proxy APP
}
https://own.example.info:PORT, https://own.example.org:PORT {
	reverse_proxy APP
}
https://vouched.example.org:PORT {
	nightlatch {
		first_factor {http.auth.user.id}
	}
	reverse_proxy APP
}
`

type estate struct {
	*house
	port    string
	app     *wiretest.Upstream
	secrets map[string]string // that have passed through the browsers
}

// build runs them. option are more lines of the nightlatch option.
func buildSites(t *testing.T, option string) *estate {
	t.Helper()
	app := wiretest.Echo(t)
	p := port(programtest.FreeAddr(t))
	fill := strings.NewReplacer("PORT", p, "APP", app.Addr)
	sites := strings.ReplaceAll(fill.Replace(streets), " {\n\tnightlatch", " {\n\tlog\n\tnightlatch")
	h := begin(t, "debug", fill.Replace("portal https://auth.example.com:PORT\n\t\t"+option), sites)
	return &estate{h, p, app, map[string]string{}}
}

// window is a browser with the cookies of each host apart.
type window struct {
	*browser
	estate *estate
	hosts  map[string]*browser
}

func (o *estate) window(t *testing.T) *window {
	return &window{estate: o, hosts: map[string]*browser{}, browser: &browser{t: t}}
}

// turnTo has the window show a host.
func (w *window) turnTo(host string) {
	w.t.Helper()
	if w.hosts[host] == nil {
		b := visitor(w.t, "https://"+host+":"+w.estate.port)
		transport := b.Client.Transport.(*http.Transport)
		transport.TLSClientConfig = secure(host)
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+w.estate.port)
		}
		w.hosts[host] = b
	}
	w.browser = w.hosts[host]
}

var refreshRE = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]+)">`)

// visit opens an address, and goes wherever it leads, from host to host. It returns the hosts on the way.
func (w *window) visit(host, path string) (way []string) {
	w.t.Helper()
	w.turnTo(host)
	w.send("GET", path, nil)
	return w.followFrom(host)
}

func (w *window) followFrom(host string) (way []string) {
	w.t.Helper()
	way = []string{host}
	for range 12 {
		to := w.At.Header.Get("Location")
		if found := refreshRE.FindStringSubmatch(w.At.Body); found != nil && w.At.Status == http.StatusOK {
			to = html.UnescapeString(found[1])
		} else if w.At.Status != http.StatusSeeOther {
			return way
		}
		u, err := url.Parse(to)
		if err != nil {
			w.t.Fatal(err)
		}
		if code := u.Query().Get("code"); code != "" {
			w.estate.secrets["a code"] = strings.TrimRight(code, "=") // which an address has in another spelling
		}
		w.estate.secrets["the cookie of "+host] = strings.TrimRight(w.session(), "=")
		if u.Host != "" {
			if u.Scheme != "https" || u.Port() != w.estate.port {
				w.t.Fatalf("led to %s", to)
			}
			host = u.Hostname()
			way = append(way, host)
		}
		w.turnTo(host)
		w.send("GET", u.RequestURI(), nil)
	}
	w.t.Fatalf("led round in circles: %v", way)
	return nil
}

// signIn fills in the form of the portal, and follows from there.
func (w *window) signIn(p *person) {
	w.t.Helper()
	w.submit("sign-in", "name", p.Name, "password", password)
	w.followFrom("auth.example.com")
}

const fromApp = "app.example.net"

// wantApplication checks that the application has answered at a host and path.
func (w *window) wantApplication(path, user string) {
	w.t.Helper()
	if w.At.Status != 200 || !strings.HasPrefix(w.At.Body, "GET "+path+" HTTP/1.1") || !strings.Contains(w.At.Body, "\r\nRemote-User: "+user+"\r\n") {
		w.t.Fatalf("the application did not answer for %s: %v", user, w.Unexpected(path))
	}
	if strings.Contains(strings.ToLower(w.At.Body), "nightlatch=") {
		w.t.Errorf("the application got a cookie of ours:\n%s", w.At.Body)
	}
}

func TestPortal(t *testing.T) {
	o := buildSites(t, "")
	alice := o.add(t, "alice")

	t.Run("OneSignInForAllSites", func(t *testing.T) {
		w := o.window(t)
		way := w.visit(fromApp, "/inbox?x=1&y=%2F")
		if strings.Join(way, " ") != fromApp+" auth.example.com" {
			t.Fatalf("the way to the sign-in: %v", way)
		}
		w.signIn(alice)
		w.wantApplication("/inbox?x=1&y=%2F", "alice")
		if way := w.visit("wiki.example.org", "/page"); strings.Join(way, " ") != "wiki.example.org auth.example.com wiki.example.org" {
			t.Errorf("the way to a second site: %v", way)
		}
		w.wantApplication("/page", "alice")
		values := map[string]bool{}
		for host, b := range w.hosts {
			if values[b.session()] || b.session() == "" {
				t.Errorf("%s has no cookie of its own", host)
			}
			values[b.session()] = true
		}
		// SE-24: none of the three opens another host.
		for from, b := range w.hosts {
			for to, other := range w.hosts {
				if from == to {
					continue
				}
				thief := o.window(t)
				thief.turnTo(to)
				thief.Cookies.Set("__Host-nightlatch", b.session())
				thief.send("GET", "/_nightlatch/account", nil)
				if thief.At.Status != http.StatusSeeOther {
					t.Errorf("the cookie of %s at %s: %d", from, to, thief.At.Status)
				}
				thief.send("GET", "/", nil)
				if thief.At.Status != http.StatusSeeOther {
					t.Errorf("the cookie of %s at %s: %d", from, to, other.At.Status)
				}
			}
		}
	})

	t.Run("SE6SigningOutAtOnePlace", func(t *testing.T) {
		for _, at := range []string{fromApp, "auth.example.com"} {
			w := o.window(t)
			w.visit(fromApp, "/")
			w.signIn(alice)
			w.visit("wiki.example.org", "/")
			w.wantApplication("/", "alice")
			w.visit(at, "/_nightlatch/sign-out")
			w.submit("sign-out")
			for _, host := range []string{fromApp, "wiki.example.org", "auth.example.com"} {
				w.turnTo(host)
				w.send("GET", "/", nil)
				w.wantLed("/_nightlatch/sign-in")
			}
		}
	})

	t.Run("ThePortalItself", func(t *testing.T) {
		w := o.window(t)
		w.visit("auth.example.com", "/")
		w.signIn(alice)
		if w.At.Path != "/_nightlatch/account" || w.At.Status != 200 {
			t.Errorf("after a sign-in at the portal: %v", w.Unexpected("no account page"))
		}
		// The pages of the account are at the portal, from wherever they are asked for.
		if way := w.visit(fromApp, "/_nightlatch/account"); len(way) != 2 || w.At.Status != 200 {
			t.Errorf("the account from a site: %v, %v", way, w.Unexpected("no account page"))
		}
	})

	t.Run("StepUp", func(t *testing.T) {
		bob := o.add(t, "bob")
		w := o.window(t)
		w.visit(fromApp, "/")
		w.signIn(bob)
		w.visit(fromApp, "/fresh/x") // leads to the first enrollment at the portal, and back
		must(t, w.Enroll(bob))
		w.open("/_nightlatch/backup-codes")
		bob.Paper = w.Paper()
		w.submit("backup-codes")
		w.followFrom("auth.example.com")
		w.wantApplication("/fresh/x", "bob")
		w.visit(fromApp, "/fresh/x")
		w.wantApplication("/fresh/x", "bob")
		w.visit(fromApp, "/admin/x")
		if w.At.Status != http.StatusForbidden {
			t.Errorf("somebody without the group: %d", w.At.Status)
		}
	})

	// OR-1: the portal leads to no other host, whatever is asked of it, signed in or not.
	t.Run("OR1ForeignSites", func(t *testing.T) {
		w := o.window(t)
		w.visit("auth.example.com", "/")
		w.signIn(alice)
		challenge := strings.Repeat("A", 43)
		for name, site := range foreign {
			for _, query := range []url.Values{
				{"site": {site}, "return_to": {"/"}, "challenge": {challenge}},
				{"site": {"https://app.example.net:" + o.port}, "return_to": {site}, "challenge": {challenge}},
				{"site": {"https://app.example.net:" + o.port + site}, "return_to": {"/"}, "challenge": {challenge}},
			} {
				for _, who := range []*window{w, o.window(t)} {
					who.turnTo("auth.example.com")
					who.send("GET", "/_nightlatch/continue?"+query.Encode(), nil)
					to := who.At.Header.Get("Location")
					u, err := url.Parse(to)
					if err != nil || u.Host != "" && u.Host != "app.example.net:"+o.port {
						t.Errorf("%s, %v: led to %q", name, query, to)
					}
				}
			}
		}
		for _, site := range []string{"https://own.example.info:" + o.port, "https://own.example.org:" + o.port, "https://vouched.example.org:" + o.port, "https://app.example.net", "http://app.example.net:" + o.port, "https://auth.example.com:" + o.port} {
			w.send("GET", "/_nightlatch/continue?"+url.Values{"site": {site}, "return_to": {"/"}, "challenge": {challenge}}.Encode(), nil)
			if w.At.Status != http.StatusBadRequest {
				t.Errorf("%s: %d, want 400", site, w.At.Status)
			}
		}
	})

	// A name under a pattern may lead in DNS to somebody else, so nothing goes there without a word of the person.
	t.Run("OR3ANameUnderAPattern", func(t *testing.T) {
		w := o.window(t)
		w.visit("auth.example.com", "/")
		w.signIn(alice)
		w.visit("blog.example.org", "/page")
		if w.At.Status != 200 || !strings.Contains(w.Text(), "Go on to this site? You are about to go on to blog.example.org:"+o.port) {
			t.Fatal(w.Unexpected("not asked"))
		}
		asked := w.At
		// The link is for this person and this site.
		link := html.UnescapeString(agreeRE.FindStringSubmatch(asked.Body)[1])
		for what, forged := range map[string]string{
			"another site": strings.Replace(link, "blog.example.org", "evil.example.org", 1), "no word": link[:strings.Index(link, "&agreed=")], "a word cut": link[:len(link)-1],
		} {
			w.send("GET", forged, nil)
			if w.At.Status != 200 || w.At.Header.Get("Location") != "" {
				t.Errorf("%s: %v", what, w.Unexpected("led on"))
			}
		}
		w.send("GET", link, nil)
		w.followFrom("auth.example.com")
		w.wantApplication("/page", "alice")
	})

	// SE-6: "you are signed out" is said where it is so.
	t.Run("SE6SigningOutWhereNobodyIs", func(t *testing.T) {
		w := o.window(t)
		w.visit("auth.example.com", "/")
		w.signIn(alice)
		way := w.visit("wiki.example.org", "/_nightlatch/sign-out") // never visited before
		if len(way) != 2 || w.At.Path != "/_nightlatch/sign-out" {
			t.Fatalf("%v: %v", way, w.Unexpected("not asked at the portal"))
		}
		w.visit(fromApp, "/")
		w.wantApplication("/", "alice")
		w.turnTo(fromApp)
		w.send("GET", "/_nightlatch/sign-out", nil)
		to, form := w.form("sign-out")
		w.Cookies.Set("__Host-nightlatch", w.hosts["auth.example.com"].session()) // a ticket that is none here
		w.send("POST", to, form)
		if w.At.Status == http.StatusSeeOther {
			t.Errorf("a ticket that is none here: %v", w.Unexpected("led on"))
		}
		w.Cookies.Delete("__Host-nightlatch")
		w.send("POST", to, form)
		// Not by a redirect, which the form may not lead to another site by.
		if found := refreshRE.FindStringSubmatch(w.At.Body); w.At.Status != 200 || found == nil || found[1] != "https://auth.example.com:"+o.port+"/_nightlatch/sign-out" {
			t.Errorf("without a session: %v", w.Unexpected("not led on"))
		}
	})

	// PC-11: no other spelling of a known host has pages of its own.
	t.Run("PC11OtherSpellingsOfAHost", func(t *testing.T) {
		w := o.window(t)
		w.visit(fromApp, "/")
		w.signIn(alice)
		w.turnTo(fromApp)
		for _, host := range []string{fromApp, fromApp + ":9999", fromApp + ":443", "APP.example.net"} {
			for _, path := range []string{"account", "sessions", "sign-in", "sudo?level=password"} {
				r := raw(t, "127.0.0.1:"+o.port, secure(fromApp), "GET /_nightlatch/"+path+" HTTP/1.1", "Host: "+host, "Accept: text/html", "Cookie: __Host-nightlatch="+w.session())
				if r.Status != http.StatusBadRequest || strings.Contains(string(r.Body), "alice") || strings.Contains(string(r.Body), `name="password"`) {
					t.Errorf("%s at %s: %d", path, host, r.Status)
				}
			}
		}
	})

	// All windows of a browser that is started with them come in, though they give each other's cookie away.
	t.Run("ManyWindowsAtOnce", func(t *testing.T) {
		w := o.window(t)
		w.visit("auth.example.com", "/")
		w.signIn(alice)
		w.turnTo(fromApp)
		var ways []string
		for range 4 {
			w.Cookies.Delete("__Host-nightlatch-attempt") // each asks before the other's answer is there
			w.send("GET", "/_nightlatch/sign-in?return_to=/inbox", nil)
			ways = append(ways, w.At.Header.Get("Location"))
		}
		for _, way := range ways {
			u, err := url.Parse(way)
			must(t, err)
			w.visit("auth.example.com", u.RequestURI())
			w.wantApplication("/inbox", "alice")
		}
		session := w.session()
		for _, way := range ways[:2] {
			u, err := url.Parse(way)
			must(t, err)
			w.visit("auth.example.com", u.RequestURI())
			w.wantApplication("/inbox", "alice")
		}
		if w.session() != session {
			t.Error("a window took the place of another")
		}
	})

	// Somebody sends others a link that would sign them in under the sender's name: the code is for another browser.
	t.Run("CS1ACodeOfSomebodyElse", func(t *testing.T) {
		mallory, victim := o.add(t, "mallory"), o.window(t)
		m := o.window(t)
		m.visit(fromApp, "/")
		m.signIn(mallory)
		m.turnTo("wiki.example.org")
		m.send("GET", "/_nightlatch/sign-in", nil)
		m.turnTo("auth.example.com")
		u, err := url.Parse(m.hosts["wiki.example.org"].At.Header.Get("Location"))
		must(t, err)
		m.send("GET", u.RequestURI(), nil)
		m.wantLed("/_nightlatch/continue?")
		m.send("GET", m.At.Header.Get("Location"), nil)
		code, err := url.Parse(m.At.Header.Get("Location"))
		must(t, err)
		victim.turnTo("wiki.example.org")
		victim.send("GET", code.RequestURI(), nil)
		if victim.At.Status != http.StatusForbidden || victim.session() != "" {
			t.Errorf("without a cookie of the site: %v", victim.Unexpected("not refused"))
		}
		victim.send("GET", "/_nightlatch/sign-in", nil) // now it has one, of another sign-in
		victim.send("GET", code.RequestURI(), nil)
		if !victim.Leads("/_nightlatch/sign-in?again=1") || victim.session() != "" {
			t.Errorf("in another browser: %v", victim.Unexpected("not refused"))
		}
		victim.send("GET", code.RequestURI()+"&again=1", nil)
		if victim.At.Status != http.StatusForbidden || victim.session() != "" {
			t.Errorf("in another browser, again: %v", victim.Unexpected("not refused"))
		}
		m.turnTo("wiki.example.org")
		m.send("GET", code.RequestURI(), nil)
		if !m.Leads("/_nightlatch/sign-in?again=1") || m.session() != "" {
			t.Errorf("after somebody else has tried: %v", m.Unexpected("not refused"))
		}
	})

	// A frame is shown nothing of ours, and gets no code for it either.
	t.Run("WB6NoHandOverInFrames", func(t *testing.T) {
		w := o.window(t)
		w.visit("auth.example.com", "/")
		w.signIn(alice)
		for host, path := range map[string]string{
			"auth.example.com": "/_nightlatch/continue?" + url.Values{"site": {"https://app.example.net:" + o.port}, "return_to": {"/"}, "challenge": {strings.Repeat("A", 42) + "E"}}.Encode(),
			fromApp:            "/_nightlatch/hand-over?code=x",
		} {
			w.turnTo(host)
			w.Header.Set("Sec-Fetch-Dest", "iframe")
			w.send("GET", path, nil)
			w.Header.Del("Sec-Fetch-Dest")
			if w.At.Status != http.StatusForbidden || !strings.Contains(w.Text(), "for people") {
				t.Errorf("%s in a frame: %v", host, w.Unexpected("not refused"))
			}
		}
	})

	// The challenge of no cookie would be right in every browser that was not here before.
	t.Run("CS1AChallengeOfNoCookie", func(t *testing.T) {
		w := o.window(t)
		w.visit("auth.example.com", "/")
		w.signIn(alice)
		none := "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU" // SHA-256 of nothing
		w.send("GET", "/_nightlatch/continue?"+url.Values{"site": {"https://app.example.net:" + o.port}, "return_to": {"/"}, "challenge": {none}}.Encode(), nil)
		if w.At.Status != http.StatusBadRequest {
			t.Errorf("got %v", w.Unexpected("a code"))
		}
	})

	t.Run("OnlyWhereItBelongs", func(t *testing.T) {
		w := o.window(t)
		for _, path := range []string{"/_nightlatch/continue", "/_nightlatch/hand-over"} {
			w.turnTo(map[string]string{"/_nightlatch/continue": fromApp, "/_nightlatch/hand-over": "auth.example.com"}[path])
			w.send("GET", path+"?code=x&site=x", nil)
			if w.At.Status != http.StatusNotFound && !w.Leads("https://auth.example.com:"+o.port+path) || w.session() != "" {
				t.Errorf("%s at the wrong host: %d", path, w.At.Status)
			}
		}
	})
	// LG-1, LG-2: nothing that opens anything is in what the process says at level debug, with an access log of each site.
	said := o.Said()
	if !strings.Contains(said, `"uri":"/inbox?x=1&y=%2F"`) && !strings.Contains(said, `"uri":"/inbox?x=1\u0026y=%2F"`) {
		t.Error("there is no access log")
	}
	if len(o.secrets) < 4 {
		t.Errorf("got %d secrets", len(o.secrets))
	}
	for what, secret := range o.secrets {
		if strings.Contains(said, secret) && secret != "" {
			t.Errorf("the log has %s", what)
		}
	}
}
