// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// No event of today holds what a stranger typed. One that will must not act on the operator's terminal.
func TestEventsAreEscaped(t *testing.T) {
	var out strings.Builder
	p := printer{w: &out}
	p.events([]auth.Event{{
		Time: time.Unix(1_790_000_000, 0), Type: "ty\x1b[2Jpe", Outcome: "out\rcome", User: "us\u202eer", Actor: "ac\ntor",
		Address: netip.MustParseAddr("fe80::1%\x1b]0;owned\x07"), Method: "me\tthod", Session: "ses\u009bsion", Detail: "de\x00tail",
	}})
	if p.err != nil {
		t.Fatal(p.err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("one event is %d lines, want a heading and one: %q", len(lines), lines)
	}
	for _, line := range lines {
		if line != printable(line) {
			t.Errorf("raw control characters in %q", line)
		}
	}
	for _, want := range []string{`ty\x1b[2Jpe`, `out\rcome`, `us\u202eer`, `ac\ntor`, `\x1b]0;owned\a`, `me\tthod`, `ses\u009bsion`, `de\x00tail`} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("got %q, want %s in it", lines[1], want)
		}
	}
}
