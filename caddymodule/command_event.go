// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/nightlatch/nightlatch/internal/admin"
	"github.com/nightlatch/nightlatch/internal/auth"
)

func eventCommand(t *target) *cobra.Command {
	cmd := &cobra.Command{Use: "event <command>", Short: "Lists what has happened to accounts"}
	group(cmd)
	cmd.AddCommand(eventList(t))
	return cmd
}

func eventList(t *target) *cobra.Command {
	var user string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists the newest events, the newest last",
		Long: `
Lists sign-ins, wrong passwords and codes, enrollments, and what operators did,
the newest last. Events are kept for 90 days.
`,
		Args: arguments(),
	}
	cmd.Flags().StringVar(&user, "user", "", "Only those that concern this user, also one who was deleted")
	cmd.Flags().IntVar(&limit, "limit", 100, "How many, from 1 to 10000")
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	list := t.on(func(cmd *cobra.Command, _ []string, c admin.Client) error {
		events, err := c.Events(cmd.Context(), user, limit)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), events)
		}
		p := printer{w: cmd.OutOrStdout()}
		p.events(events)
		return p.err
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("user") && user == "" {
			return finish(cmd, usagef("--user is empty"))
		}
		return list(cmd, args)
	}
	return cmd
}

func (p *printer) events(events []auth.Event) {
	if len(events) == 0 {
		p.linef("There are no events.")
		return
	}
	rows := [][]string{{"TIME", "TYPE", "OUTCOME", "USER", "ACTOR", "ADDRESS", "METHOD", "SESSION", "DETAIL"}}
	for _, e := range events {
		at := e.Time.Local().Format("2006-01-02 15:04:05 MST")
		detail := strings.TrimSpace(e.Key + " " + e.Detail)
		rows = append(rows, []string{at, e.Type, e.Outcome, e.User, e.Actor, address(e.Address), methodName(e.Method), e.Session, detail})
	}
	p.table(rows)
}
