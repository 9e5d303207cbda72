// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// answer is the header of a redirect of ours.
func answer() http.Header {
	w := httptest.NewRecorder()
	See(w, "/a")
	return w.Header()
}

// TestAnswersShareNoHeaderValue does what the header directive of a site may do to an answer of ours.
func TestAnswersShareNoHeaderValue(t *testing.T) {
	first := answer()
	want := first.Clone()
	for _, values := range first {
		values[0] = "changed"
	}
	second := answer()
	for name := range want {
		if got := second.Get(name); got != want.Get(name) {
			t.Errorf("%s of the second answer: got %q, want %q", name, got, want.Get(name))
		}
		if got := first.Get(name); got != "changed" {
			t.Errorf("%s of the first answer: got %q after the second was made, want it as it was changed", name, got)
		}
	}
	for name, values := range second {
		second[name] = append(values, "added")
	}
	for name := range want {
		if got := second.Get(name); got != want.Get(name) {
			t.Errorf("%s: got %q after values were added to other headers, want %q", name, got, want.Get(name))
		}
	}
}

func TestHeaderNamesAreCanonical(t *testing.T) {
	for _, a := range always {
		if got := http.CanonicalHeaderKey(a.name); got != a.name {
			t.Errorf("%q: nobody finds it under that name, want %q", a.name, got)
		}
	}
}

// TestRedirectIsCheap: it is the answer to a flood. One array for the values of all headers, one for the Location.
func TestRedirectIsCheap(t *testing.T) {
	w := &nowhere{http.Header{}}
	if n := testing.AllocsPerRun(100, func() { See(w, "/_nightlatch/sign-in") }); n > 2 {
		t.Errorf("got %v allocations, want at most 2", n)
	}
}

type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}
