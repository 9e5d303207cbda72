// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import "github.com/nightlatch/nightlatch/internal/auth"

// method is a way of proving who somebody is, as bodies and answers have it.
type method auth.Method

// entered are the ways by which a code is entered.
var entered = notOneOf{string(auth.TOTP), string(auth.Email), string(auth.Webhook), string(auth.BackupCode)}

// UnmarshalText implements encoding.TextUnmarshaler. It knows the ways by which a code is entered, and no other.
func (m *method) UnmarshalText(text []byte) error {
	if !auth.Method(text).Second() {
		return entered
	}
	*m = method(text)
	return nil
}
