// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/web"
)

// Brand is what the pages and letters show.
type Brand struct {
	// The name on the pages and in letters. A password may not consist of it. Default: Nightlatch.
	Name string `json:"name,omitempty"`

	// The file of a picture that the pages show, of at most 256 KiB: svg, png, jpg, jpeg or webp. It is read when the configuration is
	// loaded, and sent to everybody. Placeholders are expanded. Default: our icon.
	Logo string `json:"logo,omitempty"`

	// A style sheet that the pages load after their own: an https address, or a path on the site itself. Whoever can change what is there
	// can change what people see when they sign in. Default: none.
	StyleURL string `json:"style_url,omitempty"`
}

// parse reads
//
//	brand <name> {
//		logo      <file>
//		style_url <address>
//	}
func (b *Brand) parse(d *caddyfile.Dispenser) error {
	if err := text(&b.Name)(d); err != nil {
		return err
	}
	if err := (words{"logo": text(&b.Logo), "style_url": text(&b.StyleURL)}).parse(d, "brand"); err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (b *Brand) check() error {
	_, err := web.NewBrand(b.Name, nil, "", b.StyleURL)
	return err
}

// load reads the logo. A nil Brand is our own.
func (b *Brand) load() (web.Brand, error) {
	if b == nil {
		return web.Brand{}, nil
	}
	if b.Logo == "" {
		return web.NewBrand(b.Name, nil, "", b.StyleURL)
	}
	file, err := expand("brand logo", b.Logo, "")
	if err != nil {
		return web.Brand{}, err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return web.Brand{}, fmt.Errorf("reading the logo of the brand: %w", err)
	}
	brand, err := web.NewBrand(b.Name, content, filepath.Base(file), b.StyleURL)
	if err != nil {
		return web.Brand{}, fmt.Errorf("%s: %w", file, err)
	}
	return brand, nil
}

// name is what a nil or nameless Brand is called, too.
func (b *Brand) name() string {
	if b == nil {
		return auth.DefaultSettings.Brand
	}
	return cmp.Or(b.Name, auth.DefaultSettings.Brand)
}
