// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attack

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
	"github.com/nightlatch/nightlatch/internal/wiretest"
)

// shop is one process whose configuration changes while programs hold keys and tokens of it.
type shop struct {
	*house
	addr, sites string
	app         *wiretest.Upstream
}

func openShop(t *testing.T, sites string) *shop {
	s := &shop{addr: programtest.FreeAddr(t), app: wiretest.Echo(t)}
	s.sites = s.fill(sites)
	s.house = begin(t, "", "", s.sites)
	return s
}

func (s *shop) fill(text string) string {
	return strings.NewReplacer("PORT", port(s.addr), "APP", s.app.Addr).Replace(text)
}

func (s *shop) configure(t *testing.T, option, sites string) {
	t.Helper()
	s.sites = s.fill(sites)
	s.Configure(t, "grace_period 1s", s.fill(option), s.sites)
	s.Do(t, "", "reload", "--config", s.Caddyfile(), "--address", "unix/"+s.Socket())
	awaitCertificates(t, s.Dir, s.sites)
}

// crash ends the process in the middle of everything, and begins again.
func (s *shop) crash(t *testing.T) {
	t.Helper()
	s.Kill()
	s.Start(t)
	awaitCertificates(t, s.Dir, s.sites)
}

// enroll signs a new person in at a host.
func (s *shop) enroll(t *testing.T, host, name string) (*person, *browser) {
	t.Helper()
	p := s.add(t, name, "staff")
	b := &browser{programtest.NewBrowser(t, "https://"+s.addr, secure(host)), t}
	b.Header.Set("Host", host+":"+port(s.addr))
	b.typePassword(p)
	b.enroll(p)
	return p, b
}

// signIn signs a program in.
func (s *shop) signIn(t *testing.T, host string, p *person) (in tokens) {
	t.Helper()
	status := s.post(t, host, "sign-in", map[string]any{"username": p.Name, "password": password, "code": codeOf(t, p), "tokens": true}, &in)
	if status != 200 || in.Access == "" {
		t.Fatalf("signing a program in at %s: %d", host, status)
	}
	return in
}

// post asks the API of a host.
func (s *shop) post(t *testing.T, host, act string, members map[string]any, answer any) (status int) {
	t.Helper()
	body, err := json.Marshal(members)
	must(t, err)
	r := raw(t, s.addr, secure(host), "POST /_nightlatch/api/v1/"+act+" HTTP/1.1", "Host: "+host+":"+port(s.addr), "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
	if r.Status == 200 {
		must(t, json.Unmarshal(r.Body, answer))
	}
	return r.Status
}

// who is who the application was told, with the status.
func (s *shop) who(t *testing.T, host, credential string) string {
	t.Helper()
	r := raw(t, s.addr, secure(host), "GET /x HTTP/1.1", "Host: "+host+":"+port(s.addr), "Authorization: Bearer "+credential)
	if r.Status == 200 && user(r) == "" {
		return "nobody"
	}
	if r.Status == 200 {
		return user(r)
	}
	return fmt.Sprint(r.Status)
}

// refresh is one refresh, with the status where there is none.
func (s *shop) refresh(t *testing.T, host, token string) (next tokens, status int) {
	t.Helper()
	status = s.post(t, host, "token/refresh", map[string]any{"refresh_token": token}, &next)
	return next, status
}

func (s *shop) key(t *testing.T, body string) (k accessKey) {
	t.Helper()
	var made struct{ ID, Secret string }
	must(t, json.Unmarshal([]byte(s.Operate(t, "POST", "/nightlatch/tokens", body)), &made))
	return accessKey{made.ID, made.Secret}
}

// AD-8, AD-11, SE-24: what was made under one configuration gains nothing by the next one, also where it is in memory, and has what it had
// when the configuration is back.
func TestCredentialsAcrossReloads(t *testing.T) {
	const app, other, portal = "app.example.com", "other.example.com", "auth.example.com"
	site := func(host, rules string) string {
		return "https://" + host + ":PORT {\n\tnightlatch {\n" + rules + "\n\t}\n\treverse_proxy APP\n}\n"
	}
	both := site(app, "") + site(other, "")
	s := openShop(t, both+site(portal, ""))
	alice, hers := s.enroll(t, app, "alice")

	key := hers.appPassword("hers").token()
	service := s.key(t, fmt.Sprintf(`{"name":"backup","hosts":[%q]}`, app)).token()
	narrow := s.key(t, fmt.Sprintf(`{"name":"nothing here","user":"alice","hosts":[%q],"paths":["/api"]}`, app)).token()
	in := s.signIn(t, app, alice)
	unused, status := s.refresh(t, app, s.signIn(t, app, alice).Refresh) // no memory knows this one
	if status != 200 {
		t.Fatalf("refreshing: %d", status)
	}

	// What each opens where.
	type opened struct{ key, service, access string }
	want := func(what, host string, w opened) {
		t.Helper()
		for range 2 { // from the store, and from memory
			got := opened{s.who(t, host, key), s.who(t, host, service), s.who(t, host, in.Access)}
			if got != w {
				t.Errorf("%s, at %s: got %+v, want %+v", what, host, got, w)
			}
		}
		if got := s.who(t, host, narrow); got != "401" && got != "403" {
			t.Errorf("%s, at %s: a key for another path is %s", what, host, got)
		}
	}
	all, none := opened{"alice", "nobody", "alice"}, opened{"401", "401", "401"}
	want("at first", app, all)
	want("at first", other, none)

	for _, c := range []struct {
		what, rules string
		want        opened
	}{
		{"a group of hers", "require two_factor group staff", opened{"alice", "403", "alice"}},
		{"a group of others", "require two_factor group admins", opened{"403", "403", "403"}},
		{"others", "require two_factor user bob", opened{"403", "403", "403"}},
		{"a method that she has not", "require two_factor methods webhook", opened{"401", "401", "401"}},
		{"fresh proofs", "require two_factor max_age 1h", opened{"401", "401", "alice"}},
		{"nobody", "deny", opened{"403", "403", "403"}},
		{"a password", "require password", all},
		{"as before", "", all},
	} {
		option := ""
		if strings.Contains(c.rules, "webhook") {
			option = "webhook https://127.0.0.1:1/ {\n\tsecret 0123456789abcdef0123456789abcdef\n\tchannels sms\n}"
		}
		s.configure(t, option, site(app, c.rules)+site(other, ""))
		want(c.what, app, c.want)
	}

	// Another host, at the same place in the file.
	s.configure(t, "", site("new.example.com", "")+site(other, ""))
	want("the host has another name", "new.example.com", none)
	if _, status := s.refresh(t, "new.example.com", in.Refresh); status != 401 {
		t.Errorf("a refresh at the new host: %d", status)
	}

	// People sign in somewhere else from now on: what says that it was here is nobody's, and the session goes on.
	s.configure(t, "portal https://"+portal+":PORT", both+site(portal, ""))
	want("at a portal", app, opened{"alice", "nobody", "401"})
	if got := s.who(t, app, unused.Access); got != "401" {
		t.Errorf("at a portal: a token that was not used before is %s", got)
	}
	want("at a portal", other, none)
	want("at a portal", portal, none)
	if _, status := s.refresh(t, portal, in.Refresh); status != 401 {
		t.Errorf("a refresh at the portal: %d", status)
	}
	atPortal, status := s.refresh(t, app, in.Refresh)
	if status != 200 || s.who(t, app, atPortal.Access) != "alice" || s.who(t, other, atPortal.Access) != "401" || s.who(t, portal, atPortal.Access) != "401" {
		t.Errorf("a refresh at the host of the session: %d", status)
	}

	// A cookie that the hosts share widens no token and no key that were of one host.
	s.configure(t, "portal https://"+portal+":PORT\n\t\tcookie_domain example.com", both+site(portal, ""))
	for host, want := range map[string]string{app: "alice", other: "401", portal: "401"} {
		if got := s.who(t, host, atPortal.Access); got != want {
			t.Errorf("with a shared cookie, at %s: a token of %s is %s, want %s", host, app, got, want)
		}
	}
	if got := s.who(t, other, key); got != "401" {
		t.Errorf("with a shared cookie, at %s: the key is %s", other, got)
	}
	wide := s.signIn(t, portal, alice)
	if got := s.who(t, other, wide.Access); got != "alice" {
		t.Errorf("with a shared cookie, at %s: a token of the portal is %s", other, got)
	}
	for _, without := range []string{"portal https://" + portal + ":PORT", ""} {
		s.configure(t, without, both+site(portal, ""))
		for _, host := range []string{app, other} {
			if got := s.who(t, host, wide.Access); got != "401" {
				t.Errorf("the shared cookie is gone, at %s: a token of all hosts is %s", host, got)
			}
			if _, status := s.refresh(t, host, wide.Refresh); status != 401 {
				t.Errorf("the shared cookie is gone, at %s: a refresh is %d", host, status)
			}
		}
	}
	// Back where it began.
	if got := s.who(t, app, atPortal.Access); got != "401" {
		t.Errorf("without a portal: a token for it is %s", got)
	}
	want("back again", app, all)
	if got := s.who(t, app, unused.Access); got != "alice" {
		t.Errorf("back again: the token that was good for nothing at a portal is %s, want alice", got)
	}
	if back, status := s.refresh(t, app, atPortal.Refresh); status != 200 || s.who(t, app, back.Access) != "alice" {
		t.Errorf("a refresh, back again: %d", status)
	}
}

// ST-3, ST-4, ST-7: the process dies as soon as it has said that something is revoked or rotated. Nothing of that comes back.
func TestCredentialsAfterACrash(t *testing.T) {
	const host = "app.test"
	s := openShop(t, "https://app.test:PORT {\n\tnightlatch\n\treverse_proxy APP\n}\n")
	alice, _ := s.enroll(t, host, "alice")
	for _, end := range []string{"revoke the key", "the refresh comes twice", "end the session", "disable the account"} {
		t.Run(end, func(t *testing.T) {
			key := s.key(t, fmt.Sprintf(`{"name":"x","user":"alice","hosts":[%q]}`, host))
			first := s.signIn(t, host, alice)
			second, status := s.refresh(t, host, first.Refresh)
			if status != 200 {
				t.Fatalf("refreshing: %d", status)
			}
			s.crash(t)
			if k, a := s.who(t, host, key.token()), s.who(t, host, second.Access); k != "alice" || a != "alice" {
				t.Fatalf("before: the key is %s, the token %s", k, a)
			}
			keyGone, sessionGone := false, true
			switch end {
			case "revoke the key":
				s.Operate(t, "DELETE", "/nightlatch/tokens/"+key.id, "")
				keyGone, sessionGone = true, false
			case "the refresh comes twice":
				third, status := s.refresh(t, host, second.Refresh)
				if status != 200 {
					t.Fatalf("the third: %d", status)
				}
				if _, status := s.refresh(t, host, first.Refresh); status != 401 {
					t.Fatalf("the first again: %d", status)
				}
				second = third
			case "end the session":
				s.Operate(t, "DELETE", "/nightlatch/sessions/"+first.Session.ID, "")
			case "disable the account":
				s.Operate(t, "POST", "/nightlatch/users/alice/disable", "")
				keyGone = true
			}
			s.crash(t)
			want := map[bool]string{true: "401", false: "alice"}
			if got := s.who(t, host, key.token()); got != want[keyGone] {
				t.Errorf("the key is %s, want %s", got, want[keyGone])
			}
			for what, token := range map[string]string{"first": first.Access, "last": second.Access} {
				if got := s.who(t, host, token); got != want[sessionGone] {
					t.Errorf("the %s access token is %s, want %s", what, got, want[sessionGone])
				}
			}
			if _, status := s.refresh(t, host, second.Refresh); (status == 401) != sessionGone {
				t.Errorf("the last refresh token: %d", status)
			}
		})
	}
}
