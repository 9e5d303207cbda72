// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/nightlatch/nightlatch/caddymodule"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
	"github.com/nightlatch/nightlatch/internal/programtest"
)

const signingKey = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

// delivery is what a webhook has got.
type delivery struct {
	header http.Header
	Type   string
	Data   struct{ User, Channel, Destination, Code, Site, Purpose string }
}

// gateway is a webhook that keeps what it gets.
func gateway(t *testing.T) (string, chan delivery) {
	got := make(chan delivery, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		d := delivery{header: r.Header}
		if err != nil || json.Unmarshal(body, &d) != nil {
			t.Errorf("got the body %q, %v", body, err)
		}
		got <- d
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func smtp(server *mailtest.Server) string { return smtpAt(server.Address) }

func smtpAt(address string) string {
	return "smtp " + address + " {\n\t\t\tfrom \"Example <no-reply@example.com>\"\n\t\t\ttls none\n\t\t}\n"
}

// service is that of the configuration that runs.
func service(t *testing.T) *auth.Service {
	t.Helper()
	app, err := caddy.ActiveContext().AppIfConfigured("nightlatch")
	if err != nil {
		t.Fatal(err)
	}
	svc, err := app.(*caddymodule.App).Service()
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

var client = auth.Client{Address: netip.MustParseAddr("192.0.2.7"), Device: "test browser"}

// enrollBySMS makes somebody whose second factor is a code that the webhook brings.
func enrollBySMS(t *testing.T, svc *auth.Service, calls <-chan delivery) delivery {
	t.Helper()
	ctx := t.Context()
	if _, _, err := svc.AddUser(ctx, auth.Client{}, auth.NewUser{Name: "alice", Email: "alice@example.com", Password: password}); err != nil {
		t.Fatal(err)
	}
	must := func(p auth.Progress, err error) auth.Progress {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := must(svc.SignIn(ctx, client, auth.Credentials{Name: "alice", Password: password}))
	p = must(svc.StepUp(ctx, client, p.Session, auth.Requirement{Level: auth.LevelTwoFactor}, ""))
	p = must(svc.ChooseFactor(ctx, client, p.Attempt, auth.NewFactor{Method: auth.Webhook, Channel: "sms", Destination: "+49 151 1234 5678"}))
	got := next(t, calls)
	p = must(svc.ConfirmEnrollment(ctx, client, p.Attempt, got.Data.Code))
	must(svc.SavedCodes(ctx, client, p.Attempt))
	return got
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("not reached")
	}
}

// await is the next mail of a server whose subject has the words.
func await(t *testing.T, server *mailtest.Server, words string) mailtest.Received {
	t.Helper()
	for {
		if got := server.Wait(t, 1)[0]; strings.Contains(got.Header.Get("Subject"), words) {
			return got
		}
	}
}

var resetLink = regexp.MustCompile(`http\S+/_nightlatch/reset/\S+`)

// Codes go to the webhook, letters to the mail server, and after a reload to the one of the new configuration, also those that the old
// one was asked for.
func TestMessagesLeave(t *testing.T) {
	url, calls := gateway(t)
	first, second := mailtest.Start(t, mailtest.NoStartTLS()), mailtest.Start(t, mailtest.NoStartTLS())
	hook := "webhook " + url + "/send {\n\t\t\tsecret {env.NIGHTLATCH_E2E_SECRET}\n\t\t\theader X-Token {env.NIGHTLATCH_E2E_TOKEN}\n\t\t}\n"
	t.Setenv("NIGHTLATCH_E2E_SECRET", signingKey)
	t.Setenv("NIGHTLATCH_E2E_TOKEN", "token-of-the-gateway")
	h := newHouse(t, whoami)
	h.global = smtp(first) + hook
	h.load(t)
	link(t)
	before := service(t)

	call := enrollBySMS(t, before, calls)
	if d := call.Data; d.User != "alice" || d.Destination != "+4915112345678" || d.Purpose != "enroll" || d.Site != "http://"+h.addr ||
		call.header.Get("Webhook-Signature") == "" || call.header.Get("X-Token") != "token-of-the-gateway" {
		t.Errorf("got %+v", call)
	}
	on := await(t, first, "Two-factor sign-in is on")
	if want := "http://" + h.addr + "/_nightlatch/account"; !strings.Contains(on.Text, want) || on.To[0] != "alice@example.com" {
		t.Errorf("to %q, want %s in:\n%s", on.To, want, on.Text)
	}
	if err := before.RequestReset(t.Context(), client, "alice"); err != nil {
		t.Fatal(err)
	}
	reset := resetLink.FindString(await(t, first, "Choose a new password").Text)
	if !strings.HasPrefix(reset, "http://"+h.addr+"/_nightlatch/reset/") {
		t.Errorf("got the link %q", reset)
	}

	h.global = smtp(second) + hook
	h.load(t)
	after := service(t)
	if _, err := after.ResetTwoFactor(t.Context(), auth.Client{}, "alice"); err != nil {
		t.Fatal(err)
	}
	await(t, second, "second factor")
	if _, _, err := after.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob", Email: "bob@example.com", Password: password}); err != nil {
		t.Fatal(err)
	}
	if err := before.RequestReset(t.Context(), client, "bob"); err != nil { // as a request that is still under way
		t.Fatal(err)
	}
	await(t, second, "Choose a new password")

	log := h.logged(t)
	for _, secret := range []string{call.Data.Code, reset[strings.LastIndex(reset, "/")+1:], "token-of-the-gateway", signingKey} {
		if strings.Contains(log, `"`+secret+`"`) || len(secret) > 6 && strings.Contains(log, secret) {
			t.Errorf("LG-1: the log holds %s", secret)
		}
	}
}

// RE-1: the link that resets a password leads to the site as the configuration calls it, whatever a request says.
func TestResetLinksLeadToTheSite(t *testing.T) {
	server := mailtest.Start(t, mailtest.NoStartTLS())
	h := newHouse(t, whoami)
	_, port, err := net.SplitHostPort(h.addr)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(host string) string {
		t.Helper()
		b := newBrowser(t, host+":"+port)
		b.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		}}
		b.open(b.base + "/_nightlatch/reset")
		b.submit("reset", "who", "alice")
		return resetLink.FindString(await(t, server, "Choose a new password").Text)
	}
	for name, c := range map[string]struct{ site, smtp, host, want string }{
		"the first host":             {"127.0.0.1:" + port + ", http://localhost:" + port, "", "127.0.0.1", "127.0.0.1"},
		"the second host":            {"127.0.0.1:" + port + ", http://localhost:" + port, "", "localhost", "localhost"},
		"a host that is not named":   {":" + port, "link_origin http://localhost:" + port, "evil.localhost", "localhost"},
		"another, where one is told": {"127.0.0.1:" + port + ", http://*.localhost:" + port, "", "evil.localhost", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			h.addr, h.dir = c.site, t.TempDir()
			h.global = strings.Replace(smtp(server), "tls none", "tls none\n\t\t\t"+c.smtp, 1)
			h.load(t)
			link(t)
			if _, _, err := service(t).AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "alice", Email: "alice@example.com", Password: password}); err != nil {
				t.Fatal(err)
			}
			if got, want := ask(c.host), "http://"+c.want+":"+port+"/_nightlatch/reset/"; !strings.HasPrefix(got, want) {
				t.Errorf("got the link %q, want it to begin with %s", got, want)
			}
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// ASVS 6.3.7: a notice that no mail server took is not lost with its configuration, and comes once.
func TestNoticeOutlivesItsConfiguration(t *testing.T) {
	good := mailtest.Start(t, mailtest.NoStartTLS())
	h := newHouse(t, whoami)
	h.global = smtpAt(programtest.FreeAddr(t)) // nobody listens there
	h.load(t)
	link(t)
	svc := service(t)
	if _, _, err := svc.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "alice", Email: "alice@example.com", Password: password}); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.ResetTwoFactor(t.Context(), auth.Client{}, "alice"); err != nil {
		t.Fatal(err)
	}
	h.global = smtp(good)
	h.load(t)
	await(t, good, "second factor")
	for deadline, tick := time.After(patience), time.Tick(10*time.Millisecond); ; {
		left, err := service(t).Undelivered(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		select {
		case <-tick:
		case <-deadline:
			t.Fatalf("still stored: %+v", left)
		}
	}
	h.global += "issuer Another\n"
	h.load(t)
	if got := len(good.All()); got != 1 {
		t.Errorf("got %d mails, want 1", got)
	}
}

// What cannot be is refused, and what runs goes on; validating beside it touches neither.
func TestRefusedMessages(t *testing.T) {
	server := mailtest.Start(t, mailtest.NoStartTLS())
	h := newHouse(t, whoami)
	h.global = smtp(server)
	h.load(t)
	link(t)
	there := *h
	there.addr = programtest.FreeAddr(t)
	if got := elsewhere(t, "validate", there.config()); !strings.HasSuffix(got, "fine\n") {
		t.Errorf("validate beside a running server: got %q", got)
	}
	for global, want := range map[string]string{
		"smtp localhost {\n\t\t\tfrom a@example.com\n\t\t\tusername n\n\t\t\tpassword {env.NIGHTLATCH_E2E_UNSET}\n\t\t}": "smtp password: evaluated placeholder {env.NIGHTLATCH_E2E_UNSET} is empty",
		"webhook https://sms.example.com {\n\t\t\tsecret {env.NIGHTLATCH_E2E_UNSET}\n\t\t}":                              "webhook secret: evaluated placeholder",
		"brand Example {\n\t\t\tlogo /nowhere/logo.svg\n\t\t}":                                                           "reading the logo of the brand: open /nowhere/logo.svg",
		"smtp localhost {\n\t\t\tfrom a@example.com\n\t\t\tca_file /nowhere/ca.pem\n\t\t}":                               "smtp ca_file /nowhere/ca.pem",
		"smtp {env.NIGHTLATCH_E2E_UNSET} {\n\t\t\tfrom a@example.com\n\t\t}":                                             "smtp address: evaluated placeholder",
	} {
		bad := *h
		bad.global = global
		if err := caddy.Load(adapt(t, bad.config()), true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", global, err, want)
		}
	}
	svc := service(t)
	if _, _, err := svc.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "alice", Email: "alice@example.com", Password: password}); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.ResetTwoFactor(t.Context(), auth.Client{}, "alice"); err != nil {
		t.Fatal(err)
	}
	await(t, server, "second factor")
}
