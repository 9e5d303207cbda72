// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package forms

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// bounded is a connection that remembers its deadlines, and one that has passed when late is set.
type bounded struct {
	*httptest.ResponseRecorder
	reads, writes []time.Time
}

func (b *bounded) SetReadDeadline(d time.Time) error  { b.reads = append(b.reads, d); return nil }
func (b *bounded) SetWriteDeadline(d time.Time) error { b.writes = append(b.writes, d); return nil }

// late is a body that comes too slowly after its first bytes.
type late struct{ first *strings.Reader }

func (l late) Read(p []byte) (int, error) {
	if l.first.Len() > 0 {
		return l.first.Read(p)
	}
	return 0, os.ErrDeadlineExceeded
}

func fromPage(contentType string, body interface{ Read([]byte) (int, error) }) (*http.Request, visit.Visit) {
	r := httptest.NewRequest("POST", "https://app.example.com/orders", body)
	r.Header = http.Header{
		"Content-Type": {contentType}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"},
	}
	return r, visit.Visit{URL: r.URL, Transport: visit.Secure, Host: "app.example.com"}
}

// DO-6: whoever sends or reads slowly holds a goroutine, a megabyte and a place for seconds, and a connection that goes on has none of these
// deadlines left.
func TestDO6SlowForms(t *testing.T) {
	b := authtest.New(t)
	k := New(Config{Service: func() (*auth.Service, error) { return b.Service, nil }, Room: NewRoom()})
	within := func(what string, got []time.Time, start time.Time, limit time.Duration, n int) {
		t.Helper()
		if len(got) != 2*n {
			t.Fatalf("%s: %d deadlines, want %d, each set and taken back", what, len(got), n)
		}
		for i := range n {
			if d := got[2*i]; d.Before(start.Add(limit)) || d.After(time.Now().Add(limit)) || !got[2*i+1].IsZero() {
				t.Errorf("%s: deadlines %v, want %v from now and then none", what, got[2*i:2*i+2], limit)
			}
		}
	}

	start := time.Now()
	w := &bounded{ResponseRecorder: httptest.NewRecorder()}
	r, v := fromPage("application/x-www-form-urlencoded", strings.NewReader("a=1"))
	f := k.Keep(w, r, v, nil)
	within("kept, reading", w.reads, start, readTime, 1)
	f.Hold()
	f.Release()
	within("kept, writing", w.writes, start, writeTime, 1)

	start = time.Now()
	w = &bounded{ResponseRecorder: httptest.NewRecorder()}
	r, v = fromPage("text/plain", strings.NewReader(mark+f.Sealed+ending))
	again, answered := k.Take(w, r, v)
	if again == nil || answered {
		t.Fatalf("the form did not come back: %d %s", w.Code, w.Body)
	}
	within("sent again, reading", w.reads, start, readTime, 2)
	again.Release()
	if len(w.writes) != 0 {
		t.Errorf("the application's answer had deadlines %v, want none of ours", w.writes)
	}

	for _, slow := range []struct{ contentType, first string }{
		{"application/x-www-form-urlencoded", "a=1"}, {"text/plain", "night"}, {"text/plain", mark + "AAAA"},
	} {
		w = &bounded{ResponseRecorder: httptest.NewRecorder()}
		r, v = fromPage(slow.contentType, late{strings.NewReader(slow.first)})
		if slow.contentType != "text/plain" {
			if k.Keep(w, r, v, nil) != nil {
				t.Errorf("%q was kept", slow.first)
			}
		} else if f, answered := k.Take(w, r, v); f != nil || !answered || w.Code != http.StatusRequestTimeout {
			t.Errorf("%q: got %d, answered %t, want 408", slow.first, w.Code, answered)
		}
		if w.Header().Get("Connection") != "close" {
			t.Errorf("%q: the connection goes on with half a body in it", slow.first)
		}
	}
	for range places { // each place was given back
		if _, ok := k.Room.enter(t.Context(), nil, 0); !ok {
			t.Fatal("a place is gone")
		}
	}
	// Strangers take no place of people who are signed in, and wait only where they have something to lose.
	if _, ok := k.Room.enter(t.Context(), nil, time.Millisecond); ok {
		t.Error("there is one place more than there should be")
	}
	if _, ok := k.Room.enter(t.Context(), new(auth.Session), 0); !ok {
		t.Error("strangers took the places of people who are signed in")
	}
	w = &bounded{ResponseRecorder: httptest.NewRecorder()}
	r, v = fromPage("application/x-www-form-urlencoded", strings.NewReader("a=1"))
	if k.Keep(w, r, v, nil) != nil {
		t.Error("kept without a place")
	}
}

// On a connection that anybody may listen to no form is of this site, whatever its sender says.
func TestFormsOnPlainHTTP(t *testing.T) {
	for transport, want := range map[visit.Transport]bool{visit.Exposed: false, visit.Loopback: true, visit.Secure: true} {
		r, v := fromPage("text/plain", strings.NewReader(""))
		r.TLS, v.Transport = nil, transport
		if got := fromHere(r, v); got != want {
			t.Errorf("transport %d: got %v, want %v", transport, got, want)
		}
	}
}
