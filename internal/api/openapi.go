// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"

	"github.com/nightlatch/nightlatch/docs"
)

// describe tells what there is to know of the API. It is the same for everybody, so it asks nobody who they are.
func describe(*call, nothing) (any, error) { return json.RawMessage(docs.OpenAPI()), nil }
