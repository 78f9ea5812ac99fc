package nats

import (
	"context"
	"time"
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
		why := s.engine.broken()
		if why == nil {
			continue
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

// recoverSent finds out what has become of what the engine was sent before it was brought back to work.
func (w *writer) recoverSent(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped { // Stop may wait already
		return
	}
	for _, c := range w.sent {
		w.store.running.Go(func() { w.recover(c, cause) })
	}
}

// recover finds out what has become of a commit that our own engine has refused or has not answered: it could be in the journal all the same.
// Nothing else is sent meanwhile. It goes on until the engine tells.
func (w *writer) recover(c *commit, cause error) {
	s := w.store
	for {
		err := s.catchUp()
		if err == nil || s.background.Err() != nil {
			w.mu.Lock()
			w.finish(c, unavailable(cause)) // unless it was in the journal
			w.mu.Unlock()
			return
		}
		s.log.Debug("store: the journal cannot be read, will try again", "err", err, "retry_in", lookAfter)
		select {
		case <-s.background.Done():
		case <-time.After(lookAfter):
		}
	}
}

// catchUp takes in what the journal has beyond the image.
func (s *Store) catchUp() error {
	ctx, cancel := context.WithTimeout(s.background, openWithin)
	defer cancel()
	info, err := s.streams.journal.Info(ctx)
	if err != nil {
		return err
	}
	for next := s.position() + 1; next <= info.State.LastSeq; next++ {
		msg, err := s.streams.journal.GetMsg(ctx, next)
		if err != nil {
			return err
		}
		s.takeEntry(next, msg.Data)
	}
	return nil
}
