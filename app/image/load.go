package image

import (
	"fmt"

	"github.com/zarafa/presence/domain"
)

// Load takes a piece of a snapshot that stands for all entries up to at, into an image that nobody reads yet. All pieces are to be loaded in
// order, before any entry is applied.
func (i *Image) Load(at uint64, piece []byte) error {
	if err := i.decoder.begin(piece); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.at = at
	d := &i.decoder
	for len(d.rest) > 0 {
		after := d.record()
		i.loadRecord()
		if d.failed {
			return errRecord
		}
		d.end(after)
	}
	return nil
}

// loadRecord loads the record that was begun. The lock is held.
func (i *Image) loadRecord() {
	d := &i.decoder
	if len(d.rest) == 0 {
		d.failed = true
		return
	}
	kind := d.rest[0]
	d.rest = d.rest[1:]
	switch kind {
	case kindState:
		i.revision.Store(d.number())
		i.removed.forget(d.revision())
		i.expected = d.number()
		i.place(d.positions())
	case kindUser:
		i.loadUser()
	case kindRemoved:
		user := d.user()
		if p := d.kept(); !d.failed {
			i.removed.add(KeyOf(user, &p), p.Revision)
		}
	default:
		d.failed = true
	}
}

func (i *Image) loadUser() {
	d := &i.decoder
	id, count := d.user(), d.number()
	if count == 0 || count > uint64(len(d.rest)) {
		d.failed = true
		return
	}
	presences := make(domain.Presences, 0, count)
	for range count {
		presences = append(presences, d.kept())
	}
	if d.failed {
		return
	}
	user := &User{id: id}
	user.kept.Store(&presences)
	i.users.Store(id, user)
}

// Loaded checks that the image has as many users as its snapshot says. It is to be called after the last piece.
func (i *Image) Loaded() error {
	if users := i.users.Size(); uint64(users) != i.expected { //nolint:gosec // it is not negative
		return fmt.Errorf("the snapshot has %d users, and should have %d: %w", users, i.expected, errRecord)
	}
	return nil
}

// Reset empties an image that nobody has read yet.
func (i *Image) Reset() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.users.Clear()
	i.revision.Store(0)
	i.at, i.expected = 0, 0
	i.removed = newRemoved()
	clear(i.positions)
}

// user reads a user's id.
func (d *decoder) user() domain.UserID {
	user, err := domain.KeptUserID(string(d.text()))
	d.failed = d.failed || err != nil
	return user
}

// kept reads what appendKept has written.
func (d *decoder) kept() domain.Presence {
	after := d.record()
	r := record{}
	r.presence.Revision, r.presence.StatusRevision = d.revision(), d.revision()
	d.presence(&r)
	r.presence.Message = string(r.message)
	d.end(after)
	return r.presence
}
