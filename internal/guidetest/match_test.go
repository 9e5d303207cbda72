// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package guidetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fits tells whether an answer is the one of the page. "…" in a text stands for one or more characters that are others each time, and
// expires_in may have run down a little; all else is as it stands there: the members of objects, no more and no fewer, and the number and
// order of what is in a list.
func (s step) fits(got string) error {
	switch s.kind {
	case "json":
		want, err := decode(s.answer)
		if err != nil {
			return fmt.Errorf("the page has no JSON for an answer: %w", err)
		}
		have, err := decode(got)
		if err != nil {
			return fmt.Errorf("the answer is not JSON: %w", err)
		}
		return sameValue("", have, want)
	case "text":
		return sameText("", strings.TrimRight(got, "\n"), strings.TrimRight(s.answer, "\n"))
	}
	if strings.TrimSpace(got) != "" {
		return errors.New("something is answered, and the page does not say what")
	}
	return nil
}

func decode(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func sameValue(at string, got, want any) error {
	switch want := want.(type) {
	case map[string]any:
		got, is := got.(map[string]any)
		if !is {
			return fmt.Errorf("%s: got %v, want an object", at, got)
		}
		if have, need := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(have, need) {
			return fmt.Errorf("%s: got the members %q, want %q", at, have, need)
		}
		for name, w := range want {
			if name == "expires_in" && runningDown(got[name], w) {
				continue
			}
			if err := sameValue(at+"."+name, got[name], w); err != nil {
				return err
			}
		}
	case []any:
		got, is := got.([]any)
		if !is || len(got) != len(want) {
			return fmt.Errorf("%s: got %v, want a list of %d", at, got, len(want))
		}
		for i, w := range want {
			if err := sameValue(fmt.Sprintf("%s[%d]", at, i), got[i], w); err != nil {
				return err
			}
		}
	case string:
		got, is := got.(string)
		if !is {
			return fmt.Errorf("%s: got %v, want a text", at, got)
		}
		return sameText(at, got, want)
	default: // null, a truth value or a number
		if got != want {
			return fmt.Errorf("%s: got %v, want %v", at, got, want)
		}
	}
	return nil
}

// runningDown tells whether a number of seconds is that of the page, or a few of them later.
func runningDown(got, want any) bool {
	var seconds [2]int64
	for i, v := range []any{got, want} {
		n, is := v.(json.Number)
		if !is {
			return false
		}
		var err error
		if seconds[i], err = n.Int64(); err != nil {
			return false
		}
	}
	return seconds[0] <= seconds[1] && seconds[0] > seconds[1]-10
}

func sameText(at, got, want string) error {
	pattern := `(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".+") + `$`
	if !regexp.MustCompile(pattern).MatchString(got) {
		return fmt.Errorf("%s: got %q, want %q", at, got, want)
	}
	return nil
}

// An answer that is not the one of the page does not fit.
func TestFits(t *testing.T) {
	for _, c := range []struct {
		kind, page, got string
		fits            bool
	}{
		{"json", `{"a": "…", "b": 2}`, `{"b": 2, "a": "x"}`, true},
		{"json", `{"a": "…"}`, `{"a": ""}`, false},
		{"json", `{"a": "…"}`, `{"a": 1}`, false},
		{"json", `{"a": "…"}`, `{"a": null}`, false},
		{"json", `{"a": "…"}`, `{}`, false},
		{"json", `{"a": "…"}`, `{"a": "x", "b": 1}`, false},
		{"json", `{"a": "x…y"}`, `{"a": "x123y"}`, true},
		{"json", `{"a": "x…y"}`, `{"a": "xy"}`, false},
		{"json", `{"a": "x.y"}`, `{"a": "xzy"}`, false},
		{"json", `["…", "…"]`, `["1", "2"]`, true},
		{"json", `["…"]`, `["1", "2"]`, false},
		{"json", `["a", "b"]`, `["b", "a"]`, false},
		{"json", `{"a": []}`, `{"a": null}`, false},
		{"json", `{"a": [{"b": 1}]}`, `{"a": [{"b": 2}]}`, false},
		{"json", `{"a": true}`, `{"a": "true"}`, false},
		{"json", `{"a": 10}`, `{"a": 1e1}`, false},
		{"json", `{"expires_in": 300}`, `{"expires_in": 300}`, true},
		{"json", `{"expires_in": 300}`, `{"expires_in": 299}`, true},
		{"json", `{"expires_in": 300}`, `{"expires_in": 290}`, false},
		{"json", `{"expires_in": 300}`, `{"expires_in": 301}`, false},
		{"json", `{"expires_in": 300}`, `{"expires_in": "300"}`, false},
		{"json", `{}`, ``, false},
		{"json", `{}`, `{}{}`, false},
		{"json", `{`, `{`, false},
		{"text", "204\n", "204", true},
		{"text", "204\n", "2040", false},
		{"text", "code …\n", "code 123\n", true},
		{"text", "code …\n", "code \n", false},
		{"", "", "\n", true},
		{"", "", "x", false},
	} {
		if err := (step{kind: c.kind, answer: c.page}).fits(c.got); (err == nil) != c.fits {
			t.Errorf("%q is said by %q: got %v, want fits %t", c.got, c.page, err, c.fits)
		}
	}
}
