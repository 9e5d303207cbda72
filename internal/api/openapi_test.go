// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/base32"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/api/apitest"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/otp"
)

// There is a description of each route, and a route for each description. What is answered is held to that by every test that asks for
// something, see desk.ask.
func TestRoutesAreThoseOfTheDescription(t *testing.T) {
	described, err := apitest.Routes()
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, r := range api.Routes() {
		routes = append(routes, r.Method+" "+r.Path)
	}
	slices.Sort(described)
	slices.Sort(routes)
	if !slices.Equal(described, routes) {
		t.Errorf("docs/openapi.yaml describes\n\t%q\nand there is\n\t%q", described, routes)
	}
}

// Anybody may read the description, before there is a credential to send.
func TestDescriptionIsServed(t *testing.T) {
	d := newDesk(t)
	members := d.ask("GET", "openapi.json", "").is(200, "")
	if members["openapi"] != "3.1.0" {
		t.Errorf("it is OpenAPI %v", members["openapi"])
	}
	server := members["servers"].([]any)[0].(map[string]any)["url"]
	if server != "/_nightlatch/api/v1" || api.Prefix != "/_nightlatch/api/v1/" {
		t.Errorf("it describes what is below %v", server)
	}
	account := members["paths"].(map[string]any)["/account"]
	if _, has := account.(map[string]any)["get"]; !has {
		b, _ := json.Marshal(account)
		t.Errorf("of the account it has %s", b)
	}
	head := d.ask("HEAD", "openapi.json", "")
	if head.Code != 200 || head.Header().Get("Content-Type") != "application/json" || head.Body.Len() > 0 {
		t.Errorf("HEAD: got %d, %v and %d bytes", head.Code, head.Header(), head.Body.Len())
	}
	d.ask("POST", "openapi.json", "{}").is(405, "method-not-allowed")

	// Also to who does not know the version yet. That address is not among what it describes.
	r, before := httptest.NewRequest("GET", home+api.Root+"openapi.json", nil), httptest.NewRecorder()
	v := d.visit
	v.URL = r.URL
	d.api.ServeHTTP(before, r, v)
	if again := d.ask("GET", "openapi.json", ""); before.Code != 200 || before.Body.String() != again.Body.String() {
		t.Errorf("without a version: status %d and %d bytes, want the same %d", before.Code, before.Body.Len(), again.Body.Len())
	}
}

// walker is somebody's program on its way through the whole API. It uses the newest tokens that it was given.
type walker struct {
	*desk
	person *authtest.Person
	tokens map[string]any
}

// goes asks for one thing more and returns the answer.
func (w *walker) goes(method, path, body string, status int) map[string]any {
	w.t.Helper()
	var change []func(*http.Request)
	if w.tokens != nil {
		change = append(change, bearer(w.tokens))
	}
	members := w.ask(method, path, body, change...).is(status, "")
	if members["access_token"] != nil {
		w.tokens = members
	}
	return members
}

// code waits until another one can be sent, has that done, and returns it.
func (w *walker) code(kind auth.MessageKind, send func()) string {
	w.t.Helper()
	w.Clock.Move(30 * time.Second)
	w.Sent()
	send()
	return w.Await(w.t, kind).Code
}

// Every answer that the description has for when all goes well is one that the API gives: each operation, each status, and each word of the
// member status. So nothing is described that nobody has seen.
func TestEveryDescribedAnswerIsGiven(t *testing.T) {
	d := newDesk(t)
	d.WithMail()
	zoe := d.AddUser(t, auth.NewUser{Name: "zoe", FullName: "Zoe", Email: "zoe@example.test", Groups: []string{"staff"}})
	w := &walker{desk: d, person: zoe}
	in := func(more ...any) string {
		return of(append([]any{"username", "zoe", "password", zoe.Password, "tokens", true}, more...)...)
	}

	// A first sign-in enrolls a telephone on the way.
	attempt := w.goes("POST", "sign-in", in(), 200)["attempt"]
	attempt = w.goes("POST", "sign-in/enroll", of("attempt", attempt, "method", "webhook", "channel", "sms", "destination", "+1 555 0123456"), 200)["attempt"]
	code := w.code(auth.MessageEnroll, func() { w.goes("POST", "sign-in/send", of("attempt", attempt, "method", "webhook"), 200) })
	w.goes("POST", "sign-in/verify", of("attempt", attempt, "code", code), 200)
	w.goes("POST", "sign-out", "", 204)
	w.tokens = nil

	// The second is asked for it.
	attempt = w.goes("POST", "sign-in", in(), 200)["attempt"]
	code = w.code(auth.MessageCode, func() { w.goes("POST", "sign-in/send", of("attempt", attempt, "method", "webhook"), 200) })
	w.goes("POST", "sign-in/verify", of("attempt", attempt, "method", "webhook", "code", code), 200)
	w.tokens = w.goes("POST", "token/refresh", of("refresh_token", w.tokens["refresh_token"]), 200)
	w.goes("GET", "account", "", 200)
	w.goes("GET", "openapi.json", "", 200)

	// Everything about second factors.
	attempt = w.goes("POST", "sudo", of("password", zoe.Password), 200)["attempt"]
	code = w.code(auth.MessageCode, func() { w.goes("POST", "sudo/send", of("attempt", attempt, "method", "webhook"), 200) })
	w.goes("POST", "sudo", of("attempt", attempt, "method", "webhook", "code", code), 200)
	app := w.goes("POST", "two-factor/totp", of("name", "my phone"), 201)
	zoe.Secret = secretOf(t, app)
	app = w.goes("POST", "two-factor/totp/"+app["id"].(string)+"/confirm", of("code", zoe.Code()), 200)["factor"].(map[string]any)
	for path, body := range map[string]string{
		"two-factor/email":   "",
		"two-factor/webhook": of("channel", "chat", "destination", "@zoe"),
	} {
		begun := path + "/" + w.goes("POST", path, body, 201)["id"].(string)
		code = w.code(auth.MessageEnroll, func() { w.goes("POST", begun+"/send", "", 200) })
		w.goes("POST", begun+"/confirm", of("code", code), 200)
	}
	w.goes("PATCH", "two-factor/"+app["id"].(string), of("name", "the old phone"), 200)
	for _, f := range w.goes("GET", "two-factor", "", 200)["factors"].([]any) {
		if f := f.(map[string]any); f["method"] == "webhook" {
			w.goes("DELETE", "two-factor/"+f["id"].(string), "", 204)
		}
	}
	w.goes("POST", "two-factor/backup-codes", "{}", 200)

	// The rest of the account.
	key := w.goes("POST", "app-passwords", of("name", "music"), 201)
	w.goes("GET", "app-passwords", "", 200)
	w.goes("DELETE", "app-passwords/"+key["id"].(string), "", 204)
	d.Clock.Move(otp.Period)
	other := &walker{desk: d, person: zoe}
	session := other.goes("POST", "sign-in", in("code", zoe.Code()), 200)["session"].(map[string]any)
	w.goes("GET", "sessions", "", 200)
	w.goes("DELETE", "sessions/"+session["id"].(string), "", 204)
	w.goes("DELETE", "sessions", "", 204)
	d.Clock.Move(otp.Period)
	w.goes("POST", "sudo", of("password", zoe.Password, "code", zoe.Code()), 200)
	w.goes("POST", "password", of("current_password", zoe.Password, "new_password", zoe.Password+" and more"), 200)
	zoe.Password += " and more"

	// And the end, when another message may be sent.
	d.Clock.Move(30 * time.Minute)
	w.tokens = w.goes("POST", "token/refresh", of("refresh_token", w.tokens["refresh_token"]), 200)
	attempt = w.goes("POST", "two-factor/disable", of("password", zoe.Password), 200)["attempt"]
	code = w.code(auth.MessageTurnOff, func() { w.goes("POST", "two-factor/disable/send", of("attempt", attempt, "method", "email"), 200) })
	w.goes("POST", "two-factor/disable", of("attempt", attempt, "method", "email", "code", code), 200)
	for _, path := range []string{"account", "two-factor", "app-passwords"} {
		w.goes("GET", path, "", 200) // whose lists are empty now
	}
	w.goes("POST", "token/revoke", of("refresh_token", w.tokens["refresh_token"]), 204)

	unseen, err := apitest.Unseen()
	if err != nil {
		t.Fatal(err)
	}
	if len(unseen) > 0 {
		t.Errorf("nobody has seen %q", unseen)
	}
}

// secretOf is the key that an authenticator app is given.
func secretOf(t testing.TB, enrollment map[string]any) []byte {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(enrollment["secret"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}
