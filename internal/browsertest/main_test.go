// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package browsertest walks the ways of a person through Nightlatch in a real Chromium, against the real program as a process of its
// own: from the setup link to the application and back in, with JavaScript and without, and what happens to open pages when an operator
// ends a session. What needs the clock to move runs the same rooms in this process instead (clock_test.go).
//
// It holds tests only. tab_test.go is the browser: each step waits for the page that it leads to, and each page of ours is held to what
// every page of ours must be: labeled fields, visible focus, no sideways scrolling on a small phone, nothing loaded from elsewhere, and
// nothing that axe-core finds wrong (axe_test.go; `npm ci --prefix internal/browsertest` installs it). program_test.go is the program, on
// a configuration made of Caddyfile.example. With NIGHTLATCH_SCREENSHOTS=DIR each page is saved there, wide and phone-sized, light and
// dark, for somebody to look at.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// workshop is what all tests share: a directory, the program built into it and one running browser.
var workshop string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "browsertest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	workshop = dir
	code := m.Run()
	stopChromium()
	os.RemoveAll(dir)
	os.Exit(code)
}

var stopChromium = func() {}

var startChromium = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, err
	}
	ctx, _ := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.UserDataDir(filepath.Join(workshop, "chromium")), chromedp.WindowSize(wide.width, wide.height),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("host-resolver-rules", "MAP *.example.com 127.0.0.1, MAP *.example.net 127.0.0.1, MAP *.example.org 127.0.0.1"),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("password-store", "basic"),
		chromedp.Flag("hide-scrollbars", true),
	)
	ctx, _ = chromedp.NewContext(ctx)
	stopChromium = func() { chromedp.Cancel(ctx) }
	return ctx, chromedp.Do(ctx)
})

// chromium is the running browser. Without one the test is skipped, except where every peer must be there.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("NIGHTLATCH_REQUIRE") == "all" {
			t.Fatalf("Chromium is not installed, and NIGHTLATCH_REQUIRE=all wants it: %v", err)
		}
		t.Skip("SKIPPED: Chromium is not installed, so no page was looked at in a browser. Debian has it as the package chromium.")
	}
	ctx, err := startChromium()
	if err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx
}
