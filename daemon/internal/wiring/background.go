package wiring

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/commit"
)

// background is what runs from the daemon's start to its end: the writer, which loads what is kept, and the parts that begin when it has.
type background struct {
	write      func(context.Context) error // loads the store, and follows and writes it
	loaded     <-chan struct{}
	parts      []part
	shutdowner fx.Shutdowner

	err     atomic.Pointer[error] // why the daemon cannot go on
	running []running
	stopAll context.CancelFunc // ends the parts, not the writer; nil before start
	close   context.CancelFunc // ends the writer
}

// part is something that runs from when the store is loaded until its context ends.
type part struct {
	name string
	run  func(context.Context)
}

// running is something that has been started.
type running struct {
	name  string
	ended chan struct{}
}

const theStore = "the store"

func newBackground(w *commit.Writer, e *app.Expirer, s *app.Supervisor, h *app.Housekeeper, shutdowner fx.Shutdowner) *background {
	return &background{
		write:      w.Run,
		loaded:     w.Loaded(),
		parts:      []part{{"the expirer", e.Run}, {"the supervisor of the sources", s.Run}, {"the housekeeper", h.Run}},
		shutdowner: shutdowner,
	}
}

// start begins everything and returns at once.
func (b *background) start(ctx context.Context) {
	ctx, b.close = context.WithCancel(context.WithoutCancel(ctx))
	working, cancel := context.WithCancel(ctx)
	b.stopAll = cancel
	for _, p := range b.parts {
		b.launch(p.name, func() {
			select {
			case <-b.loaded:
				p.run(working)
			case <-working.Done():
			}
		})
	}
	b.launch(theStore, func() {
		if err := b.write(ctx); err != nil {
			b.fail(err)
		}
	})
}

func (b *background) launch(name string, run func()) {
	ended := make(chan struct{})
	b.running = append(b.running, running{name, ended})
	go func() {
		defer close(ended)
		run()
	}()
}

// fail ends the daemon, because it cannot go on.
func (b *background) fail(err error) {
	select {
	case <-b.loaded:
		err = fmt.Errorf("%s has failed: %w", theStore, err)
	default: // it could not be loaded: the error says so
	}
	b.err.Store(&err)
	_ = b.shutdowner.Shutdown(fx.ExitCode(1)) // it fails if the daemon is ending already
}

func (b *background) failure() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

// stop tells the parts to end, while the last requests are served. The writer goes on: those requests need it.
func (b *background) stop() { b.stopAll() }

// wait waits for the parts to end, and then for the writer. It does nothing if start was not called.
func (b *background) wait(ctx context.Context) error {
	if b.close == nil {
		return nil
	}
	defer b.close()
	for _, r := range b.running {
		if r.name == theStore {
			b.close()
		}
		select {
		case <-r.ended:
		case <-ctx.Done():
			return fmt.Errorf("%s did not end in time", r.name)
		}
	}
	return nil
}
