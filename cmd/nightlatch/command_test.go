// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
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
			"curls":    curls,
			"exits":    exits,
			"freeport": freePort,
			"listens":  listens,
			"mailed":   mailed,
			"mails":    mails(t),
			"plain":    plain,
			"rewrite":  rewrite,
			"setid":    setID,
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

// curls does what the lines of a file say that call curl, as many as there must be, and writes the answers to standard output. Each must have
// a status, and begin with a text: curls made 3 200 'in as'
func curls(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if !strings.HasPrefix(line, "  curl ") {
			continue
		}
		n++
		r, err := http.NewRequest(http.MethodGet, "", nil)
		ts.Check(err)
		words := regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1)[1:]
		for i := 0; i < len(words); i++ {
			switch word := strings.Trim(words[i], "'"); word {
			case "-H":
				i++
				name, value, _ := strings.Cut(strings.Trim(words[i], "'"), ": ")
				r.Header.Set(name, value)
			case "-u":
				i++
				name, password, _ := strings.Cut(strings.Trim(words[i], "'"), ":")
				r.SetBasicAuth(name, password)
			default:
				r.URL, err = url.Parse(word)
				ts.Check(err)
			}
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		ts.Check(err)
		body, err := io.ReadAll(answer.Body)
		ts.Check(err)
		answer.Body.Close()
		if strconv.Itoa(answer.StatusCode) != args[2] || !strings.HasPrefix(string(body), strings.Join(args[3:], "")) {
			ts.Fatalf("%s\ngot %s: %s", line, answer.Status, body)
		}
		fmt.Fprintf(ts.Stdout(), "%s\n", body)
	}
	if strconv.Itoa(n) != args[1] {
		ts.Fatalf("%d lines call curl, want %s", n, args[1])
	}
}

// rewrite replaces a text in a file: rewrite file old new
func rewrite(ts *testscript.TestScript, _ bool, args []string) {
	before := ts.ReadFile(args[0])
	after := strings.ReplaceAll(before, args[1], args[2])
	if after == before {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(after), 0o600))
}

// setID sets a variable to the first id of a token in a file.
func setID(ts *testscript.TestScript, _ bool, args []string) {
	id := regexp.MustCompile("nlk[0-9a-f]{16}").FindString(ts.ReadFile(args[1]))
	if id == "" {
		ts.Fatalf("%s holds no id of a token", args[1])
	}
	ts.Setenv(args[0], id)
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
