package app

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// How long the supervisor waits before it runs a source again.
const (
	firstRetry    = time.Second      // after the first failure; doubled after each further one
	lastRetry     = 30 * time.Second // at most; also how long a connection must have held to count as a success
	rejectedRetry = 5 * time.Minute  // after the server refused us: it needs a person, and hurrying may lock the account
)

// confirmWithin is how long a source that begins may take to confirm what an earlier process left, or another daemon. Then what it has not
// confirmed is stale. So nothing changes for those who are still there when another daemon takes over.
const confirmWithin = 5 * time.Second

// Supervisor runs all sources, each for itself: it records what they observe, marks their presences as stale when the link is
// lost, and runs them again, for ever. Of several daemons with one store, the one that holds a source's lease runs it.
type Supervisor struct {
	core   Core
	leases ports.Leases
	clock  ports.Clock
	log    *slog.Logger

	changed chan struct{} // holds a token while Run has not looked at what follows
	mu      sync.Mutex
	tasks   map[domain.Protocol]task
}

// NewSupervisor makes a supervisor. Two sources of one protocol are an error.
func NewSupervisor(sources []ports.Source, core Core, leases ports.Leases, clock ports.Clock, log *slog.Logger) (*Supervisor, error) {
	s := &Supervisor{core: core, leases: leases, clock: clock, log: log, changed: make(chan struct{}, 1)}
	return s, s.Configure(sources, nil)
}

// Statuses implements ports.Sources.
func (s *Supervisor) Statuses() []domain.SourceStatus {
	s.mu.Lock()
	statuses := make([]domain.SourceStatus, 0, len(s.tasks))
	for _, t := range s.tasks {
		if t.source != nil {
			statuses = append(statuses, t.status.get())
		}
	}
	s.mu.Unlock()
	slices.SortFunc(statuses, func(a, b domain.SourceStatus) int { return a.Protocol.Compare(b.Protocol) })
	return statuses
}

// KnownUntil implements ports.Sources.
func (s *Supervisor) KnownUntil() domain.Timestamp { return s.core.Image.KnownUntil() }

// supervise runs one source again and again.
func (s *Supervisor) supervise(ctx context.Context, source ports.Source, status *sourceStatus) {
	defer status.enter(domain.SourceStandby)
	log := s.log.With("protocol", source.Describe().Protocol)
	if !catchUp(ctx, s.core, log, sourceWaits) {
		return
	}
	session := newSession(source.Describe(), s.core)
	defer session.end()
	session.confirmBy = time.Now().Add(confirmWithin)
	var said lastLogged
	for failures := 0; ; {
		held, err := s.runOnce(ctx, source, session, status, log)
		if ctx.Err() != nil {
			return
		}
		if held >= lastRetry {
			failures = 0
		}
		delay := retryDelay(failures, err)
		failures++
		state, retryAt := domain.SourceWaiting, s.clock.Now().Add(delay)
		if errors.Is(err, ports.ErrRejected) {
			state = domain.SourceRejected
		}
		status.wait(state, err, retryAt)
		switch {
		case state == domain.SourceRejected:
			said.log(ctx, log, slog.LevelError, "source rejected: check its configuration", err, "retry_in", delay)
		case held > 0:
			log.Warn("source lost", "err", err, "held", held.Round(time.Second), "retry_in", delay)
			said = ""
		default:
			said.log(ctx, log, slog.LevelWarn, "source cannot connect", err, "retry_in", delay)
		}
		pause(ctx, delay)
	}
}

const sourceWaits = "source waits until presences can be written"

// catchUp waits until the image has everything that another daemon has written which held a lease before. It returns false if ctx ends.
// Meanwhile the log is told who waits.
func catchUp(ctx context.Context, core Core, log *slog.Logger, who string) bool {
	var said lastLogged
	for {
		err := core.Writer.Sync(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		said.log(ctx, log, slog.LevelWarn, who, err)
		pause(ctx, retryAfter)
	}
}

// retryDelay doubles with every failure, up to a limit. Half of it is random, so that many daemons do not come back at once.
func retryDelay(failures int, err error) time.Duration {
	delay := rejectedRetry
	if !errors.Is(err, ports.ErrRejected) {
		delay = min(firstRetry<<min(failures, 10), lastRetry)
	}
	return (delay/2 + rand.N(delay/2+1)).Round(time.Millisecond)
}

// runOnce is one Run of a source, and what has to follow it. It returns how long the connection held.
func (s *Supervisor) runOnce(ctx context.Context, source ports.Source, session *session, status *sourceStatus, log *slog.Logger) (time.Duration, error) {
	status.enter(domain.SourceConnecting)
	recorder := newRecorder(session, s.core, s.clock, status, log)
	recording, stop := context.WithCancel(ctx)
	var recorded sync.WaitGroup
	recorded.Go(func() { recorder.record(recording) })
	err := source.Run(ctx, recorder)
	held := recorder.connectedFor()
	stop()
	recorded.Wait()

	if errors.Is(context.Cause(ctx), ports.ErrLeaseLost) {
		return held, err // another daemon has the word now
	}
	// Even when the daemon is ending: what was seen last must not get lost.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := recorder.flush(closing); err != nil {
		log.Error("cannot record the last presences", "err", err)
	}
	switch {
	case errors.Is(context.Cause(ctx), errReplaced): // who comes next sees to what this one has left
	case ctx.Err() != nil && s.core.Writer.Shared(): // another daemon goes on
	case ctx.Err() == nil && !recorder.wasConnected() && !errors.Is(err, ports.ErrRejected) && time.Now().Before(session.confirmBy): // there is still time
	default:
		if err := s.markAllStale(closing, source.Describe()); err != nil {
			log.Error("cannot mark presences as stale", "err", err)
		}
		session.confirmBy = time.Time{}
	}
	return held, err
}

// markAllStale flags all presences of a source that is not connected.
func (s *Supervisor) markAllStale(ctx context.Context, about domain.Source) error {
	keys := s.core.keys(func(p domain.Presence) bool { return p.Protocol == about.Protocol && !p.Stale })
	return markStale(ctx, s.core, about, keys, s.clock.Now())
}

// markStale flags presences of a source.
func markStale(ctx context.Context, core Core, about domain.Source, keys []image.Key, now domain.Timestamp) error {
	return rewrite(ctx, core, keys, itself, func(_ image.Key, p domain.Presence) domain.Presence {
		if p.Revision == 0 {
			return p // gone meanwhile
		}
		return p.MarkStale(about.StalePolicy(), now)
	})
}
