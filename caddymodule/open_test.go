// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// open tells what of a Caddyfile is not behind the gate, a line each.
func open(t *testing.T, caddyfile string) []string {
	t.Helper()
	adapted := adapted(t, caddyfile)
	var cfg struct {
		Apps struct {
			HTTP json.RawMessage `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal([]byte(adapted), &cfg); err != nil {
		t.Fatalf("%v: %s", err, adapted)
	}
	found, err := openings(cfg.Apps.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, o := range found {
		lines = append(lines, fmt.Sprintf("%s | %s | %s | %s", o.site, o.route, strings.Join(o.answers, ", "), o.why))
	}
	return lines
}

const (
	none      = " | there is no nightlatch in the site"
	elsewhere = " | nightlatch stands behind it, or in another route"
	onErrors  = " | error routes run without a sign-in"
)

// AD-10: what is not behind the gate is found, and nothing else.
func TestAD10Openings(t *testing.T) {
	cases := map[string]struct {
		caddyfile string
		want      []string
	}{
		"no sites":                {"{\n\tnightlatch\n}", nil},
		"one word":                {"a.com {\n\tnightlatch\n\treverse_proxy :80\n}", nil},
		"written below":           {"a.com {\n\treverse_proxy :80\n\tnightlatch\n}", nil},
		"a site without the word": {"a.com {\n\tnightlatch\n\trespond ok\n}\nb.com, *.c.com {\n\treverse_proxy :80 :81\n}", []string{"b.com, *.c.com | every request | reverse_proxy :80 :81" + none}},
		"a port":                  {":8080 {\n\tfile_server\n}", []string{"any host | every request | file_server" + none}},
		"each kind": {"a.com {\n\ttemplates\n\tphp_fastcgi :9000\n\tfile_server\n}\nb.com {\n\tmetrics /metrics\n\tacme_server\n\trespond /x hello\n}", []string{
			"a.com | every request | templates" + none, `a.com | *.php | php_fastcgi :9000` + none, "a.com | every request | file_server" + none,
			"b.com | /x | respond" + none, "b.com | /metrics | metrics" + none, "b.com | every request | acme_server" + none,
		}},
		"nothing that anybody could want": {"a.com {\n\t@bot header User-Agent *bot*\n\tredir /old /new\n\terror /gone 410\n\tabort /x\n\trespond @bot \"go away\" 403\n\trespond /healthz 204\n\tbasic_auth {\n\t\tbob $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n\theader X y\n\trewrite /a /b\n\tencode\n\tnightlatch\n\treverse_proxy :80\n}", nil},
		"a text":                          {"a.com {\n\troute {\n\t\trespond /hello hello 200\n\t\tnightlatch\n\t\trespond ok\n\t}\n}", []string{"a.com | /hello | respond 200" + elsewhere}},
		"before it in a route":            {"a.com {\n\troute {\n\t\tfile_server /static/*\n\t\tnightlatch\n\t\treverse_proxy :80\n\t}\n}", []string{"a.com | /static/* | file_server" + elsewhere}},
		"behind it in a route":            {"a.com {\n\troute {\n\t\tnightlatch\n\t\tfile_server /static/*\n\t}\n\treverse_proxy :80\n}", nil},
		"forward_auth is asked before":    {"a.com {\n\tforward_auth :9 {\n\t\turi /auth\n\t\tcopy_headers X-A\n\t}\n\tnightlatch\n\treverse_proxy :80\n}", nil},
		"forward_auth in its place":       {"a.com {\n\tforward_auth :9 {\n\t\turi /auth\n\t}\n\treverse_proxy :80\n}", []string{"a.com | every request | reverse_proxy :80" + none}},
		"inside one handle": {"a.com {\n\thandle /app/* {\n\t\tnightlatch\n\t\treverse_proxy :80\n\t}\n\thandle /docs/* {\n\t\tfile_server\n\t}\n\thandle {\n\t\trespond ok\n\t}\n}", []string{
			"a.com | /docs/* | file_server" + elsewhere, "a.com | every request | respond" + elsewhere}},
		"inside one handle, and more behind":         {"a.com {\n\thandle /app/* {\n\t\tnightlatch\n\t}\n\treverse_proxy :80\n}", []string{"a.com | every request | reverse_proxy :80" + elsewhere}},
		"inside each handle":                         {"a.com {\n\thandle /app/* {\n\t\tnightlatch\n\t}\n\thandle {\n\t\tnightlatch\n\t}\n\treverse_proxy :80\n}", nil},
		"inside each handle but the last":            {"a.com {\n\thandle /app/* {\n\t\tnightlatch\n\t}\n\thandle {\n\t\theader X y\n\t}\n\treverse_proxy :80\n}", []string{"a.com | every request | reverse_proxy :80" + elsewhere}},
		"inside each handle but the first":           {"a.com {\n\thandle /app/* {\n\t\theader X y\n\t}\n\thandle {\n\t\tnightlatch\n\t}\n\treverse_proxy :80\n}", []string{"a.com | every request | reverse_proxy :80" + elsewhere}},
		"beside handles":                             {"a.com {\n\tnightlatch\n\thandle_path /app/* {\n\t\treverse_proxy :80\n\t}\n\thandle {\n\t\tfile_server\n\t}\n}", nil},
		"nested matchers":                            {"a.com {\n\t@get method GET\n\thandle /a/* {\n\t\thandle @get {\n\t\t\tfile_server\n\t\t}\n\t}\n}", []string{`a.com | /a/* and {"method":["GET"]} | file_server` + none}},
		"hosts inside a site":                        {"*.a.com {\n\t@x host x.a.com\n\thandle @x {\n\t\tnightlatch\n\t\trespond ok\n\t}\n\t@y host y.a.com\n\thandle @y {\n\t\trespond ok\n\t}\n}", []string{"y.a.com | every request | respond" + none}},
		"error pages":                                {"a.com {\n\tnightlatch\n\treverse_proxy :80\n\thandle_errors {\n\t\trespond \"{err.status_code}\"\n\t}\n}", nil},
		"error routes with content":                  {"a.com {\n\tnightlatch\n\treverse_proxy :80\n\thandle_errors 404 {\n\t\trewrite * /404.html\n\t\tfile_server\n\t}\n}", []string{"a.com | handle_errors {\"expression\":\"{http.error.status_code} in [404]\"} | file_server" + onErrors}},
		"intercepted before":                         {"a.com {\n\troute {\n\t\tintercept {\n\t\t\t@ours status 401\n\t\t\thandle_response @ours {\n\t\t\t\tfile_server\n\t\t\t}\n\t\t}\n\t\tnightlatch\n\t\treverse_proxy :80\n\t}\n}", []string{"a.com | every request | file_server" + elsewhere}},
		"intercepted behind":                         {"a.com {\n\tnightlatch\n\tintercept {\n\t\t@gone status 404\n\t\thandle_response @gone {\n\t\t\tfile_server\n\t\t}\n\t}\n\treverse_proxy :80\n}", nil},
		"a named route":                              {"&(locked) {\n\tnightlatch\n}\na.com {\n\tinvoke locked\n\treverse_proxy :80\n}", nil},
		"a named route with all":                     {"&(app) {\n\troute {\n\t\theader X y\n\t\tnightlatch\n\t\treverse_proxy :80\n\t}\n}\na.com {\n\tinvoke app\n}", nil},
		"a named route that loses its gate":          {"&(locked) {\n\theader X y\n\tnightlatch\n}\na.com {\n\tinvoke locked\n\treverse_proxy :80\n}", []string{"a.com | every request | reverse_proxy :80 | the named route 'locked' holds no nightlatch; of several directives without matchers Caddy keeps the first"}},
		"a named route invoked for a part":           {"&(locked) {\n\tnightlatch\n}\na.com {\n\tinvoke /app/* locked\n\treverse_proxy :80\n}", []string{"a.com | every request | reverse_proxy :80" + elsewhere}},
		"a named route invoked behind, and in front": {"&(app) {\n\treverse_proxy :80\n}\na.com {\n\tnightlatch\n\tinvoke app\n}\nb.com {\n\tinvoke app\n}", []string{"b.com | every request | reverse_proxy :80" + none}},
		"two servers":                                {"http://a.com {\n\trespond plain\n}\na.com {\n\tnightlatch\n\trespond ok\n}", []string{"a.com | every request | respond" + none}},
		"a snippet":                                  {"(locked) {\n\tnightlatch\n}\na.com {\n\timport locked\n\treverse_proxy :80\n}", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := open(t, c.caddyfile+"\n"); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// What only JSON can say.
func TestOpeningsInJSON(t *testing.T) {
	cases := map[string]struct{ routes, want string }{
		"another plugin's handler":            {`[{"handle":[{"handler":"souin"},{"handler":"nightlatch"},{"handler":"reverse_proxy"}]}]`, "souin | it belongs to another plugin and may answer by itself"},
		"behind the gate":                     {`[{"handle":[{"handler":"nightlatch"},{"handler":"souin"}]}]`, ""},
		"a known plugin's":                    {`[{"handle":[{"handler":"rate_limit"},{"handler":"nightlatch"},{"handler":"reverse_proxy"}]}]`, ""},
		"not to be read":                      {`[{"handle":[7]}]`, "a handler that cannot be read | it belongs to another plugin and may answer by itself"},
		"a subroute not to be read":           {`[{"handle":[{"handler":"subroute","routes":7}]}]`, "subroute" + none},
		"a status as a number":                {`[{"handle":[{"handler":"static_response","status_code":403,"body":"x"}]}]`, ""},
		"a status nobody knows":               {`[{"handle":[{"handler":"static_response","status_code":"{vars.x}","body":"x"}]}]`, "respond" + none},
		"terminal, and more behind":           {`[{"handle":[{"handler":"nightlatch"}],"terminal":true},{"handle":[{"handler":"file_server"}]}]`, ""},
		"terminal, and nothing can be behind": {`[{"handle":[{"handler":"vars"}],"terminal":true},{"handle":[{"handler":"file_server"}]}]`, ""},
		"asks as forward_auth does":           {`[{"handle":[{"handler":"reverse_proxy","rewrite":{"method":"GET","uri":"/a"},"handle_response":[{"match":{"status_code":[2]}}]}]}]`, ""},
		"asks with the method of the request": {`[{"handle":[{"handler":"reverse_proxy","rewrite":{"uri":"/a"},"handle_response":[{"match":{"status_code":[2]}}]}]}]`, "reverse_proxy" + none},
		"changes an answer":                   {`[{"handle":[{"handler":"reverse_proxy","rewrite":{"method":"GET","uri":"/a"},"handle_response":[{"match":{"status_code":[404]}}]}]}]`, "reverse_proxy" + none},
		"a matcher for everything":            {`[{"match":[{"path":["/*"]}],"handle":[{"handler":"nightlatch"}]},{"handle":[{"handler":"file_server"}]}]`, ""},
		"only one of two sets":                {`[{"match":[{"path":["/a"]},{}],"handle":[{"handler":"nightlatch"}]},{"handle":[{"handler":"file_server"}]}]`, ""},
		"for one method":                      {`[{"match":[{"method":["GET"]}],"handle":[{"handler":"nightlatch"}]},{"handle":[{"handler":"file_server"}]}]`, "file_server" + elsewhere},
		"errors of a subroute":                {`[{"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"nightlatch"}]}],"errors":{"routes":[{"handle":[{"handler":"file_server"}]}]}}]}]`, "file_server" + onErrors},
		"errors behind the gate":              {`[{"handle":[{"handler":"nightlatch"},{"handler":"subroute","routes":[],"errors":{"routes":[{"handle":[{"handler":"file_server"}]}]}}]}]`, ""},
		"a named route that invokes itself":   {`[{"handle":[{"handler":"invoke","name":"loop"},{"handler":"file_server"}]}]`, "file_server | the named route 'loop' holds no nightlatch; of several directives without matchers Caddy keeps the first"},
		"a named route that is missing":       {`[{"handle":[{"handler":"invoke","name":"none"},{"handler":"file_server"}]}]`, "file_server" + none},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := openings([]byte(`{"servers":{"s":{"listen":[":1"],"routes":` + c.routes + `,"named_routes":{"loop":{"handle":[{"handler":"invoke","name":"loop"}]}}}}}`))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range found {
				got = append(got, strings.Join(o.answers, ", ")+" | "+o.why)
				if o.server != "s (:1)" {
					t.Errorf("got server %q", o.server)
				}
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
