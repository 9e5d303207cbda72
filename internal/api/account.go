// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import "github.com/nightlatch/nightlatch/internal/auth"

// user is a person, as they see themselves.
type user struct {
	ID          string   `json:"id"`
	Username    string   `json:"username"`
	DisplayName string   `json:"display_name"`
	Email       string   `json:"email"`
	Groups      []string `json:"groups"`
}

func userOf(s *auth.Session) user {
	return user{ID: s.UserID, Username: s.Name, DisplayName: s.FullName, Email: s.Email, Groups: list(s.Groups)}
}

// account is a person with what guards their account.
type account struct {
	user
	TwoFactor twoFactor `json:"two_factor"`
}

type twoFactor struct {
	Enabled bool     `json:"enabled"`
	Methods []method `json:"methods"` // of the factors that are enrolled, each once
}

func showAccount(c *call, _ nothing) (any, error) {
	detail, err := c.auth.Account(c.Context(), c.own.UserID)
	if err != nil {
		return nil, err
	}
	a := account{user: userOf(c.own), TwoFactor: twoFactor{Enabled: detail.TwoFactor.Enabled, Methods: []method{}}}
	for _, m := range detail.TwoFactor.Methods {
		a.TwoFactor.Methods = append(a.TwoFactor.Methods, method(m))
	}
	return a, nil
}
