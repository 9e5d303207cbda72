// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// What package auth makes is read, and is as long as is said here.
func TestValuesOfPackageAuthAreRead(t *testing.T) {
	b := authtest.New(t)
	b.Configure(func(s *auth.Settings) { s.Trust = 24 * time.Hour })
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	pr, err := b.CodeAndTrust(t.Context(), alice.Client(), alice.EnterPassword(t).Attempt, auth.TOTP, alice.Code())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cookie visit.Cookie
		value  string
		length int
	}{
		"session": {visit.Session, alice.Session, 136},
		"attempt": {visit.Attempt, b.VisitorToken(), 120},
		"browser": {visit.Browser, pr.Browser, 120},
		"trusted": {visit.Trusted, pr.Trusted, 136},
	} {
		v := visit.Visit{Transport: visit.Secure}
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: v.Transport.CookieName(c.cookie), Value: c.value})
		if got, ok := v.Cookie(r, c.cookie); !ok || got != c.value || len(got) != c.length {
			t.Errorf("%s: got %q, %v, %d bytes; want the value, %d bytes", name, got, ok, len(got), c.length)
		}
	}
}

// What package auth makes for programs is read, whatever key has signed it.
func TestTokensOfPackageAuthAreRead(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	client := alice.Client()
	client.API, client.Home = true, "https://app.example.test"
	in := alice.Credentials()
	in.Tokens = true
	for range 3 {
		pr, err := b.SignIn(t.Context(), client, in)
		if err != nil {
			t.Fatal(err)
		}
		pr, err = b.Code(t.Context(), client, pr.Attempt, auth.TOTP, alice.Code())
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{"Authorization": {"Bearer " + pr.Tokens.Access}}
		if c, found := visit.Presented(h); !found || c.Token != pr.Tokens.Access || c.Basic {
			t.Errorf("got %+v, %v; want the token %q", c, found, pr.Tokens.Access)
		}
		// A refresh token in its place opens nothing, and the application does not get it.
		h = http.Header{"Authorization": {"Bearer " + pr.Tokens.Refresh}}
		if c, found := visit.Presented(h); !found || c.Token != "" {
			t.Errorf("a refresh token: got %+v, %v; want something of ours that is no credential", c, found)
		}
		if visit.StripAuthorization(h); len(h) > 0 {
			t.Errorf("the refresh token goes on: %v", h)
		}
		b.Clock.Move(45 * 24 * time.Hour) // another key signs
	}
}

// An access key that package auth has made is read in whole and in halves.
func TestAccessKeysOfPackageAuthAreRead(t *testing.T) {
	b := authtest.New(t)
	made, err := b.AddAccessKey(t.Context(), auth.Client{}, "", auth.NewAccessKey{Name: "backup", Hosts: []string{"app.example.test"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.Header{
		"as a token":    {"Authorization": {"Bearer " + made.Token}},
		"in two halves": {"Nightlatch-Client-Id": {made.ID}, "Nightlatch-Client-Secret": {made.Secret}},
	} {
		if c, found := visit.Presented(h); !found || c.Token != made.Token || !credential.IsKey(c.Token) {
			t.Errorf("%s: got %+v, %v; want the key %q", name, c, found, made.Token)
		}
	}
}
