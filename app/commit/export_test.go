package commit

import "time"

// Halted makes it look as if the process had been halted until now: the beats of that time are missing.
func (w *Writer) Halted(d time.Duration) { w.pulse.beat.Add(-int64(d)) }

// Pending returns how many groups are queued, how many presences are being written, and how many batches are on their way or nobody knows.
func (w *Writer) Pending() (queued, busy, sent int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue), len(w.busy), len(w.sent)
}
