// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/nightlatch/nightlatch/internal/auth"
	"github.com/nightlatch/nightlatch/internal/auth/authtest"
	"github.com/nightlatch/nightlatch/internal/mail"
	"github.com/nightlatch/nightlatch/internal/webhook"
)

const patience = 30 * time.Second

// office is a courier on a real service, whose way out and whose timers the test holds.
type office struct {
	*Courier
	t      *testing.T
	bench  *authtest.Bench
	svc    *auth.Service
	events chan auth.Event // of messages that were given up
	timers chan timer
	tries  chan try
	log    *log
}

// try is one that waits for what comes of it.
type try struct {
	auth.Message
	answer chan error
}

type timer struct {
	after time.Duration
	fire  chan time.Time
}

// log is safe for concurrent use.
type log struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

func newOffice(t *testing.T, bench *authtest.Bench, roster *Roster) *office {
	t.Helper()
	o := &office{
		t: t, bench: bench, events: make(chan auth.Event, 100), timers: make(chan timer, 100), tries: make(chan try),
		log: new(log),
	}
	o.Courier = New(Config{
		Service: func() (*auth.Service, error) { return o.svc, nil },
		Mail:    new(mail.Sender),
		Webhook: new(webhook.Sender),
		Roster:  roster,
		Now:     bench.Clock.Now,
		Log:     slog.New(slog.NewTextHandler(o.log, nil)),
	})
	for _, l := range []*lane{o.codes, o.notices, o.webhooks} {
		l.send = o.send
	}
	o.after = func(d time.Duration) <-chan time.Time {
		fire := make(chan time.Time, 1)
		o.timers <- timer{d, fire}
		return fire
	}
	settings := auth.DefaultSettings
	settings.Mail = true
	o.svc = bench.Service.With(auth.View{
		Settings: settings,
		Event: func(e auth.Event) {
			if e.Type == auth.EventNotDelivered {
				o.events <- e
			}
		},
		Deliver: o.Deliver,
	})
	t.Cleanup(func() {
		o.abandon()
		o.Stop(0)
	})
	return o
}

func (o *office) send(ctx context.Context, m auth.Message) error {
	one := try{m, make(chan error, 1)}
	select {
	case o.tries <- one:
	case <-ctx.Done():
		return &mail.Error{Temporary: true, Cause: context.Cause(ctx)}
	}
	select {
	case err := <-one.answer:
		return err
	case <-ctx.Done():
		return &mail.Error{Temporary: true, Cause: context.Cause(ctx)}
	}
}

func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

// next sees one try and answers it.
func (o *office) next(err error) auth.Message {
	o.t.Helper()
	one := receive(o.t, "a try", o.tries)
	one.answer <- err
	return one.Message
}

// wait sees that a timer is set, moves the clock so far, and lets it fire.
func (o *office) wait(want time.Duration) {
	o.t.Helper()
	tm := receive(o.t, "a timer", o.timers)
	if tm.after != want {
		o.t.Errorf("got a timer of %s, want %s", tm.after, want)
	}
	o.bench.Clock.Move(tm.after)
	tm.fire <- o.bench.Clock.Now()
}

// deadline sees that a timer is set which is not to fire.
func (o *office) deadline(want time.Duration) {
	o.t.Helper()
	if tm := receive(o.t, "a deadline", o.timers); tm.after != want {
		o.t.Errorf("got a deadline in %s, want %s", tm.after, want)
	}
}

// settle waits until nothing is in hand.
func (o *office) settle() {
	o.t.Helper()
	done := make(chan struct{})
	go func() { o.under.Wait(); close(done) }()
	receive(o.t, "the end of all deliveries", done)
}

func (o *office) undelivered() []auth.Message {
	o.t.Helper()
	list, err := o.svc.Undelivered(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

// givenUp is the event of the message that was given up.
func (o *office) givenUp() auth.Event {
	o.t.Helper()
	return receive(o.t, "an event", o.events)
}

func (o *office) noEvent() {
	o.t.Helper()
	select {
	case e := <-o.events:
		o.t.Errorf("got the event %+v, want none", e)
	default:
	}
}

// notice has an operator do something that the owner of an account is told of.
func (o *office) notice(name string) {
	o.t.Helper()
	if _, err := o.svc.ResetTwoFactor(o.t.Context(), auth.Client{}, name); err != nil {
		o.t.Fatal(err)
	}
}

func withAlice(t *testing.T) *authtest.Bench {
	b := authtest.New(t)
	invite(t, b, "alice")
	return b
}

// invite adds somebody with an address, whom nothing costs a hash.
func invite(t *testing.T, b *authtest.Bench, name string) {
	t.Helper()
	if _, _, err := b.Service.AddUser(t.Context(), auth.Client{}, auth.NewUser{Name: name, Email: name + "@example.com"}); err != nil {
		t.Fatal(err)
	}
}

// code is a message with one, as package auth makes it.
func (o *office) code(m auth.Method) auth.Message {
	now := o.bench.Clock.Now()
	return auth.Message{
		ID: "0123456789abcdef", Kind: auth.MessageCode, Method: m, To: "alice@example.com", Channel: "sms", User: "alice", UserID: "u1",
		Time: now, Expires: now.Add(10 * time.Minute), Code: "483920",
	}
}

var busy = &mail.Error{Temporary: true, Reply: "451 4.7.1 try again", Cause: errors.New("naming the recipient: 451 4.7.1 try again")}

// A code is tried for as long as a person waits, and then there is an answer.
func TestCodeIsTriedForHalfAMinute(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	o.Deliver(o.code(auth.Email))
	for _, step := range []struct{ deadline, wait time.Duration }{{30 * time.Second, time.Second}, {29 * time.Second, 4 * time.Second}, {25 * time.Second, 10 * time.Second}} {
		o.deadline(step.deadline)
		o.next(busy)
		o.wait(step.wait)
	}
	o.deadline(15 * time.Second)
	o.next(busy)
	if e := o.givenUp(); e.Detail != "code: the mail server answered 451 4.7.1" || e.Method != auth.Email || e.User != "alice" || e.Outcome != "failure" {
		t.Errorf("got %+v", e)
	}
}

// A code that has ended is worth nothing to anybody.
func TestCodeIsNotTriedAfterItsEnd(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	m := o.code(auth.Email)
	m.Expires = o.bench.Clock.Now().Add(4 * time.Second)
	o.Deliver(m)
	o.deadline(4 * time.Second)
	o.next(busy)
	o.wait(time.Second)
	o.deadline(3 * time.Second)
	o.next(busy) // the next wait would be longer than what is left
	o.givenUp()

	m.ID, m.Expires = "fedcba9876543210", o.bench.Clock.Now()
	o.Deliver(m)
	if e := o.givenUp(); !strings.Contains(e.Detail, errTooLate.Error()) {
		t.Errorf("got %q", e.Detail)
	}
}

// A gateway may charge for each message: there is one more try, and none after a refusal.
func TestWebhookIsCalledTwiceAtMost(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	o.Deliver(o.code(auth.Webhook))
	down := &webhook.Error{Temporary: true, Status: 503, Cause: errors.New("answered 503 Service Unavailable")}
	o.deadline(30 * time.Second)
	first := o.next(down)
	o.wait(time.Second)
	o.deadline(29 * time.Second)
	if second := o.next(down); second.ID != first.ID || second.Code != first.Code {
		t.Errorf("the second try is of %+v, the first was of %+v", second, first)
	}
	if e := o.givenUp(); e.Detail != "code: delivering to the webhook: answered 503 Service Unavailable" || e.Method != auth.Webhook {
		t.Errorf("got %+v", e)
	}
}

func TestRefusalIsTheEnd(t *testing.T) {
	for name, err := range map[string]error{
		"mail server": &mail.Error{Reply: "550 5.1.1 no such mailbox", Cause: errors.New("x")},
		"webhook":     &webhook.Error{Status: 401, Cause: errors.New("answered 401 Unauthorized")},
		"our own":     errors.New("the letter cannot be written"),
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, withAlice(t), nil)
			o.Deliver(o.code(auth.Email))
			o.next(err)
			o.givenUp()
			o.settle()
			if n := len(o.timers); n != 1 {
				t.Errorf("got %d timers, want the deadline alone", n)
			}
		})
	}
}

// ASVS 6.3.7: a notice is stored until it is delivered.
func TestASVS6_3_7NoticeIsForgottenWhenDelivered(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	o.notice("alice")
	for _, wait := range []time.Duration{15 * time.Second, time.Minute, 5 * time.Minute} {
		if m := o.next(busy); m.Kind != auth.NoticeTwoFactorReset || m.To != "alice@example.com" {
			t.Errorf("got %+v", m)
		}
		if len(o.undelivered()) != 1 {
			t.Error("it is not stored any more")
		}
		o.wait(wait)
	}
	o.next(nil)
	o.settle()
	if left := o.undelivered(); len(left) != 0 {
		t.Errorf("got %+v still stored", left)
	}
	o.noEvent()
}

func TestNoticeIsGivenUpAfterMinutes(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	o.notice("alice")
	for _, wait := range []time.Duration{15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute} {
		o.next(busy)
		o.wait(wait)
	}
	o.next(busy)
	// A notice has no secret, so the server's words are shown.
	if e := o.givenUp(); e.Detail != "two_factor_reset: naming the recipient: 451 4.7.1 try again" {
		t.Errorf("got %q", e.Detail)
	}
	if left := o.undelivered(); len(left) != 0 {
		t.Errorf("got %+v still stored", left)
	}
}

// A link that resets a password is read later: a server that greylists gets its minutes.
func TestLinkIsTriedForMinutes(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	now := o.bench.Clock.Now()
	o.Deliver(auth.Message{ID: "1", Kind: auth.MessageReset, Method: auth.Email, To: "alice@example.com", Token: "SECRETTOKEN", Time: now, Expires: now.Add(10 * time.Minute)})
	for _, wait := range []time.Duration{15 * time.Second, time.Minute, 5 * time.Minute} {
		o.deadline(time.Minute)
		o.next(busy)
		o.wait(wait)
	}
	o.deadline(time.Minute)
	o.next(busy) // the next one would come after the link's end
	o.givenUp()
}

func TestWithoutAWayItIsGivenUpAtOnce(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	o.cfg.Mail, o.cfg.Webhook = nil, nil
	o.Deliver(o.code(auth.Webhook))
	if e := o.givenUp(); !strings.Contains(e.Detail, errNotConfigured.Error()) {
		t.Errorf("got %q", e.Detail)
	}
	o.notice("alice")
	o.givenUp()
	if left := o.undelivered(); len(left) != 0 {
		t.Errorf("got %+v still stored", left)
	}
}

// ML-7: a mail server that takes connections and says nothing costs an event for what is beyond the bound, and nobody who delivers waits.
func TestBounds(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	o.codes = newLane(2, 1, o.send)
	for i := range 5 {
		m := o.code(auth.Email)
		m.ID = fmt.Sprint(i)
		o.Deliver(m) // returns, or the test never ends
	}
	for range 3 {
		if e := o.givenUp(); !strings.Contains(e.Detail, errFull.Error()) {
			t.Errorf("got %q", e.Detail)
		}
	}
	receive(t, "a try", o.tries) // which nobody answers
	// Notices and webhooks go on meanwhile.
	o.Deliver(o.code(auth.Webhook))
	o.next(nil)
	o.notice("alice")
	if m := receive(t, "a try", o.tries); m.Kind != auth.NoticeTwoFactorReset {
		t.Errorf("got %+v", m)
	}
}

// ML-7: of what is in hand no more is sent at once than there are slots for.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sending atomic.Int32
		answer := make(chan error)
		c := New(Config{Service: func() (*auth.Service, error) { return nil, errors.New("nobody is told") }, Mail: new(mail.Sender)})
		c.codes = newLane(3, 2, func(context.Context, auth.Message) error {
			sending.Add(1)
			defer sending.Add(-1)
			return <-answer
		})
		for i := range 3 {
			c.Deliver(auth.Message{ID: fmt.Sprint(i), Kind: auth.MessageCode, Method: auth.Email, Code: "483920", Expires: time.Now().Add(time.Minute)})
		}
		for _, want := range []int32{2, 2, 1} {
			synctest.Wait()
			if got := sending.Load(); got != want {
				t.Errorf("got %d deliveries at the same time, want %d", got, want)
			}
			answer <- nil
		}
		c.Stop(time.Minute)
	})
}

// Who waits for a slot until nobody waits any more is told so.
func TestNoSlotInTime(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	o.codes = newLane(2, 1, o.send)
	o.Deliver(o.code(auth.Email))
	o.deadline(30 * time.Second)
	receive(t, "a try", o.tries)
	second := o.code(auth.Email)
	second.ID = "second"
	o.Deliver(second)
	o.wait(30 * time.Second)
	if e := o.givenUp(); !strings.Contains(e.Detail, errTooLate.Error()) {
		t.Errorf("got %q", e.Detail)
	}
}

// A process that has died sends what it owes when it is back.
func TestASVS6_3_7StartTakesOnWhatIsStored(t *testing.T) {
	b := withAlice(t)
	before := newOffice(t, b, nil)
	before.notice("alice")
	receive(t, "a try", before.tries) // and then the process dies

	after := newOffice(t, b, nil)
	if err := after.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := after.next(nil); m.Kind != auth.NoticeTwoFactorReset {
		t.Errorf("got %+v", m)
	}
	after.settle()
	if left := after.undelivered(); len(left) != 0 {
		t.Errorf("got %+v still stored", left)
	}
}

// More is stored than there is room for; it all comes, one after the other.
func TestStartWaitsForRoom(t *testing.T) {
	b := authtest.New(t)
	before := newOffice(t, b, nil)
	var want []string
	for i := range 5 {
		name := fmt.Sprintf("user%d", i)
		invite(t, b, name)
		before.notice(name)
		want = append(want, name)
	}
	after := newOffice(t, b, nil)
	after.notices = newLane(2, 1, after.send)
	if err := after.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 5 {
		got = append(got, after.next(nil).User)
	}
	after.settle()
	slices.Sort(got)
	if !slices.Equal(got, want) || len(after.undelivered()) != 0 {
		t.Errorf("got %q, want %q, and none stored", got, want)
	}
	after.noEvent()
}

func TestStartSaysThatTheStoreCannotBeRead(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	gone := errors.New("no store")
	o.cfg.Service = func() (*auth.Service, error) { return nil, gone }
	if err := o.Start(t.Context()); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

// On a reload the new courier starts before the old one stops. What the old one has in hand is neither lost nor delivered twice.
func TestReloadHandsOver(t *testing.T) {
	b, roster := withAlice(t), new(Roster)
	before := newOffice(t, b, roster)
	if err := before.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before.notice("alice")
	before.next(busy)
	receive(t, "a timer", before.timers) // it waits for the next try
	code := before.code(auth.Email)
	before.Deliver(code)
	before.deadline(30 * time.Second)
	before.next(busy)
	receive(t, "a timer", before.timers)

	after := newOffice(t, b, roster)
	if err := after.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	after.settle()
	select {
	case m := <-after.tries:
		t.Fatalf("both couriers have %+v in hand", m)
	default:
	}
	before.Stop(time.Minute)
	got := []auth.MessageKind{after.next(nil).Kind, after.next(nil).Kind}
	slices.Sort(got)
	if want := []auth.MessageKind{auth.MessageCode, auth.NoticeTwoFactorReset}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A request that was under way when the configuration changed.
	code.ID = "late"
	before.Deliver(code)
	if m := after.next(nil); m.ID != "late" {
		t.Errorf("got %+v", m)
	}
	after.settle()
	before.noEvent()
	after.noEvent()
	if left := after.undelivered(); len(left) != 0 {
		t.Errorf("got %+v still stored", left)
	}
}

// A configuration that fails after its courier has started gives everything back.
func TestFailedReloadHandsBack(t *testing.T) {
	b, roster := withAlice(t), new(Roster)
	running := newOffice(t, b, roster)
	if err := running.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	failed := newOffice(t, b, roster)
	if err := failed.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	failed.notice("alice")
	failed.next(busy)
	receive(t, "a timer", failed.timers)
	failed.Stop(time.Minute)
	if m := running.next(nil); m.Kind != auth.NoticeTwoFactorReset {
		t.Errorf("got %+v", m)
	}
}

// A try that takes longer than a reload waits is broken off and made again by the next courier.
func TestStopBreaksOffWhatHangs(t *testing.T) {
	b, roster := withAlice(t), new(Roster)
	before, after := newOffice(t, b, roster), newOffice(t, b, roster)
	for _, o := range []*office{before, after} {
		if err := o.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before.notice("alice")
	receive(t, "a try", before.tries)
	stopped := make(chan struct{})
	go func() { before.Stop(time.Second); close(stopped) }()
	before.wait(time.Second)
	if m := after.next(nil); m.Kind != auth.NoticeTwoFactorReset {
		t.Errorf("got %+v", m)
	}
	receive(t, "the end of Stop", stopped)
	if !strings.Contains(before.log.String(), "messages=1") {
		t.Errorf("the log does not say so: %s", before.log)
	}
	before.noEvent()
}

// A courier that has ended does not come back: on the roster it would be asked for ever to take what others leave behind.
func TestNoStartAfterStop(t *testing.T) {
	b, roster := withAlice(t), new(Roster)
	o := newOffice(t, b, roster)
	o.cfg.Service = func() (*auth.Service, error) {
		o.Stop(0) // in the middle of Start
		return o.svc, nil
	}
	for range 2 {
		if err := o.Start(t.Context()); err != errEnded {
			t.Errorf("got %v, want %v", err, errEnded)
		}
	}
	if on := roster.newest(); on != nil {
		t.Fatal("it is on the roster")
	}
	o.Deliver(o.code(auth.Email))
	if e := o.givenUp(); !strings.Contains(e.Detail, errStopped.Error()) {
		t.Errorf("got %q", e.Detail)
	}
}

// At the end of the process a code is given up, so that its page says so, and a notice waits for the next start.
func TestStopWithoutSuccessor(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	if err := o.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.notice("alice")
	o.next(busy)
	receive(t, "a timer", o.timers)
	o.Deliver(o.code(auth.Email))
	o.deadline(30 * time.Second)
	o.next(busy)
	receive(t, "a timer", o.timers)
	o.Stop(time.Minute)
	if e := o.givenUp(); !strings.Contains(e.Detail, errStopped.Error()) || !strings.HasPrefix(e.Detail, "code: ") {
		t.Errorf("got %q", e.Detail)
	}
	o.noEvent()
	if left := o.undelivered(); len(left) != 1 {
		t.Errorf("got %+v stored, want the notice", left)
	}
	o.Stop(time.Minute) // does nothing
}

// LG-1: whatever a mail server answers, no code and no link comes into an event or the log.
func TestNothingSecretIsTold(t *testing.T) {
	echo := func(s string) error {
		reply := &textproto.Error{Code: 554, Msg: "5.7.1 spam: " + s}
		return &mail.Error{Temporary: true, Reply: reply.Error(), Cause: fmt.Errorf("waiting for the server to take the message: %w", reply)}
	}
	for name, err := range map[string]error{
		"the code":         echo("483920"),
		"in groups":        echo("4 8 3 9 2 0"),
		"no code in front": &mail.Error{Temporary: true, Reply: "spam 483920", Cause: errors.New("spam 483920")},
		"no SMTP":          &mail.Error{Temporary: true, Cause: fmt.Errorf("waiting: %w", textproto.ProtocolError("short response: 483920"))},
		"a panic":          nil,
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, withAlice(t), nil)
			if err == nil {
				o.codes.send = func(_ context.Context, m auth.Message) error { panic(m) }
			}
			m := o.code(auth.Email)
			m.Expires = o.bench.Clock.Now().Add(2 * time.Second)
			o.Deliver(m)
			if err != nil {
				o.deadline(2 * time.Second)
				o.next(err)
				o.wait(time.Second)
				o.deadline(time.Second)
				o.next(err)
			}
			told := o.givenUp().Detail + o.log.String()
			if !strings.Contains(told, "deliver") {
				t.Errorf("nothing is told: %s", told)
			}
			if strings.Contains(strings.ReplaceAll(told, " ", ""), "483920") {
				t.Errorf("the code is told: %s", told)
			}
		})
	}
}

// What a stranger's server says is one line that moves no cursor.
func TestReasonIsOneLine(t *testing.T) {
	m := auth.Message{Kind: auth.NoticeNewBrowser, Method: auth.Email}
	got := reason(&m, &mail.Error{Reply: "550", Cause: errors.New("a\r\nb\x1b[31mc\u202ed" + strings.Repeat("é", 500))})
	if words, cut := strings.CutSuffix(got, "éé…"); !cut || !strings.HasPrefix(words, "a  b [31mc dé") || utf8.RuneCountInString(words) > 500 {
		t.Errorf("got %q", got)
	}
}

func TestFailureToStoreIsLogged(t *testing.T) {
	o := newOffice(t, withAlice(t), nil)
	m := o.code(auth.Email)
	o.Deliver(m)
	one := receive(t, "a try", o.tries)
	o.cfg.Service = func() (*auth.Service, error) { return nil, errors.New("the store is closed") }
	one.answer <- nil
	o.settle()
	if !strings.Contains(o.log.String(), "the store is closed") {
		t.Errorf("got %s", o.log)
	}
}
