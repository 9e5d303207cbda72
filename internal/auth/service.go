// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/nightlatch/nightlatch/internal/password"
	"github.com/nightlatch/nightlatch/internal/signing"
	"github.com/nightlatch/nightlatch/internal/store"
)

// Client is who is asking, for events, session lists and the counters against guessing, and where: what an act makes is good there alone.
type Client struct {
	Address  netip.Addr // zero: unknown, as for an operator's command
	Device   string     // the User-Agent; cut to 256 bytes when stored
	Language string     // of the page, BCP 47; empty: not known
	Browser  string     // value of the browser cookie; empty: none
	Trusted  string     // value of the trusted-browser cookie; empty: none
	Vouched  string     // whom a handler in front of us has authenticated on this request, as it spells the name; empty: nobody

	Host   string // that was asked for: lower case, no port, no final dot. A session that is made works there and nowhere else
	Domain string // the parent domain all hosts of which are to share the session; empty: none
	Origin string // of the site as it is configured, such as https://app.example.com; empty: not known. Links in mail lead there
	Home   string // the origin of the site where people sign in for the one that was asked for; access tokens are of it

	API     bool   // a program asks, through the API: what it begins goes on there alone
	Session string // with API: the id of the session that the request is authenticated by; empty: none
	Way     Way    // with API: by which the person means to go on: a code is sent by it at once, where it sends one; zero: by the best
}

// Settings are the parts of the configuration that a reload may change.
type Settings struct {
	Issuer      string        // name shown in the authenticator app
	PastSteps   int           // how many earlier TOTP codes still count, 0 to 10
	MinPassword int           // code points
	Idle        time.Duration // a session ends this long after its last request
	Lifetime    time.Duration // a session ends this long after sign-in, whatever happens
	Remember    time.Duration // both limits for a session with "keep me signed in"
	Brand       string        // shown on pages; a word that a password may not consist of
	Methods     []Method      // second factors that people may enroll: TOTP, Email, Webhook. What is enrolled already goes on
	Mail        bool          // there is a mail server: codes, password resets and notices can be sent
	Channels    []string      // what the webhook delivers codes by, such as "sms"; empty: there is no webhook
	Trust       time.Duration // how long a browser may go without being asked for a code; zero: never

	CookieDomain string // whose hosts share a session, see Client.Domain; empty: none. A session of another domain opens nothing
}

// DefaultSettings are the numbers of docs/caddyfile.md. The idle and overall limits are those of NIST SP 800-63B-4 §2.2.3.
var DefaultSettings = Settings{
	Issuer:      "Nightlatch",
	PastSteps:   1,
	MinPassword: 15,
	Idle:        time.Hour,
	Lifetime:    12 * time.Hour,
	Remember:    30 * 24 * time.Hour,
	Brand:       "Nightlatch",
	Methods:     []Method{TOTP},
}

// Clock tells the time; one act reads it once.
type Clock func() time.Time

// discard is the logger of a Service that was given none.
var discard = slog.New(slog.DiscardHandler)

// Config is what a Service stands on. All of it outlives a reload of the configuration.
type Config struct {
	Store  store.Store      // sealed: values hold seeds and hashes
	Key    []byte           // 32 bytes; every ticket and index key is derived from it
	Now    Clock            // nil: time.Now
	Hasher *password.Hasher // nil: one with as many slots as processors
	Sign   *signing.Keys    // of access tokens; nil: such as come from Key
	Log    *slog.Logger     // for what happens between requests
}

// hashQueue is how many sign-ins may wait for a processor: at 25 ms each, nobody waits longer than a second or so.
const hashQueue = 32

// View is what a configuration adds, and what a reload may change.
type View struct {
	Settings Settings
	Event    func(Event)   // told of each event after it is stored; whoever has asked for the act waits for it
	Deliver  func(Message) // takes a message on after the act is stored, and does not wait; ends in Delivered or NotDelivered
}

// Service answers who somebody is, what is missing and whether they may pass. It is safe for concurrent use. Its acts return *Error.
type Service struct {
	*core
	settings Settings
	told     func(Event)
	deliver  func(Message)
}

// core is shared by the Services of all configurations that use one store.
type core struct {
	store  store.Store
	keys   keys
	sign   *signing.Keys
	now    Clock
	hasher *password.Hasher
	log    *slog.Logger
	cache  cache

	tasks chan func(context.Context) // see later

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open starts a Service on a store, with DefaultSettings. Close it before the store.
func Open(ctx context.Context, cfg Config) (*Service, error) {
	k, err := deriveKeys(cfg.Key)
	if err != nil {
		return nil, err
	}
	c := &core{store: cfg.Store, keys: k, now: cfg.Now, hasher: cfg.Hasher, log: cfg.Log, tasks: make(chan func(context.Context), maxTasks)}
	if c.now == nil {
		c.now = time.Now
	}
	if c.hasher == nil {
		c.hasher = password.New(0, hashQueue)
	}
	if c.log == nil {
		c.log = discard
	}
	if c.sign = cfg.Sign; c.sign == nil {
		c.sign = signing.NewKeys(k.access, c.now)
	}
	c.cache.init()
	s := (&Service{core: c}).With(View{Settings: DefaultSettings})
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.done.Go(func() { s.keepHouse(ctx) })
	c.done.Go(func() { c.doTasks(ctx) })
	return s, nil
}

// With returns a Service with other settings on the same store, counters and sessions. It is cheap, and both stay usable.
func (s *Service) With(v View) *Service {
	if v.Event == nil {
		v.Event = func(Event) {}
	}
	if v.Deliver == nil {
		v.Deliver = func(Message) {}
	}
	return &Service{core: s.core, settings: v.Settings, told: v.Event, deliver: v.Deliver}
}

// Settings are those that the Service was made with.
func (s *Service) Settings() Settings { return s.settings }

// Close saves when each session was last seen and waits for the house-keeping to end. The store stays open.
func (s *Service) Close() error {
	s.stop()
	s.done.Wait()
	return s.saveLastSeen(context.Background())
}

// tx is one act: a store transaction together with the instant at which it happens, the events it appends, and what it means for the
// sessions in memory.
type tx struct {
	store.Tx
	s        *Service
	now      time.Time
	client   Client
	events   []Event
	messages []Message // to be delivered once this act is stored
	changed  []string  // sessions whose snapshot is out of date
	ended    []string  // sessions that are over
	recalled string    // the session whose handed-over tickets this act has taken back
	refusal  error
	silent   bool // a mere link can begin this act, so it sends no code by itself
}

// update runs one act. When fn returns an error nothing is changed; when it returns refuse's result what it counted is kept and the
// act is refused. Events are told and caches emptied after the commit and before the caller hears of it, so that no request that
// follows a revocation can pass. fn may run more than once and must touch nothing but t and variables that it sets afresh.
func (s *Service) update(ctx context.Context, c Client, fn func(t *tx) error) error {
	now := s.now()
	var t *tx
	err := s.store.Update(ctx, func(raw store.Tx) error {
		t = &tx{Tx: raw, s: s, now: now, client: c}
		err := fn(t)
		if err == nil {
			err = t.appendEvents()
		}
		if err == nil {
			err = t.storeMessages()
		}
		if err != nil {
			t = nil // nothing was written
		}
		return err
	})
	if t != nil {
		// Also when the commit failed: a disk that gives up in the middle of one leaves open what was written. Memory forgets what it knew,
		// open streams are closed, and the next request asks the store.
		s.cache.cutHanded(t.recalled)
		s.cache.changed(t.changed...)
		s.cache.end(t.ended...)
	}
	if err != nil {
		return classify(err)
	}
	for _, e := range t.events {
		s.told(e)
	}
	for _, m := range t.messages {
		s.deliver(m)
	}
	return t.refusal
}

// progress runs an act that takes a sign-in further. What a run that is repeated has come to is forgotten, and a refusal carries none.
func (s *Service) progress(ctx context.Context, c Client, fn func(t *tx) (Progress, error)) (Progress, error) {
	var p Progress
	err := s.update(ctx, c, func(t *tx) (err error) {
		p, err = fn(t)
		return err
	})
	if err != nil {
		return Progress{}, err
	}
	return p, nil
}

// refuse commits what the act has counted and answers with err.
func (t *tx) refuse(err error) error {
	t.refusal = err
	return nil
}

// view reads. The error has a Kind.
func (s *Service) view(ctx context.Context, fn func(t store.Tx) error) error {
	return classify(s.store.View(ctx, fn))
}

// get reads a record; found is false when there is none. Any other failure is an error and never "none".
func get[T any](t store.Tx, key string) (v T, found bool, err error) {
	b, err := t.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, fmt.Errorf("reading a record: %w", err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, false, fmt.Errorf("decoding a record: %w", err)
	}
	return v, true, nil
}

// sweepMargin keeps records in the store past their own deadline, which alone decides: a clock that is a little off must not make
// the store forget early.
const sweepMargin = time.Hour

// put writes a record. A deadline lets the store forget it some time after; zero keeps it.
func put(t store.Tx, key string, v any, deadline time.Time) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a record: %w", err)
	}
	if !deadline.IsZero() {
		deadline = deadline.Add(sweepMargin)
	}
	if err := t.Set(key, b, deadline); err != nil {
		return fmt.Errorf("writing a record: %w", err)
	}
	return nil
}
