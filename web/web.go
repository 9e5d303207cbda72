// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package web is the bytes that a person's browser gets from us: page templates, one style sheet, one small script, an icon, and
// every sentence that people read, in seven languages (text.go names them, english.go and its like have the words). It decides nothing
// and imports nothing of ours.
//
// A page is a struct (pages.go) and a template of the same name (templates/). Write is the only way to answer with a page and
// Problem the only way to answer a program, so that no answer goes out without the security headers of secure.
package web

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"strconv"
	"strings"
)

// Prefix is the path under which our pages and static files live. It repeats visit.Prefix, which this package may not import; a
// test of package portal holds the two together.
const Prefix = "/_nightlatch/"

// policy lets a page load our own files and nothing else. No inline script or style, so markup that slipped through an escaping
// mistake cannot run; no frames around us, so nobody can put a button of ours under a stranger's page. data: is for the QR code.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// always are the headers that every answer of ours carries, errors included (ASVS 5.0 chapter V3.4), by their canonical names. A
// shared cache must never give one person's answer to another, and what we answer depends on the cookie and on what the browser says
// it wants.
var always = [...]struct{ name, value string }{
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", policy},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"}, // for browsers that do not know frame-ancestors
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Vary", "Cookie, Authorization, Accept, Accept-Language, Sec-Fetch-Dest, Sec-Fetch-Mode, Sec-Fetch-Site"},
}

// secure sets them. The values have one array for each answer and never one for all: the site's own header directive changes values
// in place, and what it does to one answer must not show in the next. An array for each value would be most of what a redirect costs.
func secure(h http.Header) {
	values := new([len(always)]string)
	for i, a := range always {
		values[i] = a.value
		h[a.name] = values[i : i+1 : i+1]
	}
}

// FewCodes is how many backup codes a person must have left not to be warned.
const FewCodes = 4

//go:embed templates
var templateFiles embed.FS

// sheets are the templates of all pages by name, each with the base around it.
type sheets map[string]*template.Template

// parse reads the templates. One that does not parse stops the program at start.
func parse() sheets {
	base := template.Must(template.New("base.html").Funcs((&voice{}).functions()).ParseFS(templateFiles, "templates/base.html"))
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		panic(err)
	}
	all := make(sheets)
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".html"); ok && name != "base" {
			all[name] = template.Must(template.Must(base.Clone()).ParseFS(templateFiles, "templates/"+f.Name()))
		}
	}
	return all
}

// in returns the templates in one language.
func (s sheets) in(v *voice) sheets {
	bound := make(sheets, len(s))
	for name, t := range s {
		bound[name] = template.Must(t.Clone()).Funcs(v.functions())
	}
	return bound
}

// functions are what the templates call.
func (v *voice) functions() template.FuncMap {
	return template.FuncMap{
		"say":       v.say,
		"kind":      v.kind,
		"sendTo":    v.sendTo,
		"sentTo":    v.sentTo,
		"when":      v.when,
		"trust":     v.trust,
		"device":    v.device,
		"holder":    v.holder,
		"lang":      func() string { return v.Tag },
		"dir":       func() string { return v.Dir },
		"language":  func() string { return v.Name },
		"space":     func() string { return v.space },
		"languages": func() []words { return vocabulary },
		"static":    Static,
		"at":        func(path string) string { return Prefix + path },
		"fewLeft":   func(left int) bool { return left < FewCodes },
	}
}

// Write answers with a page, in the language of whoever asks. Cookies must be set before. The page is rendered whole before the first
// byte goes out, so a mistake in a template is a clean 500 and never half a page. The answer to HEAD has no body.
func Write(w http.ResponseWriter, r *http.Request, status int, page Page) {
	secure(w.Header())
	v := voiceFor(r)
	var body bytes.Buffer
	if err := v.render(&body, page); err != nil {
		http.Error(w, v.say(BrokenPage), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", policyOf(page))
	send(w, r, status, "text/html; charset=utf-8", body.Bytes())
}

// policyOf is the policy of a page: ours, but for where the brand has its style sheet, and where an application leads from a form that the
// page has kept. Chromium counts redirects after a form as where it goes.
func policyOf(page Page) string {
	p := cmp.Or(page.frame().Brand.policy, policy)
	if n, ok := page.(NotSent); ok && n.Kept != "" {
		p = strings.Replace(p, "form-action 'self'", "form-action *", 1)
	}
	return p
}

func (v *voice) render(body *bytes.Buffer, page Page) error {
	name := reflect.TypeOf(page).Name()
	t, ok := v.templates[name]
	if !ok {
		return fmt.Errorf("rendering %s: no such template", name)
	}
	return t.ExecuteTemplate(body, "base.html", page)
}

// ProblemDetails is the answer to a program that cannot read a page (RFC 9457).
type ProblemDetails struct {
	Type      string // the last word of the type, such as "sign-in-required"
	Title     string // a few words, the same for each problem of this type
	Detail    string // what to do about this one; may be empty
	SignInURL string // a path on this host where a person can solve it; may be empty
	More      any    // a struct or map whose members stand beside these (RFC 9457 section 3.2); nil: none
}

// Problem answers with application/problem+json and the headers of a page. A caller that answers 401 sets WWW-Authenticate before.
func Problem(w http.ResponseWriter, r *http.Request, status int, p ProblemDetails) {
	body := encode(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail,omitempty"`
		SignInURL string `json:"sign_in_url,omitempty"`
	}{Prefix + "problems/" + p.Type, p.Title, status, p.Detail, p.SignInURL})
	if p.More != nil {
		if more := encode(p.More); len(more) > len("{}") {
			body = append(append(body[:len(body)-1], ','), more[1:]...)
		}
	}
	secure(w.Header())
	send(w, r, status, "application/problem+json", body)
}

// JSON answers a program, with the headers of a page. v is of types that always encode.
func JSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body := encode(v)
	secure(w.Header())
	send(w, r, status, "application/json", body)
}

// encode leaves the & of an address as it is, for whoever reads an answer at a terminal: no browser takes JSON for a page, see secure.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // what we answer with are structs of strings, numbers and times
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")) // which members of its own are set into
}

// Plain answers a program that reads one word, such as a health check.
func Plain(w http.ResponseWriter, r *http.Request, status int, text string) {
	secure(w.Header())
	send(w, r, status, "text/plain; charset=utf-8", []byte(text+"\n"))
}

// Nothing answers with a status, the headers of a page and no body, for whoever reads no more than that.
func Nothing(w http.ResponseWriter, status int) {
	secure(w.Header())
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body) // the visitor may be gone; there is nobody to tell
	}
}

// See answers 303 to a path on this host, with the headers of a page. 303 and never 307: the browser must not send a password again
// to where it is led (RFC 9700 section 4.12).
func See(w http.ResponseWriter, path string) {
	secure(w.Header())
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
}

// LeaveUnread has an answer sent at once, whatever the client still means to send. Before it answers, net/http reads up to 256 KiB of
// an unread body, and it does not know how long that is, or that the client waits to be asked for it, once Caddy has wrapped the body.
// Who sends nothing would hear nothing. HTTP/2 answers on its own.
func LeaveUnread(w http.ResponseWriter, r *http.Request) {
	const readAnyway = 256 << 10
	if r.ProtoMajor == 1 && (r.ContentLength < 0 || r.ContentLength > readAnyway || r.Header["Expect"] != nil) {
		w.Header().Set("Connection", "close")
	}
}
