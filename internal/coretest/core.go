// Package coretest runs the core, an image and what writes it, for tests of the use cases and of the adapters that call them (usecases.go).
package coretest

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/commit"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Core is a running core. New and its like also make the use cases.
type Core struct {
	app.Core
	*image.Image // the same as in app.Core
	Journal      *Journal
	Presence     ports.Presence
	Feed         ports.Feed
	Backup       ports.Backup
	Clock        ports.Clock

	// End ends the core before the test does. It may be called more than once.
	End func()
}

// T is what is needed of *testing.T and *testing.B.
type T interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// zero is the time as the writer sees it, so that the first revision is 1.
type zero struct{}

// Now implements ports.Clock.
func (zero) Now() domain.Timestamp { return 0 }

// Start runs a core until the test ends.
func Start(t T) *Core {
	t.Helper()
	return StartOver(t, memory.NewJournal())
}

// StartOver is Start over a journal that the test has made.
func StartOver(t T, kept ports.Journal) *Core {
	t.Helper()
	journal := &Journal{Journal: kept}
	img := image.New()
	c := &Core{Image: img, Core: app.Core{Image: img, Writer: commit.New(img, journal, zero{}, slog.New(slog.DiscardHandler))}, Journal: journal}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	c.End = func() { cancel(); running.Wait() }
	t.Cleanup(c.End)
	ended := make(chan struct{})
	running.Go(func() {
		defer close(ended)
		if err := c.Writer.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	select {
	case <-c.Writer.Loaded():
	case <-ended:
		t.Fatal("the core has not started")
	}
	if err := c.Writer.Sync(ctx); err != nil { // the writer's own first entry has been appended now
		t.Fatal(err)
	}
	return c
}

// ErrConflict is the error of Apply if a presence is not what a write expects.
var ErrConflict = errors.New("the presence has changed meanwhile")

// Apply writes once, without planning anew.
func (c *Core) Apply(ctx context.Context, writes ...image.Write) error {
	planned := false
	return c.Writer.Apply(ctx, func(into []image.Write) ([]image.Write, error) {
		if planned {
			return nil, ErrConflict
		}
		planned = true
		return append(into, writes...), nil
	})
}

// Elsewhere appends writes as another daemon with the same journal would.
func (c *Core) Elsewhere(t T, writes ...image.Write) {
	t.Helper()
	c.append(t, image.AppendGroup(image.AppendHeader(nil, image.Header{Origin: 1, Number: 1}), writes))
}

// Jump makes the next revision greater than the given one, and forgets what was removed before.
func (c *Core) Jump(t T, revision domain.Revision) {
	t.Helper()
	c.append(t, image.AppendHeader(nil, image.Header{Origin: 1, Number: 1, Revision: revision}))
}

func (c *Core) append(t T, entry []byte) {
	t.Helper()
	if err := c.Journal.Journal.Append(context.Background(), entry); err != nil {
		t.Fatal(err)
	}
}

// Journal is a journal whose next appends can be made to fail.
type Journal struct {
	ports.Journal

	mu       sync.Mutex
	failures int
	err      error
	before   func()
	appends  int
}

// Fail makes the next appends fail with an error, before anything is kept.
func (j *Journal) Fail(appends int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failures, j.err = appends, err
}

// Before makes the next append call a function first.
func (j *Journal) Before(call func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.before = call
}

// Appends returns how many appends there were, failed ones included.
func (j *Journal) Appends() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.appends
}

// Append implements ports.Journal.
func (j *Journal) Append(ctx context.Context, entry []byte) error {
	j.mu.Lock()
	before, err := j.before, j.err
	j.before, j.appends = nil, j.appends+1
	if j.failures--; j.failures < 0 {
		j.failures, err = 0, nil
	}
	j.mu.Unlock()
	if before != nil {
		before()
	}
	if err != nil {
		return err
	}
	return j.Journal.Append(ctx, entry)
}
