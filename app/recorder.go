package app

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Observer = (*recorder)(nil)

const (
	// gather is the pause after a write, in which reports come together. So the first report after a quiet time is written at once, and under
	// load many reports become one write.
	gather = 40 * time.Millisecond

	// maxQueue is how many observations the queue holds at most, some 500 kB.
	maxQueue = 8192

	// renewEvery is how often the recorder writes unchanged presences again: the housekeeper removes what nobody has updated for long.
	renewEvery = 6 * time.Hour

	// retryAfter is how long the recorder waits when presences cannot be written.
	retryAfter = time.Second
)

// recorder writes what a source observes during one Run into the image. Its ports.Observer methods only put down what they are told;
// the goroutine in record makes it a part of the session, and writes what has changed. So a source never waits for a write, and under load many reports of
// one user become one write.
type recorder struct {
	session *session
	core    Core
	clock   ports.Clock
	status  *sourceStatus
	log     *slog.Logger
	wake    chan struct{} // holds one token while there may be something to write
	spare   []observation // the queue's memory, for the next but one; guarded by session.mu

	noUsers, noDevices atomic.Bool // what there is no room for, as of the last fold
	warned             atomic.Bool // of that

	mu          sync.Mutex // taken after session.mu
	queue       []observation
	connectedAt domain.Timestamp
}

// observation is one call of a ports.Observer method.
type observation struct {
	report domain.Report // User alone, unless it is a report
	kind   kind
}

type kind uint8

const (
	ofReport kind = iota
	ofKnown
	ofForget
	ofSynced
)

// newRecorder returns a recorder of a new Run.
func newRecorder(session *session, core Core, clock ports.Clock, status *sourceStatus, log *slog.Logger) *recorder {
	session.mu.Lock()
	defer session.mu.Unlock()
	session.restart()
	r := &recorder{session: session, core: core, clock: clock, status: status, log: log, wake: make(chan struct{}, 1)}
	r.look()
	return r
}

// Connected implements ports.Observer.
func (r *recorder) Connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connectedAt.IsZero() {
		r.connectedAt = r.clock.Now()
		r.status.enter(domain.SourceConnected)
		r.log.Info("source connected")
	}
}

// Known implements ports.Observer.
func (r *recorder) Known(user domain.UserID) {
	r.put(observation{kind: ofKnown, report: domain.Report{User: user}})
}

// Report implements ports.Observer.
func (r *recorder) Report(report domain.Report) { r.put(observation{kind: ofReport, report: report}) }

// Forget implements ports.Observer.
func (r *recorder) Forget(user domain.UserID) {
	r.put(observation{kind: ofForget, report: domain.Report{User: user}})
}

// Synced implements ports.Observer.
func (r *recorder) Synced() { r.put(observation{kind: ofSynced}) }

// TakesUser implements ports.Observer. Its answer may be a queue of observations late.
func (r *recorder) TakesUser() bool { return r.takes(r.noUsers.Load() || r.noDevices.Load()) }

// TakesDevice implements ports.Observer. Its answer may be as late.
func (r *recorder) TakesDevice(others int) bool {
	return others < r.session.limits.Devices && r.takes(r.noDevices.Load())
}

// takes reports whether there is room, and says once if there is none.
func (r *recorder) takes(none bool) bool {
	if none {
		r.warn()
	}
	return !none
}

// warn says once that not everything is kept.
func (r *recorder) warn() {
	if !r.warned.Swap(true) {
		r.log.Warn("the source shows more than is kept: messages are left out, then devices and users",
			"max_users", r.session.limits.Users, "max_source_bytes", r.session.limits.SourceBytes)
	}
}

// put queues an observation. If the recorder does not keep up, the caller does some of its work.
func (r *recorder) put(o observation) {
	r.mu.Lock()
	r.queue = append(r.queue, o)
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

// fold makes all that was observed a part of the session.
func (r *recorder) fold() {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	r.mu.Lock()
	observed := r.queue
	r.queue = r.spare[:0]
	r.mu.Unlock()
	for i := range observed {
		r.enter(&observed[i])
	}
	r.look()
	clear(observed)
	r.spare = observed
}

// enter makes one observation a part of the session. The session's lock is held.
func (r *recorder) enter(o *observation) {
	switch o.kind {
	case ofReport:
		r.session.report(&o.report)
	case ofKnown:
		r.session.known(o.report.User)
	case ofForget:
		r.session.forget(o.report.User)
	case ofSynced:
		r.session.sync()
		r.status.enter(domain.SourceSynced)
		r.log.Info("source in sync", "users", r.session.reported)
	}
}

// look notes how full the session is. Its lock is held.
func (r *recorder) look() {
	r.status.saw(r.session.reported)
	r.noUsers.Store(r.session.crowded())
	r.noDevices.Store(!r.session.room())
	if r.session.takeExceeded() {
		r.warn()
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
			r.session.mu.Lock()
			r.session.markAll()
			r.session.mu.Unlock()
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

// flush writes everything observed so far, and then compares the image if it is time to. What an error has kept from being written is
// marked again.
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
	r.session.mu.Lock()
	pending := r.session.takeDirty()
	r.session.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	now := r.clock.Now()
	name := func(w pendingWrite) image.Key { return image.Key{User: w.user, Protocol: r.session.source.Protocol} }
	err := rewrite(ctx, r.core, pending, name, func(w pendingWrite, old domain.Presence) domain.Presence { return w.update(old, now) })
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	if err != nil {
		r.session.markAgain(pending)
	} else {
		r.session.written(pending)
	}
	return err
}

func (r *recorder) takeSweep() bool {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	return r.session.takeSweep()
}

// markAbsent marks everyone whom the image or the source knows and who has no device.
func (r *recorder) markAbsent() {
	r.core.Image.Each(func(user domain.UserID, presences domain.Presences) bool {
		r.session.mu.Lock()
		defer r.session.mu.Unlock()
		r.session.compare(user, presences)
		return true
	})
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	r.session.markAbsent()
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
