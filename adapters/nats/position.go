package nats

import (
	"context"
	"sync"
	"time"
)

// position is how far a reader has come. While a consumer delivers, a second goroutine asks whether the stream is still there: a server that was
// cut off from the others goes on to give signs of life.
type position struct {
	mu       sync.Mutex // held by both goroutines while they change something, or call the Replay
	reached  uint64     // the entry that was given last, or that the snapshot stands for
	caughtUp bool
	awaited  uint64    // the last entry of the stream, as was said last
	silent   bool      // nobody answers, or nothing delivers
	heard    time.Time // up to when everything was surely given
	behind   bool      // the Replay was told so
	warned   bool      // the log was told that the journal cannot be followed
}

const (
	askEvery = 2 * time.Second        // between two questions whether the stream is still there
	askAgain = 500 * time.Millisecond // the same, while there is no answer
)

// ask asks again and again for the stream's last entry, until ctx ends.
func (r *reader) ask(ctx context.Context) {
	for wait := askEvery; ; {
		pause(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		asked := time.Now()
		info, err := r.entries.Info(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = askAgain
			r.fallBehind(err, true)
		default:
			wait = askEvery
			r.answered(asked, info.State.LastSeq)
		}
	}
}

// answered notes that the stream had a last entry at a moment, or somewhat later.
func (r *reader) answered(at time.Time, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awaited, r.silent = last, false
	r.check(at)
}

// check tells that the journal can be followed again, if it could not: the servers answer, and all that they have was given at a moment. The lock is
// held.
func (r *reader) check(at time.Time) {
	if r.silent || r.reached < r.awaited {
		return
	}
	r.heard = at
	if r.warned {
		r.warned = false
		r.log.Info("store: the journal can be followed again")
	}
	if r.behind {
		r.behind = false
		r.to.Abreast()
	}
}

// fallBehind tells that the journal cannot be followed, because of an error. The log is told, once, if that is worth a line.
func (r *reader) fallBehind(err error, worthALine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = true
	if worthALine && !r.warned {
		r.warned = true
		r.log.Warn("store degraded: the journal cannot be followed, will try again; reads go on from memory, and nothing expires meanwhile", "err", err)
	}
	if r.caughtUp && !r.behind {
		r.behind = true
		r.to.Behind(r.heard)
	}
}
