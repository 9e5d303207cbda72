// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package houserules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/nightlatch/nightlatch/internal/identity"
)

// docs/events.md names every event that there is, and no other.
func TestEventsPageIsComplete(t *testing.T) {
	want := constants(t, "internal/auth/event.go", "Event")
	got := slices.Compact(sorted(firstColumn(read(t, "docs/events.md"), "Type"))) // a type has a row for each of its outcomes
	if !slices.Equal(got, sorted(want)) {
		t.Errorf("got %q, want %q", got, sorted(want))
	}
}

// The keys of a log line are what operators search for, so the page names each of them.
func TestEventsPageNamesTheKeys(t *testing.T) {
	source := read(t, "caddymodule/events.go")
	var want []string
	for _, m := range regexp.MustCompile(`(?:slog\.String|optional)\("([a-z_]+)"`).FindAllStringSubmatch(source, -1) {
		want = append(want, m[1])
	}
	if len(want) < 5 {
		t.Fatalf("found only the keys %q", want)
	}
	if got := firstColumn(read(t, "docs/events.md"), "Key"); !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("got %q, want %q", sorted(got), sorted(want))
	}
}

// constants returns the values of the string constants of a file whose names begin with a prefix.
func constants(t *testing.T, name, prefix string) (values []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants %s…", name, prefix)
	}
	return values
}

// firstColumn returns what stands in backticks in the first column of the tables of a page that are headed so.
func firstColumn(page, head string) (cells []string) {
	in := false
	for line := range strings.Lines(page) {
		first, _, isRow := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|")
		first = strings.TrimSpace(first)
		switch {
		case !isRow:
			in = false
		case first == head:
			in = true
		case in && strings.HasPrefix(first, "`"):
			cells = append(cells, strings.Trim(first, "`"))
		}
	}
	return cells
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// The tables of docs/caddyfile.md have each word that the parsers allow in a site and in protect, and no other. The parsers say which in
// the error for one that they do not know.
func TestCaddyfilePageNamesTheWords(t *testing.T) {
	page := read(t, "docs/caddyfile.md")
	var inSite []string
	for _, cell := range firstColumn(page, "line") {
		word, _, _ := strings.Cut(cell, " ")
		inSite = append(inSite, word)
	}
	row := regexp.MustCompile(`(?m)^\| the block \| (.*?), as for a site of its own`).FindStringSubmatch(page)
	if row == nil {
		t.Fatal("the page does not say which words protect takes")
	}
	var inProtect []string
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
		inProtect = append(inProtect, m[1])
	}
	for config, got := range map[string][]string{
		"app.example.com {\n\tnightlatch {\n\t\tunknown\n\t}\n}\n":                                       inSite,
		"app.example.com {\n\tnightlatch {\n\t\tprotect a.example.com {\n\t\t\tunknown\n\t\t}\n\t}\n}\n": inProtect,
	} {
		_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
		if err == nil {
			t.Fatal("an unknown word is allowed")
		}
		allowed := regexp.MustCompile(`allowed: ([a-z_, ]+), at`).FindStringSubmatch(err.Error())
		if allowed == nil {
			t.Fatalf("the error does not say what is allowed: %v", err)
		}
		if want := strings.Split(allowed[1], ", "); !slices.Equal(sorted(got), want) {
			t.Errorf("got %q, want %q", sorted(got), want)
		}
	}
}

// The comment of the JSON field and docs/caddyfile.md list the presets that there are.
func TestPresetsAreListed(t *testing.T) {
	for name, list := range map[string]*regexp.Regexp{
		"caddymodule/policy.go": regexp.MustCompile(`(?s)There are (.*?)\. Default`),
		"docs/caddyfile.md":     regexp.MustCompile(`(?s)### Applications with a preset(.*?)` + "```"),
	} {
		found := list.FindStringSubmatch(read(t, name))
		if found == nil {
			t.Errorf("%s has no list of presets", name)
			continue
		}
		var got []string
		for _, m := range regexp.MustCompile("`([a-z0-9]+)`").FindAllStringSubmatch(strings.ReplaceAll(found[1], "`headers`", ""), -1) {
			got = append(got, m[1])
		}
		if want := identity.Presets(); !slices.Equal(sorted(got), want) {
			t.Errorf("%s: got %q, want %q", name, sorted(got), want)
		}
	}
}

// A link in a page leads to a file that is there, and to a heading of it.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(m[1], "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: the link %s: %v", name, m[1], err)
				continue
			}
			if heading != "" && !slices.Contains(headings(read(t, to)), heading) {
				t.Errorf("%s: the link %s leads to a heading that is not there", name, m[1])
			}
		}
	}
}

// headings are the anchors that GitHub makes of the headings of a page.
func headings(page string) (anchors []string) {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.Lines(page) {
		if text, is := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); is && strings.HasPrefix(line, "#") {
			anchors = append(anchors, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), ""), " ", "-"))
		}
	}
	return anchors
}
