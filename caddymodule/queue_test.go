// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// slowSubscriber hears one event each time that it is let go on.
type slowSubscriber struct {
	goOn  chan struct{}
	began chan struct{}
	heard []string
}

func newSlowSubscriber() *slowSubscriber {
	return &slowSubscriber{goOn: make(chan struct{}), began: make(chan struct{}, 10*queueSize)}
}

func (s *slowSubscriber) hear(e auth.Event) {
	s.began <- struct{}{}
	<-s.goOn
	s.heard = append(s.heard, e.ID)
}

// hook is a subscriber of Caddy's that hangs until the test lets it go on.
type hook struct{}

var hooks *slowSubscriber

func (hook) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_hook", New: func() caddy.Module { return new(hook) }}
}

func (hook) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (hook) Handle(_ context.Context, e caddy.Event) error {
	hooks.hear(auth.Event{ID: fmt.Sprint(e.Data["user"])})
	return nil
}

func init() { caddy.RegisterModule(hook{}) }

// What package auth tells of a sign-in returns while a subscriber hangs, and the end of the configuration sees it told.
func TestSignInDoesNotWaitForSubscribers(t *testing.T) {
	hooks = newSlowSubscriber()
	app, err := provision(t, "{\n\tevents {\n\t\ton nightlatch_sign_in test_hook\n\t}\n\tnightlatch {\n\t\tdata_dir "+t.TempDir()+"\n\t}\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.events.Start(); err != nil { // which subscribes
		t.Fatal(err)
	}
	app.queue.start()
	for _, user := range []string{"alice", "bob"} {
		app.tell(auth.Event{Type: auth.EventSignIn, Outcome: "success", User: user}) // returns, or the test never ends
	}
	<-hooks.began
	close(hooks.goOn)
	if err := app.Stop(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"alice", "bob"}; !slices.Equal(hooks.heard, want) {
		t.Errorf("heard of %q, want %q", hooks.heard, want)
	}
}

// A subscriber that does not come to an end holds up nobody, and hears everything in order when it goes on.
func TestSlowSubscriberHoldsUpNobody(t *testing.T) {
	slow := newSlowSubscriber()
	q := newEventQueue(slow.hear, slog.New(slog.DiscardHandler))
	q.put(auth.Event{ID: "0"}) // before the start
	q.start()
	<-slow.began
	for i := range queueSize {
		q.put(auth.Event{ID: fmt.Sprint(i + 1)}) // returns, or the test never ends
	}
	close(slow.goOn)
	q.stop(time.Minute)
	if len(slow.heard) != queueSize+1 {
		t.Fatalf("heard %d events, want %d", len(slow.heard), queueSize+1)
	}
	for i, id := range slow.heard {
		if id != fmt.Sprint(i) {
			t.Fatalf("heard %s as number %d", id, i)
		}
	}
	q.put(auth.Event{ID: "late"})
	if last := slow.heard[len(slow.heard)-1]; last != "late" {
		t.Errorf("heard %s last, want the event of a request that outlived the stop", last)
	}
}

func TestFullQueueDropsAndSaysSo(t *testing.T) {
	var out bytes.Buffer
	slow := newSlowSubscriber()
	q := newEventQueue(slow.hear, slog.New(slog.NewTextHandler(&out, nil)))
	q.start()
	q.put(auth.Event{ID: "first"})
	<-slow.began
	for range queueSize + 1000 {
		q.put(auth.Event{})
	}
	said := out.String()
	if n := strings.Count(said, "too slow"); n != 10 || !strings.Contains(said, "dropped=1\n") || !strings.Contains(said, "dropped=512\n") {
		t.Errorf("got %d warnings, want 10, from 1 to 512 dropped:\n%s", n, said)
	}
	close(slow.goOn)
	q.stop(time.Minute)
	if len(slow.heard) != queueSize+1 {
		t.Errorf("heard %d events, want %d", len(slow.heard), queueSize+1)
	}
}

// A subscriber that hangs does not keep a reload from ending.
func TestStopDoesNotWaitForEver(t *testing.T) {
	var out bytes.Buffer
	slow := newSlowSubscriber()
	q := newEventQueue(slow.hear, slog.New(slog.NewTextHandler(&out, nil)))
	q.start()
	q.put(auth.Event{})
	<-slow.began
	q.put(auth.Event{})
	q.stop(time.Millisecond)
	if !strings.Contains(out.String(), "waiting=1") {
		t.Errorf("got %q, want a warning", &out)
	}
	close(slow.goOn)
	q.worker.Wait()
}

func TestSubscriberThatPanics(t *testing.T) {
	var out bytes.Buffer
	var heard []string
	q := newEventQueue(func(e auth.Event) {
		if e.ID == "bad" {
			panic("no such hook")
		}
		heard = append(heard, e.ID)
	}, slog.New(slog.NewTextHandler(&out, nil)))
	q.start()
	q.put(auth.Event{ID: "bad"})
	q.put(auth.Event{ID: "good"})
	q.stop(time.Minute)
	if len(heard) != 1 || !strings.Contains(out.String(), "no such hook") {
		t.Errorf("heard %q, log %q; want the event after the panic, and a line about it", heard, &out)
	}
}

func TestStopWithoutStart(t *testing.T) {
	newEventQueue(func(auth.Event) {}, slog.New(slog.DiscardHandler)).stop(time.Minute)
}
