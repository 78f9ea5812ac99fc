package memory

import (
	"reflect"
	"sync/atomic"
	"unsafe"

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

// block holds presences, at least one, and is immutable once it is in a cell. It is a slice whose length lies with its array,
// so that both are replaced at once and one allocation is enough; the array goes on behind the end of this type.
type block struct {
	count int
	first [1]domain.Presence
}

// extended is a block with room for more presences: the garbage collector has to know all of it.
type extended[array any] struct {
	block block
	_     array
}

// newBlock makes a block with a copy of the presences.
func newBlock(presences domain.Presences) *block {
	var b *block
	switch len(presences) {
	case 1:
		b = new(block)
	case 2:
		b = &new(extended[[1]domain.Presence]).block
	case 3:
		b = &new(extended[[2]domain.Presence]).block
	case 4:
		b = &new(extended[[3]domain.Presence]).block
	default:
		b = (*block)(reflect.New(extendedType(len(presences) - 1)).UnsafePointer())
	}
	b.count = len(presences)
	copy(b.presences(), presences)
	return b
}

// extendedType makes the type of a block with room for so many more presences as nearly no user has.
func extendedType(more int) reflect.Type {
	return reflect.StructOf([]reflect.StructField{
		{Name: "Block", Type: reflect.TypeFor[block]()},
		{Name: "More", Type: reflect.ArrayOf(more, reflect.TypeFor[domain.Presence]())},
	})
}

// presences returns what is in the block. It is shared.
func (b *block) presences() domain.Presences {
	return unsafe.Slice(&b.first[0], b.count) //nolint:gosec // newBlock has allocated as many
}
