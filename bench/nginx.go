// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nginxPage holds the configuration that is measured. It is read from the top of the repository, where bench runs.
const nginxPage = "docs/proxies/nginx.md"

// nginxProgram finds nginx, which Debian keeps where not every PATH looks.
func nginxProgram() (string, error) {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/nginx")
}

// nginxFiles are files of a configuration by name. Those of sites/ are put into the http block.
type nginxFiles map[string]string

// nginxPlain proxies everything to the application, as nginx does by itself.
func nginxPlain(addr string) nginxFiles {
	return nginxFiles{"sites/app": fmt.Sprintf(`server {
	listen %s;
	location / {
		proxy_pass http://app;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		proxy_set_header Host $host:$server_port;
		proxy_set_header X-Forwarded-For $remote_addr;
		proxy_set_header X-Forwarded-Proto $scheme;
	}
}
`, addr)}
}

// nginxThatAsks is the configuration of the page, without TLS, on another port than 443, and with connections to the application that
// are kept, as the other column has them.
func nginxThatAsks(addr, gate string) (nginxFiles, error) {
	page, err := os.ReadFile(nginxPage)
	if err != nil {
		return nil, err
	}
	blocks := fenced(string(page), "nginx")
	if len(blocks) != 4 {
		return nil, fmt.Errorf("%s has %d blocks of nginx, want 4", nginxPage, len(blocks))
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	files := nginxFiles{"sites/all": blocks[0], "snippets/nightlatch.conf": blocks[1], "snippets/nightlatch-headers.conf": blocks[2], "sites/app": blocks[3]}
	for name, text := range files {
		text = strings.NewReplacer("listen 443 ssl", "listen "+addr, "127.0.0.1:9080", gate, "http://127.0.0.1:3000", "http://app",
			"server_name app.example.com", "server_name "+host, "$host", "$host:$server_port", "ssl_reject_handshake on;", "").Replace(text)
		var kept []string
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "ssl_certificate") {
				kept = append(kept, line)
			}
		}
		files[name] = strings.Join(kept, "")
	}
	return files, nil
}

// fenced are the blocks of one kind in a page.
func fenced(page, kind string) (blocks []string) {
	open := false
	for line := range strings.Lines(page) {
		switch {
		case line == "```"+kind+"\n":
			blocks, open = append(blocks, ""), true
		case line == "```\n":
			open = false
		case open:
			blocks[len(blocks)-1] += line
		}
	}
	return blocks
}

// startNginx runs it as one process, whose time is all that there is to measure.
func (b *bench) startNginx(ctx context.Context, dir, addr string, files nginxFiles) (*process, error) {
	program, err := nginxProgram()
	if err != nil {
		return nil, err
	}
	files["nginx.conf"] = fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr warn;
events {
	worker_connections 1024;
}
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	upstream app {
		server %[2]s;
		keepalive 64;
		keepalive_requests 1000000000;
	}
	include sites/*;
}
`, dir, b.upstream.addr)
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return start(ctx, addr, nil, program, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
}

// openAsking starts an nginx at addr and the gate that it asks.
func (b *bench) openAsking(ctx context.Context, r *running, s site, dir, addr, data string) error {
	gate, err := freeAddr()
	if err != nil {
		return err
	}
	files, err := nginxThatAsks(addr, gate)
	if err != nil {
		return err
	}
	if r.asked, err = b.startCaddy(ctx, s, dir, gate, askedCaddyfile(addr, gate, r.admin, data)); err != nil {
		return err
	}
	if r.process, err = b.startNginx(ctx, dir, addr, files); err != nil {
		r.asked.stop()
	}
	return err
}

// askedCaddyfile is the configuration of a gate that nginx at addr asks: two factors, four headers.
func askedCaddyfile(addr, gate, admin, data string) string {
	return fmt.Sprintf(`{
	admin %s
	persist_config off
	servers {
		trusted_proxies static 127.0.0.1/32
		trusted_proxies_strict
	}
	nightlatch {
		data_dir %s
	}
}
http://%s {
	bind 127.0.0.1
	nightlatch {
		protect %s
	}
	respond 404
}
`, admin, data, gate, addr)
}
