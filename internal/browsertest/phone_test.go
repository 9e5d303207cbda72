// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"bytes"
	"encoding/base32"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/nightlatch/nightlatch/internal/otp"
)

// authenticator is the app on a person's phone.
type authenticator struct {
	secret []byte
	last   int64 // the step whose code was typed last
	past   int64 // how many earlier codes the site takes
	now    func() time.Time
}

// scan enrolls the phone from the page that is shown. The key in the text, the one in the link and the one in the picture must be the same.
func (b *tab) scan() *authenticator {
	b.t.Helper()
	typed := strings.ReplaceAll(b.text("code.secret"), " ", "")
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(typed)
	if err != nil || len(secret) != 20 {
		b.t.Fatalf("the key %q: %v, %d bytes, want 20", typed, err, len(secret))
	}
	link, err := url.Parse(get(b, chromedp.AttributeValue(chromedp.CSS(`a[href^="otpauth:"]`), "href")).Value)
	if err != nil {
		b.t.Fatal(err)
	}
	issuer, account, _ := strings.Cut(strings.TrimPrefix(link.Path, "/"), ":")
	key, err := otp.NewKey(issuer, account, secret)
	if err != nil {
		b.t.Fatal(err)
	}
	if key.URL() != link.String() {
		b.t.Errorf("got link %s, want %s, which has the key of the text", link, key.URL())
	}
	b.comparePicture(key)
	return &authenticator{secret: secret, past: b.past, now: time.Now}
}

// comparePicture holds the code as the browser paints it, module by module, against the one that internal/otp draws for the key and
// whose reading is tested there; and it must lie on white, in the dark too, or phones do not find it.
func (b *tab) comparePicture(key otp.Key) {
	b.t.Helper()
	drawn, err := key.PNG(1024)
	if err != nil {
		b.t.Fatal(err)
	}
	want, _ := modules(b.t, drawn)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		got, quiet := modules(b.t, b.picture("img.qr", 2))
		if quiet < 4 {
			b.t.Errorf("%s: the white around the QR code is %.1f modules wide, want 4", scheme, quiet)
		}
		if got != want {
			b.t.Errorf("%s: the picture is not the QR code of the key in the text:\n%s\nwant\n%s", scheme, got, want)
		}
	}
	b.scheme("light")
	b.resize(wide)
}

// modules reads the modules of a QR code from a picture, one line of # and blanks for each row, and how many modules of white surround it.
func modules(t *testing.T, picture []byte) (rows string, quiet float64) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	all := img.Bounds()
	if all.Dx() != all.Dy() {
		t.Fatalf("the QR code is %v, want a square", all)
	}
	dark := func(x, y int) bool { return color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 0x80 }
	white := func(x, y int) bool { return color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y > 0xf8 }
	var box image.Rectangle
	edge := all.Dx() / 24 // the page rounds the corners of the white, and what shines through there is not the code
	for y := all.Min.Y; y < all.Max.Y; y++ {
		for x := all.Min.X; x < all.Max.X; x++ {
			corner := (x < edge || x >= all.Max.X-edge) && (y < edge || y >= all.Max.Y-edge)
			if dark(x, y) && !corner {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	seven := 0 // the upper edge of a finder pattern
	for x := box.Min.X; x < box.Max.X && dark(x, box.Min.Y+1); x++ {
		seven++
	}
	if seven == 0 {
		t.Fatal("there is no QR code in the picture")
	}
	side := (box.Dx()*7/seven-17+2)/4*4 + 17 // a code has 17 modules and 4 for each version
	module := float64(box.Dx()) / float64(side)
	var b strings.Builder
	for row := range side {
		for column := range side {
			cell := byte(' ')
			if dark(box.Min.X+int((float64(column)+.5)*module), box.Min.Y+int((float64(row)+.5)*module)) {
				cell = '#'
			}
			b.WriteByte(cell)
		}
		b.WriteByte('\n')
	}
	narrowest := min(box.Min.X-all.Min.X, box.Min.Y-all.Min.Y, all.Max.X-box.Max.X, all.Max.Y-box.Max.Y)
	clear := 0
	for clear < narrowest && white(box.Min.X-1-clear, all.Dy()/2) && white(all.Dx()/2, box.Min.Y-1-clear) {
		clear++
	}
	return b.String(), float64(clear) / module
}

// next is a code that was not typed before and that the site takes for ten seconds at least. The first one is the oldest that counts, so
// that the next ones are there without waiting for the clock; only a test that begins at the very end of a step waits.
func (a *authenticator) next() string {
	a.last = max(a.last+1, otp.Step(a.now().Add(10*time.Second))-a.past)
	<-time.After(time.Unix(a.last*int64(otp.Period/time.Second), 0).Sub(a.now()))
	return otp.Code(a.secret, a.last)
}

// typed is the code that was typed last.
func (a *authenticator) typed() string { return otp.Code(a.secret, a.last) }

// wrong is a code that the site will not take in this test's time.
func (a *authenticator) wrong() string {
	near := map[string]bool{}
	for step := otp.Step(a.now()) - 20; step < otp.Step(a.now())+20; step++ {
		near[otp.Code(a.secret, step)] = true
	}
	for _, code := range []string{"000000", "111111", "222222"} {
		if !near[code] {
			return code
		}
	}
	return "333333"
}
