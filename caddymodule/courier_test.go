// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/nightlatch/nightlatch/internal/courier"
)

// messages is an app with everything that has to do with messages.
func messages(change func(*App)) *App {
	a := &App{
		Brand:   &Brand{Name: "Example"},
		SMTP:    &SMTP{Address: "smtp.example.com:587", From: "Example <no-reply@example.com>"},
		Webhook: &Webhook{URL: "https://sms.example.com/send", Secret: sampleSecret},
	}
	if change != nil {
		change(a)
	}
	return a
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// certificate is one in PEM.
func certificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// What is missing or wrong at the start is an error that says what, and no secret.
func TestWhatMessagesNeedMustBeThere(t *testing.T) {
	const secret = "a-secret-that-nobody-may-see"
	t.Setenv("NIGHTLATCH_TEST_SECRET", secret)
	t.Setenv("NIGHTLATCH_TEST_WEBHOOK", sampleSecret)
	ca, logo := write(t, "ca.pem", certificate(t)), write(t, "logo.svg", `<svg xmlns="http://www.w3.org/2000/svg"/>`)
	missing := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		change func(*App)
		want   string // empty: it is fine
	}{
		"as it is": {nil, ""},
		"all of it": {func(a *App) {
			a.Brand.Logo, a.Brand.StyleURL = logo, "/style.css"
			a.SMTP.Username, a.SMTP.Password, a.SMTP.CAFile = "nightlatch", "{env.NIGHTLATCH_TEST_SECRET}", ca
			a.Webhook.Secret, a.Webhook.CAFile = "{env.NIGHTLATCH_TEST_WEBHOOK}", ca
			a.Webhook.Headers = map[string][]string{"X-Token": {"{env.NIGHTLATCH_TEST_SECRET}"}}
		}, ""},
		"logo missing":      {func(a *App) { a.Brand.Logo = missing + ".svg" }, "reading the logo of the brand: open " + missing},
		"logo of no kind":   {func(a *App) { a.Brand.Logo = ca }, ca + ": the logo"},
		"logo unset":        {func(a *App) { a.Brand.Logo = "{env.NIGHTLATCH_TEST_UNSET}" }, "brand logo: "},
		"style plain":       {func(a *App) { a.Brand.StyleURL = "http://a.example/x.css" }, "must begin with https://"},
		"password unset":    {func(a *App) { a.SMTP.Username, a.SMTP.Password = "n", "{env.NIGHTLATCH_TEST_UNSET}" }, "smtp password: "},
		"password in file":  {func(a *App) { a.SMTP.Username, a.SMTP.Password = "n", "{file."+missing+"}" }, "smtp password: "},
		"host unset":        {func(a *App) { a.SMTP.Address = "{env.NIGHTLATCH_TEST_UNSET}" }, "smtp address: "},
		"no from":           {func(a *App) { a.SMTP.From = "" }, "smtp has no from"},
		"tls":               {func(a *App) { a.SMTP.TLS = "tls" }, "smtp tls is 'tls'; allowed: implicit, none, starttls"},
		"ca missing":        {func(a *App) { a.SMTP.CAFile = missing }, "smtp ca_file " + missing},
		"ca empty":          {func(a *App) { a.SMTP.CAFile = logo }, "smtp ca_file " + logo + ": it holds no certificate"},
		"link_origin":       {func(a *App) { a.SMTP.LinkOrigin = "https://a.example/b" }, "smtp link_origin"},
		"secret unset":      {func(a *App) { a.Webhook.Secret = "{env.NIGHTLATCH_TEST_UNSET}" }, "webhook secret: "},
		"secret of no form": {func(a *App) { a.Webhook.Secret = "{env.NIGHTLATCH_TEST_SECRET}" }, "webhook secret: "},
		"header unset":      {func(a *App) { a.Webhook.Headers = map[string][]string{"X-T": {"{env.NIGHTLATCH_TEST_UNSET}"}} }, "webhook header X-T: "},
		"webhook ca":        {func(a *App) { a.Webhook.CAFile = missing }, "webhook ca_file " + missing},
		"channel":           {func(a *App) { a.Webhook.Channels = []string{"SMS"} }, "webhook channel 'SMS'"},
		"methods":           {func(a *App) { a.Methods, a.SMTP = []string{"email"}, nil }, "method 'email' needs a mail server"},
	} {
		t.Run(name, func(t *testing.T) {
			a := messages(c.change)
			a.log = slog.New(slog.DiscardHandler)
			err := a.check()
			if err == nil {
				_, err = a.courierConfig()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the secret: %v", err)
			}
			shown, err := json.Marshal(a)
			if err != nil || strings.Contains(string(shown), secret) || name == "all of it" && !strings.Contains(string(shown), "{env.NIGHTLATCH_TEST_SECRET}") {
				t.Errorf("the configuration is shown as %s, %v", shown, err)
			}
		})
	}
}

// A configuration that can never work is refused at the start, not at somebody's sign-in.
func TestRuleNeedsItsMethod(t *testing.T) {
	_, err := provision(t, "{\n\tnightlatch {\n\t\tdata_dir "+t.TempDir()+"\n\t}\n}\na.example.com {\n\tnightlatch {\n\t\trequire methods email\n\t}\n}\n")
	if err == nil || !strings.Contains(err.Error(), "rule 1: method 'email' needs a mail server") {
		t.Errorf("got %v", err)
	}
}

// RE-1: where no address of a site is known, an operator hears of it at the start.
func TestWarningOfLinksThatLeadNowhere(t *testing.T) {
	for name, c := range map[string]struct {
		smtp, site string
		warns      bool
		want       string
	}{
		"a host":                {"from a@example.com", "app.example.com", false, "https://app.example.com"},
		"a host, behind others": {"from a@example.com", "http://app.example.com:8080", false, "https://app.example.com"},
		"this machine":          {"from a@example.com", "http://localhost:8080", false, "http://localhost:8080"},
		"no host":               {"from a@example.com", ":8443", true, ""},
		"a wildcard":            {"from a@example.com", "*.example.com", true, ""},
		"written":               {"from a@example.com\nlink_origin https://x.example.com", ":8443", false, "https://x.example.com"},
		"written, and a host":   {"from a@example.com\nlink_origin https://x.example.com", "app.example.com", false, "https://x.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := provision(t, fmt.Sprintf("{\n\tnightlatch {\n\t\tdata_dir %s\n\t\tsmtp localhost {\n%s\n}\n\t}\n}\n%s {\n\tnightlatch\n}\n", t.TempDir(), c.smtp, c.site))
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			app.log = slog.New(slog.NewTextHandler(&log, nil))
			app.warnOfLinks()
			if got := strings.Contains(log.String(), "link_origin https://app.example.com"); got != c.warns {
				t.Errorf("warned: %v, want %v: %s", got, c.warns, &log)
			}
			if got := app.linkOrigin(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// SS-1: whatever the webhook's name resolves to, it is not this server's own admin endpoint.
func TestWebhookDoesNotReachTheAdminEndpoint(t *testing.T) {
	for _, listen := range []string{"localhost:0", "127.0.0.1:0", ":0"} {
		t.Run(listen, func(t *testing.T) {
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			port := free.Addr().(*net.TCPAddr).AddrPort().Port()
			free.Close()
			address := strings.TrimSuffix(listen, "0") + fmt.Sprint(port)
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
			a, err := provision(t, "{\n\tnightlatch {\n\t\tdata_dir "+t.TempDir()+"\n\t}\n}\n")
			if err != nil {
				t.Fatal(err)
			}
			if a.isAdminEndpoint(to) {
				t.Error("nobody listens there")
			}
			if err := caddy.Load([]byte(fmt.Sprintf(`{"admin":{"listen":%q,"config":{"persist":false}}}`, address)), true); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { caddy.Stop() })
			if !a.isAdminEndpoint(to) {
				t.Error("the admin endpoint is not found")
			}
			if a.isAdminEndpoint(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port+1)) {
				t.Error("another address is taken for it")
			}
			site, err := provision(t, fmt.Sprintf("{\n\tnightlatch {\n\t\tdata_dir %s\n\t}\n}\nhttp://localhost:%d {\n\trespond ok\n}\n", t.TempDir(), port))
			if err != nil {
				t.Fatal(err)
			}
			if site.isAdminEndpoint(to) {
				t.Error("a site is taken for it")
			}
		})
	}
}

func TestMailTestWithoutMail(t *testing.T) {
	if _, err := new(App).testMail(t.Context(), "a@example.com"); err != courier.ErrNoMail {
		t.Errorf("got %v, want %v", err, courier.ErrNoMail)
	}
}
