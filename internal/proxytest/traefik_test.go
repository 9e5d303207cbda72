// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// traefikFiles are the configuration of the page.
type traefikFiles struct {
	static  string // what Traefik reads when it starts
	dynamic string // a file in the directory that it names
}

func traefikPage(t testing.TB) traefikFiles {
	t.Helper()
	blocks := readPage(t, "traefik.md").want(t, "yaml", 3)
	return traefikFiles{static: blocks[0], dynamic: blocks[1]}
}

// startTraefik runs Traefik and returns where it listens. gate is where it asks. The second site is one more file.
func startTraefik(t *testing.T, h *house, gate string, files traefikFiles) string {
	t.Helper()
	program, addr := peer(t, "traefik"), programtest.FreeAddr(t)
	dir, err := os.MkdirTemp(h.program.Dir, "traefik")
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) { write(t, filepath.Join(dir, name), text) }
	static := replace(t, files.static, `":443"`, addr, "/etc/traefik/dynamic", filepath.Join(dir, "dynamic"))
	put("traefik.yml", static+"global:\n  checkNewVersion: false\n  sendAnonymousUsage: false\n")
	dynamic := replace(t, files.dynamic, "127.0.0.1:9080", gate)
	put("dynamic/app.yml", replace(t, dynamic, "127.0.0.1:3000", h.app.Addr))
	// Of what both files have alike, Traefik takes one.
	put("dynamic/others.yml", replace(t, dynamic, "127.0.0.1:3000", h.other.Addr, "    app", "    others", "service: app\n", "service: others\n",
		"Host(`"+appHost+"`)", fmt.Sprintf("(Host(`%s`) || Host(`%s`) || Host(`%s`))", laxHost, methodsHost, lanHost)))
	put("dynamic/test.yml", fmt.Sprintf("tls:\n  certificates:\n    - certFile: %[1]s\n      keyFile: %[1]s\n"+
		"http:\n  routers:\n    ready:\n      rule: Host(`%[2]s`)\n      tls: {}\n      service: noop@internal\n", h.cert, readyHost))
	run(t, addr, exec.Command(program, "--configfile", filepath.Join(dir, "traefik.yml")))
	// It listens before it has read the directory.
	if !programtest.Eventually(func() bool {
		conn, err := tls.Dial("tcp", addr, h.trust(appHost))
		if err != nil {
			return false
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", readyHost)
		answer, _ := io.ReadAll(conn)
		return strings.HasPrefix(string(answer), "HTTP/1.0 418 ")
	}) {
		t.Fatal("Traefik does not have the routers of the page")
	}
	return addr
}

// readyHost has a router of the test's own, to Traefik's service that does nothing and answers 418.
const readyHost = "ready.example.com"

var traefikQuirks = quirks{h2: true, cleans: true, drops: true, asks: true}

func TestTraefik(t *testing.T) {
	peer(t, "traefik")
	h := build(t, "traefik.md", "")
	f := open(t, h, startTraefik(t, h, h.door.addr, traefikPage(t)), traefikQuirks)
	playAll(t, f)
	t.Run("Trailers", func(t *testing.T) {
		got := f.passed(t, "a trailer", "/public/x", func() wiretest.Response {
			return f.rawWith(t, appHost, "POST /public/x HTTP/1.1", "Host: "+appHost, "Transfer-Encoding: chunked", "Trailer: Remote-User",
				"", "5\r\nhello\r\n0\r\nRemote-User: root")
		})
		if strings.Contains(string(got.Raw), "root") {
			t.Errorf("the application got the trailer: %q", got.Raw)
		}
	})
}

// The examples of Authelia trust what the entry point says, which lets nothing of the visitor's in.
func TestTraefikThatTrustsItsEntryPoint(t *testing.T) {
	peer(t, "traefik")
	h := build(t, "traefik.md", "")
	files := traefikPage(t)
	files.dynamic = replace(t, files.dynamic, "trustForwardHeader: false", "trustForwardHeader: true")
	playAll(t, open(t, h, startTraefik(t, h, h.door.addr, files), traefikQuirks))
}

// The labels of the page say what its file says.
func TestTraefikLabels(t *testing.T) {
	blocks := readPage(t, "traefik.md").want(t, "yaml", 3)
	file, labels := flat(blocks[1], "labels", "traefik"), flat(blocks[2])
	for key, want := range file {
		switch {
		case strings.Contains(key, ".services."), strings.HasSuffix(key, ".service") && want == "app":
			continue // Traefik knows it from the container
		case strings.HasSuffix(key, ".tls"):
			want = "true"
		}
		if got := strings.Replace(labels[key], "http://nightlatch:", "http://127.0.0.1:", 1); got != want {
			t.Errorf("%s: the labels have %q, the file %q", key, got, want)
		}
		delete(labels, key)
	}
	for key, value := range labels {
		t.Errorf("%s: the labels have %q, the file nothing", key, value)
	}
}

// flat are the values of a YAML text as the pages have it, each by the keys that lead to it, in lower case, below root. A list is one
// value.
func flat(text string, root ...string) map[string]string {
	values, path := map[string]string{}, root
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " #")
		word := strings.TrimLeft(line, " ")
		if word == "" || word[0] == '#' {
			continue
		}
		if item, is := strings.CutPrefix(word, "- "); is {
			key := strings.Join(path, ".")
			values[key] = strings.TrimPrefix(values[key]+","+item, ",")
			continue
		}
		key, value, _ := strings.Cut(word, ":")
		depth := len(root) + (len(line)-len(word))/2
		path = append(slices.Clone(path[:depth]), strings.ToLower(key))
		if value = strings.TrimSpace(value); value != "" {
			values[strings.Join(path, ".")] = strings.ReplaceAll(strings.Trim(value, `[]"`), ", ", ",")
		}
	}
	return values
}
