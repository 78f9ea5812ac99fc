package app_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// conditions are what a daemon's health depends on.
type conditions struct {
	loading error
	known   domain.Timestamp
	source  domain.SourceState
	now     domain.Timestamp
}

func (c *conditions) Ready() error                 { return c.loading }
func (c *conditions) KnownUntil() domain.Timestamp { return c.known }
func (c *conditions) Now() domain.Timestamp        { return c.now }
func (c *conditions) Statuses() []domain.SourceStatus {
	return []domain.SourceStatus{{Protocol: chat, State: c.source, Error: "wrong password"}}
}

// TestHealth: what makes a daemon one that should be given no requests, and what does not.
func TestHealth(t *testing.T) {
	now := domain.TimestampOf(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
	for _, test := range []struct {
		name   string
		is     conditions
		ready  bool
		states string
	}{
		{"well", conditions{source: domain.SourceSynced}, true, "[{daemon running} {journal followed} {writing possible} {source xmpp synced}]"},
		{"loading", conditions{loading: ports.ErrLoading}, false, "[{daemon loading} {journal followed} {writing possible} {source xmpp standby}]"},
		{"a lost source", conditions{source: domain.SourceRejected}, true, "[{daemon running} {journal followed} {writing possible} {source xmpp rejected}]"},
		{"behind for a minute", conditions{known: now.Add(-time.Minute)}, true, "[{daemon running} {journal followed} {writing possible} {source xmpp standby}]"},
		{"behind for longer", conditions{known: now.Add(-time.Minute - 1)}, false, "[{daemon running} {journal followed} {writing possible} {source xmpp standby}]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := test.is
			is.now = now
			h := app.NewHealth(coretest.Start(t).Core, &is, &is, &is, time.Minute)
			if h.Ready() != test.ready {
				t.Errorf("ready: %t", h.Ready())
			}
			if got := fmt.Sprint(h.States()); got != test.states {
				t.Errorf("the states are %s, want %s", got, test.states)
			}
		})
	}
}

// TestHealthChanges: with the setting, with the journal, and at the end.
func TestHealthChanges(t *testing.T) {
	core := coretest.Start(t)
	is := conditions{now: 1_000_000_000_000}
	is.known = is.now.Add(-30 * time.Second)
	h := app.NewHealth(core.Core, &is, &is, &is, time.Minute)
	if !h.Ready() {
		t.Error("not ready after 30 seconds")
	}
	if h.Configure(20 * time.Second); h.Ready() {
		t.Error("the new setting has no effect")
	}
	is.known = 0
	core.Journal.Before(1, func() error { return fmt.Errorf("%w: the disk is full", ports.ErrUnavailable) })
	if err := core.Writer.Sync(t.Context()); !errors.Is(err, ports.ErrUnavailable) {
		t.Fatal(err)
	}
	if got := h.States()[2]; got.State != "not possible" || !h.Ready() {
		t.Errorf("with a full disk: %v, ready: %t", got, h.Ready())
	}
	core.Hold(1)
	if got := h.States()[1]; got.State != "not followed" {
		t.Errorf("behind: %v", got)
	}
	if h.Stop(); h.Ready() || h.States()[0].State != "stopping" {
		t.Errorf("at the end: ready: %t, %v", h.Ready(), h.States()[0])
	}
}
