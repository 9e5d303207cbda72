// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// LG-1, LG-2: in no spelling does the address of a one-time link reach the access log, and nothing that the application answers is kept
// from it.
func TestLinksStayOutOfTheAccessLog(t *testing.T) {
	for target, want := range map[string]bool{
		"/_nightlatch/invite/TOKEN":           true,
		"/_nightlatch/setup/TOKEN":            true,
		"/_nightlatch/re-enroll/TOKEN":        true,
		"/_nightlatch/reset/TOKEN":            true,
		"/_nightlatch/Invite/TOKEN":           true,
		"/_nightlatch/RE-ENROLL/TOKEN":        true,
		"/_nightlatch/%69nvite/TOKEN":         true,
		"/_nightlatch/invite%2FTOKEN":         true,
		"/_nightlatch%2Finvite%2fTOKEN":       true,
		"/%5Fnightlatch/invite/TOKEN":         true,
		"/_nightlatch/%2569nvite/TOKEN":       true,
		"/_nightlatch/%49nvite%252FTOKEN":     true,
		"/_nightlatch//invite/TOKEN":          true,
		"/_nightlatch/./invite/TOKEN":         true,
		"/_nightlatch/invite/TOKEN/":          true,
		"/_nightlatch/invite/TOKEN%20and%25":  true,
		"/_nightlatch/hand-over?code=CODE":    true,
		"/_nightlatch/Hand%2Dover/?code=CODE": true,
		"/_nightlatch/continue?site=x":        true,
		"/_nightlatch/continued":              false,
		"/continue?site=x":                    false,
		"/_nightlatch/invite":                 false,
		"/_nightlatch/invited/TOKEN":          false,
		"/_nightlatch/sign-in":                false,
		"/_nightlatch/static/style.css":       false,
		"/invite/TOKEN":                       false,
		"/app/_nightlatch/invite/TOKEN":       false,
		"/_nightlatch.php/invite/TOKEN":       false,
		"/orders?next=/_nightlatch/invite/T":  false,
		"/_NIGHTLATCH/invite/of-application":  false,
		"/%255Fnightlatch/invite/application": false,
	} {
		r := httptest.NewRequest("GET", target, nil)
		vars := map[string]any{}
		h := &Handler{log: slog.New(slog.DiscardHandler)}
		h.keepLinkFromLog(prepared(r), visit.Visit{URL: r.URL}, vars)
		if got := vars[caddyhttp.LogSkipVar] == true; got != want {
			t.Errorf("%s: left out of the access log: %v, want %v", target, got, want)
		}
	}
}

// LG-2: where there is an access log, our own says what it leaves out, and holds neither the token nor the code.
func TestTheLogHasALineForWhatTheAccessLogLeavesOut(t *testing.T) {
	const link, handOver = "request for a one-time link, which", "hand-over of a session, which"
	for target, want := range map[string]string{
		"/_nightlatch/invite/SECRET":                  link,
		"/_nightlatch/reset/SECRET":                   link,
		"/_nightlatch/hand-over?code=SECRET":          handOver,
		"/_nightlatch/continue?site=x&agreed=SECRET":  handOver,
		"/_nightlatch/%63ontinue/?site=x&more=SECRET": handOver,
		"/_nightlatch/sign-in?return_to=/SECRET":      "",
	} {
		var log bytes.Buffer
		h := &Handler{log: slog.New(slog.NewTextHandler(&log, nil)), accessLog: true}
		r := prepared(httptest.NewRequest("GET", target, nil))
		h.keepLinkFromLog(r, visit.Visit{URL: r.URL}, varsOf(r))
		got := log.String()
		if (got == "") != (want == "") || !strings.Contains(got, want) || strings.Contains(got, "SECRET") {
			t.Errorf("%s: got the line %q, want %q in it and no secret", target, got, want)
		}
	}
}
