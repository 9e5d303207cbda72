// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/visit"
)

func preset(t testing.TB, name string) identity.Config {
	t.Helper()
	c, err := identity.Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// spellings are what CGI and its heirs take for the same name (CVE-2025-64484, CVE-2026-52845 in peers).
func spellings(name string) []string {
	lower := strings.ToLower(name)
	return []string{
		name, http.CanonicalHeaderKey(name), lower, strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(lower, "-", "_"),
		strings.ReplaceAll(name, "-", "."), strings.ReplaceAll(name, "-", "__"), strings.ReplaceAll(name, "-", "-_"), strings.Replace(lower, "-", "~", 1),
	}
}

// ID-2, ID-5, ID-6, ID-10: what one preset sends is taken away from what clients send on the sites of all others, in every spelling,
// signed in or not: an application often reads more than its operator knows.
func TestTellRemovesTheHeadersOfEveryPreset(t *testing.T) {
	sites := map[string]identity.Config{"no headers": {}, "the defaults": identity.Defaults}
	for _, name := range identity.Presets() {
		sites["preset "+name] = preset(t, name)
	}
	for site, config := range sites {
		told := teller(t, config)
		for _, name := range identity.Presets() {
			c := preset(t, name)
			for _, header := range []string{c.User, c.Name, c.Email, c.Groups} {
				if header == "" {
					continue
				}
				for _, spelled := range spellings(header) {
					for _, s := range []*auth.Session{nil, {}} {
						r := request(http.Header{spelled: {"root"}, "Accept": {"*/*"}})
						told.Tell(r, s, visit.Visit{})
						if want := (http.Header{"Accept": {"*/*"}}); !maps.EqualFunc(r.Header, want, slices.Equal) {
							t.Errorf("%s of %s on a site with %s (session %t): headers %v; want %v", spelled, name, site, s != nil, r.Header, want)
						}
					}
				}
			}
		}
	}
}

func TestTellJoinsGroupsAsThePresetSays(t *testing.T) {
	s := &auth.Session{Name: "alice", FullName: "Alice", Email: "alice@example.test", Groups: []string{"admins", "staff"}, GroupList: "admins,staff"}
	for name, want := range map[string]http.Header{
		"grafana": {"X-Webauth-User": {"alice"}, "X-Webauth-Name": {"Alice"}, "X-Webauth-Email": {"alice@example.test"}, "X-Webauth-Groups": {"admins,staff"}},
		"jenkins": {
			"X-Forwarded-User": {"alice"}, "X-Forwarded-Displayname": {"Alice"}, "X-Forwarded-Mail": {"alice@example.test"},
			"X-Forwarded-Groups": {"admins|staff"},
		},
		"opensearch": {"X-Proxy-User": {"alice"}, "X-Proxy-Roles": {"admins,staff"}},
		"miniflux":   {"Remote-User": {"alice"}},
	} {
		r := request(http.Header{})
		teller(t, preset(t, name)).Tell(r, s, visit.Visit{})
		if !maps.EqualFunc(r.Header, want, slices.Equal) {
			t.Errorf("%s: headers %v; want %v", name, r.Header, want)
		}
	}
}

// Nobody is identified by an address, which people change: each preset has a header for the user name.
func TestEveryPresetNamesTheUser(t *testing.T) {
	for _, name := range identity.Presets() {
		if preset(t, name).User == "" {
			t.Errorf("%s has no header for the user name", name)
		}
	}
}

func TestPresetRefuses(t *testing.T) {
	for _, name := range []string{"", "Grafana", "grafana ", "none"} {
		_, err := identity.Preset(name)
		if err == nil || !strings.Contains(err.Error(), "'"+name+"'") || !strings.Contains(err.Error(), "2fauth, calibreweb, ") {
			t.Errorf("Preset(%q): %v; want an error that names it and lists what there is", name, err)
		}
	}
}
