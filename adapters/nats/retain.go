package nats

import (
	"context"
	"errors"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// forgetEvery is how often the store looks for presences that nobody has updated for too long.
const forgetEvery = time.Hour

// forgetOld removes, until ctx ends, what has not been updated for store.retain.
func (s *Store) forgetOld(ctx context.Context) {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		now := time.Now()
		if err := s.forgetBefore(ctx, domain.Timestamp(now.Add(-s.config.Retain).UnixNano()), domain.Timestamp(now.UnixNano())); err != nil && ctx.Err() == nil {
			s.log.Warn("store: cannot remove old presences, will try again", "err", err, "retry_in", forgetEvery)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// forgetAtOnce is how many presences are removed with one write.
const forgetAtOnce = 500

// forgetBefore removes what was last updated before a moment, unless it holds, or has held, until a later one: that was somebody's wish. What
// somebody else writes meanwhile stays.
func (s *Store) forgetBefore(ctx context.Context, moment, now domain.Timestamp) error {
	var old []ports.Write
	s.Each(func(user domain.UserID, presences domain.Presences) bool {
		for _, p := range presences {
			if max(p.Updated, p.Expires) < moment {
				old = append(old, ports.Write{User: user, Old: p, New: p.Remove(now)})
			}
		}
		return true
	})
	for len(old) > 0 {
		some := old[:min(len(old), forgetAtOnce)]
		if err := s.Apply(ctx, some); err != nil && !errors.Is(err, ports.ErrConflict) {
			return err
		}
		old = old[len(some):]
	}
	return nil
}
