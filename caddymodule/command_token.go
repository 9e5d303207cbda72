// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/nightlatch/nightlatch/internal/admin"
	"github.com/nightlatch/nightlatch/internal/auth"
)

func tokenCommand(t *target) *cobra.Command {
	cmd := &cobra.Command{Use: "token <command>", Short: "Makes, lists and revokes what programs get in with: service tokens and app passwords"}
	group(cmd)
	cmd.AddCommand(tokenAdd(t), tokenList(t), tokenRevoke(t))
	return cmd
}

func tokenAdd(t *target) *cobra.Command {
	var in admin.NewToken
	var user, expires string
	var networks []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add NAME --host HOST",
		Short: "Makes a service token, or an app password, and prints it once",
		Long: `
Makes a service token, with which a program gets through the gate of the hosts
that --host names, without a password and without a second factor. It is
nobody's, so rules with groups or users refuse it; with --user it is an app
password of that person. An access token, with which a program uses the API, is
another thing: it comes of signing in there.

It passes no rule with max_age or methods, and opens no page of Nightlatch. With
--path, --method and --network it is good for that much and no more.
`,
		Args: arguments("NAME"),
	}
	f := cmd.Flags()
	f.StringArrayVar(&in.Hosts, "host", nil, "A host that it is for, or *.example.com for one more label; repeat it for more")
	f.StringArrayVar(&in.Paths, "path", nil, "The beginning of a path, such as /api; repeat it for more. Left out: all paths")
	f.StringArrayVar(&in.Methods, "method", nil, "A method, such as GET, which includes HEAD; repeat it for more. Left out: all methods")
	f.StringArrayVar(&networks, "network", nil, "An address or a network from which it works; repeat it for more. Left out: anywhere")
	f.StringVar(&expires, "expires", "90d", "How long it works, such as 12h or 365d, up to 3650d")
	f.StringVar(&user, "user", "", "Whose app password it is to be. Left out: nobody's")
	f.BoolVar(&asJSON, "json", false, "Print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.Name = args[0]
		if f.Changed("user") {
			in.User = &user
		}
		if err := readToken(&in, networks, expires); err != nil {
			return finish(cmd, err)
		}
		return t.on(func(cmd *cobra.Command, _ []string, c admin.Client) error {
			added, err := c.AddToken(cmd.Context(), in)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), added)
			}
			p := printer{w: cmd.OutOrStdout()}
			p.token(added)
			return p.err
		})(cmd, args)
	}
	return cmd
}

// readToken checks what the flags say of a token, and adds to it what has to be read first.
func readToken(in *admin.NewToken, networks []string, expires string) error {
	if in.User != nil && *in.User == "" {
		return usagef("--user is empty")
	}
	if len(in.Hosts) == 0 {
		return usagef("--host is missing")
	}
	for _, s := range networks {
		n, err := auth.ParseNetwork(s)
		if err != nil {
			return usagef("--network %q is no address and no network such as 192.0.2.0/24", s)
		}
		in.Networks = append(in.Networks, n)
	}
	life, err := caddy.ParseDuration(expires)
	if err != nil || life <= 0 {
		return usagef("--expires %q is no time such as 12h or 90d", expires)
	}
	in.Expires = time.Now().Add(life)
	return nil
}

// token prints a token that was just made, and the ways to send it.
func (p *printer) token(a admin.AddedToken) {
	what, name := "service token", a.ID
	if a.User != "" {
		what, name = "app password of "+a.User, a.User
	}
	p.linef("Made the %s %q:", what, a.Name)
	p.linef("")
	p.linef("  %s", a.Token)
	p.linef("")
	p.linef("It is not shown again, and ends %s. A program sends it in one of these ways:", when(a.Expires))
	p.linef("")
	at := "https://" + strings.Replace(a.Hosts[0], "*", "app", 1) + "/"
	if len(a.URLs) > 0 {
		at = a.URLs[0]
	}
	p.linef("  curl -H 'Authorization: Bearer %s' '%s'", a.Token, at)
	p.linef("  curl -u '%s:%s' '%s'", name, a.Token, at)
	p.linef("  curl -H 'Nightlatch-Client-Id: %s' -H 'Nightlatch-Client-Secret: %s' '%s'", a.ID, a.Secret, at)
	p.linef("")
	p.linef("Programs that send CF-Access-Client-Id and CF-Access-Client-Secret may go on with those names.")
}

func tokenList(t *target) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists service tokens and app passwords, the oldest first"}
	return lists(t, cmd, "Only the app passwords of this user", admin.Client.Tokens, (*printer).tokens)
}

func (p *printer) tokens(tokens []auth.AccessKeyInfo) {
	if len(tokens) == 0 {
		p.linef("There are no service tokens and no app passwords.")
		return
	}
	rows := [][]string{{"ID", "NAME", "USER", "HOSTS", "PATHS", "METHODS", "NETWORKS", "MADE BY", "LAST USED", "ENDS"}}
	for _, k := range tokens {
		var networks []string
		for _, n := range k.Networks {
			networks = append(networks, n.String())
		}
		rows = append(rows, []string{
			k.ID, k.Name, k.User, strings.Join(k.Hosts, ","), strings.Join(k.Paths, ","), strings.Join(k.Methods, ","), strings.Join(networks, ","),
			k.MadeBy, when(k.LastUsed), when(k.Expires),
		})
	}
	p.table(rows)
}

func tokenRevoke(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "Revokes a service token or an app password, at once and for good",
		Args:  arguments("ID"),
		RunE: t.on(func(cmd *cobra.Command, args []string, c admin.Client) error {
			if err := c.RevokeToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			p := printer{w: cmd.OutOrStdout()}
			p.linef("%s is revoked.", args[0])
			return p.err
		}),
	}
}
