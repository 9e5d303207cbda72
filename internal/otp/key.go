// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package otp

import (
	"bytes"
	"encoding/base32"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
)

var base32NoPadding = base32.StdEncoding.WithPadding(base32.NoPadding)

// maxPNG bounds the side of an image in pixels, and with it the memory.
const maxPNG = 2048

// Key is a secret in the forms a person can hand to an authenticator app. All
// of them show the secret: never log a Key, and never show it again once the
// factor is confirmed.
type Key struct {
	key *otp.Key
}

// NewKey names a secret for an authenticator app: issuer is the site, account
// the user. Both must be non-empty UTF-8 without control characters. A secret
// under MinSecretSize is ErrShortSecret.
func NewKey(issuer, account string, secret []byte) (Key, error) {
	if len(secret) < MinSecretSize {
		return Key{}, fmt.Errorf("making authenticator key: %w", ErrShortSecret)
	}
	if !printable(issuer) || !printable(account) {
		return Key{}, errors.New("making authenticator key: issuer and account must be non-empty text without control characters")
	}
	// The library's own generator escapes with url.PathEscape, which leaves
	// "&", "=", "+" and ":" alone: an issuer "A&secret=..." would write a second
	// parameter, and "a:b" would move the border between issuer and account.
	link := "otpauth://totp/" + escape(issuer) + ":" + escape(account) +
		"?secret=" + base32NoPadding.EncodeToString(secret) +
		"&issuer=" + escape(issuer) +
		"&algorithm=SHA1&digits=6&period=30"
	key, err := otp.NewKeyFromURL(link)
	if err != nil {
		return Key{}, fmt.Errorf("making authenticator key: %w", err)
	}
	return Key{key}, nil
}

// URL returns the otpauth:// address that the QR code carries.
func (k Key) URL() string { return k.key.String() }

// Secret returns the secret in base32 without padding.
func (k Key) Secret() string { return k.key.Secret() }

// SecretGroups returns Secret in groups of four, for reading and typing.
func (k Key) SecretGroups() string {
	var groups strings.Builder
	for i, r := range k.Secret() {
		if i > 0 && i%4 == 0 {
			groups.WriteByte(' ')
		}
		groups.WriteRune(r)
	}
	return groups.String()
}

// PNG renders the QR code as a square of size pixels a side, black on white
// with a quiet zone. It is drawn here because a secret never goes to a
// third-party image service. It is an error when size is too small for the
// code or above 2048; 256 suits ordinary names.
func (k Key) PNG(size int) ([]byte, error) {
	if size < 1 || size > maxPNG {
		return nil, fmt.Errorf("drawing QR code: size %d is not within 1 to %d", size, maxPNG)
	}
	// The library leaves only as much white as its scaling happens to leave, and
	// the quiet zone is four modules wide. The shortest address NewKey
	// makes is 95 bytes, more than version 5 holds at level M (84), so a code has
	// at least 41 modules and 4/49 of the side is at least four of them.
	margin := size*4/49 + 1
	code, err := k.key.Image(size-2*margin, size-2*margin)
	if err != nil {
		return nil, fmt.Errorf("drawing QR code: %w", err)
	}
	canvas := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	draw.Draw(canvas, code.Bounds().Add(image.Pt(margin, margin)), code, image.Point{}, draw.Src)
	var out bytes.Buffer
	if err := png.Encode(&out, canvas); err != nil {
		return nil, fmt.Errorf("drawing QR code: %w", err)
	}
	return out.Bytes(), nil
}

// quietZone is the white that scanners want around a code, in modules (ISO/IEC
// 18004).
const quietZone = 4

// SVG renders the QR code as one black path on white, a unit for each module,
// with a quiet zone. It refers to nothing outside of itself and has no size of
// its own, so it fills whatever it is put into.
func (k Key) SVG() ([]byte, error) {
	code, err := qr.Encode(k.URL(), qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("drawing QR code: %w", err)
	}
	modules := code.Bounds().Dx()
	dark := func(x, y int) bool { return x < modules && code.At(x, y) == color.Black }
	side := modules + 2*quietZone
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, side, side)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/><path d="`, side, side)
	for y := range modules {
		for x := 0; x < modules; x++ {
			run := 0
			for dark(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&out, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, run, run)
				x += run
			}
		}
	}
	out.WriteString(`"/></svg>`)
	return out.Bytes(), nil
}

// escape percent-encodes everything but RFC 3986 unreserved characters. A space
// becomes %20: several apps show the "+" of form encoding as a plus.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func printable(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
