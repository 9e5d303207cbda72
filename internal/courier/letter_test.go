// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
	"github.com/nightlatch/nightlatch/internal/webhook"
	"github.com/nightlatch/nightlatch/web"
)

// kinds are all that package auth can say, as its source has them.
func kinds(t *testing.T) (list []auth.MessageKind) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../auth/message.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != "MessageKind" {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, auth.MessageKind(value))
		return true
	})
	if len(list) < 18 {
		t.Fatalf("found only the kinds %q", list)
	}
	return list
}

// post is a courier with a real mail server and a real service.
func post(t *testing.T, server *mailtest.Server, change func(*Config)) (*Courier, *auth.Service, chan auth.Event) {
	t.Helper()
	sender, err := mail.New(mail.Config{Address: server.Address, RootCAs: server.RootCAs, From: "Example <no-reply@example.com>"})
	if err != nil {
		t.Fatal(err)
	}
	b := authtest.New(t)
	events := make(chan auth.Event, 100)
	svc := b.Service.With(auth.View{Event: func(e auth.Event) { events <- e }})
	cfg := Config{
		Service: func() (*auth.Service, error) { return svc, nil }, Mail: sender, Now: b.Clock.Now, Brand: web.Brand{Name: "Example Corp"},
		Origin: func() string { return "https://app.example.com" },
	}
	if change != nil {
		change(&cfg)
	}
	c := New(cfg)
	t.Cleanup(func() { c.Stop(time.Minute) })
	return c, svc, events
}

func message(kind auth.MessageKind) auth.Message {
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	m := auth.Message{
		ID: "0123456789abcdef" + strings.ReplaceAll(string(kind), "_", "-"), Kind: kind, Method: auth.Email, To: "ada@example.com", User: "ada", Time: at,
		Origin: "https://wiki.example.com", Address: netip.MustParseAddr("192.0.2.7"),
		Device: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	}
	switch kind {
	case auth.MessageCode, auth.MessageTurnOff, auth.MessageEnroll, auth.MessageProve:
		m.Code, m.Expires = "042137", time.Now().Add(10*time.Minute)
	case auth.MessageReset:
		m.Token, m.Expires = "SECRETTOKEN", time.Now().Add(30*time.Minute)
	case auth.NoticeBackupCodeUsed:
		m.Left = 3
	case auth.NoticeFactorAdded, auth.NoticeFactorRemoved, auth.NoticeTwoFactorOn:
		m.Factor, m.FactorKind = "blue phone", auth.TOTP
	case auth.NoticeAppPasswordMade:
		m.KeyName = "calendar sync"
	case auth.NoticeEmailChanged:
		m.OldEmail, m.NewEmail = "ada@example.com", "lovelace@example.org"
	}
	return m
}

// Each kind becomes a letter that a real server takes, in the person's language, and that holds what its owner needs.
func TestEveryMessageBecomesALetter(t *testing.T) {
	server := mailtest.Start(t)
	c, _, events := post(t, server, nil)
	subjects := map[string]auth.MessageKind{}
	for _, kind := range kinds(t) {
		for _, language := range []string{"en", "de"} {
			m := message(kind)
			m.Language = language
			c.Deliver(m)
			got := server.Wait(t, 1)[0]
			c.under.Wait()
			subject := got.Header.Get("Subject")
			if subject == "" || !strings.Contains(got.HTML, `lang="`+language+`"`) {
				t.Errorf("%s in %s: subject %q, HTML:\n%s", kind, language, subject, got.HTML)
			}
			if language == "en" {
				if before, is := subjects[subject]; is {
					t.Errorf("%s and %s have the same subject", kind, before)
				}
				subjects[subject] = kind
			}
			if id := got.Header.Get("Message-Id"); id != "<"+m.ID+"@example.com>" {
				t.Errorf("%s: got Message-ID %s", kind, id)
			}
			wants := []string{"Example Corp", "ada", "192.0.2.7", "Firefox", m.Code, m.Factor, m.KeyName, m.OldEmail, m.NewEmail, "https://wiki.example.com"}
			for _, part := range []string{got.Text, got.HTML} {
				for _, want := range wants {
					if !strings.Contains(part, want) {
						t.Errorf("%s in %s lacks %q:\n%s", kind, language, want, part)
					}
				}
				if m.Token != "" && !strings.Contains(part, "https://wiki.example.com/_nightlatch/reset/SECRETTOKEN") {
					t.Errorf("%s has no link:\n%s", kind, part)
				}
			}
			// ML-6: neither on a locked screen nor in a log of the mail server.
			if m.Secret() && (strings.Contains(subject, "042137") || strings.Contains(subject, "TOKEN")) {
				t.Errorf("%s: the subject is %q", kind, subject)
			}
		}
	}
	if len(events) > 0 {
		t.Errorf("got the event %+v", <-events)
	}
}

// RE-1: a letter leads to the site where it was asked for, or to the one of the configuration, and nowhere else.
func TestWhereLettersLead(t *testing.T) {
	server := mailtest.Start(t)
	known := "https://app.example.com"
	c, _, events := post(t, server, func(cfg *Config) { cfg.Origin = func() string { return known } })
	m := message(auth.MessageReset)
	m.Origin = ""
	c.Deliver(m)
	if got := server.Wait(t, 1)[0]; !strings.Contains(got.Text, "https://app.example.com/_nightlatch/reset/SECRETTOKEN") {
		t.Errorf("got\n%s", got.Text)
	}
	c.under.Wait()

	known = ""
	n := message(auth.NoticePasswordChanged)
	n.Origin = ""
	c.Deliver(n)
	if got := server.Wait(t, 1)[0]; strings.Contains(got.Text+got.HTML, "_nightlatch") {
		t.Errorf("a letter without a place to lead to has a link:\n%s", got.Text)
	}
	m.ID = "another"
	c.Deliver(m)
	if e := receive(t, "an event", events); !strings.Contains(e.Detail, "link_origin") || strings.Contains(e.Detail, "TOKEN") {
		t.Errorf("got %+v", e)
	}
}

// A factor that nobody has named is told by its kind.
func TestFactorWithoutAName(t *testing.T) {
	server := mailtest.Start(t)
	c, _, _ := post(t, server, nil)
	for language, want := range map[string]string{"en": "Second factor: Authenticator app\n", "de": "Zweiter Faktor: Authenticator-App\n"} {
		m := message(auth.NoticeFactorRemoved)
		m.ID, m.Language, m.Factor = m.ID+language, language, ""
		c.Deliver(m)
		if got := server.Wait(t, 1)[0]; !strings.Contains(got.Text, want) {
			t.Errorf("got\n%s\nwant %q", got.Text, want)
		}
	}
}

func TestMinutesAreNotTooMany(t *testing.T) {
	for d, want := range map[time.Duration]int{10 * time.Minute: 10, 4*time.Minute + 59*time.Second: 4, 20 * time.Second: 1} {
		if got := minutes(d); got != want {
			t.Errorf("%s: got %d, want %d", d, got, want)
		}
	}
}

func TestMailTest(t *testing.T) {
	server := mailtest.Start(t)
	c, _, events := post(t, server, nil)
	if err := c.Test(t.Context(), "ops@example.com"); err != nil {
		t.Fatal(err)
	}
	got := server.Wait(t, 1)[0]
	if got.Header.Get("Subject") != "Test mail from Example Corp" || got.To[0] != "ops@example.com" || !strings.Contains(got.Text, "https://app.example.com") {
		t.Errorf("got %q to %q:\n%s", got.Header.Get("Subject"), got.To, got.Text)
	}
	refusing := mailtest.Start(t, mailtest.RefuseRecipient())
	c, _, _ = post(t, refusing, nil)
	if err := c.Test(t.Context(), "ops@example.com"); err == nil || !strings.Contains(err.Error(), "no such mailbox here") {
		t.Errorf("got %v, want what the server said", err)
	}
	c, _, _ = post(t, server, func(cfg *Config) { cfg.Mail = nil })
	if err := c.Test(t.Context(), "ops@example.com"); err != ErrNoMail {
		t.Errorf("got %v, want %v", err, ErrNoMail)
	}
	if len(events) > 0 {
		t.Errorf("a test is the event %+v", <-events)
	}
}

// ML-4: a server that is not to be trusted gets no code, and it costs an event.
func TestBadServersCostAnEvent(t *testing.T) {
	for name, c := range map[string]struct {
		option mailtest.Option
		want   string
	}{
		"no STARTTLS":          {mailtest.NoStartTLS(), "code: the server does not offer STARTTLS"},
		"another's name":       {mailtest.WrongName(), "code: starting TLS: tls: failed to verify certificate: x509: "},
		"an old certificate":   {mailtest.Expired(), "code: starting TLS: tls: failed to verify certificate: x509: certificate has expired"},
		"no such recipient":    {mailtest.RefuseRecipient(), "code: the mail server answered 550 5.1.1"},
		"signs in by another":  {mailtest.Auth("CRAM-MD5"), "code: the mail server answered "},
		"TLS from the start":   {mailtest.ImplicitTLS(), "code: "},
		"a connection, silent": {mailtest.Hang(), "code: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.Start(t, c.option)
			client, _, events := post(t, server, nil)
			m := message(auth.MessageCode)
			m.Expires = client.cfg.Now().Add(2 * time.Second)
			client.Deliver(m)
			if e := receive(t, "an event", events); !strings.HasPrefix(e.Detail, c.want) {
				t.Errorf("got %q, want %q", e.Detail, c.want)
			}
			if got := server.All(); len(got) != 0 || strings.Contains(string(server.Wire()), m.Code) {
				t.Errorf("the server got %d mails", len(got))
			}
		})
	}
}

// A server that greylists takes the second try, which has the same Message-ID.
func TestGreylisted(t *testing.T) {
	server := mailtest.Start(t, mailtest.Greylist())
	c, _, events := post(t, server, nil)
	c.after = func(d time.Duration) <-chan time.Time {
		if d == forCode.waits[0] {
			now := make(chan time.Time, 1)
			now <- time.Time{}
			return now
		}
		return nil
	}
	c.Deliver(message(auth.MessageCode))
	server.Wait(t, 1)
	c.under.Wait()
	if len(events) > 0 {
		t.Errorf("got the event %+v", <-events)
	}
}

// docs/webhook.md promises this body, byte for byte.
func TestPayload(t *testing.T) {
	bodies := make(chan []byte, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
	}))
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	sender, err := webhook.New(webhook.Config{URL: server.URL, Secret: "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	c, _, events := post(t, mailtest.Start(t), func(cfg *Config) { cfg.Webhook = sender })
	for kind, purpose := range map[auth.MessageKind]string{
		auth.MessageCode: "sign_in", auth.MessageTurnOff: "turn_off", auth.MessageEnroll: "enroll", auth.MessageProve: "address",
	} {
		m := message(kind)
		m.Method, m.Channel, m.To, m.Code = auth.Webhook, "sms", "+4915112345678", "481632"
		m.Time = m.Time.Add(5 * time.Millisecond)
		m.Expires = time.Now().Add(time.Hour)
		c.Deliver(m)
		want := `{"type":"code","timestamp":"2026-11-22T09:30:00Z","data":{"user":"ada","channel":"sms","destination":"+4915112345678","code":"481632","expires":"` +
			m.Expires.UTC().Format(time.RFC3339) + `","site":"https://wiki.example.com","purpose":"` + purpose + `"}}`
		if got := receive(t, "a request", bodies); string(got) != want || !json.Valid(got) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		c.under.Wait()
	}
	// What is no code does not go there, whoever asks.
	n := message(auth.NoticePasswordChanged)
	n.Method = auth.Webhook
	c.Deliver(n)
	if e := receive(t, "an event", events); !strings.Contains(e.Detail, "codes only") {
		t.Errorf("got %+v", e)
	}
}
