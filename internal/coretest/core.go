// Package coretest runs the core, an image and what writes it, for tests of the use cases and of the adapters that call them.
package coretest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/commit"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Core is a running core over a journal in memory.
type Core struct {
	app.Core
	Journal *Journal
}

// zero is the time as the writer sees it, so that the first revision is 1.
type zero struct{}

// Now implements ports.Clock.
func (zero) Now() domain.Timestamp { return 0 }

// Start runs a core until the test ends.
func Start(t testing.TB) *Core {
	t.Helper()
	return StartOver(t, &Journal{Journal: &memory.Journal{}})
}

// StartOver is Start over a journal that the test has made.
func StartOver(t testing.TB, journal *Journal) *Core {
	t.Helper()
	img := image.New()
	c := &Core{Core: app.Core{Image: img, Writer: commit.New(img, journal, zero{}, slog.New(slog.DiscardHandler))}, Journal: journal}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Writer.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	<-c.Writer.Loaded()
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
func (c *Core) Elsewhere(t testing.TB, writes ...image.Write) {
	t.Helper()
	c.append(t, image.AppendGroup(image.AppendHeader(nil, image.Header{Origin: 1, Number: 1}), writes))
}

// Jump makes the next revision greater than the given one, and forgets what was removed before.
func (c *Core) Jump(t testing.TB, revision domain.Revision) {
	t.Helper()
	c.append(t, image.AppendHeader(nil, image.Header{Origin: 1, Number: 1, Revision: revision}))
}

func (c *Core) append(t testing.TB, entry []byte) {
	t.Helper()
	if err := c.Journal.Journal.Append(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
}

// Presences is Image.Presences.
func (c *Core) Presences(user domain.UserID) domain.Presences { return c.Image.Presences(user) }

// Watch is Image.Watch.
func (c *Core) Watch(since domain.Revision) *image.Watch { return c.Image.Watch(since) }

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
	before, err := j.next()
	if before != nil {
		before()
	}
	if err != nil {
		return err
	}
	return j.Journal.Append(ctx, entry)
}

func (j *Journal) next() (before func(), err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.appends++
	before, j.before = j.before, nil
	if j.failures > 0 {
		j.failures--
		return before, j.err
	}
	return before, nil
}
