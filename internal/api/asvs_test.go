// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/auth"
)

// section is a part of a page, from its heading to the next one of its rank.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n## "+heading+"\n")
	part, _, ended := strings.Cut(part, "\n## ")
	if !found || !ended {
		t.Fatalf("%s has no section %s", page, heading)
	}
	return part
}

// ASVS 6.1.3: every way in is in docs/security.md, and nothing else is. A route that is added has to be written down there, with what it
// takes and what it gives, and in docs/api.md.
func TestASVS6_1_3EveryRouteIsInThePages(t *testing.T) {
	var want []string
	for _, r := range api.Routes() {
		want = append(want, r.Method+" "+r.Path)
	}
	slices.Sort(want)
	for page, text := range map[string]string{
		"docs/security.md": section(t, "../../docs/security.md", "The API"),
		"docs/api.md":      section(t, "../../docs/api.md", "All routes"),
	} {
		var got []string
		for _, m := range regexp.MustCompile("`([A-Z]+) (?:/api/v1/)?([^` ]+)`").FindAllStringSubmatch(text, -1) {
			got = append(got, m[1]+" "+m[2])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has\n%q\nand there is\n%q", page, got, want)
		}
	}
}

// docs/api.md has every type of problem with its status, and no other.
func TestProblemsAreInThePage(t *testing.T) {
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([0-9]+) \\|").FindAllStringSubmatch(section(t, "../../docs/api.md", "Errors"), -1) {
		got = append(got, m[2]+" "+m[1])
	}
	slices.Sort(got)
	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`\{status: ([0-9]+), name: "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, m[1]+" "+m[2])
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if len(want) < 30 || !slices.Equal(got, want) {
		t.Errorf("the page has\n%q\nand there is\n%q", got, want)
	}
}

// Each kind of error has a problem of its own, but for those that no act of the API ends with. A kind that is added has to be thought of.
func TestEveryKindIsTold(t *testing.T) {
	never := []auth.Kind{
		auth.LinkGone, auth.NameTaken, auth.Disabled, auth.LastAdministrator, auth.BadAddress, auth.SameAddress, auth.FormGone, auth.FormSent,
	}
	n := 0
	for kind := auth.Unavailable; (&auth.Error{Kind: kind}).Error() != ""; kind++ {
		n++
		if got, want := api.Tells(kind), !slices.Contains(never, kind); got != want {
			t.Errorf("%v: told %v, want %v", &auth.Error{Kind: kind}, got, want)
		}
	}
	if n < 40 {
		t.Errorf("looked at %d kinds", n)
	}
}
