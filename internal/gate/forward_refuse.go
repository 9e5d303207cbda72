// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"net/http"

	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// Refuse answers a question that is not about a request at all, or about one that nobody here answers for: the reason is Untrusted,
// Malformed or Unprotected. nginx knows 401 and 403 alone, and takes any other status for an outage.
func (p Proxy) Refuse(w http.ResponseWriter, question *http.Request, reason Reason) {
	leaveQuestionUnread(w, question)
	what := (&Decision{Reason: reason}).refusal()
	if p == NGINX {
		web.Nothing(w, http.StatusForbidden)
		return
	}
	web.Problem(w, question, what.status, web.ProblemDetails{
		Type: what.problem, Title: web.Say(question, what.title), Detail: web.Say(question, what.text),
	})
}

// RefuseTo tells a proxy what becomes of a request that Check did not let pass. No answer is 2xx, which would let it pass.
//
// All but nginx hand the answer on to the visitor as it is: it is the one of Refuse, with addresses that hold wherever the proxy stands
// (Visit.Pages has to be set), and with a status of HTTP for gRPC too. nginx takes the status, and from the header what its
// configuration says; for a person who follows a link that is the address in Location. That our cookies come and go with answers of
// the pages only, and never with this one, is no lack: nginx would drop them (FA-18).
func (g *Gate) RefuseTo(p Proxy, w http.ResponseWriter, question, original *http.Request, v visit.Visit, d Decision) {
	g.logRefusal(original, &d)
	what := d.refusal()
	if what == &matcherFailed {
		what = &ruleFailed
	}
	g.answerTo(p, w, question, original, v, what, &d)
}

// RefuseUntoldTo is RefuseUntold for a proxy.
func (g *Gate) RefuseUntoldTo(p Proxy, w http.ResponseWriter, question, original *http.Request, v visit.Visit, err error) {
	g.logTrouble(original, untold, err)
	g.answerTo(p, w, question, original, v, &unavailable, nil)
}

func (g *Gate) answerTo(p Proxy, w http.ResponseWriter, question, original *http.Request, v visit.Visit, what *refusal, d *Decision) {
	leaveQuestionUnread(w, question)
	switch {
	case p == NGINX:
		g.tellNGINX(w, original, v, what, d)
	case dialectOf(original) == grpc:
		web.GRPC(w, what.status, grpcType(original), what.grpc, web.Say(original, what.title))
	default:
		g.tell(w, answerable(original), v, what, d, "")
	}
}

// tellNGINX answers with 401 whoever can prove what is missing, with 403 whoever cannot, and with 503 when nobody knows.
func (g *Gate) tellNGINX(w http.ResponseWriter, original *http.Request, v visit.Visit, what *refusal, d *Decision) {
	status := http.StatusForbidden
	switch h := w.Header(); what.status {
	case http.StatusUnauthorized:
		status = http.StatusUnauthorized
		h.Set("WWW-Authenticate", g.challenge(original, d))
		if d.dialect(original) == navigation {
			h.Set("Location", d.address(v, returnTo(v.URL)))
		}
	case http.StatusServiceUnavailable:
		status = http.StatusServiceUnavailable
		web.RetryAfter(h, patience)
	}
	web.Nothing(w, status)
}

// answerable is the request whose answer has a body. To a question about a HEAD the proxy waits for as many bytes as the header says,
// and has to leave them out itself when it hands the answer on.
func answerable(original *http.Request) *http.Request {
	if original.Method != http.MethodHead {
		return original
	}
	get := *original
	get.Method = http.MethodGet
	return &get
}

// leaveQuestionUnread has an answer sent at once, whatever the question holds: the body of the visitor's request stays with the proxy
// (FA-15; Traefik CVE-2026-26998). One that announces a body and sends none, as nginx does unless it is told not to, would wait for
// us while we wait for it. Such a connection ends with the answer.
func leaveQuestionUnread(w http.ResponseWriter, question *http.Request) {
	if question.ProtoMajor == 1 && (question.ContentLength != 0 || question.Header["Expect"] != nil) {
		w.Header().Set("Connection", "close")
	}
}

// Allow tells a proxy to let the request pass, with what the header says of the visitor already (identity.Teller.Answer). There is no
// body: a proxy that does not read one closes the connection, and makes a new one for the next question.
//
// Traefik removes each header that it copies before it looks for it in the answer, and hands an empty one on as an empty line. An
// application that asks whether there is a Remote-User, and not what it says, would take a stranger on a skipped path for somebody. So
// what is empty is left out for Traefik. All others get it: one that copies only what it finds would leave the visitor's own (FA-14).
func (p Proxy) Allow(w http.ResponseWriter, question *http.Request) {
	leaveQuestionUnread(w, question)
	if p == Traefik {
		dropEmpty(w.Header())
	}
	w.WriteHeader(http.StatusOK)
}

func dropEmpty(h http.Header) {
	for name, lines := range h {
		if len(lines) == 1 && lines[0] == "" {
			delete(h, name)
		}
	}
}
