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
		sum := sha256.Sum256(body)
		ext := path.Ext(f.Name())
		name := strings.TrimSuffix(f.Name(), ext) + "." + hex.EncodeToString(sum[:8]) + ext
		all[name] = asset{Prefix + "static/" + name, contentTypes[ext], body}
	}
	return all
}

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

// ServeStatic answers with the static file of that served name and tells whether there is one. These are the only answers of ours
// that a cache may keep.
func ServeStatic(w http.ResponseWriter, r *http.Request, served string) bool {
	a, ok := assets[served]
	if !ok {
		return false
	}
	secure(w.Header())
	w.Header().Del("Vary")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	send(w, r, http.StatusOK, a.contentType, a.body)
	return true
}
