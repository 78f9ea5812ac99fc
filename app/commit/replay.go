package commit

import (
	"context"
	"fmt"
	"time"

	"github.com/zarafa/presence/ports"
)

var _ ports.Replay = (*replay)(nil)

// replay takes what the journal gives into the image.
type replay struct {
	writer  *Writer
	broken  context.CancelCauseFunc // ends Follow
	began   time.Time
	pieces  int
	entries int
}

// Piece implements ports.Replay.
func (r *replay) Piece(at uint64, piece []byte) error {
	r.pieces++
	r.writer.growth.loaded(len(piece))
	if err := r.writer.image.Load(at, piece); err != nil {
		return fmt.Errorf("piece %d of the snapshot up to entry %d: %w", r.pieces, at, err)
	}
	return nil
}

// Entry implements ports.Replay.
func (r *replay) Entry(at uint64, entry []byte) error {
	if r.entries++; r.entries == 1 {
		if err := r.writer.image.Loaded(); err != nil {
			return err
		}
	}
	header, applied, err := r.writer.image.Apply(at, entry)
	if err != nil {
		return fmt.Errorf("entry %d of the journal: %w", at, err)
	}
	r.writer.growth.appended(len(entry))
	if header.Origin == r.writer.origin {
		r.writer.delivered(header.Number, applied)
	}
	return nil
}

// CaughtUp implements ports.Replay.
func (r *replay) CaughtUp() {
	w := r.writer
	if r.entries == 0 {
		if err := w.image.Loaded(); err != nil {
			r.broken(err)
			return
		}
	}
	w.log.Info("presences loaded", "users", w.image.Users(), "pieces", r.pieces, "entries", r.entries, "took", time.Since(r.began).Round(time.Millisecond))
	w.pulse.beat.Store(int64(time.Since(w.pulse.begin)))
	close(w.loaded)
}

// Behind implements ports.Replay.
func (r *replay) Behind(after time.Time) {
	r.writer.hold(gapOfJournal, r.writer.clock.Now().Add(-time.Since(after)))
}

// Abreast implements ports.Replay.
func (r *replay) Abreast() { r.writer.release(gapOfJournal) }

// Reset implements ports.Replay.
func (r *replay) Reset() {
	r.pieces, r.entries = 0, 0
	r.writer.growth.reset()
	r.writer.image.Reset()
}
