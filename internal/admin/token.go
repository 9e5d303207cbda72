// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
)

func listTokens(c call) (any, error) {
	user, err := c.user()
	if err != nil {
		return nil, err
	}
	tokens, err := c.svc.AccessKeys(c.Context(), user)
	slices.SortFunc(tokens, func(a, b auth.AccessKeyInfo) int { return a.Created.Compare(b.Created) })
	return list(tokens), err
}

func addToken(c call) (any, error) {
	in, err := readNewToken(c.Body)
	if err != nil {
		return nil, badBody(err)
	}
	user := ""
	if in.User != nil {
		// Nobody's is something else than that of a person whose name a script has lost.
		if user = *in.User; user == "" {
			return nil, problem(http.StatusUnprocessableEntity, KindBadInput, "the user name is empty")
		}
	}
	made, err := c.svc.AddAccessKey(c.Context(), c.client, user, auth.NewAccessKey{
		Name: in.Name, Hosts: in.Hosts, Paths: in.Paths, Methods: in.Methods, Networks: in.Networks, Expires: in.Expires,
	})
	if err != nil {
		return nil, err
	}
	return AddedToken{made, c.addresses(made.AccessKeyInfo)}, nil
}

// addresses are where a key may be tried: for each of its hosts the first of its paths, at the site of that name where one is known.
func (c call) addresses(k auth.AccessKeyInfo) []string {
	path := "/"
	if len(k.Paths) > 0 {
		path = (&url.URL{Path: k.Paths[0]}).EscapedPath()
	}
	var origins []string
	if c.cfg.Origins != nil {
		origins = c.cfg.Origins()
	}
	all := []string{}
	for _, host := range k.Hosts {
		if strings.HasPrefix(host, "*") {
			continue // nobody knows which
		}
		at := "https://" + host
		if i := slices.IndexFunc(origins, func(o string) bool { return isOf(o, host) }); i >= 0 {
			at = origins[i]
		}
		all = append(all, at+path)
	}
	return all
}

func isOf(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Hostname() == strings.Trim(host, "[]")
}

func revokeToken(c call) (any, error) {
	return nil, c.svc.RevokeAccessKey(c.Context(), c.client, c.PathValue("id"))
}
