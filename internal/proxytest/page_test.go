// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package proxytest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// page is a page of docs/proxies: its blocks of code, in order, by the word after the fence.
type page map[string][]string

func readPage(t testing.TB, name string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxies", name))
	if err != nil {
		t.Fatal(err)
	}
	p := page{}
	var kind, block string
	open := false
	for line := range strings.Lines(string(text)) {
		word, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open:
			p[kind] = append(p[kind], block)
			open = false
		case fence:
			kind, block, open = strings.TrimSpace(word), "", true
		case open:
			block += line
		}
	}
	return p
}

// want is the blocks of one kind, of which there have to be n.
func (p page) want(t testing.TB, kind string, n int) []string {
	t.Helper()
	if len(p[kind]) != n {
		t.Fatalf("the page has %d blocks of %s, want %d", len(p[kind]), kind, n)
	}
	return p[kind]
}

// replace is strings.NewReplacer for a configuration out of a page, and fails when the page does not have what is to be replaced: the
// test would go on with an address of the page.
func replace(t testing.TB, text string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("the page does not have %q any more, in:\n%s", oldnew[i], text)
		}
		text = strings.ReplaceAll(text, oldnew[i], oldnew[i+1])
	}
	return text
}
