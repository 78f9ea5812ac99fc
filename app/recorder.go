package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Observer = (*recorder)(nil)

const (
	// gather is how long the recorder lets reports come together after a write: a report after a pause is written at once, and many
	// reports become one write.
	gather = 40 * time.Millisecond

	// maxQueue is how many tidings wait at most to be looked at, some 500 kB.
	maxQueue = 8192

	// renewEvery is how often the recorder writes what has not changed once more, so that a store that forgets what nobody updates keeps
	// it.
	renewEvery = 6 * time.Hour

	// retryAfter is how long the recorder waits when the store cannot take writes.
	retryAfter = time.Second
)

// recorder writes what a source observes during one Run into the store. Its ports.Observer methods only put down what they are told;
// the goroutine in record makes something of it and writes that, so a source never waits for the store, and under load many
// reports of one user become one write.
type recorder struct {
	protocol domain.Protocol
	core     Core
	clock    ports.Clock
	standing *standing
	log      *slog.Logger
	wake     chan struct{} // holds one token while there may be something to write

	folding    sync.Mutex // guards attendance and spare; taken before mu
	attendance *attendance
	spare      []tiding // the queue's memory, for the next but one

	mu          sync.Mutex
	queue       []tiding // what was told and is not part of attendance yet
	connectedAt domain.Timestamp
}

// tiding is one call of a ports.Observer method.
type tiding struct {
	report domain.Report // User alone, unless it is a report
	kind   kind
}

type kind uint8

const (
	reported kind = iota
	known
	forgotten
	synced
)

func newRecorder(protocol domain.Protocol, core Core, clock ports.Clock, standing *standing, log *slog.Logger) *recorder {
	return &recorder{
		protocol:   protocol,
		core:       core,
		clock:      clock,
		standing:   standing,
		log:        log,
		wake:       make(chan struct{}, 1),
		attendance: newAttendance(),
	}
}

// Connected implements ports.Observer.
func (r *recorder) Connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connectedAt.IsZero() {
		r.connectedAt = r.clock.Now()
		r.standing.enter(domain.SourceConnected)
		r.log.Info("source connected")
	}
}

// Known implements ports.Observer.
func (r *recorder) Known(user domain.UserID) {
	r.put(tiding{kind: known, report: domain.Report{User: user}})
}

// Report implements ports.Observer.
func (r *recorder) Report(report domain.Report) { r.put(tiding{kind: reported, report: report}) }

// Forget implements ports.Observer.
func (r *recorder) Forget(user domain.UserID) {
	r.put(tiding{kind: forgotten, report: domain.Report{User: user}})
}

// Synced implements ports.Observer.
func (r *recorder) Synced() { r.put(tiding{kind: synced}) }

// put queues a tiding. If the recorder does not keep up, the caller does some of its work.
func (r *recorder) put(t tiding) {
	r.mu.Lock()
	r.queue = append(r.queue, t)
	waiting := len(r.queue)
	r.mu.Unlock()
	switch {
	case waiting == 1:
		r.signal()
	case waiting >= maxQueue:
		r.fold()
	}
}

func (r *recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// fold makes all that was told a part of the attendance.
func (r *recorder) fold() {
	r.folding.Lock()
	defer r.folding.Unlock()
	r.mu.Lock()
	told := r.queue
	r.queue = r.spare[:0]
	r.mu.Unlock()
	for i := range told {
		r.enter(&told[i])
	}
	r.standing.saw(len(r.attendance.devices))
	clear(told)
	r.spare = told
}

// enter makes one tiding a part of the attendance. The lock is held.
func (r *recorder) enter(t *tiding) {
	switch t.kind {
	case reported:
		r.attendance.report(&t.report)
	case known:
		r.attendance.known(t.report.User)
	case forgotten:
		r.attendance.forget(t.report.User)
	case synced:
		r.attendance.sync()
		r.standing.enter(domain.SourceSynced)
		r.log.Info("source in sync", "users", len(r.attendance.devices))
	}
}

// record writes until ctx ends.
func (r *recorder) record(ctx context.Context) {
	renewal := time.NewTicker(renewEvery)
	defer renewal.Stop()
	for {
		select {
		case <-r.wake:
		case <-renewal.C:
			r.folding.Lock()
			r.attendance.markAll()
			r.folding.Unlock()
		case <-ctx.Done():
			return
		}
		if err := r.flush(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("cannot record presences, will try again", "err", err, "retry_in", retryAfter)
			pause(ctx, retryAfter)
			r.signal()
			continue
		}
		pause(ctx, gather)
	}
}

// flush writes everything told so far, and then sweeps if it is time to. What an error has kept from being written is noted again.
func (r *recorder) flush(ctx context.Context) error {
	r.fold()
	if err := r.writeDirty(ctx); err != nil {
		return err
	}
	if !r.takeSweep() {
		return nil
	}
	r.markAbsent()
	return r.writeDirty(ctx)
}

func (r *recorder) writeDirty(ctx context.Context) error {
	r.folding.Lock()
	seen := r.attendance.takeDirty()
	r.folding.Unlock()
	if len(seen) == 0 {
		return nil
	}
	now := r.clock.Now()
	name := func(s sighting) presenceKey { return presenceKey{user: s.user, protocol: r.protocol} }
	err := rewrite(ctx, r.core, seen, name, func(s sighting, old domain.Presence) domain.Presence { return s.update(old, now) })
	if err != nil {
		r.folding.Lock()
		r.attendance.noteAgain(seen)
		r.folding.Unlock()
	}
	return err
}

func (r *recorder) takeSweep() bool {
	r.folding.Lock()
	defer r.folding.Unlock()
	return r.attendance.takeSweep()
}

// markAbsent notes everyone whom the store or the source knows and who has no device: they are unavailable.
func (r *recorder) markAbsent() {
	r.core.Image.Each(func(user domain.UserID, presences domain.Presences) bool {
		p, known := presences.On(r.protocol)
		r.folding.Lock()
		defer r.folding.Unlock()
		r.attendance.compare(user, known && (p.Status != domain.Unavailable || p.Stale))
		return true
	})
	r.folding.Lock()
	defer r.folding.Unlock()
	r.attendance.markAbsent()
}

// connectedFor returns how long ago the server accepted the connection: zero if it never did.
func (r *recorder) connectedFor() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connectedAt.IsZero() {
		return 0
	}
	return time.Duration(r.clock.Now() - r.connectedAt)
}

// pause waits for d, or for ctx to end.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
