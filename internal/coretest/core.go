// Package coretest makes the use cases over a store in memory, for tests of the adapters that drive them. What the core's constructors need
// stands here alone.
package coretest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// The protocols: clients may set Spreed, whose presences expire, and Board, and only read XMPP.
var (
	Spreed = domain.MustProtocol("spreed")
	Board  = domain.MustProtocol("board")
	XMPP   = domain.MustProtocol("xmpp")
)

// SpreedExpires is how long a presence on Spreed holds without being repeated.
const SpreedExpires = 2 * time.Minute

// T is what is needed of *testing.T and *testing.B.
type T interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// Core is the use cases.
type Core struct {
	Presence ports.Presence
	Feed     ports.Feed
	Store    ports.Store
	Clock    ports.Clock

	memory *memory.Store
}

// New makes them over a store in memory and the system clock.
func New(t T) *Core {
	t.Helper()
	return NewAt(t, clock.New())
}

// NewAt makes them over a store in memory and a clock.
func NewAt(t T, now ports.Clock) *Core {
	t.Helper()
	store := memory.New()
	c := NewOn(t, store, now)
	c.memory = store
	return c
}

// NewOn makes them over a store and a clock.
func NewOn(t T, store ports.Store, now ports.Clock) *Core {
	t.Helper()
	clients := []domain.ClientProtocol{{Protocol: Spreed, Expiry: domain.ExpiryPolicy{After: SpreedExpires}}, {Protocol: Board}}
	presence, err := app.NewPresence(store, now, clients, []domain.Protocol{XMPP})
	if err != nil {
		t.Fatal(err)
	}
	return &Core{Presence: presence, Feed: app.NewFeed(store, now, domain.Precedence{}), Store: store, Clock: now}
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
	for {
		old, _ := c.Store.Presences(user).On(protocol)
		err := c.Store.Apply(context.Background(), []ports.Write{{User: user, Old: old, New: next(old, c.Clock.Now())}})
		if err == nil {
			return
		}
		if !errors.Is(err, ports.ErrConflict) {
			t.Fatal(err)
		}
	}
}

// Presences returns what is stored of a user.
func (c *Core) Presences(user domain.UserID) domain.Presences { return c.Store.Presences(user) }

// Each calls visit for each user of whom something is stored, until it returns false.
func (c *Core) Each(visit func(domain.UserID, domain.Presences) bool) { c.Store.Each(visit) }

// ForgetRemovals makes the core forget what was removed.
func (c *Core) ForgetRemovals() {
	c.memory.Lock()
	defer c.memory.Unlock()
	c.memory.Compact(c.memory.Revision())
}

// State renders everything that is stored.
func (c *Core) State() string {
	var b strings.Builder
	c.Each(func(user domain.UserID, presences domain.Presences) bool {
		fmt.Fprintf(&b, "%s %+v\n", user, presences)
		return true
	})
	return b.String()
}
