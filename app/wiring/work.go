package wiring

import (
	"context"
	"fmt"

	"go.uber.org/fx"
)

// work is what runs in the background from the daemon's start to its end. Each part has a goroutine, and the lifecycle waits
// for it.
type work struct {
	cancels []context.CancelFunc // filled while the daemon is started, which nothing else does at the same time
	failed  chan error
}

func newWork() *work { return &work{failed: make(chan error, 1)} }

// during runs a function from start to stop. If it returns an error before its context ends, the daemon has failed.
func (w *work) during(lifecycle fx.Lifecycle, name string, run func(context.Context) error) {
	var cancel context.CancelFunc
	ended := make(chan struct{})
	lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
			w.cancels = append(w.cancels, cancel)
			go func() {
				defer close(ended)
				if err := run(ctx); err != nil && ctx.Err() == nil {
					w.fail(fmt.Errorf("%s has failed: %w", name, err))
				}
			}()
			return nil
		},
		OnStop: func(ctx context.Context) error {
			cancel()
			select {
			case <-ended:
				return nil
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
