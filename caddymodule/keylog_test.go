// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/gate"
)

// LG-1: whether Caddy's logs would hold the secret of a pair is found out by asking them, and what cannot be kept from them is said at the
// start, with the way out.
func TestLogsAreAskedWhetherTheyHoldKeys(t *testing.T) {
	const fields = "request>headers>Nightlatch-Client-Secret delete\nrequest>headers>Cf-Access-Client-Secret delete\n"
	filtered := func(fields string) string { return "format filter {\n" + fields + "}\n" }
	for name, c := range map[string]struct {
		global  string // of the Caddyfile
		logs    *caddyhttp.ServerLogConfig
		holds   bool
		warning string // empty: none
	}{
		"nothing said":                  {"", nil, true, ""},
		"an access log":                 {"", new(caddyhttp.ServerLogConfig), true, ""},
		"left out":                      {"log {\n" + filtered(fields) + "}", new(caddyhttp.ServerLogConfig), false, ""},
		"left out, without access logs": {"log {\n" + filtered(fields) + "}", nil, false, ""},
		"one of the two left out":       {"log {\n" + filtered(strings.SplitAfter(fields, "\n")[0]) + "}", nil, true, ""},
		"a log beside it":               {"log {\n" + filtered(fields) + "}\nlog all {\nlevel INFO\n}", nil, true, ""},
		"a log of something else":       {"log {\n" + filtered(fields) + "}\nlog us {\ninclude nightlatch\n}", nil, false, ""},
		"everything left out":           {"log {\n" + filtered("request delete\n") + "}", nil, false, ""},
		"at level DEBUG":                {"debug", nil, true, keyFilterLines},
		"at level DEBUG, left out":      {"debug\nlog {\n" + filtered(fields) + "}", nil, false, ""},
		"credentials":                   {"", &caddyhttp.ServerLogConfig{ShouldLogCredentials: true}, true, "log_credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			var cfg caddy.Config
			if err := json.Unmarshal([]byte(adapted(t, string(caddyfile.Format([]byte("{\n"+c.global+"\n}\n"))))), &cfg); err != nil {
				t.Fatal(err)
			}
			ctx, err := caddy.ProvisionContext(&cfg)
			if err != nil {
				t.Fatal(err)
			}
			srv := &caddyhttp.Server{Logs: c.logs}
			ctx.Context = context.WithValue(ctx.Context, caddyhttp.ServerCtxKey, srv)
			for range 2 { // a server with two sites
				var said bytes.Buffer
				h := &Handler{log: slog.New(slog.NewTextHandler(&said, nil))}
				h.lookAtLogs(ctx)
				if h.logsSecrets != c.holds || h.accessLog != (c.logs != nil) || srv.Logs == nil {
					t.Errorf("the logs hold secrets: %v, want %v; there is an access log: %v", h.logsSecrets, c.holds, h.accessLog)
				}
				got := strings.ReplaceAll(strings.ReplaceAll(said.String(), `\n`, "\n"), `\t`, "\t")
				if (got != "") != (c.warning != "") || !strings.Contains(got, c.warning) {
					t.Errorf("said %q, want %q", got, c.warning)
				}
			}
		})
	}
}

// What the rest of a Caddyfile and the access log learn of a program: which key it was, and whose.
func TestPlaceholdersOfPrograms(t *testing.T) {
	b := authtest.New(t)
	b.Enroll(t, auth.NewUser{Name: "alice", Groups: []string{"staff"}})
	h := newHandler(t, b, gate.Rule{Action: gate.Skip, Text: "skip", Match: func(r *http.Request) (bool, error) { return r.URL.Path == "/open", nil }, PathBound: true})
	for user, want := range map[string]string{
		"":      "||two_factor|service_token|KEY",
		"alice": "alice|staff|two_factor|app_password|KEY",
	} {
		made, err := b.AddAccessKey(t.Context(), auth.Client{}, user, auth.NewAccessKey{Name: "a program", Hosts: []string{"app.example.com"}})
		if err != nil {
			t.Fatal(err)
		}
		for target, want := range map[string]string{"/": strings.ReplaceAll(want, "KEY", made.ID), "/open": "||||"} {
			r := over(target, "")
			r.Header.Set("Authorization", "Bearer "+made.Token)
			got := ""
			err := h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
				repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
				got = repl.ReplaceAll("{http.auth.user.id}|{http.auth.user.groups}|{http.nightlatch.level}|{http.nightlatch.methods}|{http.nightlatch.session}", "")
				return nil
			}))
			if err != nil || got != want {
				t.Errorf("%q at %s: got %q, %v; want %q", user, target, got, err, want)
			}
		}
	}
}
