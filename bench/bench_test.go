// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/nightlatch/nightlatch"
)

func TestConfigurationsDifferByTheGateAlone(t *testing.T) {
	const directive = "\tnightlatch\n"
	for _, gate := range []bool{false, true} {
		text := caddyfile(site{gate: gate}, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", t.TempDir())
		cfg, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
		if err != nil {
			t.Fatalf("adapting:\n%s%v", text, err)
		}
		for _, w := range warnings {
			if !strings.Contains(w.Message, "not formatted") {
				t.Errorf("adapting:\n%s%v", text, w)
			}
		}
		var parsed caddy.Config
		if err := caddy.StrictUnmarshalJSON(cfg, &parsed); err != nil {
			t.Errorf("%s: %v", cfg, err)
		}
		if got := strings.Contains(string(cfg), `"handler":"nightlatch"`); got != gate {
			t.Errorf("got a gate: %v, want %v, in %s", got, gate, cfg)
		}
		if got := strings.Contains(text, directive); got != gate {
			t.Errorf("got the directive: %v, want %v, in\n%s", got, gate, text)
		}
	}
}

// TestSomebodyIsSignedIn: a session that the gate did not know would measure refusals.
func TestSomebodyIsSignedIn(t *testing.T) {
	session, err := signIn(t.Context(), t.TempDir())
	if err != nil || session == "" {
		t.Errorf("got session %q, error %v", session, err)
	}
}

func TestReadAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		wire string
		want int // 0: an error
	}{
		"counted":           {"HTTP/1.1 200 OK\r\ncontent-LENGTH: 3\r\n\r\nabc", 200},
		"empty":             {"HTTP/1.1 303 See Other\r\nX: y\r\nContent-Length: 0\r\n\r\n", 303},
		"no length":         {"HTTP/1.1 200 OK\r\n\r\nabc", 0},
		"chunked":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		"cut in the body":   {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", 0},
		"cut in the header": {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", 0},
		"another protocol":  {"SSH-2.0-OpenSSH_10.0\r\n\r\n", 0},
		"no status":         {"HTTP/1.1 abc OK\r\n\r\n", 0},
		"nothing":           {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAnswer(bufio.NewReader(strings.NewReader(c.wire)))
			if (err == nil) != (c.want != 0) || err == nil && got != c.want {
				t.Errorf("got %d, %v, want %d", got, err, c.want)
			}
		})
	}
}

func TestLoadCountsWantedAnswersOnly(t *testing.T) {
	var asked atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1); r.Header.Get("X-Asked") != "yes" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer app.Close()
	dialed := func(header string) *client {
		c, err := dial(app.Listener.Addr().String(), []byte("GET / HTTP/1.1\r\nHost: a\r\n"+header+"\r\n\r\n"), http.StatusOK, 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.close() })
		return c
	}
	c := dialed("X-Asked: yes")
	for range 2 { // the second turn is on the same connection
		left := 6
		if n, err := c.keepAsking(c.conns[0], func() bool { left--; return left >= 0 }); n != 6 || err != nil {
			t.Errorf("asked 6 times: got %d answers, error %v", n, err)
		}
	}
	// How many fit into a while is the machine's matter; that each is counted is ours.
	before := asked.Load()
	if n, took, err := c.load(t.Context(), 10*time.Millisecond); n != asked.Load()-before || took <= 0 || err != nil {
		t.Errorf("got %d answers in %v, error %v; want %d answers", n, took, err, asked.Load()-before)
	}
	// The first wrong answer ends the comparison, however long it was to take.
	before = asked.Load()
	if n, _, err := dialed("X-Asked: no").load(t.Context(), time.Minute); n != 0 || err == nil || asked.Load()-before != 1 {
		t.Errorf("got %d wanted answers to %d requests, error %v; want none to 1, and an error", n, asked.Load()-before, err)
	}
}

func TestParseCPU(t *testing.T) {
	const stat = "4711 (a program) R) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 20 0 9 0 1 2 3\n"
	if got, err := parseCPU(stat); err != nil || got != 3*time.Second {
		t.Errorf("got %v, %v, want 3s", got, err)
	}
	for _, stat := range []string{"", "4711 (x) S 1", strings.Replace(stat, "250", "x", 1)} {
		if got, err := parseCPU(stat); err == nil {
			t.Errorf("%q: got %v, want an error", stat, got)
		}
	}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	over := []result{{100, time.Second, 2 * time.Second}, {100, time.Second, 30 * time.Second}, {100, time.Second, 4 * time.Second}}
	under := []result{{100, time.Second, time.Second}, {100, time.Second, 10 * time.Second}, {100, time.Second, 4 * time.Second}}
	if got, want := ratios(over, under, result.perRequest), (spread{2, 1, 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	sum := result{}
	sum.add(over[0])
	sum.add(under[0])
	if got := sum.perRequest(); got != 15_000 {
		t.Errorf("got %v µs for 3 s and 200 requests, want 15000", got)
	}
	if got := sum.perSecond(); got != 100 {
		t.Errorf("got %v requests a second for 200 in 2 s, want 100", got)
	}
}

// TestReportNamesEachColumn also holds that every comparison finds its columns.
func TestReportNamesEachColumn(t *testing.T) {
	var results [][]result
	for i := range columns {
		results = append(results, []result{{int64(i + 1), time.Second, time.Second}})
	}
	var b strings.Builder
	report(&b, results)
	for _, c := range columns {
		if !strings.Contains(b.String(), c.name) {
			t.Errorf("%s is not in\n%s", c.name, b.String())
		}
	}
	if got := strings.Count(b.String(), "÷"); got != len(comparisons) {
		t.Errorf("got %d comparisons, want %d, in\n%s", got, len(comparisons), b.String())
	}
}

// TestNginxIsThatOfThePage: what is left of the page's addresses would be measured instead of ours.
func TestNginxIsThatOfThePage(t *testing.T) {
	t.Chdir("..")
	files, err := nginxThatAsks("127.0.0.1:81", "127.0.0.1:82")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, text := range files {
		all.WriteString(text)
	}
	for _, left := range []string{":9080", ":3000", " 443", "ssl", "app.example.com"} {
		if strings.Contains(all.String(), left) {
			t.Errorf("%q is left in\n%s", left, all.String())
		}
	}
	for _, want := range []string{"server 127.0.0.1:82;", "keepalive 32;", "listen 127.0.0.1:81;", "proxy_pass http://app;", "auth_request      /", "$host:$server_port$request_uri"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("%q is not in\n%s", want, all.String())
		}
	}
}
