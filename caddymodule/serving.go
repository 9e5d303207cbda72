// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// deed is what a handler of Caddy does with a request, as far as its configuration tells.
type deed int

const (
	answers   deed = iota // with content, or nobody knows better
	goesOn                // leaves the request to what comes behind it, or refuses it
	refuses               // answers nothing that anybody could want
	redirects             // leads somewhere else, with nothing of its own
	gates                 // is a Handler
	branches              // has routes of its own: subroute
	invokes               // is a named route
)

// part is one handler in the JSON of a configuration.
type part struct {
	Handler string `json:"handler"`
	deed    deed
	foreign bool   // of a plugin that we do not know
	label   string // what a Caddyfile calls it, and what it is about

	routes   []caddyhttp.RouteList // those of its own, which continue behind it
	onErrors caddyhttp.RouteList
	invoked  string
}

// harmless are handlers that answer with nothing but a refusal of their own. Those that are not Caddy's are well-known plugins.
var harmless = []string{
	"authentication", "copy_response_headers", "encode", "headers", "log_append", "map", "push", "request_body", "rewrite", "timeouts", "tracing",
	"vars",
	"appsec", "crowdsec", "rate_limit", "waf",
}

// known are the other handlers that come with Caddy.
var known = []string{"acme_server", "copy_response", "file_server", "metrics", "reverse_proxy", "static_response", "templates"}

// directives are what a Caddyfile calls a handler, where it is something else.
var directives = map[string]string{"authentication": "basic_auth", "headers": "header", "static_response": "respond", "static_error": "error"}

// read finds out what a handler does. Whatever cannot be read answers: the listing of what is open must not leave out what it does not
// understand.
func read(raw json.RawMessage) part {
	var p part
	if json.Unmarshal(raw, &p) != nil {
		return part{foreign: true, label: "a handler that cannot be read"}
	}
	p.label = p.Handler
	if name, renamed := directives[p.Handler]; renamed {
		p.label = name
	}
	switch p.Handler {
	case "nightlatch":
		p.deed = gates
	case "subroute":
		var sub caddyhttp.Subroute
		if json.Unmarshal(raw, &sub) != nil {
			return p
		}
		p.deed, p.routes = branches, []caddyhttp.RouteList{sub.Routes}
		if sub.Errors != nil {
			p.onErrors = sub.Errors.Routes
		}
	case "invoke":
		var named caddyhttp.Invoke
		if json.Unmarshal(raw, &named) != nil {
			return p
		}
		p.deed, p.invoked = invokes, named.Name
		p.label += " " + named.Name
	case "static_response":
		p.readResponse(raw)
	case "error":
		p.deed = refuses
	case "reverse_proxy", "intercept":
		p.readProxy(raw)
	default:
		if slices.Contains(harmless, p.Handler) {
			p.deed = goesOn
		}
		p.foreign = p.deed == answers && !slices.Contains(known, p.Handler)
	}
	return p
}

// readResponse tells content from a refusal and a redirect. A status that is a placeholder is taken for 200.
func (p *part) readResponse(raw json.RawMessage) {
	var fixed caddyhttp.StaticResponse
	if json.Unmarshal(raw, &fixed) != nil {
		return
	}
	status, _ := strconv.Atoi(string(fixed.StatusCode))
	switch {
	case fixed.Abort:
		p.deed, p.label = refuses, "abort"
	case status >= 400:
		p.deed = refuses
	case status >= 300:
		p.deed, p.label = redirects, "redir"
	case fixed.Body == "":
		p.deed = refuses
	}
	if status != 0 {
		p.label += " " + strconv.Itoa(status)
	}
}

// readProxy knows forward_auth, which asks another server and goes on when that one agrees, and php_fastcgi. The routes of both handlers
// for an answer may have content of their own.
func (p *part) readProxy(raw json.RawMessage) {
	var proxy struct {
		Rewrite *struct {
			Method string `json:"method"`
			URI    string `json:"uri"`
		} `json:"rewrite"`
		Transport struct {
			Protocol string `json:"protocol"`
		} `json:"transport"`
		Upstreams []struct {
			Dial string `json:"dial"`
		} `json:"upstreams"`
		HandleResponse []struct {
			Match  *caddyhttp.ResponseMatcher `json:"match"`
			Routes caddyhttp.RouteList        `json:"routes"`
		} `json:"handle_response"`
	}
	if json.Unmarshal(raw, &proxy) != nil {
		return
	}
	asks := false // whether a good answer lets the request go on
	for _, rh := range proxy.HandleResponse {
		p.routes = append(p.routes, rh.Routes)
		asks = asks || rh.Match != nil && slices.Equal(rh.Match.StatusCode, []int{2})
	}
	switch {
	case p.Handler == "intercept":
		p.deed = goesOn
		return
	case asks && proxy.Rewrite != nil && proxy.Rewrite.Method == "GET" && proxy.Rewrite.URI != "":
		p.deed, p.label = goesOn, "forward_auth"
	case proxy.Transport.Protocol == "fastcgi":
		p.label = "php_fastcgi"
	}
	var to []string
	for _, u := range proxy.Upstreams {
		to = append(to, u.Dial)
	}
	p.label = strings.Join(append([]string{p.label}, to...), " ")
}
