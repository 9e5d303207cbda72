// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// eachMatcher goes through matchers as they are written, those inside `not` too, in the same order each time. It has to be asked before
// they are loaded, which clears their configuration.
func eachMatcher(sets []caddy.ModuleMap) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for _, set := range sets {
			for _, name := range slices.Sorted(maps.Keys(set)) {
				if name != "not" {
					if !yield(name, set[name]) {
						return
					}
					continue
				}
				var inner []caddy.ModuleMap
				if json.Unmarshal(set[name], &inner) != nil {
					continue // LoadModule refuses it
				}
				for name, raw := range eachMatcher(inner) {
					if !yield(name, raw) {
						return
					}
				}
			}
		}
	}
}

// mentions is the text in which a matcher that can look at anything says what it looks at. It is empty for the others, which look at what
// they are named after.
func mentions(name string, raw json.RawMessage) string {
	switch name {
	case "expression":
		var short string
		if json.Unmarshal(raw, &short) == nil {
			return short
		}
		var long struct{ Expr string }
		if json.Unmarshal(raw, &long) == nil {
			return long.Expr
		}
	case "vars", "vars_regexp":
		return string(raw)
	}
	return ""
}

// What such a text says, as a function or a placeholder. A placeholder of ours may stand in any matcher.
var (
	ownPlaceholder = regexp.MustCompile(`http\.(?:auth\.user|nightlatch)\.`)
	ownFunction    = regexp.MustCompile(`\b(nightlatch_(?:user|group|level))\w*\s*\(`)
	peerWord       = regexp.MustCompile(`\bremote_ip\w*|\bhttp\.request\.(?:remote|local)\b[\w.]*`)
	tlsWord        = regexp.MustCompile(`\btls\w*\s*\(|\bhttp\.request\.tls\b[\w.]*`)
	versionWord    = regexp.MustCompile(`\bhttp\.request\.proto\w*`)
	protocolCall   = regexp.MustCompile(`\bprotocol\w*\s*\(([^)]*)\)?`)
)

// looksAt tells whether a matcher looks at a part of the request, which has the name of the matcher for it.
func looksAt(name string, raw json.RawMessage, part string) bool {
	return name == part || strings.Contains(mentions(name, raw), part)
}

// looksAtConnection finds, as it is written, what looks at a connection: by the matcher of that name, or by a word in a text.
func looksAtConnection(name string, raw json.RawMessage, matcher string, word *regexp.Regexp) string {
	if name == matcher {
		return name
	}
	return strings.TrimRight(word.FindString(mentions(name, raw)), "( \t\r\n\f")
}

// looksAtVersion tells whether a matcher looks at the version of HTTP. `protocol` does where it asks for more than http or https.
func looksAtVersion(name string, raw json.RawMessage) bool {
	if name == "protocol" {
		var protocol string
		return json.Unmarshal(raw, &protocol) != nil || !isScheme(protocol)
	}
	text := mentions(name, raw)
	return versionWord.MatchString(text) || slices.ContainsFunc(protocolCall.FindAllStringSubmatch(text, -1), func(call []string) bool {
		return !isScheme(strings.Trim(call[1], "'\"` \t\r\n\f"))
	})
}

func isScheme(protocol string) bool { return protocol == "http" || protocol == "https" }

// checkAsked refuses in a rule what would look at the connection between the proxy that asks and us, where it seems to look at the
// visitor's.
func (r *Rule) checkAsked() error {
	for name, raw := range eachMatcher(r.MatcherSetsRaw) {
		if found := looksAtConnection(name, raw, "remote_ip", peerWord); found != "" {
			return fmt.Errorf("%s would see the proxy that asks; for the address of the visitor write client_ip", found)
		}
		if found := looksAtConnection(name, raw, "tls", tlsWord); found != "" {
			return fmt.Errorf("%s would see the connection of the proxy that asks, which says nothing about the visitor's", found)
		}
		if looksAtVersion(name, raw) {
			return errors.New("protocol can only be http or https here: the proxy that asks does not tell the version")
		}
	}
	return nil
}
