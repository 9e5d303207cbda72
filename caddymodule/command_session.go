// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"github.com/spf13/cobra"

	"github.com/nightlatch/nightlatch/internal/admin"
	"github.com/nightlatch/nightlatch/internal/auth"
)

func sessionCommand(t *target) *cobra.Command {
	cmd := &cobra.Command{Use: "session <command>", Short: "Lists and ends sessions"}
	group(cmd)
	cmd.AddCommand(sessionList(t), sessionRevoke(t))
	return cmd
}

func sessionList(t *target) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists sessions, the last used first"}
	return lists(t, cmd, "Only those of this user", admin.Client.Sessions, (*printer).sessions)
}

func (p *printer) sessions(sessions []auth.SessionInfo) {
	if len(sessions) == 0 {
		p.linef("There are no sessions.")
		return
	}
	rows := [][]string{{"ID", "USER", "ADDRESS", "SIGNED IN", "LAST SEEN", "ENDS", "PROOFS", "DEVICE"}}
	for _, s := range sessions {
		rows = append(rows, []string{s.ID, s.User, address(s.Address), when(s.Created), when(s.LastSeen), when(s.Expires), proofs(s.Proofs), s.Device})
	}
	p.table(rows)
}

func sessionRevoke(t *target) *cobra.Command {
	var user string
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke (ID | --user NAME | --all)",
		Short: "Ends one session, all of a user, or all of everybody",
		Args:  cobra.ArbitraryArgs,
	}
	cmd.Flags().StringVar(&user, "user", "", "End all sessions of this user")
	cmd.Flags().BoolVar(&all, "all", false, "End all sessions of everybody")
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case cmd.Flags().Changed("user") && len(args) > 0, all && (cmd.Flags().Changed("user") || len(args) > 0):
			return finish(cmd, usagef("name a session or a user or --all, not several"))
		case cmd.Flags().Changed("user") && user == "":
			return finish(cmd, usagef("--user is empty"))
		case user == "" && !all:
			if err := arguments("ID")(cmd, args); err != nil {
				return err
			}
		}
		return t.on(func(cmd *cobra.Command, args []string, c admin.Client) error {
			n, err := 1, error(nil)
			switch {
			case all:
				n, err = c.RevokeAllSessions(cmd.Context())
			case user != "":
				n, err = c.RevokeSessions(cmd.Context(), user)
			default:
				err = c.RevokeSession(cmd.Context(), args[0])
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), admin.Revoked{Sessions: n})
			}
			p := printer{w: cmd.OutOrStdout()}
			p.linef("Sessions ended: %d.", n)
			return p.err
		})(cmd, args)
	}
	return cmd
}

func setupLinkCommand(t *target) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "setup-link",
		Short: "Prints a new link for the first administrator",
		Long: `
Prints a link that works once and for one hour, through which the first
administrator makes their account. An earlier link stops working. Once there is
an administrator, use "user add NAME --admin" instead.
`,
		Args: arguments(),
		RunE: t.on(func(cmd *cobra.Command, _ []string, c admin.Client) error {
			link, err := c.SetupLink(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), link)
			}
			p := printer{w: cmd.OutOrStdout()}
			p.linef("This link works once; with it the first administrator makes their account:")
			p.link(link)
			return p.err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}
