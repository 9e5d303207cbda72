// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// WB-9: an answer ends with its session also when the handler looks at no context, as a file server does not.
func TestAnswerThatHasBegunEndsWithItsSession(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			b := authtest.New(t)
			site := newSite(t, b)
			alice := b.Enroll(t, auth.NewUser{Name: "alice"})
			begun, ended := make(chan struct{}), make(chan error, 1)
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				site.ServeHTTP(w, r, visit.Visit{URL: r.URL, Transport: visit.Secure}, func(w http.ResponseWriter, _ *http.Request, _ *auth.Session) error {
					close(begun)
					chunk := make([]byte, 64<<10)
					for {
						if _, err := w.Write(chunk); err != nil {
							ended <- err
							return nil
						}
					}
				})
			}))
			srv.EnableHTTP2 = h2
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
			if (resp.ProtoMajor == 2) != h2 {
				t.Fatalf("got %s", resp.Proto)
			}
			go io.Copy(io.Discard, resp.Body)
			<-begun
			if _, err := b.RevokeSessions(t.Context(), auth.Client{}, "alice"); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(2 * time.Second):
				t.Error("the answer goes on two seconds after its session ended")
			}
		})
	}
}
