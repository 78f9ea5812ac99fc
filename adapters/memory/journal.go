package memory

import (
	"context"
	"io"
	"sync"

	"github.com/zarafa/presence/ports"
)

var _ ports.Journal = (*Journal)(nil)

// Journal implements ports.Journal and keeps nothing: an entry goes straight to who follows. The zero value is ready to use.
type Journal struct {
	mu        sync.Mutex
	to        ports.Replay // nil unless Follow runs
	delivered uint64
}

// Follow implements ports.Journal.
func (j *Journal) Follow(ctx context.Context, to ports.Replay) error {
	j.follow(to)
	to.CaughtUp()
	<-ctx.Done()
	j.follow(nil)
	return ctx.Err()
}

func (j *Journal) follow(to ports.Replay) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.to = to
}

// Append implements ports.Journal.
func (j *Journal) Append(_ context.Context, entry []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.to == nil:
		return ports.ErrUnavailable
	case len(entry) > limit:
		return ports.ErrTooLarge
	}
	j.delivered++
	return j.to.Entry(j.delivered, entry)
}

// Snapshot implements ports.Journal. There is nothing that it could replace.
func (*Journal) Snapshot(_ context.Context, _ uint64, next func() ([]byte, error)) error {
	for {
		switch _, err := next(); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

const limit = 64 << 20

// Limit implements ports.Journal.
func (*Journal) Limit() int { return limit }
