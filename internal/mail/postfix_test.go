// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
)

const postfixProgram = "/usr/sbin/postfix" // where Debian has it; /usr/sbin is not in every PATH

// Postfix is what many sites have. What arrives in a person's mailbox there is the message, all of it.
func TestPostfixDeliversIntoAMaildir(t *testing.T) {
	p := startPostfix(t)
	m := message()
	m.Subject = "Anmeldung für Müller & Söhne"
	m.Text = "Grüße,\n.\n..\n" + strings.Repeat("日本語", 400) + "\n"
	m.HTML = "<p>" + m.Text + "</p>\n"
	if err := newSender(t, mail.Config{Address: p.address, RootCAs: p.roots}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "status=sent (delivered to maildir)")

	files, err := filepath.Glob(filepath.Join(p.maildir, "new", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got the files %q in the mailbox, %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := mailtest.Parse(raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	if got.Text != m.Text || got.HTML != m.HTML {
		t.Errorf("got %q and %q, want %q and %q", got.Text, got.HTML, m.Text, m.HTML)
	}
	if subject := decoded(t, got.Header.Get("Subject")); subject != m.Subject {
		t.Errorf("got the subject %q, want %q", subject, m.Subject)
	}
	for name, want := range map[string]string{
		"Return-Path": "<no-reply@example.com>", "Delivered-To": m.To, "Message-Id": "<01J-test.1@example.com>", "Auto-Submitted": "auto-generated",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
	}
	if trace := got.Header.Get("Received"); !strings.Contains(trace, "with ESMTPS") {
		t.Errorf("the message came without TLS: %q", trace)
	}

	m.To = "ann@elsewhere.example"
	err = newSender(t, mail.Config{Address: p.address, RootCAs: p.roots}).Send(t.Context(), m)
	if e := refused(t, err); e.Temporary || !strings.HasPrefix(e.Reply, "554 5.7.1") {
		t.Errorf("somebody else's domain: got %q, temporary: %v", e.Reply, e.Temporary)
	}
}

// ML-4: Postfix with a certificate that nobody vouches for gets nothing.
func TestPostfixWithUnknownCertificate(t *testing.T) {
	p := startPostfix(t)
	e := refused(t, newSender(t, mail.Config{Address: p.address, RootCAs: mailtest.NewAuthority(t).Pool}).Send(t.Context(), message()))
	if e.Temporary || !strings.Contains(e.Error(), "unknown authority") {
		t.Errorf("got %v, temporary: %v", e, e.Temporary)
	}
}

// postfix is a whole Postfix of the test's own: configuration, queue and mailbox are in a directory of the test.
type postfix struct {
	address, maildir string
	roots            *x509.CertPool
	lines            chan string // its log, closed when it has ended
	log              []string    // what was read of it
}

func startPostfix(t *testing.T) *postfix {
	t.Helper()
	required := os.Getenv("NIGHTLATCH_REQUIRE") == "all"
	switch _, err := os.Stat(postfixProgram); {
	case err != nil && required:
		t.Fatalf("Postfix is not installed, and NIGHTLATCH_REQUIRE=all wants it: %v", err)
	case err != nil:
		t.Skip("SKIPPED: Postfix is not installed, so nothing was delivered into a Maildir. Debian has it as the package postfix.")
	case os.Getuid() != 0 && required:
		t.Fatal("Postfix is started by root only, and NIGHTLATCH_REQUIRE=all wants it")
	case os.Getuid() != 0:
		t.Skip("SKIPPED: Postfix is started by root only, so nothing was delivered into a Maildir.")
	}

	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { // Postfix's own users have to get through
		t.Fatal(err)
	}
	port := freePort(t)
	authority := mailtest.NewAuthority(t)
	p := &postfix{
		address: net.JoinHostPort("127.0.0.1", port), maildir: filepath.Join(dir, "mail", "ann"), roots: authority.Pool, lines: make(chan string, 1000),
	}
	for _, name := range []string{"config", "queue", "data", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own(t, filepath.Join(dir, "data"), "postfix")
	own(t, filepath.Join(dir, "mail"), "nobody")

	certificate := authority.Issue(t, "127.0.0.1", time.Now().Add(time.Hour))
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "config", "server.pem"), 0o600, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))+
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	write(t, filepath.Join(dir, "config", "main.cf"), 0o644, strings.ReplaceAll(mainCF, "DIR", dir))
	write(t, filepath.Join(dir, "config", "master.cf"), 0o644, strings.ReplaceAll(masterCF, "PORT", port))

	// In the foreground it is a child of the test and logs to its output.
	command := exec.Command(postfixProgram, "-c", filepath.Join(dir, "config"), "start-fg")
	output, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = input, input
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	input.Close()
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(output); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), mailtest.Patience)
		defer cancel()
		if said, err := exec.CommandContext(ctx, postfixProgram, "-c", filepath.Join(dir, "config"), "stop").CombinedOutput(); err != nil {
			t.Errorf("stopping Postfix: %v %s", err, said)
			_ = command.Process.Kill()
		}
		for line := range p.lines { // until all of its processes have ended
			p.log = append(p.log, line)
		}
		output.Close()
		_ = command.Wait() // its status after a stop says nothing
		if t.Failed() {
			t.Logf("Postfix said:\n%s", p.said())
		}
	})
	p.waitFor(t, "daemon started")
	return p
}

// mainCF leaves out all that a mail server of a domain does: one domain, one mailbox, nothing to or from elsewhere.
const mainCF = `compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
inet_interfaces = 127.0.0.1
maillog_file = /dev/stdout
local_recipient_maps =
alias_maps =
alias_database =
default_transport = error:nothing leaves this machine
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
smtpd_tls_security_level = encrypt
smtpd_tls_loglevel = 1
smtpd_tls_chain_files = DIR/config/server.pem
virtual_mailbox_domains = example.org
virtual_mailbox_base = DIR/mail
virtual_mailbox_maps = inline:{ ann@example.org=ann/ }
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
`

const masterCF = `127.0.0.1:PORT inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// waitFor reads the log until a line has some words.
func (p *postfix) waitFor(t *testing.T, words string) {
	t.Helper()
	patience := time.NewTimer(mailtest.Patience)
	defer patience.Stop()
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				t.Fatalf("Postfix has ended before it said %q", words)
			}
			p.log = append(p.log, line)
			if strings.Contains(line, words) {
				return
			}
		case <-patience.C:
			t.Fatalf("Postfix did not say %q", words)
		}
	}
}

func (p *postfix) said() string { return strings.Join(p.log, "\n") }

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

func own(t *testing.T, path, user string) {
	t.Helper()
	if said, err := exec.Command("chown", user, path).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, said)
	}
}

func write(t *testing.T, path string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
