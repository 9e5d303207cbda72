// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// ASVS 6.2.12: passwords that breaches have made public are refused, and nothing outside of the process is asked for it: the list is in the
// program, and the package could not open a connection.
func TestASVS6_2_12BreachedPasswordsAreRefusedOffline(t *testing.T) {
	for _, plain := range []string{
		"samsung1", "liverpool1", "charlie123", "chelsea1", "arsenal123", "babygirl1", "jessica1", "michael1", "computer1", "superman1",
	} {
		if got := reasonOf(t, Check(plain, 8)); got != Common {
			t.Errorf("%q: got reason %d, want %d (common)", plain, got, Common)
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil || len(sources) < 4 {
		t.Fatalf("got the files %q, %v", sources, err)
	}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if p := strings.Trim(i.Path.Value, `"`); p == "net" || strings.HasPrefix(p, "net/") || p == "os" || strings.HasPrefix(p, "os/") {
				t.Errorf("%s imports %s", name, p)
			}
		}
	}
}
