// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

type asset struct {
	address     string
	contentType string
	body        []byte
}

// assets are the static files by the name they are served under; a file whose content changes gets another name, so a browser may
// keep it for ever and still never shows an old style on a new page.
var assets = hash()

func hash() map[string]asset {
	all := make(map[string]asset)
	files, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		body, err := staticFiles.ReadFile("static/" + f.Name())
		if err != nil {
			panic(err)
		}
		a := newAsset(f.Name(), contentTypes[path.Ext(f.Name())], body)
		all[a.served()] = a
	}
	return all
}

func newAsset(name, contentType string, body []byte) asset {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	served := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
	return asset{Prefix + "static/" + served, contentType, body}
}

// served is the last segment of the address.
func (a asset) served() string { return path.Base(a.address) }

// contentTypes are fixed here: package mime reads files of the machine, and a wrong type with nosniff is a page without style.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// Static returns the address of a static file by its plain name, such as "style.css".
func Static(name string) string {
	stem, ext, _ := strings.Cut(name, ".")
	for served, a := range assets {
		if strings.HasPrefix(served, stem+".") && strings.HasSuffix(served, "."+ext) {
			return a.address
		}
	}
	panic("web: no static file " + name)
}

// alone is the policy of a static file: opened by itself, a picture runs nothing and loads nothing, whatever is written in it.
const alone = "default-src 'none'; frame-ancestors 'none'; sandbox"

// ServeStatic answers with the static file of that served name, or with the logo of the brand, and tells whether there is one. These and
// those of Publish are the only answers of ours that a cache may keep.
func ServeStatic(w http.ResponseWriter, r *http.Request, brand Brand, served string) bool {
	a, ok := assets[served]
	if logo := brand.logo; !ok && logo != nil && served == logo.served() {
		a, ok = *logo, true
	}
	if !ok {
		return false
	}
	secure(w.Header())
	w.Header().Del("Vary")
	w.Header().Set("Content-Security-Policy", alone)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	send(w, r, http.StatusOK, a.contentType, a.body)
	return true
}

// Publish answers with a JSON document that is the same for everybody and tells nobody's business: public keys, and where they are. A cache
// may keep it for five minutes, which is also how long a verifier may go without asking again; keys are published a day ahead.
func Publish(w http.ResponseWriter, r *http.Request, document []byte) {
	secure(w.Header())
	w.Header().Del("Vary")
	w.Header().Set("Content-Security-Policy", alone)
	w.Header().Set("Cache-Control", "public, max-age=300")
	send(w, r, http.StatusOK, "application/json", document)
}
