// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// presets are the headers of well-known applications, by the names that their own documentation uses. An application is sent only what
// it reads. Where it lets the operator choose a name, it is Remote-User and its family. docs/apps has a page for each, with the
// settings on the other side; the table there and this one are held together by a test.
//
// Every name here is in wellKnown too: it is taken away from what clients send on sites with any other preset, or none.
var presets = map[string]Config{
	"2fauth":        {User: "Remote-User", Email: "Remote-Email"},
	"calibreweb":    {User: "Remote-User"},
	"filebrowser":   {User: "Remote-User"},
	"firefly":       {User: "Remote-User", Email: "Remote-Email"},
	"forgejo":       {User: "X-WEBAUTH-USER", Name: "X-WEBAUTH-FULLNAME", Email: "X-WEBAUTH-EMAIL"},
	"freshrss":      {User: "Remote-User", Email: "Remote-Email"},
	"gitea":         {User: "X-WEBAUTH-USER", Name: "X-WEBAUTH-FULLNAME", Email: "X-WEBAUTH-EMAIL"},
	"grafana":       {User: "X-WEBAUTH-USER", Name: "X-WEBAUTH-NAME", Email: "X-WEBAUTH-EMAIL", Groups: "X-WEBAUTH-GROUPS"},
	"guacamole":     {User: "Remote-User"},
	"homeassistant": {User: "X-Forwarded-Preferred-Username"},
	"jenkins": {
		User: "X-Forwarded-User", Name: "X-Forwarded-DisplayName", Email: "X-Forwarded-Mail", Groups: "X-Forwarded-Groups", Separator: Pipe,
	},
	"miniflux":   {User: "Remote-User"},
	"navidrome":  {User: "Remote-User"},
	"nexus":      {User: "X-SSO-USER"},
	"nextcloud":  {User: "Remote-User", Name: "Remote-Name", Email: "Remote-Email"},
	"opensearch": {User: "X-Proxy-User", Groups: "X-Proxy-Roles"},
	"paperless":  {User: "Remote-User"},
	"radicale":   {User: "X-Remote-User"},
	"sogo":       {User: "X-WebObjects-Remote-User"},
}

// Preset is what an application of that name reads. The error of a name that is not known lists those that are.
func Preset(name string) (Config, error) {
	c, known := presets[name]
	if !known {
		return c, fmt.Errorf("there is no preset '%s'; there are: %s", name, strings.Join(Presets(), ", "))
	}
	return c, nil
}

// Presets are the names that Preset knows, in order.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }
