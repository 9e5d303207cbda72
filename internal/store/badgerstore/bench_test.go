// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package badgerstore_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/store"
	"github.com/nightlatch/nightlatch/internal/store/badgerstore"
)

// person is record i of the filled store, some 300 bytes of JSON.
func person(i int) (key string, value []byte) {
	return fmt.Sprintf("user/%016x", uint64(i)*0x9e3779b97f4a7c15), fmt.Appendf(nil,
		`{"id":"%016x","name":"person%d","email":"person%d@example.com","display_name":"Person Number %d",`+
			`"groups":["staff","office-%d"],"created":"2026-01-02T03:04:05Z","password_changed":"2026-02-03T04:05:06Z",`+
			`"factors":[{"id":"f1","kind":"totp","name":"Phone","last_step":%d}],"locale":"en","disabled":false}`,
		uint64(i)*0x9e3779b97f4a7c15, i, i, i, i%50, 58_000_000+i)
}

func session(i int) (key string, value []byte) {
	return fmt.Sprintf("session/%016x", uint64(i)*0xd1342543de82ef95), fmt.Appendf(nil,
		`{"user":"%016x","created":"2026-03-04T05:06:07Z","seen":"2026-03-04T06:06:07Z","idle_end":"2026-03-04T07:06:07Z",`+
			`"end":"2026-03-04T17:06:07Z","proofs":[{"kind":"password","at":"2026-03-04T05:06:01Z"},`+
			`{"kind":"totp","at":"2026-03-04T05:06:07Z"}],"agent":"Firefox on Linux","address":"192.0.2.%d","number":%d}`,
		uint64(i)*0x9e3779b97f4a7c15, i%256, i)
}

// fillRecords writes n records, half of them users, half sessions.
func fillRecords(t testing.TB, s store.Store, n int) {
	t.Helper()
	const batch = 1000
	for from := 0; from < n/2; from += batch / 2 {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for i := from; i < min(from+batch/2, n/2); i++ {
				for _, record := range []func(int) (string, []byte){person, session} {
					key, value := record(i)
					if err := tx.Set(key, value, time.Now().Add(time.Hour)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

const (
	openRecords = 200_000
	openBudget  = 2 * time.Second
)

// TestOpen100kWithinBudget: a gate that starts slowly is a gate that is down. It takes 70 ms on two idle cores. The best
// of several counts, because the machine may be busy.
func TestOpen100kWithinBudget(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fillRecords(t, s, openRecords)
	best := time.Hour
	for range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		s = open(t, dir)
		best = min(best, time.Since(start))
	}
	if limit := openBudget * slowdown; best > limit {
		t.Errorf("opening 100,000 users and 100,000 sessions took %v at best; want at most %v", best, limit)
	} else {
		t.Logf("opened in %v", best)
	}
	key, want := person(12345)
	if got := get(t, s, key); got != string(want) {
		t.Errorf("Get = %q; want %q", got, want)
	}
}

// TestInMemoryOpensAtOnce holds what every other room's tests rely on. The best of several, because the machine may be busy.
func TestInMemoryOpensAtOnce(t *testing.T) {
	best := time.Hour
	for range 10 {
		start := time.Now()
		s := open(t, "")
		best = min(best, time.Since(start))
		s.Close()
	}
	if limit := 20 * time.Millisecond * slowdown; best > limit {
		t.Errorf("opening in memory took %v at best; want at most %v", best, limit)
	} else {
		t.Logf("opened in %v", best)
	}
}

func BenchmarkOpen100k(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	fillRecords(b, s, openRecords)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := badgerstore.Open(badgerstore.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir())
	fillRecords(b, s, openRecords)
	sealed := seal(b, open(b, b.TempDir()))
	fillRecords(b, sealed, openRecords)
	bench := func(name string, s store.Store, pick func() string, want error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				key := pick()
				err := s.View(b.Context(), func(tx store.Tx) error { _, err := tx.Get(key); return err })
				if err != want {
					b.Fatal(err)
				}
			}
		})
	}
	known := func() string { key, _ := session(rand.IntN(openRecords / 2)); return key }
	unknown := func() string { return fmt.Sprintf("session/%016x.", rand.Uint64()) }
	bench("known", s, known, nil)
	bench("unknown", s, unknown, store.ErrNotFound)
	bench("sealed", sealed, known, nil)
}

func BenchmarkUpdate(b *testing.B) {
	s := open(b, b.TempDir())
	i := 0
	for b.Loop() {
		key, value := session(i)
		i++
		err := s.Update(b.Context(), func(tx store.Tx) error { return tx.Set(key, value, time.Time{}) })
		if err != nil {
			b.Fatal(err)
		}
	}
}
