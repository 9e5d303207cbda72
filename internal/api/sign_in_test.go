// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// of writes a body from names and values.
func of(members ...any) string {
	m := map[string]any{}
	for i := 0; i < len(members); i += 2 {
		m[members[i].(string)] = members[i+1]
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// names are those of the members of an answer.
func names(members map[string]any) string {
	return strings.Join(slices.Sorted(maps.Keys(members)), " ")
}

// given are the cookies that an answer sets, by their names.
func (a answered) given() map[string]*http.Cookie {
	set := map[string]*http.Cookie{}
	for _, c := range a.Result().Cookies() {
		set[c.Name] = c
	}
	return set
}

// methodsOf are the methods of a challenge.
func methodsOf(members map[string]any) string {
	var all []string
	for _, m := range members["methods"].([]any) {
		all = append(all, m.(map[string]any)["method"].(string))
	}
	return strings.Join(all, " ")
}

// challenged sends the right password and returns the attempt.
func (d *desk) challenged(p *authtest.Person, more ...any) string {
	d.t.Helper()
	body := of(append([]any{"username", p.Name, "password", p.Password}, more...)...)
	members := d.ask("POST", "sign-in", body).is(200, "")
	if members["status"] != "second_factor_required" {
		d.t.Fatalf("signing %s in: %v", p.Name, members)
	}
	return members["attempt"].(string)
}

// MF-20: whoever has only the password of somebody with a second factor learns how to go on and nothing else: no token, no cookie, no name,
// no address.
func TestMF20PasswordAloneGetsTheChallengeAndNothingElse(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	alice := d.Enroll(t, auth.NewUser{Name: "alice", FullName: "Alice Liddell", Email: "alice@wonder.test", Groups: []string{"staff"}})
	alice.Add(t, auth.NewFactor{Method: auth.Email})
	alice.Add(t, auth.NewFactor{Method: auth.Webhook, Name: "my phone", Channel: "sms", Destination: "+15550123456"})
	for _, tokens := range []bool{false, true} {
		a := d.ask("POST", "sign-in", of("username", "alice", "password", alice.Password, "tokens", tokens))
		members := a.is(200, "")
		if got := names(members); got != "attempt expires_at methods status" || members["status"] != "second_factor_required" {
			t.Errorf("the answer has %s and is %v", got, members["status"])
		}
		if len(a.given()) > 0 {
			t.Errorf("it sets %v", a.given())
		}
		if got := methodsOf(members); got != "totp webhook email backup_code" && got != "totp email webhook backup_code" {
			t.Errorf("the ways are %s", got)
		}
		for _, secret := range []string{"Liddell", "alice@", "staff", "555", "token"} {
			if strings.Contains(a.Body.String(), secret) {
				t.Errorf("the answer has %q:\n%s", secret, a.Body)
			}
		}
		if want := d.Clock.Now().Add(5 * time.Minute).UTC().Format(time.RFC3339); members["expires_at"] != want {
			t.Errorf("it ends at %v, want %s", members["expires_at"], want)
		}
		// MF-1: and that opens nothing.
		attempt := members["attempt"].(string)
		for name, as := range map[string]func(*http.Request){
			"a session": cookie(visit.Session, attempt), "an attempt": cookie(visit.Attempt, attempt), "a token": header("Authorization", "Bearer "+attempt),
		} {
			a := d.ask("GET", "account", "", as)
			a.what += " with the attempt for " + name
			a.is(401, "sign-in-required")
		}
	}
}

func TestSignInWithACode(t *testing.T) {
	for name, say := range map[string]func(p *authtest.Person) (first, second string, method auth.Method){
		"in two steps": func(p *authtest.Person) (string, string, auth.Method) {
			return "", of("method", "totp", "code", p.Code()), auth.TOTP
		},
		"without the method": func(p *authtest.Person) (string, string, auth.Method) { return "", of("code", p.Code()), auth.TOTP },
		"as an app shows it": func(p *authtest.Person) (string, string, auth.Method) {
			return "", of("code", p.Code()[:3]+" "+p.Code()[3:]), auth.TOTP
		},
		"at once": func(p *authtest.Person) (string, string, auth.Method) {
			return of("code", p.Code(), "method", "totp"), "", auth.TOTP
		},
		"at once, no method": func(p *authtest.Person) (string, string, auth.Method) { return of("code", p.Code()), "", auth.TOTP },
		"by backup code": func(p *authtest.Person) (string, string, auth.Method) {
			return "", of("method", "backup_code", "code", p.Codes[0]), auth.BackupCode
		},
		"by backup code alone": func(p *authtest.Person) (string, string, auth.Method) {
			return "", of("code", strings.ToLower(p.Codes[0])), auth.BackupCode
		},
		"by backup code, once": func(p *authtest.Person) (string, string, auth.Method) {
			return of("code", p.Codes[0]), "", auth.BackupCode
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			alice := d.Enroll(t, auth.NewUser{Name: "alice", FullName: "Alice Liddell", Email: "alice@wonder.test", Groups: []string{"staff"}})
			first, second, by := say(alice)
			a := d.ask("POST", "sign-in", with(first, "username", "Alice ", "password", alice.Password))
			members := a.is(200, "")
			if second != "" {
				a = d.ask("POST", "sign-in/verify", with(second, "attempt", members["attempt"]))
				members = a.is(200, "")
			}
			want := map[string]any{
				"status": "signed_in",
				"user":   map[string]any{"id": alice.Account(t).ID, "username": "alice", "display_name": "Alice Liddell", "email": "alice@wonder.test", "groups": []any{"staff"}},
			}
			word := "totp"
			if by == auth.BackupCode {
				want["backup_codes_left"], word = 9.0, "backup_code"
			}
			own := a.given()["__Host-nightlatch"]
			if own == nil {
				t.Fatalf("no session cookie in %v", a.Header())
			}
			s, err := d.Service.Session(t.Context(), auth.Asker{Host: host}, own.Value)
			if err != nil {
				t.Fatal(err)
			}
			want["session"] = map[string]any{"id": s.ID, "expires_at": s.Expires.Format(time.RFC3339), "methods": []any{"password", word}}
			if fmt.Sprint(members) != fmt.Sprint(want) {
				t.Errorf("got  %v\nwant %v", members, want)
			}
		})
	}
}

// with adds members to a body.
func with(body string, members ...any) string {
	m := map[string]any{}
	if body != "" {
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			panic(err)
		}
	}
	for name, value := range m {
		members = append(members, name, value)
	}
	return of(members...)
}

// A browser gets the cookies that the pages give it, with the same attributes, and no token; a program gets tokens and no cookie at all.
func TestCookiesOrTokens(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	sign := func(more ...any) answered {
		d.Clock.Move(otp.Period)
		return d.ask("POST", "sign-in", of(append([]any{"username", "alice", "password", alice.Password, "code", alice.Code()}, more...)...))
	}
	a := sign()
	if got := names(a.is(200, "")); got != "session status user" {
		t.Errorf("a browser's answer has %s", got)
	}
	set := a.given()
	if got := slices.Sorted(maps.Keys(set)); !slices.Equal(got, []string{"__Host-nightlatch", "__Host-nightlatch-browser"}) {
		t.Errorf("a browser gets %v", got)
	}
	for name, c := range set {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Expires.IsZero() == (name == "__Host-nightlatch-browser") {
			t.Errorf("%s is set as %q", name, c.Raw)
		}
	}
	if remembered := sign("remember", true).given()["__Host-nightlatch"]; remembered == nil || remembered.Expires.Sub(d.Clock.Now()) < 29*24*time.Hour {
		t.Errorf("with remember: %v", remembered)
	}

	a = sign("tokens", true)
	members := a.is(200, "")
	if got := names(members); got != "access_token expires_in refresh_expires_at refresh_token session status token_type user" {
		t.Errorf("a program's answer has %s", got)
	}
	if len(a.given()) > 0 || len(a.Header()["Set-Cookie"]) > 0 {
		t.Errorf("a program gets cookies: %v", a.Header()["Set-Cookie"])
	}
	if members["token_type"] != "Bearer" || members["expires_in"] != 300.0 || members["refresh_expires_at"] != members["session"].(map[string]any)["expires_at"] {
		t.Errorf("the tokens are %v", members)
	}
	d.ask("GET", "account", "", header("Authorization", "Bearer "+members["access_token"].(string))).is(200, "")
}

// A person without a second factor enrolls one on the way, where the site asks for two factors, and gets in with it and not before (MF-6).
func TestMF6EnrollmentOnTheWay(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	bob := d.AddUser(t, auth.NewUser{Name: "bob", Email: "bob@example.test"})
	a := d.ask("POST", "sign-in", of("username", "bob", "password", bob.Password, "tokens", true))
	members := a.is(200, "")
	if got := names(members); got != "attempt available expires_at status" || members["status"] != "enrollment_required" || len(a.given()) > 0 {
		t.Errorf("got %s, %v, cookies %v", got, members["status"], a.given())
	}
	if got := fmt.Sprint(members["available"]); got != "[map[method:totp] map[method:email] map[channels:[sms chat] method:webhook]]" {
		t.Errorf("available are %s", got)
	}

	before := members["attempt"]
	a = d.ask("POST", "sign-in/enroll", of("attempt", before, "method", "totp", "name", "phone"))
	members = a.is(200, "")
	d.ask("POST", "sign-in/enroll", of("attempt", before, "method", "totp")).is(401, "attempt-gone") // there is a newer one in its place
	if got := names(members); got != "attempt enrollment expires_at status" || members["status"] != "confirmation_required" {
		t.Errorf("got %s, %v", got, members["status"])
	}
	e := members["enrollment"].(map[string]any)
	if got := names(e); got != "method otpauth_url qr_png qr_svg secret" || e["method"] != "totp" {
		t.Errorf("the enrollment has %s", got)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e["secret"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(e["otpauth_url"].(string), "otpauth://totp/") || !strings.Contains(e["otpauth_url"].(string), "secret="+e["secret"].(string)+"&") {
		t.Errorf("the address is %v", e["otpauth_url"])
	}
	picture, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(e["qr_png"].(string), "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
		t.Errorf("the QR code is no picture: %v", err)
	}
	if !strings.HasPrefix(e["qr_svg"].(string), "<svg ") {
		t.Errorf("the drawing begins %.20q", e["qr_svg"])
	}

	attempt := members["attempt"]
	members = d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", "000000")).is(401, "wrong-code")
	if got := names(members); got != "attempt detail expires_at status title type" || members["attempt"] != attempt {
		t.Errorf("after a wrong code: %s, %v", got, members["attempt"])
	}
	code := otp.Code(secret, otp.Step(d.Clock.Now()))
	a = d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", code))
	members = a.is(200, "")
	if got := names(members); got != "access_token backup_codes expires_in refresh_expires_at refresh_token session status token_type user" {
		t.Errorf("at the end: %s", got)
	}
	if codes := members["backup_codes"].([]any); len(codes) != 10 {
		t.Errorf("%d backup codes, want 10", len(codes))
	}
	for _, again := range []string{of("attempt", attempt, "code", code), of("attempt", attempt, "method", "totp", "code", code)} {
		d.ask("POST", "sign-in/verify", again).is(401, "attempt-gone")
	}
	// OT-6: the code that confirmed is used.
	d.ask("POST", "sign-in", of("username", "bob", "password", bob.Password, "code", code)).is(401, "used-code")
	// OT-20, MF-17: the key is in no answer any more.
	members = d.ask("GET", "account", "", header("Authorization", "Bearer "+members["access_token"].(string))).is(200, "")
	if got := fmt.Sprint(members["two_factor"]); got != "map[enabled:true methods:[totp]]" {
		t.Errorf("two_factor is %s", got)
	}
}

// What is sent to enroll goes where the person says, with the first code to follow.
func TestEnrollmentByWebhookAndMail(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	for _, c := range []struct {
		body, to, reaches string
	}{
		{of("method", "webhook", "channel", "sms", "destination", "+1 (555) 012-3456"), "+15550123456", "channel destination method sent"},
		{of("method", "email"), "carol1@example.test", "destination method sent"},
	} {
		name := fmt.Sprintf("carol%d", strings.Count(c.reaches, "channel")^1)
		p := d.AddUser(t, auth.NewUser{Name: name, Email: name + "@example.test"})
		attempt := d.ask("POST", "sign-in", of("username", name, "password", p.Password)).is(200, "")["attempt"]
		d.Sent()
		members := d.ask("POST", "sign-in/enroll", with(c.body, "attempt", attempt)).is(200, "")
		e := members["enrollment"].(map[string]any)
		m := d.Await(t, auth.MessageEnroll)
		if got := names(e); got != c.reaches || e["destination"] != c.to || m.To != c.to {
			t.Errorf("the enrollment has %s, to %v, and the code went to %s", got, e["destination"], m.To)
		}
		if strings.Contains(fmt.Sprint(members), m.Code) {
			t.Error("the code is in the answer")
		}
		attempt = members["attempt"]
		d.ask("POST", "sign-in/send", of("attempt", attempt, "method", "webhook")).is(429, "too-many-messages")
		d.Clock.Move(30 * time.Second)
		members = d.ask("POST", "sign-in/send", of("attempt", attempt, "method", e["method"])).is(200, "")
		if members["status"] != "confirmation_required" {
			t.Errorf("sent again: %v", members)
		}
		old := m.Code
		m = d.Await(t, auth.MessageEnroll)
		if old != m.Code {
			d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", old)).is(401, "wrong-code")
		}
		members = d.ask("POST", "sign-in/verify", of("attempt", attempt, "code", m.Code)).is(200, "")
		if members["status"] != "signed_in" || len(members["backup_codes"].([]any)) != 10 {
			t.Errorf("confirmed: %v", members["status"])
		}
	}
}

// OT-11, OT-19: neither where a code goes nor a key is for a request to say, but where the person chooses the place.
func TestOT11OT19NothingOfTheRequestIsSentToOrTaken(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	p := d.AddUser(t, auth.NewUser{Name: "dora", Email: "dora@example.test"})
	attempt := d.ask("POST", "sign-in", of("username", "dora", "password", p.Password)).is(200, "")["attempt"]
	d.Sent()
	for _, body := range []string{
		of("attempt", attempt, "method", "email", "destination", "me@evil.example"),
		of("attempt", attempt, "method", "email", "channel", "sms"),
		of("attempt", attempt, "method", "totp", "secret", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
		of("attempt", attempt, "method", "totp", "destination", "+15550123456"),
	} {
		d.ask("POST", "sign-in/enroll", body).is(400, "bad-request")
	}
	d.ask("POST", "sign-in/send", of("attempt", attempt, "method", "email", "to", "me@evil.example")).is(400, "bad-request")
	d.ask("POST", "sign-in/enroll", of("attempt", attempt, "method", "backup_code")).is(404, "no-such-factor")
	d.ask("POST", "sign-in/enroll", of("attempt", attempt, "method", "webhook", "channel", "sms", "destination", "5550123456")).is(422, "bad-destination")
	d.ask("POST", "sign-in/enroll", of("attempt", attempt, "method", "webhook", "channel", "pigeon", "destination", "loft")).is(404, "no-such-factor")
	d.ask("POST", "sign-in/enroll", of("attempt", attempt, "method", "totp", "name", strings.Repeat("x", 65))).is(422, "bad-name")
	if got := d.Sent(); len(got) > 0 {
		t.Errorf("sent %v", got)
	}
}

// Where the site asks for a password alone, who has no factor is in with it, and who has one is asked for it (MF-4).
func TestMF4PasswordLevel(t *testing.T) {
	d := newDesk(t, func(c *api.Config) { c.Level = auth.LevelPassword })
	bob := d.AddUser(t, auth.NewUser{Name: "bob"})
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	members := d.ask("POST", "sign-in", of("username", "bob", "password", bob.Password)).is(200, "")
	if got := fmt.Sprint(members["session"].(map[string]any)["methods"]); members["status"] != "signed_in" || got != "[password]" {
		t.Errorf("got %v with %s", members["status"], got)
	}
	d.challenged(alice)
}
