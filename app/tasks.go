package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// task is what the supervisor does about one protocol.
type task struct {
	source ports.Source  // to be run; nil: the protocol was switched off, and what it has said is to become stale
	about  domain.Source // the protocol
	status *sourceStatus // of the source
}

// job is a task that has been begun.
type job struct {
	task   task
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when it has
}

// errReplaced is why a source is stopped whose protocol gets another task.
var errReplaced = errors.New("the configuration has changed")

// Configure replaces the sources. off are the protocols that were on before, each with how long its presences are still kept.
//
// A source that was there already, compared by ==, goes on undisturbed. A new one begins when the one that it replaces has ended. It confirms what that
// has left, and the rest becomes stale, as after a start. The presences of a protocol that is off become stale at once.
//
// It may be called at any time. If two sources have one protocol it returns an error, and nothing changes.
func (s *Supervisor) Configure(sources []ports.Source, off []domain.Source) error {
	tasks := make(map[domain.Protocol]task)
	for _, about := range off {
		tasks[about.Protocol] = task{about: about}
	}
	for _, source := range sources {
		about := source.Describe()
		if tasks[about.Protocol].source != nil {
			return fmt.Errorf("protocol %s has two sources", about.Protocol)
		}
		tasks[about.Protocol] = task{source: source, about: about}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for protocol, t := range tasks {
		if t.status = s.tasks[protocol].status; t.status == nil {
			t.status = newSourceStatus(protocol, s.clock)
		}
		tasks[protocol] = t
	}
	s.tasks = tasks
	put(s.changed)
	return nil
}

// Run does what the last call of Configure wants, until ctx ends, and returns when everything that it has begun has ended. To be called once.
func (s *Supervisor) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	jobs := make(map[domain.Protocol]*job)
	for {
		select {
		case <-s.changed:
			s.assign(ctx, jobs, &running)
		case <-ctx.Done():
			return
		}
	}
}

// assign ends the jobs whose tasks are over, and begins those whose tasks are new.
func (s *Supervisor) assign(ctx context.Context, jobs map[domain.Protocol]*job, running *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for protocol, j := range jobs {
		if s.tasks[protocol] != j.task {
			j.cancel(errReplaced)
			j.task = task{} // so that the same one can be begun again
		}
	}
	for protocol, t := range s.tasks {
		before := jobs[protocol]
		if before != nil && before.task == t {
			continue
		}
		log := s.log.With("protocol", protocol)
		if before != nil && t.source != nil {
			log.Info("the source begins anew: its configuration has changed")
		}
		jobs[protocol] = s.begin(ctx, t, before, log, running)
	}
}

// begin begins a job when the one before has ended, if there is one. It works while this daemon holds the protocol's lease.
func (s *Supervisor) begin(ctx context.Context, t task, before *job, log *slog.Logger, running *sync.WaitGroup) *job {
	ctx, cancel := context.WithCancelCause(ctx)
	j := &job{task: t, cancel: cancel, ended: make(chan struct{})}
	running.Go(func() {
		defer close(j.ended)
		defer cancel(nil)
		if before != nil {
			<-before.ended
		}
		s.leases.Hold(ctx, t.about.Protocol.String(), func(ctx context.Context) {
			if t.source != nil {
				s.supervise(ctx, t.source, t.status)
			} else if s.retire(ctx, t.about, log) {
				cancel(nil) // or Hold would call again
			}
		})
	})
	return j
}

// retire flags the presences of a protocol that is off, so that they end as if a source had lost its link. It returns false if ctx ends before.
func (s *Supervisor) retire(ctx context.Context, about domain.Source, log *slog.Logger) bool {
	if !catchUp(ctx, s.core, log, sourceWaits) {
		return false
	}
	var said lastLogged
	for {
		err := s.markAllStale(ctx, about)
		if err == nil {
			log.Info("the protocol is off: what it has said ends", "within", about.StaleAfter)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		said.log(ctx, log, slog.LevelError, "cannot mark presences as stale, will try again", err, "retry_in", retryAfter)
		pause(ctx, retryAfter)
	}
}
