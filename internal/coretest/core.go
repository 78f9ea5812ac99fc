// Package coretest runs the core, an image and what writes it, with its use cases, for tests of the use cases and of the adapters that call them.
package coretest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/commit"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Clients may set Spreed, whose presences expire after two minutes, Manual, which can make a user invisible, and board, and only read XMPP.
var (
	Spreed = domain.MustProtocol("spreed")
	Manual = domain.MustProtocol("manual")
	XMPP   = domain.MustProtocol("xmpp")
)

// Core is a running core.
type Core struct {
	app.Core
	*image.Image // the same as in app.Core
	Journal      *Journal
	Presence     ports.Presence
	Feed         ports.Feed
	Backup       ports.Backup
	Identities   *app.Identities // none, until a test replaces the table
	Directory    *app.Directory
	Clock        ports.Clock // of the use cases
	Groups       *Groups     // that rules of visibility go by

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

func (zero) Now() domain.Timestamp { return 0 }

// Start runs a core over a journal in memory, with the system clock, until the test ends.
func Start(t T) *Core {
	t.Helper()
	return StartOver(t, memory.NewJournal(), clock.New())
}

// StartOver is Start with a journal and a clock.
func StartOver(t T, kept ports.Journal, now ports.Clock) *Core {
	t.Helper()
	journal, img := &Journal{Journal: kept}, image.New()
	core := app.Core{Image: img, Writer: commit.New(img, journal, zero{}, slog.New(slog.DiscardHandler))}
	groups := new(Groups)
	core.Sights = app.NewSights(&domain.Visibility{}, groups)
	core.Limits = app.NewCurrentLimits(app.Limits{})
	core.UserLimit = app.NewUserLimit(img, core.Limits, slog.New(slog.DiscardHandler))
	clients := []domain.ClientProtocol{
		{Protocol: Spreed, Expiry: domain.ExpiryPolicy{After: 2 * time.Minute}},
		{Protocol: domain.MustProtocol("board")},
		{Protocol: Manual, Expiry: domain.ExpiryPolicy{Vanishes: true}, Hides: true},
	}
	presence, err := app.NewPresence(core, now, clients, []domain.Protocol{XMPP})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	end := func() { cancel(); running.Wait() }
	t.Cleanup(end)
	running.Go(func() {
		defer cancel()
		if err := core.Writer.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	select {
	case <-core.Writer.Loaded():
	case <-ctx.Done():
		t.Fatal("the core has not started")
	}
	if err := core.Writer.Sync(ctx); err != nil { // the writer's own first entry has been appended now
		t.Fatal(err)
	}
	identities, feed := app.NewIdentities(nil), app.NewFeed(core, now, domain.Precedence{})
	return &Core{Core: core, Image: img, Journal: journal, Clock: now, Groups: groups, End: end,
		Presence: presence, Feed: feed, Backup: app.NewBackup(core, now, clients), Identities: identities, Directory: app.NewDirectory(feed, identities)}
}

// Groups is a ports.Groups that a test sets.
type Groups struct {
	of atomic.Pointer[map[domain.UserID][]string]
}

// Set replaces the groups of all users. The map must not be changed afterwards.
func (g *Groups) Set(of map[domain.UserID][]string) { g.of.Store(&of) }

// Groups implements ports.Groups.
func (g *Groups) Groups(user domain.UserID) []string {
	if of := g.of.Load(); of != nil {
		return (*of)[user]
	}
	return nil
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

// Change replaces a presence, as often as somebody else is quicker.
func (c *Core) Change(t T, user domain.UserID, protocol domain.Protocol, next func(old domain.Presence, now domain.Timestamp) domain.Presence) {
	t.Helper()
	err := c.Writer.Apply(context.Background(), func(writes []image.Write) ([]image.Write, error) {
		old, _ := c.Image.Presences(user).On(protocol)
		return append(writes, image.Write{User: user, Old: old, New: next(old, c.Clock.Now())}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Elsewhere appends writes as another daemon with the same journal would. revision, if it is not zero, makes the next revision greater, and
// what was removed before is forgotten.
func (c *Core) Elsewhere(t T, revision domain.Revision, writes ...image.Write) {
	t.Helper()
	entry := image.AppendHeader(nil, image.Header{Origin: 1, Number: 1, Revision: revision})
	if len(writes) > 0 {
		entry = image.AppendGroup(entry, writes)
	}
	if err := c.Journal.Journal.Append(context.Background(), entry); err != nil {
		t.Fatal(err)
	}
}

// Journal is a journal whose next appends can be made to do something first, or to fail.
type Journal struct {
	ports.Journal

	Appends atomic.Int64 // how many there were, failed ones included

	mu     sync.Mutex
	next   int // how many appends call before
	before func() error
}

// Before makes the next appends call a function first. If that fails, nothing is kept, and its error is that of the append.
func (j *Journal) Before(appends int, call func() error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next, j.before = appends, call
}

// Append implements ports.Journal.
func (j *Journal) Append(ctx context.Context, entry []byte) error {
	j.Appends.Add(1)
	j.mu.Lock()
	j.next--
	called, before := j.next >= 0, j.before
	j.mu.Unlock()
	if called {
		if err := before(); err != nil {
			return err
		}
	}
	return j.Journal.Append(ctx, entry)
}
