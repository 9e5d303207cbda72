// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package houserules holds the tests that read the repository itself: which room may import which (imports_test.go), that every
// Caddyfile and every JSON beside one in the documents is what Caddy makes of it (caddyfiles_test.go), that the documents name what
// the code has (documents_test.go), and what every file must carry and may not (files_test.go). It has no code of its own.
package houserules

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the top of the repository.
const root = "../.."

// files returns the slash-separated paths of all files that belong to the repository, in order.
func files(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(p, root), string(filepath.Separator)))
		switch {
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || name == "nightlatch-data"):
			return fs.SkipDir
		case name == ".git": // of a worktree
		case d.Type().IsRegular() && !isBuilt(name):
			all = append(all, name)
		}
		return nil
	})
	if err != nil || len(all) < 100 {
		t.Fatalf("got %d files, %v", len(all), err)
	}
	return all
}

// isBuilt tells what .gitignore leaves out.
func isBuilt(name string) bool {
	return name == "nightlatch" || slices.Contains([]string{".test", ".out"}, path.Ext(name))
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// documents are the pages that people read.
func documents(t *testing.T) []string {
	t.Helper()
	pages := slices.DeleteFunc(files(t), func(name string) bool { return path.Ext(name) != ".md" })
	if len(pages) < 5 {
		t.Fatalf("got only the pages %q", pages)
	}
	return pages
}
