// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
)

// What the server says decides whether another try may help.
func TestReplies(t *testing.T) {
	cases := map[string]struct {
		answers   map[string]string
		temporary bool
		stage     mail.Stage
		reply     string
	}{
		"greeting 421":   {map[string]string{"greeting": "421 busy"}, true, mail.StageConnect, "421 busy"},
		"greeting 554":   {map[string]string{"greeting": "554 go away"}, false, mail.StageConnect, "554 go away"},
		"hello 421":      {map[string]string{"EHLO": "421 busy", "HELO": "421 busy"}, true, mail.StageConnect, "421 busy"},
		"hello 550":      {map[string]string{"EHLO": "550 who?", "HELO": "550 who?"}, false, mail.StageConnect, "550 who?"},
		"sign-in 454":    {map[string]string{"AUTH": "454 4.7.0 later"}, true, mail.StageSignIn, "454 4.7.0 later"},
		"sign-in 535":    {map[string]string{"AUTH": "535 5.7.8 no"}, false, mail.StageSignIn, "535 5.7.8 no"},
		"sender 451":     {map[string]string{"MAIL": "451 4.3.0 later"}, true, mail.StageSender, "451 4.3.0 later"},
		"sender 550":     {map[string]string{"MAIL": "550 5.7.1 not you"}, false, mail.StageSender, "550 5.7.1 not you"},
		"recipient 450":  {map[string]string{"RCPT": "450 4.2.0 later"}, true, mail.StageRecipient, "450 4.2.0 later"},
		"recipient 550":  {map[string]string{"RCPT": "550-5.1.1 no such\r\n550 5.1.1 mailbox"}, false, mail.StageRecipient, "550 5.1.1 no such 5.1.1 mailbox"},
		"data 451":       {map[string]string{"DATA": "451 later"}, true, mail.StageData, "451 later"},
		"data 554":       {map[string]string{"DATA": "554 no"}, false, mail.StageData, "554 no"},
		"data 250":       {map[string]string{"DATA": "250 taken"}, true, mail.StageData, "250 taken"},
		"message 452":    {map[string]string{".": "452 4.2.2 full"}, true, mail.StageData, "452 4.2.2 full"},
		"message 554":    {map[string]string{".": "554 5.6.0 spam"}, false, mail.StageData, "554 5.6.0 spam"},
		"no SMTP":        {map[string]string{"greeting": "HTTP/1.1 400 Bad Request"}, true, mail.StageConnect, ""},
		"hangs up":       {map[string]string{"MAIL": hangUp}, true, mail.StageSender, ""},
		"hangs up late":  {map[string]string{".": hangUp}, true, mail.StageData, ""},
		"control bytes":  {map[string]string{"RCPT": "550 \x1b[31mred\x07 \u202eback\u0085 \xff"}, false, mail.StageRecipient, "550  [31mred   back"},
		"a long refusal": {map[string]string{"RCPT": "550 " + strings.Repeat("no ", 500)}, false, mail.StageRecipient, "550 " + strings.Repeat("no ", 98) + "no…"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := startLiar(t, c.answers)
			s := newSender(t, mail.Config{Address: server.address, TLS: mail.TLSNone, Username: mailtest.Username, Password: mailtest.Password})
			e := refused(t, s.Send(t.Context(), message()))
			if e.Temporary != c.temporary || e.Stage != c.stage || e.Reply != c.reply {
				t.Errorf("got %q, temporary: %v, at stage %d, want %q, %v, %d (%v)", e.Reply, e.Temporary, e.Stage, c.reply, c.temporary, c.stage, e)
			}
			if said := e.Error(); len(said) > 1000 || strings.ContainsFunc(said, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("got the error %q", said)
			}
		})
	}
}

// LOGIN quotes a question that it cannot answer: those are words of the server too, and are told as such.
func TestQuestionsOfLOGIN(t *testing.T) {
	question := func(s string) string { return "334 " + base64.StdEncoding.EncodeToString([]byte(s)) }
	answerTo := func(s string) string { return strings.ToUpper(base64.StdEncoding.EncodeToString([]byte(s))) }
	server := startLiar(t, map[string]string{
		"EHLO": "250-liar\r\n250 AUTH LOGIN", "AUTH": question("Username:"), answerTo(mailtest.Username): question("Password:"),
		answerTo(mailtest.Password): question("and 482913?"),
	})
	s := newSender(t, mail.Config{Address: server.address, TLS: mail.TLSNone, Username: mailtest.Username, Password: mailtest.Password})
	e := refused(t, s.Send(t.Context(), message()))
	if e.Temporary || e.Stage != mail.StageSignIn || !strings.Contains(e.Reply, "and 482913?") {
		t.Errorf("got %q, temporary: %v, at stage %d (%v)", e.Reply, e.Temporary, e.Stage, e)
	}
}

func TestRefusedRecipient(t *testing.T) {
	server := mailtest.Start(t, mailtest.RefuseRecipient())
	e := refused(t, newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs}).Send(t.Context(), message()))
	if e.Temporary || e.Reply != "550 5.1.1 no such mailbox here" {
		t.Errorf("got %q, temporary: %v", e.Reply, e.Temporary)
	}
}

// A server that is down may be up later.
func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	e := refused(t, newSender(t, mail.Config{Address: listener.Addr().String()}).Send(t.Context(), message()))
	if !e.Temporary || e.Reply != "" {
		t.Errorf("got %v, temporary: %v, with the reply %q", e, e.Temporary, e.Reply)
	}
}

// A delivery ends with its timeout, wherever the server stops.
func TestSilenceIsBounded(t *testing.T) {
	for _, at := range []string{"greeting", "EHLO", "STARTTLS", "tls EHLO", "tls AUTH", "tls MAIL", "tls RCPT", "tls DATA", "tls ."} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			server := startLiar(t, map[string]string{at: silence})
			s := newSender(t, mail.Config{
				Address: server.address, RootCAs: server.pool, Username: mailtest.Username, Password: mailtest.Password,
			})
			checkTimesOut(t, s)
		})
	}
	t.Run("in the handshake", func(t *testing.T) {
		t.Parallel()
		address := startRaw(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		checkTimesOut(t, newSender(t, mail.Config{Address: address, TLS: mail.TLSImplicit}))
	})
	t.Run("a byte at a time", func(t *testing.T) {
		t.Parallel()
		address := startRaw(t, func(conn net.Conn) {
			for range time.Tick(10 * time.Millisecond) { // each byte would put off a deadline of a single read
				if _, err := io.WriteString(conn, "2"); err != nil {
					return
				}
			}
		})
		checkTimesOut(t, newSender(t, mail.Config{Address: address}))
	})
	t.Run("a server that hangs", func(t *testing.T) {
		t.Parallel()
		server := mailtest.Start(t, mailtest.Hang())
		checkTimesOut(t, newSender(t, mail.Config{Address: server.Address, RootCAs: server.RootCAs}))
	})
}

func checkTimesOut(t *testing.T, s *mail.Sender) {
	t.Helper()
	started := time.Now()
	e := refused(t, s.Within(300*time.Millisecond).Send(t.Context(), message()))
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if !e.Temporary || !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("got %v, temporary: %v, want it temporary and the deadline exceeded", e, e.Temporary)
	}
}

// Whoever asked for the delivery can end it, and need not wait for the timeout.
func TestSendEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := startRaw(t, func(conn net.Conn) {
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	})
	started := time.Now()
	e := refused(t, newSender(t, mail.Config{Address: address}).Send(ctx, message()))
	if !e.Temporary || !errors.Is(e, context.Canceled) || time.Since(started) > 5*time.Second {
		t.Errorf("got %v, temporary: %v, after %s", e, e.Temporary, time.Since(started))
	}
}

// Once the server has taken the message it is delivered, however the server behaves then.
func TestDeliveredIsDelivered(t *testing.T) {
	for _, goodbye := range []string{silence, hangUp, "421 too late", "554 nonsense"} {
		t.Run(goodbye, func(t *testing.T) {
			t.Parallel()
			server := startLiar(t, map[string]string{"QUIT": goodbye})
			started := time.Now()
			if err := newSender(t, mail.Config{Address: server.address, TLS: mail.TLSNone}).Send(t.Context(), message()); err != nil {
				t.Error(err)
			}
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("it took %s to say goodbye", took)
			}
		})
	}
}

// A reply has no end unless we give it one: a hostile server could fill the memory, or keep us listening.
func TestHugeRepliesAreCutOff(t *testing.T) {
	const most = 64 << 20 // far more than the buffers of a connection hold
	replies := map[string]string{
		"one line":   strings.Repeat("2", 64<<10),
		"many lines": strings.Repeat("220-welcome\r\n", 5<<10),
	}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			var said atomic.Int64
			address := startRaw(t, func(conn net.Conn) {
				for said.Load() < most {
					n, err := io.WriteString(conn, reply)
					said.Add(int64(n))
					if err != nil {
						return
					}
				}
			})
			e := refused(t, newSender(t, mail.Config{Address: address}).Send(t.Context(), message()))
			if !strings.Contains(e.Error(), "said more than") || said.Load() >= most {
				t.Errorf("got %v after %d bytes", e, said.Load())
			}
		})
	}
}
