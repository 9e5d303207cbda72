// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// call sends one command of the protocol that has no action of its own.
func call[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, cmd, params)
	if err != nil {
		b.t.Fatalf("%s: %v", cmd.Method, err)
	}
	return result
}

// scheme has the browser prefer light or dark pages.
func (b *tab) scheme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

// onPaper shows the page as a printer would get it.
func (b *tab) onPaper(yes bool) {
	b.t.Helper()
	media := ""
	if yes {
		media = "print"
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media})
}

// shoot saves the page that is shown, whole, wide and phone-sized, light and dark, where NIGHTLATCH_SCREENSHOTS names a directory.
func (b *tab) shoot(name string) *tab {
	b.t.Helper()
	dir := os.Getenv("NIGHTLATCH_SCREENSHOTS")
	if dir == "" {
		return b
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if !b.scripts {
		name += "-without-script"
	}
	for _, v := range []viewport{wide, phone} {
		b.resize(v)
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			b.save(name + "-" + v.name + "-" + scheme)
		}
	}
	b.resize(wide)
	b.scheme("light")
	return b
}

func (b *tab) save(name string) {
	b.t.Helper()
	picture := get(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(os.Getenv("NIGHTLATCH_SCREENSHOTS"), name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
