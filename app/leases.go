package app

import (
	"context"
	"maps"
	"sync"

	"github.com/zarafa/presence/ports"
)

var _ ports.Leases = (*Leases)(nil)

// Leases passes on the leases of somebody else, and notes which of them this daemon holds.
type Leases struct {
	from ports.Leases

	mu   sync.Mutex
	held map[string]bool // by name; false: it is waited for
}

// NewLeases makes leases that come from somebody else.
func NewLeases(from ports.Leases) *Leases { return &Leases{from: from, held: make(map[string]bool)} }

// Hold implements ports.Leases.
func (l *Leases) Hold(ctx context.Context, name string, work func(context.Context)) {
	l.note(name, false)
	l.from.Hold(ctx, name, func(ctx context.Context) {
		l.note(name, true)
		defer l.note(name, false)
		work(ctx)
	})
}

func (l *Leases) note(name string, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[name] = held
}

// Held tells of each lease that was asked for whether this daemon holds it.
func (l *Leases) Held() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.held)
}
