// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/nightlatch/nightlatch/internal/identity"
)

// telltales are Caddy's modules that write headers into the log at level DEBUG, as they stand behind our handler, and where in an entry
// the token would be. Caddy leaves out Cookie and Authorization, and nothing else. The access log and the log of
// errors have the headers as they came, without the token.
var telltales = []struct {
	module caddy.ModuleID
	field  []string
}{
	{"http.handlers.reverse_proxy", []string{"request", "headers", identity.AssertionHeader}},
	{"http.handlers.reverse_proxy", []string{"headers", identity.AssertionHeader}}, // of an answer to Caddy's own forward_auth
	{"http.handlers.rewrite", []string{"request", "headers", identity.AssertionHeader}},
	{"http.reverse_proxy.transport.fastcgi", []string{"request", "headers", identity.AssertionHeader}},
	{"http.reverse_proxy.transport.fastcgi", []string{"env", "HTTP_" + strings.ToUpper(strings.ReplaceAll(identity.AssertionHeader, "-", "_"))}},
}

// filterLines are what a log needs in a Caddyfile.
const filterLines = `format filter {
	request>headers>Nightlatch-Assertion delete
	headers>Nightlatch-Assertion delete
	env>HTTP_NIGHTLATCH_ASSERTION delete
}`

// checkLogs refuses a configuration that would write tokens into a log (LG-1). For a minute whoever reads it there could be that person
// towards an application that they can reach.
func checkLogs(ctx caddy.Context) error {
	for _, t := range telltales {
		core := ctx.Logger(moduleOf(t.module)).Core()
		if core.Enabled(zapcore.DebugLevel) && encodes(core, t.field) {
			return errors.New("a log at level DEBUG would hold the tokens, since " + string(t.module) + " writes headers into it; " +
				"leave them out of each log that it reaches, by these lines in its block:\n" + filterLines)
		}
	}
	return nil
}

// encodes tells whether a log would write down a field, by the names that lead to it. Handing a core its fields encodes them and writes
// nothing, so a value that notices being encoded is as good as an entry, and leaves no trace.
func encodes(core zapcore.Core, field []string) (seen bool) {
	last := len(field) - 1
	value := zap.Array(field[last], zapcore.ArrayMarshalerFunc(func(zapcore.ArrayEncoder) error {
		seen = true
		return nil
	}))
	for _, name := range slices.Backward(field[:last]) {
		inner := value
		value = zap.Object(name, zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
			inner.AddTo(enc)
			return nil
		}))
	}
	core.With([]zapcore.Field{value})
	return seen
}

// moduleOf asks for the logger of a module by its name.
type moduleOf caddy.ModuleID

// CaddyModule returns the Caddy module information.
func (m moduleOf) CaddyModule() caddy.ModuleInfo { return caddy.ModuleInfo{ID: caddy.ModuleID(m)} }
