// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// kinds offers what a person may enroll, in forms of the given purpose.
func (q *request) kinds(f purpose, methods []auth.Method, channels []string) web.Kinds {
	all := web.Kinds{Action: visit.Prefix + f.name, Token: q.tokenFor(f)}
	for _, m := range methods {
		if m != auth.Webhook {
			all.List = append(all.List, web.Kind{Method: string(m)})
			continue
		}
		for _, c := range channels {
			all.List = append(all.List, web.Kind{Method: string(m), Channel: c, Phone: auth.PhoneChannel(c)})
		}
	}
	return all
}

// newFactor reads such a form.
func (q *request) newFactor() auth.NewFactor {
	return auth.NewFactor{
		Method:      auth.Method(q.form.Get("method")),
		Name:        q.form.Get("name"),
		Channel:     q.form.Get("channel"),
		Destination: q.form.Get("destination"),
	}
}

// refuseKind shows the form that was sent once more, with what was typed and the problem, and tells whether it is one of them.
func refuseKind(all *web.Kinds, in auth.NewFactor, problem string) bool {
	for i := range all.List {
		k := &all.List[i]
		if k.Method == string(in.Method) && k.Channel == in.Channel {
			k.Open, k.Name, k.Destination, k.Problem = true, in.Name, in.Destination, problem
			return true
		}
	}
	return false
}
