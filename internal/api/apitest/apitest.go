// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package apitest holds the API to its description, docs/openapi.yaml, for every test that talks to it. It looks at what goes in and what
// comes out and never at how that is made: an answer has a status, headers and a body that are described for its route, and a request that
// was taken is one that is described. What no test has shown yet is kept count of, so that nothing is described that nobody has seen.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	liberrors "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"

	"github.com/nightlatch/nightlatch/docs"
)

// Hold fails the test where an answer is not one that the document describes for its request. a.Request is the request as it was sent, its
// path below the one of the API, and sent its body. The body of the answer is read and put back. Safe for concurrent use.
func Hold(t testing.TB, a *http.Response, sent []byte) {
	t.Helper()
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the answer: %v", a.Request.Method, a.Request.URL.Path, err)
	}
	a.Body.Close()
	a.Body = io.NopCloser(bytes.NewReader(body))
	if complaints := d.hold(a, sent, body); len(complaints) > 0 {
		t.Errorf("%s %s is answered %d, and not as docs/openapi.yaml has it:\n\t%s\n%s",
			a.Request.Method, a.Request.URL.Path, a.StatusCode, strings.Join(complaints, "\n\t"), body)
	}
}

// Transport is a RoundTripper that holds every answer of the API, and passes on whatever else it carries.
type Transport struct {
	T    testing.TB
	Base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (x Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	a, err := x.Base.RoundTrip(r)
	if err == nil && strings.HasPrefix(r.URL.Path, "/_nightlatch/api/") {
		Hold(x.T, a, sent)
	}
	return a, err
}

// Routes are all that the document describes, as "GET account", in its order.
func Routes() ([]string, error) {
	d, err := described()
	if err != nil {
		return nil, err
	}
	var list []string
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			list = append(list, strings.ToUpper(method)+" "+path[1:])
		}
	}
	return list, nil
}

// Unseen are the answers that the document describes for when all went well, and that have not been held in this process: by the name of
// the operation and the status, and by the word of the member status where there are several.
func Unseen() ([]string, error) {
	d, err := described()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, item := range d.model.Paths.PathItems.FromOldest() {
		for _, op := range item.GetOperations().FromOldest() {
			for status, r := range op.Responses.Codes.FromOldest() {
				for _, answer := range answers(op, status, r) {
					if status[0] == '2' && !d.seen[answer] {
						list = append(list, answer)
					}
				}
			}
		}
	}
	return list, nil
}

// answers names the kinds of answer that a status of an operation can have.
func answers(op *v3.Operation, status string, r *v3.Response) (list []string) {
	name := op.OperationId + " " + status
	for _, m := range r.Content.FromOldest() {
		if s := m.Schema.Schema(); s.Discriminator != nil {
			for word := range s.Discriminator.Mapping.FromOldest() {
				list = append(list, name+" "+word)
			}
			return list
		}
	}
	return []string{name}
}

// document is docs/openapi.yaml, read.
type document struct {
	model   *v3.Document
	base    string // the path under which the API is
	whole   validator.Validator
	schemas schema_validation.SchemaValidator

	mu   sync.Mutex
	seen map[string]bool // by the names of answers
}

// described reads the document once: that takes a moment.
var described = sync.OnceValues(func() (*document, error) {
	file, err := libopenapi.NewDocument(docs.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("reading the description of the API: %w", err)
	}
	model, err := file.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("reading the description of the API: %w", err)
	}
	options := []config.Option{
		config.WithFormatAssertions(), config.WithRejectUndeclaredRequestBody(), config.WithAuthenticationFunc(presents),
	}
	return &document{
		model:   &model.Model,
		base:    model.Model.Servers[0].URL + "/",
		whole:   validator.NewValidatorFromV3Model(&model.Model, options...),
		schemas: schema_validation.NewSchemaValidator(options...),
		seen:    make(map[string]bool),
	}, nil
})

// presents tells whether a request carries a credential. The document names one of the three names that the cookie may have.
func presents(_ context.Context, in *config.AuthenticationInput) error {
	if in.SecuritySchemeName == "bearer" {
		if scheme, _, _ := strings.Cut(in.Request.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
			return nil
		}
		return errors.New("there is no bearer token")
	}
	for _, name := range []string{in.SecurityScheme.Name, "__Secure-nightlatch", "nightlatch"} {
		if _, err := in.Request.Cookie(name); err == nil {
			return nil
		}
	}
	return errors.New("there is no cookie of a session")
}

// hold says what is wrong with an answer.
func (d *document) hold(a *http.Response, sent, body []byte) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	if got := a.Header.Values("Cache-Control"); !slices.Equal(got, []string{"no-store"}) {
		complain("Cache-Control is %q, want no-store", got)
	}
	if got := a.Header.Values("X-Content-Type-Options"); !slices.Equal(got, []string{"nosniff"}) {
		complain("X-Content-Type-Options is %q, want nosniff", got)
	}
	if len(body) > 0 && !jsontext.Value(body).IsValid() {
		complain("the body is not JSON, or has a member twice")
	}
	r := a.Request.Clone(a.Request.Context())
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet // each GET has one
	}
	path, item := d.route(r)
	op := operation(item, r.Method)
	if op == nil {
		return append(complaints, d.holdAstray(a, item, body)...)
	}
	response := op.Responses.Codes.GetOrZero(fmt.Sprint(a.StatusCode))
	if response == nil {
		complain("the status is not described")
		return complaints
	}
	switch contents := orderedmap.Len(response.Content); {
	case a.Request.Method == http.MethodHead:
		if len(body) > 0 {
			complain("an answer to HEAD has a body")
		}
		if got := a.Header.Get("Content-Type"); contents > 0 && response.Content.GetOrZero(got) == nil {
			complain("the Content-Type %q is not described", got)
		}
		return complaints
	case contents == 0:
		if got := a.Header.Get("Content-Type"); len(body) > 0 || got != "" {
			complain("a body is not described, and this one is of the Content-Type %q", got)
		}
	case len(body) == 0:
		complain("there is no body")
	}
	held := *a
	held.Body = io.NopCloser(bytes.NewReader(body))
	_, wrong := d.whole.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(r, &held, item, path)
	complaints = append(complaints, inWords(wrong)...)
	if a.StatusCode >= 300 {
		return complaints
	}
	d.notice(op, response, a.StatusCode, body)
	if op.RequestBody == nil && string(bytes.TrimSpace(sent)) == "{}" {
		sent = nil // the document says so once, of all
	}
	return append(complaints, d.holdRequest(r, item, path, sent)...)
}

// holdRequest says what is wrong with a request that was taken. One that is refused may be anything.
func (d *document) holdRequest(r *http.Request, item *v3.PathItem, path string, sent []byte) []string {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
	if len(sent) == 0 {
		r.Header.Del("Content-Type") // of no body
	}
	_, wrong := d.whole.ValidateHttpRequestSyncWithPathItem(r, item, path)
	complaints := inWords(wrong)
	for i := range complaints {
		complaints[i] = "the request was taken: " + complaints[i]
	}
	return complaints
}

// notice keeps count of an answer that was given.
func (d *document) notice(op *v3.Operation, r *v3.Response, status int, body []byte) {
	var said struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(body, &said) // one that is not JSON is complained about elsewhere, and is none of the answers
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, answer := range answers(op, fmt.Sprint(status), r) {
		if name := fmt.Sprint(op.OperationId, " ", status); answer == name || answer == name+" "+said.Status {
			d.seen[answer] = true
		}
	}
}

// holdAstray says what is wrong with the answer to a request for which there is no route. Others may have its path.
func (d *document) holdAstray(a *http.Response, item *v3.PathItem, body []byte) (complaints []string) {
	name := map[int]string{http.StatusNotFound: "NotFound", http.StatusMethodNotAllowed: "MethodNotAllowed"}[a.StatusCode]
	if name == "" {
		return []string{"there is no such route"}
	}
	if got, want := a.Header.Get("Allow"), strings.Join(methods(item), ", "); got != want {
		complaints = append(complaints, fmt.Sprintf("Allow is %q, want %q", got, want))
	}
	const problem = "application/problem+json"
	if got := a.Header.Get("Content-Type"); got != problem {
		complaints = append(complaints, fmt.Sprintf("the Content-Type is %q, want %q", got, problem))
	}
	if a.Request.Method == http.MethodHead {
		return complaints
	}
	schema := d.model.Components.Responses.GetOrZero(name).Content.GetOrZero(problem).Schema.Schema()
	_, wrong := d.schemas.ValidateSchemaBytes(schema, body)
	return append(complaints, inWords(wrong)...)
}

// methods are those that a path has.
func methods(item *v3.PathItem) (list []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if operation(item, method) == nil {
			continue
		}
		list = append(list, method)
		if method == http.MethodGet {
			list = append(list, http.MethodHead)
		}
	}
	return list
}

// route finds the path that a request is for, as the document writes it. What stands there as it is goes before what stands for anything in
// braces (OpenAPI 3.1.0 section 4.8.8.2). A path that is spelled in another way than the document does is none.
func (d *document) route(r *http.Request) (path string, item *v3.PathItem) {
	rest, ours := strings.CutPrefix(r.URL.EscapedPath(), d.base)
	if !ours {
		return "", nil
	}
	for candidate, i := range d.model.Paths.PathItems.FromOldest() {
		if matches(candidate[1:], rest) && (item == nil || strings.Count(candidate, "{") < strings.Count(path, "{")) {
			path, item = candidate, i
		}
	}
	return path, item
}

func matches(template, path string) bool {
	parts, segments := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(parts, segments, func(part, segment string) bool {
		return part == segment || strings.HasPrefix(part, "{") && segment != ""
	})
}

func operation(item *v3.PathItem, method string) *v3.Operation {
	if item == nil || method != strings.ToUpper(method) {
		return nil // the case of a method counts (RFC 9110 section 9.1)
	}
	return item.GetOperations().GetOrZero(strings.ToLower(method))
}

func inWords(wrong []*liberrors.ValidationError) (list []string) {
	for _, w := range wrong {
		if len(w.SchemaValidationErrors) == 0 {
			list = append(list, w.Message+": "+w.Reason)
		}
		for _, s := range w.SchemaValidationErrors {
			list = append(list, strings.TrimSpace(s.FieldPath+" "+s.Reason))
		}
	}
	return list
}
