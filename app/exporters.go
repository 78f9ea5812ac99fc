package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Exporters = (*Exporters)(nil)

// Exporters runs all exporters, each for itself: it gives them what they have to tell, keeps their positions in the journal, and runs them again
// when they fail. Of several daemons with one store, the one that holds an exporter's lease runs it.
type Exporters struct {
	core   Core
	feed   *Feed
	leases ports.Leases
	log    *slog.Logger

	changed chan struct{} // holds a token while Run has not looked at what follows
	mu      sync.Mutex
	rules   uint64
	wanted  map[string]*export // by name
}

// exporting is an export that has been begun.
type exporting struct {
	*export
	cancel context.CancelFunc
	ended  chan struct{} // closed when it has
}

// NewExporters makes what runs exporters. Nothing happens before Configure and Run.
func NewExporters(core Core, feed *Feed, leases ports.Leases, log *slog.Logger) *Exporters {
	return &Exporters{core: core, feed: feed, leases: leases, log: log, changed: make(chan struct{}, 1)}
}

// Configure replaces the exporters. rules is a digest of everything else that decides what is told of a user, such as the precedence: if it changes,
// everybody is told anew.
//
// An exporter that was there already, compared by ==, goes on undisturbed, unless its receiver has disabled it: then it begins anew. It may be
// called at any time. If two exporters have one name it returns an error, and nothing changes.
func (e *Exporters) Configure(exporters []ports.Exporter, rules uint64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	wanted := make(map[string]*export, len(exporters))
	for _, exporter := range exporters {
		name := exporter.Describe().Name
		if wanted[name] != nil {
			return fmt.Errorf("two exporters are called %s", name)
		}
		if before := e.wanted[name]; before != nil && before.Exporter == exporter && before.status().State != domain.ExporterDisabled {
			wanted[name] = before
		} else {
			wanted[name] = &export{Exporter: exporter}
		}
	}
	renew := e.wanted != nil && rules != e.rules
	e.rules, e.wanted = rules, wanted
	if renew {
		e.renew()
	}
	put(e.changed)
	return nil
}

// Renew has all exporters be given everybody anew: something has changed that is no change of a presence, such as a group.
func (e *Exporters) Renew() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.renew()
}

// renew is Renew with the lock held.
func (e *Exporters) renew() {
	for _, x := range e.wanted {
		x.renew()
	}
}

// Statuses implements ports.Exporters.
func (e *Exporters) Statuses() []ports.ExporterStatus {
	e.mu.Lock()
	statuses := make([]ports.ExporterStatus, 0, len(e.wanted))
	for _, x := range e.wanted {
		statuses = append(statuses, x.status())
	}
	e.mu.Unlock()
	slices.SortFunc(statuses, func(a, b ports.ExporterStatus) int { return cmp.Compare(a.Name, b.Name) })
	return statuses
}

// Run does what the last call of Configure wants, until ctx ends, and returns when everything that it has begun has ended. To be called once.
func (e *Exporters) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	begun := make(map[string]*exporting)
	for {
		select {
		case <-e.changed:
			e.assign(ctx, begun, &running)
		case <-ctx.Done():
			return
		}
	}
}

// assign ends the exporters that are not wanted any more, and begins those that are new.
func (e *Exporters) assign(ctx context.Context, begun map[string]*exporting, running *sync.WaitGroup) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, x := range begun {
		if e.wanted[name] != x.export {
			x.cancel()
		}
	}
	for name, x := range e.wanted {
		if before := begun[name]; before == nil || before.export != x {
			begun[name] = e.begin(ctx, x, before, running)
		}
	}
}

// begin begins an exporter when the one before of its name has ended, if there is one. It runs while this daemon holds its lease.
func (e *Exporters) begin(ctx context.Context, x *export, before *exporting, running *sync.WaitGroup) *exporting {
	ctx, cancel := context.WithCancel(ctx)
	begun := &exporting{export: x, cancel: cancel, ended: make(chan struct{})}
	name := x.Describe().Name
	running.Go(func() {
		defer close(begun.ended)
		defer cancel()
		if before != nil {
			<-before.ended
		}
		e.leases.Hold(ctx, strings.ReplaceAll(name, ":", "."), func(ctx context.Context) { // a lease is a key of the NATS bucket, which can have no colon
			e.supervise(ctx, x, e.log.With("exporter", name))
		})
	})
	return begun
}
