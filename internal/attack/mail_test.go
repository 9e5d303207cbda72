// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

const (
	signingKey   = "whsec_Q2FuYXJ5LXNpZ25pbmcta2V5LW9mLTMyLWJ5dGVzeHg="
	gatewayToken = "Canary-token-of-the-gateway"
)

// office is one process with a mail server, a gateway for messages, and a site over TLS behind a proxy that it trusts.
type office struct {
	*house
	app  *wiretest.Upstream
	mail *mailtest.Server
	tls  string
	host string // of the site, as a browser sends it
}

func openOffice(t *testing.T) *office {
	o := &office{app: wiretest.Echo(t), mail: mailtest.Start(t, mailtest.NoStartTLS(), mailtest.Auth("PLAIN")), tls: programtest.FreeAddr(t)}
	o.host = "app.test:" + port(o.tls)
	gateway := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(gateway.Close)
	t.Setenv("NIGHTLATCH_ATTACK_SMTP", mailtest.Password)
	t.Setenv("NIGHTLATCH_ATTACK_SECRET", signingKey)
	t.Setenv("NIGHTLATCH_ATTACK_TOKEN", gatewayToken)
	option := strings.NewReplacer("<mail>", o.mail.Address, "<user>", mailtest.Username, "<gateway>", gateway.URL).Replace(`smtp <mail> {
			from no-reply@example.com
			username <user>
			password {env.NIGHTLATCH_ATTACK_SMTP}
			tls none
		}
		webhook <gateway>/send {
			secret {env.NIGHTLATCH_ATTACK_SECRET}
			header X-Token {env.NIGHTLATCH_ATTACK_TOKEN}
		}`)
	o.house = begin(t, "debug\n\tservers {\n\t\ttrusted_proxies static 127.0.0.0/8\n\t\ttrusted_proxies_strict\n\t}", option,
		strings.NewReplacer("PORT", port(o.tls), "APP", o.app.Addr).Replace(`
https://app.test:PORT {
	log
	nightlatch
	reverse_proxy APP
}
`))
	return o
}

// on is a visitor at an address that no other visitor has.
func (o *office) on(t *testing.T) *browser {
	b := visitor(t, "https://"+o.tls)
	b.Header.Set("Host", o.host)
	b.Header.Set("X-Forwarded-Proto", "https")
	b.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", addresses.Add(1)))
	return b
}

var addresses atomic.Int32

// reader is somebody with a mailbox.
func (h *house) reader(t *testing.T, name string) *person {
	t.Helper()
	h.Operate(t, "POST", "/nightlatch/users", fmt.Sprintf(`{"name":%q,"email":"%s@example.com","password":%q}`, name, name, password))
	return &person{Name: name}
}

// letters are those that a person has got, whose subject begins so.
func letters(s *mailtest.Server, p *person, subject string) (list []mailtest.Received) {
	for _, m := range s.All() {
		if slices.Contains(m.To, p.Name+"@example.com") && strings.HasPrefix(m.Header.Get("Subject"), subject) {
			list = append(list, m)
		}
	}
	return list
}

// letter waits for the letter of a number, counted from one.
func letter(t *testing.T, s *mailtest.Server, p *person, subject string, number int) mailtest.Received {
	t.Helper()
	if !programtest.Eventually(func() bool { return len(letters(s, p, subject)) >= number }) {
		t.Fatalf("%s got %d letters %q, want %d", p.Name, len(letters(s, p, subject)), subject, number)
	}
	return letters(s, p, subject)[number-1]
}

var (
	mailedCode = regexp.MustCompile(`(?m)^ {4}(\d{6})$`)
	mailedLink = regexp.MustCompile(`https?://\S+/_nightlatch/reset/\S+`)
)

const (
	codeSubject   = "Your code"
	enrollSubject = "Confirm this address for codes"
	resetSubject  = "Choose a new password"
)

func codeIn(t *testing.T, m mailtest.Received) string {
	t.Helper()
	found := mailedCode.FindStringSubmatch(m.Text)
	if found == nil {
		t.Fatalf("no code in %s", m.Text)
	}
	return found[1]
}

// enrollMail makes mail the one second factor of somebody who has typed the password.
func (b *browser) enrollMail(p *person, s *mailtest.Server) {
	b.t.Helper()
	b.open("/_nightlatch/two-factor/enable")
	b.submit("two-factor/choose", "method", "email")
	b.wantLed("/_nightlatch/two-factor/enable")
	b.open("/_nightlatch/two-factor/enable")
	b.submit("two-factor/enable", "code", codeIn(b.t, letter(b.t, s, p, enrollSubject, 1)))
	must(b.t, b.SaveCodes(p))
}

func (b *browser) askReset(who string) {
	b.t.Helper()
	b.open("/_nightlatch/reset")
	b.submit("reset", "who", who)
	b.wantLed("/_nightlatch/reset/sent")
}

func TestRecovery(t *testing.T) {
	o := openOffice(t)

	t.Run("RE1ALinkLeadsWhereTheConfigurationSays", func(t *testing.T) {
		origin := "https://" + o.host
		for i, headers := range [][2]string{
			{"X-Forwarded-Host", "evil.example"}, {"Forwarded", "host=evil.example;proto=http"}, {"X-Forwarded-Prefix", "//evil.example"}, {"X-Original-Host", "evil.example"},
			{"X-Forwarded-Port", "666"}, {"X-Original-Url", "https://evil.example/"}, {"Origin", "https://" + o.host}, {"Referer", "https://evil.example/"},
			{"User-Agent", "evil.example/1 (https://evil.example) <b>evil.example</b>\tBcc: evil@evil.example"}, {"Accept-Language", "evil.example;q=1"},
		} {
			p, b := o.reader(t, fmt.Sprint("reset", i)), o.on(t)
			b.open("/_nightlatch/reset")
			to, form := b.form("reset", "who", p.Name)
			b.Header.Set(headers[0], headers[1])
			b.send("POST", to, form)
			m := letter(t, o.mail, p, resetSubject, 1)
			if got := mailedLink.FindString(m.Text); !strings.HasPrefix(got, origin+"/_nightlatch/reset/") || strings.Contains(string(m.Raw), "evil") {
				t.Errorf("%q: got the link %q in %s", headers, got, m.Raw)
			}
		}
	})

	t.Run("RE2RE8MF9ALinkIsForOnePasswordAndNoMore", func(t *testing.T) {
		p, b := o.reader(t, "rita"), o.on(t)
		b.typePassword(p)
		b.enroll(p)
		b.askReset("Rita@EXAMPLE.com")
		older := strings.TrimPrefix(mailedLink.FindString(letter(t, o.mail, p, resetSubject, 1).Text), "https://"+o.host)
		b.askReset(p.Name)
		newest := strings.TrimPrefix(mailedLink.FindString(letter(t, o.mail, p, resetSubject, 2).Text), "https://"+o.host)
		v := o.on(t)
		if v.open(older); v.At.Status != 410 {
			t.Errorf("an older link: got %d, want 410", v.At.Status)
		}
		for _, kind := range []string{"invite/", "re-enroll/", "setup/"} {
			if v.open(strings.Replace(newest, "reset/", kind, 1)); v.At.Status != 410 {
				t.Errorf("a reset link as %s: got %d, want 410", kind, v.At.Status)
			}
		}
		v.send("HEAD", newest, nil) // a mail scanner
		v.open(newest)
		const another = "another door with two locks"
		to, form := v.form("reset/", "password", another, "repeat", another)
		v.send("POST", to, form)
		v.wantLed("/_nightlatch/reset/done")
		if v.session() != "" {
			t.Error("a reset signs in")
		}
		if b.send("GET", "/x", nil); b.At.Status != 303 {
			t.Errorf("the session from before: got %d, want 303", b.At.Status)
		}
		if v.send("POST", to, form); v.At.Status != 410 {
			t.Errorf("the link again: got %d, want 410", v.At.Status)
		}
		v.open("/_nightlatch/sign-in")
		v.submit("sign-in", "name", p.Name, "password", another)
		v.wantLed("/_nightlatch/second-factor")
		for _, token := range []string{older, newest} {
			if token = filepath.Base(token); len(token) < 20 || strings.Contains(o.Said(), token) {
				t.Errorf("the log holds the token %q", token)
			}
		}
	})

	t.Run("RE10MailAloneIsNotEnough", func(t *testing.T) {
		p, b := o.reader(t, "mira"), o.on(t)
		b.typePassword(p)
		b.enrollMail(p, o.mail)
		b.signOut()
		b.typePassword(p)
		b.open("/_nightlatch/second-factor")
		toOld, old := b.form("second-factor", "code", codeIn(t, letter(t, o.mail, p, codeSubject, 1)))
		_, way := b.form("second-factor/send")

		thief := o.on(t) // reads the mailbox
		thief.askReset(p.Name)
		thief.open(strings.TrimPrefix(mailedLink.FindString(letter(t, o.mail, p, resetSubject, 1).Text), "https://"+o.host))
		const another = "a lock that somebody else has picked"
		thief.submit("reset/", "password", another, "repeat", another)
		thief.wantLed("/_nightlatch/reset/done")
		onPaper := url.Values{"token": old["token"], "method": {"backup_code"}, "code": {p.Paper[1]}}
		for _, form := range []url.Values{old, onPaper} {
			if b.send("POST", toOld, form); b.session() != "" {
				t.Errorf("a sign-in that was begun before the reset goes on after it, by %s", form.Get("method"))
			}
		}
		thief.open("/_nightlatch/sign-in")
		thief.submit("sign-in", "name", p.Name, "password", another)
		thief.wantLed("/_nightlatch/second-factor")
		thief.open("/_nightlatch/second-factor")
		if strings.Contains(thief.At.Body, "second-factor/send") {
			t.Errorf("a code by mail is offered: %s", thief.Text())
		}
		_, form := thief.form("second-factor", "method", "email", "factor", way.Get("factor"), "code", old.Get("code"))
		for _, to := range []string{"/_nightlatch/second-factor", "/_nightlatch/second-factor/send", "/_nightlatch/two-factor/choose", "/_nightlatch/two-factor/add", "/_nightlatch/email"} {
			if thief.send("POST", to, form); thief.session() != "" || thief.At.Status/100 == 2 {
				t.Errorf("%s by mail: got %d and session %q", to, thief.At.Status, thief.session())
			}
		}
		if n := len(letters(o.mail, p, codeSubject)); n != 1 {
			t.Errorf("%d codes were mailed, want the one from before the reset", n)
		}
		thief.open("/_nightlatch/second-factor?method=backup_code")
		thief.submit("second-factor", "code", p.Paper[0])
		if thief.session() == "" {
			t.Errorf("with a code on paper: %d %s", thief.At.Status, thief.Text())
		}
	})

	t.Run("BF15OneAnswerForEverybody", func(t *testing.T) {
		o.reader(t, "known")
		o.reader(t, "shut")
		o.Operate(t, "POST", "/nightlatch/users/shut/disable", "")
		var want string
		for _, who := range []string{"known", "nobody", "shut", "known@example.com", "nobody@example.com", "known@example.com,evil@evil.example", "", strings.Repeat("x", 5000), "\r\nBcc: evil@evil.example"} {
			b := o.on(t)
			b.open("/_nightlatch/reset")
			b.submit("reset", "who", who)
			b.At.Header.Del("Date")
			if got := fmt.Sprint(b.At.Status, b.At.Header, b.At.Body); want == "" {
				want = got
			} else if got != want {
				t.Errorf("%.40q: got %s, want %s", who, got, want)
			}
		}
		for _, m := range o.mail.All() {
			if !strings.HasSuffix(m.To[0], "@example.com") || len(m.To) != 1 || m.To[0] == "shut@example.com" {
				t.Errorf("RE-4, RE-9: mail went to %q", m.To)
			}
		}
	})

	// AD-13: nothing of what the configuration has from the environment is shown or written, at the most that can be logged.
	t.Run("ML6LG1SecretsOfTheWaysOut", func(t *testing.T) {
		_, dump := o.Ask(t, "GET", "/config/", "")
		shown := map[string]string{"the log": o.Said(), "the configuration": dump, "the events": o.Operate(t, "GET", "/nightlatch/events?limit=10000", "")}
		if !strings.Contains(dump, "{env.NIGHTLATCH_ATTACK_SMTP}") || !strings.Contains(shown["the events"], "password_reset") {
			t.Fatalf("nothing was looked at: %s", dump)
		}
		must(t, filepath.WalkDir(o.Dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			shown[path] = string(content)
			return err
		}))
		secrets := []string{mailtest.Password, signingKey, strings.TrimPrefix(signingKey, "whsec_"), gatewayToken}
		for _, m := range o.mail.All() {
			for _, link := range mailedLink.FindAllString(m.Text, -1) {
				secrets = append(secrets, filepath.Base(link))
			}
			if code := mailedCode.FindStringSubmatch(m.Text); code != nil && strings.Contains(m.Header.Get("Subject"), code[1]) {
				t.Errorf("a code in the subject %q", m.Header.Get("Subject"))
			}
		}
		for where, text := range shown {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s holds %s", where, secret)
				}
			}
		}
	})
}

// ML-7: a mail server that says nothing costs a sentence on a page. What was begun before a reload goes on after it.
func TestML7DeadMailServer(t *testing.T) {
	app, plain := wiretest.Echo(t), programtest.FreeAddr(t)
	good, dead := mailtest.Start(t, mailtest.NoStartTLS()), mailtest.Start(t, mailtest.Hang())
	site := strings.NewReplacer("PLAIN", plain, "APP", app.Addr).Replace("http://PLAIN {\n\tnightlatch\n\treverse_proxy APP\n}")
	through := func(s *mailtest.Server) string {
		return "smtp " + s.Address + " {\n\t\t\tfrom no-reply@example.com\n\t\t\ttls none\n\t\t}"
	}
	h := begin(t, "", through(good), site)
	reload := func(s *mailtest.Server) {
		t.Helper()
		h.Configure(t, "grace_period 1s", through(s), site)
		h.Do(t, "", "reload", "--config", h.Caddyfile())
	}
	p, b := h.reader(t, "alice"), visitor(t, "http://"+plain)
	b.typePassword(p)
	b.open("/_nightlatch/two-factor/enable")
	b.submit("two-factor/choose", "method", "email")
	code := codeIn(t, letter(t, good, p, enrollSubject, 1))
	b.open("/_nightlatch/two-factor/enable")
	reload(dead) // in the middle of the enrollment
	b.submit("two-factor/enable", "code", code)
	must(t, b.SaveCodes(p))
	b.signOut()

	begun := time.Now()
	b.typePassword(p)
	b.wantLed("/_nightlatch/second-factor")
	b.open("/_nightlatch/second-factor")
	other := visitor(t, "http://"+plain)
	other.askReset(p.Name)
	if took := time.Since(begun); took > 10*time.Second { // the patience with a mail server is three times that
		t.Errorf("pages waited %v for a mail server", took)
	}
	if !strings.Contains(b.At.Body, "method=backup_code") {
		t.Errorf("no other way is offered: %s", b.Text())
	}
	waiting := visitor(t, "http://"+plain)
	for _, c := range b.Cookies.Cookies(nil) {
		waiting.Cookies.Set(c.Name, c.Value)
	}
	b.open("/_nightlatch/second-factor?method=backup_code")
	b.submit("second-factor", "code", p.Paper[0])
	if b.session() == "" {
		t.Fatalf("a backup code while mail is dead: %d %s", b.At.Status, b.Text())
	}

	reload(good) // with letters that nobody has taken
	letter(t, good, p, resetSubject, 1)
	late := codeIn(t, letter(t, good, p, codeSubject, 1))
	waiting.open("/_nightlatch/second-factor")
	if strings.Contains(waiting.At.Body, `name="code"`) {
		t.Errorf("the attempt that the backup code finished is open still: %s", waiting.Text())
	}
	b.signOut()
	b.typePassword(p)
	b.open("/_nightlatch/second-factor")
	b.submit("second-factor", "code", late)
	if b.At.Status != 403 || b.session() != "" {
		t.Errorf("OT-9: the code of the sign-in before: got %d, want 403", b.At.Status)
	}
	b.open("/_nightlatch/second-factor")
	b.submit("second-factor", "code", codeIn(t, letter(t, good, p, codeSubject, 2)))
	b.wantLed("/")
}

// SS-1: who reaches Caddy's admin endpoint administers the server, so no webhook is sent there, whatever the configuration calls it.
func TestSS1WebhookAtTheAdminEndpoint(t *testing.T) {
	for _, c := range []struct{ admin, url string }{
		{"127.0.0.1:PORT", "http://127.0.0.1:PORT/load"}, {"127.0.0.1:PORT", "http://localhost:PORT/stop"}, {"localhost:PORT", "http://127.0.0.1:PORT/stop"},
		{"localhost:PORT", "http://localhost:PORT/load"}, {"0.0.0.0:PORT", "http://localhost:PORT/stop"}, {":PORT", "http://127.0.0.1:PORT/stop"},
	} {
		t.Run(c.admin+" "+c.url, func(t *testing.T) {
			t.Parallel()
			app, plain, admin := wiretest.Echo(t), programtest.FreeAddr(t), programtest.FreeAddr(t)
			in := func(s string) string { return strings.ReplaceAll(s, "PORT", port(admin)) }
			s := programtest.New(t)
			s.Admin = in(c.admin)
			s.Configure(t, "grace_period 1s", "webhook "+in(c.url)+" {\n\t\t\tsecret "+signingKey+"\n\t\t\tallow_private\n\t\t}",
				strings.NewReplacer("PLAIN", plain, "APP", app.Addr).Replace("http://PLAIN {\n\tnightlatch\n\treverse_proxy APP\n}"))
			s.Start(t)
			body := `{"name":"alice","password":"` + password + `"}`
			if r := raw(t, admin, nil, "POST /nightlatch/users HTTP/1.1", "Host: "+s.Admin, "Content-Type: application/json",
				fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)); r.Status != 201 {
				t.Fatalf("the operator: %d %s", r.Status, r.Body)
			}
			p, b := &person{Name: "alice"}, visitor(t, "http://"+plain)
			b.typePassword(p)
			b.open("/_nightlatch/two-factor/enable")
			b.submit("two-factor/choose", "method", "webhook", "channel", "sms", "destination", "+4915112345678")
			b.wantLed("/_nightlatch/two-factor/enable")
			if !programtest.Eventually(func() bool { return strings.Contains(s.Said(), `"msg":"not_delivered"`) }) {
				t.Error("no event says that the code was not delivered")
			}
			if said := s.Said(); !strings.Contains(said, "is not dialed") || strings.Contains(said, `"Webhook-Id"`) {
				t.Error("the admin endpoint was called")
			}
			b.open("/_nightlatch/two-factor/enable")
			if b.At.Status != 200 || !s.Runs() {
				t.Errorf("the page afterwards: %d", b.At.Status)
			}
		})
	}
}

// CS-12: a service worker that a script has put in front of the site hands on what a person opens, and would read the answer. Browsers
// give it away by a navigation that is for nothing.
func TestCS12AServiceWorkerReadsNoPage(t *testing.T) {
	app, plain := wiretest.Echo(t), programtest.FreeAddr(t)
	h := begin(t, "", "", strings.NewReplacer("PLAIN", plain, "APP", app.Addr).Replace("http://PLAIN {\n\tnightlatch\n\treverse_proxy APP\n}"))
	_, b := h.joined(t, "http://"+plain, "alice")
	for _, cookies := range []string{"", "Cookie: " + b.Cookies.String()} {
		for _, page := range []string{"sign-in", "account", "password", "sessions", "backup-codes", "second-factor", "two-factor/enable", "sudo?level=two_factor&max_age=60", "reset/x", "invite/x"} {
			r := raw(t, plain, nil, "GET /_nightlatch/"+page+" HTTP/1.1", "Host: "+plain, "Accept: text/html", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate",
				"Sec-Fetch-Dest: empty", cookies+"\r\nX: y")
			if r.Status != 401 && r.Status != 403 || strings.Contains(string(r.Body), "token") || len(r.Values("Set-Cookie")) > 0 {
				t.Errorf("%s with %d bytes of cookies: got %d %s", page, len(cookies), r.Status, r.Body)
			}
		}
	}
}
