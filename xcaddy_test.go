// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package nightlatch_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/caddyserver/xcaddy"
)

// xcaddy.json is a Builder of xcaddy, so that whoever builds with it gets the Caddy that this repository is tested with.
func TestXcaddyBuildsWhatWeTest(t *testing.T) {
	file, err := os.ReadFile("xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	var builder xcaddy.Builder
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&builder); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := builder.CaddyVersion, inMod(t, mod, `github\.com/caddyserver/caddy/v2 (v\S+)`); got != want {
		t.Errorf("got Caddy %s, want that of go.mod, %s", got, want)
	}
	if len(builder.Plugins) != 1 {
		t.Fatalf("got plugins %v, want one", builder.Plugins)
	}
	if got, want := builder.Plugins[0].PackagePath, inMod(t, mod, `(?m)^module (\S+)`); got != want {
		t.Errorf("got plugin %s, want this module, %s", got, want)
	}
	if len(builder.Replacements) != 0 {
		t.Errorf("got replacements %v, want none: they would not exist elsewhere", builder.Replacements)
	}
}

func inMod(t *testing.T, mod []byte, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindSubmatch(mod)
	if found == nil {
		t.Fatalf("go.mod has no %s", pattern)
	}
	return string(found[1])
}
