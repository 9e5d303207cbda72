// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
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

// picture takes a picture of a part of the page, at a scale, with the window as tall as the page. A picture may still catch half a change
// of size or colors, so it takes pictures until two in a row are the same; a blinking caret makes a few more of them.
func (b *tab) picture(css string, scale float64) []byte {
	b.t.Helper()
	b.fitWindow()
	b.painted()
	r := get(b, chromedp.Evaluate[page.Viewport](fmt.Sprintf(
		`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return {x: Math.round(r.x), y: Math.round(r.y), width: Math.round(r.width), height: Math.round(r.height)} })()`, css)))
	r.Scale = scale
	take := func() []byte { return call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: &r}).Data }
	last := take()
	for range 50 {
		before := last
		if last = take(); bytes.Equal(last, before) {
			return last
		}
	}
	b.t.Fatalf("%s never stands still", b.page.Path)
	return nil
}

// painted waits until images are decoded and two frames are out. Without scripts none of that is told, so they run for a moment; those of
// the page were turned away when it loaded and do not come back.
func (b *tab) painted() {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	get(b, chromedp.Evaluate[bool](`(async () => {
		await Promise.all([...document.images].map((i) => i.decode()))
		for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame)
		return true
	})()`, chromedp.EvalAwaitPromise))
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !b.scripts})
}

// fitWindow makes the window as tall as the page, for pictures of all of it.
func (b *tab) fitWindow() {
	b.t.Helper()
	for v := b.window; ; {
		tall := get(b, chromedp.Evaluate[int](`(scrollTo(0, 0), document.documentElement.scrollHeight)`))
		if tall <= v.height {
			return
		}
		v.height = tall // of which the room above the page is a part, so it may grow once more
		b.do(chromedp.EmulateViewport(int64(v.width), int64(v.height)))
	}
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
		for _, scheme := range []string{"light", "dark"} {
			b.resize(v)
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
	picture := b.picture("html", 1)
	if err := os.WriteFile(filepath.Join(os.Getenv("NIGHTLATCH_SCREENSHOTS"), name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
