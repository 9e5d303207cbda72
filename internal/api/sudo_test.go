// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// guarded are the routes that need sudo mode.
var guarded = []string{
	"POST two-factor/totp", "POST two-factor/email", "POST two-factor/webhook", "PATCH two-factor/0123456789abcdef", "DELETE two-factor/0123456789abcdef",
	"POST two-factor/backup-codes", "GET sessions", "DELETE sessions", "DELETE sessions/0123456789abcdef", "POST password", "POST app-passwords",
	"DELETE app-passwords/0123456789abcdef",
}

// ownRoutes calls fn with the routes of an own account, and whether they need sudo mode.
func ownRoutes(fn func(method, path string, needsSudo bool)) {
	every(func(method, path string) {
		if !open[path] && path != "sign-out" && path != "account" {
			fn(method, path, slices.Contains(guarded, method+" "+path))
		}
	})
}

// Whatever is sent to sudo is looked at, in a session that is in sudo mode as in any other, and only what is right turns the session.
func TestSudoLooksAtWhatItIsSent(t *testing.T) {
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			d := newDesk(t)
			alice := d.Enroll(t, auth.NewUser{Name: "alice"})
			h := d.hand(alice, carrier)
			h.ask("GET", "sessions", "").is(200, "") // in sudo mode
			held, used := h.holds, alice.Code()
			d.Clock.Move(otp.Period)
			right := of("password", alice.Password, "code", alice.Code())

			h.ask("POST", "sudo", of("password", "not the right one", "code", alice.Code())).is(401, "wrong-password")
			h.ask("POST", "sudo", of("password", "not the right one")).is(401, "wrong-password")
			h.ask("POST", "sudo", of("password", alice.Password, "code", used)).is(401, "used-code")
			members := h.ask("POST", "sudo", of("password", alice.Password, "code", "000000")).is(401, "wrong-code")
			if got := methodsOf(members); got != "totp backup_code" || members["expires_at"] != d.Clock.Now().Add(5*time.Minute).UTC().Format(time.RFC3339) {
				t.Errorf("after a wrong code: %v", members)
			}
			for _, body := range []string{
				"{}", of("code", alice.Code()), of("method", "totp"), with(right, "attempt", members["attempt"]), of("attempt", members["attempt"]),
				of("attempt", members["attempt"], "code", alice.Code()), of("attempt", members["attempt"], "method", "totp"),
				of("attempt", members["attempt"], "method", "totp", "code", alice.Code(), "factor", "x"), with(right, "method", "email"), with(right, "method", "webhook"),
				with(right, "method", "password"), with(right, "level", "password"), with(right, "max_age", 0),
			} {
				h.ask("POST", "sudo", body).is(400, "bad-request")
			}
			if h.holds != held {
				t.Fatal("something that was refused has turned the session")
			}
			a, turned := h.turns(func() answered {
				return h.ask("POST", "sudo", of("attempt", members["attempt"], "method", "totp", "code", alice.Code()))
			})
			members = a.is(200, "")
			if want := d.Clock.Now().Add(10 * time.Minute).UTC().Format(time.RFC3339); !turned || members["status"] != "done" || members["expires_at"] != want {
				t.Errorf("turned %t, %v; want done until %s", turned, members, want)
			}
			want := "expires_at status"
			if carrier == byTokens {
				want = "access_token expires_at expires_in refresh_expires_at refresh_token status token_type"
			}
			if got := names(members); got != want {
				t.Errorf("the answer has %s, want %s", got, want)
			}
			d.Clock.Move(otp.Period)
			h.ask("POST", "sudo", of("password", alice.Password, "code", alice.Code())).is(200, "")
			h.ask("POST", "sudo", of("password", alice.Password, "method", "backup_code", "code", alice.Codes[0])).is(200, "")
			h.ask("POST", "sudo", of("password", alice.Password, "code", alice.Codes[0])).is(401, "used-code")
		})
	}
}

// Without a second factor the password is all, and a code that nobody can look at is refused.
func TestSudoWithoutASecondFactor(t *testing.T) {
	d := newDesk(t, passwordOnly)
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	h := d.hand(bob, byCookie)
	h.ask("POST", "sudo", of("password", bob.Password, "code", "000000")).is(404, "no-such-factor")
	h.ask("POST", "sudo", of("password", "not the right one")).is(401, "wrong-password")
	if _, turned := h.turns(func() answered { return h.ask("POST", "sudo", of("password", bob.Password)) }); !turned {
		t.Error("the session has not turned")
	}
}

// A code that is sent goes where the person says, of what is enrolled, and the message says what it is for.
func TestSudoSendsCodes(t *testing.T) {
	for path, kind := range map[string]auth.MessageKind{"sudo": auth.MessageCode, "two-factor/disable": auth.MessageTurnOff} {
		t.Run(path, func(t *testing.T) {
			d := newDesk(t)
			d.WithMail()
			alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@wonder.test"})
			alice.Add(t, auth.NewFactor{Method: auth.Webhook, Channel: "sms", Destination: "+15550123456"})
			desk, _ := alice.Add(t, auth.NewFactor{Method: auth.Webhook, Channel: "sms", Destination: "+15550123499", Name: "desk"})
			alice.Add(t, auth.NewFactor{Method: auth.Email})
			h := d.hand(alice, byTokens)
			d.Sent()

			members := h.ask("POST", path, of("password", alice.Password)).is(200, "")
			if got := methodsOf(members); members["status"] != "second_factor_required" || got != "totp webhook webhook email backup_code" || members["sent"] != nil {
				t.Errorf("without a method: %v", members)
			}
			if sent := d.Sent(); len(sent) > 0 {
				t.Errorf("a code was sent to %s, though an app is the best way", sent[0].To)
			}
			attempt := members["attempt"]
			members = h.ask("POST", path+"/send", of("attempt", attempt, "method", "webhook", "factor", desk.ID)).is(200, "")
			if within(members, "sent.factor") != desk.ID || within(members, "sent.destination") != "•••\u00a099" || members["attempt"] != attempt {
				t.Errorf("sent to a factor: %v", members)
			}
			code := d.codeSent(kind, "+15550123499")
			h.ask("POST", path+"/send", of("attempt", attempt, "method", "email")).is(429, "too-many-messages")
			h.ask("POST", path+"/send", of("attempt", attempt, "method", "webhook", "factor", "0123456789abcdef")).is(404, "no-such-factor")
			h.ask("POST", path+"/send", of("attempt", attempt, "method", "totp")).is(404, "no-such-factor")
			h.ask("POST", path, of("attempt", attempt, "method", "email", "code", code)).is(401, "code-gone") // it was sent by another way
			if path == "sudo" {
				h.ask("POST", path, of("attempt", attempt, "method", "webhook", "code", code)).is(200, "")
				d.Clock.Move(30 * time.Second)
			}
			members = h.ask("POST", path, of("password", alice.Password, "method", "email")).is(200, "")
			if within(members, "sent.destination") != "a•••@wonder.test" {
				t.Errorf("by mail: %v", members)
			}
			h.ask("POST", path, of("attempt", members["attempt"], "method", "email", "code", d.codeSent(kind, "alice@wonder.test"))).is(200, "")
		})
	}
}

// OT-9, MF-2: an attempt is for one thing, in the session that it was begun in, at the door where it was begun. A code that somebody types for
// one must not end another.
func TestOT9MF2AnAttemptIsForOneThing(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	h, second := d.hand(alice, byTokens), d.hand(alice, byCookie)
	d.Clock.Move(otp.Period)
	forSudo := h.ask("POST", "sudo", of("password", alice.Password)).is(200, "")["attempt"]
	toDisable := h.ask("POST", "two-factor/disable", of("password", alice.Password)).is(200, "")["attempt"]
	elsewhere := second.ask("POST", "sudo", of("password", alice.Password)).is(200, "")["attempt"]
	toEnroll := h.ask("POST", "two-factor/totp", "").is(201, "")["id"]
	toSignIn := d.challenged(alice)
	pages := alice.Client()
	pages.Host = host
	pr, err := d.SignIn(t.Context(), pages, alice.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	before := d.Records(t, "")
	gone := func(by *hand, what, path string, attempt any) {
		t.Helper()
		for path, body := range map[string]string{
			path: of("attempt", attempt, "method", "totp", "code", alice.Code()), path + "/send": of("attempt", attempt, "method", "email"),
		} {
			a := by.ask("POST", path, body)
			a.what += " with the attempt of " + what
			a.is(401, "attempt-gone")
		}
	}
	for _, path := range []string{"sudo", "two-factor/disable"} {
		gone(h, "a sign-in", path, toSignIn)
		gone(h, "a sign-in on the pages", path, pr.Attempt)
		gone(h, "an enrollment", path, toEnroll)
		gone(h, "another session", path, elsewhere)
		gone(h, "nothing", path, strings.Repeat("0", 64))
	}
	gone(h, "turning it off", "sudo", toDisable)
	gone(h, "sudo", "two-factor/disable", forSudo)
	gone(second, "another session", "sudo", forSudo)
	for _, attempt := range []any{forSudo, toDisable, toEnroll, elsewhere} {
		d.ask("POST", "sign-in/verify", of("attempt", attempt, "method", "totp", "code", alice.Code())).is(401, "attempt-gone")
	}
	d.left(before)
	second.ask("POST", "sudo", of("attempt", elsewhere, "method", "totp", "code", alice.Code())).is(200, "")
	d.Clock.Move(otp.Period)
	d.ask("POST", "sign-in/verify", of("attempt", toSignIn, "code", alice.Code())).is(200, "")
	d.Clock.Move(otp.Period)
	h.ask("POST", "sudo", of("attempt", forSudo, "method", "totp", "code", alice.Code())).is(200, "")
	d.Clock.Move(otp.Period)
	h.ask("POST", "two-factor/disable", of("attempt", toDisable, "method", "totp", "code", alice.Code())).is(200, "")
}

// ASVS 7.5.1, MF-12, MF-13: ten minutes after the proofs, to the second, the account cannot be changed, and a refused act leaves nothing. Until then
// it can. MF-15: another session of the same person is no help.
func TestASVS7_5_1MF12MF13MF15SudoLastsTenMinutes(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@wonder.test"})
	h := d.hand(alice, byCookie)
	begun := d.Clock.Now()
	d.Clock.Move(8 * time.Minute)
	fresh := d.hand(alice, byCookie)
	d.Clock.Move(begun.Add(10*time.Minute - time.Second).Sub(d.Clock.Now()))
	seen := 0
	ownRoutes(func(method, path string, needsSudo bool) {
		if !needsSudo || method+" "+path == "DELETE sessions" {
			return
		}
		seen++
		if a := h.ask(method, path, bodyFor(method, path, "")); a.members()["type"] == "/_nightlatch/problems/step-up-required" {
			t.Errorf("%s, a second before: %s", a.what, a.Body)
		}
	})
	if seen != len(guarded)-1 {
		t.Errorf("%d routes need sudo mode, want %d", seen, len(guarded)-1)
	}
	d.Clock.Move(time.Second)
	before := d.Store.Sets() + d.Store.Deletes()
	ownRoutes(func(method, path string, needsSudo bool) {
		a := h.ask(method, path, bodyFor(method, path, ""))
		if needsSudo {
			a.is(401, "step-up-required")
			if got, want := a.Header().Get("WWW-Authenticate"), `Bearer realm="nightlatch", error="insufficient_user_authentication", max_age="600"`; got != want {
				t.Errorf("%s: WWW-Authenticate is %q, want %q", a.what, got, want)
			}
		} else if a.members()["type"] == "/_nightlatch/problems/step-up-required" {
			t.Errorf("%s needs sudo mode: %s", a.what, a.Body)
		}
		if !needsSudo {
			before = d.Store.Sets() + d.Store.Deletes()
		}
		if after := d.Store.Sets() + d.Store.Deletes(); after != before {
			t.Errorf("%s: refused, with %d writes", a.what, after-before)
		}
	})
	fresh.ask("GET", "sessions", "").is(200, "")
	h.sudo(alice)
	h.ask("GET", "sessions", "").is(200, "")
}

// Sudo mode lasts as long as the older of the two proofs does.
func TestSudoEndsWithTheOlderProof(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	h := d.hand(alice, byCookie)
	begun := d.Clock.Now()
	d.Clock.Move(time.Hour / 2)
	typed := d.Clock.Now()
	attempt := h.ask("POST", "sudo", of("password", alice.Password)).is(200, "")["attempt"]
	h.ask("GET", "sessions", "").is(401, "step-up-required") // half of it is nothing
	d.Clock.Move(4 * time.Minute)
	members := h.ask("POST", "sudo", of("attempt", attempt, "method", "totp", "code", alice.Code())).is(200, "")
	until := typed.Add(10 * time.Minute)
	if members["expires_at"] != until.UTC().Format(time.RFC3339) {
		t.Errorf("until %v, want %v", members["expires_at"], until)
	}
	d.Clock.Move(until.Add(-time.Second).Sub(d.Clock.Now()))
	h.ask("GET", "sessions", "").is(200, "")
	d.Clock.Move(time.Second)
	h.ask("GET", "sessions", "").is(401, "step-up-required")
	// It never lasts longer than the session does (SE-10).
	for range 13 {
		d.Clock.Move(51 * time.Minute)
		h.ask("GET", "account", "").is(200, "") // not idle
	}
	d.Clock.Move(begun.Add(12*time.Hour - 5*time.Minute).Sub(d.Clock.Now()))
	members = h.ask("POST", "sudo", of("password", alice.Password, "code", alice.Codes[0])).is(200, "")
	end := h.ask("GET", "sessions", "").is(200, "")["sessions"].([]any)[0].(map[string]any)["expires_at"]
	if members["expires_at"] != end {
		t.Errorf("until %v, want the end of the session, %v", members["expires_at"], end)
	}
}

// CS-12: a script that slipped into the application has the person's cookie, in sudo mode from our pages. It can read no backup code, add no
// factor, end no session and change nothing else, and it cannot read what waits on our pages.
func TestCS12AScriptOfTheApplicationCannotUseWhatWasTypedOnOurPages(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@wonder.test"})
	alice.Sudo(t)
	pr, err := d.NewBackupCodes(t.Context(), alice.Client(), alice.Session)
	if err != nil || pr.Step != auth.StepSaveCodes {
		t.Fatalf("new backup codes on the pages: %q, %v", pr.Step, err)
	}
	v, err := d.Attempt(t.Context(), pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	sets, deletes := d.Store.Sets(), d.Store.Deletes()
	ownRoutes(func(method, path string, needsSudo bool) {
		a := d.ask(method, path, bodyFor(method, path, ""), cookie(visit.Session, alice.Session), cookie(visit.Attempt, pr.Attempt), header("Sec-Fetch-Site", "same-origin"), header("Origin", home))
		if needsSudo {
			a.is(401, "step-up-required")
		}
		for _, code := range append(v.Codes, alice.Codes...) {
			if strings.Contains(a.Body.String(), code) {
				t.Errorf("%s: the answer has a backup code", a.what)
			}
		}
		if !needsSudo {
			sets, deletes = d.Store.Sets(), d.Store.Deletes()
		}
		if d.Store.Sets() != sets || d.Store.Deletes() != deletes {
			t.Errorf("%s: refused, and something was written", a.what)
		}
	})
	if u := alice.Account(t); len(u.Factors) != 1 || u.CodesLeft != 10 {
		t.Errorf("the account has %d factors and %d codes", len(u.Factors), u.CodesLeft)
	}
	s, err := d.Session(t.Context(), auth.Asker{}, alice.Session)
	if err != nil || !d.InSudo(alice.Client(), s) {
		t.Errorf("the person is no longer in sudo mode on the pages: %v", err)
	}
	// What it would need is what it does not have.
	d.ask("POST", "sudo", of("password", "not the right one", "code", alice.Code()), cookie(visit.Session, alice.Session)).is(401, "wrong-password")
	d.ask("POST", "sudo", of("password", alice.Password, "code", "000000"), cookie(visit.Session, alice.Session)).is(401, "wrong-code")
	d.ask("GET", "sessions", "", cookie(visit.Session, alice.Session)).is(401, "step-up-required")
}

// MF-1: a session that stopped half way, with a second factor that it has not proven, changes nothing and reads nothing, and proves the rest
// with sudo.
func TestMF1AHalfWaySessionIsAskedForTheRest(t *testing.T) {
	d := newDesk(t)
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	session, _ := bob.HalfWay(t)
	d.Clock.Move(otp.Period)
	h := &hand{desk: d, carrier: byCookie, holds: session}
	ownRoutes(func(method, path string, _ bool) {
		if !strings.HasPrefix(path, "sudo") {
			h.ask(method, path, bodyFor(method, path, "")).is(401, "step-up-required")
		}
	})
	h.ask("POST", "sudo", of("password", bob.Password, "code", bob.Code())).is(200, "")
	h.ask("GET", "two-factor", "").is(200, "")
	h.ask("GET", "sessions", "").is(200, "")
}

// Where people sign in at a central portal, an account is looked at and changed there, and the answer says where that is.
func TestOwnAccountIsAtThePortal(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	h := d.hand(alice, byTokens)
	d.visit.Portal = "https://auth.example.test"
	ownRoutes(func(method, path string, _ bool) {
		members := h.ask(method, path, bodyFor(method, path, "")).is(403, "at-portal")
		if members["api_url"] != "https://auth.example.test/_nightlatch/api/v1/" {
			t.Errorf("%s %s: the API is at %v", method, path, members["api_url"])
		}
	})
}

// Where a handler in front says who it is there is no password to prove: one that comes is not said to be right, and the second factor alone is
// asked for.
func TestVouchedSudo(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@wonder.test"})
	d.visit.Vouched = "alice"
	h := &hand{desk: d, carrier: byTokens}
	members := h.ask("POST", "sign-in", of("tokens", true, "code", alice.Code())).is(200, "")
	if members["status"] != "signed_in" {
		t.Fatalf("signing in: %v", members)
	}
	for _, path := range []string{"sudo", "two-factor/disable"} {
		for _, body := range []string{of("password", alice.Password), of("password", "x", "code", alice.Code())} {
			h.ask("POST", path, body).is(400, "bad-request")
		}
	}
	d.Clock.Move(4 * time.Minute)
	attempt := h.ask("POST", "sudo", "").is(200, "")["attempt"]
	members = h.ask("POST", "sudo", of("attempt", attempt, "method", "totp", "code", alice.Code())).is(200, "")
	if want := d.Clock.Now().Add(10 * time.Minute).UTC().Format(time.RFC3339); members["expires_at"] != want {
		t.Errorf("until %v, want %s", members["expires_at"], want)
	}
	members = h.ask("POST", "two-factor/email", "").is(201, "")
	h.ask("POST", "two-factor/email/"+members["id"].(string)+"/confirm", of("code", d.codeSent(auth.MessageEnroll, "alice@wonder.test"))).is(200, "")
	d.Clock.Move(30 * time.Second)
	members = h.ask("POST", "sudo", of("method", "email")).is(200, "") // sent at once: no link leads here
	if within(members, "sent.method") != "email" {
		t.Errorf("by mail: %v", members)
	}
	h.ask("POST", "sudo", of("attempt", members["attempt"], "method", "email", "code", d.codeSent(auth.MessageCode, "alice@wonder.test"))).is(200, "")
	h.ask("POST", "two-factor/disable", of("code", "000000")).is(401, "wrong-code")
	h.ask("POST", "two-factor/disable", of("code", alice.Code())).is(200, "")

	// The word of the handler does not grow old.
	members = h.ask("POST", "sudo", "").is(200, "")
	sessions := h.ask("GET", "sessions", "").is(200, "")["sessions"].([]any)
	if end := sessions[0].(map[string]any)["expires_at"]; members["expires_at"] != end {
		t.Errorf("in sudo mode until %v, want the end of the session, %v", members["expires_at"], end)
	}
	d.visit.Vouched = "mallory"
	h.ask("GET", "two-factor", "").is(401, "sign-in-required")
	d.visit.Vouched = ""
	h.ask("POST", "sudo", of("password", alice.Password)).is(401, "sign-in-required")
}

// BF-19: what is typed here counts with what is typed at a sign-in.
func TestBF19StepUpsCountWithSignIns(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	h := d.hand(alice, byCookie)
	attempt := h.ask("POST", "sudo", of("password", alice.Password)).is(200, "")["attempt"]
	for range 3 {
		h.ask("POST", "sudo", of("attempt", attempt, "method", "totp", "code", "000000")).is(401, "wrong-code")
	}
	for range 2 {
		h.ask("POST", "two-factor/disable", of("password", alice.Password, "code", "000000")).is(401, "wrong-code")
	}
	d.Clock.Move(time.Second)
	a := h.ask("POST", "sudo", of("attempt", attempt, "method", "totp", "code", alice.Code()))
	a.is(429, "too-many-tries")
	if got := a.Header().Get("Retry-After"); got != "4" {
		t.Errorf("Retry-After is %q, want 4", got)
	}
	d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password, "code", alice.Code())).is(429, "too-many-tries")
	d.Clock.Move(otp.Period)
	for range 5 {
		h.ask("POST", "sudo", of("password", "not the right one")).is(401, "wrong-password")
	}
	h.ask("POST", "two-factor/disable", of("password", alice.Password)).is(429, "too-many-tries")
	h.ask("POST", "password", of("current_password", alice.Password, "new_password", "another fine passphrase")).is(429, "too-many-tries")
	d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password)).is(429, "too-many-tries")
	d.Clock.Move(time.Minute)

	members := h.ask("POST", "two-factor/totp", "").is(201, "")
	path := "two-factor/totp/" + members["id"].(string) + "/confirm"
	for range 5 {
		h.ask("POST", path, of("code", "000000")).is(401, "wrong-code")
	}
	h.ask("POST", path, of("code", d.codeOf(secretOf(t, members)))).is(429, "too-many-tries")
}

// What a session does to its account is bounded, and so is how often it steps up: each is a record.
func TestActsOfASessionAreBounded(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	h := d.hand(alice, byCookie)
	path := "two-factor/" + alice.Account(t).Factors[0].ID
	n := 0
	for ; n < 200; n++ {
		a := h.ask("PATCH", path, of("name", fmt.Sprint(n)))
		if a.Code != 200 {
			a.is(429, "too-many-tries")
			break
		}
	}
	if n != 100 {
		t.Errorf("%d acts in a row, want 100", n)
	}
	for _, r := range []string{"DELETE " + path, "DELETE sessions", "DELETE sessions/0123456789abcdef", "DELETE app-passwords/0123456789abcdef", "POST app-passwords", "POST two-factor/totp", "POST two-factor/backup-codes"} {
		method, path, _ := strings.Cut(r, " ")
		h.ask(method, path, bodyFor(method, path, "")).is(429, "too-many-tries")
	}
}

// OT-2, OT-13: of a hundred requests at once with the one code, exactly one does what it is for.
func TestOT2OT13ACodeCountsOnce(t *testing.T) {
	all := func(d *desk, ask func() answered) (done []answered) {
		d.t.Helper()
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				a := ask()
				mu.Lock()
				defer mu.Unlock()
				switch a.Code {
				case 200:
					done = append(done, a)
				case 401, 404, 409, 429, 503:
				default:
					d.t.Errorf("%s: got %d\n%s", a.what, a.Code, a.Body)
				}
			})
		}
		wg.Wait()
		return done
	}
	t.Run("confirming a first factor", func(t *testing.T) {
		d := newDesk(t, passwordOnly)
		bob := d.AddUser(t, auth.NewUser{Name: "bob"})
		h := d.hand(bob, byTokens)
		members := h.ask("POST", "two-factor/totp", "").is(201, "")
		body, path := of("code", d.codeOf(secretOf(t, members))), "two-factor/totp/"+members["id"].(string)+"/confirm"
		done := all(d, func() answered { return d.ask("POST", path, body, h.sends()) })
		u, err := d.User(t.Context(), "bob")
		if err != nil || len(done) != 1 || len(u.Factors) != 1 || u.CodesLeft != 10 {
			t.Fatalf("%d were confirmed, and there are %d factors and %d codes, %v", len(done), len(u.Factors), u.CodesLeft, err)
		}
		h.holds = done[0].members()["access_token"].(string)
		code := done[0].members()["backup_codes"].([]any)[9]
		h.ask("POST", "sudo", of("password", bob.Password, "code", code)).is(200, "")
	})
	for name, code := range map[string]func(p *authtest.Person) string{
		"of an app": (*authtest.Person).Code, "from paper": func(p *authtest.Person) string { return p.Codes[3] },
	} {
		method := map[string]string{"of an app": "totp", "from paper": "backup_code"}[name]
		for _, path := range []string{"sudo", "two-factor/disable"} {
			t.Run(path+" with a code "+name, func(t *testing.T) {
				d := newDesk(t)
				alice := d.Enroll(t, auth.NewUser{Name: "alice"})
				h, other := d.hand(alice, byTokens), d.hand(alice, byTokens)
				d.Clock.Move(otp.Period)
				begin := func(h *hand) string {
					return of("attempt", h.ask("POST", path, of("password", alice.Password)).is(200, "")["attempt"], "method", method, "code", code(alice))
				}
				bodies := []string{begin(h), begin(h), begin(other)}
				hands := []*hand{h, h, other}
				next := make(chan int, 100)
				for i := range 100 {
					next <- i % 3
				}
				done := all(d, func() answered {
					i := <-next
					return d.ask("POST", path, bodies[i], hands[i].sends())
				})
				if len(done) != 1 {
					t.Errorf("the one code was taken %d times", len(done))
				}
			})
		}
	}
}
