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

func TestMayBrowse(t *testing.T) {
	const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
	for name, c := range map[string]struct {
		header http.Header
		want   bool
	}{
		"a browser":                {http.Header{"Sec-Fetch-Mode": {"navigate"}, "User-Agent": {chrome}}, true},
		"a browser without TLS":    {http.Header{"User-Agent": {chrome}}, true},
		"a script in a browser":    {http.Header{"Sec-Fetch-Mode": {"cors"}, "Accept": {"*/*"}}, true},
		"a WebSocket in a browser": {http.Header{"Sec-Fetch-Mode": {"websocket"}, "Upgrade": {"websocket"}}, true},
		"an old browser's script":  {http.Header{"X-Requested-With": {"XMLHttpRequest"}}, true},
		"curl":                     {http.Header{"User-Agent": {"curl/8.10.1"}}, false},
		"git":                      {http.Header{"User-Agent": {"git/2.47.0"}}, false},
		"a calendar":               {http.Header{"User-Agent": {"DAVx5/4.4.3-ose (dav4jvm; okhttp/4.12.0) Android/14"}}, false},
		"another word of Mozilla":  {http.Header{"User-Agent": {"NotMozilla/5.0"}}, false},
		"nothing":                  {http.Header{}, false},
	} {
		if got := MayBrowse(&http.Request{Header: c.header}); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
