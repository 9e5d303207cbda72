// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

type appPasswords struct {
	List []accessKey `json:"app_passwords"`
}

// accessKey is an app password without what opens it.
type accessKey struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Hosts    []string       `json:"hosts"`
	Paths    []string       `json:"paths"`
	Methods  []string       `json:"methods"`
	Networks []netip.Prefix `json:"networks"`
	Created  time.Time      `json:"created_at"`
	Expires  time.Time      `json:"expires_at"`
	LastUsed time.Time      `json:"last_used_at,omitzero"`
}

func accessKeyOf(k auth.AccessKeyInfo) accessKey {
	return accessKey{k.ID, k.Name, k.Hosts, k.Paths, k.Methods, k.Networks, moment(k.Created), moment(k.Expires), moment(k.LastUsed)}
}

// showAppPasswords lists those of the person, the newest first.
func showAppPasswords(c *call, _ nothing) (any, error) {
	keys, err := c.auth.AppPasswords(c.Context(), c.own.UserID)
	if err != nil {
		return nil, err
	}
	out := appPasswords{[]accessKey{}}
	for _, k := range slices.Backward(keys) {
		out.List = append(out.List, accessKeyOf(k))
	}
	return out, nil
}

type newAppPassword struct {
	Name     string   `json:"name"`
	Hosts    []string `json:"hosts,omitzero"`
	Paths    []string `json:"paths,omitzero"`
	Methods  []string `json:"methods,omitzero"`
	Networks []string `json:"networks,omitzero"`
	Days     *int     `json:"expires_in_days,omitzero"`
}

// madeAppPassword is a new one with what opens it, which is in no other answer.
type madeAppPassword struct {
	accessKey
	Token  string `json:"token"`
	Secret string `json:"secret"`
}

func makeAppPassword(c *call, in newAppPassword) (any, error) {
	key := auth.NewAccessKey{Name: in.Name, Hosts: in.Hosts, Paths: in.Paths, Methods: in.Methods}
	for _, text := range in.Networks {
		n, err := auth.ParseNetwork(text)
		if err != nil {
			return nil, err
		}
		key.Networks = append(key.Networks, n)
	}
	if in.Days != nil {
		key.Expires = c.api.now().Add(time.Duration(min(max(*in.Days, -maxDays), maxDays)) * 24 * time.Hour)
	}
	made, err := c.auth.NewAppPassword(c.Context(), c.client(), c.ticket, key)
	if err != nil {
		return nil, err
	}
	return madeAppPassword{accessKeyOf(made.AccessKeyInfo), made.Token, made.Secret}, nil
}

// maxDays keeps a number of days within what a time.Duration holds. How many are acceptable is not decided here.
const maxDays = 100_000

func removeAppPassword(c *call, _ nothing) (any, error) {
	return nil, c.auth.RemoveAppPassword(c.Context(), c.client(), c.ticket, c.id())
}
