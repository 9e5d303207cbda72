// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// passage is what a Handler leaves in the variables of a request that it lets through, for the matchers behind it. No other handler can
// make one, whatever it sets the variable to. The session is nil where a rule skips the sign-in.
type passage struct{ session *auth.Session }

// String is what the variable shows in a configuration that prints it: nothing of the person.
func (passage) String() string { return "true" }

// whoPassed is the session that a Handler has let through; nil in front of it and on a request that a rule skips.
func whoPassed(r *http.Request) *auth.Session {
	p, _ := caddyhttp.GetVar(r.Context(), passedVar).(passage)
	return p.session
}

// nobody is who a request is from that a rule skips: a placeholder that is known and empty, rather than sent on as it is written.
var nobody = new(auth.Session)

// placeholders are looked up only when somebody asks, such as the access log.
func placeholders(s *auth.Session) caddy.ReplacerFunc {
	if s == nil {
		s = nobody
	}
	return func(key string) (any, bool) {
		switch key {
		case "http.auth.user.id":
			return s.Name, true
		case "http.auth.user.name":
			return s.FullName, true
		case "http.auth.user.email":
			return s.Email, true
		case "http.auth.user.groups":
			return s.GroupList, true
		case "http.nightlatch.level":
			return levelWord(s.Level()), true
		case "http.nightlatch.methods":
			return methodWords(s.Proofs), true
		case "http.nightlatch.session":
			return s.ID, true
		case "http.nightlatch.auth_time":
			at := s.ProvenAt()
			if at.IsZero() {
				return "", true
			}
			return strconv.FormatInt(at.Unix(), 10), true
		}
		return nil, false
	}
}

// levelWord is a level as the Caddyfile says it, empty for none.
func levelWord(l auth.Level) string {
	if l == 0 {
		return ""
	}
	return l.String()
}

// methodWords are the methods of proofs, with commas between them.
func methodWords(proofs []auth.Proof) string {
	var words []string
	for _, p := range proofs {
		words = append(words, string(p.Method))
	}
	return strings.Join(words, ",")
}
