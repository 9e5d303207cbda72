// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package houserules

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// Whoever copies one file takes its license along.
func TestSourceFilesNameTheirLicense(t *testing.T) {
	kinds := map[string]bool{".go": true, ".js": true, ".css": true, ".html": true, ".svg": true, ".sh": true, ".example": true, ".caddyfile": true, ".lua": true}
	checked := 0
	for _, name := range files(t) {
		if !kinds[path.Ext(name)] && name != ".ci/run" {
			continue
		}
		checked++
		lines := strings.SplitN(read(t, name), "\n", 4)
		if strings.HasPrefix(lines[0], "#!") {
			lines = lines[1:]
		}
		if len(lines) < 2 || !strings.Contains(lines[0], "SPDX-FileCopyrightText: The Nightlatch authors") ||
			!strings.Contains(lines[1], "SPDX-License-Identifier: Apache-2.0") {
			t.Errorf("%s does not begin with the two SPDX lines", name)
		}
	}
	if checked < 100 {
		t.Errorf("got %d source files", checked)
	}
}

// What is so on one developer's machine is so nowhere else. The patterns are in pieces, or this file would not pass itself.
var machine = regexp.MustCompile(`(^|[\s"'=(:])` + `/(root|work|Users|home/[a-z])` + `/` + `|` + `\bgo-build` + `\d`)

func TestNoFileNamesAMachine(t *testing.T) {
	for _, name := range files(t) {
		text := read(t, name)
		if strings.ContainsRune(text, 0) || path.Ext(name) == ".log" {
			continue // a program that somebody has built here, or what it said
		}
		for i, line := range strings.Split(text, "\n") {
			if machine.MatchString(line) {
				t.Errorf("%s:%d names a path of one machine: %s", name, i+1, line)
			}
		}
	}
}
