// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"log/slog"
	"sync"
	"time"

	"github.com/nightlatch/nightlatch/internal/auth"
)

const (
	queueSize = 1024            // events that wait for subscribers; some hundred KiB
	drainTime = 5 * time.Second // how long a reload waits for subscribers to hear the rest
)

// eventQueue hands events to subscribers of Caddy's events app, which runs each of them before Emit returns: a subscriber that mails or
// calls a web hook would otherwise hold up the answer to every sign-in. One goroutine tells them in order. When they are so slow that
// the queue is full, what does not fit is dropped for them with a warning; log and metrics have it all the same.
type eventQueue struct {
	emit func(auth.Event)
	log  *slog.Logger

	mu      sync.Mutex
	closed  bool
	dropped int
	waiting chan auth.Event
	worker  sync.WaitGroup
}

func newEventQueue(emit func(auth.Event), log *slog.Logger) *eventQueue {
	return &eventQueue{emit: emit, log: log, waiting: make(chan auth.Event, queueSize)}
}

// put adds an event. It does not wait, but for the few events of requests that outlive Stop, for which nobody is left to tell of them.
func (q *eventQueue) put(e auth.Event) {
	if !q.add(e) {
		q.tell(e)
	}
}

// add tells whether the queue still took care of the event.
func (q *eventQueue) add(e auth.Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	select {
	case q.waiting <- e:
	default:
		q.dropped++
		if q.dropped&(q.dropped-1) == 0 { // a warning for each doubling: enough to know, and no flood on top of one
			q.log.Warn("subscribers to events are too slow: they are not told of all", "dropped", q.dropped)
		}
	}
	return true
}

// start begins to tell what has been put. Requests may have come before.
func (q *eventQueue) start() {
	q.worker.Go(func() {
		for e := range q.waiting {
			q.tell(e)
		}
	})
}

// tell survives a subscriber that panics, as the goroutine of a request would.
func (q *eventQueue) tell(e auth.Event) {
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("a subscriber to events panicked", "panic", p)
		}
	}()
	q.emit(e)
}

// stop ends the goroutine when everything has been told, and does not wait for longer than patience. A queue is stopped once.
func (q *eventQueue) stop(patience time.Duration) {
	q.mu.Lock()
	q.closed = true
	close(q.waiting)
	q.mu.Unlock()
	done := make(chan struct{})
	go func() {
		q.worker.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		q.log.Warn("subscribers to events are too slow: a reload does not wait for them", "waiting", len(q.waiting))
	}
}
