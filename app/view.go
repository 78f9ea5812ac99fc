package app

import (
	"math"
	"slices"
	"strings"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.View = (*view)(nil)

// view implements ports.View. It remembers where each user is kept, and what was there: as long as that is there, nothing of it need be read.
type view struct {
	presence *Presence
	list     *list
	seen     []seen             // for each user
	found    []domain.Presences // for each user: what was seen, but as it was at the given moment
	at       domain.Timestamp

	// From when until when nothing that was seen expires, nor has not yet expired (a clock may be set back).
	from, until domain.Timestamp
}

// list is what all views of the same users share.
type list struct {
	ids   []string
	users []domain.UserID
}

// seen is what was kept of a user. The user is nil if that was nothing.
type seen struct {
	user      *image.User
	presences domain.Presences
}

// View implements ports.Presence.
func (p *Presence) View(ids []string) (ports.View, error) {
	users, err := newList(ids)
	if err != nil {
		return nil, err
	}
	empty := &view{
		presence: p,
		list:     users,
		seen:     make([]seen, len(ids)),
		found:    make([]domain.Presences, len(ids)),
	}
	first, _ := empty.renew(p.clock.Now())
	return first, nil
}

// newList copies the ids, into one piece of memory.
func newList(ids []string) (*list, error) {
	var joined strings.Builder
	for _, id := range ids {
		joined.WriteString(id)
	}
	text := joined.String()
	l := &list{ids: make([]string, len(ids)), users: make([]domain.UserID, len(ids))}
	for i, id := range ids {
		l.ids[i], text = text[:len(id)], text[len(id):]
		user, err := domain.ParseUserID(l.ids[i])
		if err != nil {
			return nil, invalidIDs(ids)
		}
		l.users[i] = user
	}
	return l, nil
}

// IDs implements ports.View.
func (v *view) IDs() []string { return v.list.ids }

// Presences implements ports.View.
func (v *view) Presences() []domain.Presences { return v.found }

// Refresh implements ports.View.
func (v *view) Refresh() (now ports.View, changed bool) {
	// The time first, as in Query: what is written later counts as if it had been there.
	at := v.presence.clock.Now()
	if at >= v.from && at <= v.until && v.unwritten() {
		return v, false
	}
	return v.renew(at)
}

// unwritten reports whether nothing was written of any of the users.
func (v *view) unwritten() bool {
	for i := range v.seen {
		s := &v.seen[i]
		if s.user == nil {
			if v.presence.core.Image.User(v.list.users[i]) != nil {
				return false
			}
			continue
		}
		if !s.holds() {
			return false
		}
	}
	return true
}

// holds reports whether nothing was written since the presences were read.
func (s *seen) holds() bool {
	now := s.user.Presences()
	return len(now) > 0 && &now[0] == &s.presences[0]
}

// renew makes the view that follows v. It keeps what v has of a user if nothing was written and nothing has expired.
func (v *view) renew(at domain.Timestamp) (_ *view, changed bool) {
	next := &view{
		presence: v.presence,
		list:     v.list,
		seen:     slices.Clone(v.seen),
		found:    slices.Clone(v.found),
		at:       at,
		from:     math.MinInt64,
		until:    math.MaxInt64,
	}
	for i := range next.seen {
		s := &next.seen[i]
		holds := s.look(v.presence.core.Image, v.list.users[i])
		next.narrow(s.presences)
		if holds && s.presences.HoldAt(at) && s.presences.HoldAt(v.at) {
			continue
		}
		next.found[i] = s.presences.At(at)
		changed = changed || !readsAs(v.found[i], next.found[i])
	}
	return next, changed
}

// narrow takes presences into account in from and until.
func (v *view) narrow(presences domain.Presences) {
	for i := range presences {
		switch p := &presences[i]; {
		case p.Expired(v.at):
			v.from = max(v.from, p.Expires+1)
		case !p.Expires.IsZero():
			v.until = min(v.until, p.Expires)
		}
	}
}

// look reads what is kept of the user. It reports whether what was seen holds.
func (s *seen) look(img *image.Image, id domain.UserID) (holds bool) {
	if s.user != nil {
		if s.holds() {
			return true
		}
		if s.presences = s.user.Presences(); s.presences != nil {
			return false
		}
	}
	none := s.user == nil
	s.presences = nil
	if s.user = img.User(id); s.user != nil {
		s.presences = s.user.Presences()
	}
	if s.presences == nil { // or it was removed between the two
		s.user = nil
	}
	return none && s.presences == nil
}

// readsAs reports whether b differs from a in nothing but when it was confirmed and until when it holds.
func readsAs(a, b domain.Presences) bool {
	return slices.EqualFunc(a, b, func(p, q domain.Presence) bool {
		return p.Protocol == q.Protocol && p.Revision == q.Revision && !p.Differs(q)
	})
}
