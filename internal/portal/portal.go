// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package portal receives people: the pages under visit.Prefix where somebody signs in, enrolls a second factor, sees the account and
// signs out. Each handler parses what came, calls one method of auth.Service, and renders a page or answers 303; what a proof is worth
// and what is still missing is decided in package auth alone.
//
// All routes are in the one list of this file, each with the chain that guards it (guard.go). Where people sign in at a central portal, the
// other hosts answer those of atEverySite themselves and lead to the portal for the rest; central.go has that way there and back. Read
// answer.go for what a person is told when something is not accepted, and step.go for where a sign-in leads. Two files say to which
// addresses anybody is sent: returnpath.go on this host, central.go to the portal and to the sites that the configuration knows.
package portal

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/visit"
	"github.com/nightlatch/nightlatch/web"
)

// Config is what a Portal stands on.
type Config struct {
	Service func() (*auth.Service, error) // asked on each request; an error is answered with 503
	Keys    func() (*signing.Keys, error) // of what is signed for applications; nil: none. An error is answered with 503
	Brand   web.Brand                     // what the pages show
	Central *Central                      // where people sign in for other sites too; nil: nowhere
	Create  bool                          // whom a handler in front vouches for gets an account, if there is none of the name
	Now     auth.Clock                    // nil: time.Now
	Log     *slog.Logger                  // nil: nothing is logged
}

// Portal answers everything under visit.Prefix. It is safe for concurrent use.
type Portal struct {
	service func() (*auth.Service, error)
	keys    func() (*signing.Keys, error)
	brand   web.Brand
	central *Central
	create  bool
	now     auth.Clock
	log     *slog.Logger
	logged  visit.Throttle // of a service that does not answer
	mux     *http.ServeMux // only finds the pattern of a request
	serve   map[string]handler
	local   map[string]bool // the patterns that a host answers whose people sign in at a central portal
	away    handler         // for all others
}

// New makes a Portal. It refuses a Config without a service.
func New(cfg Config) (*Portal, error) {
	if cfg.Service == nil {
		return nil, errors.New("a portal needs a service")
	}
	p := &Portal{
		service: cfg.Service, keys: cfg.Keys, brand: cfg.Brand, central: cfg.Central, create: cfg.Create, now: cfg.Now, log: cfg.Log,
		mux: http.NewServeMux(), serve: make(map[string]handler), local: make(map[string]bool),
		away: page.then(toPortal),
	}
	if p.keys == nil {
		p.keys = func() (*signing.Keys, error) { return nil, errors.New("there are none") }
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	for _, r := range routes() {
		pattern := r.method + " " + visit.Prefix + r.path
		p.mux.Handle(pattern, http.NotFoundHandler())
		p.serve[pattern], p.local[pattern] = r.serve, slices.Contains(atEverySite, r.path)
	}
	return p, nil
}

// atEverySite are the paths that each host answers itself, also where people sign in at a central portal.
var atEverySite = []string{"hand-over", "sign-out", "signed-out", "language", "static/{name}", "healthz", "readyz", "jwks.json", discoveryPath}

// page are the guards of a page that is shown.
var page = chain{atHost, overHTTPS, forPeople, withQuery, withService}

type route struct {
	method, path string
	serve        handler
}

func routes() []route {
	// A request meets the guards of its chain in this order; what gets through has reached its handler.
	open := chain{}
	form := func(f purpose) chain {
		return chain{standingOn(f), atHost, overHTTPS, forPeople, outOfFrames, afterHandshake, sameOrigin, withQuery, withForm, withService, boundTo(f)}
	}
	// What is on an account is for who has proven all that it has, and what guards it for who has done so a short time ago.
	account, guarded := page.and(withAccount), page.and(withAccount, inSudo)
	act := func(f purpose) chain { return form(f).and(withAccount, inSudo) }
	// The language is a taste and no right: it is chosen without a service, so on the page that says that there is none too, and its form
	// is tied to nobody. Other pages that know nobody need no service either.
	setting, settingForm := chain{overHTTPS, forPeople, withQuery}, chain{overHTTPS, forPeople, outOfFrames, afterHandshake, sameOrigin, withQuery, withForm}

	return []route{
		{"GET", "{$}", page.then(toAccount)},
		{"GET", "sign-in", page.then(showSignIn)},
		{"POST", "sign-in", form(signInForm).then(signIn)},
		{"GET", "start-over", page.then(toSignIn)},
		{"POST", "start-over", form(startOverForm).then(startOver)},
		{"GET", "second-factor", page.then(showSecondFactor)},
		{"POST", "second-factor", form(secondFactorForm).then(secondFactor)},
		{"POST", "second-factor/send", form(sendSecondFactorForm).then(sendSecondFactor)},
		{"GET", "two-factor/enable", page.then(showEnable)},
		{"POST", "two-factor/enable", form(enableForm).then(enable)},
		{"POST", "two-factor/choose", form(chooseForm).then(choose)},
		{"POST", "two-factor/send", form(sendEnrollmentForm).then(sendEnrollment)},
		{"GET", "email/confirm", page.then(showConfirmAddress)},
		{"POST", "email/confirm", form(confirmAddressForm).then(confirmAddress)},
		{"POST", "email/send", form(sendAddressForm).then(sendAddress)},
		{"GET", "backup-codes", page.then(showBackupCodes)},
		{"POST", "backup-codes", form(backupCodesForm).then(savedBackupCodes)},
		{"GET", "backup-codes/used", page.then(showBackupCodeUsed)},
		{"GET", "setup/{token}", page.then(showSetup)},
		{"POST", "setup/{token}", form(setupForm).then(setup)},
		{"GET", "invite/{token}", page.then(showInvite)},
		{"POST", "invite/{token}", form(inviteForm).then(invite)},
		{"GET", "re-enroll/{token}", page.then(showReenroll)},
		{"POST", "re-enroll/{token}", form(reenrollForm).then(reenroll)},
		{"GET", "reset", page.and(withMail).then(showReset)},
		{"POST", "reset", form(resetForm).and(withMail).then(reset)},
		{"GET", "reset/sent", page.and(withMail).then(showResetSent)},
		{"GET", "reset/done", page.then(showResetDone)},
		{"GET", "reset/{token}", page.then(showResetPassword)},
		{"POST", "reset/{token}", form(newPasswordForm).then(resetPassword)},
		{"GET", "sudo", page.then(showSudo)},
		{"POST", "sudo", form(sudoForm).then(sudo)},
		{"GET", "account", account.then(showAccount)},
		{"GET", "two-factor/add", guarded.then(showAddFactor)},
		{"POST", "two-factor/add", act(addFactorForm).then(addFactor)},
		{"GET", "factor/{id}", guarded.then(showFactor)},
		{"POST", "factor/{id}/rename", act(renameFactorForm).then(renameFactor)},
		{"POST", "factor/{id}/remove", act(removeFactorForm).then(removeFactor)},
		{"GET", "two-factor/disable", account.then(showDisable)},
		{"POST", "two-factor/disable", form(disableForm).and(withAccount).then(disable)},
		{"GET", "backup-codes/new", guarded.then(showNewBackupCodes)},
		{"POST", "backup-codes/new", act(newBackupCodesForm).then(newBackupCodes)},
		{"GET", "password", guarded.then(showPassword)},
		{"POST", "password", act(passwordForm).then(changePassword)},
		{"GET", "email", guarded.and(withMail).then(showEmail)},
		{"POST", "email", act(emailForm).and(withMail).then(changeEmail)},
		{"GET", "app-passwords", guarded.then(showAppPasswords)},
		{"GET", "app-passwords/new", guarded.then(showNewAppPassword)},
		{"POST", "app-passwords/new", act(newAppPasswordForm).then(newAppPassword)},
		{"POST", "app-passwords/{id}/revoke", act(revokeAppPasswordForm).then(revokeAppPassword)},
		{"GET", "sessions", guarded.then(showSessions)},
		{"POST", "sessions/end", act(endSessionForm).then(endSession)},
		{"POST", "sessions/end-others", act(endOthersForm).then(endOthers)},
		{"POST", "sessions/end-trust", act(endTrustForm).then(endTrust)},
		{"GET", "continue", page.and(outOfFrames, atPortal).then(goOn)},
		{"GET", "hand-over", chain{atHost, overHTTPS, forPeople, outOfFrames, afterHandshake, atMember, withQuery, withService}.then(handOver)},
		{"GET", "sign-out", page.then(showSignOut)},
		{"POST", "sign-out", form(signOutForm).then(signOut)},
		{"GET", "signed-out", page.then(showSignedOut)},
		{"GET", "form-waits", setting.then(showFormWaits)},
		{"GET", "language", setting.then(showLanguages)},
		{"POST", "language", settingForm.then(chooseLanguage)},
		{"GET", "static/{name}", open.then(static)},
		{"GET", "jwks.json", open.then(keySet)},
		{"GET", discoveryPath, open.then(discovery)},
		{"GET", "healthz", open.then(healthz)},
		{"GET", "readyz", open.then(readyz)},
	}
}

// ServeHTTP answers a request whose target, as the client sent it, begins with visit.Prefix.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request, v visit.Visit) {
	q := &request{Request: r, w: w, visit: v, portal: p}
	web.LeaveUnread(w, r) // most of what can be wrong with a request is found before its form is read
	if !visit.PlainlySpelled(v.URL) {
		q.notFound()
		return
	}
	q.pattern, q.page = p.pattern(r.Method, v.URL.Path), strings.TrimPrefix(v.URL.Path, visit.Prefix)
	if serve, ok := p.serve[q.pattern]; ok {
		if v.Portal != "" && !p.local[q.pattern] {
			serve = p.away
		}
		serve(q)
		return
	}
	if allowed := p.allowed(v.URL.Path); allowed != "" {
		w.Header().Set("Allow", allowed)
		q.notice(http.StatusMethodNotAllowed, web.WrongMethodTitle, web.WrongMethod, "account", web.ToAccount)
		return
	}
	q.notFound()
}

// pattern is the route of a method and path, or empty.
func (p *Portal) pattern(method, path string) string {
	_, pattern := p.mux.Handler(&http.Request{Method: method, URL: &url.URL{Path: path}})
	return pattern
}

// allowed lists the methods under which a path exists.
func (p *Portal) allowed(path string) string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if p.pattern(m, path) != "" {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}
