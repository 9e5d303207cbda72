// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"

	"github.com/nightlatch/nightlatch/docs"
)

// What a real API answers is held to the document in package internal/api/apitest. Here is what can be said of the document alone.

func parse(t *testing.T) libopenapi.Document {
	t.Helper()
	d, err := libopenapi.NewDocument(docs.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpenAPIIsValid(t *testing.T) {
	v, errs := validator.NewValidator(parse(t))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if _, problems := v.ValidateDocument(); len(problems) > 0 {
		t.Error(said(problems))
	}
}

func said(problems []*errors.ValidationError) (all []string) {
	for _, p := range problems {
		all = append(all, p.Reason)
		for _, s := range p.SchemaValidationErrors {
			all = append(all, s.FieldPath+": "+s.Reason)
		}
	}
	return all
}

// sample is an example with the schema that it is of.
type sample struct {
	where  string
	answer bool // rather than a request
	schema *base.Schema
	value  any
}

func samples(t *testing.T) (list []sample) {
	t.Helper()
	model, err := parse(t).BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	add := func(where string, answer bool, content *orderedmap.Map[string, *v3.MediaType]) {
		for media, m := range content.FromOldest() {
			s := sample{answer: answer, schema: m.Schema.Schema()}
			if m.Examples.Len() == 0 && media == "application/json" && where != "getOpenAPI 200" {
				t.Errorf("%s has no example", where)
			}
			for name, example := range m.Examples.FromOldest() {
				s.where = where + " " + name
				if err := example.Value.Decode(&s.value); err != nil {
					t.Fatal(err)
				}
				list = append(list, s)
			}
		}
	}
	for _, item := range model.Model.Paths.PathItems.FromOldest() {
		for _, op := range item.GetOperations().FromOldest() {
			if op.RequestBody != nil {
				add(op.OperationId, false, op.RequestBody.Content)
			}
			for status, r := range op.Responses.Codes.FromOldest() {
				add(op.OperationId+" "+status, true, r.Content)
			}
		}
	}
	if len(list) < 50 {
		t.Fatalf("got %d examples", len(list))
	}
	return list
}

var schemas = schema_validation.NewSchemaValidator(config.WithFormatAssertions())

func fits(s sample, value any) (bool, []string) {
	ok, problems := schemas.ValidateSchemaObject(s.schema, value)
	return ok, said(problems)
}

func TestOpenAPIExamplesAreWhatTheyShow(t *testing.T) {
	for _, s := range samples(t) {
		if ok, problems := fits(s, s.value); !ok {
			t.Errorf("%s: %q", s.where, problems)
		}
	}
}

// optional are the members of the examples that an answer may have or not have.
var optional = []string{
	"signIn 401 wrong_code/methods", // which has to have attempt, and that expires_at
	"addEmail 201 email/sent", "addWebhook 201 sms/sent",
	"listSessions 200 one/sessions/0/address",
	"confirmAuthenticatorApp 200 first/backup_codes", "confirmEmail 200 first/backup_codes", "confirmWebhook 200 first/backup_codes",
}

// An object has the members that are described and no other, at every depth, and each of them is of one type. So an answer that says too
// much or too little, or says it otherwise, does not pass for one of this API.
func TestOpenAPIObjectsAreClosed(t *testing.T) {
	for _, s := range samples(t) {
		whole, err := json.Marshal(s.value)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			var value any
			if err := json.Unmarshal(whole, &value); err != nil {
				t.Fatal(err)
			}
			what, changed := "", false
			for n, c := range changes(s, value) {
				if n == i {
					what, changed = c.what, true
					c.do()
					break
				}
			}
			if !changed {
				break
			}
			if ok, _ := fits(s, value); ok {
				t.Errorf("%s: it may be that %s", s.where, what)
			}
		}
	}
}

type change struct {
	what string
	do   func()
}

// changes are all that can be wrong with the members of a value, numbered. Only an answer has to say all that it can.
func changes(s sample, value any) iter.Seq2[int, change] {
	return func(yield func(int, change) bool) {
		n := 0
		var walk func(v any, at string) bool
		walk = func(v any, at string) bool {
			offer := func(what string, do func()) bool {
				ok := yield(n, change{what, do})
				n++
				return ok
			}
			switch v := v.(type) {
			case []any:
				for i, x := range v {
					if !walk(x, at+"/"+string(rune('0'+i))) {
						return false
					}
				}
			case map[string]any:
				if !offer(at+" has an unknown member", func() { v["unknown"] = "x" }) {
					return false
				}
				for _, name := range slices.Sorted(maps.Keys(v)) {
					if s.answer && !slices.Contains(optional, s.where+at+"/"+name) && !offer(at+"/"+name+" is missing", func() { delete(v, name) }) {
						return false
					}
					if !offer(at+"/"+name+" is null", func() { v[name] = nil }) ||
						!offer(at+"/"+name+" is of another type", func() { v[name] = map[string]any{"unknown": []any{}} }) ||
						!walk(v[name], at+"/"+name) {
						return false
					}
				}
			}
			return true
		}
		walk(value, "")
	}
}

// Generators of clients make a type of each component, by its name whatever it is of, of each property, and of what an allOf
// is made of. What they cannot make well they leave out without a word: where a code goes, or the attempt that goes on after a wrong one.
func TestOpenAPIMakesWholeClients(t *testing.T) {
	var document map[string]any
	if err := json.Unmarshal(docs.OpenAPI(), &document); err != nil {
		t.Fatal(err)
	}
	components := document["components"].(map[string]any)
	kindOf := map[string]string{}
	for _, kind := range []string{"schemas", "requestBodies", "responses"} {
		for name := range components[kind].(map[string]any) {
			if other := kindOf[name]; other != "" {
				t.Errorf("%s is the name of one of %s and of one of %s", name, other, kind)
			}
			kindOf[name] = kind
		}
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for i, x := range v {
				walk(fmt.Sprintf("%s/%d", at, i), x)
			}
		case map[string]any:
			parts, _ := v["allOf"].([]any)
			for _, part := range parts {
				ref, _ := part.(map[string]any)["$ref"].(string)
				of, _ := components["schemas"].(map[string]any)[path.Base(ref)].(map[string]any)
				if of["allOf"] != nil && of["properties"] != nil {
					t.Errorf("%s is made of %s, which has properties beside what it is made of itself: some lose those", at, path.Base(ref))
				}
			}
			for name, x := range v {
				if name == "properties" && !strings.HasSuffix(at, "/if") {
					for property, schema := range x.(map[string]any) {
						if s := schema.(map[string]any); (s["const"] != nil || s["enum"] != nil) && s["type"] == nil {
							t.Errorf("%s/%s has values of no type", at, property)
						}
					}
				}
				walk(at+"/"+name, x)
			}
		}
	}
	walk("", document)
}

// Each type of problem stands in docs/api.md with its status, can be met at some route, and is among all that there are; and no other is.
func TestOpenAPIProblemsAreThoseOfThePage(t *testing.T) {
	page, err := os.ReadFile("api.md")
	if err != nil {
		t.Fatal(err)
	}
	var onPage, all []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([0-9]{3}) \\|").FindAllStringSubmatch(string(page), -1) {
		onPage, all = append(onPage, m[2]+" "+m[1]), append(all, m[1])
	}
	model, err := parse(t).BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	meet := func(r *v3.Response) {
		if m := r.Content.GetOrZero("application/problem+json"); m != nil {
			is := m.Schema.Schema().AllOf[1].Schema().Properties
			for _, kind := range is.GetOrZero("type").Schema().Enum {
				met[is.GetOrZero("status").Schema().Const.Value+" "+path.Base(kind.Value)] = true
			}
		}
	}
	for _, item := range model.Model.Paths.PathItems.FromOldest() {
		for _, op := range item.GetOperations().FromOldest() {
			for _, r := range op.Responses.Codes.FromOldest() {
				if r.Content != nil {
					meet(r)
				}
			}
		}
	}
	meet(model.Model.Components.Responses.GetOrZero("MethodNotAllowed"))
	if got := slices.Sorted(maps.Keys(met)); len(got) < 30 || !slices.Equal(got, slices.Sorted(slices.Values(onPage))) {
		t.Errorf("the routes have\n%q\nand the page has\n%q", got, slices.Sorted(slices.Values(onPage)))
	}
	var listed []string
	for _, kind := range model.Model.Components.Schemas.GetOrZero("ProblemMembers").Schema().Properties.GetOrZero("type").Schema().Enum {
		listed = append(listed, path.Base(kind.Value))
	}
	if slices.Sort(all); !slices.Equal(listed, slices.Compact(all)) {
		t.Errorf("Problem lists\n%q\nand the page has\n%q", listed, slices.Compact(all))
	}
}
