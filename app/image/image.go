// Package image holds all presences in memory, from which every read is answered. It also has the format of journal entries and
// snapshots (record.go), and turns those into presences (apply.go).
//
// The use cases in package app read it; package commit is the only one that changes it.
package image

import (
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Image holds presences. Reads take no lock and allocate nothing; they may be called at any time. Apply and Load are called one at a time.
type Image struct {
	users    *xsync.Map[domain.UserID, *User]
	revision atomic.Uint64 // a domain.Revision
	known    atomic.Int64  // a domain.Timestamp: see Hold; zero: the image has everything

	mu        sync.Mutex // held while an entry is applied, never while a user is read
	shown     bool       // a watcher was shown something as stale: see Hold
	at        uint64     // the last entry that was applied
	expected  uint64     // how many users the snapshot has
	removed   removed
	watches   map[*Watch]struct{}
	positions map[string]domain.Position // of exporters, by name

	decoder decoder // of Apply and Load
	applied []bool  // the same
}

// Key names one presence.
type Key struct {
	User     domain.UserID
	Protocol domain.Protocol
	Device   domain.DeviceID
}

// KeyOf returns the key of what a user's presence replaces.
func KeyOf(user domain.UserID, p *domain.Presence) Key { return Key{user, p.Protocol, p.Device} }

// New makes an empty image.
func New() *Image {
	i := &Image{users: xsync.NewMap[domain.UserID, *User](), removed: newRemoved(), watches: make(map[*Watch]struct{})}
	return i
}

// User is where the presences of one user are kept, from the first one until the last one is removed. It may be used concurrently.
type User struct {
	id   domain.UserID
	kept atomic.Pointer[domain.Presences] // nil once the user was removed, and then for ever
}

// ID returns the user's id.
func (u *User) ID() domain.UserID { return u.id }

// Presences returns what is kept of the user, of each device and whether it has expired or not. It is shared and must not be changed. Once
// it has returned nil it does so for ever: if the user comes back, that is another User.
func (u *User) Presences() domain.Presences {
	if kept := u.kept.Load(); kept != nil {
		return *kept
	}
	return nil
}

// User returns where a user's presences are kept: nil if there are none.
func (i *Image) User(id domain.UserID) *User {
	user, _ := i.users.Load(id)
	return user
}

// Presences returns what is kept of a user, as User.Presences does: nil if there is nothing. Whatever was acknowledged is seen by every later
// call.
func (i *Image) Presences(id domain.UserID) domain.Presences {
	if user, ok := i.users.Load(id); ok {
		return user.Presences()
	}
	return nil
}

// Each calls visit for every user with a presence, until visit returns false. What is written meanwhile may be seen or not.
func (i *Image) Each(visit func(id domain.UserID, presences domain.Presences) bool) {
	i.users.Range(func(_ domain.UserID, user *User) bool {
		presences := user.Presences()
		return len(presences) == 0 || visit(user.id, presences)
	})
}

// Revision returns a revision up to which every change is seen by the reads that begin later.
func (i *Image) Revision() domain.Revision { return domain.Revision(i.revision.Load()) }

// LastRemoval returns the revision at which a presence of a user was last removed, and up to which revision removals are forgotten. It is
// zero if it is not remembered, and may be if what is kept of the user has a greater revision.
func (i *Image) LastRemoval(id domain.UserID) (last, forgotten domain.Revision) {
	last, _ = i.removed.users.Load(id)
	return last, domain.Revision(i.removed.forgotten.Load())
}

// Removals returns what was removed after since and has not come back, in no particular order; ports.ErrCompacted if some of it is
// forgotten.
func (i *Image) Removals(since domain.Revision) ([]domain.Change, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	changes, forgotten := i.removed.since(since)
	if forgotten {
		return nil, ports.ErrCompacted
	}
	return changes, nil
}

// put replaces what one device of a user says, or takes it away if it is Removed. The lock is held.
func (i *Image) put(id domain.UserID, p domain.Presence) {
	user, there := i.users.Load(id)
	var presences domain.Presences
	if there {
		presences, id = user.Presences(), user.id
	}
	next := presences.With(p)
	switch {
	case there && len(next) == 0:
		i.users.Delete(id)
		user.kept.Store(nil)
	case there:
		user.kept.Store(&next)
	case len(next) > 0:
		user = &User{id: id}
		user.kept.Store(&next)
		i.users.Store(id, user)
	}
}

// announce remembers a change, and tells all watches. The lock is held.
func (i *Image) announce(id domain.UserID, p domain.Presence) {
	k := KeyOf(id, &p)
	i.revision.Store(uint64(p.Revision))
	if p.Removed {
		i.removed.add(k, p.Revision)
	} else {
		i.removed.delete(k)
	}
	for w := range i.watches {
		w.add(k, domain.Change{User: id, Presence: p})
	}
}

// Users returns how many users have a presence.
func (i *Image) Users() int { return i.users.Size() }
