package commit

import "time"

// Halted makes it look as if the process had been halted until now: the beats of that time are missing.
func (w *Writer) Halted(d time.Duration) { w.pulse.beat.Add(-int64(d)) }
