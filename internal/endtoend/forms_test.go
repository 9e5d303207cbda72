// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

var keptRE = regexp.MustCompile(`name="nightlatch-form" value="([^"]+)"`)

const (
	fromHere = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html\r\n"
	filled   = "Origin: http://localhost\r\nReferer: http://localhost/app/cart?step=2\r\n" + fromHere
)

// A form that was kept reaches the application as the form itself would have without the gate: behind a rewrite, in the access log, on the
// wire. What was sealed is nowhere but in the page.
func TestKeptFormOnTheWire(t *testing.T) {
	echo := wiretest.Echo(t)
	s, gated, plain := newServer(t), programtest.FreeAddr(t), programtest.FreeAddr(t)
	log := filepath.Join(s.Dir, "access.log")
	site := func(addr, gate string) string {
		return fmt.Sprintf("%s {\n\tlog {\n\t\toutput file %s\n\t}\n\turi strip_prefix /app\n\trewrite /orders /index.php?to={uri}\n\t%s\n\treverse_proxy %s\n}\n",
			named("http", addr), log, gate, echo.Addr)
	}
	s.configure(t, "", site(gated, "nightlatch")+site(plain, ""))
	s.Start(t)
	_, alice := s.joined(t, "alice", named("http", gated), nil)

	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	for name, c := range map[string]struct{ target, kind, body string }{
		"fields":     {"/app/orders?list=a%2Fb&x=%20;y", "application/x-www-form-urlencoded", "item=%C3%A9&n=1"},
		"a file":     {"/app/upload", "multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=f; filename=\"a\"\r\n\r\n" + strings.Repeat(string(everyByte), 1000) + "\r\n--X--\r\n"},
		"a megabyte": {"/app/upload", "application/x-www-form-urlencoded", strings.Repeat("a", 1<<20)},
		"no fields":  {"/app/a//b/%2e%2e/c", "application/x-www-form-urlencoded", ""},
	} {
		t.Run(name, func(t *testing.T) {
			request := func(cookie string) string {
				return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Type: %s\r\nContent-Length: %d\r\nCookie: %s\r\n\r\n%s",
					c.target, filled, c.kind, len(c.body), cookie, c.body)
			}
			refused := wiretest.Raw(t, gated, request("theirs=1"))
			found := keptRE.FindStringSubmatch(string(refused.Body))
			if refused.Status != 401 || found == nil {
				t.Fatalf("got %d, want 401 and the form:\n%.3000s", refused.Status, refused.Body)
			}
			back := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n%sContent-Type: text/plain\r\nContent-Length: %d\r\nCookie: %s\r\n\r\nnightlatch-form=%s\r\n",
				c.target, fromHere, len("nightlatch-form=\r\n")+len(found[1]), alice.Cookies, found[1])
			conn := wiretest.Dial(t, gated, nil)
			conn.Send(back)
			if got := conn.Response("POST"); got.Status != 200 {
				t.Fatalf("sent again: got %d\n%s", got.Status, got.Body)
			}
			conn.Send(back) // the connection is as good as before
			if again := conn.Response("POST"); again.Status != 409 {
				t.Errorf("a second time: got %d, want 409", again.Status)
			}
			if got := wiretest.Raw(t, plain, request("nightlatch-none=x")); got.Status != 200 {
				t.Fatalf("without the gate: got %d", got.Status)
			}
			all := echo.Requests()
			got, want := all[len(all)-2].Message, all[len(all)-1].Message
			if got, want := withoutIdentity(got), withoutIdentity(want); got != want || !strings.Contains(got, c.kind) {
				t.Errorf("the form reached the application as\n%.2000s\nwithout the gate as\n%.2000s", got, want)
			}
			if user := got.Values("Remote-User"); len(user) != 1 || user[0] != "alice" {
				t.Errorf("the application got Remote-User %q, want alice", user)
			}
			for _, r := range all {
				if strings.Contains(string(r.Raw), found[1]) {
					t.Error("the application got what was sealed")
				}
			}
			written, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(written), `"uri":"`+strings.ReplaceAll(c.target, "&", `\u0026`)) && !strings.Contains(string(written), `"uri":"`+c.target) {
				t.Errorf("the access log has no line for %s:\n%.3000s", c.target, written)
			}
			for what, text := range map[string]string{"the access log": string(written), "the log": s.Said()} {
				if strings.Contains(text, found[1][:40]) || strings.Contains(text, "form-again") {
					t.Errorf("%s has what was sealed", what)
				}
			}
		})
	}
}

// The same over HTTP/2, where a body comes in frames and has no length that was announced.
func TestKeptFormOverHTTP2(t *testing.T) {
	echo := wiretest.Echo(t)
	x := newSites(t, echo.Addr)
	_, alice := x.server.joined(t, "alice", named("https", x.gatedSecure), x.trust)
	conn := wiretest.H2(t, x.gatedSecure, x.trust)
	fields := func(kind string, more ...[2]string) [][2]string {
		return append([][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", host}, {":path", "/orders"}, {"content-type", kind}, {"accept", "text/html"},
			{"sec-fetch-site", "same-origin"}, {"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"}}, more...)
	}
	body := strings.Repeat("a", 40_000) // more than one frame
	refused := conn.Do(fields("application/x-www-form-urlencoded"), []byte(body), nil)
	found := keptRE.FindStringSubmatch(string(refused.Body))
	if refused.Status != 401 || found == nil {
		t.Fatalf("got %d, want 401 and the form", refused.Status)
	}
	got := conn.Do(fields("text/plain", [2]string{"cookie", alice.Cookies.String()}), []byte("nightlatch-form="+found[1]+"\r\n"), nil)
	if got.Status != 200 || !strings.HasSuffix(string(got.Body), "\r\n\r\n"+body) {
		t.Errorf("got %d and %d bytes, want 200 and the form", got.Status, len(got.Body))
	}
}
