// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestAnswersShareNoHeaderValue does what the header directive of a site may do to an answer of ours, and looks at the next one.
func TestAnswersShareNoHeaderValue(t *testing.T) {
	first, second := httptest.NewRecorder(), httptest.NewRecorder()
	See(first, "/a")
	want := first.Header().Clone()
	for name, values := range first.Header() {
		values[0] = "changed"
		first.Header()[name] = append(values, "added")
	}
	for name := range want {
		if got := first.Header()[name]; len(got) != 2 || got[0] != "changed" || got[1] != "added" {
			t.Errorf("%s of the first answer: got %q, another value has been written over it", name, got)
		}
	}
	See(second, "/a")
	for name := range want {
		if got := first.Header().Get(name); got != "changed" {
			t.Errorf("%s of the first answer: got %q after the second was made", name, got)
		}
		if got := second.Header().Get(name); got != want.Get(name) || len(second.Header()[name]) != 1 {
			t.Errorf("%s of the second answer: got %q, want %q alone", name, second.Header()[name], want.Get(name))
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
