// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const page = "../../docs/webhook.md"

func readFile(t *testing.T, name string) string {
	t.Helper()
	all, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestThePageShowsTheReceiver(t *testing.T) {
	if want := "```go\n" + readFile(t, "../../docs/webhook-receiver/main.go") + "```\n"; !strings.Contains(readFile(t, page), want) {
		t.Error("docs/webhook.md does not show docs/webhook-receiver/main.go as it is")
	}
}

// The request that the page shows is what a Sender sends, with the secret that the page names.
func TestThePageShowsTheRequest(t *testing.T) {
	_, rest, _ := strings.Cut(readFile(t, page), "```http\n")
	shown, rest, found := strings.Cut(rest, "\n```\n")
	if !found || !strings.Contains(rest, secret) {
		t.Fatal("the page shows no request, or not the secret of it")
	}
	head, body, _ := strings.Cut(shown, "\n\n")
	raw := strings.ReplaceAll(head, "\n", "\r\n") + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.ParseInt(want.Header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}

	handler, got := recorder(http.StatusOK)
	server := httptest.NewServer(handler)
	defer server.Close()
	s := newSender(t, Config{URL: server.URL + "/send", Header: http.Header{"X-Token": {"as configured"}}})
	if err := s.Send(t.Context(), Event{ID: want.Header.Get("Webhook-Id"), Time: time.Unix(seconds, 0), Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.Method != want.Method || r.RequestURI != want.RequestURI || r.Proto != want.Proto || r.body != body {
		t.Errorf("got %s %s %s with %s", r.Method, r.RequestURI, r.Proto, r.body)
	}
	r.Header.Del("Connection")
	want.Header.Del("Connection")
	if got, want := fmt.Sprint(r.Header), fmt.Sprint(want.Header); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// output is what a program has said so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// receiver builds and starts the program of the page, and returns where it listens and what it says.
func receiver(t *testing.T, secret, gateway string) (base string, said *output) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "receiver")
	if out, err := exec.Command("go", "build", "-o", program, "../../docs/webhook-receiver").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+secret, "GATEWAY_URL="+gateway, "LISTEN=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	first, err := lines.ReadString('\n')
	said = &output{}
	io.WriteString(said, first)
	copied := make(chan struct{})
	go func() {
		io.Copy(said, lines)
		close(copied)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-copied
		cmd.Wait() // it was killed, and says so
	})
	_, address, found := strings.Cut(strings.TrimSpace(first), "listening on ")
	if err != nil || !found {
		t.Fatalf("the receiver said %q, %v", first, err)
	}
	return "http://" + address, said
}

func TestTheReceiverOfThePage(t *testing.T) {
	var broken atomic.Bool
	forms := make(chan url.Values, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		forms <- r.PostForm
	}))
	defer gateway.Close()
	base, said := receiver(t, secret, gateway.URL)
	s := newSender(t, Config{URL: base + "/send"})
	message := func(id string) Event {
		return Event{ID: id, Time: time.Now(), Body: []byte(`{"type":"code","timestamp":"2026-11-22T09:30:00Z","data":{"user":"alice","channel":"sms",` +
			`"destination":"+4915112345678","code":"048163","expires":"2026-11-22T09:40:00Z","site":"https://app.example.com","purpose":"sign_in"}}`)}
	}
	wantStatus := func(err error, status int) {
		t.Helper()
		if e, is := errors.AsType[*Error](err); !is || e.Status != status {
			t.Errorf("got %v, want %d", err, status)
		}
	}

	for range 2 { // a second try is answered and not sent on
		if err := s.Send(t.Context(), message("msg_1")); err != nil {
			t.Fatal(err)
		}
	}
	want := url.Values{"to": {"+4915112345678"}, "text": {"048163 is your code for https://app.example.com"}}
	if form := <-forms; form.Encode() != want.Encode() || len(forms) != 0 {
		t.Errorf("the gateway got %v and %d more, want %v alone", form, len(forms), want)
	}

	broken.Store(true)
	wantStatus(s.Send(t.Context(), message("msg_2")), http.StatusBadGateway)
	broken.Store(false)
	if err := s.Send(t.Context(), message("msg_2")); err != nil || len(forms) != 1 {
		t.Fatalf("the second try after a failed one: got %v, %d messages", err, len(forms))
	}

	stranger := newSender(t, Config{URL: base + "/send", Secret: "whsec_" + strings.Repeat("A", 32)})
	wantStatus(stranger.Send(t.Context(), message("msg_3")), http.StatusUnauthorized)
	for _, shift := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
		e := message("msg_4")
		e.Time = e.Time.Add(shift)
		wantStatus(s.Send(t.Context(), e), http.StatusUnauthorized)
	}
	for name, spoil := range map[string]func(h http.Header, body *string){
		"another body":    func(_ http.Header, body *string) { *body = strings.Replace(*body, "+49", "+48", 1) },
		"another ID":      func(h http.Header, _ *string) { h.Set("Webhook-Id", "msg_6") },
		"another time":    func(h http.Header, _ *string) { h.Set("Webhook-Timestamp", strconv.FormatInt(time.Now().Unix()+1, 10)) },
		"no time":         func(h http.Header, _ *string) { h.Del("Webhook-Timestamp") },
		"no signature":    func(h http.Header, _ *string) { h.Del("Webhook-Signature") },
		"empty signature": func(h http.Header, _ *string) { h.Set("Webhook-Signature", "v1,") },
		"another version": func(h http.Header, _ *string) { h.Set("Webhook-Signature", "v2"+h.Get("Webhook-Signature")[2:]) },
	} {
		e := message("msg_5")
		r, body := signedRequest(s, e)
		spoil(r, &body)
		if got := post(t, base, r, body); got != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", name, got)
		}
	}
	if len(forms) != 1 {
		t.Errorf("the gateway got %d messages that were not signed", len(forms)-1)
	}
	<-forms
	r, body := signedRequest(s, message("msg_7")) // several signatures, as while a secret is replaced
	r.Set("Webhook-Signature", "v1,AAAA "+r.Get("Webhook-Signature")+" v1a,BBBB")
	if got := post(t, base, r, body); got != http.StatusOK || len(forms) != 1 {
		t.Errorf("one of several signatures is right: got %d", got)
	}
	if got := said.String(); !strings.Contains(got, "+4915112345678") || strings.Contains(got, "048163") {
		t.Errorf("the receiver said %s; want the destination and no code", got)
	}
}

func signedRequest(s *Sender, e Event) (http.Header, string) {
	header := http.Header{}
	sign(header, s.key, e)
	return header, string(e.Body)
}

func post(t *testing.T, base string, header http.Header, body string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", base+"/send", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestTheReceiverNeedsAKey(t *testing.T) {
	program := filepath.Join(t.TempDir(), "receiver")
	if out, err := exec.Command("go", "build", "-o", program, "../../docs/webhook-receiver").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, secret := range []string{"", "whsec_", "whsec_AAAA", "no base64!"} {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+secret, "LISTEN=127.0.0.1:-1")
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "WEBHOOK_SECRET") {
			t.Errorf("%q: got %v, %s", secret, err, out)
		}
	}
}
