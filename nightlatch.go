// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package nightlatch puts a second lock in front of web applications: a Caddy handler that stops whoever is not signed in with a
// password and a second factor, and tells the application who it is. One word in a Caddyfile turns it on:
//
//	app.example.com {
//		nightlatch
//		reverse_proxy localhost:3000
//	}
//
// Importing this package adds the Caddy modules, so a Caddy with Nightlatch is built by
//
//	xcaddy build --with github.com/nightlatch/nightlatch
//
// or by go build ./cmd/nightlatch, which is Caddy with its standard modules, these, and the commands under "nightlatch". The code is
// in the folders below; ARCHITECTURE.md walks one request through them.
package nightlatch

import (
	_ "github.com/nightlatch/nightlatch/caddymodule" // registers the modules
)
