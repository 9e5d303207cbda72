// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// street is one process with a strict site, a lax one and one for a group, on the same accounts.
type street struct {
	*house
	app        *wiretest.Upstream
	tls, plain string
}

func openStreet(t *testing.T) *street {
	s := &street{app: wiretest.Echo(t), tls: programtest.FreeAddr(t), plain: programtest.FreeAddr(t)}
	s.house = begin(t, "", "", strings.NewReplacer("PORT", port(s.tls), "PLAIN", s.plain, "APP", s.app.Addr).Replace(`
http://PLAIN {
	nightlatch
	reverse_proxy APP
}
https://app.test:PORT {
	nightlatch
	reverse_proxy APP
}
https://lax.test:PORT {
	nightlatch {
		require password
	}
	reverse_proxy APP
}
https://admins.test:PORT {
	nightlatch {
		require two_factor group admins
	}
	reverse_proxy APP
}
https://:PORT {
	tls internal {
		on_demand
	}
	nightlatch {
		skip /public/*
	}
	reverse_proxy APP
}
`))
	return s
}

// on is a visitor of one of the sites over TLS.
func (s *street) on(t *testing.T, host string) *browser {
	b := visitor(t, "https://"+s.tls)
	b.Header.Set("Host", host)
	return b
}

// at asks for a page of the application with these cookies.
func (s *street) at(t *testing.T, host, cookies string, more ...string) wiretest.Response {
	t.Helper()
	return raw(t, s.tls, secure(host), append([]string{"GET /x HTTP/1.1", "Host: " + host, "Accept: text/html", "Cookie: " + cookies}, more...)...)
}

// user is who the application was told it is, in an answer that has come from it.
func user(r wiretest.Response) string {
	for line := range strings.Lines(string(r.Body)) {
		if name, ok := strings.CutPrefix(line, "Remote-User: "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

func TestSessions(t *testing.T) {
	s := openStreet(t)
	enroll := func(t *testing.T, name string, groups ...string) (*person, *browser) {
		p, b := s.add(t, name, groups...), s.on(t, "app.test")
		b.typePassword(p)
		b.enroll(p)
		return p, b
	}
	alice, hers := enroll(t, "alice")
	session := hers.session()
	if r := s.at(t, "app.test", "__Host-nightlatch="+session); user(r) != "alice" {
		t.Fatalf("alice is not in: %d %s", r.Status, r.Body)
	}

	t.Run("SE13CookiesAreForOneHost", func(t *testing.T) {
		for _, host := range []string{"app.test", "foo.co.uk", "x.github.io", "localhost", "192.0.2.1", "[2001:db8::1]"} {
			r := raw(t, s.tls, secure("foo.co.uk"), "GET /_nightlatch/sign-in HTTP/1.1", "Host: "+host, "Accept: text/html")
			wantSafeCookies(t, host, r, 1)
		}
		nora, b := enroll(t, "nora")
		b.signOut()
		b.typePassword(nora)
		b.open("/_nightlatch/second-factor")
		to, form := b.form("second-factor", "code", codeOf(t, nora))
		body := form.Encode()
		r := raw(t, s.tls, secure("app.test"), "POST "+to+" HTTP/1.1", "Host: app.test", "Accept: text/html", "Cookie: "+b.Cookies.String(),
			"Content-Type: application/x-www-form-urlencoded", fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
		if r.Status != 303 {
			t.Fatalf("signing in: %d %s", r.Status, r.Body)
		}
		wantSafeCookies(t, "a sign-in", r, 3) // session, browser, and the attempt that is over
	})

	t.Run("SE14SpellingsOfTheCookie", func(t *testing.T) {
		for _, cookies := range []string{"__HOST-nightlatch=%", "__host-nightlatch=%", "=__Host-nightlatch=%", "nightlatch=%", "Nightlatch=%", "__Secure-nightlatch=%",
			" =%", "__Host-nightlatch==%", `__Host-nightlatch="%"`, "__Host-nightlatch=%; __Host-nightlatch=%", "__Host-nightlatch=%; __Host-nightlatch=x",
			"__Host-nightlatch=x; __Host-nightlatch=%", "__Host-nightlatch; __Host-nightlatch=%", "__Host-nightlatch=%\r\nCookie: __Host-nightlatch=%",
			"__Host-nightlatch-attempt=%", "__Host-nightlatch=%=", "__Host-nightlatch=%A", "__Host-nightlatch= %x", "x=\"; __Host-nightlatch=%\"",
			"__Host-nightlatch=%,", "__Host-nightlatch\x00=%", "$Version=1; $__Host-nightlatch=%"} {
			r := s.at(t, "app.test", strings.ReplaceAll(cookies, "%", session))
			if r.Status/100 == 2 || r.Status/100 == 5 {
				t.Errorf("%q: got %d", cookies, r.Status)
			}
		}
		// Over HTTP/2 a cookie may come in pieces, which are one line to us.
		ask := func(cookies ...string) wiretest.Response {
			var fields [][2]string
			for _, c := range cookies {
				fields = append(fields, [2]string{"cookie", c})
			}
			return wiretest.H2(t, s.tls, secure("app.test")).Do(append(h2("app.test", "/x"), fields...), nil, nil)
		}
		if r := ask("a=1", "__Host-nightlatch="+session, "b=2"); user(r) != "alice" || strings.Contains(string(r.Body), session) {
			t.Errorf("in pieces: got %d %s, want alice and no cookie of ours", r.Status, r.Body)
		}
		if r := ask("__Host-nightlatch="+session, "a=1", "__Host-nightlatch="+session); r.Status != 303 {
			t.Errorf("twice, in pieces: got %d, want 303", r.Status)
		}
	})

	t.Run("SE15CookieBomb", func(t *testing.T) {
		var siblings strings.Builder
		for i := range 200 {
			fmt.Fprintf(&siblings, "sibling%d=%s; ", i, strings.Repeat("v", 40))
		}
		for name, bomb := range map[string]string{"200 siblings": siblings.String(), "3000 empty": strings.Repeat("a=;", 3000), "semicolons": strings.Repeat(";", 12000)} {
			r := s.at(t, "app.test", bomb+"__Host-nightlatch="+session)
			if r.Status != 431 && r.Status != 400 && user(r) != "alice" {
				t.Errorf("%s: got %d", name, r.Status)
			}
			if strings.Contains(string(r.Body), session) {
				t.Errorf("%s: the session went to the application", name)
			}
		}
		if r := s.at(t, "app.test", strings.Repeat("a=1;", 100000)); r.Status != 431 {
			t.Errorf("400 kB: got %d, want 431", r.Status)
		}
		if r := s.at(t, "app.test", "__Host-nightlatch="+session); user(r) != "alice" {
			t.Errorf("afterwards: got %d", r.Status)
		}
	})

	t.Run("SE16TicketElsewhere", func(t *testing.T) {
		for _, lines := range [][]string{
			{"GET /x?__Host-nightlatch=" + session + " HTTP/1.1"},
			{"GET /x;__Host-nightlatch=" + session + " HTTP/1.1"},
			{"GET /x HTTP/1.1", "X-Nightlatch-Session: " + session, "X-Session: " + session, "Nightlatch: " + session},
			{"GET /x HTTP/1.1", "Authorization: Bearer " + session}, {"GET /x HTTP/1.1", "Authorization: Nightlatch " + session},
			{"GET /x HTTP/1.1", "Set-Cookie: __Host-nightlatch=" + session}, {"GET /x HTTP/1.1", "Cookie2: __Host-nightlatch=" + session},
			{"POST /x HTTP/1.1", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 0", "__Host-nightlatch: " + session},
		} {
			if r := raw(t, s.tls, secure("app.test"), append(lines, "Host: app.test", "Accept: text/html")...); r.Status/100 == 2 {
				t.Errorf("%q: got %d", lines, r.Status)
			}
		}
	})

	t.Run("SE24LevelAndGroupsOfEachHost", func(t *testing.T) {
		bob := s.add(t, "bob")
		lax, strict := s.on(t, "lax.test"), s.on(t, "app.test")
		lax.typePassword(bob)
		cookie := "__Host-nightlatch=" + lax.session()
		if r := s.at(t, "lax.test", cookie); user(r) != "bob" {
			t.Errorf("the lax site: got %d", r.Status)
		}
		// A session works at its own host, and nowhere else.
		for _, elsewhere := range []string{"app.test", "admins.test"} {
			if r := s.at(t, elsewhere, cookie); !strings.HasPrefix(location(r), "/_nightlatch/sign-in") {
				t.Errorf("the cookie of the lax site at %s: got %d to %q, want to be led to sign in", elsewhere, r.Status, location(r))
			}
		}
		strict.typePassword(bob)
		if r := s.at(t, "app.test", "__Host-nightlatch="+strict.session()); !strings.HasPrefix(location(r), "/_nightlatch/two-factor/enable") {
			t.Errorf("the strict site with a password: got %d to %q, want to be led to enroll", r.Status, location(r))
		}
		admins := s.on(t, "admins.test")
		admins.signIn(alice)
		if r := s.at(t, "admins.test", "__Host-nightlatch="+admins.session()); r.Status != 403 {
			t.Errorf("the admins' site for alice: got %d, want 403", r.Status)
		}
		// The cookie of plain HTTP on loopback and that of TLS are not one another.
		if r := raw(t, s.plain, nil, "GET /x HTTP/1.1", "Host: "+s.plain, "Accept: text/html", "Cookie: __Host-nightlatch="+session); r.Status != 303 {
			t.Errorf("the cookie of TLS on loopback: got %d, want 303", r.Status)
		}
	})

	t.Run("SE1CS3AnothersAttempt", func(t *testing.T) {
		// Mallory stops before the second factor, and plants that attempt in olga's browser, with its form. What olga types there is
		// worth nothing for her account, nor the other way round.
		olga, hers := enroll(t, "olga")
		mallory, his := enroll(t, "mallory")
		his.signOut()
		his.typePassword(mallory)
		planted := s.on(t, "app.test")
		planted.Cookies.Set("__Host-nightlatch-attempt", his.Cookies.Get("__Host-nightlatch-attempt"))
		planted.open("/_nightlatch/second-factor")
		planted.submit("second-factor", "code", codeOf(t, olga))
		if planted.At.Status != 403 || planted.session() != "" {
			t.Errorf("olga's code in mallory's attempt: got %d and session %q", planted.At.Status, planted.session())
		}
		// A form of one attempt does not go with the cookie of another.
		other := s.on(t, "app.test")
		other.typePassword(olga)
		other.open("/_nightlatch/second-factor")
		to, form := other.form("second-factor", "code", codeOf(t, olga))
		other.Cookies.Set("__Host-nightlatch-attempt", his.Cookies.Get("__Host-nightlatch-attempt"))
		other.send("POST", to, form)
		if other.At.Status != 403 || other.session() != "" {
			t.Errorf("a form of one attempt with the cookie of another: got %d, session %q", other.At.Status, other.session())
		}
		// An attempt is no session, and a session no attempt.
		for _, c := range []string{"__Host-nightlatch=" + his.Cookies.Get("__Host-nightlatch-attempt"), "__Host-nightlatch-attempt=" + hers.session()} {
			if r := s.at(t, "app.test", c); r.Status != 303 {
				t.Errorf("%.30s…: got %d", c, r.Status)
			}
		}
	})

	t.Run("OT2OneCodeInManyBrowsers", func(t *testing.T) {
		peggy, _ := enroll(t, "peggy")
		var browsers []*browser
		for range 8 {
			b := s.on(t, "app.test")
			b.typePassword(peggy)
			b.open("/_nightlatch/second-factor")
			browsers = append(browsers, b)
		}
		code := codeOf(t, peggy)
		var wait sync.WaitGroup
		for _, b := range browsers {
			to, form := b.form("second-factor", "code", code)
			wait.Go(func() { b.send("POST", to, form) })
		}
		wait.Wait()
		in := 0
		for _, b := range browsers {
			if b.session() != "" {
				in++
			}
		}
		if in != 1 {
			t.Errorf("%d browsers are in with one code, want 1", in)
		}
	})

	t.Run("SE5SE6SignOut", func(t *testing.T) {
		quinn, b := enroll(t, "quinn")
		cookie := "__Host-nightlatch=" + b.session()
		b.open("/_nightlatch/sudo?level=two_factor&methods=backup_code") // a step-up begins …
		stepUp := b.Cookies.Get("__Host-nightlatch-attempt")
		to, form := b.form("second-factor", "method", "backup_code", "code", quinn.Paper[0])
		if stepUp == "" || user(s.at(t, "app.test", cookie)) != "quinn" {
			t.Fatalf("attempt %q; want a step-up under way and the session still good", stepUp)
		}
		thief := s.on(t, "app.test")
		thief.Cookies.Set("__Host-nightlatch", b.session())
		thief.Cookies.Set("__Host-nightlatch-attempt", stepUp)
		b.signOut()
		if r := s.at(t, "app.test", cookie); r.Status != 303 {
			t.Errorf("the cookie after the sign-out: got %d, want 303", r.Status)
		}
		thief.send("GET", "/_nightlatch/second-factor", nil) // … and does not go on
		thief.wantLed("/_nightlatch/sign-in")
		thief.send("POST", to, form)
		if r := s.at(t, "app.test", thief.Cookies.String()); thief.At.Status != 403 && thief.At.Status != 410 || r.Status != 303 {
			t.Errorf("a good code for the step-up of an ended session: got %d, and then %d for a page, want to be out", thief.At.Status, r.Status)
		}
	})

	// No request that begins after the end of a session was answered passes, however many are under way.
	t.Run("SE5EndUnderLoad", func(t *testing.T) {
		judy, b := enroll(t, "judy")
		for round, end := range []func(){
			b.signOut,
			func() { s.Operate(t, "DELETE", "/nightlatch/users/judy/sessions", "") },
			func() { s.Operate(t, "POST", "/nightlatch/users/judy/disable", "") },
		} {
			if round > 0 {
				b.signIn(judy)
			}
			cookie := "__Host-nightlatch=" + b.session()
			var ended atomic.Bool
			var passed, late atomic.Int32
			var load sync.WaitGroup
			stop, warm := make(chan struct{}), make(chan struct{})
			for i := range 6 {
				conn := wiretest.Dial(t, s.tls, secure("app.test"))
				load.Go(func() {
					for n := 0; ; n++ {
						after := ended.Load()
						conn.Send("GET /x HTTP/1.1\r\nHost: app.test\r\nAccept: text/html\r\nCookie: " + cookie + "\r\n\r\n")
						switch r := conn.Response("GET"); {
						case r.Status == 200 && after:
							late.Add(1)
						case r.Status == 200:
							passed.Add(1)
						}
						if i == 0 && n == 20 {
							close(warm)
						}
						select {
						case <-stop:
							if after {
								return
							}
						default:
						}
					}
				})
			}
			<-warm
			end()
			ended.Store(true)
			close(stop)
			load.Wait()
			if passed.Load() == 0 || late.Load() > 0 {
				t.Errorf("round %d: %d requests passed before the end and %d after it", round, passed.Load(), late.Load())
			}
		}
	})

	t.Run("SE3RotationLeavesNoOldTicket", func(t *testing.T) {
		carol, b := enroll(t, "carol")
		before := b.session()
		b.open("/_nightlatch/sudo?level=two_factor&max_age=0&methods=totp")
		// Fresh enough; nothing to prove, so nothing to rotate.
		if b.session() != before {
			t.Error("a step-up without a proof made a new ticket")
		}
		// Both proofs are made to be too old by waiting a minute in the rule: what the browser asks for counts, so ask for a method.
		b.open("/_nightlatch/sudo?level=two_factor&methods=backup_code")
		b.submit("second-factor", "method", "backup_code", "code", carol.Paper[0])
		if b.session() == before || b.session() == "" {
			t.Fatalf("no new ticket: %d %s", b.At.Status, b.Text())
		}
		for range 3 {
			if r := s.at(t, "app.test", "__Host-nightlatch="+before); r.Status != 303 {
				t.Errorf("the old ticket: got %d, want 303", r.Status)
			}
		}
		if r := s.at(t, "app.test", "__Host-nightlatch="+b.session()); user(r) != "carol" {
			t.Errorf("the new ticket: got %d", r.Status)
		}
	})

	// A session that was made with a password must not stay one of a person who has a second factor by now, until a restart.
	t.Run("MF4TheSessionThatEnrolls", func(t *testing.T) {
		dave := s.add(t, "dave")
		b := s.on(t, "lax.test")
		b.typePassword(dave)
		cookie := "__Host-nightlatch=" + b.session()
		if r := s.at(t, "lax.test", cookie); user(r) != "dave" {
			t.Fatalf("with a password: got %d", r.Status)
		}
		b.key(dave)
		b.submit("two-factor/enable", "code", codeOf(t, dave))
		b.wantLed("/_nightlatch/backup-codes")
		if r := s.at(t, "lax.test", cookie); r.Status != 303 {
			t.Errorf("enrolled, and the session still with a password alone: got %d as %q, want to be asked for the code", r.Status, user(r))
		}
		b.open("/_nightlatch/backup-codes")
		b.submit("backup-codes")
		if r := s.at(t, "lax.test", "__Host-nightlatch="+b.session()); user(r) != "dave" {
			t.Errorf("with the codes saved: got %d", r.Status)
		}
		if r := s.at(t, "lax.test", cookie); r.Status != 303 {
			t.Errorf("the old ticket: got %d, want 303", r.Status)
		}
	})

	t.Run("SE8DeletedAndMadeAgain", func(t *testing.T) {
		erin, b := enroll(t, "erin")
		half := s.on(t, "app.test")
		half.typePassword(erin)
		half.open("/_nightlatch/second-factor")
		to, form := half.form("second-factor", "code", codeOf(t, erin))
		s.Operate(t, "DELETE", "/nightlatch/users/erin", "")
		s.add(t, "erin", "admins")
		if r := s.at(t, "app.test", "__Host-nightlatch="+b.session()); r.Status != 303 {
			t.Errorf("the session of who had the name before: got %d as %q", r.Status, user(r))
		}
		half.send("POST", to, form)
		if half.session() != "" || half.At.Status/100 == 2 {
			t.Errorf("the attempt of who had the name before: got %d", half.At.Status)
		}
	})

	t.Run("RE9LinksOfADisabledAccount", func(t *testing.T) {
		s.Operate(t, "POST", "/nightlatch/users", `{"name":"frank"}`)
		first := inviteRE(t, s.Operate(t, "POST", "/nightlatch/users/frank/reset-2fa", ""))
		s.Operate(t, "POST", "/nightlatch/users/frank/disable", "")
		b := s.on(t, "app.test")
		if b.open(first); b.At.Status != 410 {
			t.Errorf("the invite of a disabled account: got %d, want 410", b.At.Status)
		}
		s.Operate(t, "POST", "/nightlatch/users/frank/enable", "")
		second := inviteRE(t, s.Operate(t, "POST", "/nightlatch/users/frank/reset-2fa", ""))
		if b.open(first); b.At.Status != 410 {
			t.Errorf("an invite that was replaced: got %d, want 410", b.At.Status)
		}
		b.open(second)
		b.submit("invite/", "password", password, "repeat", password)
		b.wantLed("/_nightlatch/two-factor/enable")
		// An operator's reset while frank is at it: what he has begun binds nothing.
		b.key(&person{})
		frank := &person{Name: "frank"}
		b.TakeKey(frank)
		s.Operate(t, "POST", "/nightlatch/users/frank/reset-2fa", "")
		b.submit("two-factor/enable", "code", codeOf(t, frank))
		if b.At.Status == 303 || b.session() != "" {
			t.Errorf("an enrollment from before a reset: got %d to %q", b.At.Status, b.At.Header.Get("Location"))
		}
	})

	t.Run("MF16ResetBeforeTheCodesAreSaved", func(t *testing.T) {
		invite := inviteRE(t, s.Operate(t, "POST", "/nightlatch/users", `{"name":"grace"}`))
		grace, b := &person{Name: "grace"}, s.on(t, "app.test")
		b.open(invite)
		b.submit("invite/", "password", password, "repeat", password)
		b.key(grace)
		b.submit("two-factor/enable", "code", codeOf(t, grace))
		b.open("/_nightlatch/backup-codes")
		to, form := b.form("backup-codes")
		s.Operate(t, "POST", "/nightlatch/users/grace/reset-2fa", "")
		for _, page := range []string{"backup-codes", "two-factor/enable", "second-factor", "sign-in"} {
			b.open("/_nightlatch/" + page)
			if b.At.Status/100 == 5 || len(b.Paper()) > 0 || b.HasKey() {
				t.Errorf("%s after a reset: got %d %s", page, b.At.Status, b.Text())
			}
		}
		b.Cookies.Set("__Host-nightlatch-attempt", form.Get("token"))
		b.send("POST", to, form)
		if b.session() != "" {
			t.Errorf("grace is in after the reset: %d", b.At.Status)
		}
	})

	t.Run("MF16ResetBeforeTheSecondFactor", func(t *testing.T) {
		ivan, b := enroll(t, "ivan")
		b.signOut()
		b.typePassword(ivan)
		b.open("/_nightlatch/second-factor")
		to, form := b.form("second-factor", "code", codeOf(t, ivan))
		s.Operate(t, "POST", "/nightlatch/users/ivan/reset-2fa", "")
		for _, page := range []string{"second-factor", "sign-in", "account"} {
			b.open("/_nightlatch/" + page)
			if b.At.Status != 200 || !strings.Contains(b.At.Body, "current-password") {
				t.Errorf("%s after a reset: got %d %s, want the sign-in page", page, b.At.Status, b.Text())
			}
		}
		b.send("POST", to, form)
		if b.session() != "" || b.At.Status/100 == 2 {
			t.Errorf("the code of the authenticator that was removed: got %d", b.At.Status)
		}
	})

	t.Run("CS1CS9FormsOfOtherSites", func(t *testing.T) {
		henry, b := enroll(t, "henry")
		b.open("/_nightlatch/sign-out")
		_, form := b.form("sign-out")
		body := form.Encode()
		for _, target := range []string{"/_nightlatch/sign-out", "/_nightlatch/webhook/../sign-out", "/_nightlatch//sign-out", "/_nightlatch/sign-out/", "/_nightlatch/./sign-out",
			"/_nightlatch/static/../sign-out", "/_nightlatch/healthz/../sign-out", "/_nightlatch/SIGN-OUT", "/_nightlatch/%73ign-out", "/_nightlatch/sign-out;x", "/_nightlatch/sign-out?x"} {
			for _, origin := range []string{"Origin: https://evil.example", "Origin: https://app.test.evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site\r\nOrigin: https://blog.app.test",
				"Origin: null\r\nSec-Fetch-Site: cross-site", "Origin: http://app.test", "Origin: https://app.test:8443"} {
				r := raw(t, s.tls, secure("app.test"), "POST "+target+" HTTP/1.1", "Host: app.test", "Accept: text/html", origin, "Cookie: "+b.Cookies.String(),
					"Content-Type: application/x-www-form-urlencoded", fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
				if r.Status != 403 && r.Status != 404 {
					t.Errorf("%s with %q: got %d", target, origin, r.Status)
				}
			}
		}
		if r := s.at(t, "app.test", b.Cookies.String()); user(r) != "henry" {
			t.Errorf("%s is signed out: %d", henry.Name, r.Status)
		}
	})

	t.Run("WB8WebSocketOfAnotherSite", func(t *testing.T) {
		upgrade := []string{"GET /socket HTTP/1.1", "Host: app.test", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
		open := func(origin string) int {
			c := wiretest.Dial(t, s.tls, secure("app.test"))
			c.Send(strings.Join(append(upgrade, origin, "Cookie: __Host-nightlatch="+session), "\r\n") + "\r\n\r\n")
			return c.Response("GET").Status
		}
		for origin, want := range map[string]int{"Origin: https://app.test": 101, "Origin: https://evil.example": 403, "Origin: null": 403, "Origin: http://app.test": 403,
			"Origin: https://app.test.evil.example": 403, "Origin: https://app.test\r\nOrigin: https://evil.example": 403, "X: y": 101} {
			if got := open(origin); got != want {
				t.Errorf("%q: got %d, want %d", origin, got, want)
			}
		}
		r := wiretest.H2(t, s.tls, secure("app.test")).Do(h2("app.test", "/socket", [2]string{":method", "CONNECT"}, [2]string{":protocol", "websocket"},
			[2]string{"origin", "https://evil.example"}, [2]string{"cookie", "__Host-nightlatch=" + session}), nil, nil)
		if r.Status != 403 {
			t.Errorf("over HTTP/2: got %d %s, want 403", r.Status, r.Reset)
		}
	})

	t.Run("WB10NothingOfOursIsKeptInACache", func(t *testing.T) {
		cookie := "Cookie: __Host-nightlatch=" + session
		for _, lines := range [][]string{
			{"GET /app.js HTTP/1.1", "Accept: */*"}, {"GET /app.js HTTP/1.1", "Sec-Fetch-Dest: script", "Sec-Fetch-Mode: no-cors"}, {"GET /style.css HTTP/1.1", "Accept: text/css,*/*;q=0.1"},
			{"GET /x HTTP/1.1", "Accept: text/html"}, {"GET /_nightlatch/account/x.css HTTP/1.1", "Accept: text/html", cookie}, {"GET /_nightlatch/account.css HTTP/1.1", cookie},
			{"GET /_nightlatch/sign-in;.css HTTP/1.1", "Accept: text/html"}, {"GET /_nightlatch/account%2fx.css HTTP/1.1", cookie}, {"GET /_nightlatch/account%0ax.css HTTP/1.1", cookie},
			{"GET /_nightlatch/account HTTP/1.1", "Accept: text/html", cookie}, {"GET /_nightlatch/static/../account HTTP/1.1", cookie}, {"GET /_nightlatch/static/x.css HTTP/1.1"},
			{"GET /_nightlatch/account?x.css HTTP/1.1", "Accept: text/css", "Sec-Fetch-Dest: style", cookie}, {"GET /_nightlatch/healthz HTTP/1.1"},
		} {
			r := raw(t, s.tls, secure("app.test"), append(lines, "Host: app.test", "X-Forwarded-Host: evil.example")...)
			if got := strings.Join(r.Values("Cache-Control"), ","); got != "no-store" || len(r.Values("Vary")) == 0 && r.Status != 200 {
				t.Errorf("%q: %d with Cache-Control %q, Vary %q", lines[0], r.Status, got, r.Values("Vary"))
			}
			if strings.Contains(lines[0], ".css HTTP") && r.Status == 200 || strings.HasPrefix(lines[0], "GET /app.js") && r.Status != 401 {
				t.Errorf("%q: got %d", lines[0], r.Status)
			}
		}
	})
}

// wantSafeCookies looks at what an answer over TLS sets, and wants so many cookies that are not cleared or are.
func wantSafeCookies(t *testing.T, what string, r wiretest.Response, want int) {
	t.Helper()
	set := r.Values("Set-Cookie")
	if len(set) != want {
		t.Errorf("%s: %d with cookies %q, want %d", what, r.Status, set, want)
	}
	for _, c := range set {
		lower := strings.ToLower(c)
		if !strings.HasPrefix(c, "__Host-nightlatch") || strings.Contains(lower, "domain") || !strings.Contains(lower, "; path=/;") ||
			!strings.Contains(lower, "; secure") || !strings.Contains(lower, "; httponly") || !strings.Contains(lower, "; samesite=lax") {
			t.Errorf("%s: cookie %q", what, c)
		}
	}
}

// inviteRE is the path of the link in an answer of the operator's API.
func inviteRE(t *testing.T, answer string) string {
	t.Helper()
	_, after, found := strings.Cut(answer, `"path":"`)
	path, _, ended := strings.Cut(after, `"`)
	if !found || !ended {
		t.Fatalf("no link in %s", answer)
	}
	return path
}
