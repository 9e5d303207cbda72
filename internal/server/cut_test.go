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
	type act = func(*testing.T, *http.Request, *authtest.Bench, *authtest.Person) (end func() error)
	for name, c := range map[string]struct {
		h2   bool
		send func(http.ResponseWriter) error
		as   act
	}{
		"HTTP/1.1 written": {false, write, asPerson}, "HTTP/2 written": {true, write, asPerson},
		"HTTP/1.1 copied": {false, copied, asPerson}, "HTTP/2 copied": {true, copied, asPerson},
		"to an access key": {false, write, asKey}, "to a token": {true, write, asToken},
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
			end := c.as(t, r, b, alice)
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
			if err := end(); err != nil {
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

// asPerson, asKey and asToken make a request one that passes, and return what ends that.
func asPerson(t *testing.T, r *http.Request, b *authtest.Bench, alice *authtest.Person) (end func() error) {
	r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(visit.Session), Value: alice.Session})
	return func() error {
		_, err := b.RevokeSessions(t.Context(), auth.Client{}, "alice")
		return err
	}
}

func asKey(t *testing.T, r *http.Request, b *authtest.Bench, _ *authtest.Person) (end func() error) {
	made, err := b.AddAccessKey(t.Context(), auth.Client{}, "", auth.NewAccessKey{Name: "a program", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+made.Token)
	return func() error { return b.RevokeAccessKey(t.Context(), auth.Client{}, made.ID) }
}

func asToken(t *testing.T, r *http.Request, b *authtest.Bench, alice *authtest.Person) (end func() error) {
	c := alice.Client()
	c.API, c.Host = true, "127.0.0.1"
	in := alice.Credentials()
	in.Tokens = true
	pr, err := b.SignIn(t.Context(), c, in)
	if err == nil {
		pr, err = b.Code(t.Context(), c, pr.Attempt, auth.TOTP, alice.Code())
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+pr.Tokens.Access)
	return func() error { return b.RevokeToken(t.Context(), c, pr.Tokens.Refresh) }
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
