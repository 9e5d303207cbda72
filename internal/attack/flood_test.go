// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

func TestFloods(t *testing.T) {
	h, _, plain, secured := beginPlainAndSecured(t)
	_, b := h.joined(t, "http://"+plain, "alice")
	// The same process answers her on a new connection.
	wantAlive := func(t *testing.T) {
		t.Helper()
		b.Client.CloseIdleConnections()
		b.send("GET", "/x", nil)
		if b.At.Status != 200 || !strings.Contains(b.At.Body, "Remote-User: alice") {
			t.Errorf("alice: got %d %s", b.At.Status, b.At.Body)
		}
		if !h.Runs() {
			t.Error("the process has ended")
		}
	}
	// The slow ones begin first and are looked at last, since their time has to pass.
	slow := dripping(t, plain, 300)

	t.Run("DO4Bodies", func(t *testing.T) {
		deep, keys, parts := strings.Repeat(`{"a":`, 10000), strings.Repeat("k=v&", 20000), strings.Repeat("--x\r\n\r\n", 9000)
		for what, body := range map[string]struct {
			kind, text   string
			length, want int
		}{
			"100 MB said":   {"application/x-www-form-urlencoded", "name=", 100 << 20, 413},
			"an octillion":  {"application/x-www-form-urlencoded", "name=", 1 << 60, 413},
			"many keys":     {"application/x-www-form-urlencoded", keys, len(keys), 413},
			"deep":          {"application/json", deep, len(deep), 415},
			"multipart":     {"multipart/form-data; boundary=x", parts, len(parts), 415},
			"bad escapes":   {"application/x-www-form-urlencoded", "name=%zz&password=%", 19, 400},
			"semicolons":    {"application/x-www-form-urlencoded", "name=a;password=b", 17, 400},
			"twice a field": {"application/x-www-form-urlencoded", "name=a&name=b", 13, 400},
		} {
			for _, page := range []string{"sign-in", "second-factor", "sudo", "setup/ABCDEFGHIJKLMNOPQRSTUVWXYZ", "two-factor/enable"} {
				c := wiretest.Dial(t, plain, nil)
				c.Send(fmt.Sprintf("POST /_nightlatch/%s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", page, plain, body.kind, body.length, body.text))
				if r := c.Response("POST"); r.Status != body.want {
					t.Errorf("%s to %s: got %d, want %d", what, page, r.Status, body.want)
				}
				c.Close()
			}
		}
		c := wiretest.Dial(t, plain, nil)
		c.Send("POST /_nightlatch/sign-in HTTP/1.1\r\nHost: " + plain + "\r\nAccept: text/html\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n")
		c.Send(strings.Repeat("4000\r\n"+strings.Repeat("a", 0x4000)+"\r\n", 64))
		if r := c.Response("POST"); r.Status != 413 {
			t.Errorf("a megabyte in chunks: got %d, want 413", r.Status)
		}
		wantAlive(t)
	})

	t.Run("DO5Headers", func(t *testing.T) {
		for what, lines := range map[string]string{
			"one long":  "X: " + strings.Repeat("x", 2<<20),
			"many":      strings.Repeat("X: y\r\n", 200000) + "X: y",
			"long name": strings.Repeat("x", 1<<20) + ": y",
		} {
			if r := raw(t, plain, nil, "GET /x HTTP/1.1", "Host: "+plain, lines); r.Status != 431 {
				t.Errorf("%s: got %d, want 431", what, r.Status)
			}
		}
		if r := raw(t, plain, nil, "GET /"+strings.Repeat("x", 2<<20)+" HTTP/1.1", "Host: "+plain); r.Status != 431 {
			t.Errorf("a long target: got %d, want 431", r.Status)
		}
		wantAlive(t)
	})

	t.Run("DO7StrangersLeaveNothing", func(t *testing.T) {
		before := diskUse(t, h.Data())
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for i := range 250 {
					v := visitor(t, "http://"+plain)
					v.Cookies.Set("nightlatch", fmt.Sprint("forged", i))
					v.Cookies.Set("nightlatch-attempt", fmt.Sprint("forged", i))
					for _, page := range []string{"/_nightlatch/sign-in?return_to=/" + fmt.Sprint(i), "/x" + fmt.Sprint(i), "/_nightlatch/sudo?level=password"} {
						v.send("GET", page, nil)
					}
					v.Client.CloseIdleConnections()
				}
			})
		}
		wait.Wait()
		if grown := diskUse(t, h.Data()) - before; grown > 64<<10 {
			t.Errorf("3000 visits of strangers took %d bytes of disk", grown)
		}
		wantAlive(t)
	})

	// A try that is refused costs no record either, so a store cannot be filled by guessing from one place.
	t.Run("BF9GuessesInOnePlaceAreBounded", func(t *testing.T) {
		statuses := map[int]int{}
		var before int64
		for i := range 130 {
			if i == 110 {
				before = diskUse(t, h.Data())
			}
			v := visitor(t, "http://"+plain)
			v.open("/_nightlatch/sign-in")
			v.submit("sign-in", "name", fmt.Sprint("nobody", i), "password", password)
			statuses[v.At.Status]++
			v.Client.CloseIdleConnections()
		}
		if statuses[403] > 100 || statuses[403]+statuses[429] != 130 {
			t.Errorf("of 130 guesses got %v; want at most 100 looked at and the rest refused", statuses)
		}
		if grown := diskUse(t, h.Data()) - before; grown > 8<<10 {
			t.Errorf("20 refused guesses took %d bytes of disk", grown)
		}
		// alice has signed in from here: she still can, and a stranger's noise is not hers.
		wantAlive(t)
	})

	t.Run("DO12StreamsThatAreReset", func(t *testing.T) {
		resetStreams(t, secured, 3000)
		r := wiretest.H2(t, secured, secure("app.test")).Do(h2("app.test", "/_nightlatch/healthz"), nil, nil)
		if r.Status != 200 {
			t.Errorf("afterwards: got %d %s, want 200", r.Status, r.Reset)
		}
		wantAlive(t)
	})

	t.Run("DO6SlowBodies", func(t *testing.T) {
		wantAlive(t)
		for _, c := range slow {
			c.SetReadDeadline(time.Now().Add(20 * time.Second))
			answer, err := io.ReadAll(c)
			if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 408 ")) {
				t.Fatalf("a slow sender: got %.100q, %v; want 408 and the end", answer, err)
			}
		}
		wantAlive(t)
	})
}

// dripping opens connections that say they send a form and send hardly any of it.
func dripping(t *testing.T, addr string, n int) (all []net.Conn) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "POST /_nightlatch/sign-in HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nn", addr)
		all = append(all, c)
	}
	return all
}

// diskUse is how much of the disk a directory takes, holes not counted.
func diskUse(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			sum += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// resetStreams opens streams and takes each back at once (CVE-2023-39325), until the server has enough of it.
func resetStreams(t *testing.T, addr string, n int) {
	t.Helper()
	config := secure("app.test")
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go io.Copy(io.Discard, conn)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range h2("app.test", "/_nightlatch/sign-in") {
		encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, nil)
	framer.WriteSettings()
	for i := range n {
		id := uint32(2*i + 1)
		if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}) != nil ||
			framer.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			return // the server has closed the connection
		}
		if i == 0 { // later ones are in the table of the encoder
			block.Reset()
			for _, f := range h2("app.test", "/_nightlatch/sign-in") {
				encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
			}
		}
	}
}

// DO-11: a full disk signs nobody in, says so, leaves those alone who are in, and is no end of the process.
func TestDO11FullDisk(t *testing.T) {
	prepared := programtest.New(t)
	data := prepared.Data()
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", data).CombinedOutput(); err != nil {
		if os.Getenv("NIGHTLATCH_REQUIRE") == "all" {
			t.Fatalf("the small disk that NIGHTLATCH_REQUIRE=all wants cannot be mounted: %v %s", err, said)
		}
		t.Skipf("needs a small disk, which only root can mount: %v %s", err, said)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", data).Run() })
	app := wiretest.Echo(t)
	plain := programtest.FreeAddr(t)
	h := beginIn(t, prepared, "", "", strings.NewReplacer("PLAIN", plain, "APP", app.Addr).Replace("http://PLAIN {\n\tnightlatch\n\treverse_proxy APP\n}"))
	alice, b := h.joined(t, "http://"+plain, "alice")
	half := visitor(t, "http://"+plain)
	half.typePassword(alice)
	half.open("/_nightlatch/second-factor")
	to, form := half.form("second-factor", "code", codeOf(t, alice))

	filler := filepath.Join(data, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(f, endless{}); err == nil {
		t.Fatalf("%d bytes were no too much for the disk", n)
	}
	f.Close()

	for i := range 60 { // far more than a try or two that would be free of counting
		v := visitor(t, "http://"+plain)
		v.open("/_nightlatch/sign-in")
		v.submit("sign-in", "name", "alice", "password", []string{password, "wrong"}[i%2])
		if v.At.Status != 503 || v.At.Header.Get("Retry-After") == "" || v.session() != "" {
			t.Fatalf("a password on a full disk: got %d %s", v.At.Status, v.Text())
		}
		v.Client.CloseIdleConnections()
	}
	if half.send("POST", to, form); half.At.Status != 503 || half.session() != "" {
		t.Errorf("a code on a full disk: got %d", half.At.Status)
	}
	if status, answer := h.Ask(t, "POST", "/nightlatch/users", `{"name":"bob","password":"`+password+`"}`); status != 503 {
		t.Errorf("the operator on a full disk: got %d %s", status, answer)
	}
	if b.send("GET", "/x", nil); b.At.Status != 200 {
		t.Errorf("alice, who is in: got %d", b.At.Status)
	}
	b.open("/_nightlatch/sign-out")
	if b.submit("sign-out"); b.At.Status != 503 {
		t.Errorf("a sign-out that cannot be written down: got %d, want 503 rather than a false word", b.At.Status)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if half.send("POST", to, form); half.At.Status != 303 {
		t.Errorf("the same code with room again: got %d, want to be in; it was not used up", half.At.Status)
	}
}

// endless is as long as anybody reads.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
