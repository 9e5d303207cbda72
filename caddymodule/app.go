// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package caddymodule is Nightlatch as Caddy sees it: the app "nightlatch" (app.go), the handler "http.handlers.nightlatch"
// (handler.go, rule.go, visit.go), their Caddyfile syntax (caddyfile.go), the store that outlives reloads (pool.go), what is told of each
// event (events.go), and the ways in which messages leave (courier.go, smtp.go, webhook.go). Behind the handler the rest of a configuration
// has matchers and placeholders (matcher.go, passage.go). The command check follows a request through a configuration that does not run
// (journey.go) and finds what in it is not behind the handler (open.go, serving.go).
//
// It translates and decides little: what a configuration may say, which matchers look at the path, and how far a connection can be
// trusted. Who may pass is decided in package auth, asked through package server. Nothing outside this package knows Caddy's types.
package caddymodule

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/courier"
	"github.com/nightlatch/nightlatch/internal/forms"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/server"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/web"
)

func init() {
	caddy.RegisterModule(App{})
}

// App is what all protected sites of a configuration share: where accounts and sessions are kept, and the numbers that hold for
// everybody. It is optional; without it every setting has its default. Put the `nightlatch` handler in front of an application to
// protect it.
//
// A reload may change every setting here except `key`, signs nobody out and loses no lockout. Another `data_dir` has other accounts.
type App struct {
	// The directory that holds accounts, second factors, sessions and, unless `key` is set, the key that encrypts them. One process
	// at a time can use it. Placeholders such as `{env.HOME}` are expanded. Default: `nightlatch` in Caddy's data directory.
	DataDir string `json:"data_dir,omitempty"`

	// The master key: 32 bytes in base64, as `openssl rand -base64 32` prints them. Write a placeholder rather than the key itself,
	// such as `{file./run/secrets/nightlatch.key}` or `{env.NIGHTLATCH_KEY}`. Changing it takes a restart and makes the data under the
	// old one unreadable. Default: the file `master.key` in the data directory, made on the first start with mode 0600.
	Key string `json:"key,omitempty"`

	// What the pages and letters show. Default: the name Nightlatch.
	Brand *Brand `json:"brand,omitempty"`

	// The name under which the account appears in an authenticator app. Default: the name of the brand.
	Issuer string `json:"issuer,omitempty"`

	// Where people sign in for all protected sites, such as `https://auth.example.com`: a scheme and a host that one of the sites has. The
	// others send people there and get them back, each with a cookie of its own. Default: people sign in at each site.
	Portal string `json:"portal,omitempty"`

	// A domain, such as `example.com`, all hosts of which share one session cookie. Then any program on any of these hosts gets a cookie
	// that opens all of them. It is for proxies in front of other sites that cannot send `/_nightlatch/` to the portal; it needs `portal`.
	// Default: each site has a cookie of its own.
	CookieDomain string `json:"cookie_domain,omitempty"`

	// The mail server, for codes by e-mail, links that reset a password, and notices to the owners of accounts. Default: none, and then
	// there is nothing of all that.
	SMTP *SMTP `json:"smtp,omitempty"`

	// A program that takes codes to people in other ways, such as SMS. Default: none.
	Webhook *Webhook `json:"webhook,omitempty"`

	// The second factors that people may enroll: `totp`, `email`, `webhook`. What somebody has enrolled already goes on. Default: `totp`,
	// `email` with `smtp`, and `webhook` with `webhook`.
	Methods []string `json:"methods,omitempty"`

	// Codes of an authenticator app.
	TOTP *TOTP `json:"totp,omitempty"`

	// Passwords.
	Password *Password `json:"password,omitempty"`

	// How long a sign-in holds.
	Session *Session `json:"session,omitempty"`

	ctx     caddy.Context
	log     *slog.Logger
	events  *caddyevents.App
	queue   *eventQueue
	poolKey string
	store   *handle
	open    func() (*auth.Service, error)
	pages   web.Brand
	courier *courier.Courier
	central *server.Central    // nil: there is no portal
	known   func() hostOrigins // of all sites; put together when first asked
	forms   *forms.Room        // that sites keep

	sites int  // protected sites of this configuration …
	lax   bool // … and whether one of them lets people in with a password alone
}

// TOTP is how codes of an authenticator app are checked.
type TOTP struct {
	// How many codes before the current one still count, 0 to 10. One step is 30 seconds. Default: 1.
	PastSteps *int `json:"past_steps,omitempty"`
}

// Password is what a new password must be.
type Password struct {
	// The least number of characters, 8 to 64. Default: 15, or 8 when every rule of every protected site demands two factors
	// (NIST SP 800-63B-4, section 3.1.1.2).
	MinLength int `json:"min_length,omitempty"`
}

// Session is how long a sign-in holds.
type Session struct {
	// A session ends this long after its last request; at least one minute. Default: 1h.
	Idle caddy.Duration `json:"idle,omitempty"`

	// A session ends this long after sign-in, whatever happens; not shorter than `idle`, at most 30 days. Default: 12h.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// Both limits for a session with "keep me signed in"; not shorter than `lifetime`, at most 400 days, which is what browsers
	// keep a cookie for. Default: 30d.
	Remember caddy.Duration `json:"remember,omitempty"`

	// How long a browser may go without being asked for a code, if the person chose so when typing one: 1h to 30d. It counts neither for
	// what guards the account nor for a rule with `max_age` or `methods`. Default: nobody is offered that.
	TrustBrowser caddy.Duration `json:"trust_browser,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "nightlatch", New: func() caddy.Module { return new(App) }}
}

// Provision checks the settings and takes a reference to the store, without opening it: `caddy validate` provisions too, beside a
// running server that holds the directory.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.log, a.forms = ctx, ctx.Slogger(), forms.NewRoom()
	if err := a.check(); err != nil {
		return err
	}
	cfg, err := a.courierConfig()
	if err != nil {
		return err
	}
	o, err := a.storeOptions()
	if err != nil {
		return err
	}
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting the events app: %w", err)
	}
	a.events = app.(*caddyevents.App)
	a.queue = newEventQueue(a.emit, a.log)
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	if a.store, err = takeStore(o); err != nil {
		return err
	}
	a.poolKey = o.Dir
	a.open = sync.OnceValues(a.openService)
	a.known = sync.OnceValue(func() hostOrigins { return a.hostOrigins(nil) })
	if a.Portal != "" {
		a.central = &server.Central{
			Origin: a.Portal, Site: a.knowsSite,
			Hosts:   func() ([]string, bool) { return a.known().hosts() },
			HasHost: func(name string) bool { return a.known().has(name) },
		}
	}
	cfg.Service, cfg.Roster = a.Service, &a.store.couriers
	a.courier = courier.New(cfg)
	return nil
}

// Start opens the store, so that a directory in use or a wrong key fails the load while the old configuration keeps serving.
func (a *App) Start() error {
	if err := a.checkPortalSite(); err != nil {
		return err
	}
	svc, err := a.Service()
	if err != nil {
		return err
	}
	if err := a.checkAudiences(); err != nil {
		return err
	}
	if err := a.offerSetup(svc); err != nil {
		return err
	}
	a.warnOfLinks()
	if err := a.courier.Start(a.ctx); err != nil {
		return err
	}
	a.queue.start()
	return nil
}

// Stop gives letters under way a moment, hands the others to the configuration that comes after, and sees that subscribers hear of all
// events so far. Requests under way still need the store, which Cleanup gives back.
func (a *App) Stop() error {
	a.courier.Stop(drainTime)
	a.queue.stop(drainTime)
	return nil
}

// Cleanup gives the store back. The last configuration that does so closes it.
func (a *App) Cleanup() error {
	if a.poolKey == "" {
		return nil // Provision failed before it took a reference
	}
	a.courier.Stop(0) // a request may have come before a Start that never was
	key := a.poolKey
	a.poolKey = ""
	_, err := stores.Delete(key)
	return err
}

// Service is the way to everything that is stored, with the settings of this configuration. The store is opened by whoever asks
// first: Caddy starts its apps in random order, so requests may come before Start.
func (a *App) Service() (*auth.Service, error) { return a.open() }

// Keys sign what applications are told. They belong to the data directory, as the service does.
func (a *App) Keys() (*signing.Keys, error) {
	core, err := a.store.open()
	if err != nil {
		return nil, err
	}
	return core.Keys(), nil
}

func (a *App) openService() (*auth.Service, error) {
	core, err := a.store.open()
	if err != nil {
		return nil, err
	}
	return core.Service().With(auth.View{Settings: a.settings(), Event: a.tell, Deliver: a.courier.Deliver}), nil
}

// addSite notes what a protected site asks. All sites are provisioned before the first request.
func (a *App) addSite(lax bool) {
	a.sites++
	a.lax = a.lax || lax
}

// settings are the configured numbers, and the defaults for the rest.
func (a *App) settings() auth.Settings {
	s := auth.DefaultSettings
	if a.sites > 0 && !a.lax {
		s.MinPassword = 8
	}
	if a.Password != nil && a.Password.MinLength != 0 {
		s.MinPassword = a.Password.MinLength
	}
	s.Brand = a.Brand.name()
	s.Issuer = s.Brand
	if a.Issuer != "" {
		s.Issuer = a.Issuer
	}
	if a.TOTP != nil && a.TOTP.PastSteps != nil {
		s.PastSteps = *a.TOTP.PastSteps
	}
	s.Idle, s.Lifetime, s.Remember = a.Session.durations()
	if a.Session != nil {
		s.Trust = time.Duration(a.Session.TrustBrowser)
	}
	s.Mail, s.Channels = a.SMTP != nil, a.Webhook.channels()
	s.Methods, s.CookieDomain = a.enrollable(), a.CookieDomain
	return s
}

// durations of a nil Session are the defaults.
func (s *Session) durations() (idle, lifetime, remember time.Duration) {
	d := auth.DefaultSettings
	if s == nil {
		return d.Idle, d.Lifetime, d.Remember
	}
	or := func(v caddy.Duration, fallback time.Duration) time.Duration {
		if v == 0 {
			return fallback
		}
		return time.Duration(v)
	}
	return or(s.Idle, d.Idle), or(s.Lifetime, d.Lifetime), or(s.Remember, d.Remember)
}

// check holds every setting against its bounds. The Caddyfile parser asks the same functions, to name the line.
func (a *App) check() error {
	if a.TOTP != nil {
		if err := a.TOTP.check(); err != nil {
			return err
		}
	}
	if a.Password != nil && a.Password.MinLength != 0 {
		if err := checkMinLength(a.Password.MinLength); err != nil {
			return err
		}
	}
	if a.Brand != nil {
		if err := a.Brand.check(); err != nil {
			return err
		}
	}
	if err := a.checkMethods(); err != nil {
		return err
	}
	if err := a.checkPortal(); err != nil {
		return err
	}
	return a.Session.check()
}

func (t *TOTP) check() error {
	if t.PastSteps != nil && (*t.PastSteps < 0 || *t.PastSteps > otp.MaxPastSteps) {
		return fmt.Errorf("totp past_steps is %d; allowed: 0 to %d", *t.PastSteps, otp.MaxPastSteps)
	}
	return nil
}

func checkMinLength(n int) error {
	if n < 8 || n > 64 {
		return fmt.Errorf("password min_length is %d; allowed: 8 to 64", n)
	}
	return nil
}

func (s *Session) check() error {
	const day = 24 * time.Hour
	idle, lifetime, remember := s.durations()
	switch {
	case idle < time.Minute:
		return fmt.Errorf("session idle is %s; allowed: 1m or more", idle)
	case lifetime < idle:
		return fmt.Errorf("session lifetime is %s, shorter than idle (%s)", lifetime, idle)
	case lifetime > 30*day:
		return fmt.Errorf("session lifetime is %s; allowed: 30d or less", lifetime)
	case remember < lifetime:
		return fmt.Errorf("session remember is %s, shorter than lifetime (%s)", remember, lifetime)
	case remember > 400*day:
		return fmt.Errorf("session remember is %s; allowed: 400d or less", remember)
	}
	if s == nil || s.TrustBrowser == 0 {
		return nil
	}
	if trust := time.Duration(s.TrustBrowser); trust < time.Hour || trust > 30*day {
		return fmt.Errorf("session trust_browser is %s; allowed: 1h to 30d", trust)
	}
	return nil
}

// storeOptions resolves what the configuration says of the store. The expanded key stays out of the exported fields, which Caddy
// prints in its API, its autosave file and its traces. Commands that work on the store while no server runs call this on an App that
// was decoded and not provisioned.
func (a *App) storeOptions() (server.Options, error) {
	repl := caddy.NewReplacer()
	dir := filepath.Join(caddy.AppDataDir(), "nightlatch")
	if a.DataDir != "" {
		var err error
		// ReplaceOrErr, because an unset variable must not turn into the wrong directory or an empty key.
		if dir, err = repl.ReplaceOrErr(a.DataDir, true, true); err != nil {
			return server.Options{}, fmt.Errorf("data_dir: %w", err)
		}
	}
	dir, err := canonical(dir)
	if err != nil {
		return server.Options{}, fmt.Errorf("data_dir %s: %w", dir, err)
	}
	o := server.Options{Dir: dir, Log: survivingLog()}
	if a.Key == "" {
		return o, nil
	}
	text, err := repl.ReplaceOrErr(a.Key, true, true)
	if err != nil {
		return server.Options{}, fmt.Errorf("key: %w", err)
	}
	if o.Key, err = server.ParseKey(text); err != nil {
		return server.Options{}, fmt.Errorf("key: %w", err)
	}
	return o, nil
}

// canonical makes one name for one directory, which need not exist yet: two names would be two locks on the same files.
func canonical(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return dir, err
	}
	real, err := filepath.EvalSymlinks(abs)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	parent, err := canonical(filepath.Dir(abs))
	if err != nil {
		return abs, err
	}
	return filepath.Join(parent, filepath.Base(abs)), nil
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
