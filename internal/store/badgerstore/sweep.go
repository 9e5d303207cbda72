// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package badgerstore

import (
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// sweepEvery is how long dead records may lie on the disk. A sweep rewrites tables, seconds of one core for a million
// records, so it is not done for each few that expire.
const sweepEvery = 4 * time.Hour

// sweep gives the space of expired and deleted records back, now and then, until Close.
func (s *Store) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.reclaim()
		}
	}
}

// reclaim rewrites the tables without their dead records (collecting the value log alone frees nothing of small records),
// then the value log files that are half dead. What dies in a table that nothing newer overlaps waits for the next records;
// that is a few tables of a small store, or a store that nobody signs in to. The tables are verified first: a damaged block would end a rewrite early,
// and Badger would then delete the table whose rest was never copied.
func (s *Store) reclaim() {
	if err := verify(s.db); err != nil {
		s.corrupt.Store(true)
		s.log.Error("the store is damaged and refuses to serve: restore a backup", "error", err)
		return
	}
	if err := s.db.Flatten(1); err != nil {
		s.log.Warn("rewriting the tables without expired records failed", "error", err)
	}
	if s.db.Opts().InMemory {
		return
	}
	for !s.closed.Load() {
		switch err := s.db.RunValueLogGC(0.5); {
		case errors.Is(err, badger.ErrNoRewrite):
			return
		case err != nil:
			s.log.Warn("collecting the value log failed", "error", err)
			return
		}
	}
}
