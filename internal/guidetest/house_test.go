// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package guidetest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
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
	"net/http/httputil"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nightlatch/nightlatch/internal/api/apitest"
	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
	"github.com/nightlatch/nightlatch/internal/programtest"
)

// house is the program with the configuration of a page, and everything that this names: the mail server, the receiver of the webhook,
// the application.
type house struct {
	*programtest.Server
	port  string
	sites []string // the hosts of the page, which have no port there
	mail  *mailtest.Server

	mu    sync.Mutex
	codes []string // that the webhook was handed
	taken int      // of those and of the mailed ones
}

// What the variables of the Caddyfiles hold. A page says what to put there.
var (
	webhookKey = func() []byte { b := make([]byte, 32); rand.Read(b); return b }()
	smsToken   = base64.StdEncoding.EncodeToString([]byte("nightlatch:" + rand.Text()))
)

func newHouse(t *testing.T, g guide) *house {
	t.Helper()
	t.Setenv("WEBHOOK_SECRET", "whsec_"+base64.StdEncoding.EncodeToString(webhookKey))
	t.Setenv("SMS_TOKEN", smsToken)
	t.Setenv("SMTP_PASSWORD", mailtest.Password)
	h := &house{Server: programtest.New(t)}
	if err := os.WriteFile(h.Caddyfile(), []byte(h.configured(t, g)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(h.Dir, "brand"), 0o700); err != nil {
		t.Fatal(err)
	}
	logo := []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)
	if err := os.WriteFile(filepath.Join(h.Dir, "brand", "logo.svg"), logo, 0o600); err != nil {
		t.Fatal(err)
	}
	h.Start(t)
	for _, m := range siteName.FindAllStringSubmatch(g.caddyfile, -1) {
		h.sites = append(h.sites, m[1])
		if !programtest.Eventually(func() bool { return programtest.SpeaksTLS(h.Dir, net.JoinHostPort("127.0.0.1", h.port), m[1]) }) {
			t.Fatalf("the site %s has no certificate", m[1])
		}
	}
	return h
}

var siteName = regexp.MustCompile(`(?m)^(\S+) \{$`)

// addressed is a text of the page with the addresses of the sites as they are here.
func (h *house) addressed(text string) string {
	for _, site := range h.sites {
		text = strings.ReplaceAll(text, "https://"+site+"/", "https://"+net.JoinHostPort(site, h.port)+"/")
	}
	return text
}

// listener stands between curl and the program, hands everything on as it is, and holds each answer of the API to docs/openapi.yaml. It
// returns its port on this machine, and a file with the certificate by which curl knows it.
func (h *house) listener(t *testing.T) (port, root string) {
	t.Helper()
	trusted, err := programtest.Authority(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	base := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", h.port))
		},
		DisableCompression: true,
	}
	t.Cleanup(base.CloseIdleConnections)
	s := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", r.In.Host, r.In.Host
		},
		Transport: apitest.Transport{T: t, Base: base},
	})
	t.Cleanup(s.Close)
	root = filepath.Join(h.Dir, "listener.crt")
	write(t, root, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})), 0o600)
	_, port, err = net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, root
}

// configured is the Caddyfile of the page with what is of this machine: where to listen, who signs the certificate, and where the peers
// are. Where the page leaves past_steps alone, ten earlier codes count, so that nobody waits for the next one.
func (h *house) configured(t *testing.T, g guide) string {
	t.Helper()
	_, port, err := net.SplitHostPort(programtest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	h.port = port
	ours := "\tnightlatch {\n\t\tdata_dir " + h.Data() + "\n"
	if !strings.Contains(g.caddyfile, "past_steps") {
		ours += fmt.Sprintf("\t\ttotp {\n\t\t\tpast_steps %d\n\t\t}\n", programtest.PastSteps)
	}
	config, is := strings.CutPrefix(g.caddyfile, "{\n\tnightlatch {\n")
	if !is {
		t.Fatalf("%s: the Caddyfile does not begin with the global option nightlatch", g.file)
	}
	config = "{\n\tadmin unix/" + h.Socket() + "|0600\n\thttps_port " + port + "\n\tauto_https disable_redirects\n\tlocal_certs\n" +
		"\tskip_install_trust\n\tdefault_bind 127.0.0.1\n" + ours + config
	changes := []string{
		"reverse_proxy localhost:3000\n", "reverse_proxy " + application(t) + "\n",
	}
	if strings.Contains(g.caddyfile, "smtp") {
		h.mail = mailtest.Start(t, mailtest.NoStartTLS(), mailtest.Auth("PLAIN"))
		changes = append(changes, "smtp smtp.example.com:587 {\n", "smtp "+h.mail.Address+" {\n\t\t\ttls none\n")
	}
	if strings.Contains(g.caddyfile, "webhook") {
		receiver := httptest.NewServer(http.HandlerFunc(h.receive))
		t.Cleanup(receiver.Close)
		changes = append(changes, "webhook https://sms.example.com/send {\n", "webhook "+receiver.URL+"/send {\n")
	}
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(config, changes[i]) {
			t.Fatalf("%s: the Caddyfile does not have %q, in:\n%s", g.file, changes[i], config)
		}
		config = strings.ReplaceAll(config, changes[i], changes[i+1])
	}
	return config
}

// application tells who asks, as the header says.
func application(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s sees %s", r.Header.Get("Remote-User"), r.URL.Path)
		if r.Header.Get("Authorization") != "" {
			fmt.Fprint(w, " and is told of a credential") // which no page says
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// receive takes a code as docs/webhook.md has it: signed, and with the header of the configuration where there is one.
func (h *house) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, webhookKey)
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	signed := r.Header.Get("Webhook-Signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if err != nil || !signed || r.Header.Get("Authorization") != "Basic "+smsToken {
		http.Error(w, "not from Nightlatch", http.StatusUnauthorized)
		return
	}
	var message struct{ Data struct{ Code string } }
	if err := json.Unmarshal(body, &message); err != nil {
		http.Error(w, "no message", http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.codes = append(h.codes, message.Data.Code)
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// sent are all codes so far, in the order in which they came. A page has one way by which they come.
func (h *house) sent() []string {
	h.mu.Lock()
	codes := slices.Clone(h.codes)
	h.mu.Unlock()
	if h.mail != nil {
		for _, m := range h.mail.All() {
			if code := sixDigits.FindString(m.Text); code != "" {
				codes = append(codes, code)
			}
		}
	}
	return codes
}

// next waits for a code that nobody has read yet, as the person does with the phone or the mailbox in front of them.
func (h *house) next() (code string, ok bool) {
	ok = programtest.Eventually(func() bool { return len(h.sent()) > h.taken })
	if ok {
		code = h.sent()[h.taken]
		h.taken++
	}
	return code, ok
}

func (h *house) unread() []string { return h.sent()[h.taken:] }
