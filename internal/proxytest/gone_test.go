// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"net"
	"testing"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// Whatever becomes of Nightlatch, nobody passes for it, and nobody waits for long (AD-9). Not even where a rule would let them in.
func TestNightlatchGone(t *testing.T) {
	for _, proxy := range []struct {
		page, program string // none: it is our own
		patient       bool   // it waits for an answer longer than a test does
		start         func(t *testing.T, h *house, gate string) string
	}{
		{"nginx.md", "nginx", false, func(t *testing.T, h *house, gate string) string { return startNginx(t, h, gate, nginxPage(t)) }},
		{"haproxy.md", "haproxy", false, func(t *testing.T, h *house, gate string) string { return startHAProxy(t, h, gate, haproxyPage(t)) }},
		{"traefik.md", "traefik", true, func(t *testing.T, h *house, gate string) string { return startTraefik(t, h, gate, traefikPage(t)) }},
		{"caddy.md", "", false, func(t *testing.T, h *house, gate string) string { return startCaddy(t, h, gate, caddyPage(t)) }},
	} {
		t.Run(proxy.page, func(t *testing.T) {
			if proxy.program != "" {
				peer(t, proxy.program)
			}
			h := build(t, proxy.page, "")
			for what, gate := range map[string]string{
				"nobody there": "127.0.0.1:1", // tcpmux, which nobody has
				"no answer":    answering(t, ""),
				"half of one":  answering(t, "HTTP/1.1 200 OK\r\nRemote-User: ro"),
				"no HTTP":      answering(t, "220 mail.example.com ESMTP\r\n"),
				"no status":    answering(t, "HTTP/1.1 \r\n\r\n"),
				"a page":       answering(t, "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
				"a failure":    answering(t, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
			} {
				if what == "no answer" && proxy.patient {
					continue
				}
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					f := &front{house: h, addr: proxy.start(t, h, gate)}
					r := f.kept(t, what, func() wiretest.Response { return f.get(t, "/public/x") })
					if r.Status/100 != 5 && !(what == "a page" && r.Status == 302) {
						t.Errorf("got %d, want that something is broken", r.Status)
					}
				})
			}
		})
	}
}

// answering is a server that says these words to whoever connects and asks, and nothing more.
func answering(t *testing.T, words string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				if _, err := conn.Read(make([]byte, 64<<10)); err != nil {
					return
				}
				if conn.Write([]byte(words)); words != "" {
					conn.Close()
				}
			}()
		}
	}()
	return l.Addr().String()
}
