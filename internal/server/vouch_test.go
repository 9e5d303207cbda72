// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// TestMF1DoorsAgreeOnWhomTheHandlerInFrontNames: the application and the account are open in a session of the person who is named, and in
// no other. What was begun with that handler's word is worth nothing on another port of the host, where none vouches.
func TestMF1DoorsAgreeOnWhomTheHandlerInFrontNames(t *testing.T) {
	b := authtest.New(t)
	site := newSite(t, b)
	typed := b.Enroll(t, auth.NewUser{Name: "alice"})
	named := typed.Client()
	named.Vouched = "alice"
	p, err := b.Vouch(t.Context(), named, auth.Vouching{})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = b.Code(t.Context(), named, p.Attempt, auth.TOTP, typed.Code()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		session, vouched string
		want             bool
	}{
		{typed.Session, "", true},
		{typed.Session, "alice", true},
		{typed.Session, "bob", false},
		{typed.Session, "<nobody>", false},
		{p.Session, "alice", true},
		{p.Session, "ALICE", true},
		{p.Session, "bob", false},
		{p.Session, "", false},
	} {
		for _, path := range []string{"/app", "/_nightlatch/account", "/_nightlatch/two-factor/disable", "/_nightlatch/sessions", "/_nightlatch/sign-out"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Accept", "text/html")
			r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Session), Value: c.session})
			w := httptest.NewRecorder()
			v := visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host), Vouched: c.vouched}
			err := site.ServeHTTP(w, r, v, func(w http.ResponseWriter, _ *http.Request, s *auth.Session) error { return nil })
			if got := w.Code == http.StatusOK; err != nil || got != c.want {
				t.Errorf("%s, session of a password %t, named %q: got %d, %v, want in: %t", path, c.session == typed.Session, c.vouched, w.Code, err, c.want)
			}
		}
	}
}
