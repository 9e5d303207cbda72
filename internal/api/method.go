// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// method is a way of proving who somebody is, as bodies and answers have it: by the words of the Caddyfile, not by those of RFC 8176.
type method auth.Method

var words = map[auth.Method]string{
	auth.Password: "password", auth.TOTP: "totp", auth.Email: "email", auth.Webhook: "webhook", auth.BackupCode: "backup_code",
	auth.TrustedBrowser: "trusted_browser", auth.Vouched: "vouched",
}

// MarshalText implements encoding.TextMarshaler.
func (m method) MarshalText() ([]byte, error) { return []byte(words[auth.Method(m)]), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It knows the ways by which a code is entered, and no other.
func (m *method) UnmarshalText(text []byte) error {
	for known, word := range words {
		if word == string(text) && known.Second() {
			*m = method(known)
			return nil
		}
	}
	return fmt.Errorf("no code is entered by %q", text)
}
