// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

// What the client writes is what the handler reads, whatever fields are added.
func TestNewTokenRoundTrip(t *testing.T) {
	user := "ada"
	want := NewToken{
		Name: "n", User: &user, Hosts: []string{"h", "i"}, Paths: []string{"/p"}, Methods: []string{"GET"},
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Expires: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	for i := range reflect.TypeFor[NewToken]().NumField() {
		if reflect.ValueOf(want).Field(i).IsZero() {
			t.Fatalf("the test leaves %s out", reflect.TypeFor[NewToken]().Field(i).Name)
		}
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readNewToken(bytes.NewReader(body))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// tokenClient is the operator's client on a bench.
func tokenClient(b *authtest.Bench) Client {
	h := Handler(Config{
		Service: func() (*auth.Service, error) { return b.Service, nil },
		Origins: func() []string { return []string{"https://wiki.example.com", "http://app.example.com:8080"} },
	})
	return Client{Do: func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), nil
	}}
}

// ASVS 7.4.5: an operator makes, lists and revokes access keys, at once.
func TestASVS7_4_5OperatorRevokesTokens(t *testing.T) {
	b := authtest.New(t)
	b.AddUser(t, auth.NewUser{Name: "ada"})
	c, ctx := tokenClient(b), t.Context()
	if list, err := c.Tokens(ctx, ""); err != nil || len(list) != 0 {
		t.Errorf("at first: %v, %v", list, err)
	}
	nobodys, err := c.AddToken(ctx, NewToken{Name: "job", Hosts: []string{"*.example.com", "app.example.com", "x.example.com"}, Paths: []string{"/a b", "/c"}})
	if err != nil || nobodys.User != "" || nobodys.Token == "" || nobodys.MadeBy != "operator" {
		t.Fatalf("a service token: %+v, %v", nobodys, err)
	}
	if want := []string{"http://app.example.com:8080/a%20b", "https://x.example.com/a%20b"}; !slices.Equal(nobodys.URLs, want) {
		t.Errorf("where it may be tried: got %q, want %q", nobodys.URLs, want)
	}
	b.Clock.Move(time.Second)
	ada := "ada"
	hers, err := c.AddToken(ctx, NewToken{Name: "phone", User: &ada, Hosts: []string{"app.example.com"}})
	if err != nil || hers.User != "ada" {
		t.Fatalf("an app password: %+v, %v", hers, err)
	}
	if list, err := c.Tokens(ctx, ""); err != nil || len(list) != 2 || list[0].ID != nobodys.ID || list[1].ID != hers.ID {
		t.Errorf("the oldest first: %+v, %v", list, err)
	}
	if list, err := c.Tokens(ctx, "ada"); err != nil || len(list) != 1 || list[0].ID != hers.ID {
		t.Errorf("hers: %+v, %v", list, err)
	}
	if w := asOperator(b, "GET", "/nightlatch/tokens", ""); strings.Contains(w.Body.String(), hers.Secret) || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the list shows what opens them: %s", w.Body)
	}
	ask := auth.Asker{Host: "app.example.com", Method: "GET", Path: "/"}
	if _, err := b.Bearer(ctx, ask, hers.Token); err != nil {
		t.Errorf("her app password: %v", err)
	}
	if err := c.RevokeToken(ctx, hers.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Bearer(ctx, ask, hers.Token); auth.KindOf(err) != auth.NotSignedIn {
		t.Errorf("ASVS 7.4.5: her app password after it was revoked: %v", err)
	}
	for i := range auth.MaxAccessKeys {
		if _, err := c.AddToken(ctx, NewToken{Name: "x", User: &ada, Hosts: []string{"app.example.com"}}); err != nil {
			t.Fatalf("app password %d: %v", i, err)
		}
	}
	_, err = c.AddToken(ctx, NewToken{Name: "x", User: &ada, Hosts: []string{"app.example.com"}})
	wantProblem(t, err, http.StatusConflict, KindTooMany)
	wantProblem(t, c.RevokeToken(ctx, hers.ID), http.StatusNotFound, KindNotFound)
	wantProblem(t, c.RevokeToken(ctx, ".."), http.StatusNotFound, KindNotFound)
	_, err = c.Tokens(ctx, "eve")
	wantProblem(t, err, http.StatusNotFound, KindNotFound)
}

func wantProblem(t *testing.T, err error, status int, kind string) {
	t.Helper()
	if p, ok := errors.AsType[*Problem](err); !ok || p.Status != status || p.Kind != kind {
		t.Errorf("got %v (%+v), want %d %s", err, p, status, kind)
	}
}

// AD-5: what a script got wrong makes no token that is good for more than was meant.
func TestAD5TokensOfScriptsThatWentWrong(t *testing.T) {
	b := authtest.New(t)
	for body, want := range map[string]int{
		`{"name":"x","hosts":["a.example"],"user":""}`:                                 422,
		`{"name":"x","hosts":[]}`:                                                      422,
		`{"name":"x"}`:                                                                 422,
		`{"name":"","hosts":["a.example"]}`:                                            422,
		`{"name":"x","hosts":["a.example"],"paths":[""]}`:                              422,
		`{"name":"x","hosts":["a.example"],"methods":[""]}`:                            422,
		`{"name":"x","hosts":["a.example"],"networks":[""]}`:                           422,
		`{"name":"x","hosts":["a.example"],"networks":["10.0.0.1"]}`:                   400,
		`{"name":"x","hosts":["a.example"],"expires":""}`:                              400,
		`{"name":"x","hosts":["a.example"],"expires":"2001-01-01T00:00:00Z"}`:          422,
		`{"name":"x","hosts":["a.example"],"expires":"0001-01-01T00:00:00Z"}`:          400,
		`{"name":"x","hosts":["a.example"],"expires":null}`:                            400,
		`{"name":"x","hosts":["a.example"],"user":null}`:                               400,
		`{"name":"x","hosts":["a.example"],"paths":null}`:                              400,
		`{"name":"x","hosts":["a.example"],"methods": null }`:                          400,
		`{"name":"x","hosts":["a.example"],"networks":null}`:                           400,
		`{"name":"x","hosts":"a.example"}`:                                             400,
		`{"name":"x","hosts":["a.example"],"path":"/api"}`:                             400,
		`{"name":"x","hosts":["a.example"],"paths":["/a"],"paths":["/"]}`:              400,
		`{"name":"x","hosts":["a.example"],"level":1}`:                                 400,
		`{"name":"x","hosts":["a.example"],"user":"eve"}`:                              404,
		`{"name":"x","hosts":["a.example"],"networks":["10.0.0.0/8","::ffff:0:0/80"]}`: 422,
	} {
		if w := asOperator(b, "POST", "/nightlatch/tokens", body); w.Code != want {
			t.Errorf("%s: got %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
	if list, err := b.AccessKeys(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("there are %+v, %v", list, err)
	}
	if w := asOperator(b, "GET", "/nightlatch/tokens?user=", ""); w.Code != 400 {
		t.Errorf("tokens of nobody: got %d", w.Code)
	}
}
