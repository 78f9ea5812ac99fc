package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// keepEvery is how often the position of an exporter is written, at most: what was told since is told again after a crash.
const keepEvery = 5 * time.Second

// export is one exporter, and how it is doing.
type export struct {
	ports.Exporter

	mu     sync.Mutex
	state  domain.ExporterState
	outbox *outbox // while it runs
}

// supervise runs one exporter again and again, until ctx ends.
func (e *Exporters) supervise(ctx context.Context, x *export, log *slog.Logger) {
	defer x.enter(domain.ExporterStandby)
	if !catchUp(ctx, e.core, log, "exporter waits until presences can be written") {
		return
	}
	var said lastLogged
	for failures := 0; ; failures++ {
		x.enter(domain.ExporterRunning)
		began := time.Now()
		err := e.runOnce(ctx, x, log)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, ports.ErrDisabled) {
			x.enter(domain.ExporterDisabled)
			log.Error("exporter disabled: a reload or a restart enables it again", "err", err)
			<-ctx.Done()
			return
		}
		if time.Since(began) >= lastRetry {
			failures = 0
		}
		delay := retryDelay(failures, err)
		x.enter(domain.ExporterFailing)
		said.log(ctx, log, slog.LevelError, "exporter failed", err, "retry_in", delay)
		pause(ctx, delay)
	}
}

// runOnce is one Run of an exporter. Its position is kept meanwhile, and at the end.
func (e *Exporters) runOnce(ctx context.Context, x *export, log *slog.Logger) error {
	outbox := e.open(x, log)
	defer outbox.Close()
	defer x.use(nil)

	keeping, stop := context.WithCancel(ctx)
	var kept sync.WaitGroup
	kept.Go(func() { e.keep(keeping, x, outbox, log) })
	err := x.Run(ctx, outbox)
	stop()
	kept.Wait()
	if !errors.Is(context.Cause(ctx), ports.ErrLeaseLost) { // else another daemon keeps the position now
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := e.place(closing, x, outbox); err != nil {
			log.Warn("the exporter's last position is not kept: it tells again what it has told last", "err", err)
		}
	}
	return err
}

// open makes what an exporter is to tell.
func (e *Exporters) open(x *export, log *slog.Logger) *outbox {
	e.mu.Lock() // so that no Renew is missed
	defer e.mu.Unlock()
	about := x.Describe()
	outbox := e.feed.outbox(about.Principal(), e.core.Image.Position(withRules(about, e.rules)), e.core.Writer.Ready, log)
	x.use(outbox)
	return outbox
}

// keep keeps an exporter's position from time to time, until ctx ends.
func (e *Exporters) keep(ctx context.Context, x *export, outbox *outbox, log *slog.Logger) {
	ticker := time.NewTicker(keepEvery)
	defer ticker.Stop()
	var said lastLogged
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if err := e.place(ctx, x, outbox); err != nil && ctx.Err() == nil {
			said.log(ctx, log, slog.LevelWarn, "an exporter's position cannot be kept, will try again", err)
		}
	}
}

// place writes an exporter's position, if it is another one than is kept.
func (e *Exporters) place(ctx context.Context, x *export, outbox *outbox) error {
	e.mu.Lock()
	about := withRules(x.Describe(), e.rules)
	revision, ok := outbox.position()
	e.mu.Unlock()
	if !ok || e.core.Image.Position(about) == revision {
		return nil
	}
	return e.core.Writer.Place(ctx, domain.Position{Exporter: about, Revision: revision})
}

// withRules describes an exporter whose settings are all that decides what it tells.
func withRules(about domain.Exporter, rules uint64) domain.Exporter {
	const odd = 0x9e3779b97f4a7c15 // so that no two digests cancel each other out
	about.Settings = about.Settings*odd ^ rules
	return about
}

// status returns how it is doing.
func (x *export) status() ports.ExporterStatus {
	x.mu.Lock()
	status := ports.ExporterStatus{Name: x.Describe().Name, State: x.state}
	x.mu.Unlock()
	status.ExporterStatistics = x.Statistics()
	if status.State == domain.ExporterRunning && !status.FailingSince.IsZero() {
		status.State = domain.ExporterFailing
	}
	return status
}

func (x *export) enter(state domain.ExporterState) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.state = state
}

func (x *export) use(outbox *outbox) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.outbox = outbox
}

func (x *export) renew() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.outbox != nil {
		x.outbox.Renew()
	}
}
