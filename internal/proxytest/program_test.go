// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// accessKey is what an operator is told of a new one.
type accessKey struct {
	ID, Secret, Token string
}

// newKey makes an app password of alice, for the site of the pages. scope are more members of what is asked for.
func (h *house) newKey(t *testing.T, scope string) (k accessKey) {
	t.Helper()
	body := fmt.Sprintf(`{"name": "a program", "user": "alice", "hosts": [%q]%s}`, appHost, scope)
	if err := json.Unmarshal([]byte(h.program.Operate(t, "POST", "/nightlatch/tokens", body)), &k); err != nil || k.Token == "" {
		t.Fatalf("making a key: %+v, %v", k, err)
	}
	return k
}

func basicAuth(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// presented are the ways in which a program presents a key.
func (k accessKey) presented(user string) map[string][]string {
	return map[string][]string{
		"a token":                 {"Authorization: Bearer " + k.Token},
		"a password":              {basicAuth(user, k.Token)},
		"a pair":                  {"Nightlatch-Client-Id: " + k.ID, "Nightlatch-Client-Secret: " + k.Secret},
		"a pair by Cloudflare":    {"CF-Access-Client-Id: " + k.ID + ".access", "CF-Access-Client-Secret: " + k.Secret},
		"a pair with a whole key": {"CF-Access-Client-Id: " + k.ID, "CF-Access-Client-Secret: " + k.Token},
	}
}

// wantNoKey looks for a key in all that an application got.
func wantNoKey(t testing.TB, what string, k accessKey, got wiretest.Request) {
	t.Helper()
	for _, secret := range []string{k.ID, k.Secret, strings.TrimPrefix(basicAuth("alice", k.ID), "Authorization: Basic ")[:24]} {
		if strings.Contains(string(got.Raw), secret) {
			t.Errorf("%s: the application got %q, which holds %q", what, got.Raw, secret)
		}
	}
}

// Programs pass with a key, over HTTP/1.1 and HTTP/2, and the application gets nothing of it.
func programs(t testing.TB, f *front) {
	for what, lines := range f.key.presented("alice") {
		got := f.passed(t, what, "/reports", func() wiretest.Response { return f.get(t, "/reports", lines...) })
		tells(t, what, got, asAliceOnly...)
		wantNoKey(t, what, f.key, got)
		if own := got.Values("Authorization"); len(own) > 0 {
			t.Errorf("%s: the application got Authorization: %q", what, own)
		}
		got = f.passed(t, what+", skipped", "/public/x", func() wiretest.Response { return f.get(t, "/public/x", lines...) })
		tells(t, what+", skipped", got)
		wantNoKey(t, what+", skipped", f.key, got)
		if f.quirks.h2 {
			fields := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", appHost}, {":path", "/reports"}}
			for _, line := range lines {
				name, value, _ := strings.Cut(line, ": ")
				fields = append(fields, [2]string{strings.ToLower(name), value})
			}
			got := f.passed(t, what+" over HTTP/2", "/reports", func() wiretest.Response {
				return wiretest.H2(t, f.addr, f.trust(appHost)).Do(fields, nil, nil)
			})
			tells(t, what+" over HTTP/2", got, asAliceOnly...)
			wantNoKey(t, what+" over HTTP/2", f.key, got)
		}
		// What is wrong passes where nobody is asked, and is no less ours.
		bad := slices.Clone(lines)
		bad[len(bad)-1] += "x"
		got = f.passed(t, what+", cut off and skipped", "/public/x", func() wiretest.Response { return f.get(t, "/public/x", bad...) })
		wantNoKey(t, what+", cut off and skipped", f.key, got)
	}
}

// widening are headers by which an application may do something else than the method and the path say (PC-18, PC-20).
var widening = []string{"X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "Destination: /admin"}

// Whoever presents something bad is nobody, and is told so as a program.
func programsRefused(t testing.TB, f *front) {
	good := f.key.presented("alice")
	token, pair := good["a token"][0], good["a pair"]
	for what, lines := range map[string][]string{
		"cut off":                    {token[:len(token)-1]},
		"twice":                      {token, token},
		"two kinds":                  append(slices.Clone(pair), token),
		"of somebody else":           {basicAuth("bob", f.key.Token)},
		"cut off, beside a cookie":   {token[:len(token)-1], f.asAlice},
		"two kinds, beside a cookie": append(slices.Clone(pair), token, f.asAlice),
	} {
		r := f.kept(t, what, func() wiretest.Response { return f.get(t, "/reports", lines...) })
		if challenge := strings.Join(r.Values("WWW-Authenticate"), ", "); r.Status != 401 && what != "twice" || r.Status == 401 && !strings.Contains(challenge, `error="invalid_token"`) || location(r) != "" {
			t.Errorf("%s: got %d, %q, %q; want 401 that names the token", what, r.Status, challenge, location(r))
		}
	}
	for _, line := range []string{basicAuth("alice", programtest.Password), "Authorization: Bearer " + f.session(t, f.asAlice), "Proxy-" + token} {
		f.kept(t, line, func() wiretest.Response { return f.get(t, "/reports", line) })
	}
	r := f.kept(t, "a group that alice is not in", func() wiretest.Response { return f.get(t, "/admin", token) })
	if r.Status != 403 {
		t.Errorf("a group that alice is not in: got %d, want 403", r.Status)
	}
	narrow := "Authorization: Bearer " + f.narrow.Token
	f.passed(t, "a narrow key", "/reports/1", func() wiretest.Response { return f.get(t, "/reports/1", narrow) })
	for _, line := range widening {
		f.kept(t, "a narrow key with "+line, func() wiretest.Response { return f.get(t, "/reports/1", narrow, line) })
	}
	// What asks for a password before it sends one hears that it may.
	r = f.kept(t, "git", func() wiretest.Response {
		return f.raw(t, appHost, "GET /reports HTTP/1.1", "Host: "+appHost, "User-Agent: git/2.47.0", "Accept: */*")
	})
	if challenge := strings.Join(r.Values("WWW-Authenticate"), ", "); r.Status != 401 || !strings.HasPrefix(challenge, "Basic realm=") {
		t.Errorf("git: got %d, %q, want 401 that asks for a password", r.Status, challenge)
	}
}

// What is the application's own comes to it, as it was sent, and where there is none, none comes.
func ownAuthorization(t testing.TB, f *front) {
	for _, own := range []string{"Basic YWxpY2U6cHc=", "Bearer e30.e30.c2ln", `Digest username="alice", uri="/x"`, "Negotiate YII="} {
		for target, lines := range map[string][]string{"/reports": {f.asAlice}, "/reports?pair": f.key.presented("alice")["a pair"], "/public/x": nil} {
			got := f.passed(t, own, target, func() wiretest.Response { return f.get(t, target, append(lines, "Authorization: "+own)...) })
			if lines := got.Values("Authorization"); !slices.Equal(lines, []string{own}) {
				t.Errorf("%s: the application got Authorization: %q, want its own %q", target, lines, own)
			}
		}
	}
	for target, line := range map[string]string{"/reports": f.asAlice, "/public/x": "X-A: b"} {
		got := f.passed(t, "nothing", target, func() wiretest.Response { return f.get(t, target, line) })
		if lines := got.Values("Authorization"); len(lines) > 0 {
			t.Errorf("%s: the application got Authorization: %q of a visitor who sent none", target, lines)
		}
	}
}
