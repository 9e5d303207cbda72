// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"net/http"
	"testing"
)

func TestNavigates(t *testing.T) {
	said := func(mode, dest string) http.Header {
		return http.Header{"Sec-Fetch-Mode": {mode}, "Sec-Fetch-Dest": {dest}, "Accept": {"text/html"}}
	}
	tests := map[string]struct {
		method string
		header http.Header
		want   bool
	}{
		"a window":                   {"GET", said("navigate", "document"), true},
		"a form":                     {"POST", said("navigate", "document"), true},
		"an iframe":                  {"GET", said("navigate", "iframe"), true},
		"a frame":                    {"GET", said("navigate", "frame"), true},
		"a window, by a script":      {"GET", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "X-Requested-With": {"x"}}, true},
		"an object":                  {"GET", said("navigate", "object"), false},
		"an embed":                   {"GET", said("navigate", "embed"), false},
		"fetch for HTML":             {"GET", said("cors", "empty"), false},
		"fetch, same origin":         {"GET", said("same-origin", "empty"), false},
		"fetch to a window":          {"GET", said("cors", "document"), false},
		"an image":                   {"GET", said("no-cors", "image"), false},
		"a WebSocket":                {"GET", said("websocket", "empty"), false},
		"a mode alone":               {"GET", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Accept": {"text/html"}}, false},
		"a destination alone":        {"GET", http.Header{"Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}}, false},
		"an old browser":             {"GET", http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}}, true},
		"HTML on a second line":      {"GET", http.Header{"Accept": {"application/xml", "text/html"}}, true},
		"an old browser's script":    {"GET", http.Header{"Accept": {"text/html"}, "X-Requested-With": {"XMLHttpRequest"}}, false},
		"an old browser's WebSocket": {"GET", http.Header{"Accept": {"text/html"}, "Upgrade": {"websocket"}}, false},
		"a tunnel":                   {"CONNECT", http.Header{"Accept": {"text/html"}}, false},
		"curl":                       {"GET", http.Header{"Accept": {"*/*"}}, false},
		"JSON":                       {"GET", http.Header{"Accept": {"application/json"}}, false},
		"an empty Accept":            {"GET", http.Header{"Accept": {""}}, false},
		"nothing":                    {"GET", http.Header{}, false},
	}
	for name, tt := range tests {
		if got := Navigates(&http.Request{Method: tt.method, Header: tt.header}); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
