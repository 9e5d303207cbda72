// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// passwordOnly is a site that asks for a password, so that there are sessions of people without a second factor.
func passwordOnly(cfg *api.Config) { cfg.Level = auth.LevelPassword }

// confirms checks the answer to a first code, and that the session has turned.
func (h *hand) confirms(id, kind, code string, codes int) map[string]any {
	h.t.Helper()
	a, turned := h.turns(func() answered { return h.ask("POST", "two-factor/"+kind+"/"+id+"/confirm", of("code", code)) })
	members := a.is(200, "")
	if !turned {
		h.t.Errorf("%s: the session goes on with what it had", a.what)
	}
	if got, _ := members["backup_codes"].([]any); len(got) != codes {
		h.t.Errorf("%s: got %d backup codes, want %d", a.what, len(got), codes)
	}
	return members
}

// A person enrolls a first factor and more of each kind, names them, takes one away, makes new backup codes, and turns it all off, with a cookie
// and with tokens. Each act runs twice inside of the store, as after a conflict.
func TestStoryTwoFactor(t *testing.T) {
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			d := newDesk(t, passwordOnly)
			d.WithMail()
			alice := d.AddUser(t, auth.NewUser{Name: "alice", Email: "alice@wonder.test"})
			h, other := d.hand(alice, carrier), d.hand(alice, carrier)
			d.Store.RunTwice(true)

			// OT-15: nothing is enrolled, and there are no backup codes without a factor.
			members := h.ask("GET", "two-factor", "").is(200, "")
			want := "map[available:[map[method:totp] map[method:email] map[channels:[sms chat] method:webhook]] backup_codes_left:0 enabled:false factors:[] required:false]"
			if got := fmt.Sprint(members); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			h.ask("POST", "two-factor/backup-codes", "").is(404, "no-such-factor")

			// The first factor. What is shown of its key is one key.
			members = h.ask("POST", "two-factor/totp", of("name", " My phone ")).is(201, "")
			if got := names(members); got != "expires_at id method otpauth_url qr_png qr_svg secret" || members["method"] != "totp" {
				t.Errorf("a new authenticator app: got %s", got)
			}
			if want := d.Clock.Now().Add(5 * time.Minute).UTC().Format(time.RFC3339); members["expires_at"] != want {
				t.Errorf("it waits until %v, want %s", members["expires_at"], want)
			}
			secret, id := secretOf(t, members), members["id"].(string)
			key, err := otp.NewKey(d.Settings().Issuer, "alice", secret)
			if err != nil {
				t.Fatal(err)
			}
			picture, err := key.PNG(256)
			if err != nil {
				t.Fatal(err)
			}
			drawing, err := key.SVG()
			if err != nil {
				t.Fatal(err)
			}
			if members["otpauth_url"] != key.URL() || members["qr_svg"] != string(drawing) || members["qr_png"] != "data:image/png;base64,"+base64.StdEncoding.EncodeToString(picture) {
				t.Errorf("the forms of the key differ: %v", members)
			}
			if members := h.ask("GET", "two-factor", "").is(200, ""); members["enabled"] != false {
				t.Errorf("OT-18: before it is confirmed: %v", members)
			}
			h.ask("POST", "two-factor/totp/"+id+"/confirm", of("code", "000000")).is(401, "wrong-code")
			code := d.codeOf(secret)
			members = h.confirms(id, "totp", code[:3]+" "+code[3:], 10)
			alice.Secret, alice.Codes = secret, texts(members["backup_codes"])
			phone := within(members, "factor.id").(string)
			now := d.Clock.Now().UTC().Format(time.RFC3339)
			if got, want := fmt.Sprint(members["factor"]), fmt.Sprintf("map[created_at:%s id:%s last_used_at:%s method:totp name:My phone]", now, phone, now); got != want {
				t.Errorf("the factor is %s, want %s", got, want)
			}
			other.ask("GET", "account", "").is(401, "sign-in-required") // a password alone had opened it

			// OT-6: the code that confirmed it is burned, also for a step-up.
			h.ask("POST", "sudo", of("password", alice.Password, "code", code)).is(401, "used-code")

			// A number, whose first message is sent again.
			d.Sent()
			members = h.ask("POST", "two-factor/webhook", of("channel", "sms", "destination", "+1 (555) 012-3456", "name", "Work")).is(201, "")
			if got := names(members); got != "channel destination expires_at id method sent" || members["destination"] != "+15550123456" || within(members, "sent.destination") != "+15550123456" {
				t.Errorf("a new number: got %s: %v", got, members)
			}
			id = members["id"].(string)
			first := d.codeSent(auth.MessageEnroll, "+15550123456")
			d.Store.RunTwice(false)
			a := h.ask("POST", "two-factor/webhook/"+id+"/send", "")
			a.is(429, "too-many-messages")
			if got := a.Header().Get("Retry-After"); got != "30" {
				t.Errorf("Retry-After is %q, want 30", got)
			}
			d.Store.RunTwice(true)
			d.Clock.Move(30 * time.Second)
			members = h.ask("POST", "two-factor/webhook/"+id+"/send", "{}").is(200, "")
			if members["id"] != id || within(members, "sent.method") != "webhook" {
				t.Errorf("sent again: %v", members)
			}
			again := d.codeSent(auth.MessageEnroll, "+15550123456")
			if first != again {
				h.ask("POST", "two-factor/webhook/"+id+"/confirm", of("code", first)).is(401, "wrong-code") // only the newest counts
			}
			work := within(h.confirms(id, "webhook", again, 0), "factor.id").(string)
			h.ask("POST", "two-factor/webhook", of("channel", "sms", "destination", "+15550123456")).is(409, "already-done")

			// The address of the account, and no other (OT-11).
			h.ask("POST", "two-factor/email", of("destination", "eve@evil.test")).is(400, "bad-request")
			members = h.ask("POST", "two-factor/email", "").is(201, "")
			if got := names(members); got != "destination expires_at id method sent" || members["destination"] != "alice@wonder.test" {
				t.Errorf("a new address: got %s: %v", got, members)
			}
			h.confirms(members["id"].(string), "email", d.codeSent(auth.MessageEnroll, "alice@wonder.test"), 0)
			h.ask("POST", "two-factor/email", "").is(404, "no-such-factor") // there is one address

			// What there is now, with hints of where codes go.
			members = h.ask("GET", "two-factor", "").is(200, "")
			if members["enabled"] != true || members["backup_codes_left"] != 10.0 || fmt.Sprint(members["available"]) != "[map[method:totp] map[channels:[sms chat] method:webhook]]" {
				t.Errorf("got %v", members)
			}
			var got []string
			for _, f := range members["factors"].([]any) {
				m := f.(map[string]any)
				got = append(got, fmt.Sprint(m["method"], " ", m["name"], " ", m["channel"], " ", m["destination"]))
			}
			if want := []string{"totp My phone <nil> <nil>", "webhook Work sms •••\u00a056", "email  <nil> a•••@wonder.test"}; !slices.Equal(got, want) {
				t.Errorf("the factors are %q, want %q", got, want)
			}

			// Names.
			members = h.ask("PATCH", "two-factor/"+work, of("name", "  Büro 📞 ")).is(200, "")
			if members["name"] != "Büro 📞" || members["id"] != work || members["destination"] != "•••\u00a056" {
				t.Errorf("renamed: %v", members)
			}
			for _, bad := range []string{strings.Repeat("x", 65), "two\nlines", "\u202egnp.exe", "\u0000"} {
				h.ask("PATCH", "two-factor/"+work, of("name", bad)).is(422, "bad-name")
			}
			if members = h.ask("PATCH", "two-factor/"+work, of("name", "")).is(200, ""); members["name"] != "" {
				t.Errorf("without a name: %v", members)
			}

			// One of several goes, and with it what it has opened elsewhere.
			other = d.hand(alice, carrier)
			a, turned := h.turns(func() answered { return h.ask("DELETE", "two-factor/"+work, "") })
			a.is(204, "")
			if turned || len(a.given()) > 0 {
				t.Errorf("removing a factor turns the session that did it")
			}
			other.ask("GET", "account", "").is(401, "sign-in-required")
			h.ask("DELETE", "two-factor/"+work, "").is(404, "no-such-factor")
			h.ask("PATCH", "two-factor/"+work, of("name", "x")).is(404, "no-such-factor")

			// New backup codes: the old ones are dead (OT-16).
			a, turned = h.turns(func() answered { return h.ask("POST", "two-factor/backup-codes", "") })
			newer := texts(a.is(200, "")["backup_codes"])
			if !turned || len(newer) != 10 || slices.Contains(newer, alice.Codes[0]) {
				t.Errorf("new codes: turned %t, %q", turned, newer)
			}
			h.ask("POST", "sudo", of("password", alice.Password, "method", "backup_code", "code", alice.Codes[0])).is(401, "wrong-code")
			h.ask("POST", "sudo", of("password", alice.Password, "code", newer[0])).is(200, "")
			if members = h.ask("GET", "two-factor", "").is(200, ""); members["backup_codes_left"] != 9.0 {
				t.Errorf("after one was used: %v", members)
			}

			// Off, with the password and a code, however fresh the session is.
			d.Clock.Move(otp.Period)
			other = d.hand(alice, carrier)
			d.Clock.Move(otp.Period)
			h.ask("POST", "two-factor/disable", of("code", alice.Code())).is(400, "bad-request")
			a, turned = h.turns(func() answered {
				return h.ask("POST", "two-factor/disable", of("password", alice.Password, "code", alice.Code()))
			})
			members = a.is(200, "")
			if !turned || members["status"] != "disabled" {
				t.Errorf("turned off: turned %t, %v", turned, members)
			}
			other.ask("GET", "account", "").is(401, "sign-in-required")
			members = h.ask("GET", "two-factor", "").is(200, "")
			if members["enabled"] != false || len(members["factors"].([]any)) > 0 || members["backup_codes_left"] != 0.0 {
				t.Errorf("after it was turned off: %v", members)
			}
			h.ask("POST", "two-factor/disable", of("password", alice.Password)).is(409, "already-done")
			alice.Secret = nil
			h.sudo(alice)

			// OT-15, MF-16: what was enrolled before is worth nothing after enrolling anew.
			members = h.ask("POST", "two-factor/totp", "{}").is(201, "")
			if fresh := secretOf(t, members); string(fresh) == string(secret) {
				t.Error("the new key is the old one")
			}
			h.ask("POST", "two-factor/totp/"+members["id"].(string)+"/confirm", of("code", d.codeOf(secret))).is(401, "wrong-code")
			h.confirms(members["id"].(string), "totp", d.codeOf(secretOf(t, members)), 10)
			h.ask("POST", "sudo", of("password", alice.Password, "code", newer[1])).is(401, "wrong-code")
		})
	}
}

// OT-12, OT-20, MF-17, SE-21: once it is confirmed, no answer has the key of a factor, and no answer ever has a code, a hash, or anything of
// somebody else.
func TestOT12OT20MF17AnswersHaveNoSecrets(t *testing.T) {
	d := newDesk(t, passwordOnly)
	d.WithMail()
	mallory := d.Enroll(t, auth.NewUser{Name: "mallory", FullName: "Mallory Elsewhere", Email: "mallory@evil.test"})
	mallory.Add(t, auth.NewFactor{Method: auth.Webhook, Channel: "sms", Destination: "+15559999999", Name: "burner phone"})
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@wonder.test"})
	h := d.hand(alice, byTokens)
	members := h.ask("POST", "two-factor/totp", "").is(201, "")
	text, secret := members["secret"].(string), secretOf(t, members)
	h.confirms(members["id"].(string), "totp", d.codeOf(secret), 0)
	made := h.ask("POST", "app-passwords", of("name", "player")).is(201, "")
	codes := texts(h.ask("POST", "two-factor/backup-codes", "").is(200, "")["backup_codes"])
	d.Clock.Move(otp.Period)

	hers, hidden := alice.Account(t).Factors[0].ID, mallory.Account(t)
	secrets := append([]string{
		text, "argon2", "$", made["secret"].(string), alice.Password, mallory.Password, "mallory", "Elsewhere", "burner", "5559999", hidden.ID, hidden.Factors[0].ID,
	}, codes...)
	var all strings.Builder
	every(func(method, path string) {
		if open[path] || path == "sign-out" {
			return
		}
		for _, id := range []string{hidden.Factors[0].ID, hers} {
			path := strings.Replace(path, "0123456789abcdef", id, 1)
			a := h.ask(method, path, bodyFor(method, path, id))
			for _, s := range secrets {
				if strings.Contains(a.Body.String(), s) {
					t.Errorf("%s: the answer has %q\n%s", a.what, s, a.Body)
				}
			}
			// Where codes go to is whole where somebody has just asked for it, and of the account itself.
			asked := strings.HasPrefix(path, "two-factor/email") || path == "account"
			if strings.Contains(a.Body.String(), "alice@wonder.test") && !asked {
				t.Errorf("%s: the answer has the address\n%s", a.what, a.Body)
			}
			all.WriteString(a.Body.String())
		}
	})
	sent := 0
	for _, m := range d.Sent() {
		if m.Code == "" {
			continue
		}
		if sent++; regexp.MustCompile(`[^0-9A-Za-z]` + m.Code + `[^0-9A-Za-z]`).MatchString(all.String()) {
			t.Errorf("the code %s, which was sent to %s, stands in an answer", m.Code, m.To)
		}
	}
	if sent == 0 || all.Len() < 10_000 {
		t.Errorf("%d codes were sent, and the answers have %d bytes", sent, all.Len())
	}
}

// bodyFor is something that each route takes, of which the path has an id in place of the usual one; empty: it has not.
func bodyFor(method, path, id string) string {
	if id != "" {
		path = strings.Replace(path, id, "0123456789abcdef", 1)
	}
	body := bodies[method+" "+path]
	switch {
	case strings.HasSuffix(path, "sudo"), strings.HasSuffix(path, "disable"):
		return `{"password":"not the right one"}`
	case path == "app-passwords" && method == "POST":
		return `{"name":"x"}`
	}
	return body
}

// SE-21, ASVS 8.2.2: what belongs to somebody else is as if it did not exist, whatever the route and to the last byte.
func TestSE21MF13WhatIsSomebodyElsesIsNotThere(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice, bob := d.Enroll(t, auth.NewUser{Name: "alice"}), d.Enroll(t, auth.NewUser{Name: "bob", Email: "bob@example.test"})
	bob.Add(t, auth.NewFactor{Method: auth.Webhook, Channel: "sms", Destination: "+15550123456"})
	his := d.hand(bob, byTokens)
	ids := map[string]string{"two-factor/": bob.Account(t).Factors[0].ID, "sessions/": his.id}
	ids["app-passwords/"] = his.ask("POST", "app-passwords", of("name", "his")).is(201, "")["id"].(string)
	for _, kind := range []string{"totp", "email", "webhook"} {
		body := "{}"
		if kind == "webhook" {
			body = of("channel", "chat", "destination", "bob")
		}
		ids["two-factor/"+kind+"/"] = his.ask("POST", "two-factor/"+kind, body).is(201, "")["id"].(string)
	}
	for _, carrier := range carriers {
		h := d.hand(alice, carrier)
		before := d.Records(t, "")
		events := len(d.Events)
		checked := 0
		every(func(method, path string) {
			for prefix, id := range ids {
				rest, is := strings.CutPrefix(path, prefix+"0123456789abcdef")
				if !is {
					continue
				}
				checked++
				none := h.ask(method, path, bodyFor(method, path, id))
				theirs := h.ask(method, prefix+id+rest, bodyFor(method, prefix+id+rest, id))
				if theirs.Code != 404 || theirs.Body.String() != none.Body.String() || fmt.Sprint(theirs.Header()) != fmt.Sprint(none.Header()) {
					t.Errorf("%s: got %d, want what %s gets: %d\n%s\n%s", theirs.what, theirs.Code, none.what, none.Code, theirs.Body, none.Body)
				}
			}
		})
		if checked != 9 {
			t.Errorf("%d routes name something by its id, want 9", checked)
		}
		if d.left(before); len(d.Events) != events {
			t.Errorf("events were told: %v", d.Events[events:])
		}
	}
	for prefix, id := range ids {
		if strings.Count(prefix, "/") == 2 && prefix != "two-factor/totp/" {
			d.Clock.Move(30 * time.Second)
			his.ask("POST", prefix+id+"/send", "").is(200, "") // all of it is there
		}
	}
	his.ask("GET", "sessions", "").is(200, "")
}

// lastSeen is when a session was last seen, which is saved every now and then.
var lastSeen = regexp.MustCompile(`"last_seen":"[^"]*"`)

// left demands that the store is as it was, but for how often somebody asked, and when.
func (d *desk) left(before map[string]string) {
	d.t.Helper()
	now := d.Records(d.t, "")
	for key, value := range now {
		if lastSeen.ReplaceAllString(before[key], "") != lastSeen.ReplaceAllString(value, "") && !strings.HasPrefix(key, "account/") && !strings.HasPrefix(key, "guess/") {
			d.t.Errorf("%s was written: %.200s", key, value)
		}
	}
	for key := range before {
		if _, is := now[key]; !is {
			d.t.Errorf("%s is gone", key)
		}
	}
}

// An enrollment is what its path says, in the session that began it, for five minutes and once. Everything else is nothing at this address.
func TestEnrollmentsAreWhereTheyWereBegun(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@wonder.test"})
	h, second := d.hand(alice, byTokens), d.hand(alice, byTokens)
	begin := func() (id string, code func() string) {
		t.Helper()
		members := h.ask("POST", "two-factor/totp", "").is(201, "")
		return members["id"].(string), func() string { return d.codeOf(secretOf(t, members)) }
	}
	id, code := begin()
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	attempt := d.ask("POST", "sign-in", of("username", "bob", "password", bob.Password, "tokens", true)).is(200, "")["attempt"]
	inSignIn := d.ask("POST", "sign-in/enroll", of("attempt", attempt, "method", "totp")).is(200, "")
	for name, ask := range map[string]func() answered{
		"of another method":  func() answered { return h.ask("POST", "two-factor/email/"+id+"/confirm", of("code", code())) },
		"by webhook":         func() answered { return h.ask("POST", "two-factor/webhook/"+id+"/confirm", of("code", code())) },
		"sent":               func() answered { return h.ask("POST", "two-factor/email/"+id+"/send", "") },
		"in another session": func() answered { return second.ask("POST", "two-factor/totp/"+id+"/confirm", of("code", code())) },
		"cut":                func() answered { return h.ask("POST", "two-factor/totp/"+id[:63]+"/confirm", of("code", code())) },
		"in capitals": func() answered {
			return h.ask("POST", "two-factor/totp/"+strings.ToUpper(id)+"/confirm", of("code", code()))
		},
		"of a sign-in": func() answered { // whose session would come out of it
			bob.Secret = secretOf(t, inSignIn["enrollment"].(map[string]any))
			return h.ask("POST", "two-factor/totp/"+inSignIn["attempt"].(string)+"/confirm", of("code", bob.Code()))
		},
		"of a step-up": func() answered {
			return h.ask("POST", "two-factor/totp/"+h.attempts("sudo")+"/confirm", of("code", alice.Code()))
		},
		"of turning it off": func() answered {
			return h.ask("POST", "two-factor/totp/"+h.attempts("two-factor/disable")+"/confirm", of("code", alice.Code()))
		},
		"of turning it off too": func() answered {
			return h.ask("POST", "two-factor/email/"+h.attempts("two-factor/disable")+"/send", "")
		},
	} {
		a := ask()
		a.what += ", " + name
		a.is(404, "not-found")
	}
	h.ask("POST", "two-factor/totp/"+id+"/confirm", of("code", code())).is(200, "")
	h.ask("POST", "two-factor/totp/"+id+"/confirm", of("code", code())).is(404, "not-found")

	// Five minutes, to the second, though the access token is over by then: a cookie goes on.
	c := d.hand(alice, byCookie)
	for _, last := range []bool{false, true} {
		members := c.ask("POST", "two-factor/totp", "").is(201, "")
		d.Clock.Move(5*time.Minute - time.Second)
		path := "two-factor/totp/" + members["id"].(string) + "/confirm"
		c.ask("POST", path, of("code", "000000")).is(401, "wrong-code")
		if last {
			d.Clock.Move(time.Second)
			c.ask("POST", path, of("code", d.codeOf(secretOf(t, members)))).is(404, "not-found")
		} else {
			c.ask("POST", path, of("code", d.codeOf(secretOf(t, members)))).is(200, "")
		}
	}

	// A step-up meanwhile turns the session and leaves what is being enrolled.
	c.ask("POST", "sudo", of("password", alice.Password, "code", alice.Code())).is(200, "")
	members := c.ask("POST", "two-factor/totp", "").is(201, "")
	d.Clock.Move(otp.Period)
	c.ask("POST", "sudo", of("password", alice.Password, "code", alice.Code())).is(200, "")
	c.ask("POST", "two-factor/totp/"+members["id"].(string)+"/confirm", of("code", d.codeOf(secretOf(t, members)))).is(200, "")
}

// attempts begins something that asks for a code, and returns the name of its attempt, as the store has it.
func (h *hand) attempts(path string) string {
	h.t.Helper()
	before := h.Records(h.t, "attempt/")
	h.ask("POST", path, of("password", "correct horse alice staple")).is(200, "")
	for key := range h.Records(h.t, "attempt/") {
		if _, was := before[key]; !was {
			return strings.TrimPrefix(key, "attempt/")
		}
	}
	h.t.Fatal("no attempt was stored")
	return ""
}
