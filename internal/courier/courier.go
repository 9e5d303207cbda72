// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Package courier brings messages to people: it takes an auth.Message, writes the letter in the person's language (letter.go) or the body
// for the webhook (payload.go), hands it to package mail or webhook, tries again where that can help (retry.go), and tells auth.Service
// how it ended. Sending happens off the request: whoever asked for a code waits for a page and never for a mail server.
//
// It decides how often and for how long it is tried, and what an operator may read of why it failed (reason.go). It never decides who gets
// what, keeps nothing on a disk, and neither logs nor reports what a message says. Notices are stored by auth until they are delivered,
// so they arrive at least once; codes and links are in memory alone, and die with the process.
//
// A configuration has one Courier. Those of a reload know each other by their Roster (roster.go), so that what one leaves behind the
// next one takes on.
package courier

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/webhook"
	"github.com/nightlatch/nightlatch/web"
)

// Config is what a Courier works with.
type Config struct {
	// Service is told how each message ended. It is asked each time, and required.
	Service func() (*auth.Service, error)
	// Mail sends letters. Nil: there is no mail server, and a message that needs one is given up at once.
	Mail *mail.Sender
	// Webhook takes codes for Message.Channel. Nil: there is none.
	Webhook *webhook.Sender
	// Brand is what letters call the site.
	Brand web.Brand
	// Origin is where the links of a letter lead whose message does not say, as scheme://host[:port]; empty: not known. It is asked for
	// each letter. Nil: never known.
	Origin func() string
	// Roster is shared by the Couriers of one store. Nil: this one is alone.
	Roster *Roster
	// Now is the clock of deadlines. Nil: time.Now.
	Now auth.Clock
	// Log hears of tries that failed. Nil: nobody does.
	Log *slog.Logger
}

// The bounds of what a Courier has in hand. A message takes a few KiB with its goroutine.
const (
	roomForCodes   = 512
	roomForNotices = 1024
)

// Courier delivers the messages of one configuration. It is safe for concurrent use.
type Courier struct {
	cfg                      Config
	codes, notices, webhooks *lane // letters that somebody waits for, other letters, and codes by webhook: none holds up another

	mu       sync.Mutex
	stopped  bool
	stopping chan struct{}      // closed by Stop
	sending  context.Context    // of all tries …
	abandon  context.CancelFunc // … which ends when patience does
	under    sync.WaitGroup     // messages in hand …
	busy     atomic.Int32       // … and how many of them are to be delivered

	after func(time.Duration) <-chan time.Time
}

// New makes a Courier. It takes messages from then on; Start adds those that were left from before.
func New(cfg Config) *Courier {
	if cfg.Origin == nil {
		cfg.Origin = func() string { return "" }
	}
	if cfg.Roster == nil {
		cfg.Roster = new(Roster)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Courier{cfg: cfg, stopping: make(chan struct{}), after: time.After}
	c.sending, c.abandon = context.WithCancel(context.Background())
	c.codes = newLane(roomForCodes, 8, c.sendLetter)
	c.notices = newLane(roomForNotices, 2, c.sendLetter)
	c.webhooks = newLane(roomForCodes, 8, c.sendPayload)
	return c
}

// lane is one way out, with a bound on what is in hand and on how much of it is being sent.
type lane struct {
	room  chan struct{} // holds one for each message in hand
	slots chan struct{} // holds one for each that is being sent
	send  func(context.Context, auth.Message) error
}

func newLane(room, slots int, send func(context.Context, auth.Message) error) *lane {
	return &lane{make(chan struct{}, room), make(chan struct{}, slots), send}
}

// lane is the way that a message goes, nil where it is not configured.
func (c *Courier) lane(m *auth.Message) *lane {
	switch {
	case m.Method == auth.Email && c.cfg.Mail != nil && m.Secret():
		return c.codes
	case m.Method == auth.Email && c.cfg.Mail != nil:
		return c.notices
	case m.Method == auth.Webhook && c.cfg.Webhook != nil:
		return c.webhooks
	}
	return nil
}

// Deliver takes a message on and does not wait. How it ended is told to the Service: Delivered, or NotDelivered with the reason. A
// Courier that was stopped gives it to the one that has come in its place.
func (c *Courier) Deliver(m auth.Message) {
	if !c.take(m) {
		c.handOn(m)
	}
}

// take tells whether the message is taken care of. One that a Courier of the Roster has in hand is.
func (c *Courier) take(m auth.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return false
	}
	if !c.cfg.Roster.claim(m.ID) {
		return true
	}
	l := c.lane(&m)
	if l == nil {
		c.giveUp(m, errNotConfigured)
		return true
	}
	select {
	case l.room <- struct{}{}:
		c.under.Go(func() { c.carry(l, m) })
	default:
		c.giveUp(m, errFull) // this costs a write, which is no more than the act cost that the message is about
	}
	return true
}

// takeStored is take for what can wait: after days without a mail server more notices may be stored than there is room.
func (c *Courier) takeStored(m auth.Message) bool {
	l := c.lane(&m)
	if l == nil {
		return c.take(m)
	}
	select {
	case l.room <- struct{}{}:
	case <-c.stopping:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || !c.cfg.Roster.claim(m.ID) {
		<-l.room
		return !c.stopped
	}
	c.under.Go(func() { c.carry(l, m) })
	return true
}

// giveUp ends a message that was claimed and not begun. The caller holds c.mu.
func (c *Courier) giveUp(m auth.Message, why error) {
	c.under.Go(func() { c.end(m, why) })
}

var errEnded = errors.New("a courier that was stopped does not start")

// Start takes on the notices that are stored and in nobody's hands: those of a process that ended before it could deliver them. A Courier
// that was stopped does not start.
func (c *Courier) Start(ctx context.Context) error {
	svc, err := c.cfg.Service()
	if err != nil {
		return err
	}
	// What somebody has in hand before the list is read may be delivered by the time that the list is gone through.
	inHand, ok := c.enlist()
	if !ok {
		return errEnded
	}
	list, err := svc.Undelivered(ctx)
	if err != nil {
		c.cfg.Roster.discharge(c)
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return errEnded
	}
	c.under.Go(func() {
		for _, m := range list {
			if !inHand[m.ID] && !c.takeStored(m) {
				return
			}
		}
	})
	return nil
}

// enlist puts the Courier on the Roster, unless it was stopped: whoever hands a message on asks the newest there until one takes it, and one
// that has ended would never.
func (c *Courier) enlist() (inHand map[string]bool, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil, false
	}
	return c.cfg.Roster.enlist(c), true
}

// Stop ends the Courier. Tries under way may finish within patience; then they are broken off. What is not delivered goes to the newest
// Courier of the Roster that is still there. Without one, codes and links are given up, and notices stay stored for the next Start. A
// second Stop does nothing.
func (c *Courier) Stop(patience time.Duration) {
	c.mu.Lock()
	again := c.stopped
	c.stopped = true
	c.mu.Unlock()
	if again {
		return
	}
	c.cfg.Roster.discharge(c)
	close(c.stopping)
	done := make(chan struct{})
	go func() {
		c.under.Wait()
		close(done)
	}()
	defer c.abandon()
	select {
	case <-done:
	case <-c.after(patience):
		if n := c.busy.Load(); n > 0 {
			c.cfg.Log.Warn("a mail server or webhook is too slow: a reload does not wait for it", "messages", n)
		}
		c.abandon()
		// A sender whose context has ended comes back at once. One that does not is left alone.
		select {
		case <-done:
		case <-c.after(time.Second):
		}
	}
}

// ErrNoMail says that the configuration has no mail server.
var ErrNoMail = errors.New("the configuration has no mail server: add smtp to it")

// Test sends a letter that says it is a test, in English, and returns what package mail does: nil when the server has taken it, or a
// *mail.Error. It is for an operator, who reads what the server said; no event is made of it.
func (c *Courier) Test(ctx context.Context, to string) error {
	if c.cfg.Mail == nil {
		return ErrNoMail
	}
	m, err := c.testLetter(to)
	if err != nil {
		return err
	}
	return c.cfg.Mail.Send(ctx, m)
}
