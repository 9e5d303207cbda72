// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// WB-9: an answer ends with its session also when the handler looks at no context, as a file server does not.
func TestAnswerThatHasBegunEndsWithItsSession(t *testing.T) {
	write := func(w http.ResponseWriter) (err error) {
		for chunk := make([]byte, 64<<10); err == nil; {
			_, err = w.Write(chunk)
		}
		return err
	}
	copied := func(w http.ResponseWriter) error {
		_, err := w.(io.ReaderFrom).ReadFrom(zeros{})
		return err
	}
	for name, c := range map[string]struct {
		h2   bool
		send func(http.ResponseWriter) error
	}{
		"HTTP/1.1 written": {false, write}, "HTTP/2 written": {true, write}, "HTTP/1.1 copied": {false, copied}, "HTTP/2 copied": {true, copied},
	} {
		t.Run(name, func(t *testing.T) {
			b := authtest.New(t)
			site := newSite(t, b)
			alice := b.Enroll(t, auth.NewUser{Name: "alice"})
			begun, ended := make(chan struct{}), make(chan error, 1)
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				site.ServeHTTP(w, r, visit.Visit{URL: r.URL, Transport: visit.Secure, Host: visit.HostName(r.Host)}, func(w http.ResponseWriter, _ *http.Request, _ *auth.Session) error {
					close(begun)
					ended <- c.send(w)
					return nil
				})
			}))
			srv.EnableHTTP2 = c.h2
			srv.StartTLS()
			defer srv.Close()
			r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Session), Value: alice.Session})
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if (resp.ProtoMajor == 2) != c.h2 {
				t.Fatalf("got %s", resp.Proto)
			}
			go io.Copy(io.Discard, resp.Body)
			<-begun
			if _, err := b.RevokeSessions(t.Context(), auth.Client{}, "alice"); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if !errors.Is(err, server.ErrSessionEnded) {
					t.Errorf("got %v, want that the session has ended", err)
				}
			case <-time.After(2 * time.Second):
				t.Error("the answer goes on two seconds after its session ended")
			}
		})
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
