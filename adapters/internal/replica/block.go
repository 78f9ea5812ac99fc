package replica

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/zarafa/presence/domain"
)

// block holds presences, at least one, and is immutable once it is in a cell. It is a slice whose length lies with its array,
// so that both are replaced at once and one allocation is enough; the array goes on behind the end of this type, and after it
// follow as many versions, if the store uses them.
type block struct {
	count    int32
	versions bool
	first    [1]domain.Presence
}

// extended is a block with room for more: the garbage collector has to know all of it.
type extended[more any] struct {
	block block
	_     more
}

// withVersions is the room for further presences, and for the versions of all.
type withVersions[presences, versions any] struct {
	_ presences
	_ versions
}

// newBlock makes a block for so many presences.
func newBlock(count int, versions bool) *block {
	var b *block
	switch {
	case count == 1 && !versions:
		b = new(block)
	case count == 2 && !versions:
		b = &new(extended[[1]domain.Presence]).block
	case count == 3 && !versions:
		b = &new(extended[[2]domain.Presence]).block
	case count == 1:
		b = &new(extended[[1]uint64]).block
	case count == 2:
		b = &new(extended[withVersions[[1]domain.Presence, [2]uint64]]).block
	case count == 3:
		b = &new(extended[withVersions[[2]domain.Presence, [3]uint64]]).block
	default:
		b = (*block)(reflect.New(extendedType(count, versions)).UnsafePointer())
	}
	b.count, b.versions = int32(count), versions //nolint:gosec // there are no more protocols than that
	return b
}

// extendedType makes the type of a block with room for so many presences as nearly no user has.
func extendedType(count int, versions bool) reflect.Type {
	fields := []reflect.StructField{
		{Name: "Block", Type: reflect.TypeFor[block]()},
		{Name: "More", Type: reflect.ArrayOf(count-1, reflect.TypeFor[domain.Presence]())},
	}
	if versions {
		fields = append(fields, reflect.StructField{Name: "Versions", Type: reflect.ArrayOf(count, reflect.TypeFor[uint64]())})
	}
	return reflect.StructOf(fields)
}

// presences returns what is in the block. It is shared.
func (b *block) presences() domain.Presences {
	return unsafe.Slice(&b.first[0], b.count) //nolint:gosec // newBlock has allocated as many
}

// numbers returns the versions, none if the store does not use them.
func (b *block) numbers() []uint64 {
	if !b.versions {
		return nil
	}
	behind := unsafe.Add(unsafe.Pointer(&b.first[0]), uintptr(b.count)*unsafe.Sizeof(b.first[0])) //nolint:gosec // newBlock has allocated them there
	return unsafe.Slice((*uint64)(behind), b.count)                                               //nolint:gosec // as before
}

// version returns the version of one presence, zero if the store does not use them.
func (b *block) version(at int) uint64 {
	if !b.versions {
		return 0
	}
	return b.numbers()[at]
}

// find returns where the presence on one protocol is, or where it belongs. The block may be nil, which has none.
func (b *block) find(protocol domain.Protocol) (at int, found bool) {
	if b == nil {
		return 0, false
	}
	presences := b.presences()
	for i := range presences {
		if presences[i].Protocol == protocol {
			return i, true
		}
	}
	at, _ = slices.BinarySearchFunc(presences, protocol, func(p domain.Presence, protocol domain.Protocol) int {
		return p.Protocol.Compare(protocol)
	})
	return at, false
}

// with returns a block in which p is at that place, instead of what is there if its protocol is known. If p is Gone it takes that
// away; of the last one nil is left.
func (b *block) with(at int, known bool, p versioned) *block {
	var presences domain.Presences
	var versions []uint64
	if b != nil {
		presences, versions = b.presences(), b.numbers()
	}
	after, count := at, len(presences)
	if known {
		after++
		count--
	}
	if !p.Removed {
		count++
	}
	if count == 0 {
		return nil
	}
	next := newBlock(count, p.version != 0)
	fill(next.presences(), presences, at, after, p.Presence, !p.Removed)
	if next.versions {
		fill(next.numbers(), versions, at, after, p.version, !p.Removed)
	}
	return next
}

// fill copies what is before at and from after on, and puts value between if there is one.
func fill[T any](into, from []T, at, after int, value T, there bool) {
	copy(into, from[:at])
	if there {
		into[at] = value
		at++
	}
	copy(into[at:], from[after:])
}
