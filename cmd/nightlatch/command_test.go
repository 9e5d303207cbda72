// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"unicode"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/mail/mailtest"
	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/server"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nightlatch": main})
}

// The scripts run this very program, as an operator would. Each has a home of its own and no server but the one that it starts.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_DATA_HOME", env.WorkDir+"/share")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("TZ", "UTC")
			env.Setenv("EVIL", "\x1b[31mred\u009b0m")
			env.Setenv("SPACED", "ada\r")
			// Nobody listens here, where the default could be an operator's own server.
			env.Setenv("CADDY_ADMIN", "unix/"+env.WorkDir+"/admin.sock")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("there is no condition %q", cond)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"freeport": freePort,
			"listens":  listens,
			"mailed":   mailed,
			"mails":    mails(t),
			"plain":    plain,
			"signedin": signedIn,
		},
	})
}

// exits runs a command that must end with a code: exits 2 nightlatch user add
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg {
		ts.Fatalf("usage: exits code command...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%q ended with %d, want %d", args[1:], got, want)
	}
}

// freePort sets a variable to a TCP port that nobody uses.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

// listens waits until the admin endpoint of a server answers for a running configuration, which it does a moment after it accepts
// connections: listens unix run/admin.sock
func listens(ts *testscript.TestScript, _ bool, args []string) {
	network, address := args[0], args[1]
	if network == "unix" {
		address = ts.MkAbs(address)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}}
	defer client.CloseIdleConnections()
	last := "nothing yet"
	if !programtest.Eventually(func() bool {
		r, err := http.NewRequest(http.MethodGet, "http://localhost/nightlatch/users", nil)
		ts.Check(err)
		if network == "tcp" {
			r.Host = address
		}
		answer, err := client.Do(r)
		if err != nil {
			last = err.Error()
			return false
		}
		answer.Body.Close()
		last = answer.Status
		return answer.StatusCode == http.StatusOK
	}) {
		ts.Fatalf("no server with a running configuration answers: %s", last)
	}
}

// mails starts a mail server, good or bad, and sets a variable to its address: mails BAD refuses
func mails(t *testing.T) func(*testscript.TestScript, bool, []string) {
	kinds := map[string][]mailtest.Option{
		"plain":   {mailtest.NoStartTLS()},
		"refuses": {mailtest.NoStartTLS(), mailtest.RefuseRecipient()},
		"signsin": {mailtest.NoStartTLS(), mailtest.Auth("PLAIN")},
		"tls":     {mailtest.ImplicitTLS()},
		"good":    nil,
	}
	return func(ts *testscript.TestScript, _ bool, args []string) {
		options, known := kinds[args[1]]
		if !known {
			ts.Fatalf("there is no mail server of the kind %q", args[1])
		}
		server := mailtest.Start(t, options...)
		ts.Setenv(args[0], server.Address)
		mailServers.Store(server.Address, server)
	}
}

// mailServers are those that mails has started, by address.
var mailServers sync.Map

// mailed writes the last mail that a server has taken to standard output: mailed $MAIL
func mailed(ts *testscript.TestScript, neg bool, args []string) {
	server, known := mailServers.Load(args[0])
	if !known {
		ts.Fatalf("there is no mail server at %s", args[0])
	}
	got := server.(*mailtest.Server).All()
	if neg != (len(got) == 0) {
		ts.Fatalf("the server has taken %d mails", len(got))
	}
	if !neg {
		last := got[len(got)-1]
		_, err := fmt.Fprintf(ts.Stdout(), "To: %s\nSubject: %s\n\n%s", last.To, last.Header.Get("Subject"), last.Text)
		ts.Check(err)
	}
}

// plain checks that an output holds nothing but printable text and line ends.
func plain(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		for _, r := range ts.ReadFile(name) {
			if r != '\n' && !unicode.IsPrint(r) {
				ts.Fatalf("%s holds a raw %q", name, r)
			}
		}
	}
}

// signedIn leaves a session in a store that no server has open: signedin directory user password device
func signedIn(ts *testscript.TestScript, _ bool, args []string) {
	device, err := strconv.Unquote(`"` + args[3] + `"`)
	ts.Check(err)
	core, err := server.Open(context.Background(), server.Options{Dir: ts.MkAbs(args[0])})
	ts.Check(err)
	defer core.Close()
	p, err := core.Service().SignIn(context.Background(), auth.Client{Device: device}, auth.Credentials{Name: args[1], Password: args[2]})
	ts.Check(err)
	if p.Session == "" {
		ts.Fatalf("the sign-in stands at %q, without a session", p.Step)
	}
}
