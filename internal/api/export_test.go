// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"github.com/go-json-experiment/json"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// Tells says whether an error of a kind has a problem of its own.
func Tells(kind auth.Kind) bool {
	p, known := kinds[kind]
	return known && p.status >= 400 && p.name != "" && p.title != ""
}

// Enrolling is the body with the most texts.
type Enrolling = enrolling

// Decode is how every body is decoded.
func Decode(body []byte, into any) error { return json.Unmarshal(body, into, strict) }
