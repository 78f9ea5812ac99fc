package app

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	_ ports.Identities = (*Identities)(nil)
	_ ports.Groups     = (*Identities)(nil)
	_ ports.TimeZones  = (*Identities)(nil)
)

// mostUnmapped is how many names that are nobody's are remembered. Further ones are only counted: a server may have any number.
const mostUnmapped = 1000

// Identities implements ports.Identities over a table that can be replaced. Its zero value has an empty table and is not to be used: see
// NewIdentities.
type Identities struct {
	table    atomic.Pointer[domain.Identities]
	mu       sync.Mutex
	changed  chan struct{} // closed when the table is replaced
	unmapped map[foreignName]int
	others   int // how many sightings of names there were for which there is no room in unmapped
}

// foreignName is a name on a protocol.
type foreignName struct {
	protocol domain.Protocol
	name     string
}

// NewIdentities begins with a table.
func NewIdentities(table *domain.Identities) *Identities {
	i := &Identities{changed: make(chan struct{}), unmapped: make(map[foreignName]int)}
	i.table.Store(table)
	return i
}

// Replace takes another table. What was nobody's is forgotten.
func (i *Identities) Replace(table *domain.Identities) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.table.Store(table)
	i.others = 0
	clear(i.unmapped)
	close(i.changed)
	i.changed = make(chan struct{})
}

// User implements ports.Identities.
func (i *Identities) User(protocol domain.Protocol, name string) (domain.UserID, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	user, known := i.table.Load().User(protocol, name)
	if known {
		return user, true
	}
	key := foreignName{protocol, name}
	if _, listed := i.unmapped[key]; listed || len(i.unmapped) < mostUnmapped {
		i.unmapped[key]++
	} else {
		i.others++
	}
	return "", false
}

// Find implements ports.Identities.
func (i *Identities) Find(protocol domain.Protocol, name string) (domain.UserID, bool) {
	return i.Table().User(protocol, name)
}

// Names implements ports.Identities.
func (i *Identities) Names(protocol domain.Protocol) []domain.Name { return i.Table().Names(protocol) }

// Changed implements ports.Identities.
func (i *Identities) Changed() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.changed
}

// Table returns the table as it is now. It takes no lock.
func (i *Identities) Table() *domain.Identities { return i.table.Load() }

// Groups implements ports.Groups.
func (i *Identities) Groups(user domain.UserID) []string {
	if record := i.Table().Of(user); record != nil {
		return record.Groups
	}
	return nil
}

// TimeZone implements ports.TimeZones.
func (i *Identities) TimeZone(user domain.UserID) string {
	if record := i.Table().Of(user); record != nil {
		return record.TimeZone
	}
	return ""
}

// Unmapped lists names that nobody has, by protocol and name, and how often further ones were met for which there was no room in the list.
func (i *Identities) Unmapped() (names []domain.Unmapped, others int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for name, times := range i.unmapped {
		names = append(names, domain.Unmapped{Protocol: name.protocol, Name: name.name, Times: times})
	}
	slices.SortFunc(names, func(a, b domain.Unmapped) int {
		return cmp.Or(a.Protocol.Compare(b.Protocol), cmp.Compare(a.Name, b.Name))
	})
	return names, i.others
}
