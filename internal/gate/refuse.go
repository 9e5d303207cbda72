// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// refusal is one kind of refused request and how it is put to each kind of sender.
type refusal struct {
	status  int
	problem string // the last word of the type of RFC 9457
	title   web.Message
	text    web.Message
	grpc    int // a code of the gRPC specification
}

// Codes of https://grpc.github.io/grpc/core/md_doc_statuscodes.html.
const (
	grpcInvalidArgument  = 3
	grpcPermissionDenied = 7
	grpcUnimplemented    = 12
	grpcInternal         = 13
	grpcUnavailable      = 14
	grpcUnauthenticated  = 16
)

var (
	signIn    = refusal{http.StatusUnauthorized, "sign-in-required", web.SignInRequiredTitle, web.SignInRequired, grpcUnauthenticated}
	proveMore = refusal{http.StatusUnauthorized, "second-factor-required", web.SecondFactorRequiredTitle, web.SecondFactorRequired, grpcUnauthenticated}
	stepUp    = refusal{http.StatusUnauthorized, "step-up-required", web.StepUpRequiredTitle, web.StepUpRequired, grpcUnauthenticated}
	forbidden = refusal{http.StatusForbidden, "forbidden", web.ForbiddenTitle, web.Forbidden, grpcPermissionDenied}
	closed    = refusal{http.StatusForbidden, "denied", web.DeniedTitle, web.Denied, grpcPermissionDenied}

	badHost       = refusal{http.StatusBadRequest, "bad-host", web.BadHostTitle, web.BadHost, grpcInvalidArgument}
	badMethod     = refusal{http.StatusMethodNotAllowed, "method-not-allowed", web.WrongMethodTitle, web.NoTunnel, grpcUnimplemented}
	matcherFailed = refusal{http.StatusInternalServerError, "rule-failed", web.RuleFailedTitle, web.RuleFailed, grpcInternal}
	exposed       = refusal{http.StatusForbidden, "https-required", web.ExposedTitle, web.Exposed, grpcPermissionDenied}
	tooEarly      = refusal{http.StatusTooEarly, "too-early", web.TooEarlyTitle, web.TooEarly, grpcUnavailable}
	unavailable   = refusal{http.StatusServiceUnavailable, "unavailable", web.UnavailableTitle, web.Unavailable, grpcUnavailable}
	foreignOrigin = refusal{http.StatusForbidden, "foreign-origin", web.OtherSiteTitle, web.OtherSite, grpcPermissionDenied}

	untrusted   = refusal{http.StatusForbidden, "untrusted-proxy", web.ForProxiesTitle, web.ForProxies, grpcPermissionDenied}
	malformed   = refusal{http.StatusBadRequest, "bad-question", web.BadQuestionTitle, web.BadQuestion, grpcInvalidArgument}
	unprotected = refusal{http.StatusForbidden, "not-protected", web.NotProtectedTitle, web.NotProtected, grpcPermissionDenied}
	// ruleFailed is for a proxy what matcherFailed is for a visitor. Some proxies can be told to let everything pass while the answers are
	// 5xx (failure_mode_allow of Envoy), and a matcher may fail at what a visitor sends.
	ruleFailed = refusal{http.StatusForbidden, "rule-failed", web.RuleFailedTitle, web.RuleFailed, grpcPermissionDenied}
)

// refusal finds what to say about a decision. What has no place in the table is forbidden.
func (d *Decision) refusal() *refusal {
	switch d.Reason {
	case BadHost:
		return &badHost
	case BadMethod:
		return &badMethod
	case MatcherFailed:
		return &matcherFailed
	case Exposed:
		return &exposed
	case TooEarly:
		return &tooEarly
	case Unavailable:
		return &unavailable
	case ForeignOrigin:
		return &foreignOrigin
	case Untrusted:
		return &untrusted
	case Malformed:
		return &malformed
	case Unprotected:
		return &unprotected
	case OwnPath:
		return &closed
	}
	switch {
	case d.Verdict == auth.SignIn:
		return &signIn
	case d.Verdict == auth.ProveMore:
		return &proveMore
	case d.Verdict == auth.StepUp:
		return &stepUp
	case d.Rule != nil && d.Rule.Action == Deny:
		return &closed
	}
	return &forbidden
}

// patience is what a client is asked to wait for a store that does not answer. A restart takes less.
const patience = 5 * time.Second

// Refuse answers a request that Check did not let pass. What is left of its body is not read.
//
// A person is led to the page where what is missing can be proven: at once from a link, by a link in a new tab from a form, since a
// redirect would lose what was typed. Everything else gets a status that its program sees: a script that followed a redirect would
// take the sign-in page for its data (WB-12), and a cache would keep it (WB-10). No answer of 401 makes a browser open its own
// password dialog, see challenge. Whoever has presented a token gets no page either, whatever else they say.
//
// kept is the form that the request was, sealed, where the caller has read and kept it: the page has it, to be sent once more. Else empty.
func (g *Gate) Refuse(w http.ResponseWriter, r *http.Request, v visit.Visit, d Decision, kept string) {
	g.logRefusal(r, &d)
	g.answer(w, r, v, d.refusal(), &d, kept)
}

// RefuseUntold refuses a request that Check did let pass, since the application cannot be told who it is from. err says why, for the log.
func (g *Gate) RefuseUntold(w http.ResponseWriter, r *http.Request, v visit.Visit, err error, kept string) {
	g.logTrouble(r, untold, err)
	g.answer(w, r, v, &unavailable, nil, kept)
}

func (g *Gate) answer(w http.ResponseWriter, r *http.Request, v visit.Visit, what *refusal, d *Decision, kept string) {
	if kept == "" {
		web.LeaveUnread(w, r)
	}
	if dialectOf(r) == grpc {
		web.GRPC(w, http.StatusOK, grpcType(r), what.grpc, web.Say(r, what.title))
		return
	}
	g.tell(w, r, v, what, d, kept)
}

// tell answers whoever does not speak gRPC. The decision is looked at where a proof is missing, and only there.
func (g *Gate) tell(w http.ResponseWriter, r *http.Request, v visit.Visit, what *refusal, d *Decision, kept string) {
	sender := d.dialect(r)
	if what.status == http.StatusUnauthorized && sender == navigation {
		web.See(w, d.address(v, returnTo(v.URL)))
		return
	}
	switch h := w.Header(); what.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", g.challenge(r, d))
	case http.StatusMethodNotAllowed:
		h.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	case http.StatusServiceUnavailable:
		web.RetryAfter(h, patience)
	}
	if sender == program {
		g.problem(w, r, v, what, d)
		return
	}
	g.page(w, r, v, what, d, kept)
}

// problem answers a program. sign_in_url leads nowhere in particular after the sign-in: the address of the request is that of some
// data, and where the person was only the page knows that asked for it.
func (g *Gate) problem(w http.ResponseWriter, r *http.Request, v visit.Visit, what *refusal, d *Decision) {
	p := web.ProblemDetails{Type: what.problem, Title: web.Say(r, what.title), Detail: web.Say(r, what.text)}
	switch {
	case what.status != http.StatusUnauthorized:
	case !d.Presented:
		p.SignInURL = d.address(v, "")
	case d.Session == nil:
		p.Detail = web.Say(r, web.TokenRefused)
	default:
		p.Detail = web.Say(r, web.TokenTooWeak)
	}
	web.Problem(w, r, what.status, p)
}

func (g *Gate) page(w http.ResponseWriter, r *http.Request, v visit.Visit, what *refusal, d *Decision, kept string) {
	switch {
	case what == &signIn:
		g.notSent(w, r, v, what, d, kept, saying{web.FormNotSent, web.FormKept, web.SignInButton})
	case what == &proveMore, what == &stepUp:
		g.notSent(w, r, v, what, d, kept, saying{web.FormNotProven, web.FormKeptNotProven, web.ContinueButton})
	case what.status == http.StatusServiceUnavailable && kept != "":
		web.Write(w, r, what.status, web.NotSent{
			Frame: web.Frame{Brand: g.brand}, Title: web.Say(r, web.FormNotSentTitle), Text: web.Say(r, web.FormLater), Kept: kept,
		})
	default:
		frame := web.Frame{Brand: g.brand}
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			frame.Here = returnTo(v.URL)
		}
		n := web.Notice{Frame: frame, Title: web.Say(r, what.title), Text: web.Say(r, what.text)}
		if what == &forbidden {
			n.Link, n.LinkText = v.Pages+visit.Prefix+"account", web.Say(r, web.ToAccount)
		}
		web.Write(w, r, what.status, n)
	}
}

// waits is the page that says, in the tab where somebody has signed in, that their form is in the other one.
const waits = visit.Prefix + "form-waits"

// saying is what the page of notSent says.
type saying struct{ lost, kept, button web.Message }

// notSent says that a form did not reach the application, and that it is kept if it is.
func (g *Gate) notSent(w http.ResponseWriter, r *http.Request, v visit.Visit, what *refusal, d *Decision, kept string, say saying) {
	text := say.lost
	if kept != "" {
		text = say.kept
	}
	web.Write(w, r, what.status, web.NotSent{
		Frame: web.Frame{Brand: g.brand}, Title: web.Say(r, web.FormNotSentTitle), Text: web.Say(r, text),
		Link: d.address(v, waits), LinkText: web.Say(r, say.button), Kept: kept,
	})
}

// address is the page where a person proves what is missing: a path on this host, or one under the origin that the visit names. No host
// that a client made up is in it (OR-7). That origin is the portal of the configuration or, with forward-auth, the host of the
// visitor's request, which only a trusted proxy tells and which was found among those that the configuration protects. The requirement in
// the address only tells the page what to ask for; when the person comes back, Check judges by the rules again.
func (d *Decision) address(v visit.Visit, returnTo string) string {
	if v.Pages != "" && v.Pages == v.Portal && !strings.HasPrefix(returnTo, visit.Prefix) {
		returnTo = visit.Continue{Site: v.Site, ReturnTo: returnTo}.Path() // the portal leads on to where the request was
	}
	page, asks := "sudo", true
	switch {
	case d.Session == nil:
		page, asks = "sign-in", false
	case d.Verdict == auth.ProveMore && !d.Session.Enrolled:
		page, asks = "two-factor/enable", false
	}
	b := append(make([]byte, 0, 160), v.Pages...)
	b = append(b, visit.Prefix...)
	b = append(b, page...)
	between := byte('?')
	parameter := func(name string) {
		b = append(b, between)
		b = append(b, name...)
		b = append(b, '=')
		between = '&'
	}
	if returnTo != "" {
		parameter("return_to")
		b = appendEscaped(b, returnTo)
	}
	if !asks {
		return string(b)
	}
	parameter("level")
	b = append(b, d.Need.Level.String()...)
	if d.Need.MaxAge > 0 {
		parameter("max_age")
		b = strconv.AppendInt(b, int64(d.Need.MaxAge/time.Second), 10)
	}
	for i, m := range d.Need.Methods {
		if i == 0 {
			parameter("methods")
		} else {
			b = append(b, ',')
		}
		b = appendEscaped(b, string(m))
	}
	return string(b)
}

// maxReturnTo bounds a return address in bytes, so that a sign-in does not fail over a header that is too long (P42).
const maxReturnTo = 2 << 10

// returnTo is where a person wanted to go: path and query as the client sent them, whatever host the target named. A path that a
// browser would take for another host is replaced (OR-6); the portal checks what it gets all the same.
func returnTo(u *url.URL) string {
	if u == nil {
		return "/"
	}
	path := u.EscapedPath()
	if path == "" || path[0] != '/' || strings.HasPrefix(path, "//") || strings.HasPrefix(path, `/\`) ||
		len(path)+len(u.RawQuery) >= maxReturnTo {
		return "/"
	}
	if u.RawQuery == "" {
		return path
	}
	return path + "?" + u.RawQuery
}

// appendEscaped appends s as one value of a query: the unreserved bytes of RFC 3986 §2.3 and the slash as they are.
func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&0xf])
		}
	}
	return b
}

// challenge is the value of WWW-Authenticate, which RFC 9110 section 11.6.1 wants with each 401.
//
// Many programs send a password only after they were asked for one in the words of RFC 7617, git and most that speak WebDAV among them. No
// browser is asked so: it would open its own password dialog. What has been presented is answered in the words of RFC 6750 section 3.1 and
// RFC 9470 section 3. All of it stands in one line, since nginx hands on no more.
func (g *Gate) challenge(r *http.Request, d *Decision) string {
	b := make([]byte, 0, 160)
	if d.Presented {
		b = append(append(b, "Bearer realm="...), g.realm...)
		if d.Session == nil {
			b = append(b, `, error="invalid_token", `...)
		} else {
			b = append(b, `, error="insufficient_user_authentication", `...)
			if d.Need.MaxAge > 0 {
				b = append(b, `max_age="`...)
				b = strconv.AppendInt(b, int64(d.Need.MaxAge/time.Second), 10)
				b = append(b, `", `...)
			}
		}
	}
	if d.Session == nil && d.dialect(r) == program && !visit.MayBrowse(r) {
		b = append(append(append(b, "Basic realm="...), g.realm...), `, charset="UTF-8", `...)
	}
	return string(append(append(b, "Nightlatch realm="...), g.realm...))
}

// realm is a brand as a quoted string. It is an operator's text: what such a string cannot hold is left out.
func realm(brand string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(brand) {
		switch c := brand[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case ' ' <= c && c <= '~':
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// What logTrouble says.
const (
	noStore = "nobody can be signed in: the store does not answer"
	untold  = "people are refused who may pass: the application cannot be told who they are"
)

func (g *Gate) logRefusal(r *http.Request, d *Decision) {
	switch {
	case d.Reason == Unavailable:
		g.logTrouble(r, noStore, d.Err)
	case d.Presented && d.Err != nil:
		g.log.LogAttrs(r.Context(), slog.LevelDebug, "what a program has presented opens nothing here", slog.Any("error", d.Err))
	}
}

// logTrouble says once a second at most why nobody is served: each request would say the same.
func (g *Gate) logTrouble(r *http.Request, what string, err error) {
	if r.Context().Err() != nil {
		return // it was the client who gave up
	}
	if !g.logged.Allows(g.now(), time.Second) {
		return
	}
	g.log.LogAttrs(r.Context(), slog.LevelError, what, slog.Any("error", err))
}
