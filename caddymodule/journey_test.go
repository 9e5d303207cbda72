// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asked is what check says of one request, a line for each row and each verdict.
func answered(t *testing.T, config, method, address, from string, who person) string {
	t.Helper()
	app, err := provision(t, config)
	if err != nil {
		t.Fatal(err)
	}
	var addr netip.Addr
	if from != "" {
		addr = netip.MustParseAddr(from)
	}
	request, err := think(method, address, addr)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.answer(request, who)
	if err != nil {
		return "error: " + err.Error()
	}
	var lines []string
	for _, row := range a.rows[1:] {
		lines = append(lines, row[0]+": "+row[1])
	}
	return strings.Join(append(lines, a.verdicts...), "\n")
}

// isAsked wants all of some lines, in their order, and no other verdict than the last ones.
func isAsked(t *testing.T, got string, want ...string) {
	t.Helper()
	rest := "\n" + got + "\n"
	for _, line := range want {
		_, after, found := strings.Cut(rest, "\n"+line+"\n")
		if !found {
			t.Errorf("no line %q, in this place, in\n%s", line, got)
			return
		}
		rest = "\n" + after
	}
	if rest != "\n" {
		t.Errorf("after the last line there is more:\n%s", got)
	}
}

const house = `
app.example.com {
	header X y
	@q query q=*
	@office client_ip 192.0.2.0/24
	@post method POST
	redir /old /new
	rewrite /legacy/* /admin{uri}
	handle_errors {
		respond "{err.status_code}"
	}
	nightlatch {
		skip /public/* @q
		require @post two_factor user ada
		require password
		require /admin/* two_factor group admins max_age 10m methods totp
		require @office password group staff
		deny /internal/*
	}
	reverse_proxy localhost:1
}
http://lan.example.com {
	nightlatch
	respond ok
}
http://localhost:8080 {
	nightlatch
	respond ok
}
open.example.com {
	root * DIR
	try_files {path}.html
	file_server
}
empty.example.com {
	header X y
}
some.example.com {
	handle /gone {
		error 410
	}
	handle /bots {
		respond "go away" 403
	}
	handle /app/* {
		nightlatch
		respond ok
	}
	handle {
		respond hello
	}
}
handles.example.com {
	handle /open/* {
		header X y
	}
	handle {
		nightlatch
	}
	respond ok
}
https://one.example.com:9443 {
	header X y
}
https://:9443 {
	respond any
}
php.example.com {
	root * DIR
	basic_auth {
		bob $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG
	}
	forward_auth localhost:1 {
		uri /auth
	}
	try_files {path} /index.php
	invoke locked
	respond ok
}
broken.example.com {
	@x expression int({http.request.uri.query.n}) > 3
	redir @x /y
	nightlatch
	respond ok
}
&(locked) {
	vars a b
	nightlatch {
		skip /index.php
	}
	encode /x
}
`

func TestCheckARequest(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"page.html", "index.php"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.ReplaceAll(house, "DIR", dir)
	admins := "require /admin/* two_factor group admins methods totp max_age 10m0s"
	ada := person{given: true, name: "Ada", level: "two_factor"}
	admin := person{given: true, groups: []string{"admins"}, level: "two_factor"}
	onlyPassword := person{given: true, name: "ada", groups: []string{"staff"}, level: "password"}
	stranger := person{given: true, level: "none"}
	cases := map[string]struct {
		method, address, from string
		who                   person
		want                  []string
	}{
		"the default": {"GET", "https://app.example.com/", "", person{}, []string{
			"Server: srv0 (:443)", "Site: app.example.com", "Before the gate: header",
			`Rule 1 of 6: skip /public/* {"query":{"q":["*"]}}: does not match`, `Rule 2 of 6: require {"method":["POST"]} two_factor user ada: does not match`,
			"Rule 4 of 6: " + admins + ": does not match", `Rule 5 of 6: require {"client_ip":{"ranges":["192.0.2.0/24"]}} password group staff: does not match`,
			"Rule 6 of 6: deny /internal/*: does not match", "Default, rule 3 of 6: require password: decides", "stranger: sign-in-required"}},
		"skipped":          {"GET", "https://APP.example.com:443/public/x", "", ada, []string{`Rule 1 of 6: skip /public/* {"query":{"q":["*"]}}: decides`, "stranger: pass", "ada: pass"}},
		"PC-10: the case":  {"GET", "https://app.example.com/Public/x", "", ada, []string{`Rule 1 of 6: skip /public/* {"query":{"q":["*"]}}: does not match`, "stranger: sign-in-required", "ada: pass"}},
		"a user":           {"POST", "https://app.example.com/", "", ada, []string{`Rule 2 of 6: require {"method":["POST"]} two_factor user ada: decides`, "stranger: sign-in-required", "ada: pass"}},
		"no group":         {"GET", "https://app.example.com/admin/x", "", ada, []string{"Rule 4 of 6: " + admins + ": decides", "stranger: sign-in-required", "ada: forbidden"}},
		"a level too low":  {"GET", "https://app.example.com/admin/x", "", person{given: true, groups: []string{"admins"}, level: "password"}, []string{"stranger: sign-in-required", "person: second-factor-required"}},
		"a group":          {"GET", "https://app.example.com/admin/x", "", admin, []string{"stranger: sign-in-required", "person, when the proofs are too old: step-up-required", "person: pass"}},
		"PC-18: a rewrite": {"GET", "https://app.example.com/legacy/x?y", "", admin, []string{"Before the gate: header, rewrite to GET /admin/legacy/x?y", "Rule 4 of 6: " + admins + ": decides", "stranger: sign-in-required", "person, when the proofs are too old: step-up-required", "person: pass"}},
		"an address":       {"GET", "https://app.example.com/", "192.0.2.7", onlyPassword, []string{`Rule 5 of 6: require {"client_ip":{"ranges":["192.0.2.0/24"]}} password group staff: decides`, "stranger: sign-in-required", "ada: pass"}},
		"denied":           {"GET", "https://app.example.com/internal/x", "", ada, []string{"Rule 6 of 6: deny /internal/*: decides", "stranger: denied", "ada: denied"}},
		"ambiguous": {"GET", "https://app.example.com/public/..%2fadmin", "", ada, []string{
			"Path: ambiguous: no rule opens anything, and all that could be meant must be met",
			`Rule 1 of 6: skip /public/* {"query":{"q":["*"]}}: passed over, since the path is ambiguous`,
			"Rule 4 of 6: " + admins + ": decides, since the path could be meant for it", "Rule 6 of 6: deny /internal/*: decides, since the path could be meant for it", "stranger: denied", "ada: denied"}},
		"PC-21: a query in doubt": {"GET", "https://app.example.com/?q=1;b", "", person{}, []string{
			`Rule 1 of 6: skip /public/* {"query":{"q":["*"]}}: does not match, since the query can be read in two ways`, "Default, rule 3 of 6: require password: decides", "stranger: sign-in-required"}},
		"PC-20: a method in doubt": {"post", "https://app.example.com/", "", person{}, []string{
			`Rule 2 of 6: require {"method":["POST"]} two_factor user ada: fails`, "stranger: rule-failed"}},
		"a method refused":           {"TRACE", "https://app.example.com/", "", ada, []string{"Rules: none is asked: the gate refuses this host or method", "stranger: method-not-allowed", "ada: method-not-allowed"}},
		"a page of ours":             {"GET", "https://app.example.com/_nightlatch/account", "", ada, []string{"Answered by: a page of Nightlatch, to which no rule applies", "stranger: own-page", "ada: own-page"}},
		"a redirect":                 {"GET", "https://app.example.com/old", "", stranger, []string{"Answered by: redir 302, before the gate", "stranger: redirect", "person: redirect"}},
		"an error":                   {"GET", "https://some.example.com/gone", "", person{}, []string{"Answered by: error, before the gate", "stranger: refused"}},
		"a refusal":                  {"GET", "https://some.example.com/bots", "", person{}, []string{"Answered by: respond 403, before the gate", "stranger: refused"}},
		"one handle of a group":      {"GET", "https://handles.example.com/open/x", "", person{}, []string{"Answered by: respond, which is not behind the gate", "stranger: open"}},
		"the other of the group":     {"GET", "https://handles.example.com/x", "", person{}, []string{"stranger: sign-in-required"}},
		"a site keeps its requests":  {"GET", "https://one.example.com:9443/", "", person{}, []string{"Site: one.example.com", "Before the gate: header", "Answered by: nothing: Caddy answers 200 without a body", "stranger: nothing"}},
		"any host":                   {"GET", "https://two.example.com:9443/", "", person{}, []string{"Site: any host", "stranger: open"}},
		"to HTTPS":                   {"GET", "http://app.example.com/", "", person{}, []string{"Server: srv1 (:80)", "Answered by: redir 308, before the gate", "stranger: redirect"}},
		"plain":                      {"GET", "http://lan.example.com/", "", ada, []string{"Site: lan.example.com", "Default: require two_factor: decides", "stranger: https-required", "ada: https-required"}},
		"plain behind a proxy":       {"GET", "https://lan.example.com/", "", ada, []string{"Server: srv1 (:80)", "Note: no server answers this with TLS of its own; taken for what a trusted proxy in front, which ended TLS, passes on", "Site: lan.example.com", "Default: require two_factor: decides", "stranger: sign-in-required", "ada: pass"}},
		"loopback":                   {"GET", "http://localhost:8080/", "", ada, []string{"Server: srv2 (:8080)", "stranger: sign-in-required", "ada: pass"}},
		"loopback from elsewhere":    {"GET", "http://localhost:8080/", "192.0.2.7", ada, []string{"stranger: https-required", "ada: https-required"}},
		"no gate":                    {"GET", "https://open.example.com/page", "", ada, []string{"Before the gate: vars, rewrite to GET /page.html", "Answered by: file_server, which is not behind the gate", "stranger: open", "ada: open"}},
		"no answer":                  {"GET", "https://empty.example.com/page", "", person{}, []string{"Site: empty.example.com", "Before the gate: header", "Answered by: nothing: Caddy answers 200 without a body", "stranger: nothing"}},
		"no site":                    {"GET", "https://other.example.com/page", "", person{}, []string{"Site: any host", "Answered by: nothing: Caddy answers 200 without a body", "stranger: nothing"}},
		"nobody listens":             {"GET", "https://app.example.com:8443/", "", person{}, []string{"error: https://app.example.com:8443: no server of the configuration listens there"}},
		"inside a handle":            {"GET", "https://some.example.com/app/x", "", person{}, []string{"Default: require two_factor: decides", "stranger: sign-in-required"}},
		"in the other handle":        {"GET", "https://some.example.com/x", "", person{}, []string{"Answered by: respond, which is not behind the gate", "stranger: open"}},
		"other locks, a named route": {"GET", "https://php.example.com/x", "", person{}, []string{"Before the gate: vars, rewrite to GET /index.php, basic_auth, forward_auth localhost:1, vars", "Rule 1 of 1: skip /index.php: decides", "stranger: pass"}},
		"a matcher that fails":       {"GET", "https://broken.example.com/?n=abc", "", person{}, []string{`Refused by: a matcher, before the gate: type conversion error from 'string' to 'int'`, "stranger: refused"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			isAsked(t, answered(t, config, c.method, c.address, c.from, c.who), c.want...)
		})
	}
}

// What another proxy serves is found by the address that the visitor has.
func TestCheckProtected(t *testing.T) {
	config := `
{
	servers {
		trusted_proxies static 192.0.2.1
		trusted_proxies_strict
	}
}
http://:9080 {
	@office client_ip 198.51.100.0/24
	nightlatch {
		require password
		protect legacy.example.com {
			skip /public/*
			require /admin/* group admins
			deny @office
		}
		protect *.apps.example.com
	}
	respond 404
}
auth.example.com {
	nightlatch
	respond ok
}`
	ada := person{given: true, name: "ada", level: "password"}
	legacy := []string{"Served by: another proxy, which asks by forward-auth and has to send /_nightlatch/ here", "Site: protect legacy.example.com"}
	for name, c := range map[string]struct {
		address, from string
		want          []string
	}{
		"skipped":                {"https://legacy.example.com/public/x", "", append(legacy, "Rule 1 of 3: skip /public/*: decides", "stranger: pass", "ada: pass")},
		"a rule of its own":      {"https://legacy.example.com/admin/x", "", append(legacy, "Rule 2 of 3: require /admin/* group admins: decides", "stranger: sign-in-required", "ada: forbidden")},
		"the visitor's":          {"https://legacy.example.com/", "", append(legacy, `Rule 3 of 3: deny {"client_ip":{"ranges":["198.51.100.0/24"]}}: decides`, "stranger: denied", "ada: denied")},
		"of another visitor":     {"https://legacy.example.com/", "203.0.113.1", append(legacy, "Default: require two_factor: decides", "stranger: sign-in-required", "ada: second-factor-required")},
		"a pattern":              {"https://one.apps.example.com/", "", []string{"Site: protect *.apps.example.com", "Default: require two_factor: decides", "stranger: sign-in-required", "ada: second-factor-required"}},
		"a page of ours":         {"https://legacy.example.com/_nightlatch/account", "", append(legacy, "Answered by: a page of Nightlatch, to which no rule applies", "stranger: own-page", "ada: own-page")},
		"without TLS":            {"http://legacy.example.com/admin/", "", append(legacy, "stranger: https-required", "ada: https-required")},
		"what Caddy serves":      {"https://auth.example.com/", "", []string{"Site: auth.example.com", "Default: require two_factor: decides", "stranger: sign-in-required", "ada: second-factor-required"}},
		"the site that is asked": {"https://other.example.com/", "", []string{"Site: any host", "Default, rule 1 of 1: require password: decides", "stranger: sign-in-required", "ada: pass"}},
	} {
		t.Run(name, func(t *testing.T) {
			isAsked(t, answered(t, config, "GET", c.address, c.from, ada), c.want...)
		})
	}
}

// A site that takes the word of another lock says so.
func TestCheckFirstFactor(t *testing.T) {
	config := "app.example.com {\n\tbasic_auth {\n\t\tbob $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n\tnightlatch {\n\t\tfirst_factor {http.auth.user.id}\n\t}\n\trespond ok\n}"
	got := answered(t, config, "GET", "https://app.example.com/", "", person{given: true, level: "two_factor"})
	isAsked(t, got, "Before the gate: basic_auth", "Password: not asked of whom a handler before the gate names in {http.auth.user.id}", "stranger: sign-in-required", "person: pass")
}

// A factor that is configured and does not count is told.
func TestCheckMethods(t *testing.T) {
	config := "{\n\tnightlatch {\n\t\tsmtp localhost:25 {\n\t\t\tfrom a@example.com\n\t\t\ttls none\n\t\t}\n\t}\n}\napp.example.com {\n\tnightlatch {\n\t\trequire methods totp\n\t}\n\trespond ok\n}"
	got := answered(t, config, "GET", "https://app.example.com/", "", person{given: true, level: "two_factor"})
	isAsked(t, got, "stranger: sign-in-required", "person, with email as the second factor: second-factor-required", "person: pass")
}

// Nothing of a configuration that is checked is run, and no address is called.
func TestCheckOpensNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	config := fmt.Sprintf("{\n\tnightlatch {\n\t\tdata_dir %s\n\t}\n}\napp.example.com {\n\tnightlatch\n\trespond ok\n}", dir)
	isAsked(t, answered(t, config, "GET", "https://app.example.com/", "", person{}), "stranger: sign-in-required")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data directory was made: %v", err)
	}
}

func TestThink(t *testing.T) {
	for address, want := range map[string]string{
		"https://app.example.com":                 "/ app.example.com 443",
		"https://app.example.com?x":               "/?x app.example.com 443",
		"HTTPS://app.example.com:443/x":           "/x app.example.com 443",
		"http://app.example.com:443/x":            "/x app.example.com:443 443",
		"https://app.example.com:8443/":           "/ app.example.com:8443 8443",
		"http://[::1]/":                           "/ [::1] 80",
		"http://[::1]:8080/":                      "/ [::1]:8080 8080",
		"https://a.com/public/..%2fadmin//;x?%zz": "/public/..%2fadmin//;x?%zz a.com 443",
		`https://a.com/a\b`:                       `/a\b a.com 443`,
		"https://a.com/x#y":                       "/x a.com 443",
		"https://a.com/x@y:1":                     "/x@y:1 a.com 443",
	} {
		got, err := think("GET", address, netip.Addr{})
		if line := fmt.Sprintf("%s %s %d", got.target, got.host, got.port); err != nil || line != want {
			t.Errorf("%s: got %s, %v, want %s", address, line, err, want)
		}
	}
	for _, bad := range []string{"app.example.com", "/x", "ftp://a.com/", "https:///x", "https://:443/", "https://u:p@a.com/", "https://a.com:0/", "https://a.com:x/", "https://bücher.example/", "https://a.com/a b", "https://a.com/a\r\nX: y"} {
		if got, err := think("GET", bad, netip.Addr{}); err == nil {
			t.Errorf("%q was taken for %+v", bad, got)
		}
	}
	if _, err := think("GET /", "https://a.com/", netip.Addr{}); err == nil {
		t.Error("a method with a space was taken")
	}
}
