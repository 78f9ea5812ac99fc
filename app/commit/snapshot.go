package commit

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/zarafa/presence/ports"
)

// Sizes in bytes.
const (
	pieceSize = 256 << 10 // of a piece of a snapshot, about
	minGrowth = 16 << 20  // by how much the journal grows at least between two snapshots
)

// growth is how much the journal has grown.
type growth struct {
	entries  atomic.Int64 // all that this daemon has taken from the journal, in bytes
	kept     atomic.Int64 // how many of them are in the snapshot
	snapshot atomic.Int64 // how large that is

	count     atomic.Int64 // how many entries those are
	keptCount atomic.Int64
}

func (g *growth) loaded(bytes int) { g.snapshot.Add(int64(bytes)) }

func (g *growth) appended(bytes int) {
	g.entries.Add(int64(bytes))
	g.count.Add(1)
}

func (g *growth) reset() {
	g.entries.Store(0)
	g.count.Store(0)
	g.snapshot.Store(0)
}

// SnapshotDue reports whether the journal has grown so much since the last snapshot that a new one shortens the next start: by as much as
// the snapshot has.
func (w *Writer) SnapshotDue() bool {
	return w.growth.entries.Load()-w.growth.kept.Load() >= max(minGrowth, w.growth.snapshot.Load())
}

// Snapshot makes a snapshot of the image. It is not to be called concurrently with itself. Writes go on meanwhile.
func (w *Writer) Snapshot(ctx context.Context) error {
	entries, count := w.growth.entries.Load(), w.growth.count.Load()
	snapshot, size := w.image.Collect(), int64(0)
	err := w.journal.Snapshot(ctx, snapshot.At(), func() ([]byte, error) {
		piece, err := snapshot.Next(min(pieceSize, w.journal.Limit()))
		size += int64(len(piece))
		return piece, err
	})
	w.statistics.snapshot(w.clock.Now(), err)
	if err != nil {
		return err
	}
	w.growth.kept.Store(entries)
	w.growth.keptCount.Store(count)
	w.growth.snapshot.Store(size)
	return nil
}

// complain logs that the journal takes no writes, and that it does again.
func (w *Writer) complain(err error) {
	switch {
	case errors.Is(err, ports.ErrTooLarge), errors.Is(err, context.Canceled):
	case err != nil && !w.failing:
		w.failing = true
		w.log.Error("presences cannot be written, will try again; reads go on", "err", err)
	case err == nil && w.failing:
		w.failing = false
		w.log.Info("presences can be written again")
	}
}
