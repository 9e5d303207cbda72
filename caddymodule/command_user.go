// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nightlatch/nightlatch/internal/admin"
)

func userCommand(t *target) *cobra.Command {
	cmd := &cobra.Command{Use: "user <command>", Short: "Manages the people who may sign in"}
	group(cmd)
	cmd.AddCommand(
		userAdd(t),
		userList(t),
		userShow(t),
		userAdoption(t),
		userAct(t, "disable NAME", "Keeps a user out and ends their sessions", "disabled", admin.Client.DisableUser),
		userAct(t, "enable NAME", "Lets a disabled user in again", "enabled", admin.Client.EnableUser),
		userAct(t, "unlock NAME", "Clears what stopped a user after too many wrong tries", "unlocked", admin.Client.UnlockUser),
		userReset(t),
		userResetPassword(t),
		userDelete(t),
	)
	return cmd
}

func userAdd(t *target) *cobra.Command {
	var in admin.NewUser
	var fromStdin, asJSON bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Adds a user and prints an invite link",
		Long: `
Adds a user. Without --password-stdin it prints a link that works once and for
24 hours, through which the person sets a password and enrolls a second factor.
`,
		Args: arguments("NAME"),
	}
	f := cmd.Flags()
	f.StringVar(&in.Email, "email", "", "E-mail address")
	f.StringVar(&in.FullName, "name", "", "Name to show, such as \"Ada Lovelace\"")
	f.StringArrayVar(&in.Groups, "group", nil, "Group to be a member of; may be given several times")
	f.BoolVar(&in.Admin, "admin", false, "Make the user an administrator")
	f.BoolVar(&fromStdin, "password-stdin", false, "Read the password from standard input instead of making an invite link")
	f.BoolVar(&asJSON, "json", false, "Print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.Name = args[0]
		if fromStdin {
			password, err := readPassword(cmd)
			if err != nil {
				return finish(cmd, err)
			}
			in.Password = &password
		}
		return t.onStore(true, func(cmd *cobra.Command, _ []string, c admin.Client) error {
			added, err := c.AddUser(cmd.Context(), in)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), added)
			}
			p := printer{w: cmd.OutOrStdout()}
			if added.Invite == nil {
				p.linef("Added %s, with the password from standard input. The second factor is enrolled at the first sign-in.", added.User.Name)
				return p.err
			}
			p.linef("Added %s. This link works once; with it they set a password and enroll a second factor:", added.User.Name)
			p.link(*added.Invite)
			return p.err
		})(cmd, args)
	}
	return cmd
}

// readPassword reads a password from standard input: at a terminal twice and without echo, else all there is but one line end.
func readPassword(cmd *cobra.Command) (string, error) {
	if stdin, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(stdin.Fd())) {
		return askPassword(cmd.ErrOrStderr(), int(stdin.Fd()))
	}
	const limit = 4 << 10 // far above what is acceptable
	data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), limit+1))
	if err != nil {
		return "", fmt.Errorf("reading the password from standard input: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case password == "":
		return "", errors.New("no password came on standard input")
	case len(data) > limit:
		return "", errors.New("the password on standard input is too long")
	case strings.ContainsAny(password, "\r\n"):
		return "", errors.New("standard input holds more than one line; give the password alone")
	case !utf8.ValidString(password):
		return "", errors.New("the password on standard input is not UTF-8")
	}
	return password, nil
}

func askPassword(prompt io.Writer, fd int) (string, error) {
	var answers [2]string
	for i, question := range []string{"Password: ", "The same again: "} {
		fmt.Fprint(prompt, question)
		answer, err := term.ReadPassword(fd)
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		answers[i] = string(answer)
	}
	switch {
	case answers[0] != answers[1]:
		return "", errors.New("the two passwords differ")
	case answers[0] == "":
		return "", errors.New("the password is empty")
	case !utf8.ValidString(answers[0]):
		return "", errors.New("the password is not UTF-8")
	}
	return answers[0], nil
}

func userList(t *target) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists all users",
		Args:  arguments(),
		RunE: t.on(func(cmd *cobra.Command, _ []string, c admin.Client) error {
			users, err := c.Users(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), users)
			}
			p := printer{w: cmd.OutOrStdout()}
			if len(users) == 0 {
				p.linef("There are no users.")
				return p.err
			}
			rows := [][]string{{"NAME", "DISPLAY NAME", "E-MAIL", "GROUPS", "ROLE", "STATE", "ADDED"}}
			for _, u := range users {
				rows = append(rows, []string{u.Name, u.FullName, u.Email, strings.Join(u.Groups, ","), role(u), state(u), when(u.Created)})
			}
			p.table(rows)
			return p.err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func userShow(t *target) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Shows one user",
		Args:  arguments("NAME"),
		RunE: t.on(func(cmd *cobra.Command, args []string, c admin.Client) error {
			u, err := c.User(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), u)
			}
			p := printer{w: cmd.OutOrStdout()}
			p.user(u)
			return p.err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func userAdoption(t *target) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "adoption",
		Short: "Counts who has two-factor sign-in, and lists who has not",
		Args:  arguments(),
		RunE: t.on(func(cmd *cobra.Command, _ []string, c admin.Client) error {
			a, err := c.Adoption(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), a)
			}
			p := printer{w: cmd.OutOrStdout()}
			p.adoption(a)
			return p.err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

// userAct is a command that changes one user and has nothing to tell but that it is done.
func userAct(t *target, use, short, done string, act func(admin.Client, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  arguments("NAME"),
		RunE: t.on(func(cmd *cobra.Command, args []string, c admin.Client) error {
			p := printer{w: cmd.OutOrStdout()}
			err := act(c, cmd.Context(), args[0])
			if problem, ok := errors.AsType[*admin.Problem](err); ok && problem.Kind == admin.KindAlreadyDone {
				p.linef("%s was %s already.", args[0], done) // what was asked for is so
				return p.err
			}
			if err != nil {
				return err
			}
			p.linef("%s is %s.", args[0], done)
			return p.err
		}),
	}
}

func userReset(t *target) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reset-2fa NAME",
		Short: "Takes away a user's second factors and prints a link to enroll again",
		Long: `
Removes a user's second factors and backup codes and ends their sessions. It
prints a link that works once and for one hour, through which the person
enrolls again; without the link nobody can. Hand it over in person or by a
channel that you trust: together with the password it opens the account.

For a user who has not accepted the invite yet it prints a new invite.
`,
		Args: arguments("NAME"),
		RunE: t.on(func(cmd *cobra.Command, args []string, c admin.Client) error {
			link, err := c.ResetTwoFactor(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), admin.Reset{Reenroll: link})
			}
			p := printer{w: cmd.OutOrStdout()}
			p.linef("The second factors of %s are gone and their sessions have ended. This link works once; with it they enroll again:", args[0])
			p.link(link)
			return p.err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func userResetPassword(t *target) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reset-password NAME",
		Short: "Prints a link with which a user sets a new password",
		Long: `
Prints a link that works once and for 30 minutes, through which the person sets
a new password. That ends their sessions; their second factors stay, and are
asked for at the next sign-in. Until the link is used nothing changes. Hand it
over in person or by a channel that you trust.

For a user who has not accepted the invite yet it prints a new invite.
`,
		Args: arguments("NAME"),
		RunE: t.on(func(cmd *cobra.Command, args []string, c admin.Client) error {
			link, err := c.ResetPassword(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), admin.PasswordReset{Reset: link})
			}
			p := printer{w: cmd.OutOrStdout()}
			p.linef("This link works once; with it %s sets a new password:", args[0])
			p.link(link)
			return p.err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func userDelete(t *target) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Deletes a user with all that belongs to them",
		Args:  arguments("NAME"),
		RunE: t.on(func(cmd *cobra.Command, args []string, c admin.Client) error {
			user, err := c.User(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p := printer{w: cmd.OutOrStdout()}
			if !yes {
				p.w = cmd.ErrOrStderr()
				p.linef("This deletes %s with %d second factors and %d sessions, for good.", user.Name, len(user.Factors), user.Sessions)
				p.printf("Type the user name to go on: ")
				// A standard input that ends early reads as another name.
				answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
				if strings.TrimSpace(answer) != user.Name {
					return errors.New("that is not the name, so nothing was deleted; in a script use --yes")
				}
				p.w = cmd.OutOrStdout()
			}
			if err := c.DeleteUser(cmd.Context(), user.Name); err != nil {
				return err
			}
			p.linef("%s is deleted.", user.Name)
			return p.err
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "Do not ask")
	return cmd
}
