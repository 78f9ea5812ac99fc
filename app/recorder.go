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

	// keptDirty is for how many users the recorder keeps room when they are written.
	keptDirty = 8192

	// retryAfter is how long the recorder waits when the store cannot take writes.
	retryAfter = time.Second
)

// recorder writes what a source observes during one Run into the store. Its ports.Observer methods only note which users are to
// be written; the goroutine in record writes them, so a source never waits for the store, and under load many reports of one user
// become one write.
type recorder struct {
	protocol domain.Protocol
	store    ports.Store
	clock    ports.Clock
	log      *slog.Logger
	wake     chan struct{} // holds one token while there may be something to write

	mu          sync.Mutex
	connectedAt domain.Timestamp
	devices     map[domain.UserID]domain.Devices // every user this Run has told of, also those without a device
	forgotten   map[domain.UserID]struct{}       // users to be written whom the protocol does not know any more
	dirty       map[domain.UserID]struct{}       // users to be written
	synced      bool
	sweep       bool // everybody in the store is to be compared with devices
}

func newRecorder(protocol domain.Protocol, store ports.Store, clock ports.Clock, log *slog.Logger) *recorder {
	return &recorder{
		protocol:  protocol,
		store:     store,
		clock:     clock,
		log:       log,
		wake:      make(chan struct{}, 1),
		devices:   make(map[domain.UserID]domain.Devices),
		forgotten: make(map[domain.UserID]struct{}),
		dirty:     make(map[domain.UserID]struct{}),
	}
}

// Connected implements ports.Observer.
func (r *recorder) Connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connectedAt.IsZero() {
		r.connectedAt = r.clock.Now()
		r.log.Info("source connected")
	}
}

// Known implements ports.Observer.
func (r *recorder) Known(user domain.UserID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.devices[user]; known {
		return
	}
	r.devices[user] = domain.Devices{}
	delete(r.forgotten, user)
	if r.synced {
		r.mark(user)
	}
}

// Report implements ports.Observer.
func (r *recorder) Report(report domain.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.devices[report.User]
	devices := before
	if report.Device == "" && report.Status == domain.Unavailable {
		devices.Clear()
	} else {
		devices.Set(domain.Device{Name: report.Device, Status: report.Status, Message: domain.ClipMessage(report.Message)})
	}
	if !known || devices != before {
		r.devices[report.User] = devices
	}
	if len(r.forgotten) > 0 {
		delete(r.forgotten, report.User)
	}
	if !r.synced && devices.None() && report.Device != "" {
		return // another device may have been there before this Run and not been reported yet
	}
	r.mark(report.User)
}

// Forget implements ports.Observer.
func (r *recorder) Forget(user domain.UserID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.devices, user)
	r.forgotten[user] = struct{}{}
	r.mark(user)
}

// Synced implements ports.Observer.
func (r *recorder) Synced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.synced, r.sweep = true, true
	r.log.Info("source in sync", "users", len(r.devices))
	r.signal()
}

// mark notes that a user is to be written. The lock is held.
func (r *recorder) mark(user domain.UserID) {
	if len(r.dirty) == 0 {
		r.signal()
	}
	r.dirty[user] = struct{}{}
}

func (r *recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// record writes until ctx ends.
func (r *recorder) record(ctx context.Context) {
	for {
		select {
		case <-r.wake:
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

// flush writes everything noted so far, and then sweeps if it is time to. After an error the users are noted again.
func (r *recorder) flush(ctx context.Context) error {
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
	seen := r.takeDirty()
	if len(seen) == 0 {
		return nil
	}
	now := r.clock.Now()
	name := func(s sighting) presenceKey { return presenceKey{s.user, r.protocol} }
	err := rewrite(ctx, r.store, seen, name, func(s sighting, old domain.Presence) domain.Presence { return s.update(old, now) })
	if err != nil {
		r.noteAgain(seen)
	}
	return err
}

// noteAgain notes what could not be written. What has been reported meanwhile counts more.
func (r *recorder) noteAgain(seen []sighting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range seen {
		r.dirty[s.user] = struct{}{}
		if _, back := r.devices[s.user]; s.gone && !back {
			r.forgotten[s.user] = struct{}{}
		}
	}
}

// sighting is what is to be written of one user.
type sighting struct {
	user    domain.UserID
	message string
	status  domain.Status
	gone    bool
}

// update returns what becomes of a user's stored presence. What says the same as before is not written again: unlike a client's
// update, a report needs no renewal.
func (s sighting) update(old domain.Presence, now domain.Timestamp) domain.Presence {
	stored := old.Revision != 0
	if s.gone {
		if !stored {
			return old
		}
		return old.Remove(now)
	}
	next := old.Observe(s.status, s.message, domain.ExpiryPolicy{}, now)
	if stored && !old.Differs(next) {
		return old
	}
	return next
}

func (r *recorder) takeSweep() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	sweep := r.sweep
	r.sweep = false
	return sweep
}

// markAbsent notes everyone whom the store or the source knows and who has no device: they are unavailable.
func (r *recorder) markAbsent() {
	r.store.Each(func(user domain.UserID, presences domain.Presences) bool {
		p, known := presences.On(r.protocol)
		r.compare(user, known && (p.Status != domain.Unavailable || p.Stale))
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for user, devices := range r.devices {
		if devices.None() {
			r.dirty[user] = struct{}{}
		}
	}
}

// compare notes a user from the store if it has no device but is shown as if it had.
func (r *recorder) compare(user domain.UserID, shown bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	devices, known := r.devices[user]
	if known { // the store's copy of the id takes the place of ours, so that it is in memory once
		delete(r.devices, user)
		r.devices[user] = devices
	}
	if shown && devices.None() {
		r.dirty[user] = struct{}{}
	}
}

// takeDirty returns what is to be written now.
func (r *recorder) takeDirty() []sighting {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := make([]sighting, 0, len(r.dirty))
	for user := range r.dirty {
		devices := r.devices[user]
		status, message := devices.Merge()
		_, gone := r.forgotten[user]
		seen = append(seen, sighting{user: user, message: message, status: status, gone: gone})
	}
	clear(r.forgotten)
	if len(r.dirty) > keptDirty {
		r.dirty = make(map[domain.UserID]struct{}) // a cleared map would keep the room of its largest day
	} else {
		clear(r.dirty)
	}
	return seen
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
