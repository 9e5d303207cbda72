// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
)

const formPlace = "app.example.com/orders?x"

// A form is as good after a restart as before, and so is the fact that it went on. What is stored of it says nothing of what was typed, and is
// gone after a while.
func TestKeptFormOverARestart(t *testing.T) {
	b := authtest.New(t)
	alice := b.Enroll(t, auth.NewUser{Name: "alice"})
	in := auth.Form{ContentType: "text/plain", Origin: "https://app.example.com", Referer: "https://app.example.com/cart", Body: []byte("secret\x00\xff")}
	before := len(b.Disk(t))
	sealed, err := b.SealForm(formPlace, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(b.Disk(t)); n != before {
		t.Errorf("keeping a form left %d records", n-before)
	}
	pass := func() error {
		t.Helper()
		b.Restart(t)
		f, err := b.OpenForm(formPlace, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if f.ContentType != in.ContentType || f.Origin != in.Origin || f.Referer != in.Referer || !bytes.Equal(f.Body, in.Body) || f.UserID != "" {
			t.Errorf("got %+v, want %+v", f, in)
		}
		by, err := b.Session(t.Context(), auth.Asker{}, alice.Session)
		if err != nil {
			t.Fatal(err)
		}
		return b.PassForm(t.Context(), authtest.Client, f, by)
	}
	if err := pass(); err != nil {
		t.Errorf("first: %v", err)
	}
	if err := pass(); auth.KindOf(err) != auth.FormSent {
		t.Errorf("second: got %v, want that it has been sent", err)
	}
	for key, value := range b.Records(t, "form/") {
		if strings.Contains(key+value, "secret") || strings.Contains(key+value, "orders") {
			t.Errorf("%s holds %s", key, value)
		}
	}
}

// FuzzOpenForm: nothing but what SealForm has made for a place opens there, and nothing breaks on it.
func FuzzOpenForm(f *testing.F) {
	b := authtest.New(f)
	sealed, err := b.SealForm(formPlace, auth.Form{Body: []byte("a=1")}, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "A", sealed, sealed[:40], sealed + "A", strings.Repeat("A", 100), "=\r\n"} {
		f.Add(formPlace, s)
	}
	f.Add("app.example.com/", sealed)
	f.Fuzz(func(t *testing.T, place, value string) {
		form, err := b.OpenForm(place, value)
		switch {
		case err == nil && (place != formPlace || string(form.Body) != "a=1"):
			t.Errorf("%q opened at %q", value, place)
		case err != nil && auth.KindOf(err) != auth.FormGone:
			t.Errorf("%q: got %v, want that it is gone", value, err)
		}
	})
}
