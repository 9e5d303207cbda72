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
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// nginxFiles are the configuration of the page, in its order.
type nginxFiles struct {
	global  string // conf.d/nightlatch.conf
	snippet string // snippets/nightlatch.conf
	headers string // snippets/nightlatch-headers.conf
	site    string // sites-enabled/app.example.com
	addr    string // where it listens; empty: anywhere
}

func nginxPage(t testing.TB) nginxFiles {
	t.Helper()
	blocks := readPage(t, "nginx.md").want(t, "nginx", 4)
	return nginxFiles{global: blocks[0], snippet: blocks[1], headers: blocks[2], site: blocks[3]}
}

// startNginx runs nginx in a directory of its own and returns where it listens. gate is where it asks.
func startNginx(t *testing.T, h *house, gate string, files nginxFiles) string {
	t.Helper()
	program, addr := peer(t, "nginx"), files.addr
	if addr == "" {
		addr = programtest.FreeAddr(t)
	}
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
	h := build(t, "nginx.md", "")
	f := open(t, h, startNginx(t, h, h.door.addr, nginxPage(t)), quirks{plain: true})
	playAll(t, f)
	t.Run("UnknownHostsGetNothing", func(t *testing.T) {
		for _, host := range []string{"unknown.example", "127.0.0.1", "app.example.com.evil.example"} {
			if r := f.raw(t, appHost, "GET /public/x HTTP/1.1", "Host: "+host); r.Status != 0 {
				t.Errorf("Host: %s: got %d %q, want nothing", host, r.Status, r.Body)
			}
		}
	})
}

// On another port than 443 the page wants the port written out, so that people are led back to where they came from.
func TestNginxOnAnotherPort(t *testing.T) {
	peer(t, "nginx")
	files := nginxPage(t)
	files.addr = programtest.FreeAddr(t)
	here := appHost + ":" + port(files.addr)
	h := build(t, "nginx.md", "\t\tprotect "+here+"\n")
	files.snippet, files.headers = replace(t, files.snippet, "$host", "$host:$server_port"), replace(t, files.headers, "$host", "$host:$server_port")
	f := &front{house: h, addr: startNginx(t, h, h.door.addr, files)}

	r := f.kept(t, "a page", func() wiretest.Response {
		return f.raw(t, appHost, "GET /reports HTTP/1.1", "Host: "+here, "Accept: text/html")
	})
	if want := "https://" + here + signInPage + "?return_to=/reports"; r.Status != 303 || location(r) != want {
		t.Errorf("a page: got %d to %q, want 303 to %q", r.Status, location(r), want)
	}
	b := f.browser(t, appHost)
	b.Base = "https://" + here
	if err := b.Join(h.alice); err != nil {
		t.Fatal(err)
	}
	got := f.passed(t, "alice", "/reports", func() wiretest.Response {
		return f.raw(t, appHost, "GET /reports HTTP/1.1", "Host: "+here, "Cookie: "+b.Cookies.String())
	})
	tells(t, "alice", got, asAliceOnly...)
	if host := got.Values("Host"); len(host) != 1 || host[0] != here {
		t.Errorf("the application got Host: %q, want %s", host, here)
	}
}
