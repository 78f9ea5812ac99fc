package replica

import (
	"sync/atomic"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Slot = (*cell)(nil)

// cell is where a user's presences are found from the first one until the last one is removed: a write replaces the block, and
// whoever holds the cell need not search for it again. It keeps the user's id, which its key in the map shares, so that a
// write can tell watchers of it without keeping the caller's.
type cell struct {
	user domain.UserID
	kept atomic.Pointer[block] // nil once the user was removed, and then for ever
}

// Presences implements ports.Slot.
func (c *cell) Presences() domain.Presences {
	if b := c.kept.Load(); b != nil {
		return b.presences()
	}
	return nil
}

// Holds implements ports.Slot. It reads the cell and nothing else, which is most of its point.
func (c *cell) Holds(presences domain.Presences) bool {
	b := c.kept.Load()
	return b != nil && &b.first[0] == &presences[0]
}
