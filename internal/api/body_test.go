// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// bodies are what each act with fields takes, whole and of the right types; the values need not be good. A route that is missing here takes
// no fields.
var bodies = map[string]string{
	"POST sign-in":        `{"username":"alice","password":"not the right one","method":"totp","factor":"x","code":"000000","tokens":true,"remember":true}`,
	"POST sign-in/send":   `{"attempt":"x","method":"email","factor":"x"}`,
	"POST sign-in/enroll": `{"attempt":"x","method":"webhook","name":"x","channel":"sms","destination":"x"}`,
	"POST sign-in/verify": `{"attempt":"x","method":"totp","code":"000000"}`,
	"POST token/refresh":  `{"refresh_token":"x"}`,
	"POST token/revoke":   `{"refresh_token":"x"}`,

	"POST two-factor/totp":                             `{"name":"x"}`,
	"POST two-factor/totp/0123456789abcdef/confirm":    `{"code":"000000"}`,
	"POST two-factor/email":                            `{"name":"x"}`,
	"POST two-factor/email/0123456789abcdef/confirm":   `{"code":"000000"}`,
	"POST two-factor/webhook":                          `{"channel":"sms","destination":"x","name":"x"}`,
	"POST two-factor/webhook/0123456789abcdef/confirm": `{"code":"000000"}`,
	"PATCH two-factor/0123456789abcdef":                `{"name":"x"}`,
	"POST two-factor/disable":                          `{"password":"x","attempt":"x","method":"totp","factor":"x","code":"000000"}`,
	"POST two-factor/disable/send":                     `{"attempt":"x","method":"email","factor":"x"}`,
	"POST sudo":                                        `{"password":"x","attempt":"x","method":"totp","factor":"x","code":"000000"}`,
	"POST sudo/send":                                   `{"attempt":"x","method":"email","factor":"x"}`,
	"POST password":                                    `{"current_password":"x","new_password":"x"}`,
	"POST app-passwords":                               `{"name":"x","hosts":[],"paths":[],"methods":[],"networks":[],"expires_in_days":1}`,
}

// needsNothing are the acts all of whose fields may be left out.
var needsNothing = map[string]bool{"POST two-factor/totp": true, "POST two-factor/email": true}

// Every route refuses a body that two readers could understand differently, and says in which field (RFC 9457), and never quotes a value.
func TestEveryRouteRefusesBadBodies(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	own := d.browser(alice) // in sudo mode here, so that nothing else is wrong
	every(func(method, path string) {
		body := bodies[method+" "+path]
		fields := []string{}
		for pair := range strings.SplitSeq(strings.Trim(body, "{}"), ",") {
			if name, _, ok := strings.Cut(pair, ":"); ok {
				fields = append(fields, strings.Trim(name, `"`))
			}
		}
		refused := func(what, body string, detail string, status int, problem string, change ...func(*http.Request)) {
			t.Helper()
			a := d.ask(method, path, body, append(change, own)...)
			a.what += " with " + what
			members := a.is(status, problem)
			if got, _ := members["detail"].(string); detail != "" && got != detail || strings.Contains(a.Body.String(), "SECRET") {
				t.Errorf("%s: the detail is %q, want %q\n%s", a.what, got, detail, a.Body)
			}
		}
		bad := func(what, body, detail string) { t.Helper(); refused(what, body, detail, 400, "bad-request") }
		whole := func(more string) string {
			if body == "" {
				return "{" + strings.TrimPrefix(more, ",") + "}"
			}
			return strings.TrimSuffix(body, "}") + more + "}"
		}
		bad("another field", whole(`,"extra":"SECRET"`), `there is no field "extra"`)
		bad("a field without a name", whole(`,"":1`), "")
		bad("a long field", whole(`,"`+strings.Repeat("x", 5000)+`":1`), `there is no field "`+strings.Repeat("x", 64)+`…"`)
		bad("an odd field", whole(`,"~a/b~1":1`), `there is no field "~a/b~1"`)
		bad("a prototype", whole(`,"__proto__":{"admin":true}`), `there is no field "__proto__"`)
		for _, f := range fields {
			bad("doubled "+f, whole(fmt.Sprintf(`,%q:"SECRET"`, f)), fmt.Sprintf("the field %q stands there twice", f))
			bad(f+" in another case", whole(fmt.Sprintf(`,%q:"SECRET"`, strings.ToUpper(f))), fmt.Sprintf("there is no field %q", strings.ToUpper(f)))
			for _, value := range []string{"null", `["SECRET"]`, `{"SECRET":1}`, "1", "-1", "1.5", "1e999999", strings.Repeat("9", 400), "[[[[[[]]]]]]"} {
				if fits(body, f, value) {
					continue
				}
				at := f
				if strings.HasPrefix(value, "[[") && fits(body, f, `["SECRET"]`) {
					at += "/0" // of a list, its first
				}
				detail := fmt.Sprintf("the field %q has to be %s", at, takes(body, at))
				if value == "null" {
					detail = fmt.Sprintf("the field %q is null: leave it out", f)
				}
				bad(f+" as "+value[:min(9, len(value))], fmt.Sprintf(`{%q:%s}`, f, value), detail)
			}
			wrong := "true"
			if strings.Contains(body, `"`+f+`":true`) {
				wrong = `"true"`
			}
			bad(f+" of another type", fmt.Sprintf(`{%q:%s}`, f, wrong), fmt.Sprintf("the field %q has to be %s", f, takes(body, f)))
		}
		const notObject, notJSON = "the body is not a JSON object", "the body is not valid JSON in UTF-8"
		bad("null", "null", notObject)
		bad("an array", "[]", notObject)
		bad("objects in an array", `[{"username":"SECRET"}]`, notObject)
		bad("a text", `"SECRET"`, notObject)
		bad("a number", "1", notObject)
		bad("a blank", " ", "")
		bad("no end", `{`, notJSON)
		bad("one quote", `{'username':'SECRET'}`, notJSON)
		bad("no quotes", `{username:"SECRET"}`, notJSON)
		bad("a comma too many", `{,}`, notJSON)
		bad("a comment", `{/*SECRET*/}`, notJSON)
		bad("a second object", whole("")+whole(""), notJSON)
		bad("something after it", whole("")+"SECRET", notJSON)
		bad("a byte order mark", "\ufeff"+whole(""), notJSON)
		bad("UTF-16", "\xff\xfe{\x00}\x00", notJSON)
		bad("a NUL", whole("")+"\x00", notJSON)
		bad("broken UTF-8 in a name", whole(",\"\xff\":1"), notJSON)
		bad("half of a character", whole(`,"\ud800":1`), notJSON)
		bad("deep nesting", strings.Repeat("[", 30000), "")
		bad("deep nesting of objects", strings.Repeat(`{"a":`, 10000), "")
		bad("deep nesting below a field", `{"username":`+strings.Repeat("[", 30000), "")
		if len(fields) > 0 && !needsNothing[method+" "+path] {
			bad("nothing", "{}", "")
		}
		if len(fields) > 0 {
			bad("broken UTF-8 in a value", fmt.Sprintf("{%q:\"\xc3\x28\"}", fields[0]), notJSON)
			bad("half of a character in a value", fmt.Sprintf(`{%q:"\udc00"}`, fields[0]), notJSON)
		}

		refused("65 KiB", whole("")+strings.Repeat(" ", 65<<10), "", 413, "too-large")
		refused("65 KiB of unknown length", whole("")+strings.Repeat(" ", 65<<10), "", 413, "too-large", func(r *http.Request) { r.ContentLength = -1 })
		if body == "" || needsNothing[method+" "+path] { // a body of an act without fields is read whatever it says to be; that tells those that are missing above
			refused("65 KiB of no type", strings.Repeat(" ", 65<<10), "", 413, "too-large", func(r *http.Request) { r.Header.Del("Content-Type") })
		}
		for _, kind := range []string{
			"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "application/json-seq", "application/problem+json",
			"application/json; charset=latin1", "application/json; charset=utf-16", "application/json; version=2",
			"application/json, text/plain", "application", "", "*/*", "application/json;charset",
		} {
			refused(fmt.Sprintf("the type %q", kind), whole(""), "", 415, "wrong-type", header("Content-Type", kind))
		}
		refused("no type", whole(""), "", 415, "wrong-type", func(r *http.Request) { r.Header.Del("Content-Type") })
		refused("two types", whole(""), "", 415, "wrong-type", func(r *http.Request) {
			r.Header["Content-Type"] = []string{"application/json", "application/json"}
		})
		refused("compression", whole(""), "", 415, "wrong-type", header("Content-Encoding", "gzip"))
	})
}

// fits tells whether a value is of the type of a field.
func fits(body, field, value string) bool {
	switch {
	case strings.Contains(body, `"`+field+`":[`):
		return value == `["SECRET"]`
	case strings.Contains(body, `"`+field+`":1`):
		return value == "1" || value == "-1"
	}
	return false
}

// takes is what a problem says that a field takes.
func takes(body, field string) string {
	switch {
	case fits(body, field, `["SECRET"]`):
		return "a list"
	case fits(body, field, "1"):
		return "a whole number"
	case strings.Contains(body, `"`+field+`":true`):
		return "true or false"
	}
	return "a text"
}

// What is fine is taken: with a charset, in any order, with blanks around, and no body at all where there are no fields.
func TestGoodBodies(t *testing.T) {
	d := newDesk(t)
	alice := d.Enroll(t, auth.NewUser{Name: "alice"})
	right := of("username", "alice", "password", alice.Password)
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""} {
		d.ask("POST", "sign-in", " \r\n\t"+right+"\n", header("Content-Type", kind)).is(200, "")
	}
	d.ask("POST", "sign-in", `{"\u0075sername":"\u0061lice","password":"`+alice.Password+`"}`).is(200, "")
	for _, body := range []string{"", "{}", " {} "} {
		d.ask("GET", "account", body, cookie(visit.Session, alice.Session)).is(200, "")
	}
	d.ask("GET", "account", "", cookie(visit.Session, alice.Session), header("Content-Type", "application/json")).is(200, "")
	a := d.ask("HEAD", "account", "", cookie(visit.Session, alice.Session))
	if a.Code != 200 || a.Body.Len() > 0 {
		t.Errorf("HEAD: got %d and %q", a.Code, a.Body)
	}
}

// A field that has to be there is missed by its name.
func TestMissingFields(t *testing.T) {
	d := newDesk(t)
	for path, body := range map[string]string{
		"sign-in":        `{"password":"x","username":""}`,
		"sign-in/send":   `{"method":"email"}`,
		"sign-in/enroll": `{"method":"totp"}`,
		"sign-in/verify": `{"attempt":"x"}`,
		"token/refresh":  `{}`,
		"token/revoke":   `{"refresh_token":""}`,
	} {
		field := map[string]string{"sign-in": "username", "sign-in/verify": "code", "token/refresh": "refresh_token", "token/revoke": "refresh_token"}[path]
		if field == "" {
			field = "attempt"
		}
		members := d.ask("POST", path, body).is(400, "bad-request")
		if want := fmt.Sprintf("the field %q is missing", field); members["detail"] != want {
			t.Errorf("%s: %v, want %s", path, members["detail"], want)
		}
	}
	d.ask("POST", "sign-in", `{"username":"alice"}`).is(400, "bad-request")
}

// The words for methods are those of the Caddyfile, and those of RFC 8176 are none.
func TestWordsOfMethods(t *testing.T) {
	d := newDesk(t)
	for _, word := range []string{"otp", "pwd", "password", "vouched", "trusted_browser", "TOTP", "sms", "webauthn", "", "totp "} {
		members := d.ask("POST", "sign-in/verify", of("attempt", "x", "code", "000000", "method", word)).is(400, "bad-request")
		if want := `the field "method" has to be one of totp, email, webhook, backup_code`; members["detail"] != want {
			t.Errorf("%q: %v, want %s", word, members["detail"], want)
		}
	}
	for _, word := range []string{"totp", "email", "webhook", "backup_code"} {
		d.ask("POST", "sign-in/verify", of("attempt", "x", "code", "000000", "method", word)).is(401, "attempt-gone")
	}
}

// late is a body that does not come.
type late struct{ err error }

func (l late) Read([]byte) (int, error) { return 0, l.err }

// DO-6: a body has ten seconds. What breaks off is no request, and is not logged.
func TestDO6BodiesThatDoNotCome(t *testing.T) {
	d := newDesk(t)
	coming := func(err error) func(*http.Request) {
		return func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(late{err}), 2 }
	}
	a := d.ask("POST", "sign-in", "{}", coming(os.ErrDeadlineExceeded))
	a.is(408, "too-slow")
	if a.Header().Get("Connection") != "close" {
		t.Error("the connection stays open for the rest")
	}
	d.ask("POST", "sign-in", "{}", coming(io.ErrUnexpectedEOF)).is(400, "bad-request")
	if d.log.Len() > 0 {
		t.Errorf("logged:\n%s", d.log)
	}
}

// Of a body that is taken, encoding/json reads the same, field by field, and nothing else: no filter in front of us that is built on another
// reader sees other values than we do.
func FuzzBodiesHaveOneReading(f *testing.F) {
	for _, seed := range []string{
		`{"attempt":"x","method":"totp"}`, `{"attempt":"x","method":"webhook","name":"x","channel":"sms","destination":"+1"}`, `{"\u0061ttempt":"\ud83d\ude00"}`,
		`{"attempt":null}`, `{"attempt":"x","attempt":"y"}`, `{"Attempt":"x"}`, "{\"attempt\":\"\xff\"}", `{"attempt":"\ud800"}`, `{"method":"otp"}`, `[]`, `{} {}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in api.Enrolling
		if api.Decode(body, &in) != nil {
			return
		}
		var other map[string]any
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("%q is taken, and is no JSON object: %v", body, err)
		}
		for name, value := range map[string]string{
			"attempt": in.Attempt, "method": string(in.Method), "name": in.Name, "channel": in.Channel, "destination": in.Destination,
		} {
			if theirs, _ := other[name].(string); theirs != value {
				t.Errorf("%q: %s is %q here and %q there", body, name, value, theirs)
			}
			delete(other, name)
		}
		if len(other) > 0 {
			t.Errorf("%q is taken with %v", body, other)
		}
	})
}
