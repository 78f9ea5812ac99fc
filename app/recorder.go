package app

import (
	"context"
	"log/slog"
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

	// renewEvery is how often the recorder writes unchanged presences again: the housekeeper removes what nobody has updated for long.
	renewEvery = 6 * time.Hour

	// retryAfter is how long the recorder waits when presences cannot be written.
	retryAfter = time.Second
)

// recorder writes what a source observes during one Run into the image. Its ports.Observer methods only make it a part of the session; the
// goroutine in record writes what has changed. So a source never waits for a write, and under load many reports of one user become one write.
type recorder struct {
	session *session
	core    Core
	clock   ports.Clock
	status  *sourceStatus
	log     *slog.Logger
	wake    chan struct{} // holds one token while there may be something to write

	warned      bool             // that not everything is kept; guarded by session.mu
	connectedAt domain.Timestamp // the same
	keepStale   bool             // whoever is stale is to be given a new deadline; the same
}

// newRecorder returns a recorder of a new Run.
func newRecorder(session *session, core Core, clock ports.Clock, status *sourceStatus, log *slog.Logger) *recorder {
	session.mu.Lock()
	defer session.mu.Unlock()
	session.restart()
	return &recorder{session: session, core: core, clock: clock, status: status, log: log, wake: make(chan struct{}, 1)}
}

// Connected implements ports.Observer.
func (r *recorder) Connected() {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	if r.connectedAt.IsZero() {
		r.connectedAt = r.clock.Now()
		r.keepStale = !r.session.kept
		put(r.wake)
		r.status.enter(domain.SourceConnected)
		r.log.Info("source connected")
	}
}

// Known implements ports.Observer.
func (r *recorder) Known(user domain.UserID) bool {
	return r.note(func() bool { return r.session.known(user) })
}

// Report implements ports.Observer.
func (r *recorder) Report(report domain.Report) bool {
	r.status.reports.Add(1)
	return r.note(func() bool { return r.session.report(report) })
}

// Forget implements ports.Observer.
func (r *recorder) Forget(user domain.UserID) {
	r.note(func() bool { r.session.forget(user); return true })
}

// AsOf implements ports.Observer.
func (r *recorder) AsOf(at domain.Timestamp, trouble error) { r.status.asOf(at, trouble) }

// Unconfirmed implements ports.Observer.
func (r *recorder) Unconfirmed() int {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	return r.session.unconfirmed
}

// Synced implements ports.Observer.
func (r *recorder) Synced() {
	r.note(func() bool {
		r.session.sync()
		r.status.enter(domain.SourceSynced)
		r.log.Info("source in sync", "users", r.session.reported)
		return true
	})
}

// note makes an observation a part of the session, and sees to it that it is written. It says once if not everything is kept.
func (r *recorder) note(observe func() (kept bool)) (kept bool) {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	kept = observe()
	if r.session.exceeded && !r.warned {
		r.warned = true
		r.log.Warn("the source shows more than is kept: messages are left out, then devices and users",
			"max_source_bytes", r.session.limits.Get().SourceBytes)
	}
	put(r.wake)
	return kept
}

// record writes until ctx ends.
func (r *recorder) record(ctx context.Context) {
	renewal := time.NewTicker(renewEvery)
	defer renewal.Stop()
	confirm := r.confirmTimer()
	defer confirm.Stop()
	var said lastLogged
	for {
		select {
		case <-r.wake:
		case <-confirm.C:
			if err := r.markUnconfirmed(ctx); err != nil && ctx.Err() == nil {
				said.log(ctx, r.log, slog.LevelError, "cannot mark presences as stale, will try again", err, "retry_in", retryAfter)
				confirm.Reset(retryAfter)
			}
			continue
		case <-renewal.C:
			r.session.mu.Lock()
			r.session.markAll()
			r.session.mu.Unlock()
		case <-ctx.Done():
			return
		}
		if err := r.flush(ctx); err != nil && ctx.Err() == nil {
			said.log(ctx, r.log, slog.LevelError, "cannot record presences, will try again", err, "retry_in", retryAfter)
			pause(ctx, retryAfter)
			put(r.wake)
			continue
		}
		said = ""
		pause(ctx, gather)
	}
}

// confirmTimer returns a timer for when what this Run has not confirmed becomes stale. It never fires if that has been done.
func (r *recorder) confirmTimer() *time.Timer {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	timer := time.NewTimer(time.Until(r.session.confirmBy))
	if r.session.confirmBy.IsZero() {
		timer.Stop()
	}
	return timer
}

// markUnconfirmed flags what was there when the source began, and what it has not reported since. It is not concurrent with flush: who is
// reported meanwhile is written afterwards.
func (r *recorder) markUnconfirmed(ctx context.Context) error {
	r.session.mu.Lock()
	keys := r.session.unconfirmedKeys()
	r.session.mu.Unlock()
	if err := markStale(ctx, r.core, r.session.source, keys, r.clock.Now()); err != nil {
		return err
	}
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	r.session.confirmBy = time.Time{}
	return nil
}

// flush writes everything observed so far. What an error has kept from being written is marked again.
func (r *recorder) flush(ctx context.Context) error {
	if err := r.renewStale(ctx); err != nil {
		return err
	}
	r.session.mu.Lock()
	r.status.saw(r.session.reported)
	pending := r.session.takeDirty()
	r.session.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	now := r.clock.Now()
	source := r.session.source
	name := func(w pendingWrite) image.Key { return image.Key{User: w.user, Protocol: source.Protocol} }
	err := rewrite(ctx, r.core, pending, name, func(w pendingWrite, old domain.Presence) domain.Presence { return w.update(source, old, now) })
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	if err != nil {
		r.session.markAgain(pending)
	} else {
		r.session.written(pending)
	}
	return err
}

// renewStale gives whoever an earlier Run has left a new deadline when the link is back: the server may take long to report them. It does so once
// until the source is in sync, so that a link that is lost again and again keeps nobody for ever.
func (r *recorder) renewStale(ctx context.Context) error {
	r.session.mu.Lock()
	due, source := r.keepStale, r.session.source
	r.session.mu.Unlock()
	if !due {
		return nil
	}
	policy, now := source.StalePolicy(), r.clock.Now()
	stale := r.core.keys(func(p domain.Presence) bool { return p.Protocol == source.Protocol && p.Stale })
	err := rewrite(ctx, r.core, stale, itself, func(_ image.Key, p domain.Presence) domain.Presence { return p.KeepStale(policy, now) })
	if err != nil {
		return err
	}
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	r.keepStale, r.session.kept = false, !r.session.synced
	return nil
}

// wasConnected reports whether the server has accepted the connection.
func (r *recorder) wasConnected() bool {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	return !r.connectedAt.IsZero()
}

// connectedFor returns how long ago the server accepted the connection: zero if it never did.
func (r *recorder) connectedFor() time.Duration {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
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
