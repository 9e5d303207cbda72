// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import "github.com/nightlatch/nightlatch/internal/auth"

type refreshToken struct {
	Token string `json:"refresh_token"`
}

// refresh exchanges a refresh token for the next pair. It takes no other credential: the access token of before may be over, and the cookie
// of a browser is not a program's.
func refresh(c *call, in refreshToken) (any, error) {
	t, err := c.auth.Refresh(c.Context(), c.client(), in.Token)
	if err != nil {
		if auth.KindOf(err) == auth.NotSignedIn {
			return nil, invalidRefreshToken
		}
		return nil, err
	}
	return c.api.tokensOf(&t), nil
}

// revoke ends the session of a refresh token. What is none is as good as revoked (RFC 7009 section 2.2).
func revoke(c *call, in refreshToken) (any, error) {
	return nil, c.auth.RevokeToken(c.Context(), c.client(), in.Token)
}
