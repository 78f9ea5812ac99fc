// Package memory has a journal that keeps nothing: what the daemon uses with store.kind memory, and tests that need no other.
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/zarafa/presence/ports"
)

var (
	_ ports.Journal = (*Journal)(nil)
	_ ports.Leases  = (*Journal)(nil)
)

// maxEntry is the longest entry, in bytes: the same as on a disk, so that the same requests succeed.
const maxEntry = 64 << 20

// Journal implements ports.Journal. It keeps nothing: an entry is delivered before Append returns.
type Journal struct {
	mu   sync.Mutex   // is held while to is called
	to   ports.Replay // nil: nobody follows
	last uint64
	fail context.CancelCauseFunc
}

// NewJournal returns a journal without entries.
func NewJournal() *Journal { return &Journal{} }

// Shared implements ports.Journal.
func (*Journal) Shared() bool { return false }

// Limit implements ports.Journal.
func (*Journal) Limit() int { return maxEntry }

// Hold implements ports.Leases: nobody else knows of this memory.
func (*Journal) Hold(ctx context.Context, _ string, work func(context.Context)) { work(ctx) }

// Follow implements ports.Journal.
func (j *Journal) Follow(ctx context.Context, to ports.Replay) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	following, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	j.set(to, fail)
	<-following.Done()
	j.set(nil, nil)
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.Cause(following)
}

func (j *Journal) set(to ports.Replay, fail context.CancelCauseFunc) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.to, j.fail = to, fail
	if to != nil {
		to.CaughtUp()
	}
}

// Append implements ports.Journal.
func (j *Journal) Append(_ context.Context, entry []byte) error {
	if len(entry) > maxEntry {
		return fmt.Errorf("%w: an entry of %d bytes; the journal takes %d", ports.ErrTooLarge, len(entry), maxEntry)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.to == nil {
		return fmt.Errorf("%w: nobody follows the journal", ports.ErrUnavailable)
	}
	j.last++
	if err := j.to.Entry(j.last, entry); err != nil {
		j.fail(err)
	}
	return nil
}

// Snapshot implements ports.Journal: nobody will ever read one.
func (*Journal) Snapshot(context.Context, uint64, func() ([]byte, error)) error { return nil }
