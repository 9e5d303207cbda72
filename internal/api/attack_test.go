// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// BF-12, BF-13, BF-16: a stranger learns nothing of a name. Unknown, wrong, disabled, without a password yet, with a second factor and
// without: the same bytes, with a code along and without, for the same work of the store. That the hash is paid for is for package auth to show.
func TestBF12BF13BF16UnknownWrongAndDisabledAreAlike(t *testing.T) {
	d := newDesk(t)
	d.AddUser(t, auth.NewUser{Name: "there"})
	d.Enroll(t, auth.NewUser{Name: "keyed"})
	gated := d.AddUser(t, auth.NewUser{Name: "gated"})
	if err := d.SetDisabled(t.Context(), auth.Client{}, "gated", true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "asked"}); err != nil {
		t.Fatal(err)
	}
	want := ""
	same := func(name, body string) {
		t.Helper()
		views, updates := d.Store.Views(), d.Store.Updates()
		a := d.ask("POST", "sign-in", body)
		a.is(401, "wrong-credentials")
		if v, u := d.Store.Views()-views, d.Store.Updates()-updates; v != 0 || u != 2 {
			t.Errorf("%s cost %d views and %d updates, want 0 and 2", name, v, u)
		}
		got := fmt.Sprint(a.Code, a.Header(), a.Body)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant that of a name that nobody has\n%s", name, got, want)
		}
	}
	for _, name := range []string{"other", "there", "keyed", "gated", "asked"} {
		for _, more := range []string{"{}", `{"tokens":true}`, `{"code":"000000"}`, `{"method":"email"}`} {
			same(name, with(more, "username", name, "password", "not the right one at all"))
		}
	}
	same("gated, with the right one", of("username", "gated", "password", gated.Password))
	for _, name := range []string{"other", "there", "keyed", "asked"} {
		same(name+" once more", of("username", name, "password", "not the right one at all"))
		a := d.ask("POST", "sign-in", of("username", name, "password", "not the right one at all"))
		a.is(429, "too-many-tries")
		if a.Header().Get("Retry-After") != "5" {
			t.Errorf("%s: Retry-After is %q, want 5", name, a.Header().Get("Retry-After"))
		}
	}
	if d.log.Len() > 0 {
		t.Errorf("logged:\n%s", d.log)
	}
}

// OT-1, OT-5: a code that was used on the pages is used here, and the other way round, since there is one function that burns it.
func TestOT1OT5CodesAreBurnedForPagesAndAPIAlike(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	pages := alice.Client()
	byPages := func(code string) error {
		pr, err := d.SignIn(t.Context(), pages, alice.Credentials())
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Service.Code(t.Context(), pages, pr.Attempt, auth.TOTP, code)
		return err
	}
	code := alice.Code()
	if err := byPages(code); err != nil {
		t.Fatal(err)
	}
	attempt := d.challenged(alice)
	for _, variant := range []string{code, code[:3] + " " + code[3:], " " + code} {
		d.ask("POST", "sign-in/verify", of("attempt", attempt, "method", "totp", "code", variant)).is(401, "used-code")
	}
	d.Clock.Move(otp.Period)
	code = alice.Code()
	d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", code)).is(200, "")
	if err := byPages(code); auth.KindOf(err) != auth.UsedCode {
		t.Errorf("on the pages: %v", err)
	}
	replays := 0
	for _, e := range d.Events {
		if e.Type == auth.EventReplay {
			replays++
		}
	}
	if replays != 4 {
		t.Errorf("%d events of a replay, want 4", replays)
	}

	// And backup codes.
	attempt = d.challenged(alice)
	d.ask("POST", "sign-in/verify", of("attempt", attempt, "method", "backup_code", "code", alice.Codes[0])).is(200, "")
	d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password, "code", alice.Codes[0])).is(401, "used-code")
}

// OT-3: what is not six digits is not looked at as a code, and counts as a failure.
func TestOT3OtherSpellingsOfACode(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	for name, spell := range map[string]func(code string) string{
		"a line end": func(code string) string { return code + "\n" }, "a blank": func(code string) string { return "\u00a0" + code },
		"a wide blank": func(code string) string { return "\u2003" + code }, "a plus": func(code string) string { return "+" + code },
		"hexadecimal": func(code string) string { return "0x" + code }, "seven": func(code string) string { return code + "0" },
		"a zero": func(code string) string { return "0" + code }, "five": func(code string) string { return code[:5] },
		"a NUL": func(code string) string { return code + "\u0000" },
		"wide digits": func(code string) string {
			return strings.Map(func(r rune) rune { return r - '0' + '０' }, code)
		},
	} {
		a := d.ask("POST", "sign-in/verify", of("attempt", d.challenged(alice), "method", "totp", "code", spell(alice.Code())))
		if a.Code != 401 {
			t.Errorf("the code with %s: status %d", name, a.Code)
		}
		a.is(401, "wrong-code")
		d.Clock.Move(20 * time.Minute) // past the wait
	}
}

// OT-2: of a hundred parallel requests with the same code one gets in, whichever attempts they are of.
func TestOT2OneCodeManyRequests(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	attempts := []string{d.challenged(alice), d.challenged(alice), d.challenged(alice), d.challenged(alice)}
	code := alice.Code()
	var wg sync.WaitGroup
	codes := make(chan int, 100)
	for i := range 100 {
		wg.Go(func() { codes <- d.ask("POST", "sign-in/verify", of("attempt", attempts[i%4], "code", code)).Code })
	}
	wg.Wait()
	close(codes)
	in := 0
	for status := range codes {
		switch status {
		case 200:
			in++
		case 401, 403, 429:
		default:
			t.Errorf("got %d", status)
		}
	}
	if in != 1 {
		t.Errorf("%d got in, want 1", in)
	}
}

// MF-2, MF-3, MF-19: a later step without the ones before leads nowhere, and what an attempt has come to is nothing that a program can edit.
func TestMF2MF3MF19StepsInOrder(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", Email: "alice@example.test"})
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	attempt := d.challenged(alice)
	for _, made := range []string{
		d.VisitorToken(), tamperedValue(attempt), attempt + "A", attempt[:len(attempt)-4], strings.ToLower(attempt), alice.Session, "alice", strings.Repeat("0", 64), strings.Repeat("x", 60000),
	} {
		for path, body := range map[string]string{
			"sign-in/verify": of("attempt", made, "method", "totp", "code", alice.Code()), "sign-in/send": of("attempt", made, "method", "email"),
			"sign-in/enroll": of("attempt", made, "method", "totp"),
		} {
			a := d.ask("POST", path, body)
			a.what += fmt.Sprintf(" with %.30q", made)
			members := a.is(401, "attempt-gone")
			if got := names(members); got != "detail status title type" {
				t.Errorf("%s: the answer has %s", a.what, got)
			}
		}
	}
	d.ask("POST", "sign-in/enroll", of("attempt", attempt, "method", "totp")).is(409, "out-of-order")
	enrolling := d.ask("POST", "sign-in", of("username", "bob", "password", bob.Password)).is(200, "")["attempt"]
	d.ask("POST", "sign-in/send", of("attempt", enrolling, "method", "email")).is(404, "no-such-factor")
	d.ask("POST", "sign-in/verify", of("attempt", enrolling, "method", "backup_code", "code", alice.Codes[0])).is(401, "wrong-code")

	// MF-7: what the person has not enrolled is no way, however it is asked for.
	for _, m := range []string{"email", "webhook"} {
		d.ask("POST", "sign-in/verify", of("attempt", attempt, "method", m, "code", "000000")).is(404, "no-such-factor")
		d.ask("POST", "sign-in/send", of("attempt", attempt, "method", m)).is(404, "no-such-factor")
	}
	d.ask("POST", "sign-in/send", of("attempt", attempt, "method", "totp")).is(404, "no-such-factor")
	if sent := d.Sent(); len(sent) > 0 {
		for _, m := range sent {
			if m.Code != "" {
				t.Errorf("a code was sent: %v", m.Kind)
			}
		}
	}
	// MF-24: and after five minutes it is over.
	d.Clock.Move(5 * time.Minute)
	d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", alice.Code())).is(401, "attempt-gone")
}

func tamperedValue(value string) string {
	c := byte('A')
	if value[30] == c {
		c = 'B'
	}
	return value[:30] + string(c) + value[31:]
}

// A sign-in goes on where it was begun: what the pages began is none here, and what was begun here is none there.
func TestAttemptsDoNotCrossOver(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	pages := alice.Client()
	pages.Host = host
	pr, err := d.SignIn(t.Context(), pages, alice.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	d.ask("POST", "sign-in/verify", of("attempt", pr.Attempt, "method", "totp", "code", alice.Code())).is(401, "attempt-gone")
	d.ask("POST", "sign-in/send", of("attempt", pr.Attempt, "method", "email")).is(401, "attempt-gone")

	ours := d.challenged(alice)
	if _, err := d.Service.Attempt(t.Context(), pages, ours); auth.KindOf(err) != auth.AttemptGone {
		t.Errorf("an attempt of the API on the pages: %v", err)
	}
	if _, err := d.Service.Code(t.Context(), pages, ours, auth.TOTP, alice.Code()); auth.KindOf(err) != auth.AttemptGone {
		t.Errorf("its code on the pages: %v", err)
	}
	// Nor at another host, nor with somebody else's code, nor by the cookie of an attempt.
	d.visit.Host = "other.example.test"
	d.ask("POST", "sign-in/verify", of("attempt", ours, "code", alice.Code())).is(401, "attempt-gone")
	d.visit.Host = host
	mallory := d.Enroll(t, auth.NewUser{Name: "mallory"})
	d.ask("POST", "sign-in/verify", of("attempt", ours, "code", mallory.Code())).is(401, "wrong-code")
	d.ask("POST", "sign-in/verify", `{"code":"000000"}`, cookie(visit.Attempt, ours)).is(400, "bad-request")
	d.ask("POST", "sign-in/verify", of("attempt", ours, "code", alice.Code())).is(200, "")
}

// After a wrong code the attempt goes on, and the problem has what it takes; after five of them the person waits, also at another attempt,
// and a right password in between changes nothing (BF-2, BF-3).
func TestBF2BF3WrongCodesCountForThePerson(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	members := d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password, "code", "000000")).is(401, "wrong-code")
	if got := names(members); got != "attempt detail expires_at methods status title type" || methodsOf(members) != "totp backup_code" {
		t.Errorf("got %s with %v", got, members["methods"])
	}
	attempt := members["attempt"].(string)
	for range 2 {
		members = d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", "000000")).is(401, "wrong-code")
		if members["attempt"] != attempt {
			t.Errorf("the attempt is %v after %v", members["attempt"], attempt)
		}
	}
	for range 2 {
		d.ask("POST", "sign-in/verify", of("attempt", d.challenged(alice), "code", "000000")).is(401, "wrong-code")
	}
	a := d.ask("POST", "sign-in/verify", of("attempt", d.challenged(alice), "code", alice.Code()))
	a.is(429, "too-many-tries")
	if a.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	d.ask("POST", "sign-in/verify", of("attempt", attempt, "method", "backup_code", "code", alice.Codes[0])).is(200, "")
}

// Where codes are sent the answer says to where, with all but a hint hidden, and the code is in none (OT-12).
func TestOT12SentCodes(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	phone := auth.NewFactor{Method: auth.Webhook, Name: "my phone", Channel: "sms", Destination: "+15550123456"}
	eve := d.EnrollWith(t, auth.NewUser{Name: "eve", Email: "eve@example.test"}, phone)
	eve.Add(t, auth.NewFactor{Method: auth.Email})
	d.Clock.Move(time.Hour)
	d.Sent()
	sentBy := func(body string) (members map[string]any, m auth.Message) {
		t.Helper()
		a := d.ask("POST", "sign-in", with(body, "username", "eve", "password", eve.Password))
		members, m = a.is(200, ""), d.Await(t, auth.MessageCode)
		if strings.Contains(a.Body.String(), m.Code) || strings.Contains(a.Body.String(), "eve@") || strings.Contains(a.Body.String(), "0123") {
			t.Errorf("the answer gives away too much:\n%s", a.Body)
		}
		d.Clock.Move(time.Hour)
		return members, m
	}
	for body, want := range map[string]auth.Method{"{}": auth.Webhook, `{"method":"email"}`: auth.Email, `{"method":"webhook"}`: auth.Webhook} {
		members, m := sentBy(body)
		if s := members["sent"].(map[string]any); s["method"] != string(want) || m.Method != want || names(s) != "destination expires_at factor method resend_at" {
			t.Errorf("%s: sent %v, by %s", body, s, m.Method)
		}
	}
	// Neither with a backup code along, nor where it is said that one comes, is a code sent for nothing.
	d.ask("POST", "sign-in", of("username", "eve", "password", eve.Password, "code", eve.Codes[0])).is(200, "")
	members := d.ask("POST", "sign-in", of("username", "eve", "password", eve.Password, "method", "backup_code")).is(200, "")
	for _, m := range d.Sent() {
		if m.Code != "" {
			t.Errorf("sent %s to %s", m.Kind, m.To)
		}
	}
	attempt, factor := members["attempt"], ""
	for _, w := range members["methods"].([]any) {
		if w := w.(map[string]any); w["method"] == "webhook" {
			factor = w["factor"].(string)
			if w["name"] != "my phone" || w["channel"] != "sms" || w["destination"] != "•••\u00a056" {
				t.Errorf("the way is %v", w)
			}
		}
	}
	d.ask("POST", "sign-in/verify", of("attempt", attempt, "method", "webhook", "code", "000000")).is(401, "code-gone")
	d.ask("POST", "sign-in/send", of("attempt", attempt, "method", "webhook", "factor", "0123456789abcdef")).is(404, "no-such-factor")
	members = d.ask("POST", "sign-in/send", of("attempt", attempt, "method", "webhook", "factor", factor)).is(200, "")
	m := d.Await(t, auth.MessageCode)
	if s := members["sent"].(map[string]any); s["factor"] != factor || s["destination"] != "•••\u00a056" || m.To != "+15550123456" {
		t.Errorf("sent %v to %s", s, m.To)
	}
	a := d.ask("POST", "sign-in/send", of("attempt", attempt, "method", "webhook"))
	a.is(429, "too-many-messages")
	if a.Header().Get("Retry-After") != "30" {
		t.Errorf("Retry-After is %q", a.Header().Get("Retry-After"))
	}
	// OT-9: it is for this attempt alone.
	other := d.ask("POST", "sign-in", of("username", "eve", "password", eve.Password, "method", "backup_code")).is(200, "")["attempt"]
	d.ask("POST", "sign-in/verify", of("attempt", other, "method", "webhook", "code", m.Code)).is(401, "code-gone")
	d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", m.Code)).is(200, "") // what was sent is what is meant

	// A code that is sent cannot come along: the attempt that it is for is not there yet.
	d.ask("POST", "sign-in", of("username", "eve", "password", eve.Password, "method", "email", "code", "000000")).is(400, "bad-request")
}

// At a site whose people sign in at a central portal a browser's session is not made here, and a program is told where to ask.
func TestAtASiteOfACentralPortal(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	d.visit.Portal = "https://login.example.test"
	members := d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password)).is(403, "at-portal")
	if members["api_url"] != "https://login.example.test/_nightlatch/api/v1/" {
		t.Errorf("api_url is %v", members["api_url"])
	}
	tokens := d.program(alice)
	d.ask("GET", "account", "", bearer(tokens)).is(200, "")
	d.ask("POST", "token/refresh", of("refresh_token", tokens["refresh_token"])).is(200, "")
	d.ask("POST", "sign-out", "", bearer(tokens)).is(204, "")
	// A token of the portal itself is of that host.
	d.visit.Portal, d.visit.Host, d.visit.Site = "", "login.example.test", "https://login.example.test"
	tokens = d.program(alice)
	d.visit.Portal, d.visit.Host, d.visit.Site = "https://login.example.test", host, home
	d.ask("GET", "account", "", bearer(tokens)).is(401, "sign-in-required")
}

// A session that the portal has handed over is the application's. A script there learns no more of the person than the application is told,
// and changes nothing; it can sign out.
func TestAHandedOverSessionOpensNothing(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	there, here := alice.Client(), alice.Client()
	there.Host, here.Host = "login.example.test", host
	pr, err := d.SignIn(t.Context(), there, alice.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	if pr, err = d.Service.Code(t.Context(), there, pr.Attempt, auth.TOTP, alice.Code()); err != nil {
		t.Fatal(err)
	}
	code, err := d.HandOver(t.Context(), there, pr.Session, auth.HandOver{Site: home, Challenge: auth.Challenge("a cookie"), ReturnTo: "/"})
	if err != nil {
		t.Fatal(err)
	}
	if pr, err = d.TakeOver(t.Context(), here, auth.Arrival{Site: home, Cookie: "a cookie", Code: code}); err != nil {
		t.Fatal(err)
	}
	handed := cookie(visit.Session, pr.Session)
	for _, portal := range []string{"https://login.example.test", ""} {
		d.visit.Portal = portal
		every(func(method, path string) {
			switch {
			case open[path] || path == "sign-out":
			case portal != "":
				d.ask(method, path, bodyOf(method), handed).is(403, "at-portal")
			default:
				d.ask(method, path, bodyOf(method), handed).is(401, "sign-in-required")
			}
		})
	}
	d.ask("POST", "sign-out", "", handed).is(204, "")
}

// Where a handler in front says who it is, nobody says so again, and nobody else signs in.
func TestVouchedSignIn(t *testing.T) {
	d := newDesk(t, func(c *api.Config) { c.Create = true })
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	bob := d.Enroll(t, auth.NewUser{Name: "bob"})
	d.visit.Vouched = "alice"
	a := d.ask("POST", "sign-in", "{}")
	members := a.is(200, "")
	if members["status"] != "second_factor_required" || len(a.given()) > 0 {
		t.Errorf("got %v, cookies %v", members, a.given())
	}
	d.ask("POST", "sign-in/verify", of("attempt", members["attempt"], "code", alice.Code())).is(200, "")
	d.Clock.Move(otp.Period)
	tokens := d.ask("POST", "sign-in", of("code", alice.Code(), "tokens", true)).is(200, "")
	if got := fmt.Sprint(tokens["session"].(map[string]any)["methods"]); got != "[vouched totp]" {
		t.Errorf("the methods are %s", got)
	}
	d.ask("GET", "account", "", bearer(tokens)).is(200, "")
	d.ask("POST", "sign-in", of("username", "bob", "password", bob.Password)).is(403, "other-person")
	d.ask("POST", "sign-in", of("username", "alice")).is(400, "bad-request")

	d.visit.Vouched = "a b"
	d.ask("POST", "sign-in", "{}").is(422, "bad-name")
	d.visit.Vouched = "bob"
	d.ask("GET", "account", "", bearer(tokens)).is(401, "sign-in-required")
	d.visit.Vouched = ""
	d.ask("GET", "account", "", bearer(tokens)).is(401, "sign-in-required")
	d.ask("POST", "sign-in", "{}").is(400, "bad-request")
}

// CS-11, CS-12: the word of a handler in front comes with what a script of the application sends too. Where nobody has typed anything, it
// enrolls no authenticator of its own: neither on the way in nor with a session that it has got.
func TestCS11NobodyEnrollsByAHandlersWordAlone(t *testing.T) {
	for _, level := range []auth.Level{auth.LevelTwoFactor, auth.LevelPassword} {
		d := newDesk(t, func(c *api.Config) { c.Create, c.Level = true, level })
		eve := d.AddUser(t, auth.NewUser{Name: "eve"})
		for _, name := range []string{"dora", "eve"} {
			d.visit.Vouched = name
			a := d.ask("POST", "sign-in", of("tokens", true))
			if level == auth.LevelTwoFactor {
				a.is(403, "enroll-on-page")
				continue
			}
			d.ask("POST", "two-factor/totp", "{}", bearer(a.is(200, ""))).is(403, "enroll-on-page")
		}
		d.visit.Vouched = "eve"
		typed := d.ask("POST", "sign-in", of("username", "eve", "password", eve.Password, "tokens", true)).is(200, "")
		if level == auth.LevelPassword {
			d.ask("POST", "two-factor/totp", "{}", bearer(typed)).is(201, "")
		} else if typed["status"] != "enrollment_required" {
			t.Errorf("with her password: %v", typed)
		}
	}
}

// MF-5: the password of a person is no credential of a program, at an account with a second factor least of all.
func TestMF5NoBasic(t *testing.T) {
	d := newDesk(t)
	var people []*authtest.Person
	people = append(people, d.AddUser(t, auth.NewUser{Name: "bob"}), d.Enroll(t, auth.NewUser{Name: "alice"}))
	for _, p := range people {
		every(func(method, path string) {
			if !open[path] {
				d.ask(method, path, bodyOf(method), func(r *http.Request) { r.SetBasicAuth(p.Name, p.Password) }).is(401, "sign-in-required")
			}
		})
	}
}

// MF-1: a session from before a second factor was enrolled is asked for that before it is told anything.
func TestMF1HalfASession(t *testing.T) {
	d := newDesk(t, func(c *api.Config) { c.Level = auth.LevelPassword })
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	bob.Keep(bob.EnterPassword(t))
	tokens := d.ask("POST", "sign-in", of("username", "bob", "password", bob.Password, "tokens", true)).is(200, "")
	half := bob.Session
	d.ask("GET", "account", "", cookie(visit.Session, half)).is(200, "")
	pr, err := d.StepUp(t.Context(), authtest.Client, half, auth.Requirement{Level: auth.LevelTwoFactor}, "")
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Attempt(t.Context(), pr.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ConfirmEnrollment(t.Context(), authtest.Client, pr.Attempt, otp.Code(v.Pending.Secret, otp.Step(d.Clock.Now()))); err != nil {
		t.Fatal(err)
	}
	a := d.ask("GET", "account", "", cookie(visit.Session, half))
	a.is(401, "step-up-required")
	if got := a.Header().Get("WWW-Authenticate"); got != `Bearer realm="nightlatch", error="insufficient_user_authentication", max_age="600"` {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	d.ask("GET", "account", "", bearer(tokens)).is(401, "sign-in-required") // the others ended with the enrollment
}

// CS-12, BF-17: a script that slipped into the application has the cookies of the person's browser ride along, and can try passwords with them.
// It must wait as anybody, and the person can sign in on the pages all the while.
func TestCS12BF17AScriptCannotLockTheOwnerOut(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	a := d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password, "code", alice.Code()))
	a.is(200, "")
	session, known := cookie(visit.Session, a.given()["__Host-nightlatch"].Value), cookie(visit.Browser, a.given()["__Host-nightlatch-browser"].Value)
	for range 5 {
		d.ask("POST", "sudo", of("password", "not the right one at all"), session, known).is(401, "wrong-password")
	}
	d.ask("POST", "sudo", of("password", alice.Password), session, known).is(429, "too-many-tries")
	d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password), known).is(429, "too-many-tries")
	pages := alice.Client()
	pages.Host, pages.Browser = host, a.given()["__Host-nightlatch-browser"].Value
	if _, err := d.SignIn(t.Context(), pages, alice.Credentials()); err != nil {
		t.Errorf("on the pages: %v", err)
	}
}
