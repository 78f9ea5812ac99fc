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
		i.loadRemoved()
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
	known := &domain.Known{Presences: make(domain.Presences, 0, count)}
	for range count {
		d.keptOf(known)
	}
	d.memory(known)
	if d.failed {
		return
	}
	i.countInvisible(&unknown, known)
	user := &User{id: id}
	user.kept.Store(known)
	i.users.Store(id, user)
}

// loadRemoved loads a presence that was removed. What is remembered of its user comes with it, unless the user has other presences.
func (i *Image) loadRemoved() {
	d := &i.decoder
	id := d.user()
	var gone domain.Known
	d.keptOf(&gone)
	if d.failed {
		return
	}
	p := gone.Presences[0]
	gone.Presences = nil
	i.removed.add(KeyOf(id, &p), p.Revision)
	known := *i.last(id) // an earlier version has written no more than the presences that were removed
	known.Revision, known.Status = max(known.Revision, gone.Revision), max(known.Status, gone.Status)
	d.memory(&known)
	if user := i.User(id); user != nil {
		user.kept.Store(&known)
	} else {
		i.removed.users.Store(id, &known)
	}
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
	i.invisible.Store(0)
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

// keptOf reads a presence of a user that appendKept has written.
func (d *decoder) keptOf(known *domain.Known) {
	after := d.record()
	r := record{}
	r.presence.Revision = d.revision()
	known.Revision, known.Status = max(known.Revision, r.presence.Revision), max(known.Status, d.revision())
	d.presence(&r)
	r.presence.Message = string(r.message)
	d.end(after)
	known.Presences = append(known.Presences, r.presence)
}

// memory reads what appendMemory has written.
func (d *decoder) memory(known *domain.Known) {
	if len(d.rest) == 0 || d.failed {
		return
	}
	known.Revision = d.revision()
	var mask domain.Mask
	switch kind := d.number(); kind {
	case noMask:
		known.Mask = nil
		return
	case maskEnded:
		mask.Ended = true
	case maskOn:
	default:
		d.failed = true
	}
	mask.Revision = d.revision()
	var shown domain.Known
	for n := d.number(); n > 0 && !d.failed; n-- {
		d.keptOf(&shown)
	}
	mask.Presences = shown.Presences
	known.Mask = &mask
}
