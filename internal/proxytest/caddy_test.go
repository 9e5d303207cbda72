// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// startCaddy runs a second Caddy, without Nightlatch in its configuration, and returns where it listens. gate is where it asks.
func startCaddy(t *testing.T, h *house, gate, config string) string {
	t.Helper()
	addr := programtest.FreeAddr(t)
	dir, err := os.MkdirTemp(h.program.Dir, "caddy")
	if err != nil {
		t.Fatal(err)
	}
	site := func(hosts, app string) string {
		return hosts + " {\n\tbind 127.0.0.1\n\ttls " + h.cert + " " + h.cert + "\n\timport nightlatch {\n\t\treverse_proxy " + app + "\n\t}\n}\n"
	}
	at := func(host string) string { return "https://" + host + ":" + port(addr) }
	config = "{\n\tadmin off\n\tauto_https off\n}\n" + replace(t, config, "127.0.0.1:9080", gate,
		appHost+" {\n\timport nightlatch {\n\t\treverse_proxy 127.0.0.1:3000\n\t}\n}\n",
		site(at(appHost), h.app.Addr)+site(at(laxHost)+", "+at(methodsHost)+", "+at(lanHost), h.other.Addr))
	file := filepath.Join(dir, "Caddyfile")
	write(t, file, config)
	run(t, addr, h.program.Command("run", "--adapter", "caddyfile", "--config", file))
	return addr
}

func caddyPage(t testing.TB) string { return readPage(t, "caddy.md").want(t, "caddyfile", 2)[1] }

func TestCaddy(t *testing.T) {
	h := build(t, "caddy.md", "")
	addr := startCaddy(t, h, h.door.addr, caddyPage(t))
	playAll(t, open(t, h, addr, quirks{h2: true}))
}
