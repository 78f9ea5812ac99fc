package wiring

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/zarafa/presence/ports"
)

// work is what runs in the background from the daemon's start to its end. Each part has a goroutine, and the lifecycle waits
// for it. First the server listens, and tells clients to come back; then the store is loaded; then everything else begins.
type work struct {
	cancels []context.CancelFunc // filled while the daemon is started, which nothing else does at the same time
	failed  chan error

	listening chan struct{} // closed when the store may be loaded
	loaded    chan struct{} // closed when everything else may begin
	ready     atomic.Bool   // the same, for requests
}

var _ ports.Readiness = (*work)(nil)

func newWork() *work {
	return &work{failed: make(chan error, 1), listening: make(chan struct{}), loaded: make(chan struct{})}
}

// Ready implements ports.Readiness.
func (w *work) Ready() error {
	if !w.ready.Load() {
		return ports.ErrLoading
	}
	return nil
}

// open says that the store is loaded.
func (w *work) open() {
	w.ready.Store(true)
	close(w.loaded)
}

// begin lets the store be loaded, and returns when it is, with an error if that fails or ctx ends before.
func (w *work) begin(ctx context.Context) error {
	close(w.listening)
	select {
	case <-w.loaded:
		return nil
	case err := <-w.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// load opens a store when the server listens, and closes it when everything else has ended. An error that comes from broken afterwards
// means that the daemon has failed, so that the service manager starts it again.
func (w *work) load(lifecycle fx.Lifecycle, start func(context.Context) error, broken <-chan error, stop func(context.Context) error) {
	const name = "the store"
	w.background(lifecycle, name, func(ctx context.Context) error {
		select {
		case <-w.listening:
		case <-ctx.Done():
			return nil
		}
		if err := start(ctx); err != nil {
			return err
		}
		w.open()
		select {
		case err := <-broken:
			return fmt.Errorf("%s has failed: %w", name, err)
		case <-ctx.Done():
			return nil
		}
	}, stop)
}

// during runs a function from when the store is loaded until the daemon stops. If it returns an error before its context ends, the
// daemon has failed.
func (w *work) during(lifecycle fx.Lifecycle, name string, run func(context.Context) error) {
	w.background(lifecycle, name, func(ctx context.Context) error {
		select {
		case <-w.loaded:
		case <-ctx.Done():
			return nil
		}
		if err := run(ctx); err != nil {
			return fmt.Errorf("%s has failed: %w", name, err)
		}
		return nil
	}, func(context.Context) error { return nil })
}

// background runs a function from start to stop, and another one when it has ended then.
func (w *work) background(lifecycle fx.Lifecycle, name string, run, after func(context.Context) error) {
	var cancel context.CancelFunc
	ended := make(chan struct{})
	lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
			w.cancels = append(w.cancels, cancel)
			go func() {
				defer close(ended)
				if err := run(ctx); err != nil && ctx.Err() == nil {
					w.fail(err)
				}
			}()
			return nil
		},
		OnStop: func(ctx context.Context) error {
			cancel()
			select {
			case <-ended:
				return after(ctx)
			case <-ctx.Done():
				return fmt.Errorf("%s did not end in time", name)
			}
		},
	})
}

// fail keeps the first error.
func (w *work) fail(err error) {
	select {
	case w.failed <- err:
	default:
	}
}

// cancel tells everything to end, without waiting for it.
func (w *work) cancel() {
	for _, cancel := range w.cancels {
		cancel()
	}
}
