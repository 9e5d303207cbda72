// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package authtest sets a real auth.Service on a real in-memory store with a clock that only moves when told to, and gives tests of
// every room people who are enrolled or not. It is for tests alone.
package authtest

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/otp"
	"github.com/nightlatch/nightlatch/internal/store"
	"github.com/nightlatch/nightlatch/internal/store/badgerstore"
	"github.com/nightlatch/nightlatch/internal/store/storetest"
)

// Clock is a clock that a test moves. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is an auth.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves the clock, also back.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Bench is a Service with what a test may reach below it.
type Bench struct {
	*auth.Service
	Clock  *Clock
	Store  *storetest.Faults // counts and breaks what the Service asks
	Raw    store.Store       // the same below the seal, as it lies on the disk
	Events []auth.Event      // told so far; read it when nothing runs
	Host   string            // at which attempts are looked at that a test has made through a door; empty: as the clients of this package
	mu     sync.Mutex
	config auth.Config

	settings auth.Settings
	messages []auth.Message
	arrived  chan struct{} // something was added to messages
}

// Client is where the tests' people sit.
var Client = auth.Client{Address: netip.MustParseAddr("192.0.2.1"), Device: "test browser"}

// New opens a Service on an empty store. The clock starts at the beginning of a TOTP step. Changes are made to the Config first.
func New(t testing.TB, changes ...func(*auth.Config)) *Bench {
	t.Helper()
	db, err := badgerstore.Open(badgerstore.Options{})
	if err != nil {
		t.Fatalf("opening a store: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	key := sha256.Sum256([]byte("authtest"))
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		t.Fatal(err)
	}
	b := &Bench{
		Clock: &Clock{now: time.Now().Truncate(otp.Period)}, Store: storetest.Failing(store.Seal(db, aead)), Raw: db,
		settings: auth.DefaultSettings, arrived: make(chan struct{}, 1),
	}
	b.config = auth.Config{Store: b.Store, Key: key[:], Now: b.Clock.Now}
	for _, change := range changes {
		change(&b.config)
	}
	b.open(t)
	return b
}

func (b *Bench) open(t testing.TB) {
	t.Helper()
	s, err := auth.Open(t.Context(), b.config)
	if err != nil {
		t.Fatalf("opening the service: %v", err)
	}
	b.Service = s
	b.view()
	t.Cleanup(func() { s.Close() })
}

func (b *Bench) view() {
	b.Service = b.With(auth.View{Settings: b.settings, Deliver: b.deliver, Event: func(e auth.Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.Events = append(b.Events, e)
	}})
}

// Configure changes the settings, as a reload does.
func (b *Bench) Configure(change func(*auth.Settings)) {
	change(&b.settings)
	b.view()
}

// WithMail lets the bench send codes by mail and by a webhook that knows the channels sms and chat. What is sent, Sent has.
func (b *Bench) WithMail() {
	b.Configure(func(s *auth.Settings) {
		s.Mail, s.Channels, s.Methods = true, []string{"sms", "chat"}, []auth.Method{auth.TOTP, auth.Email, auth.Webhook}
	})
}

func (b *Bench) deliver(m auth.Message) {
	b.mu.Lock()
	b.messages = append(b.messages, m)
	b.mu.Unlock()
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

// Sent returns what was sent so far and forgets it.
func (b *Bench) Sent() []auth.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	sent := b.messages
	b.messages = nil
	return sent
}

// SentUntil waits for a message to a person and returns what was sent before it; both are forgotten.
func (b *Bench) SentUntil(t testing.TB, name string) []auth.Message {
	t.Helper()
	before, _ := b.until(t, "to "+name, func(m auth.Message) bool { return m.User == name })
	return before
}

// Await returns the next message of a kind, which may be sent after the answer to whoever asked, and forgets what came before it.
func (b *Bench) Await(t testing.TB, kind auth.MessageKind) auth.Message {
	t.Helper()
	_, m := b.until(t, "of the kind "+string(kind), func(m auth.Message) bool { return m.Kind == kind })
	return m
}

// until waits for a message, and returns it and what was sent before it; all of them are forgotten.
func (b *Bench) until(t testing.TB, what string, is func(auth.Message) bool) (before []auth.Message, m auth.Message) {
	t.Helper()
	patience := time.After(10 * time.Second)
	for {
		b.mu.Lock()
		if i := slices.IndexFunc(b.messages, is); i >= 0 {
			before, m, b.messages = b.messages[:i], b.messages[i], b.messages[i+1:]
			b.mu.Unlock()
			return before, m
		}
		b.mu.Unlock()
		select {
		case <-b.arrived:
		case <-patience:
			t.Fatalf("nothing was sent %s", what)
		}
	}
}

// Restart closes the Service and opens a new one on the same store, as a restart of the process does.
func (b *Bench) Restart(t testing.TB) {
	t.Helper()
	if err := b.Service.Close(); err != nil {
		t.Fatalf("closing the service: %v", err)
	}
	b.open(t)
}

// Person is somebody with an account, and everything they have in their hands.
type Person struct {
	bench    *Bench
	Name     string
	Password string
	Secret   []byte   // of the authenticator
	Codes    []string // backup codes
	Session  string   // value of the session cookie
	Browser  string   // value of the browser cookie
	Trusted  string   // value of the trusted-browser cookie
}

// Client is where the person sits, with the cookies that they have.
func (p *Person) Client() auth.Client {
	c := Client
	c.Browser, c.Trusted = p.Browser, p.Trusted
	return c
}

// Keep takes what a sign-in gave out, as a browser does.
func (p *Person) Keep(pr auth.Progress) {
	p.Session = pr.Session
	if pr.Browser != "" {
		p.Browser = pr.Browser
	}
	if pr.Trusted != "" {
		p.Trusted = pr.Trusted
	}
}

// AddUser makes a person with a password and no second factor.
func (b *Bench) AddUser(t testing.TB, in auth.NewUser) *Person {
	t.Helper()
	p := &Person{bench: b, Name: in.Name, Password: "correct horse " + in.Name + " staple"}
	in.Password = p.Password
	if _, _, err := b.Service.AddUser(t.Context(), auth.Client{}, in); err != nil {
		t.Fatalf("adding %s: %v", in.Name, err)
	}
	return p
}

// Enroll makes a person with a password, an authenticator and backup codes, signed in.
func (b *Bench) Enroll(t testing.TB, in auth.NewUser) *Person {
	t.Helper()
	p := b.AddUser(t, in)
	pr, err := b.SignIn(t.Context(), Client, p.Credentials())
	if err != nil || pr.Step != auth.StepDone {
		t.Fatalf("signing %s in for the first time: step %q, error %v", p.Name, pr.Step, err)
	}
	p.Keep(pr)
	pr, err = b.StepUp(t.Context(), Client, pr.Session, auth.Requirement{Level: auth.LevelTwoFactor}, "")
	if err != nil {
		t.Fatalf("beginning the enrollment of %s: %v", p.Name, err)
	}
	p.Finish(t, pr)
	return p
}

// HalfWay has a person who has signed in with a password confirm an authenticator, and not say that the backup codes are saved: the account
// has a second factor, and the session, which is returned with what it is at, has not proven it.
func (p *Person) HalfWay(t testing.TB) (session string, pr auth.Progress) {
	t.Helper()
	session = p.EnterPassword(t).Session
	pr, err := p.bench.StepUp(t.Context(), Client, session, auth.Requirement{Level: auth.LevelTwoFactor}, "")
	if err != nil {
		t.Fatalf("beginning the enrollment of %s: %v", p.Name, err)
	}
	return session, p.confirm(t, pr)
}

// confirm goes on with an attempt that stands at enrollment, until the backup codes are to be saved.
func (p *Person) confirm(t testing.TB, pr auth.Progress) auth.Progress {
	t.Helper()
	v, err := p.bench.Attempt(t.Context(), pr.Attempt)
	if err != nil || v.Step != auth.StepEnroll {
		t.Fatalf("enrolling %s: step %q, error %v", p.Name, v.Step, err)
	}
	p.Secret = v.Pending.Secret
	if pr, err = p.bench.ConfirmEnrollment(t.Context(), Client, pr.Attempt, p.Code()); err != nil || pr.Step != auth.StepSaveCodes {
		t.Fatalf("confirming the enrollment of %s: step %q, error %v", p.Name, pr.Step, err)
	}
	return pr
}

// Finish goes on with an attempt that stands at enrollment until there is a session.
func (p *Person) Finish(t testing.TB, pr auth.Progress) {
	t.Helper()
	b := p.bench
	pr = p.confirm(t, pr)
	v, err := b.Attempt(t.Context(), pr.Attempt)
	if err != nil || v.Step != auth.StepSaveCodes {
		t.Fatalf("reading the backup codes of %s: step %q, error %v", p.Name, v.Step, err)
	}
	p.Codes = v.Codes
	if pr, err = b.SavedCodes(t.Context(), Client, pr.Attempt); err != nil || pr.Step != auth.StepDone {
		t.Fatalf("saving the backup codes of %s: step %q, error %v", p.Name, pr.Step, err)
	}
	p.Keep(pr)
	b.Clock.Move(otp.Period) // the next code is a fresh one
}

// Credentials are what the person types first.
func (p *Person) Credentials() auth.Credentials {
	return auth.Credentials{Name: p.Name, Password: p.Password}
}

// Code is what the person's authenticator shows now.
func (p *Person) Code() string { return p.CodeAt(0) }

// CodeAt is what it showed so many steps ago (negative) or will show.
func (p *Person) CodeAt(steps int64) string {
	return otp.Code(p.Secret, otp.Step(p.bench.Clock.Now())+steps)
}

// Attempt shows where a sign-in stands to somebody for whom no handler in front vouches.
func (b *Bench) Attempt(ctx context.Context, value string) (auth.AttemptView, error) {
	c := Client
	c.Host = b.Host
	return b.Service.Attempt(ctx, c, value)
}

// EnterPassword begins a sign-in, which must succeed.
func (p *Person) EnterPassword(t testing.TB) auth.Progress {
	t.Helper()
	pr, err := p.bench.SignIn(t.Context(), p.Client(), p.Credentials())
	if err != nil {
		t.Fatalf("signing %s in: %v", p.Name, err)
	}
	return pr
}

// SignIn signs an enrolled person in with a fresh code and returns the value of the session cookie. It moves the clock to the next code.
func (p *Person) SignIn(t testing.TB) string {
	t.Helper()
	pr := p.EnterPassword(t)
	pr, err := p.bench.Service.Code(t.Context(), p.Client(), pr.Attempt, auth.TOTP, p.Code())
	if err != nil || pr.Step != auth.StepDone {
		t.Fatalf("signing %s in with a code: step %q, error %v", p.Name, pr.Step, err)
	}
	p.bench.Clock.Move(otp.Period)
	p.Keep(pr)
	return pr.Session
}
