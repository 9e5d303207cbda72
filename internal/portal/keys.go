// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"net/http"
	"time"

	"github.com/nightlatch/nightlatch/internal/identity"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// discoveryPath stands under the issuer, where OpenID Connect Discovery 1.0 section 4 has it.
const discoveryPath = ".well-known/openid-configuration"

// keySet answers with the public keys of the tokens that applications get. They are for everybody, on every host, whether the site sends
// tokens or not, so that a verifier can be set up first.
func keySet(q *request) {
	keys, err := q.portal.keys()
	if err != nil {
		q.noKeys(err)
		return
	}
	set, err := keys.Set()
	if err != nil {
		q.noKeys(err)
		return
	}
	web.Publish(q.w, q.Request, set)
}

// discovery tells a verifier where the keys are. The issuer is what the configuration calls this host, and never what the request does
// (RE-1): where that is not known there is no document.
func discovery(q *request) {
	issuer := visit.Issuer(q.visit.Home())
	if issuer == "" {
		q.notFound()
		return
	}
	web.Publish(q.w, q.Request, identity.Discovery(issuer))
}

// noKeys answers a program that the keys are not to be had at the moment.
func (q *request) noKeys(err error) {
	q.portal.log.Error("the public keys are not available", "error", err)
	web.RetryAfter(q.w.Header(), 10*time.Second)
	web.Plain(q.w, q.Request, http.StatusServiceUnavailable, "not available")
}
