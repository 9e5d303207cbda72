// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Command nightlatch is Caddy with its standard modules and Nightlatch. Everything that `caddy` does it does too.
package main

import (
	"os"
	"runtime/debug"
	_ "time/tzdata" // for machines without a time zone database, such as a scratch container

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/nightlatch/nightlatch/caddymodule"
)

// gcTarget spends a little memory for speed: a proxy makes short-lived garbage on a small live heap, and collecting it less often
// takes 12 to 16 % off a request. GOGC in the environment wins. GOMEMLIMIT, which Caddy sets from the container's limit, still holds.
const gcTarget = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcTarget)
	}
	caddy.CustomBinaryName = "nightlatch"
	caddy.CustomLongDescription = `Nightlatch is the second lock in front of web applications: Caddy with a gate that asks for a password and a
second factor before it lets a request through.

Start here:

	$ nightlatch run --config Caddyfile.example

and open the link that it prints. To protect an application of your own, write the word nightlatch into its site in a Caddyfile:

	app.example.com {
		nightlatch
		reverse_proxy localhost:3000
	}

All commands and settings of Caddy work as they do there.`
	caddymodule.RegisterTopLevelCommands()
	caddycmd.Main()
}
