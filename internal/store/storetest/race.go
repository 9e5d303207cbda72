// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
)

const racers = 100

// race runs fn in many goroutines that start together, and waits for them.
func race(fn func(i int)) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	all.Wait()
}

// consumeOnce is a code that many requests present at once: whoever finds no "used" record writes one and is let in.
func consumeOnce(t *testing.T, s store.Store) {
	used := errors.New("used")
	for _, key := range []string{"used/first", "used/second", "used/third"} {
		var in, out atomic.Int64
		race(func(i int) {
			err := s.Update(t.Context(), func(tx store.Tx) error {
				switch _, err := tx.Get(key); {
				case errors.Is(err, store.ErrNotFound):
					return tx.Set(key, []byte(strconv.Itoa(i)), never)
				case err != nil:
					return err
				}
				return used
			})
			switch {
			case err == nil:
				in.Add(1)
			case errors.Is(err, used):
				out.Add(1)
			default:
				t.Errorf("racer %d: %v", i, err)
			}
		})
		if in.Load() != 1 || out.Load() != racers-1 {
			t.Errorf("%d let in, %d turned away; want 1 and %d", in.Load(), out.Load(), racers-1)
		}
	}
}

func counter(t *testing.T, s store.Store) {
	race(func(i int) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			value, err := tx.Get("counter")
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			n, _ := strconv.Atoi(string(value))
			return tx.Set("counter", []byte(strconv.Itoa(n+1)), never)
		})
		if err != nil {
			t.Errorf("racer %d: %v", i, err)
		}
	})
	wantValue(t, s, "counter", strconv.Itoa(racers))
}

// writeSkew: each transaction reads both records and writes one. Two administrators who each remove the other must not
// both succeed, although they write different records.
func writeSkew(t *testing.T, s store.Store) {
	last := errors.New("the last one stays")
	for round := range 10 {
		a, b := fmt.Sprintf("admin/%d/a", round), fmt.Sprintf("admin/%d/b", round)
		update(t, s, func(tx store.Tx) error {
			return errors.Join(tx.Set(a, []byte("on"), never), tx.Set(b, []byte("on"), never))
		})
		race(func(i int) {
			mine, other := a, b
			if i%2 == 1 {
				mine, other = b, a
			}
			err := s.Update(t.Context(), func(tx store.Tx) error {
				value, err := tx.Get(other)
				if err != nil {
					return err
				}
				if string(value) != "on" {
					return last
				}
				return tx.Set(mine, []byte("off"), never)
			})
			if err != nil && !errors.Is(err, last) {
				t.Errorf("racer %d: %v", i, err)
			}
		})
		view(t, s, func(tx store.Tx) error {
			va, err := tx.Get(a)
			vb, err2 := tx.Get(b)
			if string(va) == "off" && string(vb) == "off" {
				t.Error("both records are off; each transaction had seen the other on")
			}
			return errors.Join(err, err2)
		})
	}
}

// blindWrites read nothing, so nothing stands in their way.
func blindWrites(t *testing.T, s store.Store) {
	race(func(i int) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			return errors.Join(tx.Set("same", []byte("value"), never), tx.Set(fmt.Sprintf("own/%03d", i), nil, never))
		})
		if err != nil {
			t.Errorf("racer %d: %v", i, err)
		}
	})
	n := 0
	view(t, s, func(tx store.Tx) error {
		n = 0
		return tx.Scan("own/", "", func(string, []byte) error { n++; return nil })
	})
	if n != racers {
		t.Errorf("%d of %d records were kept", n, racers)
	}
}

// viewSnapshot: records written together are seen together.
func viewSnapshot(t *testing.T, s store.Store) {
	write := func(i int) {
		value := []byte(strconv.Itoa(i))
		update(t, s, func(tx store.Tx) error {
			return errors.Join(tx.Set("left", value, never), tx.Set("right", value, never))
		})
	}
	write(0)
	var writer sync.WaitGroup
	done := make(chan struct{})
	writer.Go(func() {
		defer close(done)
		for i := range 200 {
			write(i)
		}
	})
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		view(t, s, func(tx store.Tx) error {
			left, err := tx.Get("left")
			scanned := ""
			err2 := tx.Scan("right", "", func(_ string, value []byte) error { scanned = string(value); return nil })
			if string(left) != scanned {
				t.Errorf("one View saw %q and %q, which were never there together", left, scanned)
			}
			return errors.Join(err, err2)
		})
	}
	writer.Wait()
}

// closed: a store that is gone says so. Were it to say ErrNotFound, an outage would read as "no second factor".
func closed(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Set("key", nil, never) })
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	ran := false
	fn := func(store.Tx) error { ran = true; return nil }
	if err := s.View(t.Context(), fn); !errors.Is(err, store.ErrClosed) {
		t.Errorf("View after Close returned %v; want ErrClosed", err)
	}
	if err := s.Update(t.Context(), fn); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Update after Close returned %v; want ErrClosed", err)
	}
	if ran {
		t.Error("a transaction ran on a closed store")
	}
}

// closedInFlight: a transaction under way learns of the end at its next step, and Close waits for it.
func closedInFlight(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Set("key", nil, never) })
	inside, proceed := make(chan struct{}), make(chan struct{})
	closed := make(chan struct{})
	var left atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if err := tx.Set("key", []byte("late"), never); err != nil {
				t.Errorf("Set before Close: %v", err)
			}
			close(inside)
			<-proceed
			for name, err := range map[string]error{
				"Get":    func() error { _, err := tx.Get("key"); return err }(),
				"Set":    tx.Set("key", nil, never),
				"Delete": tx.Delete("key"),
				"Scan":   tx.Scan("", "", func(string, []byte) error { t.Error("Scan went on after Close"); return nil }),
			} {
				if !errors.Is(err, store.ErrClosed) {
					t.Errorf("%s after Close in a transaction begun before: %v; want ErrClosed", name, err)
				}
			}
			left.Store(true)
			return nil
		})
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("Update that Close overtook returned %v; want ErrClosed", err)
		}
	})
	<-inside
	all.Go(func() {
		defer close(closed)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if !left.Load() {
			t.Error("Close returned while a transaction was running")
		}
	})
	for !errors.Is(s.View(t.Context(), func(store.Tx) error { return nil }), store.ErrClosed) {
		runtime.Gosched()
	}
	select {
	case <-closed: // the check above has failed
	case <-time.After(50 * time.Millisecond): // time enough for a Close that does not wait
	}
	close(proceed)
	all.Wait()
}

// closedUnderLoad: every transaction ends with ErrClosed at some moment, none with anything else, and Close waits.
func closedUnderLoad(t *testing.T, s store.Store) {
	fill(t, s, "row/", 100)
	var began sync.WaitGroup
	began.Add(racers)
	var inside atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		began.Wait()
		if err := s.Close(); err != nil {
			t.Errorf("Close under load: %v", err)
		}
		if n := inside.Load(); n != 0 {
			t.Errorf("Close returned while %d transactions were running", n)
		}
	})
	race(func(i int) {
		for round := 0; ; round++ {
			fn := func(tx store.Tx) error {
				inside.Add(1)
				defer inside.Add(-1)
				err := tx.Scan("row/", "", func(string, []byte) error { return nil })
				if i%2 == 0 && err == nil {
					err = tx.Set("own/"+strconv.Itoa(i), []byte(strconv.Itoa(round)), never)
				}
				return err
			}
			act := s.View
			if i%2 == 0 {
				act = s.Update
			}
			err := act(t.Context(), fn)
			if round == 0 {
				began.Done()
			}
			if errors.Is(err, store.ErrClosed) {
				return
			}
			if err != nil {
				t.Errorf("racer %d: %v; want ErrClosed", i, err)
				return
			}
		}
	})
	all.Wait()
}
