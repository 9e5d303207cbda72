// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

const (
	maxBody  = 64 << 10
	bodyTime = 10 * time.Second
)

// nothing is the body of an act without fields. It may be left out.
type nothing struct{}

// read reads the one object that a body must be: small, soon, and of one type. What two readers could read differently is refused, or a
// filter in front of us could look at another value than we do: a field that stands there twice, one that we do not know, or know in another
// case, broken UTF-8, null for a value. A field is required unless its tag says omitzero.
func read[In any](c *call) (in In, ok bool) {
	refuse := func(p problem) (In, bool) {
		c.w.Header().Set("Connection", "close") // what is left of the body is not worth reading
		c.answer(p)
		return in, false
	}
	optional := missing(reflect.ValueOf(in)) == "" // all of it, so that there need be no body
	untyped := len(c.Header["Content-Type"]) == 0 && optional
	if !untyped && !isJSON(c.Header) {
		return refuse(wrongType)
	}
	body, err := visit.ReadSoon(c.w, c.Request, maxBody, bodyTime)
	if err != nil {
		status, _ := web.Unread(err)
		return refuse(unread[status])
	}
	switch {
	case len(body) == 0 && optional:
		return in, true
	case untyped:
		return refuse(wrongType)
	}
	if err := json.Unmarshal(body, &in, strict); err != nil {
		return refuse(badRequest.because(inWords(err)))
	}
	if name := missing(reflect.ValueOf(in)); name != "" {
		return refuse(missingField(name))
	}
	return in, true
}

// isJSON tells whether a body says that it is JSON in UTF-8, as it is.
func isJSON(h http.Header) bool {
	if len(h["Content-Type"]) != 1 || len(h["Content-Encoding"]) > 0 {
		return false
	}
	kind, parameters, err := mime.ParseMediaType(h["Content-Type"][0])
	if err != nil || kind != "application/json" {
		return false
	}
	for name, value := range parameters {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

var errNull = errors.New("null")

// strict is how bodies are decoded, on top of what the decoder refuses by itself.
var strict = json.JoinOptions(
	json.RejectUnknownMembers(true),
	json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, _ any) error {
		if d.PeekKind() == 'n' {
			return errNull
		}
		return json.SkipFunc
	})),
)

// inWords says what is wrong with a body, and where. It quotes names of fields and never a value, which could be a password.
func inWords(err error) string {
	var where jsontext.Pointer
	syntactic, isSyntactic := errors.AsType[*jsontext.SyntacticError](err)
	semantic, isSemantic := errors.AsType[*json.SemanticError](err)
	switch {
	case isSyntactic:
		where = syntactic.JSONPointer
	case isSemantic:
		where = semantic.JSONPointer
	}
	field := cut(strings.Join(slices.Collect(where.Tokens()), "/"))
	unknown, isUnknown := errors.AsType[notOneOf](err)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Sprintf("the field %q stands there twice", field)
	case errors.Is(err, json.ErrUnknownName):
		return fmt.Sprintf("there is no field %q", field)
	case isSyntactic:
		return "the body is not valid JSON in UTF-8"
	case field == "":
		return "the body is not a JSON object"
	case errors.Is(err, errNull):
		return fmt.Sprintf("the field %q is null: leave it out", field)
	case isUnknown:
		return fmt.Sprintf("the field %q has to be one of %s", field, strings.Join(unknown, ", "))
	}
	return fmt.Sprintf("the field %q has to be %s", field, kindOfValue(semantic.GoType))
}

// notOneOf is the error of a text that has to be one of some words.
type notOneOf []string

func (words notOneOf) Error() string { return "none of " + strings.Join(words, ", ") }

// kindOfValue is what a field of a type takes.
func kindOfValue(t reflect.Type) string {
	const unknown = "of another type"
	if t == nil {
		return unknown // the decoder does not always say
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.String:
		return "a text"
	}
	return unknown
}

// maxShown is how many bytes of a name that may be anything come into an answer.
const maxShown = 64

func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}

// missing is the name of the first required field that has no value, or empty.
func missing(in reflect.Value) string {
	for i := range in.NumField() {
		name, options, _ := strings.Cut(in.Type().Field(i).Tag.Get("json"), ",")
		if options == "" && in.Field(i).IsZero() {
			return name
		}
	}
	return ""
}
