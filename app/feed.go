package app

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Feed = (*Feed)(nil)

// Feed implements ports.Feed.
type Feed struct {
	image      *image.Image
	sights     *Sights
	clock      ports.Clock
	precedence atomic.Pointer[domain.Precedence]
	identities *Identities   // nil: nobody has a display name
	anew       atomic.Uint64 // a domain.Revision: see Anew
}

// NewFeed makes the use case.
func NewFeed(core Core, clock ports.Clock, precedence domain.Precedence) *Feed {
	f := &Feed{image: core.Image, sights: core.Sights, clock: clock}
	f.Configure(precedence)
	return f
}

// NameBy has the states bear the display names of identities, as they are at the moment. It is called before anything else. A display name that
// changes is no change of a user: who follows has to ask for the states anew.
func (f *Feed) NameBy(identities *Identities) { f.identities = identities }

// Configure has the states be unified by another precedence. That is no change of a user: who follows has to ask for the states anew.
func (f *Feed) Configure(precedence domain.Precedence) { f.precedence.Store(&precedence) }

// Anew has those told everything anew who go on from a revision of before, because viewers see something else now and no revision says so.
func (f *Feed) Anew() { f.anew.Store(uint64(f.image.Revision()) + 1) }

// Revision implements ports.Feed.
func (f *Feed) Revision() domain.Revision { return f.image.Revision() }

// Sight implements ports.Feed.
func (f *Feed) Sight(by domain.Principal, user domain.UserID) domain.Sight {
	return f.sights.Of(&by, user)
}

// Decide implements ports.Feed.
func (f *Feed) Decide(viewer domain.Principal, user domain.UserID) domain.Decision {
	return f.sights.decide(&viewer, user)
}

// Unrestricted implements ports.Feed.
func (f *Feed) Unrestricted() bool {
	return f.sights.Unrestricted() && !f.image.AnyInvisible()
}

// States implements ports.Feed.
func (f *Feed) States(by domain.Principal, ids []string, into []domain.State) ([]domain.State, domain.Revision, error) {
	now := f.clock.Now()
	states := slices.Grow(into, len(ids))
	var forgotten domain.Revision
	for _, id := range ids {
		user, err := domain.ParseUserID(id)
		if err != nil {
			return into, 0, domain.CheckUserIDs(ids)
		}
		state, compacted := f.state(user, now)
		states, forgotten = append(states, state.Seen(f.sights.Of(&by, user))), max(forgotten, compacted)
	}
	return states, max(forgotten, domain.Revision(f.anew.Load())), nil
}

// state returns what is known of a user.
func (f *Feed) state(user domain.UserID, now domain.Timestamp) (state domain.State, forgotten domain.Revision) {
	kept, forgotten := f.image.Kept(user)
	known := f.image.Known(now)
	if known < now && !kept.Presences.HoldAt(now) && !f.image.ShowStale() {
		known = now
		kept, _ = f.image.Kept(user)
	}
	state = kept.State(user, *f.precedence.Load(), known, now)
	if f.identities != nil {
		state.DisplayName = f.identities.Table().DisplayName(user)
	}
	return state, forgotten
}

// Changed implements ports.Feed.
func (f *Feed) Changed(ctx context.Context, by domain.Principal, since domain.Revision) ([]domain.State, error) {
	removals, err := f.image.Removals(since)
	if since > 0 && since < domain.Revision(f.anew.Load()) {
		err = ports.ErrCompacted
	}
	if err != nil {
		return nil, err
	}
	removed := make(map[domain.UserID]bool, len(removals))
	for _, removal := range removals {
		removed[removal.User] = true
	}
	var changed []domain.State
	add := func(user domain.UserID, kept *domain.Known) {
		if revision := kept.Revisions().Of(f.sights.Of(&by, user)); revision > since {
			changed = append(changed, domain.State{User: user, Revision: revision})
		}
	}
	now, visited := f.image.Known(f.clock.Now()), 0
	f.image.EachKept(func(user domain.UserID, kept *domain.Known) bool {
		if visited++; often(visited) && ctx.Err() != nil {
			return false
		}
		delete(removed, user)
		if since > 0 || !kept.Invisible(now) || len(kept.Mask.Presences) > 0 || f.sights.Of(&by, user) == domain.SeesInvisible {
			add(user, kept)
		}
		return true
	})
	for user := range removed {
		kept, _ := f.image.Kept(user)
		add(user, kept)
	}
	err = sortUntil(ctx, changed, func(a, b domain.State) int { return cmp.Compare(a.Revision, b.Revision) })
	return changed, err
}

// Follow implements ports.Feed.
func (f *Feed) Follow() ports.Following {
	return &following{feed: f, watch: f.image.Watch(), last: make(map[domain.UserID]domain.Revision)}
}

// following implements ports.Following.
type following struct {
	feed  *Feed
	watch *image.Watch
	last  map[domain.UserID]domain.Revision // each user's last change of the batch; empty between two calls of Next
}

// Next implements ports.Following.
func (f *following) Next(ctx context.Context) ([]domain.State, domain.Revision, error) {
	changes, err := f.watch.Next(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, change := range changes { // which come in the order of their revisions
		f.last[change.User] = change.Presence.Revision
	}
	defer clear(f.last)
	now := f.feed.clock.Now()
	states := make([]domain.State, 0, len(f.last))
	for _, change := range changes {
		revision := change.Presence.Revision
		if f.last[change.User] != revision {
			continue
		}
		state, _ := f.feed.state(change.User, now)
		if state.Revision < revision { // it is forgotten
			state.Revision, state.Revisions = revision, domain.Revisions{Status: revision, All: revision, Invisible: revision}
		}
		states = append(states, state)
	}
	return states, changes[len(changes)-1].Presence.Revision, nil
}

// Close implements ports.Following.
func (f *following) Close() { f.watch.Close() }
