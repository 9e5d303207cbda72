// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// call is one request on its way through a chain. The links fill it.
type call struct {
	*http.Request
	w     http.ResponseWriter
	visit visit.Visit
	api   *API
	route route // the zero value: none

	auth *auth.Service // set by withService

	own      *auth.Session // set by withSession: who asks
	ticket   string        // … and what the acts of package auth know that by: the value of the cookie, or the access token
	byCookie bool          // … which of the two

	way auth.Way // by which the person means to go on, see auth.Client
}

// client is who asks, for package auth.
func (c *call) client() auth.Client {
	browser, _ := c.visit.Cookie(c.Request, visit.Browser)
	client := auth.Client{
		Address: c.visit.Address, Device: c.UserAgent(), Browser: browser, Origin: c.visit.Origin, Host: c.visit.Host, Domain: c.visit.Domain,
		Vouched: c.visit.Vouched, Home: c.visit.Home(), API: true, Way: c.way,
	}
	if c.own != nil {
		client.Session = c.own.ID
	}
	if len(c.Header["Accept-Language"]) > 0 { // a program that does not say gets mail in the language in which its person last saw a page
		client.Language = web.Tag(c.Request)
	}
	return client
}

// id is the segment of the path that stands where the route has {id}.
func (c *call) id() string {
	segments := strings.Split(strings.TrimPrefix(c.visit.URL.Path, Prefix), "/")
	for i, s := range strings.Split(c.route.path, "/") {
		if s == "{id}" {
			return segments[i]
		}
	}
	return ""
}

// moment is a time as answers have it: in UTC, in whole seconds.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// list makes an empty list of none, since null is no list to a program.
func list[T any](items []T) []T { return append([]T{}, items...) }
