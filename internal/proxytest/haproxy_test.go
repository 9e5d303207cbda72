// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// haproxyFiles are the configuration of the page and the file beside it.
type haproxyFiles struct{ config, lua string }

func haproxyPage(t testing.TB) haproxyFiles {
	t.Helper()
	lua, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxies", "nightlatch.lua"))
	if err != nil {
		t.Fatal(err)
	}
	return haproxyFiles{readPage(t, "haproxy.md").want(t, "haproxy", 1)[0], string(lua)}
}

// startHAProxy runs HAProxy and returns where it listens. gate is where it asks. The second site is added as the page says.
func startHAProxy(t *testing.T, h *house, gate string, files haproxyFiles) string {
	t.Helper()
	program, addr := peer(t, "haproxy"), programtest.FreeAddr(t)
	dir, err := os.MkdirTemp(h.program.Dir, "haproxy")
	if err != nil {
		t.Fatal(err)
	}
	lua, config := filepath.Join(dir, "nightlatch.lua"), filepath.Join(dir, "haproxy.cfg")
	write(t, lua, files.lua)
	others := laxHost + " " + methodsHost + " " + lanHost
	write(t, config, replace(t, files.config,
		"/etc/haproxy/nightlatch.lua", lua, "bind :443", "bind "+addr, "/etc/haproxy/certs/", h.cert, "127.0.0.1:9080", gate,
		"127.0.0.1:3000", h.app.Addr, "-m str "+appHost, "-m str "+appHost+" "+others,
		"\tdefault_backend app\n", "\tuse_backend others if { req.hdr(host),field(1,:),lower -m str "+others+" }\n\tdefault_backend app\n",
		"\nbackend app\n", "\nbackend others\n\tserver others "+h.other.Addr+"\n\nbackend app\n"))
	run(t, addr, exec.Command(program, "-db", "-f", config))
	return addr
}

func TestHAProxy(t *testing.T) {
	peer(t, "haproxy")
	h := build(t, "haproxy.md", "")
	addr := startHAProxy(t, h, h.door.addr, haproxyPage(t))
	playAll(t, open(t, h, addr, quirks{h2: true}))
}

// When the Lua file ends with an error, HAProxy goes on with the next rule. The one of the page refuses then.
func TestHAProxyWithABrokenFile(t *testing.T) {
	peer(t, "haproxy")
	h := build(t, "haproxy.md", "")
	for name, mistake := range map[string][2]string{
		"an error":       {"local headers = question(txn)\n", "local headers = nothing.at.all\n"},
		"no end":         {"local headers = question(txn)\n", "while true do end\n"},
		"another status": {"answer.status == 200", "answer.status == 299"},
	} {
		t.Run(name, func(t *testing.T) {
			files := haproxyPage(t)
			files.lua = replace(t, files.lua, mistake[0], mistake[1])
			f := &front{house: h, addr: startHAProxy(t, h, h.door.addr, files)}
			r := f.kept(t, "a stranger", func() wiretest.Response { return f.get(t, "/public/x") })
			if r.Status != 503 {
				t.Errorf("got %d, want 503", r.Status)
			}
		})
	}
}
