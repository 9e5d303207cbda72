// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package guidetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guide is a page: the configuration that it shows, and what it has its reader do.
type guide struct {
	file      string
	caddyfile string
	steps     []step
}

// step is one block of commands and what the page says is answered: JSON, text, or nothing.
type step struct {
	line    int
	command string
	kind    string // "json", "text", or empty
	answer  string
}

// block is a fenced block of a page.
type block struct {
	line int // of its fence
	kind string
	text string
}

func blocks(page string) (list []block) {
	var open *block
	number := 0
	for line := range strings.Lines(page) {
		number++
		word, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open != nil:
			list, open = append(list, *open), nil
		case fence:
			open = &block{line: number, kind: strings.TrimSpace(word)}
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		list = append(list, *open)
	}
	return list
}

func readGuide(t *testing.T, file string) guide {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g, err := parse(filepath.Base(file), string(text))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// parse takes a page apart. A block that would neither be run nor be compared with an answer is an error.
func parse(file, text string) (guide, error) {
	g := guide{file: file}
	refuse := func(b block, why string) (guide, error) { return g, fmt.Errorf("%s:%d: %s", file, b.line, why) }
	answered := true // nothing waits for an answer
	for _, b := range blocks(text) {
		switch b.kind {
		case "caddyfile":
			if g.caddyfile != "" || len(g.steps) > 0 {
				return refuse(b, "a second Caddyfile, or one after the first command: the program is started once, with one")
			}
			g.caddyfile = b.text
		case "sh":
			g.steps = append(g.steps, step{line: b.line, command: b.text})
			answered = false
		case "json", "text":
			if answered {
				return refuse(b, "an answer to no command")
			}
			last := &g.steps[len(g.steps)-1]
			last.kind, last.answer = b.kind, b.text
			answered = true
		default:
			return refuse(b, fmt.Sprintf("a block of %q: a guide has caddyfile, sh, json and text", b.kind))
		}
	}
	if g.caddyfile == "" || len(g.steps) == 0 {
		return g, fmt.Errorf("%s: a guide has a Caddyfile and commands", file)
	}
	return g, nil
}

// What would not be run, or not compared, is not let through.
func TestParse(t *testing.T) {
	const config = "```caddyfile\na\n```\n"
	fence := func(kind, text string) string { return "```" + kind + "\n" + text + "\n```\n" }
	for name, c := range map[string]struct{ page, want string }{
		"a guide":                  {config + fence("sh", "b") + "Some words.\n" + fence("json", "c") + fence("sh", "d") + fence("sh", "e") + fence("text", "f"), ""},
		"no Caddyfile":             {fence("sh", "b"), "x.md: a guide has a Caddyfile and commands"},
		"no command":               {config, "x.md: a guide has a Caddyfile and commands"},
		"two Caddyfiles":           {config + config + fence("sh", "b"), "x.md:4: a second Caddyfile, or one after the first command: the program is started once, with one"},
		"a Caddyfile that is late": {fence("sh", "b") + config, "x.md:4: a second Caddyfile, or one after the first command: the program is started once, with one"},
		"an answer first":          {config + fence("json", "c") + fence("sh", "b"), "x.md:4: an answer to no command"},
		"two answers":              {config + fence("sh", "b") + fence("json", "c") + fence("text", "d"), "x.md:10: an answer to no command"},
		"another language":         {config + fence("bash", "b"), `x.md:4: a block of "bash": a guide has caddyfile, sh, json and text`},
		"no language":              {config + fence("", "b"), `x.md:4: a block of "": a guide has caddyfile, sh, json and text`},
	} {
		g, err := parse("x.md", c.page)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if err == nil && fmt.Sprint(g.steps) != "[{4 b\n json c\n} {11 d\n  } {14 e\n text f\n}]" {
			t.Errorf("%s: got %v", name, g.steps)
		}
	}
}
