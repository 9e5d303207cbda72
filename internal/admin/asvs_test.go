// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// ASVS 6.1.3: every act of an operator is in docs/security.md, and nothing else is.
func TestASVS6_1_3EveryActIsInThePage(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range regexp.MustCompile("`([A-Z]+ /nightlatch/[^`]*)`").FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1])
	}
	for _, r := range routes {
		want = append(want, r.pattern)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the page has\n%q\nand there is\n%q", got, want)
	}
}

// asOperator sends a request to the handler as the commands do.
func asOperator(b *authtest.Bench, method, path, body string) *httptest.ResponseRecorder {
	h := Handler(Config{
		Service:  func() (*auth.Service, error) { return b.Service, nil },
		LinkPath: func(kind auth.LinkKind, token string) string { return "/" + string(kind) + "/" + token },
	})
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// ASVS 6.4.6: no act gives somebody who has an account a password that an operator has chosen, whatever is sent along, and what begins a
// new enrollment is a link for the person.
func TestASVS6_4_6NoActSetsAPassword(t *testing.T) {
	const chosen = "chosen by the operator"
	b := authtest.New(t)
	b.AddUser(t, auth.NewUser{Name: "root", Admin: true})
	alice := b.AddUser(t, auth.NewUser{Name: "alice"})
	for _, route := range routes {
		method, path, _ := strings.Cut(route.pattern, " ")
		target := strings.ReplaceAll(path, "{name}", "alice")
		for _, body := range []string{
			`{"name":"alice","password":"` + chosen + `"}`, `{"name":"ALICE ","password":"` + chosen + `"}`, `{"password":"` + chosen + `"}`,
			`{"to":"a@b.example","password":"` + chosen + `"}`,
		} {
			if w := asOperator(b, method, target, body); w.Code/100 != 4 {
				t.Errorf("%s with %s: got %d, want that it is refused", route.pattern, body, w.Code)
			}
		}
		if w := asOperator(b, method, target+"?password="+strings.ReplaceAll(chosen, " ", "+"), ""); w.Code/100 != 4 {
			t.Errorf("%s with a password in the address: got %d, want that it is refused", route.pattern, w.Code)
		}
	}
	_, err := b.SignIn(t.Context(), authtest.Client, auth.Credentials{Name: "alice", Password: chosen})
	if auth.KindOf(err) != auth.WrongCredentials {
		t.Errorf("the operator's password: got %v, want that it is wrong", err)
	}
	if _, err := b.SignIn(t.Context(), authtest.Client, alice.Credentials()); err != nil {
		t.Errorf("the person's own password: %v", err)
	}
	w := asOperator(b, "POST", "/nightlatch/users/alice/reset-2fa", "")
	if w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), `"path":"/re-enroll/`) {
		t.Errorf("a reset of the second factor: got %d %s, want a link", w.Code, w.Body)
	}
}

// ASVS 7.4.5: an operator ends one session or all of a person, at once, and nobody else's.
func TestASVS7_4_5OperatorEndsSessions(t *testing.T) {
	b := authtest.New(t)
	alice, bob := b.AddUser(t, auth.NewUser{Name: "alice"}), b.AddUser(t, auth.NewUser{Name: "bob"})
	first, second, third := alice.EnterPassword(t).Session, alice.EnterPassword(t).Session, alice.EnterPassword(t).Session
	bob.Keep(bob.EnterPassword(t))
	alive := func(value string) bool {
		_, err := b.Session(t.Context(), auth.Asker{}, value)
		if err != nil && auth.KindOf(err) != auth.NotSignedIn {
			t.Fatal(err)
		}
		return err == nil
	}
	x, err := b.Session(t.Context(), auth.Asker{}, second)
	if err != nil {
		t.Fatal(err)
	}
	if w := asOperator(b, "DELETE", "/nightlatch/sessions/"+x.ID, ""); w.Code != http.StatusNoContent {
		t.Errorf("ending one: got %d %s", w.Code, w.Body)
	}
	if alive(second) || !alive(first) || !alive(third) || !alive(bob.Session) {
		t.Errorf("after ending one: it %t, two others %t and %t, bob's %t", alive(second), alive(first), alive(third), alive(bob.Session))
	}
	if w := asOperator(b, "DELETE", "/nightlatch/users/alice/sessions", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"sessions":2`) {
		t.Errorf("ending all of alice: got %d %s", w.Code, w.Body)
	}
	if alive(first) || alive(third) || !alive(bob.Session) {
		t.Errorf("after ending all of alice: %t and %t, bob's %t", alive(first), alive(third), alive(bob.Session))
	}
}
