// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Brand is what our pages show of the site that they guard. The zero value shows our own name and icon. It does not change once made,
// so it is safe for concurrent use.
type Brand struct {
	Name  string // empty: Nightlatch
	logo  *asset // nil: our icon
	style string // of a style sheet of the site's own; empty: none

	policy string // where it differs from ours
}

// maxLogo bounds a logo in bytes: it is sent to everybody who signs in.
const maxLogo = 256 << 10

// logoTypes are the kinds of pictures that every browser shows, by the end of a file's name.
var logoTypes = map[string]string{
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
}

// NewBrand makes a Brand. logo is a picture of at most 256 KiB, or nothing, and logoName the name of its file, whose ending says what
// it is: svg, png, jpg, jpeg or webp. styleURL is a style sheet that pages load after ours, so that it may change every rule of it: an
// https address, or a path on the site itself; empty for none. It is the only thing that our pages ever load from elsewhere, and it can
// load nothing more, fonts and pictures included. The error names what is wrong and repeats no content.
func NewBrand(name string, logo []byte, logoName, styleURL string) (Brand, error) {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return Brand{}, fmt.Errorf("the brand %q holds something that cannot be shown", name)
	}
	b := Brand{Name: name, style: styleURL}
	if len(logo) > 0 || logoName != "" {
		a, err := newLogo(logo, strings.ToLower(path.Ext(logoName)))
		if err != nil {
			return Brand{}, fmt.Errorf("the logo %q %w", logoName, err)
		}
		b.logo = &a
	}
	if styleURL != "" {
		source, err := styleSource(styleURL)
		if err != nil {
			return Brand{}, fmt.Errorf("the style address %q %w", styleURL, err)
		}
		if source != "" {
			b.policy = strings.Replace(policy, "style-src 'self'", "style-src 'self' "+source, 1)
		}
	}
	return b, nil
}

// newLogo checks that a picture is what its name says. With nosniff a browser shows nothing else, and a file that was taken by mistake,
// such as a key, must not be served to everybody.
func newLogo(content []byte, ext string) (asset, error) {
	kind, ok := logoTypes[ext]
	switch {
	case !ok:
		return asset{}, errors.New("is of no kind that is shown: its name must end in .svg, .png, .jpg, .jpeg or .webp")
	case len(content) > maxLogo:
		return asset{}, fmt.Errorf("has %d bytes; at most %d are sent to everybody who signs in", len(content), maxLogo)
	case ext == ".svg" && !isSVG(content), ext != ".svg" && http.DetectContentType(content) != kind:
		return asset{}, fmt.Errorf("is not what the end of its name says, %s", kind)
	}
	return newAsset("logo"+ext, kind, bytes.Clone(content)), nil
}

// isSVG tells whether a document begins with the element of an SVG picture.
func isSVG(content []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(content))
	for {
		t, err := d.Token()
		if err != nil {
			return false
		}
		if e, ok := t.(xml.StartElement); ok {
			return e.Name == xml.Name{Space: "http://www.w3.org/2000/svg", Local: "svg"}
		}
	}
}

// styleSource is what the policy of a page needs for a style sheet beyond 'self': an origin, or nothing for one of the site itself. It
// is written into a header and a link, so whatever could end a source there, or widen it to other hosts, is refused.
func styleSource(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("is no address")
	}
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"'`<>;,\\*", r) }
	switch {
	case strings.ContainsFunc(address, odd):
		return "", errors.New("holds a character that does not belong in one")
	case strings.HasPrefix(address, "/") && u.Host == "" && !strings.HasPrefix(address, "//"):
		return "", nil
	case u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return "", errors.New("must begin with https:// and a host, or with one slash for a file of the site itself")
	}
	return "https://" + strings.ToLower(u.Host), nil
}

// String is the name.
func (b Brand) String() string { return cmp.Or(b.Name, "Nightlatch") }

// Icon is the address of the logo, or of our icon.
func (b Brand) Icon() string {
	if b.logo == nil {
		return Static("icon.svg")
	}
	return b.logo.address
}

// IconType is the media type of what Icon leads to.
func (b Brand) IconType() string {
	if b.logo == nil {
		return contentTypes[".svg"]
	}
	return b.logo.contentType
}

// StyleURL is the address of the site's own style sheet, or empty.
func (b Brand) StyleURL() string { return b.style }
