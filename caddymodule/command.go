// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/nightlatch/nightlatch/internal/admin"
)

// binaryName is what our own binary calls itself in caddy.CustomBinaryName.
const binaryName = "nightlatch"

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "nightlatch",
		Usage: "<command>",
		Short: "Manages the users, sessions and tokens of Nightlatch, lists its events, tries its mail and rules out",
		Long:  commandHelp,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Hidden = caddy.CustomBinaryName == binaryName // there the same commands stand at the top
			group(cmd)
			o := operatorFlags(cmd)
			for _, c := range operatorCommands(o) {
				cmd.AddCommand(c)
			}
		},
	})
}

const commandHelp = `
Adds, shows and removes the people who may sign in, ends their sessions, makes
and revokes service tokens and app passwords for programs, lists what has
happened to their accounts, tries the mail server out, and says what the rules
of a configuration do.

The commands talk to the running server through Caddy's admin endpoint, at the
address that --address names or that the configuration has (--config, or the
Caddyfile in the current directory). When no server runs there, they work on
the data directory itself: the one of the configuration, or the default one.

With --data-dir they never look for a server and work on that directory only.
The command check is about the configuration alone.

They exit with 0 when what was asked for is so, 1 when it failed, and 2 when
the command line was wrong.
`

// RegisterTopLevelCommands makes `user`, `session`, `token`, `event`, `mail`, `setup-link` and `check` commands of the program itself,
// beside Caddy's own. Our binary calls it before caddycmd.Main; in a Caddy built with xcaddy they stand under `caddy nightlatch` only.
func RegisterTopLevelCommands() {
	for _, c := range operatorCommands(nil) {
		caddycmd.RegisterCommand(caddycmd.Command{
			Name:  c.Name(),
			Short: c.Short,
			Long:  c.Long + commandHelp,
			CobraFunc: func(cmd *cobra.Command) {
				o := operatorFlags(cmd)
				for _, full := range operatorCommands(o) {
					if full.Name() == cmd.Name() {
						adopt(cmd, full)
					}
				}
			},
		})
	}
}

// adopt makes cmd, which Caddy has built, what full is.
func adopt(cmd, full *cobra.Command) {
	cmd.Use, cmd.Args, cmd.RunE, cmd.DisableFlagsInUseLine = full.Use, full.Args, full.RunE, full.DisableFlagsInUseLine
	cmd.Flags().AddFlagSet(full.Flags())
	for _, child := range full.Commands() {
		full.RemoveCommand(child)
		cmd.AddCommand(child)
	}
}

// operatorFlags gives cmd and all below it the flags that say which server or store is meant.
func operatorFlags(cmd *cobra.Command) *target {
	var t target
	f := cmd.PersistentFlags()
	f.StringVar(&t.address, "address", "", "Address of the running server's admin endpoint")
	f.StringVarP(&t.config, "config", "c", "", "Configuration file of the server")
	f.StringVarP(&t.adapter, "adapter", "a", "", "Name of the config adapter for --config")
	f.StringVar(&t.dataDir, "data-dir", "", "Work on this data directory, which no server may have open")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return finish(cmd, usageError{err}) })
	return &t
}

func operatorCommands(t *target) []*cobra.Command {
	return []*cobra.Command{userCommand(t), sessionCommand(t), tokenCommand(t), eventCommand(t), mailCommand(t), setupLinkCommand(t), checkCommand(t)}
}

// usageError is a command line that makes no sense; the program then exits with 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// action is the body of a command, done with the server or store that the flags name.
type action func(cmd *cobra.Command, args []string, c admin.Client) error

// on makes an action the body of a command.
func (t *target) on(do action) func(*cobra.Command, []string) error {
	return t.onStore(false, do)
}

// onStore is on, and says whether the action may begin a new store where there is none.
func (t *target) onStore(create bool, do action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, done, err := t.open(cmd, create)
		if err != nil {
			return finish(cmd, err)
		}
		err = do(cmd, args, client)
		if closing := done(); err == nil {
			err = closing
		}
		return finish(cmd, err)
	}
}

// lists makes cmd a command that lists what there is, of everybody or of the one whom --user names: of is what --user says of that.
func lists[T any](t *target, cmd *cobra.Command, of string, ask func(c admin.Client, ctx context.Context, user string) ([]T, error), show func(p *printer, list []T)) *cobra.Command {
	var user string
	var asJSON bool
	cmd.Args = arguments()
	cmd.Flags().StringVar(&user, "user", "", of)
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	list := t.on(func(cmd *cobra.Command, _ []string, c admin.Client) error {
		found, err := ask(c, cmd.Context(), user)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), found)
		}
		p := printer{w: cmd.OutOrStdout()}
		show(&p, found)
		return p.err
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("user") && user == "" {
			return finish(cmd, usagef("--user is empty")) // a script has lost the name, and means no list of everybody
		}
		return list(cmd, args)
	}
	return cmd
}

// finish says what went wrong, on one line, and chooses the exit code. Caddy's own way would wrap the sentence in a log line.
func finish(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	cmd.SilenceErrors = true
	oneLine := strings.ReplaceAll(err.Error(), "\n", "; ") // as errors.Join writes several
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.Root().Name(), printable(oneLine))
	if _, usage := errors.AsType[usageError](err); !usage {
		return err // 1
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Usage: %s\n", cmd.UseLine())
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return 2, nil })(cmd, nil)
}

// arguments accepts exactly these arguments, by name.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return finish(cmd, usagef("%s is missing", names[len(args)]))
		case len(args) > len(names):
			return finish(cmd, usagef("%q is one argument too many", args[len(names)]))
		}
		for i, arg := range args {
			if arg == "" {
				return finish(cmd, usagef("%s is empty", names[i]))
			}
		}
		return nil
	}
}

// group makes a command that only holds others say so, where cobra would print its help and call that a success.
func group(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			cmd.SetOut(cmd.ErrOrStderr())
			return errors.Join(cmd.Help(), finish(cmd, usagef("name a command")))
		}
		return finish(cmd, usagef("there is no command %q", args[0]))
	}
}
