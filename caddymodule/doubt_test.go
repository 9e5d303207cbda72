// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// PC-11, PC-20, PC-21: what a matcher and an application may read in two ways opens nothing, and does not get past what protects.
func TestDoubtfulParts(t *testing.T) {
	plain := func() *http.Request { return httptest.NewRequest("GET", "http://app.test/x?a=delete", nil) }
	in := func(change func(*http.Request)) *http.Request {
		r := plain()
		change(r)
		return r
	}
	query := in(func(r *http.Request) { r.URL.RawQuery = "a=delete&%zz" })
	semicolon := in(func(r *http.Request) { r.URL.RawQuery = "a=delete;b" })
	small := in(func(r *http.Request) { r.Method = "get" })
	dot := in(func(r *http.Request) { r.Host = "app.test." })
	dotPort := in(func(r *http.Request) { r.Host = "app.test.:443" })

	cases := map[string]struct {
		sets   []string
		doubts []*http.Request
		fine   []*http.Request
	}{
		"query":                {[]string{`query {"a":["delete"]}`}, []*http.Request{query, semicolon}, []*http.Request{plain(), small, dot}},
		"method":               {[]string{`method ["GET"]`}, []*http.Request{small}, []*http.Request{plain(), query, dot}},
		"host":                 {[]string{`host ["app.test"]`}, []*http.Request{dot, dotPort}, []*http.Request{plain(), small, query}},
		"not":                  {[]string{`not [{"query":{"a":["b"]}}]`}, []*http.Request{query}, []*http.Request{plain(), small, dot}},
		"not not":              {[]string{`not [{"not":[{"method":["GET"]}]}]`}, []*http.Request{small}, []*http.Request{plain(), query}},
		"the second set":       {[]string{`header {"A":["b"]}`, `host ["app.test"]`}, []*http.Request{dot}, []*http.Request{plain(), query}},
		"an expression":        {[]string{`expression "{http.request.uri.query.a} == 'delete' || true"`}, []*http.Request{query}, []*http.Request{plain(), small}},
		"something else alone": {[]string{`path ["/x"]`}, nil, []*http.Request{plain(), query, small, dot}},
	}
	two := &Rule{Action: "require"}
	for name, c := range cases {
		for _, action := range []string{"skip", "deny"} {
			ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
			defer cancel()
			rule, err := (&Rule{Action: action, MatcherSetsRaw: matching(c.sets...)}).compile(ctx, two)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, r := range c.doubts {
				ok, err := rule.Match(prepared(r))
				failed, _ := errors.AsType[caddyhttp.HandlerError](err)
				if ok || (err != nil) != (action == "deny") || err != nil && failed.StatusCode != http.StatusBadRequest {
					t.Errorf("%s %s, %s %s%s: got %v, %v; want no match of what opens, and 400 of what protects", action, name, r.Method, r.Host, r.URL, ok, err)
				}
			}
			for _, r := range c.fine {
				if _, err := rule.Match(prepared(r)); err != nil {
					t.Errorf("%s %s, %s %s%s: got %v, want an answer", action, name, r.Method, r.Host, r.URL, err)
				}
			}
		}
	}
}

// Where several parts are in doubt, an operator reads the same error each time.
func TestDoubtsAreToldInOrder(t *testing.T) {
	r := httptest.NewRequest("GET", "http://app.test/x?%zz", nil)
	r.Method, r.Host = "get", "app.test."
	rule := &Rule{Action: "deny", MatcherSetsRaw: matching(`host ["app.test"]; method ["GET"]; query {"a":["b"]}`)}
	for range 20 {
		_, err := careful(nil, rule.lookedAt(), false)(r)
		if err == nil || !strings.Contains(err.Error(), "the query can be read in two ways") {
			t.Fatalf("got %v, want the query to be told first", err)
		}
	}
}
