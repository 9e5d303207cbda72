// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package password

import (
	"errors"
	"strings"
	"testing"
)

const (
	salt16 = "AAAAAAAAAAAAAAAAAAAAAA"
	key32  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// A stored hash asking for more than the bounds, or spelled any other way than
// ours, is an error and costs no hashing: every slot is taken here.
func TestDO3HostileHashes(t *testing.T) {
	h := busy(t)
	costs := func(m string) string { return "$argon2id$v=19$" + m + "$" + salt16 + "$" + key32 }
	for _, good := range []string{costs("m=131072,t=10,p=8"), costs("m=8,t=1,p=1"), costs("m=19456,t=2,p=1")} {
		if _, err := parse(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "$", "$$$$$", "plain", "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		costs("m=4294967295,t=2,p=1"), costs("m=131073,t=2,p=1"), costs("m=19456,t=11,p=1"), costs("m=19456,t=2,p=9"),
		costs("m=18446744073709551616,t=2,p=1"), costs("m=19456,t=2,p=257"), costs("m=4294986752,t=2,p=1"),
		costs("m=0,t=2,p=1"), costs("m=19456,t=0,p=1"), costs("m=19456,t=2,p=0"), costs("m=7,t=1,p=1"), costs("m=63,t=1,p=8"),
		costs("m=-1,t=2,p=1"), costs("m=+19456,t=2,p=1"), costs("m=019456,t=2,p=1"), costs("m=0x4c00,t=2,p=1"), costs("m=19_456,t=2,p=1"),
		costs("t=2,m=19456,p=1"), costs("m=19456,t=2"), costs("m=19456,t=2,p=1,x=1"), costs(" m=19456,t=2,p=1"), costs("m=19456, t=2,p=1"),
		costs("m=19456,t=2,p=1") + "$", " " + costs("m=19456,t=2,p=1"), costs("m=19456,t=2,p=1") + "\n", costs("m=19456,t=2,p=1") + "=",
		"$argon2i$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32,
		"$argon2id$v=16$m=19456,t=2,p=1$" + salt16 + "$" + key32,
		"$argon2id$m=19456,t=2,p=1$" + salt16 + "$" + key32,
		"$argon2id$v=19$m=19456,t=2,p=1$$" + key32,
		"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAA$" + key32, // 7 bytes of salt
		"$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("AAAA", 22) + "$" + key32,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$",
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$AAAAAAAAAAAAAAAAAAAA", // 15 bytes of key
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + strings.Repeat("AAAA", 22),
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32[:42] + "B",               // stray bits
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32[:20] + "\n" + key32[20:], // base64 skips line breaks
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + strings.Repeat("A", 1<<20),
		strings.Repeat("$", 1<<20),
	} {
		var verdict Verdict
		var err error
		work := allocated(func() { verdict, err = h.Verify(t.Context(), bad, "a perfectly fine phrase") })
		if work > 64<<10 {
			t.Errorf("%.80q: %d bytes of work to refuse it", bad, work)
		}
		if verdict != Wrong || !errors.Is(err, ErrBadHash) {
			t.Errorf("%.80q: got %v (%v), want %v", bad, verdict, err, ErrBadHash)
		}
	}
}

// FuzzParse: whatever parses is within bounds and has that one spelling.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		referenceToday, referenceSmall, referenceLanes, "", "$argon2id$v=19$m=4294967295,t=1,p=1$" + salt16 + "$" + key32,
		"$argon2id$v=19$m=08,t=1,p=1$" + salt16 + "$" + key32, "$argon2id$v=19$m=8,t=1,p=1$" + salt16 + "\n$" + key32,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parse(s)
		if err != nil {
			return
		}
		if got := h.String(); got != s || len(s) > 512 {
			t.Errorf("parsed %q, which we write %q", s, got)
		}
		if h.memory > 128<<10 || h.memory < 8*uint32(h.threads) || h.time < 1 || h.time > 10 || h.threads < 1 || h.threads > 8 ||
			len(h.salt) < 8 || len(h.salt) > 64 || len(h.key) < 16 || len(h.key) > 64 {
			t.Errorf("parsed %q out of bounds", s)
		}
	})
}
