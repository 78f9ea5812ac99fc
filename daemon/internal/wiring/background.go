package wiring

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/identities"
	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/commit"
)

// background is what runs from the daemon's start to its end: the writer, which loads what is kept, and the parts that begin when it has.
type background struct {
	write      func(context.Context) error // loads the store, and follows and writes it
	loaded     <-chan struct{}
	ready      <-chan struct{} // requests are served
	parts      []part
	shutdowner fx.Shutdowner

	err   atomic.Pointer[error]         // why the daemon cannot go on
	ended []func(context.Context) error // wait, each for one that was started: the parts, and then the writer
	stop  context.CancelFunc            // tells the parts to end, while the last requests are served, for which the writer goes on
	close context.CancelFunc            // ends the writer; nil before the start
}

// part is something that runs from when the store is loaded until its context ends.
type part struct {
	name string
	run  func(context.Context)
}

func newBackground(w *commit.Writer, c *app.Continuity, e *app.Expirer, s *app.Supervisor,
	h *app.Housekeeper, census *app.Census, u *app.UserLimit, f *identities.Follower, r *renewer, o *oidc.Verifier, x *app.Exporters,
	shutdowner fx.Shutdowner,
) *background {
	return &background{
		write:  w.Run,
		loaded: w.Loaded(),
		ready:  c.Begun(),
		parts: []part{
			{"what holds presences over a pause", c.Run}, {"the expirer", e.Run}, {"the supervisor of the sources", s.Run}, {"the housekeeper", h.Run},
			{"the census", census.Run}, {"what watches store.max_users", u.Run},
			{"what follows identities_file", f.Run}, {"what sends changed names and groups", r.run},
			{"what asks the OpenID provider for its keys", o.Run}, {"the exporters", x.Run},
		},
		shutdowner: shutdowner,
	}
}

// start begins everything and returns at once.
func (b *background) start(ctx context.Context) {
	ctx, b.close = context.WithCancel(context.WithoutCancel(ctx))
	working, cancel := context.WithCancel(ctx)
	b.stop = cancel
	for _, p := range b.parts {
		b.launch(p.name, func() {
			select {
			case <-b.loaded:
				p.run(working)
			case <-working.Done():
			}
		})
	}
	b.launch("the store", func() {
		if err := b.write(ctx); err != nil {
			b.fail(err)
		}
	})
}

func (b *background) launch(name string, run func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run()
	}()
	b.ended = append(b.ended, func(ctx context.Context) error {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s did not end in time", name)
		}
	})
}

// fail ends the daemon, because it cannot go on.
func (b *background) fail(err error) {
	select {
	case <-b.loaded:
		err = fmt.Errorf("the store has failed: %w", err)
	default: // it could not be loaded: the error says so
	}
	b.err.Store(&err)
	_ = b.shutdowner.Shutdown(fx.ExitCode(1)) // it fails if the daemon is ending already
}

// Err says why the daemon cannot go on, or returns nil.
func (b *background) Err() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Loaded is closed when the store is loaded and requests are served.
func (b *background) Loaded() <-chan struct{} { return b.ready }

// wait waits for the parts to end, and then for the writer. It does nothing if start was not called.
func (b *background) wait(ctx context.Context) error {
	if b.close == nil {
		return nil
	}
	defer b.close()
	for i, ended := range b.ended {
		if i == len(b.parts) {
			b.close()
		}
		if err := ended(ctx); err != nil {
			return err
		}
	}
	return nil
}
