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

	invisible atomic.Int64 // how many users are, or were and have a revision that others are not shown

	arrived atomic.Pointer[func(domain.UserID)] // see OnArrival

	mu        sync.Mutex // held while an entry is applied, never while a user is read
	shown     bool       // a watcher was shown something as stale: see Hold
	at        uint64     // the last entry that was applied
	expected  uint64     // how many users the snapshot has
	removed   removed
	watches   map[*Watch]struct{}
	positions map[string]domain.Position // of exporters, by name

	precedence domain.Precedence

	decoder decoder // of Apply and Load
	applied []bool  // what Apply returns
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
	return &Image{users: xsync.NewMap[domain.UserID, *User](), removed: newRemoved(), watches: make(map[*Watch]struct{})}
}

// Prefer has a precedence decide which changes somebody can see who sees the status alone. Daemons that share a journal must have the same one, or
// they number these changes differently.
func (i *Image) Prefer(precedence domain.Precedence) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.precedence = precedence
}

// User is where the presences of one user are kept, from the first one until the last one is removed. It may be used concurrently.
type User struct {
	id   domain.UserID
	kept atomic.Pointer[domain.Known] // nil once the user was removed, and then for ever
}

// ID returns the user's id.
func (u *User) ID() domain.UserID { return u.id }

// Presences returns what is kept of the user, of each device and whether it has expired or not. It is shared and must not be changed. Once
// it has returned nil it does so for ever: if the user comes back, that is another User.
func (u *User) Presences() domain.Presences {
	if known := u.kept.Load(); known != nil {
		return known.Presences
	}
	return nil
}

// Kept returns all that is kept of the user. It is shared and must not be changed. Like Presences it returns nil for ever once it has.
func (u *User) Kept() *domain.Known { return u.kept.Load() }

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

// EachKept is Each with all that is kept of a user.
func (i *Image) EachKept(visit func(id domain.UserID, kept *domain.Known) bool) {
	i.users.Range(func(_ domain.UserID, user *User) bool {
		kept := user.Kept()
		return kept == nil || visit(user.id, kept)
	})
}

// AnyInvisible reports whether a user is invisible, or was and has a revision that others are not shown, as it was last written. It takes no lock.
func (i *Image) AnyInvisible() bool { return i.invisible.Load() > 0 }

// Revision returns a revision up to which every change is seen by the reads that begin later.
func (i *Image) Revision() domain.Revision { return domain.Revision(i.revision.Load()) }

// Kept returns all that is kept of a user, or remembered after the last presence was removed; and up to which revision such memories are
// forgotten. It is shared and must not be changed.
func (i *Image) Kept(id domain.UserID) (known *domain.Known, forgotten domain.Revision) {
	known = i.last(id)
	return known, domain.Revision(i.removed.forgotten.Load())
}

// unknown is what is kept of a user about which nothing is known or remembered.
var unknown domain.Known

func (i *Image) last(id domain.UserID) *domain.Known { return i.lastOf(id, i.User(id)) }

// lastOf is last for who has found out where the user's presences are kept: nil if there are none.
func (i *Image) lastOf(id domain.UserID, user *User) *domain.Known {
	if user != nil {
		if known := user.Kept(); known != nil {
			return known
		}
	}
	if known, ok := i.removed.users.Load(id); ok {
		return known
	}
	return &unknown
}

// Removals returns what was removed after since and has not come back, in no particular order; ports.ErrCompacted if some of it is
// forgotten. After zero it returns nothing: whoever begins there has seen nothing that could be gone.
func (i *Image) Removals(since domain.Revision) ([]domain.Change, error) {
	if since == 0 {
		return nil, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if uint64(since) < i.removed.forgotten.Load() {
		return nil, ports.ErrCompacted
	}
	return i.removed.since(since), nil
}

// put replaces what one device of a user says, or takes it away if it is Removed. The lock is held.
func (i *Image) put(id domain.UserID, p domain.Presence, changed bool) {
	user, there := i.users.Load(id)
	before := i.lastOf(id, user)
	next := before.With(p, changed, i.precedence)
	i.countInvisible(before, &next)
	switch {
	case len(next.Presences) == 0 && !there:
		return
	case len(next.Presences) == 0:
		i.removed.users.Store(user.id, &next)
		i.users.Delete(id)
		user.kept.Store(nil)
	case there:
		user.kept.Store(&next)
	default:
		user = &User{id: id}
		user.kept.Store(&next)
		i.users.Store(id, user)
		i.removed.users.Delete(id)
		if arrived := i.arrived.Load(); arrived != nil {
			(*arrived)(id)
		}
	}
}

// countInvisible counts a user whose state is replaced, if that makes a difference.
func (i *Image) countInvisible(before, next *domain.Known) {
	was, is := before.Mask != nil && len(before.Presences) > 0, next.Mask != nil && len(next.Presences) > 0
	switch {
	case is && !was:
		i.invisible.Add(1)
	case was && !is:
		i.invisible.Add(-1)
	}
}

// OnArrival has a function called with each user who gets a first presence from now on, as soon as User finds it; not with those that a
// snapshot brings. It must not block, nor change the image. Another call replaces the function.
func (i *Image) OnArrival(arrived func(domain.UserID)) { i.arrived.Store(&arrived) }

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
