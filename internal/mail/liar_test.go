// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
)

// A liar is a mail server that answers as it is told. Package mailtest has a server that does as it should; this one can say anything.
type liar struct {
	address string
	pool    *x509.CertPool

	mu        sync.Mutex
	commands  []string // in clear text or in TLS
	encrypted bool     // whether TLS was ever established
}

// What a liar does in place of an answer.
const (
	silence = "(silence)"
	hangUp  = "(hang up)"
)

// good is what a plain server answers. "greeting" comes unasked, "." is the answer to a whole message, and a key that begins with "tls "
// is the answer after STARTTLS.
var good = map[string]string{
	"greeting": "220 liar", "EHLO": "250-liar\r\n250-STARTTLS\r\n250 AUTH PLAIN", "STARTTLS": "220 go ahead", "AUTH": "235 welcome",
	"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go ahead", ".": "250 taken", "QUIT": "221 bye", "tls EHLO": "250-liar\r\n250 AUTH PLAIN",
	"HELO": "250 liar", "*": "501 as you like",
}

func startLiar(t *testing.T, answers map[string]string) *liar {
	t.Helper()
	authority := mailtest.NewAuthority(t)
	l := &liar{pool: authority.Pool}
	secrets := &tls.Config{Certificates: []tls.Certificate{authority.Issue(t, "127.0.0.1", time.Now().Add(time.Hour))}}
	l.address = startRaw(t, func(conn net.Conn) { l.talk(conn, secrets, answers) })
	return l
}

// startRaw calls a function for each connection, and ends with the test.
func startRaw(t *testing.T, talk func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				talk(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return listener.Addr().String()
}

func (l *liar) talk(conn net.Conn, secrets *tls.Config, answers map[string]string) {
	in, where := bufio.NewReader(conn), ""
	answer := func(key string) (said string, goesOn bool) {
		for _, from := range []map[string]string{answers, good} {
			for _, k := range []string{where + key, key} {
				if said == "" {
					said = from[k]
				}
			}
		}
		switch said {
		case "":
			said = "500 what?"
		case silence:
			_, _ = io.Copy(io.Discard, conn)
			return "", false
		case hangUp:
			return "", false
		}
		_, err := io.WriteString(conn, said+"\r\n")
		return said, err == nil
	}
	if _, goesOn := answer("greeting"); !goesOn {
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		l.mu.Lock()
		l.commands = append(l.commands, where+line)
		l.mu.Unlock()
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		verb, _, _ = strings.Cut(verb, ":")
		said, goesOn := answer(verb)
		if !goesOn {
			return
		}
		switch {
		case verb == "STARTTLS" && strings.HasPrefix(said, "220"):
			encrypted := tls.Server(conn, secrets)
			if encrypted.Handshake() != nil {
				return
			}
			conn, in, where = encrypted, bufio.NewReader(encrypted), "tls "
			l.mu.Lock()
			l.encrypted = true
			l.mu.Unlock()
		case verb == "DATA" && strings.HasPrefix(said, "354"):
			for line != ".\r\n" {
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
			}
			if _, goesOn := answer("."); !goesOn {
				return
			}
		}
	}
}

// heard returns the commands so far.
func (l *liar) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.commands)
}

func (l *liar) wasEncrypted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.encrypted
}
