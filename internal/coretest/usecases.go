package coretest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Clients may set Spreed, whose presences expire after two minutes, and board, and only read XMPP.
var (
	Spreed = domain.MustProtocol("spreed")
	XMPP   = domain.MustProtocol("xmpp")
)

// New runs a core over a journal in memory, with use cases and the system clock.
func New(t T) *Core {
	t.Helper()
	return NewOver(t, memory.NewJournal(), clock.New())
}

// NewOver is New with a journal and a clock.
func NewOver(t T, journal ports.Journal, now ports.Clock) *Core {
	t.Helper()
	c := StartOver(t, journal)
	clients := []domain.ClientProtocol{{Protocol: Spreed, Expiry: domain.ExpiryPolicy{After: 2 * time.Minute}}, {Protocol: domain.MustProtocol("board")}}
	presence, err := app.NewPresence(c.Core, now, clients, []domain.Protocol{XMPP})
	if err != nil {
		t.Fatal(err)
	}
	c.Presence, c.Feed, c.Backup, c.Clock = presence, app.NewFeed(c.Image, now, domain.Precedence{}), app.NewBackup(c.Core, clients), now
	return c
}

// Knows makes the core know a presence that no client need be able to set, for ever.
func (c *Core) Knows(t T, user domain.UserID, protocol domain.Protocol, status domain.Status, message string) {
	t.Helper()
	c.Change(t, user, protocol, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(status, message, domain.ExpiryPolicy{}, now)
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

// ForgetRemovals makes the core forget what was removed.
func (c *Core) ForgetRemovals(t T) { c.Jump(t, c.Revision()+1) }

// State renders everything that is kept.
func (c *Core) State() string {
	var b strings.Builder
	c.Each(func(user domain.UserID, presences domain.Presences) bool {
		fmt.Fprintf(&b, "%s %+v\n", user, presences)
		return true
	})
	return b.String()
}
