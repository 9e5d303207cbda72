// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/nightlatch/nightlatch/internal/admin"
	"github.com/nightlatch/nightlatch/internal/auth"
)

// printer writes what an operator reads. The first error stays in err.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			args[i] = printable(s)
		}
	}
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) linef(format string, args ...any) { p.printf(format+"\n", args...) }

func (p *printer) table(rows [][]string) {
	tw := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if row[i] = printable(cell); row[i] == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	if err := tw.Flush(); p.err == nil {
		p.err = err
	}
}

func (p *printer) user(u auth.UserDetail) {
	rows := [][]string{
		{"Name", u.Name},
		{"Display name", u.FullName},
		{"E-mail", u.Email},
		{"Groups", strings.Join(u.Groups, ", ")},
		{"Role", role(u.User)},
		{"State", state(u.User)},
		{"Added", when(u.Created)},
		{"Password", yesNo(u.HasPassword, "set", "not set yet")},
		{"Backup codes left", strconv.Itoa(u.CodesLeft)},
		{"Sessions", strconv.Itoa(u.Sessions)},
	}
	for _, f := range u.Factors {
		about := methodName(f.Method) + ", enrolled " + when(f.Created)
		if f.Name != "" {
			about = f.Name + " (" + about + ")"
		}
		rows = append(rows, []string{"Second factor", about})
	}
	if len(u.Factors) == 0 {
		rows = append(rows, []string{"Second factor", "none enrolled"})
	}
	for _, m := range u.Stopped {
		rows = append(rows, []string{"Stopped", methodName(m) + ", after too many wrong tries; \"user unlock\" clears it"})
	}
	p.table(rows)
}

func (p *printer) adoption(a auth.Adoption) {
	with := strconv.Itoa(a.TwoFactor)
	if a.Enabled > 0 {
		with += fmt.Sprintf(" of %d enabled (%d%%)", a.Enabled, 100*a.TwoFactor/a.Enabled) // rounded down: 100% is everybody
	}
	rows := [][]string{{"Users", strconv.Itoa(a.Users)}, {"With two factors", with}}
	for _, m := range []auth.Method{auth.TOTP, auth.Webhook, auth.Email} {
		rows = append(rows, []string{"By " + methodName(m), strconv.Itoa(a.Methods[m])})
	}
	rows = append(rows,
		[]string{"No backup codes left", strconv.Itoa(a.Backup.None)},
		[]string{fmt.Sprintf("Fewer than %d left", auth.FewBackupCodes), strconv.Itoa(a.Backup.Few)})
	for _, name := range a.Without {
		rows = append(rows, []string{"Without", name})
	}
	p.table(rows)
}

// link prints a one-time link, on a line of its own so that it can be copied.
func (p *printer) link(l admin.Link) {
	p.linef("")
	switch {
	case len(l.URLs) > 0:
		p.linef("  %s", l.URLs[0])
	default:
		p.linef("  %s", l.Path)
	}
	p.linef("")
	switch {
	case len(l.URLs) == 0:
		p.linef("Put the address of a site that Nightlatch protects before it; with --config it would be here.")
	case len(l.URLs) > 1:
		p.linef("The same path works on each of the %d protected sites.", len(l.URLs))
	}
	p.linef("It is not shown again, and ends %s.", when(l.Expires))
}

// printJSON writes a value for scripts. What encoding/json leaves as it is but a terminal or an eye would act on is escaped too.
func printJSON(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	var out strings.Builder
	for _, r := range b.String() {
		if r == '\n' || unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// printable escapes what is not plain text: a stored name must not move the cursor of an operator's terminal, change its title, or
// turn the line around.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

func role(u auth.User) string { return yesNo(u.Admin, "administrator", "user") }

func state(u auth.User) string { return yesNo(u.Disabled, "disabled", "enabled") }

func yesNo(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04 MST")
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func proofs(list []auth.Proof) string {
	var names []string
	for _, p := range list {
		names = append(names, methodName(p.Method))
	}
	return strings.Join(names, ", ")
}

func methodName(m auth.Method) string {
	switch m {
	case auth.TOTP:
		return "authenticator app"
	case auth.Vouched:
		return "handler in front"
	case auth.BackupCode:
		return "backup code"
	}
	return string(m)
}
