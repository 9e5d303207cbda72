// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// claims are headers that tell an application who somebody is, in lower case.
var claims = []string{
	"remote-user", "remote-name", "remote-email", "remote-groups", "x-remote-user", "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups",
	"x-forwarded-preferred-username", "x-auth-request-user", "x-auth-request-email", "x-webauth-user", "x-webauth-email", "x-webauth-name",
	"x-webauth-role", "x-authentik-username", "ssl-client-s-dn", "x-goog-authenticated-user-email", "x-original-url", "x-rewrite-url", "x-script-name",
}

// told is what an application is told of who somebody is: the lines of its request whose names are a claim to CGI and its heirs, which
// make one variable of Remote-User, remote_user and Remote.User.
func told(r wiretest.Request) (lines []string) {
	for _, line := range r.Header {
		name, value, _ := strings.Cut(line, ":")
		folded := strings.Map(func(c rune) rune {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return '-'
			}
			return c
		}, strings.ToLower(name))
		if slices.Contains(claims, folded) {
			lines = append(lines, folded+": "+strings.TrimSpace(value))
		}
	}
	slices.Sort(lines)
	return lines
}

// asAliceOnly is what the application is told of her.
var asAliceOnly = []string{"remote-name: A. B. alice", "remote-user: alice"}

func tells(t testing.TB, what string, r wiretest.Request, want ...string) {
	t.Helper()
	if got := told(r); !slices.Equal(got, want) {
		t.Errorf("%s: the application was told %q, want %q", what, got, want)
	}
}

// spoofed are lines with every claim, in many spellings, by somebody who wants to be root.
func spoofed() (lines []string) {
	for _, name := range claims {
		lines = append(lines, name+": root", strings.ToUpper(name)+": root", strings.ReplaceAll(name, "-", "_")+": root",
			strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+": root", strings.ReplaceAll(name, "-", ".")+": root")
	}
	return append(lines, "Remote~User: root")
}

func connectionTakesNothing(t testing.TB, f *front) {
	tokens := "Remote-User, remote-name, Remote-Groups, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Uri, X-Original-URL"
	const more = ", Cookie, Authorization"
	if !f.quirks.drops {
		tokens += more
	} else {
		f.kept(t, "alice with "+tokens+more, func() wiretest.Response {
			return f.rawWith(t, appHost, "GET /reports HTTP/1.1", "Host: "+appHost, "Connection: close, "+tokens+more, f.asAlice)
		})
	}
	got := f.passed(t, tokens, "/reports", func() wiretest.Response {
		return f.rawWith(t, appHost, "GET /reports HTTP/1.1", "Host: "+appHost, "Connection: close, "+tokens, f.asAlice, "Remote-User: root")
	})
	tells(t, tokens, got, asAliceOnly...)
	for _, line := range got.Values("Connection") {
		if strings.Contains(strings.ToLower(line), "remote") {
			t.Errorf("the application got Connection: %s, by which what stands before it would drop our header", line)
		}
	}
	f.kept(t, "a stranger with "+tokens, func() wiretest.Response {
		return f.rawWith(t, appHost, "GET /reports HTTP/1.1", "Host: "+appHost, "Connection: close, "+tokens, "X-Forwarded-Uri: /public/x")
	})
}

func otherSpellings(t testing.TB, f *front) {
	for _, line := range spoofed() {
		got := f.passed(t, line, "/reports", func() wiretest.Response { return f.get(t, "/reports", f.asAlice, line) })
		tells(t, line, got, asAliceOnly...)
	}
	got := f.passed(t, "all at once", "/reports", func() wiretest.Response {
		return f.get(t, "/reports", append(slices.DeleteFunc(spoofed(), long), f.asAlice)...)
	})
	tells(t, "all at once", got, asAliceOnly...)
}

// long leaves out what makes a request with all of them too long for the buffers of a proxy.
func long(line string) bool { return strings.HasPrefix(strings.ToLower(line), "x-") }

// alice has no e-mail address and is in no group. Where there is nothing to say, what the visitor says must not stand.
func nothingToSay(t testing.TB, f *front) {
	got := f.passed(t, "no address", "/reports", func() wiretest.Response {
		return f.get(t, "/reports", f.asAlice, "Remote-Email: ceo@example.com", "Remote-Groups: admins")
	})
	tells(t, "no address", got, asAliceOnly...)
}

// Nobody is asked who they are where a rule skips, and nothing is said of anybody.
func skippedPaths(t testing.TB, f *front) {
	for _, line := range append(spoofed(), "X-A: b") {
		got := f.passed(t, line, "/public/x", func() wiretest.Response { return f.get(t, "/public/x", line) })
		tells(t, line, got)
	}
	got := f.passed(t, "alice", "/public/x", func() wiretest.Response { return f.get(t, "/public/x", f.asAlice, "Remote-User: root") })
	tells(t, "alice", got)
	if cookies := got.Values("Cookie"); len(cookies) > 0 {
		t.Errorf("the application got the cookies %q of a request that is skipped", cookies)
	}
}

func ourCookiesStay(t testing.TB, f *front) {
	ours := strings.TrimPrefix(f.asAlice, "Cookie: ")
	for sent, want := range map[string]string{
		ours:                         "",
		"app=1; " + ours:             "app=1",
		ours + "; app=1":             "app=1",
		"a=1; " + ours + "; b=%zz":   "a=1; b=%zz",
		`a="q q"; b=; ` + ours + ";": `a="q q"; b=`,
		"__Host-nightlatch-attempt=x; nightlatch=y; z=1; " + ours: "z=1",
		strings.Repeat("k=0123456789; ", 400) + ours:              strings.TrimSuffix(strings.Repeat("k=0123456789; ", 400), "; "),
	} {
		got := f.passed(t, "Cookie", "/reports", func() wiretest.Response { return f.get(t, "/reports", "Cookie: "+sent) })
		if cookies := strings.TrimRight(strings.Join(got.Values("Cookie"), " and "), "; "); cookies != want {
			t.Errorf("sent %.80q: the application got the cookies %.80q, want %.80q", sent, cookies, want)
		}
		tells(t, "Cookie", got, asAliceOnly...)
		if strings.Contains(strings.ToLower(string(got.Raw)), "nightlatch") {
			t.Errorf("something of ours is in what the application got: %q", got.Raw)
		}
	}
	// Two lines are one list (RFC 9113, section 8.2.3).
	got := f.passed(t, "two lines", "/reports", func() wiretest.Response { return f.get(t, "/reports", "Cookie: app=1", f.asAlice) })
	if strings.Contains(strings.ToLower(string(got.Raw)), "nightlatch") {
		t.Errorf("something of ours is in what the application got: %q", got.Raw)
	}
}
