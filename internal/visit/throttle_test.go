// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit_test

import (
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/visit"
)

func TestThrottle(t *testing.T) {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for every, cases := range map[time.Duration][]struct {
		after time.Duration
		want  bool
	}{
		time.Minute: {{0, true}, {0, false}, {59 * time.Second, false}, {61 * time.Second, true}, {62 * time.Second, false}, {-time.Hour, true}, {-time.Hour, false}},
		time.Second: {{0, true}, {999 * time.Millisecond, false}, {time.Second, true}, {time.Second, false}, {0, true}},
	} {
		var throttle visit.Throttle
		for _, c := range cases {
			if got := throttle.Allows(start.Add(c.after), every); got != c.want {
				t.Errorf("every %s, after %s: got %v, want %v", every, c.after, got, c.want)
			}
		}
	}
}
