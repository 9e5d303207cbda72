// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var update = flag.Bool("update", false, "write what was adapted into the files of testdata/adapt")

const dashes = "\n----------\n"

// TestAdapt goes through testdata/adapt: a Caddyfile, ten dashes, and the JSON or the error that it adapts to.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) < 40 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, found := strings.Cut(string(content), dashes)
			if !found {
				t.Fatal("no line of ten dashes")
			}
			got := adapted(t, input+"\n")
			if *update {
				if err := os.WriteFile(file, []byte(input+dashes+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want = strings.TrimSpace(want); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			// An error names the file and the line, or it is no help.
			if isError := !strings.HasPrefix(want, "{"); isError != strings.HasPrefix(filepath.Base(file), "error_") || isError && !strings.Contains(got, "Caddyfile:") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// adapted returns the JSON or the error.
func adapted(t *testing.T, input string) string {
	t.Helper()
	adapter := caddyfile.Adapter{ServerType: httpcaddyfile.ServerType{}}
	output, warnings, err := adapter.Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err.Error()
	}
	for _, w := range warnings {
		t.Errorf("warning: %s", w)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, output, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String()
}

// TestEveryCaddyfileAdapts holds every Caddyfile of the repository against the parser, and against `caddy fmt`.
func TestEveryCaddyfileAdapts(t *testing.T) {
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == ".git" || d.Name() == "nightlatch-data") {
			return fs.SkipDir
		}
		name := d.Name()
		if d.IsDir() || !strings.HasPrefix(name, "Caddyfile") && filepath.Ext(name) != ".caddyfile" {
			return nil
		}
		found++
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(content, map[string]any{"filename": path})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		for _, w := range warnings {
			t.Errorf("%s: %s", path, w)
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Errorf("found %d Caddyfiles, %v", found, err)
	}
}
