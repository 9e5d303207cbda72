// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package visit

import (
	"sync/atomic"
	"time"
)

// Throttle is when something was last logged that many requests would have logged alike. The zero Throttle has logged nothing. It is safe
// for concurrent use.
type Throttle struct{ last atomic.Int64 } // Unix seconds

// Allows tells whether it is to be logged again, which it is once in every so many whole seconds at most. A clock that was set back does
// not keep it quiet.
func (t *Throttle) Allows(now time.Time, every time.Duration) bool {
	second, last := now.Unix(), t.last.Load()
	if since := second - last; since >= 0 && since < int64(every/time.Second) {
		return false
	}
	return t.last.CompareAndSwap(last, second)
}
