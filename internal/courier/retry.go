// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/webhook"
)

// plan is how much trouble is taken with a message.
type plan struct {
	within time.Duration   // all tries end by then; zero: whenever they do
	each   time.Duration   // one try ends by then
	waits  []time.Duration // before each try after the first
}

var (
	// forCode is for somebody who sits in front of a page: after half a minute it should say that nothing will come.
	forCode = plan{within: 30 * time.Second, each: 30 * time.Second, waits: []time.Duration{time.Second, 4 * time.Second, 10 * time.Second}}
	// forCall is for a gateway that may charge for each message that it sends: one more try is all (docs/webhook.md).
	forCall = plan{within: 30 * time.Second, each: 30 * time.Second, waits: []time.Duration{time.Second}}
	// forLetter is for whatever is read later. The last try comes after what mail servers that greylist (RFC 6647) ask for.
	forLetter = plan{each: time.Minute, waits: []time.Duration{15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute}}
)

func planFor(m *auth.Message) plan {
	switch {
	case m.Method == auth.Webhook:
		return forCall
	case m.Code != "":
		return forCode
	}
	return forLetter
}

// Why a message was given up before or without a try.
var (
	errNotConfigured = errors.New("the configuration has no way to deliver it")
	errFull          = errors.New("too many messages wait to be delivered")
	errTooLate       = errors.New("there was no answer in time")
	errStopped       = errors.New("the server stopped before it was delivered")
	errPanicked      = errors.New("delivering it failed inside; the log says where")
)

// errHandBack is no end of a message: the Courier stops, and somebody else takes it on.
var errHandBack = errors.New("handed back")

// carry has a message in hand until it has ended or the Courier does.
func (c *Courier) carry(l *lane, m auth.Message) {
	c.busy.Add(1)
	err := c.deliver(l, m)
	c.busy.Add(-1)
	<-l.room
	if err == errHandBack {
		c.cfg.Roster.release(m.ID)
		c.handOn(m)
		return
	}
	c.end(m, err)
}

// deliver tries until the message is delivered, trying again cannot help, or its time is up.
func (c *Courier) deliver(l *lane, m auth.Message) error {
	p := planFor(&m)
	deadline := m.Expires // of a code or link; no notice has one
	if p.within > 0 {
		if soon := c.cfg.Now().Add(p.within); deadline.IsZero() || soon.Before(deadline) {
			deadline = soon
		}
	}
	var err error
	for n := 0; ; n++ {
		before := err
		if err = c.try(l, m, p.each, deadline); err == errTooLate && before != nil {
			return before // says more
		}
		if err == nil || err == errHandBack || !temporary(err) || n == len(p.waits) {
			return err
		}
		if !deadline.IsZero() && !c.cfg.Now().Add(p.waits[n]).Before(deadline) {
			return err
		}
		c.cfg.Log.Warn("a message could not be delivered and is tried again", "kind", string(m.Kind), "method", string(m.Method), "user", m.User,
			"message", m.ID, "in", p.waits[n], "reason", reason(&m, err))
		select {
		case <-c.after(p.waits[n]):
		case <-c.stopping:
			return errHandBack
		}
	}
}

// try waits for its turn and tries once. The zero deadline is none.
func (c *Courier) try(l *lane, m auth.Message, each time.Duration, deadline time.Time) error {
	left := each
	var tooLate <-chan time.Time
	if !deadline.IsZero() {
		if left = min(each, deadline.Sub(c.cfg.Now())); left <= 0 {
			return errTooLate
		}
		tooLate = c.after(left)
	}
	select {
	case <-c.stopping:
		return errHandBack
	default:
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-tooLate:
		return errTooLate
	case <-c.stopping:
		return errHandBack
	}
	if !deadline.IsZero() {
		left = min(each, deadline.Sub(c.cfg.Now()))
	}
	ctx, cancel := context.WithTimeout(c.sending, left)
	defer cancel()
	err := c.survive(func() error { return l.send(ctx, m) })
	if err != nil && c.sending.Err() != nil {
		return errHandBack // broken off by Stop; the server may have it all the same
	}
	return err
}

// survive turns a panic into an error, as net/http does for a request: what a mail server says must not end the program. A panic can quote
// what it stumbled over, so only those of the runtime are logged in words.
func (c *Courier) survive(send func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			words := "not shown"
			if e, ok := p.(runtime.Error); ok {
				words = e.Error()
			}
			c.cfg.Log.Error("delivering a message panicked", "panic", words, "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	return send()
}

// temporary tells whether another try can help.
func temporary(err error) bool {
	if e, ok := errors.AsType[*mail.Error](err); ok {
		return e.Temporary
	}
	if e, ok := errors.AsType[*webhook.Error](err); ok {
		return e.Temporary
	}
	return false
}

// reportTime bounds how long it may take to store what became of a message.
const reportTime = 10 * time.Second

// end tells the Service what became of a message. Where that cannot be stored, a notice is delivered once more after the next start.
func (c *Courier) end(m auth.Message, err error) {
	defer c.cfg.Roster.release(m.ID)
	ctx, cancel := context.WithTimeout(context.Background(), reportTime)
	defer cancel()
	svc, failed := c.cfg.Service()
	switch {
	case failed != nil:
	case err == nil:
		failed = svc.Delivered(ctx, m)
	default:
		failed = svc.NotDelivered(ctx, m, reason(&m, err))
	}
	if failed != nil {
		c.cfg.Log.LogAttrs(ctx, slog.LevelError, "what became of a message could not be stored", slog.String("kind", string(m.Kind)),
			slog.String("message", m.ID), slog.Bool("delivered", err == nil), slog.Any("error", failed))
	}
}
