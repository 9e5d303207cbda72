// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
)

const smallSVG = `<?xml version="1.0"?><!-- a door --><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`

// pictures are one of each kind, by the end of its name.
func pictures(t *testing.T) map[string][]byte {
	t.Helper()
	var p, j bytes.Buffer
	if err := png.Encode(&p, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&j, image.NewGray(image.Rect(0, 0, 1, 1)), nil); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		".svg": []byte(smallSVG), ".png": p.Bytes(), ".jpg": j.Bytes(), ".jpeg": j.Bytes(), ".webp": []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00"),
	}
}

func mustBrand(t *testing.T, logo []byte, logoName, style string) Brand {
	t.Helper()
	b, err := NewBrand("Example", logo, logoName, style)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A picture that is opened by itself runs nothing, loads nothing and is taken for nothing else.
func TestLogoIsServedAndHarmless(t *testing.T) {
	for ext, content := range pictures(t) {
		b := mustBrand(t, content, "/etc/logos/Our Logo"+strings.ToUpper(ext), "")
		w := httptest.NewRecorder()
		if !ServeStatic(w, httptest.NewRequest("GET", b.Icon(), nil), b, path.Base(b.Icon())) {
			t.Fatalf("%s is not served", b.Icon())
		}
		h := w.Header()
		if got := h.Get("Content-Security-Policy"); got != "default-src 'none'; frame-ancestors 'none'; sandbox" {
			t.Errorf("%s: policy %q", ext, got)
		}
		if h.Get("Content-Type") != logoTypes[ext] || h.Get("Content-Type") != b.IconType() || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", ext, h)
		}
		if !bytes.Equal(w.Body.Bytes(), content) {
			t.Errorf("%s: got other bytes", ext)
		}
		if ServeStatic(httptest.NewRecorder(), httptest.NewRequest("GET", b.Icon(), nil), Brand{}, path.Base(b.Icon())) {
			t.Errorf("%s: another site serves the logo too", ext)
		}
		if page := rendered(t, voices[0], Notice{Frame: Frame{Brand: b}}); strings.Count(page, b.Icon()) != 2 || strings.Contains(page, Static("icon.svg")) {
			t.Errorf("%s: the page does not show the logo in the place of our icon:\n%s", ext, page)
		}
	}
}

func TestBrandsThatAreRefused(t *testing.T) {
	good := pictures(t)[".png"]
	for name, c := range map[string]struct {
		brand, logo, file, style string
	}{
		"a name with a control character": {brand: "a\r\nb"},
		"a name that is no text":          {brand: "a\xff"},
		"another kind":                    {logo: "GIF89a", file: "logo.gif"},
		"no kind":                         {logo: string(good), file: "logo"},
		"a picture without a name":        {logo: string(good)},
		"a name without a picture":        {file: "logo.png"},
		"a key":                           {logo: "-----BEGIN PRIVATE KEY-----", file: "logo.png"},
		"a png that is called jpg":        {logo: string(good), file: "logo.jpg"},
		"a page that is called svg":       {logo: "<html></html>", file: "logo.svg"},
		"a page with a picture in it":     {logo: "<html>" + smallSVG + "</html>", file: "logo.svg"},
		"an svg that no browser shows":    {logo: "<svg></svg>", file: "logo.svg"},
		"text that is called svg":         {logo: "no picture at all", file: "logo.svg"},
		"too large":                       {logo: string(good) + strings.Repeat("x", maxLogo), file: "logo.png"},
		"plain HTTP":                      {style: "http://cdn.example/a.css"},
		"any scheme":                      {style: "//cdn.example/a.css"},
		"any scheme, by three slashes":    {style: "///cdn.example/a.css"},
		"script":                          {style: "javascript:alert(1)"},
		"data":                            {style: "data:text/css,a"},
		"no host":                         {style: "https:///a.css"},
		"a relative path":                 {style: "a.css"},
		"somebody's password":             {style: "https://a:b@cdn.example/a.css"},
		"every host":                      {style: "https://*.example/a.css"},
		"another directive":               {style: "https://cdn.example;script-src/a.css"},
		"another source":                  {style: "https://cdn.example 'unsafe-inline'"},
		"a comma":                         {style: "https://cdn.example,default-src/a.css"},
		"a quote":                         {style: `/a".css`},
		"a line end":                      {style: "/a\n.css"},
		"a backslash":                     {style: `/\cdn.example/a.css`},
		"a broken escape":                 {style: "https://cdn.example/%zz"},
		"letters that look alike":         {style: "https://cdn。example/a.css"},
	} {
		if b, err := NewBrand(c.brand, []byte(c.logo), c.file, c.style); err == nil {
			t.Errorf("%s: got %+v, want an error", name, b)
		} else if c.logo != "" && strings.Contains(err.Error(), c.logo) {
			t.Errorf("%s: the error repeats the content: %v", name, err)
		}
	}
}

// A page loads a style sheet of the site after ours, from the one origin that its policy names and no other page's does.
func TestStyleOfTheSite(t *testing.T) {
	for address, want := range map[string]string{
		"":                              "style-src 'self';",
		"/theme/a.css?v=1":              "style-src 'self';",
		"https://CDN.example/a.css?v=1": "style-src 'self' https://cdn.example;",
		"https://cdn.example:8443/a":    "style-src 'self' https://cdn.example:8443;",
		"https://[2001:db8::1]/a.css":   "style-src 'self' https://[2001:db8::1];",
	} {
		b := mustBrand(t, nil, "", address)
		w := httptest.NewRecorder()
		Write(w, httptest.NewRequest("GET", "/", nil), 200, SignIn{Frame: Frame{Brand: b}})
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, want) || strings.Replace(got, want, "style-src 'self';", 1) != policy {
			t.Errorf("%q: policy %q, want ours with %q", address, got, want)
		}
		ours, theirs, _ := strings.Cut(w.Body.String(), Static("style.css"))
		if linked := strings.Contains(theirs, `<link rel="stylesheet" href="`+address+`">`); linked != (address != "") || strings.Count(ours, "stylesheet") != 1 {
			t.Errorf("%q: it does not follow our own style:\n%s", address, w.Body)
		}
	}
	w := httptest.NewRecorder()
	Problem(w, httptest.NewRequest("GET", "/", nil), 401, ProblemDetails{})
	if got := w.Header().Get("Content-Security-Policy"); got != policy {
		t.Errorf("a problem has the policy %q", got)
	}
}

func TestBrandWithoutAName(t *testing.T) {
	if got := (Brand{}).String(); got != "Nightlatch" {
		t.Errorf("got %q", got)
	}
}
