// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/gate"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// A program is asked for what the site asks where no rule says otherwise, in whatever order the rules stand, and for two factors where there
// is no such rule, or one that lets nobody in.
func TestProgramsAreAskedForTheDefault(t *testing.T) {
	never := func(*http.Request) (bool, error) { return false, nil }
	some := gate.Rule{Need: auth.Requirement{Level: auth.LevelPassword}, Text: "require @some password", Match: never}
	weak := gate.Rule{Need: auth.Requirement{Level: auth.LevelPassword}, Text: "require password"}
	for name, c := range map[string]struct {
		rules []gate.Rule
		want  string
	}{
		"no rules":          {nil, "enrollment_required"},
		"a rule for some":   {[]gate.Rule{some}, "enrollment_required"},
		"two factors":       {[]gate.Rule{some, {Need: auth.Requirement{Level: auth.LevelTwoFactor}, Text: "require two_factor"}}, "enrollment_required"},
		"a password":        {[]gate.Rule{weak}, "signed_in"},
		"a password before": {[]gate.Rule{weak, {Need: auth.Requirement{Level: auth.LevelTwoFactor}, Text: "require @some two_factor", Match: never}}, "signed_in"},
		"nobody":            {[]gate.Rule{some, {Action: gate.Deny, Text: "deny"}}, "enrollment_required"},
	} {
		b := authtest.New(t)
		bob := b.AddUser(t, auth.NewUser{Name: "bob"})
		site, err := server.NewSite(server.SiteConfig{
			Service: func() (*auth.Service, error) { return b.Service, nil }, Headers: identity.Defaults, Now: b.Clock.Now, Rules: c.rules,
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := json.Marshal(map[string]string{"username": "bob", "password": bob.Password})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/_nightlatch/api/v1/sign-in", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if err := site.ServeHTTP(w, r, visit.Visit{URL: r.URL, Transport: visit.Secure, Host: "app.test"}, mustNot(t)); err != nil {
			t.Fatal(err)
		}
		var answer struct{ Status string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Status != c.want {
			t.Errorf("%s: got %d, %q; want %q\n%s", name, w.Code, answer.Status, c.want, w.Body)
		}
	}
}
