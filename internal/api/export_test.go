// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import "github.com/go-json-experiment/json"

// Enrolling is the body with the most texts.
type Enrolling = enrolling

// Decode is how every body is decoded.
func Decode(body []byte, into any) error { return json.Unmarshal(body, into, strict) }
