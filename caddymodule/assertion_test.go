// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"
	"testing"
)

// LG-1: Caddy's own handlers write the headers of requests into a log at level DEBUG. A configuration in which that log would hold tokens
// is refused, and one that leaves them out is not.
func TestLG1LogsThatWouldHoldTokensAreRefused(t *testing.T) {
	const (
		headers = "\t\t\trequest>headers>Nightlatch-Assertion delete\n\t\t\theaders>Nightlatch-Assertion delete\n"
		php     = "\t\t\tenv>HTTP_NIGHTLATCH_ASSERTION delete\n"
		site    = "app.example.com {\n\tlog\n\tnightlatch {\n\t\tassertion\n\t}\n\treverse_proxy localhost:3000\n}\n"
	)
	filtered := func(fields string) string { return "\t\tformat filter {\n" + fields + "\t\t}\n" }
	for name, c := range map[string]struct {
		caddyfile, want string // empty: it is accepted
	}{
		"info":                       {site, ""},
		"debug":                      {"{\n\tdebug\n}\n" + site, "http.handlers.reverse_proxy"},
		"debug by level":             {"{\n\tlog {\n\t\tlevel DEBUG\n\t}\n}\n" + site, "http.handlers.reverse_proxy"},
		"debug without assertion":    {"{\n\tdebug\n}\n" + strings.Replace(site, "assertion", "deny /x", 1), ""},
		"both left out":              {"{\n\tdebug\n\tlog {\n" + filtered(headers+php) + "\t}\n}\n" + site, ""},
		"all headers left out":       {"{\n\tdebug\n\tlog {\n" + filtered("\t\t\trequest>headers delete\n\t\t\theaders delete\n"+php) + "\t}\n}\n" + site, ""},
		"all of requests left out":   {"{\n\tdebug\n\tlog {\n" + filtered("\t\t\trequest delete\n\t\t\theaders delete\n\t\t\tenv delete\n") + "\t}\n}\n" + site, ""},
		"one left out":               {"{\n\tdebug\n\tlog {\n" + filtered(headers) + "\t}\n}\n" + site, "http.reverse_proxy.transport.fastcgi"},
		"answers are not left out":   {"{\n\tdebug\n\tlog {\n" + filtered("\t\t\trequest delete\n\t\t\tenv delete\n") + "\t}\n}\n" + site, "http.handlers.reverse_proxy"},
		"another left out":           {"{\n\tdebug\n\tlog {\n" + filtered("\t\t\trequest>headers>X-Other delete\n"+php) + "\t}\n}\n" + site, "http.handlers.reverse_proxy"},
		"renamed and there":          {"{\n\tdebug\n\tlog {\n" + filtered("\t\t\trequest>headers>Nightlatch-Assertion rename x\n"+php) + "\t}\n}\n" + site, "http.handlers.reverse_proxy"},
		"a second log":               {"{\n\tdebug\n\tlog {\n" + filtered(headers+php) + "\t}\n\tlog all {\n\t\tlevel DEBUG\n\t}\n}\n" + site, "http.handlers.reverse_proxy"},
		"a log of rewrites":          {"{\n\tlog r {\n\t\tinclude http.handlers.rewrite\n\t\tlevel DEBUG\n\t}\n}\n" + site, "http.handlers.rewrite"},
		"a log of handlers":          {"{\n\tlog r {\n\t\tinclude http.handlers\n\t\tlevel DEBUG\n\t}\n}\n" + site, "http.handlers.reverse_proxy"},
		"a log of us":                {"{\n\tlog r {\n\t\tinclude nightlatch http.handlers.nightlatch\n\t\tlevel DEBUG\n\t}\n}\n" + site, ""},
		"those modules are left out": {"{\n\tdebug\n\tlog {\n\t\texclude http.handlers.reverse_proxy http.handlers.rewrite http.reverse_proxy.transport.fastcgi\n\t}\n}\n" + site, ""},
		"an access log at debug":     {strings.Replace(site, "\tlog\n", "\tlog {\n\t\tlevel DEBUG\n\t}\n", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := provision(t, c.caddyfile)
			if c.want == "" && err != nil {
				t.Errorf("got %v, want it accepted", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "format filter")) {
				t.Errorf("got %v, want an error that names %s and the way out", err, c.want)
			}
		})
	}
}

// JW-3: a token is for somebody. Where the configuration does not say for whom, it has to.
func TestJW3AssertionNeedsAnAudience(t *testing.T) {
	for name, c := range map[string]struct {
		caddyfile string
		refused   bool
	}{
		"a host":                     {"app.example.com {\n\tnightlatch {\n\t\tassertion\n\t}\n}", false},
		"a port":                     {":8443 {\n\tnightlatch {\n\t\tassertion\n\t}\n}", true},
		"a port and an audience":     {":8443 {\n\tnightlatch {\n\t\tassertion {\n\t\t\taudience payroll\n\t\t}\n\t}\n}", false},
		"a port without assertion":   {":8443 {\n\tnightlatch\n}", false},
		"a host, and one without":    {"app.example.com {\n\tnightlatch {\n\t\tassertion\n\t}\n}\n:8443 {\n\tnightlatch {\n\t\tassertion\n\t}\n}", true},
		"a host inside a wildcard":   {"*.example.com {\n\t@a host a.example.com\n\thandle @a {\n\t\tnightlatch {\n\t\t\tassertion\n\t\t}\n\t}\n}", false},
		"a pattern":                  {"*.example.com {\n\tnightlatch {\n\t\tassertion\n\t}\n}", false},
		"an algorithm and a host":    {"app.example.com {\n\tnightlatch {\n\t\tassertion {\n\t\t\talgorithm es256\n\t\t}\n\t}\n}", false},
		"an algorithm and no host":   {":8443 {\n\tnightlatch {\n\t\tassertion {\n\t\t\talgorithm es256\n\t\t}\n\t}\n}", true},
		"somebody else has the host": {"app.example.com {\n\tnightlatch\n}\n:8443 {\n\tnightlatch {\n\t\tassertion\n\t}\n}", true},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := provision(t, c.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			if err := app.checkAudiences(); (err != nil) != c.refused || c.refused && !strings.Contains(err.Error(), "audience app.example.com") {
				t.Errorf("got %v, want it refused: %v", err, c.refused)
			}
		})
	}
}
