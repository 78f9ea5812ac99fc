package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// keptWrites is for how many writes a call keeps memory: they take less than 100 KB in an entry.
const keptWrites = 16

// call is what one call of Apply needs. Its parts are used again by a later call, which saves half of a PUT's allocations.
type call struct {
	began  time.Time
	writes []image.Write
	group  group
	late   *time.Timer // fires when the caller has waited for too long, or earlier: it runs on when the call ends
}

// group is what one caller writes.
type group struct {
	entry     []byte // as it stands in an entry; empty if the caller only waits
	keys      []image.Key
	one       [1]image.Key      // room for keys of the usual caller
	positions []domain.Position // of exporters, to be kept beside what is written
	batch     *batch            // nil while it is queued; guarded by Writer.mu
	left      bool              // nobody waits for it any more; the same
	ended     bool              // the same
	after     chan struct{}     // closed when it has ended; nil if no other caller waits for that; the same

	done    chan struct{} // holds a token when it has ended
	refused bool          // what it expects is not there; valid after done
	err     error         // the same
}

// newCall returns a call that began just now, which goes back with endCall.
func (w *Writer) newCall(began time.Time) *call {
	c, ok := w.calls.Get().(*call)
	if !ok {
		c = &call{late: time.NewTimer(within), group: group{done: make(chan struct{}, 1)}}
	}
	c.began = began
	return c
}

// endCall takes back a call, to be used again unless it is large or its caller has left: then its group may still be in a batch.
func (w *Writer) endCall(c *call) {
	if c.group.left || cap(c.writes) > keptWrites {
		return
	}
	clear(c.writes[:cap(c.writes)])
	c.group.begin(nil)
	w.calls.Put(c)
}

// begin makes a new group of one that nobody uses any more.
func (g *group) begin(writes []image.Write) {
	*g = group{entry: g.entry[:0], done: g.done}
	if len(writes) > 0 {
		g.entry = image.AppendGroup(g.entry, writes)
	}
	g.keys = g.one[:0]
}

func (g *group) size() int { return len(g.positions)*image.PositionSize + len(g.entry) }

var errLate = errors.New("the journal has not answered in time")

// await returns when a group has ended, or the caller waits no longer.
func (c *call) await(ctx context.Context, ended <-chan struct{}) error {
	for {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-c.late.C:
		}
		waited := time.Since(c.began)
		if waited >= within {
			c.late.Reset(within) // for the next who uses the call
			return fmt.Errorf("%w: %w", ports.ErrUnavailable, errLate)
		}
		c.late.Reset(within - waited)
	}
}
