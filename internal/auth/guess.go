// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"net/netip"
	"time"
)

// Guessing is slowed by counters that live in the store, so that neither a restart nor a reload gives tries back, and that are raised
// before a secret is checked, so that parallel tries cannot slip past them.
//
//	password   per name and network   waits after 5 failures, stops at 50
//	password   per name               waits after 5, stops at 50
//	password   per name and browser   waits after 5, stops at 50; instead of all others, in a browser the person has signed in with; on the
//	                                  pages and through the API each for itself
//	code       per user and method    waits after 5, stops at 50, however right the password was
//	confirm    per user and method    the same for a code that proves a new factor or address; only a week without one clears it
//	any        per network            a hundred failures an hour, of IPv6 for the /64, and four hundred for the /48; not counted for a
//	                                  person in a browser they have signed in with
//
// A try that is refused writes nothing, neither a counter nor an event: whoever hammers must not fill the store.
//
// Fifty is below the hundred consecutive failures of NIST SP 800-63B-4 §3.2.2. With two acceptable steps of six digits fifty tries find
// a code once in ten thousand stops. The counter of a name is the same for names that nobody has, so that it tells nothing.
const (
	freeTries   = 5                // failures before the first wait
	firstWait   = 5 * time.Second  // doubles with each further failure
	longestWait = 15 * time.Minute // of a single wait, also when the clock jumps
	stopAt      = 50               // consecutive failures
	leakTries   = 100              // failures that a leaking counter may hold …
	leakEvery   = 36 * time.Second // … and how soon one of them is forgotten
	counterLife = 7 * 24 * time.Hour
)

// counter is how often something has failed in a row, or, of a leaking one, how much it holds.
type counter struct {
	Failures int       `json:"failures"`
	Last     time.Time `json:"last"`
}

// wait is how long the next try has to wait. It never exceeds longestWait, whatever the clock did in between.
func (c counter) wait(now time.Time) time.Duration {
	if c.Failures < freeTries {
		return 0
	}
	delay := longestWait
	if n := c.Failures - freeTries; n < 10 {
		delay = min(firstWait<<n, longestWait)
	}
	return min(max(c.Last.Add(delay).Sub(now), 0), delay)
}

// limit is one counter that a try must pass. It is of one of two sorts: consecutive failures, which wait longer and longer and may stop
// for good, or a leaking one, which holds so many at once and forgets one at a time.
type limit struct {
	key   string
	stops bool // at stopAt, until cleared
	life  time.Duration
	most  int           // of a leaking counter: how many it holds; zero: this is not one
	every time.Duration // … and how soon one of them is forgotten
	kind  Kind          // … and how it refuses
}

func (l *limit) leaks() bool { return l.most > 0 }

// leaking makes a leaking counter that refuses as too many tries.
func leaking(key string, most int, every time.Duration) limit {
	return limit{key: key, most: most, every: every, life: time.Duration(most) * every, kind: TooManyTries}
}

// reserve raises every counter of a try before anything is checked, and returns how many in a row this failure would be. When one of
// them says no, none is raised: a refused try is not counted, so that hammering does not lengthen the wait. A success takes the
// reservation back with release.
func (t *tx) reserve(limits []limit) (inARow int, err error) {
	counters := make([]counter, len(limits))
	for i, l := range limits {
		c, _, err := get[counter](t, l.key)
		if err != nil {
			return 0, err
		}
		switch {
		case l.leaks():
			c.leak(t.now, l.every)
			if c.Failures >= l.most {
				return 0, retry(l.kind, l.every)
			}
		case l.stops && c.Failures >= stopAt:
			return 0, fail(Stopped)
		default:
			if w := c.wait(t.now); w > 0 {
				return 0, retry(TooManyTries, w)
			}
		}
		counters[i] = c
	}
	for i, l := range limits {
		c := counters[i]
		c.Failures++
		if !l.leaks() {
			c.Last = t.now
			inARow = max(inARow, c.Failures)
		}
		if err := t.putCounter(l, c); err != nil {
			return 0, err
		}
	}
	return inARow, nil
}

// putCounter writes a counter. One without a life stays until it is cleared: the stop of a factor does not wear off.
func (t *tx) putCounter(l limit, c counter) error {
	if l.life == 0 {
		return put(t, l.key, c, time.Time{})
	}
	return put(t, l.key, c, t.now.Add(l.life))
}

// leak forgets what a leaking counter has held for long enough. Last then says up to when that was reckoned: were it the last try, a
// steady stream of tries would keep anything from ever being forgotten. A clock that went back a little forgets nothing.
func (c *counter) leak(now time.Time, every time.Duration) {
	if c.Last.Sub(now) > time.Hour {
		*c = counter{} // counted in a future that never came, and would stay until then (BF-20)
	}
	if n := now.Sub(c.Last) / every; n > 0 {
		c.Failures, c.Last = max(c.Failures-int(n), 0), c.Last.Add(n*every)
	}
	if c.Failures == 0 {
		c.Last = now
	}
}

// release takes back what reserve raised: all consecutive failures after a success, or just this try when it could not be checked.
func (t *tx) release(limits []limit, succeeded bool) error {
	for _, l := range limits {
		c, found, err := get[counter](t, l.key)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if succeeded && !l.leaks() {
			c.Failures = 0
		} else {
			c.Failures = max(c.Failures-1, 0)
		}
		if c.Failures == 0 {
			// Nothing is left to remember. Kept, it would be a record for each name that anybody ever typed.
			err = t.Delete(l.key)
		} else {
			err = t.putCounter(l, c)
		}
		if err != nil {
			return fmt.Errorf("releasing a counter: %w", err)
		}
	}
	return nil
}

// passwordLimits are the counters of a typed password. In a browser that the person has signed in with, only what fails there counts:
// neither what strangers fail at elsewhere, nor at other names behind the same address, or anybody could lock the owner out
// (ASVS 6.1.1). What fails through the API counts for itself there: the cookie rides along with a script that slipped into the application
// (CS-12), which could lock the owner out of the pages too.
func (t *tx) passwordLimits(nameKey string, known bool) []limit {
	key := passwordKey(nameKey)
	if known {
		key += "/browser/" + t.browser()
		if t.client.API {
			key += "/api"
		}
		return []limit{{key: key, stops: true, life: counterLife}}
	}
	return append([]limit{
		{key: key + "/" + network(t.client.Address), stops: true, life: counterLife},
		{key: key, stops: true, life: counterLife},
	}, t.networkLimits()...)
}

// codeLimits are the counters of a code. They follow the user, not the attempt, so that starting over with the right password gives no
// new tries.
func (t *tx) codeLimits(userID string, m Method) ([]limit, error) {
	limits := []limit{{key: codeKey(userID, m), stops: true}}
	known, err := t.isKnown(userID)
	if !known {
		limits = append(limits, t.networkLimits()...)
	}
	return limits, err
}

// confirmLimits are the counters of a code that proves what is being enrolled. Where it was sent may be somebody else's address or number, so
// no success takes more back than its own try, and no browser is exempt: whoever guesses there has an account, and all that clears the
// counters of one.
func (t *tx) confirmLimits(userID string, m Method) []limit {
	return append([]limit{{key: confirmKey(userID, m), stops: true, life: counterLife}}, t.networkLimits()...)
}

// networkLimits are the counters of where somebody comes from. Whoever has a /48 has 65536 times a /64, so that counts too, more
// generously: it may be a whole company.
func (t *tx) networkLimits() []limit { return t.perNetwork("guess/net/", leakTries, leakEvery) }

func (t *tx) perNetwork(prefix string, most int, every time.Duration) []limit {
	limits := []limit{leaking(prefix+network(t.client.Address), most, every)}
	if wide, is := wideNetwork(t.client.Address); is {
		limits = append(limits, leaking(prefix+wide, wideFactor*most, every/wideFactor))
	}
	return limits
}

// stepUpLimit bounds how many step-ups a session begins, a hundred in hand and one more every leakEvery. A link is enough to begin
// one, and each is a record in the store.
func stepUpLimit(sessionID string) limit {
	return leaking("step-up/"+sessionID, leakTries, leakEvery)
}

// handOverLimit bounds how many codes are made for a session to go on at other hosts: for each a link is enough too.
func handOverLimit(sessionID string) limit {
	return leaking("hand-over/"+sessionID, leakTries, leakEvery)
}

// vouchLimit bounds how often a sign-in begins for a name that a handler in front vouches for: a link is enough for that too. In a browser
// that the person has signed in with, only what begins there counts: whoever has the first factor alone must not keep the owner out.
func (t *tx) vouchLimit(name string, owner *userRecord) (limit, error) {
	key := "vouch/" + t.s.keys.nameKey(name)
	if owner != nil {
		known, err := t.isKnown(owner.ID)
		if err != nil {
			return limit{}, err
		}
		if known {
			key += "/browser/" + t.browser()
		}
	}
	return leaking(key, leakTries, leakEvery), nil
}

// refreshLimit bounds how often a program asks for new tokens: each time is a write.
func refreshLimit(sessionID string) limit { return leaking("refresh/"+sessionID, leakTries, leakEvery) }

// chooseLimit bounds how often a person begins an enrollment anew within a sign-in: each time is a write, and a picture to draw.
func chooseLimit(userID string) limit { return leaking("choose/"+userID, leakTries, leakEvery) }

// formLimit bounds how many kept forms go on in a session: that each did is a record too.
func formLimit(sessionID string) limit { return leaking("form/"+sessionID, leakTries, leakEvery) }

// accountLimit bounds what a session changes about its account: each change is an event, and some are a mail.
func accountLimit(sessionID string) limit { return leaking("account/"+sessionID, leakTries, leakEvery) }

// newCodesLimit bounds how often a person, in whatever sessions, has ten hashes made: others wait for them.
func newCodesLimit(userID string) limit {
	return leaking("account/codes/"+userID, newCodesMost, newCodesEvery)
}

const newCodesMost, newCodesEvery = 10, 6 * time.Minute

// passwordKey is where the failures at a name are counted; below it stand those of each network and browser.
func passwordKey(nameKey string) string { return "guess/pwd/" + nameKey }

// The methods have the words of amr in these keys, as they had at first: under another key the tries so far would be forgotten.
func confirmKey(userID string, m Method) string { return "guess/confirm/" + userID + "/" + m.amr() }

func codeKey(userID string, m Method) string { return "guess/code/" + userID + "/" + m.amr() }

var secondMethods = []Method{TOTP, Email, Webhook, BackupCode}

// clearCodes forgets the failures of all factors: a proof with one of them clears the others (DESIGN: "until another factor, a backup
// code or an operator clears it").
func (t *tx) clearCodes(userID string) error { return t.clear(userID, codeKey) }

func (t *tx) clear(userID string, key func(userID string, m Method) string) error {
	for _, m := range secondMethods {
		if err := t.Delete(key(userID, m)); err != nil {
			return fmt.Errorf("clearing a counter: %w", err)
		}
	}
	return nil
}

// network is what counts as one place to guess from: an IPv4 address, or the /64 that one IPv6 subscriber has at the least.
func network(a netip.Addr) string { return prefix(a, 32, 64) }

// wideFactor is how many times more failures a /48 may have than one of its /64.
const wideFactor = 4

// wideNetwork is the /48 of an IPv6 address.
func wideNetwork(a netip.Addr) (string, bool) {
	if a = a.Unmap(); !a.Is6() {
		return "", false
	}
	return prefix(a, 32, 48), true
}

func prefix(a netip.Addr, bits4, bits6 int) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "unknown"
	}
	bits := bits4
	if a.Is6() {
		bits = bits6
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.Masked().String()
}
