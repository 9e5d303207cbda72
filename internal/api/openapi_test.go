// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/api/apitest"
)

// Each route is described. What it answers is held to that by every test that asks for something, see desk.ask.
func TestEveryRouteIsDescribed(t *testing.T) {
	described, err := apitest.Routes()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range api.Routes() {
		if name := r.Method + " " + r.Path; !slices.Contains(described, name) {
			t.Errorf("docs/openapi.yaml does not describe %s", name)
		}
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
}
