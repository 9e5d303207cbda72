// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// What the client writes is what the handler reads, whatever fields are added.
func TestNewUserRoundTrip(t *testing.T) {
	password := "pa\u017fsword \\ \" \u2028 <&>"
	want := NewUser{Name: "n", FullName: "f", Email: "e", Groups: []string{"g", "h"}, Admin: true, Password: &password}
	for i := range reflect.TypeFor[NewUser]().NumField() {
		if reflect.ValueOf(want).Field(i).IsZero() {
			t.Fatalf("the test leaves %s out", reflect.TypeFor[NewUser]().Field(i).Name)
		}
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readNewUser(bytes.NewReader(body))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// FuzzReadNewUser holds the strict reader against encoding/json: it may refuse more, and must never read something else.
func FuzzReadNewUser(f *testing.F) {
	for _, seed := range []string{
		`{"name":"eve"}`, `{"name":"eve","password":"x","groups":["a","b"],"admin":true,"email":"e","display_name":"d"}`,
		`{"name":"eve","name":"x"}`, `{"name":null,"password":null}`, `{"groups":[null]}`, `{"na\u006de":"eve"}`, `{"name":"\ud800"}`,
		`{}`, ` {} `, `{"a":{"name":"x"}}`, `[]`, `{"name":"eve"} {}`, "{\"name\":\"\xff\"}", `{"name":"eve",}`, `{"name" "eve"}`, `{"name":"a"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readNewUser(bytes.NewReader(body))
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		var want NewUser
		if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, encoding/json reads %+v, %v", body, got, want, err)
		}
		if dec.More() {
			t.Errorf("%q: something behind the object was passed over", body)
		}
	})
}
