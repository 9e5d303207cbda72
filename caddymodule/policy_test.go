// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"testing"

	"github.com/nightlatch/nightlatch/internal/identity"
)

// Caddy shows the comments of the JSON fields as their documentation: the one of `preset` names each of them, and none that is not there.
func TestPresetsAreDocumented(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "policy.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	ast.Inspect(file, func(n ast.Node) bool {
		field, is := n.(*ast.Field)
		if is && len(field.Names) == 1 && field.Names[0].Name == "Preset" {
			for _, word := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(field.Doc.Text(), -1) {
				said = append(said, word[1])
			}
		}
		return true
	})
	if len(said) == 0 || said[0] != "headers" {
		t.Fatalf("got %q, want `headers` and then the presets", said)
	}
	if got, want := said[1:], identity.Presets(); !slices.Equal(got, want) {
		t.Errorf("the comment of Preset names %q, want %q", got, want)
	}
}
