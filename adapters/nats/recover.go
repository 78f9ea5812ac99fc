package nats

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// How often the engine in this process is looked after, and how often the log says that it still cannot be helped.
const (
	lookAfter = time.Second
	complain  = time.Minute
)

// lookAfterEngine brings the engine in this process back to work, until the store stops, whenever a fault of the disk has stopped it.
func (s *Store) lookAfterEngine() {
	ticker := time.NewTicker(lookAfter)
	defer ticker.Stop()
	var complained time.Time
	for {
		select {
		case <-s.background.Done():
			return
		case <-ticker.C:
		}
		if s.writer.missed.Swap(false) { // what was still on its way when the connection came back
			s.writer.settle(nil, nil)
		}
		why := s.engine.broken()
		switch {
		case why == nil:
			continue
		case errors.Is(why, errHangs):
			s.lost(fmt.Errorf("store: %w", why))
			return
		}
		first := complained.IsZero()
		if first {
			s.log.Error("store degraded: the journal cannot be written; reads go on from memory, writes are refused", "err", why)
			complained = time.Now()
		}
		if err := s.engine.mend(); err != nil {
			if first || time.Since(complained) > complain {
				s.log.Error("store: still degraded, will try again", "err", err, "retry_in", lookAfter)
				complained = time.Now()
			}
			continue
		}
		complained = time.Time{}
		s.log.Info("store: the journal can be written again")
		s.writer.recoverSent(why)
	}
}

// errLostAnswer is why it has to be found out what has become of a commit.
var errLostAnswer = errors.New("the engine's answer was lost")

// recoverSent finds out what has become of what the engine was sent before it was brought back to work, or the connection to it was.
func (w *writer) recoverSent(cause error) {
	w.mu.Lock()
	sent := slices.Collect(maps.Values(w.sent))
	w.mu.Unlock()
	for _, c := range sent {
		w.settle(c, cause)
	}
}

// settle is recover, in the background.
func (w *writer) settle(c *commit, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped { // else Stop may wait already
		w.store.running.Go(func() { w.recover(c, cause) })
	}
}

// recover finds out what has become of a commit that our own engine has refused or has not answered: it could be in the journal all the same.
// Nothing else is sent meanwhile. It goes on until the engine tells. Without a commit it only takes in what was missed.
func (w *writer) recover(c *commit, cause error) {
	s := w.store
	for missing := time.Duration(0); ; {
		works := s.engine.broken() == nil
		err := s.catchUp()
		if err == nil || s.background.Err() != nil {
			if c != nil {
				w.settled(c, err, cause)
			}
			return
		}
		if !works || !errors.Is(err, jetstream.ErrMsgNotFound) {
			missing = 0
		} else if missing += lookAfter; missing >= settleWithin { // it counts what it could not write, which ends with a new start
			s.lost(fmt.Errorf("store: the engine does not have what it counts: %w", err))
			continue
		}
		s.log.Debug("store: the journal cannot be read, will try again", "err", err, "retry_in", lookAfter)
		pause(s.background, lookAfter)
	}
}

// settled ends a commit, unless it was in the journal.
func (w *writer) settled(c *commit, unread, cause error) {
	w.mu.Lock()
	found := c.ended
	w.mu.Unlock()
	if !found && unread == nil && errors.Is(cause, errLost) {
		w.store.lost(cause)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finish(c, unavailable(cause))
}

// catchUp takes in what the journal has beyond the image. If it has less, what was acknowledged is not on the disk any more.
func (s *Store) catchUp() error {
	s.catching.Lock()
	defer s.catching.Unlock()
	ctx, cancel := context.WithTimeout(s.background, openWithin)
	defer cancel()
	reached := s.position() // before it is asked: what is being written now may be acknowledged meanwhile
	info, err := s.streams.journal.Info(ctx)
	if err != nil {
		return err
	}
	if info.State.LastSeq < reached {
		s.lost(fmt.Errorf("store: the journal ends with entry %d, and this daemon has had %d: %w", info.State.LastSeq, reached, errLost))
		return errLost
	}
	for next := s.position() + 1; next <= info.State.LastSeq; next++ {
		msg, err := s.streams.journal.GetMsg(ctx, next)
		if err != nil {
			return fmt.Errorf("entry %d of the journal: %w", next, err)
		}
		s.takeEntry(next, msg.Data)
	}
	return nil
}
