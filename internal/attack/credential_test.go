// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// TestID12CredentialsInFields: HTTP/2 and HTTP/3 carry fields as they are, with spaces around a value, each as often as somebody likes, and
// after the body. Whoever sends a credential of ours in a way that it is not read gets nothing for it, and the application does not get it
// either, where a rule skips the sign-in and where a cookie beside it is good. The client that the server is to the application would tidy it
// up on the way.
func TestID12CredentialsInFields(t *testing.T) {
	o := openWorkshop(t)
	alice, hers := o.add(t, "alice"), visitor(t, "https://"+o.addr)
	hers.Header.Set("Host", workshopHost)
	hers.typePassword(alice)
	hers.enroll(alice)
	key := hers.appPassword("a program")
	in := signInProgram(t, o.addr, workshopHost, alice, password)
	secrets := mine(key, in)
	cookie := [2]string{"cookie", hers.Cookies.String()}
	basic := strings.TrimPrefix(basicLine("alice", key.token()), "Authorization: ")
	bearer := "Bearer " + key.token()
	of := func(fields ...string) (list [][2]string) {
		for i := 0; i < len(fields); i += 2 {
			list = append(list, [2]string{fields[i], fields[i+1]})
		}
		return list
	}
	const nlID, nlSecret, cfID, cfSecret = "nightlatch-client-id", "nightlatch-client-secret", "cf-access-client-id", "cf-access-client-secret"
	cases := map[string][][2]string{
		"a space before Basic":           of("authorization", " "+basic),
		"a tab before Basic":             of("authorization", "\t"+basic),
		"a space before Bearer":          of("authorization", " "+bearer),
		"a space before an access token": of("authorization", "  Bearer "+in.Access),
		"a space before a refresh token": of("authorization", " Bearer "+in.Refresh),
		"a list of two Basic":            of("authorization", "Basic YTpi, "+basic),
		"a list of two Basic, no space":  of("authorization", "Basic YTpi,"+basic),
		"Bearer, then Basic in a list":   of("authorization", "Bearer abc, "+basic),
		"Basic, then a refresh token":    of("authorization", "Basic YTpi, Bearer "+in.Refresh),
		"a quoted refresh token":         of("authorization", `Bearer "`+in.Refresh+`"`),
		"a refresh token alone":          of("authorization", in.Refresh),
		"two Basic":                      of("authorization", basic, "authorization", basic),
		"Bearer and an empty line":       of("authorization", bearer, "authorization", ""),
		"an empty line and Basic":        of("authorization", "", "authorization", basic),
		"Basic with a tab":               of("authorization", strings.Replace(basic, " ", "\t", 1)),
		"the pair with spaces":           of(nlID, " "+key.id, nlSecret, " "+key.secret),
		"the pair of Cloudflare, spaces": of(cfID, key.id+" ", cfSecret, key.secret+" "),
		"the pair, id twice":             of(nlID, key.id, nlID, key.id, nlSecret, key.secret),
		"the pair, secret twice":         of(cfID, key.id, cfSecret, key.secret, cfSecret, key.secret),
		"the secret in two fields":       of(cfID, key.id, cfSecret, key.secret[:20], cfSecret, key.secret[20:]),
		"the pair over both, mixed up":   of(cfID, key.id, nlSecret, key.secret),
		"the pair over both families":    of(nlID, key.id, cfSecret, key.secret),
		"the secret in a list":           of(nlID, key.id, nlSecret, key.secret+", "+key.secret),
		"oversized":                      of("authorization", bearer+strings.Repeat("A", 9000)),
		"oversized Basic":                of("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 6000)+":"+key.token()))),
		"a long access token":            of("authorization", "Bearer "+in.Access+strings.Repeat("A", 4000)),
		"a token in a token":             of("authorization", "Bearer "+base64.RawURLEncoding.EncodeToString([]byte(in.Access))+"."+in.Access),
	}
	// Under these names nothing of ours is looked for, so a cookie counts beside it.
	unseen := map[string][][2]string{
		"Basic at the proxy, with a space":  of("proxy-authorization", " "+basic),
		"the pair in one field":             of(cfID, key.id+", "+key.secret),
		"the pair with underscores":         of("nightlatch_client_id", key.id, "nightlatch_client_secret", key.secret),
		"the pair of Cloudflare underlined": of("cf_access_client_id", key.id, "cf_access_client_secret", key.secret),
	}
	maps.Copy(cases, unseen)
	for what, fields := range cases {
		for _, target := range []string{"/x", "/public/x"} {
			for _, beside := range [][][2]string{nil, {cookie}} {
				head := append(append(h2(workshopHost, target), fields...), beside...)
				var answers []wiretest.Response
				got := reached(o.app, func() {
					answers = append(answers, wiretest.H2(t, o.addr, secure(workshopHost)).Do(head, nil, nil), wiretest.H3(t, o.addr, secure(workshopHost)).Do(head, nil, nil))
				})
				name := fmt.Sprintf("%s to %s with %d cookies", what, target, len(beside))
				wantNothingOfOurs(t, name, secrets, got)
				want := ""
				if unseen[what] != nil && beside != nil && target == "/x" {
					want = "alice"
				}
				for i, a := range answers {
					if user(a) != want {
						t.Errorf("%s: over HTTP/%d the application was told %q, want %q", name, i+2, user(a), want)
					}
				}
			}
		}
	}

	// After the body, and as what Connection may name.
	for _, target := range []string{"/x", "/public/x"} {
		trailer := of("authorization", bearer, nlID, key.id, nlSecret, key.secret, cfID, key.id, cfSecret, key.secret, "x-sum", basic)
		head := h2(workshopHost, target, [2]string{":method", "POST"}, [2]string{"trailer", "authorization, x-sum, " + cfSecret})
		got := reached(o.app, func() {
			for i, r := range []wiretest.Response{
				wiretest.H2(t, o.addr, secure(workshopHost)).Do(head, []byte("abc"), trailer),
				wiretest.H3(t, o.addr, secure(workshopHost)).Do(head, []byte("abc"), trailer),
				wiretest.RawTLS(t, o.addr, secure(workshopHost), "POST "+target+" HTTP/1.1\r\nHost: "+workshopHost+"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nTrailer: Authorization\r\n\r\n3\r\nabc\r\n0\r\nAuthorization: "+
					bearer+"\r\nX-Sum: "+basic+"\r\nCF-Access-Client-Id: "+key.id+"\r\nCF-Access-Client-Secret: "+key.secret+"\r\n\r\n"),
			} {
				if user(r) != "" || target == "/x" && r.Status == 200 {
					t.Errorf("in trailers to %s, protocol %d: got %d %q", target, i, r.Status, user(r))
				}
			}
		})
		wantNothingOfOurs(t, "in trailers to "+target, secrets, got)
	}

	// What is the application's own goes on over all of them as it came.
	for _, line := range []string{"Basic YTpi", "Bearer nlr", "Bearer e30.e30.c2ln", "Token nlk_x", "Bearer xnlr_abc"} {
		head := append(h2(workshopHost, "/public/x"), of("authorization", line)...)
		got := reached(o.app, func() {
			wiretest.H2(t, o.addr, secure(workshopHost)).Do(head, nil, nil)
			wiretest.H3(t, o.addr, secure(workshopHost)).Do(head, nil, nil)
		})
		if len(got) != 2 {
			t.Errorf("with %q of its own %d requests reached the application, want 2", line, len(got))
		}
		for _, r := range got {
			if !slices.Equal(r.Values("Authorization"), []string{line}) {
				t.Errorf("the application got %q, want its own %q", r.Values("Authorization"), line)
			}
		}
	}
}
