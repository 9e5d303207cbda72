// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// nginxFiles are the configuration of the page, in its order.
type nginxFiles struct {
	global  string // conf.d/nightlatch.conf
	snippet string // snippets/nightlatch.conf
	headers string // snippets/nightlatch-headers.conf
	site    string // sites-enabled/app.example.com
}

func nginxPage(t testing.TB) nginxFiles {
	t.Helper()
	blocks := readPage(t, "nginx.md").want(t, "nginx", 4)
	return nginxFiles{blocks[0], blocks[1], blocks[2], blocks[3]}
}

// startNginx runs nginx in a directory of its own and returns where it listens. gate is where it asks.
func startNginx(t *testing.T, h *house, gate string, files nginxFiles) string {
	t.Helper()
	program, addr := peer(t, "nginx"), programtest.FreeAddr(t)
	dir, err := os.MkdirTemp(h.program.Dir, "nginx")
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) { write(t, filepath.Join(dir, name), text) }
	put("conf.d/nightlatch.conf", replace(t, files.global, "listen 443 ssl", "listen "+addr+" ssl", "127.0.0.1:9080", gate))
	put("snippets/nightlatch.conf", files.snippet)
	put("snippets/nightlatch-headers.conf", files.headers)
	site := replace(t, files.site, "listen 443 ssl", "listen "+addr+" ssl",
		"/etc/ssl/app.example.com/fullchain.pem", h.cert, "/etc/ssl/app.example.com/privkey.pem", h.cert)
	put("sites/app", replace(t, site, "127.0.0.1:3000", h.app.Addr))
	put("sites/others", replace(t, site, "127.0.0.1:3000", h.other.Addr, "server_name "+appHost, "server_name "+laxHost+" "+methodsHost+" "+lanHost))
	put("nginx.conf", fmt.Sprintf(`
daemon off;
pid %[1]s/pid;
error_log stderr warn;
%[2]s
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	proxy_cache_path %[1]s/cache keys_zone=cache:1m;
	include conf.d/*;
	include sites/*;
}
`, dir, asRoot()))
	run(t, addr, exec.Command(program, "-p", dir, "-c", "nginx.conf", "-e", "stderr"))
	return addr
}

// asRoot keeps a worker of root's nginx from becoming somebody who cannot read the directory of the test.
func asRoot() string {
	if os.Getuid() == 0 {
		return "user root;"
	}
	return ""
}

// nginx hands on the status of a refusal, and the address to sign in.
func TestNginx(t *testing.T) {
	peer(t, "nginx")
	h := build(t, "nginx.md")
	addr := startNginx(t, h, h.door.addr, nginxPage(t))
	playAll(t, open(t, h, addr, quirks{plain: true}))
}
