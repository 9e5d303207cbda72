// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"log/slog"
	"time"

	"github.com/nightlatch/nightlatch/internal/credential"
	"github.com/nightlatch/nightlatch/internal/store"
)

// watchEvery is how soon an open stream ends after its session has run out by itself.
const watchEvery = time.Second

// keepHouse saves when sessions were last seen, off the request path, and closes the streams of sessions that have run out.
func (s *Service) keepHouse(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	saved := s.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.endOverdue(s.now())
		if now := s.now(); now.Sub(saved) >= saveEvery {
			saved = now
			if err := s.saveLastSeen(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("saving when sessions were last seen; if this goes on, idle sessions end early after a restart", slog.Any("error", err))
			}
		}
	}
}

// endOverdue ends sessions with an open stream that are past a limit. Requests find out by themselves.
func (s *Service) endOverdue(now time.Time) {
	for _, x := range s.cache.streaming() {
		if !now.Before(x.Expires) || now.Sub(x.live.lastSeen()) >= x.Idle {
			x.live.end()
		}
	}
}

// saveBatch bounds one transaction, so that a sign-in never waits long behind it.
const saveBatch = 200

// saveLastSeen writes the last use of every session and every access key in memory whose record is behind.
func (s *Service) saveLastSeen(ctx context.Context) error {
	unsaved := s.cache.sweep(s.now())
	for len(unsaved) > 0 {
		batch := unsaved[:min(saveBatch, len(unsaved))]
		unsaved = unsaved[len(batch):]
		seen := make([]int64, len(batch))
		err := s.store.Update(ctx, func(t store.Tx) error {
			for i, l := range batch {
				seen[i] = l.seen.Load()
				save := saveSessionSeen
				if credential.IsKeyID(l.id) {
					save = saveAccessKeyUsed
				}
				if err := save(t, l.id, time.Unix(0, seen[i]).UTC()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return classify(err)
		}
		for i, l := range batch {
			l.saved.Store(seen[i])
		}
	}
	return nil
}

func saveSessionSeen(t store.Tx, id string, at time.Time) error {
	r, found, err := getSession(t, id)
	if err != nil || !found || !r.LastSeen.Before(at) {
		return err
	}
	r.LastSeen = at
	return put(t, sessionKey(id), r, r.Expires)
}

func saveAccessKeyUsed(t store.Tx, id string, at time.Time) error {
	r, found, err := getAccessKey(t, id)
	if err != nil || !found || !r.LastUsed.Before(at) {
		return err
	}
	r.LastUsed = at
	return put(t, accessKeyKey(id), r, r.Expires)
}

// maxTasks is how many tasks may wait.
const maxTasks = 64

// later has a task done after the answer, so that the time of the answer says nothing about it. When too many wait it is Busy.
func (c *core) later(task func(context.Context)) error {
	select {
	case c.tasks <- task:
		return nil
	default:
		return retry(Busy, 2*time.Second)
	}
}

// doTasks does one task after another. What still waits when the service is closed is not done: a person asks again.
func (c *core) doTasks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case task := <-c.tasks:
			task(ctx)
		}
	}
}
