// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/nightlatch/nightlatch/internal/admin"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/store"
	"github.com/nightlatch/nightlatch/internal/store/badgerstore"
)

const password = "violet tram on a wet Tuesday"

// open returns a service in memory.
func open(t *testing.T) *auth.Service {
	t.Helper()
	raw, err := badgerstore.Open(badgerstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	key := make([]byte, 32)
	rand.Read(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		t.Fatal(err)
	}
	svc, err := auth.Open(t.Context(), auth.Config{Store: store.Seal(raw, aead), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { svc.Close() })
	return svc
}

func handler(svc *auth.Service) http.Handler {
	return admin.Handler(admin.Config{
		Service:  func() (*auth.Service, error) { return svc, nil },
		LinkPath: func(kind auth.LinkKind, token string) string { return "/_nightlatch/" + string(kind) + "/" + token },
		Origins:  func() []string { return []string{"https://a.example", "http://b.example:8080"} },
	})
}

// overNetwork is a client of a real HTTP server, in front of the handler as Caddy's admin endpoint is.
func overNetwork(t *testing.T, h http.Handler) admin.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(admin.Prefix, h)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return admin.Client{Do: func(r *http.Request) (*http.Response, error) {
		r.URL.Scheme, r.URL.Host = at.Scheme, at.Host
		return server.Client().Do(r)
	}}
}

// enrolled is somebody who has signed in with a second factor, and every secret that they hold.
type enrolled struct {
	session string // cookie value
	seed    []byte
	codes   []string
}

func signIn(t *testing.T, svc *auth.Service, name string) enrolled {
	t.Helper()
	ctx, client := t.Context(), auth.Client{Device: "Firefox on a phone"}
	must := func(p auth.Progress, err error) auth.Progress {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := must(svc.SignIn(ctx, client, auth.Credentials{Name: name, Password: password}))
	p = must(svc.StepUp(ctx, client, p.Session, auth.Requirement{Level: auth.LevelTwoFactor}, "/"))
	view, err := svc.Attempt(ctx, client, p.Attempt)
	if err != nil || view.Step != auth.StepEnroll {
		t.Fatalf("after the password: step %q, %v; want %q", view.Step, err, auth.StepEnroll)
	}
	p = must(svc.ConfirmEnrollment(ctx, client, p.Attempt, otp.Code(view.Pending.Secret, otp.Step(time.Now()))))
	saved, err := svc.Attempt(ctx, client, p.Attempt)
	if err != nil || len(saved.Codes) == 0 {
		t.Fatalf("after enrolling: %d backup codes, %v", len(saved.Codes), err)
	}
	p = must(svc.SavedCodes(ctx, client, p.Attempt))
	if p.Session == "" {
		t.Fatalf("after saving the codes: step %q and no session", p.Step)
	}
	return enrolled{p.Session, view.Pending.Secret, saved.Codes}
}

func kindOf(t *testing.T, err error) string {
	t.Helper()
	p, ok := errors.AsType[*admin.Problem](err)
	if !ok {
		t.Fatalf("got %v, want an *admin.Problem", err)
	}
	if p.Detail == "" || p.Title == "" || p.Status < 400 {
		t.Errorf("the problem is not a whole one: %+v", p)
	}
	return p.Kind
}

// Every act, once over a network and once in process, since the commands do both.
func TestActs(t *testing.T) {
	t.Run("network", func(t *testing.T) {
		svc := open(t)
		testActs(t, svc, overNetwork(t, handler(svc)))
	})
	t.Run("direct", func(t *testing.T) {
		svc := open(t)
		testActs(t, svc, admin.Direct(handler(svc)))
	})
}

func testActs(t *testing.T, svc *auth.Service, c admin.Client) {
	ctx := t.Context()

	link, err := c.SetupLink(ctx)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimPrefix(link.Path, "/_nightlatch/setup/")
	if got, err := svc.Link(ctx, token); err != nil || got.Kind != auth.SetupLink {
		t.Errorf("the setup link opens as %+v, %v", got, err)
	}
	wantURLs := []string{"https://a.example" + link.Path, "http://b.example:8080" + link.Path}
	if !slices.Equal(link.URLs, wantURLs) {
		t.Errorf("got addresses %q, want %q", link.URLs, wantURLs)
	}
	if left := time.Until(link.Expires); left < 59*time.Minute || left > time.Hour {
		t.Errorf("the setup link ends in %s, want an hour", left)
	}

	secret := password
	added, err := c.AddUser(ctx, admin.NewUser{
		Name: "Ada", FullName: "Ada Lovelace", Email: "ada@example.com", Groups: []string{"engines", "admins"}, Admin: true, Password: &secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	if u := added.User; u.Name != "ada" || u.FullName != "Ada Lovelace" || u.Email != "ada@example.com" || !u.Admin ||
		!slices.Equal(u.Groups, []string{"admins", "engines"}) {
		t.Errorf("added %+v", u)
	}
	if added.Invite != nil {
		t.Errorf("a user with a password got the invite %+v", added.Invite)
	}
	if _, err := c.SetupLink(ctx); kindOf(t, err) != admin.KindAlreadyDone {
		t.Errorf("setup link beside an administrator: %v", err)
	}
	if _, err := c.AddUser(ctx, admin.NewUser{Name: "ADA"}); kindOf(t, err) != admin.KindNameTaken {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := c.DisableUser(ctx, "ada"); kindOf(t, err) != admin.KindLastAdministrator {
		t.Errorf("disabling the last administrator: %v", err)
	}

	bob, err := c.AddUser(ctx, admin.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	if bob.Invite == nil || bob.Invite.Kind != auth.InviteLink {
		t.Fatalf("a user without a password got %+v, want an invite", bob.Invite)
	}
	if got, err := svc.Link(ctx, strings.TrimPrefix(bob.Invite.Path, "/_nightlatch/invite/")); err != nil || got.UserName != "bob" {
		t.Errorf("the invite opens as %+v, %v", got, err)
	}

	users, err := c.Users(ctx)
	if err != nil || len(users) != 2 || users[0].Name != "ada" || users[1].Name != "bob" {
		t.Errorf("got users %+v, %v, want ada and bob", users, err)
	}

	signIn(t, svc, "ada")
	wantAdoption := auth.Adoption{
		Users: 2, Enabled: 2, TwoFactor: 1, Share: 0.5, Without: []string{"bob"},
		Methods: map[auth.Method]int{auth.TOTP: 1, auth.Email: 0, auth.Webhook: 0},
	}
	if got, err := c.Adoption(ctx); err != nil || !reflect.DeepEqual(got, wantAdoption) {
		t.Errorf("got %+v, %v, want %+v", got, err, wantAdoption)
	}
	detail, err := c.User(ctx, "ada")
	if err != nil || len(detail.Factors) != 1 || !detail.TwoFactor.Enabled || detail.CodesLeft != 10 || detail.Sessions != 1 || !detail.HasPassword {
		t.Errorf("got %+v, %v", detail, err)
	}
	sessions, err := c.Sessions(ctx, "")
	if err != nil || len(sessions) != 1 || sessions[0].User != "ada" || sessions[0].Device != "Firefox on a phone" {
		t.Fatalf("got sessions %+v, %v", sessions, err)
	}
	if of, err := c.Sessions(ctx, "bob"); err != nil || of == nil || len(of) != 0 {
		t.Errorf("sessions of bob: %#v, %v, want an empty list", of, err)
	}
	if _, err := c.Sessions(ctx, "nobody"); kindOf(t, err) != admin.KindNotFound {
		t.Errorf("sessions of nobody: %v", err)
	}
	if err := c.RevokeSession(ctx, sessions[0].ID); err != nil {
		t.Error(err)
	}
	if left, err := c.Sessions(ctx, ""); err != nil || len(left) != 0 {
		t.Errorf("after revoking: %+v, %v", left, err)
	}
	if err := c.RevokeSession(ctx, "nothing"); kindOf(t, err) != admin.KindNotFound {
		t.Errorf("revoking no session: %v", err)
	}
	if err := c.RevokeSession(ctx, strings.Repeat("x", 5000)); kindOf(t, err) != admin.KindNotFound {
		t.Errorf("revoking a session with a long id: %v", err)
	}
	if n, err := c.RevokeSessions(ctx, "ada"); err != nil || n != 0 {
		t.Errorf("revoking all of none: %d, %v", n, err)
	}

	forgot, err := c.ResetPassword(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := svc.Link(ctx, strings.TrimPrefix(forgot.Path, "/_nightlatch/reset/")); err != nil || got.Kind != auth.ResetLink {
		t.Errorf("the reset link opens as %+v, %v", got, err)
	}
	if n, err := c.RevokeAllSessions(ctx); err != nil || n != 0 {
		t.Errorf("revoking everybody's none: %d, %v", n, err)
	}

	reset, err := c.ResetTwoFactor(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := svc.Link(ctx, strings.TrimPrefix(reset.Path, "/_nightlatch/re-enroll/")); err != nil || got.Kind != auth.ReenrollLink {
		t.Errorf("the re-enrollment link opens as %+v, %v", got, err)
	}
	if detail, err := c.User(ctx, "ada"); err != nil || len(detail.Factors) != 0 || detail.CodesLeft != 0 {
		t.Errorf("after the reset: %+v, %v", detail, err)
	}

	if err := c.DisableUser(ctx, "bob"); err != nil {
		t.Error(err)
	}
	if err := c.DisableUser(ctx, "bob"); kindOf(t, err) != admin.KindAlreadyDone {
		t.Errorf("disabling twice: %v", err)
	}
	if detail, err := c.User(ctx, "bob"); err != nil || !detail.Disabled {
		t.Errorf("after disabling: %+v, %v", detail, err)
	}
	if _, err := c.ResetTwoFactor(ctx, "bob"); kindOf(t, err) != admin.KindDisabled {
		t.Errorf("resetting a disabled user: %v", err)
	}
	if err := c.EnableUser(ctx, "bob"); err != nil {
		t.Error(err)
	}
	if err := c.UnlockUser(ctx, "bob"); err != nil {
		t.Error(err)
	}
	if err := c.DeleteUser(ctx, "bob"); err != nil {
		t.Error(err)
	}
	for name, act := range map[string]func(context.Context, string) error{
		"disable": c.DisableUser, "enable": c.EnableUser, "unlock": c.UnlockUser, "delete": c.DeleteUser,
	} {
		if err := act(ctx, "bob"); kindOf(t, err) != admin.KindNotFound {
			t.Errorf("%s of a user that is gone: %v", name, err)
		}
	}
}

func TestUnlockClearsCounters(t *testing.T) {
	svc := open(t)
	c := admin.Direct(handler(svc))
	secret := password
	if _, err := c.AddUser(t.Context(), admin.NewUser{Name: "ada", Password: &secret}); err != nil {
		t.Fatal(err)
	}
	try := func() error {
		_, err := svc.SignIn(t.Context(), auth.Client{}, auth.Credentials{Name: "ada", Password: password + "!"})
		return err
	}
	for range 20 {
		if auth.KindOf(try()) != auth.WrongCredentials {
			break
		}
	}
	if got := auth.KindOf(try()); got != auth.TooManyTries {
		t.Fatalf("twenty wrong passwords in a row are answered with %v, want %v", got, auth.TooManyTries)
	}
	if err := c.UnlockUser(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if got := auth.KindOf(try()); got != auth.WrongCredentials {
		t.Errorf("after the unlock a wrong password is answered with %v, want %v", got, auth.WrongCredentials)
	}
}

// Events come newest last, of everybody or of one user, also one who is gone.
func TestEvents(t *testing.T) {
	svc := open(t)
	c := overNetwork(t, handler(svc))
	ctx := t.Context()
	if none, err := c.Events(ctx, "", 100); err != nil || none == nil || len(none) != 0 {
		t.Errorf("events of an empty store: %#v, %v, want an empty list", none, err)
	}
	for _, name := range []string{"ada", "bob"} {
		if _, _, err := svc.AddUser(ctx, auth.Client{}, auth.NewUser{Name: name, Password: password}); err != nil {
			t.Fatal(err)
		}
		signIn(t, svc, name)
	}
	if err := c.DeleteUser(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	want, err := svc.Events(ctx, "", auth.MaxEvents)
	if err != nil || len(want) < 5 {
		t.Fatalf("the store holds %+v, %v", want, err)
	}
	if got, err := c.Events(ctx, "", auth.MaxEvents); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if got, err := c.Events(ctx, "", 2); err != nil || !slices.Equal(got, want[len(want)-2:]) {
		t.Errorf("the newest two are %+v, %v\nwant %+v", got, err, want[len(want)-2:])
	}
	want = slices.DeleteFunc(want, func(e auth.Event) bool { return e.User != "ada" })
	if got, err := c.Events(ctx, "ADA", 100); err != nil || !slices.Equal(got, want) {
		t.Errorf("of ada, who is gone: %+v, %v\nwant %+v", got, err, want)
	}
	if _, err := c.Events(ctx, "", auth.MaxEvents+1); kindOf(t, err) != admin.KindBadInput {
		t.Errorf("more than can be asked for: %v", err)
	}
}

// A request without a limit is answered with a hundred, whatever there is.
func TestEventsWithoutALimit(t *testing.T) {
	svc := open(t)
	if _, _, err := svc.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	for range 101 {
		if err := svc.Unlock(t.Context(), auth.Client{}, "bob"); err != nil {
			t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	handler(svc).ServeHTTP(w, httptest.NewRequest(http.MethodGet, admin.Prefix+"events", nil))
	var got []auth.Event
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got) != 100 {
		t.Errorf("got status %d and %d events, %v; want 100", w.Code, len(got), err)
	}
}

// Lists are lists to a script, also where there is nobody, and what is counted is named.
func TestAdoptionOfNobody(t *testing.T) {
	w := httptest.NewRecorder()
	handler(open(t)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, admin.Prefix+"adoption", nil))
	const want = `{"users":0,"enabled_users":0,"with_two_factor":0,"share":0,"methods":{"email":0,"totp":0,"webhook":0},` +
		`"backup_codes":{"none_left":0,"few_left":0},"without_two_factor":[]}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
		t.Errorf("got %d %s\nwant %s", w.Code, got, want)
	}
}

// send sends a request as it stands and returns the status and the problem in the answer.
func send(t *testing.T, h http.Handler, method, target, contentType, body string) (int, admin.Problem, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p admin.Problem
	if w.Code >= 300 {
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s %s: got an error of type %q: %s", method, target, got, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Detail == "" {
			t.Errorf("%s %s: got problem %s (%v), want a whole one with status %d", method, target, w.Body, err, w.Code)
		}
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s %s: got Cache-Control %q", method, target, got)
	}
	return w.Code, p, w.Header()
}

func TestRefusedRequests(t *testing.T) {
	svc := open(t)
	h := handler(svc)
	if _, _, err := svc.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	const plain = "application/json"
	cases := map[string]struct {
		method, target, contentType, body string
		want                              int
	}{
		"AD-5 name in the body too":         {"DELETE", "/nightlatch/users/bob", plain, `{"name":"ada"}`, 400},
		"AD-5 name in the query too":        {"DELETE", "/nightlatch/users/bob?name=ada", "", "", 400},
		"AD-5 two users":                    {"GET", "/nightlatch/sessions?user=bob&user=ada", "", "", 400},
		"a user that is empty":              {"GET", "/nightlatch/sessions?user=", "", "", 400},
		"an unknown parameter":              {"GET", "/nightlatch/sessions?user=bob&all=1", "", "", 400},
		"events of a user that is empty":    {"GET", "/nightlatch/events?user=&limit=5", "", "", 400},
		"events of two users":               {"GET", "/nightlatch/events?user=bob&user=ada", "", "", 400},
		"events with an unknown parameter":  {"GET", "/nightlatch/events?limit=5&since=yesterday", "", "", 400},
		"two limits":                        {"GET", "/nightlatch/events?limit=5&limit=6", "", "", 400},
		"a limit that is empty":             {"GET", "/nightlatch/events?limit=", "", "", 400},
		"a limit that is no number":         {"GET", "/nightlatch/events?limit=all", "", "", 400},
		"a limit of nothing":                {"GET", "/nightlatch/events?limit=0", "", "", 422},
		"a limit below nothing":             {"GET", "/nightlatch/events?limit=-1", "", "", 422},
		"a limit that is too large":         {"GET", "/nightlatch/events?limit=10001", "", "", 422},
		"a limit beyond all numbers":        {"GET", "/nightlatch/events?limit=99999999999999999999", "", "", 400},
		"events of a name that nobody has":  {"GET", "/nightlatch/events?user=%20", "", "", 422},
		"a limit of sessions":               {"GET", "/nightlatch/sessions?limit=5", "", "", 400},
		"a change of events":                {"DELETE", "/nightlatch/events", "", "", 405},
		"a query that cannot be read":       {"GET", "/nightlatch/sessions?user=bob;user=ada", "", "", 400},
		"a field twice":                     {"POST", "/nightlatch/users", plain, `{"name":"eve","name":"mallory"}`, 400},
		"a field twice in another case":     {"POST", "/nightlatch/users", plain, `{"name":"eve","NAME":"mallory"}`, 400},
		"a field in another case":           {"POST", "/nightlatch/users", plain, `{"Name":"eve"}`, 400},
		"a field that folds to ours":        {"POST", "/nightlatch/users", plain, `{"name":"eve","pa\u017f\u017fword":"x"}`, 400},
		"an unknown field":                  {"POST", "/nightlatch/users", plain, `{"name":"eve","administrator":true}`, 400},
		"a field of another type":           {"POST", "/nightlatch/users", plain, `{"name":["eve"]}`, 400},
		"no object":                         {"POST", "/nightlatch/users", plain, `[{"name":"eve"}]`, 400},
		"no JSON":                           {"POST", "/nightlatch/users", plain, `name=eve`, 400},
		"half an object":                    {"POST", "/nightlatch/users", plain, `{"name":"eve"`, 400},
		"more than an object":               {"POST", "/nightlatch/users", plain, `{"name":"eve"}{"name":"mallory"}`, 400},
		"broken UTF-8":                      {"POST", "/nightlatch/users", plain, "{\"name\":\"eve\",\"password\":\"long enough and then \xff\"}", 400},
		"an empty body":                     {"POST", "/nightlatch/users", plain, ``, 400},
		"a body that is a form":             {"POST", "/nightlatch/users", "application/x-www-form-urlencoded", `name=eve`, 415},
		"a body without a type":             {"POST", "/nightlatch/users", "", `{"name":"eve"}`, 415},
		"a body that is too large":          {"POST", "/nightlatch/users", plain, `{"name":"` + strings.Repeat("e", 64<<10) + `"}`, 413},
		"a body where none belongs":         {"POST", "/nightlatch/users/bob/disable", plain, `{}`, 400},
		"a large body where none belongs":   {"POST", "/nightlatch/setup-link", plain, strings.Repeat(" ", 65<<10), 400},
		"a name that is not acceptable":     {"POST", "/nightlatch/users", plain, `{"name":"e v e"}`, 422},
		"a password that is empty":          {"POST", "/nightlatch/users", plain, `{"name":"eve","password":""}`, 422},
		"a password that is too short":      {"POST", "/nightlatch/users", plain, `{"name":"eve","password":"hunter2"}`, 422},
		"a group that is not acceptable":    {"POST", "/nightlatch/users", plain, `{"name":"eve","groups":["a,b"]}`, 422},
		"AD-2 an empty name":                {"DELETE", "/nightlatch/users//sessions", "", "", 404},
		"AD-2 a slash at the end":           {"DELETE", "/nightlatch/users/bob/", "", "", 404},
		"AD-2 dot segments":                 {"DELETE", "/nightlatch/sessions/../users/bob", "", "", 404},
		"AD-2 escaped dot segments":         {"DELETE", "/nightlatch/sessions/%2e%2e%2fusers%2fbob", "", "", 404},
		"AD-2 another case":                 {"DELETE", "/NIGHTLATCH/users/bob", "", "", 404},
		"AD-2 more behind it":               {"DELETE", "/nightlatch/users/bob/sessions/all", "", "", 404},
		"nothing there":                     {"GET", "/nightlatch/", "", "", 404},
		"a change by GET":                   {"GET", "/nightlatch/users/bob/disable", "", "", 405},
		"a change by PUT":                   {"PUT", "/nightlatch/users", plain, `{"name":"eve"}`, 405},
		"a method that would be overridden": {"GET", "/nightlatch/users?_method=DELETE", "", "", 400},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, p, _ := send(t, h, c.method, c.target, c.contentType, c.body)
			if got != c.want {
				t.Errorf("got %d (%s), want %d", got, p.Detail, c.want)
			}
			if strings.Contains(p.Detail, "hunter2") {
				t.Errorf("the problem repeats the password: %s", p.Detail)
			}
			users, err := svc.Users(t.Context())
			if err != nil || len(users) != 1 || users[0].Name != "bob" || users[0].Disabled {
				t.Errorf("afterwards the users are %+v, %v; want bob as he was", users, err)
			}
		})
	}
	if _, _, header := send(t, h, "PUT", "/nightlatch/users", "", ""); header.Get("Allow") == "" {
		t.Error("a 405 without Allow")
	}
}

// A mux cleans an empty name away and redirects: DELETE /users//sessions would become the deletion of the user called sessions.
func TestAD2EmptyNameReachesNobody(t *testing.T) {
	svc := open(t)
	for _, name := range []string{"sessions", "disable"} {
		if _, _, err := svc.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	c := overNetwork(t, handler(svc)) // which follows redirects
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.RevokeSessions(t.Context(), name); kindOf(t, err) != admin.KindNotFound {
			t.Errorf("revoking the sessions of %q: %v", name, err)
		}
		if err := c.DeleteUser(t.Context(), name); kindOf(t, err) != admin.KindNotFound {
			t.Errorf("deleting %q: %v", name, err)
		}
	}
	if users, err := svc.Users(t.Context()); err != nil || len(users) != 2 {
		t.Errorf("afterwards the users are %+v, %v; want both", users, err)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	svc := open(t)
	if _, _, err := svc.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	c := overNetwork(t, handler(svc))
	for _, name := range []string{
		"bob/disable", "../users/bob", "x/../bob", "bob?", "bob#", "bob%2fdisable", "%62ob", "bob;a", "a b", "a+b", "é", "\x00", "\n", "*", "{name}", "...",
	} {
		t.Run(url.PathEscape(name), func(t *testing.T) {
			err := c.DeleteUser(t.Context(), name)
			if kindOf(t, err) != admin.KindNotFound {
				t.Fatalf("got %v, want not found", err)
			}
			if p, _ := errors.AsType[*admin.Problem](err); !strings.Contains(p.Detail, strings.Trim(quoted(name), `"`)) {
				t.Errorf("the server was asked for another name: %s", p.Detail)
			}
		})
	}
	if users, err := svc.Users(t.Context()); err != nil || len(users) != 1 || users[0].Disabled {
		t.Errorf("afterwards the users are %+v, %v; want bob as he was", users, err)
	}
	// A name that needs escaping and is one.
	if _, _, err := svc.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: "a+b@c"}); err != nil {
		t.Fatal(err)
	}
	if u, err := c.User(t.Context(), "a+b@c"); err != nil || u.Name != "a+b@c" {
		t.Errorf("got %+v, %v", u, err)
	}
	if _, err := c.Sessions(t.Context(), "a+b@c"); err != nil {
		t.Error(err)
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return strings.NewReplacer(`\u0000`, `\x00`).Replace(string(b))
}

// AD-4: whoever may read must not get what lets in.
func TestAD4NoSecretLeaves(t *testing.T) {
	svc := open(t)
	c := admin.Direct(handler(svc))
	secret := password
	if _, err := c.AddUser(t.Context(), admin.NewUser{Name: "ada", Password: &secret, Admin: true}); err != nil {
		t.Fatal(err)
	}
	ada := signIn(t, svc, "ada")
	bob, err := c.AddUser(t.Context(), admin.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := otp.NewKey("Nightlatch", "ada", ada.seed)
	if err != nil {
		t.Fatal(err)
	}
	secrets := append([]string{password, "argon2", ada.session, key.Secret(), string(ada.seed), bob.Invite.Path}, ada.codes...)

	var all bytes.Buffer
	for _, target := range []string{"users", "users/ada", "users/bob", "sessions", "sessions?user=ada", "events", "events?user=ada"} {
		w := httptest.NewRecorder()
		handler(svc).ServeHTTP(w, httptest.NewRequest(http.MethodGet, admin.Prefix+target, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("GET %s: %d", target, w.Code)
		}
		all.Write(w.Body.Bytes())
	}
	if strings.Contains(all.String(), "null") {
		t.Errorf("a list that is empty is null: %s", &all)
	}
	if !strings.Contains(all.String(), `"ada"`) {
		t.Fatalf("nothing was read: %s", &all)
	}
	for _, s := range secrets {
		if strings.Contains(all.String(), s) {
			t.Errorf("the answers hold the secret %q", s)
		}
	}
}

func TestStoreFails(t *testing.T) {
	var log bytes.Buffer
	broken := func(err error) http.Handler {
		return admin.Handler(admin.Config{
			Service: func() (*auth.Service, error) { return nil, err },
			Log:     slog.New(slog.NewTextHandler(&log, nil)),
		})
	}
	got, p, header := send(t, broken(errors.New("disk /dev/sdb1 is on fire")), "GET", "/nightlatch/users", "", "")
	if got != http.StatusServiceUnavailable || p.Kind != admin.KindUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("got %d %+v, Retry-After %q", got, p, header.Get("Retry-After"))
	}
	if strings.Contains(p.Detail, "sdb1") || !strings.Contains(log.String(), "sdb1") {
		t.Errorf("the cause belongs in the log %q, not in the answer %q", log.String(), p.Detail)
	}

	missing := &admin.Problem{Title: "Not Found", Status: 404, Kind: admin.KindNotConfigured, Detail: "the running configuration has no nightlatch"}
	if got, p, _ := send(t, broken(missing), "GET", "/nightlatch/users", "", ""); got != 404 || p != *missing {
		t.Errorf("got %d %+v, want %+v", got, p, *missing)
	}

	svc := open(t)
	c := admin.Direct(handler(svc))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Users(ctx); kindOf(t, err) != admin.KindUnavailable {
		t.Errorf("a read that was broken off: %v", err)
	}
}

func TestClientReadsForeignAnswers(t *testing.T) {
	cases := map[string]struct {
		status     int
		body       string
		kind, want string
	}{
		"a Caddy without Nightlatch":  {404, "404 page not found\n", admin.KindNotConfigured, "not one with Nightlatch"},
		"Caddy's admin endpoint":      {403, `{"error":"host not allowed: evil"}`, "", "host not allowed: evil"},
		"something else altogether":   {502, "<html>", "", "502"},
		"a redirect":                  {307, "", "", "307"},
		"JSON that means nothing":     {500, `[]`, "", "500"},
		"a status of its own in JSON": {500, `{"status":200,"detail":"x"}`, "", "x"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client := admin.Client{Do: func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: c.status, Body: io.NopCloser(strings.NewReader(c.body))}, nil
			}}
			_, err := client.Users(t.Context())
			p, ok := errors.AsType[*admin.Problem](err)
			if !ok || p.Status != c.status || p.Kind != c.kind || !strings.Contains(p.Detail, c.want) {
				t.Errorf("got %#v, want status %d, kind %q and %q in the text", err, c.status, c.kind, c.want)
			}
		})
	}
	client := admin.Client{Do: func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("<html>"))}, nil
	}}
	if _, err := client.Users(t.Context()); err == nil {
		t.Error("a success that is no JSON was read without an error")
	}
}

// The mail server is tried out by whoever has one, and what went wrong is told as it is.
func TestMailTest(t *testing.T) {
	svc := open(t)
	var asked string
	config := admin.Config{
		Service:  func() (*auth.Service, error) { return svc, nil },
		LinkPath: func(auth.LinkKind, string) string { return "" },
	}
	if _, err := admin.Direct(admin.Handler(config)).TestMail(t.Context(), "ops@example.com"); kindOf(t, err) != admin.KindNoMail {
		t.Errorf("without a mail server: got %v", err)
	}
	config.TestMail = func(_ context.Context, to string) (string, error) {
		asked = to
		if to == "bad@example.com" {
			return "smtp.example.com", &admin.Problem{Status: http.StatusBadGateway, Kind: admin.KindMailFailed, Detail: "550 no"}
		}
		return "smtp.example.com", nil
	}
	for name, client := range map[string]admin.Client{"direct": admin.Direct(admin.Handler(config)), "network": overNetwork(t, admin.Handler(config))} {
		got, err := client.TestMail(t.Context(), "ops@example.com")
		if err != nil || got.Server != "smtp.example.com" || asked != "ops@example.com" {
			t.Errorf("%s: got %+v, %v, asked for %q", name, got, err, asked)
		}
		if _, err := client.TestMail(t.Context(), "bad@example.com"); kindOf(t, err) != admin.KindMailFailed || err.Error() != "550 no" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	asked = ""
	for _, body := range []string{`{"to":"a@example.com","to":"b@example.com"}`, `{"to":"a@example.com","cc":"b@example.com"}`, `["a@example.com"]`, `{"to":["a@example.com"]}`, ``} {
		r := httptest.NewRequest("POST", "/nightlatch/mail-test", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		admin.Handler(config).ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || asked != "" {
			t.Errorf("%s: got %d, asked for %q", body, w.Code, asked)
		}
	}
}
