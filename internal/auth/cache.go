// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/sha256"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// The cache keeps the sessions of the moment in memory, so that a request with a live session asks no store. It is bounded; what falls
// out is loaded again. It rests on one order of things. A loader notes the version of a session before it reads the store, and an act
// that changes or ends the session raises the version after its commit and before its answer. So a snapshot that was read before the
// change carries an older version than the session has, whichever way the two interleave, and is not used. No request that begins after
// a revocation was answered passes with what it revoked.

const (
	cacheShards    = 64
	cacheShardSize = 512
	saveEvery      = time.Minute // last-seen may lag this far in the store, and no more is lost by a crash
	idleInMemory   = 5 * time.Minute
	over           = math.MaxUint64 // the version of a session that has ended
)

// live is what all snapshots of one session share.
type live struct {
	id      string
	version atomic.Uint64
	recalls atomic.Uint64 // how often tickets that were handed over from the session were taken back
	seen    atomic.Int64  // unix nanoseconds of the last use
	saved   atomic.Int64  // what of it is in the store

	mu       sync.Mutex
	watchers map[uint64]watcher
	last     uint64
	watched  *Session // the snapshot watched last: it knows the limits

	pins int // under cache.mu: loaders and snapshots that hold it
}

// watcher is a request under way. handed: with a ticket that the portal has handed over.
type watcher struct {
	cancel context.CancelFunc
	handed bool
}

type cache struct {
	shards [cacheShards]shard
	mu     sync.Mutex
	byID   map[string]*live
}

// shard maps the SHA-256 of a whole cookie value to a snapshot.
type shard struct {
	sync.RWMutex
	byCookie map[[sha256.Size]byte]*Session
}

func (c *cache) init() {
	c.byID = make(map[string]*live)
	for i := range c.shards {
		c.shards[i].byCookie = make(map[[sha256.Size]byte]*Session)
	}
}

func (c *cache) shard(key [sha256.Size]byte) *shard { return &c.shards[key[0]%cacheShards] }

// get returns a snapshot that is up to date, or nil.
func (c *cache) get(key [sha256.Size]byte) *Session {
	sh := c.shard(key)
	sh.RLock()
	x := sh.byCookie[key]
	sh.RUnlock()
	if x == nil {
		return nil
	}
	if x.live.version.Load() != x.version {
		c.remove(sh, key, x)
		return nil
	}
	return x
}

// add keeps a snapshot, at the price of another one when the shard is full.
func (c *cache) add(key [sha256.Size]byte, x *Session) {
	c.hold(x.live, 1)
	sh := c.shard(key)
	var dropped *Session
	sh.Lock()
	if old, found := sh.byCookie[key]; found {
		dropped = old
	} else if len(sh.byCookie) >= cacheShardSize {
		for k, old := range sh.byCookie { // any one: maps are walked from a random place
			dropped = old
			delete(sh.byCookie, k)
			break
		}
	}
	sh.byCookie[key] = x
	sh.Unlock()
	if dropped != nil {
		c.hold(dropped.live, -1)
	}
}

func (c *cache) remove(sh *shard, key [sha256.Size]byte, x *Session) {
	sh.Lock()
	mine := sh.byCookie[key] == x
	if mine {
		delete(sh.byCookie, key)
	}
	sh.Unlock()
	if mine {
		c.hold(x.live, -1)
	}
}

// pin returns the live part of a session and keeps it from being swept until unpin.
func (c *cache) pin(id string) *live {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.byID[id]
	if l == nil {
		l = &live{id: id}
		c.byID[id] = l
	}
	l.pins++
	return l
}

// unpin lets go. What was never used, as with a ticket of a session that is over, leaves nothing behind.
func (c *cache) unpin(l *live) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.pins--
	if l.pins == 0 && l.seen.Load() == 0 && c.byID[l.id] == l {
		delete(c.byID, l.id)
	}
}

func (c *cache) hold(l *live, n int) {
	c.mu.Lock()
	l.pins += n
	c.mu.Unlock()
}

// changed makes every snapshot of the sessions out of date. Their open streams go on.
func (c *cache) changed(ids ...string) {
	for _, id := range ids {
		c.mu.Lock()
		l := c.byID[id]
		c.mu.Unlock()
		if l != nil {
			l.raise()
		}
	}
}

// end forgets sessions and closes what is open under them.
func (c *cache) end(ids ...string) {
	for _, id := range ids {
		c.mu.Lock()
		l := c.byID[id]
		delete(c.byID, id)
		c.mu.Unlock()
		if l != nil {
			l.end()
		}
	}
}

// lastSeen is the last use of a session that memory knows of, or zero.
func (c *cache) lastSeen(id string) time.Time {
	c.mu.Lock()
	l := c.byID[id]
	c.mu.Unlock()
	if l == nil {
		return time.Time{}
	}
	return l.lastSeen()
}

// sweep returns the sessions whose last use the store does not know, and forgets those that nobody has used for a while.
func (c *cache) sweep(now time.Time) (unsaved []*live) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, l := range c.byID {
		switch {
		case l.seen.Load() > l.saved.Load():
			unsaved = append(unsaved, l)
		case l.pins == 0 && now.Sub(l.lastSeen()) > idleInMemory && l.streaming() == nil:
			delete(c.byID, id)
		}
	}
	return unsaved
}

// streaming returns the sessions that have a request under way.
func (c *cache) streaming() (list []*Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.byID {
		if x := l.streaming(); x != nil {
			list = append(list, x)
		}
	}
	return list
}

// use notes that a session was used and tells whether it may be. A session past a limit is ended here, without a write: the limits are
// in its record, and whoever reads that comes to the same.
func (l *live) use(now, expires time.Time, idle time.Duration) bool {
	n, seen := now.UnixNano(), l.seen.Load()
	if l.version.Load() == over {
		return false
	}
	if !now.Before(expires) || seen != 0 && n-seen >= int64(idle) {
		l.end()
		return false
	}
	if n-seen >= int64(time.Second) { // coarse, so that a busy session does not write this word on each request
		l.seen.Store(n)
	}
	return true
}

// saw tells what the store knows of the last use.
func (l *live) saw(at time.Time) {
	n := at.UnixNano()
	for _, v := range []*atomic.Int64{&l.seen, &l.saved} {
		if v.Load() < n {
			v.Store(n)
		}
	}
}

func (l *live) lastSeen() time.Time {
	if n := l.seen.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

func (l *live) raise() {
	for {
		v := l.version.Load()
		if v == over || l.version.CompareAndSwap(v, v+1) {
			return
		}
	}
}

func (l *live) end() {
	l.version.Store(over)
	l.mu.Lock()
	watchers := l.watchers
	l.watchers = nil
	l.mu.Unlock()
	for _, w := range watchers {
		w.cancel()
	}
}

// cutHanded closes what is open with tickets that were handed over from a session, and what begins later with a snapshot from before. The
// session goes on itself. It comes before changed: a snapshot that was loaded in between would be cut for ever, and is out of date by that.
func (c *cache) cutHanded(id string) {
	c.mu.Lock()
	l := c.byID[id]
	c.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recalls.Add(1)
	for _, w := range l.watchers {
		if w.handed {
			w.cancel()
		}
	}
}

func (l *live) watch(x *Session, cancel context.CancelFunc) (stop func()) {
	l.mu.Lock()
	if l.version.Load() == over || x.Handed && x.recalls != l.recalls.Load() {
		l.mu.Unlock()
		cancel()
		return func() {}
	}
	if l.watchers == nil {
		l.watchers = make(map[uint64]watcher)
	}
	l.last++
	id := l.last
	l.watchers[id], l.watched = watcher{cancel, x.Handed}, x
	l.mu.Unlock()
	return func() {
		l.mu.Lock()
		delete(l.watchers, id)
		l.mu.Unlock()
	}
}

// streaming returns the session if a request of it is under way, or nil.
func (l *live) streaming() *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watchers) == 0 {
		return nil
	}
	return l.watched
}
