// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/nightlatch/nightlatch/internal/admin"
	"github.com/nightlatch/nightlatch/internal/courier"
	"github.com/nightlatch/nightlatch/internal/mail"
)

func mailCommand(t *target) *cobra.Command {
	cmd := &cobra.Command{Use: "mail <command>", Short: "Tries the mail server out"}
	group(cmd)
	cmd.AddCommand(mailTest(t))
	return cmd
}

func mailTest(t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test <address>",
		Short: "Sends a test mail and says what the mail server answered",
		Long: `
Sends a mail to the address and says what the mail server answered. When a
server runs, it sends the mail, with the configuration that it runs with.
When none runs, the command sends it itself, by the configuration file, and
opens no data.
`,
		Args: arguments("the address"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		server, err := t.testMail(cmd.Context(), args[0])
		if err != nil {
			return finish(cmd, err)
		}
		p := printer{w: cmd.OutOrStdout()}
		p.linef("%s has taken a mail to %s. Whether it arrives, that mailbox shows.", server, args[0])
		return finish(cmd, p.err)
	}
	return cmd
}

// testMail has the running server send the mail, or sends it.
func (t *target) testMail(ctx context.Context, to string) (server string, err error) {
	c, cfg, err := t.reach()
	if err != nil {
		return "", err
	}
	if c.Do != nil {
		tested, err := c.TestMail(ctx, to)
		return tested.Server, err
	}
	if err := cfg.app.prepareMail(); err != nil {
		return "", fmt.Errorf("reading the configuration: %w", err)
	}
	server, err = cfg.app.testMail(ctx, to)
	return server, mailProblem(server, err)
}

// prepareMail makes as much of an App that was decoded and not provisioned as testMail needs. Secrets of the rest may be out of reach of
// whoever runs a command.
func (a *App) prepareMail() (err error) {
	var cfg courier.Config
	if cfg.Brand, err = a.Brand.load(); err != nil {
		return err
	}
	if a.SMTP != nil {
		if cfg.Mail, err = a.SMTP.sender(expanded); err != nil {
			return err
		}
	}
	a.courier = courier.New(cfg)
	return nil
}

// testTime bounds a test in time for whoever waits for the answer of the admin endpoint.
const testTime = 45 * time.Second

// testMail sends a letter to try the mail server out, and says which server that is.
func (a *App) testMail(ctx context.Context, to string) (server string, err error) {
	if a.SMTP == nil {
		return "", courier.ErrNoMail
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	return a.SMTP.Address, a.courier.Test(ctx, to)
}

// mailProblem says to an operator why a test has failed, with the words of the mail server and what to look at. A test holds no secret,
// so nothing of the answer is held back.
func mailProblem(server string, err error) error {
	if err == nil {
		return nil
	}
	p := &admin.Problem{Title: http.StatusText(http.StatusBadGateway), Status: http.StatusBadGateway, Kind: admin.KindMailFailed}
	if errors.Is(err, courier.ErrNoMail) {
		p.Title, p.Status, p.Kind = http.StatusText(http.StatusConflict), http.StatusConflict, admin.KindNoMail
		p.Detail = err.Error()
		return p
	}
	p.Detail = fmt.Sprintf("%s has not taken the mail: %s", server, err)
	if advice := mailAdvice(err); advice != "" {
		p.Detail += ". " + advice
	}
	return p
}

// mailAdvice is what to look at, or empty where the error says all that there is.
func mailAdvice(err error) string {
	e, ok := errors.AsType[*mail.Error](err)
	if !ok {
		return ""
	}
	if e.Reply != "" {
		return replyAdvice(e)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e); ok {
		return "If the certificate is of an authority of your own, name its file with ca_file"
	}
	if _, ok := errors.AsType[x509.HostnameError](e); ok {
		return "Write the name that the certificate is for as the host of smtp"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](e); ok && e.Stage == mail.StageConnect {
		return "This port does not begin with TLS: try tls starttls, usually on port 587"
	}
	if _, ok := errors.AsType[*net.DNSError](e); ok {
		return "Check the host of smtp"
	}
	if timeout, ok := errors.AsType[net.Error](e); errors.Is(e, context.DeadlineExceeded) || ok && timeout.Timeout() {
		return "Check host and port; port 465 wants tls implicit, and a firewall or the provider of this machine may keep mail from leaving"
	}
	if errors.Is(e, syscall.ECONNREFUSED) {
		return "Nothing listens there: check host and port; 587 is usual with tls starttls, 465 with tls implicit"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](e); !ok && e.Stage == mail.StageStartTLS && !e.Temporary {
		return "If the port begins with TLS, as 465 does, write tls implicit; for a server on this machine, tls none"
	}
	return ""
}

// replyAdvice goes by the reply codes of RFC 5321 and RFC 4954.
func replyAdvice(e *mail.Error) string {
	code, _, _ := strings.Cut(e.Reply, " ")
	switch {
	case e.Temporary:
		return "The server may take it later: try again in some minutes"
	case code == "535" || code == "534":
		return "Check username and password"
	case code == "530":
		return "The server wants a username and password first"
	case e.Stage == mail.StageSender:
		return "Check from: the server decides who may send as whom, and may want a username and password first"
	case e.Stage == mail.StageRecipient:
		return "Check the address; for one elsewhere the server may want a username and password first"
	}
	return ""
}
