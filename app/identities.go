package app

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Identities = (*Identities)(nil)

// mostUnmapped is how many names that are nobody's are remembered. Further ones are only counted: a server may have any number.
const mostUnmapped = 1000

// Identities implements ports.Identities over a table that can be replaced. Its zero value has an empty table and is not to be used: see
// NewIdentities.
type Identities struct {
	mu       sync.Mutex
	table    *domain.Identities
	changed  chan struct{} // closed when the table is replaced
	unmapped map[Unmapped]int
	others   int // how many sightings of names there were for which there is no room in unmapped
}

// Unmapped is a name on a protocol that nobody has.
type Unmapped struct {
	Protocol domain.Protocol
	Name     string
}

// NewIdentities begins with a table.
func NewIdentities(table *domain.Identities) *Identities {
	return &Identities{table: table, changed: make(chan struct{}), unmapped: make(map[Unmapped]int)}
}

// Replace takes another table. What was nobody's is forgotten.
func (i *Identities) Replace(table *domain.Identities) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.table, i.others = table, 0
	clear(i.unmapped)
	close(i.changed)
	i.changed = make(chan struct{})
}

// User implements ports.Identities.
func (i *Identities) User(protocol domain.Protocol, name string) (domain.UserID, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	user, known := i.table.User(protocol, name)
	if known {
		return user, true
	}
	key := Unmapped{protocol, name}
	if _, listed := i.unmapped[key]; listed || len(i.unmapped) < mostUnmapped {
		i.unmapped[key]++
	} else {
		i.others++
	}
	return "", false
}

// Names implements ports.Identities.
func (i *Identities) Names(protocol domain.Protocol) []domain.Name { return i.Table().Names(protocol) }

// Changed implements ports.Identities.
func (i *Identities) Changed() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.changed
}

// Table returns the table as it is now.
func (i *Identities) Table() *domain.Identities {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.table
}

// Unmapped lists names that nobody has, by protocol and name, and how often further ones were met for which there was no room in the list.
func (i *Identities) Unmapped() (names []Unmapped, others int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	names = slices.SortedFunc(maps.Keys(i.unmapped), func(a, b Unmapped) int {
		return cmp.Or(a.Protocol.Compare(b.Protocol), cmp.Compare(a.Name, b.Name))
	})
	return names, i.others
}
