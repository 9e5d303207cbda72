// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package guidetest runs the pages of docs/guides as somebody does who types them off: each command block, in its order and in one shell,
// against the real program with the Caddyfile of the page, with a real mail server and a real receiver of the webhook beside it. What is
// answered has to be what the page says, member by member.
//
// It holds tests only. page_test.go takes a page apart, house_test.go starts the program and what is around it, shell_test.go is the shell,
// and match_test.go says when an answer is the one of the page. What is replaced are addresses: the sites get a port, since the usual one
// may be taken or is not to be had, and the Caddyfile gets the addresses of this mail server, receiver and application. That the names of
// the sites lead to this machine is in curl's own configuration file, and on the way there each answer of the API is held to
// docs/openapi.yaml. The programs curl, jq, oathtool and zbarimg are those of the machine. oathtool alone runs behind a few lines that say
// which time it is (shell_test.go), since a person waits half a minute for the next code of their phone, and the test does not.
package guidetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// guides is where the pages are.
const guides = "../../docs/guides"

// Every guide is run. A page that is added is run too.
func TestGuides(t *testing.T) {
	peers(t)
	pages, err := filepath.Glob(filepath.Join(guides, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	run := 0
	for _, file := range pages {
		if filepath.Base(file) == "README.md" { // the list of them
			continue
		}
		run++
		t.Run(filepath.Base(file), func(t *testing.T) { follow(t, readGuide(t, file)) })
	}
	if run < 4 {
		t.Errorf("there are only %d guides, want those of four systems", run)
	}
}

// The list of guides has no commands, or nobody would run them.
func TestListOfGuidesHasNoCommands(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(guides, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks(string(text)) {
		t.Errorf("README.md has a block of %q, which nothing runs:\n%s", b.kind, b.text)
	}
}

// peers are the programs that the pages name. Without one of them the test is skipped, except where every peer must be there.
func peers(t *testing.T) {
	t.Helper()
	for name, pack := range map[string]string{"curl": "curl", "jq": "jq", "oathtool": "oathtool", "zbarimg": "zbar-tools", "base64": "coreutils"} {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("NIGHTLATCH_REQUIRE") == "all" {
			t.Fatalf("%s is not installed, and NIGHTLATCH_REQUIRE=all wants it", name)
		}
		t.Skipf("SKIPPED: %s is not installed, so no guide was run. Debian has it in the package %s.", name, pack)
	}
}

// follow does what a page says.
func follow(t *testing.T, g guide) {
	h := newHouse(t, g)
	sh := h.shell(t, g)
	for _, s := range g.steps {
		s.command, s.answer = h.addressed(s.command), h.addressed(s.answer)
		got := sh.run(t, s)
		if err := s.fits(got); err != nil {
			t.Fatalf("%s:%d: %v\nthe command:\n%s\nits answer:\n%s", g.file, s.line, err, s.command, got)
		}
	}
	if left := h.unread(); len(left) > 0 {
		t.Errorf("%s: codes were sent that no command reads: %d", g.file, len(left))
	}
}
