// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nightlatch/nightlatch/internal/store"
)

func scanOrder(t *testing.T, s store.Store) {
	// In the order of bytes: capitals before small letters, UTF-8 after ASCII, a prefix before what it begins.
	want := []string{"\x01", " ", "1", "10", "2", "A", "Z", "_", "a", "a\x00", "aa", "b", "z", "~", "ß", "é", "日", "\xff"}
	shuffled := slices.Clone(want)
	slices.Reverse(shuffled)
	for _, key := range shuffled {
		update(t, s, func(tx store.Tx) error { return tx.Set(key, []byte(key), never) })
	}
	wantKeys(t, s, "", "", want...)
	wantKeys(t, s, "", "a\x00", "aa", "b", "z", "~", "ß", "é", "日", "\xff")
}

func scanPrefix(t *testing.T, s store.Store) {
	// "{", "|", "}" and "~" follow one another: a range end computed wrongly takes in the neighbor or leaves the last out.
	for _, key := range []string{
		"foo", "foo{1", "foo|", "foo|1", "foo|1|2", "foo|2", "foo|\xff", "foo|\xff\xff", "foo}", "foo}1", "foo~", "fop", "fo", "\xff\xff1",
	} {
		update(t, s, func(tx store.Tx) error { return tx.Set(key, []byte(key), never) })
	}
	all := []string{"foo|", "foo|1", "foo|1|2", "foo|2", "foo|\xff", "foo|\xff\xff"}
	wantKeys(t, s, "foo|", "", all...)
	wantKeys(t, s, "foo|", "foo|", all[1:]...)
	wantKeys(t, s, "foo|", "foo|1", all[2:]...)
	wantKeys(t, s, "foo|", "foo|1|", all[2:]...) // after what is not there
	wantKeys(t, s, "foo|", "foo|\xff\xff")       // after the last
	wantKeys(t, s, "foo|", "foo}")               // after the range
	wantKeys(t, s, "foo|", "a", all...)          // before the range
	wantKeys(t, s, "foo|", "foo", all...)
	wantKeys(t, s, "foo}", "", "foo}", "foo}1")
	wantKeys(t, s, "foo|3", "")
	wantKeys(t, s, "foo|1", "", "foo|1", "foo|1|2")
	wantKeys(t, s, "\xff", "", "\xff\xff1")
	wantKeys(t, s, "\xff\xff", "\xff\xff0", "\xff\xff1")
	wantKeys(t, s, "g", "")
}

func scanStops(t *testing.T, s store.Store) {
	fill(t, s, "row/", 5)
	stop := errors.New("stop")
	both(t, s, func(tx store.Tx) error {
		var seen []string
		err := tx.Scan("row/", "", func(key string, _ []byte) error {
			seen = append(seen, key)
			if len(seen) == 2 {
				return stop
			}
			return nil
		})
		if err != stop {
			t.Errorf("Scan returned %v; want the function's own error", err)
		}
		if want := []string{"row/0000", "row/0001"}; !slices.Equal(seen, want) {
			t.Errorf("Scan called the function for %q; want %q", seen, want)
		}
		return nil
	})
}

func scanCopies(t *testing.T, s store.Store) {
	fill(t, s, "row/", 300)
	both(t, s, func(tx store.Tx) error {
		kept := map[string][]byte{}
		err := tx.Scan("row/", "", func(key string, value []byte) error { kept[key] = value; return nil })
		if len(kept) != 300 {
			t.Errorf("Scan found %d records; want 300", len(kept))
		}
		for key, value := range kept {
			if string(value) != "value of "+key {
				t.Fatalf("a value kept from Scan is now %q; want %q", value, "value of "+key)
			}
			clear(value)
		}
		return err
	})
	wantValue(t, s, "row/0000", "value of row/0000")
}

func scanAndWrite(t *testing.T, s store.Store) {
	fill(t, s, "row/", 300)
	update(t, s, func(tx store.Tx) error {
		return tx.Scan("row/", "", func(key string, value []byte) error {
			got, err := tx.Get(key)
			if string(got) != string(value) {
				t.Errorf("Scan shows %q for %q, Get %q", value, key, got)
			}
			return errors.Join(err, tx.Set("copy/"+key, value, never), tx.Delete(key))
		})
	})
	wantKeys(t, s, "row/", "")
	wantValue(t, s, "copy/row/0000", "value of row/0000")
	wantValue(t, s, "copy/row/0299", "value of row/0299")
}

func scanInScan(t *testing.T, s store.Store) {
	fill(t, s, "user/", 3)
	for i := range 3 {
		fill(t, s, fmt.Sprintf("of/user/%04d/", i), i)
	}
	both(t, s, func(tx store.Tx) error {
		var counts []int
		err := tx.Scan("user/", "", func(user string, _ []byte) error {
			n := 0
			err := tx.Scan("of/"+user+"/", "", func(string, []byte) error { n++; return nil })
			counts = append(counts, n)
			return err
		})
		if want := []int{0, 1, 2}; !slices.Equal(counts, want) {
			t.Errorf("inner scans found %d records; want %d", counts, want)
		}
		return err
	})
}
