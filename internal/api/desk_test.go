// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/api"
	"github.com/nightlatch/nightlatch/internal/api/apitest"
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/visit"
)

const (
	host = "app.example.test"
	home = "https://" + host
)

// desk is an API without a network, for requests that no ordinary client sends.
type desk struct {
	*authtest.Bench
	api   *api.API
	t     testing.TB
	log   *bytes.Buffer
	visit visit.Visit // of each request; its URL is set
	fails error       // of the service
}

func newDesk(t testing.TB, changes ...func(*api.Config)) *desk {
	t.Helper()
	d := &desk{Bench: authtest.New(t), t: t, log: new(bytes.Buffer)}
	d.Host = host
	d.visit = visit.Visit{Transport: visit.Secure, Host: host, Address: authtest.Client.Address, Origin: home, Site: home}
	cfg := api.Config{
		Service: func() (*auth.Service, error) { return d.Service, d.fails },
		Level:   auth.LevelTwoFactor,
		Now:     d.Clock.Now,
		Log:     slog.New(slog.NewTextHandler(d.log, nil)),
	}
	for _, change := range changes {
		change(&cfg)
	}
	var err error
	if d.api, err = api.New(cfg); err != nil {
		t.Fatal(err)
	}
	return d
}

// answered is what came back.
type answered struct {
	*httptest.ResponseRecorder
	t    testing.TB
	what string
}

// ask sends a request over TLS, and holds its answer to docs/openapi.yaml. A body makes it application/json; change makes it odd.
func (d *desk) ask(method, path, body string, change ...func(*http.Request)) answered {
	d.t.Helper()
	target := path
	if !strings.HasPrefix(path, "/") {
		target = api.Prefix + path
	}
	r := httptest.NewRequest(method, home+"/", strings.NewReader(body))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		d.t.Fatal(err)
	}
	r.URL, r.Host, r.RequestURI = u, host, target
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(r)
	}
	v := d.visit
	v.URL = r.URL
	w := httptest.NewRecorder()
	d.api.ServeHTTP(w, r, v)
	a := w.Result()
	a.Request = r
	apitest.Hold(d.t, a, []byte(body))
	return answered{w, d.t, method + " " + target}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// cookie sends one of our cookies; none where the value is empty.
func cookie(c visit.Cookie, value string) func(*http.Request) {
	return func(r *http.Request) {
		if value != "" {
			r.AddCookie(&http.Cookie{Name: visit.Secure.CookieName(c), Value: value})
		}
	}
}

// members are those of the answer; none where it has no body.
func (a answered) members() map[string]any {
	a.t.Helper()
	members := map[string]any{}
	if a.Body.Len() > 0 {
		if err := json.Unmarshal(a.Body.Bytes(), &members); err != nil {
			a.t.Fatalf("%s: got %d and no JSON: %v\n%s", a.what, a.Code, err, a.Body)
		}
	}
	return members
}

// is demands a status, and with an error the last word of its type, and returns the members of the answer.
func (a answered) is(status int, problem string) map[string]any {
	a.t.Helper()
	members := a.members()
	kind, contentType := "", "application/json"
	if problem != "" {
		kind, contentType = "/_nightlatch/problems/"+problem, "application/problem+json"
	}
	if status == http.StatusNoContent {
		contentType = ""
	}
	got, _ := members["type"].(string)
	if a.Code != status || got != kind || a.Header().Get("Content-Type") != contentType {
		a.t.Fatalf("%s: got %d, %s of the type %q; want %d, %s of the type %q\n%s", a.what, a.Code, a.Header().Get("Content-Type"), got, status, contentType, kind, a.Body)
	}
	if a.Header().Get("Cache-Control") != "no-store" || a.Header().Get("X-Content-Type-Options") != "nosniff" {
		a.t.Errorf("%s: the headers are %v, want those of every answer of ours", a.what, a.Header())
	}
	return members
}
