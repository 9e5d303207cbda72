// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit_test

import (
	"net/url"
	"testing"

	"github.com/nightlatch/nightlatch/internal/visit"
)

// A path of ours has one spelling. CS-9: nothing that another reader would clean up is taken for one.
func TestPlainlySpelled(t *testing.T) {
	for path, want := range map[string]bool{
		"/_nightlatch/sign-in": true, "/_nightlatch/static/style.css": true, "/_nightlatch/api/v1/two-factor/0a1b": true, "/_nightlatch/reset/AbC_-9": true, "/_nightlatch/": true,
		"/_nightlatch/.well-known/openid-configuration": true, "/_nightlatch/x.well-known/": true,

		"/_nightlatch//sign-in": false, "/_nightlatch/./sign-in": false, "/_nightlatch/x/../sign-in": false, "/_nightlatch/.hidden": false, "/_nightlatch/a..b": false,
		"/_nightlatch/sign%2din": false, "/_nightlatch/sign-in%00": false, "/_nightlatch/sign-in;x": false, "/_nightlatch/sign%5cin": false, "/_nightlatch/sign+in": false,
		"/_nightlatch/.well-known": false, "/_nightlatch/.Well-Known/x": false, "/_nightlatch/ü": false, "/_nightlatch/a%20b": false,
	} {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := visit.PlainlySpelled(u); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	for name, u := range map[string]*url.URL{"nothing": nil, "opaque": {Opaque: "x", Path: "/x"}, "a fragment": {Path: "/x", Fragment: "y"}} {
		if visit.PlainlySpelled(u) {
			t.Errorf("%s is plain", name)
		}
	}
}
