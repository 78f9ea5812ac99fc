package nats

import (
	"context"
	"time"
)

// recoverAgain is how long to wait before the engine is asked once more.
const recoverAgain = time.Second

// recover finds out what has become of a commit that our own engine has refused, because the disk is full or broken: it could be in the
// journal all the same. Nothing else is sent meanwhile. It goes on until the engine tells.
func (w *writer) recover(c *commit, cause error) {
	s := w.store
	s.log.Error("store degraded: the journal cannot be written; reads go on from memory, writes are refused", "err", cause)
	for {
		err := s.catchUp()
		if err == nil || s.background.Err() != nil {
			w.mu.Lock()
			w.finish(c, cause) // unless it was in the journal
			w.mu.Unlock()
			return
		}
		s.log.Error("store: the journal cannot be read either, will try again", "err", err, "retry_in", recoverAgain)
		select {
		case <-s.background.Done():
		case <-time.After(recoverAgain):
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
