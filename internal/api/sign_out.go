// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import "github.com/nightlatch/nightlatch/internal/visit"

// signOut ends the session of the credential at hand: with the cookie also that, with an access token the whole family of tokens.
func signOut(c *call, _ nothing) (any, error) {
	if err := c.auth.SignOut(c.Context(), c.client(), c.ticket); err != nil {
		return nil, err
	}
	if c.byCookie {
		c.visit.ClearCookie(c.w, visit.Session)
		c.w.Header().Set("Clear-Site-Data", `"cache"`) // the back button shows nothing of the application either (WB-11)
	}
	return nil, nil
}
