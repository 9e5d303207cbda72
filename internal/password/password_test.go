// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Hashes made by the reference implementation (libargon2 20171227). The 256 KiB
// rows are also in its own test suite.
const (
	referenceToday = "$argon2id$v=19$m=19456,t=2,p=1$bmlnaHRsYXRjaC1zYWx0IQ$3uYbrmUx6dntCyo1oD8x9bna0BRgGjGpuj3evUTjqHM"
	referenceSmall = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	referenceLanes = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
)

func TestReferenceHashes(t *testing.T) {
	h := New(1, 0)
	for _, c := range []struct {
		phc, plain string
		want       Verdict
	}{
		{referenceToday, "correct horse battery stäple", Right},
		{referenceToday, "correct horse battery staple", Wrong},
		{referenceSmall, "password", RightButOld},
		{referenceSmall, "Password", Wrong},
		{referenceLanes, "password", RightButOld},
	} {
		got, err := h.Verify(t.Context(), c.phc, c.plain)
		if err != nil || got != c.want || got.OK() != (c.want != Wrong) {
			t.Errorf("%s with %q: got %v (%v), want %v", c.phc, c.plain, got, err, c.want)
		}
	}
}

func TestHashAndVerify(t *testing.T) {
	h := New(1, 0)
	const plain = "a perfectly fine phrase"
	first, second := mustHash(t, h, plain), mustHash(t, h, plain)
	if first == second {
		t.Errorf("two hashes of one password: got %s twice, want two salts", first)
	}
	if want := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(first, want) {
		t.Errorf("hash: got %s, want it to start %s", first, want)
	}
	wantVerdict(t, h, first, plain, Right)
}

// RightButOld looks at each part that makes a hash weak.
func TestOldHashes(t *testing.T) {
	salt, key := make([]byte, saltSize), make([]byte, keySize)
	for _, c := range []struct {
		name string
		hash hash
		want bool
	}{
		{"today's", hash{today, salt, key}, false},
		{"stronger", hash{params{65536, 3, 4}, salt, key}, false},
		{"less memory", hash{params{19455, 2, 1}, salt, key}, true},
		{"fewer passes", hash{params{65536, 1, 1}, salt, key}, true},
		{"shorter salt", hash{today, salt[:15], key}, true},
		{"shorter key", hash{today, salt, key[:31]}, true},
	} {
		if got := c.hash.old(); got != c.want {
			t.Errorf("%s: old is %t, want %t", c.name, got, c.want)
		}
	}
}

// ASVS 6.2.8: exactly as received, but for the spelling of accented letters.
func TestASVS6_2_8ExactlyAsReceived(t *testing.T) {
	h := New(1, 0)
	plain := "Cafe\u0301 " + strings.Repeat("x", 80) // "é" as two code points, as macOS may type it
	stored := mustHash(t, h, plain)
	wantVerdict(t, h, stored, "Caf\u00e9 "+strings.Repeat("x", 80), Right)
	for _, other := range []string{
		plain + " ", " " + plain, strings.ToLower(plain), plain[:72], plain[:75] + "y" + plain[76:],
		"Cafe " + strings.Repeat("x", 80),
	} {
		wantVerdict(t, h, stored, other, Wrong)
	}
}

// ASVS 6.2.9 and DO-2: at least 64 characters are accepted, too many are refused
// before hashing; with every slot taken, hashing would be ErrBusy.
func TestASVS6_2_9TooLongIsRefusedBeforeHashing(t *testing.T) {
	for _, c := range []struct {
		name, plain string
		want        error
	}{
		{"64 characters", strings.Repeat("a", 64), ErrBusy},
		{"256 characters", strings.Repeat("a", 256), ErrBusy},
		{"256 characters of four bytes", strings.Repeat("🔑", 256), ErrBusy},
		{"256 characters typed as 512 code points", strings.Repeat("e\u0301", 256), ErrBusy},
		{"257 characters", strings.Repeat("a", 257), ErrTooLong},
		{"1025 bytes", strings.Repeat("🔑", 256) + "a", ErrTooLong},
		{"1030 bytes of 206 characters once normalized", strings.Repeat("e\u0304\u0301", 206), ErrTooLong},
		{"DO-2, ten million bytes", strings.Repeat("a", 10_000_000), ErrTooLong},
		{"empty", "", ErrNotText},
		{"NUL", "a perfectly fine\x00phrase", ErrNotText},
		{"not UTF-8", "a perfectly fine \xff phrase", ErrNotText},
	} {
		for name, err := range allDoors(t, busy(t), c.plain) {
			if !errors.Is(err, c.want) {
				t.Errorf("%s, %s: got %v, want %v", c.name, name, err, c.want)
			}
		}
	}
}

func TestDO1Flood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, queue, flood = 2, 3, 500
		h := New(limit, queue)
		var releases []func()
		for range limit {
			release, err := h.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			releases = append(releases, release)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		outcomes := map[string]int{}
		count := func(outcome string) {
			mu.Lock()
			defer mu.Unlock()
			outcomes[outcome]++
		}
		for range flood {
			wg.Go(func() {
				verdict, err := h.Verify(t.Context(), referenceSmall, "password")
				switch {
				case errors.Is(err, ErrBusy) && verdict == Wrong:
					count("busy")
				case err == nil && verdict == RightButOld:
					count("right")
				default:
					count("odd")
				}
			})
		}
		synctest.Wait() // everybody is refused or queued now
		if got, want := outcomes["busy"], flood-queue; got != want || len(outcomes) != 1 {
			t.Errorf("while full: got %v, want %d busy and nothing else", outcomes, want)
		}
		for _, release := range releases {
			release()
		}
		wg.Wait()
		if outcomes["right"] != queue || outcomes["odd"] != 0 {
			t.Errorf("in the end: got %v, want the %d that queued to be right", outcomes, queue)
		}
		if len(h.slots) != 0 || len(h.room) != 0 {
			t.Errorf("left behind: %d slots and %d places, want none", len(h.slots), len(h.room))
		}
	})
}

// Nothing hashes past the semaphore.
func TestDO1EveryDoorIsBounded(t *testing.T) {
	for name, err := range allDoors(t, busy(t), "a perfectly fine phrase") {
		if !errors.Is(err, ErrBusy) {
			t.Errorf("%s: got %v, want %v", name, err, ErrBusy)
		}
	}
}

func TestCancelWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(1, 1)
		release, err := h.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Verify(ctx, referenceSmall, "password"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while queued: got %v, want %v", err, context.DeadlineExceeded)
		}
		release()
		if len(h.slots) != 0 || len(h.room) != 0 {
			t.Errorf("left behind: %d slots and %d places, want none", len(h.slots), len(h.room))
		}
		if _, err := h.Hash(ctx, "a perfectly fine phrase"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended before it began: got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestNewDefaultsToCores(t *testing.T) {
	if got, want := cap(New(0, 0).slots), runtime.GOMAXPROCS(0); got != want {
		t.Errorf("limit 0: got %d slots, want %d", got, want)
	}
}

// The dummy's costs are a real hash's, and so is the work done for it.
func TestBF13ASVS6_3_8DummyCostsTheSame(t *testing.T) {
	h := New(1, 0)
	real, err := parse(mustHash(t, h, "a perfectly fine phrase"))
	if err != nil {
		t.Fatal(err)
	}
	dummy, err := parse(h.dummy.String())
	if err != nil {
		t.Fatalf("dummy %s: %v", h.dummy, err)
	}
	if dummy.params != real.params || len(dummy.salt) != len(real.salt) || len(dummy.key) != len(real.key) {
		t.Errorf("dummy %s does not cost what %s does", dummy, real)
	}
	if other := New(1, 0).dummy; string(other.key) == string(dummy.key) || string(dummy.key) == string(make([]byte, keySize)) {
		t.Errorf("dummy key %x is not random", dummy.key)
	}

	known := allocated(func() { wantVerdict(t, h, real.String(), "a wrong but likely phrase", Wrong) })
	unknown := allocated(func() {
		if err := h.VerifyDummy(t.Context(), "a wrong but likely phrase"); err != nil {
			t.Error(err)
		}
	})
	none := allocated(func() {
		if i, err := h.FindCode(t.Context(), nil, "7Q2M4ZK9X0WBT3VH"); i != -1 || err != nil {
			t.Errorf("no backup codes: got %d (%v), want -1", i, err)
		}
	})
	for name, got := range map[string]uint64{"known user": known, "unknown user": unknown, "no backup codes": none} {
		if least := uint64(today.memory) << 10; got < least || got > least+least/8 {
			t.Errorf("%s: %d bytes of work, want about %d", name, got, least)
		}
	}
}

func TestBackupCodes(t *testing.T) {
	h := New(1, 0)
	codes := []string{"7Q2M4ZK9X0WBT3VH", "M5N8R1PC6YGD4JSE", "0A3F9KTW2XHZ7VQB"}
	hashes, err := h.HashCodes(t.Context(), codes)
	if err != nil {
		t.Fatal(err)
	}
	for want, code := range codes {
		got, err := h.FindCode(t.Context(), hashes, code)
		if err != nil || got != want {
			t.Errorf("code %d: got %d (%v)", want, got, err)
		}
	}
	if got, err := h.FindCode(t.Context(), hashes, "7Q2M4ZK9X0WBT3VJ"); got != -1 || err != nil {
		t.Errorf("unknown code: got %d (%v), want -1", got, err)
	}
	// One hash checks all: a set costs what a single code does.
	if got, most := allocated(func() { h.FindCode(t.Context(), hashes, codes[2]) }), uint64(today.memory)<<10*3/2; got > most {
		t.Errorf("checking a set: %d bytes of work, want one hash, under %d", got, most)
	}

	again, err := h.HashCodes(t.Context(), codes[:1])
	if err != nil {
		t.Fatal(err)
	}
	if again[0] == hashes[0] {
		t.Errorf("two sets share a salt: %s", again[0])
	}
	for name, set := range map[string][]string{
		"mixed salts":  {hashes[0], again[0]},
		"mixed costs":  {referenceSmall, referenceLanes},
		"not a hash":   {hashes[0], "plain"},
		"an empty one": {""},
	} {
		if got, err := h.FindCode(t.Context(), set, codes[0]); got != -1 || !errors.Is(err, ErrBadHash) {
			t.Errorf("%s: got %d (%v), want -1 and %v", name, got, err, ErrBadHash)
		}
	}
}

// busy returns a Hasher whose only slot is taken and whose queue has no room.
func busy(t *testing.T) *Hasher {
	t.Helper()
	h := New(1, 0)
	if _, err := h.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// allDoors calls every method that hashes and returns their errors by name.
func allDoors(t *testing.T, h *Hasher, plain string) map[string]error {
	t.Helper()
	phc, hashErr := h.Hash(t.Context(), plain)
	verdict, verifyErr := h.Verify(t.Context(), referenceToday, plain)
	hashes, codesErr := h.HashCodes(t.Context(), []string{plain})
	found, findErr := h.FindCode(t.Context(), []string{referenceToday}, plain)
	if phc != "" || verdict != Wrong || hashes != nil || found != -1 {
		t.Errorf("results beside errors: %q, %v, %q, %d", phc, verdict, hashes, found)
	}
	return map[string]error{
		"Hash": hashErr, "Verify": verifyErr, "VerifyDummy": h.VerifyDummy(t.Context(), plain),
		"HashCodes": codesErr, "FindCode": findErr,
	}
}

func mustHash(t *testing.T, h *Hasher, plain string) string {
	t.Helper()
	phc, err := h.Hash(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	return phc
}

func wantVerdict(t *testing.T, h *Hasher, phc, plain string, want Verdict) {
	t.Helper()
	if got, err := h.Verify(t.Context(), phc, plain); err != nil || got != want {
		t.Errorf("%q: got %v (%v), want %v", plain, got, err, want)
	}
}

// allocated returns the bytes fn allocates: argon2's memory is its cost, and
// unlike time it does not depend on what else the machine does.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func BenchmarkHash(b *testing.B) {
	h := New(1, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "a perfectly fine phrase"); err != nil {
			b.Fatal(err)
		}
	}
}
