// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package otp_test

import (
	"bytes"
	"encoding/base32"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/otp"
)

func TestKeyURL(t *testing.T) {
	key, err := otp.NewKey("Example Corp", "alice@example.com", rfcSecret)
	if err != nil {
		t.Fatal(err)
	}
	want := "otpauth://totp/Example%20Corp:alice%40example.com" +
		"?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example%20Corp&algorithm=SHA1&digits=6&period=30"
	if got := key.URL(); got != want {
		t.Errorf("address: got %s, want %s", got, want)
	}
	if got, want := key.Secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"; got != want {
		t.Errorf("secret: got %s, want %s", got, want)
	}
	if got, want := key.SecretGroups(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"; got != want {
		t.Errorf("grouped secret: got %s, want %s", got, want)
	}
}

// Whatever the names hold, an app must read back the same issuer, account and
// secret, and no parameter of theirs.
func TestKeyEscapesNames(t *testing.T) {
	for _, name := range []string{
		"a:b", "a/b", "a&b", "a=b", "a+b", "a b", "a?b", "a#b", "a%b", "a%3Ab", `a"b`, "a;b", "a,b",
		"Zoë Ångström", "日本語", "🔑", "..", "X&secret=AAAA&issuer=Evil", "ends:",
	} {
		key, err := otp.NewKey(name, name, rfcSecret)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		link, query, _ := strings.Cut(key.URL(), "?")
		label := strings.Split(strings.TrimPrefix(link, "otpauth://totp/"), ":")
		if len(label) != 2 {
			t.Errorf("%q: label %q has %d parts, want issuer:account", name, link, len(label))
			continue
		}
		for _, part := range label {
			if got, err := url.PathUnescape(part); err != nil || got != name {
				t.Errorf("%q: label part reads %q (%v)", name, got, err)
			}
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if got := values["issuer"]; len(got) != 1 || got[0] != name {
			t.Errorf("%q: issuer reads %q", name, got)
		}
		if got := values["secret"]; len(got) != 1 || got[0] != key.Secret() {
			t.Errorf("%q: secret reads %q", name, got)
		}
		if len(values) != 5 {
			t.Errorf("%q: got %d parameters, want 5: %s", name, len(values), query)
		}
	}
}

func TestKeyRefuses(t *testing.T) {
	for _, secret := range [][]byte{nil, make([]byte, 15)} {
		if _, err := otp.NewKey("Site", "alice", secret); !errors.Is(err, otp.ErrShortSecret) {
			t.Errorf("%d-byte secret: got %v, want %v", len(secret), err, otp.ErrShortSecret)
		}
	}
	for _, name := range []string{"", "a\nb", "a\x00", "\xff"} {
		if _, err := otp.NewKey(name, "alice", rfcSecret); err == nil {
			t.Errorf("issuer %q: got no error", name)
		}
		if _, err := otp.NewKey("Site", name, rfcSecret); err == nil {
			t.Errorf("account %q: got no error", name)
		}
	}
}

func TestPNG(t *testing.T) {
	for _, c := range []struct {
		issuer, account string
		secret          []byte
		size            int
	}{
		{"a", "b", make([]byte, 16), 200}, // the smallest code there is
		{"Example Corp", "alice@example.com", rfcSecret, 256},
		{"Example Corp", "alice@example.com", rfcSecret, 97},
		{"Zoë & Söhne", "bob.the.builder+tag@mail.example.org", otp.NewSecret(), 512},
	} {
		key, err := otp.NewKey(c.issuer, c.account, c.secret)
		if err != nil {
			t.Fatal(err)
		}
		data, err := key.PNG(c.size)
		if err != nil {
			t.Errorf("%s, size %d: %v", c.account, c.size, err)
			continue
		}
		picture, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := picture.Bounds(), image.Rect(0, 0, c.size, c.size); got != want {
			t.Errorf("%s: bounds %v, want %v", c.account, got, want)
		}
		modules, quiet := sample(t, picture)
		if quiet < 4 {
			t.Errorf("%s, size %d: quiet zone of %.1f modules, want at least 4", c.account, c.size, quiet)
		}
		if got := readQR(t, modules); got != key.URL() {
			t.Errorf("%s, size %d: QR code reads %q, want %q", c.account, c.size, got, key.URL())
		}
	}
}

func TestPNGRefusesSizes(t *testing.T) {
	key, err := otp.NewKey("Site", "alice", rfcSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{-1, 0, 1, 2, 40, 2049, 1 << 30} {
		if _, err := key.PNG(size); err == nil {
			t.Errorf("size %d: got no error", size)
		}
	}
}

// What a reader of the SVG sees is what the PNG shows, and there is nothing else
// in it that a page could be made to run or load.
func TestSVG(t *testing.T) {
	for _, c := range []struct {
		issuer, account string
		secret          []byte
	}{
		{"a", "b", make([]byte, 16)}, // the smallest code there is
		{"Example Corp", "alice@example.com", rfcSecret},
		{`"/><script>`, "zoë@mail.example.org", otp.NewSecret()},
	} {
		key, err := otp.NewKey(c.issuer, c.account, c.secret)
		if err != nil {
			t.Fatal(err)
		}
		data, err := key.SVG()
		if err != nil {
			t.Fatal(err)
		}
		modules := drawSVG(t, data)
		if got := readQR(t, modules); got != key.URL() {
			t.Errorf("%s: QR code reads %q, want %q", c.account, got, key.URL())
		}
		picture, err := key.PNG(512)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := png.Decode(bytes.NewReader(picture))
		if err != nil {
			t.Fatal(err)
		}
		if shown, _ := sample(t, decoded); !slices.EqualFunc(modules, shown, slices.Equal) {
			t.Errorf("%s: the SVG and the PNG are not the same code", c.account)
		}
	}
}

var svgRun = regexp.MustCompile(`M([0-9]+) ([0-9]+)h([0-9]+)v1h-([0-9]+)z`)

// drawSVG reads an SVG of exactly the form that SVG promises and returns the
// modules inside of a quiet zone of four.
func drawSVG(t *testing.T, data []byte) (modules [][]bool) {
	t.Helper()
	var doc struct {
		XMLName xml.Name   `xml:"http://www.w3.org/2000/svg svg"`
		Attrs   []xml.Attr `xml:",any,attr"`
		ViewBox string     `xml:"viewBox,attr"`
		Rect    struct {
			Width  int    `xml:"width,attr"`
			Height int    `xml:"height,attr"`
			Fill   string `xml:"fill,attr"`
		} `xml:"rect"`
		Path []struct {
			D     string     `xml:"d,attr"`
			Attrs []xml.Attr `xml:",any,attr"`
		} `xml:"path"`
		Others []struct{ XMLName xml.Name } `xml:",any"`
	}
	if err := xml.Unmarshal(data, &doc); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	if len(doc.Path) != 1 || len(doc.Others) > 0 || len(doc.Path[0].Attrs) > 0 || len(doc.Attrs) != 2 { // xmlns and shape-rendering
		t.Fatalf("more than one path on a square, or attributes of no use: %+v", doc)
	}
	var side, height int
	if _, err := fmt.Sscanf(doc.ViewBox, "0 0 %d %d", &side, &height); err != nil || side != height {
		t.Fatalf("view box %q (%v), want a square from 0 0", doc.ViewBox, err)
	}
	if doc.Rect.Width != side || doc.Rect.Height != side || doc.Rect.Fill != "#fff" {
		t.Errorf("background: got %+v, want all of the %d in white", doc.Rect, side)
	}
	if rest := svgRun.ReplaceAllString(doc.Path[0].D, ""); rest != "" {
		t.Fatalf("the path has something else than runs of modules: %q", rest)
	}
	modules = make([][]bool, side-8)
	for i := range modules {
		modules[i] = make([]bool, side-8)
	}
	for _, run := range svgRun.FindAllStringSubmatch(doc.Path[0].D, -1) {
		var x, y, n int
		fmt.Sscan(run[1]+" "+run[2]+" "+run[3], &x, &y, &n)
		if run[3] != run[4] || x < 4 || y < 4 || x+n > side-4 || y >= side-4 {
			t.Fatalf("run %s is open, or in the quiet zone of %d", run[0], side)
		}
		for i := range n {
			modules[y-4][x-4+i] = true
		}
	}
	return modules
}

func TestKeyFromBase32RoundTrip(t *testing.T) {
	secret := otp.NewSecret()
	key, err := otp.NewKey("Site", "alice", secret)
	if err != nil {
		t.Fatal(err)
	}
	got, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key.SecretGroups(), " ", ""))
	if err != nil || !bytes.Equal(got, secret) {
		t.Errorf("typed secret: got %x (%v), want %x", got, err, secret)
	}
}

// sample finds the code in the picture, checks that every pixel is pure black or
// white and that each module is one color, and returns the modules and the
// narrowest white border, in modules.
func sample(t *testing.T, picture image.Image) (modules [][]bool, quiet float64) {
	t.Helper()
	dark := func(x, y int) bool {
		switch r, g, b, a := picture.At(x, y).RGBA(); (color.RGBA64{uint16(r), uint16(g), uint16(b), uint16(a)}) {
		case color.RGBA64{0, 0, 0, 0xffff}:
			return true
		case color.RGBA64{0xffff, 0xffff, 0xffff, 0xffff}:
			return false
		}
		t.Fatalf("pixel %d,%d is neither black nor white", x, y)
		return false
	}
	size := picture.Bounds().Dx()
	box := image.Rectangle{}
	for y := range size {
		for x := range size {
			if dark(x, y) {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	run := 0 // the top edge of a finder pattern is seven dark modules
	for dark(box.Min.X+run, box.Min.Y) {
		run++
	}
	scale := run / 7
	side := box.Dx() / scale
	if scale*7 != run || side*scale != box.Dx() || box.Dx() != box.Dy() || side%4 != 1 {
		t.Fatalf("no QR code: box %v, finder %d pixels", box, run)
	}
	modules = make([][]bool, side)
	for row := range side {
		modules[row] = make([]bool, side)
		for column := range side {
			modules[row][column] = dark(box.Min.X+column*scale, box.Min.Y+row*scale)
			for i := range scale * scale {
				if dark(box.Min.X+column*scale+i%scale, box.Min.Y+row*scale+i/scale) != modules[row][column] {
					t.Fatalf("module %d,%d has two colors", column, row)
				}
			}
		}
	}
	narrowest := min(box.Min.X, box.Min.Y, size-box.Max.X, size-box.Max.Y)
	return modules, float64(narrowest) / float64(scale)
}
