// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package houserules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// requirements are the rows of OWASP ASVS 5.0.0 that docs/security.md must answer: all of chapters V6 and V7 up to level 2, and of every
// chapter the rows of level 3, and of lower ones beside them, that this project has chosen.
var requirements = strings.Fields(`
	6.1.1 6.1.2 6.1.3
	6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.2.9 6.2.10 6.2.11 6.2.12
	6.3.1 6.3.2 6.3.3 6.3.4 6.3.5 6.3.7 6.3.8
	6.4.1 6.4.2 6.4.3 6.4.4 6.4.6
	6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.5.6 6.5.8
	6.6.1 6.6.2 6.6.3
	7.1.1 7.1.2 7.1.3
	7.2.1 7.2.2 7.2.3 7.2.4
	7.3.1 7.3.2
	7.4.1 7.4.2 7.4.3 7.4.4 7.4.5
	7.5.1 7.5.2 7.5.3
	7.6.2
	9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 9.2.4
	3.3.5 3.4.8 3.5.8 4.1.2 4.1.4 4.2.5 8.3.2 8.4.2 11.2.4 11.2.5 11.3.4 15.4.1 15.4.2 16.5.4
`)

// without are the rows of those chapters that do not apply, or are of level 3 and not chosen. The page says why.
var without = strings.Fields("6.3.6 6.4.5 6.5.7 6.6.4 6.7.1 6.7.2 6.8.1 6.8.2 6.8.3 6.8.4 7.6.1")

// byReading is the row that no test can hold: a sentence about what other programs do.
const byReading = "7.1.3"

const securityPage = "docs/security.md"

// Every row of the requirements stands once in the table of docs/security.md, and every row without a proof in the one after it.
func TestSecurityPageAnswersEveryRow(t *testing.T) {
	if got := answers(t); !slices.Equal(slices.Sorted(maps.Keys(got)), sorted(requirements)) {
		t.Errorf("the rows of the table: got %q, want %q", slices.Sorted(maps.Keys(got)), sorted(requirements))
	}
	_, section, _ := strings.Cut(read(t, securityPage), "\n## Rows that do not apply\n")
	var got []string
	for _, cells := range tableRows(section) {
		got = append(got, strings.Fields(cells[0])...)
	}
	if !slices.Equal(sorted(got), sorted(without)) {
		t.Errorf("the rows that do not apply: got %q, want %q", sorted(got), sorted(without))
	}
}

// Every test that docs/security.md names is there, and every row has one that is named after it, or says so in its comment. So neither a
// test that is gone nor one that proves something else stands for a requirement.
func TestSecurityPageNamesTestsThatExist(t *testing.T) {
	tests := testsOfPackages(t)
	for row, names := range answers(t) {
		ownName := false
		for _, name := range names {
			comment, exists := tests[name]
			if !exists {
				t.Errorf("row %s: there is no test %s", row, name)
			}
			isNamed := regexp.MustCompile(`ASVS` + strings.ReplaceAll(row, ".", "_") + `(\D|$)`).MatchString(name)
			ownName = ownName || isNamed || namesRow(comment, row)
		}
		if !ownName && row != byReading {
			t.Errorf("row %s: none of %q is named after it", row, names)
		}
	}
}

// namesRow tells whether a comment names a row of ASVS: "ASVS 6.2.3, 6.2.4".
func namesRow(comment, row string) bool {
	_, after, found := strings.Cut(comment, "ASVS")
	return found && regexp.MustCompile(`(^|[^\d.])`+regexp.QuoteMeta(row)+`([^\d.]|\.\D|\.?$)`).MatchString(after)
}

func TestNamesRow(t *testing.T) {
	for comment, want := range map[string]bool{
		"ASVS 6.2.1: x": true, "x (ASVS 6.1.3, 6.2.1)": true, "ASVS 6.2.1.": true, "says ASVS 6.2.1. And": true, "ASVS 6.2.1 and 7.1.1": true,
		"ASVS 6.2.10: x": false, "ASVS 16.2.1": false, "6.2.1": false, "ASVS 6.2.1.4": false, "": false,
	} {
		if got := namesRow(comment, "6.2.1"); got != want {
			t.Errorf("%q names 6.2.1: got %t, want %t", comment, got, want)
		}
	}
}

// answers are the tests that the page names for each row.
func answers(t *testing.T) map[string][]string {
	t.Helper()
	_, section, found := strings.Cut(read(t, securityPage), "\n## Row by row\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatalf("%s has no section of rows", securityPage)
	}
	test := regexp.MustCompile("`([a-z0-9/]+\\.(?:Test|Fuzz)[A-Za-z0-9_]+)`")
	rows := map[string][]string{}
	for _, cells := range tableRows(section) {
		if len(cells) != 4 || cells[2] == "" {
			t.Errorf("row %q: got %d cells, want four, of which the third says what we do", cells[0], len(cells))
			continue
		}
		if _, twice := rows[cells[0]]; twice {
			t.Errorf("row %s stands twice", cells[0])
		}
		rows[cells[0]] = nil
		for _, m := range test.FindAllStringSubmatch(cells[3], -1) {
			rows[cells[0]] = append(rows[cells[0]], m[1])
		}
	}
	return rows
}

// tableRows are the cells of the rows whose first cell is one or more numbers of rows of ASVS.
func tableRows(section string) (rows [][]string) {
	number := regexp.MustCompile(`^(\d+\.\d+\.\d+ ?)+$`)
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if number.MatchString(cells[0]) {
			rows = append(rows, cells)
		}
	}
	return rows
}

// testsOfPackages are the comments of all tests, by the last name of the folder and that of the test.
func testsOfPackages(t *testing.T) map[string]string {
	t.Helper()
	tests := map[string]string{}
	for _, name := range files(t) {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				tests[path.Base(path.Dir(name))+"."+f.Name.Name] = f.Doc.Text()
			}
		}
	}
	if len(tests) < 300 {
		t.Fatalf("found only %d tests", len(tests))
	}
	return tests
}
