// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
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
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists the newest events, the newest last",
		Long: `
Lists sign-ins, wrong passwords and codes, enrollments, and what operators did,
the newest last. Events are kept for 90 days.
`,
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "How many, from 1 to 10000")
	of := "Only those that concern this user, also one who was deleted"
	return lists(t, cmd, of, func(c admin.Client, ctx context.Context, user string) ([]auth.Event, error) {
		return c.Events(ctx, user, limit)
	}, (*printer).events)
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
