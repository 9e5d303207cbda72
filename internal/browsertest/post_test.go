// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
)

// mailbox is what people get by mail.
type mailbox struct {
	*mailtest.Server
	t *testing.T
}

func newMailbox(t *testing.T, options ...mailtest.Option) *mailbox {
	t.Helper()
	chromium(t) // before the work
	return &mailbox{mailtest.Start(t, options...), t}
}

// setting is the mail server as the Caddyfile names it.
func (m *mailbox) setting() string {
	m.t.Helper()
	return fmt.Sprintf("smtp %s {\n\t\t\tfrom \"Example <no-reply@example.com>\"\n\t\t\tca_file %s\n\t\t}", m.Address, m.certificate())
}

// certificate is a file with the server's certificate, as the server shows it.
func (m *mailbox) certificate() string {
	m.t.Helper()
	client, err := smtp.Dial(m.Address)
	if err != nil {
		m.t.Fatal(err)
	}
	defer client.Close()
	host, _, err := net.SplitHostPort(m.Address)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := client.StartTLS(&tls.Config{RootCAs: m.RootCAs, ServerName: host}); err != nil {
		m.t.Fatal(err)
	}
	state, _ := client.TLSConnectionState()
	file := filepath.Join(m.t.TempDir(), "mail.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: state.PeerCertificates[0].Raw}), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return file
}

// letter is the next one whose text has what is looked for, and that. The others before it, which are notices, are put aside.
func (m *mailbox) letter(what *regexp.Regexp) (mailtest.Received, string) {
	m.t.Helper()
	for {
		got := m.Wait(m.t, 1)[0]
		if found := what.FindStringSubmatch(got.Text); found != nil {
			return got, found[len(found)-1]
		}
	}
}

var (
	codeInLetter = regexp.MustCompile(`(?m)^ +(\d{6})$`)
	linkInLetter = regexp.MustCompile(`(?m)^(https?://\S+/_nightlatch/reset/\S+)$`)
)

// code is the code of the next letter with one, which must have come to this address and not show the code in its subject.
func (m *mailbox) code(to string) string {
	m.t.Helper()
	letter, code := m.letter(codeInLetter)
	if len(letter.To) != 1 || letter.To[0] != to {
		m.t.Errorf("a code went to %q, want %s", letter.To, to)
	}
	if subject := letter.Header.Get("Subject"); strings.Contains(subject, code) {
		m.t.Errorf("the subject %q shows the code on a locked screen", subject)
	}
	return code
}

// notice waits for a letter that says something.
func (m *mailbox) notice(words string) mailtest.Received {
	m.t.Helper()
	got, _ := m.letter(regexp.MustCompile(regexp.QuoteMeta(words)))
	return got
}

// gateway takes codes to phones. It believes only what is signed with the key of the configuration.
type gateway struct {
	*httptest.Server
	t    *testing.T
	sent chan parcel
	fail chan int // statuses that it answers with instead of taking the next ones
}

type parcel struct {
	Type string
	Data struct{ User, Channel, Destination, Code, Site, Purpose string }
}

const gatewaySecret = "whsec_bmlnaHRsYXRjaCBicm93c2VydGVzdCBnYXRld2F5"

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{t: t, sent: make(chan parcel, 16), fail: make(chan int, 16)}
	g.Server = httptest.NewServer(http.HandlerFunc(g.receive))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		g.t.Errorf("the gateway read: %v", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(gatewaySecret, "whsec_"))
	if err != nil {
		g.t.Errorf("the key of the gateway: %v", err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	if got, want := r.Header.Get("Webhook-Signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
		g.t.Errorf("the gateway got signature %q, want %q", got, want)
	}
	select {
	case status := <-g.fail:
		w.WriteHeader(status)
		return
	default:
	}
	var p parcel
	if err := json.Unmarshal(body, &p); err != nil {
		g.t.Errorf("the gateway got %q: %v", body, err)
	}
	g.sent <- p
}

// setting is the gateway as the Caddyfile names it.
func (g *gateway) setting() string {
	return fmt.Sprintf("webhook %s {\n\t\t\tsecret %s\n\t\t\tchannels sms chat\n\t\t}", g.URL, gatewaySecret)
}

// code is the code that came last for a destination.
func (g *gateway) code(channel, destination string) string {
	g.t.Helper()
	select {
	case p := <-g.sent:
		if p.Type != "code" || p.Data.Channel != channel || p.Data.Destination != destination {
			g.t.Errorf("the gateway got %+v, want a code by %s to %s", p, channel, destination)
		}
		return p.Data.Code
	case <-time.After(patience):
		g.t.Fatal("no code came to the gateway")
		return ""
	}
}
