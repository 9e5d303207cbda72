// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/spf13/cobra"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/gate"
)

func checkCommand(t *target) *cobra.Command {
	var p person
	var from string
	cmd := &cobra.Command{
		Use:   "check [METHOD URL]",
		Short: "Says which rule decides about a request, and what is not behind the gate",
		Long: `
Reads a configuration without running it, and lists what it answers to people
who have not met the gate. With a method and a URL it says first which rule
decides about that request, why, and what a stranger gets. With --user, --group
or --level it says also what somebody like that gets; nobody is looked up.

The last lines are the verdicts, such as "stranger: sign-in-required". Without
a request it exits with 1 when something is not behind the gate.
`,
	}
	f := cmd.Flags()
	f.StringVar(&p.name, "user", "", "Also for somebody signed in under this user name")
	f.StringArrayVar(&p.groups, "group", nil, "Also for somebody in this group; may be given several times")
	f.StringVar(&p.level, "level", "two_factor", "What that person has proven: two_factor, password (and has no second factor), none")
	f.StringVar(&from, "ip", "", "Address that the request comes from (default 198.51.100.1, or 127.0.0.1 for localhost)")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return arguments("METHOD", "URL")(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.given = cmd.Flags().Changed("user") || cmd.Flags().Changed("group") || cmd.Flags().Changed("level")
		return finish(cmd, t.check(cmd, args, from, p))
	}
	return cmd
}

// errOpen is not a failure, but what a script asks for.
var errOpen = errors.New("not everything is behind the gate")

func (t *target) check(cmd *cobra.Command, args []string, from string, who person) error {
	if t.address != "" || t.dataDir != "" {
		return usagef("check reads a configuration and asks no server: leave out --address and --data-dir")
	}
	var request thought
	if len(args) > 0 {
		addr, err := readAddress(from)
		if err != nil {
			return err
		}
		if request, err = think(args[0], args[1], addr); err != nil {
			return err
		}
		if err := who.check(); err != nil {
			return err
		}
	} else if who.given || from != "" {
		return usagef("--user, --group, --level and --ip are about a request: name its METHOD and URL")
	}
	cfg, err := t.configuration()
	if err != nil {
		return err
	}
	if len(cfg.raw.AppsRaw) == 0 {
		return errors.New("there is no configuration to check: name one with --config")
	}
	open, err := openings(cfg.raw.AppsRaw["http"])
	if err != nil {
		return err
	}
	app, err := cfg.provision()
	if err != nil {
		return fmt.Errorf("the configuration cannot be loaded: %w", err)
	}
	p := printer{w: cmd.OutOrStdout()}
	if len(args) == 0 {
		p.openings(open)
		if p.err == nil && len(open) > 0 {
			return errOpen
		}
		return p.err
	}
	if app == nil {
		return errors.New("no site of the configuration has nightlatch, so there is no gate to ask; without a request, check lists what is open")
	}
	a, err := app.answer(request, who)
	if err != nil {
		return err
	}
	p.table(a.rows)
	if len(open) > 0 {
		p.linef("")
		p.openings(open)
	}
	p.linef("")
	for _, line := range a.verdicts {
		p.linef("%s", line)
	}
	return p.err
}

func readAddress(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return addr, usagef("%q is no IP address", text)
	}
	return addr.Unmap(), nil
}

func (p *printer) openings(list []opening) {
	if len(list) == 0 {
		p.linef("Everything that this configuration answers with content is behind the gate.")
		return
	}
	p.linef("Not behind the gate:")
	rows := [][]string{{"SERVER", "SITE", "ROUTE", "ANSWERED BY", "WHY"}}
	for _, o := range list {
		rows = append(rows, []string{o.server, o.site, o.route, strings.Join(o.answers, ", "), o.why})
	}
	p.table(rows)
}

// person is somebody made up.
type person struct {
	given  bool
	name   string
	groups []string
	level  string
}

func (p *person) check() error {
	if p.level != "none" && (p.level == "" || levels[p.level] == 0) {
		return usagef("--level is two_factor, password or none")
	}
	if p.given && p.level == "none" && (p.name != "" || len(p.groups) > 0) {
		return usagef("--level none is a stranger, who has neither a name nor groups")
	}
	return nil
}

// label is what the verdict calls the person.
func (p *person) label() string { return cmp.Or(auth.Canonical(p.name), "person") }

// session is one that the person could have: signed in since then, with these second factors. It is nil for a stranger.
func (p *person) session(since time.Time, second ...auth.Method) *auth.Session {
	if p.level == "none" {
		return nil
	}
	s := &auth.Session{Name: auth.Canonical(p.name), Groups: p.groups, Proofs: []auth.Proof{{Method: auth.Password, At: since}}}
	if p.level == "two_factor" {
		s.Enrolled = true
		for _, m := range second {
			s.Proofs = append(s.Proofs, auth.Proof{Method: m, At: since})
		}
	}
	return s
}

// answer is what check says about a request.
type answer struct {
	rows     [][]string
	verdicts []string // the last is the one of the person, if there is one
}

func (a *answer) row(what, text string) { a.rows = append(a.rows, []string{what, text}) }

func (a *answer) verdict(who, word string) { a.verdicts = append(a.verdicts, who+": "+word) }

// answer finds out what becomes of a request.
func (a *App) answer(t thought, who person) (*answer, error) {
	if out, err := a.asked(t, who); out != nil || err != nil {
		return out, err
	}
	j, err := a.follow(t)
	if err != nil {
		return nil, fmt.Errorf("%s://%s: %w", t.scheme, t.host, err)
	}
	out := new(answer)
	out.row("Request", t.text())
	out.row("Server", j.server)
	if j.proxied {
		out.row("Note", "no server answers this with TLS of its own; taken for what a trusted proxy in front, which ended TLS, passes on")
	}
	out.row("Site", cmp.Or(j.site, anyHost))
	if len(j.before) > 0 {
		out.row("Before the gate", strings.Join(j.before, ", "))
	}
	if j.gate == nil {
		j.without(out, who)
		return out, nil
	}
	if f := j.gate.FirstFactor; f != nil {
		out.row("Password", "not asked of whom a handler before the gate names in "+f.Placeholder)
	}
	v := j.visit()
	out.judge(who, a.enrollable(), &j.gate.Policy, j.r, func(s *auth.Session) (gate.Explanation, bool) { return j.gate.site.Explain(j.r, v, s) })
	return out, nil
}

// judge tells what a gate with the rules of a policy decides.
func (a *answer) judge(who person, second []auth.Method, rules *Policy, r *http.Request, explain func(*auth.Session) (e gate.Explanation, ours bool)) {
	e, ours := explain(nil)
	if ours {
		a.row("Answered by", "a page of Nightlatch, to which no rule applies")
		a.both(who, "own-page")
		return
	}
	rules.steps(a, r, e)
	a.verdict("stranger", e.Word())
	if who.given {
		a.person(who, second, func(s *auth.Session) string {
			e, _ := explain(s)
			return e.Word()
		})
	}
}

// asked finds out what another proxy is told about a request for a host that it serves; nil where no site protects that host.
func (a *App) asked(t thought, who person) (*answer, error) {
	var site *protectedSite
	for _, g := range a.guardedSites() {
		if site = g.handler.forward.served.of(t.scheme, t.host); site != nil {
			break
		}
	}
	if site == nil {
		return nil, nil
	}
	r, err := t.request()
	if err != nil {
		return nil, err
	}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nowhere{}, new(caddyhttp.Server))
	v := visitOf(r, r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any))
	out := new(answer)
	out.row("Request", t.text())
	out.row("Served by", "another proxy, which asks by forward-auth and has to send /_nightlatch/ here")
	out.row("Site", "protect "+strings.Join(site.as.Hosts, " "))
	out.judge(who, a.enrollable(), &site.as.Policy, r, func(s *auth.Session) (gate.Explanation, bool) { return site.Explain(r, v, s) })
	return out, nil
}

// both is one verdict for everybody.
func (a *answer) both(who person, word string) {
	a.verdict("stranger", word)
	if who.given {
		a.verdict(who.label(), word)
	}
}

// without tells of a request that never comes to the gate.
func (j *journey) without(out *answer, who person) {
	switch {
	case j.err != nil:
		out.row("Refused by", fmt.Sprintf("%s, before the gate: %v", j.by, j.err))
		out.both(who, "refused")
	case j.by == "":
		out.row("Answered by", "nothing: Caddy answers 200 without a body")
		out.both(who, "nothing")
	case j.end == refuses:
		out.row("Answered by", j.by+", before the gate")
		out.both(who, "refused")
	case j.end == redirects:
		out.row("Answered by", j.by+", before the gate")
		out.both(who, "redirect")
	default:
		out.row("Answered by", j.by+", which is not behind the gate")
		out.both(who, "open")
	}
}

// steps tells what became of each rule.
func (p *Policy) steps(out *answer, r *http.Request, e gate.Explanation) {
	if e.Ambiguous {
		out.row("Path", "ambiguous: no rule opens anything, and all that could be meant must be met")
	}
	for _, s := range e.Steps {
		out.row(p.place(s.Rule), s.Rule.Text+": "+p.outcome(s, r))
	}
	if e.Err != nil {
		out.row("Error", e.Err.Error())
	}
	if len(e.Steps) == 0 {
		out.row("Rules", "none is asked: the gate refuses this host or method")
	}
}

// place is where a rule stands.
func (p *Policy) place(rule *gate.Rule) string {
	i := slices.IndexFunc(p.Rules, func(r *Rule) bool { return r.written == rule.Text })
	switch {
	case i < 0:
		return "Default"
	case rule.Match == nil:
		return fmt.Sprintf("Default, rule %d of %d", i+1, len(p.Rules))
	}
	return fmt.Sprintf("Rule %d of %d", i+1, len(p.Rules))
}

func (p *Policy) outcome(s gate.Step, r *http.Request) string {
	switch s.Outcome {
	case gate.Matched:
		return "decides"
	case gate.Assumed:
		return "decides, since the path could be meant for it"
	case gate.PassedOver:
		return "passed over, since the path is ambiguous"
	case gate.Failed:
		return "fails"
	}
	for _, rule := range p.Rules {
		if rule.written != s.Rule.Text {
			continue
		}
		for _, d := range rule.doubted {
			if d.in(r) {
				return "does not match, since the " + d.part + " " + d.why
			}
		}
	}
	return "does not match"
}

// person tells what somebody gets who has just proven all of the second factors, and before it when they would get something else.
func (a *answer) person(who person, second []auth.Method, gets func(*auth.Session) string) {
	now := time.Now()
	word := gets(who.session(now, second...))
	if old := gets(who.session(time.Time{}, second...)); old != word {
		a.verdict(who.label()+", when the proofs are too old", old)
	}
	for _, m := range second {
		if other := gets(who.session(now, m)); other != word {
			a.verdict(who.label()+", with "+string(m)+" as the second factor", other)
		}
	}
	a.verdict(who.label(), word)
}
