// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endtoend

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/programtest"
)

// closesWithin is the promise: so soon after a session ends nothing of it is open.
const closesWithin = 2 * time.Second

// WB-9: whatever ends a session ends its open WebSockets and event streams, and nobody else's.
func TestEndedSessionsCloseTheirStreams(t *testing.T) {
	var bells bells
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/socket"):
			serveSocket(w, r, make(chan error, 1))
		case strings.HasPrefix(r.URL.Path, "/events/"):
			bells.serve(w, r)
		default:
			whoami(w, r)
		}
	}))
	t.Cleanup(app.Close)
	x := newSites(t, app.Listener.Addr().String())
	s := x.server
	admin := "unix/" + s.Socket()
	bob := x.opened(t, "bob")

	for _, c := range []struct {
		how string
		end func(t *testing.T, v *visitor)
	}{
		{"sign-out in another tab", func(t *testing.T, v *visitor) {
			for _, b := range v.browsers {
				tab := programtest.NewBrowser(t, b.Base, x.trust)
				tab.Cookies = b.Cookies
				tab.Client.Jar = b.Cookies
				held := b.Cookies.Cookies(nil)
				must(t, tab.SignOut())
				b.Cookies.SetCookies(nil, held) // as if the first tab had kept it
			}
		}},
		{"session revoke", func(t *testing.T, v *visitor) {
			for _, id := range v.sessionIDs(t) {
				s.Do(t, "", "session", "revoke", id, "--address", admin)
			}
		}},
		{"session revoke --user", func(t *testing.T, v *visitor) {
			s.Do(t, "", "session", "revoke", "--user", v.person.Name, "--address", admin)
		}},
		{"user disable", func(t *testing.T, v *visitor) { s.Do(t, "", "user", "disable", v.person.Name, "--address", admin) }},
		{"user delete", func(t *testing.T, v *visitor) {
			s.Do(t, "", "user", "delete", v.person.Name, "--yes", "--address", admin)
		}},
		{"user reset-2fa", func(t *testing.T, v *visitor) { s.Do(t, "", "user", "reset-2fa", v.person.Name, "--address", admin) }},
	} {
		t.Run(c.how, func(t *testing.T) {
			v := x.opened(t, strings.NewReplacer(" ", "-", "--", "").Replace(c.how))
			ends := make(chan end, len(v.streams))
			for name, stream := range v.streams {
				go func() {
					io.Copy(io.Discard, stream)
					ends <- end{name, time.Now()}
				}()
			}
			select {
			case e := <-ends:
				t.Fatalf("%s is closed before the session ended", e.stream)
			default:
			}
			c.end(t, v)
			acknowledged := time.Now()
			late := time.After(closesWithin)
			for range v.streams {
				select {
				case e := <-ends:
					t.Logf("%s closed %v after it was acknowledged", e.stream, e.at.Sub(acknowledged).Round(time.Millisecond))
				case <-late:
					t.Fatalf("not all streams are closed after %v", closesWithin)
				}
			}
			for _, b := range v.browsers {
				must(t, b.Send("GET", "/", nil))
				if b.At.Status != http.StatusSeeOther {
					t.Error(b.Unexpected("the session is over"))
				}
			}
			bells.check(t, bob)
		})
	}
}

type end struct {
	stream string
	at     time.Time
}

// visitor is a person with a session over HTTP/1.1 and one over HTTP/2, each with a WebSocket and an event stream open.
type visitor struct {
	sites    *sites
	person   *person
	browsers []*browser
	streams  map[string]io.ReadWriter
}

// opened adds a person and opens everything.
func (x *sites) opened(t *testing.T, name string) *visitor {
	t.Helper()
	v := &visitor{sites: x, person: x.server.addPerson(t, name), browsers: []*browser{x.browser(t), x.secure(t)}, streams: map[string]io.ReadWriter{}}
	for _, b := range v.browsers {
		must(t, comeIn(b, v.person))
		scheme, _, _ := strings.Cut(b.Base, ":")
		socket := openSocket(t, b, "/socket")
		expectFrame(t, socket, textFrame, []byte("hello "+name))
		v.streams["the WebSocket over "+scheme] = socket
		path := "/events/" + name + "/" + scheme
		events := bufio.NewReader(openStream(t, b, path))
		if line, err := events.ReadString('\n'); err != nil || line != "data: "+path+"\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		v.streams[path] = readOnly{events}
	}
	return v
}

type readOnly struct{ io.Reader }

func (readOnly) Write([]byte) (int, error) { panic("an event stream is not written to") }

// sessionIDs are those that the command lists.
func (v *visitor) sessionIDs(t *testing.T) []string {
	t.Helper()
	var ids []string
	out := v.sites.server.Do(t, "", "session", "list", "--user", v.person.Name, "--address", "unix/"+v.sites.server.Socket())
	for line := range strings.Lines(out) {
		if id, _, _ := strings.Cut(line, " "); id != "ID" {
			ids = append(ids, id)
		}
	}
	if len(ids) != len(v.browsers) {
		t.Fatalf("got sessions %q, want %d", ids, len(v.browsers))
	}
	return ids
}

// bells ring once for an event stream each time that the test wants another event in it.
type bells struct {
	mu    sync.Mutex
	ropes map[string]chan struct{}
}

func (b *bells) rope(path string) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ropes == nil {
		b.ropes = map[string]chan struct{}{}
	}
	if b.ropes[path] == nil {
		b.ropes[path] = make(chan struct{})
	}
	return b.ropes[path]
}

// serve is an event stream that begins with one event.
func (b *bells) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		fmt.Fprintf(w, "data: %s\n", r.URL.Path)
		http.NewResponseController(w).Flush()
		select {
		case <-b.rope(r.URL.Path):
		case <-r.Context().Done():
			return
		}
	}
}

// check wants every stream of somebody open in both directions.
func (b *bells) check(t *testing.T, v *visitor) {
	t.Helper()
	for name, stream := range v.streams {
		if !strings.HasPrefix(name, "/events/") {
			if _, err := stream.Write(frame(pingFrame, []byte(name), true)); err != nil {
				t.Fatalf("%s of somebody else: %v", name, err)
			}
			expectFrame(t, stream, pongFrame, []byte(name))
			continue
		}
		select {
		case b.rope(name) <- struct{}{}:
		case <-time.After(patience):
			t.Fatalf("%s of somebody else has ended", name)
		}
		if line, err := stream.(readOnly).Reader.(*bufio.Reader).ReadString('\n'); err != nil || line != "data: "+name+"\n" {
			t.Fatalf("%s of somebody else: got %q, %v", name, line, err)
		}
	}
}
