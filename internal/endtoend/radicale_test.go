// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

var settingsRE = regexp.MustCompile("(?ms)^```ini\n(.*?)^```$")

// Radicale, with the settings of its page, behind the Caddyfile of its page: alice is alice there, whatever her client says besides, and
// nobody else's calendars are hers.
func TestRadicaleBelievesThePreset(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(appsDir, "radicale.md"))
	if err != nil {
		t.Fatal(err)
	}
	radicale := &wiretest.Upstream{Addr: startRadicale(t, settingsRE.FindSubmatch(page)[1])}
	site := appSite{page: readAppPage(t, "radicale.md"), app: radicale, addr: programtest.FreeAddr(t)}
	site.text = site.page.caddyfiles[0]
	s := newServer(t)
	s.global = appSpellings[0].servers(nil)
	s.configure(t, "", site.here(t))
	s.Start(t)
	cookie := signedIn(t, s, site.addr)

	bob := "X-Remote-User: bob\r\nRemote-User: bob\r\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte("bob:x")) + "\r\n"
	const question = `<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>`
	who := fmt.Sprintf("Depth: 0\r\nContent-Length: %d\r\n\r\n%s", len(question), question)
	for _, lines := range []string{cookie, cookie + bob} {
		answer := site.send(t, "PROPFIND", "/", lines+who)
		if answer.Status != 207 || !strings.Contains(string(answer.Body), "<href>/alice/</href>") {
			t.Errorf("who is there: got %d %s; want alice", answer.Status, answer.Body)
		}
	}
	if answer := site.send(t, "MKCALENDAR", "/alice/work/", cookie+bob+"\r\n"); answer.Status != 201 {
		t.Errorf("a calendar of her own: got %d %s; want 201", answer.Status, answer.Body)
	}
	if answer := site.send(t, "MKCALENDAR", "/bob/work/", cookie+bob+"\r\n"); answer.Status != 403 {
		t.Errorf("a calendar of bob's: got %d %s; want 403", answer.Status, answer.Body)
	}
	if answer := site.send(t, "PROPFIND", "/bob/", bob+who); answer.Status != 401 || strings.Contains(string(answer.Body), "multistatus") {
		t.Errorf("a stranger: got %d %s; want 401", answer.Status, answer.Body)
	}
}

// startRadicale runs Debian's Radicale, with the settings of the page, in a directory of its own.
func startRadicale(t *testing.T, settings []byte) (addr string) {
	t.Helper()
	program, err := exec.LookPath("radicale")
	switch {
	case err != nil && os.Getenv("NIGHTLATCH_REQUIRE") == "all":
		t.Fatalf("Radicale is not installed, and NIGHTLATCH_REQUIRE=all wants it: %v", err)
	case err != nil:
		t.Skipf("Radicale is not installed: %v", err)
	}
	addr = programtest.FreeAddr(t)
	text := strings.Replace(string(settings), "localhost:5232", addr, 1) + "\n[storage]\nfilesystem_folder = " + t.TempDir() + "\n"
	config := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(config, []byte(text), 0o600))
	var said strings.Builder
	radicale := exec.Command(program, "--config", config)
	radicale.Stdout, radicale.Stderr = &said, &said
	must(t, radicale.Start())
	t.Cleanup(func() {
		radicale.Process.Kill()
		radicale.Wait()
		if t.Failed() {
			t.Logf("Radicale said:\n%s", said.String())
		}
	})
	if !programtest.Eventually(func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}) {
		t.Fatal("Radicale does not start")
	}
	return addr
}
