// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/visit"
)

// FA-14, ID-4, ID-12: all that a proxy copies is there, for whoever it is, and nothing of what the visitor said.
func TestAnswerIsComplete(t *testing.T) {
	visitor := http.Header{
		"Cookie":      {"a=1; __Host-nightlatch=secret; b=2", "nightlatch=secret", "c=3"},
		"Remote-User": {"root"}, "Remote-Email": {"ceo@example.test"}, "X-Forwarded-User": {"root"},
	}
	before := visitor.Clone()
	always := http.Header{"Cookie": {"a=1; b=2; c=3"}, "Cache-Control": {"no-store"}, "Vary": {"Cookie, Authorization"}, "Content-Length": {"0"}}
	for name, c := range map[string]struct {
		config identity.Config
		s      *auth.Session
		want   http.Header
	}{
		"alice":          {identity.Defaults, alice, http.Header{"Remote-User": {"alice"}, "Remote-Name": {"Alice Añez"}, "Remote-Email": {"alice@example.test"}, "Remote-Groups": {"admins,staff"}}},
		"with less":      {identity.Defaults, &auth.Session{Name: "bob"}, http.Header{"Remote-User": {"bob"}, "Remote-Name": {""}, "Remote-Email": {""}, "Remote-Groups": {""}}},
		"skipped":        {identity.Defaults, nil, http.Header{"Remote-User": {""}, "Remote-Name": {""}, "Remote-Email": {""}, "Remote-Groups": {""}}},
		"broken (ID-8)":  {identity.Defaults, &auth.Session{Name: "bob", FullName: "B\r\nRemote-Groups: admins"}, http.Header{"Remote-User": {"bob"}, "Remote-Name": {""}, "Remote-Email": {""}, "Remote-Groups": {""}}},
		"one name":       {identity.Config{User: "X-User"}, alice, http.Header{"X-User": {"alice"}}},
		"pipes":          {identity.Config{Groups: "X-Groups", Separator: identity.Pipe}, &auth.Session{Groups: []string{"a", "b"}, GroupList: "a,b"}, http.Header{"X-Groups": {"a|b"}}},
		"a name of ours": {identity.Config{User: "Vary"}, alice, nil},
	} {
		got := http.Header{}
		if err := teller(t, c.config).Answer(got, visitor, c.s, visit.Visit{}); err != nil {
			t.Fatal(err)
		}
		want := always.Clone()
		maps.Copy(want, c.want)
		if !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s: got  %v\nwant %v", name, got, want)
		}
		if !maps.EqualFunc(visitor, before, slices.Equal) {
			t.Fatalf("%s: the visitor's headers were changed: %v", name, visitor)
		}
	}
}

func TestAnswerWithoutCookies(t *testing.T) {
	for _, visitor := range []http.Header{{}, {"Cookie": {}}, {"Cookie": {"__Host-nightlatch=x"}}, {"Cookie": {"nightlatch=x", "__Host-nightlatch=y"}}} {
		got := http.Header{}
		if err := teller(t, identity.Defaults).Answer(got, visitor, alice, visit.Visit{}); err != nil {
			t.Fatal(err)
		}
		if c, there := got["Cookie"]; !there || len(c) != 1 || c[0] != "" {
			t.Errorf("%v: got %q, want one empty line", visitor, c)
		}
	}
}

// ID-12: a proxy can put Authorization of the answer in the place of the visitor's.
func TestAnswerAboutAuthorization(t *testing.T) {
	const ours, theirs = "Bearer " + accessKey, "Basic YWxpY2U6cHc="
	for _, c := range []struct{ sent, want []string }{
		{nil, nil},
		{[]string{theirs}, []string{theirs}},
		{[]string{""}, []string{""}},
		{[]string{theirs, "Bearer x"}, []string{theirs, "Bearer x"}},
		{[]string{ours}, []string{""}},
		{[]string{ours, ours}, []string{""}},
		{[]string{ours, theirs}, []string{theirs}},
	} {
		for _, s := range []*auth.Session{nil, alice} {
			visitor, got := http.Header{}, http.Header{}
			if c.sent != nil {
				visitor["Authorization"] = c.sent
			}
			if err := teller(t, identity.Defaults).Answer(got, visitor, s, visit.Visit{}); err != nil {
				t.Fatal(err)
			}
			if lines, there := got["Authorization"]; !slices.Equal(lines, c.want) || there != (c.want != nil) {
				t.Errorf("%q (session %v): got %q, there %v; want %q", c.sent, s != nil, lines, there, c.want)
			}
		}
	}
}

// ID-18: what one answer holds is no other's.
func TestAnswersShareNothing(t *testing.T) {
	tell := teller(t, identity.Defaults)
	visitor := http.Header{"Authorization": {"Basic YWxpY2U6cHc="}}
	first, second := http.Header{}, http.Header{}
	answer := func(h http.Header) {
		t.Helper()
		if err := tell.Answer(h, visitor, alice, visit.Visit{}); err != nil {
			t.Fatal(err)
		}
	}
	answer(first)
	for name := range first {
		first[name][0] = "changed"
		first[name] = append(first[name], "added")
	}
	answer(second)
	if visitor.Get("Authorization") != second.Get("Authorization") || second.Get("Remote-User") != "alice" || second.Get("Cache-Control") != "no-store" || len(second["Vary"]) != 1 {
		t.Errorf("got %v after another answer was changed", second)
	}
}
