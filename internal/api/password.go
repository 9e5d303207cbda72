// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

type newPassword struct {
	Current string `json:"current_password"`
	New     string `json:"new_password"`
}

// changePassword takes the old password together with the new one, under the counters of the sign-in (BF-19).
func changePassword(c *call, in newPassword) (any, error) {
	p, err := c.auth.ChangePassword(c.Context(), c.client(), c.ticket, in.Current, in.New)
	if err != nil {
		return nil, err
	}
	return ended{"done", c.turned(p)}, nil
}
