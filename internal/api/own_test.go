// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// ASVS 7.5.2: a person sees where they are signed in and ends any of it; the session at hand is a sign-out.
func TestASVS7_5_2Sessions(t *testing.T) {
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			d := newDesk(t)
			alice := d.Enroll(t, auth.NewUser{Name: "alice"}) // on the pages
			bob := d.hand(d.Enroll(t, auth.NewUser{Name: "bob"}), byCookie)
			d.visit.Address = netip.MustParseAddr("2001:db8::7")
			second := d.hand(alice, byTokens)
			d.visit.Address = authtest.Client.Address
			d.Clock.Move(time.Minute)
			h := d.hand(alice, carrier)
			d.Clock.Move(time.Minute)
			sessions := h.ask("GET", "sessions", "").is(200, "")["sessions"].([]any)
			if len(sessions) != 3 {
				t.Fatalf("got %d sessions, want 3: %v", len(sessions), sessions)
			}
			at := func(before time.Duration) string { return d.Clock.Now().Add(-before).UTC().Format(time.RFC3339) }
			end := d.Clock.Now().Add(12*time.Hour - time.Minute).UTC().Format(time.RFC3339)
			want := map[string]any{
				"id": h.id, "current": true, "device": "", "address": "192.0.2.1", "created_at": at(time.Minute), "last_seen_at": at(0), "expires_at": end,
				"methods": []any{"password", "totp"},
			}
			if fmt.Sprint(sessions[0]) != fmt.Sprint(want) {
				t.Errorf("the newest is\n%v, want\n%v", sessions[0], want)
			}
			middle, oldest := sessions[1].(map[string]any), sessions[2].(map[string]any)
			if middle["id"] != second.id || middle["current"] != false || middle["address"] != "2001:db8::7" || oldest["device"] != "test browser" || oldest["current"] != false {
				t.Errorf("the others are %v and %v", middle, oldest)
			}

			// SE-21, SE-18: an id opens nothing, and one of somebody else is none.
			for _, id := range []string{bob.id, "0123456789abcdef", "x", strings.Repeat("0", 64), strings.ToUpper(second.id), second.id + "0"} {
				h.ask("DELETE", "sessions/"+id, "").is(404, "not-found")
			}
			for _, as := range []*hand{{desk: d, carrier: byCookie, holds: second.id}, {desk: d, carrier: byTokens, holds: second.id + "."}} {
				as.ask("GET", "account", "").is(401, "sign-in-required")
			}
			a, turned := h.turns(func() answered { return h.ask("DELETE", "sessions/"+second.id, "") })
			if a.is(204, ""); turned || len(a.given()) > 0 {
				t.Errorf("ending another session turns this one: %v", a.Header())
			}
			second.ask("GET", "account", "").is(401, "sign-in-required")
			h.ask("DELETE", "sessions/"+second.id, "").is(404, "not-found")

			second = d.hand(alice, byCookie)
			h.ask("DELETE", "sessions", "{}").is(204, "")
			second.ask("GET", "account", "").is(401, "sign-in-required")
			if _, err := d.Session(t.Context(), auth.Asker{}, alice.Session); auth.KindOf(err) != auth.NotSignedIn {
				t.Errorf("the session of the pages: %v", err)
			}
			bob.ask("GET", "account", "").is(200, "")

			a = h.desk.ask("DELETE", "sessions/"+h.id, "", h.sends())
			a.is(204, "")
			if gone := a.given()["__Host-nightlatch"]; carrier == byCookie && (gone == nil || gone.MaxAge >= 0 || a.Header().Get("Clear-Site-Data") == "") ||
				carrier == byTokens && (gone != nil || a.Header().Get("Clear-Site-Data") != "") {
				t.Errorf("the own session is ended with %v", a.Header())
			}
			h.ask("GET", "account", "").is(401, "sign-in-required")
		})
	}
}

// A person changes the password: the old one is asked for, the other sessions and the app passwords end, and the session turns (SE-7).
func TestSE7Password(t *testing.T) {
	const passphrase = "four tidy otters under glass"
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			d := newDesk(t)
			alice := d.Enroll(t, auth.NewUser{Name: "alice.liddell", Email: "wonderland@example.test"})
			h, other := d.hand(alice, carrier), d.hand(alice, byTokens)
			key := h.ask("POST", "app-passwords", of("name", "player")).is(201, "")["token"].(string)
			opens := func(token string) error {
				_, err := d.Bearer(t.Context(), auth.Asker{Host: host, Method: "GET", Path: "/", Address: authtest.Client.Address}, token)
				return err
			}
			if err := opens(key); err != nil {
				t.Fatalf("an app password: %v", err)
			}
			change := func(current, fresh string) answered {
				return h.ask("POST", "password", of("current_password", current, "new_password", fresh))
			}
			h.ask("POST", "password", of("new_password", passphrase)).is(400, "bad-request")
			h.ask("POST", "password", of("current_password", alice.Password, "new_password", "")).is(400, "bad-request")
			for fresh, want := range map[string]string{
				"short one": "too_short", strings.Repeat("long ", 100): "too_long", "with a NUL \x00 within": "not_text", "correcthorsebatterystaple": "common",
				"alice.liddell2026": "context", "aaaaaaaaaaaaaaaaaaaa": "pattern",
			} {
				members := change(alice.Password, fresh).is(422, "bad-password")
				least := members["min_length"]
				if members["reason"] != want || (least != nil) != (want == "too_short") || want == "too_short" && least != float64(d.Settings().MinPassword) {
					t.Errorf("%.30q: %v, want %s", fresh, members, want)
				}
			}
			change("not the right one", passphrase).is(401, "wrong-password")
			other.ask("GET", "account", "").is(200, "")
			d.Sent()
			a, turned := h.turns(func() answered { return change(alice.Password, passphrase) })
			if members := a.is(200, ""); !turned || members["status"] != "done" {
				t.Errorf("turned %t, %v", turned, members)
			}
			other.ask("GET", "account", "").is(401, "sign-in-required")
			if err := opens(key); auth.KindOf(err) != auth.NotSignedIn {
				t.Errorf("an app password of before: %v", err)
			}
			d.Clock.Move(otp.Period)
			d.ask("POST", "sign-in", of("username", alice.Name, "password", alice.Password, "code", alice.Code())).is(401, "wrong-credentials")
			d.ask("POST", "sign-in", of("username", alice.Name, "password", passphrase, "code", alice.Code())).is(200, "")
			h.ask("GET", "sessions", "").is(200, "")
		})
	}
}

// A person makes app passwords, each for what it is for and no more, sees them without what opens them, and takes them away.
func TestAppPasswords(t *testing.T) {
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			d := newDesk(t)
			alice := d.Enroll(t, auth.NewUser{Name: "alice"})
			bob := d.hand(d.Enroll(t, auth.NewUser{Name: "bob"}), byCookie)
			h := d.hand(alice, carrier)
			if got := fmt.Sprint(h.ask("GET", "app-passwords", "").is(200, "")); got != "map[app_passwords:[]]" {
				t.Errorf("at first: %s", got)
			}
			now := d.Clock.Now()
			after := func(days int) string { return now.AddDate(0, 0, days).UTC().Format(time.RFC3339) }
			plain := h.ask("POST", "app-passwords", of("name", " Music player ")).is(201, "")
			id, token, secret := plain["id"].(string), plain["token"].(string), plain["secret"].(string)
			want := map[string]any{
				"id": id, "token": id + "_" + secret, "secret": secret, "name": "Music player", "hosts": []any{host}, "paths": []any{}, "methods": []any{}, "networks": []any{},
				"created_at": after(0), "expires_at": after(90),
			}
			if fmt.Sprint(plain) != fmt.Sprint(want) || token != id+"_"+secret {
				t.Errorf("got  %v\nwant %v", plain, want)
			}
			narrow := h.ask("POST", "app-passwords", of(
				"name", "Backup", "hosts", []string{"Files.Example.test", "*.example.test"}, "paths", []string{"/rest/", "/dav"}, "methods", []string{"get", "PROPFIND"},
				"networks", []string{"192.0.2.0/24", "2001:db8::7", "198.51.100.9"}, "expires_in_days", 365,
			)).is(201, "")
			want = map[string]any{
				"id": narrow["id"], "token": narrow["token"], "secret": narrow["secret"], "name": "Backup", "hosts": []any{"files.example.test", "*.example.test"},
				"paths": []any{"/rest", "/dav"}, "methods": []any{"GET", "PROPFIND"}, "networks": []any{"192.0.2.0/24", "2001:db8::7/128", "198.51.100.9/32"},
				"created_at": after(0), "expires_at": after(365),
			}
			if fmt.Sprint(narrow) != fmt.Sprint(want) {
				t.Errorf("got  %v\nwant %v", narrow, want)
			}
			asker := auth.Asker{Host: host, Method: "GET", Path: "/x", Address: authtest.Client.Address}
			if s, err := d.Bearer(t.Context(), asker, token); err != nil || s.Name != "alice" || s.Key != id {
				t.Errorf("it opens %+v, %v", s, err)
			}

			// It is an app password and nothing of ours (MF-5).
			h.desk.ask("GET", "account", "", header("Authorization", "Bearer "+token)).is(401, "sign-in-required")

			listed := h.ask("GET", "app-passwords", "")
			keys := listed.is(200, "")["app_passwords"].([]any)
			if len(keys) != 2 || keys[0].(map[string]any)["id"] != narrow["id"] || names(keys[1].(map[string]any)) != "created_at expires_at hosts id last_used_at methods name networks paths" {
				t.Errorf("listed are %v", keys)
			}
			if strings.Contains(listed.Body.String(), secret) {
				t.Errorf("the list has a secret: %s", listed.Body)
			}
			if got := fmt.Sprint(bob.ask("GET", "app-passwords", "").is(200, "")); got != "map[app_passwords:[]]" {
				t.Errorf("bob has %s", got)
			}
			bob.ask("DELETE", "app-passwords/"+id, "").is(404, "not-found")
			for _, odd := range []string{"nlk0123456789abcdef", "x", token, strings.ToUpper(id)} {
				h.ask("DELETE", "app-passwords/"+odd, "").is(404, "not-found")
			}
			h.ask("DELETE", "app-passwords/"+id, "").is(204, "")
			h.ask("DELETE", "app-passwords/"+id, "").is(404, "not-found")
			if _, err := d.Bearer(t.Context(), asker, token); auth.KindOf(err) != auth.NotSignedIn {
				t.Errorf("after it was revoked: %v", err)
			}
		})
	}
}

// A limit that cannot be set is refused by what it is, and nothing is made.
func TestAppPasswordsThatCannotBe(t *testing.T) {
	d := newDesk(t)
	h := d.hand(d.Enroll(t, auth.NewUser{Name: "alice"}), byCookie)
	for _, c := range []struct {
		problem string
		fields  []any
	}{
		{"bad-name", []any{"name", "   "}},
		{"bad-name", []any{"name", strings.Repeat("x", 65)}},
		{"bad-name", []any{"name", "two\nlines"}},
		{"bad-scope", []any{"hosts", []string{""}}},
		{"bad-scope", []any{"hosts", []string{"https://app.example.test"}}},
		{"bad-scope", []any{"hosts", []string{host + ":8443"}}},
		{"bad-scope", []any{"hosts", []string{"*"}}},
		{"bad-scope", []any{"hosts", []string{"*.*.example.test"}}},
		{"bad-scope", []any{"hosts", slices.Repeat([]string{host}, 33)}},
		{"bad-scope", []any{"paths", []string{"rest"}}},
		{"bad-scope", []any{"paths", []string{"/rest/../admin"}}},
		{"bad-scope", []any{"paths", []string{"/rest%2fx"}}},
		{"bad-scope", []any{"paths", []string{"/rest*"}}},
		{"bad-scope", []any{"paths", []string{""}}},
		{"bad-scope", []any{"methods", []string{"GET POST"}}},
		{"bad-scope", []any{"methods", []string{""}}},
		{"bad-scope", []any{"networks", []string{"192.0.2.0/33"}}},
		{"bad-scope", []any{"networks", []string{"192.0.2"}}},
		{"bad-scope", []any{"networks", []string{"fe80::1%eth0"}}},
		{"bad-scope", []any{"networks", []string{""}}},
		{"bad-scope", []any{"networks", []string{strings.Repeat("9", 60000)}}},
		{"bad-scope", []any{"expires_in_days", 0}},
		{"bad-scope", []any{"expires_in_days", -1}},
		{"bad-scope", []any{"expires_in_days", 366}},
		{"bad-scope", []any{"expires_in_days", 1 << 62}},
		{"bad-scope", []any{"expires_in_days", -1 << 62}},
	} {
		body := of(append([]any{"name", "x"}, c.fields...)...)
		a := h.ask("POST", "app-passwords", body)
		a.what += fmt.Sprintf(" with %.60s", body)
		if members := a.is(422, c.problem); members["detail"] == "" || a.Body.Len() > 1000 {
			t.Errorf("%s: %.300s", a.what, a.Body)
		}
	}
	if got := fmt.Sprint(h.ask("GET", "app-passwords", "").is(200, "")); got != "map[app_passwords:[]]" {
		t.Errorf("there are %s", got)
	}
	for range auth.MaxAccessKeys {
		h.ask("POST", "app-passwords", of("name", "x")).is(201, "")
	}
	h.ask("POST", "app-passwords", of("name", "x")).is(409, "too-many-keys")
}

// An app password of somebody without a second factor stands for a password, and one that was made in a session of both for both.
func TestAppPasswordsStandForWhatTheSessionHasProven(t *testing.T) {
	d := newDesk(t, passwordOnly)
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for p, want := range map[*authtest.Person]auth.Level{bob: auth.LevelPassword, alice: auth.LevelTwoFactor} {
		token := d.hand(p, byTokens).ask("POST", "app-passwords", of("name", "x")).is(201, "")["token"].(string)
		s, err := d.Bearer(t.Context(), auth.Asker{Host: host, Method: "GET", Path: "/", Address: authtest.Client.Address}, token)
		if err != nil || s.Level() != want {
			t.Errorf("%s: it stands for %v, %v; want %v", p.Name, s.Level(), err, want)
		}
	}
}

// MF-25, ST-11: a store that does not answer is no session that has ended, no factor that is gone, and no act that was done.
func TestMF25OwnAccountWithoutTheStore(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	h := d.hand(alice, byCookie)
	h.ask("GET", "account", "").is(200, "")
	gone := errors.New("the disk is gone")
	d.Store.FailViews(gone)
	d.Store.FailUpdates(gone)
	ownRoutes(func(method, path string, _ bool) {
		body := bodyFor(method, path, "")
		if path == "password" {
			body = of("current_password", alice.Password, "new_password", "four tidy otters under glass")
		}
		a := h.ask(method, path, body)
		a.is(503, "unavailable")
		if strings.Contains(a.Body.String(), "disk") {
			t.Errorf("%s: the answer says why: %s", a.what, a.Body)
		}
	})
	d.Store.FailViews(nil)
	d.Store.FailUpdates(nil)

	// One broken record is enough.
	d.Store.FailReads("factors/", gone)
	for _, r := range []string{"GET two-factor", "POST two-factor/totp", "POST two-factor/backup-codes", "POST two-factor/disable", "POST sudo", "DELETE sessions"} {
		method, path, _ := strings.Cut(r, " ")
		h.ask(method, path, bodyFor(method, path, "")).is(503, "unavailable")
	}
	d.Store.FailReads("factors/", nil)

	// A commit that fails turns nothing.
	d.Clock.Move(otp.Period)
	d.Store.FailCommits(gone)
	h.ask("POST", "two-factor/backup-codes", "").is(503, "unavailable")
	d.Store.FailCommits(nil)
	h.ask("GET", "sessions", "").is(200, "")
	h.ask("POST", "sudo", of("password", alice.Password, "code", alice.Codes[0])).is(200, "")
}

// An app password of a day is to be had on each day, also on the one on which the clocks of the server go forward and that has 23 hours, and
// one of a year on the days on which a year is an hour longer than it is in UTC.
func TestADayOfAnAppPasswordHasTwentyFourHours(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var d *desk
	d = newDesk(t, func(c *api.Config) { c.Now = func() time.Time { return d.Clock.Now().In(berlin) } })
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for _, c := range []struct {
		now  time.Time
		days int
	}{
		{time.Date(2027, 3, 27, 12, 0, 0, 0, berlin), 1},
		{time.Date(2027, 10, 30, 12, 0, 0, 0, berlin), 365},
	} {
		d.Clock.Move(c.now.Sub(d.Clock.Now()))
		made := d.ask("POST", "app-passwords", of("name", "music", "expires_in_days", c.days), bearer(d.program(alice))).is(201, "")
		expires, err := time.Parse(time.RFC3339, made["expires_at"].(string))
		if want := d.Clock.Now().Add(time.Duration(c.days) * 24 * time.Hour); err != nil || !expires.Equal(want.Truncate(time.Second)) {
			t.Errorf("%d days from %s: until %s, %v; want %s", c.days, c.now, expires, err, want)
		}
	}
}

// Where nobody knows from where a session was begun, on a Unix socket say, its list says nothing of it, and is one all the same.
func TestSessionsOfNoAddress(t *testing.T) {
	d := newDesk(t)
	d.visit.Address = netip.Addr{}
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for _, s := range d.ask("GET", "sessions", "", bearer(d.program(alice))).is(200, "")["sessions"].([]any) {
		if s := s.(map[string]any); s["current"] == true && s["address"] != nil {
			t.Errorf("the address is %v", s["address"])
		}
	}
}
