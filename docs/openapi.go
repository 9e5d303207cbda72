// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package docs has the one page of this directory that the program itself hands out: the description of its API, openapi.yaml. All others
// are for people, see README.md at the top of the repository.
package docs

import (
	_ "embed"
	"encoding/json"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is openapi.yaml as JSON (OpenAPI 3.1.0 section 4.2 allows both). It is made when it is first asked for, and is the same bytes from
// then on: do not change them.
var OpenAPI = sync.OnceValue(func() []byte {
	var document map[string]any
	if err := yaml.Unmarshal(openAPI, &document); err != nil {
		panic("reading openapi.yaml: " + err.Error()) // it is part of the program, and a test reads it
	}
	b, err := json.Marshal(document)
	if err != nil {
		panic("writing openapi.yaml as JSON: " + err.Error())
	}
	return b
})
